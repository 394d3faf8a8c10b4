"""Exercises: made from their solutions; each check fails on wrong answers and holds for the solution and others that are right."""

import itertools
import re
from typing import NamedTuple

import bootstrap
import exercises
import lessons
import nbformat
import pytest
from exercises import tags

from helpers import runtime

TWINS = exercises.twins()


@pytest.fixture(params=TWINS, ids=lambda path: path.stem)
def twin(request):
    return request.param


@pytest.mark.repository
def test_each_lesson_has_its_exercises():
    names = {path.stem for path in (runtime.COURSE / "notebooks").glob("[0-9]*.ipynb")}
    for folder, ending in (
        (exercises.SOLUTIONS / "text", "py"),
        (exercises.SOLUTIONS, "ipynb"),
        (exercises.EXERCISES, "ipynb"),
    ):
        assert {path.stem for path in folder.glob(f"*.{ending}")} == names


@pytest.mark.repository
def test_exercises_and_solutions_are_in_step_with_their_twins(twin):
    fresh = lessons.read_twin(twin)
    solved = nbformat.read(exercises.SOLUTIONS / f"{twin.stem}.ipynb", as_version=4)
    assert [(c.cell_type, c.source, tags(c)) for c in solved.cells] == [
        (c.cell_type, c.source, tags(c)) for c in fresh.cells
    ]
    written = nbformat.read(exercises.EXERCISES / f"{twin.stem}.ipynb", as_version=4)
    expected = exercises.exercise_form(fresh)
    assert [(c.cell_type, c.source, tags(c)) for c in written.cells] == [
        (c.cell_type, c.source, tags(c)) for c in expected.cells
    ]
    assert all(not c.outputs and c.execution_count is None for c in written.cells if c.cell_type == "code")


@pytest.mark.repository
def test_solutions_are_executed_and_checked(twin):
    solved = nbformat.read(exercises.SOLUTIONS / f"{twin.stem}.ipynb", as_version=4)
    checks = [exercises.checks_after(solved, cell) for cell in solved.cells if "solution" in tags(cell)]
    assert 2 <= len(checks) <= 4 and all(checks)
    for cell in solved.cells:
        if cell.cell_type == "code":
            assert cell.execution_count is not None
            assert not any(output.output_type == "error" for output in cell.outputs)
    for *parts, last in checks:  # the last part alone says that the answer is right
        printed = ["".join(output.get("text", "") for output in cell.outputs) for cell in (*parts, last)]
        assert "✓ " in printed[-1] and not any("✓ " in text for text in printed[:-1])


@pytest.mark.repository
def test_cells_of_exercises_fit_the_page(twin):
    for cell in lessons.read_twin(twin).cells:
        if cell.cell_type == "code" and cell.source != bootstrap.cell():
            assert cell.source.count("\n") < 25, cell.source
            assert max(map(len, cell.source.splitlines())) <= 88, cell.source


ANSWERS = runtime.COURSE / "tests" / "answers"
ANSWER = re.compile(
    r'# %% (?P<exercise>\d) (?:(?P<right>right)|wrong: "(?P<hint>[^"\n]+)")\n(?P<code>.+?)(?=\n# %% |\Z)', flags=re.S
)


class Answer(NamedTuple):
    """Another answer to an exercise: `hint` is a part of what its check must say, None where it must hold."""

    exercise: int
    hint: str | None
    code: str


def answers_in(text: str) -> list[Answer]:
    """The answers of a file in tests/answers/: `# %% 1 right` or `# %% 1 wrong: "part of the hint"`, then code."""
    found = [Answer(int(m["exercise"]), m["hint"], m["code"].strip()) for m in ANSWER.finditer(text)]
    assert len(found) == len(re.findall("^# %%", text, flags=re.M)), "a cell's first line says what it is"
    return found


def cell_of(code, *tags):
    cell = nbformat.v4.new_code_cell(code)
    cell.metadata["tags"] = list(tags)
    return cell


def all_forms(notebook, answers):
    """Before each solution its stub and the other answers, each followed by the check; one kernel proves all."""
    cells, exercise = [], 0
    for cell in notebook.cells:
        if "solution" in tags(cell):
            exercise += 1
            check = "\n\n".join(part.source for part in exercises.checks_after(notebook, cell))
            forms = [Answer(exercise, "", exercises.stub(cell.source))]
            forms += [answer for answer in answers if answer.exercise == exercise]
            for _, hint, code in forms:
                cells += [cell_of(code), cell_of(check, *["raises-exception", "must-fail"] * (hint is not None))]
                cells[-1].metadata["hint"] = hint
        cells.append(cell)
    notebook.cells = cells
    return notebook


@pytest.mark.repository
def test_each_exercise_has_three_wrong_answers_and_another_right_one(twin):
    answers = answers_in((ANSWERS / twin.name).read_text(encoding="utf-8"))
    number = sum("solution" in tags(cell) for cell in lessons.read_twin(twin).cells)
    for exercise in range(1, number + 1):
        hints = [answer.hint for answer in answers if answer.exercise == exercise]
        assert hints.count(None) >= 1 and len(hints) - hints.count(None) >= 3, exercise
    assert {answer.exercise for answer in answers} == set(range(1, number + 1))


@pytest.mark.tensorflow
@pytest.mark.once
def test_wrong_answers_fail_with_a_hint_that_fits_and_right_ones_pass(twin):
    """Unsolved, each exercise's check fails; with the solution or another right answer it holds."""
    answers = answers_in((ANSWERS / twin.name).read_text(encoding="utf-8"))
    notebook = all_forms(lessons.read_twin(twin), answers)
    lessons.execute(lessons.client_for(notebook), twin.stem)  # raises at any other error
    failing = [cell for cell in notebook.cells if "must-fail" in tags(cell)]
    assert len(failing) >= 2
    for before, cell in itertools.pairwise(notebook.cells):
        if "must-fail" in tags(cell):
            errors = [output for output in cell.outputs if output.output_type == "error"]
            assert [error.ename for error in errors] == ["AssertionError"], before.source
            assert len(errors[0].evalue) > 10, "a failing check says what to do"
            assert cell.metadata["hint"] in errors[0].evalue, before.source


@pytest.mark.repository
def test_why_is_answered_in_the_solution_and_nowhere_in_the_exercise(twin):
    solved = [cell.source for cell in lessons.read_twin(twin).cells]
    written = [cell.source for cell in nbformat.read(exercises.EXERCISES / f"{twin.stem}.ipynb", as_version=4).cells]
    assert sum(exercises.WHY in text for text in solved) >= 2 and not any("**Why" in text for text in written)
    assert all(text.startswith(exercises.WHY) for text in solved if exercises.WHY in text)


def test_answers_are_read_with_their_hints():
    text = '# %% 1 wrong: "too large"\nrate = 3\n\n# %% 2 right\na = 1\nb = 2\n'
    assert answers_in(text) == [Answer(1, "too large", "rate = 3"), Answer(2, None, "a = 1\nb = 2")]
    with pytest.raises(AssertionError, match="first line"):
        answers_in("# %% one right\na = 1\n")


def test_a_stub_names_what_to_define():
    assert exercises.stub("# stub: rate, share\nrate = 3\n") == (
        "# Your answer here, in place of the dots.\nrate = ...\nshare = ..."
    )
    with pytest.raises(ValueError, match="begins with a line such as"):
        exercises.stub("rate = 3")
