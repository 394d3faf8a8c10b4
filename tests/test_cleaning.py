"""From a raw file to clean rows: reading, one rule for each defect, copies, judging."""

import csv
import itertools
import time

import make_raw
import numpy as np
import pandas as pd
import pytest

from helpers import cleaning

pytestmark = pytest.mark.once  # it needs neither backend


@pytest.fixture(scope="module")
def reviews():
    return cleaning.clean(cleaning.load())[0]


def frame_of(*rows):
    """A frame of reviews from (text, stars) pairs."""
    texts, stars = zip(*rows, strict=True)
    return pd.DataFrame(
        {"review_id": range(len(rows)), "text": texts, "stars": stars, "domain": "film", "style": "plain"}
    )


def test_the_reviews_are_those_of_the_datasheet(reviews):
    loaded = cleaning.load(cleaning.REVIEWS)
    assert len(loaded) == 6235
    assert loaded["review_id"].is_unique and loaded["review_id"].dtype == loaded["stars"].dtype == "int64"
    assert loaded.groupby(["style", "stars"]).size().tolist() == [640, 718, 480, 720, 798, 600, 600, 399, 600, 680]
    cleaned, _ = cleaning.clean(loaded)
    assert len(cleaned) == 6232  # three texts stand twice, but for case and full stop
    kept = loaded[loaded["review_id"].isin(cleaned["review_id"])]
    pd.testing.assert_frame_equal(cleaned, kept.reset_index(drop=True))  # and nothing else changes


def test_load_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        cleaning.load(tmp_path / "none.csv")
    (tmp_path / "short.csv").write_text("text,stars\nfine,3\n")
    with pytest.raises(ValueError, match=r"lacks the columns \['review_id', 'domain', 'style'\]"):
        cleaning.load(tmp_path / "short.csv")
    (tmp_path / "latin.csv").write_bytes("review_id,text\n1,café\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin.csv is not UTF-8 \(byte 20\)"):
        cleaning.load(tmp_path / "latin.csv")


HEADER = "review_id,text,stars,domain,style"


def loaded_rows(folder, *lines):
    """The frame of a CSV file with these lines below the header."""
    (folder / "rows.csv").write_bytes("\n".join([HEADER, *lines, ""]).encode())
    return cleaning.load(folder / "rows.csv")


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
        ('2,She said, "no",5,film,plain', 'She said, "no"'),
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


def test_a_complete_row_is_never_swallowed(tmp_path):
    frame = loaded_rows(tmp_path, '1,"It opens', "2,Between,4,film,plain", 'and closes",5,film,plain')
    assert frame["text"].tolist() == ["Between"] and frame.attrs == {"mended_lines": [], "lost_lines": [2, 4]}


def test_broken_quotes_show_in_the_report(tmp_path):
    frame = loaded_rows(tmp_path, '1,"The line ends, here', '2,"Not closed,2,app,plain', '3,"Nor this,2,app,plain')
    cleaned, report = cleaning.clean(frame)
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
    assert cleaning.strip_html(text) == plain


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
    assert cleaning.strip_html(text) == text


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
    assert cleaning.repair_encoding(text) == repaired


@pytest.mark.parametrize(
    ("label", "stars"),
    [
        *[
            (spelling, 4)
            for spelling in (
                4,
                4.0,
                "4",
                " 4 ",
                "4.0",
                "4,0",
                "4.00",
                "4,00",
                "four",
                "FOUR",
                "Four stars",
                "4 stars",
                "4*",
            )
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
        (" " * 99 + "4", 4),
        (" " * 100 + "4", None),
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
            for spelling in (
                "",
                " ",
                "NaN",
                "n/a",
                None,
                float("nan"),
                "★★★★☆☆",
                "★☆",
                "4 / 5 for food",
                "4,000",
                "4.000",
                "1" * 5000,
                " " * 5000 + "4",
            )
        ],
    ],
)
def test_parse_stars(label, stars):
    assert cleaning.parse_stars(label) == stars


def test_load_keeps_texts_that_look_like_missing_values(tmp_path):
    (tmp_path / "reviews.csv").write_text(
        "review_id,text,stars,domain,style\n1,n/a,1,app,plain\n2,,1,app,plain\n3,null,1,app,plain\n"
    )
    assert cleaning.load(tmp_path / "reviews.csv")["text"].tolist() == ["n/a", "", "null"]


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
    assert cleaning.tidy_text(text) == tidy


