"""Lesson 09: explanations as figures: a text with its words coloured by their scores, and methods compared."""

import math
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers import figures
from helpers.figures import BLUE, ORANGE

# Sizes in points, 72 an inch. On a phone of 360 pixels a point is one pixel, so no letter is below 10 pixels.
WIDTH, MARGIN = 360, 8
WORD, NUMBER = 13, 10  # font sizes
BOX, LINE = 20, 42  # height of the colour behind a word; from one line to the next
PADDING, GAP = 3, 4  # left and right of a word within its box; between two boxes
HEAD, FOOT = 30, 30  # room for the title and for the legend


def measure(texts: Sequence[str], size: float) -> np.ndarray:
    """Widths of texts in points, float (texts,), in Matplotlib's font of the moment."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(dpi=72)  # then a pixel is a point
    renderer = FigureCanvasAgg(figure).get_renderer()
    drawn = [figure.text(0, 0, text, fontsize=size, parse_math=False) for text in texts]
    return np.array([one.get_window_extent(renderer).width for one in drawn])


def flow(widths: Sequence[float], room: float, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Where boxes of these widths lie in lines of `room`: their left sides, float, and lines, int, from 0 on.

    A box that is wider than a line has one to itself.
    """
    lefts, lines, x, line = [], [], 0.0, 0
    for width in widths:
        if x > 0 and x + width > room:
            x, line = 0.0, line + 1
        lefts.append(x)
        lines.append(line)
        x += width + gap
    return np.array(lefts), np.array(lines, dtype=int)


def in_digits(scores: np.ndarray) -> list[str]:
    """Scores with their signs, and with so many decimals that the largest shows two digits at least."""
    largest = float(np.abs(scores).max(initial=0))
    decimals = min(6, max(0, 1 - math.floor(math.log10(largest)))) if largest > 0 else 0
    rounded = np.round(scores, decimals)
    return [f"{score:+.{decimals}f}".replace("-", "−") if score else "0" for score in rounded]


def visible(unit: str) -> str:
    """A unit without the characters that have no shape, such as a joiner of width 0, for which fonts would show a box."""
    return "".join(letter for letter in unit if unicodedata.category(letter) not in ("Cc", "Cf")) or "·"


def words(reading, scores: np.ndarray, title: str, answer: str = "the answer"):
    """A text, each unit on a colour: blue speaks for `answer`, orange against it, the paler, the less; its score below.

    `reading`: an `explanation.Reading`, or whatever has `units`. `scores`: float (units,). The colours are strongest at the
    text's own largest score, so they cannot be compared between figures; the numbers can. Raises ValueError where there are
    not as many scores as units.
    """
    if len(scores) != len(reading.units):
        raise ValueError(f"There are {len(scores)} scores for {len(reading.units)} units.")
    scores = np.asarray(scores, dtype="float64")
    names, numbers = figures.prepare_names(tuple(map(visible, reading.units))), in_digits(scores)
    widths = np.maximum(measure(names, WORD), measure(numbers, NUMBER)) + 2 * PADDING
    lefts, lines = flow(widths, WIDTH - 2 * MARGIN, GAP)
    figure, axes = _new_page(title, LINE * (lines.max(initial=0) + 1))
    strengths = np.abs(scores) / max(np.abs(scores).max(initial=0), np.finfo("float64").tiny)
    for name, number, width, left, line, score, strength in zip(
        names, numbers, widths, lefts + MARGIN, lines, scores, strengths, strict=True
    ):
        _draw_unit(axes, name, number, (left, LINE * line, width), BLUE if score > 0 else ORANGE, strength)
    _explain_colours(axes, answer, bool((scores < 0).any()))
    return figure


def _new_page(title: str, height: float):
    """A figure with a title, and axes of WIDTH times `height` points, y downwards, with room for a legend below."""
    from matplotlib.figure import Figure

    whole = HEAD + height + FOOT
    # In inches: at 100 pixels an inch, as `figures.show` draws, it is 500 pixels wide.
    figure = Figure(figsize=(WIDTH / 72, whole / 72))
    axes = figure.add_axes((0, 0, 1, (height + FOOT) / whole))
    axes.set(xlim=(0, WIDTH), ylim=(height + FOOT, 0))
    axes.set_axis_off()
    axes.set_title(title, fontsize=WORD, parse_math=False)
    return figure, axes


def _draw_unit(axes, name: str, number: str, place: tuple[float, float, float], colour: str, strength: float) -> None:
    """One unit: its colour, the word on it, the number below; `place` is left side, top and width."""
    from matplotlib.patches import Rectangle

    left, top, width = place
    axes.add_patch(Rectangle((left, top), width, BOX, facecolor=colour, alpha=strength, linewidth=0))
    centred = {"ha": "center", "parse_math": False}
    axes.text(left + width / 2, top + BOX / 2, name, va="center_baseline", fontsize=WORD, **centred)
    axes.text(left + width / 2, top + BOX + 2, number, va="top", fontsize=NUMBER, **centred)


def _explain_colours(axes, answer: str, against: bool) -> None:
    """The legend below: what blue means, and orange where there is any."""
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=BLUE, label=f"speaks for {answer}")]
    handles += [Patch(facecolor=ORANGE, label="speaks against it")] * against
    axes.legend(handles=handles, loc="lower center", ncols=2, frameon=False, fontsize=NUMBER, borderaxespad=0.3)


def bars(table: pd.DataFrame, title: str, x_label: str):
    """A point with its interval for each row of `table` (columns mean, low, high; index: the names); a line marks 0."""
    figure, axes = figures.new(title, x_label, "", height=0.9 + 0.4 * len(table))
    sides = [(table["mean"] - table["low"]).clip(lower=0), (table["high"] - table["mean"]).clip(lower=0)]
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.errorbar(table["mean"], range(len(table)), xerr=sides, fmt="o", color="black", ecolor=ORANGE, elinewidth=3)
    axes.set_yticks(range(len(table)), figures.prepare_names(tuple(table.index.astype(str))))
    axes.set_ylim(len(table) - 0.5, -0.5)
    return figure
