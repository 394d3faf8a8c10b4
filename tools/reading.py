"""How a lesson reads: python tools/reading.py [00 02 ...]

Prints minutes of reading, sentences that are too long, claims that show no number and faults of the quiz, for each lesson's twin.
Readers who took the course's lessons with a clock read about 150 words and 5 lines of code a minute.
"""

import argparse
import ast
import re
import sys
from pathlib import Path

import lessons
import nbformat

from helpers import runtime

TEXTS = runtime.COURSE / "notebooks" / "text"
WORDS, LINES = 150, 5  # that a reader takes in a minute
MOST_MINUTES, MOST_WORDS = 45, 35  # of a lesson's core; of a sentence
FURTHER = "## Going further"
LAST = 3  # cells after what goes further: exercises, quiz, what you can do now
THRESHOLD = re.compile(
    r"\b(over|under|within|above|below|at least|at most|up to|more than|less than|agree to|times)\b.*\d"
)


def core_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells that every reader reads: all but those that go further, and but the one for Colab."""
    cells = notebook.cells
    end = next((i for i, cell in enumerate(cells) if cell.source.startswith(FURTHER)), len(cells) - LAST)
    return [cells[0], *cells[2:end], *cells[-LAST:]]


def words_in(markdown: str) -> list[str]:
    """The words of a markdown cell, without addresses and tags."""
    return re.findall(r"\w[\w'’,.-]*", re.sub(r"\]\([^)]*\)|</?\w+>", " ", markdown))


def minutes_of(cells: list[nbformat.NotebookNode]) -> float:
    """Minutes that a reader needs for cells: words of their texts, and lines of their code that are not empty."""
    words = sum(len(words_in(cell.source)) for cell in cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return words / WORDS + sum(bool(line.strip()) for line in code.splitlines()) / LINES


def stated_minutes(notebook: nbformat.NotebookNode) -> tuple[int, int]:
    """Minutes to read and for the exercises, as the head states them; raises ValueError where it does not."""
    found = re.search(
        r"about (\d+) minutes to read, (\d+) for the exercises", " ".join(notebook.cells[0].source.split())
    )
    if not found:
        raise ValueError("the head says 'about N minutes to read, M for the exercises'")
    return int(found[1]), int(found[2])


def sentences_in(markdown: str) -> list[str]:
    """The sentences of a markdown cell; a heading, a line of a list and a table's row end one."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|\*\*(References|Glossary)\.\*\*.*", "", markdown, flags=re.S)
    text = re.sub(r"\$[^$]*\$|`[^`]*`", "X", re.sub(r"\]\([^)]*\)", "]", text))
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\. ))|(?<=\|)\n", text)
    return [
        part.strip()
        for block in blocks
        if "|" not in block
        for part in re.split(r"(?<=[.!?])\W?\s+(?=[\W\dA-Z])", block)
    ]


def long_sentences(notebook: nbformat.NotebookNode) -> list[str]:
    """Sentences of more words than a reader keeps in mind."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return [s for text in texts for s in sentences_in(text) if len(words_in(s)) > MOST_WORDS]


def claims_in(code: str) -> list[ast.Call]:
    """The calls of `course.claim` and `course.finding` in a cell's code."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) in ("course.claim", "course.finding")]


def needs_a_number(claim: ast.Call) -> bool:
    """Whether a claim's condition is an inequality, or its text names a threshold."""
    text = ast.unparse(claim.args[0])
    compared = (op for node in ast.walk(claim.args[1]) if isinstance(node, ast.Compare) for op in node.ops)
    return bool(THRESHOLD.search(text)) or any(isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in compared)


def mute_claims(notebook: nbformat.NotebookNode) -> list[str]:
    """Texts of claims that compare a number and do not show it."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    found = [claim for code in cells if "course." in code for claim in claims_in(code)]
    return [ast.unparse(claim.args[0]) for claim in found if needs_a_number(claim) and len(claim.args) < 3]


def quiz_of(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """Questions and answers of the quiz, the cell before the last; raises ValueError where that is none."""
    quiz = notebook.cells[-2].source
    if not quiz.startswith("## Quiz"):
        raise ValueError("the cell before the last is the quiz")
    return re.findall(r"<details><summary>\d\. (.+?)</summary>\n\n(.+?)\n\n</details>", quiz, flags=re.S)


def faults_of(notebook: nbformat.NotebookNode) -> list[str]:
    """What a lesson's form lacks for its reader, a line each; none is right."""
    faults = [f"over {MOST_WORDS} words: {sentence!r}" for sentence in long_sentences(notebook)]
    faults += [f"a claim that shows no number: {text}" for text in mute_claims(notebook)]
    minutes = minutes_of(core_of(notebook))
    if minutes > MOST_MINUTES:
        faults.append(f"{minutes:.0f} minutes to read")
    try:
        if not 0.75 * minutes <= stated_minutes(notebook)[0] <= 1.25 * minutes:
            faults.append(f"{minutes:.0f} minutes to read, {stated_minutes(notebook)[0]} stated")
        if not 4 <= len(quiz_of(notebook)) <= 6:
            faults.append(f"{len(quiz_of(notebook))} questions in the quiz, of 4 to 6")
    except ValueError as error:
        faults.append(str(error))
    return faults


def twins(numbers: list[str] = ()) -> list[Path]:
    """The lessons' text twins; with numbers, those alone."""
    return [path for path in sorted(TEXTS.glob("*.py")) if not numbers or path.stem[:2] in numbers]


def main(arguments: list[str] | None = None) -> int:
    """Print each lesson's minutes and faults; 0 where there is no fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lesson", nargs="*", help="numbers of lessons, two digits each; none: all")
    total = 0
    for path in twins(parser.parse_args(arguments).lesson):
        notebook = lessons.read_twin(path)
        faults = faults_of(notebook)
        total += len(faults)
        print(f"{path.stem}: {minutes_of(core_of(notebook)):.0f} minutes, {len(core_of(notebook)) + 1} core cells")
        print(*(f"    {fault}" for fault in faults), sep="\n")
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
