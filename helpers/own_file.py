"""Lesson 01: a reader's own texts: which columns, clean rows, one problem report, a sample; errors name rows and remedies."""

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from helpers import cleaning, tables
from helpers.tables import DataError, Table

SLICES = ("domain", "style", "stars")  # columns that give slices where a file has them
# Names that people give to these columns; taken where exactly one fits.
TEXT_NAMES = (
    "text", "review", "sentence", "tweet", "comment", "message", "content", "body", "document", "utterance", "question",
    "description", "headline", "v2", "文本", "评论", "内容",
)  # fmt: skip
LABEL_NAMES = (
    "label", "category", "class", "sentiment", "intent", "topic", "target", "polarity", "v1", "标签", "类别", "情感",
)  # fmt: skip
MAX_ROWS = 5000  # of a larger file so many are sampled
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
MIN_ROWS_A_CLASS = 10  # six to train, one to choose, three to test
RARE = ("refuse", "drop", "join")
OTHER = "other"  # the class that RARE="join" makes


# ---- which file, which columns


@dataclass(frozen=True)
class Source:
    """What a reader's data are: a file or folder, its columns, files for validation and test, what to do with rare classes.

    `text` may name several columns with commas between: they are joined. None: found by name. `validation`, `test`: files
    of the same form, where the reader has split the data already.
    """

    file: str
    text: str | None = None
    label: str | None = None
    validation: str | None = None
    test: str | None = None
    rare: str = "refuse"

    def __post_init__(self):
        if self.rare not in RARE:
            raise DataError(f"RARE is {self.rare!r}; it takes {', '.join(RARE)}.")

    def files(self) -> dict[str, str]:
        """Side -> its file; "train" is all of the data where the others are not given."""
        named = {"train": self.file, "validation": self.validation, "test": self.test}
        return {side: file for side, file in named.items() if file}


def as_source(value: "str | Path | dict | Source") -> Source:
    """The `Source` that a path or a dictionary of `Source`'s fields means. Raises DataError for an unknown field."""
    if isinstance(value, Source):
        return value
    if not isinstance(value, dict):
        return Source(str(value))
    if unknown := set(value) - set(Source.__dataclass_fields__):
        raise DataError(f"A source has no {sorted(unknown)}. It has: {', '.join(Source.__dataclass_fields__)}.")
    if "file" not in value:
        raise DataError("A source must name its file: {'file': 'mine.csv', ...}.")
    return Source(**{name: str(part) for name, part in value.items() if part is not None})


def facts(source: Source) -> dict:
    """What the splits depend on besides the file's content, for the artifact's key."""
    return {name: value for name, value in asdict(source).items() if name not in ("file", "validation", "test")}


def find_column(table: Table, wanted: str | None, usual: Sequence[str], what: str) -> str:
    """The name of the column with the texts, or the labels. Says which was taken where the reader did not say.

    Raises DataError where none or several fit, with the remedy.
    """
    names = {name.casefold(): name for name in reversed(table.columns)}  # of two alike the first
    if wanted:
        if wanted.casefold() not in names:
            raise DataError(f"{table.name} has no column {wanted!r}. It has: {_listed(table.columns)}.")
        found = [names[wanted.casefold()]]
    else:
        found = [names[name] for name in usual if name in names]
        found = found[:1] if found and found[0].casefold() == usual[0] else found
    option = what.upper()
    if not found:
        no_header = (
            f" Is that first line already data? Then {option}= takes the number of a column, and all lines are read."
        )
        raise DataError(
            f"{table.name} has no column that is surely the {what}: it has {_listed(table.columns)}. Name it: {option}=..."
            + no_header * table.has_header
        )
    if len(found) > 1:
        raise DataError(f"{table.name}: {_listed(found)} may each be the {what}. Name one: {option}={found[0]}")
    if table.columns.count(found[0]) > 1:
        raise DataError(f"{table.name}: the column {found[0]!r} stands there twice. Rename or remove one.")
    if found[0] != what:
        print(f"The {what} is taken from the column {found[0]!r}.")
    return found[0]


