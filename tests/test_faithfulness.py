"""Faithfulness by hand on a model whose reasons are known; planted words; shuffled weights."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import make_tiny_reviews

from helpers import explanation, faithfulness, finetuning

REASONS = {"good": 2.0, "bad": -1.0, "fine": 1.0}  # word -> what it adds to the log-odds of class 1


@pytest.fixture
def spoken(tiny_classifier, monkeypatch):
    """A classifier that adds up the REASONS of the words that it reads."""
    numbers = {tiny_classifier.tokenizer.token_to_id(word): value for word, value in REASONS.items()}

    def answer(classifier, rows):
        assert classifier is tiny_classifier
        return np.array([[0.0, sum(numbers.get(int(token), 0.0) for token in row)] for row in rows])

    monkeypatch.setattr(explanation, "answer", answer)
    monkeypatch.setattr(
        explanation, "predict", lambda classifier, readings: answer(classifier, [one.token_ids for one in readings])
    )
    return tiny_classifier


def chance(log_odds):
    """Probability of class 1."""
    return 1 / (1 + np.exp(-log_odds))


def test_units_are_ordered_from_the_highest_score_and_ties_by_place():
    assert faithfulness.order([0.5, -3.0, 2.0, 0.5]).tolist() == [2, 0, 3, 1]
    assert faithfulness.order(np.tile([0.0, 1.0], 40)).tolist() == [*range(1, 80, 2), *range(0, 80, 2)]


def test_a_share_of_units_is_rounded_and_at_least_one():
    assert [faithfulness.count(share, 5) for share in (0.0, 0.1, 0.3, 0.5, 1.0)] == [0, 1, 2, 3, 5]
    assert [faithfulness.count(share, 20) for share in faithfulness.SHARES] == [2, 4, 6, 8, 10]
    assert [faithfulness.count(share, 10) for share in faithfulness.SHARES] == [1, 2, 3, 4, 5]


def test_the_curve_takes_the_highest_away_first(spoken):
    readings = explanation.read(spoken, ["the good film very fine", "bad room"])
    scores = [np.array([0.0, 2.0, 0.1, 0.2, 1.0]), np.array([-1.0, 0.0])]
    found = faithfulness.deletion_curve(spoken, readings, scores, [1, 1], (0.0, 0.2, 0.4, 1.0))
    assert found[0] == pytest.approx([chance(3), chance(1), 0.5, 0.5])  # without "good", without "fine"
    assert found[1] == pytest.approx([chance(-1), chance(-1), chance(-1), 0.5])  # "room" goes first
    of_predicted = faithfulness.deletion_curve(spoken, readings, scores, shares=(0.0, 0.2, 0.4, 1.0))
    assert of_predicted == pytest.approx(np.array([found[0], 1 - found[1]]))  # the second text is called class 0


@pytest.mark.parametrize("how", explanation.HOWS)
def test_comprehensiveness_and_sufficiency_by_hand(spoken, how):
    readings = explanation.read(spoken, ["the good film very fine"])
    scores = [np.array([0.0, 2.0, 0.1, 0.2, 1.0])]
    whole, fell = chance(3), np.mean([chance(1), chance(1), 0.5, 0.5, 0.5])  # 1, 1, 2, 2, 3 units are gone
    kept = np.mean([chance(2), chance(2), chance(3), chance(3), chance(3)])
    assert faithfulness.comprehensiveness(spoken, readings, scores, how=how) == pytest.approx([whole - fell])
    assert faithfulness.sufficiency(spoken, readings, scores, how=how) == pytest.approx([whole - kept])
    assert faithfulness.comprehensiveness(spoken, readings, scores, [0], how) == pytest.approx([fell - whole])
    assert faithfulness.sufficiency(spoken, readings, scores, [0], how) == pytest.approx([kept - whole])
    turned = [-values for values in scores]
    assert faithfulness.comprehensiveness(spoken, readings, turned, how=how) < whole - fell
    assert faithfulness.sufficiency(spoken, readings, turned, how=how) > whole - kept


def test_what_is_removed_is_deleted_or_masked(tiny_classifier, monkeypatch):
    asked = []
    monkeypatch.setattr(
        explanation, "answer", lambda classifier, rows: (asked.extend(rows), np.zeros((len(rows), 2)))[1]
    )
    (reading,) = explanation.read(tiny_classifier, ["the good film"])
    scores = [np.array([0.0, 1.0, 0.0])]
    for how in ("delete", "mask"):
        faithfulness.deletion_curve(tiny_classifier, [reading], scores, [1], (0.1,), how)
    start, the, _, film, end = reading.token_ids.tolist()
    mask = tiny_classifier.tokenizer.token_to_id("[MASK]")
    assert [row.tolist() for row in asked] == [[start, the, film, end], [start, the, mask, film, end]]


def test_scores_that_do_not_fit_are_refused(spoken):
    readings = explanation.read(spoken, ["good film"])
    with pytest.raises(ValueError, match="3 scores for the 2 units of 'good film'"):
        faithfulness.comprehensiveness(spoken, readings, [np.zeros(3)])


def test_the_interval_is_that_of_the_normal_distribution_and_repeats():
    values = np.random.default_rng(0).normal(0.4, 0.2, size=400)
    mean, low, high = faithfulness.mean_interval(values, seed=1)
    half = 1.96 * values.std() / np.sqrt(400)
    assert mean == values.mean()
    assert low == pytest.approx(mean - half, abs=0.003) and high == pytest.approx(mean + half, abs=0.003)
    assert (mean, low, high) == faithfulness.mean_interval(values, seed=1)
    assert (low, high) != faithfulness.mean_interval(values, seed=2)[1:]
    assert faithfulness.mean_interval(values) == faithfulness.mean_interval(values, seed=42)


def test_a_planted_word_decides_the_label_and_nothing_else_changes():
    texts = make_tiny_reviews(60)[0]
    frame = pd.DataFrame({"text": texts, "label": 1, "stars": range(60)})
    planted = faithfulness.plant(frame, ("zebra", "violin"), seed=3)
    places = []
    for before, after, label in zip(texts, planted["text"], planted["label"], strict=True):
        units, word = after.split(" "), ("zebra", "violin")[label]
        places.append(units.index(word) / (len(units) - 1))
        units.remove(word)
        assert " ".join(units) == before
    assert planted["label"].value_counts().tolist() == [30, 30] and planted["stars"].tolist() == list(range(60))
    assert min(places) == 0 and max(places) == 1 and 0.35 < np.mean(places) < 0.65
    assert planted.equals(faithfulness.plant(frame, ("zebra", "violin"), seed=3))
    assert not planted["text"].equals(faithfulness.plant(frame, ("zebra", "violin"), seed=4)["text"])
    assert frame["text"].tolist() == texts
    default = faithfulness.plant(frame, ("zebra", "violin"))
    assert default.equals(faithfulness.plant(frame, ("zebra", "violin"), seed=42))


def test_a_word_that_a_text_holds_cannot_be_planted():
    frame = pd.DataFrame({"text": ["A Zebra ran", "nothing"], "label": 0})
    with pytest.raises(ValueError, match="hold zebra already"):
        faithfulness.plant(frame, ("zebra", "violin"))
    with pytest.raises(ValueError, match="hold Nothing already"):
        faithfulness.plant(frame, ("violin", "Nothing"))


def test_found_first_is_the_share_with_a_planted_word_at_the_top(tiny_classifier):
    readings = explanation.read(tiny_classifier, ["the good film", "bad room", "very bad", "dull film"])
    scores = [np.array(values) for values in ([0.0, 3.0, 1.0], [2.0, 1.0], [2.0, 1.0], [0.0, -5.0])]
    assert faithfulness.found_first(readings, scores, ("good", "bad")) == 0.5
    assert faithfulness.found_first(readings, scores, ("dull", "very", "good", "bad")) == 1


def test_occlusion_finds_what_a_trained_model_goes_by(tiny_classifier):
    """A tiny model learns the planted words. Occlusion finds them, and chance does not."""
    texts = [" ".join(text.split()[:5]) for text in make_tiny_reviews(300)[0]]
    texts = [text.replace("good", "fine").replace("bad", "dull") for text in texts]
    planted = faithfulness.plant(pd.DataFrame({"text": texts, "label": 0}), ("bad", "good"))
    pairs = [(part["text"].tolist(), part["label"].to_numpy()) for part in (planted[:240], planted[240:270])]
    recipe = finetuning.Recipe(epochs=6, learning_rate=3e-3, patience=6)
    history = finetuning.fine_tune(tiny_classifier, *pairs, recipe)
    assert history["validation_accuracy"].max() > 0.95
    held_out = planted[270:]
    readings, targets = explanation.read(tiny_classifier, held_out["text"].tolist()), held_out["label"].to_numpy()
    scores = explanation.occlusion(tiny_classifier, readings, targets)
    chance_scores = explanation.random_scores(readings, 0)
    assert faithfulness.found_first(readings, scores, ("bad", "good")) > 0.9
    assert faithfulness.found_first(readings, chance_scores, ("bad", "good")) < 0.5
    by_scores, by_chance = (
        faithfulness.comprehensiveness(tiny_classifier, readings, values, targets).mean()
        for values in (scores, chance_scores)
    )
    assert by_scores > 0.3 and by_scores > 1.5 * by_chance


def changed_weights(classifier, other):
    """Names of the weights that differ, without the layer's own part of the name."""
    pairs = zip(classifier.model.variables, other.model.variables, strict=True)
    values = ((one.path, *finetuning.values_of([one, two])) for one, two in pairs)
    return [path for path, one, two in values if not np.array_equal(one, two)]


