"""Explanations by hand: units and tokens, and each method against what it should give, on both backends."""

import gc
import itertools
import json
import math
import subprocess
import sys
import unicodedata
import weakref
from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import SPECIAL, WORDS, make_tiny_classifier

from helpers import explanation, finetuning, models, runtime
from helpers.explanation import OUTSIDE

TEXTS = [
    "the film was not good",
    "bad",
    "very good room !",
    "",
    "  dull  fine\tfilms. ",
    "好评 good",
    "zzz qqq",
    "a\u200b\u0301",
]


@pytest.fixture(scope="module")
def classifier():
    """A tiny classifier with large random weights, so that each token shows in the answer."""
    tiny = make_tiny_classifier(num_classes=3)
    random = np.random.default_rng(1)
    for weight in tiny.model.trainable_variables:
        if len(weight.shape) > 1:
            weight.assign(random.normal(scale=0.4, size=weight.shape))
    bias = tiny.model.get_layer("logits").bias
    bias.assign(
        -np.median(explanation.predict(tiny, explanation.read(tiny, TEXTS)), axis=0)
    )  # so each class is predicted
    return tiny


@pytest.fixture(scope="module")
def readings(classifier):
    return explanation.read(classifier, TEXTS)


def f(classifier, ids, target):
    """Log-odds of one row of token ids, by probabilities."""
    p = finetuning.softmax(classifier.model(models.inputs_of(ids[None]), training=False), axis=1)[0, target]
    return float(np.log(p / (1 - p)))


# ---- units and tokens


def test_units_are_words_and_single_chinese_characters(classifier, readings):
    assert readings[0].units == ("the", "film", "was", "not", "good")
    assert readings[3].units == () and readings[3].owner.tolist() == [OUTSIDE] * 2
    assert readings[4].units == ("dull", "fine", "films.")
    assert readings[4].owner.tolist() == [OUTSIDE, 0, 1, 2, 2, 2, OUTSIDE]  # film ##s .
    assert readings[5].units == ("好", "评", "good") and readings[6].units == ("zzz", "qqq")
    assert readings[7].units == ("a\u200b\u0301",)
    (mixed,) = explanation.read(classifier, ["good好，bad。 !"])
    assert mixed.units == ("good", "好", "，bad。", "!")
    assert mixed.mask_id == SPECIAL.index("[MASK]")


def make_awkward_texts(number=400):
    """Texts of letters, spaces of many kinds, marks, controls, ideographs, emoji and unassigned codes, mixed by chance."""
    random = np.random.default_rng(7)
    planes = [
        (0x20, 0x7F),
        (0, 0x100),
        (0x300, 0x370),
        (0x2000, 0x2070),
        (0x3000, 0x3100),
        (0x4E00, 0x4F00),
        (0xAC00, 0xAC80),
    ]
    planes += [(0xF900, 0xF980), (0x1F300, 0x1F6FF), (0x20000, 0x20100), (0xE0000, 0xE0100), (0xFE00, 0x10000)]
    texts = []
    for _ in range(number):
        parts = []
        for _ in range(random.integers(0, 14)):
            low, high = planes[random.integers(len(planes))]
            parts.append(chr(random.integers(low, high)))
            parts.append(random.choice(["", "", " ", "  ", "good", "films", " bad", "\t", "İ", "ﬁ", "x" * 101]))
        texts.append("".join(parts))
    return texts


@pytest.mark.parametrize("split", [True, False])
def test_every_text_is_read_as_the_model_reads_it(classifier, split):
    tokenizer = models.keras_hub.models.BertTokenizer(SPECIAL + WORDS, lowercase=True, strip_accents=True)
    tokenizer.split_on_cjk = split
    own = replace(classifier, tokenizer=tokenizer, max_length=24)
    texts = [*TEXTS, *make_awkward_texts(), " ".join(["very"] * 300), "好" * 300]
    found, expected = explanation.read(own, texts), models.token_ids(tokenizer, texts, 24)
    for reading, ids in zip(found, expected, strict=True):
        assert reading.token_ids.dtype == "int32" and reading.token_ids.tolist() == ids.tolist(), reading.text
        inner = reading.owner[1:-1]
        assert reading.owner[0] == reading.owner[-1] == OUTSIDE and len(reading.owner) == len(ids)
        assert sorted(set(inner.tolist())) == list(
            range(len(reading.units))
        )  # each unit has a token, each token a unit
        assert inner.tolist() == sorted(inner.tolist())
        if len(ids) < 24:  # a unit alone reads as its tokens do, and units stand in the text in this order
            alone = models.token_ids(tokenizer, reading.units)
            for unit, row in enumerate(alone):
                assert row[1:-1].tolist() == reading.token_ids[reading.owner == unit].tolist(), (reading.text, unit)
    assert len(found[-1].units) == (22 if split else 1) and len(found[-2].units) == 22


