"""One epoch of fine-tuning MiniLM, and the way to a fixed score: the course beside what one would take instead.

Every contestant starts from the same weights with the same reviews as Python strings, and takes the same number of
optimizer steps. The clock runs from the strings to the end of the last step: tokenising and building graphs count,
imports and loading weights do not. How long `fit` then takes to return is noted by itself. The accuracy on the validation
reviews is taken after the clock has stopped.
"""

import functools
import statistics
import sys
import time
from pathlib import Path

import contest
import numpy as np
import results

from helpers import architecture, data, runtime

SIZE = {"reviews": 800, "batch": 16, "matrix": 2048, "judged": None}
SIZE |= {"score": 0.80, "score_reviews": 1600, "score_epochs": 3, "score_every": 20}
TINY = {"reviews": 32, "batch": 4, "matrix": 256, "judged": 32}
TINY |= {"score": 0.99, "score_reviews": 16, "score_epochs": 1, "score_every": 2}
WARM_UP = 5  # first steps, left out of the rate: graphs are built in them
LAYERS, WIDTH, INNER = 6, 384, 1536  # of MiniLM
NAMES = {
    "course": "the course",
    "kerashub": "KerasHub, default",
    "fixed": "fixed 128",
    "dynamic": "Transformers, dynamic padding",
    "grouped": "Transformers, group_by_length",
}
SCORED = ("course", "fixed", "grouped")


# ---- what is the same for all


def prepare(size: dict) -> dict:
    """One epoch of fine-tuning and the way to a fixed score."""
    runtime.start()
    from helpers import models

    models.locate()
    splits, _ = data.prepare_splits()
    hashes = {name: data.content_hash(splits[name]) for name in ("train", "validation")}
    return {name: size[name] for name in SIZE} | hashes | {"weights": models.FILE_HASHES["model.safetensors"]}


def reviews(number: int | None) -> tuple[list[str], np.ndarray]:
    """Texts and labels of so many training reviews (None: all), the same for each contestant and round."""
    frame = data.prepare_splits()[0]["train"]
    frame = frame.sample(number or len(frame), random_state=42)
    return frame["text"].tolist(), frame["label"].to_numpy()


def validation(size: dict) -> tuple[list[str], np.ndarray]:
    """Texts and labels on which accuracy is judged."""
    frame = data.prepare_splits()[0]["validation"][: size["judged"]]
    return frame["text"].tolist(), frame["label"].to_numpy()


def training_flops(rows: int, length: int) -> float:
    """Floating-point operations of one training step of MiniLM on a batch (rows, length).

    See `architecture.training_operations`.
    """
    return float(rows * architecture.training_operations(LAYERS, WIDTH, INNER, length))


def real_share(batches: list[tuple[int, int, int]]) -> float:
    """Share of real tokens among all that are computed; a batch is (rows, length, real tokens)."""
    return sum(real for _, _, real in batches) / sum(rows * length for rows, length, _ in batches)


def measured(started: float, ends: list[float], returned: float, batches: list, rates: list[float]) -> dict:
    """What is stored of an epoch.

    `started`, `returned`: readings of the clock before and after all of it; `ends`: when each step ended; `batches`:
    (rows, length, real tokens) of each step; `rates`: of matrix products, in operations a second, before and after.
    `tokens a second` (real ones) and `rate share` (against the better rate) are taken after the first WARM_UP steps.
    """
    later, took = batches[WARM_UP : len(ends)], ends[-1] - ends[WARM_UP - 1]
    rate = sum(training_flops(rows, length) for rows, length, _ in later) / took
    return {
        "seconds": ends[-1] - started,
        "after the last": returned - ends[-1],
        "steps": len(ends),
        "tokens a second": sum(real for _, _, real in later) / took,
        "real share": real_share(batches),
        "matrix GFLOP/s": max(rates) / 1e9,
        "rate share": rate / max(rates),
    }


def matrix_rate(multiply, size: int, repeats: int = 7) -> float:
    """Operations a second of `multiply()`, a product of two square matrices of `size`: the median of some, after one."""
    multiply()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(seconds)


class Clock:
    """Seconds of training, without those of judging in between."""

    def __init__(self):
        self.seconds, self.started = 0.0, time.perf_counter()

    def pause(self):
        """Stop counting."""
        self.seconds += time.perf_counter() - self.started

    def go_on(self):
        """Count again."""
        self.started = time.perf_counter()


