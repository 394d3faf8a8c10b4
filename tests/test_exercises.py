"""Exercises: made from their solutions; each check fails on the unsolved form and holds with the solution pasted in."""

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
    checks = [cell for cell in solved.cells if "check" in tags(cell)]
    assert 2 <= len(checks) <= 4 and len(checks) == sum("solution" in tags(cell) for cell in solved.cells)
    for cell in solved.cells:
        if cell.cell_type == "code":
            assert cell.execution_count is not None
            assert not any(output.output_type == "error" for output in cell.outputs)
    assert all("✓ " in "".join(output.get("text", "") for output in cell.outputs) for cell in checks)


def both_forms(notebook):
    """Each solution preceded by its stub and the check, which must fail there; one kernel proves both."""
    cells = []
    for number, cell in enumerate(notebook.cells):
        if "solution" in tags(cell):
            unsolved = nbformat.v4.new_code_cell(exercises.stub(cell.source))
            check = next(c for c in notebook.cells[number:] if "check" in tags(c))
            failing = nbformat.v4.new_code_cell(check.source)
            failing.metadata["tags"] = ["raises-exception", "must-fail"]
            cells += [unsolved, failing]
        cells.append(cell)
    notebook.cells = cells
    return notebook


@pytest.mark.tensorflow
@pytest.mark.once
def test_checks_fail_before_solving_and_hold_after(twin, tmp_path):
    notebook = both_forms(lessons.read_twin(twin))
    lessons.execute(lessons.client_for(notebook), twin.stem)  # raises at any other error
    failing = [cell for cell in notebook.cells if "must-fail" in tags(cell)]
    assert len(failing) >= 2
    for cell in failing:
        errors = [output for output in cell.outputs if output.output_type == "error"]
        assert [error.ename for error in errors] == ["AssertionError"], cell.source
        assert len(errors[0].evalue) > 10, "a failing check says what to do"


def test_a_stub_names_what_to_define():
    assert exercises.stub("# stub: rate, share\nrate = 3\n") == (
        "# Your answer here, in place of the dots.\nrate = ...\nshare = ..."
    )
    with pytest.raises(ValueError, match="begins with a line such as"):
        exercises.stub("rate = 3")