def test_units_have_no_spaces_and_lose_no_letter(classifier):
    for reading in explanation.read(classifier, make_awkward_texts(100)):
        assert not any(unicodedata.category(letter) == "Zs" for unit in reading.units for letter in unit)
        rest = reading.text
        for unit in reading.units:
            place = rest.index(unit)
            skipped = models.token_ids(classifier.tokenizer, [rest[:place]])[0]
            assert len(skipped) == 2  # nothing that is read lies between two units
            rest = rest[place + len(unit) :]


def test_removing_units_leaves_the_others_tokens(readings):
    reading = readings[4]
    ids = reading.token_ids.tolist()
    assert explanation.remove(reading, [2]).tolist() == [*ids[:3], ids[-1]]
    masked = explanation.remove(reading, [0, 2], "mask")
    assert masked.tolist() == [ids[0], 4, ids[2], 4, 4, 4, ids[-1]] and masked.dtype == "int32"
    assert explanation.remove(reading, []).tolist() == explanation.remove(reading, [], "mask").tolist() == ids
    assert explanation.remove(reading, range(3)).tolist() == [ids[0], ids[-1]]
    with pytest.raises(ValueError, match="'delete', 'mask'"):
        explanation.remove(reading, [0], "cut")


# ---- answers


def test_log_odds_of_two_and_of_more_classes():
    assert np.allclose(explanation.log_odds([[1.0, 3.5], [2.0, -1.0]], [1, 0]), [2.5, 3.0])
    logits = np.array([[0.3, -1.2, 2.0]])
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    for target in range(3):
        assert np.isclose(explanation.log_odds(logits, [target])[0], math.log(p[target] / (1 - p[target])))
    assert explanation.log_odds(np.array([[0.0, 90.0]], "float32"), [1]).tolist() == [90]  # where p is 1 in float64


@pytest.mark.parametrize("compiles", [True, False])
def test_answers_are_the_models_in_the_given_order_and_equal_rows_are_computed_once(
    classifier, readings, monkeypatch, compiles
):
    seen = []
    predict = finetuning.predict_logits
    device = replace(finetuning.this_device(), compiles=compiles)
    monkeypatch.setattr(finetuning, "this_device", lambda: device)
    monkeypatch.setattr(
        finetuning, "predict_logits", lambda model, batches: seen.append(batches) or predict(model, batches)
    )
    rows = [reading.token_ids for reading in readings]
    found = explanation.answer(classifier, [*rows, rows[0], rows[4]])
    for row, logits in zip([*rows, rows[0], rows[4]], found, strict=True):
        assert np.allclose(logits, classifier.model(models.inputs_of(row[None]), training=False)[0], atol=1e-5)
    assert len(seen[0].token_ids) == (32 if compiles else len(rows))
    assert np.allclose(explanation.predict(classifier, readings), found[: len(rows)])
    assert explanation.answer(classifier, []).shape == (0, 3)


# ---- occlusion and Shapley values


@pytest.mark.parametrize("how", explanation.HOWS)
def test_occlusion_is_what_the_log_odds_lose(classifier, readings, how):
    found = explanation.occlusion(classifier, readings, targets=2, how=how)
    for reading, scores in zip(readings, found, strict=True):
        assert scores.dtype == "float64" and scores.shape == (len(reading.units),)
        whole = f(classifier, reading.token_ids, 2)
        without = [f(classifier, explanation.remove(reading, [unit], how), 2) for unit in range(len(reading.units))]
        assert np.allclose(scores, whole - np.array(without), atol=1e-4)
    assert max(np.abs(scores).max(initial=0) for scores in found) > 0.1  # else all of this would say little


def test_without_targets_the_predicted_class_is_explained(classifier, readings):
    predicted = explanation.predict(classifier, readings).argmax(axis=1)
    assert len(set(predicted)) > 1
    for method in explanation.METHODS.values():
        for given, found in zip(method(classifier, readings, predicted), method(classifier, readings), strict=True):
            assert np.allclose(given, found, atol=1e-5)


