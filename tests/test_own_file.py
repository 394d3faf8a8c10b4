"""A reader's own texts: what works, and for what does not an error that names row and remedy."""

import csv
import re

import lessons
import pandas as pd
import pytest

from helpers import cleaning, data, own_file, runtime, tables

pytestmark = pytest.mark.once  # it needs neither backend

FOUR_CLASSES = runtime.COURSE / "tests" / "four_classes.csv"


def write(path, rows, header=("text", "label")):
    """A CSV file of rows, quoted as they need."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def good_rows(number=30):
    """Rows of two classes that are no near-copies of each other."""
    return [
        (f"{'fine' if i % 2 else 'poor'} thing{i} seen{i} here{i}", "yes" if i % 2 else "no") for i in range(number)
    ]


# ---- what works


def test_four_classes_become_splits():
    splits, names = data.split_own_file(own_file.clean(own_file.load(FOUR_CLASSES)))
    assert names == ("book", "film", "food", "gadget")
    sizes = {side: len(part) for side, part in splits.items()}
    assert sizes == {"train": 240, "validation": 40, "test": 120}
    for part in splits.values():
        assert set(part["label"]) == {0, 1, 2, 3} and set(part.columns) == {"text", "label"}
    whole = pd.read_csv(FOUR_CLASSES).set_index("text")["label"]
    row = splits["test"].iloc[0]
    assert whole[row["text"]] == names[row["label"]]


def test_prepared_reads_a_file_and_finds_it_again(artifacts, capsys):
    first, names = data.prepare_splits(str(FOUR_CLASSES), 200)
    assert sum(map(len, first.values())) == 200 and "a sample of 200" in capsys.readouterr().out
    again, same = data.prepare_splits(str(FOUR_CLASSES), 200)
    assert "found in" in capsys.readouterr().out and same == names == ("book", "film", "food", "gadget")
    for side in first:
        assert first[side].equals(again[side])
    everything, _ = data.prepare_splits(str(FOUR_CLASSES), None)
    assert sum(map(len, everything.values())) == 400  # another number of rows is another artifact


def test_so_many_labels_are_no_classes(tmp_path):
    texts = [text for text, _ in good_rows(42)]
    many = write(tmp_path / "many.csv", [(text, f"label {i % 21}") for i, text in enumerate(texts)])
    with pytest.raises(own_file.DataError, match="21 labels in 42 rows: is `label` really a class"):
        own_file.clean(own_file.load(many))
    twenty = write(tmp_path / "twenty.csv", [(text, f"label {i % 20}") for i, text in enumerate(texts)])
    with pytest.raises(own_file.DataError, match="20 of 20 classes have fewer than 10 usable rows"):
        own_file.clean(own_file.load(twenty))  # so few may be classes, with too few rows


def test_a_sample_keeps_the_shares_of_the_labels():
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(100)], "label": ["a"] * 80 + ["b"] * 20})
    sample = own_file.sample(frame, 50)
    assert sample["label"].value_counts().to_dict() == {"a": 40, "b": 10}
    assert sample["text"].is_unique and list(sample.index) == list(range(50)) and list(sample) == ["text", "label"]
    assert own_file.sample(frame, None) is frame and own_file.sample(frame, 100) is frame
    expected = [sorted(frame["text"][frame["label"] == name], key=cleaning.stable_hash) for name in "ab"]
    assert set(sample["text"]) == {*expected[0][:40], *expected[1][:10]}


@pytest.mark.parametrize("rare", [10, 12, 30])
def test_a_sample_keeps_rare_classes_whole_enough_to_be_tested(rare, tmp_path, capsys):
    rows = [*good_rows(6000), *((f"rare{i} case{i} only{i} once{i}", "rare") for i in range(rare))]
    frame = own_file.read(write(tmp_path / "rare.csv", rows), max_rows=500)
    assert "a sample of 500 is used" in capsys.readouterr().out and len(frame) == 500
    counts = frame["label"].value_counts()
    assert counts["rare"] == 10 and counts["yes"] == counts["no"] == 245
    splits, names = data.split_own_file(frame)
    assert names == ("no", "rare", "yes")
    assert [int((splits[side]["label"] == 1).sum()) for side in ("train", "validation", "test")] == [6, 2, 2]


def test_a_sample_is_larger_than_asked_for_where_the_classes_need_it(capsys):
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(900)], "label": [f"class {i % 30}" for i in range(900)]})
    assert own_file.sample(frame, 100)["label"].value_counts().tolist() == [10] * 30
    assert "900 rows: a sample of 300 is used" in capsys.readouterr().out


def test_labels_that_are_numbers_keep_their_order(tmp_path):
    rows = [(f"word{i} other{i} third{i}", str([10, 9, -1][i % 3])) for i in range(60)]
    _, names = data.split_own_file(own_file.clean(own_file.load(write(tmp_path / "numbers.csv", rows))))
    assert names == ("-1", "9", "10")
    _, names = data.split_own_file(
        own_file.clean(own_file.load(write(tmp_path / "mixed.csv", [(t, {"9": "b"}.get(n, n)) for t, n in rows])))
    )
    assert names == ("-1", "10", "b")


def test_columns_for_slices_are_kept_and_others_dropped(tmp_path):
    rows = [(label, text, "home", 7) for text, label in good_rows()]
    frame = own_file.load(write(tmp_path / "more.csv", rows, ("label", "text", "domain", "price")))
    assert list(frame.columns) == ["line", "text", "label", "domain"] and frame["line"].tolist() == list(range(2, 32))
    splits, _ = data.split_own_file(own_file.clean(frame))
    assert list(splits["test"].columns) == ["text", "label", "domain"]


@pytest.mark.parametrize("name", ["domain", "style", "stars"])
def test_each_column_for_slices_is_kept_with_its_own_values(name, tmp_path):
    rows = [(text, label, "email" if i % 2 else "chat") for i, (text, label) in enumerate(good_rows())]
    frame = own_file.clean(own_file.load(write(tmp_path / "mine.csv", rows, ("text", "label", name))))
    assert frame[name].tolist() == ["chat", "email"] * 15


def test_quotes_commas_breaks_and_a_byte_order_mark_are_read(tmp_path):
    path = write(tmp_path / "quoted.csv", [('He said "no", twice.\nThen left.', "a"), ("fine", "b")])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n\r\n")
    frame = own_file.load(path)
    assert frame["text"].tolist() == ['He said "no", twice.\nThen left.', "fine"]
    assert frame["line"].tolist() == [2, 4]


def test_unusable_rows_are_dropped_with_a_word(tmp_path, capsys):
    bad = [("", "yes"), ("no label", " "), ("Poor thing0 SEEN0 here0!", "no"), ("both", "yes"), ("both", "no")]
    cleaned = own_file.clean(own_file.load(write(tmp_path / "some.csv", good_rows() + bad)))
    assert len(cleaned) == 30 and "both" not in set(cleaned["text"])
    said = "Dropped 5 of 35 rows: 1 without a text, 1 without a label, 2 copies whose labels disagree, 1 copies.\n"
    assert capsys.readouterr().out == "some.csv: text separated by commas, 35 rows.\n" + said
    own_file.clean(own_file.load(write(tmp_path / "good.csv", good_rows())))
    assert capsys.readouterr().out == "good.csv: text separated by commas, 30 rows.\n"


@pytest.mark.parametrize(("bad", "places"), [(1, "line 21"), (4, "line 78, line 79, line 80")])
def test_one_row_in_twenty_may_be_left_out_for_its_form(bad, places, tmp_path, capsys):
    rows = [*good_rows(19 * bad), *[("not bad", "really", "yes")] * bad]
    assert len(own_file.load(write(tmp_path / "some.csv", rows))) == 19 * bad
    said = capsys.readouterr().out
    assert f"Left out: {bad} rows have another number of fields" in said and said.endswith(f"(the first: {places}).\n")
    with pytest.raises(own_file.DataError, match=f"{bad + 1} rows have another number"):
        own_file.load(write(tmp_path / "more.csv", [*rows, rows[-1]]))


def test_near_copies_of_a_readers_texts_stay_on_one_side(tmp_path):
    copies = [(f"a very long text that is the same but for number {i} at its end", "no") for i in range(8)]
    splits, _ = data.split_own_file(own_file.clean(own_file.load(write(tmp_path / "c.csv", good_rows(60) + copies))))
    assert [part["text"].str.contains("very long").sum() for part in splits.values()].count(0) == 2


def test_texts_without_a_letter_become_splits_too(tmp_path, artifacts):
    signs = "😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰😗😙😚🙂🤗"
    rows = [(first + second, "yes" if i % 2 else "no") for i, first in enumerate(signs) for second in signs[i:]]
    splits, names = data.prepare_splits(str(write(tmp_path / "signs.csv", rows)))
    assert names == ("no", "yes") and sum(map(len, splits.values())) == len(rows) == 210
    assert sorted(pd.concat(splits.values())["text"]) == sorted(text for text, _ in rows)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_lines_may_end_as_on_any_system(end, tmp_path):
    rows = "".join(f"{text},{label}{end}" for text, label in good_rows(4))
    content = f'text,label{end}"two{end}lines, quoted",no{end}{end}{rows}'
    (tmp_path / "ends.csv").write_bytes(content.encode())
    frame = own_file.load(tmp_path / "ends.csv")
    assert frame["text"].tolist() == [f"two{end}lines, quoted", *(text for text, _ in good_rows(4))]
    assert frame["label"].tolist() == ["no", "no", "yes", "no", "yes"]
    assert frame["line"].tolist() == [2, 5, 6, 7, 8]


def test_a_file_with_carriage_returns_may_be_longer_than_a_text(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_CHARACTERS", 100)
    (tmp_path / "mac.csv").write_bytes(("text,label\r" + "some words,yes\r" * 100).encode())
    assert own_file.load(tmp_path / "mac.csv")["text"].tolist() == ["some words"] * 100


def test_columns_that_nobody_reads_may_have_the_same_name(tmp_path):
    rows = [(text, "", label, "") for text, label in good_rows()]
    frame = own_file.load(write(tmp_path / "exported.csv", rows, ("text", "", "label", "")))
    assert list(frame.columns) == ["line", "text", "label"] and frame["text"].tolist() == [t for t, _ in good_rows()]


def test_the_limit_of_the_module_csv_is_put_back(tmp_path):
    before = csv.field_size_limit()
    own_file.load(write(tmp_path / "good.csv", good_rows()))
    assert csv.field_size_limit() == before
    (tmp_path / "bad.csv").write_text('text,label\n"open,yes\n')
    with pytest.raises(own_file.DataError) as caught:
        own_file.load(tmp_path / "bad.csv")
    assert csv.field_size_limit() == before, caught


def test_a_label_of_many_digits_is_a_name(tmp_path):
    long = "1" * 5000
    rows = [(text, long if label == "no" else "2") for text, label in good_rows()]
    assert data.split_own_file(own_file.read(write(tmp_path / "digits.csv", rows)))[1] == ("2", long)


def test_reading_a_file_samples_before_it_compares(tmp_path, monkeypatch):
    """What compares all texts with all, as the splits do, sees no more than `max_rows` of them."""
    seen = []
    monkeypatch.setattr(data.cleaning, "find_near_duplicates", lambda texts, *_: seen.append(len(texts)))
    with pytest.raises(TypeError):  # there are no pairs, and this is as far as we look
        lessons.check_own_data(file=str(write(tmp_path / "large.csv", good_rows(6000))))
    assert seen == [5000]


# ---- seven bad files, and some more


def one_class(path):
    write(path, [(text, "yes") for text, _ in good_rows()])


def class_with_one_row(path):
    write(path, [*good_rows(), ("the only one", "maybe")])


def broken_quote(path):
    write(path, good_rows())
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[4] = '"It began well, then,no'
    path.write_text("\n".join(lines) + '\n"a good one",yes\n', encoding="utf-8")


def wrong_encoding(path):
    write(path, [*good_rows(), ("a naïve café", "yes")])
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))


def huge_text(path):
    write(path, good_rows())
    with path.open("a", encoding="utf-8") as file:
        for _ in range(200):
            file.write("x" * 1_000_000)
        file.write(",yes\n")


def rare_classes(path):
    write(path, [*good_rows(), *((f"only{i} once{i} here{i}", f"rare {i % 3}") for i in range(6))])


BAD = {
    "no such column": (
        lambda path: write(path, good_rows(), ("text", "verdict")),
        r"bad\.csv has no column that is surely the label: it has 'text', 'verdict'\. Name it: LABEL=\.\.\.",
    ),
    "no header": (
        lambda path: write(path, good_rows()[1:], good_rows()[0]),
        r"no column that is surely the text.*Is that first line already data\? Then TEXT= takes the number of a column",
    ),
    "JSON, which has no first line": (
        lambda path: path.write_text("".join(f'{{"2": "text {i}", "label": "{"ab"[i % 2]}"}}\n' for i in range(30))),
        r"it has '2', 'label'\. Name it: TEXT=\.\.\.$",
    ),
    "two columns that fit": (
        lambda path: write(path, [(t, t, n) for t, n in good_rows()], ("review", "comment", "label")),
        r"'review', 'comment' may each be the text\. Name one: TEXT=review",
    ),
    "one class": (one_class, r"All usable rows have one label \(yes\)\. It takes two classes or more"),
    "empty": (lambda path: path.write_text(""), r"bad\.csv is empty\."),
    "wrong encoding": (wrong_encoding, r"bad\.csv, line 32: byte 5 is not UTF-8\. Save the file again as UTF-8"),
    "a broken quote": (broken_quote, r"bad\.csv, line 5: a quote is not closed.*write each quote inside it twice"),
    "a text of 200 MB": (huge_text, r"bad\.csv, line 32: more than 1,000,000 characters in one text.*cut the text"),
    "a class with one row": (
        class_with_one_row,
        r"1 of 3 classes have fewer than 10 usable rows.*'maybe': 1, the first line 32.*RARE=drop",
    ),
    "rare classes, all named at once": (
        rare_classes,
        r"'rare 0': 2, the first line 32; 'rare 1': 2, the first line 33; 'rare 2': 2, the first line 34",
    ),
    "a column named twice": (
        lambda path: write(path, [(t, t, n) for t, n in good_rows()], ("text", "text", "label")),
        r"bad\.csv: the column 'text' stands there twice\. Rename or remove one",
    ),
    "header only": (lambda path: write(path, []), r"bad\.csv holds no row that can be used\. Add texts"),
    "commas without quotes": (
        lambda path: path.write_text("text,label\nfine,yes\nnot bad, really,yes\n"),
        r"bad\.csv: 1 rows have another number of fields than the first line \(2\).*must stand in quotes \(the first: line 3\)",
    ),
    "several labels in a cell": (
        lambda path: write(path, [*good_rows(), ("both of them", "yes, no")]),
        r"1 rows seem to have several labels, the first line 32: 'yes, no'.*choose one for each row",
    ),
    "every row its own class": (
        lambda path: write(path, [(text, f"id{i}") for i, (text, _) in enumerate(good_rows(60))]),
        r"60 labels in 60 rows: is `label` really a class\?",
    ),
    "copies only": (
        lambda path: write(
            path, good_rows() + [(" ".join(f"same{j}" for j in range(40)) + f" {i}", "same") for i in range(12)]
        ),
        r"The rows of class 'same' are near-copies of each other\. Add rows that differ",
    ),
    "a long text in many lines": (
        lambda path: path.write_text('text,label\nfine,yes\n"' + "many words\n" * 100_000 + '",no\n'),
        r"bad\.csv, line 3: more than 1,000,000 characters in one text",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_an_error_that_names_row_and_remedy(name, tmp_path, artifacts):
    make, message = BAD[name]
    make(tmp_path / "bad.csv")
    with pytest.raises(own_file.DataError, match=message):
        data.prepare_splits(str(tmp_path / "bad.csv"))
    assert not list(artifacts.glob("[!.]*"))  # nothing half-written; locks are hidden files
    with pytest.raises(SystemExit, match=message):  # what `make run DATA=bad.csv` says, before any lesson starts
        lessons.check_own_data(file=str(tmp_path / "bad.csv"))


def test_a_file_that_is_not_there(artifacts):
    for ask in (own_file.load, data.prepare_splits):
        with pytest.raises(FileNotFoundError, match=r"There is no file nowhere\.csv \(looked for it from"):
            ask("nowhere.csv")
    with pytest.raises(SystemExit, match="There is no file"):
        lessons.check_own_data(file="nowhere.csv")


# ---- columns and labels as people name them


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        (
            ("Review", "Category"),
            {},
            ["text is taken from the column 'Review'", "label is taken from the column 'Category'"],
        ),
        (
            ("tweet", "x"),
            {"label": "x"},
            ["text is taken from the column 'tweet'", "label is taken from the column 'x'"],
        ),
        (("a", "b"), {"text": "A", "label": "b"}, ["text is taken from the column 'a'"]),
        (("text", "label"), {}, []),
    ],
)
def test_columns_are_found_by_usual_names_or_named(header, options, said, tmp_path, capsys):
    frame = own_file.load({"file": str(write(tmp_path / "own.csv", good_rows(), header)), **options})
    assert frame["text"].tolist() == [text for text, _ in good_rows()]
    assert frame["label"].tolist() == [label for _, label in good_rows()]
    printed = capsys.readouterr().out
    assert all(part in printed for part in said) and printed.count("is taken from") >= len(said)


@pytest.mark.parametrize(("number", "end"), [(10, "'10'"), (11, "'10' and 1 more"), (30, "'10' and 20 more")])
def test_a_missing_column_is_answered_with_ten_names_at_most(number, end):
    table = tables.Table("own.csv", "", ["x" * 50, *map(str, range(2, number + 1))], [])
    message = f"own.csv has no column 'verdict'. It has: {'x' * 40!r}, {', '.join(map(repr, '23456789'))}, {end}."
    with pytest.raises(own_file.DataError, match=f"^{re.escape(message)}$"):
        own_file.find_column(table, "verdict", own_file.LABEL_NAMES, "label")


def test_exact_names_win_over_others_that_fit(tmp_path):
    rows = [(f"no {text}", text, label, "x") for text, label in good_rows()]
    frame = own_file.load(write(tmp_path / "own.csv", rows, ("review", "text", "label", "class")))
    assert frame["text"].tolist() == [text for text, _ in good_rows()] and set(frame["label"]) == {"yes", "no"}


def test_several_columns_of_text_are_joined(tmp_path):
    rows = [(f"Title {i}", text, label) for i, (text, label) in enumerate(good_rows())]
    path = write(tmp_path / "own.csv", rows, ("title", "body", "label"))
    frame = own_file.load({"file": str(path), "text": "title, body"})
    assert frame["text"][3] == "Title 3 fine thing3 seen3 here3"


def test_columns_by_number_where_there_is_no_header(tmp_path):
    first, *others = [(label, text) for text, label in good_rows()]
    frame = own_file.load({"file": str(write(tmp_path / "own.csv", others, first)), "text": "2", "label": "1"})
    assert frame["text"].tolist() == [text for text, _ in good_rows()] and frame["line"].tolist() == list(range(1, 31))


def test_a_class_that_a_readers_own_test_lacks_is_named(tmp_path):
    paths = [write(tmp_path / name, rows) for name, rows in (("a.csv", good_rows(40)), ("c.csv", good_rows(80)[40::2]))]
    with pytest.raises(own_file.DataError, match="Class 'yes' has no row to test with. Add some to that file"):
        data.split_own_file(own_file.read({"file": str(paths[0]), "test": str(paths[1])}))


def test_labels_are_tidied_as_texts_are():
    labels = pd.Series(["1", "1.0", " 1 ", "Good", "good", "good", "nan", "NULL", "GOOD\u200b", "2.5", "no", ""])
    assert own_file.tidy_labels(labels).tolist() == ["1"] * 3 + ["good"] * 3 + ["", "", "good", "2.5", "no", ""]


@pytest.mark.parametrize(
    ("labels", "several"),
    [
        (["a", "b", "a,b"], True), (["a;b", "b;c", "a;c"], True), (['["a", "b"]', "a"], True), (["1", "5", "1|5"], True),
        (["[spam]", "ham"], False), (["Food, drink", "Food", "Travel"], False), (["Food, drink", "Rooms, beds"], False), (["a", "b"], False),
    ],
)  # fmt: skip
def test_several_labels_in_a_cell_are_told_from_names_with_commas(labels, several):
    frame = pd.DataFrame({"line": range(2, 2 + len(labels)), "label": labels})
    if several:
        with pytest.raises(own_file.DataError, match="several labels"):
            own_file.check_single_labels(frame)
    else:
        own_file.check_single_labels(frame)


def test_texts_are_cleaned_by_the_rules_of_the_lesson():
    texts = {
        "<br />Tom &amp; I": "Tom & I",
        "It wasnâ€™t a cafÃ©": "It wasn’t a café",
        "[deleted]": "",
        "NULL": "",
        "a  b": "a b",
    }
    assert [own_file.clean_text(text) for text in texts] == list(texts.values())


def test_a_readers_rows_are_cleaned_so_and_placeholders_are_no_texts(tmp_path, capsys):
    rows = [*good_rows(), ("<br />Tom &amp; I", "yes"), ("It was a cafÃ©", "no"), ("nan", "yes"), ("[removed]", "no")]
    texts = own_file.clean(own_file.load(write(tmp_path / "own.csv", rows)))["text"].tolist()
    assert texts[-2:] == ["Tom & I", "It was a café"] and len(texts) == len(good_rows()) + 2
    assert "2 without a text" in capsys.readouterr().out


@pytest.mark.parametrize("header", [("v2", "v1"), ("comment", "class"), ("sentence", "sentiment")])
def test_other_usual_names_are_known(header, tmp_path):
    frame = own_file.load(write(tmp_path / "own.csv", good_rows(), header))
    assert frame["label"].tolist() == [label for _, label in good_rows()]


def test_texts_that_differ_in_marks_or_emoji_are_no_copies(tmp_path):
    rows = [
        *good_rows(),
        ("ดี มาก", "yes"),
        ("ดู มาก", "no"),
        ("fine 😀", "yes"),
        ("fine 😡", "no"),
        ("ok!", "yes"),
        ("OK", "yes"),
    ]
    kept = own_file.clean(own_file.load(write(tmp_path / "own.csv", rows)))
    assert [text for text in kept["text"] if not text[-1].isdecimal()] == [
        "ดี มาก",
        "ดู มาก",
        "fine 😀",
        "fine 😡",
        "ok!",
    ]


@pytest.mark.parametrize(("rare", "names"), [("drop", {"yes", "no", "ten"}), ("join", {"yes", "no", "ten", "other"})])
def test_rare_classes_are_dropped_or_joined(rare, names, tmp_path, capsys):
    path = tmp_path / "own.csv"
    few = [(f"only{i} once{i} here{i}", f"rare {i % 4}" if i < 12 else "ten") for i in range(22)]
    frame = own_file.read({"file": str(write(path, [*good_rows(), *few])), "rare": rare})
    assert set(frame["label"]) == names and len(frame) == 40 + 12 * (rare == "join")
    assert f"4 classes with fewer than 10 rows (12 rows): {rare}." in capsys.readouterr().out


def test_a_source_of_unknown_parts_is_refused():
    for value, message in (
        ({"file": "a.csv", "column": "x"}, "has no \\['column'\\]. It has: file, text"),
        ({"text": "x"}, "must name its file"),
        ({"file": "a.csv", "rare": "guess"}, "RARE is 'guess'; it takes refuse, drop, join"),
    ):
        with pytest.raises(own_file.DataError, match=message):
            own_file.as_source(value)


def test_the_files_themselves_are_no_facts_for_the_key():
    source = own_file.Source("a.csv", label="kind", test="b.csv")
    assert own_file.facts(source) == {"text": None, "label": "kind", "rare": "refuse"}


# ---- texts without labels


@pytest.mark.parametrize(
    ("header", "text", "expected"),
    [
        (("Review", "id"), None, ["fine", "not bad"]),  # by its usual name
        (("body", "title"), "TITLE", ["a", "b"]),
        (("x", "y"), "y, x", ["a fine", "b not bad"]),
        (("x, y", "x"), "x, y", ["fine", "not bad"]),  # a name may hold a comma
        (("text", "2"), "text", ["fine", "not bad"]),
    ],
)
def test_texts_alone_need_no_labels(header, text, expected, tmp_path):
    path = write(tmp_path / "new.csv", [("fine", "a"), ("not bad", "b")], header)
    frame = own_file.load_texts(own_file.Source(str(path), text=text))
    assert frame["text"].tolist() == expected and frame["line"].tolist() == [2, 3]
    assert list(frame.columns) == ["line", "text"]


@pytest.mark.parametrize(("text", "expected"), [("2", ["fine", "not bad"]), ("2, 1", ["fine a", "not bad b"])])
def test_texts_alone_by_number_where_there_is_no_header(text, expected, tmp_path):
    path = write(tmp_path / "new.csv", [("b", "not bad")], ("a", "fine"))
    frame = own_file.load_texts({"file": str(path), "text": text})
    assert frame["text"].tolist() == expected and frame["line"].tolist() == [1, 2]


def test_texts_alone_are_read_as_they_stand_from_other_files_too(tmp_path):
    (tmp_path / "new.jsonl").write_text('{"utterance": "<b>no</b>", "id": 1}\n{"utterance": "", "id": 2}\n')
    assert own_file.load_texts(tmp_path / "new.jsonl")["text"].tolist() == ["<b>no</b>", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"new\.csv has no column that is surely the text: it has 'x', 'label'\. Name it: TEXT=\.\.\."),
        ("review", r"new\.csv has no column 'review'\. It has: 'x', 'label'\."),
        ("x, review", r"no column 'review'"),
        ("3", r"new\.csv has no column '3'\. It has: '1', '2'\."),
    ],
)
def test_a_missing_column_of_texts_is_named_with_the_remedy(text, message, tmp_path):
    path = write(tmp_path / "new.csv", [("fine", "a")], ("x", "label"))
    with pytest.raises(own_file.DataError, match=message):
        own_file.load_texts(own_file.Source(str(path), text=text))
    with pytest.raises(FileNotFoundError, match="There is no file"):
        own_file.load_texts(tmp_path / "nowhere.csv")


# ---- splits


def test_own_validation_and_test_files_keep_their_sides(tmp_path, capsys, artifacts):
    rows = good_rows(90)
    paths = {
        "file": write(tmp_path / "a.csv", [*rows[:40], rows[80]]),  # a copy of a row of the test
        "validation": write(tmp_path / "b.csv", rows[40:60]),
        "test": write(tmp_path / "c.csv", rows[60:]),
    }
    source = {name: str(path) for name, path in paths.items()}
    splits, _ = data.prepare_splits(source)
    expected = {"train": rows[:40], "validation": rows[40:60], "test": rows[60:]}
    for side, part in splits.items():
        assert sorted(part["text"]) == sorted(text for text, _ in expected[side]) and "side" not in part
    assert "1 copies" in capsys.readouterr().out
    splits, _ = data.split_own_file(own_file.read({"file": source["file"], "test": source["test"]}))
    assert {side: len(part) for side, part in splits.items()} == {"train": 36, "validation": 4, "test": 30}


def test_of_several_large_files_a_sample_is_taken_too(tmp_path, capsys):
    rows = good_rows(90)
    paths = {"file": write(tmp_path / "a.csv", rows[:60]), "test": write(tmp_path / "b.csv", rows[60:])}
    frame = own_file.read({name: str(path) for name, path in paths.items()}, max_rows=40)
    assert "90 rows: a sample of 40 is used" in capsys.readouterr().out
    assert frame["label"].value_counts().to_dict() == {"no": 20, "yes": 20}
    assert set(frame["text"][frame["side"] == "test"]) < {text for text, _ in rows[60:]}


def families(number, members, label):
    """Rows of `number` families of near-copies, and as many rows that are like no other."""
    copies = [
        (f"family{i} " + " ".join(f"word{i}of{j}" for j in range(12)) + f" end{k}", label)
        for i in range(number)
        for k in range(members)
    ]
    return copies + [(" ".join(f"lone{label}{i}x{j}" for j in range(6)), label) for i in range(number * members)]


def test_families_of_near_copies_come_to_all_sides_as_often_as_other_rows():
    rows = families(60, 5, "a") + families(60, 5, "b")
    splits, _ = data.split_own_file(pd.DataFrame(rows, columns=["text", "label"]).assign(line=0))
    shares = {side: part["text"].str.startswith("family").mean() for side, part in splits.items()}
    assert shares == {side: pytest.approx(0.5, abs=0.06) for side in shares}
    homes = pd.concat(part.assign(side=side) for side, part in splits.items())
    homes = homes[homes["text"].str.startswith("family")]
    assert homes.groupby(homes["text"].str.split().str[0])["side"].nunique().max() == 1


def test_a_giant_family_is_parted_with_a_word_so_that_its_class_is_tested(capsys):
    rows = [(f"Your order number {i}7 has been {'shipped' if i % 2 else 'cancelled'}", "status") for i in range(80)]
    rows += [(" ".join(f"w{i}x{j}" for j in range(5)), "other") for i in range(80)]
    splits, names = data.split_own_file(pd.DataFrame(rows, columns=["text", "label"]).assign(line=0))
    assert "80 rows are so much alike" in capsys.readouterr().out
    assert [(part["label"] == names.index("status")).sum() for part in splits.values()] == [48, 8, 24]


def test_chinese_near_copies_are_found():
    texts = ["这家酒店的房间很干净，服务也很好", "这家酒店的房间很干净，服务也不好", "电池只能用半天，屏幕很亮"]
    assert cleaning.find_near_duplicates(texts, divide=own_file.divide).tolist() == [[0, 1]]
    assert cleaning.find_near_duplicates(texts).tolist() == []


def test_nothing_is_lost_uncounted(tmp_path, capsys):
    """Hypothesis: whatever the rows, those that come back and those that are counted are all."""
    import hypothesis
    from hypothesis import strategies

    @hypothesis.settings(max_examples=40, deadline=None)
    @hypothesis.given(
        strategies.lists(strategies.tuples(strategies.text(max_size=8), strategies.sampled_from("ab ")), max_size=30)
    )
    def check(rows):
        path = write(tmp_path / "own.csv", [*good_rows(), *rows])
        frame = own_file.load(path)
        capsys.readouterr()
        kept = own_file.clean(frame, rare="drop")
        said = capsys.readouterr().out
        dropped = sum(
            int(number.replace(",", "")) for number in re.findall(r"(?<=[:,] )([\d,]+)(?= (?:without|copies))", said)
        )
        rare = sum(map(int, re.findall(r"\((\d+) rows\): drop", said)))
        assert len(kept) + dropped + rare == len(frame)
        splits, names = data.split_own_file(kept)
        assert sum(map(len, splits.values())) == len(kept)
        texts = [set(part["text"]) for part in splits.values()]
        assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
        assert all((splits[side]["label"] == i).any() for side in ("train", "test") for i in range(len(names)))

    check()
