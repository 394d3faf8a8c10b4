"""Precision, XLA, shards; one training on one device, on several, with split weights, in two processes."""

import contextlib
import json
import sys
import threading
import time
from collections import Counter
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import finetuning, models, runtime, scaling

RECIPE = finetuning.Recipe(epochs=2, batch_size=16, learning_rate=0.1, clip_norm=1e6, seed=5)


def make_texts(number=48, seed=0):
    """Ids of texts of 3 to 40 tokens out of 100, and labels that they decide."""
    random = np.random.default_rng(seed)
    token_ids = [random.integers(1, 100, size=random.integers(3, 41)).astype("int32") for _ in range(number)]
    return token_ids, np.array([int(ids[0] < 50) for ids in token_ids], dtype="int32")


@pytest.fixture
def folder(tmp_path):
    """A small training, ready for the processes."""
    token_ids, labels = make_texts()
    scaling.save_training(tmp_path / "new" / "training", scaling.cut_or_fill(token_ids), labels, RECIPE)
    return tmp_path / "new" / "training"


# ---- precision, model, compiler


def test_precision_is_that_of_layers_made_inside_and_is_put_back():
    with pytest.raises(KeyError), scaling.use_precision("mixed_bfloat16"):
        layer = keras.layers.Dense(2)
        raise KeyError
    assert layer.compute_dtype == "bfloat16" and layer.variable_dtype == "float32"
    assert keras.config.dtype_policy().name == keras.layers.Dense(2).dtype_policy.name == "float32"


def test_the_whole_model_computes_in_half_precision_but_for_its_logits():
    with scaling.use_precision("mixed_float16"):
        model = scaling.build_tiny_model(100)
    assert model.dtype_policy.name == "mixed_float16"  # Keras scales the loss only then
    kinds = {layer.name: layer.compute_dtype for layer in model.layers}
    assert kinds["transformer_layer_0"] == kinds["mean_of_tokens"] == "float16" and kinds["logits"] == "float32"
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


def test_the_same_seed_gives_the_same_model_and_nothing_is_random_in_training():
    model = scaling.build_tiny_model(100)
    one = finetuning.values_of(model.trainable_variables)
    same, other = (finetuning.values_of(scaling.build_tiny_model(100, seed).trainable_variables) for seed in (42, 2))
    assert scaling.largest_difference(one, same) == 0 < scaling.largest_difference(one, other)
    inputs = models.inputs_of(scaling.cut_or_fill(make_texts(4)[0]))
    answers = [keras.ops.convert_to_numpy(model(inputs, training=mode)) for mode in (True, False)]
    assert np.array_equal(*answers) and answers[0].shape == (4, 2)
    assert [layer.num_heads for layer in model.layers if hasattr(layer, "num_heads")] == [2, 2]
    layer = 4 * (64 * 64 + 64) + 64 * 128 + 128 + 128 * 64 + 64 + 4 * 64  # attention, feed-forward, two norms
    embeddings = (100 + scaling.LENGTH + 2) * 64 + 2 * 64
    assert model.count_params() == 2 * layer + embeddings + 2 * 64 + 2


def test_texts_are_cut_or_filled_up_to_one_length():
    short, long = np.array([7, 8], dtype="int32"), np.arange(1, 50, dtype="int32")
    rows = scaling.cut_or_fill([short, long])
    assert rows.shape == (2, scaling.LENGTH) and rows.dtype == "int32"
    assert rows[0].tolist() == [7, 8] + [0] * (scaling.LENGTH - 2)
    assert rows[1].tolist() == list(range(1, scaling.LENGTH + 1))
    inputs = models.inputs_of(rows)
    assert inputs["padding_mask"].sum(axis=1).tolist() == [2, scaling.LENGTH] and not inputs["segment_ids"].any()
    assert {array.dtype.name for array in inputs.values()} == {"int32"}


