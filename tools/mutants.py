"""Does a test notice? python tools/mutants.py [--own-tests] [--number 30] [--seed 1 | --seed-from-commit] [--helpers data models]

Breaks `helpers` in one place at a time, in copies of the course: places are drawn by the seed from all lines of code that are
not wording. Each mutant meets the tests of its helper, then the other unit tests, then the lesson concerned; it is killed by
the first that fails. With --own-tests it meets the tests of its helper only. Survivors are to be judged by a person: some
change nothing that matters. Results are stored at once, and a stopped run goes on.
"""

import argparse
import ast
import hashlib
import json
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
HELPERS = sorted(path.stem for path in (COURSE / "helpers").glob("[!_]*.py"))
DEFAULT_OUT = COURSE / "artifacts" / "mutants.json"
LIMIT_S = 1800  # for the tests as they are, and for a lesson
SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A helper broken in one place: `node` is its number in `nodes`, `what` says what became of it."""

    helper: str
    node: int
    line: int
    what: str
    source: str


# ---- Places and changes


def skipped(node: ast.AST) -> bool:
    """Parts where a change proves nothing: wording of errors and prints, annotations, docstrings."""
    is_print = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Raise | ast.JoinedStr | ast.AnnAssign | ast.arg) or is_print or is_text


def change(node: ast.AST) -> bool:
    """Break a node in place; False where nothing can be broken."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPS:
        node.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        node.value = not node.value
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        node.value += 1
    elif isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Return) and node.value is not None:
        node.value = ast.Constant(None)
    else:
        return False
    return True


def broken_part(node: ast.AST) -> ast.AST:
    """The part of a node that `change` puts something else for."""
    return node.test if isinstance(node, ast.If | ast.IfExp) else node


def in_one_line(code: str) -> str:
    """A piece of code for a report: in one line, and not too long."""
    code = " ".join(code.split())
    return code if len(code) <= 60 else code[:57] + "..."


def nodes(tree: ast.AST) -> list[ast.AST]:
    """All nodes outside skipped parts, in a fixed order."""
    found = []
    for child in ast.iter_child_nodes(tree):
        if not skipped(child):
            found += [child, *nodes(child)]
    return found


def sites(source: str) -> list[int]:
    """Numbers (in `nodes`) of what can be broken."""
    return [number for number, node in enumerate(nodes(ast.parse(source))) if change(node)]


def source_of(helper: str) -> str:
    """Source of a helper as it is."""
    return (COURSE / "helpers" / f"{helper}.py").read_text(encoding="utf-8")


def replaced(source: str, part: ast.AST, code: str) -> str:
    """A source with other code in place of one node's; all the rest, comments too, stays as it is."""
    lines = source.encode().splitlines(keepends=True)  # positions count bytes
    before = b"".join(lines[: part.lineno - 1]) + lines[part.lineno - 1][: part.col_offset]
    after = lines[part.end_lineno - 1][part.end_col_offset :] + b"".join(lines[part.end_lineno :])
    return (before + code.encode() + after).decode()


def mutant(helper: str, source: str, number: int) -> Mutant:
    """A helper's source with one of its `sites` broken; ValueError where nothing can be broken."""
    node = nodes(ast.parse(source))[number]
    part = broken_part(node)
    old = ast.get_source_segment(source, part)
    if not change(node):
        raise ValueError(f"Nothing to break in {old}.")
    new = ast.unparse(broken_part(node))
    what = f"{in_one_line(old)}  becomes  {in_one_line(new)}"
    broken = replaced(source, part, new if isinstance(node, ast.stmt) and part is node else f"({new})")
    return Mutant(helper, number, part.lineno, what, broken)


def draw(number: int, seed: int, helpers: list[str]) -> list[Mutant]:
    """Mutants of some helpers; all places are equally probable, and the same seed draws the same ones."""
    places = [(helper, site) for helper in sorted(helpers) for site in sites(source_of(helper))]
    chosen = random.Random(seed).sample(places, min(number, len(places)))
    return [mutant(helper, source_of(helper), site) for helper, site in chosen]


