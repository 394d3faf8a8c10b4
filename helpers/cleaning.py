"""Lesson 01: from a raw file of reviews to clean rows, and how well the cleaning worked."""

import contextlib
import csv
import hashlib
import html
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
MAX_CHARACTERS = 1_000_000  # in one text
NEAR_COPY = 0.7  # share of common word pairs from which a later review is dropped as a copy
LOOKS_DEFECTIVE = "looks defective"  # the kind of good rows in the manifest


# ---- from a file to rows


def load(path: Path | str = RAW) -> pd.DataFrame:
    """Read reviews from a UTF-8 CSV file: columns `review_id` (int64), `text`, `stars`, `domain`, `style`.

    The default is the raw file. `load(REVIEWS)` reads the same reviews as they were before the defects were planted.
    Every value is kept as it stands: `clean` decides what counts as missing. `stars` is int64 where all are whole
    numbers, else text. A row with a broken quote is mended where that is sure, else left out (`read_rows`);
    `frame.attrs` holds the lists `mended_lines` and `lost_lines`. Raises FileNotFoundError, or ValueError that
    names the encoding, the columns that are missing, or a column that is there twice.
    """
    path = Path(path)
    with limit_fields(MAX_CHARACTERS):
        header, rows, mended, lost = read_rows(_read_utf8(path))
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise ValueError(f"{path.name} lacks the columns {missing}; it has {header}.")
    if twice := [column for column in COLUMNS if header.count(column) > 1]:
        raise ValueError(f"{path.name} names the columns {twice} twice. Rename or remove one of each.")
    frame = pd.DataFrame(rows, columns=header).astype({"review_id": "int64"})
    if frame["stars"].str.fullmatch(r"[0-9]{1,18}").all():
        frame = frame.astype({"stars": "int64"})
    frame.attrs = {"mended_lines": mended, "lost_lines": lost}
    return frame


def _read_utf8(path: Path) -> str:
    """A file's text, each end of a line as a line feed. Raises FileNotFoundError, or ValueError for another encoding."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. The course's own reviews are data/reviews.csv.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 (byte {error.start}). Save it again as UTF-8.") from error


@contextlib.contextmanager
def limit_fields(characters: int) -> Iterator[None]:
    """Within the block the module csv accepts fields of so many characters; afterwards the limit is the old one."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)


NUMBER = re.compile(r"\s*[0-9]{1,18}\s*")  # fits 64 bits
# A quoted field ends at a comma after an odd number of quotes: of each two quotes in a text the first escapes the second.
FIELD_END = re.compile(r'(?<!")(?:"")*",')


def parse_row(lines: Iterable[str]) -> tuple[list[str], int]:
    """Fields of the first row of CSV lines and the number of lines that it takes; no fields if a quote is misplaced."""
    reader = csv.reader(lines, strict=True)
    try:
        return next(reader, []), reader.line_num
    except csv.Error:
        return [], reader.line_num


def is_complete(fields: list[str], header: list[str]) -> bool:
    """Whether these are the fields of a row: as many as the header has, and a number as `review_id`."""
    if not fields or len(fields) != len(header):
        return False
    return "review_id" not in header or bool(NUMBER.fullmatch(fields[header.index("review_id")]))


class Lines:
    """The lines of a CSV file below its header, and what each of them is by itself."""

    def __init__(self, lines: Sequence[str], header: list[str]):
        self.lines = lines
        commas = len(header) - 1  # what has fewer needs no parsing
        self.is_row = [line.count(",") >= commas and is_complete(parse_row([line])[0], header) for line in lines]
        self.field_ends = [len(FIELD_END.findall(line)) for line in lines]
        self.most_ends = 2 * len(header)  # of one row: at most two FIELD_ENDs stand for one field

    def offer(self, start: int) -> Iterator[str]:
        """The lines that may belong to the row that begins at `start`, for a reader that takes as many as it needs.

        They end before a line that is a complete row by itself, and where the row has too many fields. A line that
        leaves a quote open also ends a field of any row that was open before it. So no line is offered to more rows
        than a row has fields, twice over, and the work is linear in the file's size.
        """
        ends = 0
        for number in range(start, len(self.lines)):
            ends += self.field_ends[number]
            if ends > self.most_ends or (number > start and self.is_row[number]):
                return
            yield self.lines[number] + "\n"


