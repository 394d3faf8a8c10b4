"""Scores and intervals against hand-made cases and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from helpers import evaluation

pytestmark = pytest.mark.once  # it needs neither backend


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


def answers(right, texts):
    """Labels and probabilities of a model that is right on the first `right` of so many texts."""
    return np.zeros(texts, int), np.eye(2)[(np.arange(texts) >= right).astype(int)]


def test_intervals_of_many_texts_are_those_of_the_normal_distribution():
    half = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    for low, high in (
        evaluation.accuracy_interval(*answers(800, 1000)),
        evaluation.bootstrap_interval(*answers(800, 1000), metric=evaluation.accuracy),
    ):
        assert low == pytest.approx(0.8 - half, abs=0.004) and high == pytest.approx(0.8 + half, abs=0.004)


def test_wilsons_interval_by_hand():
    z, n, share = 1.959964, 10, 0.9
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    expected = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    assert evaluation.accuracy_interval(*answers(9, 10)) == pytest.approx(expected, abs=1e-6)
    assert evaluation.accuracy_interval(*answers(4, 4)) == (pytest.approx(4 / (4 + z**2), abs=1e-6), 1)


def test_intervals_of_small_slices_hold_the_truth_as_often_as_they_say():
    drawn = np.random.default_rng(0).binomial(20, 0.95, size=2000)  # right answers in slices of 20 texts

    def coverage(interval):
        ends = {right: interval(*answers(right, 20)) for right in np.unique(drawn)}
        return np.mean([ends[right][0] <= 0.95 <= ends[right][1] for right in drawn])

    assert coverage(evaluation.accuracy_interval) > 0.9
    assert coverage(lambda *some: evaluation.bootstrap_interval(*some, metric=evaluation.accuracy)) < 0.7


def test_bootstrap_interval_of_f1_against_draws_by_hand(three_classes):
    labels, probabilities = three_classes
    random, predicted = np.random.default_rng(5), probabilities.argmax(axis=1)
    draws = [random.integers(200, size=200) for _ in range(300)]
    values = [metrics.f1_score(labels[rows], predicted[rows], average="macro") for rows in draws]
    expected = np.percentile(values, [2.5, 97.5])
    assert evaluation.bootstrap_interval(labels, probabilities) == pytest.approx(expected, abs=0.02)
    with pytest.raises(ValueError, match="two or more"):
        evaluation.bootstrap_interval(labels[:1], probabilities[:1])


def test_macro_f1_is_that_of_the_scores(three_classes):
    assert evaluation.macro_f1(*three_classes) == pytest.approx(evaluation.scores(*three_classes)["f1"], abs=1e-12)
    assert evaluation.macro_f1(np.array([0, 0]), np.eye(2)[[0, 0]]) == 0.5  # the absent class counts as 0


def test_bootstrap_interval_repeats_with_its_seed(three_classes):
    first = evaluation.bootstrap_interval(*three_classes, seed=3)
    assert first == evaluation.bootstrap_interval(*three_classes, seed=3)
    assert first != evaluation.bootstrap_interval(*three_classes, seed=4)
    default = evaluation.bootstrap_interval(*three_classes)
    assert default == evaluation.bootstrap_interval(*three_classes, repeats=1000, seed=42)


def test_majority_answers_with_the_training_shares():
    assert evaluation.majority(np.array([0, 1, 1, 1]), 2).tolist() == [[0.25, 0.75]] * 2
    assert evaluation.majority(np.array([0, 0]), 1).tolist() == [[1, 0]]


def test_compare_has_a_row_for_each_model(three_classes):
    labels, probabilities = three_classes
    perfect = np.eye(3)[labels]
    table = evaluation.compare(labels, {"random": probabilities, "perfect": perfect})
    for name, values in {"random": probabilities, "perfect": perfect}.items():
        ends = evaluation.accuracy_interval(labels, values)
        assert tuple(table.loc[name, ["accuracy", "low", "high"]]) == (evaluation.accuracy(labels, values), *ends)
    assert 0.97 < table.loc["perfect", "low"] < table.loc["perfect", "high"] == 1
    assert table.loc["random", "low"] < table.loc["random", "accuracy"] < table.loc["random", "high"]


def test_by_slice_splits_by_the_column():
    frame = pd.DataFrame({"label": [0, 1, 1, 1], "style": ["plain", "plain", "implied", "implied"]})
    probabilities = np.eye(2)[[0, 1, 0, 1]]
    table = evaluation.by_slice(frame, probabilities, "style")
    assert table["accuracy"].to_dict() == {"implied": 0.5, "plain": 1.0}
    assert table["texts"].to_dict() == {"implied": 2, "plain": 2}
    assert tuple(table.loc["plain", ["low", "high"]]) == evaluation.accuracy_interval(*answers(2, 2))


def test_confusion_has_true_classes_in_rows(three_classes):
    labels, probabilities = three_classes
    expected = metrics.confusion_matrix(labels, probabilities.argmax(axis=1))
    assert evaluation.confusion(labels, probabilities).tolist() == expected.tolist()
    few = evaluation.confusion(np.array([0, 0, 2]), np.eye(3)[[0, 2, 2]])  # class 1 is neither there nor found
    assert few.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]


def test_worst_errors_are_wrong_and_sorted_by_confidence():
    frame = pd.DataFrame({"text": list("abcd"), "label": [0, 0, 1, 1]})
    probabilities = np.array([[0.1, 0.9], [0.4, 0.6], [0.99, 0.01], [0.0, 1.0]])
    worst = evaluation.worst_errors(frame, probabilities, number=2)
    assert worst["text"].tolist() == ["c", "a"]
    assert worst["probability"].tolist() == [0.01, 0.1]
    assert len(evaluation.worst_errors(pd.DataFrame({"label": [1] * 6}), np.eye(2)[[0] * 6])) == 5


# ---- each class, and rankings


def test_by_class_equals_scikit_learn(three_classes):
    labels, probabilities = three_classes
    table = evaluation.by_class(labels, probabilities, ["a", "b", "c"])
    report = metrics.classification_report(labels, probabilities.argmax(axis=1), output_dict=True)
    for number, name in enumerate("abc"):
        expected = report[str(number)]
        assert table.loc[name].tolist() == [expected[k] for k in ("support", "precision", "recall", "f1-score")]
    absent = evaluation.by_class(np.zeros(200, int), probabilities, ["a", "b", "c"])
    assert absent.loc["c", ["texts", "recall", "f1"]].tolist() == [0, 0, 0]


def test_matthews_by_hand():
    labels, probabilities = np.array([0, 0, 1, 1, 1]), np.eye(2)[[0, 1, 1, 1, 0]]
    true_positive, true_negative, false_positive, false_negative = 2, 1, 1, 1
    product = 3 * 3 * 2 * 2
    expected = (true_positive * true_negative - false_positive * false_negative) / np.sqrt(product)
    assert evaluation.matthews(labels, probabilities) == pytest.approx(expected)
    assert evaluation.matthews(labels, np.eye(2)[labels]) == 1
    assert evaluation.matthews(labels, np.eye(2)[[1] * 5]) == 0


def test_curves_by_hand():
    labels = np.array([0, 0, 1, 1])
    score = np.array([0.1, 0.6, 0.5, 0.9])  # of the four pairs (positive, negative) three are in order
    found = evaluation.curves(labels, np.stack([1 - score, score], axis=1))
    assert found["roc_area"] == 0.75
    assert found["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["false_positive_rate"][[0, -1]].tolist() == [0, 1] == found["true_positive_rate"][[0, -1]].tolist()
    assert found["precision"][-1] == 1 and found["recall"][-1] == 0
    other = evaluation.curves(labels, np.stack([1 - score, score], axis=1), class_number=0)
    assert other["roc_area"] == 0.75
    with pytest.raises(ValueError, match="class 2 needs texts of that class and others"):
        evaluation.curves(labels, np.eye(3)[labels], class_number=2)
    with pytest.raises(ValueError, match="class 1 needs"):
        evaluation.curves(np.ones(4, int), np.eye(2)[labels])


# ---- calibration


def test_reliability_and_calibration_error_by_hand():
    labels = np.array([1, 1, 0, 0])
    probabilities = np.array([[0.05, 0.95], [0.065, 0.935], [0.095, 0.905], [0.65, 0.35]])
    table = evaluation.reliability(labels, probabilities)
    assert table.index.tolist() == [6, 9] and table["texts"].tolist() == [1, 3]
    assert table["accuracy"].tolist() == pytest.approx([1, 2 / 3])
    assert table["confidence"].tolist() == pytest.approx([0.65, 0.93])
    expected = 0.25 * 0.35 + 0.75 * (0.93 - 2 / 3)
    assert evaluation.calibration_error(labels, probabilities) == pytest.approx(expected)
    certain = evaluation.reliability(np.array([1]), np.array([[0.0, 1.0]]))
    assert certain.index.tolist() == [9]  # certainty belongs to the last bin, not to one beyond it


def test_temperature_by_hand_and_what_it_leaves():
    probabilities = np.array([[0.2, 0.8], [0.5, 0.5]])
    assert np.allclose(evaluation.apply_temperature(probabilities, 1), probabilities)
    assert np.allclose(
        evaluation.apply_temperature(probabilities, 2)[0], np.sqrt([0.2, 0.8]) / np.sqrt([0.2, 0.8]).sum()
    )
    assert np.isfinite(evaluation.apply_temperature(np.array([[0.0, 1.0]]), 2)).all()
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="must be above 0"):
            evaluation.apply_temperature(probabilities, wrong)


@pytest.mark.parametrize("true_temperature", [0.5, 3.0])
def test_fit_temperature_finds_the_one_that_was_taken_away(true_temperature):
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 3)) * 2
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([random.choice(3, p=row) for row in honest])
    wrong = evaluation.apply_temperature(honest, 1 / true_temperature)
    found = evaluation.fit_temperature(labels, wrong)
    assert found == pytest.approx(true_temperature, rel=0.05)
    mended = evaluation.apply_temperature(wrong, found)
    assert evaluation.calibration_error(labels, mended) < 0.02 < evaluation.calibration_error(labels, wrong)
    with pytest.raises(ValueError, match="do not fit"):
        evaluation.fit_temperature(labels[:5], wrong)


@pytest.mark.parametrize(("label", "end"), [(0, -3), (1, 3)])
def test_a_model_always_right_or_always_wrong_gets_the_last_temperature_that_is_tried(label, end):
    found = evaluation.fit_temperature(np.array([label]), np.array([[0.55, 0.45]]))
    assert found == pytest.approx(np.exp(end), rel=1e-3)


# ---- one model against another


def test_mcnemar_by_hand():
    labels = np.zeros(20, int)
    first, second = np.eye(2)[[0] * 15 + [1] * 5], np.eye(2)[[0] * 6 + [1] * 9 + [0] + [1] * 4]
    found = evaluation.mcnemar(labels, first, second)
    assert (found["only_first"], found["only_second"]) == (9, 1)
    assert found["p_value"] == pytest.approx(2 * (1 + 10) / 2**10)
    assert evaluation.mcnemar(labels, first, first)["p_value"] == 1


def test_difference_interval_is_narrower_than_the_models_own():
    random = np.random.default_rng(2)
    labels = np.zeros(2000, int)
    second = (random.random(2000) < 0.8).astype(int)
    first = np.where(random.random(2000) < 0.05, 1, second)  # mostly the same answers: 1 means right here
    first, second = np.eye(2)[1 - first], np.eye(2)[1 - second]
    low, high = evaluation.difference_interval(labels, first, second)
    gain = evaluation.accuracy(labels, first) - evaluation.accuracy(labels, second)
    assert 0 < low < gain < high < 0.03
    assert (low, high) == evaluation.difference_interval(labels, first, second, repeats=1000, seed=42)
    assert evaluation.difference_interval(labels, first, first) == (0, 0)


# ---- costs


def test_expected_cost_by_hand():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.2, 0.6, 0.5, 0.9])
    assert evaluation.expected_cost(labels, scores, 0.5) == 0.25
    assert evaluation.expected_cost(labels, scores, 0.55) == 0.5
    assert evaluation.expected_cost(labels, scores, 0.55, false_positive=2, false_negative=10) == 12 / 4
    assert evaluation.expected_cost(labels, scores, 0.5, false_positive=3, false_negative=10) == 3 / 4
    assert evaluation.expected_cost(labels, scores, 0.95, false_positive=3, false_negative=10) == 20 / 4


def test_best_threshold_moves_away_from_the_dear_error():
    random = np.random.default_rng(0)
    scores = random.random(20_000)
    labels = (random.random(20_000) < scores).astype(int)  # calibrated: then the best one is fp / (fp + fn)
    assert evaluation.best_threshold(labels, scores, 1, 4) == pytest.approx(0.2, abs=0.04)
    assert evaluation.best_threshold(labels, scores, 4, 1) == pytest.approx(0.8, abs=0.04)
    assert evaluation.best_threshold(np.array([0, 1]), np.array([0.0, 1.0]), 1, 1) == 0.5  # all are equal
    for end in (0.01, 0.99):  # both ends are among the candidates
        assert evaluation.best_threshold(np.array([0, 1]), np.array([end - 0.005, end + 0.005]), 1, 1) == end
    assert evaluation.best_threshold(np.array([0]), np.array([0.995]), 1, 1) == 0.5  # 1.00 is no candidate


def test_latency_is_the_median_a_text_without_the_first_batch(monkeypatch):
    warmed_up = []
    evaluation.latency(warmed_up.append, ["a"], batch_size=1)
    assert len(warmed_up) == 11
    clock = iter([0, 100, 200, 202, 300, 304, 400, 430])  # seconds: begin and end of four batches
    monkeypatch.setattr(evaluation.time, "perf_counter", lambda: next(clock))
    batches = []
    assert evaluation.latency(batches.append, ["a", "b", "c"], batch_size=2, repeats=3) == 2000
    assert batches == [["a", "b"], ["c", "a"], ["b", "c"], ["a", "b"]]


def test_length_slices_are_quarters_named_by_their_words():
    texts = pd.Series([" ".join(["word"] * number) for number in range(1, 13)])
    named = evaluation.length_slice(texts)
    assert named.value_counts(sort=False).to_dict() == {
        "01-03 words": 3, "04-06 words": 3, "07-09 words": 3, "10-12 words": 3
    }  # fmt: skip
    assert named[0] == "01-03 words" and named[11] == "10-12 words"


def test_length_slices_sort_as_numbers_do():
    texts = pd.Series(["word " * number for number in (154, 105, 104, 55, 54, 4, 3, 1)], index=range(8, 0, -1))
    named = evaluation.length_slice(texts)
    assert named.to_dict() == {
        8: "105-154 words", 7: "105-154 words", 6: "055-104 words", 5: "055-104 words", 4: "004-054 words",
        3: "004-054 words", 2: "001-003 words", 1: "001-003 words",
    }  # fmt: skip
    table = evaluation.by_slice(pd.DataFrame({"label": 0, "words": named}), np.eye(2)[[0] * 8], "words")
    assert table.index.tolist() == ["001-003 words", "004-054 words", "055-104 words", "105-154 words"]


def test_texts_of_one_length_are_one_slice():
    assert set(evaluation.length_slice(pd.Series(["two words"] * 9))) == {"2-2 words"}
    mostly = evaluation.length_slice(pd.Series(["one"] * 9 + ["and three more"]))
    assert mostly.value_counts().to_dict() == {"1-1 words": 9, "3-3 words": 1}


def test_texts_without_spaces_are_one_slice_of_all():
    frame = pd.DataFrame({"text": ["很好吃", "太慢了"] * 20, "label": [1, 0] * 20})
    found = evaluation.slice_all(frame, np.eye(2)[[1, 0] * 15 + [0, 0] * 5])
    assert list(found) == ["words"]
    assert found["words"].loc["1-1 words", ["texts", "accuracy"]].tolist() == [40, 35 / 40]


def test_all_slices_are_named_and_small_ones_left_out():
    frame = pd.DataFrame(
        {"text": ["one"] * 3 + ["two words"], "label": [0, 1, 1, 1], "stars": [1, 5, 5, 5], "style": list("abcd")}
    )
    found = evaluation.slice_all(frame, np.eye(2)[[0, 1, 0, 1]], least=1)
    assert list(found) == ["style", "stars", "words"] and "1 star" not in frame["stars"].tolist()
    assert found["stars"]["texts"].to_dict() == {"1 star": 1, "5 stars": 3}
    assert found["stars"].loc["5 stars", "accuracy"] == pytest.approx(2 / 3)
    few = evaluation.slice_all(frame, np.eye(2)[[0, 1, 0, 1]], least=2)
    assert {kind: table.index.tolist() for kind, table in few.items()} == {"stars": ["5 stars"], "words": ["1-1 words"]}


def test_scores_are_saved_for_the_table(tmp_path, three_classes):
    labels, probabilities = three_classes
    table = evaluation.compare(labels, {"random": probabilities})
    text = evaluation.save_scores(table, 200, tmp_path)
    assert text == (tmp_path / "scores.txt").read_text(encoding="utf-8") and text.startswith("Test texts: 200.")
    accuracy, f1 = (f"{100 * table.loc['random', key]:.1f}" for key in ("accuracy", "f1"))
    name, shown, *_, last = text.splitlines()[-1].split()
    assert (name, shown, last) == ("random", accuracy, f1)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.txt"]


def test_the_card_says_what_was_measured(tmp_path):
    table = pd.DataFrame(
        {"MB": [91.04], "ms a text": [3.14], "largest difference": [3e-7], "same answer": [0.9996]}, ["file"]
    )
    scores = pd.DataFrame({"accuracy": [0.8304], "low": [0.81], "high": [0.85], "f1": [0.829]}, ["mine"])
    card = evaluation.write_card(
        tmp_path, {"training texts": "2,409"}, scores, table, ("bad", "good"), {"% of texts cut": 12.345, "none": 0.0}
    )
    assert card == (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "# A text classifier: bad, good" in card and "- training texts: 2,409" in card
    assert "| mine | 83.0 | 81.0 to 85.0 | 82.9 |" in card and "keras 3." in card
    assert "\n- 12.3 % of texts cut\n- 0 none\n" in card and "tokens" not in card  # how many is a matter of the model
    assert ["file", "91.0", "3.1", "0.0", "1.0"] in [line.split() for line in card.splitlines()]
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