def seed_of_commit() -> int:
    """A seed that nobody chose: the first 8 digits of HEAD's hash; ends the program where helpers or tests differ from HEAD."""

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=COURSE, capture_output=True, check=True, text=True).stdout

    if changed := git("status", "--porcelain", "--", "helpers", "tests").strip():
        sys.exit(f"A commit's seed is for that commit's code, but this is not committed:\n{changed}")
    return int(git("rev-parse", "HEAD")[:8], 16)


# ---- What notices a mutant


def copy_course(folder: Path) -> None:
    """Copy the files that git knows, as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=COURSE, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (COURSE / name).is_file():  # not one that was just deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(COURSE / name, folder / name)


def call(folder: Path, *command: str, limit_s: float = LIMIT_S) -> bool:
    """Whether a Python command in the copy succeeds; too long counts as a failure."""
    variables = {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",  # two mutants of one size within a second look the same to the cache
        "COURSE_CACHE": os.environ.get("COURSE_CACHE") or str(COURSE / ".cache"),
        "COURSE_ARTIFACTS": str(folder / "artifacts"),
    }
    environment = {**os.environ, **variables}
    python = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return python.wait(limit_s) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        end(python)


def end(process: subprocess.Popen) -> None:
    """End a process that leads a session, with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, 9)
        process.wait()


def imported(path: Path) -> set[str]:
    """Helpers that a Python file imports, with all that these import in turn."""
    direct = {
        alias.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "helpers"
        for alias in node.names
    }
    return direct.union(*(imported(COURSE / "helpers" / f"{name}.py") for name in direct))


def other_tests(folder: Path, helper: str) -> list[str]:
    """Test files of the copy, but for the helper's own, that can notice a change in it: they or conftest.py import it."""
    everywhere = helper in imported(folder / "tests" / "conftest.py")
    paths = [path for path in sorted((folder / "tests").glob("test_*.py")) if path.stem != f"test_{helper}"]
    return [f"tests/{path.name}" for path in paths if everywhere or helper in imported(path)]


def lesson_of(helper: str) -> str:
    """Number of the lesson that teaches a helper, from the helper's first line; lesson 01 where none does."""
    found = re.match(r'"""Lesson (\d\d):', source_of(helper))
    return found[1] if found else "01"


def own_tests(folder: Path, helper: str, limit_s: float = LIMIT_S) -> bool:
    """Whether the tests of a helper's own module pass in the copy."""
    return call(folder, "-m", "pytest", "-x", "-p", "no:cacheprovider", f"tests/test_{helper}.py", limit_s=limit_s)


