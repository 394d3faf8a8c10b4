"""Lesson 01: the rows of a file as people have them: CSV and its kin, JSON Lines, Parquet, Excel, gz of these, or a folder.

What a file is follows from its content, not from its name. Every value comes as text, just as it stands.
"""

import contextlib
import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from helpers import cleaning, runtime
from helpers.cleaning import MAX_CHARACTERS

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
Row = tuple[int | str, list[str]]  # where it begins (a line, or a file of a folder), and its fields


class DataError(ValueError):
    """A reader's file cannot be used as it is; the message names the row and the remedy."""


@dataclass
class Table:
    """What a file holds. `problems` fills while `rows` are read: what is wrong -> places of the rows that are left out."""

    name: str
    kind: str
    columns: list[str]
    rows: Iterable[Row]
    has_header: bool = False  # a first row with the columns' names; JSON and Parquet name them otherwise
    problems: dict[str, list[int | str]] = field(default_factory=dict)

    def note(self, problem: str, place: int | str) -> None:
        """Take down that the row at a place cannot be used."""
        self.problems.setdefault(problem, []).append(place)


def require(path: Path) -> Path:
    """The path of a file or folder that is there. Raises FileNotFoundError that says from where it was looked for."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path} (looked for it from {Path.cwd()}).")
    return path


def open_table(path: Path, has_header: bool = True) -> Table:
    """The table in a file or folder. Raises FileNotFoundError, or DataError for what is no table.

    Without a header the columns are called "1", "2" and so on. Of a folder each sub-folder is a class and each file in it
    a text; in a folder without sub-folders each .txt file is a class and each line a text.
    """
    if require(path).is_dir():
        return _open_folder(path)
    with say_damaged(path.name), _open_bytes(path) as file:
        head = file.read(HEAD)
    if head.startswith(b"PAR1"):
        return _open_parquet(path)
    if head.startswith(b"PK\x03\x04"):
        return _open_excel(path, has_header)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path.name} is an Excel file of the old kind (.xls). Save it as .xlsx or 'CSV UTF-8'.")
    encoding = _encoding_of(head)
    text = head.decode(encoding, errors="replace").lstrip("\ufeff")
    if not text.strip():
        raise DataError(f"{path.name} is empty.")
    if re.match(r"\s*\[\s*[{\]]", text):
        return _open_json(path, encoding, is_list=True)
    if _is_json(text.strip().splitlines()[0]):
        return _open_json(path, encoding, is_list=False)
    lines = text.splitlines(keepends=True)
    return _open_text(path, encoding, lines if len(head) < HEAD else lines[:-1], has_header)


HEAD = 65536  # bytes of a file that are looked at to find out what it is


@contextlib.contextmanager
def say_damaged(name: str) -> Iterator[None]:
    """Turn the errors of a broken archive into a DataError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DataError(f"{name} is damaged or cut short ({error}). Copy it again.") from error


def _is_json(line: str) -> bool:
    """Whether a line is a JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _open_bytes(path: Path):
    """The file, unpacked where it is a gz."""
    with path.open("rb") as file:
        is_gz = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_gz else path.open("rb")


def _encoding_of(head: bytes) -> str:
    """UTF-16 where a file begins with its byte-order mark, else UTF-8."""
    return "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def _as_text(value: object) -> str:
    """A value as a person would write it; "" for a missing one."""
    if value is None or isinstance(value, str):
        return value or ""
    value = value.tolist() if hasattr(value, "tolist") else value  # of NumPy
    return json.dumps(value, ensure_ascii=False, default=str).strip('"')


# ---- text with separators


def _open_text(path: Path, encoding: str, head: list[str], has_header: bool) -> Table:
    """A table whose fields are separated by commas, semicolons, tabs or bars; `head`: its first lines."""
    separator = find_separator(head)
    quotes = csv.QUOTE_MINIMAL
    if separator == "\t" and not _parses(head, separator):
        quotes = csv.QUOTE_NONE  # tab-separated files often hold quotes that mean nothing
    first = next(_parse(io.StringIO("".join(head), newline=""), separator, quotes, path.name), (1, []))[1]
    columns = [name.strip() for name in first] if has_header else [str(i + 1) for i in range(len(first))]
    table = Table(path.name, f"text separated by {SEPARATORS[separator]}", columns, [], has_header)
    table.rows = _read_text(path, encoding, separator, quotes, table, has_header)
    return table


def find_separator(lines: list[str]) -> str:
    """The separator with which most of a file's first rows have as many fields as its first row, and that is two or more."""

    def agreement(separator: str) -> float:
        """Share of rows with as many fields as the first; 0 where that has one field."""
        with cleaning.limit_fields(MAX_CHARACTERS):
            rows = [row for row in islice(csv.reader(lines, delimiter=separator), 100) if row]
        width = len(rows[0]) if rows else 0
        return sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0

    return max(SEPARATORS, key=agreement)


