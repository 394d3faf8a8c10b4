"""Jobs side by side: each lane has cores of its own and does one job at a time.

Needs Python's own library only. A training gains little from a second core at the sizes of this course, so two lessons
on one core each are done sooner than one after the other on both. `LANES=1` in the environment: one thing at a time, on all cores.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

MOST = 2  # at a time; more would need more memory than the README promises


@dataclass(frozen=True)
class Job:
    """Something to do, and what has to be done before it.

    `work(lane)` gets the number of its lane and returns whether it went well. `needs`: names of other jobs; those that
    are not in the same run do not count. A job with `whole_machine` runs alone, on all cores. `minutes`: about how long it
    takes; only the order depends on that.
    """

    name: str
    work: Callable[[int], bool]
    needs: frozenset[str] = frozenset()
    whole_machine: bool = False
    minutes: float = 1.0


@dataclass
class Done:
    """What became of a job; `result` is "ok", "FAILED" or "not run: ...needs ..."."""

    result: str
    minutes: float = 0.0


def usable_cores() -> list[int]:
    """Numbers of the cores that this process may use; without numbers where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def number_of_lanes() -> int:
    """`LANES` if it is set, else two where there are two cores to share, else one.

    Raises ValueError when LANES is no whole number above 0. There are never more lanes than cores.
    """
    wanted = os.environ.get("LANES") or str(MOST)
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ValueError(f"LANES is {wanted!r}; it takes a whole number: 1 for one thing at a time on all cores.")
    return max(1, min(int(wanted), len(usable_cores())))


def cores_of_lanes(lanes: int) -> list[list[int]]:
    """The usable cores, dealt out: one list for each lane."""
    cores = usable_cores()
    return [cores[lane::lanes] for lane in range(lanes)]


def keep_to(cores: list[int]) -> None:
    """Let the calling thread, and the processes that it starts from now on, use these cores only.

    Linux keeps such a list for each thread, and a new process takes over that of the thread which starts it. So
    TensorFlow, BLAS and onnxruntime see as many cores as the lane has.
    """
    if cores:
        os.sched_setaffinity(0, cores)


@dataclass
class Queue:
    """The jobs of one run and how far they are; its lanes share it. All changes happen under `changed`."""

    jobs: list[Job]
    done: dict[str, Done] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def minutes_to_go(self, job: Job) -> float:
        """From the beginning of this job to the end of the longest chain of jobs that wait for it."""
        waiting = [other for other in self.jobs if job.name in other.needs]
        return job.minutes + max(map(self.minutes_to_go, waiting), default=0.0)

    def skip_hopeless(self) -> None:
        """Give up the jobs that need one which failed or was given up."""
        for job in self.jobs:
            bad = sorted(need for need in job.needs if need in self.done and self.done[need].result != "ok")
            if bad and job.name not in self.done:
                self.done[job.name] = Done(f"not run: it needs {' and '.join(bad)}")
                return self.skip_hopeless()  # those that need this one

    def next_job(self) -> Job | None:
        """A job that can start now, or None: the one with the most `minutes_to_go`, so that no long one is left for the end."""
        names = {job.name for job in self.jobs}
        waiting = [job for job in self.jobs if job.name not in self.done and job.name not in self.running]
        ready = [job for job in waiting if all(need in self.done for need in job.needs & names)]
        small = [job for job in ready if not job.whole_machine]
        if small:  # so a job that runs alone comes when no other can start, and makes none ready before its end
            return max(small, key=self.minutes_to_go)  # of equal ones the first
        return ready[0] if ready and not self.running else None

    def take(self) -> Job | None:
        """Wait for a job to do and mark it as running; None when all are done or given up."""
        with self.changed:
            while True:
                self.skip_hopeless()
                if len(self.done) == len(self.jobs):
                    return None
                if job := self.next_job():
                    self.running.add(job.name)
                    return job
                self.changed.wait()

    def put_back(self, job: Job, done: Done) -> None:
        """Say what became of a job that `take` gave out."""
        with self.changed:
            self.running.discard(job.name)
            self.done[job.name] = done
            self.changed.notify_all()


def come_before(job: Job, jobs: dict[str, Job]) -> set[str]:
    """Names of all jobs that a job waits for, those that these wait for too; `jobs`: name -> job."""
    needs = {name for name in job.needs if name in jobs}
    return needs.union(*(come_before(jobs[name], jobs) for name in needs))


def give_all_cores(jobs: list[Job]) -> list[Job]:
    """The jobs; one that none can run beside, since all others come before it or after it, gets the whole machine."""
    named = {job.name: job for job in jobs}
    before = {job.name: come_before(job, named) for job in jobs}

    def is_alone(job: Job) -> bool:
        """Whether each other job comes before or after this one."""
        return all(other in before[job.name] or job.name in before[other] for other in named if other != job.name)

    return [replace(job, whole_machine=job.whole_machine or is_alone(job)) for job in jobs]


def _do(job: Job, lane: int) -> Done:
    """Do one job. One that raises has failed: the others go on."""
    started = time.monotonic()
    try:
        well = job.work(lane)
    except Exception as error:
        print(f"{job.name}: {type(error).__name__}: {error}", flush=True)
        well = False
    return Done("ok" if well else "FAILED", (time.monotonic() - started) / 60)


def _serve(queue: Queue, lane: int, own: list[int], everything: list[int]) -> None:
    """The life of one lane: take a job, do it, put it back, until there is none left."""
    while job := queue.take():
        keep_to(everything if job.whole_machine else own)
        queue.put_back(job, _do(job, lane))


def run(jobs: Iterable[Job], lanes: int | None = None) -> dict[str, Done]:
    """Do all jobs, in as many lanes as `number_of_lanes` says; what became of each, in the order of the jobs.

    A job whose needs failed is not run. Raises ValueError when jobs wait for each other in a circle.
    """
    jobs = list(jobs)
    _check_order(jobs)
    queue = Queue(give_all_cores(jobs))
    everything = usable_cores()
    lanes = lanes or number_of_lanes()
    threads = [
        threading.Thread(target=_serve, args=(queue, lane, own, everything), daemon=True)
        for lane, own in enumerate(cores_of_lanes(lanes))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():  # so that Ctrl-C is heard
            thread.join(0.2)
    return {job.name: queue.done[job.name] for job in queue.jobs}


def _check_order(jobs: list[Job]) -> None:
    """Raise ValueError when there is no order in which the jobs can be done."""
    names, left = {job.name for job in jobs}, list(jobs)
    while left:
        free = [job for job in left if not (job.needs & {other.name for other in left})]
        if not free:
            raise ValueError(f"These wait for each other: {', '.join(sorted(names & {job.name for job in left}))}.")
        left = [job for job in left if job not in free]
