"""The benchmarks' logic: medians and ratios with their spread, resuming, refusal of other circumstances. Nothing is timed."""

import json
import re
from types import SimpleNamespace

import answering
import contest
import course
import job
import numpy as np
import preparing_data
import pytest
import results
import training
import training_step
import training_tries
from conftest import make_tiny_reviews

from helpers import finetuning, models, runtime

BENCHMARKS = runtime.COURSE / "benchmarks"
CONTESTS = [each.CONTEST for each in (job, training, training_step, training_tries, preparing_data, answering)]
PRESENT = {
    "inputs": {"train": "a"},
    "versions": {"keras": "3"},
    "code": {"helpers.models.pad": "b"},
    "machine": {"cores": 2, "processor": "x", "system": "Linux", "bfloat16": False},
}


@pytest.fixture(autouse=True)
def a_quiet_machine(monkeypatch):
    """Nobody waits a second to see how busy the processors are."""
    monkeypatch.setattr(contest.psutil, "cpu_percent", lambda interval: 0.5)


def stored(path, present) -> list[dict]:
    """Rounds of a file that were measured under these circumstances."""
    return results.stored(path, present, "rounds")


def rows(**seconds) -> list[dict]:
    """Rounds: contestant -> its seconds in round 0, 1, ...; None: not measured."""
    return [
        {"contestant": name, "round": number, "date": "2026-01-02", "busy %": 0.1, "values": {"seconds": value}}
        for name, numbers in seconds.items()
        for number, value in enumerate(numbers)
    ]


def test_medians_stand_with_their_spread():
    rounds = rows(a=[3.0, 1.0, 100.0], b=[None, None, 2.0])
    assert contest.summary(rounds, "a", "seconds") == (3.0, 1.0, 100.0)
    assert contest.summary(rounds, "b", "seconds") == (2.0, 2.0, 2.0)
    assert contest.summary(rounds, "c", "seconds") is None and contest.summary(rounds, "a", "MB") is None
    assert contest.shown((3.0, 1.0, 1234.5)) == "3.0 (1.0-1,234.5)" and contest.shown(None) == "-"


def test_ratios_are_taken_within_a_round():
    rounds = rows(slow=[10.0, 40.0, 60.0], fast=[1.0, 2.0, 20.0])
    # 10, 20 and 3: their median is not the ratio of the medians, 40 / 2.
    assert contest.ratio(rounds, "seconds", "slow", "fast") == (10.0, 3.0, 20.0)
    assert contest.ratio(rows(slow=[10.0, None], fast=[2.0, 1.0]), "seconds", "slow", "fast") == (5.0, 5.0, 5.0)
    assert contest.ratio(rows(slow=[None, 4.0], fast=[2.0, None]), "seconds", "slow", "fast") is None


def test_rounds_are_interleaved_and_each_begins_with_another():
    expected = [(0, "a"), (0, "b"), (0, "c"), (1, "b"), (1, "c"), (1, "a")]
    assert contest.schedule({"a": 2, "b": 2, "c": 2}) == expected
    assert contest.schedule({"a": 2, "b": 1, "c": 2}) == [turn for turn in expected if turn != (1, "b")]


def test_a_stopped_run_goes_on(tmp_path):
    path, made = tmp_path / "speed.json", []

    def measure(name, number):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append((number, name))
        return {"seconds": len(made)}

    with pytest.raises(KeyboardInterrupt):
        contest.complete(path, PRESENT, {"a": 2, "b": 2}, measure)
    assert made == [(0, "a"), (0, "b"), (1, "b")] and len(stored(path, PRESENT)) == 3
    made.insert(0, "pause")
    rounds = contest.complete(
        path, PRESENT, {"a": 2, "b": 2}, lambda name, number: made.append((number, name)) or {"seconds": 9}
    )
    assert made == ["pause", (0, "a"), (0, "b"), (1, "b"), (1, "a")]
    assert [(row["round"], row["contestant"], row["values"]["seconds"]) for row in rounds] == [
        (0, "a", 1), (0, "b", 2), (1, "b", 3), (1, "a", 9),
    ]  # fmt: skip
    assert contest.complete(path, PRESENT, {"a": 2, "b": 2}, None) == rounds  # nothing to measure
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]


