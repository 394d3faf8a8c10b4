"""Write into README.md what was measured: python tools/readme.py, after `make run` and `make outputs`.

Minutes and memory in the table come from the last `make run`; the figure comes out of lesson 06 as committed.
"""

import base64
import json
import re
import sys

import nbformat

from helpers import runtime

README = runtime.COURSE / "README.md"
FIGURE = runtime.COURSE / "data" / "results" / "accuracy.png"
FIGURE_OF = "figures.accuracies(table"  # what the cell of lesson 06 that draws it says


def with_measured(text: str, measured: dict[str, dict[str, float]]) -> str:
    """The README with the last two columns of each lesson's row replaced; rows without a measurement stay.

    `measured`: lesson -> `minutes`, and `gib` of memory at most.
    """
    for lesson, row in measured.items():
        minutes = f"{row['minutes']:.1f}" if row["minutes"] < 1 else f"{row['minutes']:.0f}"
        pattern = rf"^(\|.*\(notebooks/{lesson}\.ipynb\).*\|) [^|]* \| [^|]* \|$"
        text = re.sub(pattern, rf"\g<1> {minutes} | {row['gib']:.1f} |", text, flags=re.M)
    return text


def figure_of(notebook: nbformat.NotebookNode) -> tuple[bytes, str]:
    """PNG and alt text of the figure that FIGURE_OF draws; raises LookupError if no cell does."""
    for cell in notebook.cells:
        if FIGURE_OF in cell.source:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output.data["image/png"]), output.metadata["image/png"]["alt"]
    raise LookupError(f"No cell of lesson 06 with {FIGURE_OF!r} shows a figure. Run `make outputs` first.")


def with_figure(text: str, alt: str) -> str:
    """The README with the figure's alt text brought up to date."""
    return re.sub(r"!\[[^\]]*\]\(data/results/accuracy\.png\)", f"![{alt}](data/results/accuracy.png)", text)


def main() -> int:
    """Measure, draw, write."""
    measured = runtime.artifacts_folder() / "run" / "measured.json"
    if not measured.is_file():
        sys.exit("There is nothing measured yet: `make run` first.")
    image, alt = figure_of(nbformat.read(runtime.COURSE / "notebooks" / "06_evaluation.ipynb", as_version=4))
    with runtime.written_whole(FIGURE) as unfinished:
        unfinished.write_bytes(image)
    rows = json.loads(measured.read_text(encoding="utf-8"))
    text = with_figure(with_measured(README.read_text(encoding="utf-8"), rows), alt)
    with runtime.written_whole(README) as unfinished:
        unfinished.write_bytes(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
