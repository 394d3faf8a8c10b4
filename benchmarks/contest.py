"""A contest: contestants in processes of their own, in interleaved rounds; each measured round is stored at once.

So a stopped run goes on where it was, no contestant finds a warm library or a full memory that another left behind,
and what slows the machine for some minutes falls on all alike. Nothing here is a timed test: what is measured is
written down with its spread.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from helpers import runtime

sys.path.insert(0, str(runtime.COURSE / "tools"))
import results

RESULTS = runtime.COURSE / "benchmarks" / "results"
README = RESULTS.with_name("README.md")
# What contestants need, besides the course's own list of packages that decide (`runtime.KEY_PACKAGES`).
PACKAGES = ("tensorflow-text", "onnxruntime", "spacy", "tokenizers", "torch", "transformers", "accelerate")
MINUTES_AT_MOST = 30  # for one contestant in one round
# No contestant may look for a network, and none should chat.
QUIET = {"HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "TRANSFORMERS_VERBOSITY": "error"}
QUIET |= {"TOKENIZERS_PARALLELISM": "true", "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True)
class Contest:
    """What a benchmark measures and how it reports.

    `contestants`: name -> function(size) -> measurements (numbers, None for what could not be measured). `size` is a
    dict of knobs; it also holds `seed`, another one in each round. `prepare(size)` runs first, in a process of its own:
    it fetches and makes what all need, and returns what decides the results besides (hashes of the data).
    `report(rounds)` gives the README's part; `figure(rounds)` a Matplotlib figure.
    """

    name: str
    contestants: dict[str, Callable[[dict], dict]]
    size: dict
    tiny: dict  # a size that runs in seconds, to see whether all works
    prepare: Callable[[dict], dict]
    report: Callable[[list[dict]], str]
    figure: Callable[[list[dict]], object]
    rounds: int = 3
    slow: frozenset[str] = frozenset()  # names of those that take part in one round less


# ---- stored rounds


def roots_of(contest: Contest) -> list:
    """The functions whose code, with all that they call, decides a contest's results."""
    return ["contest.in_process", contest.prepare, *contest.contestants.values()]


def schedule(rounds: dict[str, int]) -> list[tuple[int, str]]:
    """(round, contestant) in order, from contestant -> number of its rounds: each round begins with the next contestant."""
    names = list(rounds)
    turns = [
        (number, names[(i + number) % len(names)]) for number in range(max(rounds.values())) for i in range(len(names))
    ]
    return [(number, name) for number, name in turns if number < rounds[name]]


def complete(
    path: Path, present: dict, rounds: dict[str, int], measure: Callable[[str, int], dict | None]
) -> list[dict]:
    """Measure what is not stored, store each round at once; return all rounds of these contestants.

    `measure(name, round)` returns measurements, or None when the contestant failed: it is then left out of this run.
    """
    if found := results.stored(path, present, "rounds"):
        present = results.read(path)["circumstances"]  # what was noted then: nothing is claimed of older rounds
    known, failed = {(row["round"], row["contestant"]) for row in found}, set()
    for number, name in schedule(rounds):
        if (number, name) in known or name in failed:
            continue
        busy = psutil.cpu_percent(interval=1)  # before: other work on the machine spoils a measurement
        values = measure(name, number)
        if values is None:
            failed.add(name)
            continue
        row = {"contestant": name, "round": number, "date": results.today(), "busy %": busy, "values": values}
        found.append(row)
        results.write(path, {"circumstances": present, "rounds": found})
    return [row for row in found if row["contestant"] in rounds]


# ---- numbers from rounds


def values(rounds: list[dict], name: str, measure: str) -> dict[int, float]:
    """Round -> a contestant's measurement; rounds without it are left out."""
    rows = [row for row in rounds if row["contestant"] == name and row["values"].get(measure) is not None]
    return {row["round"]: row["values"][measure] for row in rows}


def spread(numbers: Sequence[float]) -> tuple[float, float, float] | None:
    """Median, least and greatest; None for no numbers."""
    return (statistics.median(numbers), min(numbers), max(numbers)) if numbers else None


