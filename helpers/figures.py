"""Figures of all lessons in one style: titles, labelled axes, colours that colour-blind readers can tell apart."""

import contextlib
import functools
import io
import itertools
import textwrap
from collections.abc import Iterator

import numpy as np
import pandas as pd

# Okabe and Ito (2008), "Color Universal Design"; black text reads well on the first three.
BLUE, ORANGE, GREEN, PURPLE, RED = "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00"
COLOURS, MARKERS, LINES = (BLUE, ORANGE, GREEN, PURPLE, RED), "os^Dv*X", ("-", "--", ":", "-.")


def give_styles(things: dict) -> Iterator[tuple]:
    """(name, thing, colour, marker, line style) of each: any number of things, the first twenty in styles of their own.

    There are five colours, seven markers and four styles of lines. These numbers have no common factor, so a pair of
    them does not come again before all pairs have been used.
    """
    styles = zip(itertools.cycle(COLOURS), itertools.cycle(MARKERS), itertools.cycle(LINES), strict=False)
    return ((name, thing, *style) for (name, thing), style in zip(things.items(), styles, strict=False))


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
    # Not Image(alt=...): Colab has IPython 7, which does not know it.
    display(Image(buffer.getvalue()), metadata={"image/png": {"alt": alt}})
    print(textwrap.fill(f"Figure: {alt}", 100))


# ---- names of any script, and of many classes

LONGEST_NAME = 22  # characters of a name beside an axis
MOST_CLASSES = 12  # a confusion matrix of more cannot be read