def exact_shapley(value, number):
    """Shapley values of a set function by its formula over all subsets."""
    found = np.zeros(number)
    for unit in range(number):
        others = [other for other in range(number) if other != unit]
        for size in range(number):
            weight = math.factorial(size) * math.factorial(number - size - 1) / math.factorial(number)
            for kept in itertools.combinations(others, size):
                found[unit] += weight * (value({*kept, unit}) - value(set(kept)))
    return found


@pytest.mark.parametrize("how", explanation.HOWS)
def test_shapley_values_of_three_units_are_exact(classifier, how):
    (reading,) = explanation.read(classifier, ["not good films"])
    expected = exact_shapley(
        lambda kept: f(classifier, explanation.remove(reading, {0, 1, 2} - kept, how), 1), len(reading.units)
    )
    (found,) = explanation.shapley(classifier, [reading], [1], permutations=6, how=how)
    assert np.allclose(found, expected, atol=1e-4) and np.abs(expected).max() > 0.1
    (occluded,) = explanation.occlusion(classifier, [reading], [1], how=how)
    assert np.abs(occluded - expected).max() > 0.01  # words depend on each other


@pytest.mark.parametrize("permutations", [1, 5, 6])
def test_shapley_values_add_up_in_every_order(classifier, readings, permutations):
    found = explanation.shapley(classifier, readings, 0, permutations)
    for reading, scores in zip(readings, found, strict=True):
        nothing = explanation.remove(reading, range(len(reading.units)))
        assert np.isclose(scores.sum(), f(classifier, reading.token_ids, 0) - f(classifier, nothing, 0), atol=1e-4)


def test_orders_come_in_pairs_and_by_seed():
    orders = explanation.draw_orders(9, 5, seed=1)
    assert len(orders) == 5 and all(sorted(order) == list(range(9)) for order in orders)
    assert orders[1] == orders[0][::-1] and orders[3] == orders[2][::-1] and orders[2] != orders[0]
    assert orders == explanation.draw_orders(9, 5, seed=1) != explanation.draw_orders(9, 5, seed=2)
    assert explanation.draw_orders(3, 6, 1) == list(itertools.permutations(range(3))) and explanation.draw_orders(
        0, 6, 1
    ) == [()]
    assert len(explanation.draw_orders(3, 5, 1)) == 5 and len(explanation.draw_orders(126, 6, 1)) == 6


def test_a_texts_scores_depend_on_the_seed_and_not_on_its_neighbours(classifier, readings):
    alone = explanation.shapley(classifier, readings[:1], 0, permutations=4)[0]
    (_, beside) = explanation.shapley(classifier, [readings[2], readings[0]], 0, permutations=4)
    other = explanation.shapley(classifier, readings[:1], 0, permutations=4, seed=1)[0]
    assert np.allclose(alone, beside, atol=1e-5) and np.abs(alone - other).max() > 1e-3


# ---- gradients


def test_gradients_are_the_slopes_of_the_log_odds(classifier, readings):
    vectors = explanation.look_up(classifier, readings[0].token_ids)
    table = keras.ops.convert_to_numpy(classifier.backbone.token_embedding.embeddings)
    assert np.array_equal(vectors, table[readings[0].token_ids])
    random, model = np.random.default_rng(0), explanation._from_vectors(classifier)
    rows = np.stack([vectors, vectors + random.normal(scale=0.1, size=vectors.shape)]).astype("float32")
    way = random.normal(size=rows.shape).astype("float32")
    mask = np.ones(rows.shape[:2], "int32")
    for target in range(3):
        found = (explanation.gradients(classifier, rows, target) * way).sum(axis=(1, 2))
        sides = [np.asarray(model([rows + step * way, 0 * mask, mask], training=False)) for step in (1e-3, -1e-3)]
        slopes = (explanation.log_odds(sides[0], target) - explanation.log_odds(sides[1], target)) / 2e-3
        assert np.allclose(found, slopes, rtol=0.02, atol=0.01) and np.abs(slopes).max() > 0.05


def test_many_rows_go_in_parts(classifier, readings, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(5, 4, 16)).astype("float32")
    whole = explanation.gradients(classifier, rows, 1)
    monkeypatch.setattr(explanation, "ROWS_AT_ONCE", 2)
    assert np.allclose(explanation.gradients(classifier, rows, 1), whole, atol=1e-5) and whole.shape == rows.shape


