"""Every figure has a title, labelled axes, and alt text that a reader gets."""

import numpy as np
import pandas as pd
import pytest

from helpers import figures

TABLE = pd.DataFrame({"accuracy": [0.8, 0.9], "low": [0.75, 0.85], "high": [0.85, 0.95]}, index=["words", "BERT"])
HISTORY = pd.DataFrame({"epoch": [1, 2], "train_loss": [0.6, 0.4], "validation_loss": [0.5, 0.45]})
FIGURES = {
    "lengths": lambda: figures.lengths(np.array([3, 40, 130]), 128),
    "padding": lambda: figures.padding({"padded to 128": 0.2, "grouped": 0.9}),
    "history": lambda: figures.history(HISTORY),
    "accuracies": lambda: figures.accuracies(TABLE, "Accuracy on the test split"),
    "confusion": lambda: figures.confusion(np.array([[5, 1], [2, 7]]), ["negative", "positive"]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_titles_and_axis_labels(name):
    axes = FIGURES[name]().axes[0]
    assert axes.get_title()
    named_by_ticks = axes.get_ylabel() == "" and axes.get_yticklabels()[0].get_text()
    assert axes.get_xlabel() and (axes.get_ylabel() or named_by_ticks)


def test_accuracies_draws_each_interval_where_it_is():
    axes = figures.accuracies(TABLE, "Accuracy").axes[0]
    segments = axes.containers[0].lines[2][0].get_segments()
    assert np.allclose([segment[:, 0] for segment in segments], [[75, 85], [85, 95]])


def test_confusion_writes_each_count():
    axes = FIGURES["confusion"]().axes[0]
    assert [text.get_text() for text in axes.texts] == ["5", "1", "2", "7"]


def test_show_carries_and_prints_the_alt_text(capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda image, metadata: shown.append((image, metadata)))
    alt = "Two lines that fall from left to right."
    figures.show(FIGURES["history"](), alt)
    image, metadata = shown[0]
    assert image.data.startswith(b"\x89PNG") and metadata["image/png"]["alt"] == image.alt == alt
    assert capsys.readouterr().out == f"Figure: {alt}\n"


def test_show_refuses_an_alt_text_that_says_nothing():
    with pytest.raises(ValueError, match="what the figure shows"):
        figures.show(FIGURES["history"](), "a figure")