def summary(rounds: list[dict], name: str, measure: str) -> tuple[float, float, float] | None:
    """`spread` of a contestant's measurement over its rounds."""
    return spread(list(values(rounds, name, measure).values()))


def ratio(rounds: list[dict], measure: str, above: str, below: str) -> tuple[float, float, float] | None:
    """`spread` of the ratios of two contestants, each taken within a round that measured both."""
    upper, lower = values(rounds, above, measure), values(rounds, below, measure)
    return spread([upper[number] / lower[number] for number in sorted(upper.keys() & lower.keys())])


# ---- what a reader sees


def shown(numbers: tuple[float, float, float] | None, digits: int = 1) -> str:
    """A median with its spread as text: "3.0 (2.9-3.4)"; "-" for none."""
    if numbers is None:
        return "-"
    middle, low, high = (f"{number:,.{digits}f}" for number in numbers)
    return f"{middle} ({low}-{high})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first column to the left, the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True)
class Aim:
    """Something aimed at: a number, with its spread, that shall be at least `least`; with `at_most`, at most that."""

    text: str
    least: float
    measured: tuple[float, float, float] | None
    at_most: bool = False

    def is_met_by(self, number: float) -> bool:
        """Whether a number is as it should be."""
        return number <= self.least if self.at_most else number >= self.least


def verdicts(aims: Sequence[Aim]) -> str:
    """A Markdown table of aims: the median decides; if the spread crosses the aim, it says so."""
    rows = []
    for aim in aims:
        verdict = "not measured"
        if aim.measured:
            middle, *ends = aim.measured
            verdict = "reached" if aim.is_met_by(middle) else "**not reached**"
            verdict += ", not in every round" if len(set(map(aim.is_met_by, ends))) > 1 else ""
        bound = f"{'at most ' if aim.at_most else ''}{aim.least:.2f}"
        rows.append([aim.text, bound, shown(aim.measured, 2), verdict])
    return table(["aim", "at least", "measured", "verdict"], rows)


def origin(content: dict) -> str:
    """A paragraph that says on what machine, when and with which versions the rounds were measured."""
    facts, found = content["circumstances"], content["rounds"]
    kind, dates = facts["machine"], sorted({row["date"] for row in found})
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items() if version)
    bfloat16 = "with" if kind["bfloat16"] else "without"
    return (
        f"Measured {' and '.join(sorted({dates[0], dates[-1]}))} in {len({row['round'] for row in found})} round(s) on "
        f"{kind['cores']} cores ({kind['processor']}, {kind['system']}, {bfloat16} bfloat16). {versions}.\n\n"
        f"Size and data: {json.dumps(facts['inputs'], ensure_ascii=False)}. "
        f"Processors busy in the second before a measurement, at most: {max(row['busy %'] for row in found):.0f} %."
    )


def filled(text: str, name: str, part: str) -> str:
    """A text with what stands between the two marks of `name` replaced; raises ValueError where they are not there once."""
    begin, end = f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"The README needs {begin!r} and {end!r}, once each.")
    return text[: text.index(begin)] + f"{begin}\n\n{part}\n\n{end}" + text[text.index(end) + len(end) :]


def bars(title: str, unit: str, found: dict[str, tuple[float, float, float] | None], log: bool = False):
    """A figure of medians as bars with lines from the least to the greatest; what was not measured is left out.

    Names stand above their bars: beside them they would make the figure too wide for a phone.
    """
    from helpers import figures

    found = {name: numbers for name, numbers in found.items() if numbers}
    figure, axes = figures.new(title, unit, "", height=1.1 + 0.5 * len(found))
    middles = [numbers[0] for numbers in found.values()]
    sides = [[n[0] - n[1] for n in found.values()], [n[2] - n[0] for n in found.values()]]
    axes.barh(range(len(found)), middles, xerr=sides, height=0.4, color=figures.BLUE, ecolor="black")
    for row, name in enumerate(found):
        axes.text(0.01, row - 0.25, name, transform=axes.get_yaxis_transform(), va="bottom")
    axes.set(yticks=[], ylim=(len(found) - 0.6, -0.9))
    if log:
        axes.set_xscale("log")
    return figure