def spread(classifier):
    """Give weights that start as all 0 or all 1 different numbers: shuffling those would change nothing."""
    random = np.random.default_rng(0)
    for weight, value in zip(classifier.model.weights, finetuning.values_of(classifier.model.weights), strict=True):
        if np.ptp(value) == 0:
            weight.assign(value + random.normal(size=value.shape))
    return classifier


def test_a_copy_answers_alike_and_has_weights_of_its_own(tiny_classifier):
    original = replace(spread(tiny_classifier), max_length=16)
    texts = make_tiny_reviews(12)[0]
    before = finetuning.predict_proba(original, texts)
    copied = faithfulness.copy(original)
    assert finetuning.predict_proba(copied, texts) == pytest.approx(before, abs=1e-6)
    assert copied.max_length == original.max_length and copied.tokenizer is original.tokenizer
    copied.model.get_layer("logits").kernel.assign(-10 * copied.model.get_layer("logits").kernel)
    assert abs(finetuning.predict_proba(copied, texts) - before).max() > 0.01
    assert finetuning.predict_proba(original, texts) == pytest.approx(before, abs=1e-6)


def test_weights_are_shuffled_from_the_top(tiny_classifier):
    original = spread(tiny_classifier)
    before = finetuning.values_of(original.model.variables)
    found = {
        layers: changed_weights(original, faithfulness.shuffle_from_top(original, layers))
        for layers in (0, 1, 2, "all")
    }
    assert "logits/kernel" in found[0] and set(found[0]) <= {"logits/kernel", "logits/bias"}
    layer = [path for path in found[1] if path not in found[0]]
    assert layer and all("transformer_layer_1" in path for path in layer)  # the top one, of two
    both = [path for path in found[2] if path not in found[0]]
    assert len(both) == 2 * len(layer) and all("transformer_layer" in path for path in both)
    assert {"token_embedding", "embeddings_layer_norm"} <= {path.split("/")[0] for path in found["all"]}
    assert len(found["all"]) == len(original.model.weights) - 2 + len(found[0])
    after = finetuning.values_of(original.model.variables)
    assert all(np.array_equal(one, two) for one, two in zip(before, after, strict=True))  # the original stays


