"""Lesson 07: catalogue and lesson agree, each mistake of the program is made and mended, each other one has a source."""

import csv
import re

import nbformat
import pytest

from helpers import runtime

pytestmark = pytest.mark.repository

KINDS = {
    "does not parse", "missing name", "wrong API", "wrong shape", "wrong loss", "leakage", "harmful preprocessing", "silent", "outdated",
    "misattributed", "misleading", "wrong formula",
}  # fmt: skip
COLUMNS = ["number", "section", "kind", "what_is_wrong", "what_happens", "fix", "lesson_or_source"]
HERE = "this lesson"
PARTS = [
    "Listing, imports",
    *(f"Listing 2.{i}" for i in range(1, 6)),
    "Listing, end",
    *(f"FAQ {i}" for i in range(1, 6)),
]
PARTS += ["Installation", "Code commentary", "Code analysis", "Formulas", "Reading list", "Resources", "Tools"]


def rows_of(name):
    """Rows of a catalogue file in data/, as dictionaries."""
    with (runtime.COURSE / "data" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ERRATA, SOUND = rows_of("errata.csv"), rows_of("errata_sound.csv")
OF_PROGRAM = [row for row in ERRATA if row["section"].startswith("Listing")]
LESSON = nbformat.read(runtime.COURSE / "notebooks" / "07_listing_fixed.ipynb", as_version=4)
CODE = [cell for cell in LESSON.cells if cell.cell_type == "code"]


def numbers(cell):
    """Numbers of the errata that a cell names in a comment: `# Erratum 3`, `# Errata 5 and 6`, `(Erratum 33)`."""
    found = re.findall(r"Errat(?:um|a) ([\d, and]+|\d+ to \d+)", cell.source)
    return {int(number) for text in found for number in re.findall(r"\d+", text)}


def raised(cell):
    """The error that a cell shows, or None."""
    return next((output for output in cell.outputs if output.output_type == "error"), None)


def test_the_catalogue_is_whole():
    assert list(ERRATA[0]) == COLUMNS and len(ERRATA) >= 40
    assert [int(row["number"]) for row in ERRATA] == list(range(1, len(ERRATA) + 1))
    assert all(value.strip() for row in ERRATA + SOUND for value in row.values())
    assert {row["kind"] for row in ERRATA} <= KINDS
    assert len({(row["section"], row["what_is_wrong"]) for row in ERRATA}) == len(ERRATA)


def test_what_is_sound_is_in_the_other_list_alone():
    assert len(SOUND) > 50 and all(re.match(r"sound(:|$)", row["verdict"]) for row in SOUND)
    assert not {row["section"] for row in SOUND} & {row["section"] for row in ERRATA}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_article_was_judged(part):
    assert any(row["section"].startswith(part) for row in ERRATA + SOUND)


def test_each_mistake_of_the_program_is_made_here_or_in_a_lesson_that_is_named():
    executed = set().union(*map(numbers, CODE))
    said = {int(row["number"]) for row in ERRATA if row["lesson_or_source"].startswith(HERE)}
    assert executed == said
    for row in OF_PROGRAM:
        elsewhere = re.fullmatch(r"lesson (\d\d), (.+)", row["lesson_or_source"])
        if elsewhere:
            twin = next((runtime.COURSE / "notebooks" / "text").glob(f"{elsewhere[1]}_*.py")).read_text(
                encoding="utf-8"
            )
            assert f"# ## {elsewhere[2]}\n" in twin, row
        else:
            assert int(row["number"]) in executed or row["kind"] == "outdated", row


def test_errors_are_those_that_the_catalogue_foretells():
    foretold = {int(row["number"]): re.findall(r"\b[A-Z]\w*Error\b", row["what_happens"]) for row in OF_PROGRAM}
    raising = [cell for cell in CODE if "raises-exception" in cell.metadata.get("tags", [])]
    assert len(raising) >= 15
    for cell in raising:
        (number,) = numbers(cell)
        assert raised(cell) is not None, cell.source
        assert not foretold[number] or raised(cell).ename in foretold[number], cell.source
    shown = set().union(*map(numbers, raising))
    assert {number for number, names in foretold.items() if names} <= shown


def test_after_each_error_a_cell_explains_and_asserts():
    for position, cell in enumerate(CODE):
        if raised(cell) is None:
            continue
        after = next(c for c in CODE[position:] if raised(c) is None)
        repairs = after if "course.claim(" in after.source else CODE[CODE.index(after) + 1]
        assert "course.claim(" in repairs.source and re.search(r"^# ", after.source, flags=re.M), cell.source


def test_each_mistake_of_the_prose_has_a_source_that_a_reader_can_check():
    lessons = {path.stem[:2] for path in (runtime.COURSE / "notebooks").glob("[0-9]*.ipynb")}
    checkable = r"\b(19|20)\d\d\b|\blesson \d\d\b|documentation|PyPI|PEP \d+|release notes|page|README|tensorflow\.org|this lesson"
    for row in ERRATA:
        assert re.search(checkable, row["lesson_or_source"]), row
        assert set(re.findall(r"lesson (\d\d)", row["lesson_or_source"])) <= lessons, row