def test_contestants_that_are_not_run_keep_their_rounds(tmp_path):
    path = tmp_path / "speed.json"
    contest.complete(path, PRESENT, {"a": 1, "b": 1}, lambda name, number: {"seconds": 1})
    assert len(contest.complete(path, PRESENT, {"b": 2}, lambda name, number: {"seconds": 2})) == 2
    assert len(stored(path, PRESENT)) == 3


def test_one_that_failed_is_left_out_of_this_run_only(tmp_path):
    path, tried = tmp_path / "speed.json", []

    def measure(name, number):
        tried.append((number, name))
        return None if name == "bad" else {"seconds": 1}

    rounds = contest.complete(path, PRESENT, {"bad": 3, "good": 3}, measure)
    assert [name for _, name in tried].count("bad") == 1 and len(rounds) == 3
    contest.complete(path, PRESENT, {"bad": 3, "good": 3}, measure)
    assert tried[-1] == (0, "bad") and len(tried) == 5


@pytest.mark.parametrize(
    ("part", "changed", "name"),
    [
        ("inputs", {"train": "b"}, "inputs: train"),
        ("versions", {"keras": "4"}, "versions: keras"),
        ("versions", {"keras": None}, "versions: keras"),
        ("code", {"helpers.models.pad": "c"}, "code: helpers.models.pad"),
        ("code", {}, "code: helpers.models.pad"),
        ("machine", {**PRESENT["machine"], "cores": 4}, "machine: cores"),
    ],
)
def test_rounds_of_other_circumstances_are_refused(tmp_path, capsys, part, changed, name):
    path = tmp_path / "speed.json"
    contest.complete(path, PRESENT, {"a": 1}, lambda name, number: {"seconds": 1})
    other = {**PRESENT, part: changed}
    assert stored(path, other) == [] and f"({name})" in capsys.readouterr().out
    assert contest.complete(path, other, {"a": 1}, lambda name, number: {"seconds": 5})[0]["values"] == {"seconds": 5}
    assert stored(path, PRESENT) == []  # never mixed
    assert stored(tmp_path / "none.json", PRESENT) == []


@pytest.mark.parametrize("each", CONTESTS, ids=lambda each: each.name)
def test_the_code_that_is_measured_is_among_the_circumstances(each):
    code = results.circumstances({}, contest.roots_of(each), contest.PACKAGES)["code"]
    measured = {
        "job": ["job.torch_job", "training.torch_fit", "helpers.finetuning.fine_tune"],
        "training": ["training.keras_epoch", "training.torch_epoch", "helpers.finetuning.LengthGroupedBatches"],
        "training_step": ["training_step.torch_part", "training.torch_model", "helpers.optimizers.make_optimizer"],
        "training_tries": ["training_tries.few_tokens", "training.torch_epoch", "helpers.models.add_head"],
        "preparing_data": ["preparing_data.course", "preparing_data.spacy_pipe", "helpers.models.token_ids"],
        "answering": ["answering.onnx", "answering.pytorch", "helpers.predicting.OnnxModel"],
    }[each.name]
    assert set(measured) <= set(code) and "contest.QUIET" in code
    assert not {f"{each.name}.report", f"{each.name}.figure", "contest.table"} & set(code)  # what is only shown


def test_verdicts_follow_the_median_and_name_a_spread_across_the_aim():
    aims = [
        contest.Aim("far above", 2, (3.0, 2.5, 4.0)), contest.Aim("just", 2, (2.0, 1.9, 4.0)),
        contest.Aim("below", 2, (1.9, 1.0, 2.5)), contest.Aim("far below", 2, (1.0, 0.5, 1.5)), contest.Aim("none", 2, None),
    ]  # fmt: skip
    assert verdicts_of(aims) == [
        "reached", "reached, not in every round", "**not reached**, not in every round", "**not reached**", "not measured",
    ]  # fmt: skip
    assert "| 2.00 | 3.00 (2.50-4.00) |" in contest.verdicts(aims)


