"""Coloured words: where each lies, its colour and its number; and methods beside each other."""

from types import SimpleNamespace

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from helpers import figures, highlights
from helpers.figures import BLUE, ORANGE

pytestmark = pytest.mark.once  # it needs neither backend

SENTENCE = "The film was not nearly as good as everybody says, and I would never watch it twice."
TEXT = SENTENCE.split()


def draw(units, scores, *rest):
    """Figure, axes, and for each unit its box, its word and its number."""
    figure = highlights.words(SimpleNamespace(units=tuple(units)), np.array(scores), "Why?", *rest)
    axes = figure.axes[0]
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return figure, axes, boxes, axes.texts[::2], axes.texts[1::2]


def test_boxes_flow_over_lines():
    lefts, lines = highlights.flow([40, 40, 15, 200, 5, 5], room=100, gap=5)
    assert lefts.tolist() == [0, 45, 0, 0, 0, 10] and lines.tolist() == [0, 0, 1, 2, 3, 3]
    assert highlights.flow([50, 45], 100, 5)[1].tolist() == [0, 0] and highlights.flow([50, 46], 100, 5)[
        1
    ].tolist() == [0, 1]
    assert [len(part) for part in highlights.flow([], 100, 5)] == [0, 0]


def test_the_largest_score_shows_two_digits():
    assert highlights.in_digits(np.array([0.4567, -0.031, 0.001])) == ["+0.46", "−0.03", "0"]
    assert highlights.in_digits(np.array([-2.345, 0.04, 0.06])) == ["−2.3", "0", "+0.1"]
    assert highlights.in_digits(np.array([123.4, -0.6])) == ["+123", "−1"]
    assert highlights.in_digits(np.array([0.0123, -0.0004])) == ["+0.012", "0"]
    assert highlights.in_digits(np.zeros(2)) == ["0", "0"] and highlights.in_digits(np.array([])) == []


def test_colour_says_for_or_against_and_strength_how_much():
    _, axes, boxes, names, numbers = draw(["good", "not", "a", "film"], [2.0, -1.0, 0.0, 0.5])
    assert [text.get_text() for text in names] == ["good", "not", "a", "film"]
    assert [text.get_text() for text in numbers] == ["+2.0", "−1.0", "0", "+0.5"]
    assert [box.get_alpha() for box in boxes] == [1, 0.5, 0, 0.25]
    shades = [matplotlib.colors.to_hex(box.get_facecolor()).upper() for box in boxes]
    assert [shades[0], shades[1], shades[3]] == [BLUE, ORANGE, BLUE]
    assert axes.get_title() == "Why?"


def test_the_legend_says_the_colours_in_words():
    legends = [draw(["a", "b"], scores, *rest)[1].get_legend() for scores, *rest in (([1, -1], "positive"), ([1, 2],))]
    said = [[text.get_text() for text in legend.get_texts()] for legend in legends]
    assert said == [["speaks for positive", "speaks against it"], ["speaks for the answer"]]
    patches = [matplotlib.colors.to_hex(patch.get_facecolor()).upper() for patch in legends[0].get_patches()]
    assert patches == [BLUE, ORANGE]


def test_words_stand_in_reading_order_without_touching_and_inside_the_figure():
    scores = np.random.default_rng(0).normal(size=3 * len(TEXT))
    figure, axes, boxes, names, numbers = draw(3 * TEXT, scores)
    renderer = FigureCanvasAgg(figure).get_renderer()
    areas = [box.get_window_extent(renderer) for box in boxes]
    frame = figure.bbox
    for area, name, number in zip(areas, names, numbers, strict=True):
        word, digits = name.get_window_extent(renderer), number.get_window_extent(renderer)
        assert area.x0 <= word.x0 and word.x1 <= area.x1 and area.y0 <= word.y0 and word.y1 <= area.y1
        assert area.x0 <= digits.x0 and digits.x1 <= area.x1 and digits.y1 <= area.y0
        assert frame.x0 < area.x0 and area.x1 < frame.x1 and frame.y0 < digits.y0 and area.y1 < frame.y1
    for one, next_one, number in zip(areas, areas[1:], numbers, strict=False):
        on_a_line = np.isclose(one.y0, next_one.y0)
        assert one.x1 < next_one.x0 if on_a_line else next_one.y1 < number.get_window_extent(renderer).y0
    legend = axes.get_legend().get_window_extent(renderer)
    assert legend.y1 < numbers[-1].get_window_extent(renderer).y0 and legend.y0 >= 0 and legend.x1 < frame.x1
    title = axes.title.get_window_extent(renderer)
    assert areas[0].y1 < title.y0 and title.y1 < frame.y1
    assert len({round(area.y0) for area in areas}) > 3


def test_letters_are_legible_at_360_pixels():
    figure, axes, _, names, numbers = draw(TEXT, np.ones(len(TEXT)))
    scale = 360 / (72 * figure.get_size_inches()[0])  # pixels a point where the figure is 360 pixels wide
    assert min(text.get_fontsize() for text in [*names, *numbers, *axes.get_legend().get_texts()]) * scale >= 10


def test_a_text_of_no_units_is_an_empty_figure():
    _, axes, boxes, names, _ = draw([], [])
    assert not boxes and not names and axes.get_title() == "Why?"


def test_as_many_scores_as_units():
    with pytest.raises(ValueError, match="2 scores for 1 units"):
        draw(["a"], [1.0, 2.0])


def test_dollars_long_and_shapeless_units_are_drawn_as_they_are():
    names = draw(["$5$", "a" * 12 + "b" * 20, "fi\u200blm", "\u200b"], [1, 1, 1, 1])[3]
    assert [text.get_text() for text in names] == ["$5$", "aaaaaaaaaaaa…bbbbbbbbb", "film", "·"]
    assert not any(text.get_parse_math() for text in names)


def test_units_that_no_font_has_are_numbered(monkeypatch, capsys):
    monkeypatch.setattr(figures, "find_font", lambda missing: None)
    figures.prepare_names.cache_clear()
    names = draw(["很", "好", "film"], [1, 2, -1])[3]
    assert [text.get_text() for text in names] == ["1", "2", "3"] and "1 = 很" in capsys.readouterr().out
    figures.prepare_names.cache_clear()


TABLE = pd.DataFrame({"mean": [0.6, 0.05], "low": [0.5, -0.01], "high": [0.68, 0.11]}, index=["occlusion", "random"])


def test_bars_draw_each_mean_with_its_interval():
    figure = highlights.bars(TABLE, "Which is true?", "comprehensiveness")
    axes = figure.axes[0]
    assert (axes.get_title(), axes.get_xlabel()) == ("Which is true?", "comprehensiveness")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["occlusion", "random"]
    (drawn,) = axes.containers
    assert drawn.lines[0].get_xydata().tolist() == [[0.6, 0], [0.05, 1]]
    ends = [segment[:, 0].tolist() for segment in drawn.lines[2][0].get_segments()]
    assert np.allclose(ends, TABLE[["low", "high"]])
    assert axes.get_ylim() == (1.5, -0.5)  # the first on top
    assert axes.lines[0].get_xdata() == [0, 0] and figure.get_size_inches()[1] == pytest.approx(1.7)


def test_bars_take_a_mean_that_rounding_puts_outside_its_interval():
    axes = highlights.bars(TABLE.assign(low=[0.6 + 1e-12, 0.0]), "x", "y").axes[0]
    assert np.allclose(axes.containers[0].lines[2][0].get_segments()[0][:, 0], [0.6, 0.68])
