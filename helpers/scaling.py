"""Lesson 14: the same training in half precision, compiled, on several devices and in several processes.

A notebook's kernel has one backend and one number of devices, so the lesson runs this module as a program too, in
processes of their own (`run` does it):

    python -m helpers.scaling devices FOLDER NUMBER    the training of FOLDER on NUMBER emulated devices
    python -m helpers.scaling split FOLDER NUMBER      the same with each large matrix cut in NUMBER parts (JAX)
    python -m helpers.scaling worker FOLDER            one of the workers that the variable TF_CONFIG names (TensorFlow)

FOLDER is made by `save_training`; each run leaves a file of losses and weights there, which `load_result` reads.
"""

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import keras
import keras_hub
import numpy as np

from helpers import finetuning, models, runtime

LENGTH = 32  # tokens a text here: one length, so one compiled program


@contextlib.contextmanager
def use_precision(policy: str) -> Iterator[None]:
    """Scope: layers made inside compute as `policy` says: "float32", "mixed_float16" or "mixed_bfloat16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_tiny_model(vocabulary_size: int, seed: int = 42) -> keras.Model:
    """A BERT of 2 layers, 64 wide, with the course's head for two classes, from ids (texts, LENGTH) to logits.

    The same seed gives the same weights. It has no dropout, whose random numbers would differ from device to device.
    """
    keras.utils.set_random_seed(seed)
    backbone = keras_hub.models.BertBackbone(vocabulary_size, 2, 2, 64, 128, dropout=0.0, max_sequence_length=LENGTH)
    return models.add_head(backbone, None, num_classes=2, dropout=0.0).model


def cut_or_fill(token_ids: Sequence[np.ndarray]) -> np.ndarray:
    """Ids of texts of any length, cut or filled up with 0 to LENGTH: int32 (texts, LENGTH)."""
    rows = np.zeros((len(token_ids), LENGTH), dtype="int32")
    for row, ids in zip(rows, token_ids, strict=True):
        row[: len(ids)] = ids[:LENGTH]
    return rows


def compile_function(function: Callable, by_xla: bool = True) -> Callable:
    """`function` of arrays, compiled by XLA: once for each shape of its arguments.

    Without `by_xla` TensorFlow runs it as a graph, operation by operation; JAX has nothing of the kind.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=by_xla)


# ---- data in several files


def write_shards(token_ids: Sequence[np.ndarray], labels: Sequence[int], folder: Path, number: int) -> list[Path]:
    """Deal the texts in turn to `number` TFRecord files in `folder`; return their paths in order. Needs TensorFlow.

    `token_ids` are int arrays of different lengths. Raises ValueError for fewer texts than files.
    """
    import tensorflow as tf

    if len(token_ids) < number:
        raise ValueError(f"{len(token_ids)} texts do not fill {number} files: ask for fewer.")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"part-{i:03d}-of-{number:03d}.tfrecord" for i in range(number)]
    for i, path in enumerate(paths):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for ids, label in zip(token_ids[i::number], labels[i::number], strict=True):
                writer.write(_serialise(ids, label))
    return paths


def _serialise(ids: np.ndarray, label: int) -> bytes:
    """A text and its label as TensorFlow's Example."""
    import tensorflow as tf

    values = {"token_ids": ids, "label": [label]}
    feature = {k: tf.train.Feature(int64_list=tf.train.Int64List(value=v)) for k, v in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _parse(records):
    """A batch of serialised Examples -> the model's inputs, int32 (texts, LENGTH), and labels, int64 (texts,)."""
    import tensorflow as tf

    fields = {"token_ids": tf.io.RaggedFeature(tf.int64), "label": tf.io.FixedLenFeature([], tf.int64)}
    examples = tf.io.parse_example(records, fields)
    ids = tf.cast(examples["token_ids"].to_tensor(shape=(None, LENGTH)), tf.int32)
    return models.inputs_of(ids, tf.cast(ids != 0, tf.int32)), examples["label"]


def read_shards(paths: Sequence[Path], batch_size: int, at_once: int = 4, open_file: Callable | None = None):
    """A tf.data.Dataset of (inputs, labels) batches out of TFRecord files, `at_once` files being read side by side.

    Inputs as in `models.inputs_of`, filled up to LENGTH; the last batch may be smaller. `open_file` maps a path to a dataset
    of records (default: TFRecordDataset). Each file read gets a thread of its own: by default tf.data has one a core, and
    most of a read is waiting. Needs TensorFlow.
    """
    import tensorflow as tf

    files = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
    parallel = {"cycle_length": at_once, "num_parallel_calls": at_once if at_once > 1 else None}
    records = files.interleave(open_file or tf.data.TFRecordDataset, **parallel)
    options = tf.data.Options()
    options.threading.private_threadpool_size = at_once
    return records.batch(batch_size).map(_parse).prefetch(tf.data.AUTOTUNE).with_options(options)


# ---- one training, on one device or several


def save_training(folder: Path, token_ids: np.ndarray, labels: np.ndarray, recipe: finetuning.Recipe) -> None:
    """Write what the processes read: ids, int32 (texts, LENGTH), labels (texts,), the recipe.

    Raises ValueError unless the texts fill whole batches: JAX cannot deal out a smaller last one.
    """
    if token_ids.shape[1] != LENGTH or len(token_ids) % recipe.batch_size:
        raise ValueError(f"It takes ids of shape (n x {recipe.batch_size}, {LENGTH}), not {token_ids.shape}.")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.npz"):  # results of another training must not pass for this one's
        old.unlink()
    np.save(folder / "token_ids.npy", token_ids.astype("int32"))
    np.save(folder / "labels.npy", labels.astype("int32"))
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe)), encoding="utf-8")


