"""Figures of all lessons in one style: titles, labelled axes, colours that colour-blind readers can tell apart."""

import contextlib
import functools
import io
import itertools
import textwrap
from collections.abc import Callable, Iterator, Sequence

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


def new(title: str, x_label: str, y_label: str, width: float = 5.0, height: float = 3.6):
    """A Matplotlib figure and its axes with title and axis labels (name the units there). Sizes in inches.

    Five inches are 500 pixels: on a phone of 400, letters are still 11 pixels high.
    """
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
    figure, axes = new("How long are the texts?", "tokens a text", "number of texts")
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
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlim(0, 120)  # room for the number on the longest bar
    return figure


def history(rows: pd.DataFrame):
    """Loss on training and validation texts by epoch, and beside it the accuracy on the validation texts.

    `rows`: the table that `finetuning.fine_tune` returns.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy (nats a text)")
    right.set(title="Accuracy", xlabel="epoch", ylabel="right on validation (%)")
    left.plot(rows["epoch"], rows["train_loss"], marker="o", color=BLUE, label="training")
    left.plot(rows["epoch"], rows["validation_loss"], "--", marker="s", color=ORANGE, label="validation")
    right.plot(rows["epoch"], 100 * rows["validation_accuracy"], "--", marker="s", color=ORANGE)
    left.set_ylim(bottom=0)
    left.legend(frameon=False)
    for axes in (left, right):
        axes.set_xticks(rows["epoch"])
        axes.spines[["top", "right"]].set_visible(False)
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
    figure.legend(frameon=False, loc="outside upper right", ncols=2)  # no row of the figure is free of marks
    return figure


# ---- lesson 05


def learning_rates(points: pd.DataFrame):
    """Validation accuracy by learning rate, with and without warm-up (columns learning_rate, warmup_share, accuracy).

    The marks of both stand side by side, a little to the left and to the right of their rate.
    """
    figure, axes = new("Which learning rate?", "peak of the learning rate", "accuracy on validation (%)")
    for name, chosen, colour, marker, aside in (
        ("with warm-up", points["warmup_share"] > 0, BLUE, "o", 1 / 1.06),
        ("without", points["warmup_share"] == 0, ORANGE, "s", 1.06),
    ):
        rates, values = points["learning_rate"][chosen], 100 * points["accuracy"][chosen]
        axes.scatter(aside * rates, values, color=colour, marker=marker, label=name)
    axes.set_xscale("log")
    rates = sorted(set(points["learning_rate"]))
    axes.set_xticks(rates, [np.format_float_positional(rate) for rate in rates])
    axes.minorticks_off()
    # outside the axes: its marks are no data
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
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

    figure = Figure(figsize=(5.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set(title="ROC", xlabel="false-positive rate", ylabel="true-positive rate")
    right.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    for name, curve, colour, _, line in give_styles(found):
        left.plot(curve["false_positive_rate"], curve["true_positive_rate"], line, color=colour, label=name)
        right.plot(curve["recall"], curve["precision"], line, color=colour, label=name)
    left.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    left.legend(frameon=False)
    for axes in (left, right):
        axes.set_xticks([0, 0.5, 1])
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def reliability(tables: dict[str, pd.DataFrame]):
    """Accuracy by confidence, a line for each table of `evaluation.reliability`; honest probabilities lie on the diagonal.

    The bars below say how many texts each mark stands for.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 5.4), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    axes.set(title="Does confidence mean anything?", ylabel="accuracy (%)")
    below.set(xlabel="confidence (%)", ylabel="texts")
    axes.plot([0, 100], [0, 100], color="grey", linewidth=0.8)
    width = 8 / len(tables)
    for number, (name, table, colour, marker, _) in enumerate(give_styles(tables)):
        axes.plot(100 * table["confidence"], 100 * table["accuracy"], marker=marker, color=colour, label=name)
        middles = 10 * table.index + 5 + (number + 0.5 - len(tables) / 2) * width
        bars = below.bar(middles, table["texts"], width, color=colour)
        if len(tables) <= 2:
            below.bar_label(bars, fontsize=9)
    lowest = min(100 * table[["confidence", "accuracy"]].min().min() for table in tables.values())
    low = min(50, lowest - 2)  # with many classes, confidence can be far below one half
    axes.set(xlim=(low, 101), ylim=(low, 101))
    below.margins(y=0.25)  # for the numbers on the bars
    axes.legend(frameon=False)
    for part in (axes, below):
        part.spines[["top", "right"]].set_visible(False)
    return figure


def costs(thresholds: np.ndarray, values: dict[str, np.ndarray], marks: dict[str, float]):
    """Mean cost a text by threshold, a line for each of `values`, with thresholds to compare, each under its name.

    Costs of more than twice the median are cut off, so that the differences near the least can be seen.
    """
    figure, axes = new("What do the errors cost?", "threshold for class 1", "cost a text")
    for name, line, colour, _, style in give_styles(values):
        axes.plot(thresholds, line, style, color=colour, label=name)
    axes.set_ylim(0, 2 * float(np.median(list(values.values()))))
    for name, threshold in marks.items():
        axes.axvline(threshold, color="black", linestyle=":", linewidth=1)
        place = (threshold, axes.get_ylim()[1])
        words = f"{name}: {threshold:.2f}"
        axes.annotate(words, place, va="top", ha="right", xytext=(-2, -2), textcoords="offset points", rotation=90)
    axes.legend(frameon=False, loc="lower left")
    return figure


