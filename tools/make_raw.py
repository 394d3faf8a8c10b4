"""Make `data/raw/`: the reviews as they arrive in life, and a manifest of every defect planted in them.

    python tools/make_raw.py            # writes data/raw/reviews.csv and data/raw/manifest.csv

The same input gives the same bytes on every machine: each choice ranks or picks by a hash of the seed.
Hand-written and read, not made: `data/raw/paraphrases.csv` and `data/raw/lookalikes.csv`.
No row carries two defects. What is planted on a copy leaves its original whole.
"""

import argparse
import csv
import hashlib
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from helpers import runtime

COURSE = Path(__file__).resolve().parent.parent
SEED = 20261124
COLUMNS = ["review_id", "text", "stars", "domain", "style"]
MANIFEST_COLUMNS = ["line", "review_id", "kind", "variant", "action", "copy_of", "text", "stars", "domain", "style"]
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One row of the raw file: its five fields as they will be written, and what the manifest says of it."""

    review_id: int
    text: str
    stars: str
    domain: str
    style: str
    kind: str = ""  # "" for a plain good row, which the manifest does not list
    variant: str = ""
    action: str = "keep"  # keep, repair or drop
    copy_of: str = ""
    expected: dict = field(default_factory=dict)  # what cleaning should give, where it differs from the fields
    raw_line: str = ""  # for rows whose quoting is broken: the line itself

    def fields(self) -> dict[str, str]:
        """The five columns."""
        return {column: str(getattr(self, column)) for column in COLUMNS}


def number(*parts: object) -> int:
    """A whole number that looks random and is the same everywhere for the same parts."""
    return int.from_bytes(hashlib.sha256(":".join(map(str, (SEED, *parts))).encode()).digest()[:8], "big")


def pick(choices: Sequence[T], *parts: object) -> T:
    """One of the choices, by the hash of the parts."""
    return choices[number(*parts) % len(choices)]


def csv_line(values: Sequence[object]) -> str:
    """One line of CSV, properly quoted, without its end."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue()


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a well-formed CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- one function a kind: what it does to a text or a label


def with_tags(text: str, n: int) -> tuple[str, str]:
    """(text with HTML in it, variant)."""
    words = text.split(" ")
    middle = number("tag", n) % (len(words) - 1) + 1
    first, second = " ".join(words[:middle]), " ".join(words[middle:])
    escaped = html.escape(text)
    variants = [
        (f"{first}<br />{second}", "line break"),
        (f"<p>{first}</p><p>{second}</p>", "paragraphs"),
        (f"{first} <b>{second}</b>", "bold"),
        (f'<div class="review-text">{text}</div>', "div with a class"),
        (f"{first}&nbsp;{second}", "non-breaking space"),
        (f"{first}&#32;{second}", "numeric entity"),
        (f"{html.escape(escaped)}&lt;br /&gt;", "escaped twice"),
        (f"<p>{escaped}</p>", "escaped within a paragraph"),
        (f"{text}<!-- id={n} -->", "comment"),
        (f"{first}<br {second}", "tag never closed"),
    ]
    # The last two are rare, and hard.
    return variants[n % 8] if n % 10 < 8 else variants[n % 10]


def on_a_phone(text: str) -> str:
    """Curly quotes and apostrophes, as phones write them."""
    text = re.sub(r'(^|[\s(])"', "\\1\u201c", text).replace('"', "\u201d")
    return re.sub(r"(^|\s)'", "\\1\u2018", text).replace("'", "\u2019")


