"""Lesson 01: reviews from a file to clean, labelled splits; words; the bag-of-words baseline."""

import contextlib
import csv
import functools
import hashlib
import html
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import runtime

RAW = runtime.COURSE / "data" / "raw" / "reviews.csv"  # as they arrive, with defects
MANIFEST = RAW.with_name("manifest.csv")  # what was planted in RAW
REVIEWS = runtime.COURSE / "data" / "reviews.csv"  # before anything was planted
COLUMNS = ("review_id", "text", "stars", "domain", "style")
LABELS = ("negative", "positive")  # label 0 and label 1
LATER_DOMAINS = ("course", "travel")  # kept out of all splits: fields that the model has never seen
SPLIT_SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}
NEAR_COPY = 0.7  # share of common word pairs from which a later review is dropped as a copy
LOOKS_DEFECTIVE = "looks defective"  # the kind of good rows in the manifest
STRATUM = ["domain", "stars", "style"]
MIN_ROWS_A_CLASS = 10  # of a reader's own data: six to train, one to choose, three to test
MAX_CHARACTERS = 1_000_000  # in one text of a reader's own data


def load(path: Path | str = RAW) -> pd.DataFrame:
    """Read reviews from a UTF-8 CSV file: columns `review_id` (int64), `text`, `stars`, `domain`, `style`.

    The default is the raw file; `load(REVIEWS)` reads the same reviews before anything happened to them. Nothing is
    taken for a missing value here: that is `clean`'s decision. `stars` is int64 where all are whole numbers, else text.
    Rows with a broken quote are mended where that is sure, else left out (`read_rows`): `frame.attrs` holds the lists
    `mended_lines` and `lost_lines`. Raises FileNotFoundError, or ValueError that names the missing columns or the encoding.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. The course's own reviews are data/reviews.csv.")
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 (byte {error.start}). Save it again as UTF-8.") from error
    header, rows, mended, lost = read_rows(content)
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise ValueError(f"{path.name} lacks the columns {missing}; it has {header}.")
    frame = pd.DataFrame(rows, columns=header).astype({"review_id": "int64"})
    if frame["stars"].str.fullmatch(r"\d+").all():
        frame = frame.astype({"stars": "int64"})
    frame.attrs = {"mended_lines": mended, "lost_lines": lost}
    return frame


NUMBER = re.compile(r"\s*[0-9]{1,18}\s*")  # fits 64 bits


def parsed(block: str) -> list[str] | None:
    """Fields of one well-formed CSV row; None if a quote is misplaced; [] if a quoted text goes on after the end."""
    try:
        return next(csv.reader([block], strict=True), None)
    except csv.Error as error:
        return [] if "unexpected end" in str(error) else None


def mend_row(line: str, header: list[str]) -> list[str] | None:
    """Fields of a row whose quotes are broken, read from both ends of its line; None where that is not sure.

    The columns beside `text` hold short, plain values, so they can be cut off at the commas from the left and from the
    right: what is left between is the text. It is sure when the number is a number and domain and style are one word.
    """
    before = header.index("text")
    left = line.split(",", before)
    fields = left[:before] + left[-1].rsplit(",", len(header) - before - 1)
    if len(fields) != len(header):
        return None
    row = dict(zip(header, fields, strict=True))
    plain = NUMBER.fullmatch(row["review_id"]) and all(re.fullmatch(r"\w*", row[c]) for c in ("domain", "style"))
    if not plain or '"' in row["stars"]:
        return None
    text = re.sub(r'^"(.*)"$', r"\1", row["text"])
    if text == row["text"] and text.count('"') % 2:  # one outer quote has lost its partner
        text = text[1:] if text.startswith('"') else text.removesuffix('"')
    row["text"] = text.replace('""', '"')
    return list(row.values())


def read_rows(content: str) -> tuple[list[str], list[list[str]], list[int], list[int]]:
    """Header, rows, line numbers of mended rows and of lost ones, of a CSV file that may hold broken quotes.

    A text may run over several lines within its quotes. But a quote that is open where a complete row follows was
    never closed: an ordinary reader would swallow rows up to the next quote; here one row is mended or lost.
    """
    lines = [line.removesuffix("\r") for line in content.split("\n")]
    header = [name.strip() for name in parsed(lines[0]) or []]
    rows: list[list[str]] = []
    mended: list[int] = []
    lost: list[int] = []

    def complete(fields: list[str] | None) -> bool:
        """Whether these are the fields of a row: as many as the header has, and a number where it belongs."""
        if not fields or len(fields) != len(header):
            return False
        return "review_id" not in header or bool(NUMBER.fullmatch(fields[header.index("review_id")]))

    start = 1
    while start < len(lines):
        block, end = lines[start], start + 1
        if not block.strip():
            start += 1
            continue
        fields = parsed(block)
        while fields == [] and end < len(lines) and not complete(parsed(lines[end])):
            block, end = f"{block}\n{lines[end]}", end + 1
            fields = parsed(block)
        if not complete(fields):  # mend this line alone; what follows gets its own chance
            end = start + 1
            fields = mend_row(lines[start], header) if set(COLUMNS) <= set(header) else None
            (mended if fields else lost).append(start + 1)
        if fields:
            rows.append(fields)
        start = end
    return header, rows, mended, lost


TAG = re.compile(
    r"<!--.*?-->|</?(?:a|b|br|blockquote|div|em|font|h[1-6]|i|li|ol|p|s|small|span|strong|sub|sup|table|td|tr|u|ul)"
    r"""(?:\s+[a-z-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+))*\s*/?>""",
    re.IGNORECASE | re.DOTALL,
)
BLOCK_TAG = re.compile(r"</?(?:br|blockquote|div|h[1-6]|li|ol|p|table|td|tr|ul)\b", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});", re.IGNORECASE)


def strip_html(text: str) -> str:
    """Text without HTML: entities become characters (also where escaped twice), known tags go, lines end in a space.

    Only what is surely HTML: an entity needs its semicolon, a tag its name and its bracket. So `<3`, `5 < 6`, `R&B`
    and `AT&T` stay. A review that *speaks* of `<br>` or `&amp;` loses it: nobody can tell from the text alone.
    """
    for _ in range(3):
        text, before = ENTITY.sub(lambda found: html.unescape(found[0]), text), text
        if text == before:
            break
    return TAG.sub(lambda found: " " if BLOCK_TAG.match(found[0]) else "", text)


def repair_encoding(text: str) -> str:
    """Text decoded with the wrong encoding, decoded again with the right one, where ftfy is sure: `cafÃ©` to `café`.

    What a wrong reading has destroyed (`caf?`, `don\ufffdt`) stays. Speer: *ftfy*, 2019 (Zenodo).
    """
    import ftfy

    return ftfy.fix_encoding(text)


def tidy_text(text: str) -> str:
    """One spelling for one text: Unicode NFC, no invisible characters, single spaces, none at the ends."""
    text = re.sub(r"\s", " ", unicodedata.normalize("NFC", text))
    visible = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf") or c == "\u200d")
    return re.sub(" +", " ", visible).strip()


NUMERALS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
STARS = re.compile(
    rf"(?P<word>{'|'.join(NUMERALS)}|\d+)(?:[.,]0+)?(?: ?(?:stars?|\*|/ ?5|out of (?:5|five))(?: stars?)?)?"
)


def parse_stars(value: object) -> int | None:
    """Whole number of stars, 1 to 5, that a label means: 4, 4.0, "4 stars", "four", "4/5", "★★★★☆" all give 4.

    None for what is missing, out of range or can be read in two ways ("4 or 5", "4.5", "good"): a guessed label is
    worse than a missing row. The whole label must be understood, not a part of it.
    """
    text = unicodedata.normalize("NFKC", str(value)).replace("\ufe0f", "").strip().lower()
    if re.fullmatch(r"[★⭐]{1,5}|(?=.{5}$)[★⭐]+☆+", text):
        return len(text.replace("☆", ""))
    found = STARS.fullmatch(text)
    if not found:
        return None
    stars = NUMERALS.get(found["word"]) or int(found["word"])
    return stars if 1 <= stars <= 5 else None


MISSING_TEXTS = {"", "NULL", "NaN", "nan", "#N/A", "<NA>"}  # as databases and pandas write it; people write "n/a"


def comparison_key(text: str) -> str:
    """Lower-case letters and digits of a text in single spaces: what two copies of a review share."""
    return " ".join(re.findall(r"\w+", text.lower()))


def later_copies(frame: pd.DataFrame, threshold: float = NEAR_COPY) -> pd.Series:
    """True for each row that has an earlier near-copy with the same stars, domain and style; bool Series.

    Near-copy: word pairs overlap by Jaccard >= `threshold` (`near_duplicates`). Only the first of a chain stays.
    """
    same = frame[["stars", "domain", "style"]].astype(str).agg("|".join, axis=1).to_numpy()
    is_copy = np.zeros(len(frame), dtype=bool)
    for first, second in sorted(map(tuple, near_duplicates(frame["text"].tolist(), threshold))):
        is_copy[second] |= same[first] == same[second]
    return pd.Series(is_copy, index=frame.index)


class Cleaning:
    """A frame on its way to being clean, and what each step has changed or dropped so far."""

    def __init__(self, frame: pd.DataFrame):
        self.frame = frame
        self.steps = []  # (step, rows changed, rows dropped)

    def change(self, column: str, rule: Callable, step: str) -> None:
        """Apply a rule to each value of a column."""
        old, new = self.frame[column], self.frame[column].map(rule)
        self.steps.append((step, int((new.astype(str) != old.astype(str)).sum()), 0))
        self.frame = self.frame.assign(**{column: new})

    def keep(self, rows: pd.Series, step: str) -> None:
        """Keep the rows that are True (bool Series with the frame's index)."""
        self.steps.append((step, 0, int((~rows).sum())))
        self.frame = self.frame[rows]


def known_or_unknown(value) -> str:
    """A domain or style, tidied; "unknown" where it is missing."""
    return tidy_text("" if pd.isna(value) else str(value)) or "unknown"


def clean(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Repair texts and labels where that is sure, and drop unusable rows.

    Returns the clean frame (same columns and order, a new index, `stars` as int64) and a report with the columns
    `step`, `rows_changed`, `rows_dropped`. Missing texts and labels are dropped, since to invent them would be to
    invent the answer; a missing domain or style becomes "unknown". Of exact duplicates (equal but for case and
    punctuation, same stars) the first is kept; where copies disagree about the stars, all go, since nobody can say
    which is right. Texts without a letter or digit count as their own key. Of near-copies (`later_copies`) the first
    stays as well; what is less alike stays, on one side of the split.
    """
    tidy = Cleaning(frame.assign(text=frame["text"].fillna("").astype(str)))
    mended, lost = frame.attrs.get("mended_lines", []), frame.attrs.get("lost_lines", [])
    tidy.steps.append(("mend broken rows", len(mended), len(lost)))  # `load` did it
    tidy.change("text", strip_html, "strip HTML")
    tidy.change("text", repair_encoding, "repair the encoding")
    tidy.change("text", tidy_text, "tidy the text")
    tidy.keep(~tidy.frame["text"].isin(MISSING_TEXTS), "drop missing texts")
    tidy.keep(tidy.frame["stars"].map(parse_stars).notna(), "drop rows without 1 to 5 stars")
    tidy.change("stars", parse_stars, "read the stars")
    tidy.frame = tidy.frame.astype({"stars": "int64"})
    tidy.change("domain", known_or_unknown, "fill a missing domain")
    tidy.change("style", known_or_unknown, "fill a missing style")
    key = tidy.frame["text"].map(lambda text: comparison_key(text) or text)
    tidy.keep(tidy.frame.groupby(key)["stars"].transform("nunique") == 1, "drop copies with other stars")
    tidy.keep(~key[tidy.frame.index].duplicated(), "drop exact duplicates")
    tidy.keep(~later_copies(tidy.frame), "drop near-copies")
    tidy.frame.attrs = {}
    return tidy.frame.reset_index(drop=True), pd.DataFrame(tidy.steps, columns=["step", "rows_changed", "rows_dropped"])


def judge(cleaned: pd.DataFrame, manifest: pd.DataFrame, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """How well the raw file was cleaned, against the manifest of what was planted in it.

    `manifest`: data/raw/manifest.csv read as text; `reference`: the reviews before anything was planted (REVIEWS).
    Returns a row for each kind: `measure` ("recall": rows dropped or repaired exactly as they should; "harm": good rows
    changed or lost), `rows`, `hits`, `share` and its 95 % Wilson interval `low` to `high`. Good rows are those of the
    reference where nothing was planted, and those that only look defective.
    """
    reference = load(REVIEWS) if reference is None else reference
    columns = ["text", "stars", "domain", "style"]

    def as_text(rows: pd.DataFrame) -> dict[int, tuple]:
        """review_id -> the columns as strings."""
        return dict(
            zip(
                rows["review_id"].astype(int), rows[columns].astype(str).itertuples(index=False, name=None), strict=True
            )
        )

    found, wanted = as_text(cleaned), as_text(manifest)
    actions = dict(zip(manifest["review_id"].astype(int), manifest["action"], strict=True))
    right = {i: found.get(i) == (None if action == "drop" else wanted[i]) for i, action in actions.items()}
    kinds = manifest.groupby("kind", sort=True)["review_id"].agg(lambda ids: [int(i) for i in ids])
    looks = kinds.pop(LOOKS_DEFECTIVE) if LOOKS_DEFECTIVE in kinds else []
    good = {i: row for i, row in as_text(reference).items() if i not in actions} | {i: wanted[i] for i in looks}
    rows = [(kind, "recall", len(ids), sum(right[i] for i in ids)) for kind, ids in kinds.items()]
    rows.append((LOOKS_DEFECTIVE, "harm", len(looks), sum(not right[i] for i in looks)))
    rows.append(("all good rows", "harm", len(good), sum(found.get(i) != row for i, row in good.items())))
    table = pd.DataFrame(rows, columns=["kind", "measure", "rows", "hits"])
    low, high = wilson(table["hits"].to_numpy(), table["rows"].to_numpy())
    return table.assign(share=table["hits"] / table["rows"].clip(lower=1), low=low, high=high)


def wilson(hits: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end of the 95 % interval of the shares hits / rows, float64 arrays; 0 and 1 where there are no rows.

    Wilson: *Probable inference, the law of succession, and statistical inference*, 1927.
    """
    z = 1.959963984540054  # cuts 2.5 % off each end of the normal distribution
    n = np.maximum(rows, 1)
    share = hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
    return low, np.where(rows > 0, high, 1.0)  # of no rows the low end is 0 by itself


def label(stars: pd.Series) -> pd.Series:
    """Label of each review: 1 (4-5 stars), 0 (1-2 stars), -1 for 3 stars: undecided."""
    return pd.Series(np.select([stars >= 4, stars <= 2], [1, 0], -1), index=stars.index, name="label")


def word_pairs(text: str) -> set[tuple[str, str]]:
    """Neighbouring words of a text (its shingles); a text of one word is paired with nothing."""
    words = comparison_key(text).split()
    return set(pairwise(words)) if len(words) > 1 else {(word, "") for word in words}


def near_duplicates(texts: Sequence[str], threshold: float = 0.5) -> np.ndarray:
    """Pairs (i, j), i < j, int array (pairs, 2), whose word pairs overlap by Jaccard >= `threshold`.

    Jaccard = shared / all different word pairs of both texts (Broder, 1997, "On the resemblance and
    containment of documents"). All texts are compared with all: a sparse product counts what they share.
    """
    from scipy.sparse import triu
    from sklearn.feature_extraction.text import CountVectorizer

    shingles = CountVectorizer(analyzer=word_pairs, binary=True, dtype=np.int32).fit_transform(texts)
    sizes = np.asarray(shingles.sum(axis=1)).ravel()
    shared = triu(shingles @ shingles.T, k=1).tocoo()
    union = sizes[shared.row] + sizes[shared.col] - shared.data
    near = shared.data >= threshold * union
    return np.stack([shared.row[near], shared.col[near]], axis=1)


def clusters(texts: Sequence[str], threshold: float = 0.5) -> np.ndarray:
    """Cluster number of each text, int array (texts,): near-duplicates, and theirs, share one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = near_duplicates(texts, threshold)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(texts), len(texts)))
    return connected_components(links, directed=False)[1]


def stable_hash(text: str) -> int:
    """The same whole number (64 bits) for the same text on every machine; Python's `hash` is not."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def content_hash(frame: pd.DataFrame) -> str:
    """SHA-256 (64 hex digits) of the texts and labels of a frame, in order: the same data, the same hash."""
    return hashlib.sha256(frame[["text", "label"]].to_csv(index=False).encode()).hexdigest()


def split(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Divide clean reviews into `train`, `validation`, `test`, `undecided`, `later`.

    `later` holds the domains in LATER_DOMAINS, `undecided` the 3-star reviews of the others.
    The rest is dealt by `deal` within each stratum (domain, stars, style).
    """
    frame = frame.assign(label=label(frame["stars"]))
    is_later = frame["domain"].isin(LATER_DOMAINS)
    is_undecided = ~is_later & (frame["label"] == -1)
    splits = deal(frame[~is_later & ~is_undecided], STRATUM)
    splits |= {"undecided": frame[is_undecided], "later": frame[is_later]}
    return {name: part.reset_index(drop=True) for name, part in splits.items()}


def deal(rows: pd.DataFrame, stratum: list[str]) -> dict[str, pd.DataFrame]:
    """Deal rows to `train`, `validation` and `test` by SPLIT_SHARES within each stratum.

    Clusters of near-duplicates, in the order of their hash, go whole to the first split that still
    has room. So the sizes are exact, and no text has a near-duplicate on another side.
    """
    rows = rows.assign(cluster=clusters(rows["text"].tolist()))
    members = rows.assign(order=rows["text"].map(stable_hash)).sort_values("order")
    whole = members.groupby("cluster", sort=False).agg(
        size=("text", "size"), **{column: (column, "first") for column in stratum}
    )
    side_of_cluster: dict[int, str] = {}
    dealt = dict.fromkeys(SPLIT_SHARES, 0)
    total = 0
    for _, part in whole.groupby(stratum):
        total += int(part["size"].sum())
        # Quotas are of the running total, so that rounding never adds up over the strata.
        room = {name: round(share * total) - dealt[name] for name, share in SPLIT_SHARES.items()}
        for cluster, size in part["size"].items():
            name = next((n for n in ("test", "validation") if room[n] >= size), "train")
            side_of_cluster[cluster] = name
            room[name] -= size
            dealt[name] += size
    side = rows["cluster"].map(side_of_cluster)
    return {name: rows[side == name].drop(columns="cluster").reset_index(drop=True) for name in SPLIT_SHARES}


# ---- a reader's own file


class DataError(ValueError):
    """A reader's file cannot be used as it is; the message names the row and the remedy."""


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, one at a time, so that a file larger than memory can be refused too.

    Raises DataError that names the line which is too long or not UTF-8.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(4 * MAX_CHARACTERS):
            number += 1
            if len(line) == 4 * MAX_CHARACTERS:
                raise DataError(_too_long(path, number))
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise DataError(f"{path.name} is UTF-16. Save it again as UTF-8 (in Excel: 'CSV UTF-8').")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path.name}, line {number}: byte {error.start + 1} is not UTF-8. Save the file again as UTF-8 "
                    "(in Excel: 'CSV UTF-8')."
                ) from error


def _too_long(path: Path, line: int) -> str:
    return (
        f"{path.name}, line {line}: more than {MAX_CHARACTERS:,} characters in one text. BERT reads the first few "
        "hundred words: cut the text into passages. If it should be short, look for a quote that is never closed."
    )


def rows_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number where it begins, fields) of each row of a CSV file; empty lines are passed over.

    Raises DataError that names the line of a broken quote or a text that is too long.
    """
    csv.field_size_limit(MAX_CHARACTERS)
    reader = csv.reader(lines_of(path), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error):
                raise DataError(_too_long(path, line)) from error
            raise DataError(
                f"{path.name}, line {line}: a quote is not closed or stands inside a quoted text ({error}). "
                'Put the text in quotes, and write each quote inside it twice: "He said ""no""."'
            ) from error
        if fields:
            yield line, fields


def load_own(path: Path | str) -> pd.DataFrame:
    """Read a reader's CSV file (UTF-8, commas): columns `text` and `label`, in any order.

    Of the other columns `domain`, `style` and `stars` are kept: they give slices. Returns strings, and `line`,
    the line in the file where each row begins. Raises FileNotFoundError, or DataError that names row and remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}. Give the path of a CSV file with the columns text and label."
        )
    rows = rows_of(path)
    _, header = next(rows, (0, []))
    header = [name.strip() for name in header]
    if not header:
        raise DataError(f"{path.name} is empty. Its first line must name the columns: text,label")
    missing = [name for name in ("text", "label") if name not in header]
    if missing:
        hint = " They seem to be separated by semicolons or tabs: save the file with commas." * (
            len(header) == 1 and any(mark in header[0] for mark in ";\t")
        )
        raise DataError(
            f"{path.name}, line 1: no column {' and '.join(missing)} among {header}.{hint} Rename or add it."
        )
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
    return frame[[c for c in ("line", "text", "label", "domain", "style", "stars") if c in frame]]