def slices(groups: dict[str, pd.DataFrame], title: str):
    """Accuracy with its 95 % interval for each slice; slices of one kind stand together, below the name of the kind.

    `groups` maps a kind to a table with columns accuracy, low, high; its index names the slices.
    """
    rows = sum(len(table) + 1 for table in groups.values())
    figure, axes = new(title, "accuracy (%), with 95 % interval", "", height=0.9 + 0.36 * rows)
    place, names, kinds = 0, {}, []
    for kind, table in groups.items():
        names[place] = kind
        kinds.append(place)
        places = range(place + 1, place + 1 + len(table))
        values = 100 * table[["accuracy", "low", "high"]]
        sides = [values["accuracy"] - values["low"], values["high"] - values["accuracy"]]
        axes.errorbar(values["accuracy"], places, xerr=sides, fmt="o", color="black", ecolor=ORANGE, elinewidth=3)
        names |= dict(zip(places, prepare_names(tuple(table.index.astype(str))), strict=True))
        place += len(table) + 1
    axes.set_yticks(list(names), list(names.values()))
    for number, label in zip(names, axes.get_yticklabels(), strict=True):
        label.set_fontweight("bold" if number in kinds else "normal")
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(rows - 0.5, -0.5)
    lowest = min(100 * table["low"].min() for table in groups.values())
    axes.set_xlim(min(50, lowest - 2), 101)
    return figure


# ---- lesson 02


def attention(masks: dict[str, np.ndarray]):
    """Attention masks side by side: row i is coloured where token i may look, bool (tokens, tokens) each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 2.5), layout="constrained")
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
    looks = {"test": (BLUE, "o", "left", (6, -11)), "dev": (ORANGE, "s", "right", (-7, -4))}
    for split, (colour, marker, side, beside) in looks.items():
        rows = table[table["split"] == split]
        axes.scatter(rows["parameters"] / 1e6, rows["quality"], color=colour, marker=marker, label=f"{split} set")
        for row in rows.itertuples():
            place = (row.parameters / 1e6, row.quality)
            axes.annotate(row.model, place, beside, textcoords="offset points", ha=side, fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(right=1000)
    axes.margins(y=0.12)
    axes.legend(frameon=False, loc="lower right")
    return figure


# ---- lesson 03


def curves(title: str, x_label: str, y_label: str, values: dict[str, Sequence[float]], x=None, log: bool = False):
    """A line for each of `values`, over the numbers `x` or else over 0, 1, 2, ...; `log`: a logarithmic scale upwards."""
    figure, axes = new(title, x_label, y_label)
    for name, line, colour, _, style in give_styles(values):
        axes.plot(range(len(line)) if x is None else x, line, style, color=colour, linewidth=2, label=name)
    if log:
        axes.set_yscale("log")
    axes.legend(frameon=False)
    return figure


def paths(title: str, x_label: str, y_label: str, walks: dict[str, np.ndarray], height: Callable):
    """Paths, float (points, 2) each, over the contours of a landscape; `height(x, y)` gives heights at arrays of places."""
    figure, axes = new(title, x_label, y_label)
    points = np.concatenate(list(walks.values()))
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.1 * (high - low)
    x, y = np.meshgrid(*np.linspace(low - margin, high + margin, 100).T)
    heights = height(x, y)
    axes.contour(x, y, heights, levels=heights.max() * np.array([0.01, 0.05, 0.15, 0.3, 0.5, 0.8]), colors="lightgrey")
    for name, walk, colour, marker, style in give_styles(walks):
        axes.plot(*walk.T, style, color=colour, marker=marker, markersize=4, label=name)
    axes.legend(frameon=False)
    return figure


# ---- lesson 04


def loss_curves(curves: dict[str, pd.DataFrame], baselines: dict[str, dict[str, float]]):
    """A panel for each objective: held-out loss by step (columns steps, validation_loss), and a line a baseline."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5, 3 * len(curves)), layout="constrained")
    for axes, (name, rows) in zip(np.atleast_1d(figure.subplots(len(curves), 1)), curves.items(), strict=True):
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
    from matplotlib.ticker import MaxNLocator, NullLocator

    figure, axes = new("Larger models, equal number of steps", "parameters", "held-out loss (nats a token)")
    middle, low, high = np.array([law.at(float(value)) for value in n]).T
    axes.fill_between(n, low, high, color=BLUE, alpha=0.3, label="95 % band")
    axes.plot(n, middle, color=BLUE, label=f"loss = {law.a:.1f} · n^-{law.b:.3f}")
    axes.scatter(points["parameters"], points["loss"], color="black", zorder=3, label="measured")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))  # powers of ten alone would leave one label
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(frameon=False)
    return figure
