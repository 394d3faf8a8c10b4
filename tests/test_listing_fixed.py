"""Lesson 07: catalogue and lesson agree, each mistake of the program is made and mended, each other one has a source."""

import csv
import html
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


# Numbers never change. Rows that said the same are one now, under the first number; what was found right is in the other list.
JOINED = {
    3: {74: "Code commentary"},
    9: {73: "Installation"},
    12: {76: "Code commentary", 82: "Code analysis"},
    13: {75: "Code commentary"},
    15: {77: "Code commentary", 83: "Code analysis"},
    26: {84: "Code analysis"},
    27: {80: "Code commentary"},
    29: {79: "Code commentary"},
}
RIGHT_AFTER_ALL = {
    31: "Listing 2.4, evaluate",
    41: "Formulas (数学模型和公式), MSE, shapes",
    57: "Formulas, losses (损失函数), cross-entropy, logarithm",
    99: "FAQ 1 (为什么需要大量数据), sentence 3",
    107: "FAQ 5 (实时推理), item 2 (模型量化)",
}
LAST = 115


def rows_of(name):
    """Rows of a catalogue file in data/, as dictionaries."""
    with (runtime.COURSE / "data" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ERRATA, SOUND = rows_of("errata.csv"), rows_of("errata_sound.csv")
OF_PROGRAM = [row for row in ERRATA if row["section"].startswith("Listing")]
LESSON = nbformat.read(runtime.COURSE / "notebooks" / "07_listing_fixed.ipynb", as_version=4)
CODE = [cell for cell in LESSON.cells if cell.cell_type == "code"]
LISTING = (runtime.COURSE / "data" / "listing.txt").read_text(encoding="utf-8")


def numbers(cell):
    """Numbers of the errata that a cell names in a comment, in order: `# Erratum 3`, `# Errata 5 and 6`."""
    found = re.findall(r"Errat(?:um|a) ([\d, and]+)", cell.source)
    return [int(number) for text in found for number in re.findall(r"\d+", text)]


def printed(cell):
    """What a cell prints, as one text."""
    return "".join(output.get("text", "") for output in cell.outputs)


def raised(cell):
    """Names of the errors that a cell shows: of the one that stopped it, or of those that `run` printed."""
    stopped = [output.ename for output in cell.outputs if output.output_type == "error"]
    caught = re.findall(r"^(\w*Error): ", printed(cell), flags=re.M) if re.search(r"\brun\(", cell.source) else []
    return stopped + caught


def test_the_catalogue_is_whole():
    assert list(ERRATA[0]) == COLUMNS
    joined = {number for others in JOINED.values() for number in others}
    expected = sorted(set(range(1, LAST + 1)) - joined - set(RIGHT_AFTER_ALL))
    assert [int(row["number"]) for row in ERRATA] == expected
    assert all(value.strip() for row in ERRATA + SOUND for value in row.values())
    assert {row["kind"] for row in ERRATA} <= KINDS
    assert len({(row["section"], row["what_is_wrong"]) for row in ERRATA}) == len(ERRATA)


def test_what_is_sound_is_in_the_other_list_alone():
    assert len(SOUND) > 50 and all(re.match(r"sound(:|$)", row["verdict"]) for row in SOUND)
    assert not {row["section"] for row in SOUND} & {row["section"] for row in ERRATA}


def test_a_joined_row_names_all_its_places_and_a_right_one_gives_its_reason():
    sections = {int(row["number"]): row["section"] for row in ERRATA}
    for number, others in JOINED.items():
        assert all(place in sections[number] for place in others.values()), number
    verdicts = {row["section"]: row["verdict"] for row in SOUND}
    for section in RIGHT_AFTER_ALL.values():
        assert re.match(r"sound: .{60}", verdicts[section]), section


def test_what_a_verdict_calls_an_erratum_is_one():
    numbers_there = {row["number"] for row in ERRATA}
    cited = {number for row in SOUND for number in re.findall(r"erratum (\d+)", row["verdict"])}
    assert cited == {"29", "115"} and cited <= numbers_there


def test_the_lesson_shows_listing_and_catalogue_whole():
    shown = next(printed(cell) for cell in CODE if "listing.txt" in cell.source and "print" in cell.source)
    assert [line[4:].rstrip() for line in shown.splitlines()] == LISTING.splitlines()
    (tables,) = [cell for cell in CODE if "errata_sound.csv" in cell.source]
    for kind in ("text/html", "text/plain"):
        text = html.unescape("".join(output.data[kind] for output in tables.outputs if "data" in output))
        assert all(
            value.replace('"', '""') in text or value in text for row in ERRATA + SOUND for value in row.values()
        )


def test_the_listing_makes_the_mistakes_of_the_catalogue():
    """Each line that the catalogue blames is there, and what it misses is not."""
    for part in (
        " layer = bert.layers[-1]", ".process(review)", 'tfds.load("[data set]")', '["text"], rows["train"]["label"]', "is_stop", "shuffle(1000)",
        "layer(ids, mask, segments)", "last_hidden_state", "num_classes", '"adam", "categorical_crossentropy", ["accuracy"]',
        "validation_data=test", "tokenizer.encode", "max_length=max_length", "np.argmax", "Input([None]", "bert_uncased_L-12_H-768_A-12/1",
    ):  # fmt: skip
        assert LISTING.count(part) >= 1, part
    for missing in ("import spacy", "plt.", "decode", "set_random_seed", "save", "export", '"validation"', "history."):
        assert missing not in LISTING, missing


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_article_was_judged(part):
    assert any(row["section"].startswith(part) for row in ERRATA + SOUND)


def test_each_mistake_of_the_program_is_made_here_or_in_a_lesson_that_is_named():
    executed = {number for cell in CODE for number in numbers(cell)}
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
    raising = [cell for cell in CODE if raised(cell)]
    assert sum("raises-exception" in cell.metadata.get("tags", []) for cell in raising) >= 15
    shown = set()
    for cell in raising:
        assert len(numbers(cell)) == len(raised(cell)), cell.source
        for number, name in zip(numbers(cell), raised(cell), strict=True):
            assert not foretold[number] or name in foretold[number], cell.source
            shown.add(number)
    assert {number for number, names in foretold.items() if names} <= shown


def test_after_each_error_a_cell_explains_and_asserts():
    for position, cell in enumerate(CODE):
        if not raised(cell):
            continue
        after = [c for c in CODE[position:] if not raised(c)]
        claims = [place for place, c in enumerate(after) if "course.claim(" in c.source]
        explained = any(re.search(r"^# ", c.source, flags=re.M) for c in after[: claims[0] + 1])
        assert claims[0] <= 2 and explained, cell.source


def test_a_traceback_shows_the_readers_own_lines_and_nothing_of_the_machine():
    (calls,) = [printed(cell) for cell in CODE if "functions + " in cell.source]
    assert re.findall(r"^line (\d+), in (\S+)", calls, flags=re.M) == [
        ("19", "<module>"), ("16", "prepare"), ("10", "base_words"),
    ]  # fmt: skip
    assert calls.rstrip().endswith("AttributeError: 'English' object has no attribute 'process'")
    assert "/" not in calls


def test_each_mistake_of_the_prose_has_a_source_that_a_reader_can_check():
    lessons = {path.stem[:2] for path in (runtime.COURSE / "notebooks").glob("[0-9]*.ipynb")}
    checkable = r"\b(19|20)\d\d\b|\blesson \d\d\b|documentation|PyPI|PEP \d+|release notes|page|README|tensorflow\.org|this lesson"
    for row in ERRATA:
        assert re.search(checkable, row["lesson_or_source"]), row
        assert set(re.findall(r"lesson (\d\d)", row["lesson_or_source"])) <= lessons, row