def garbled(text: str, n: int) -> tuple[str, str]:
    """(text decoded with the wrong encoding, variant). Bytes that cp1252 does not know stay as C1 characters."""

    def as_cp1252(value: str) -> str:
        return "".join(
            byte.decode("cp1252") if byte[0] not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte[0])
            for byte in (bytes([b]) for b in value.encode("utf-8"))
        )

    choice = n % 10
    if choice < 6:
        return as_cp1252(text), "UTF-8 read as cp1252"
    if choice == 6:
        return as_cp1252(as_cp1252(text)), "twice read as cp1252"
    if choice == 7:
        return text.encode("utf-8").decode("mac_roman"), "UTF-8 read as Mac Roman"
    if choice == 8:
        return re.sub(r"[^\x00-\x7f]", "\ufffd", text), "lost: replacement character"
    return re.sub(r"[^\x00-\x7f]", "?", text), "lost: question mark"


def with_controls(text: str, n: int) -> tuple[str, str]:
    """(text with characters that cannot be seen, variant)."""
    words = text.split(" ")
    at = number("control", n) % (len(words) - 1) + 1
    first, second = " ".join(words[:at]), " ".join(words[at:])
    variants = [
        (f"{first} \u200b{second}", "zero-width space"),
        (f"\ufeff{text}", "byte-order mark"),
        (f"{first}\x0b{second}", "vertical tab for a space"),
        (f"{first}\t\t{second}", "tabs for a space"),
        (f"{first} \x07{second}", "bell"),
        (f"{first} {second[0]}\u00ad{second[1:]}", "soft hyphen"),
        (f"{text}\x00", "null character"),
        (f"{first}\n{second}", "line feed within the quotes"),
        (f"\u202a{text}\u202c", "direction marks"),
        (f"{first} {second[0]}\u034f{second[1:]}", "grapheme joiner"),  # hard: counts as an accent
    ]
    return variants[n % 10]


def edited(text: str, n: int) -> tuple[str, str]:
    """(text with a small change, variant)."""
    words = text.split(" ")
    at = len(words) // 2
    choice = n % 6
    if choice == 0:
        return f"{pick(['Honestly,', 'Update:', 'Edit:', 'Well,'], 'edit', n)} {text}", "words added before"
    if choice == 1:
        return " ".join(words[: max(3, round(len(words) * 0.8))]), "end cut off"
    if choice == 2:
        return f"{text} {pick(['Just saying.', 'That is all.', 'Take note.'], 'edit', n)}", "words added after"
    if choice == 3:
        return " ".join([*words[:at], "really", *words[at:]]), "a word put in"
    if choice == 4:  # hard
        return " ".join(words[:at]), "half cut off"
    return " ".join(word for i, word in enumerate(words) if i % 5 != 3), "every fifth word lost"  # hard


def recased(text: str, n: int) -> tuple[str, str]:
    """(text that differs in case or punctuation only, variant)."""
    variants = [
        (text, "the same"),
        (text.upper(), "upper case"),
        (text.lower(), "lower case"),
        (text.rstrip(".!?") + "!!", "other end"),
        (text.replace(",", " ,").replace(".", "..."), "other punctuation"),
    ]
    return variants[0] if n % 2 else variants[1 + n // 2 % 4]


NUMERALS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}


