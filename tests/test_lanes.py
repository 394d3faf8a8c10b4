"""Jobs side by side: order, lanes, cores, and what becomes of jobs whose needs failed."""

import ast
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import course
import lanes
import lessons
import pytest

from helpers import runtime

pytestmark = pytest.mark.once
CORES = len(lanes.usable_cores())
TWO_CORES = pytest.mark.skipif(CORES < 2, reason="This process may use one core only.")


class Recorder:
    """Makes jobs that write down what happens: `events` holds ("begin" or "end", name) in order."""

    def __init__(self):
        self.events, self.together = [], threading.Barrier(2, timeout=10)

    def job(self, name, needs=(), well=True, meet=False, **options):
        def work(lane):
            self.events.append(("begin", name))
            threading.Event().wait(0.1)
            if meet:  # only two jobs that run at the same time get past this
                self.together.wait()
            if well is None:
                raise RuntimeError("broken")
            self.events.append(("end", name))
            return well

        return lanes.Job(name, work, frozenset(needs), **options)


@pytest.fixture
def recorder():
    return Recorder()


@TWO_CORES
@pytest.mark.whole_machine
def test_two_jobs_run_at_the_same_time(recorder):
    done = lanes.run([recorder.job("a", meet=True), recorder.job("b", meet=True)], lanes=2)
    assert {name: what.result for name, what in done.items()} == {"a": "ok", "b": "ok"}


def order(recorder, jobs):
    """Names in the order in which one lane begins the jobs."""
    lanes.run(jobs, lanes=1)
    return [name for kind, name in recorder.events if kind == "begin"]


def test_in_one_lane_the_job_with_the_longest_chain_comes_first_then_their_order(recorder):
    jobs = [recorder.job("a"), recorder.job("b", {"c"}), recorder.job("c", {"d"}), recorder.job("d"), recorder.job("e")]
    assert order(recorder, jobs) == ["d", "c", "a", "b", "e"]


def test_a_long_job_comes_first_but_after_the_first_of_a_longer_chain(recorder):
    jobs = [recorder.job("a"), recorder.job("long", minutes=4), recorder.job("c", minutes=3)]
    assert order(recorder, [*jobs, recorder.job("d", {"c"}, minutes=2)]) == ["c", "long", "d", "a"]


@TWO_CORES
@pytest.mark.whole_machine
def test_a_job_waits_for_what_it_needs_and_ignores_needs_that_are_not_in_the_run(recorder):
    lanes.run([recorder.job("b", {"a", "elsewhere"}), recorder.job("a")], lanes=2)
    assert recorder.events == [("begin", "a"), ("end", "a"), ("begin", "b"), ("end", "b")]


@pytest.mark.parametrize("broken", [False, None])
def test_a_failed_job_stops_those_that_need_it_and_nothing_else(recorder, broken, capsys):
    jobs = [recorder.job("a", well=broken), recorder.job("b", {"a"}), recorder.job("c", {"b"}), recorder.job("d")]
    done = lanes.run(jobs, lanes=1)
    assert {name: what.result for name, what in done.items()} == {
        "a": "FAILED", "b": "not run: it needs a", "c": "not run: it needs b", "d": "ok",
    }  # fmt: skip
    assert ("begin", "b") not in recorder.events and ("end", "d") in recorder.events
    assert ("a: RuntimeError: broken" in capsys.readouterr().out) == (broken is None)


@TWO_CORES
@pytest.mark.whole_machine
def test_a_job_that_takes_the_whole_machine_runs_alone_on_all_cores():
    running, seen = set(), {}

    def work(name):
        def inner(lane):
            running.add(name)
            seen[name] = (set(running), lanes.usable_cores())
            threading.Event().wait(0.2)
            running.discard(name)
            return True

        return inner

    jobs = [lanes.Job(name, work(name), whole_machine=name == "whole") for name in ("a", "whole", "b", "c")]
    lanes.run(jobs, lanes=2)
    assert seen["whole"] == ({"whole"}, lanes.usable_cores())
    assert all(
        len(cores) == len(range(0, CORES, 2)) or CORES % 2 for name, (_, cores) in seen.items() if name != "whole"
    )


