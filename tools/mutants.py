"""Does a test notice? Break helpers in one place at a time: python tools/mutants.py --number 30 --seed 1

1. Record which lines of helpers/ the unit tests execute, and how long each test file takes.
2. Draw mutants from these lines with the seed; each helper gets its share by its number of executed lines.
3. In a copy of the course, for one mutant after the other: the helper's own tests, then all other unit tests, then the
   helper's lesson. The first that fails, or takes far longer than usual, kills the mutant.

The course itself is never changed; the copies are of what it was at the start, whatever is edited meanwhile. The results
file is written after each mutant: a stopped run, called again, goes on where it was.
Texts are never touched: docstrings, annotations, f-strings, what is printed, what an error says.
"""

import argparse
import ast
import copy
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

COURSE = Path(__file__).resolve().parents[1]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv*", ".cache", "artifacts", "build", "*.egg-info", "__pycache__", ".*_cache", ".ipynb_checkpoints"
)
SERVED_ELSEWHERE = {"figures": "02", "models": "06", "__init__": "00"}  # helpers without a lesson of their own yet
UNIT_TESTS = ["-m", "pytest", "-x", "-p", "no:cacheprovider", "-m", "not repository"]

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
# What only tells a person something: removing it, or a number in it, changes wording alone.
TELLING = {"print", "warn", "info", "debug", "warning", "error", "setLevel", "filterwarnings", "simplefilter"}


@dataclass(frozen=True)
class Mutant:
    """One change in one place; `start` and `end` count bytes of the helper's file."""

    helper: str
    line: int
    kind: str
    start: int
    end: int
    before: str
    after: str

    def apply(self, source: bytes) -> bytes:
        """The helper's source with this change."""
        return source[: self.start] + self.after.encode() + source[self.end :]


# ---- which changes there are


def is_text(node: ast.AST) -> bool:
    """Whether a node is a string, with or without fields."""
    return isinstance(getattr(node, "value", None), str | bytes) or isinstance(node, ast.JoinedStr)


def tells(node: ast.AST) -> bool:
    """Whether a node is a call that only tells a person something."""
    if not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "attr", getattr(node.func, "id", None)) in TELLING


