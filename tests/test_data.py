"""Loading, cleaning, near-duplicates, splits, words, the baseline."""

import itertools

import make_raw
import numpy as np
import pandas as pd
import pytest

from helpers import data


@pytest.fixture(scope="module")
def reviews():
    return data.clean(data.load())[0]


@pytest.fixture(scope="module")
def splits(reviews):
    return data.split(reviews)


def frame_of(*rows):
    """A frame of reviews from (text, stars) pairs."""
    texts, stars = zip(*rows, strict=True)
    return pd.DataFrame(
        {"review_id": range(len(rows)), "text": texts, "stars": stars, "domain": "film", "style": "plain"}
    )


def test_the_reviews_are_those_of_the_datasheet(reviews):
    loaded = data.load(data.REVIEWS)
    assert len(loaded) == 6235
    assert loaded["review_id"].is_unique and loaded["review_id"].dtype == loaded["stars"].dtype == "int64"
    assert loaded.groupby(["style", "stars"]).size().tolist() == [640, 718, 480, 720, 798, 600, 600, 399, 600, 680]
    assert len(data.clean(loaded)[0]) == 6232  # three texts stand twice, but for case and full stop
    kept = loaded[loaded["review_id"].isin(data.clean(loaded)[0]["review_id"])]
    pd.testing.assert_frame_equal(data.clean(loaded)[0], kept.reset_index(drop=True))  # and nothing else changes


def test_load_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        data.load(tmp_path / "none.csv")
    (tmp_path / "short.csv").write_text("text,stars\nfine,3\n")
    with pytest.raises(ValueError, match=r"lacks the columns \['review_id', 'domain', 'style'\]"):
        data.load(tmp_path / "short.csv")
    (tmp_path / "latin.csv").write_bytes("review_id,text\n1,café\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin.csv is not UTF-8 \(byte 20\)"):
        data.load(tmp_path / "latin.csv")


HEADER = "review_id,text,stars,domain,style"


def loaded_rows(folder, *lines):
    """The frame of a CSV file with these lines below the header."""
    (folder / "rows.csv").write_bytes("\n".join([HEADER, *lines, ""]).encode())
    return data.load(folder / "rows.csv")


def test_load_reads_what_is_well_formed(tmp_path):
    frame = loaded_rows(
        tmp_path,
        '1,"Two ""good"", long\nlines",5,film,plain\r',
        "",
        "2,Short,4.0,film,plain",
        '3,"A list:\n8 files, none, of, them, opens",1,app,implied',
    )
    assert frame["review_id"].tolist() == [1, 2, 3]
    assert frame["text"].tolist() == ['Two "good", long\nlines', "Short", "A list:\n8 files, none, of, them, opens"]
    assert frame["stars"].tolist() == ["5", "4.0", "1"]
    assert frame["style"].tolist() == ["plain", "plain", "implied"]
    assert frame.attrs == {"mended_lines": [], "lost_lines": []}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('2,"Never, ever closed,5,film,plain', "Never, ever closed"),
        ('2,"She said ""no"", twice"",5,film,plain', 'She said "no", twice"'),
        ('2,The end, unopened",5,film,plain', "The end, unopened"),
        ("2,Commas, but, no quotes,5,film,plain", "Commas, but, no quotes"),
        ('2,"A carriage return, then,5,film,plain\r', "A carriage return, then"),
        ('2,"The "service", we saw, was gone",5,film,plain', 'The "service", we saw, was gone'),
        ('2,"All ""escaped"" but, "one"",5,film,plain', 'All "escaped" but, "one"'),
    ],
)
def test_a_broken_quote_is_mended_and_harms_no_neighbour(tmp_path, line, text):
    frame = loaded_rows(tmp_path, "1,Before,4,film,plain", line, '3,"After, all",1,book,', "4,Last,2,app,plain")
    assert frame["text"].tolist() == ["Before", text, "After, all", "Last"]
    assert frame["stars"].tolist() == [4, 5, 1, 2]
    assert frame.iloc[1][["domain", "style"]].tolist() == ["film", "plain"] and frame["style"][2] == ""
    assert frame.attrs == {"mended_lines": [3], "lost_lines": []}