def load_training(folder: Path) -> tuple[np.ndarray, np.ndarray, finetuning.Recipe]:
    """What `save_training` wrote. The ids are mapped, not loaded: only the rows that are used are read from the disk."""
    recipe = finetuning.Recipe(**json.loads((folder / "recipe.json").read_text(encoding="utf-8")))
    return np.load(folder / "token_ids.npy", mmap_mode="r"), np.load(folder / "labels.npy"), recipe


def model_and_optimizer(token_ids: np.ndarray, recipe: finetuning.Recipe):
    """The tiny model and its optimizer.

    SGD, whose step is as large as the gradient: AdamW divides by the gradient's size, so a sum over the devices in place of
    their mean would not show in the weights.
    """
    model = build_tiny_model(
        8 * (1 + int(token_ids.max()) // 8), recipe.seed
    )  # a multiple, so that devices can share it
    return model, keras.optimizers.SGD(recipe.learning_rate, global_clipnorm=recipe.clip_norm)


def emulate(number: int) -> None:
    """Make this machine's processor look like `number` devices; before the backend computes anything."""
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", number)
        return
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * number)


def use_data_parallel(number: int):
    """Scope in which each device has a copy of the model and an equal share of each batch; gradients are added up."""
    if keras.backend.backend() == "jax":
        return keras.distribution.DataParallel(devices=[f"cpu:{i}" for i in range(number)]).scope()
    import tensorflow as tf

    add_up = tf.distribute.ReductionToOneDevice()  # the default needs one strategy a process
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(number)], cross_device_ops=add_up).scope()


def use_model_parallel(number: int):
    """Scope in which each device holds a part of the large matrices and sees the whole batch (JAX)."""
    devices = [f"cpu:{i}" for i in range(number)]
    layout = keras.distribution.LayoutMap(keras.distribution.DeviceMesh((1, number), ["batch", "model"], devices))
    layout[".*token_embedding/embeddings"] = ("model", None)
    layout[".*feedforward_intermediate_dense/kernel"] = (None, "model")
    layout[".*feedforward_output_dense/kernel"] = ("model", None)
    return keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch").scope()


class Report(keras.callbacks.Callback):
    """Prints a line an epoch."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def on_epoch_end(self, epoch, logs=None):
        """Print the loss (Keras calls this)."""
        print(f"{self.name}, epoch {epoch + 1}: loss {logs['loss']:.4f}", flush=True)


def train(folder: Path, name: str, scope) -> None:
    """Fit the training of `folder` inside `scope`; store the epochs' losses and the weights as `name`."""
    token_ids, labels, recipe = load_training(folder)
    with scope:
        model, optimizer = model_and_optimizer(token_ids, recipe)
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        options = {"batch_size": recipe.batch_size, "epochs": recipe.epochs, "shuffle": False, "verbose": 0}
        fitted = model.fit(models.inputs_of(token_ids), labels, callbacks=[Report(name)], **options)
        facts = {"losses": fitted.history["loss"]} | describe_placement(model, recipe.batch_size)
        finetuning.save_arrays(folder / f"{name}.npz", finetuning.values_of(model.trainable_variables), facts)


def describe_placement(model: keras.Model, batch_size: int) -> dict:
    """Where weights and batches lie: `devices`, the number of those that hold weights.

    With JAX also `layouts`, the shape of the part of each weight that one device holds, and `texts a device` of a batch.
    """
    weights = {variable.path: variable.value for variable in model.trainable_variables}
    first = next(iter(weights.values()))
    if keras.backend.backend() == "tensorflow":
        return {"devices": len(getattr(first, "values", [first]))}
    layouts = {path: list(value.addressable_shards[0].data.shape) for path, value in weights.items()}
    found = {"devices": len(first.sharding.device_set), "layouts": layouts}
    if distribution := keras.distribution.distribution():  # asked as `fit` does
        batch = np.zeros((batch_size, LENGTH), "int32")
        batch = keras.distribution.distribute_tensor(batch, distribution.get_data_layout(batch.shape))
        found["texts a device"] = batch.addressable_shards[0].data.shape[0]
    return found


