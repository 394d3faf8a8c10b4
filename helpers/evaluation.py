"""Lesson 07: how good is it, how sure are we, and where does it fail?"""

from collections.abc import Callable

import numpy as np
import pandas as pd


def check_probabilities(labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Raise ValueError unless `probabilities` (texts, classes) fit `labels` (texts,) and rows sum to 1."""
    if probabilities.ndim != 2 or len(probabilities) != len(labels) or len(labels) == 0:
        raise ValueError(f"Labels {labels.shape} and probabilities {probabilities.shape} do not fit, or are none.")
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        raise ValueError("Each row of probabilities must sum to 1: are these logits?")


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of texts whose most probable class is the right one."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Accuracy, macro precision, recall and F1, and log loss (nats a text).

    `labels`: int (texts,); `probabilities`: float (texts, classes). Macro: the plain mean over the
    classes, so that a rare class counts as much as a frequent one.
    """
    from sklearn.metrics import log_loss, precision_recall_fscore_support

    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    check_probabilities(labels, probabilities)
    classes = np.arange(probabilities.shape[1])
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=classes, average="macro", zero_division=0
    )
    return {
        "accuracy": accuracy(labels, probabilities),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "log_loss": float(log_loss(labels, probabilities, labels=classes)),
    }


def bootstrap_interval(
    labels: np.ndarray,
    probabilities: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float] = accuracy,
    repeats: int = 1000,
    seed: int = 42,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a metric (Efron and Tibshirani, 1993, chapter 13).

    Draws as many texts with replacement, `repeats` times, and gives the 2.5th and 97.5th percentile.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    check_probabilities(labels, probabilities)
    random = np.random.default_rng(seed)
    draws = random.integers(len(labels), size=(repeats, len(labels)))
    values = [metric(labels[rows], probabilities[rows]) for rows in draws]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def majority(train_labels: np.ndarray, texts: int, num_classes: int = 2) -> np.ndarray:
    """Probabilities (texts, classes) of the model that always answers with the training shares."""
    shares = np.bincount(train_labels, minlength=num_classes) / len(train_labels)
    return np.tile(shares, (texts, 1))


def compare(labels: np.ndarray, models: dict[str, np.ndarray]) -> pd.DataFrame:
    """A row a model: `scores` and the bounds `low`, `high` of its accuracy's 95 % interval.

    `models` maps a name to probabilities (texts, classes).
    """
    rows = {}
    for name, probabilities in models.items():
        low, high = bootstrap_interval(labels, probabilities)
        rows[name] = {**scores(labels, probabilities), "low": low, "high": high}
    return pd.DataFrame.from_dict(rows, orient="index")


def by_slice(frame: pd.DataFrame, probabilities: np.ndarray, column: str) -> pd.DataFrame:
    """Accuracy with its 95 % interval for each value of `column`; a row a slice: texts, accuracy, low, high.

    `frame` has `label` and `column`, in the order of `probabilities`.
    """
    rows = {}
    for value in sorted(frame[column].unique()):
        chosen = (frame[column] == value).to_numpy()
        labels, part = frame["label"].to_numpy()[chosen], probabilities[chosen]
        low, high = bootstrap_interval(labels, part)
        rows[value] = {"texts": len(labels), "accuracy": accuracy(labels, part), "low": low, "high": high}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"texts": int})


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Counts, int (classes, classes): row = true class, column = predicted class."""
    counts = np.zeros((probabilities.shape[1],) * 2, dtype=int)
    np.add.at(counts, (np.asarray(labels), probabilities.argmax(axis=1)), 1)
    return counts


def worst_errors(frame: pd.DataFrame, probabilities: np.ndarray, number: int = 5) -> pd.DataFrame:
    """The wrong answers given with most confidence: the frame's rows and `probability` of the true class."""
    right_class = probabilities[np.arange(len(frame)), frame["label"]]
    wrong = probabilities.argmax(axis=1) != frame["label"].to_numpy()
    return frame.assign(probability=right_class)[wrong].nsmallest(number, "probability")
