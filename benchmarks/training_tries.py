"""What was tried to make the course's fine-tuning faster: one epoch as in training.py, with one thing changed at a time."""

import functools
import os
import sys
import time
from pathlib import Path

import contest
import numpy as np
import training

SIZE = {name: training.SIZE[name] for name in ("reviews", "batch", "matrix", "judged")}
TINY = {name: training.TINY[name] for name in SIZE}
COURSE = "as it is"


def prepare(size: dict) -> dict:
    """One epoch of fine-tuning, with one thing changed at a time."""
    found = training.prepare(training.SIZE | size)
    return {name: found[name] for name in (*SIZE, "train", "validation", "weights")}


def short_steps(classifier, batches):
    """Texts are padded to the next multiple of 4 tokens, not of 8."""
    from helpers import finetuning

    finetuning.BUCKET_LENGTHS = tuple(range(4, 129, 4))
    return classifier, batches


def large_groups(classifier, batches):
    """Texts are sorted by length within groups of 50 batches, not of 16."""
    from helpers import finetuning

    finetuning.BATCHES_A_GROUP = 50
    return classifier, again(batches)


def again(batches):
    """The same texts in batches made anew."""
    from helpers import finetuning

    rows = max(map(len, batches.batches))
    return finetuning.LengthGroupedBatches(batches.token_ids, batches.labels, rows)


def short_steps_large_groups(classifier, batches):
    """Both."""
    return large_groups(*short_steps(classifier, batches))


def one_worker(classifier, batches):
    """Keras's default, with which it leaves the tuner of tf.data on."""
    batches.workers = 1
    return classifier, batches


def equal_tokens(classifier, batches):
    """As many batches, of about equal numbers of tokens, not of texts: many short ones, or few long ones."""
    lengths = np.array([len(ids) for ids in batches.token_ids])
    order = np.argsort(lengths, kind="stable")
    ends = np.cumsum(lengths[order])
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], len(batches) + 1)[1:-1])
    random = np.random.default_rng(42)
    batches.batches = [rows for rows in np.split(order, cuts) if len(rows)]
    batches.batches = [batches.batches[i] for i in random.permutation(len(batches.batches))]
    return classifier, batches


def few_tokens(classifier, batches):
    """An embedding of the tokens in use alone: the others get no gradient, but AdamW would update all of them."""
    import keras

    from helpers import models

    used = np.unique(np.concatenate(batches.token_ids))
    config = classifier.backbone.get_config() | {"vocabulary_size": len(used)}
    backbone = type(classifier.backbone).from_config(config)
    for old, new in zip(classifier.backbone.weights, backbone.weights, strict=True):
        value = keras.ops.convert_to_numpy(old)
        new.assign(value[used] if value.shape != new.shape else value)
    batches.token_ids = [np.searchsorted(used, ids).astype("int32") for ids in batches.token_ids]
    small = models.add_head(backbone, classifier.tokenizer, classifier.num_classes)
    small.model.get_layer("logits").set_weights(classifier.model.get_layer("logits").get_weights())
    return small, batches