def clean_own(frame: pd.DataFrame) -> pd.DataFrame:
    """Tidy the rows of `load_own`; print how many were dropped, and why.

    Dropped: empty texts or labels, copies (equal but for case and punctuation), and all copies of a text whose
    labels disagree. Raises DataError for fewer than two classes, for a class with fewer than MIN_ROWS_A_CLASS
    rows, and for so many classes that `label` cannot be a class.
    """
    tidy = frame.assign(text=frame["text"].map(tidy_text), label=frame["label"].map(tidy_text))
    kept = tidy[(tidy["text"] != "") & (tidy["label"] != "")]
    key = kept["text"].map(lambda text: comparison_key(text) or text)
    kept = kept[(kept.groupby(key)["label"].transform("nunique") == 1) & ~key.duplicated()]
    if len(kept) < len(frame):
        print(
            f"{len(frame) - len(kept)} of {len(frame)} rows dropped: no text, no label, a copy, or copies that disagree."
        )
    counts = kept["label"].value_counts()
    if len(counts) < 2:
        raise DataError(
            f"All usable rows have one label ({', '.join(counts.index) or 'none'}). It takes two classes or more."
        )
    if len(counts) > max(20, len(kept) // MIN_ROWS_A_CLASS):
        raise DataError(
            f"{len(counts)} labels in {len(kept)} rows: is `label` really a class? It takes few classes, many rows."
        )
    rare = counts[counts < MIN_ROWS_A_CLASS]
    if len(rare):
        name = rare.index[-1]
        line = kept.loc[kept["label"] == name, "line"].iloc[0]
        raise DataError(
            f"Class {name!r} has {rare.iloc[-1]} usable row(s), the first in line {line}; it takes {MIN_ROWS_A_CLASS} "
            "to train, choose and test. Add rows, join it with another class, or remove it."
        )
    return kept.reset_index(drop=True)


def sampled(frame: pd.DataFrame, max_rows: int | None) -> pd.DataFrame:
    """At most `max_rows` rows with the shares of the labels kept: those with the smallest hashes. Says so if it cuts."""
    if max_rows is None or len(frame) <= max_rows:
        return frame
    print(
        f"{len(frame):,} rows: a sample of {max_rows:,} is used. With max_rows = None in the parameters cell, all are."
    )
    rank = frame["text"].map(stable_hash).groupby(frame["label"]).rank(pct=True, method="first")
    chosen = rank.sort_values(kind="stable").index[:max_rows]
    return frame.loc[sorted(chosen)].reset_index(drop=True)


def split_own(frame: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """`train`, `validation` and `test` of clean rows, and the class names; `label` becomes 0 to K - 1.

    The names are in the order of the numbers if all are whole numbers, else of the alphabet. Raises DataError for a
    class that cannot be tested since its rows are copies of each other.
    """
    names = sorted(frame["label"].unique(), key=lambda name: (not re.fullmatch(r"-?\d+", name), name))
    if all(re.fullmatch(r"-?\d+", name) for name in names):
        names = sorted(names, key=int)
    splits = deal(frame.assign(label=frame["label"].map(names.index)).drop(columns="line"), ["label"])
    for number, name in enumerate(names):
        if not all((splits[side]["label"] == number).any() for side in ("train", "test")):
            raise DataError(f"The rows of class {name!r} are near-copies of each other. Add rows that differ.")
    return splits, tuple(names)


# ---- the splits that all lessons share


def is_own_file(source: str) -> bool:
    """Whether a source names a reader's file: by its ending, or because it is there."""
    return source.lower().endswith((".csv", ".txt")) or Path(source).is_file()


def prepared(
    source: str = "reviews", max_rows: int | None = 5000, remake: bool = False
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The splits that lesson 01 makes as an artifact and later lessons load, and the names of the classes.

    `source`: "reviews" (the raw file, cleaned), the path of a reader's CSV file (`load_own`; at most `max_rows`
    of its rows), or the name of a TensorFlow data set (`from_tfds`). Columns: text, label (0 to K - 1, and -1 in
    `undecided`), and what else the source has. Raises FileNotFoundError, DataError, or what `from_tfds` raises.
    """

    def make(folder: Path) -> None:
        """Write a CSV file for each split, and the names."""
        if source == "reviews":
            splits, names = split(clean(load(RAW))[0]), LABELS
        elif is_own_file(source):
            splits, names = split_own(sampled(clean_own(load_own(source)), max_rows))
        else:
            splits, names = from_tfds(source)
        for name, part in splits.items():
            part.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8")
        (folder / "label_names.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")

    if source == "reviews":
        inputs = {"source": runtime.file_hash(RAW)}
    elif is_own_file(source):
        if not Path(source).is_file():
            raise FileNotFoundError(
                f"There is no file {source}. Give the path of a CSV file with the columns text and label."
            )
        inputs = {"source": runtime.file_hash(Path(source)), "max_rows": max_rows}
    else:
        inputs = {"source": source}
    folder = runtime.artifact("splits", make, inputs, [Path(__file__)], remake)
    splits = {
        path.stem: pd.read_csv(path, keep_default_na=False, dtype={"text": str})
        for path in sorted(folder.glob("*.csv"))
    }
    return splits, tuple(json.loads((folder / "label_names.json").read_text(encoding="utf-8")))


def words(texts: Iterable[str]) -> list[list[tuple[str, bool]]]:
    """Words of each text by spaCy's rules for English, each with whether it is a stop word.

    Uses the blank pipeline (tokenizer only): it needs no trained model and so no download.
    """
    import spacy

    pipeline = spacy.blank("en")
    return [
        [(token.text, token.is_stop) for token in document if not token.is_punct] for document in pipeline.pipe(texts)
    ]


NORMAL_FORMS = ("words", "no stop words", "lemmas", "stems")


def normalised(texts: Iterable[str], how: str) -> list[str]:
    """Texts as lower-case words with single spaces between, changed as `how` (one of NORMAL_FORMS) says.

    "no stop words" leaves out spaCy's list; "lemmas" are dictionary forms from spaCy's lookup table, which knows
    no context ("better" is always "well"); "stems" are cut by rules that know no dictionary (Porter's *Snowball*,
    2001: "happily" is "happili"). Needs no download. Raises ValueError for another `how`.
    """
    if how not in NORMAL_FORMS:
        raise ValueError(f"{how!r} is none of {', '.join(NORMAL_FORMS)}.")
    import spacy

    pipeline = spacy.blank("en")
    form = str.lower
    if how == "lemmas":
        pipeline.add_pipe("lemmatizer", config={"mode": "lookup"}).initialize()
    elif how == "stems":
        from nltk.stem.snowball import SnowballStemmer

        form = SnowballStemmer("english").stem
    result = []
    for document in pipeline.pipe(text.lower() for text in texts):
        kept = [t for t in document if not (t.is_punct or t.is_space or (how == "no stop words" and t.is_stop))]
        result.append(" ".join(form(token.lemma_ if how == "lemmas" else token.text) for token in kept))
    return result


def bag_of_words(pattern: str = r"(?u)\b\w\w+\b"):
    r"""The baseline: TF-IDF of words and word pairs, then logistic regression; a scikit-learn pipeline.

    `pattern` says what a word is; with r"\S+" whatever stands between spaces, as `normalised` writes it.
    `fit(texts, labels)`, then `predict_proba(texts)`: float64 array (texts, classes).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=pattern),
        LogisticRegression(C=10, max_iter=1000),
    )


