"""The drawings: all labels are there and fit into their boxes, no box covers another, arrows lead from box to box."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from helpers import diagrams, figures

pytestmark = pytest.mark.once  # it needs neither backend

DRAWINGS = {
    "bert": diagrams.bert,
    "block": diagrams.block,
    "long": lambda: diagrams.bert(("awful", "bad"), ("a", "b", "c")),
}


@pytest.fixture(params=DRAWINGS)
def axes(request):
    return DRAWINGS[request.param]().axes[0]


def boxes(axes) -> list[tuple[float, float, float, float]]:
    """Left, bottom, right, top of each box, from top to bottom."""
    found = [(*box.get_xy(), box.get_x() + box.get_width(), box.get_y() + box.get_height()) for box in axes.patches]
    return sorted(found, key=lambda box: (-box[1], box[0]))


def arrows(axes) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Start and end of each arrow."""
    return [(arrow.xyann, arrow.xy) for arrow in axes.texts if hasattr(arrow, "xyann")]


def labels(axes) -> list[str]:
    """The words in boxes and at the margin, from top to bottom, each row from left to right."""
    words = [text for text in axes.texts if text.get_text()]
    return [
        text.get_text() for text in sorted(words, key=lambda text: (-text.get_position()[1], text.get_position()[0]))
    ]


def on_edge(point, box) -> bool:
    """Whether a point is on the edge of a box."""
    x, y = point
    left, bottom, right, top = box
    within = left - 1e-9 <= x <= right + 1e-9 and bottom - 1e-9 <= y <= top + 1e-9
    return within and bool(np.isclose((x, x, y, y), (left, right, bottom, top)).any())


def test_bert_is_drawn_from_its_text_to_its_logits():
    found = labels(diagrams.bert().axes[0])
    assert found[:7] == ["text: not very good", "[CLS]", "not", "very", "good", "[SEP]", "(n,)"]
    assert found[7:15:2] == ["embedding: word + place + segment", "block 1", "blocks 2, 3, …", "block N"]
    assert found[8:16:2] == ["(n, d)"] * 4 and found[15:21] == ["vector"] * 5 + ["(n, d)"]
    assert found[21:] == ["mean of the vectors", "(d,)", "head", "logits: negative, positive", "(2,)"]


def test_a_block_is_drawn_with_its_mask():
    found = labels(diagrams.block().axes[0])
    assert [name for name in found if name != "(n, d)"] == [
        "vectors in", "query", "key", "value", "mask", "attention", "add", "layer norm", "feed-forward", "add", "layer norm",
        "vectors out",
    ]  # fmt: skip
    assert found.count("(n, d)") == 9


def test_other_words_and_classes():
    found = labels(DRAWINGS["long"]().axes[0])
    assert found[:6] == ["text: awful bad", "[CLS]", "awful", "bad", "[SEP]", "(n,)"]
    assert found.count("vector") == 4 and found[-2:] == ["logits: a, b, c", "(3,)"]


def test_labels_fit_into_their_boxes(axes):
    axes.figure.draw_without_rendering()
    areas = [box.get_window_extent() for box in axes.patches]
    for text in axes.texts:
        if text.get_text():
            area = text.get_window_extent()
            holding = [box for box in areas if box.fully_contains(*area.min) and box.fully_contains(*area.max)]
            assert len(holding) == (not text.get_text().startswith("(")), text.get_text()
            assert axes.get_window_extent().x0 <= area.x0 and area.x1 <= axes.get_window_extent().x1 + 1
            assert text.get_fontsize() >= 13


def test_boxes_do_not_overlap_and_are_within_the_drawing(axes):
    for one, other in itertools.combinations(boxes(axes), 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)
    assert axes.get_xlim() == (0, 10)
    for left, bottom, right, top in boxes(axes):
        assert 0 <= left < right <= 8.3 and 0 < bottom < top < axes.get_ylim()[1]
        assert top - bottom == pytest.approx(0.9)


def test_rows_have_equal_distances_and_margins(axes):
    tops = sorted({round(box[3], 6) for box in boxes(axes)})
    assert np.allclose(np.diff(tops), 1.5)
    lowest = min(box[1] for box in boxes(axes))
    assert lowest == pytest.approx(0.4) and axes.get_ylim()[1] - max(tops) == pytest.approx(0.1)