def publish(contest: Contest, folder: Path, readme: Path) -> None:
    """Draw the figure beside the JSON file and write the contest's part of the README."""
    path = folder / f"{contest.name}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    contest.figure(content["rounds"]).savefig(path.with_suffix(".png"), dpi=100)
    part = f"{contest.report(content['rounds'])}\n\n{origin(content)}"
    text = filled(readme.read_text(encoding="utf-8"), contest.name, part)
    with runtime.written_whole(readme) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    print(f"\n{part}\n")


# ---- memory


def reset_peak() -> None:
    """Begin to watch this process's greatest memory anew (Linux; elsewhere nothing happens)."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def memory_mb(which: str = "VmHWM") -> float | None:
    """Memory of this process in MB: VmHWM the greatest since `reset_peak`, VmRSS the present; None off Linux."""
    path = Path("/proc/self/status")
    if not path.exists():
        return None
    return int(re.search(rf"^{which}:\s+(\d+) kB$", path.read_text(), flags=re.M)[1]) / 1e3


# ---- processes


def in_process(script: Path, name: str, tiny: bool, number: int = 0) -> dict | None:
    """Measurements of one contestant from a new process; None, with the end of what it printed, when it failed."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, str(script), "--one", name, "--round", str(number), "--answer", str(answer)]
        command += ["--tiny"] if tiny else []
        environment = runtime.environment_with(**QUIET)
        try:
            result = subprocess.run(
                command,
                env=environment,
                cwd=runtime.COURSE,
                capture_output=True,
                text=True,
                timeout=60 * MINUTES_AT_MOST,
            )
        except subprocess.TimeoutExpired:
            print(f"  {name} took over {MINUTES_AT_MOST} minutes and was ended.", flush=True)
            return None
        if result.returncode or not answer.is_file():
            print(f"  {name} failed:\n{(result.stdout + result.stderr)[-3000:]}", flush=True)
            return None
        return json.loads(answer.read_text(encoding="utf-8"))


def rounded(numbers: dict) -> dict:
    """The same with floats to five significant digits: more is noise."""
    return {name: float(f"{n:.5g}") if isinstance(n, float) else n for name, n in numbers.items()}


def main(contest: Contest, script: Path) -> int:
    """Run a contest, or, with --one, a single contestant for it; the exit code (1 when a contestant failed)."""
    parser = argparse.ArgumentParser(description=contest.prepare.__doc__)
    parser.add_argument("--tiny", action="store_true", help="see in minutes whether all works; says nothing of speed")
    parser.add_argument("--only", default="", help="only contestants whose names hold this")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--round", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = contest.tiny if options.tiny else contest.size
    if options.one:
        function = {"prepare": contest.prepare, **contest.contestants}[options.one]
        answer = rounded(function({**size, "seed": 42 + options.round}))
        options.answer.write_text(json.dumps(answer), encoding="utf-8")
        return 0
    return run(contest, script, options.tiny, options.only)


def run(contest: Contest, script: Path, tiny: bool, only: str) -> int:
    """Prepare, measure what is missing, and, of a whole run, publish."""
    inputs = in_process(script, "prepare", tiny)
    if inputs is None:
        return 1
    folder = runtime.artifacts_folder() / "benchmarks" if tiny else RESULTS
    counts = {
        name: 1 if tiny else contest.rounds - (name in contest.slow) for name in contest.contestants if only in name
    }

    def measure(name: str, number: int) -> dict | None:
        """One contestant in one round, with a line about it."""
        print(f"{contest.name}, round {number + 1} of {counts[name]}: {name}", flush=True)
        found = in_process(script, name, tiny, number)
        if found:
            print("  " + ", ".join(f"{key} {value}" for key, value in found.items()), flush=True)
        return found

    path = folder / f"{contest.name}.json"
    rounds = complete(path, results.circumstances(inputs, roots_of(contest), PACKAGES), counts, measure)
    if tiny:
        print(contest.report(rounds))
    elif not only:
        publish(contest, folder, README)
    return int(len(rounds) < sum(counts.values()))
