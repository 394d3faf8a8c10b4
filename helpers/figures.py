"""Figures of all lessons in one style: titles, labelled axes, colours that colour-blind readers can tell apart."""

import io
import textwrap

import numpy as np
import pandas as pd

# Okabe and Ito (2008), "Color Universal Design"; black text reads well on all three.
BLUE, ORANGE, GREEN = "#56B4E9", "#E69F00", "#009E73"


def new(title: str, x_label: str, y_label: str, width: float = 7.0, height: float = 3.6):
    """A Matplotlib figure and its axes with title and axis labels (name the units there). Sizes in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def show(figure, alt: str) -> None:
    """Display a figure with its alt text, which is also printed beneath for all readers.

    Raises ValueError when `alt` says too little for a reader who cannot see the figure.
    """
    from IPython.display import Image, display

    if len(alt.split()) < 5:
        raise ValueError("Say in a sentence what the figure shows: its alt text is all that some readers get.")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    display(Image(buffer.getvalue(), alt=alt), metadata={"image/png": {"alt": alt}})
    print(textwrap.fill(f"Figure: {alt}", 100))


def lengths(token_counts: np.ndarray, limit: int):
    """Histogram of tokens a text, with the limit where texts are cut."""
    figure, axes = new("How long are the reviews?", "tokens a review", "number of reviews")
    axes.hist(token_counts, bins=range(0, max(limit, int(np.max(token_counts))) + 9, 4), color=BLUE)
    axes.axvline(limit, color="black", linestyle="--")
    axes.annotate(
        f"cut at {limit}", (limit, axes.get_ylim()[1] * 0.9), ha="right", xytext=(-6, 0), textcoords="offset points"
    )
    return figure


def padding(shares: dict[str, float]):
    """Bars: share of computed tokens that are real, for each way of making batches."""
    figure, axes = new("What share of the work is real?", "real tokens among those computed (%)", "", height=2.2)
    bars = axes.barh(list(shares), [100 * share for share in shares.values()], color=BLUE)
    axes.bar_label(bars, fmt="%.0f %%", padding=3)
    axes.set_xlim(0, 110)
    return figure


def history(rows: pd.DataFrame):
    """Training and validation loss by epoch, from the table that `finetuning.fine_tune` returns."""
    figure, axes = new("Loss while fine-tuning", "epoch", "cross-entropy (nats a review)")
    axes.plot(rows["epoch"], rows["train_loss"], marker="o", color=BLUE, label="training")
    axes.plot(rows["epoch"], rows["validation_loss"], marker="s", color=ORANGE, label="validation")
    axes.set_xticks(rows["epoch"])
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure


def accuracies(table: pd.DataFrame, title: str):
    """Accuracy with its 95 % interval, a row of `table` each (columns accuracy, low, high; index: the names)."""
    figure, axes = new(title, "accuracy (%), with 95 % interval", "", height=0.9 + 0.45 * len(table))
    values = 100 * table[["accuracy", "low", "high"]]
    sides = [values["accuracy"] - values["low"], values["high"] - values["accuracy"]]
    axes.errorbar(
        values["accuracy"], range(len(table)), xerr=sides, fmt="o", color="black", ecolor=ORANGE, elinewidth=3
    )
    axes.set_yticks(range(len(table)), table.index.astype(str))
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(min(50, values["low"].min() - 2), 101)
    return figure


def confusion(counts: np.ndarray, labels):
    """Confusion matrix with its counts; rows are the true classes."""
    figure, axes = new("Confusion matrix", "predicted class", "true class", width=4.2, height=3.4)
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=counts.max() * 1.5)  # light enough for black numbers
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    return figure