def train_worker(folder: Path) -> None:
    """A training loop by hand, as one of the workers that TF_CONFIG names; without it, as the only one.

    Each worker computes its share of each batch; `optimizer.apply` adds the gradients of all up. (Keras 3's `fit` does not
    run under this strategy: Keras issue 20585.) The first worker stores the result as `workers-N`. Raises ValueError for a
    batch that the workers cannot share equally.
    """
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # first: it must find TensorFlow fresh
    index, number = strategy.cluster_resolver.task_id or 0, strategy.num_replicas_in_sync
    token_ids, labels, recipe = load_training(folder)
    share, rest = divmod(recipe.batch_size, number)
    if rest:
        raise ValueError(f"{number} workers cannot share a batch of {recipe.batch_size} equally.")
    with strategy.scope():
        model, optimizer = model_and_optimizer(token_ids, recipe)

    def share_of_step(inputs, targets):
        """Loss and update from this worker's share: the sum over its texts, divided by the texts of *all* workers."""
        with tf.GradientTape() as tape:
            logits = model(inputs, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
            loss = tf.reduce_sum(losses) / recipe.batch_size
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    @tf.function
    def step(inputs, targets):
        """The loss over the whole batch: the workers' parts, added up."""
        return strategy.reduce("SUM", strategy.run(share_of_step, args=(inputs, targets)), axis=None)

    losses = []
    for epoch in range(recipe.epochs):
        starts = range(index * share, len(token_ids), recipe.batch_size)
        parts = [(models.inputs_of(token_ids[i : i + share]), labels[i : i + share]) for i in starts]
        losses.append(float(np.mean([step(*part).numpy() for part in parts])))
        print(f"worker {index} of {number}, epoch {epoch + 1}: loss {losses[-1]:.4f}", flush=True)
    if index == 0:
        values = finetuning.values_of(model.trainable_variables)
        finetuning.save_arrays(folder / f"workers-{number}.npz", values, {"losses": losses})


def load_result(folder: Path, name: str) -> tuple[np.ndarray, list[np.ndarray], dict]:
    """Losses by epoch, trained weights and all facts of a run: "tensorflow-2", "jax-4", "jax-split-2", "workers-2"."""
    weights, facts = finetuning.load_arrays(folder / f"{name}.npz")
    return np.array(facts["losses"]), weights, facts


def largest_difference(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    """Largest difference between two models' weights."""
    return float(max(np.abs(a - b).max() for a, b in zip(one, other, strict=True)))


# ---- processes


def describe_cluster(number: int) -> list[dict[str, str]]:
    """The environment variables of `number` workers on this machine's processor: TF_CONFIG with a free port for each."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("localhost", 0))
        addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}} for i in range(number)]
    common = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    return [{**common, "TF_CONFIG": json.dumps(task)} for task in tasks]


def run(*arguments, environments: Sequence[dict[str, str]] = ({},), limit_s: float = 240) -> None:
    """Run `python -m helpers.scaling ARGUMENTS` once for each dict of environment variables, side by side; show the output.

    Raises RuntimeError with the last lines of the process that failed or was too slow; the others are stopped then.
    """
    command, deadline = [sys.executable, "-m", "helpers.scaling", *map(str, arguments)], time.monotonic() + limit_s
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _start(command, environments, folder) as processes, (folder / "output").open() as output:
            codes = _wait(processes, output, deadline)
        for number, code in enumerate(codes):
            if code or (code is None and not any(codes)):
                errors = (folder / f"errors-{number}").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{' '.join(command[1:])}: {'failed' if code else 'too slow'}\n{errors}")


@contextlib.contextmanager
def _start(
    command: list[str], environments: Sequence[dict[str, str]], folder: Path
) -> Iterator[list[subprocess.Popen]]:
    """A process for each environment, which ends with the block at the latest; they write to files in `folder`."""
    with contextlib.ExitStack() as stack:
        output, processes = stack.enter_context((folder / "output").open("a")), []
        for number, environment in enumerate(environments):
            errors = stack.enter_context((folder / f"errors-{number}").open("w"))
            variables = runtime.environment_with(TF_CPP_MIN_LOG_LEVEL="3", **environment)
            processes.append(subprocess.Popen(command, cwd=runtime.COURSE, env=variables, stdout=output, stderr=errors))
            stack.callback(processes[-1].wait)
            stack.callback(processes[-1].kill)
        yield processes


def _wait(processes: Sequence[subprocess.Popen], output: TextIO, deadline: float) -> list[int | None]:
    """Show the output until all processes have ended, one has failed, or it is late; exit codes, None if it still runs."""
    while True:
        codes = [process.poll() for process in processes]
        print(output.read(), end="", flush=True)
        if None not in codes or any(codes) or time.monotonic() > deadline:
            return codes
        time.sleep(0.1)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["devices", "split", "worker"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("numbers", type=int, nargs="*", help="devices; several numbers: one training after the other")
    options = parser.parse_args()
    if options.kind == "worker":
        return train_worker(options.folder)
    if not options.numbers:
        parser.error(f"{options.kind} needs a number of devices")
    if options.kind == "split" and keras.backend.backend() != "jax":
        parser.error("split needs JAX: set KERAS_BACKEND=jax")
    emulate(max(options.numbers))
    for number in options.numbers:
        split = options.kind == "split"
        name = f"{keras.backend.backend()}-{'split-' * split}{number}"
        train(options.folder, name, use_model_parallel(number) if split else use_data_parallel(number))


if __name__ == "__main__":
    main()