def test_compiled_runs_the_python_code_once_a_shape():
    seen = []

    def doubled(x):
        seen.append(tuple(x.shape))
        return 2 * x

    fast = scaling.compile_function(doubled)
    for size in (3, 5, 3, 5):
        x = np.arange(size, dtype="float32")
        assert np.array_equal(keras.ops.convert_to_numpy(fast(x)), 2 * x)
    assert seen == [(3,), (5,)]
    if keras.backend.backend() == "tensorflow":
        assert fast._jit_compile  # by XLA, not only as a graph
        assert not scaling.compile_function(doubled, by_xla=False)._jit_compile


# ---- shards


def rows_of(batches):
    """Each text of a dataset as a pair (ids, label), counted."""
    found = Counter()
    for inputs, labels in batches:
        assert inputs["token_ids"].shape == inputs["padding_mask"].shape == inputs["segment_ids"].shape
        assert np.array_equal(inputs["padding_mask"], inputs["token_ids"] != 0)
        found.update((tuple(ids), int(label)) for ids, label in zip(inputs["token_ids"].numpy(), labels, strict=True))
    return found


@pytest.mark.tensorflow
def test_every_text_is_in_exactly_one_shard_and_comes_exactly_once(tmp_path):
    token_ids, labels = make_texts(50)
    paths = scaling.write_shards(token_ids, labels, tmp_path / "new" / "folder", 4)
    assert [path.name for path in paths] == [f"part-00{i}-of-004.tfrecord" for i in range(4)]
    expected = Counter(zip(map(tuple, scaling.cut_or_fill(token_ids)), labels.tolist(), strict=True))
    for at_once in (1, 3):
        batches = list(scaling.read_shards(paths, 16, at_once))
        assert [len(labels) for _, labels in batches] == [16, 16, 16, 2]
        assert rows_of(batches) == expected
    parts = [rows_of(scaling.read_shards([path], 100)) for path in paths]
    assert [part.total() for part in parts] == [13, 13, 12, 12] and sum(parts, Counter()) == expected


@pytest.mark.tensorflow
def test_texts_come_from_four_shards_in_turn(tmp_path):
    token_ids, labels = make_texts(16)
    inputs, _ = next(iter(scaling.read_shards(scaling.write_shards(token_ids, labels, tmp_path, 8), 8)))
    expected = scaling.cut_or_fill([token_ids[i] for i in (0, 1, 2, 3, 8, 9, 10, 11)])
    assert inputs["token_ids"].numpy().tolist() == expected.tolist()


@pytest.mark.tensorflow
@pytest.mark.parametrize(("at_once", "together", "number"), [(1, 1, 8), (2, 2, 2), (8, 4, 8)])
def test_shards_are_read_side_by_side(tmp_path, at_once, together, number):
    """Opening a file waits until so many others are being opened: with fewer at once the barrier would break."""
    import tensorflow as tf

    barrier, opening, most = threading.Barrier(together), [], []

    def wait(name):
        opening.append(name)
        most.append(len(opening))
        barrier.wait(timeout=30)
        opening.remove(name)
        return name

    def slowly(path):
        waited = tf.data.Dataset.from_tensors(path).map(lambda p: tf.numpy_function(wait, [p], tf.string))
        return waited.map(lambda p: tf.ensure_shape(p, [])).flat_map(tf.data.TFRecordDataset)

    paths = scaling.write_shards(*make_texts(48), tmp_path, number)
    assert sum(len(labels) for _, labels in scaling.read_shards(paths, 16, at_once, slowly)) == 48
    assert len(most) == number and together <= max(most) <= at_once


@pytest.mark.tensorflow
def test_more_shards_than_texts_are_refused(tmp_path):
    with pytest.raises(ValueError, match="3 texts do not fill 4 files"):
        scaling.write_shards(*make_texts(3), tmp_path, 4)
    assert len(scaling.write_shards(*make_texts(4), tmp_path, 4)) == 4


# ---- a training on the disk


def test_a_training_comes_back_mapped(folder):
    ids, labels, recipe = scaling.load_training(folder)
    token_ids, expected = make_texts()
    assert isinstance(ids, np.memmap) and np.array_equal(ids, scaling.cut_or_fill(token_ids))
    assert np.array_equal(labels, expected) and recipe == RECIPE


