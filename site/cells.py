"""Cells and outputs of a notebook in the form in which a web page shows them.

Outputs become HTML of our own: claims wrap and keep their tick, tables scroll inside themselves, tracebacks wrap, a
figure keeps its alt text and leads to its full size. What is not for a first reading is folded.
"""

import base64
import html
import itertools
import re
import struct
import textwrap
from pathlib import Path

import nbformat

TICK = "✓ "
WHY = "**Why.**"  # so begins the cell that answers an exercise's "why"; see tools/exercises.py
BADGE = r"\[!\[Open in Colab\]\(.*?\)\]\(.*?\)"


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """A cell's tags."""
    return cell.metadata.get("tags", [])


# ---- outputs


def claim(line: str) -> str:
    """A checked claim, with its tick, as a line that wraps."""
    text = html.escape(line.removeprefix(TICK))
    return f'<p class="claim"><span class="tick">✓</span> {text}</p>'


def is_table(text: str) -> bool:
    """Whether lines stand in columns, which wrapping would destroy."""
    return "\n" in text.strip("\n") and re.search(r"\S {2,}\S", text) is not None


def printed(text: str) -> str:
    """What a cell printed: a table scrolls inside itself, all else wraps."""
    if not text.strip():
        return ""
    kind = "printed table" if is_table(text) else "printed"
    return f'<pre class="{kind}">{html.escape(text.strip(chr(10)))}</pre>'


def stream(text: str) -> str:
    """Printed text with its claims."""
    groups = itertools.groupby(text.splitlines(), lambda line: line.startswith(TICK))
    return "\n".join("\n".join(map(claim, lines)) if ticked else printed("\n".join(lines)) for ticked, lines in groups)


def traceback(output: nbformat.NotebookNode) -> str:
    """An error as a reader reads it: without the terminal's codes for colours."""
    text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output.traceback))
    return f'<pre class="traceback">{html.escape(text)}</pre>'


def table(text: str, name: str) -> str:
    """An HTML table inside a part that scrolls, by keyboard too, without looks of its own."""
    text = re.sub(r"<style.*?</style>| style=\"[^\"]*\"| border=\"1\"", "", text, flags=re.S)
    return f'<div class="scroll" role="group" tabindex="0" aria-label="{name}">{text}</div>'


def figure(image: bytes, alt: str, caption: str, address: str) -> str:
    """A figure that leads to its full size; `address`: of its file, as the page sees it."""
    width, height = struct.unpack(">II", image[16:24])  # the first chunk of a PNG says its size
    size = f'width="{width}" height="{height}"'
    shown = f'<img class="dark-light" src="{address}" alt="{html.escape(alt)}" {size} loading="lazy">'
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure><a href="{address}">{shown}</a>{below}</figure>'


class Figures:
    """Files of the figures of one page. `folder`: where they go; `address`: that folder as the page sees it."""

    def __init__(self, folder: Path, address: str, page: str):
        self.folder, self.address, self.page, self.number = folder, address, page, 0

    def add(self, image: bytes, alt: str, caption: str = "") -> str:
        """Write a figure's file; its HTML."""
        self.number += 1
        name = f"{self.page}-{self.number}.png"
        (self.folder / name).write_bytes(image)
        return figure(image, alt, caption, f"{self.address}/{name}")


def split_caption(text: str, alt: str) -> tuple[str, str]:
    """The caption that `figures.show` printed below a figure, and what is printed after it."""
    start = textwrap.fill(f"Figure: {alt}", 100)
    if alt and text.startswith(start):
        return " ".join(start.split()), text[len(start) :]
    return "", text


def html_of(outputs: list, figures: Figures, words: dict[str, str]) -> str:
    """All outputs of a cell as HTML. `words`: of the edition."""
    parts, image = [], None  # of a figure whose caption is to follow
    for output in outputs:
        data = output.get("data", {})
        if image and output.output_type == "stream":
            caption, rest = split_caption(output.text, image[1])
            parts += [figures.add(*image, caption), stream(rest)]
            image = None
        elif "image/png" in data:
            image = base64.b64decode(data["image/png"]), output.metadata["image/png"]["alt"]
        elif output.output_type == "error":
            parts.append(traceback(output))
        elif output.output_type == "stream":
            parts.append(stream(output.text))
        elif "text/html" in data:
            parts.append(table(data["text/html"], words["table"]))
    parts += [figures.add(*image)] if image else []
    return "\n".join(filter(None, parts))


def with_html(cell: nbformat.NotebookNode, figures: Figures, words: dict[str, str]) -> nbformat.NotebookNode:
    """A code cell whose outputs are one piece of HTML."""
    shown = html_of(cell.outputs, figures, words)
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": shown})] if shown else []
    return cell


# ---- cells


def kind_of(cell: nbformat.NotebookNode, number: int) -> str:
    """Which folded part a cell belongs to; "" when it is shown. `number`: its place in the notebook."""
    if number == 1 and "COLAB_RELEASE_TAG" in cell.source:
        return "set_up"
    if cell.source.startswith(WHY):
        return "why"
    return next((kind for kind in ("solution", "check") if kind in tags(cell)), "")


def folded(cells: list[nbformat.NotebookNode], label: str) -> list[nbformat.NotebookNode]:
    """Cells that a reader unfolds, by mouse or keyboard."""
    start, end = f'<details class="fold"><summary>{label}</summary>', "</details>"
    return [nbformat.v4.new_markdown_cell(start), *cells, nbformat.v4.new_markdown_cell(end)]


def kinds_of(notebook: nbformat.NotebookNode) -> list[str]:
    """The folded part that each cell of an English notebook belongs to."""
    return [kind_of(cell, number) for number, cell in enumerate(notebook.cells)]


def with_folds(
    cells: list[nbformat.NotebookNode], kinds: list[str], words: dict[str, str]
) -> list[nbformat.NotebookNode]:
    """The cells with neighbours of one kind folded together."""
    shown = []
    for kind, group in itertools.groupby(zip(kinds, cells, strict=True), lambda pair: pair[0]):
        own = [cell for _, cell in group]
        shown += folded(own, words[kind]) if kind else own
    return shown


def with_bar(text: str, bar: str) -> str:
    """A page's Markdown with the bar in place of the badge, or below its title."""
    if re.search(BADGE, text):
        return re.sub(BADGE, lambda _: bar, text, count=1)
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{bar}\n\n{rest}"


def for_web(
    notebook: nbformat.NotebookNode, kinds: list[str], bar: str, figures: Figures, words: dict[str, str]
) -> nbformat.NotebookNode:
    """A notebook as the web edition shows it. Exercises and solutions are one page there."""
    notebook = nbformat.from_dict(notebook)
    notebook.cells[0].source = with_bar(notebook.cells[0].source, bar)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with_html(cell, figures, words)
        else:
            cell.source = cell.source.replace("](solutions/", "](exercises/")
    notebook.cells = with_folds(notebook.cells, kinds, words)
    return notebook