def _parses(lines: list[str], separator: str) -> bool:
    """Whether the first rows keep to the rules for quotes."""
    try:
        return len(list(csv.reader(lines, delimiter=separator, strict=True))) > 0
    except csv.Error:
        return False


def _read_text(path: Path, encoding: str, separator: str, quotes: int, table: Table, has_header: bool) -> Iterator[Row]:
    """The rows below the header; those of another width are noted."""
    with (
        say_damaged(path.name),
        _open_bytes(path) as file,
        io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="") as text,
        cleaning.limit_fields(MAX_CHARACTERS),
    ):
        rows = _parse(text, separator, quotes, path.name)
        for line, fields in islice(rows, int(has_header), None):
            if len(fields) == len(table.columns):
                yield line, fields
            else:
                table.note(
                    f"have another number of fields than the first line ({len(table.columns)}); a text that holds the "
                    f"separator ({SEPARATORS[separator]}) must stand in quotes",
                    line,
                )


def _parse(file: Iterable[str], separator: str, quotes: int, name: str) -> Iterator[Row]:
    """(line where it begins, fields) of each row; empty lines are passed over. Raises DataError for a broken quote."""
    reader = csv.reader(read_lines(file, name), delimiter=separator, quoting=quotes, strict=quotes != csv.QUOTE_NONE)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error):
                raise DataError(_too_long(name, line)) from error
            raise DataError(
                f"{name}, line {line}: a quote is not closed or stands inside a quoted text ({error}). "
                'Put the text in quotes, and write each quote inside it twice: "He said ""no""."'
            ) from error
        if fields:
            yield line, fields


def read_lines(file, name: str) -> Iterator[str]:
    """The lines of an open file, one at a time, so that a file larger than memory can be refused too.

    `file` is opened with errors="surrogateescape", so that the line with a wrong byte can be named, and newline="", so
    that a line may end as on any system. Raises DataError that names the line which is too long or not UTF-8.
    """
    number = 0
    while line := file.readline(4 * MAX_CHARACTERS):
        number += 1
        if len(line) == 4 * MAX_CHARACTERS:
            raise DataError(_too_long(name, number))
        if wrong := re.search("[\udc80-\udcff]", line):
            byte = len(line[: wrong.start()].encode()) + 1
            raise DataError(
                f"{name}, line {number}: byte {byte} is not UTF-8. Save the file again as UTF-8 "
                "(in Excel: 'CSV UTF-8')."
            )
        yield line


def _too_long(name: str, line: int) -> str:
    return (
        f"{name}, line {line}: more than {MAX_CHARACTERS:,} characters in one text. BERT reads the first few "
        "hundred words: cut the text into passages. If it should be short, look for a quote that is never closed."
    )


# ---- JSON


def _open_json(path: Path, encoding: str, is_list: bool) -> Table:
    """A JSON object a line (JSON Lines), or one list of objects."""
    kind = "a JSON list" if is_list else "JSON Lines"
    table = Table(path.name, kind, [], [])
    objects = _objects_of_list(path, encoding) if is_list else _objects_of_lines(path, encoding, table)
    records = [(place, record) for place, record in objects if _is_record(place, record, table)]
    if not records:
        raise DataError(f"{path.name} begins like {kind}, but holds no JSON object.")
    table.columns = list(dict.fromkeys(name for _, record in records for name in record))
    table.rows = ((place, [_as_text(record.get(name)) for name in table.columns]) for place, record in records)
    return table


def _is_record(place: int | str, record: object, table: Table) -> bool:
    """Whether a JSON value is an object; if not, note it."""
    if not isinstance(record, dict):
        table.note('are no JSON objects: each must look like {"text": ..., "label": ...}', place)
    return isinstance(record, dict)


