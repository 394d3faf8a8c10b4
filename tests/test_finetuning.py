"""Batches, training, checkpoints; a killed training that ends like an uninterrupted one."""

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, replace

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import make_tiny_classifier, make_tiny_reviews

from helpers import evaluation, finetuning, models, runtime
from helpers.finetuning import LengthGroupedBatches, Recipe

TINY = Recipe(epochs=3, batch_size=8, learning_rate=1e-3, seed=5)


def random_ids(lengths):
    return [np.arange(1, length + 1, dtype="int32") for length in lengths]


@pytest.fixture
def many_ids():
    return random_ids(np.random.default_rng(0).integers(2, 60, size=700))


# ---- batches


def test_of_many_batches_fit_need_not_wait_for_the_tuner_of_tf_data():
    ids = [np.array([2, 5, 3], "int32")] * 33
    many = 2 if keras.backend.backend() == "tensorflow" else 1  # with two Keras turns the tuner off; JAX has none
    assert finetuning.LengthGroupedBatches(ids, batch_size=4).workers == many
    assert finetuning.LengthGroupedBatches(ids[:-1], batch_size=4).workers == 1


def test_pad_fills_up_to_a_bucket_and_masks_the_filling():
    inputs = finetuning.pad(random_ids([13, 15]), pad_id=99)
    first, second = list(range(1, 14)), list(range(1, 16))
    assert inputs["token_ids"].tolist() == [[*first, 99, 99, 99], [*second, 99]]
    assert inputs["padding_mask"].tolist() == [[1] * 13 + [0] * 3, [1] * 15 + [0]]
    assert not inputs["segment_ids"].any()
    assert {array.dtype.name for array in inputs.values()} == {"int32"}
    assert finetuning.pad(random_ids([13, 15]))["token_ids"][0].tolist() == [*first, 0, 0, 0]


def test_lengths_come_from_the_buckets_and_longer_texts_keep_theirs():
    expected = {"tensorflow": [8, 8, 16, 40, 64, 96, 128, 200], "jax": [16, 16, 16, 64, 64, 128, 128, 200]}
    found = [finetuning.padded_length(n) for n in (2, 8, 9, 33, 64, 65, 128, 200)]
    assert found == expected[keras.backend.backend()]


def test_lengths_are_few_where_xla_compiles_each(monkeypatch):
    for compiles, lengths in [(True, {16, 32, 64, 128}), (False, {8, 16, 24, 32, 40, 48, 56, 64, 96, 128})]:
        device = replace(runtime.find_device("jax"), compiles=compiles)
        monkeypatch.setattr(runtime, "find_device", lambda backend, device=device: device)
        assert {finetuning.padded_length(n) for n in range(1, 129)} == lengths


def test_each_epoch_holds_each_text_once_with_its_label(many_ids):
    labels = np.arange(len(many_ids))
    batches = LengthGroupedBatches(many_ids, labels, batch_size=16, seed=1, epoch=2)
    seen = []
    for index in range(len(batches)):
        inputs, batch_labels = batches[index]
        for row, label in enumerate(batch_labels):
            length = inputs["padding_mask"][row].sum()
            assert inputs["token_ids"][row, :length].tolist() == many_ids[label].tolist()
        seen += batch_labels.tolist()
    assert sorted(seen) == labels.tolist()


def test_order_depends_on_seed_and_epoch_alone(many_ids):
    labels = np.zeros(len(many_ids))

    def order(seed, epoch):
        return LengthGroupedBatches(many_ids, labels, 16, seed, epoch).order.tolist()

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1) and order(1, 0) != order(2, 0)


def test_batches_are_of_32_texts_of_seed_0_and_epoch_0_unless_told_otherwise(many_ids):
    labels = np.zeros(len(many_ids))
    by_default = LengthGroupedBatches(many_ids, labels)
    told = LengthGroupedBatches(many_ids, labels, batch_size=32, seed=0, epoch=0, pad_id=0)
    ids = [[batches[i][0]["token_ids"].tolist() for i in range(len(batches))] for batches in (by_default, told)]
    assert ids[0] == ids[1]


