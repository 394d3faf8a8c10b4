"""Lesson 01: a reader's own CSV file: read, clean and sample it, with errors that name the row and the remedy."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pandas as pd

from helpers import cleaning
from helpers.cleaning import MAX_CHARACTERS

COLUMNS = ("text", "label", "domain", "style", "stars")  # the first two must be there; the others give slices
MAX_ROWS = 5000  # of a larger file so many are sampled
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
MIN_ROWS_A_CLASS = 10  # six to train, one to choose, three to test


class DataError(ValueError):
    """A reader's file cannot be used as it is; the message names the row and the remedy."""


# ---- read


def require(path: Path | str) -> Path:
    """The path of a file that is there. Raises FileNotFoundError."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}. Give the path of a CSV file with the columns text and label."
        )
    return path


BOMS_OF_UTF16 = ("\udcff\udcfe", "\udcfe\udcff")  # as `surrogateescape` shows these bytes


def read_lines(file: TextIO, name: str) -> Iterator[str]:
    """The lines of an open file, one at a time, so that a file larger than memory can be refused too.

    `file` is opened with errors="surrogateescape", so that the line with a wrong byte can be named, and newline="", so
    that a line may end as on any system. Raises DataError that names the line which is too long or not UTF-8.
    """
    number = 0
    while line := file.readline(4 * MAX_CHARACTERS):
        number += 1
        if len(line) == 4 * MAX_CHARACTERS:
            raise DataError(_too_long(name, number))
        if number == 1 and line.startswith(BOMS_OF_UTF16):
            raise DataError(f"{name} is UTF-16. Save it again as UTF-8 (in Excel: 'CSV UTF-8').")
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


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number where it begins, fields) of each row of a CSV file; empty lines are passed over.

    Raises DataError that names the line of a broken quote or a text that is too long.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(read_lines(file, path.name), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "field limit" in str(error):
                    raise DataError(_too_long(path.name, line)) from error
                raise DataError(
                    f"{path.name}, line {line}: a quote is not closed or stands inside a quoted text ({error}). "
                    'Put the text in quotes, and write each quote inside it twice: "He said ""no""."'
                ) from error
            if fields:
                yield line, fields


def check_header(header: list[str], name: str) -> None:
    """Raise DataError where the first line of a file does not name the columns that it must, once each."""
    if not header:
        raise DataError(f"{name} is empty. Its first line must name the columns: text,label")
    if missing := [column for column in COLUMNS[:2] if column not in header]:
        hint = " They seem to be separated by semicolons or tabs: save the file with commas." * (
            len(header) == 1 and any(mark in header[0] for mark in ";\t")
        )
        raise DataError(f"{name}, line 1: no column {' and '.join(missing)} among {header}.{hint} Rename or add it.")
    if twice := [column for column in COLUMNS if header.count(column) > 1]:
        raise DataError(f"{name}, line 1: {' and '.join(twice)} stands twice among {header}. Rename or remove one.")


def load(path: Path | str) -> pd.DataFrame:
    """Read a reader's CSV file (UTF-8, commas): columns `text` and `label`, in any order.

    Of the other columns `domain`, `style` and `stars` are kept: they give slices. Returns strings, and `line`,
    the line in the file where each row begins. Raises FileNotFoundError, or DataError that names row and remedy.
    """
    path = require(path)
    with cleaning.limit_fields(MAX_CHARACTERS):
        rows = read_rows(path)
        header = [name.strip() for name in next(rows, (0, []))[1]]
        check_header(header, path.name)
        records = []
        for line, fields in rows:
            if len(fields) != len(header):
                raise DataError(
                    f"{path.name}, line {line}: {len(fields)} fields where the first line names {len(header)}. "
                    "A text that holds a comma must stand in quotes."
                )
            records.append({"line": line, **dict(zip(header, fields, strict=True))})
    if not records:
        raise DataError(f"{path.name} holds no row below its first line. Add texts with their labels.")
    frame = pd.DataFrame(records)
    return frame[[column for column in ("line", *COLUMNS) if column in frame]]


# ---- clean


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """Tidy the rows of `load`; print how many were dropped, and why.

    Dropped: empty texts or labels, copies (equal but for case and punctuation), and all copies of a text whose
    labels disagree. Raises DataError as `check_classes` does.
    """
    tidy = frame.assign(text=frame["text"].map(cleaning.tidy_text), label=frame["label"].map(cleaning.tidy_text))
    kept = tidy[(tidy["text"] != "") & (tidy["label"] != "")]
    key = kept["text"].map(lambda text: cleaning.comparison_key(text) or text)
    kept = kept[(kept.groupby(key)["label"].transform("nunique") == 1) & ~key.duplicated()]
    if len(kept) < len(frame):
        print(
            f"{len(frame) - len(kept)} of {len(frame)} rows dropped: no text, no label, a copy, or copies that disagree."
        )
    check_classes(kept)
    return kept.reset_index(drop=True)


def check_classes(frame: pd.DataFrame) -> None:
    """Raise DataError for fewer than two classes, for a class with fewer than MIN_ROWS_A_CLASS rows, and for so many
    classes that `label` cannot be a class. The frame has the columns `label` and `line`."""
    counts = frame["label"].value_counts()
    if len(counts) < 2:
        raise DataError(
            f"All usable rows have one label ({', '.join(counts.index) or 'none'}). It takes two classes or more."
        )
    if len(counts) > max(20, len(frame) // MIN_ROWS_A_CLASS):
        raise DataError(
            f"{len(counts)} labels in {len(frame)} rows: is `label` really a class? It takes few classes, many rows."
        )
    name, rows = counts.index[-1], counts.iloc[-1]
    if rows < MIN_ROWS_A_CLASS:
        line = frame.loc[frame["label"] == name, "line"].iloc[0]
        raise DataError(
            f"Class {name!r} has {rows} usable row(s), the first in line {line}; it takes {MIN_ROWS_A_CLASS} "
            "to train, choose and test. Add rows, join it with another class, or remove it."
        )


# ---- sample


def sample(frame: pd.DataFrame, max_rows: int | None = MAX_ROWS) -> pd.DataFrame:
    """At most `max_rows` rows: those whose texts have the smallest hashes. Prints a word if rows are left out.

    The labels keep their shares. But each keeps MIN_ROWS_A_CLASS rows at least, even if that makes more than
    `max_rows` together. None: all rows.
    """
    if max_rows is None or len(frame) <= max_rows:
        return frame
    by_label = frame["text"].map(cleaning.stable_hash).groupby(frame["label"])
    is_spare = by_label.rank(method="first") > MIN_ROWS_A_CLASS
    place = is_spare + by_label.rank(pct=True, method="first")  # up to 1 what must stay, then what may
    chosen = place.sort_values(kind="stable").index[: max(max_rows, (~is_spare).sum())]
    print(
        f"{len(frame):,} rows: a sample of {len(chosen):,} is used. With max_rows = None in the parameters cell, all are."
    )
    return frame.loc[sorted(chosen)].reset_index(drop=True)


def read(path: Path | str, max_rows: int | None = MAX_ROWS) -> pd.DataFrame:
    """The clean rows of a reader's file, at most `max_rows`: `load`, `clean` and `sample`, with their errors."""
    return sample(clean(load(path)), max_rows)


def number_labels(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows with `label` as 0 to K - 1 and without `line`, and the K names of the classes.

    The names are in the order of the numbers if all are whole numbers, else of the alphabet, numbers first.
    """
    names = sorted(frame["label"].unique(), key=lambda name: (not WHOLE_NUMBER.fullmatch(name), name))
    if all(map(WHOLE_NUMBER.fullmatch, names)):
        names = sorted(names, key=int)
    return frame.assign(label=frame["label"].map(names.index)).drop(columns="line"), tuple(names)