def spelled(stars: str, n: int) -> tuple[str, str]:
    """(the number of stars in another spelling, variant)."""
    s = int(stars)
    word = NUMERALS[s]
    variants = [
        f"{s} stars",
        word,
        "★" * s,
        f"{s}/5",
        f"{s}.0",
        f"{s},0",
        f"{word.capitalize()} stars",
        "★" * s + "☆" * (5 - s),
        f" {s} ",
        f"{s} out of 5",
        word.upper(),
        f"{s} / 5 stars",
        "⭐" * s,
        f"{s}*",
    ]
    hard = [f"{2 * s}/10", {1: "uno", 2: "dos", 3: "tres", 4: "cuatro", 5: "cinco"}[s], f"rating: {s}", f"{s}th star"]
    if n % 10 == 9:
        return hard[n // 10 % len(hard)], "hard"
    return variants[n % len(variants)], "usual"


OUT_OF_RANGE = ["0", "6", "7", "-1", "45", "10", "0.0", "-5", "100", "6 stars", "0/5", "555"]
AMBIGUOUS = ["4 or 5", "3-4", "good", "?", "4.5", "★★★½", "4/5 for food, 2/5 for service", "love it", "5/1"]
AMBIGUOUS += ["3 to 4", "bad", "1 or 2", "5?", "not 5", "2-3 stars", "4,5"]
MISSING_TEXTS = [
    "",
    "   ",
    "NULL",
    "NaN",
    "",
    "\u00a0",
    "nan",
    "\u200b",
    "",
    "#N/A",
    "-",
    "[deleted]",
]  # last two: hard
MISSING_LABELS = ["", " ", "NULL", "NaN", "n/a", "-", "null", "None"]


def broken(row: Row, n: int) -> Row:
    """The row with a broken quote, so that its columns shift or run into the next line."""
    before, after = f"{row.review_id},", f",{row.stars},{row.domain},{row.style}"
    doubled = row.text.replace('"', '""')
    choice = n % 10
    if choice in (0, 1, 2):  # the reader goes on until the next quote, lines further down
        return replace(row, raw_line=f'{before}"{doubled}{after}', variant="quote never closed", action="repair")
    if choice in (3, 4):
        return replace(row, raw_line=f"{before}{row.text}{after}", variant="comma without quotes", action="repair")
    if choice in (5, 6, 7):
        line = f'{before}"{row.text}"{after}'
        return replace(row, raw_line=line, variant="quote and comma not escaped", action="repair")
    if choice == 8:  # the text's end and everything after it are gone
        cut = doubled[: round(len(doubled) * 0.6)].rstrip('"')
        return replace(row, raw_line=f'{before}"{cut}', variant="line cut off", action="drop")
    line = f'{before}"{doubled} {row.stars} {row.domain},{row.style}'
    return replace(row, raw_line=line, variant="separators swallowed", action="drop")


def with_a_quote(text: str) -> str:
    """The text with a word in quotes and a comma after it: what breaks careless writers of CSV."""
    words = text.split(" ")
    at = len(words) // 2
    word = words[at].strip('".,;:!?')
    return " ".join([*words[:at], f'"{word or words[at]}",', *words[at + 1 :]])


class Planting:
    """The rows of the raw file while defects are planted: the reviews, the rows that come on top, and what is taken."""

    def __init__(self, reviews: list[dict[str, str]], reserved: set[int]):
        """`reserved`: numbers of reviews that must stay as they are."""
        self.rows = {int(r["review_id"]): Row(int(r["review_id"]), *(r[c] for c in COLUMNS[1:])) for r in reviews}
        self.taken = set(reserved)  # numbers of reviews that carry something, or must stay whole
        self.extra: list[Row] = []
        self.next_id = max(self.rows) + 1

    def choose(self, kind: str, count: int, fits: Callable[[Row], bool] = lambda row: True) -> list[Row]:
        """`count` rows that carry nothing yet, in the order of a hash; they count as taken from here on."""
        free = [row for row in self.rows.values() if row.review_id not in self.taken and fits(row)]
        chosen = sorted(free, key=lambda row: number(kind, row.review_id))[:count]
        assert len(chosen) == count, f"only {len(chosen)} rows fit {kind}"
        self.taken.update(row.review_id for row in chosen)
        return chosen

    def put(self, row: Row, **changes: object) -> None:
        """Put a changed row in the place of the old one."""
        self.rows[row.review_id] = replace(row, **changes)

    def change(self, kind: str, row: Row, action: str = "repair", **changes: object) -> None:
        """Plant on the row itself; what it said before is what cleaning should give."""
        expected = {c: v for c, v in row.fields().items() if c in changes}
        self.put(row, kind=kind, action=action, **{"expected": expected, **changes})

    def add(self, kind: str, action: str, row: Row, **changes: object) -> None:
        """A row more, with a number of its own."""
        self.extra.append(replace(row, review_id=self.next_id, kind=kind, action=action, **changes))
        self.next_id += 1

    def add_copy(self, kind: str, row: Row, text: str, variant: str = "", **changes: object) -> None:
        """A copy of a row, with another text, that cleaning should drop."""
        self.add(kind, "drop", row, text=text, variant=variant, copy_of=str(row.review_id), **changes)

    def in_order(self) -> list[Row]:
        """All rows: copies after their originals, the other new rows anywhere."""
        places = [(float(i), row) for i, row in enumerate(self.rows.values())]
        position = {row.review_id: place for place, row in places}
        for row in self.extra:
            start = position[int(row.copy_of)] if row.copy_of else -1.0
            step = number("place", row.review_id) % int(len(self.rows) - start)
            places.append((start + 0.5 + step, row))
        return [row for _, row in sorted(places, key=lambda item: (item[0], item[1].review_id))]


def has_words(count: int) -> Callable[[Row], bool]:
    """A condition for `choose`: at least so many words."""
    return lambda row: len(row.text.split()) >= count


def note_old_duplicates(raw: Planting) -> None:
    """Three pairs of exact duplicates were there before: nothing more is planted on those."""
    by_key: dict[str, int] = {}
    for row in list(raw.rows.values()):
        key = " ".join(re.findall(r"\w+", row.text.lower())) or row.text
        first = by_key.setdefault(key, row.review_id)
        if first != row.review_id:
            raw.taken |= {first, row.review_id}
            raw.put(row, kind="exact duplicate", variant="already there", action="drop", copy_of=str(first))


def note_lookalikes(raw: Planting) -> None:
    """Good reviews that look defective, and must not be harmed."""
    for kind, count, pattern in [
        ("emoji", 10, "[\U0001f300-\U0001faff]"),
        ("accent", 4, "[éîï]"),
        ("quotes", 10, '"'),
        ("fraction", 1, r"\d/\d"),
    ]:
        for row in raw.choose(kind, count, lambda row, pattern=pattern: bool(re.search(pattern, row.text))):
            raw.put(row, kind="looks defective", variant=f"{kind}, already there", action="keep")


def plant_in_texts(raw: Planting) -> None:
    """HTML, wrong encodings, invisible characters."""
    for n, row in enumerate(raw.choose("HTML", 60, has_words(8))):
        text, variant = with_tags(row.text, n)
        raw.change("HTML", row, text=text, variant=variant)
    for n, row in enumerate(
        raw.choose("mojibake", 50, lambda row: has_words(8)(row) and bool(re.search("['\"éîï]", row.text)))
    ):
        phone = on_a_phone(row.text)
        text, variant = garbled(phone, n)
        raw.change("mojibake", row, text=text, variant=variant, expected={"text": phone})
    for n, row in enumerate(raw.choose("invisible characters", 40, has_words(8))):
        text, variant = with_controls(row.text, n)
        raw.change("invisible characters", row, text=text, variant=variant)


def plant_in_labels(raw: Planting) -> None:
    """Labels in another spelling, out of range, ambiguous, missing; a missing domain or style."""
    for n, row in enumerate(raw.choose("label spelled", 60)):
        label, variant = spelled(row.stars, n)
        raw.change("label spelled", row, stars=label, variant=variant)
    for kind, labels in [
        ("label out of range", OUT_OF_RANGE),
        ("label ambiguous", AMBIGUOUS),
        ("label missing", MISSING_LABELS),
    ]:
        for n, row in enumerate(raw.choose(kind, 30)):
            raw.change(kind, row, action="drop", stars=labels[n % len(labels)])
    for n, row in enumerate(raw.choose("domain or style missing", 26)):
        column = "style" if n % 2 else "domain"
        raw.change("domain or style missing", row, **{column: "", "variant": column, "expected": {column: "unknown"}})


def plant_broken_quotes(raw: Planting) -> None:
    """Rows whose columns shift or run into the next line."""
    for n, row in enumerate(
        raw.choose("broken quote", 50, lambda row: has_words(8)(row) and "," in row.text and '"' not in row.text)
    ):
        if n % 10 in (5, 6, 7):
            row = replace(row, text=with_a_quote(row.text))
        raw.rows[row.review_id] = broken(replace(row, kind="broken quote"), n)


def plant_copies(raw: Planting, paraphrases: list[dict[str, str]]) -> None:
    """Copies: with other stars, exact, edited, paraphrased."""
    for n, row in enumerate(raw.choose("contradiction", 25, has_words(8))):
        other = "5" if int(row.stars) <= 2 else "1"
        raw.put(row, kind="copies that disagree", variant="first", action="drop")
        raw.add_copy("copies that disagree", row, recased(row.text, n)[0], "copy", stars=other)
    for n, row in enumerate(raw.choose("exact duplicate", 57, has_words(8))):
        raw.add_copy("exact duplicate", row, *recased(row.text, n))
    for n, row in enumerate(raw.choose("edited", 44, has_words(12))):
        raw.add_copy("near-duplicate, edited", row, *edited(row.text, n))
    for paraphrase in paraphrases:
        raw.add_copy("near-duplicate, paraphrase", raw.rows[int(paraphrase["review_id"])], paraphrase["paraphrase"])


def plant(
    reviews: list[dict[str, str]], paraphrases: list[dict[str, str]], lookalikes: list[dict[str, str]]
) -> list[Row]:
    """All rows of the raw file, in order. Each step takes rows that those before it have left."""
    raw = Planting(reviews, reserved={int(p["review_id"]) for p in paraphrases})
    note_old_duplicates(raw)
    note_lookalikes(raw)
    plant_in_texts(raw)
    plant_in_labels(raw)
    plant_broken_quotes(raw)
    plant_copies(raw, paraphrases)
    for n, row in enumerate(raw.choose("text missing", 30)):  # only its labels are taken: the review stays whole
        raw.add("text missing", "drop", row, text=MISSING_TEXTS[n % len(MISSING_TEXTS)])
    for good in lookalikes:
        raw.add("looks defective", "keep", Row(0, **good), variant="written for this")
    return raw.in_order()


def write(rows: list[Row]) -> tuple[str, str]:
    """The texts of the raw file and of the manifest."""
    lines, records = [csv_line(COLUMNS)], [csv_line(MANIFEST_COLUMNS)]
    line = 2  # where the next row begins
    for row in rows:
        text = row.raw_line or csv_line(list(row.fields().values()))
        if row.kind:
            wanted = {**row.fields(), **row.expected} if row.action != "drop" else dict.fromkeys(COLUMNS, "")
            values = [line, row.review_id, row.kind, row.variant, row.action, row.copy_of]
            records.append(csv_line([*values, *(wanted[column] for column in COLUMNS[1:])]))
        lines.append(text)
        line += text.count("\n") + 1
    return "\n".join(lines) + "\n", "\n".join(records) + "\n"


def make(course: Path = COURSE) -> tuple[str, str]:
    """The texts of the raw file and the manifest, from the files in `course`/data."""
    folder = course / "data"
    raw = folder / "raw"
    return write(plant(read(folder / "reviews.csv"), read(raw / "paraphrases.csv"), read(raw / "lookalikes.csv")))


def main() -> None:
    """Write both files, each under a temporary name first."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=COURSE / "data" / "raw", help="where the two files go")
    folder = parser.parse_args().folder
    for name, text in zip(("reviews.csv", "manifest.csv"), make(), strict=True):
        with runtime.written_whole(folder / name) as unfinished:
            unfinished.write_bytes(text.encode("utf-8"))
        print(f"{name}: {text.count(chr(10)):,} lines")


if __name__ == "__main__":
    main()