def test_texts_are_sorted_within_groups_of_sixteen_batches():
    found = finetuning.group_by_length(np.arange(70), 2, np.random.default_rng(3))
    order = np.random.default_rng(3).permutation(70).tolist()
    groups = [sorted(order[start : start + 32]) for start in (0, 32, 64)]
    expected = [group[i : i + 2] for group in groups for i in range(0, len(group), 2)]
    assert sorted(rows.tolist() for rows in found) == sorted(expected)
    assert [rows.tolist() for rows in found] != expected  # the batches are shuffled


def real_share(batches):
    masks = [batches[i][0]["padding_mask"] for i in range(len(batches))]
    return sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks)


def test_grouping_saves_padding(many_ids):
    grouped = real_share(LengthGroupedBatches(many_ids, np.zeros(len(many_ids)), 16))
    in_given_order = real_share([(finetuning.pad(many_ids[i : i + 16]),) for i in range(0, len(many_ids), 16)])
    few_lengths = keras.backend.backend() == "jax"
    assert grouped > (0.65 if few_lengths else 0.8) and in_given_order < 0.65


def test_first_two_batches_differ_in_length_so_that_keras_takes_the_others(many_ids):
    for epoch in range(20):
        batches = LengthGroupedBatches(many_ids, np.zeros(len(many_ids)), 16, epoch=epoch)
        first, second = (batches[i][0]["token_ids"].shape[1] for i in range(2))
        assert first != second


def test_padding_does_not_change_the_answer(minilm):
    short, long = models.token_ids(minilm.tokenizer, ["Fine film.", "not " * 60])
    alone, padded = finetuning.pad([short]), finetuning.pad([short, long])
    assert alone["token_ids"].shape[1] < padded["token_ids"].shape[1]
    logits = [keras.ops.convert_to_numpy(minilm.model(inputs, training=False)) for inputs in (alone, padded)]
    assert np.allclose(logits[0][0], logits[1][0], atol=1e-5)
    assert not np.allclose(logits[1][0], logits[1][1], atol=1e-2)


# ---- training


def train(classifier, recipe=TINY, folder=None, callbacks=()):
    texts, labels = make_tiny_reviews()
    held_out = make_tiny_reviews(40, seed=1)
    return finetuning.fine_tune(classifier, (texts, labels), held_out, recipe, folder, callbacks)


def weights(classifier):
    return finetuning.values_of(classifier.model.variables)


def test_training_learns(tiny_classifier):
    history = train(tiny_classifier, replace(TINY, epochs=12, patience=12, learning_rate=1e-2))
    texts, labels = make_tiny_reviews(60, seed=2)
    right = (finetuning.predict_proba(tiny_classifier, texts).argmax(axis=1) == labels).mean()
    assert right > 0.9 > 0.3 > history["train_loss"].iloc[-1]


def test_each_epoch_of_a_training_has_its_own_order(tiny_classifier, monkeypatch):
    seen = []
    grouped = finetuning.group_by_length

    def spy(lengths, batch_size, random):
        batches = grouped(lengths, batch_size, random)
        seen.append(np.concatenate(batches).tolist())
        return batches

    monkeypatch.setattr(finetuning, "group_by_length", spy)
    train(tiny_classifier)
    assert len({tuple(order) for order in seen}) == len(seen) == TINY.epochs


def test_history_is_what_the_weights_say(tiny_classifier, capsys):
    history = train(tiny_classifier)
    assert "/step" not in capsys.readouterr().out  # Keras keeps its own bar to itself: a lesson prints one bar
    texts, labels = make_tiny_reviews(40, seed=1)
    probabilities = finetuning.predict_proba(tiny_classifier, texts)
    best = max(history.to_dict("records"), key=finetuning.judge_epoch)
    assert best["validation_loss"] == pytest.approx(-np.log(probabilities[np.arange(40), labels]).mean(), rel=1e-4)
    assert best["validation_accuracy"] == (probabilities.argmax(axis=1) == labels).mean()


