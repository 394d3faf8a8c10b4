"""Exercises out of their solutions: python tools/exercises.py exercises | outputs [00 02 ...]

exercises  write notebooks/exercises/ from the twins in notebooks/solutions/text/: the same cells, with each cell
           tagged `solution` replaced by a stub, and without those that begin with **Why.**
outputs    execute the solutions and write notebooks/solutions/

A solution cell begins with a line such as `# stub: rate, share`: the names that the learner is to define.
"""

import argparse
import itertools
import re
import sys
from pathlib import Path

import lessons
import nbformat

from helpers import runtime

SOLUTIONS = runtime.COURSE / "notebooks" / "solutions"
EXERCISES = runtime.COURSE / "notebooks" / "exercises"


def twins() -> list[Path]:
    """The solutions' text twins, in order."""
    return sorted((SOLUTIONS / "text").glob("[0-9][0-9]_*.py"))


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """A cell's tags."""
    return cell.metadata.get("tags", [])


def names_to_define(solution: str) -> list[str]:
    """The names in the first line of a solution cell; raises ValueError when that line says none."""
    found = re.match(r"# stub: (\w+(?:, \w+)*)\n", solution)
    if not found:
        raise ValueError(f"A solution begins with a line such as '# stub: rate', not with {solution.splitlines()[:1]}.")
    return found[1].split(", ")


def checks_after(notebook: nbformat.NotebookNode, solution: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells tagged `check` between a solution's cell and the next one: the parts of its check."""
    rest = notebook.cells[notebook.cells.index(solution) + 1 :]
    own = itertools.takewhile(lambda cell: "solution" not in tags(cell), rest)
    return [cell for cell in own if "check" in tags(cell)]


def stub(solution: str) -> str:
    """What the learner finds in place of a solution."""
    return "# Your answer here, in place of the dots.\n" + "\n".join(
        f"{name} = ..." for name in names_to_define(solution)
    )


WHY = "**Why.**"  # so begins the cell that answers an exercise's "why"


def exercise_form(solutions: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with each solution replaced by its stub, without the cells that explain it, and without outputs."""
    notebook = nbformat.from_dict(solutions)
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith(WHY)]
    for cell in notebook.cells:
        if "solution" in tags(cell):
            cell.source = stub(cell.source)
            cell.metadata["tags"] = ["answer"]
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    with runtime.written_whole(path) as unfinished:
        nbformat.write(notebook, unfinished)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["exercises", "outputs"])
    parser.add_argument("lesson", nargs="*", help="first characters of the names; none: all")
    options = parser.parse_args(arguments)
    for path in twins():
        if options.lesson and not path.stem.startswith(tuple(options.lesson)):
            continue
        notebook = lessons.read_twin(path)
        if options.command == "outputs":
            lessons.execute(lessons.client_for(notebook), path.stem)
            lessons.as_shown(notebook)
            notebook.metadata["language_info"] = {"name": "python"}
            write(notebook, SOLUTIONS / f"{path.stem}.ipynb")
        else:
            write(exercise_form(notebook), EXERCISES / f"{path.stem}.ipynb")
    return 0


if __name__ == "__main__":
    sys.exit(main())