def verdicts_of(aims) -> list[str]:
    """The last column."""
    return [line.split(" | ")[-1].removesuffix(" |") for line in contest.verdicts(aims).splitlines()[2:]]


def test_an_aim_may_be_a_most():
    found = [(1.0, 0.5, 1.5), (2.0, 1.0, 2.5), (2.1, 1.0, 2.5), (3.0, 2.5, 4.0)]
    aims = [contest.Aim("seconds", 2, numbers, at_most=True) for numbers in found]
    assert verdicts_of(aims) == [        "reached", "reached, not in every round", "**not reached**, not in every round", "**not reached**",
    ]  # fmt: skip
    assert "| at most 2.00 |" in contest.verdicts(aims)


def test_the_tool_fills_the_readme_between_its_marks_only():
    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    filled = text
    for each in CONTESTS:
        filled = contest.filled(filled, each.name, f"table of {each.name}")
        filled = contest.filled(filled, each.name, f"newer {each.name}")  # a second time as well
    outside = r"<!-- (\w+): written by make bench -->.*?<!-- end of \1 -->"
    assert re.sub(outside, "", filled, flags=re.S) == re.sub(outside, "", text, flags=re.S)
    assert [f"newer {each.name}" in filled for each in CONTESTS] == [True] * len(CONTESTS) and "table of" not in filled
    with pytest.raises(ValueError, match="once each"):
        contest.filled("nothing here", "answering", "x")


GROWING = [f"{what}, {rows}" for what in ("seconds", "texts a second", "MB") for rows in (10, 100)]
EPOCH = [
    "seconds",
    "after the last",
    "tokens a second",
    "accuracy",
    "real share",
    "rate share",
    "matrix GFLOP/s",
    "peak MB",
]
MEASURES = {
    "job": ["seconds", "first step", "steps", "accuracy", "real share", "peak MB"],
    "training": [*EPOCH, "seconds to score", "steps to score", "best score"],
    "training_step": [f"{what}, {length}" for what in ("ms", "first") for length in (10, 100)] + ["matrix GFLOP/s"],
    "training_tries": [*EPOCH, "first step", "steps"],
    "preparing_data": ["seconds, few", "texts a second, few", *GROWING],
    "answering": ["ms, one", "ms, batch", "largest difference", "same answer", "MB"],
}


