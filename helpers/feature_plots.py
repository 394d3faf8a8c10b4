"""Lesson 09: figures of what a model's vectors hold, before and after fine-tuning."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers import figures

MOST_DRAWN = 6  # classes in styles of their own; more could not be told apart among a thousand points
OTHERS = "lightgrey"


def choose_drawn(labels: np.ndarray) -> list[int]:
    """Numbers of the classes that get a style of their own: the MOST_DRAWN most frequent that have texts, in order."""
    counts = np.bincount(labels)
    frequent = np.argsort(-counts, kind="stable")[:MOST_DRAWN]
    return sorted(int(number) for number in frequent if counts[number])


def _draw_points(axes, points: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    """The points (texts, 2) of each class with its label; those of all classes that are too many lie behind, in grey."""
    drawn, look = choose_drawn(labels), {"s": 16, "alpha": 0.6, "linewidths": 0}
    rest = ~np.isin(labels, drawn)
    if rest.any():
        others = len(np.unique(labels[rest]))
        axes.scatter(*points[rest].T, color=OTHERS, marker="o", label=f"{others} others", **look)
    for number, rows, colour, marker, _ in figures.give_styles({number: labels == number for number in drawn}):
        axes.scatter(*points[rows].T, color=colour, marker=marker, label=names[number], **look)


def features(
    before: tuple[np.ndarray, np.ndarray],
    after: tuple[np.ndarray, np.ndarray],
    labels: np.ndarray,
    names: Sequence[str],
):
    """The texts on two principal components, a panel before fine-tuning and one after; each class in colour and mark.

    `before`, `after`: what `surrogates.principal_components` gives for two components, of the same texts; `labels`: int
    (texts,); `names`: a name a class. The panels stand one above the other, since side by side a phone would make them too
    small. Each has scales of its own.
    """
    from matplotlib.figure import Figure

    figure, shown = Figure(figsize=(5, 7), layout="constrained"), figures.prepare_names(tuple(names))
    panels = {"Before fine-tuning": before, "After fine-tuning": after}
    for axes, (title, (points, shares)) in zip(figure.subplots(2, 1), panels.items(), strict=True):
        _draw_points(axes, points[:, :2], np.asarray(labels), shown)
        sides = [f"component {number} ({100 * share:.0f} % of variance)" for number, share in enumerate(shares[:2], 1)]
        axes.set(title=title, xlabel=sides[0], ylabel=sides[1])
        axes.spines[["top", "right"]].set_visible(False)
    handles, classes = axes.get_legend_handles_labels()
    columns = max(1, 4 - math.ceil(max(map(len, classes)) / 6))  # more would be cut off at the sides
    legend = figure.legend(handles, classes, frameon=False, loc="outside lower center", ncols=columns)
    for handle in legend.legend_handles:
        handle.set(alpha=1, sizes=[50])  # one mark alone must show its colour
    return figure


def by_layer(table: pd.DataFrame, title: str = "What can be read from each layer?"):
    """A line for each column of shares ("before", "after"), by layer; the index holds the layers, 0 for the embeddings."""
    figure, axes = figures.new(title, "layer (0: embeddings)", "accuracy of a probe (%)")
    for name, values, colour, marker, line in figures.give_styles(dict(table.items())):
        axes.plot(table.index, 100 * values, line, color=colour, marker=marker, linewidth=2, label=name)
    axes.set_xticks(table.index)
    axes.margins(y=0.15)
    axes.legend(frameon=False)
    return figure