# ---- TensorFlow Datasets (TFDS)


class SourceError(RuntimeError):
    """A TensorFlow data set could not be read; the message says what to do."""


CARVED = 0.1  # of the training split, where a public data set has no labelled split to choose with
# Name: the key of its text, and which of its splits serve. The test split of SST-2 has no labels: its `validation`
# judges. In the training split of SST-2 stand phrases beside their sentences: a validation carved from it is easier.
TFDS_SOURCES = {
    "course_reviews": ("text", {"train": "train", "validation": "validation", "test": "test"}),
    "glue/sst2": ("sentence", {"train": "train", "test": "validation"}),
    "imdb_reviews": ("text", {"train": "train", "test": "test"}),
    "ag_news_subset": ("description", {"train": "train", "test": "test"}),
}


def _tfds():
    """The package tensorflow_datasets, without progress bars. Raises SourceError where it is missing."""
    missing = [name for name in ("tensorflow", "tensorflow_datasets") if not runtime.installed(name)]
    if missing:
        raise SourceError(
            f"{' and '.join(missing)} is not installed, and TensorFlow data sets need it: run `make setup`, or take "
            "the course's reviews (source = None, profile = 'small') or your own CSV file."
        )
    import tensorflow_datasets

    tensorflow_datasets.disable_progress_bar()
    return tensorflow_datasets