class Finish:
    """Judges every so many steps, off the clock, and says when the score is reached."""

    def __init__(self, size: dict, judge):
        self.size, self.judge, self.clock, self.steps = size, judge, Clock(), 0
        self.best, self.reached = 0.0, False

    def after_step(self) -> bool:
        """Count a step; True once the score is reached."""
        self.steps += 1
        if self.steps % self.size["score_every"] == 0 and not self.reached:
            self.clock.pause()
            self.best = max(self.best, self.judge())
            self.reached = self.best >= self.size["score"]
            if not self.reached:
                self.clock.go_on()
        return self.reached

    def measured(self) -> dict:
        """What is stored: seconds are None if the score was not reached in all epochs."""
        seconds = self.clock.seconds if self.reached else None
        return {"seconds to score": seconds, "steps to score": self.steps, "best score": self.best}


# ---- Keras


def start_keras(size: dict, dtype: str) -> None:
    """Seed, and set the type of numbers that layers compute in, before any layer is made."""
    runtime.start(size["seed"])
    import keras

    keras.config.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[dtype])


def keras_matrix_rate(dtype: str, size: int) -> float:
    """`matrix_rate` of TensorFlow."""
    import tensorflow as tf

    left, right = (tf.cast(tf.random.normal([size, size]), dtype) for _ in range(2))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(left, right)))
    return matrix_rate(lambda: float(product()), size)


def step_callback(after_step):
    """A Keras callback that calls `after_step()` after each step and stops the training if that is True."""
    import keras

    class AfterStep(keras.callbacks.Callback):
        """Calls the function."""

        def on_train_batch_end(self, batch, logs=None):
            """Keras calls this."""
            if after_step():
                self.model.stop_training = True

    return AfterStep()


def compiled(classifier, size: dict, steps: int):
    """The course's classifier with the course's optimizer and loss, as in `finetuning.fine_tune`."""
    import keras

    from helpers import finetuning, optimizers

    recipe = finetuning.Recipe(batch_size=size["batch"], seed=size["seed"])
    optimizer = optimizers.make_optimizer(recipe, steps, classifier.model.trainable_variables)
    classifier.model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return classifier.model


def keras_judge(classifier, size: dict):
    """A function without arguments: the classifier's accuracy on the validation reviews.

    Nothing is tokenised before it is called: the clock would find a warm tokenizer.
    """
    from helpers import finetuning

    texts, labels = validation(size)
    return lambda: float((finetuning.predict_proba(classifier, texts).argmax(axis=1) == labels).mean())


def course_batches(classifier, texts, labels, size: dict, epoch: int = 0):
    """The course's way from strings to batches."""
    from helpers import finetuning, models

    ids, labels = finetuning.encode_examples(classifier, texts, labels, models.MAX_LENGTH)
    return finetuning.LengthGroupedBatches(ids, labels, size["batch"], size["seed"], epoch)


def fixed_batches(classifier, texts, labels, size: dict):
    """The official tutorial's way: strings in a `tf.data.Dataset`, every text padded to 128 tokens."""
    import keras_hub
    import tensorflow as tf

    from helpers import models

    layer = keras_hub.models.BertTextClassifierPreprocessor(classifier.tokenizer, sequence_length=models.MAX_LENGTH)
    dataset = tf.data.Dataset.from_tensor_slices((texts, labels)).shuffle(len(texts), seed=size["seed"])
    return dataset.batch(size["batch"]).map(lambda t, y: (layer(t), y)).prefetch(tf.data.AUTOTUNE)


def shapes(batches) -> list[tuple[int, int, int]]:
    """(rows, length, real tokens) of each of some Keras batches."""
    masks = [np.asarray(batch[0]["padding_mask"]) for batch in batches]
    return [(*mask.shape, int(mask.sum())) for mask in masks]


def keras_epoch(size: dict, dtype: str, make_batches) -> dict:
    """An epoch of the course's model on one of the two ways to make batches."""
    start_keras(size, dtype)
    from helpers import models

    classifier, (texts, labels) = models.make_classifier(seed=size["seed"]), reviews(size["reviews"])
    judge, ends, rates = keras_judge(classifier, size), [], [keras_matrix_rate(dtype, size["matrix"])]
    contest.reset_peak()
    started = time.perf_counter()
    batches = make_batches(classifier, texts, labels, size)
    callback = step_callback(lambda: ends.append(time.perf_counter()))
    compiled(classifier, size, len(batches)).fit(batches, shuffle=False, verbose=0, callbacks=[callback])
    returned, peak = time.perf_counter(), contest.memory_mb()
    rates.append(keras_matrix_rate(dtype, size["matrix"]))
    seen = shapes(batches[i] for i in range(len(batches))) if hasattr(batches, "order") else shapes(batches)
    return measured(started, ends, returned, seen, rates) | {"accuracy": judge(), "peak MB": peak}