def killer(folder: Path, helper: str, own_limit_s: float, own_only: bool) -> str | None:
    """What notices the mutant in the copy: "its tests", "other tests", "its lesson", or None: it survives."""
    if not own_tests(folder, helper, own_limit_s):
        return "its tests"
    if own_only:
        return None
    unit = "not repository and not once"  # those marked `once` are long and no unit tests: exercises, whole trainings
    others = other_tests(folder, helper)
    if others and not call(folder, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-m", unit, *others):
        return "other tests"
    return None if call(folder, "tools/lessons.py", "run", lesson_of(helper)) else "its lesson"


def try_out(folder: Path, drawn: Mutant, own_limit_s: float, own_only: bool) -> str | None:
    """`killer` of a mutant that is put into the copy for the time being."""
    path = folder / "helpers" / f"{drawn.helper}.py"
    unbroken = path.read_text(encoding="utf-8")
    path.write_text(drawn.source, encoding="utf-8")
    try:
        return killer(folder, drawn.helper, own_limit_s, own_only)
    finally:
        path.write_text(unbroken, encoding="utf-8")


# ---- Two at a time


def on_each_core(work: Callable[[Path, str | Mutant], object], tasks: list) -> Iterator[tuple]:
    """(task, what `work(copy of the course, task)` returned) as they end: two at a time, each on a core and copy of its own."""
    cores = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_getaffinity") else [None]
    free = queue.Queue()

    def with_a_core(task: str | Mutant) -> tuple:
        core, folder = free.get()
        if core is not None:  # holds for this thread and for the processes that it starts
            os.sched_setaffinity(0, {core})
        try:
            return task, work(folder, task)
        finally:
            free.put((core, folder))

    with tempfile.TemporaryDirectory(prefix="mutants-") as name, ThreadPoolExecutor(len(cores)) as pool:
        for core in cores:
            copy_course(Path(name) / str(core))
            free.put((core, Path(name) / str(core)))
        try:
            yield from (future.result() for future in as_completed([pool.submit(with_a_core, task) for task in tasks]))
        finally:
            pool.shutdown(cancel_futures=True)


def state_of_code() -> str:
    """Hash of all helpers and tests: results of other code are not taken over."""
    digest = hashlib.sha256()
    for path in sorted([*(COURSE / "helpers").glob("*.py"), *(COURSE / "tests").glob("*.py")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def stored_results(out: Path, settings: dict) -> dict:
    """What a stopped run with the very same settings and code left in the file; else an empty form."""
    if out.is_file() and (stored := json.loads(out.read_text(encoding="utf-8")))["settings"] == settings:
        return stored
    return {"settings": settings, "own_tests_s": {}, "mutants": []}


def summary(rows: list[dict]) -> str:
    """The last line: how many were killed, and what share that is."""
    killed = sum(row["killed_by"] is not None for row in rows)
    return f"{killed} of {len(rows)} mutants killed: {100 * killed / max(len(rows), 1):.0f} %"


def store(results: dict, out: Path) -> None:
    """Write the results whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".unfinished").write_text(json.dumps(results, indent=1), encoding="utf-8")
    out.with_suffix(".unfinished").replace(out)


def seconds_unbroken(folder: Path, helper: str) -> float:
    """How long the tests of a helper take; ends the program when they fail before anything is broken."""
    started = time.monotonic()
    if not own_tests(folder, helper):
        sys.exit(f"tests/test_{helper}.py fails before anything is broken: mend that first.")
    return round(time.monotonic() - started, 1)


def run(out: Path, drawn: list[Mutant], settings: dict) -> None:
    """Time the unbroken tests, try each mutant, store each result at once; print the share at the end."""
    results = stored_results(out, settings)
    seconds, rows = results["own_tests_s"], results["mutants"]
    done = {(row["helper"], row["node"]) for row in rows}
    left = [one for one in drawn if (one.helper, one.node) not in done]
    for helper, taken in on_each_core(seconds_unbroken, sorted({one.helper for one in left} - set(seconds))):
        seconds[helper] = taken
        print(f"tests/test_{helper}.py, nothing broken: passes in {taken:.0f} s", flush=True)
        store(results, out)

    def judge(folder: Path, one: Mutant) -> str | None:
        return try_out(
            folder, one, 60 + 4 * seconds[one.helper], settings["own_tests"]
        )  # one that loops is killed, too

    for one, found in on_each_core(judge, left):
        rows.append({name: value for name, value in asdict(one).items() if name != "source"} | {"killed_by": found})
        said = f"killed by {found}" if found else "SURVIVED"
        print(f"{len(rows)}/{len(drawn)} helpers/{one.helper}.py:{one.line}  {one.what}: {said}", flush=True)
        store(results, out)
    print(summary(rows))


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, draw, and try."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--own-tests", action="store_true", help="only the tests of the helper's own module may kill")
    parser.add_argument("--number", type=int, default=30, help="mutants to draw (default: %(default)s)")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=int, default=1, help="what the draw depends on (default: %(default)s)")
    seeds.add_argument("--seed-from-commit", action="store_true", help="take HEAD's hash for the seed")
    parser.add_argument("--helpers", nargs="+", default=HELPERS, choices=HELPERS, metavar="HELPER")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="where results are stored (%(default)s)")
    options = parser.parse_args(arguments)
    seed = seed_of_commit() if options.seed_from_commit else options.seed
    settings = {"code": state_of_code(), "seed": seed, "number": options.number}
    settings |= {"own_tests": options.own_tests, "helpers": options.helpers}
    print(f"{options.number} mutants, seed {seed}", flush=True)
    run(options.out, draw(options.number, seed, options.helpers), settings)


if __name__ == "__main__":
    main()
