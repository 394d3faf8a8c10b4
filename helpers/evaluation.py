"""Lesson 06: how good is it, how sure are we, and where does it fail?"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from helpers import runtime


def check_probabilities(labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Raise ValueError unless `probabilities` (texts, classes) fit `labels` (texts,) and rows sum to 1."""
    if probabilities.ndim != 2 or len(probabilities) != len(labels) or len(labels) == 0:
        raise ValueError(f"Labels {labels.shape} and probabilities {probabilities.shape} do not fit, or are none.")
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        raise ValueError("Each row of probabilities must sum to 1: are these logits?")


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of texts whose most probable class is the right one."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def macro_f1(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """F1, averaged over the classes; 0 for a class that is neither there nor found.

    Written out, since a bootstrap asks for it a thousand times: scikit-learn's checks would take ten seconds.
    """
    predicted, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    parts = (labels, predicted, labels[labels == predicted])
    there, found, right = (np.bincount(part, minlength=classes) for part in parts)
    return float(np.mean(2 * right / np.maximum(there + found, 1)))


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


def accuracy_interval(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """95 % interval of the accuracy by the formula for shares of Wilson (1927).

    It holds on small slices, too: for 4 right answers of 4 it begins at 0.51, where the bootstrap begins at 1.
    """
    from scipy.stats import binomtest

    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    check_probabilities(labels, probabilities)
    right = int((probabilities.argmax(axis=1) == labels).sum())
    low, high = binomtest(right, len(labels)).proportion_ci(method="wilson")
    return float(low), float(high)


def bootstrap_interval(
    labels: np.ndarray,
    probabilities: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float] = macro_f1,
    repeats: int = 1000,
    seed: int = 42,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a metric that has no formula (Efron and Tibshirani, 1993, chapter 13).

    Draws as many texts with replacement, `repeats` times, and gives the 2.5th and 97.5th percentile. A slice with hardly
    an error is too small for it: it cannot know of errors that it never draws. Raises ValueError for fewer than two texts.
    """
    from scipy.stats import bootstrap

    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    check_probabilities(labels, probabilities)

    def of_rows(rows: np.ndarray) -> float:
        """The metric of the texts drawn."""
        return metric(labels[rows], probabilities[rows])

    options = {"n_resamples": repeats, "method": "percentile", "rng": seed}
    low, high = bootstrap([np.arange(len(labels))], of_rows, vectorized=False, **options).confidence_interval
    return float(low), float(high)


def majority(train_labels: np.ndarray, texts: int, num_classes: int = 2) -> np.ndarray:
    """Probabilities (texts, classes) of the model that always answers with the training shares."""
    shares = np.bincount(train_labels, minlength=num_classes) / len(train_labels)
    return np.tile(shares, (texts, 1))


def compare(labels: np.ndarray, models: dict[str, np.ndarray]) -> pd.DataFrame:
    """A row a model: `scores` and the ends `low`, `high` of its accuracy's 95 % interval (Wilson).

    `models` maps a name to probabilities (texts, classes).
    """
    rows = {}
    for name, probabilities in models.items():
        low, high = accuracy_interval(labels, probabilities)
        rows[name] = {**scores(labels, probabilities), "low": low, "high": high}
    return pd.DataFrame.from_dict(rows, orient="index")


def by_slice(frame: pd.DataFrame, probabilities: np.ndarray, column: str) -> pd.DataFrame:
    """Accuracy with its 95 % interval (Wilson) for each value of `column`; a row a slice: texts, accuracy, low, high.

    `frame` has `label` and `column`, in the order of `probabilities`.
    """
    rows = {}
    for value in sorted(frame[column].unique()):
        chosen = (frame[column] == value).to_numpy()
        labels, part = frame["label"].to_numpy()[chosen], probabilities[chosen]
        low, high = accuracy_interval(labels, part)
        rows[value] = {"texts": len(labels), "accuracy": accuracy(labels, part), "low": low, "high": high}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"texts": int})


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Counts, int (classes, classes): row = true class, column = predicted class."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels, probabilities.argmax(axis=1), labels=np.arange(probabilities.shape[1]))


def worst_errors(frame: pd.DataFrame, probabilities: np.ndarray, number: int = 5) -> pd.DataFrame:
    """The wrong answers given with most confidence: the frame's rows and `probability` of the true class."""
    right_class = probabilities[np.arange(len(frame)), frame["label"]]
    wrong = probabilities.argmax(axis=1) != frame["label"].to_numpy()
    return frame.assign(probability=right_class)[wrong].nsmallest(number, "probability")


# ---- each class, and rankings


def by_class(labels: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str]) -> pd.DataFrame:
    """A row a class: texts, precision, recall, f1 (0 where nothing was found or nothing is there)."""
    from sklearn.metrics import precision_recall_fscore_support

    check_probabilities(np.asarray(labels), probabilities)
    precision, recall, f1, texts = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(len(label_names)), zero_division=0
    )
    columns = {"texts": texts, "precision": precision, "recall": recall, "f1": f1}
    return pd.DataFrame(columns, index=list(label_names))


