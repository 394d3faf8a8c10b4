"""Where the time of a training step goes: forward, backward, optimizer; the same with fewer tokens in the vocabulary.

The inputs are random ids without padding, so every operation counts. Each contestant builds its graph once, which is
timed by itself, and is then run many times.
"""

import functools
import statistics
import sys
import time
from pathlib import Path

import contest
import numpy as np
import training

from helpers import runtime

SIZE = {"rows": 16, "lengths": [32, 128], "repeats": 15, "matrix": 2048, "trimmed": 3500}
TINY = {"rows": 2, "lengths": [8, 16], "repeats": 2, "matrix": 256, "trimmed": 3500}
FORWARD, BACKWARD, STEP = "forward", "forward, backward", "whole step"
TRIMMED = "whole step, few tokens"


def prepare(size: dict) -> dict:
    """Milliseconds of the parts of a training step of MiniLM."""
    runtime.start()
    from helpers import models

    models.locate()
    return {name: size[name] for name in SIZE} | {"weights": models.FILE_HASHES["model.safetensors"]}


def random_batch(size: dict, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids, int32 (rows, length), that even a trimmed vocabulary holds, and labels, int32 (rows,)."""
    random = np.random.default_rng(size["seed"])
    shape = (size["rows"], length)
    return random.integers(1000, 3000, shape).astype("int32"), random.integers(0, 2, size["rows"]).astype("int32")


def timed(call, repeats: int) -> tuple[float, float]:
    """Seconds of the first call, and median milliseconds of the later ones, the second left out."""
    seconds = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds[0], 1000 * statistics.median(seconds[2:])


def measured(size: dict, make_call, matrix_rate) -> dict:
    """Milliseconds and share of the matrix rate for each length; seconds of the first call of all.

    `make_call(ids, labels)` returns a function without arguments that does the work and waits for its end.
    """
    rates, found = [matrix_rate()], {}
    for length in size["lengths"]:
        first, milliseconds = timed(make_call(*random_batch(size, length)), size["repeats"])
        found |= {f"ms, {length}": milliseconds, f"first, {length}": first}
    rates.append(matrix_rate())
    return found | {"matrix GFLOP/s": max(rates) / 1e9}


# ---- Keras


def keras_part(size: dict, part: str, trimmed: bool = False) -> dict:
    """One part of the course's training step, in a TensorFlow graph."""
    training.start_keras(size, "float32")
    import keras
    import tensorflow as tf

    from helpers import finetuning, models, optimizers

    model = keras_model(size["trimmed"] if trimmed else None)
    variables = model.trainable_variables
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizers.make_optimizer(finetuning.Recipe(), 1000, variables)

    def make_call(ids, labels):
        """The part as a compiled function on this batch."""
        inputs = models.inputs_of(ids, np.ones_like(ids))
        inputs, labels = {name: tf.constant(value) for name, value in inputs.items()}, tf.constant(labels)

        def loss():
            return cross_entropy(labels, model(inputs, training=True))

        @tf.function
        def run():
            if part == FORWARD:
                return [loss()]
            with tf.GradientTape() as tape:
                value = loss()
            gradients = tape.gradient(value, [variable.value for variable in variables])
            if part == BACKWARD:  # returned, for TensorFlow leaves out what nobody asks for
                return [value, *map(tf.convert_to_tensor, gradients)]
            optimizer.apply(gradients, variables)
            return [value]

        return lambda: float(run()[0])

    return measured(size, make_call, lambda: training.keras_matrix_rate("float32", size["matrix"]))


def keras_model(vocabulary_size: int | None):
    """The course's classifier; with another size of the vocabulary one of the same form, with random weights."""
    import keras_hub

    from helpers import models

    if vocabulary_size is None:
        return models.make_classifier().model
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=vocabulary_size, num_layers=training.LAYERS, num_heads=12, hidden_dim=training.WIDTH,
        intermediate_dim=training.INNER, max_sequence_length=512,
    )  # fmt: skip
    return models.add_head(backbone, None, 2).model


# ---- PyTorch


def torch_part(size: dict, part: str) -> dict:
    """One part of a training step of Transformers' model, with AdamW as Trainer takes it: all weights in one operation."""
    import torch

    _, model = training.torch_model(size)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.01, fused=True)

    def make_call(ids, labels):
        """The part on this batch."""
        inputs = {"input_ids": torch.tensor(ids.astype("int64")), "labels": torch.tensor(labels.astype("int64"))}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])

        def run():
            optimizer.zero_grad()
            loss = model(**inputs).loss
            if part != FORWARD:
                loss.backward()
            if part == STEP:
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            return float(loss.detach())

        return run

    return measured(size, make_call, lambda: training.torch_matrix_rate("float32", size["matrix"]))


# ---- contestants and report

CONTESTANTS = {f"the course, {part}": functools.partial(keras_part, part=part) for part in (FORWARD, BACKWARD, STEP)}
CONTESTANTS[f"the course, {TRIMMED}"] = functools.partial(keras_part, part=STEP, trimmed=True)
CONTESTANTS |= {f"PyTorch, {part}": functools.partial(torch_part, part=part) for part in (FORWARD, BACKWARD, STEP)}


def lengths(rounds: list[dict]) -> list[int]:
    """The measured lengths, shortest first."""
    return sorted(
        {int(name.removeprefix("ms, ")) for row in rounds for name in row["values"] if name.startswith("ms, ")}
    )


def rate_share(values: dict, name: str, length: int, rows: int) -> float:
    """Percent of the matrix rate that a part reaches; forward alone is a third of a step's operations."""
    operations = training.training_flops(rows, length) / (3 if name.endswith(FORWARD) else 1)
    return 100 * operations / (values[f"ms, {length}"] / 1000) / (values["matrix GFLOP/s"] * 1e9)


def report(rounds: list[dict]) -> str:
    """A row for each part."""
    lines = []
    for name in CONTESTANTS:
        cells, mine = [], [row["values"] for row in rounds if row["contestant"] == name]
        for length in lengths(rounds):
            shares = [rate_share(values, name, length, SIZE["rows"]) for values in mine]
            cells += [
                contest.shown(contest.summary(rounds, name, f"ms, {length}")),
                contest.shown(contest.spread(shares)),
            ]
        first = contest.summary(rounds, name, f"first, {lengths(rounds)[0]}")
        lines.append([name, *cells, contest.shown(first)])
    head = [text for n in lengths(rounds) for text in (f"ms, {n} tokens", f"of the matrix rate %, {n} tokens")]
    return contest.table(["a step of 16 texts", *head, "first call, seconds"], lines)


def figure(rounds: list[dict]):
    """Milliseconds at the least length."""
    length = lengths(rounds)[0]
    found = {name: contest.summary(rounds, name, f"ms, {length}") for name in CONTESTANTS}
    title = f"Parts of a training step, {SIZE['rows']} texts of {length} tokens"
    return contest.bars(title, "milliseconds (bar: median, line: all rounds)", found)


CONTEST = contest.Contest("training_step", CONTESTANTS, SIZE, TINY, prepare, report, figure, rounds=2)

if __name__ == "__main__":
    sys.exit(contest.main(CONTEST, Path(__file__)))