def test_integrated_gradients_add_up_and_the_more_steps_the_better(classifier, readings):
    gaps = {steps: explanation.completeness_gap(classifier, readings, 1, steps) for steps in (2, 64)}
    assert gaps[64].max() < 0.01 < np.median(gaps[2][gaps[2] > 0])
    assert gaps[64][3] == 0  # the empty text
    found = explanation.integrated_gradients(classifier, readings, 1, 64)
    for reading, scores in zip(readings, found, strict=True):
        masked = explanation.remove(reading, range(len(reading.units)), "mask")
        difference = f(classifier, reading.token_ids, 1) - f(classifier, masked, 1)
        assert np.isclose(scores.sum(), difference, atol=0.01 * abs(difference) + 1e-4)


class Linear:
    """A model whose logits are linear in the mean of the token vectors."""

    def __init__(self, tiny):
        ids, mask = tiny.model.input["token_ids"], tiny.model.input["padding_mask"]
        embedding = keras.layers.Embedding(tiny.tokenizer.vocabulary_size(), 8)
        pooled = keras.layers.GlobalAveragePooling1D()(embedding(ids), mask=mask)
        self.token_embedding = embedding
        self.max_sequence_length = tiny.backbone.max_sequence_length
        self.model = keras.Model(tiny.model.input, keras.layers.Dense(2, name="logits")(pooled))


def test_a_linear_model_is_explained_exactly_by_one_step(tiny_classifier):
    linear = Linear(tiny_classifier)
    own = models.Classifier(linear, linear.model, tiny_classifier.tokenizer)
    readings = explanation.read(own, ["very good films !", "not bad"])
    table = keras.ops.convert_to_numpy(linear.token_embedding.embeddings)
    kernel = keras.ops.convert_to_numpy(linear.model.get_layer("logits").kernel)
    for steps in (1, 7):
        for reading, found in zip(readings, explanation.integrated_gradients(own, readings, 1, steps), strict=True):
            by_token = (
                (table[reading.token_ids] - table[reading.mask_id]) @ (kernel[:, 1] - kernel[:, 0]) / len(reading.owner)
            )
            expected = [by_token[reading.owner == unit].sum() for unit in range(len(reading.units))]
            assert np.allclose(found, expected, atol=1e-6)
    products = explanation.gradient_times_input(own, readings, 1)
    for reading, found in zip(readings, products, strict=True):
        by_token = table[reading.token_ids] @ (kernel[:, 1] - kernel[:, 0]) / len(reading.owner)
        assert np.allclose(found, [by_token[reading.owner == u].sum() for u in range(len(reading.units))], atol=1e-6)
    norms = explanation.gradient_norm(own, readings, 1)
    length = np.linalg.norm(kernel[:, 1] - kernel[:, 0])
    for reading, found in zip(readings, norms, strict=True):
        tokens = [np.sum(reading.owner == unit) for unit in range(len(reading.units))]
        assert np.allclose(found, length * np.sqrt(tokens) / len(reading.owner), atol=1e-6)


def test_changed_weights_change_the_gradient(readings):
    tiny = make_tiny_classifier()
    before = explanation.gradient_norm(tiny, readings[:1], 0)[0]
    kernel = tiny.model.get_layer("logits").kernel
    kernel.assign(3 * kernel.value)
    assert np.allclose(explanation.gradient_norm(tiny, readings[:1], 0)[0], 3 * before, rtol=1e-3)


def test_a_model_that_is_gone_leaves_no_gradient_behind(readings):
    tiny = make_tiny_classifier()
    explanation.gradient_norm(tiny, readings[:1], 0)
    gone = weakref.ref(tiny.model)
    assert gone() in explanation._gradients
    del tiny
    gc.collect()
    assert gone() is None


# ---- attention