def _listed(names: Sequence[str]) -> str:
    """Names for a message; the first ten of many."""
    shown = ", ".join(repr(name[:40]) for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def load(source: "str | Path | dict | Source", side: str = "train") -> pd.DataFrame:
    """Read one of a source's files: columns `line` (where a row begins), `text`, `label` and those in SLICES.

    All are strings, as they stand. Says how the file was understood, and which rows are left out, and why. Raises
    FileNotFoundError or DataError.
    """
    source = as_source(source)
    wanted = [part.strip() for part in (source.text or "").split(",")]
    numbered = all(part.isdecimal() for part in (*wanted, source.label or ""))
    table = tables.open_table(Path(source.files()[side]), has_header=not numbered)
    texts = _text_columns(table, source.text)
    label = find_column(table, source.label, LABEL_NAMES, "label")
    chosen = {"text": texts, "label": [label]}
    chosen |= {name: [name] for name in SLICES if name in table.columns and name not in (*texts, label)}
    return _read_columns(table, chosen)


def load_texts(source: "str | Path | dict | Source") -> pd.DataFrame:
    """The texts of a source's file, for a model that is to label them: columns `line` and `text`, errors as in `load`.

    Its `text` may be a column's number; then the file has no header.
    """
    source = as_source(source)
    numbered = bool(source.text) and all(part.strip().isdecimal() for part in source.text.split(","))
    table = tables.open_table(Path(source.file), has_header=not numbered)
    return _read_columns(table, {"text": _text_columns(table, source.text)})


def _text_columns(table: Table, wanted: str | None) -> list[str]:
    """Names of the columns with texts; `wanted` may name several with commas between."""
    names = [part.strip() for part in (wanted or "").split(",")]
    names = [wanted] if wanted in table.columns else names  # a name may hold a comma
    return [find_column(table, name, TEXT_NAMES, "text") for name in names]


def _read_columns(table: Table, chosen: dict[str, list[str]]) -> pd.DataFrame:
    """The rows of a table: `line`, and for each name in `chosen` its columns, joined by spaces. Says what was read."""
    places = {name: [table.columns.index(column) for column in columns] for name, columns in chosen.items()}
    columns = {name: [] for name in ("line", *places)}
    for line, fields in table.rows:
        columns["line"].append(line)
        for name, numbers in places.items():
            columns[name].append(" ".join(fields[number] for number in numbers))
    frame = pd.DataFrame(columns)
    print(f"{table.name}: {table.kind}, {len(frame):,} rows.")
    _report(table, len(frame))
    if frame.empty:
        raise DataError(f"{table.name} holds no row that can be used. Add texts with their labels.")
    return frame


TOLERATED = 0.05  # share of rows that may be left out for their form


def _report(table: Table, rows: int) -> None:
    """Say what rows were left out for their form. Raises DataError where they are too many to be slips."""
    if not table.problems:
        return
    lost = sum(map(len, table.problems.values()))
    said = [f"{len(places):,} rows {what} (the first: {_places(places)})" for what, places in table.problems.items()]
    if lost > TOLERATED * (rows + lost):
        raise DataError(f"{table.name}: " + "; ".join(said) + ".")
    print("Left out: " + "; ".join(said) + ".")


def _places(places: Sequence[int | str]) -> str:
    """The first three places, as lines where they are numbers."""
    return ", ".join(place if isinstance(place, str) else f"line {place}" for place in places[:3])


# ---- clean


PLACEHOLDERS = {*cleaning.MISSING_TEXTS, "[deleted]", "[removed]"}
WHOLE_FLOAT = re.compile(r"(-?[0-9]{1,15})\.0+")
LIST = re.compile(r"\[.*[,\"'].*\]")
LABEL_SEPARATORS = re.compile(r"\s*[,;|]\s*")


def _characters_of(kinds: str) -> str:
    """A character class for `re`: all characters whose category in Unicode begins with one of the letters in `kinds`."""
    codes = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] in kinds]
    starts = [code for code, before in zip(codes, [-2, *codes], strict=False) if code != before + 1]
    ends = [code for code, after in zip(codes, [*codes[1:], -1], strict=True) if code != after - 1]
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in zip(starts, ends, strict=True))


