"""Scores and intervals against hand-made cases and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from helpers import evaluation


@pytest.fixture
def three_classes():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), size=200)
    return random.integers(3, size=200), probabilities


def test_scores_by_hand():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    scores = evaluation.scores(labels, probabilities)
    assert scores["accuracy"] == 0.75
    assert scores["precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert scores["recall"] == pytest.approx((1 / 2 + 1) / 2)
    assert scores["f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.7]).mean())


def test_scores_equal_scikit_learn_for_three_classes(three_classes):
    labels, probabilities = three_classes
    predicted = probabilities.argmax(axis=1)
    scores = evaluation.scores(labels, probabilities)
    assert scores["accuracy"] == metrics.accuracy_score(labels, predicted)
    assert scores["f1"] == metrics.f1_score(labels, predicted, average="macro")


def test_a_class_that_is_absent_counts_as_zero():
    scores = evaluation.scores(np.array([0, 0]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert scores["accuracy"] == 1.0 and scores["f1"] == 0.5


@pytest.mark.parametrize("probabilities", [np.ones((3, 2)) / 2, np.ones(2) / 2, np.array([[3.0, -1.0], [0.5, 0.5]])])
def test_what_does_not_fit_is_refused(probabilities):
    with pytest.raises(ValueError, match="do not fit|logits"):
        evaluation.scores(np.array([0, 1]), probabilities)


def test_bootstrap_interval_is_that_of_the_binomial():
    random = np.random.default_rng(1)
    right = random.random(1000) < 0.8
    probabilities = np.where(right[:, None], [[1.0, 0.0]], [[0.0, 1.0]])
    low, high = evaluation.bootstrap_interval(np.zeros(1000, int), probabilities)
    half = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 1000)
    assert low == pytest.approx(right.mean() - half, abs=0.004)
    assert high == pytest.approx(right.mean() + half, abs=0.004)


def test_bootstrap_interval_repeats_with_its_seed(three_classes):
    first = evaluation.bootstrap_interval(*three_classes, seed=3)
    assert first == evaluation.bootstrap_interval(*three_classes, seed=3)
    assert first != evaluation.bootstrap_interval(*three_classes, seed=4)


def test_majority_answers_with_the_training_shares():
    assert evaluation.majority(np.array([0, 1, 1, 1]), 2).tolist() == [[0.25, 0.75]] * 2


def test_compare_has_a_row_for_each_model(three_classes):
    labels, probabilities = three_classes
    perfect = np.eye(3)[labels]
    table = evaluation.compare(labels, {"random": probabilities, "perfect": perfect})
    assert table.loc["perfect", ["accuracy", "low", "high"]].tolist() == [1, 1, 1]
    assert table.loc["random", "low"] < table.loc["random", "accuracy"] < table.loc["random", "high"]


def test_by_slice_splits_by_the_column():
    frame = pd.DataFrame({"label": [0, 1, 1, 1], "style": ["plain", "plain", "implied", "implied"]})
    probabilities = np.eye(2)[[0, 1, 0, 1]]
    table = evaluation.by_slice(frame, probabilities, "style")
    assert table["accuracy"].to_dict() == {"implied": 0.5, "plain": 1.0}
    assert table["texts"].to_dict() == {"implied": 2, "plain": 2}


def test_confusion_has_true_classes_in_rows(three_classes):
    labels, probabilities = three_classes
    expected = metrics.confusion_matrix(labels, probabilities.argmax(axis=1))
    assert evaluation.confusion(labels, probabilities).tolist() == expected.tolist()


def test_worst_errors_are_wrong_and_sorted_by_confidence():
    frame = pd.DataFrame({"text": list("abcd"), "label": [0, 0, 1, 1]})
    probabilities = np.array([[0.1, 0.9], [0.4, 0.6], [0.99, 0.01], [0.0, 1.0]])
    worst = evaluation.worst_errors(frame, probabilities, number=2)
    assert worst["text"].tolist() == ["c", "a"]
    assert worst["probability"].tolist() == [0.01, 0.1]
