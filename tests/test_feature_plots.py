"""Figures of lesson 09's vectors: what is drawn where, in which colour and mark, and what the labels say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from helpers import feature_plots, figures

pytestmark = pytest.mark.once  # it needs neither backend

BEFORE = (np.array([[0, 1], [2, 3], [4, 5.0]]), np.array([0.3, 0.125]))
AFTER = (np.array([[9, 8], [7, 6], [5, 4.0]]), np.array([0.868, 0.04]))
LABELS = np.array([1, 0, 1])


def drawn():
    return feature_plots.features(BEFORE, AFTER, LABELS, ("negative", "positive"))


def points_of(axes):
    return {marks.get_label(): marks.get_offsets().data.tolist() for marks in axes.collections}


def test_each_panel_draws_its_points_by_class():
    before, after = drawn().axes
    assert points_of(before) == {"negative": [[2, 3]], "positive": [[0, 1], [4, 5]]}
    assert points_of(after) == {"negative": [[7, 6]], "positive": [[9, 8], [5, 4]]}
    assert [axes.get_title() for axes in (before, after)] == ["Before fine-tuning", "After fine-tuning"]
    labels = [(axes.get_xlabel(), axes.get_ylabel()) for axes in (before, after)]
    assert labels[0] == ("component 1 (30 % of variance)", "component 2 (12 % of variance)")
    assert labels[1] == ("component 1 (87 % of variance)", "component 2 (4 % of variance)")


def looks_of(axes):
    """Colour without its transparency, and number of corners, of each class's marks."""
    return [(tuple(m.get_facecolor()[0][:3]), len(m.get_paths()[0].vertices)) for m in axes.collections]


def test_classes_differ_in_colour_and_mark_and_look_alike_in_both_panels():
    before, after = map(looks_of, drawn().axes)
    assert before == after and before[0][1] != before[1][1]
    assert [colour for colour, _ in before] == [to_rgba(colour)[:3] for colour in (figures.BLUE, figures.ORANGE)]


def test_one_legend_names_the_classes_in_full_colour():
    figure = drawn()
    assert [axes.get_legend() for axes in figure.axes] == [None, None]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["negative", "positive"]
    assert [handle.get_alpha() for handle in legend.legend_handles] == [1, 1]
    assert [marks.get_alpha() for marks in figure.axes[0].collections] == [0.6, 0.6]


def test_of_many_classes_the_rare_ones_are_drawn_together_behind():
    labels = np.repeat(np.arange(9), [5, 1, 5, 5, 0, 5, 5, 5, 2])
    points = np.arange(2 * len(labels)).reshape(-1, 2)
    assert feature_plots.choose_drawn(labels) == [0, 2, 3, 5, 6, 7]
    side = (points, np.array([0.5, 0.1]))
    axes = feature_plots.features(side, side, labels, tuple("abcdefghi")).axes[0]
    found = points_of(axes)
    assert list(found) == ["2 others", "a", "c", "d", "f", "g", "h"]
    assert found["2 others"] == points[np.isin(labels, [1, 8])].tolist()
    assert found["h"] == points[labels == 7].tolist()
    assert axes.collections[0].get_facecolor()[0][:3] == pytest.approx(to_rgba("lightgrey")[:3])


@pytest.mark.parametrize("length", [3, 6, 7, 12, 13, figures.LONGEST_NAME, 40])
def test_no_name_in_the_legend_is_cut_off(length):
    names, labels = [f"{number}{'m' * (length - 1)}" for number in range(9)], np.arange(9)
    side = (np.arange(18).reshape(-1, 2), np.array([0.5, 0.1]))
    figure = feature_plots.features(side, side, labels, names)
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width and len(figure.legends[0].get_texts()) == 7


def test_a_class_without_texts_is_not_drawn_and_names_alike_in_print_stay_apart():
    long = ["a class with a very long name, one", "a class with a very long name, one"]
    axes = feature_plots.features(BEFORE, AFTER, [2, 0, 2], [long[0], "none", long[1]]).axes[0]
    assert [marks.get_offsets().data.tolist() for marks in axes.collections] == [[[2, 3]], [[0, 1], [4, 5]]]
    assert axes.collections[0].get_label() == "a class with…name, one"


def test_the_figure_is_as_narrow_as_a_phone_takes():
    width, height = drawn().get_size_inches()
    assert width <= 5 and height > width


TABLE = pd.DataFrame({"before": [0.7, 0.72, 0.74], "after": [0.71, 0.8, 0.83]})


def test_a_line_for_each_column_by_layer():
    axes = feature_plots.by_layer(TABLE).axes[0]
    before, after = axes.lines
    assert before.get_xdata().tolist() == after.get_xdata().tolist() == axes.get_xticks().tolist() == [0, 1, 2]
    assert np.allclose(before.get_ydata(), [70, 72, 74]) and np.allclose(after.get_ydata(), [71, 80, 83])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["before", "after"]
    assert before.get_marker() != after.get_marker() and before.get_linestyle() != after.get_linestyle()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("layer (0: embeddings)", "accuracy of a probe (%)")
    assert axes.get_title() == "What can be read from each layer?"
    assert feature_plots.by_layer(TABLE, "Domain").axes[0].get_title() == "Domain"