BETWEEN_WORDS = re.compile(f"[{_characters_of('PZ')}]+")  # punctuation and spaces
# Scripts that put no spaces between words: Chinese and Japanese, Thai and Lao, Burmese, Khmer.
UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
WORDS = re.compile(f"[{UNSPACED}]|[^ {UNSPACED}]+")


def copy_key(text: str) -> str:
    """A text in small letters, without punctuation, in single spaces: what two copies share.

    Letters keep their marks (vowel signs in many scripts), and symbols and emoji stay: they can carry the meaning.
    """
    return BETWEEN_WORDS.sub(" ", text.lower()).strip() or text


def divide(text: str) -> list[str]:
    """The words of a text in any script; where a script puts no spaces between words, each character is one."""
    return WORDS.findall(copy_key(text))


def clean_text(text: str) -> str:
    """A text by the rules of lesson 01: without HTML, decoded rightly, one spelling; "" for a placeholder."""
    tidy = cleaning.tidy_text(cleaning.repair_encoding(cleaning.strip_html(text)))
    return "" if tidy in PLACEHOLDERS else tidy


def tidy_labels(labels: pd.Series) -> pd.Series:
    """Labels in one spelling: `1.0` is `1`; of `Good` and `good` the more frequent is kept; "" for a placeholder."""
    tidy = labels.map(cleaning.tidy_text).str.replace(WHOLE_FLOAT, r"\1", regex=True)
    tidy = tidy.where(~tidy.isin(PLACEHOLDERS), "")
    counts = Counter(tidy)
    spelling = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        spelling.setdefault(name.casefold(), name)
    return tidy.map(lambda name: spelling[name.casefold()])


def check_single_labels(frame: pd.DataFrame) -> None:
    """Raise DataError where cells hold several labels: all their parts are labels in other cells too, or it is a list."""
    parts_of = {name: LABEL_SEPARATORS.split(name) for name in set(frame["label"])}
    cells = Counter(part for parts in parts_of.values() for part in set(parts))  # how many different cells hold a part

    def is_several(name: str) -> bool:
        """Whether a label is a list, or of parts that are also met elsewhere."""
        parts = parts_of[name]
        return bool(LIST.fullmatch(name)) or (len(parts) > 1 and all(part and cells[part] > 1 for part in parts))

    several = {name for name in set(frame["label"]) if is_several(name)}
    if several:
        row = frame[frame["label"].isin(several)].iloc[0]
        rows = int(frame["label"].isin(several).sum())
        raise DataError(
            f"{rows:,} rows seem to have several labels, the first {_places([row['line']])}: {row['label']!r}. The course "
            "gives a text one label: choose one for each row, or ask one yes-or-no question at a time, a file each."
        )


def clean(frame: pd.DataFrame, rare: str = "refuse") -> pd.DataFrame:
    """Tidy the rows of `load`; print how many were dropped, and why.

    Dropped: rows without text or label, copies, and all copies of a text whose labels disagree. Copies are equal but for
    case, punctuation and spaces. `rare`: see `settle_rare`. Raises DataError as `check_classes` does.
    """
    tidy = frame.assign(text=frame["text"].map(clean_text), label=tidy_labels(frame["label"]))
    steps = {"without a text": tidy["text"] == "", "without a label": (tidy["label"] == "") & (tidy["text"] != "")}
    kept = tidy[~(steps["without a text"] | steps["without a label"])]
    check_single_labels(kept)
    key = kept["text"].map(copy_key)
    steps["copies whose labels disagree"] = kept.groupby(key)["label"].transform("nunique") > 1
    steps["copies"] = key.duplicated() & ~steps["copies whose labels disagree"]
    kept = kept[~(steps["copies whose labels disagree"] | steps["copies"])]
    if len(kept) < len(frame):
        said = ", ".join(f"{int(rows.sum()):,} {why}" for why, rows in steps.items() if rows.any())
        print(f"Dropped {len(frame) - len(kept):,} of {len(frame):,} rows: {said}.")
    kept = settle_rare(kept, rare)
    check_classes(kept)
    return kept.reset_index(drop=True)