def test_a_new_training_forgets_the_results_of_the_old_one(folder):
    finetuning.save_arrays(folder / "jax-1.npz", [np.zeros(2)], {"losses": [1.0]})
    assert scaling.load_result(folder, "jax-1")[0].tolist() == [1.0]
    ids, labels, recipe = scaling.load_training(folder)
    scaling.save_training(folder, np.array(ids), labels, recipe)
    with pytest.raises(ValueError, match=r"jax-1\.npz"):
        scaling.load_result(folder, "jax-1")


@pytest.mark.parametrize("shape", [(40, scaling.LENGTH), (48, 16)])
def test_a_training_of_broken_batches_or_another_length_is_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r"ids of shape \(n x 16, 32\)"):
        scaling.save_training(tmp_path, np.ones(shape, "int32"), np.zeros(shape[0]), RECIPE)


def fit_plainly(folder, factor=1):
    """A few lines of Keras, operation by operation: losses by epoch, and the weights; all gradients are `factor` times."""
    ids, labels, recipe = scaling.load_training(folder)
    model, optimizer = scaling.model_and_optimizer(ids, recipe)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, lambda truth, logits: factor * cross_entropy(truth, logits), run_eagerly=True)
    options = {"batch_size": recipe.batch_size, "epochs": recipe.epochs, "shuffle": False, "verbose": 0}
    fitted = model.fit(models.inputs_of(ids), labels, **options)
    return fitted.history["loss"], finetuning.values_of(model.trainable_variables)


def test_train_is_a_plain_fit_and_gradients_added_up_where_their_mean_is_due_would_show(folder, capsys):
    """On the one device of this process. All comparisons of weights rest on the last line: AdamW would be blind to it."""
    scaling.train(folder, "here", contextlib.nullcontext())
    losses, weights, facts = scaling.load_result(folder, "here")
    lines = [f"here, epoch {number}: loss {loss:.4f}" for number, loss in enumerate(losses, 1)]
    assert capsys.readouterr().out.splitlines() == lines
    expected_losses, expected = fit_plainly(folder)
    assert np.allclose(losses, expected_losses, atol=1e-6) and facts["devices"] == 1
    assert scaling.largest_difference(weights, expected) < 1e-5
    assert scaling.largest_difference(expected, fit_plainly(folder, factor=2)[1]) > 1e-2  # tolerances: 1e-4, 1e-3


def test_the_model_knows_each_id_and_devices_can_share_its_vocabulary():
    for largest, pieces in ((99, 104), (103, 104), (104, 112)):
        model, _ = scaling.model_and_optimizer(np.array([[largest, 0]]), RECIPE)
        assert model.get_layer("token_embedding").input_dim == pieces


# ---- processes


def agree(folder, one, other, tolerance=1e-4):
    """Whether two runs have the same losses and weights."""
    (losses, weights, _), (other_losses, other_weights, _) = (
        scaling.load_result(folder, name) for name in (one, other)
    )
    assert len(losses) == RECIPE.epochs and losses[-1] < losses[0]
    return (
        np.abs(losses - other_losses).max() < tolerance
        and scaling.largest_difference(weights, other_weights) < tolerance
    )


@pytest.mark.once
def test_jax_on_four_devices_learns_as_on_one_clipped_too(folder, capsys):
    ids, labels, _ = scaling.load_training(folder)
    scaling.save_training(folder, np.array(ids), labels, replace(RECIPE, clip_norm=0.1))
    scaling.run("devices", folder, 1, 4, environments=[{"KERAS_BACKEND": "jax"}])
    assert agree(folder, "jax-1", "jax-4")
    assert "jax-4, epoch 2: loss" in capsys.readouterr().out
    facts = scaling.load_result(folder, "jax-4")[2]
    assert facts["texts a device"] == 4  # of 16
    assert facts["devices"] == 4 and scaling.load_result(folder, "jax-1")[2]["devices"] == 1