def test_load_takes_line_ends_of_any_system_and_refuses_doubled_columns(tmp_path):
    (tmp_path / "mac.csv").write_bytes(f"{HEADER}\r1,Fine,4,film,plain\r2,Dull,1,film,plain\r".encode())
    frame = cleaning.load(tmp_path / "mac.csv")
    assert frame["text"].tolist() == ["Fine", "Dull"] and frame["stars"].tolist() == [4, 1]
    (tmp_path / "twice.csv").write_text(f"{HEADER},text\n1,Fine,4,film,plain,Fine\n")
    with pytest.raises(ValueError, match=r"twice.csv names the columns \['text'\] twice"):
        cleaning.load(tmp_path / "twice.csv")


def test_load_reads_long_texts_and_long_labels(tmp_path):
    before = csv.field_size_limit()
    frame = loaded_rows(tmp_path, f'1,"{"long, " * 40_000}",{"1" * 5000},film,plain', "2,short,1,film,plain")
    assert frame["text"].str.len().tolist() == [240_000, 5] and frame["stars"].tolist() == ["1" * 5000, "1"]
    assert frame.attrs == {"mended_lines": [], "lost_lines": []}
    assert csv.field_size_limit() == before
    assert cleaning.clean(frame)[0]["review_id"].tolist() == [2]


def test_many_quotes_in_a_good_row_are_no_reason_to_give_it_up(tmp_path):
    text = (
        'She said ""no"", ""never"", ""not me"", ""go"", and\n""out"", ""off"", ""away"", ""shut"", ""up"", all at once'
    )
    frame = loaded_rows(tmp_path, f'1,"{text}","4","film","plain"')
    assert frame["text"].tolist() == [text.replace('""', '"')] and frame.attrs["mended_lines"] == []


OPEN_QUOTES = {"one": '1,"a\n' + "words\n" * 7, "all": 'x","z\n' * 8, "alone": '"\n' * 8, "escaped": 'x",""",\n' * 8}
PIECES = {"comments": "<!--", "marks": "\u0301\u0323", "tags": "<a b='c ", "spaces": " \t"}


def slowdown(function, make):
    """How many times longer a function takes for an input that is 16 times larger: 16 where its work is linear."""

    def seconds(text):
        times = []
        for _ in range(5):
            start = time.process_time()
            function(text)
            times.append(time.process_time() - start)
        return min(times)

    return seconds(make(8_000)) / seconds(make(500))


@pytest.mark.parametrize("kind", OPEN_QUOTES)
def test_open_quotes_take_linear_time(kind):
    assert slowdown(cleaning.read_rows, lambda number: f"{HEADER}\n{OPEN_QUOTES[kind] * (number // 8)}") < 64


@pytest.mark.parametrize("function", [cleaning.strip_html, cleaning.tidy_text, cleaning.parse_stars])
@pytest.mark.parametrize("kind", PIECES)
def test_odd_texts_take_linear_time(function, kind):
    assert slowdown(function, lambda number: PIECES[kind] * number) < 64


def test_so_many_accents_on_a_letter_are_kept():
    assert cleaning.tidy_text("e" + "\u0323" * 29) == "\u1eb9" + "\u0323" * 28
    thirty = "x" + "\u0301" * 30
    assert cleaning.tidy_text(thirty) == thirty == cleaning.tidy_text(thirty + "\u0301" * 1000)
    assert cleaning.tidy_text("\u0301" * 31) == "\u0301" * 30
    assert cleaning.tidy_text(thirty + "y\u0301" + thirty) == thirty + "ý" + thirty  # each letter has its own thirty


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
    clean, report = cleaning.clean(dirty)
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
    clean, report = cleaning.clean(frame)
    assert clean["domain"].tolist() == ["unknown", "unknown", "film", "app"]
    assert clean["style"].tolist() == ["plain", "unknown", "implied", "unknown"]
    assert report.set_index("step").loc["fill a missing domain", "rows_changed"] == 3


def test_clean_can_be_repeated_and_leaves_its_input_alone(reviews):
    raw = cleaning.load()
    before = raw.copy()
    again, report = cleaning.clean(reviews)
    pd.testing.assert_frame_equal(again, reviews)
    assert report[["rows_changed", "rows_dropped"]].to_numpy().sum() == 0
    cleaning.clean(raw)
    pd.testing.assert_frame_equal(raw, before)
    assert reviews["review_id"].is_unique and reviews["stars"].between(1, 5).all() and reviews.attrs == {}


def test_later_copies_needs_the_same_stars_domain_and_style_and_keeps_the_first():
    text = "a b c d e f g h i j k"
    same = {"stars": 1, "domain": "film", "style": "plain"}
    rows = [same, same, same | {"stars": 2}, same | {"domain": "book"}, same | {"style": "implied"}]
    frame = pd.DataFrame(rows, index=range(10, 15)).assign(
        text=[text, text + " l", text + " m", text + " n", text + " o"]
    )
    assert cleaning.find_later_copies(frame).to_dict() == {10: False, 11: True, 12: False, 13: False, 14: False}
    assert not cleaning.find_later_copies(frame, threshold=0.95).any()