@pytest.mark.parametrize(
    "line",
    [
        '2,"The line ends, here and',
        '2,"Separators, all, gone 5 film,plain',
        '2,"Too, few',
        'two,"A number, that is none,5,film,plain',
        '2,"The stars, hold a,5",film,plain',
        '2,"A, b,5,two words,plain',
        "two,A,5,film,plain",
    ],
)
def test_a_row_that_cannot_be_mended_surely_is_lost_alone(tmp_path, line):
    frame = loaded_rows(tmp_path, line, '3,"After, all",1,book,plain', '4,"Not closed, too,2,app,plain')
    assert frame["review_id"].tolist() == [3, 4]
    assert frame.attrs == {"mended_lines": [4], "lost_lines": [2]}


def test_broken_quotes_show_in_the_report(tmp_path):
    frame = loaded_rows(tmp_path, '1,"The line ends, here', '2,"Not closed,2,app,plain', '3,"Nor this,2,app,plain')
    cleaned, report = data.clean(frame)
    assert report.iloc[0].tolist() == ["mend broken rows", 2, 1] and len(cleaned) == 2


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("one<br />two", "one two"),
        ("one<BR>two", "one two"),
        ("<p>one</p><p>two</p>", " one  two "),
        ('<div class="a">one</div> <b>two</b>!', " one  two!"),
        ("a&amp;b &lt;3 &quot;c&quot;&nbsp;d &#39;e&#x27;", "a&b <3 \"c\"\u00a0d 'e'"),
        ("&amp;amp;lt;br /&amp;amp;gt;x", " x"),  # escaped three times
        ("&amp;amp;amp;amp;", "&amp;"),  # more often is no accident
        ("one<!-- a\nb -->two", "onetwo"),
        ("one<br two", "one<br two"),
    ],
)
def test_strip_html(text, plain):
    assert data.strip_html(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "I <3 R&B",
        "5 < 6 and 7 > 6",
        "AT&T, Q&A; M&S",
        "a<b and b>c",
        "a<p and p>c",
        "a <b, c> d",
        "a&notit b&copy c",
        "&;",
        "<>",
        "<bike>",
        "&nosuch;",
    ],
)
def test_strip_html_leaves_what_only_looks_like_it(text):
    assert data.strip_html(text) == text


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("donâ€™t", "don’t"),
        ("â€œcafÃ©â€\x9d", "“café”"),
        ("cafÃƒÂ©", "café"),
        ("it‚Äôs", "it’s"),
        ("naïve ¡Qué! “fine” 5 € R&amp;B", "naïve ¡Qué! “fine” 5 € R&amp;B"),
        ("don\ufffdt", "don\ufffdt"),
    ],
)
def test_repair_encoding(text, repaired):
    assert data.repair_encoding(text) == repaired


@pytest.mark.parametrize(
    ("label", "stars"),
    [
        *[
            (spelling, 4)
            for spelling in (4, 4.0, "4", " 4 ", "4.0", "4,0", "4.00", "four", "FOUR", "Four stars", "4 stars", "4*")
        ],
        *[
            (spelling, 4)
            for spelling in (
                "★★★★",
                "★★★★☆",
                "⭐⭐⭐⭐",
                "4/5",
                "4 / 5",
                "4 out of 5",
                "four out of five",
                "4/5 stars",
                "４",
            )
        ],
        *[(spelling, 1) for spelling in (1, "1 star", "one", "★", "★☆☆☆☆")],
        *[(spelling, 2) for spelling in ("two", "2/5")],
        *[(spelling, 3) for spelling in ("three", "★★★")],
        *[(spelling, 5) for spelling in ("five", "★★★★★", 5)],
        *[(spelling, None) for spelling in (0, 6, 7, -1, 45, "10", "0.0", "6 stars", "0/5", "★★★★★★", "☆☆☆☆☆")],
        *[
            (spelling, None)
            for spelling in ("4 or 5", "3-4", "good", "?", "4.5", "4,5", "★★★½", "5/1", "5?", "8/10", "not 5")
        ],
        *[
            (spelling, None)
            for spelling in ("", " ", "NaN", "n/a", None, float("nan"), "★★★★☆☆", "★☆", "4 / 5 for food")
        ],
    ],
)
def test_parse_stars(label, stars):
    assert data.parse_stars(label) == stars


def test_load_keeps_texts_that_look_like_missing_values(tmp_path):
    (tmp_path / "reviews.csv").write_text(
        "review_id,text,stars,domain,style\n1,n/a,1,app,plain\n2,,1,app,plain\n3,null,1,app,plain\n"
    )
    assert data.load(tmp_path / "reviews.csv")["text"].tolist() == ["n/a", "", "null"]


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("  two\u00a0 words\n", "two words"),
        ("cafe\u0301", "café"),
        ("a \u200b\t\x07 b", "a b"),  # what stood around a character that goes leaves one space
        ("a\x0bb\x1cc\u2028d", "a b c d"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\x00", ""),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),  # here the joiner belongs to the sign
    ],
)
def test_tidy_text(text, tidy):
    assert data.tidy_text(text) == tidy