@pytest.mark.parametrize("each", CONTESTS, ids=lambda each: each.name)
def test_tables_and_figure_are_published_with_their_origin(each, tmp_path):
    rounds = [
        {"contestant": name, "round": number, "date": "2026-01-02", "busy %": 0.1, "values": dict.fromkeys(MEASURES[each.name], 0.5) | {"same answer": 0.95 if "int8" in name else 1.0}}
        for name in each.contestants
        for number in range(2)
    ]  # fmt: skip
    results.write(tmp_path / f"{each.name}.json", {"circumstances": PRESENT, "rounds": rounds})
    readme = tmp_path / "README.md"
    readme.write_text((BENCHMARKS / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    contest.publish(each, tmp_path, readme)
    text = readme.read_text(encoding="utf-8")
    part = text[text.index(f"<!-- {each.name}: written") : text.index(f"<!-- end of {each.name} -->")]
    assert all(f"\n| {name} |" in part for name in each.contestants) and "not measured" not in part.lower()
    assert "2026-01-02 in 2 round(s) on 2 cores (x, Linux, without bfloat16). keras 3." in part
    figure = (tmp_path / f"{each.name}.png").read_bytes()
    assert figure.startswith(b"\x89PNG")
    assert int.from_bytes(figure[16:20], "big") <= 540  # its width: on a phone of 360 letters are then 9 pixels high


def test_the_readme_shows_what_is_stored():
    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    for each in CONTESTS:
        path = contest.RESULTS / f"{each.name}.json"
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            shown = f"{each.report(content['rounds'])}\n\n{contest.origin(content)}\n"
            assert shown in text, f"{each.name}: run `make bench` again"
            assert path.with_suffix(".png").is_file()
        else:
            assert f"<!-- {each.name}: written by make bench -->\n\n*Not measured yet" in text


def test_memory_is_watched_from_a_reset():
    if contest.memory_mb() is None:
        pytest.skip("This system does not say how much memory a process takes.")
    contest.reset_peak()
    before = contest.memory_mb()
    block = np.ones(40_000_000, "uint8")
    assert block.sum()
    del block
    assert contest.memory_mb() > before + 30  # the peak, though the block is gone
    contest.reset_peak()
    assert contest.memory_mb() < before + 30


# ---- fine-tuning


def test_operations_of_a_training_step_by_hand():
    # 2 texts of 3 tokens: a multiplication and an addition for each weight of a layer, and 2 x 2 x 3 x 384 for attention.
    weights = 4 * 384 * 384 + 2 * 384 * 1536
    assert training.training_flops(2, 3) == 3 * 6 * 6 * (2 * weights + 2 * 2 * 3 * 384)


def test_shares_and_rates_of_an_epoch():
    batches = [(2, 10, 15), (2, 5, 5)]
    assert training.real_share(batches) == 20 / 30
    same = [(2, 8, 12)] * 8
    ends = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0]  # the first five are left out
    work = 3 * training.training_flops(2, 8)
    found = training.measured(8.0, ends, 19.5, same, [work / 8, work / 2])
    assert found["rate share"] == pytest.approx((work / 3) / (work / 2)) and found["steps"] == 8
    assert found["tokens a second"] == 12.0  # 36 real tokens in three seconds
    assert found["matrix GFLOP/s"] == pytest.approx(work / 2 / 1e9) and found["seconds"] == 9.0
    assert found["after the last"] == 2.5


def test_the_score_is_judged_every_so_many_steps_and_off_the_clock(monkeypatch):
    now = iter(float(n) for n in range(100))
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(now))
    scores = iter([0.7, 0.85])
    finish = training.Finish({"score_every": 2, "score": 0.8}, lambda: next(scores))
    assert [finish.after_step() for _ in range(4)] == [False, False, False, True]
    # The clock is read at the start, before and after the first judging, and before the second: two stretches of a second.
    assert finish.measured() == {"seconds to score": 2.0, "steps to score": 4, "best score": 0.85}
    missed = training.Finish({"score_every": 1, "score": 0.8}, lambda: 0.5)
    missed.after_step()
    assert missed.measured()["seconds to score"] is None and missed.measured()["best score"] == 0.5


# ---- the whole job


@pytest.mark.once
def test_the_job_is_one_run_of_all_epochs(monkeypatch, tiny_classifier):
    texts, labels = make_tiny_reviews(10)
    monkeypatch.setattr(job.runtime, "start", lambda seed: None)
    monkeypatch.setattr(models, "make_classifier", lambda seed: tiny_classifier)
    monkeypatch.setattr(training, "reviews", lambda number: (texts[:number], labels[:number]))
    monkeypatch.setattr(training, "validation", lambda size: (texts, labels))
    before = tiny_classifier.model.get_weights()
    found = job.course_job({**job.TINY, "reviews": 10, "seed": 1})
    assert found["steps"] == 2 * 3  # two epochs of three batches
    assert 0 < found["first step"] < found["seconds"] and 0 < found["real share"] <= 1
    assert found["accuracy"] in [n / 10 for n in range(11)]
    assert any((a != b).any() for a, b in zip(before, tiny_classifier.model.get_weights(), strict=True))


def test_on_one_core_a_short_training_tells(monkeypatch):
    given = []
    monkeypatch.setattr(training_tries, "on_one_core", lambda: given.append("one core"))
    monkeypatch.setattr(job, "course_job", lambda size: given.append(size) or {"first step": 1.0})
    assert job.course_on_one_core(job.SIZE) == {"first step": 1.0}
    assert given == ["one core", job.SIZE | {"reviews": 400, "epochs": 1}]