@TWO_CORES
@pytest.mark.whole_machine
def test_a_process_started_in_a_lane_sees_that_lanes_cores_only():
    """Affinity goes over from the thread to what it starts; the two lanes share none."""
    seen = {}

    def work(lane):
        command = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
        seen[lane] = ast.literal_eval(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        meeting.wait()
        return True

    meeting = threading.Barrier(2, timeout=60)
    lanes.run([lanes.Job("a", work), lanes.Job("b", work)], lanes=2)
    assert sorted(seen[0] + seen[1]) == lanes.usable_cores() and len(seen[0]) == (CORES + 1) // 2


def test_jobs_that_wait_for_each_other_are_refused(recorder):
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        lanes.run([recorder.job("a", {"b"}), recorder.job("b", {"a"}), recorder.job("c")])


@pytest.mark.parametrize(
    ("wanted", "cores", "number"), [("", 2, 2), ("", 1, 1), ("", 16, 2), ("1", 2, 1), ("5", 4, 4), ("", 0, 1)]
)
def test_the_number_of_lanes(monkeypatch, wanted, cores, number):
    monkeypatch.setenv("LANES", wanted)
    monkeypatch.setattr(lanes, "usable_cores", lambda: list(range(cores)))
    assert lanes.number_of_lanes() == number


@pytest.mark.parametrize("wanted", ["0", "two", "-1", "1.5"])
def test_a_wrong_number_of_lanes_is_refused(monkeypatch, wanted):
    monkeypatch.setenv("LANES", wanted)
    with pytest.raises(ValueError, match="a whole number"):
        lanes.number_of_lanes()


# ---- which lesson waits for which


def loaders():
    """Names (`helper.function`) of the helpers' functions that load or make an artifact: those with `remake`."""
    for path in (runtime.COURSE / "helpers").glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and "remake" in [argument.arg for argument in node.args.args]:
                yield f"{path.stem}.{node.name}"


def loaded_in(path):
    """(function, whether it makes the thing in any case) for each call of one of `loaders` in a lesson's twin."""
    known = set(loaders()) - {"runtime.artifact"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in known:
            yield ast.unparse(node.func), any(keyword.arg == "remake" for keyword in node.keywords)


def test_lessons_wait_for_the_makers_of_what_they_load():
    """The lesson that owns an artifact asks for it with `remake=True`; whoever else asks for it waits for that lesson."""
    calls = {path.stem[:2]: set(loaded_in(path)) for path in lessons.lessons([])}
    makers = {function: number for number, found in calls.items() for function, remake in found if remake}
    assert sorted(makers.values()) == ["01", "04", "05", "05"]  # splits, corpus, classifier, candidates
    for number, found in calls.items():
        needs = {makers[function] for function, _ in found if function in makers} - {number}
        if number == "07":
            needs -= {"05"}  # it fine-tunes on fewer reviews, which makes another classifier
        assert course.NEEDS.get(number, set()) == needs, number


def test_a_job_of_a_lesson_needs_the_jobs_of_its_makers_where_they_run_too():
    jobs = {job.name: job.needs for job in lessons.jobs_of(lessons.lessons(["05", "06"]), print)}
    assert jobs == {"05_fine_tuning": frozenset(), "06_evaluation": {"05_fine_tuning"}}


# ---- what `make test` starts


@pytest.fixture
def calls(monkeypatch):
    """Commands that would have been started; what each returns is looked up by `calls.results`, else 0."""

    class Calls(list):
        results: ClassVar = {}

    found = Calls()

    def call(*command, **options):
        found.append((command, options))
        return next((code for part, code in found.results.items() if part in " ".join(command)), 0)

    monkeypatch.setattr(course, "call", call)
    found.results = {}
    return found


def test_unit_tests_run_side_by_side_and_those_for_the_whole_machine_after_them(calls, monkeypatch):
    monkeypatch.setattr(course.lanes, "number_of_lanes", lambda: 2)
    calls.results = {"-m whole_machine": course.NO_TESTS}
    assert course.unit_tests(COURSE_ARTIFACTS="x") == 0
    both = [(command[1:], options) for command, options in calls]
    side_by_side = ("-n", "2", "--dist", "loadscope", "--no-loadscope-reorder")
    assert both == [
        (("pytest", *side_by_side, "-m", "not whole_machine"), {"COURSE_ARTIFACTS": "x"}),
        (("pytest", "-m", "whole_machine"), {"COURSE_ARTIFACTS": "x"}),
    ]
    calls.clear()
    calls.results = {"-m whole_machine and not once": 1}
    assert course.unit_tests("not once") == 1
    assert [command[-1] for command, _ in calls] == ["not whole_machine and not once", "whole_machine and not once"]


def test_in_one_lane_all_unit_tests_run_in_one_process(calls, monkeypatch):
    monkeypatch.setattr(course.lanes, "number_of_lanes", lambda: 1)
    calls.results = {"pytest": 3}
    assert course.unit_tests("not once") == 3
    assert [command for command, _ in calls] == [("-m", "pytest", "-m", "not once")]


def test_all_lessons_are_tested_strictly_and_five_without_tensorflow(calls, capsys):
    assert course.test_lessons({"COURSE_ARTIFACTS": "x"}, {"KERAS_BACKEND": "jax"}) == 0
    strict = sorted(Path(command[-1]).name for command, _ in calls if "--nbval" in command)
    assert strict == [f"{path.stem}.ipynb" for path in lessons.lessons([])]
    by_claims = [(command[2], options["KERAS_BACKEND"]) for command, options in calls if "run" in command]
    assert sorted(by_claims) == [(number, "jax") for number in course.ELSEWHERE]
    assert capsys.readouterr().out.count(" ok\n") == len(calls) == len(strict) + 5


def test_a_lesson_that_fails_spares_all_but_those_that_load_what_it_makes(calls, capsys):
    calls.results = {"05_fine_tuning.ipynb": 1}
    assert course.test_lessons({}, {}) == 1
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines() if "strict nbval  " in line]
    results = {row[0][:2]: row[-1].strip() for row in rows}
    assert results["05"] == "FAILED"
    assert {results[number] for number in ("06", "09", "11")} == {"not run: it needs 05 strict nbval"}
    assert {result for number, result in results.items() if number not in ("05", "06", "09", "11")} == {"ok"}


def test_a_job_that_none_can_run_beside_gets_all_cores():
    """On a reader's data the lessons stand in a row, but for the last two."""
    jobs = [lanes.Job("01", bool), lanes.Job("05", bool, frozenset({"01"}))]
    jobs += [lanes.Job(name, bool, frozenset({"01", "05", "not in this run"})) for name in ("06", "11")]
    assert [job.whole_machine for job in lanes.give_all_cores(jobs)] == [True, True, False, False]
    free = lanes.Job("00", bool)  # it can run beside any
    assert not any(job.whole_machine for job in lanes.give_all_cores([*jobs, free]))
    assert lanes.give_all_cores([free])[0].whole_machine