def mend_row(line: str, header: list[str]) -> list[str]:
    """Fields of a row whose quotes are broken, read from both ends of its line; none where that is not sure.

    The columns beside `text` hold short, plain values, so they can be cut off at the commas from the left and from the
    right: what is left between is the text. It is sure when the number is a number and domain and style are one word.
    """
    if not set(COLUMNS) <= set(header):
        return []
    before = header.index("text")
    left = line.split(",", before)
    fields = left[:before] + left[-1].rsplit(",", len(header) - before - 1)
    if len(fields) != len(header):
        return []
    row = dict(zip(header, fields, strict=True))
    plain = NUMBER.fullmatch(row["review_id"]) and all(re.fullmatch(r"\w*", row[c]) for c in ("domain", "style"))
    if not plain or '"' in row["stars"]:
        return []
    fields[before] = _without_outer_quotes(row["text"]).replace('""', '"')
    return fields


def _without_outer_quotes(text: str) -> str:
    """The text without the quotes around it, also where one of the two is lost."""
    inner = re.sub(r'^"(.*)"$', r"\1", text)
    if inner == text and text.count('"') % 2:
        return text[1:] if text.startswith('"') else text.removesuffix('"')
    return inner


def read_rows(content: str) -> tuple[list[str], list[list[str]], list[int], list[int]]:
    """Header, rows, line numbers of mended rows and of lost ones, of a CSV file that may hold broken quotes.

    A text may run over several lines within its quotes. But a quote that is open where a complete row follows was
    never closed: an ordinary reader would swallow rows up to the next quote; here one row is mended or lost.
    """
    first, *lines = content.split("\n")
    header = [name.strip() for name in parse_row([first])[0]]
    rows: list[list[str]] = []
    mended: list[int] = []
    lost: list[int] = []
    below = Lines(lines, header)
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        fields, taken = parse_row(below.offer(start))
        if not is_complete(fields, header):  # mend this line alone: the lines that follow get their own chance
            fields, taken = mend_row(lines[start], header), 1
            (mended if fields else lost).append(start + 2)  # the header is line 1
        if fields:
            rows.append(fields)
        start += taken
    return header, rows, mended, lost


# ---- one rule for each defect

TAG = (
    r"</?(?:a|b|br|blockquote|div|em|font|h[1-6]|i|li|ol|p|s|small|span|strong|sub|sup|table|td|tr|u|ul)"
    r"""(?:\s+[a-z-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+))*\s*/?>"""
)
TAGS = re.compile(TAG, re.IGNORECASE)
TAGS_AND_COMMENTS = re.compile(rf"<!--.*?-->|{TAG}", re.IGNORECASE | re.DOTALL)
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

    def space_for(found: re.Match) -> str:
        """A space for a tag that ends a line or block, nothing for others."""
        return " " if BLOCK_TAG.match(found[0]) else ""

    # After the last "-->" no comment can end. To look for its end from each "<!--" there would take quadratic time.
    end = text.rfind("-->") + len("-->") if "-->" in text else 0
    return TAGS_AND_COMMENTS.sub(space_for, text[:end]) + TAGS.sub(space_for, text[end:])


def repair_encoding(text: str) -> str:
    """Text decoded with the wrong encoding, decoded again with the right one, where ftfy is sure: `cafÃ©` to `café`.

    What a wrong reading has destroyed (`caf?`, `don\ufffdt`) stays. Speer: *ftfy*, 2019 (Zenodo).
    """
    import ftfy

    return ftfy.fix_encoding(text)


MAX_MARKS = 30  # accents in a row: Unicode's own limit for text that is safe to normalise (Annex 15, "stream-safe")


def limit_marks(text: str) -> str:
    """Text with at most MAX_MARKS combining marks in a row. Normalising a run of them takes quadratic time."""
    if text.isascii():
        return text
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def tidy_text(text: str) -> str:
    """One spelling for one text: Unicode NFC, no invisible characters, single spaces, none at the ends.

    Of more than MAX_MARKS accents on one letter the rest goes.
    """
    text = re.sub(r"\s", " ", unicodedata.normalize("NFC", limit_marks(text)))
    visible = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf") or c == "\u200d")
    return re.sub(" +", " ", visible).strip()


NUMERALS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
LONGEST_LABEL = 100  # characters; a longer one is no number of stars
STARS = re.compile(  # two zeros at most: "4,000" may well be four thousand
    rf"(?P<word>{'|'.join(NUMERALS)}|\d+)(?:[.,]00?)?(?: ?(?:stars?|\*|/ ?5|out of (?:5|five))(?: stars?)?)?"
)