@functools.cache
def _characters_in(path: str) -> frozenset[int]:
    """Codes of the characters that a font's file can draw."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(path).get_charmap())


@functools.cache
def find_font(missing: frozenset[int]) -> str | None:
    """Name of an installed font that can draw all these characters (codes), or None."""
    from matplotlib import font_manager

    fonts = [font for font in font_manager.fontManager.ttflist if not font.name.startswith("Last Resort")]  # boxes
    for font in sorted(fonts, key=lambda font: font.name):
        with contextlib.suppress(OSError, RuntimeError):  # a font whose file is gone or damaged
            if missing <= _characters_in(font.fname):
                return font.name
    return None


@functools.cache
def prepare_names(names: tuple[str, ...]) -> list[str]:
    """Names as figures can show them: long ones less their middle, in a font that has their characters.

    Where no installed font has them, boxes would be drawn: then a word says how to install one, and the names are numbers.
    """
    import matplotlib
    from matplotlib import font_manager

    usual = _characters_in(font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans")))
    missing = frozenset(ord(letter) for name in names for letter in name if not letter.isspace()) - usual
    if missing:
        found = find_font(missing)
        if found is None:
            print(
                f"No installed font has {chr(min(missing))!r} and other characters of these names, so figures number them: "
                + ", ".join(f"{number} = {name}" for number, name in enumerate(names, 1))
                + ". For Chinese, Japanese and Korean install Noto Sans CJK (Debian, Ubuntu, Colab: `apt install fonts-noto-cjk`), "
                "else a Noto font of your script. Then run this again in a fresh kernel."
            )
            return [str(number) for number, _ in enumerate(names, 1)]
        matplotlib.rcParams["font.family"] = ["DejaVu Sans", found]  # the second for what the first lacks
    return [name if len(name) <= LONGEST_NAME else f"{name[:12]}…{name[-9:]}" for name in names]


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
    axes.set_yticks(range(len(table)), prepare_names(tuple(table.index.astype(str))))
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(min(50, values["low"].min() - 2), 101)
    return figure


def confusion(counts: np.ndarray, labels):
    """Confusion matrix with its counts; rows are the true classes. Of many classes those with the most errors."""
    title, shown, darkest, nothing = "Confusion matrix", len(labels), counts.max(), "0"
    if shown > MOST_CLASSES:
        title = f"Confusion: the {MOST_CLASSES} of {shown} classes with most errors"
        counts, labels = keep_most_confused(counts, labels)
        shown, darkest, nothing = len(labels), counts[:-1, :-1].max(), ""
    size = max(0, shown - 4)
    figure, axes = new(title, "predicted class", "true class", width=4.2 + 0.4 * size, height=3.4 + 0.35 * size)
    axes.imshow(np.minimum(counts, darkest), cmap="Blues", vmin=0, vmax=darkest * 1.5)  # light enough for black numbers
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count) if count else nothing, ha="center", va="center")
    names = prepare_names(tuple(labels))
    upright = len("".join(names)) < 30  # else they would run into each other
    axes.set_xticks(range(shown), names, rotation=0 if upright else 60, ha="center" if upright else "right")
    axes.set_yticks(range(shown), names)
    return figure


def keep_most_confused(counts: np.ndarray, labels) -> tuple[np.ndarray, list[str]]:
    """Counts and names of the MOST_CLASSES classes with most errors, given or received; all others added up as the last."""
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    kept = np.sort(np.argsort(-errors, kind="stable")[:MOST_CLASSES])
    group = np.full(len(labels), len(kept))
    group[kept] = np.arange(len(kept))
    summed = np.zeros((len(kept) + 1, len(kept) + 1), counts.dtype)
    np.add.at(summed, (group[:, None], group[None, :]), counts)
    return summed, [*(labels[number] for number in kept), f"{len(labels) - len(kept)} others"]


# ---- lesson 01, cleaning


def cleaning(table: pd.DataFrame):
    """Recall and harm of each kind with their 95 % intervals, from the table that `cleaning.judge` returns."""
    figure, axes = new("How well was the raw file cleaned?", "share of rows (%), with 95 % interval", "", height=5.2)
    for measure, colour, marker in (("recall", BLUE, "o"), ("harm", ORANGE, "s")):
        rows = np.flatnonzero(table["measure"] == measure)
        part = 100 * table[["share", "low", "high"]].iloc[rows]
        sides = [(part["share"] - part["low"]).clip(lower=0), (part["high"] - part["share"]).clip(lower=0)]
        axes.errorbar(
            part["share"], rows, xerr=sides, fmt=marker, color="black", ecolor=colour, elinewidth=4, label=measure
        )
    axes.set_yticks(range(len(table)), table["kind"])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.legend(frameon=False, loc="center")
    return figure


# ---- lesson 05


def learning_rates(points: pd.DataFrame):
    """Validation accuracy by learning rate, with and without warm-up (columns learning_rate, warmup_share, accuracy)."""
    figure, axes = new("Which learning rate?", "peak of the learning rate", "accuracy on validation (%)")
    for name, chosen, colour, marker in (
        ("with warm-up", points["warmup_share"] > 0, BLUE, "o"),
        ("without", points["warmup_share"] == 0, ORANGE, "s"),
    ):
        axes.scatter(
            points["learning_rate"][chosen], 100 * points["accuracy"][chosen], color=colour, marker=marker, label=name
        )
    axes.set_xscale("log")
    axes.legend(frameon=False)
    return figure


REVIEW_WAYS = {"accuracy": "full fine-tuning", "frozen": "frozen features", "bag of words": "bag of words"}


def by_labels(
    points: pd.DataFrame, ways: dict[str, str] = REVIEW_WAYS, x="number of labelled reviews", split="validation"
):
    """Accuracy by number of labels: a line through the means and a dot a seed, for each way to learn.

    `ways` maps a column of accuracies to its name; the column `labels` holds the numbers.
    """
    figure, axes = new("How many labels?", x, f"accuracy on {split} (%)")
    for column, name, colour, marker, _ in give_styles(ways):
        axes.scatter(points["labels"], 100 * points[column], color=colour, marker=marker, s=12)
        means = 100 * points.groupby("labels")[column].mean()
        axes.plot(means.index, means, color=colour, marker=marker, label=name)
    axes.set_xscale("log")
    axes.set_xticks(sorted(set(points["labels"])), [str(number) for number in sorted(set(points["labels"]))])
    axes.minorticks_off()
    axes.legend(frameon=False)
    return figure


# ---- lesson 06


def rankings(found: dict[str, dict]):
    """ROC and precision-recall curves side by side, a line for each model, from `evaluation.curves`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set(title="ROC", xlabel="false-positive rate", ylabel="true-positive rate")
    right.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    for name, curve, colour, _, line in give_styles(found):
        left.plot(curve["false_positive_rate"], curve["true_positive_rate"], line, color=colour, label=name)
        right.plot(curve["recall"], curve["precision"], line, color=colour, label=name)
    left.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    left.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def reliability(tables: dict[str, pd.DataFrame]):
    """Accuracy by confidence, a line for each table of `evaluation.reliability`; honest probabilities lie on the diagonal."""
    figure, axes = new("Does confidence mean anything?", "confidence (%)", "accuracy (%)", width=4.6, height=4.0)
    axes.plot([0, 100], [0, 100], color="grey", linewidth=0.8)
    for name, table, colour, marker, _ in give_styles(tables):
        axes.plot(100 * table["confidence"], 100 * table["accuracy"], marker=marker, color=colour, label=name)
    lowest = min(100 * table[["confidence", "accuracy"]].min().min() for table in tables.values())
    low = min(50, lowest - 2)  # with many classes, confidence can be far below one half
    axes.set(xlim=(low, 101), ylim=(low, 101))
    axes.legend(frameon=False)
    return figure