def matthews(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Matthews correlation coefficient: 1 perfect, 0 no better than chance, also where classes are of unlike size.

    For more than two classes the form of Gorodkin (2004), "Comparing two K-category assignments".
    """
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, probabilities.argmax(axis=1)))


def curves(labels: np.ndarray, probabilities: np.ndarray, class_number: int = 1) -> dict[str, np.ndarray | float]:
    """ROC and precision-recall curve of one class against the rest.

    Returns arrays `false_positive_rate`, `true_positive_rate`, `recall`, `precision`, and the areas `roc_area` and
    `average_precision`. Raises ValueError where all texts, or none, are of that class.
    """
    from sklearn import metrics

    is_class, score = np.asarray(labels) == class_number, probabilities[:, class_number]
    if is_class.all() or not is_class.any():
        raise ValueError(f"A curve for class {class_number} needs texts of that class and others.")
    false_positive_rate, true_positive_rate, _ = metrics.roc_curve(is_class, score)
    precision, recall, _ = metrics.precision_recall_curve(is_class, score)
    return {
        "false_positive_rate": false_positive_rate,
        "true_positive_rate": true_positive_rate,
        "recall": recall,
        "precision": precision,
        "roc_area": float(metrics.roc_auc_score(is_class, score)),
        "average_precision": float(metrics.average_precision_score(is_class, score)),
    }


# ---- calibration


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Confidence against accuracy: a row for each bin of the highest probability that holds a text.

    Columns: texts, confidence (mean highest probability), accuracy. Bins are of equal width between 0 and 1.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == np.asarray(labels)
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    table = pd.DataFrame({"bin": number, "confidence": confidence, "accuracy": right.astype(float)})
    grouped = table.groupby("bin")
    return grouped.mean().assign(texts=grouped.size())[["texts", "confidence", "accuracy"]]


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over the bins, weighed by texts.

    Guo et al. (2017), "On Calibration of Modern Neural Networks", equation 3.
    """
    table = reliability(labels, probabilities, bins)
    return float((table["texts"] * (table["confidence"] - table["accuracy"]).abs()).sum() / table["texts"].sum())


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities softened (temperature > 1) or sharpened (< 1): softmax of log(probability) / temperature.

    The most probable class stays the same. Raises ValueError unless the temperature is above 0.
    """
    if temperature <= 0:
        raise ValueError(f"A temperature must be above 0; this is {temperature}.")
    return softmax(np.log(np.clip(probabilities, 1e-12, 1)) / temperature, axis=1)


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature with the least log loss (Guo et al., 2017, section 4.2); fit it on validation, never on test."""
    from scipy.optimize import minimize_scalar

    labels = np.asarray(labels)
    check_probabilities(labels, probabilities)

    def loss(log_temperature: float) -> float:
        """Mean log loss, nats."""
        scaled = apply_temperature(probabilities, np.exp(log_temperature))
        return -np.log(np.clip(scaled[np.arange(len(labels)), labels], 1e-12, 1)).mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


# ---- one model against another, on the same texts


def mcnemar(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Exact McNemar test on the texts that only one of two models gets right (McNemar, 1947).

    `first`, `second`: probabilities (texts, classes). Returns `only_first`, `only_second` (counts) and `p_value`: how
    probable so uneven a share is if both are equally good (two-sided, binomial).
    """
    from scipy.stats import binomtest

    right = [values.argmax(axis=1) == np.asarray(labels) for values in (first, second)]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    decided = only_first + only_second
    p_value = float(binomtest(only_first, decided).pvalue) if decided else 1.0
    return {"only_first": only_first, "only_second": only_second, "p_value": p_value}


def difference_interval(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, repeats: int = 1000, seed: int = 42
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of accuracy(first) - accuracy(second), the same texts drawn for both.

    Wilson's formula does not fit: a text's gain is 1, 0 or -1, so the difference is no share. Raises ValueError for fewer
    than two texts.
    """
    from scipy.stats import bootstrap

    labels = np.asarray(labels)
    gain = (first.argmax(axis=1) == labels).astype(float) - (second.argmax(axis=1) == labels)
    options = {"n_resamples": repeats, "method": "percentile", "batch": 100, "rng": seed}  # batch: for the memory
    low, high = bootstrap([gain], np.mean, **options).confidence_interval
    return float(low), float(high)


# ---- what an error costs


def expected_cost(
    labels: np.ndarray,
    probability: np.ndarray,
    threshold: float,
    false_positive: float = 1.0,
    false_negative: float = 1.0,
) -> float:
    """Mean cost a text when everything with a probability of at least `threshold` is called class 1.

    `labels`: 0 or 1 (texts,); `probability`: that of class 1 (texts,). Costs in any unit.
    """
    called = np.asarray(probability) >= threshold
    is_one = np.asarray(labels) == 1
    return float((false_positive * (called & ~is_one) + false_negative * (~called & is_one)).mean())


def best_threshold(labels: np.ndarray, probability: np.ndarray, false_positive: float, false_negative: float) -> float:
    """The threshold among 0.01, 0.02 ... 0.99 with the least `expected_cost`; of equal ones that nearest to 0.5."""
    candidates = sorted((np.arange(1, 100) / 100).tolist(), key=lambda value: abs(value - 0.5))
    return min(candidates, key=lambda value: expected_cost(labels, probability, value, false_positive, false_negative))


# ---- the model's own cost


def latency(predict: Callable[[list[str]], object], texts: Sequence[str], batch_size: int, repeats: int = 10) -> float:
    """Median milliseconds a text of `predict(batch)` over `repeats` batches of `texts`, after one to warm up."""
    batches = [[texts[(i * batch_size + j) % len(texts)] for j in range(batch_size)] for i in range(repeats + 1)]
    times = []
    for batch in batches:
        started = time.perf_counter()
        predict(batch)
        times.append((time.perf_counter() - started) / batch_size * 1000)
    return float(np.median(times[1:]))


def length_slice(texts: pd.Series, parts: int = 4) -> pd.Series:
    """Which of `parts` parts, alike in size, each text belongs to by its number of words, as "007-012 words".

    Texts of equal length stay together, so there can be fewer parts. The zeros make the names sort as numbers do.
    """
    words = texts.str.split().str.len()
    edges = np.unique(words.quantile(np.arange(1, parts) / parts))
    digits = len(str(words.max()))
    grouped = words.groupby(np.searchsorted(edges, words))
    low, high = (grouped.transform(end).astype(str).str.zfill(digits) for end in ("min", "max"))
    return low + "-" + high + " words"


def slice_all(frame: pd.DataFrame, probabilities: np.ndarray, least: int = 20) -> dict[str, pd.DataFrame]:
    """`by_slice` for each of style, domain and stars that `frame` has as a column, and for the number of words.

    Slices of fewer than `least` texts are left out, and kinds of which nothing remains.
    """
    frame = frame.assign(words=length_slice(frame["text"]))
    if "stars" in frame:
        frame["stars"] = [f"{stars} star{'s' * (str(stars) != '1')}" for stars in frame["stars"]]
    kinds = [kind for kind in ("style", "domain", "stars", "words") if kind in frame]
    tables = {kind: by_slice(frame, probabilities, kind) for kind in kinds}
    kept = {kind: table[table["texts"] >= least] for kind, table in tables.items()}
    return {kind: table for kind, table in kept.items() if len(table)}


# ---- what is written down


def save_scores(table: pd.DataFrame, test_reviews: int, folder: Path) -> str:
    """Write scores.txt (for the end of `make run`), whole or not at all; return the text. `table`: that of `compare`."""
    shown = (100 * table[["accuracy", "low", "high", "f1"]]).round(1).to_string()
    text = f"Test texts: {test_reviews}. Accuracy with its 95 % interval, and macro F1, in %:\n{shown}\n"
    with runtime.written_whole(folder / "scores.txt") as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return text


def format_scores(scores: pd.DataFrame) -> str:
    """The table of `compare` as Markdown, in %."""
    lines = ["| model | accuracy (%) | 95 % interval | macro F1 (%) |", "|---|---|---|---|"]
    for name, row in scores.iterrows():
        accuracy, low, high, f1 = (f"{100 * row[key]:.1f}" for key in ("accuracy", "low", "high", "f1"))
        lines.append(f"| {name} | {accuracy} | {low} to {high} | {f1} |")
    return "\n".join(lines)


def write_card(
    folder: Path,
    facts: dict,
    scores: pd.DataFrame,
    exports: pd.DataFrame,
    label_names: Sequence[str],
    limits: dict[str, float],
) -> str:
    """Write README.md to an export's folder, every number of it measured, and return its text.

    `facts`: name -> value (data, recipe ...). `scores`: of `compare`, on the test texts; `exports`: of
    `export.compare`; `limits`: name -> number, measured on the test texts. The form follows Mitchell et al. (2019), "Model Cards for Model Reporting".
    """
    versions = ", ".join(f"{package} {runtime.version_of(package)}" for package in runtime.KEY_PACKAGES)
    shown = exports.round({"MB": 1, "ms a text": 1, "largest difference": 6, "same answer": 3}).to_string()
    text = f"""# A text classifier: {", ".join(label_names)}

## What it is
{chr(10).join(f"- {name}: {value}" for name, value in facts.items())}

## How good it is, on the test texts
{format_scores(scores)}

## Exports, on this machine
```
{shown}
```

## Limits
It learnt from these data alone: nothing is known of other texts. On the test texts:
{chr(10).join(f"- {value:.3g} {name}" for name, value in limits.items())}

Not to be used to judge people.

## Made with
{versions}
"""
    with runtime.written_whole(folder / "README.md") as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return text