def settle_rare(frame: pd.DataFrame, rare: str) -> pd.DataFrame:
    """Classes of fewer than MIN_ROWS_A_CLASS rows: "drop" them, "join" them into one called OTHER, or "refuse" (later)."""
    counts = frame["label"].value_counts()
    few = counts[counts < MIN_ROWS_A_CLASS]
    if few.empty or rare == "refuse":
        return frame
    is_rare = frame["label"].isin(few.index)
    print(f"{len(few)} classes with fewer than {MIN_ROWS_A_CLASS} rows ({int(few.sum())} rows): {rare}.")
    return frame[~is_rare] if rare == "drop" else frame.assign(label=frame["label"].where(~is_rare, OTHER))


def check_classes(frame: pd.DataFrame) -> None:
    """Raise DataError for fewer than two classes, for classes with fewer than MIN_ROWS_A_CLASS rows (all are named), and
    for so many classes that `label` cannot be a class. The frame has the columns `label` and `line`."""
    counts = frame["label"].value_counts()
    if len(counts) < 2:
        raise DataError(
            f"All usable rows have one label ({', '.join(counts.index) or 'none'}). It takes two classes or more."
        )
    if len(counts) > max(20, len(frame) // MIN_ROWS_A_CLASS):
        raise DataError(
            f"{len(counts)} labels in {len(frame)} rows: is `label` really a class? It takes few classes, many rows."
        )
    few = counts[counts < MIN_ROWS_A_CLASS]
    if len(few):
        first = frame.drop_duplicates("label").set_index("label")["line"]
        said = [f"{name!r}: {rows}, the first {_places([first[name]])}" for name, rows in few.items()]
        raise DataError(
            f"{len(few)} of {len(counts)} classes have fewer than {MIN_ROWS_A_CLASS} usable rows, too few to train, choose and "
            f"test ({'; '.join(said[:30])}). Add rows, or say RARE=drop to leave them out, RARE=join to make them one class."
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


def read(source: "str | Path | dict | Source", max_rows: int | None = MAX_ROWS) -> pd.DataFrame:
    """The clean rows of a reader's data, at most `max_rows`: `load`, `clean` and `sample`, with their errors.

    Where the source has files for validation or test, the column `side` says from which a row comes; a text that also
    stands in another file is dropped from the training rows, then from the validation rows.
    """
    source = as_source(source)
    if len(source.files()) == 1:
        return sample(clean(load(source), source.rare), max_rows)
    return sample(clean(pd.concat(list(_load_sides(source)), ignore_index=True), source.rare), max_rows)


def _load_sides(source: Source) -> Iterator[pd.DataFrame]:
    """The rows of each of a source's files; the test's first, so that of copies the test keeps its own."""
    for side in reversed(source.files()):
        frame = load(source, side)
        name = Path(source.files()[side]).name
        yield frame.assign(side=side, line=[f"{name}, {_places([place])}" for place in frame["line"]])


def number_labels(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows with `label` as 0 to K - 1 and without `line`, and the K names of the classes.

    The names are in the order of the numbers if all are whole numbers, else of the alphabet, numbers first.
    """
    names = sorted(frame["label"].unique(), key=lambda name: (not WHOLE_NUMBER.fullmatch(name), name))
    if all(map(WHOLE_NUMBER.fullmatch, names)):
        names = sorted(names, key=int)
    return frame.assign(label=frame["label"].map(names.index)).drop(columns="line"), tuple(names)