def parse_stars(value: object) -> int | None:
    """Whole number of stars, 1 to 5, that a label means: 4, 4.0, "4 stars", "four", "4/5", "★★★★☆" all give 4.

    None for what is missing, out of range or can be read in two ways ("4 or 5", "4.5", "4,000", "good"): a guessed
    label is worse than a missing row. The whole label must be understood, not a part of it.
    """
    text = str(value)
    if len(text) > LONGEST_LABEL:
        return None
    text = unicodedata.normalize("NFKC", text).replace("\ufe0f", "").strip().lower()
    if re.fullmatch(r"[★⭐]{1,5}|(?=.{5}$)[★⭐]+☆+", text):
        return len(text.replace("☆", ""))
    found = STARS.fullmatch(text)
    if not found:
        return None
    stars = NUMERALS.get(found["word"]) or int(found["word"])
    return stars if 1 <= stars <= 5 else None


MISSING_TEXTS = {"", "NULL", "NaN", "nan", "#N/A", "<NA>"}  # as databases and pandas write it; people write "n/a"


def fill_unknown(value: object) -> str:
    """A domain or style, tidied; "unknown" where it is missing."""
    return tidy_text("" if pd.isna(value) else str(value)) or "unknown"


# ---- copies


def comparison_key(text: str) -> str:
    """Lower-case letters and digits of a text in single spaces: what two copies of a review share."""
    return " ".join(re.findall(r"\w+", text.lower()))