@pytest.mark.once
def test_jax_with_split_weights_learns_the_same(folder):
    scaling.run("split", folder, 1, 2, environments=[{"KERAS_BACKEND": "jax"}])
    assert agree(folder, "jax-split-1", "jax-split-2")
    whole, half = (scaling.load_result(folder, f"jax-split-{number}")[2]["layouts"] for number in (1, 2))
    cut = {path for path in whole if whole[path] != half[path]}
    assert {path.split("/", 1)[1] for path in cut if path.startswith("transformer_layer_1")} == {
        "feedforward_intermediate_dense/kernel",
        "feedforward_output_dense/kernel",
    }
    assert all(np.prod(whole[path]) == 2 * np.prod(half[path]) for path in cut) and "token_embedding/embeddings" in cut


@pytest.mark.tensorflow
@pytest.mark.once
def test_tensorflow_on_two_devices_and_two_workers_learn_as_on_one(folder, capsys):
    scaling.run("devices", folder, 1, 2, environments=[{"KERAS_BACKEND": "tensorflow"}])
    assert agree(folder, "tensorflow-1", "tensorflow-2")
    assert scaling.load_result(folder, "tensorflow-2")[2]["devices"] == 2
    scaling.run("worker", folder, environments=scaling.describe_cluster(2))
    assert agree(folder, "tensorflow-1", "workers-2")
    printed = capsys.readouterr().out
    assert "worker 0 of 2, epoch 2: loss" in printed and "worker 1 of 2, epoch 2: loss" in printed
    with pytest.raises(RuntimeError, match="3 workers cannot share a batch of 16 equally"):
        scaling.run("worker", folder, environments=scaling.describe_cluster(3))


def test_a_failing_process_is_named_and_the_others_are_stopped(tmp_path, monkeypatch):
    """Stand-ins for Python: one waits for ever, the other fails."""
    program = tmp_path / "python"
    program.write_text(
        '#!/bin/sh\nif [ "$PART" = 1 ]; then echo no such day >&2; exit 3; fi\necho begins\nexec sleep 60\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    started = time.monotonic()
    with pytest.raises(RuntimeError, match=r"helpers\.scaling worker there: failed\nno such day"):
        scaling.run("worker", "there", environments=[{"PART": "0"}, {"PART": "1"}])
    with pytest.raises(RuntimeError, match="too slow"):
        scaling.run("worker", "there", environments=[{"PART": "0"}], limit_s=0.5)
    assert time.monotonic() - started < 20


def test_the_command_line_says_what_it_lacks(monkeypatch, capsys):
    for line, word in (("devices there", "needs a number"), ("split there 2", "set KERAS_BACKEND=jax")):
        monkeypatch.setattr(sys, "argv", ["scaling", *line.split()])
        monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
        with pytest.raises(SystemExit):
            scaling.main()
        assert word in capsys.readouterr().err


def test_a_cluster_names_each_worker_and_a_port_for_each():
    tasks = [json.loads(variables["TF_CONFIG"]) for variables in scaling.describe_cluster(3)]
    assert [task["task"] for task in tasks] == [{"type": "worker", "index": i} for i in range(3)]
    addresses = tasks[0]["cluster"]["worker"]
    assert len(set(addresses)) == 3 and all(task["cluster"]["worker"] == addresses for task in tasks)


# ---- the estimate's data


@pytest.mark.repository
def test_each_peak_and_price_names_source_and_day():
    table = pd.read_csv(runtime.COURSE / "data" / "accelerators.csv")
    assert table["accelerator"].tolist() == ["T4", "v5e", "H100"] and not table.isna().any().any()
    assert pd.to_datetime(table["price_date"]).between("2026-01-01", "2027-12-31").all()
    assert table["peak_tflops"].is_monotonic_increasing and table["usd_per_hour"].is_monotonic_increasing
    assert table["peak_tflops"].max() < 1000  # dense: data sheets also print the double, with sparsity
