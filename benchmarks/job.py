"""The job as the course's users run it: all training reviews, three epochs, from strings to the end of the last step.

The course's `fine_tune` beside Transformers' `Trainer` with `group_by_length` and fused AdamW, in interleaved rounds, so
that their ratio is of one run. The clock runs as in training.py. `fine_tune` cannot go without validation texts: it gets
one, so that the clock hardly sees them. How soon the first step ends is also measured on a single core.
"""

import sys
import time
from pathlib import Path

import contest
import training
import training_tries

from helpers import runtime

SIZE = {"reviews": None, "epochs": 3, "batch": 16, "judged": None, "one_core_reviews": 400}
TINY = {"reviews": 32, "epochs": 2, "batch": 4, "judged": 32, "one_core_reviews": 16}
COURSE, GROUPED, ONE_CORE = "the course", "Transformers, group_by_length", "the course, one core"
FIRST_STEP = 5  # seconds until the first step's end on one core, at most


def prepare(size: dict) -> dict:
    """The whole job: all reviews, three epochs."""
    found = training.prepare(training.SIZE | size)
    return {name: size[name] for name in SIZE} | {name: found[name] for name in ("train", "validation", "weights")}


def measured(started: float, ends: list[float], batches: list[tuple[int, int, int]]) -> dict:
    """What is stored of a job; arguments as in `training.measured`."""
    return {
        "seconds": ends[-1] - started,
        "first step": ends[0] - started,
        "steps": len(ends),
        "real share": training.real_share(batches),
    }


def course_job(size: dict) -> dict:
    """The course's fine-tuning, by its own function."""
    runtime.start(size["seed"])
    from helpers import finetuning, models

    classifier, (texts, labels) = models.make_classifier(seed=size["seed"]), training.reviews(size["reviews"])
    judge, ends = training.keras_judge(classifier, size), []
    recipe = finetuning.Recipe(size["epochs"], size["batch"], patience=size["epochs"], seed=size["seed"])
    callback = training.step_callback(lambda: ends.append(time.perf_counter()))
    contest.reset_peak()
    started = time.perf_counter()
    finetuning.fine_tune(classifier, (texts, labels), (texts[:1], labels[:1]), recipe, callbacks=[callback])
    peak = contest.memory_mb()
    return measured(started, ends, course_shapes(classifier, texts, labels, size)) | {
        "accuracy": judge(),
        "peak MB": peak,
    }


def course_shapes(classifier, texts, labels, size: dict) -> list[tuple[int, int, int]]:
    """(rows, length, real tokens) of each batch of all epochs."""
    epochs = (training.course_batches(classifier, texts, labels, size, epoch) for epoch in range(size["epochs"]))
    return [shape for batches in epochs for shape in training.shapes(batches[i] for i in range(len(batches)))]


def course_on_one_core(size: dict) -> dict:
    """How soon the first step of the course's fine-tuning ends on one core; a short training tells as well."""
    training_tries.on_one_core()
    return course_job(size | {"reviews": size["one_core_reviews"], "epochs": 1})


def torch_job(size: dict) -> dict:
    """Transformers' Trainer, batches of like length, fused AdamW."""
    (texts, labels), (tokenizer, model) = training.reviews(size["reviews"]), training.torch_model(size)
    ends, seen = [], []
    contest.reset_peak()
    started = time.perf_counter()
    arguments = training.training_arguments(size, "float32", True, len(texts), size["epochs"])
    training.torch_fit(tokenizer, model, texts, labels, arguments, lambda: ends.append(time.perf_counter()), seen)
    peak = contest.memory_mb()
    accuracy = training.torch_accuracy(tokenizer, model, *training.validation(size))
    return measured(started, ends, seen) | {"accuracy": accuracy, "peak MB": peak}


CONTESTANTS = {COURSE: course_job, GROUPED: torch_job, ONE_CORE: course_on_one_core}


def aims(rounds: list[dict]) -> list[contest.Aim]:
    """What the course aims at, on either kind of machine that it is measured on."""
    ratio = contest.ratio(rounds, "seconds", COURSE, GROUPED)
    first = contest.summary(rounds, ONE_CORE, "first step")
    return [
        contest.Aim("seconds by those of group_by_length, on the AMD machine", 1.0, ratio, at_most=True),
        contest.Aim("the same, on the Intel machine", 1.2, ratio, at_most=True),
        contest.Aim("seconds until the first step's end, one core", FIRST_STEP, first, at_most=True),
    ]


def report(rounds: list[dict]) -> str:
    """A row for each contestant, and the aims."""
    rows = []
    for name in CONTESTANTS:
        numbers = {m: contest.summary(rounds, name, m) for m in ("seconds", "first step", "steps", "peak MB")}
        cells = [contest.shown(numbers["seconds"]), contest.shown(numbers["first step"])]
        for share in ("accuracy", "real share"):
            found = contest.summary(rounds, name, share)
            cells.append(contest.shown(found and tuple(100 * number for number in found)))
        rows.append([name, *cells, *(contest.shown(numbers[m], 0) for m in ("steps", "peak MB"))])
    head = ["the whole job", "seconds", "until the first step's end, seconds", "accuracy %", "real tokens %", "steps"]
    return f"{contest.table([*head, 'peak MB'], rows)}\n\n{contest.verdicts(aims(rounds))}"


def figure(rounds: list[dict]):
    """Seconds of the whole job."""
    found = {name: contest.summary(rounds, name, "seconds") for name in (COURSE, GROUPED)}
    return contest.bars("Fine-tuning as users run it", "seconds (bar: median, line: all rounds)", found)


CONTEST = contest.Contest("job", CONTESTANTS, SIZE, TINY, prepare, report, figure)

if __name__ == "__main__":
    sys.exit(contest.main(CONTEST, Path(__file__)))
