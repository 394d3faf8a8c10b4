"""Lesson 02: drawings of BERT and of one block.

A drawing is a column of boxes that is read from top to bottom, with arrows from box to box. At its right margin stands the
shape of what a box gives: n is the number of tokens, d the width of a vector.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from helpers.figures import BLUE, GREEN, ORANGE, new

WHITE, GREY = "#FFFFFF", "#DDDDDD"
WIDTH, BOX = 10.0, 0.9  # units: width of a drawing, height of a box
SIZE = 13  # points: on a telephone's screen, 400 pixels wide, a letter is 13 pixels high


@dataclass(frozen=True)
class Box:
    """A box that was drawn: its centre and its width, in units of the drawing."""

    x: float
    y: float
    width: float

    def edge(self, side: str, x: float | None = None) -> tuple[float, float]:
        """The middle of its "left" or "right" edge; of its "top" or "bottom" the point at `x`, or the middle."""
        if side in ("left", "right"):
            return self.x + self.width / 2 * (1 if side == "right" else -1), self.y
        return self.x if x is None else x, self.y + BOX / 2 * (1 if side == "top" else -1)


def empty(title: str, height: float):
    """A Matplotlib figure and its axes without ticks, WIDTH units wide and `height` units high."""
    figure, axes = new(title, "", "", width=5.0, height=0.4 + 0.44 * height)
    axes.set(xlim=(0, WIDTH), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def draw_row(axes, names: list[str], y: float, colour: str, left: float, right: float, shape: str = "") -> list[Box]:
    """Draw boxes of equal width from `left` to `right`, centred at the height `y`, and `shape` at the right margin."""
    from matplotlib.patches import Rectangle

    gap = 0.25
    width = (right - left + gap) / len(names) - gap
    boxes = [Box(left + width / 2 + number * (width + gap), y, width) for number in range(len(names))]
    for name, box in zip(names, boxes, strict=True):
        corner = (box.x - width / 2, y - BOX / 2)
        axes.add_patch(Rectangle(corner, width, BOX, facecolor=colour, edgecolor="black"))
        axes.text(box.x, y, name, ha="center", va="center", fontsize=SIZE)
    axes.text(WIDTH, y, shape, ha="right", va="center", fontsize=SIZE)
    return boxes


def draw_column(axes, rows: list[tuple], top: float, step: float, left: float, right: float) -> list[list[Box]]:
    """Draw a row of boxes for each (names, colour, shape), the first at the height `top`, the others `step` lower each."""
    return [
        draw_row(axes, names, top - number * step, colour, left, right, shape)
        for number, (names, colour, shape) in enumerate(rows)
    ]


def draw_arrow(axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a straight arrow between two points."""
    style = {"arrowstyle": "-|>", "facecolor": "black", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 12}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)


def draw_arrows(axes, rows: list[list[Box]]) -> None:
    """Draw an arrow from each box to the one below; between one box and several, an arrow for each of the several."""
    for above, below in itertools.pairwise(rows):
        for number in range(max(len(above), len(below))):
            start, end = above[min(number, len(above) - 1)], below[min(number, len(below) - 1)]
            x = (end if len(below) > len(above) else start).x
            draw_arrow(axes, start.edge("bottom", x), end.edge("top", x))


def draw_way_around(axes, start: Box, end: Box, x: float) -> None:
    """Draw a residual line: out of the right edge of `start`, down at `x`, into the right edge of `end`."""
    axes.plot([start.edge("right")[0], x, x], [start.y, start.y, end.y], color="black", linewidth=1)
    draw_arrow(axes, (x, end.y), end.edge("right"))


def bert(words: tuple[str, ...] = ("not", "very", "good"), classes: tuple[str, ...] = ("negative", "positive")):
    """BERT as a classifier, from a text of at most three short words to its logits: a Matplotlib figure."""
    tokens = ["[CLS]", *words, "[SEP]"]
    rows = [
        ([f"text: {' '.join(words)}"], WHITE, ""),
        (tokens, WHITE, "(n,)"),
        (["embedding: word + place + segment"], BLUE, "(n, d)"),
        (["block 1"], ORANGE, "(n, d)"),
        (["blocks 2, 3, …"], ORANGE, "(n, d)"),
        (["block N"], ORANGE, "(n, d)"),
        (["vector"] * len(tokens), GREY, "(n, d)"),
        (["mean of the vectors"], WHITE, "(d,)"),
        (["head"], GREEN, ""),
        ([f"logits: {', '.join(classes)}"], WHITE, f"({len(classes)},)"),
    ]
    figure, axes = empty("BERT as a classifier", 14.9)
    draw_arrows(axes, draw_column(axes, rows, top=14.35, step=1.5, left=0.1, right=8.2))
    return figure


def block():
    """One block of BERT, with the mask of its attention and the two lines that lead around its halves: a Matplotlib figure."""
    rows = [
        (["vectors in"], GREY, "(n, d)"),
        (["query", "key", "value"], BLUE, "(n, d)"),
        (["attention"], ORANGE, "(n, d)"),
        (["add"], WHITE, "(n, d)"),
        (["layer norm"], WHITE, "(n, d)"),
        (["feed-forward"], GREEN, "(n, d)"),
        (["add"], WHITE, "(n, d)"),
        (["layer norm"], WHITE, "(n, d)"),
        (["vectors out"], GREY, "(n, d)"),
    ]
    figure, axes = empty("One block of BERT", 13.4)
    drawn = draw_column(axes, rows, top=12.85, step=1.5, left=2.3, right=7.0)
    draw_arrows(axes, drawn)
    vectors, _, attention, first_add, first_norm, _, second_add, *_ = (row[0] for row in drawn)
    (mask,) = draw_row(axes, ["mask"], attention.y, WHITE, left=0.1, right=1.5)
    draw_arrow(axes, mask.edge("right"), attention.edge("left"))
    draw_way_around(axes, vectors, first_add, x=7.7)
    draw_way_around(axes, first_norm, second_add, x=7.7)
    return figure


def heat_map(weights: np.ndarray, tokens: list[str], title: str):
    """Attention weights, float (tokens, tokens), as a Matplotlib figure: a row for each token that looks.

    Those of 10 % and more are written in, in percent.
    """
    size = 2.0 + 0.36 * len(tokens)
    figure, axes = new(title, "token looked at; weights (%)", "token that looks", width=size, height=size)
    axes.imshow(100 * weights, cmap="Blues", vmin=0, vmax=150)  # light enough for black numbers
    for (row, column), weight in np.ndenumerate(weights):
        if weight >= 0.1:
            axes.text(column, row, f"{100 * weight:.0f}", ha="center", va="center", fontsize=SIZE - 1)
    axes.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor", fontsize=SIZE)
    axes.set_yticks(range(len(tokens)), tokens, fontsize=SIZE)
    for label in (axes.title, axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(SIZE)
    return figure