def test_clean_drops_what_it_should_and_reports_it():
    dirty = frame_of(
        ("Good  film.", 5),
        ("good film", "5 stars"),
        ("", 4),
        (None, 4),
        ("NULL", 4),
        ("Odd", 7),
        ("Odd too", "4 or 5"),
        ("Mixed", 1),
        ("mixed!", 5),
        ("👍", 5),
        ("👎", 1),
        ("n/a", "four"),
        ("<p>It wasnâ€™t R&amp;B</p>", 2),
        ("The soup was cold and the waiter did not care about it", 1),
        ("Honestly, the soup was cold and the waiter did not care about it", 1),
        ("The soup was cold and the waiter did not care about it much", 2),  # other stars: it stays
    )
    clean, report = data.clean(dirty)
    soups = [dirty["text"][13], dirty["text"][15]]
    assert clean["text"].tolist() == ["Good film.", "👍", "👎", "n/a", "It wasn’t R&B", *soups]
    assert clean["stars"].tolist() == [5, 5, 1, 4, 2, 1, 2] and clean["stars"].dtype == "int64"
    assert clean["review_id"].tolist() == [0, 9, 10, 11, 12, 13, 15] and clean.index.tolist() == list(range(7))
    rows = {
        "mend broken rows": (0, 0),
        "strip HTML": (1, 0),
        "repair the encoding": (1, 0),
        "tidy the text": (2, 0),
        "drop missing texts": (0, 3),
        "drop rows without 1 to 5 stars": (0, 2),
        "read the stars": (2, 0),
        "fill a missing domain": (0, 0),
        "fill a missing style": (0, 0),
        "drop copies with other stars": (0, 2),
        "drop exact duplicates": (0, 1),
        "drop near-copies": (0, 1),
    }
    assert {step: (changed, dropped) for step, changed, dropped in report.itertuples(index=False)} == rows


def test_a_missing_domain_or_style_is_filled():
    frame = frame_of(("a", 1), ("b", 2), ("c", 3), ("d", 4)).assign(
        domain=["", None, " film", "app"], style=["plain", " ", "implied", ""]
    )
    clean, report = data.clean(frame)
    assert clean["domain"].tolist() == ["unknown", "unknown", "film", "app"]
    assert clean["style"].tolist() == ["plain", "unknown", "implied", "unknown"]
    assert report.set_index("step").loc["fill a missing domain", "rows_changed"] == 3


def test_clean_can_be_repeated_and_leaves_its_input_alone(reviews):
    raw = data.load()
    before = raw.copy()
    again, report = data.clean(reviews)
    pd.testing.assert_frame_equal(again, reviews)
    assert report[["rows_changed", "rows_dropped"]].to_numpy().sum() == 0
    data.clean(raw)
    pd.testing.assert_frame_equal(raw, before)
    assert reviews["review_id"].is_unique and reviews["stars"].between(1, 5).all() and reviews.attrs == {}


def test_later_copies_needs_the_same_stars_domain_and_style_and_keeps_the_first():
    text = "a b c d e f g h i j k"
    same = {"stars": 1, "domain": "film", "style": "plain"}
    rows = [same, same, same | {"stars": 2}, same | {"domain": "book"}, same | {"style": "implied"}]
    frame = pd.DataFrame(rows, index=range(10, 15)).assign(
        text=[text, text + " l", text + " m", text + " n", text + " o"]
    )
    assert data.later_copies(frame).to_dict() == {10: False, 11: True, 12: False, 13: False, 14: False}
    assert not data.later_copies(frame, threshold=0.95).any()


def test_the_raw_files_are_what_the_script_makes():
    raw, manifest = make_raw.make()
    assert data.RAW.read_bytes() == raw.encode()
    assert data.MANIFEST.read_bytes() == manifest.encode()