def test_the_aims_of_the_job_are_ratios_within_a_round():
    def row(name, number, seconds, first):
        return {"contestant": name, "round": number, "values": {"seconds": seconds, "first step": first}}

    rounds = [row(job.COURSE, 0, 110, 9), row(job.GROUPED, 0, 100, 1), row(job.ONE_CORE, 0, 50, 4.0)]
    rounds += [row(job.COURSE, 1, 230, 9), row(job.GROUPED, 1, 200, 1), row(job.ONE_CORE, 1, 50, 6.5)]
    measured = [aim.measured for aim in job.aims(rounds)]
    assert measured[0] == measured[1] == pytest.approx((1.125, 1.1, 1.15)) and measured[2] == (5.25, 4.0, 6.5)
    assert verdicts_of(job.aims(rounds)) == ["**not reached**", "reached", "**not reached**, not in every round"]


def test_the_whole_bench_is_cut_to_fit():
    """What `make bench` has to run: fewer rounds of what is only looked at, three of what decides."""
    assert {each.name: each.rounds for each in CONTESTS} == {
        "job": 3, "training": 2, "training_step": 2, "training_tries": 1, "preparing_data": 2, "answering": 2,
    }  # fmt: skip
    assert set(training.CONTEST.contestants) >= training.SLOW
    assert "KerasHub, default, bfloat16" not in training.CONTEST.contestants


# ---- a training step


def test_parts_of_a_step_are_shares_of_the_matrix_rate():
    operations = training.training_flops(16, 32)
    values = {"ms, 32": 1000.0, "matrix GFLOP/s": operations / 1e9}  # in a second as much as the matrix product could
    assert training_step.rate_share(values, "the course, whole step", 32, 16) == pytest.approx(100)
    assert training_step.rate_share(values, "the course, forward, backward", 32, 16) == pytest.approx(100)
    assert training_step.rate_share(values, "PyTorch, forward", 32, 16) == pytest.approx(100 / 3)


def test_the_first_call_is_timed_by_itself(monkeypatch):
    now = iter([0.0, 9.0, 9.0, 14.0, 14.0, 15.0, 15.0, 17.0, 17.0, 18.0])  # calls of 9, 5, 1, 2 and 1 seconds
    monkeypatch.setattr(training_step.time, "perf_counter", lambda: next(now))
    assert training_step.timed(lambda: None, repeats=3) == (9.0, 1000.0)


@pytest.mark.tensorflow
def test_every_part_of_a_step_runs_and_the_whole_one_trains(monkeypatch, tiny_classifier):
    size = {"rows": 2, "lengths": [4], "repeats": 1, "matrix": 8, "trimmed": 3500, "seed": 1}
    monkeypatch.setattr(training, "start_keras", lambda size, dtype: None)
    monkeypatch.setattr(
        training_step, "random_batch", lambda size, length: (np.ones((2, 4), "int32"), np.array([0, 1], "int32"))
    )
    monkeypatch.setattr(training_step, "keras_model", lambda vocabulary_size: tiny_classifier.model)
    weights = [tiny_classifier.model.get_weights()]
    for part in (training_step.FORWARD, training_step.BACKWARD, training_step.STEP):
        found = training_step.keras_part(size, part)
        assert found["ms, 4"] > 0 and found["first, 4"] > 0 and found["matrix GFLOP/s"] > 0
        weights.append(tiny_classifier.model.get_weights())
    changed = [any((a != b).any() for a, b in zip(weights[i], weights[i + 1], strict=True)) for i in range(3)]
    assert changed == [False, False, True]


# ---- what was tried


@pytest.fixture
def unequal_batches():
    """48 texts of 3 to 11 tokens in 12 batches of 4."""
    random = np.random.default_rng(0)
    ids = [np.concatenate([[2], random.integers(5, 15, n), [3]]).astype("int32") for n in random.integers(1, 10, 48)]
    return finetuning.LengthGroupedBatches(ids, np.zeros(48, "int32"), batch_size=4)