def kerashub_epoch(size: dict, dtype: str) -> dict:
    """An epoch as KerasHub's documentation shows it: `fit` on strings, everything else by default."""
    start_keras(size, dtype)
    import keras
    import keras_hub

    from helpers import finetuning, models

    classifier = keras_hub.models.BertTextClassifier.from_preset(models.locate(), num_classes=2)
    (texts, labels), (new, truth) = reviews(size["reviews"]), validation(size)
    ends, rates = [], [keras_matrix_rate(dtype, size["matrix"])]
    contest.reset_peak()
    started = time.perf_counter()
    callback = step_callback(lambda: ends.append(time.perf_counter()))
    classifier.fit(x=texts, y=labels, batch_size=size["batch"], verbose=0, callbacks=[callback])
    returned, peak = time.perf_counter(), contest.memory_mb()
    rates.append(keras_matrix_rate(dtype, size["matrix"]))
    masks = np.asarray(classifier.preprocessor(texts)["padding_mask"])
    parts = [masks[i : i + size["batch"]] for i in range(0, len(masks), size["batch"])]
    seen = [(*part.shape, int(part.sum())) for part in parts]  # each text has the same length, in whatever order
    found = measured(started, ends, returned, seen, rates)
    # Off the clock, the same answers without the padding: the mask hides it.
    batches = finetuning.LengthGroupedBatches(models.token_ids(classifier.preprocessor.tokenizer, new))
    answers = finetuning.predict_logits(keras.Model(classifier.input, classifier.output), batches).argmax(axis=1)
    return found | {"accuracy": float((answers == truth).mean()), "peak MB": peak}


def keras_to_score(size: dict, way: str) -> dict:
    """Train the course's model on one of the two ways to make batches until the score is reached."""
    start_keras(size, "float32")
    from helpers import models

    classifier, (texts, labels) = models.make_classifier(seed=size["seed"]), reviews(size["score_reviews"])
    finish = Finish(size, keras_judge(classifier, size))
    steps = size["score_epochs"] * -(-len(texts) // size["batch"])
    model, callback = compiled(classifier, size, steps), step_callback(finish.after_step)
    if way == "fixed":
        batches = fixed_batches(classifier, texts, labels, size)
        model.fit(batches, epochs=size["score_epochs"], verbose=0, callbacks=[callback])
        return finish.measured()
    for epoch in range(size["score_epochs"]):
        batches = course_batches(classifier, texts, labels, size, epoch)
        model.fit(batches, shuffle=False, verbose=0, callbacks=[callback])
        if finish.reached:
            break
    return finish.measured()


# ---- Transformers with PyTorch


def torch_matrix_rate(dtype: str, size: int) -> float:
    """`matrix_rate` of PyTorch."""
    import torch

    left, right = (torch.randn(size, size).to(getattr(torch, dtype)) for _ in range(2))
    return matrix_rate(lambda: left @ right, size)


def torch_model(size: dict):
    """Tokenizer and model of Transformers from the course's folder of weights."""
    import torch
    import transformers
    from transformers import DataCollatorWithPadding, Trainer  # noqa: F401  (loaded when asked for: so here, off the clock)

    transformers.logging.set_verbosity_error()
    torch.manual_seed(size["seed"])
    folder = str(runtime.cache_folder() / runtime.MINILM)  # `prepare` has fetched and checked it
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return tokenizer, transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)