def by_hand(classifier, ids):
    """Attention of each layer, the heads' mean, in NumPy; a layer's input is what the layer before it gives."""
    backbone, inputs, found = classifier.backbone, models.inputs_of(ids[None]), []
    names = ["embeddings_dropout", *(layer.name for layer in backbone.transformer_layers[:-1])]
    for name, layer in zip(names, backbone.transformer_layers, strict=True):
        x = np.asarray(keras.Model(backbone.input, backbone.get_layer(name).output)(inputs, training=False))[0]
        attention = layer._self_attention_layer
        query, key = (
            np.einsum("tw,whd->htd", x, dense.kernel) + np.asarray(dense.bias)[:, None]
            for dense in (attention.query_dense, attention.key_dense)
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        found.append(finetuning.softmax(scores, axis=-1).mean(axis=0))
    return np.stack(found)


def test_attention_weights_are_the_softmax_of_queries_and_keys(classifier, readings):
    for reading in readings[:5]:
        found = explanation.attention_weights(classifier, reading.token_ids)
        assert found.shape == (2, len(reading.owner), len(reading.owner))
        assert np.allclose(found, by_hand(classifier, reading.token_ids), atol=1e-5)
    assert np.abs(found - found.mean(axis=-1, keepdims=True)).max() > 0.05


def test_attention_adds_no_node_to_the_layers(classifier, readings):
    explanation.rollout(classifier, readings[:1])
    assert all(layer.output.shape == (None, None, 16) for layer in classifier.backbone.transformer_layers)


def test_last_attention_is_what_a_units_tokens_are_paid(classifier, readings):
    reading = readings[4]
    weights = by_hand(classifier, reading.token_ids)[-1].mean(axis=0)
    (found,) = explanation.last_attention(classifier, [reading])
    assert np.allclose(found, [weights[1], weights[2], weights[3:6].sum()], atol=1e-5)


def test_rollout_multiplies_the_layers_with_half_of_each_tokens_own():
    first, second = np.array([[[0.2, 0.8], [1, 0]], [[0.5, 0.5], [0, 1]]])
    expected = (second + np.eye(2)) / 2 @ ((first + np.eye(2)) / 2)
    found = explanation.roll_out(np.stack([first, second]))
    assert np.allclose(found, expected) and np.allclose(found, [[0.575, 0.425], [0.5, 0.5]])


def test_rollout_is_what_reaches_the_mean_of_the_tokens(classifier, readings):
    reading = readings[4]
    flow = explanation.roll_out(by_hand(classifier, reading.token_ids)).mean(axis=0)
    (found,) = explanation.rollout(classifier, [reading])
    assert np.allclose(found, [flow[1], flow[2], flow[3:6].sum()], atol=1e-5)
    assert np.isclose(found.sum() + flow[[0, -1]].sum(), 1)


# ---- all methods


def test_random_scores_follow_the_seed(readings):
    first, again, other = (explanation.random_scores(readings, seed) for seed in (1, 1, 2))
    assert [scores.shape for scores in first] == [(len(reading.units),) for reading in readings]
    assert np.array_equal(first[0], again[0]) and not np.array_equal(first[0], other[0])
    assert min(first[0]) < 0 < max(first[0]) and np.abs(np.concatenate(first)).max() <= 1


@pytest.mark.parametrize("name", explanation.METHODS)
def test_each_method_gives_each_unit_a_finite_number(classifier, readings, name):
    found = explanation.METHODS[name](classifier, readings)
    assert [(scores.shape, scores.dtype.name) for scores in found] == [((len(r.units),), "float64") for r in readings]
    assert all(np.isfinite(scores).all() for scores in found)
    assert explanation.METHODS[name](classifier, []) == []


ON_JAX = """
import json, sys
sys.path.insert(0, "tests")
import numpy as np
from conftest import make_tiny_classifier
from helpers import explanation, finetuning
tiny = make_tiny_classifier(num_classes=3)
finetuning.assign(tiny.model.trainable_variables, finetuning.load_arrays(sys.argv[1])[0])
readings = explanation.read(tiny, json.loads(sys.argv[2]))
found = {name: method(tiny, readings, 1) for name, method in explanation.METHODS.items()}
found["gap"] = [explanation.completeness_gap(tiny, readings, 1)]
print(json.dumps({name: [scores.tolist() for scores in rows] for name, rows in found.items()}))
"""


@pytest.mark.tensorflow
def test_jax_finds_the_same_scores(classifier, readings, tmp_path):
    if keras.backend.backend() == "jax":
        pytest.skip("this run is on JAX itself")
    path, few = tmp_path / "weights.npz", [0, 3, 4, 5]
    finetuning.save_arrays(path, finetuning.values_of(classifier.model.trainable_variables), {})
    texts = json.dumps([TEXTS[row] for row in few])
    command = [sys.executable, "-c", ON_JAX, str(path), texts]
    environment = runtime.environment_with(KERAS_BACKEND="jax")
    run = subprocess.run(command, env=environment, cwd=runtime.COURSE, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    for name, method in explanation.METHODS.items():
        for mine, other in zip(method(classifier, [readings[row] for row in few], 1), found[name], strict=True):
            assert np.allclose(mine, other, atol=1e-4), name
    gaps = explanation.completeness_gap(classifier, [readings[row] for row in few], 1)
    assert np.allclose(gaps, found["gap"][0], atol=1e-3)