def costs(thresholds: np.ndarray, values: np.ndarray, chosen: float):
    """Mean cost a text by threshold, with the chosen one."""
    figure, axes = new("What do the errors cost?", "threshold for 'positive'", "cost a text")
    axes.plot(thresholds, values, color=BLUE)
    axes.axvline(chosen, color="black", linestyle="--")
    axes.annotate(
        f"chosen on validation: {chosen:.2f}",
        (chosen, axes.get_ylim()[1]),
        va="top",
        xytext=(6, -4),
        textcoords="offset points",
    )
    return figure


# ---- lesson 02


def attention(masks: dict[str, np.ndarray]):
    """Attention masks side by side: row i is coloured where token i may look, bool (tokens, tokens) each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    for axes, (name, mask) in zip(np.atleast_1d(figure.subplots(1, len(masks))), masks.items(), strict=True):
        axes.imshow(mask, cmap="Blues", vmin=0, vmax=1.8)
        axes.set(title=name, xlabel="token looked at", ylabel="token that looks")
        ticks = range(0, len(mask), max(1, len(mask) // 4))
        axes.set_xticks(ticks)
        axes.set_yticks(ticks)
        axes.set_xticks(np.arange(-0.5, mask.shape[1]), minor=True)
        axes.set_yticks(np.arange(-0.5, mask.shape[0]), minor=True)
        axes.grid(which="minor", color="white")
        axes.tick_params(which="minor", length=0)
    return figure


def quality_by_size(table: pd.DataFrame):
    """Published quality by number of parameters; columns model, parameters, quality, split ("test" or "dev")."""
    figure, axes = new("Published quality by size", "parameters (millions)", "accuracy on MNLI-m (%)")
    for split, colour, marker in (("test", BLUE, "o"), ("dev", ORANGE, "s")):
        rows = table[table["split"] == split]
        axes.scatter(rows["parameters"] / 1e6, rows["quality"], color=colour, marker=marker, label=f"{split} set")
        for row in rows.itertuples():
            axes.annotate(
                row.model, (row.parameters / 1e6, row.quality), xytext=(5, -11), textcoords="offset points", fontsize=8
            )
    axes.set_xscale("log")
    axes.set_xlim(right=1000)
    axes.margins(y=0.12)
    axes.legend(frameon=False, loc="lower right")
    return figure


# ---- lesson 04


def loss_curves(curves: dict[str, pd.DataFrame], baselines: dict[str, dict[str, float]]):
    """A panel for each objective: held-out loss by step (columns steps, validation_loss), and a line a baseline."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    for axes, (name, rows) in zip(np.atleast_1d(figure.subplots(1, len(curves))), curves.items(), strict=True):
        axes.plot(rows["steps"], rows["validation_loss"], marker="o", color=BLUE, label="model")
        for (baseline, loss), line in zip(baselines[name].items(), itertools.cycle(("--", ":", "-.")), strict=False):
            axes.axhline(loss, color="black", linestyle=line, label=baseline)
        axes.set(title=name, xlabel="training steps", ylabel="held-out loss (nats a target)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.legend(
            frameon=False, loc="upper right", bbox_to_anchor=(1, 0.93)
        )  # below the worst baseline, above the others
    return figure


def power_law(points: pd.DataFrame, law, n: np.ndarray):
    """Loss by model size (columns parameters, loss), the fitted law at `n` and its 95 % band for one more run."""
    figure, axes = new("Larger models, equal number of steps", "parameters", "held-out loss (nats a token)")
    middle, low, high = np.array([law.at(float(value)) for value in n]).T
    axes.fill_between(n, low, high, color=BLUE, alpha=0.3, label="95 % band")
    axes.plot(n, middle, color=BLUE, label=f"loss = {law.a:.1f} · n^-{law.b:.3f}")
    axes.scatter(points["parameters"], points["loss"], color="black", zorder=3, label="measured")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:.2f}")
    axes.yaxis.set_minor_formatter("{x:.2f}")
    axes.legend(frameon=False)
    return figure