def _objects_of_lines(path: Path, encoding: str, table: Table) -> Iterator[tuple[int, object]]:
    """(line, value) of each line; those that are no JSON are noted."""
    with _open_bytes(path) as file, io.TextIOWrapper(file, encoding, errors="surrogateescape") as text:
        for number, line in enumerate(read_lines(text, path.name), start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except json.JSONDecodeError:
                    table.note("are no JSON", number)


def _objects_of_list(path: Path, encoding: str) -> Iterator[tuple[str, object]]:
    """(place in the list, value). Raises DataError where the file is no JSON list."""
    with _open_bytes(path) as file:
        try:
            values = json.loads(file.read().decode(encoding))
        except ValueError as error:
            raise DataError(f"{path.name} begins like a JSON list, but is none ({error}).") from error
    return ((f"item {number}", value) for number, value in enumerate(values, start=1))


# ---- Parquet and Excel


def _pandas_with(path: Path, kind: str, package: str):
    """pandas, which reads a kind of file with the help of a package. Raises DataError where that is missing."""
    import pandas as pd

    if not runtime.installed(package):
        raise DataError(
            f"{path.name} is {kind}, and to read it takes {package}: `pip install {package}`, or save it as CSV."
        )
    return pd


def _open_parquet(path: Path) -> Table:
    """The table of a Parquet file. Raises DataError where pyarrow is missing."""
    frame = _pandas_with(path, "Parquet", "pyarrow").read_parquet(path)
    return _table_of(path, "Parquet", frame.columns, frame)


def _open_excel(path: Path, has_header: bool) -> Table:
    """The first sheet of an .xlsx file. Raises DataError for another archive, and where openpyxl is missing."""
    with say_damaged(path.name), zipfile.ZipFile(path) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            raise DataError(f"{path.name} is a zip archive. Unpack it, and give the file inside.")
    # pandas itself would take "None" and "n/a" for nothing, and rename the second of two columns of one name
    options = {"dtype": object, "header": None, "keep_default_na": False}
    frame = _pandas_with(path, "Excel", "openpyxl").read_excel(path, **options)
    if not has_header or frame.empty:
        return _table_of(path, "Excel", range(1, frame.shape[1] + 1), frame)
    table = _table_of(path, "Excel", frame.iloc[0], frame.iloc[1:], first=2)  # rows are numbered as the sheet's
    table.has_header = True
    return table


def _table_of(path: Path, kind: str, names: Iterable, frame, first: int = 1) -> Table:
    """A pandas frame as a table; its rows are numbered from `first`."""
    values = frame.astype(object).where(frame.notna(), None).to_numpy(object)
    rows = ((f"row {number}", [_as_text(value) for value in row]) for number, row in enumerate(values, first))
    return Table(path.name, kind, [_as_text(name).strip() for name in names], rows)


# ---- folders


def _open_folder(path: Path) -> Table:
    """A folder of classes: sub-folders with a text a file, or .txt files with a text a line."""
    classes = sorted(part for part in path.iterdir() if part.is_dir() and not part.name.startswith("."))
    files = sorted(part for part in path.iterdir() if part.is_file() and part.suffix.lower() == ".txt")
    if len(classes) > 1:
        rows = _rows_of_folders(classes)
        return Table(path.name, "a folder with a sub-folder a class, a file a text", ["text", "label"], rows)
    if len(files) > 1:
        return Table(path.name, "a folder with a file a class, a line a text", ["text", "label"], _rows_of_files(files))
    raise DataError(
        f"The folder {path} holds neither a sub-folder a class nor a .txt file a class. Give such a folder, or one file."
    )


def _rows_of_folders(classes: list[Path]) -> Iterator[Row]:
    """A row for each file of each class."""
    for folder in classes:
        for file in sorted(part for part in folder.rglob("*") if part.is_file() and not part.name.startswith(".")):
            yield f"{folder.name}/{file.relative_to(folder)}", [_read_whole(file), folder.name]


def _read_whole(file: Path) -> str:
    """A file's text. Raises DataError where it is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 (byte {error.start}). Save it again as UTF-8.") from error


def _rows_of_files(files: list[Path]) -> Iterator[Row]:
    """A row for each line that is not empty."""
    for file in files:
        with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            for number, line in enumerate(read_lines(lines, file.name), start=1):
                if line.strip():
                    yield f"{file.name}, line {number}", [line.strip(), file.stem]