def test_the_manifest_tells_the_truth_about_the_raw_file():
    lines = data.RAW.read_text(encoding="utf-8").split("\n")
    manifest = pd.read_csv(data.MANIFEST, keep_default_na=False, dtype=str)
    raw, known = data.load(), data.load(data.REVIEWS)
    assert manifest["review_id"].is_unique and raw["review_id"].is_unique  # one defect a row
    for row in manifest.itertuples():
        assert lines[int(row.line) - 1].startswith(f"{row.review_id},")
    counts = manifest["kind"].value_counts()
    assert counts.min() >= 25 and 600 <= len(manifest) <= 700 and len(counts) == 15
    on_reviews = manifest["review_id"].astype(int).isin(known["review_id"]) & (manifest["action"] != "keep")
    assert on_reviews.sum() <= 0.1 * len(known)
    untouched = known[~known["review_id"].isin(manifest["review_id"].astype(int))]
    found = raw.set_index("review_id").loc[untouched["review_id"]]
    assert found["text"].tolist() == untouched["text"].tolist()
    assert found["stars"].astype(int).tolist() == untouched["stars"].tolist()
    copies = manifest[manifest["copy_of"] != ""]
    place = {number: at for at, number in enumerate(raw["review_id"])}
    assert all(place[int(row.copy_of)] < place[int(row.review_id)] for row in copies.itertuples())


def test_cleaning_is_good_and_does_little_harm(reviews):
    manifest = pd.read_csv(data.MANIFEST, keep_default_na=False, dtype=str)
    table = data.judge(reviews, manifest).set_index("kind")
    hits = {
        "HTML": 54,
        "broken quote": 50,
        "copies that disagree": 50,
        "domain or style missing": 26,
        "exact duplicate": 60,
        "invisible characters": 36,
        "label ambiguous": 30,
        "label missing": 30,
        "label out of range": 30,
        "label spelled": 54,
        "mojibake": 40,
        "near-duplicate, edited": 30,
        "near-duplicate, paraphrase": 0,
        "text missing": 29,
        "looks defective": 3,
        "all good rows": 3,
    }
    assert table["hits"].to_dict() == hits
    assert table.loc["all good rows", "rows"] == 5873
    assert (table["measure"] == "harm").sum() == 2


def test_judge_counts_by_hand():
    columns = ["review_id", "text", "stars", "domain", "style"]
    reference = pd.DataFrame([[i, f"t{i}", i, "film", "plain"] for i in (1, 2, 3, 4)], columns=columns)
    planted = [("1", "x", "repair", "t1", "1"), ("5", "x", "drop", "", ""), ("6", "x", "drop", "", "")]
    planted += [("2", "x", "repair", "t2", "2"), ("7", "looks defective", "keep", "good", "5")]
    manifest = pd.DataFrame(planted, columns=["review_id", "kind", "action", "text", "stars"]).assign(
        domain="film", style="plain"
    )
    found = [[1, "t1", 1, "film", "plain"], [2, "t2", 2, "film", "implied"], [3, "t3", 3, "film", "plain"]]
    found += [[5, "u", 1, "film", "plain"], [7, "good", 4, "film", "plain"]]  # 2: wrong style; 4: lost; 7: wrong stars
    table = data.judge(pd.DataFrame(found, columns=columns), manifest, reference)
    assert table[["kind", "measure", "rows", "hits"]].to_numpy().tolist() == [
        ["x", "recall", 4, 2],
        ["looks defective", "harm", 1, 1],
        ["all good rows", "harm", 3, 2],  # 3, 4 and 7
    ]
    assert table["share"].round(6).tolist() == [0.5, 1.0, 0.666667]
    assert table["low"].round(3).tolist()[0] == 0.150 and table["high"].round(3).tolist()[0] == 0.850
    none = data.judge(pd.DataFrame(found, columns=columns), manifest[:4], reference).iloc[1]
    assert none[["kind", "rows", "share", "low", "high"]].tolist() == ["looks defective", 0, 0, 0, 1]


def test_wilson_equals_scipy():
    from scipy.stats import binomtest

    pairs = [(0, 10), (3, 10), (10, 10), (3, 5873), (0, 1)]
    low, high = data.wilson(*map(np.array, zip(*pairs, strict=True)))
    for i, (hits, rows) in enumerate(pairs):
        expected = binomtest(hits, rows).proportion_ci(method="wilson")
        assert (low[i], high[i]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_labels():
    assert data.label(pd.Series([1, 2, 3, 4, 5])).tolist() == [0, 0, -1, 1, 1]


def test_near_duplicates_equal_a_plain_double_loop(reviews):
    texts = reviews["text"].sample(400, random_state=0).tolist()
    texts += [text + " really" for text in texts[:20]]
    pairs = [data.word_pairs(text) for text in texts]
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(len(texts)), 2)
        if len(pairs[i] & pairs[j]) >= 0.5 * len(pairs[i] | pairs[j])
    }
    assert {tuple(pair) for pair in data.near_duplicates(texts).tolist()} == expected
    assert len(expected) >= 15


