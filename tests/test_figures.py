"""Every figure has a title, labelled axes, and alt text that a reader gets."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import evaluation, figures, language_models

pytestmark = pytest.mark.once  # it needs neither backend

TABLE = pd.DataFrame({"accuracy": [0.8, 0.9], "low": [0.75, 0.85], "high": [0.85, 0.95]}, index=["words", "BERT"])
HISTORY = pd.DataFrame({"epoch": [1, 2], "train_loss": [0.6, 0.4], "validation_loss": [0.5, 0.45]})
HISTORY["validation_accuracy"] = [0.7, 0.8]
JUDGED = pd.DataFrame(
    {"kind": ["HTML", "all good rows"], "measure": ["recall", "harm"]}
    | {"share": [0.9, 0.1], "low": [0.8, 0.05], "high": [0.95, 0.2]}
)
RATES = pd.DataFrame({"learning_rate": [1e-4, 1e-4, 1e-3], "warmup_share": [0.1, 0, 0.1], "accuracy": [0.8, 0.7, 0.5]})
BY_LABELS = pd.DataFrame(
    {"labels": [50, 50, 800], "accuracy": [0.5, 0.7, 0.9], "frozen": [0.6, 0.6, 0.7], "bag of words": [0.4, 0.6, 0.75]}
)
CURVE = pd.DataFrame({"steps": [10, 20], "validation_loss": [6.0, 5.0]})
LAW = language_models.PowerLaw(6.0, 0.1, np.zeros((2, 2)), 3, 0.01)
SIZES = pd.DataFrame({"parameters": [1e5, 1e6], "loss": [2.0, 1.6]})
PUBLISHED = pd.DataFrame(
    {"model": ["A", "B"], "parameters": [4e6, 9e7], "quality": [70.0, 84.0], "split": ["test", "dev"]}
)
FIGURES = {
    "lengths": lambda: figures.lengths(np.array([3, 40, 130]), 128),
    "padding": lambda: figures.padding({"padded to 128": 0.2, "grouped": 0.9}),
    "history": lambda: figures.history(HISTORY),
    "accuracies": lambda: figures.accuracies(TABLE, "Accuracy on the test split"),
    "confusion": lambda: figures.confusion(np.array([[5, 1], [2, 7]]), ["negative", "positive"]),
    "cleaning": lambda: figures.cleaning(JUDGED),
    "learning_rates": lambda: figures.learning_rates(RATES),
    "by_labels": lambda: figures.by_labels(BY_LABELS),
    "loss_curves": lambda: figures.loss_curves({"masked": CURVE}, {"masked": {"unigram": 6.5, "neighbours": 4.5}}),
    "power_law": lambda: figures.power_law(SIZES, LAW, np.geomspace(1e5, 1e6, 5)),
    "rankings": lambda: figures.rankings({"BERT": curve([0.1, 0.6, 0.5, 0.9])}),
    "reliability": lambda: figures.reliability({"as trained": evaluation.reliability([0, 1], np.eye(2))}),
    "costs": lambda: figures.costs(np.array([0.1, 0.5]), {"scaled": np.array([2.0, 1.0])}, {"half": 0.5}),
    "slices": lambda: figures.slices({"style": TABLE, "stars": TABLE.rename(index={"BERT": "5 stars"})}, "By slice"),
    "attention": lambda: figures.attention({"BERT": np.eye(9, dtype=bool), "GPT": np.tril(np.ones((4, 4)))}),
    "quality_by_size": lambda: figures.quality_by_size(PUBLISHED),
    "curves": lambda: figures.curves("Two rates", "step", "loss", {"small": [3, 2, 1], "large": [3, 4, 5]}),
    "paths": lambda: figures.paths("A bowl", "weight 1", "weight 2", {"down": np.array([[1, 2], [0, 0]])}, np.hypot),
}


@pytest.mark.parametrize("name", FIGURES)
def test_titles_and_axis_labels(name):
    axes, *_, lowest = [*FIGURES[name]().axes] * 2  # panels below each other share the x axis
    assert axes.get_title()
    named_by_ticks = axes.get_ylabel() == "" and axes.get_yticklabels()[0].get_text()
    assert (axes.get_xlabel() or lowest.get_xlabel()) and (axes.get_ylabel() or named_by_ticks)


def test_accuracies_draws_each_interval_where_it_is():
    axes = figures.accuracies(TABLE, "Accuracy").axes[0]
    segments = axes.containers[0].lines[2][0].get_segments()
    assert np.allclose([segment[:, 0] for segment in segments], [[75, 85], [85, 95]])


def test_cleaning_draws_recall_and_harm_with_their_intervals():
    axes = figures.cleaning(JUDGED).axes[0]
    assert [bars.get_label() for bars in axes.containers] == ["recall", "harm"]
    segments = [bars.lines[2][0].get_segments()[0].tolist() for bars in axes.containers]
    assert np.allclose(segments, [[[80, 0], [95, 0]], [[5, 1], [20, 1]]])
    assert [bars.lines[0].get_xdata()[0] for bars in axes.containers] == [90, 10]
    assert [label.get_text() for label in axes.get_yticklabels()] == JUDGED["kind"].tolist()
    assert axes.get_ylim() == (1.5, -0.5)


def test_confusion_writes_each_count():
    axes = FIGURES["confusion"]().axes[0]
    assert [text.get_text() for text in axes.texts] == ["5", "1", "2", "7"]


@pytest.mark.parametrize("name", FIGURES)
def test_legends_have_no_frame(name):
    for axes in FIGURES[name]().axes:
        assert axes.get_legend() is None or not axes.get_legend().get_frame_on()


def test_a_figure_of_accuracies_grows_with_its_rows():
    two, four = (figures.accuracies(table, "x").get_size_inches()[1] for table in (TABLE, pd.concat([TABLE, TABLE])))
    assert (two, four) == (pytest.approx(1.8), pytest.approx(2.7))


def test_intervals_of_the_cleaning_are_drawn_from_low_to_high():
    judged = pd.concat([JUDGED, JUDGED.assign(kind="whole", share=[1.0, 0.0], low=[0.995, 0.0], high=[1.0, 0.004])])
    axes = figures.cleaning(judged).axes[0]
    found = {tuple(np.round(segment[:, 0], 6)) for lines in axes.collections for segment in lines.get_segments()}
    assert found == {(80, 95), (5, 20), (99.5, 100), (0, 0.4)}


def test_show_carries_and_prints_the_alt_text(capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda image, metadata: shown.append((image, metadata)))
    alt = "Two lines that fall from left to right."
    figures.show(FIGURES["history"](), alt)
    image, metadata = shown[0]
    assert image.data.startswith(b"\x89PNG") and metadata["image/png"]["alt"] == alt
    assert capsys.readouterr().out == f"Figure: {alt}\n"


def test_show_refuses_an_alt_text_that_says_nothing():
    for alt in ("a figure", "only four words here"):
        with pytest.raises(ValueError, match="what the figure shows"):
            figures.show(FIGURES["history"](), alt)


def test_five_words_are_enough(monkeypatch, capsys):
    monkeypatch.setattr("IPython.display.display", lambda image, metadata: None)
    figures.show(FIGURES["history"](), "Two lines fall and rise.")
    assert capsys.readouterr().out == "Figure: Two lines fall and rise.\n"


# ---- lesson 05


def test_history_draws_both_losses_and_the_accuracy():
    left, right = figures.history(HISTORY).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in left.lines}
    assert lines == {"training": [[1, 0.6], [2, 0.4]], "validation": [[1, 0.5], [2, 0.45]]}
    assert right.lines[0].get_xydata().tolist() == [[1, 70], [2, 80]] and "%" in right.get_ylabel()


def test_learning_rates_tells_warm_up_apart_side_by_side():
    axes = figures.learning_rates(RATES).axes[0]
    dots = {dots.get_label(): dots.get_offsets() for dots in axes.collections}
    assert list(dots) == ["with warm-up", "without"]
    assert np.allclose(dots["with warm-up"], [[1e-4 / 1.06, 80], [1e-3 / 1.06, 50]])
    assert np.allclose(dots["without"], [[1.06e-4, 70]])
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.0001", "0.001"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["with warm-up", "without"]


def test_by_labels_draws_each_seed_and_the_means():
    axes = figures.by_labels(BY_LABELS).axes[0]
    assert np.allclose(axes.collections[0].get_offsets(), [[50, 50], [50, 70], [800, 90]])
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert list(lines) == ["full fine-tuning", "frozen features", "bag of words"]
    expected = [[[50, 60], [800, 90]], [[50, 60], [800, 70]], [[50, 50], [800, 75]]]
    assert np.allclose(list(lines.values()), expected)
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["50", "800"]
    assert len({line.get_marker() for line in axes.lines}) == 3  # told apart without colours, too


def test_by_labels_takes_other_ways_and_names():
    points = BY_LABELS.rename(columns={"accuracy": "a"})
    axes = figures.by_labels(points, {"a": "first", "frozen": "second"}, "labels a class", "test").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("labels a class", "accuracy on test (%)")
    assert [line.get_label() for line in axes.lines] == ["first", "second"]


# ---- lesson 04


def test_loss_curves_draws_each_model_over_its_baselines():
    baselines = {"causal": {"unigram": 6.5, "bigram": 5.4}, "masked": {"unigram": 6.4}}
    first, second = figures.loss_curves({"causal": CURVE, "masked": CURVE + 1}, baselines).axes
    assert (first.get_title(), second.get_title()) == ("causal", "masked")
    lines = {line.get_label(): line for line in first.lines}
    assert list(lines) == ["model", "unigram", "bigram"]
    assert lines["model"].get_xydata().tolist() == [[10, 6], [20, 5]]
    assert lines["bigram"].get_ydata() == [5.4, 5.4] and second.lines[1].get_ydata() == [6.4, 6.4]
    assert lines["unigram"].get_linestyle() != lines["bigram"].get_linestyle()  # told apart without colours
    assert second.lines[0].get_xydata().tolist() == [[11, 7], [21, 6]]


def test_power_law_draws_points_law_and_band():
    n = np.geomspace(1e5, 1e6, 5)
    axes = figures.power_law(SIZES, LAW, n).axes[0]
    assert np.allclose(axes.lines[0].get_xydata(), np.stack([n, 6 * n**-0.1], axis=1))
    assert np.allclose(axes.collections[1].get_offsets(), SIZES)
    band = axes.collections[0].get_paths()[0].vertices
    _, low, high = LAW.at(1e5)
    assert np.isclose(band[band[:, 0] == 1e5, 1].min(), low) and np.isclose(band[:, 1].max(), high)
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert "6.0 · n^-0.100" in axes.lines[0].get_label()
    low, high = axes.get_ylim()
    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 3  # a line that one label measures says little


# ---- lesson 06


def curve(score):
    """Curves of a model that gives these scores to two negative and two positive texts."""
    return evaluation.curves(np.array([0, 0, 1, 1]), np.stack([1 - np.array(score), score], axis=1))


def test_rankings_draws_both_curves_of_each_model():
    found = {"first": curve([0.1, 0.6, 0.5, 0.9]), "second": curve([0.1, 0.2, 0.8, 0.9])}
    left, right = figures.rankings(found).axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("false-positive rate", "true-positive rate")
    assert (right.get_xlabel(), right.get_ylabel()) == ("recall", "precision")
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["first", "second"]
    for number, values in enumerate(found.values()):
        assert np.allclose(left.lines[number].get_xdata(), values["false_positive_rate"])
        assert np.allclose(left.lines[number].get_ydata(), values["true_positive_rate"])
        assert np.allclose(right.lines[number].get_xdata(), values["recall"])
        assert np.allclose(right.lines[number].get_ydata(), values["precision"])
    assert left.lines[2].get_xydata().tolist() == [[0, 0], [1, 1]]  # chance
    assert right.get_ylim() == (0, 1.02)
    assert [line.get_linestyle() for line in left.lines[:2]] == ["-", "--"]  # told apart without colours, too


def test_reliability_draws_percent_beside_the_diagonal_and_counts_below():
    table = pd.DataFrame({"texts": [1, 3], "confidence": [0.65, 0.93], "accuracy": [1, 2 / 3]}, index=[6, 9])
    other = (table / 2).assign(texts=[4, 5])
    axes, below = figures.reliability({"as trained": table, "scaled": other}).axes
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [100, 100]]
    assert np.allclose(axes.lines[1].get_xydata(), [[65, 100], [93, 200 / 3]])
    assert np.allclose(axes.lines[2].get_xydata(), [[32.5, 50], [46.5, 100 / 3]])
    assert [line.get_marker() for line in axes.lines[1:]] == ["o", "s"]
    assert np.allclose(axes.get_xlim(), (30.5, 101)) and axes.get_xlim() == axes.get_ylim() == below.get_xlim()
    assert figures.reliability({"high": table}).axes[0].get_xlim() == (50, 101)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["as trained", "scaled"]
    bars = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in below.patches]
    assert np.allclose(bars, [(63, 1), (93, 3), (67, 4), (97, 5)])  # beside each other, about the middle of the bin
    assert [text.get_text() for text in below.texts] == ["1", "3", "4", "5"]


MANY = list("abcdefghijkl")


def looks(lines):
    """Colour, marker and style of lines."""
    return {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}


def test_a_dozen_models_are_all_drawn_and_told_apart():
    table = pd.DataFrame({"texts": [3, 9], "confidence": [0.65, 0.93], "accuracy": [0.6, 0.9]}, index=[6, 9])
    frame = pd.DataFrame({"labels": [50, 800]} | {name: [0.5, 0.6] for name in MANY})
    left, right = figures.rankings({name: curve([0.1, 0.6, 0.5, 0.9]) for name in MANY}).axes
    by_confidence = figures.reliability({name: table for name in MANY}).axes[0]
    by_labels = figures.by_labels(frame, {name: name for name in MANY}).axes[0]
    lines = {
        "left": left.lines[:-1],
        "right": right.lines,
        "confidence": by_confidence.lines[1:],
        "labels": by_labels.lines,
    }
    for where, drawn in lines.items():
        assert [line.get_label() for line in drawn] == MANY and len(looks(drawn)) == 12, where


def test_loss_curves_draws_every_baseline():
    losses = dict(zip(MANY, range(12), strict=True))
    axes = figures.loss_curves({"masked": CURVE}, {"masked": losses}).axes[0]
    assert {line.get_label(): line.get_ydata()[0] for line in axes.lines[1:]} == losses


def test_costs_draws_each_line_and_names_each_threshold():
    values = {"raw": np.array([2.0, 1.0, 3.0]), "scaled": np.array([1.0, 2.0, 4.0])}
    axes = figures.costs(np.array([0.1, 0.5, 0.9]), values, {"half": 0.5, "measured": 0.525}).axes[0]
    assert axes.lines[0].get_xydata().tolist() == [[0.1, 2], [0.5, 1], [0.9, 3]]
    assert axes.lines[1].get_xydata().tolist() == [[0.1, 1], [0.5, 2], [0.9, 4]]
    assert [line.get_xdata() for line in axes.lines[2:]] == [[0.5, 0.5], [0.525, 0.525]]
    assert [text.get_text() for text in axes.texts] == ["half: 0.50", "measured: 0.53"]
    assert axes.get_ylim() == (0, 4)  # twice the median
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["raw", "scaled"]


def test_slices_stand_below_the_names_of_their_kinds():
    axes = figures.slices({"style": TABLE, "stars": TABLE[:1] - 0.5}, "By slice").axes[0]
    labels = axes.get_yticklabels()
    assert [label.get_text() for label in labels] == ["style", "words", "BERT", "stars", "words"]
    assert [label.get_fontweight() for label in labels] == ["bold", "normal", "normal", "bold", "normal"]
    drawn = [bars.lines[0].get_xydata().tolist() for bars in axes.containers]
    assert np.allclose(drawn[0], [[80, 1], [90, 2]]) and np.allclose(drawn[1], [[30, 4]])
    ends = [segment[:, 0].tolist() for bars in axes.containers for segment in bars.lines[2][0].get_segments()]
    assert np.allclose(ends, [[75, 85], [85, 95], [25, 35]])
    assert axes.get_ylim() == (4.5, -0.5) and axes.get_xlim() == (23, 101)


# ---- lesson 02


def test_attention_figure_draws_each_mask():
    figure = figures.attention({"BERT": np.eye(3, dtype=bool), "GPT": np.tril(np.ones((2, 2), dtype=bool))})
    assert [axes.get_title() for axes in figure.axes] == ["BERT", "GPT"]
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
    assert np.array_equal(figure.axes[1].images[0].get_array(), [[1, 0], [1, 1]])


def test_a_confusion_matrix_of_many_classes_shows_those_with_most_errors(monkeypatch):
    monkeypatch.setattr(figures, "MOST_CLASSES", 2)
    counts = np.array([[9, 0, 0, 1], [0, 8, 3, 0], [0, 4, 7, 0], [0, 0, 0, 6]])
    kept, names = figures.keep_most_confused(counts, ["a", "b", "c", "d"])
    assert names == ["b", "c", "2 others"]
    assert kept.tolist() == [[8, 3, 0], [4, 7, 0], [0, 0, 16]] and kept.sum() == counts.sum()
    axes = figures.confusion(counts, ["a", "b", "c", "d"]).axes[0]
    assert axes.get_title() == "Confusion: the 2 of 4 classes with most errors"
    assert [text.get_text() for text in axes.texts] == ["8", "3", "", "4", "7", "", "", "", "16"]
    assert [label.get_text() for label in axes.get_yticklabels()] == names


def test_long_names_lose_their_middle():
    assert figures.prepare_names(("short", "card_payment_not_recognised_12")) == ["short", "card_payment…gnised_12"]


def test_names_that_no_font_has_are_numbered_with_the_remedy(monkeypatch, capsys):
    monkeypatch.setattr(figures, "find_font", lambda missing: None)
    figures.prepare_names.cache_clear()
    assert figures.prepare_names(("好评", "差评", "good")) == ["1", "2", "3"]
    said = capsys.readouterr().out
    assert "1 = 好评, 2 = 差评, 3 = good" in said and "fonts-noto-cjk" in said
    figures.prepare_names.cache_clear()


NAMED = {
    "confusion": lambda names: figures.confusion(np.eye(2, dtype=int), names),
    "accuracies": lambda names: figures.accuracies(TABLE.set_axis(names), "Accuracy"),
    "slices": lambda names: figures.slices({"style": TABLE.set_axis(names)}, "By slice"),
}


@pytest.mark.parametrize("name", NAMED)
def test_every_figure_with_a_readers_names_shows_no_boxes_and_no_long_ones(name, monkeypatch):
    monkeypatch.setattr(figures, "find_font", lambda missing: None)
    figures.prepare_names.cache_clear()
    for names, shown in ((["好评", "差评"], ["1", "2"]), (["a" * 12 + "b" * 20, "c"], ["aaaaaaaaaaaa…bbbbbbbbb", "c"])):
        axes = NAMED[name](names).axes[0]
        assert [label.get_text() for label in axes.get_yticklabels()][-2:] == shown
        if name == "confusion":
            assert [label.get_text() for label in axes.get_xticklabels()] == shown
    figures.prepare_names.cache_clear()


def test_a_font_that_has_the_characters_is_taken(monkeypatch):
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "font.family", ["sans-serif"])
    monkeypatch.setattr(figures, "find_font", lambda missing: "Noto Sans CJK SC" if missing == {0x597D} else None)
    figures.prepare_names.cache_clear()
    assert figures.prepare_names(("好", "b")) == ["好", "b"]
    assert matplotlib.rcParams["font.family"] == ["DejaVu Sans", "Noto Sans CJK SC"]
    figures.prepare_names.cache_clear()


def test_fonts_are_found_by_their_characters_and_boxes_are_none():
    assert figures.find_font(frozenset({ord("a")})) is not None
    assert figures.find_font(frozenset({0x10FFFF})) is None  # only a font of boxes "has" it


def test_quality_figure_names_every_model():
    axes = figures.quality_by_size(PUBLISHED).axes[0]
    assert {text.get_text() for text in axes.texts} == {"A", "B"}
    assert [tuple(part.get_offsets()[0]) for part in axes.collections] == [(4.0, 70.0), (90.0, 84.0)]
    assert "millions" in axes.get_xlabel()


def test_curves_are_drawn_over_their_places_in_styles_of_their_own():
    lines = figures.curves("x", "y", "z", {"a": [3, 2, 1], "b": np.array([1.0, 10.0])}, log=True).axes[0].lines
    assert [line.get_xydata().tolist() for line in lines] == [[[0, 3], [1, 2], [2, 1]], [[0, 1], [1, 10]]]
    assert lines[0].get_linestyle() != lines[1].get_linestyle() and lines[0].get_color() != lines[1].get_color()
    assert lines[0].axes.get_yscale() == "log" and lines[0].axes.get_legend().get_texts()[1].get_text() == "b"
    (line,) = figures.curves("x", "y", "z", {"a": [3, 2]}, x=[0.1, 0.9]).axes[0].lines
    assert line.get_xydata().tolist() == [[0.1, 3], [0.9, 2]] and line.axes.get_yscale() == "linear"


def test_paths_lie_over_the_contours_of_their_landscape():
    walk = np.array([[-10.0, 1.0], [0.0, 0.0]])
    axes = figures.paths("x", "y", "z", {"a": walk}, lambda x, y: x**2 + 100 * y**2).axes[0]
    assert np.array_equal(axes.lines[0].get_xydata(), walk)
    contours = axes.collections[0]
    top = 11**2 + 100 * 1.1**2  # in the corner, a tenth of the extent outside the path
    assert np.allclose(contours.levels / top, [0.01, 0.05, 0.15, 0.3, 0.5, 0.8])
    for level, place in zip(contours.levels, contours.get_paths(), strict=True):
        x, y = place.vertices.T
        assert np.allclose(x**2 + 100 * y**2, level, rtol=0.05, atol=0.5)


# ---- every figure as it was when somebody looked at it


LOOKS = Path(__file__).with_name("figures.txt")
ASPECTS = (
    "size_inches", "title", "xlim", "ylim", "xscale", "yscale", "xticks", "yticks", "text", "position", "ha", "va",
    "fontsize", "xydata", "x", "y", "width", "height", "offsets", "sizes", "segments", "array", "clim", "bbox_to_anchor",
    "color", "facecolor", "edgecolor", "alpha", "linewidth", "linestyle", "marker", "markersize", "visible", "frame_on",
)  # fmt: skip


def in_words(value) -> str:
    """A property's value as text: numbers with four digits."""
    numbers = [value] if isinstance(value, str) else np.ma.getdata(np.asarray(value, dtype=object)).ravel()
    return ",".join(f"{one:.4g}" if isinstance(one, int | float | np.number) else str(one) for one in numbers)


def describe(name: str) -> list[str]:
    """A figure in lines of text, one for each different thing that is seen: how many, its class, those of `ASPECTS` it has."""
    lines = Counter()
    for part in FIGURES[name]().findobj():
        aspects = [aspect for aspect in ASPECTS if aspect != "text" or not hasattr(part, "levels")]  # contours: labels
        found = {aspect: getattr(part, f"get_{aspect}", None) for aspect in aspects}
        said = [f"{aspect}={in_words(get())}" for aspect, get in found.items() if get]
        if part.get_visible() and "text=" not in said:
            if hasattr(part, "xyann"):
                said.append(f"of={in_words(part.xy)}")
            lines[f"{type(part).__name__} {' '.join(said)}"] += 1
    return [f"{name}: {number} {line}" for line, number in lines.items()]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_looks_as_it_did_when_somebody_looked_at_it(name):
    """Where this is red on purpose: look at the figure, then `python tests/test_figures.py`, and read the difference."""
    stored = [line for line in LOOKS.read_text(encoding="utf-8").splitlines() if line.startswith(f"{name}: ")]
    assert describe(name) == stored


if __name__ == "__main__":
    LOOKS.write_text("\n".join(line for name in FIGURES for line in describe(name)) + "\n", encoding="utf-8")