def alike(node: ast.AST, **changes) -> ast.AST:
    """A copy of a node with some fields replaced."""
    changed = copy.deepcopy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def expression_changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """(kind, node to put in place) for an expression."""
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                yield "comparison", alike(node, ops=[*node.ops[:number], other(), *node.ops[number + 1 :]])
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        if not (is_text(node.left) or is_text(node.right)):  # joined texts and paths would only raise TypeError
            yield "arithmetic", alike(node, op=ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield "and/or", alike(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "negation", node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "negation", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield from (("constant", ast.Constant(node.value + step)) for step in (1, -1))
    elif isinstance(node, ast.IfExp):
        yield "negation", alike(node, test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Call) and len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args):
        first, second, *others = node.args
        if ast.dump(first) != ast.dump(second) and not (is_text(first) and is_text(second)):
            yield "arguments swapped", alike(node, args=[second, first, *others])
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        for bound in ("lower", "upper"):
            value = getattr(node.slice, bound)
            if value is not None:
                for new in (None, ast.BinOp(value, ast.Add(), ast.Constant(1))):
                    yield "slice", alike(node, slice=alike(node.slice, **{bound: new}))


def assigned_before(statement: ast.Assign, function: ast.AST | None) -> bool:
    """Whether an assignment replaces a value that the function already has: without it there is no NameError."""
    targets = [target for target in statement.targets if not isinstance(target, ast.Attribute | ast.Subscript)]
    if not targets:
        return True
    if function is None or not all(isinstance(target, ast.Name) for target in targets):
        return False
    earlier = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno < statement.lineno:
            earlier.add(node.id)
    return {target.id for target in targets} <= earlier


def removable(node: ast.AST, function: ast.AST | None) -> bool:
    """Whether the program still reads well without a statement."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom) and not tells(node.value)
    if isinstance(node, ast.Assign):
        return assigned_before(node, function)
    return isinstance(node, ast.AugAssign | ast.Raise | ast.Delete | ast.Continue | ast.Break)


def changes(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str]]:
    """(kind, node, text in its place) for all that may be changed in a module."""

    def visit(node: ast.AST, function: ast.AST | None) -> Iterator[tuple[str, ast.AST, str]]:
        if isinstance(node, ast.stmt) and removable(node, function):
            yield "statement removed", node, "pass"
        if isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
            yield "returns None", node, "return None"
        if isinstance(node, ast.If | ast.While):
            yield "negation", node.test, f"not ({ast.unparse(node.test)})"
        if isinstance(node, ast.comprehension):
            yield from (("negation", test, f"(not ({ast.unparse(test)}))") for test in node.ifs)
        for kind, new in expression_changes(node):
            text = ast.unparse(ast.fix_missing_locations(new))
            yield kind, node, text if isinstance(new, ast.Constant | ast.Call | ast.Subscript) else f"({text})"
        if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr) or tells(node):
            return  # wording
        inner = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "type_params"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from visit(child, inner)

    yield from visit(tree, None)


def mutants_of(helper: str, source: bytes, lines: set[int]) -> list[Mutant]:
    """All mutants of a helper on some lines, in the order of the file; each one compiles and is another program."""
    starts = [0]
    for line in source.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    tree = ast.parse(source)
    original, found = ast.dump(tree), {}
    for kind, node, text in changes(tree):
        if node.lineno not in lines:
            continue
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        mutant = Mutant(helper, node.lineno, kind, start, end, source[start:end].decode(), text)
        try:
            differs = ast.dump(ast.parse(mutant.apply(source))) != original
        except SyntaxError:
            continue
        if differs:
            found[mutant] = None
    return sorted(found, key=lambda mutant: (mutant.line, mutant.start, mutant.kind, mutant.after))


def shares(sizes: dict[str, int], number: int) -> dict[str, int]:
    """`number` divided in proportion to the sizes, by largest remainders."""
    exact = {name: number * size / sum(sizes.values()) for name, size in sizes.items()}
    whole = {name: int(value) for name, value in exact.items()}
    rest = sorted(exact, key=lambda name: (whole[name] - exact[name], name))[: number - sum(whole.values())]
    return {name: count + (name in rest) for name, count in whole.items()}


def draw(sources: dict[str, bytes], executed: dict[str, list[int]], number: int, seed: int) -> list[Mutant]:
    """Mutants on different lines: first the lines of each helper are drawn, then one mutant of each line."""
    generator, drawn = random.Random(seed), []
    for helper, count in shares({name: len(executed[name]) for name in sources}, number).items():
        by_line: dict[int, list[Mutant]] = {}
        for mutant in mutants_of(helper, sources[helper], set(executed[helper])):
            by_line.setdefault(mutant.line, []).append(mutant)
        lines = sorted(generator.sample(sorted(by_line), min(count, len(by_line))))
        drawn += [generator.choice(by_line[line]) for line in lines]
    return drawn


# ---- what notices them


def lesson_of(helper: str) -> str:
    """Number of the lesson that a mutant of this helper must pass, by the table in CONTRIBUTING.md."""
    table = (COURSE / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.search(rf"^\| `(\d\d)_\w+` \| `{helper}` \|", table, flags=re.M)  # a planned lesson does not match
    return found[1] if found else SERVED_ELSEWHERE[helper]


def fingerprint(course: Path) -> str:
    """12 hex digits that change with any helper, test, lesson or tool."""
    digest = hashlib.sha256(sys.version.encode())
    for folder in ("helpers", "tests", "tools", "notebooks/text", "notebooks/solutions/text", "data"):
        for path in sorted((course / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def freeze(course: Path, cache: Path) -> None:
    """Copy the course and the downloaded weights to `course`, unless they are there."""
    if not course.is_dir():
        with_cache = course.with_name("course.unfinished")
        shutil.rmtree(with_cache, ignore_errors=True)
        shutil.copytree(COURSE, with_cache, ignore=NOT_COPIED)
        if cache.is_dir():
            shutil.copytree(cache, with_cache / ".cache")
        with_cache.rename(course)


def call(tree: Path, command: list[str], artifacts: Path, limit: float, **variables: str) -> tuple[int | None, str]:
    """Exit code (None: it took longer than `limit` seconds) and output of a Python command in a copy of the course."""
    own = {"PYTHONPATH": str(tree), "COURSE_CACHE": str(tree / ".cache"), "COURSE_ARTIFACTS": str(artifacts)}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=tree, env={**os.environ, **own, **variables}, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=limit)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # tests start processes, too
            process.communicate()


def who_failed(code: int | None, output: str) -> str:
    """One line: which test or claim failed, as far as the output says."""
    if code is None:
        return "took too long"
    for pattern in (r"^(?:FAILED|ERROR) (\S+)", r"^(AssertionError: .*)", r"^(\w*(?:Error|Exception): .*)"):
        if found := re.search(pattern, output, flags=re.M):
            return found[1][:150]
    return f"exit code {code}"


class Trial:
    """The tests of one state of the course: a frozen copy of it, and how long its tests and lessons take."""

    def __init__(self, work: Path, jobs: int):
        self.work, self.course, self.jobs = work, work / "course", jobs
        self.record_file = work / "record.json"
        self.record = json.loads(self.record_file.read_text()) if self.record_file.is_file() else {}

    def tree(self, name: str) -> Path:
        """A fresh copy of the frozen course."""
        tree = self.work / f"tree-{name}"
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(self.course, tree)
        return tree

    @property
    def usual(self) -> dict[str, float]:
        """Seconds of each test file and lesson of the unchanged course."""
        return self.record.setdefault("usual", {})

    @property
    def executed(self) -> dict[str, list[int]]:
        """Lines of each helper that the unit tests execute."""
        return self.record["executed"]

    def limit(self, names: list[str]) -> float:
        """Seconds after which a mutant counts as killed: far more than usual, also when the machine is busy."""
        return (120 + 3 * sum(self.usual.get(name, 0) for name in names)) * self.jobs

    def record_lines(self) -> None:
        """Fill `executed` and the test files' share of `usual`. Ends the program if a test fails."""
        if "executed" in self.record:
            return
        print("Recording the lines that the unit tests execute: some minutes ...", flush=True)
        tree, xml, store = self.tree("record"), self.work / "tests.xml", self.work / "coverage"
        command = ["-m", "coverage", "run", f"--source={tree / 'helpers'}", f"--data-file={store}", *UNIT_TESTS]
        artifacts = self.work / "artifacts-record"
        code, output = call(tree, [*command, f"--junitxml={xml}"], artifacts, 7200, COVERAGE_CORE="sysmon")
        if code:
            sys.exit(f"The unit tests must pass before anything is broken:\n{output[-3000:]}")
        for case in ElementTree.parse(xml).iter("testcase"):
            name = case.get("classname").split(".")[1]
            self.usual[name] = self.usual.get(name, 0) + float(case.get("time"))
        import coverage

        data = coverage.CoverageData(str(store))
        data.read()
        lines = {Path(file).stem: sorted(data.lines(file)) for file in data.measured_files()}
        self.record["executed"] = {name: lines[name] for name in sorted(lines) if lines[name]}
        write(self.record_file, json.dumps(self.record))
        shutil.rmtree(tree)
        shutil.rmtree(artifacts, ignore_errors=True)

    def warm(self, numbers: set[str]) -> None:
        """Run the unchanged lessons once: their times, and artifacts that later lessons would have to make."""
        (self.work / "artifacts-warm").mkdir(exist_ok=True)
        for number in sorted(numbers - set(self.usual)):
            print(f"Running the unchanged lesson {number} ...", flush=True)
            tree, started = self.tree("warm"), time.monotonic()
            code, output = call(tree, ["tools/lessons.py", "run", number], self.work / "artifacts-warm", 7200)
            if code:
                sys.exit(f"Lesson {number} must pass before anything is broken:\n{output[-3000:]}")
            self.usual[number] = time.monotonic() - started
            write(self.record_file, json.dumps(self.record))
            shutil.rmtree(tree)

    def judge(self, number: int, mutant: Mutant) -> dict:
        """What noticed a mutant, or that nothing did."""
        tree, artifacts = self.tree(f"{number:02d}"), self.work / f"artifacts-{number:02d}"
        file = tree / "helpers" / f"{mutant.helper}.py"
        file.write_bytes(mutant.apply(file.read_bytes()))
        files = {path.stem for path in (tree / "tests").glob("test_*.py")}
        own = files & {f"test_{mutant.helper}"}
        others = sorted(files - own, key=lambda name: (self.usual.get(name, 0), name))  # quick ones first
        lesson = lesson_of(mutant.helper)
        stages = [
            ("own tests", sorted(own), [*UNIT_TESTS, *(f"tests/{name}.py" for name in sorted(own))]),
            ("other tests", others, [*UNIT_TESTS, *(f"tests/{name}.py" for name in others)]),
            (f"lesson {lesson}", [lesson], ["tools/lessons.py", "run", lesson]),
        ]
        started, result = time.monotonic(), {"killed": False, "stage": "", "by": ""}
        for stage, names, command in stages:
            shutil.rmtree(artifacts, ignore_errors=True)
            if not names:
                continue
            if stage.startswith("lesson"):
                # What the unchanged lessons made. A mutated source has another key and makes its own; nothing
                # that a mutant made is ever seen by another one.
                shutil.copytree(self.work / "artifacts-warm", artifacts)
            code, output = call(tree, command, artifacts, self.limit(names))
            if code != 0 and not (code == 5 and stage != f"lesson {lesson}"):  # 5: pytest found no test to run
                result = {"killed": True, "stage": stage, "by": who_failed(code, output)}
                break
        shutil.rmtree(tree)
        shutil.rmtree(artifacts, ignore_errors=True)
        return {**asdict(mutant), **result, "seconds": round(time.monotonic() - started)}


# ---- the run


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def one_line(text: str, width: int) -> str:
    """A piece of source on one line of at most `width` characters."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def table(state: dict) -> str:
    """The results as text."""
    results = [result for result in state["results"] if result]
    lines = []
    for result in results:
        verdict = f"killed by {result['stage']}: {result['by']}" if result["killed"] else "SURVIVED"
        place = f"{result['helper']}.py:{result['line']}"
        lines.append(f"{place:20} {result['kind']:18} {result['seconds']:5d} s  {verdict}")
        lines.append(f"    - {one_line(result['before'], 110)}\n    + {one_line(result['after'], 110)}")
    killed = sum(result["killed"] for result in results)
    share = f"{killed / len(results):.0%}" if results else "-"
    lines.append(
        f"\nseed {state['seed']}: {killed} of {len(results)} mutants killed ({share}), {len(state['results'])} drawn "
        f"from {sum(state['lines'].values())} executed lines"
    )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, draw, try, report; 0 when all drawn mutants were tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=30, help="of mutants (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default: 1)")
    parser.add_argument("--helpers", nargs="*", default=[], help="names of modules; none: all")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (default: 1)")
    parser.add_argument("--results", type=Path, default=COURSE / "artifacts" / "mutants" / "results.json")
    parser.add_argument("--work", type=Path, default=COURSE / "artifacts" / "mutants" / "work", help="folder of copies")
    options = parser.parse_args(arguments)

    asked = {"seed": options.seed, "number": options.number, "helpers": sorted(options.helpers)}
    state = json.loads(options.results.read_text(encoding="utf-8")) if options.results.is_file() else {}
    if state and any(state[name] != value for name, value in asked.items()):
        sys.exit(f"{options.results} is of another draw. Delete it or name another --results.")
    state = {"course": fingerprint(COURSE)} | asked | state
    work = options.work.resolve() / state["course"]
    if state["course"] != fingerprint(COURSE):
        if not (work / "course").is_dir():
            sys.exit(f"{options.results} is of another state of the course. Delete it or name another --results.")
        print("The course has changed since this run began; it goes on with the course as it was then.")
    work.mkdir(parents=True, exist_ok=True)
    freeze(work / "course", Path(os.environ.get("COURSE_CACHE") or COURSE / ".cache"))
    sources = {path.stem: path.read_bytes() for path in sorted((work / "course" / "helpers").glob("*.py"))}
    if unknown := set(options.helpers) - set(sources):
        parser.error(f"no such helper: {', '.join(sorted(unknown))}; there are {', '.join(sources)}")

    trial = Trial(work, options.jobs)
    trial.record_lines()
    chosen = {name: sources[name] for name in trial.executed if not options.helpers or name in options.helpers}
    drawn = draw(chosen, trial.executed, options.number, options.seed)
    state["lines"] = {name: len(trial.executed[name]) for name in chosen}
    state.setdefault("results", [None] * len(drawn))
    left = [number for number, result in enumerate(state["results"]) if result is None]
    trial.warm({lesson_of(drawn[number].helper) for number in left})

    def save() -> None:
        write(options.results, json.dumps(state, indent=1, ensure_ascii=False))
        write(options.results.with_suffix(".txt"), table(state))

    one_at_a_time = Lock()

    def try_one(number: int) -> None:
        result = trial.judge(number, drawn[number])
        verdict = f"killed by {result['stage']}" if result["killed"] else "SURVIVED"
        with one_at_a_time:
            state["results"][number] = result
            done = sum(result is not None for result in state["results"])
            print(
                f"{done:3d}/{len(drawn)} {result['helper']}.py:{result['line']} {result['kind']}: {verdict}", flush=True
            )
            save()

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(try_one, left))
    save()
    print(f"\n{table(state)}\nResults: {options.results}; copies and times, for another draw: {work}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