def test_clusters_join_over_a_common_neighbour():
    found = data.clusters(["a b c d", "a b c d e f", "a b c d e f g h i", "z y x"])
    assert found[0] == found[1] == found[2] != found[3]


def test_stable_hash_is_the_same_on_every_machine():
    assert data.stable_hash("good") == 0x770E607624D68926


def test_split_sizes_are_exact(splits):
    total = sum(len(splits[name]) for name in data.SPLIT_SHARES)
    for name, share in data.SPLIT_SHARES.items():
        assert abs(len(splits[name]) - share * total) < 1


def test_split_loses_and_doubles_nothing(reviews, splits):
    ids = sorted(itertools.chain.from_iterable(part["review_id"] for part in splits.values()))
    assert ids == sorted(reviews["review_id"])


def test_split_is_stratified(splits):
    counts = pd.DataFrame({name: splits[name].groupby(data.STRATUM).size() for name in data.SPLIT_SHARES}).fillna(0)
    for name, share in data.SPLIT_SHARES.items():
        assert (counts[name] - share * counts.sum(axis=1)).abs().max() < 3.1  # rounding; clusters stay whole
    known = counts.drop(index="unknown", level="domain").drop(index="unknown", level="style")
    assert len(known) == 6 * 4 * 2 and len(counts) > len(known)


def test_no_near_duplicate_stands_on_another_side(splits):
    rows = pd.concat([splits[name].assign(side=name) for name in data.SPLIT_SHARES], ignore_index=True)
    pairs = data.near_duplicates(rows["text"].tolist())
    assert len(pairs) == 23  # or else this test would prove nothing
    sides = rows["side"].to_numpy()
    assert (sides[pairs[:, 0]] == sides[pairs[:, 1]]).all()


def test_later_and_undecided_are_set_aside(splits):
    assert set(splits["later"]["domain"]) == {"course", "travel"}
    for name in data.SPLIT_SHARES:
        assert not set(splits[name]["domain"]) & {"course", "travel"}
        assert set(splits[name]["label"]) == {0, 1}
    assert set(splits["undecided"]["stars"]) == {3}


def test_split_does_not_depend_on_the_order_of_the_rows(reviews, splits):
    shuffled = data.split(reviews.sample(frac=1, random_state=1).reset_index(drop=True))
    for name in data.SPLIT_SHARES:
        assert set(shuffled[name]["review_id"]) == set(splits[name]["review_id"])


def test_prepared_gives_the_same_splits_when_made_and_when_found(artifacts, splits):
    for _ in ("made", "found"):
        prepared, names = data.prepared()
        assert names == data.LABELS
        for name, part in splits.items():
            pd.testing.assert_frame_equal(prepared[name], part, check_dtype=False)


def test_content_hash_sees_text_label_and_order():
    frame = pd.DataFrame({"text": ["a", "b"], "label": [0, 1]})
    others = [frame.assign(text=["a", "c"]), frame.assign(label=[1, 1]), frame[::-1], frame]
    hashes = [data.content_hash(other) for other in others]
    assert len(set(hashes)) == 4 and hashes[-1] == data.content_hash(frame)


def test_words_are_marked_as_stop_words():
    assert data.words(["It was not good!"]) == [[("It", True), ("was", True), ("not", True), ("good", False)]]


def test_bag_of_words_beats_the_majority(splits):
    train, test = splits["train"], splits["test"]
    baseline = data.bag_of_words().fit(train["text"], train["label"])
    probabilities = baseline.predict_proba(test["text"])
    assert probabilities.shape == (len(test), 2)
    right = (probabilities.argmax(axis=1) == test["label"]).mean()
    assert right > max(np.mean(test["label"]), 1 - np.mean(test["label"])) + 0.15


# ---- normal forms, TFDS


def test_normal_forms():
    texts = ["The movies didn't  run happily!", "STUDIED, better?"]
    assert data.normalised(texts, "words") == ["the movies did n't run happily", "studied better"]
    assert data.normalised(texts, "no stop words") == ["movies run happily", "studied better"]
    assert data.normalised(texts, "lemmas") == ["the movie do not run happily", "study well"]
    assert data.normalised(texts, "stems") == ["the movi did n't run happili", "studi better"]
    with pytest.raises(ValueError, match="'roots' is none of words, no stop words, lemmas, stems"):
        data.normalised(texts, "roots")