def torch_accuracy(tokenizer, model, texts: list[str], truth: np.ndarray) -> float:
    """Accuracy, texts in batches of like length."""
    import torch

    model.eval()
    order = np.argsort([len(text) for text in texts])
    hits = 0
    with torch.inference_mode():
        for rows in np.array_split(order, max(1, len(order) // 32)):
            chosen = [texts[row] for row in rows]
            inputs = tokenizer(
                chosen, truncation=True, max_length=runtime.MAX_LENGTH, padding=True, return_tensors="pt"
            )
            hits += int((model(**inputs).logits.argmax(dim=1).numpy() == truth[rows]).sum())
    model.train()
    return hits / len(texts)


def training_arguments(size: dict, dtype: str, grouped: bool, reviews: int, epochs: int):
    """The course's optimizer settings (`finetuning.Recipe`) in Transformers' words; nothing is saved or reported."""
    import transformers

    steps = epochs * -(-reviews // size["batch"])
    return transformers.TrainingArguments(
        output_dir=str(runtime.artifacts_folder() / "benchmarks" / "trainer"),
        per_device_train_batch_size=size["batch"],
        num_train_epochs=epochs,
        learning_rate=1e-4,
        weight_decay=0.01,
        max_grad_norm=1.0,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round(0.1 * steps)),
        optim="adamw_torch_fused",  # AdamW of all weights in one operation
        bf16=dtype == "bfloat16",
        use_cpu=True,
        seed=size["seed"],
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        train_sampling_strategy="group_by_length" if grouped else "random",
    )


def noting_collator(tokenizer, seen: list):
    """Transformers' dynamic padding; (rows, length, real tokens) of each batch is appended to `seen`."""
    import transformers

    pad = transformers.DataCollatorWithPadding(tokenizer)

    def collate(features):
        """Pad a batch to its longest text, and note its shape."""
        batch = pad(features)
        seen.append((*batch["attention_mask"].shape, int(batch["attention_mask"].sum())))
        return batch

    return collate


def torch_callback(after_step):
    """A callback of Transformers that calls `after_step()` after each step and stops the training if that is True."""
    import transformers

    class AfterStep(transformers.TrainerCallback):
        """Calls the function."""

        def on_step_end(self, args, state, control, **_):
            """Transformers calls this."""
            control.should_training_stop = bool(after_step()) or control.should_training_stop

    return AfterStep()


def torch_fit(tokenizer, model, texts, labels, arguments, after_step, seen: list) -> None:
    """From strings to a trained model with Transformers' Trainer."""
    import transformers

    encodings = tokenizer(texts, truncation=True, max_length=runtime.MAX_LENGTH)["input_ids"]
    rows = [
        {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": int(label)}
        for ids, label in zip(encodings, labels, strict=True)
    ]
    collator, callbacks = noting_collator(tokenizer, seen), [torch_callback(after_step)]
    transformers.Trainer(model, arguments, train_dataset=rows, data_collator=collator, callbacks=callbacks).train()


def torch_epoch(size: dict, dtype: str, grouped: bool) -> dict:
    """An epoch with Transformers' Trainer."""
    (texts, labels), (tokenizer, model) = reviews(size["reviews"]), torch_model(size)
    ends, seen, rates = [], [], [torch_matrix_rate(dtype, size["matrix"])]
    contest.reset_peak()
    started = time.perf_counter()
    arguments = training_arguments(size, dtype, grouped, len(texts), epochs=1)
    torch_fit(tokenizer, model, texts, labels, arguments, lambda: ends.append(time.perf_counter()), seen)
    returned, peak = time.perf_counter(), contest.memory_mb()
    rates.append(torch_matrix_rate(dtype, size["matrix"]))
    accuracy = torch_accuracy(tokenizer, model, *validation(size))
    return measured(started, ends, returned, seen, rates) | {"accuracy": accuracy, "peak MB": peak}


def torch_to_score(size: dict) -> dict:
    """Train with `group_by_length` until the score is reached."""
    (texts, labels), (tokenizer, model) = reviews(size["score_reviews"]), torch_model(size)
    new, truth = validation(size)
    finish = Finish(size, lambda: torch_accuracy(tokenizer, model, new, truth))
    arguments = training_arguments(size, "float32", True, len(texts), size["score_epochs"])
    torch_fit(tokenizer, model, texts, labels, arguments, finish.after_step, [])
    return finish.measured()


# ---- contestants and report

EPOCHS = {
    "course": functools.partial(keras_epoch, make_batches=course_batches),
    "kerashub": kerashub_epoch,
    "fixed": functools.partial(keras_epoch, make_batches=fixed_batches),
    "dynamic": functools.partial(torch_epoch, grouped=False),
    "grouped": functools.partial(torch_epoch, grouped=True),
}
TO_SCORE = {
    "course": functools.partial(keras_to_score, way="course"),
    "fixed": functools.partial(keras_to_score, way="fixed"),
    "grouped": torch_to_score,
}
DTYPES = ("float32", "bfloat16") if results.processor()[1] else ("float32",)


def contestants() -> dict:
    """Name -> function(size): an epoch in each type of numbers that the processor has, and the way to the score.

    KerasHub's default, ten times as slow as the course in either type, takes part in float32 only.
    """
    found = {
        f"{NAMES[key]}, {dtype}": functools.partial(function, dtype=dtype)
        for dtype in DTYPES
        for key, function in EPOCHS.items()
        if (key, dtype) != ("kerashub", "bfloat16")
    }
    return found | {f"{NAMES[key]}, to the score": TO_SCORE[key] for key in SCORED}


def epoch_table(rounds: list[dict]) -> str:
    """A row for each contestant and type of numbers."""
    rows, shares = [], ("accuracy", "real share", "rate share")
    for dtype in ("float32", "bfloat16"):
        for name in (f"{name}, {dtype}" for name in NAMES.values()):
            if contest.summary(rounds, name, "seconds") is None:
                continue
            numbers = {
                measure: contest.summary(rounds, name, measure)
                for measure in ("seconds", "after the last", "tokens a second", *shares, "matrix GFLOP/s", "peak MB")
            }
            for share in shares:
                numbers[share] = tuple(100 * number for number in numbers[share])
            against = contest.ratio(rounds, "seconds", name, f"{NAMES['course']}, {dtype}")
            cells = [str(len(contest.values(rounds, name, "seconds")))]
            cells += [contest.shown(numbers["seconds"]), contest.shown(against, 2)]
            cells += [contest.shown(numbers["after the last"]), contest.shown(numbers["tokens a second"], 0)]
            cells += [contest.shown(numbers[share]) for share in shares]
            cells += [contest.shown(numbers[m], 0) for m in ("matrix GFLOP/s", "peak MB")]
            rows.append([name, *cells])
    head = ["one epoch", "rounds", "seconds", "times the course", "after the last step, seconds"]
    head += ["real tokens a second", "accuracy %", "real tokens %"]
    return contest.table([*head, "of the matrix rate %", "matrix rate GFLOP/s", "peak MB"], rows)


def score_table(rounds: list[dict]) -> str:
    """A row for each contestant of the way to the score."""
    rows = []
    for name in (f"{NAMES[key]}, to the score" for key in SCORED):
        best = contest.summary(rounds, name, "best score")
        reached = len(contest.values(rounds, name, "seconds to score"))
        against = contest.ratio(rounds, "seconds to score", name, f"{NAMES['course']}, to the score")
        cells = [contest.shown(contest.summary(rounds, name, "seconds to score")), contest.shown(against, 2)]
        cells.append(contest.shown(contest.summary(rounds, name, "steps to score"), 0))
        cells.append(contest.shown(best and tuple(100 * number for number in best)))
        rows.append([name, *cells, f"{reached} of {len(contest.values(rounds, name, 'best score'))}"])
    return contest.table(["until the score", "seconds", "times the course", "steps", "accuracy %", "reached"], rows)


def aims(rounds: list[dict]) -> list[contest.Aim]:
    """What the course aims at."""

    def times(key: str, dtype: str = "float32"):
        """How many times the course's seconds another one takes."""
        return contest.ratio(rounds, "seconds", f"{NAMES[key]}, {dtype}", f"{NAMES['course']}, {dtype}")

    course = f"{NAMES['course']}, float32"
    return [
        contest.Aim("times as fast as KerasHub's default, float32", 10, times("kerashub")),
        contest.Aim("times as fast as fixed 128, float32", 5, times("fixed")),
        contest.Aim("times as fast as dynamic padding, float32", 2, times("dynamic")),
        contest.Aim("times as fast as group_by_length, float32", 1, times("grouped")),
        contest.Aim("times as fast as group_by_length, bfloat16", 0.95, times("grouped", "bfloat16")),
        contest.Aim("share of real tokens", 0.90, contest.summary(rounds, course, "real share")),
        contest.Aim("share of the matrix rate, float32", 0.85, contest.summary(rounds, course, "rate share")),
    ]


def report(rounds: list[dict]) -> str:
    """The tables."""
    return "\n\n".join([epoch_table(rounds), score_table(rounds), contest.verdicts(aims(rounds))])


def figure(rounds: list[dict]):
    """Seconds of one epoch."""
    names = [f"{name}, {dtype}" for dtype in ("float32", "bfloat16") for name in NAMES.values()]
    found = {name: contest.summary(rounds, name, "seconds") for name in names}
    return contest.bars("One epoch of fine-tuning", "seconds (bar: median, line: all rounds)", found)


SLOW = frozenset({f"{NAMES['kerashub']}, float32", f"{NAMES['fixed']}, to the score"})
CONTEST = contest.Contest("training", contestants(), SIZE, TINY, prepare, report, figure, rounds=2, slow=SLOW)

if __name__ == "__main__":
    sys.exit(contest.main(CONTEST, Path(__file__)))
