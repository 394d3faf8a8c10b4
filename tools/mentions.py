"""Which lesson each mention of a number means: python tools/mentions.py

A sentence that says "lesson 05" does not say what that lesson is about, so a wrong number would not show. The table
`tests/mentions.csv` gives each mention's place and words, and the name of the lesson that is meant. A test compares names with
numbers. This command adds the mentions that the table lacks, with the name that their number has today, and
drops those that are gone: read what it added before you commit it.
"""

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

COURSE = Path(__file__).resolve().parents[1]
TABLE = COURSE / "tests" / "mentions.csv"
PLANNED = {
    "08": "few_labels",
    "10": "compression",
    "12": "serving",
    "13": "continuous_improvement",
}
# Texts and tables that people read or edit; notebooks are made from their twins.
PLACES = (
    "*.md", "benchmarks/*.md", "benchmarks/*.py", "colab/*.py", "data/*.md", "data/*.csv", "experiments/*.py",
    "helpers/*.py", "notebooks/text/*.py", "notebooks/solutions/text/*.py", "tests/*.py", "tools/*.py",
)  # fmt: skip
BREAK = r"(?:\s+(?:# )?)"  # a line may end inside a mention, and the next one begin with a comment's mark
NEXT = rf"(?:,?{BREAK}(?:and|or|to){BREAK}(?:lessons?{BREAK})?|,{BREAK})"
MENTION = re.compile(rf"\b[Ll]essons?(?:{BREAK}|_)(\d\d)\b(?:{NEXT}\d\d\b(?![.,]?\d| ?%))*")
AROUND = 40  # characters on both sides that tell one mention from another


class Mention(NamedTuple):
    """A number of a lesson in a text: `words` stand around it, with NN in place of all numbers of lessons."""

    file: str
    words: str
    number: str


def names() -> dict[str, str]:
    """Number -> name of each lesson, by the files of the twins; and of those that are planned."""
    return PLANNED | {path.stem[:2]: path.stem[3:] for path in (COURSE / "notebooks" / "text").glob("[0-9][0-9]_*.py")}


def mentions_in(text: str, file: str = "") -> Iterator[Mention]:
    """Each number of a lesson that a text names, in order; "lessons 01 and 05" are two."""
    for found in MENTION.finditer(text):
        before = text[max(0, found.start() - AROUND) : found.start()]
        masked = re.sub(r"\d\d", "NN", found[0])
        words = " ".join(f"{before}{masked}{text[found.end() : found.end() + AROUND]}".split())
        for place, number in enumerate(re.findall(r"\d\d", found[0])):
            yield Mention(file, f"{words} [{place + 1}]", number)


def texts_of(path: Path) -> list[str]:
    """What a file says: a table's cells one by one, since no sentence goes on in the next cell."""
    if path.suffix != ".csv":
        return [path.read_text(encoding="utf-8")]
    with path.open(encoding="utf-8", newline="") as file:
        return [cell for row in csv.reader(file) for cell in row]


def mentions() -> list[Mention]:
    """All mentions in the repository's texts and tables."""
    paths = sorted(
        {path for pattern in PLACES for path in COURSE.glob(pattern)} - {COURSE / "tests" / "test_mentions.py"}
    )
    return [
        mention
        for path in paths
        for text in texts_of(path)
        for mention in mentions_in(text, path.relative_to(COURSE).as_posix())
    ]


def read_table() -> dict[tuple[str, str], str]:
    """(file, words) -> name of the lesson that is meant."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {(row["file"], row["words"]): row["lesson"] for row in csv.DictReader(file)}


def faults(found: list[Mention], table: dict[tuple[str, str], str]) -> list[str]:
    """What is wrong, in words: mentions that the table lacks, numbers of another lesson than the one meant, rows left over."""
    known, result = names(), []
    for file, words, number in found:
        meant = table.get((file, words))
        if meant is None:
            result.append(f"{file}: not in the table: {words!r}")
        elif known.get(number) != meant:
            result.append(f"{file}: {meant} is meant, but {number} is {known.get(number, 'no lesson')}: {words!r}")
    gone = set(table) - {(mention.file, mention.words) for mention in found}
    return result + [f"{file}: in the table, but nowhere else: {words!r}" for file, words in sorted(gone)]


def main() -> int:
    """Bring the table up to date; print what was added."""
    table = read_table() if TABLE.is_file() else {}
    rows = {}
    for file, words, number in mentions():
        if (file, words) not in table:
            print(f"added: {names().get(number)}: {file}: {words}")
        rows[file, words] = table.get((file, words)) or names().get(number, "no lesson")
    with TABLE.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["file", "words", "lesson"])
        writer.writerows([file, words, lesson] for (file, words), lesson in sorted(rows.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