def test_the_pattern_says_what_a_word_is():
    texts, labels = ["a b good", "n't good"], [0, 1]
    assert sorted(data.bag_of_words().fit(texts, labels)[0].vocabulary_) == ["good"]
    words = sorted(data.bag_of_words(r"\S+").fit(texts, labels)[0].vocabulary_)
    assert words == ["a", "a b", "b", "b good", "good", "n't", "n't good"]


def test_carved_takes_a_share_of_each_label_whatever_the_order():
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(96)], "label": [0] * 60 + [1] * 32 + [2] * 4})
    rest, part = data.carved(frame)
    assert part["label"].value_counts().to_dict() == {0: 6, 1: 3, 2: 1}
    assert [*rest] == [*part] == ["text", "label"] and rest.index.tolist() == list(range(86))
    assert sorted([*rest["text"], *part["text"]]) == sorted(frame["text"]) and part.index.tolist() == list(range(10))
    again = data.carved(frame.sample(frac=1, random_state=0))[1]
    assert set(again["text"]) == set(part["text"])
    zeros = frame[frame["label"] == 0]["text"]
    assert set(part["text"][part["label"] == 0]) == set(sorted(zeros, key=data.stable_hash)[:6])
    twice = pd.concat([frame, frame], ignore_index=True)
    rest, part = data.carved(twice)
    assert not set(rest["text"]) & set(part["text"]) and len(rest) + len(part) == 192
    assert len(data.carved(frame, share=0.5)[1]) == 30 + 16 + 2


@pytest.mark.tensorflow
def test_course_reviews_come_from_tfds_as_from_the_file(artifacts, splits, capfd):
    found, names = data.from_tfds("course_reviews")
    printed = capfd.readouterr()
    assert names == data.LABELS and list(found) == ["train", "validation", "test"]
    assert str(artifacts) not in printed.out + printed.err and "Downloading" not in printed.out + printed.err
    for side, frame in found.items():
        assert list(frame) == ["text", "label"]
        pairs = sorted(zip(frame["text"], frame["label"], strict=True))
        assert pairs == sorted(zip(splits[side]["text"], splits[side]["label"], strict=True))


@pytest.mark.tensorflow
def test_tfds_load_knows_the_reviews_by_name(artifacts, splits):
    import tensorflow_datasets as tfds

    folder = data.course_reviews_folder()
    assert folder.parent == artifacts
    examples, info = tfds.load("course_reviews", split="train", data_dir=str(folder), with_info=True)
    assert info.splits["test"].num_examples == len(splits["test"]) and info.features["label"].names == [*data.LABELS]
    rows = {int(row["review_id"]): row for row in tfds.as_numpy(examples)}
    known = splits["train"].iloc[0]
    row = rows[known["review_id"]]
    assert row["text"].decode() == known["text"] and row["stars"] == known["stars"] and row["label"] == known["label"]
    assert (row["domain"].decode(), row["style"].decode()) == (known["domain"], known["style"])


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("glue/sst2", ("negative", "positive")),
        ("imdb_reviews", ("neg", "pos")),
        ("ag_news_subset", ("World", "Sports", "Business", "Sci/Tech")),
    ],
)
def test_public_sets_are_read_by_the_same_function(name, names, tmp_path):
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=30):
        found, label_names = data.from_tfds(name, tmp_path)
    assert label_names == names and list(found) == ["train", "validation", "test"]
    assert len(found["train"]) + len(found["validation"]) == 30 == len(found["test"])
    for frame in found.values():
        assert frame["label"].isin(range(len(names))).all() and frame["text"].map(type).eq(str).all() and len(frame)


def test_from_tfds_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(data.SourceError, match="'nonsense' is neither a file nor .* course_reviews, glue/sst2"):
        data.from_tfds("nonsense")
    monkeypatch.setattr(data.runtime, "installed", lambda name: name != "tensorflow_datasets")
    with pytest.raises(data.SourceError, match="^tensorflow_datasets is not installed.*make setup"):
        data.from_tfds("imdb_reviews")


@pytest.mark.tensorflow
def test_from_tfds_without_a_network(monkeypatch):
    import tensorflow_datasets as tfds

    def fail(*arguments, **options):
        raise ConnectionError("no route")

    monkeypatch.setattr(tfds, "load", fail)
    with pytest.raises(data.SourceError, match=r"'imdb_reviews'.*needs a network.*ConnectionError: no route"):
        data.from_tfds("imdb_reviews")