def test_training_ends_with_the_best_weights_not_the_last(tiny_classifier):
    texts, labels = make_tiny_reviews(40, seed=1)
    recipe = replace(TINY, epochs=12, learning_rate=3e-2, patience=12)
    history = finetuning.fine_tune(tiny_classifier, make_tiny_reviews(24), (texts, labels), recipe)  # it over-fits
    best = max(history.to_dict("records"), key=finetuning.judge_epoch)
    last = history["validation_loss"].iloc[-1]
    assert abs(best["validation_loss"] - last) > 0.02  # or else this test would prove nothing
    loss = -np.log(finetuning.predict_proba(tiny_classifier, texts)[np.arange(40), labels]).mean()
    assert loss == pytest.approx(best["validation_loss"], rel=1e-3)


@pytest.fixture
def accelerated(monkeypatch):
    """The settings of an accelerator, on what runs here."""
    device = replace(finetuning.this_device(), batch_size=256, steps_per_execution=8)
    monkeypatch.setattr(runtime, "find_device", lambda backend: device)


def test_several_steps_at_once_end_with_the_same_weights(accelerated, monkeypatch, capsys):
    monkeypatch.setattr(finetuning, "steps_at_once", lambda steps: 5)  # 12 steps an epoch: 5, 5 and 2
    calls = []
    together = make_tiny_classifier()
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: calls.append(batch))
    train(together, callbacks=[count])
    assert len(calls) == 3 * 3 and "| 36/36 [" in capsys.readouterr().out
    monkeypatch.setattr(finetuning, "steps_at_once", lambda steps: 1)
    one_by_one = make_tiny_classifier()
    train(one_by_one)
    for one, other in zip(*(finetuning.values_of(c.model.variables) for c in (together, one_by_one)), strict=True):
        assert np.allclose(one, other, atol=1e-6)


def test_the_bar_goes_on_from_earlier_epochs_and_not_beyond_the_end_of_one():
    progress, counted = finetuning.Progress(total=10, done=5), []
    progress.set_params({"steps": 5})
    progress.on_epoch_begin(1)
    for batch in (1, 3, 5):  # two at once
        progress.on_train_batch_end(batch)
        counted.append(progress.bar.n)
    progress.bar.close()
    assert counted == [7, 9, 10]


def test_callbacks_are_called_sixteen_times_an_epoch_or_more(accelerated):
    assert [finetuning.steps_at_once(steps) for steps in (1, 16, 47, 128, 1000)] == [1, 1, 2, 8, 8]