@functools.cache
def course_reviews_builder():
    """The class that tells TFDS about the course's reviews; once defined, TFDS knows the name `course_reviews`.

    Features: `text`, `label` (ClassLabel), `review_id`, `stars`, `domain`, `style`; splits as `split` deals them.
    """
    tfds = _tfds()

    class CourseReviews(tfds.core.GeneratorBasedBuilder):
        """Short English reviews written for a course, cleaned, in splits without near-copies across."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=LABELS)}
            features |= {"review_id": np.int64, "stars": np.int64}
            features |= {"domain": tfds.features.Text(), "style": tfds.features.Text()}
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(features), supervised_keys=("text", "label")
            )

        def _split_generators(self, dl_manager):
            splits = split(clean(load(RAW))[0])
            return {name: self._generate_examples(splits[name]) for name in SPLIT_SHARES}

        def _generate_examples(self, rows):
            for row in rows.to_dict("records"):
                yield row["review_id"], row

    return CourseReviews


def course_reviews_folder(remake: bool = False) -> Path:
    """Folder with the course's reviews as TFDS writes them: an artifact, made at the first call, without a network.

    Then `tfds.load("course_reviews", split="train", data_dir=FOLDER)` reads them. Raises SourceError without TFDS.
    """
    builder = course_reviews_builder()

    def make(folder: Path) -> None:
        """Let TFDS write its files, without its words about folders and downloads."""
        with contextlib.redirect_stdout(io.StringIO()):
            builder(data_dir=str(folder)).download_and_prepare()

    inputs = {"source": runtime.file_hash(RAW)}
    return runtime.artifact("course_reviews", make, inputs, [Path(__file__)], remake)


def carved(frame: pd.DataFrame, share: float = CARVED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide rows in two, the second with `share` of each label (rounded, at least one row): those whose texts have
    the smallest hashes, so the same on every machine and in any order of the rows. Equal texts stay together."""
    hashes = frame["text"].map(stable_hash)
    sizes = (frame.groupby("label")["text"].transform("size") * share).round().clip(lower=1)
    chosen = hashes.groupby(frame["label"]).rank(method="first") <= sizes
    chosen = frame["text"].isin(set(frame["text"][chosen]))
    return frame[~chosen].reset_index(drop=True), frame[chosen].reset_index(drop=True)


