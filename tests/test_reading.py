"""How lessons read: minutes, sentences, numbers beside claims, quizzes; and `tools/reading.py`, which counts them."""

import lessons
import nbformat
import pytest
import reading

pytestmark = pytest.mark.repository


@pytest.mark.parametrize("twin", reading.twins(), ids=lambda path: path.stem)
def test_a_lesson_can_be_read(twin):
    assert reading.faults_of(lessons.read_twin(twin)) == []


def lesson(*cells):
    """A notebook of cells, given as their texts; a text that begins with > is code."""
    notebook = nbformat.v4.new_notebook()
    for text in cells:
        new = nbformat.v4.new_code_cell if text.startswith(">") else nbformat.v4.new_markdown_cell
        notebook.cells.append(new(text.removeprefix(">")))
    return notebook


HEAD = "# 05\n\n**Time:** about 2 minutes to read, 5 for the\nexercises, one to run."
QUIZ = "## Quiz\n\n" + "\n\n".join(
    f"<details><summary>{n}. Why {n}?</summary>\n\nSince {n}.\n\n</details>" for n in range(1, 5)
)


def test_minutes_count_words_and_lines_of_what_every_reader_reads():
    words, code = " ".join(["word"] * 150), ">" + "\n\n".join(["a = 1"] * 5)
    notebook = lesson(
        HEAD, ">import colab\n" * 50, words, code, "## Going further: more", words, "## Exercises", QUIZ, "## End"
    )
    core = reading.core_of(notebook)
    assert [cell.source for cell in core] == [notebook.cells[i].source for i in (0, 2, 3, 6, 7, 8)]
    assert reading.minutes_of(core[1:3]) == 2
    without = lesson(HEAD, ">import colab", words, "## Exercises", QUIZ, "## End")
    assert len(reading.core_of(without)) == 5
    assert reading.stated_minutes(notebook) == (2, 5)


def test_addresses_and_tags_are_no_words():
    assert (
        len(reading.words_in("See [the lesson](../05_fine_tuning.ipynb) of BERT's, 3.5 <summary>well</summary>.")) == 7
    )


def test_long_sentences_are_found_and_tables_lists_and_formulas_are_none():
    long = " ".join(["Word"] * 36)
    assert reading.long_sentences(lesson(f"Short. {long}. Short.")) == [f"{long}."]
    assert (
        reading.long_sentences(
            lesson(f"| {long} |\n| --- |", "- " + " ".join(["a"] * 30) + "\n- " + " ".join(["b"] * 30))
        )
        == []
    )
    assert reading.long_sentences(lesson("One $a + b + c$ " + "w " * 32 + "`x y z`.")) == []
    assert len(reading.long_sentences(lesson("One $a + b + c$ " + "w " * 33 + "`x y z`."))) == 1


def test_claims_that_compare_show_their_number():
    quiet = [
        'course.claim("more", a > b)',
        'course.finding("over 3 points", big)',
        'course.claim("near (within 0.1)", near)',
    ]
    shown = [
        'course.claim("more", a > b, a - b)',
        'course.claim("the same", a == b)',
        'course.claim("in lesson 03", done)',
    ]
    assert [eval(text) for text in reading.mute_claims(lesson(">" + "\n".join(quiet + shown)))] == [
        "more", "over 3 points", "near (within 0.1)",
    ]  # fmt: skip


def test_a_quiz_has_its_questions_and_faults_are_said_in_words():
    good = lesson(HEAD, ">0", *[" ".join(["word"] * 120)] * 2, "## Exercises", QUIZ, "## End")
    assert reading.quiz_of(good) == [(f"Why {n}?", f"Since {n}.") for n in range(1, 5)]
    assert reading.faults_of(good)[0].startswith("over 35 words")
    short = lesson(HEAD, ">0", *["Word. " * 125] * 2, "## Exercises", QUIZ, "## End")
    assert reading.faults_of(short) == []
    assert reading.faults_of(lesson("# 05", ">0", "## Exercises", "none", "## End")) == [
        "the head says 'about N minutes to read, M for the exercises'"
    ]
    none = lesson(HEAD, ">0", *["Word. " * 125] * 2, "## Exercises", "none", "## End")
    assert reading.faults_of(none) == ["the cell before the last is the quiz"]
    slow = lesson(HEAD, ">0", ">" + "a = 1\n" * 230, "## Exercises", QUIZ, "## End")
    assert reading.faults_of(slow) == ["46 minutes to read", "46 minutes to read, 2 stated"]
