"""Write into README.md what was measured: python tools/readme.py, after `make run` and `make outputs`.

The minutes of the table come from the last `make run`; the figure comes out of lesson 07 as committed.
"""

import base64
import json
import re
import sys
from pathlib import Path

import nbformat

from helpers import runtime

README = runtime.COURSE / "README.md"
FIGURE = runtime.COURSE / "data" / "results" / "accuracy.png"
FIGURE_OF = "figures.accuracies(table"  # what the cell of lesson 07 that draws it says


def with_minutes(text: str, minutes: dict[str, float]) -> str:
    """The README with the last column of each lesson's row replaced; rows without a measurement stay."""
    for lesson, value in minutes.items():
        shown = f"{value:.1f}" if value < 1 else f"{value:.0f}"
        text = re.sub(rf"^(\|.*\(notebooks/{lesson}\.ipynb\).*\|) [^|]* \|$", rf"\g<1> {shown} |", text, flags=re.M)
    return text


def figure_of(notebook: nbformat.NotebookNode) -> tuple[bytes, str]:
    """PNG and alt text of the figure that FIGURE_OF draws; raises LookupError if no cell does."""
    for cell in notebook.cells:
        if FIGURE_OF in cell.source:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output.data["image/png"]), output.metadata["image/png"]["alt"]
    raise LookupError(f"No cell of lesson 07 with {FIGURE_OF!r} shows a figure. Run `make outputs` first.")


def with_figure(text: str, alt: str) -> str:
    """The README with the figure's alt text brought up to date."""
    return re.sub(r"!\[[^\]]*\]\(data/results/accuracy\.png\)", f"![{alt}](data/results/accuracy.png)", text)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def main() -> int:
    """Measure, draw, write."""
    measured = runtime.artifacts_folder() / "run" / "minutes.json"
    if not measured.is_file():
        sys.exit("There is nothing measured yet: `make run` first.")
    image, alt = figure_of(nbformat.read(runtime.COURSE / "notebooks" / "07_evaluation.ipynb", as_version=4))
    replace_file(FIGURE, image)
    minutes = json.loads(measured.read_text(encoding="utf-8"))
    text = with_figure(with_minutes(README.read_text(encoding="utf-8"), minutes), alt)
    replace_file(README, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
