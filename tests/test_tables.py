"""Files as people have them: found out by looking at their content; every row comes, or is counted."""

import gzip
import io
import json
import zipfile

import pandas as pd
import pytest

from helpers import tables

pytestmark = pytest.mark.once  # it needs neither backend

ROWS = [("fine, really", "yes"), ("poor", "no"), ('he said "no"', "no")]
COLUMNS = ["text", "label"]


def csv_text(separator, quote='"'):
    """ROWS as text with a separator; each text in quotes."""
    rows = [f"{quote}{text.replace(quote, 2 * quote)}{quote}{separator}{label}" for text, label in ROWS]
    return "\n".join([separator.join(COLUMNS), *rows]) + "\n"


def make_tsv_without_quotes(path):
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in ROWS))


def make_gz(path):
    path.write_bytes(gzip.compress(csv_text(";").encode()))


def make_parquet(path):
    pd.DataFrame(ROWS, columns=COLUMNS).to_parquet(path)


def make_json_lines(path):
    path.write_text("\n".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in ROWS))


def make_json_list(path):
    path.write_text(json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in ROWS], indent=1))


KINDS = {
    "commas": (lambda path: path.write_text(csv_text(",")), "text separated by commas"),
    "semicolons": (lambda path: path.write_text(csv_text(";")), "text separated by semicolons"),
    "semicolons, the header in quotes": (
        lambda path: path.write_text(csv_text(";").replace(";".join(COLUMNS), ";".join(f'"{c}"' for c in COLUMNS))),
        "text separated by semicolons",
    ),
    "tabs": (lambda path: path.write_text(csv_text("\t")), "text separated by tabs"),
    "tabs, quotes that mean nothing": (make_tsv_without_quotes, "text separated by tabs"),
    "bars": (lambda path: path.write_text(csv_text("|")), "text separated by bars"),
    "UTF-16": (lambda path: path.write_text(csv_text(","), encoding="utf-16"), "text separated by commas"),
    "byte-order mark": (lambda path: path.write_text(csv_text(","), encoding="utf-8-sig"), "text separated by commas"),
    "gz": (make_gz, "text separated by semicolons"),
    "Parquet": (make_parquet, "Parquet"),
    "JSON Lines": (make_json_lines, "JSON Lines"),
    "JSON list": (make_json_list, "a JSON list"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_files_kind_is_found_by_looking_whatever_its_name(kind, tmp_path):
    make, said = KINDS[kind]
    make(tmp_path / "mine.data")
    table = tables.open_table(tmp_path / "mine.data")
    assert (table.kind, table.columns) == (said, COLUMNS)
    assert [tuple(fields) for _, fields in table.rows] == ROWS and table.problems == {}


def test_a_spreadsheet_is_read_or_the_package_named(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "mine.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    monkeypatch.setattr(tables.runtime, "installed", lambda name: name != "openpyxl")
    with pytest.raises(tables.DataError, match="is Excel, and to read it takes openpyxl: `pip install openpyxl`"):
        tables.open_table(tmp_path / "mine.xlsx")
    monkeypatch.setattr(tables.runtime, "installed", lambda name: True)
    monkeypatch.setattr(pd, "read_excel", lambda path, **options: pd.DataFrame([["text", 7], ["a", 1.5], [None, "b"]]))
    table = tables.open_table(tmp_path / "mine.xlsx")
    assert table.columns == ["text", "7"] and list(table.rows) == [("row 2", ["a", "1.5"]), ("row 3", ["", "b"])]


def test_a_real_spreadsheet_is_read_whatever_its_name(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    rows = [COLUMNS, *ROWS, ("好吃；很好", 1), ("two\nlines", 2.0), (4.5, True), (None, "no text")]
    for row in rows:
        book.active.append(row)
    book.create_sheet("not the first").append(["x"])
    book.save(tmp_path / "mine.xlsx")
    (tmp_path / "mine.xlsx").rename(tmp_path / "mine.csv")
    table = tables.open_table(tmp_path / "mine.csv")
    assert (table.kind, table.columns) == ("Excel", COLUMNS)
    more = [("好吃；很好", "1"), ("two\nlines", "2"), ("4.5", "true"), ("", "no text")]
    assert [tuple(fields) for _, fields in table.rows] == [*ROWS, *more]


def test_what_people_write_in_a_spreadsheet_stays_and_its_first_row_may_be_data(tmp_path):
    """Texts that look like nothing, a name that stands twice, no header."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (("text", "text", "label"), ("None", "n/a", "NA"), (None, "nan", 2.0)):
        book.active.append(row)
    book.save(tmp_path / "mine.xlsx")
    table = tables.open_table(tmp_path / "mine.xlsx")
    rows = [("row 2", ["None", "n/a", "NA"]), ("row 3", ["", "nan", "2"])]
    assert table.columns == ["text", "text", "label"] and list(table.rows) == rows and table.has_header
    table = tables.open_table(tmp_path / "mine.xlsx", has_header=False)
    assert not table.has_header
    assert table.columns == ["1", "2", "3"] and list(table.rows) == [("row 1", ["text", "text", "label"]), *rows]


def test_values_become_text_as_a_person_would_write_them(tmp_path):
    records = [{"text": "a", "label": 1}, {"text": None, "label": True, "new": 2.5}, {"label": ["x", "ü"]}]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, records)))
    table = tables.open_table(tmp_path / "mine.jsonl")
    assert table.columns == ["text", "label", "new"]
    assert [fields for _, fields in table.rows] == [["a", "1", ""], ["", "true", "2.5"], ["", '["x", "ü"]', ""]]


def test_lines_that_are_no_json_are_counted(tmp_path):
    (tmp_path / "mine.jsonl").write_text('{"text": "a", "label": "b"}\nnot json\n[1]\n\n{"text": "c", "label": "d"}\n')
    table = tables.open_table(tmp_path / "mine.jsonl")
    assert [place for place, _ in table.rows] == [1, 5]
    assert {what.split(":")[0]: places for what, places in table.problems.items()} == {
        "are no JSON": [2], "are no JSON objects": [3],
    }  # fmt: skip


def test_values_of_a_json_list_that_are_no_objects_are_counted_by_their_places(tmp_path):
    (tmp_path / "mine.json").write_text('[{"text": "a"}, 1, {"text": "b"}]')
    table = tables.open_table(tmp_path / "mine.json")
    assert list(table.rows) == [("item 1", ["a"]), ("item 3", ["b"])] and [*table.problems.values()] == [["item 2"]]


def test_rows_of_another_width_are_counted_with_their_lines(tmp_path):
    (tmp_path / "mine.csv").write_text("text,label\n" + "fine,yes\n" * 20 + "not bad, really,yes\n" + "poor,no\n" * 2)
    table = tables.open_table(tmp_path / "mine.csv")
    assert len(list(table.rows)) == 22
    ((what, places),) = table.problems.items()
    assert places == [22] and "must stand in quotes" in what and "commas" in what


def test_without_a_header_columns_are_numbered_and_the_first_line_is_a_row(tmp_path):
    (tmp_path / "mine.csv").write_text("spam;win now\nham;see you\n")
    table = tables.open_table(tmp_path / "mine.csv", has_header=False)
    assert table.columns == ["1", "2"] and list(table.rows) == [(1, ["spam", "win now"]), (2, ["ham", "see you"])]


@pytest.mark.parametrize(
    ("content", "separator"),
    [
        ("text,label\na;b,c\nd;e,f\n", ","),
        ("text;label\na,b;c\nd,e,f;g\n", ";"),
        ("a\tb\nwith, commas, many\tx\n", "\t"),
        ("one column only\nand more\n", ","),
        ("text,label,note\n" + "a,b,c\n" * 30 + "a;b\n", ","),
        ("text;label\n", ";"),
        ('a,b;c\n1;"2\n3\n4"\n5;6\n', ";"),
    ],
)
def test_the_separator_is_the_one_by_which_rows_are_alike(content, separator):
    assert tables.find_separator(content.splitlines(keepends=True)) == separator


def test_a_folder_with_a_sub_folder_a_class(tmp_path):
    for name, text in {
        "pos/1.txt": "fine",
        "pos/deep/2.txt": "good\nfilm",
        "neg/1.txt": "poor",
        "neg/.hidden": "x",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    table = tables.open_table(tmp_path)
    assert "sub-folder a class" in table.kind and table.columns == COLUMNS
    assert list(table.rows) == [
        ("neg/1.txt", ["poor", "neg"]), ("pos/1.txt", ["fine", "pos"]), ("pos/deep/2.txt", ["good\nfilm", "pos"]),
    ]  # fmt: skip


def test_a_folder_with_a_file_a_class(tmp_path):
    (tmp_path / "spam.txt").write_text("win now\n\n buy \n")
    (tmp_path / "ham.txt").write_text("see you\n")
    rows = list(tables.open_table(tmp_path).rows)
    expected = [("ham.txt, line 1", ["see you", "ham"]), ("spam.txt, line 1", ["win now", "spam"])]
    assert rows == [*expected, ("spam.txt, line 3", ["buy", "spam"])]


def zip_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mine.csv", "text,label\n")


def folder_of_one_file(path):
    path.mkdir()
    (path / "spam.txt").write_text("win now\n")


BAD = {
    "empty": (lambda path: path.write_text(" \n"), "bad is empty"),
    "a byte-order mark alone": (lambda path: path.write_text("", encoding="utf-8-sig"), "bad is empty"),
    "JSON of no objects": (lambda path: path.write_text("[]"), "begins like a JSON list, but holds no JSON object"),
    "old Excel": (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0 and more"), "Excel file of the old kind"),
    "a zip archive": (zip_archive, "is a zip archive. Unpack it"),
    "a broken JSON list": (lambda path: path.write_text('[{"text": "a"},'), "begins like a JSON list, but is none"),
    "a folder of nothing": (lambda path: path.mkdir(), "neither a sub-folder a class nor a .txt file a class"),
    "a folder of one class": (lambda path: (path / "pos").mkdir(parents=True), "neither a sub-folder a class"),
    "a folder of one file": (folder_of_one_file, "neither a sub-folder a class nor a .txt file a class"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_table_gets_the_reason(name, tmp_path):
    make, message = BAD[name]
    make(tmp_path / "bad")
    with pytest.raises(tables.DataError, match=message):
        tables.open_table(tmp_path / "bad")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\nfine,no\n" + "x" * 1_000_001 + ",yes\n", "mine.csv, line 3: more than 1,000,000 characters in one text"),
        ('\n"open,yes\n', "mine.csv, line 2: a quote is not closed"),
    ],
)
def test_a_text_without_an_end_is_named_by_its_line(content, message, tmp_path):
    (tmp_path / "mine.csv").write_text("text,label" + content)
    with pytest.raises(tables.DataError, match=message):
        list(tables.open_table(tmp_path / "mine.csv").rows)


@pytest.mark.parametrize(
    ("line", "message"),
    [("x" * 12, "mine, line 2: more than 2 characters"), ("né\udce9", "mine, line 2: byte 4 is not UTF-8")],
)
def test_a_line_that_is_too_long_or_not_utf8_is_named(line, message, monkeypatch):
    monkeypatch.setattr(tables, "MAX_CHARACTERS", 2)
    lines = tables.read_lines(io.StringIO(f"seven!\n{line}"), "mine")
    assert next(lines) == "seven!\n"  # one character less than four times the limit
    with pytest.raises(tables.DataError, match=message):
        next(lines)


def test_a_file_of_a_folder_that_is_not_utf8_is_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_bytes("café".encode("cp1252"))
    with pytest.raises(tables.DataError, match=r"a/1\.txt is not UTF-8 \(byte 3\)"):
        list(tables.open_table(tmp_path).rows)


def test_a_missing_file_is_looked_for_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"There is no file nowhere.csv .looked for it from {tmp_path}"):
        tables.open_table(tables.Path("nowhere.csv"))


def test_quotes_that_mean_nothing_stay_in_a_text_between_tabs(tmp_path):
    (tmp_path / "mine.tsv").write_text('text\tlabel\n"Fine", she said\tyes\npoor\tno\n')
    rows = tables.open_table(tmp_path / "mine.tsv").rows
    assert list(rows) == [(2, ['"Fine", she said', "yes"]), (3, ["poor", "no"])]


def test_a_text_that_begins_with_a_bracket_is_no_json(tmp_path):
    (tmp_path / "mine.csv").write_text("[deleted],x\n{sic},y\n")
    assert tables.open_table(tmp_path / "mine.csv", has_header=False).kind == "text separated by commas"


def test_missing_values_and_lists_of_parquet_become_text(tmp_path):
    frame = pd.DataFrame(
        {"text": ["a", None], "label": pd.array([1, None], dtype="Int64"), "tags": [["x"], ["y", "z"]]}
    )
    frame.to_parquet(tmp_path / "mine.parquet")
    rows = [fields for _, fields in tables.open_table(tmp_path / "mine.parquet").rows]
    assert rows == [["a", "1", '["x"]'], ["", "", '["y", "z"]']]


def test_an_archive_that_was_cut_short_says_so(tmp_path):
    whole = gzip.compress(csv_text(",").encode() * 20_000)
    (tmp_path / "mine.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(tables.DataError, match=r"mine\.csv\.gz is damaged or cut short"):
        list(tables.open_table(tmp_path / "mine.csv.gz").rows)
    (tmp_path / "mine.xlsx").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(tables.DataError, match=r"mine\.xlsx is damaged"):
        tables.open_table(tmp_path / "mine.xlsx")