def stable_hash(text: str) -> int:
    """The same whole number (64 bits) for the same text on every machine; Python's `hash` is not."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def divide_english(text: str) -> list[str]:
    """The words of a text for `find_near_duplicates`, as English has them."""
    return comparison_key(text).split()


def pair_words(text: str, divide: Callable[[str], list[str]] = divide_english) -> set[tuple[str, str]]:
    """Neighbouring words of a text (its shingles), divided by `divide`; a text of one word is paired with nothing."""
    words = divide(text)
    return set(pairwise(words)) if len(words) > 1 else {(word, "") for word in words}


MAX_STORED = 2**22  # counts of shared word pairs that are in memory at a time: about 100 MB


def mark_word_pairs(texts: Sequence[str], divide: Callable[[str], list[str]] = divide_english):
    """Sparse int32 matrix (texts, different word pairs of all texts): 1 where a text has a pair."""
    from scipy.sparse import csr_matrix

    # Python's hash is the same within a process, and 64 bits hardly ever meet; to keep millions of pairs takes 20 times more.
    hashes = [np.fromiter(map(hash, pair_words(text, divide)), dtype=np.int64) for text in texts]
    found, columns = np.unique(np.concatenate([np.empty(0, np.int64), *hashes]), return_inverse=True)
    ends = np.cumsum([0, *map(len, hashes)])
    return csr_matrix((np.ones(len(columns), np.int32), columns, ends), shape=(len(texts), len(found)))


def count_shared(marks) -> Iterator[tuple[int, object]]:
    """(number of the block's first text, counts) for block after block of texts, from the matrix of `mark_word_pairs`.

    The counts are a sparse matrix (texts of the block, all texts): how many word pairs two texts share. A block holds
    at most MAX_STORED of them, or one text's, so that memory grows with the number of texts and not with its square.
    """
    others = marks.T.tocsr()
    size = max(1, MAX_STORED // max(1, marks.shape[0]))
    for start in range(0, marks.shape[0], size):
        yield start, marks[start : start + size] @ others


def find_near_duplicates(
    texts: Sequence[str], threshold: float = 0.5, divide: Callable[[str], list[str]] = divide_english
) -> np.ndarray:
    """Pairs (i, j), i < j, in order, int array (pairs, 2), whose word pairs overlap by Jaccard >= `threshold`.

    Jaccard = shared / all different word pairs of both texts (Broder, 1997, "On the resemblance and
    containment of documents"). `divide`: from a text to its words. All texts are compared with all, in blocks (`count_shared`).
    """
    from scipy.sparse import triu

    marks = mark_word_pairs(texts, divide)
    sizes = np.diff(marks.indptr)
    found = [np.empty((0, 2), dtype=np.int64)]
    for start, counts in count_shared(marks):
        shared = triu(counts, k=start + 1).tocoo()
        first = shared.row + start
        near = shared.data >= threshold * (sizes[first] + sizes[shared.col] - shared.data)
        found.append(np.stack([first[near], shared.col[near]], axis=1))
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def find_later_copies(frame: pd.DataFrame, threshold: float = NEAR_COPY) -> pd.Series:
    """True for each row that has an earlier near-copy with the same stars, domain and style; bool Series.

    Near-copy: word pairs overlap by Jaccard >= `threshold` (`find_near_duplicates`). Only the first of a chain stays.
    """
    same = frame[["stars", "domain", "style"]].astype(str).agg("|".join, axis=1).to_numpy()
    is_copy = np.zeros(len(frame), dtype=bool)
    for first, second in find_near_duplicates(frame["text"].tolist(), threshold):
        is_copy[second] |= same[first] == same[second]
    return pd.Series(is_copy, index=frame.index)


# ---- all rules in order


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


def clean(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Repair texts and labels where that is sure, and drop unusable rows.

    Returns the clean frame (same columns and order, a new index, `stars` as int64) and a report with the columns
    `step`, `rows_changed`, `rows_dropped`. Rows without text or label are dropped, since an invented value would be an
    invented answer; a missing domain or style becomes "unknown". Of exact duplicates (the same stars, and texts that
    are equal but for case and punctuation) the first is kept. Where copies disagree about the stars, all are dropped,
    since nobody can say which is right. Near-copies (`find_later_copies`): the first is kept. Texts that are less alike
    all stay, and the split keeps them on one side. A text without any letter or digit is compared as it stands.
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
    tidy.change("domain", fill_unknown, "fill a missing domain")
    tidy.change("style", fill_unknown, "fill a missing style")
    key = tidy.frame["text"].map(lambda text: comparison_key(text) or text)
    tidy.keep(tidy.frame.groupby(key)["stars"].transform("nunique") == 1, "drop copies with other stars")
    tidy.keep(~key[tidy.frame.index].duplicated(), "drop exact duplicates")
    tidy.keep(~find_later_copies(tidy.frame), "drop near-copies")
    tidy.frame.attrs = {}
    return tidy.frame.reset_index(drop=True), pd.DataFrame(tidy.steps, columns=["step", "rows_changed", "rows_dropped"])


# ---- how well it worked


def judge(cleaned: pd.DataFrame, manifest: pd.DataFrame, reference: pd.DataFrame | None = None) -> pd.DataFrame:
    """How well the raw file was cleaned, against the manifest of what was planted in it.

    `manifest`: data/raw/manifest.csv read as text; `reference`: the reviews before anything was planted (REVIEWS).
    Returns a row for each kind: `measure` ("recall": rows dropped or repaired exactly as they should; "harm": good rows
    changed or lost), `rows`, `hits`, `share` and its 95 % Wilson interval `low` to `high`. Good rows are those of the
    reference where nothing was planted, and those that only look defective.
    """
    found, wanted = _by_number(cleaned), _by_number(manifest)
    actions = dict(zip(manifest["review_id"].astype(int), manifest["action"], strict=True))
    right = {i: found.get(i) == (None if action == "drop" else wanted[i]) for i, action in actions.items()}
    kinds = manifest.groupby("kind", sort=True)["review_id"].agg(lambda ids: [int(i) for i in ids])
    looks = kinds.pop(LOOKS_DEFECTIVE) if LOOKS_DEFECTIVE in kinds else []
    untouched = _by_number(load(REVIEWS) if reference is None else reference)
    good = {i: row for i, row in untouched.items() if i not in actions} | {i: wanted[i] for i in looks}
    rows = [(kind, "recall", len(ids), sum(right[i] for i in ids)) for kind, ids in kinds.items()]
    rows.append((LOOKS_DEFECTIVE, "harm", len(looks), sum(not right[i] for i in looks)))
    rows.append(("all good rows", "harm", len(good), sum(found.get(i) != row for i, row in good.items())))
    return _with_intervals(pd.DataFrame(rows, columns=["kind", "measure", "rows", "hits"]))


def _by_number(rows: pd.DataFrame) -> dict[int, tuple[str, ...]]:
    """review_id -> text, stars, domain and style as strings."""
    values = rows[["text", "stars", "domain", "style"]].astype(str).itertuples(index=False, name=None)
    return dict(zip(rows["review_id"].astype(int), values, strict=True))


def _with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `share` = hits / rows and its 95 % Wilson interval; of no rows the share is 0, from 0 to 1."""
    from scipy.stats import binomtest

    pairs = [(int(hits), int(rows)) for hits, rows in zip(table["hits"], table["rows"], strict=True)]
    ends = [tuple(binomtest(*pair).proportion_ci(method="wilson")) if pair[1] else (0.0, 1.0) for pair in pairs]
    low, high = zip(*ends, strict=True)
    return table.assign(share=table["hits"] / table["rows"].clip(lower=1), low=low, high=high)