def test_arrows_lead_from_edge_to_edge_downwards(axes):
    corners = {tuple(point) for line in axes.lines for point in line.get_xydata()[[0, -1]]}
    for start, end in arrows(axes):
        assert sum(on_edge(end, box) for box in boxes(axes)) == 1, end
        assert sum(on_edge(start, box) for box in boxes(axes)) == 1 or start in corners, start
        assert (start[0] == end[0] and start[1] > end[1]) or start[1] == end[1], (start, end)
    parts = [arrow.arrow_patch for arrow in axes.texts if hasattr(arrow, "xyann")]
    assert all(part.shrinkA == part.shrinkB == 0 for part in parts)


def test_every_box_but_the_last_has_an_arrow_out_and_all_but_the_first_have_one_in():
    for name, beginnings in (("bert", 1), ("block", 2)):  # a block begins with its vectors and its mask
        axes = DRAWINGS[name]().axes[0]
        goes_out = [any(on_edge(start, box) for start, _ in arrows(axes)) for box in boxes(axes)]
        comes_in = [any(on_edge(end, box) for _, end in arrows(axes)) for box in boxes(axes)]
        assert goes_out == [True] * (len(goes_out) - 1) + [False]
        assert comes_in.count(False) == beginnings and not comes_in[0]


def test_one_arrow_for_each_token():
    assert len(arrows(diagrams.bert().axes[0])) == 5 + 5 + 3 + 5 + 5 + 2
    assert len(arrows(diagrams.block().axes[0])) == 3 + 3 + 6 + 1 + 2


def test_residual_lines_lead_around_attention_and_feed_forward():
    axes = diagrams.block().axes[0]
    right = {box[3]: box[2] for box in boxes(axes)}
    rows = sorted(right, reverse=True)
    for line, (first, last) in zip(axes.lines, ((0, 3), (4, 6)), strict=True):
        points = line.get_xydata()
        assert np.allclose(points[:, 1], [rows[first] - 0.45, rows[first] - 0.45, rows[last] - 0.45])
        assert points[0, 0] == pytest.approx(right[rows[first]]) and points[1, 0] == points[2, 0] > max(right.values())
        ends = [end for start, end in arrows(axes) if start == tuple(points[-1])]
        assert len(ends) == 1 and ends[0] == (pytest.approx(right[rows[last]]), pytest.approx(rows[last] - 0.45))
        assert line.get_color() == "black"


def test_the_mask_leads_into_attention():
    axes = diagrams.block().axes[0]
    (mask,) = [text for text in axes.texts if text.get_text() == "mask"]
    (sideways,) = [(start, end) for start, end in arrows(axes) if start[1] == end[1] and start[0] < end[0]]
    attention = next(text for text in axes.texts if text.get_text() == "attention")
    assert sideways[0][1] == mask.get_position()[1] == attention.get_position()[1]


def test_colours_on_which_black_letters_are_read():
    for draw in (diagrams.bert, diagrams.block):
        colours = {to_hex(box.get_facecolor()).upper() for box in draw().axes[0].patches}
        assert colours == {figures.BLUE, figures.ORANGE, figures.GREEN, diagrams.WHITE, diagrams.GREY}


def test_drawings_are_narrow_enough_for_a_telephone(axes):
    assert isinstance(axes.figure, Figure)
    width, height = axes.figure.get_size_inches()
    assert width == 5 and height == pytest.approx(0.4 + 0.44 * axes.get_ylim()[1])
    assert axes.get_title() in ("BERT as a classifier", "One block of BERT") and not axes.axison


def test_a_heat_map_of_attention_names_its_tokens_and_writes_large_weights():
    weights = np.array([[0.9, 0.1], [0.25, 0.75]])
    axes = diagrams.heat_map(weights, ["not", "good"], "Head 3").axes[0]
    assert np.array_equal(axes.images[0].get_array(), 100 * weights) and axes.images[0].get_clim() == (0, 150)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == ["not", "good"]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "90", (1, 0): "10", (0, 1): "25", (1, 1): "75"}
    words = [
        *axes.texts,
        *axes.get_xticklabels(),
        *axes.get_yticklabels(),
        axes.title,
        axes.xaxis.label,
        axes.yaxis.label,
    ]
    assert min(word.get_fontsize() for word in words) >= 12  # readable on a telephone
    assert axes.get_title() == "Head 3" and "(%)" in axes.get_xlabel() and axes.get_ylabel() == "token that looks"


def test_a_heat_map_leaves_small_weights_unwritten_and_grows_with_its_tokens():
    small = diagrams.heat_map(np.array([[0.05, 0.95], [0.5, 0.5]]), ["a", "b"], "x")
    assert [text.get_text() for text in small.axes[0].texts] == ["95", "50", "50"]
    large = diagrams.heat_map(np.full((9, 9), 1 / 9), list("abcdefghi"), "x")
    assert np.allclose(large.get_size_inches() - small.get_size_inches(), 7 * 0.36)