def test_shuffling_moves_numbers_and_changes_none(tiny_classifier):
    original = spread(tiny_classifier)
    first, second = (faithfulness.shuffled_values(original, "all", seed) for seed in (1, 2))
    again, only_head = faithfulness.shuffled_values(original, "all", 1), faithfulness.shuffled_values(original, 0, 1)
    for before, one, same in zip(finetuning.values_of(original.model.variables), first, again, strict=True):
        assert np.array_equal(np.sort(before.ravel()), np.sort(one.ravel())) and np.array_equal(one, same)
    kernel = next(i for i, variable in enumerate(original.model.variables) if "logits/kernel" in variable.path)
    assert np.array_equal(only_head[kernel], first[kernel])  # shuffled alike, with however many layers
    assert not np.array_equal(first[kernel], second[kernel])
    original_kernel = finetuning.values_of(original.model.variables)[kernel]
    rows = {tuple(row) for row in original_kernel.round(6).tolist()}
    assert any(tuple(row) not in rows for row in first[kernel].round(6).tolist())  # single numbers move, not rows
    assert all(map(np.array_equal, first, faithfulness.shuffled_values(original, "all", 1)))
    assert all(
        map(np.array_equal, faithfulness.shuffled_values(original, 1), faithfulness.shuffled_values(original, 1, 42))
    )


@pytest.mark.parametrize("layers", [3, -1])
def test_more_layers_than_there_are_cannot_be_shuffled(tiny_classifier, layers):
    with pytest.raises(ValueError, match=f"There are 2 Transformer layers, not {layers}"):
        faithfulness.shuffle_from_top(tiny_classifier, layers)


def test_rank_agreement_is_spearmans_of_absolute_scores():
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    one, other = random.integers(-4, 5, size=(2, 12)).astype(float)  # with ties
    found = faithfulness.rank_agreement([one, one, one, -one], [one, -one, other, np.exp(np.abs(one))])
    assert found == pytest.approx([1, 1, spearmanr(np.abs(one), np.abs(other)).statistic, 1])
    reverse = faithfulness.rank_agreement([np.array([1.0, 2.0, 3.0])], [np.array([3.0, -2.0, 1.0])])
    assert reverse == pytest.approx([-1])
    assert np.isnan(faithfulness.rank_agreement([np.ones(3)], [np.array([1.0, 2.0, 3.0])])).all()