def no_optimisation(classifier, batches):
    """TensorFlow runs the graph as it was traced: quicker to begin, no operations fused."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return classifier, batches


def four_lengths(classifier, batches):
    """Texts are padded to one of four lengths: XLA compiles the step once for each of them."""
    from helpers import finetuning

    finetuning.BUCKET_LENGTHS = (16, 32, 64, 128)
    return classifier, batches


def all_of_it(classifier, batches):
    """Short steps, large groups and few tokens together."""
    return few_tokens(*short_steps_large_groups(classifier, batches))


def give_back(small, classifier, used) -> None:
    """Write what a classifier of few tokens has learnt into the whole one."""
    for old, new in zip(classifier.model.weights, small.model.weights, strict=True):
        value, learnt = np.array(old), np.asarray(new)
        if value.shape == learnt.shape:
            value = learnt
        else:
            value[used] = learnt
        old.assign(value)


def unchanged(classifier, batches):
    """The course."""
    return classifier, batches


XLA = "XLA, four lengths"
ONE_THREAD = "one thread an operation"
ONE_CORE = "one core"
TRANSFORMERS = "Transformers, group_by_length, one core"
TRIES = {
    COURSE: unchanged,
    "lengths in steps of 4": short_steps,
    "groups of 50 batches": large_groups,
    "steps of 4, groups of 50": short_steps_large_groups,
    "equal tokens": equal_tokens,
    "few tokens": few_tokens,
    "steps of 4, groups of 50, few tokens": all_of_it,
    "graph not optimised": no_optimisation,
    "one worker": one_worker,
    ONE_THREAD: unchanged,
    ONE_CORE: unchanged,
    XLA: four_lengths,
}


def epoch(size: dict, name: str) -> dict:
    """An epoch of the course with a change; the accuracy is that of the whole classifier, the clock sees it all."""
    if name == ONE_THREAD:
        os.environ["TF_NUM_INTRAOP_THREADS"] = "1"  # TensorFlow reads it once, when it starts
    if name == ONE_CORE:
        on_one_core()
    training.start_keras(size, "float32")
    from helpers import models

    classifier, (texts, labels) = models.make_classifier(seed=size["seed"]), training.reviews(size["reviews"])
    judge, ends = training.keras_judge(classifier, size), []
    rates = [training.keras_matrix_rate("float32", size["matrix"])]
    started = time.perf_counter()
    batches = training.course_batches(classifier, texts, labels, size)
    used = np.unique(np.concatenate(batches.token_ids))
    changed, batches = TRIES[name](classifier, batches)
    model = training.compiled(changed, size, len(batches))
    model.jit_compile = name == XLA or model.jit_compile
    callback = training.step_callback(lambda: ends.append(time.perf_counter()))
    model.fit(batches, shuffle=False, verbose=0, callbacks=[callback])
    if changed is not classifier:
        give_back(changed, classifier, used)
    returned = time.perf_counter()
    rates.append(training.keras_matrix_rate("float32", size["matrix"]))
    shapes = training.shapes(batches[i] for i in range(len(batches)))
    found = training.measured(started, ends, returned, shapes, rates)
    return found | {"first step": ends[0] - started, "accuracy": judge()}


def on_one_core() -> None:
    """From now on this process and its libraries, not loaded yet, see one core (Linux; elsewhere an error)."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def transformers_on_one_core(size: dict) -> dict:
    """What the course is measured against, likewise on one core."""
    on_one_core()
    return training.torch_epoch(size, "float32", grouped=True)


CONTESTANTS = {name: functools.partial(epoch, name=name) for name in TRIES} | {TRANSFORMERS: transformers_on_one_core}


def report(rounds: list[dict]) -> str:
    """A row for each try."""
    rows = []
    for name in CONTESTANTS:
        measures = ("seconds", "first step", "after the last", "steps", "tokens a second")
        numbers = {m: contest.summary(rounds, name, m) for m in measures}
        shares = {m: contest.summary(rounds, name, m) for m in ("real share", "rate share", "accuracy")}
        cells = [contest.shown(numbers["seconds"]), contest.shown(contest.ratio(rounds, "seconds", COURSE, name), 2)]
        cells += [contest.shown(numbers["first step"]), contest.shown(numbers["after the last"])]
        cells += [contest.shown(numbers["tokens a second"], 0)]
        cells += [contest.shown(share and tuple(100 * number for number in share)) for share in shares.values()]
        rows.append([name, *cells, contest.shown(numbers["steps"], 0)])
    head = ["the course", "seconds", "times as fast", "until the first step's end, seconds"]
    head += ["after the last step, seconds", "real tokens a second"]
    return contest.table([*head, "real tokens %", "of the matrix rate %", "accuracy %", "steps"], rows)


def figure(rounds: list[dict]):
    """Seconds of one epoch."""
    found = {name: contest.summary(rounds, name, "seconds") for name in CONTESTANTS}
    return contest.bars("One epoch, with one change at a time", "seconds (bar: median, line: all rounds)", found)


CONTEST = contest.Contest("training_tries", CONTESTANTS, SIZE, TINY, prepare, report, figure, rounds=1)

if __name__ == "__main__":
    sys.exit(contest.main(CONTEST, Path(__file__)))