def from_tfds(name: str, data_dir: Path | str | None = None) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """`train`, `validation` and `test` of a data set in TFDS_SOURCES, columns text and label, and the class names.

    Where a set has no labelled validation split, CARVED of its training split becomes one (`carved`). `data_dir`
    is TFDS's folder; None: TFDS's own choice, and for the course's reviews an artifact. Raises SourceError for an
    unknown name, where TFDS is missing, and where a set cannot be fetched.
    """
    if name not in TFDS_SOURCES:
        raise SourceError(
            f"{name!r} is neither a file nor a data set that the course can read: {', '.join(TFDS_SOURCES)}."
        )
    text_key, sides = TFDS_SOURCES[name]
    tfds = _tfds()
    if name == "course_reviews":
        course_reviews_builder()
        data_dir = data_dir or course_reviews_folder()
    try:
        sets, info = tfds.load(name, split=sides, data_dir=data_dir and str(data_dir), with_info=True)
    except Exception as error:  # TFDS reports a missing network by many kinds of exceptions
        raise SourceError(
            f"TFDS could not give {name!r}. The first time it needs a network; without one, take the course's reviews "
            f"(source = None, profile = 'small') or your own CSV file. ({type(error).__name__}: {str(error)[:300]})"
        ) from error
    splits = {}
    for side, examples in sets.items():
        rows = [(row[text_key].decode("utf-8"), int(row["label"])) for row in tfds.as_numpy(examples)]
        splits[side] = pd.DataFrame(rows, columns=["text", "label"])
    if "validation" not in splits:
        splits["train"], splits["validation"] = carved(splits["train"])
    return {side: splits[side] for side in SPLIT_SHARES}, tuple(info.features["label"].names)