def test_stable_hash_is_the_same_on_every_machine():
    assert cleaning.stable_hash("good") == 0x770E607624D68926


def test_near_duplicates_equal_a_plain_double_loop(reviews):
    texts = reviews["text"].sample(400, random_state=0).tolist()
    texts += [text + " really" for text in texts[:20]]
    pairs = [cleaning.pair_words(text) for text in texts]
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(len(texts)), 2)
        if len(pairs[i] & pairs[j]) >= 0.5 * len(pairs[i] | pairs[j])
    }
    assert {tuple(pair) for pair in cleaning.find_near_duplicates(texts).tolist()} == expected
    assert len(expected) >= 15


def test_near_duplicates_are_counted_in_blocks_of_limited_size(reviews, monkeypatch):
    """Memory must not grow with the square of the number of texts, also where all share a word pair."""
    texts = [f"all share this and {text}" for text in reviews["text"][:300]]
    whole = cleaning.find_near_duplicates(texts, 0.3)
    monkeypatch.setattr(cleaning, "MAX_STORED", 1000)
    marks = cleaning.mark_word_pairs(texts)
    blocks = list(cleaning.count_shared(marks))
    assert [start for start, _ in blocks] == list(range(0, 300, 3))
    assert all(counts.nnz == 900 for _, counts in blocks)  # what is stored of a block: three texts with all
    assert (np.vstack([counts.toarray() for _, counts in blocks]) == (marks @ marks.T).toarray()).all()
    assert np.array_equal(cleaning.find_near_duplicates(texts, 0.3), whole) and len(whole) > 3
    _, counts = next(cleaning.count_shared(cleaning.mark_word_pairs(["a b"] * 2000)))
    assert counts.nnz == 2000  # one text with all, at least


def test_near_duplicates_of_texts_without_words():
    assert cleaning.find_near_duplicates([]).shape == cleaning.find_near_duplicates(["👍", "👍", ""]).shape == (0, 2)
    assert cleaning.find_near_duplicates(["one", "!", "One!", "two"]).tolist() == [[0, 2]]
    assert cleaning.find_near_duplicates(["a b", "x", "a b", "a b"]).tolist() == [[0, 2], [0, 3], [2, 3]]


def test_near_duplicates_share_half_of_their_word_pairs_and_come_in_order():
    assert cleaning.find_near_duplicates(["a b", "x y", "x y", "a b"]).tolist() == [[0, 3], [1, 2]]
    assert cleaning.find_near_duplicates(["a b", "a b c", "b a"]).tolist() == [[0, 1]]


def test_the_raw_files_are_what_the_script_makes():
    raw, manifest = make_raw.make()
    assert cleaning.RAW.read_bytes() == raw.encode()
    assert cleaning.MANIFEST.read_bytes() == manifest.encode()


def test_the_manifest_tells_the_truth_about_the_raw_file():
    lines = cleaning.RAW.read_text(encoding="utf-8").split("\n")
    manifest = pd.read_csv(cleaning.MANIFEST, keep_default_na=False, dtype=str)
    raw, known = cleaning.load(), cleaning.load(cleaning.REVIEWS)
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
    manifest = pd.read_csv(cleaning.MANIFEST, keep_default_na=False, dtype=str)
    table = cleaning.judge(reviews, manifest).set_index("kind")
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
    assert [*table["hits"].items()] == [*hits.items()]
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
    table = cleaning.judge(pd.DataFrame(found, columns=columns), manifest, reference)
    assert table[["kind", "measure", "rows", "hits"]].to_numpy().tolist() == [
        ["x", "recall", 4, 2],
        ["looks defective", "harm", 1, 1],
        ["all good rows", "harm", 3, 2],  # 3, 4 and 7
    ]
    assert table["share"].round(6).tolist() == [0.5, 1.0, 0.666667]
    assert table["low"].round(3).tolist()[0] == 0.150 and table["high"].round(3).tolist()[0] == 0.850
    assert table["low"].tolist()[1:] == pytest.approx([0.206549, 0.207660], abs=1e-6)  # Wilson of 1/1 and of 2/3
    none = cleaning.judge(pd.DataFrame(found, columns=columns), manifest[:4], reference).iloc[1]
    assert none[["kind", "rows", "share", "low", "high"]].tolist() == ["looks defective", 0, 0, 0, 1]