def test_with_few_tokens_the_classifier_answers_the_same_and_what_it_learns_comes_back(
    tiny_classifier, unequal_batches
):
    before = finetuning.predict_logits(tiny_classifier.model, unequal_batches)
    embedding = tiny_classifier.backbone.get_layer("token_embedding").get_weights()[0]
    ids = list(unequal_batches.token_ids)
    small, batches = training_tries.few_tokens(tiny_classifier, unequal_batches)
    assert small.backbone.vocabulary_size < len(embedding)
    assert np.allclose(finetuning.predict_logits(small.model, batches), before, atol=1e-6)
    layer = small.backbone.get_layer("token_embedding")
    layer.set_weights([layer.get_weights()[0] + 1])
    used = np.unique(np.concatenate(ids))
    training_tries.give_back(small, tiny_classifier, used)
    moved = tiny_classifier.backbone.get_layer("token_embedding").get_weights()[0] - embedding
    assert np.allclose(moved[used], 1, atol=1e-6) and np.allclose(np.delete(moved, used, axis=0), 0)


def test_batches_of_equal_tokens_hold_each_text_once(tiny_classifier, unequal_batches):
    lengths = np.array([len(ids) for ids in unequal_batches.token_ids])
    _, batches = training_tries.equal_tokens(tiny_classifier, unequal_batches)
    assert len(batches) == 12 and sorted(batches.order) == list(range(48))
    tokens = [lengths[rows].sum() for rows in batches.batches]
    assert max(tokens) - min(tokens) <= 2 * lengths.max() and len(set(map(len, batches.batches))) > 1


def test_larger_groups_and_shorter_steps_leave_less_padding(monkeypatch, tiny_classifier, unequal_batches):
    monkeypatch.setattr(finetuning, "BATCHES_A_GROUP", 2)
    monkeypatch.setattr(finetuning, "BUCKET_LENGTHS", finetuning.BUCKET_LENGTHS)
    monkeypatch.setattr(finetuning, "this_device", lambda: SimpleNamespace(compiles=False))

    def real(batches):
        return training.real_share(training.shapes(batches[i] for i in range(len(batches))))

    shares = [real(training_tries.again(unequal_batches))]
    shares.append(real(training_tries.large_groups(tiny_classifier, unequal_batches)[1]))
    shares.append(real(training_tries.short_steps(tiny_classifier, training_tries.again(unequal_batches))[1]))
    assert shares[0] < shares[1] < shares[2] <= 1


# ---- preparing data, answering


def test_growth_is_one_where_time_grows_as_the_rows_do():
    def row(number, few, many):
        return {"contestant": "a", "round": number, "values": {"seconds, 1000": few, "seconds, 10000": many}}

    assert preparing_data.growth([row(0, 2.0, 20.0)], "a", "seconds") == (1.0, 1.0, 1.0)
    assert preparing_data.growth([row(0, 2.0, 2.0), row(1, 1.0, 30.0)], "a", "seconds") == (1.55, 0.1, 3.0)


def test_the_recommended_export_must_be_the_fastest_of_its_class():
    def row(name, one, batch, same):
        values = {"ms, one": one, "ms, batch": batch, "same answer": same}
        return {"contestant": name, "round": 0, "values": values}

    rounds = [
        row("SavedModel", 9, 9, 1.0), row("onnxruntime float32", 5, 5, 0.99), row("LiteRT int8", 2, 3, 0.98),
        row("onnxruntime int8", 3, 2, 0.9), row("PyTorch", 1, 1, 1.0), row("LiteRT float32", 1, 1, 0.8),  # no export; too inexact
    ]  # fmt: skip
    assert answering.in_class(rounds, 0.99, 1.01) == ["SavedModel", "onnxruntime float32"]
    assert answering.in_class(rounds, 0.9, 0.99) == ["LiteRT int8", "onnxruntime int8"]
    assert answering.fastest(rounds, ["LiteRT int8", "onnxruntime int8"], "ms, one") == "LiteRT int8"
    verdicts = [line.split(" | ")[-1] for line in answering.classes(rounds).splitlines()[2:]]
    assert [verdict.startswith("reached") for verdict in verdicts] == [True, True, False, True]
    assert answering.fastest([], list(answering.EXPORTS), "ms, one") is None
    assert {name for *_, name in answering.CLASSES.values()} <= set(answering.EXPORTS) <= set(answering.CONTESTANTS)