def test_the_device_decides_the_batches_of_predictions(tiny_classifier, accelerated, monkeypatch):
    sizes, made = [], finetuning.predict_logits
    spy = lambda model, batches: sizes.extend(map(len, batches.batches)) or made(model, batches)  # noqa: E731
    monkeypatch.setattr(finetuning, "predict_logits", spy)
    finetuning.predict_proba(tiny_classifier, make_tiny_reviews(300)[0])
    finetuning.mean_features(tiny_classifier, make_tiny_reviews(300)[0])
    assert sizes == [256, 44, 256, 44]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_it_learns_in_16_bits_and_resumes(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        through, halves = make_tiny_classifier(), make_tiny_classifier()
        recipe = replace(TINY, epochs=12, learning_rate=1e-2, patience=12)
        history = train(through, recipe)
        stop = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: stopper(tmp_path))
        with pytest.raises(KeyboardInterrupt):
            train(halves, recipe, tmp_path, [stop])
        train(halves, recipe, tmp_path)
    finally:
        keras.config.set_dtype_policy("float32")
    assert through.backbone.compute_dtype == policy.removeprefix("mixed_")
    assert isinstance(through.model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    assert history["validation_accuracy"].max() > 0.85
    stored, _ = finetuning.load_arrays(tmp_path / "last.npz")  # the loss scale is among the optimizer's variables
    assert len(stored) == len([*halves.model.variables, *halves.model.optimizer.variables])
    weights = [finetuning.values_of(classifier.model.variables) for classifier in (through, halves)]
    assert all(np.allclose(one, other, atol=1e-3) for one, other in zip(*weights, strict=True))


def stopper(folder):
    """Stops a training that has a checkpoint already."""
    if (folder / "last.npz").exists():
        raise KeyboardInterrupt


def test_the_better_epoch_has_more_right_answers_then_the_lower_loss():
    rows = [{"validation_accuracy": a, "validation_loss": loss} for a, loss in [(0.8, 0.5), (0.9, 0.7), (0.9, 0.6)]]
    assert sorted(rows[::-1], key=finetuning.judge_epoch) == rows


def test_patience():
    def stops(accuracies, patience=2):
        rows = [{"validation_accuracy": accuracy, "validation_loss": 0.5} for accuracy in accuracies]
        return finetuning.has_stopped_improving(rows, patience)

    assert not stops([]) and not stops([0.7, 0.8]) and not stops([0.8, 0.7]) and not stops([0.8, 0.7, 0.9])
    assert stops([0.8, 0.7, 0.8]) and stops([0.9, 0.7, 0.8]) and not stops([0.7, 0.8, 0.6, 0.9])


def test_early_stopping_stops(tiny_classifier):
    history = train(tiny_classifier, replace(TINY, epochs=30, learning_rate=3e-2, patience=1))
    rows = history.to_dict("records")
    assert len(rows) < 30 and finetuning.judge_epoch(rows[-1]) <= max(map(finetuning.judge_epoch, rows[:-1]))


def test_wrong_data_is_refused_before_training(tiny_classifier):
    fine = (["good", "bad"], [1, 0])
    for train_data, message in [
        ((["good"], [1, 0]), "1 texts and 2 labels"),
        (([], []), "0 texts"),
        ((["good", "bad"], [1, 2]), r"Labels must be 0 to 1; found \[.*2.*\]"),
        ((["good", "bad"], [1, -1]), "Labels must be 0 to 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            finetuning.fine_tune(tiny_classifier, train_data, fine, TINY)


def test_predict_proba_keeps_the_order_and_sums_to_one(tiny_classifier):
    train(tiny_classifier, replace(TINY, learning_rate=1e-2))  # or else it would answer the same to all
    texts, _ = make_tiny_reviews(70)
    together = finetuning.predict_proba(tiny_classifier, texts)
    one_by_one = np.concatenate([finetuning.predict_proba(tiny_classifier, [text]) for text in texts[:5]])
    assert together.shape == (70, 2) and np.allclose(together.sum(axis=1), 1)
    assert np.allclose(together[:5], one_by_one, atol=1e-6)
    assert not np.allclose(together[:5], together[5:10], atol=1e-2)


def test_predict_proba_of_nothing_and_of_an_empty_text(tiny_classifier):
    assert finetuning.predict_proba(tiny_classifier, []).shape == (0, 2)
    logits = tiny_classifier.model(finetuning.pad([np.array([2, 3], "int32")]), training=False)  # [CLS] [SEP]
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    assert np.allclose(finetuning.predict_proba(tiny_classifier, [""]), expected, atol=1e-6)


# ---- frozen features and LoRA


def test_mean_features_are_what_the_head_multiplies(tiny_classifier):
    texts, _ = make_tiny_reviews(40)
    features = finetuning.mean_features(tiny_classifier, texts)
    assert features.shape == (40, 16) and features.dtype == "float32"
    kernel, bias = map(keras.ops.convert_to_numpy, tiny_classifier.model.get_layer("logits").weights)
    logits = features @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(finetuning.predict_proba(tiny_classifier, texts), expected, atol=1e-5)


def test_frozen_features_are_scaled_then_classified():
    random = np.random.default_rng(0)
    labels = random.integers(3, size=300)
    features = random.normal(size=(300, 8)) + 1000  # far from 0: unscaled, the regression would fail
    features[:, 0] += 4 * labels
    model = finetuning.fit_frozen_head(features, labels)
    assert model.predict_proba(features).shape == (300, 3) and model.score(features, labels) > 0.8
    assert np.allclose(model[0].transform(features).mean(axis=0), 0, atol=1e-6)
    assert (model[1].C, model[1].max_iter) == (0.01, 2000)


def test_lora_trains_two_thin_matrices_of_query_and_value_and_the_head(tiny_classifier):
    all_numbers = finetuning.count_trained(tiny_classifier.model)
    assert all_numbers == models.parameter_count(tiny_classifier.model)
    changed = finetuning.add_lora(tiny_classifier, rank=3)
    assert changed is tiny_classifier
    layers, heads, width = 2, 2, 16
    thin = 2 * layers * 3 * (width * heads + width // heads)
    assert finetuning.count_trained(changed.model) == thin + (width + 1) * 2
    paths = {variable.path for variable in changed.model.trainable_variables}
    assert all("lora" in path or path.startswith("logits") for path in paths)


def test_lora_starts_as_the_same_model_learns_and_leaves_the_backbone_alone(tmp_path):
    plain, lora = make_tiny_classifier(), finetuning.add_lora(make_tiny_classifier())
    texts, labels = make_tiny_reviews(120)
    assert np.allclose(finetuning.predict_proba(plain, texts), finetuning.predict_proba(lora, texts), atol=1e-6)
    before = {v.path: keras.ops.convert_to_numpy(v).copy() for v in lora.backbone.non_trainable_variables}
    recipe = replace(TINY, epochs=12, learning_rate=3e-2)
    history = finetuning.fine_tune(lora, (texts, labels), make_tiny_reviews(40, seed=1), recipe, tmp_path)
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
    for variable in lora.backbone.non_trainable_variables:
        if "seed" not in variable.path:
            assert np.array_equal(before[variable.path], keras.ops.convert_to_numpy(variable)), variable.path
    again = finetuning.add_lora(make_tiny_classifier(), rank=4)  # and its checkpoint holds all of it
    finetuning.fine_tune(again, (texts, labels), make_tiny_reviews(40, seed=1), recipe, tmp_path)
    assert np.allclose(finetuning.predict_proba(lora, texts), finetuning.predict_proba(again, texts), atol=1e-6)


def test_a_loss_that_is_no_number_stops_the_training(tiny_classifier, tmp_path):
    tiny_classifier.model.get_layer("logits").kernel.assign(np.full((16, 2), np.nan))
    with pytest.raises(FloatingPointError, match="The loss is nan: lower the recipe's learning rate"):
        train(tiny_classifier, folder=tmp_path)
    assert not list(tmp_path.iterdir())  # nothing to resume from


# ---- checkpoints


def test_arrays_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "last.npz"
    finetuning.save_arrays(path, [np.arange(3)], {"epoch": 1})

    def full_disk(file, *arrays, **facts):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        finetuning.save_arrays(path, [np.arange(4)], {"epoch": 2})
    arrays, facts = finetuning.load_arrays(path)
    assert arrays[0].tolist() == [0, 1, 2] and facts == {"epoch": 1}


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "last.npz"
    finetuning.save_arrays(path, [np.arange(1000)], {})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"last\.npz is damaged"):
        finetuning.load_arrays(path)


def test_a_checkpoint_that_could_run_code_is_refused(tmp_path):
    path = tmp_path / "last.npz"
    np.savez(path, np.array([{}], dtype=object), facts=np.array("{}"))
    with pytest.raises(ValueError, match=r"last\.npz is damaged"):
        finetuning.load_arrays(path)


def test_another_training_does_not_resume(tmp_path):
    recipe, reviews, held_out = replace(TINY, epochs=1), make_tiny_reviews(), make_tiny_reviews(40, seed=1)
    first, second = make_tiny_classifier(), make_tiny_classifier(seed=3)
    finetuning.fine_tune(first, reviews, held_out, recipe, tmp_path)
    stored = {path: path.read_bytes() for path in tmp_path.iterdir()}
    turned = held_out[0], 1 - held_out[1]
    dropout = models.add_head(make_tiny_classifier().backbone, make_tiny_classifier().tokenizer, 2, dropout=0.3)
    lora = finetuning.add_lora(make_tiny_classifier(), 2)
    for classifier, train_data, validation, other, message in [
        (make_tiny_classifier(), reviews, held_out, replace(recipe, epochs=2), "different recipe"),
        (
            make_tiny_classifier(),
            reviews,
            held_out,
            replace(recipe, freeze_embeddings=True),
            "different recipe and model",
        ),
        (make_tiny_classifier(), make_tiny_reviews(96, seed=9), held_out, recipe, "different training data"),
        (make_tiny_classifier(), reviews, turned, recipe, "different validation data"),
        (
            make_tiny_classifier(),
            reviews,
            (make_tiny_reviews(40, seed=2)[0], held_out[1]),
            recipe,
            "different validation data",
        ),
        (make_tiny_classifier(num_classes=3), reviews, held_out, recipe, "different model"),
        (dropout, reviews, held_out, recipe, "different model"),
        (lora, reviews, held_out, recipe, "different model"),
    ]:
        before = weights(classifier)
        with pytest.raises(ValueError, match=rf"another training: {message}\. Delete it, or take another folder"):
            finetuning.fine_tune(classifier, train_data, validation, other, tmp_path)
        assert all(np.array_equal(*pair) for pair in zip(before, weights(classifier), strict=True))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == stored  # and it may go on
    finetuning.fine_tune(second, reviews, held_out, recipe, tmp_path)
    assert same(first, second)


def test_weights_of_another_shape_are_not_assigned(tiny_classifier):
    variables = tiny_classifier.model.variables
    for values in (weights(tiny_classifier)[:-1], [np.zeros((2, 2)) for _ in variables]):
        with pytest.raises(ValueError, match="another shape"):
            finetuning.assign(variables, values)


class StopAfter(keras.callbacks.Callback):
    """Raises KeyboardInterrupt, as a reader's stop button does, after some batches."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_a_stopped_training_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, capsys):
    through, stopped, resumed = (make_tiny_classifier() for _ in range(3))
    whole = train(through)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, folder=tmp_path, callbacks=[StopAfter(18)])  # in the second of three epochs
    capsys.readouterr()
    history = train(resumed, folder=tmp_path)
    assert history.equals(whole) and history["epoch"].tolist() == [1, 2, 3]
    assert "| 36/36 [" in capsys.readouterr().out
    for one, other in zip(weights(through), weights(resumed), strict=True):
        assert np.allclose(one, other, atol=1e-6, rtol=0)


def run_killed(folder, batch):
    """The tiny training in a process of its own; killed with SIGKILL after `batch` batches (0: never;
    -1: while the second checkpoint is being written)."""
    command = [sys.executable, str(runtime.COURSE / "tests" / "killed_training.py"), str(folder), str(batch)]
    return subprocess.run(
        command, capture_output=True, text=True, env=runtime.environment_with(TF_CPP_MIN_LOG_LEVEL="3")
    )


@pytest.mark.once
def test_sigkill_at_three_moments_changes_nothing(tmp_path):
    moments = [*np.random.default_rng(11).integers([2, 14], [12, 22]).tolist(), -1]
    for moment in moments:
        killed = run_killed(tmp_path / "killed", moment)
        assert killed.returncode == -9, killed.stderr
    unfinished = list((tmp_path / "killed" / "checkpoints").glob("*.unfinished"))
    assert len(unfinished) == 1  # the last kill came while a checkpoint was being written
    for name in ("killed", "through"):
        done = run_killed(tmp_path / name, 0)
        assert done.returncode == 0, done.stderr
    ends = [np.load(tmp_path / name / "end.npz") for name in ("killed", "through")]
    assert len(ends[0].files) > 30
    for name in ends[0].files:
        assert np.allclose(ends[0][name], ends[1][name], atol=1e-6, rtol=0)


# ---- the artifact


@pytest.fixture
def tiny_source(monkeypatch):
    """The tiny model in place of the pre-trained one, its head from the seed as there."""

    def make(source, num_classes, seed, max_length):
        return replace(make_tiny_classifier(num_classes, seed), max_length=max_length)

    monkeypatch.setattr(models, "make_classifier", make)


def frame(number=96, seed=0):
    texts, labels = make_tiny_reviews(number, seed)
    return pd.DataFrame({"text": texts, "label": labels})


def same(one, other):
    return all(np.array_equal(*pair) for pair in zip(weights(one), weights(other), strict=True))


def test_the_artifact_is_made_by_its_lesson_and_found_by_others(artifacts, tiny_source, monkeypatch):
    made, history = finetuning.load_or_fine_tune(frame(), frame(20, 1), TINY, remake=True)
    expected = make_tiny_classifier(seed=TINY.seed)  # trained without the artifact
    pairs = [(part["text"].tolist(), part["label"].to_numpy()) for part in (frame(), frame(20, 1))]
    finetuning.fine_tune(expected, *pairs, TINY)
    assert list(history) == ["epoch", "train_loss", "validation_loss", "validation_accuracy"]
    assert made.num_classes == 2 and not same(made, make_tiny_classifier(seed=TINY.seed))
    for one, other in zip(weights(made), weights(expected), strict=True):
        assert np.allclose(one, other, atol=1e-6)
    monkeypatch.setattr(finetuning, "fine_tune", None)  # whatever trains now fails
    found, same_history = finetuning.load_or_fine_tune(frame(), frame(20, 1), TINY)
    assert same(found, made) and np.allclose(history["train_loss"], same_history["train_loss"])
    assert not (artifacts / "checkpoints").exists() or not list((artifacts / "checkpoints").iterdir())
    keys = [folder.stem.removeprefix("classifier-") for folder in artifacts.glob("classifier-*.1")]
    for key in keys:  # as if another process were training it anew
        (artifacts / "checkpoints" / key).mkdir(parents=True)
    finetuning.load_or_fine_tune(frame(), frame(20, 1), TINY)
    assert set(os.listdir(artifacts / "checkpoints")) == set(keys) and len(keys) == 1


def test_all_that_decides_the_classifier_is_in_the_artifacts_key(artifacts, tiny_source, monkeypatch):
    monkeypatch.setattr(finetuning, "fine_tune", lambda classifier, *rest: trained.append(classifier) or history)
    trained, history = [], pd.DataFrame({"epoch": [1]})
    turned = frame(20, 1).assign(label=lambda table: 1 - table["label"])
    calls = [
        {},
        {"train": frame(95)},
        {"validation": frame(20, 2)},
        {"validation": turned},
        {"recipe": replace(TINY, seed=6)},
        {"recipe": replace(TINY, freeze_embeddings=True)},
        {"num_classes": 3},
        {"source": "another"},
    ]
    for _ in range(2):  # the second time all are found
        for call in calls:
            call = {"train": frame(), "validation": frame(20, 1), "recipe": TINY} | call
            classifier, _ = finetuning.load_or_fine_tune(**call)
            assert same(classifier, make_tiny_classifier(call.get("num_classes", 2), call["recipe"].seed))
    assert len(trained) == len(calls)
    assert trained[-2].num_classes == 3  # a class may be missing from the training texts
    finetuning.load_or_fine_tune(frame(), frame(20, 1), TINY, remake=True)
    assert len(trained) == len(calls) + 1


def test_frozen_embeddings_stand_still_and_the_rest_learns(tmp_path):
    classifier = make_tiny_classifier()
    before = {variable.path: np.array(variable) for variable in classifier.model.trainable_variables}
    train(classifier, replace(TINY, freeze_embeddings=True), tmp_path)
    moved = {path for path, value in before.items() if not np.array_equal(value, variable_at(classifier, path))}
    still = {path for path in before if any(f"{name}/" in path for name in finetuning.EMBEDDINGS)}
    assert len(still) == 3 and moved == set(before) - still
    assert finetuning.count_trained(classifier.model) == sum(before[path].size for path in moved)


def variable_at(classifier, path):
    return np.array(next(variable for variable in classifier.model.variables if variable.path == path))


def test_a_recipe_does_not_change():
    with pytest.raises(FrozenInstanceError):
        Recipe().epochs = 5


def test_facts_leave_out_an_option_that_is_off():
    options = {"freeze_embeddings", "class_weights", "by_macro_f1"}  # results from before they were there stand
    assert set(Recipe().facts()) == set(asdict(Recipe())) - options
    assert all(Recipe(**{option: True}).facts()[option] is True for option in options)
    assert replace(TINY, warmup_share=0.0, patience=0).facts()["warmup_share"] == 0


# ---- uneven classes, long texts


def test_classes_weigh_alike_and_a_text_one_on_average():
    assert finetuning.weigh_classes(np.array([0, 0, 0, 1]), 2) == pytest.approx({0: 2 / 3, 1: 2})
    labels = np.array([2, 0, 2, 2, 0, 3, 2, 2])  # class 1 has no text: the other three share all
    found = finetuning.weigh_classes(labels, 4)
    assert found == pytest.approx({0: 4 / 3, 1: 0, 2: 8 / 15, 3: 8 / 3})
    assert np.mean([found[label] for label in labels]) == pytest.approx(1)


def test_with_class_weights_a_text_of_a_rare_class_counts_more_in_the_loss(tiny_classifier, monkeypatch):
    texts, labels = make_tiny_reviews(24)
    labels = np.where(np.arange(24) < 20, 0, labels)
    tiny_classifier.model.get_layer("logits").bias.assign([2, -2])  # so that a text's loss depends on its class
    for layer in tiny_classifier.model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0
    own = -np.log(finetuning.predict_proba(tiny_classifier, texts)[np.arange(24), labels])
    by_hand = np.where(labels == 1, 12 / labels.sum(), 12 / (24 - labels.sum())) * own
    assert by_hand.mean() > 1.5 * own.mean()
    recipe, held_out = replace(TINY, epochs=1, batch_size=24, class_weights=True), make_tiny_reviews(8, seed=1)
    history = finetuning.fine_tune(tiny_classifier, (texts, labels), held_out, recipe)
    assert history["train_loss"].tolist() == pytest.approx([by_hand.mean()], rel=1e-4)
    monkeypatch.setattr(finetuning, "train_epoch", lambda model, batches, callbacks, weights: weights or -1)
    history = finetuning.fine_tune(tiny_classifier, (texts, labels), held_out, replace(recipe, class_weights=False))
    assert history["train_loss"].tolist() == [-1]  # no weights


def test_macro_f1_is_in_the_history_where_it_chooses_the_epoch(tiny_classifier):
    history = train(tiny_classifier, replace(TINY, by_macro_f1=True, patience=3))
    assert list(history)[2:] == ["validation_loss", "validation_accuracy", "validation_macro_f1"]
    texts, labels = make_tiny_reviews(40, seed=1)
    probabilities = finetuning.predict_proba(tiny_classifier, texts)
    best = max(history.to_dict("records"), key=finetuning.judge_epoch)
    assert best["validation_macro_f1"] == pytest.approx(evaluation.macro_f1(labels, probabilities))
    assert best["validation_macro_f1"] != best["validation_accuracy"]


def test_macro_f1_goes_before_accuracy_and_the_lower_loss_comes_last():
    rows = [
        {"validation_macro_f1": f1, "validation_accuracy": accuracy, "validation_loss": loss}
        for f1, accuracy, loss in [(0.5, 0.9, 0.1), (0.6, 0.7, 0.6), (0.6, 0.8, 0.5), (0.7, 0.6, 0.9)]
    ]
    assert sorted(rows[::-1], key=finetuning.judge_epoch) == rows
    assert not finetuning.has_stopped_improving(rows, patience=1)  # though accuracy has


def test_the_frozen_head_finds_a_rare_class_with_class_weights():
    features = np.repeat([[0.0], [1], [0], [1]], [180, 20, 8, 12], axis=0)
    labels = np.repeat([0, 1], [200, 20])
    found = [
        (finetuning.fit_frozen_head(features, labels, on).predict(features)[labels == 1] == 1).mean()
        for on in (False, True)
    ]
    assert found == [0, 12 / 20]


def test_texts_are_cut_where_the_classifier_says(tiny_classifier):
    short = replace(tiny_classifier, max_length=8)  # [CLS], six tokens, [SEP]
    long, cut = "good dull very bad film not fine fine room", "good dull very bad film not"
    expected = finetuning.predict_proba(tiny_classifier, [cut])
    assert np.allclose(finetuning.predict_proba(short, [long]), expected, atol=1e-7)
    for classifier, text in [(tiny_classifier, long), (short, "good dull very bad film fine")]:
        assert np.abs(finetuning.predict_proba(classifier, [text]) - expected).max() > 1e-4
    features = [finetuning.mean_features(*given) for given in [(short, [long]), (tiny_classifier, [cut])]]
    assert np.allclose(*features, atol=1e-6)


def test_the_loaded_classifier_cuts_texts_as_its_recipe_says(artifacts, tiny_source, monkeypatch):
    monkeypatch.setattr(finetuning, "fine_tune", lambda *given: pd.DataFrame({"epoch": [1]}))
    for _ in range(2):  # made, found
        classifier, _ = finetuning.load_or_fine_tune(frame(16), frame(8, 1), replace(TINY, max_length=6))
        assert classifier.max_length == 6