def test_weights_go_over_to_pytorchs_shapes():
    heads = np.arange(4 * 2 * 3.0).reshape(4, 2, 3)  # (width, heads, size of a head)
    turned = answering.torch_shape("kernel", "self_attention_layer/query", heads)
    vector = np.arange(4.0)
    assert np.allclose(turned @ vector, np.einsum("d,dhk->hk", vector, heads).reshape(-1))
    back = heads.reshape(2, 3, 4)  # (heads, size of a head, width)
    turned = answering.torch_shape("kernel", "self_attention_layer/attention_output", back)
    vectors = np.arange(6.0).reshape(2, 3)
    assert np.allclose(turned @ vectors.reshape(-1), np.einsum("hk,hkd->d", vectors, back))
    assert answering.torch_shape("bias", "x", np.ones((2, 3))).shape == (6,)


def test_every_weight_of_the_backbone_has_a_name_in_pytorch(tiny_classifier):
    found = answering.torch_weights(tiny_classifier.backbone)
    assert len(found) == len(tiny_classifier.backbone.weights) - 2  # the pooler's two are not used
    assert found["encoder.layer.1.intermediate.dense.weight"].shape == (32, 16)
    assert found["embeddings.word_embeddings.weight"].shape[1] == 16


# ---- the environment


@pytest.mark.repository
def test_the_extra_lock_has_hashes_no_host_and_the_courses_versions():
    lock, main = course.BENCH_LOCK.read_text(encoding="utf-8"), course.LOCK.read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[\w.-]+==)", lock, flags=re.M)[1:]
    assert len(blocks) > 40
    assert all(re.fullmatch(r"[^\n]+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", block) for block in blocks)
    assert "://" not in lock and "--index" not in lock and "--find-links" not in lock
    names = {block.split("==")[0] for block in re.split(r"^(?=[\w.-]+==)", main, flags=re.M)[1:]}
    heads = set(re.findall(r"^([\w.-]+==[^\s;]+)", main, flags=re.M))
    for head in re.findall(r"^([\w.-]+==[^\s;]+)", lock, flags=re.M):
        assert head in heads or head.split("==")[0] not in names, f"{head} is another version than the course's"


@pytest.mark.repository
@pytest.mark.parametrize("without_cuda", [True, False])
def test_cuda_is_left_out_where_pytorch_comes_without_it(monkeypatch, tmp_path, without_cuda):
    lock, given = course.BENCH_LOCK.read_text(encoding="utf-8"), []
    version = re.search(r"^torch==(\S+)", lock, flags=re.M)[1]
    assert course.TORCH_WITHOUT_CUDA.startswith(f"torch=={version}+cpu --hash=sha256:")

    def install(text, environment, **options):
        given.append(text)
        return int("+cpu" in text and not without_cuda)  # pip's exit code

    monkeypatch.setattr(course, "BENCH", tmp_path)
    monkeypatch.setattr(course, "set_up", lambda environment: None)
    monkeypatch.setattr(course, "call", lambda *command, **options: 0)
    monkeypatch.setattr(course, "install", install)
    course.set_up_bench()
    assert ("nvidia-" in given[1]) == ("\ntorch==" in given[1]) == (not without_cuda) and "\ntransformers==" in given[1]
    given.clear()
    course.set_up_bench()  # made from this very lock: nothing to do
    assert given == []


@pytest.mark.repository
def test_make_bench_calls_the_benchmarks_that_there_are(monkeypatch):
    called = []
    monkeypatch.setattr(course, "set_up_bench", lambda: None)
    monkeypatch.setattr(course.sys, "argv", ["course.py", "bench", "--tiny"])
    monkeypatch.setattr(course, "call", lambda *command, environment: called.append(command) or len(called) % 2)
    assert course.bench() == 1
    assert called == [(f"benchmarks/{each.name}.py", "--tiny") for each in CONTESTS]
    assert all((runtime.COURSE / script).is_file() for script, _ in called)
