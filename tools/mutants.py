"""Does a test notice? python tools/mutants.py --out mutants.json [--number 30] [--seed 1] [--helpers data models]

Breaks `helpers` in one place at a time, in a copy of the course: places are drawn by the seed from the lines that the unit tests
execute. Each mutant meets the tests of its helper, then the other unit tests, then the lesson concerned; it is killed by the
first that fails. Survivors are to be judged by a person: some change nothing that matters. A stopped run goes on.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
LESSON_OF = {
    "runtime": "00", "figures": "01", "data": "01", "evaluation": "06", "models": "05", "finetuning": "05", "export": "11",
    "wordpiece": "04", "docstrings": "04", "corpus": "04", "pretraining": "04", "language_models": "04", "scaling": "14",
}  # fmt: skip
LIMIT_S = 1200  # a mutant that loops is killed, too
SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def skipped(node: ast.AST) -> bool:
    """Parts where a change proves nothing: wording of errors and prints, annotations, docstrings."""
    is_print = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Raise | ast.JoinedStr | ast.AnnAssign | ast.arg) or is_print or is_text


def change(node: ast.AST) -> str | None:
    """Break a node in place and say how; None where nothing can be broken."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        node.ops[0] = SWAPS[type(node.ops[0])]()
        return f"comparison becomes {type(node.ops[0]).__name__}"
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPS:
        node.op = SWAPS[type(node.op)]()
        return f"operator becomes {type(node.op).__name__}"
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        node.value = not node.value
        return f"constant becomes {node.value}"
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        node.value += 1
        return f"constant becomes {node.value}"
    if isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return "condition negated"
    if isinstance(node, ast.Return) and node.value is not None:
        node.value = ast.Constant(None)
        return "returns None"
    return None


def nodes(tree: ast.AST) -> list[ast.AST]:
    """All nodes outside skipped parts, in a fixed order."""
    found = []
    for child in ast.iter_child_nodes(tree):
        if not skipped(child):
            found += [child, *nodes(child)]
    return found


def sites(source: str, executed: set[int]) -> list[int]:
    """Numbers (in `nodes`) of what can be broken on executed lines."""
    found = enumerate(nodes(ast.parse(source)))
    return [number for number, node in found if getattr(node, "lineno", None) in executed and change(node)]


def mutant(source: str, number: int) -> tuple[str, int, str] | None:
    """(broken source, line, what was done) for a node's number; None where nothing can be broken."""
    tree = ast.parse(source)
    node = nodes(tree)[number]
    what = change(node)
    return (ast.unparse(ast.fix_missing_locations(tree)), node.lineno, what) if what else None


def copy_course(folder: Path) -> None:
    """Copy the files that git knows, as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=COURSE, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(COURSE / name, folder / name)


def call(folder: Path, *command: str) -> bool:
    """Whether a Python command in the copy succeeds; too long counts as a failure."""
    cache = os.environ.get("COURSE_CACHE") or str(COURSE / ".cache")
    variables = {"PYTHONPATH": str(folder), "COURSE_CACHE": cache, "COURSE_ARTIFACTS": str(folder / "artifacts")}
    try:
        result = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0


def executed_lines(folder: Path) -> dict[str, list[int]]:
    """Helper -> lines that the unit tests execute; ends the program when the tests fail before anything is broken."""
    print("unit tests, to learn which lines they execute ...", flush=True)
    if not call(folder, "-m", "coverage", "run", "--source=helpers", "-m", "pytest", "-m", "not repository"):
        sys.exit("The unit tests fail before anything is broken: mend that first.")
    call(folder, "-m", "coverage", "json", "-o", "coverage.json")
    files = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))["files"]
    return {Path(name).stem: content["executed_lines"] for name, content in files.items()}


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


def killer(folder: Path, helper: str) -> str | None:
    """What notices the mutant in the copy: "its tests", "other tests", "its lesson", or None: it survives."""
    pytest = ["-m", "pytest", "-x", "-p", "no:cacheprovider"]
    if not call(folder, *pytest, f"tests/test_{helper}.py"):
        return "its tests"
    others = other_tests(folder, helper)
    unit = "not repository and not once"  # those marked `once` are long and no unit tests: exercises, whole trainings
    if others and not call(folder, *pytest, "-m", unit, *others):
        return "other tests"
    if LESSON_OF[helper] and not call(folder, "tools/lessons.py", "run", LESSON_OF[helper]):
        return "its lesson"
    return None


def draw(executed: dict[str, list[int]], number: int, seed: int, helpers: list[str]) -> list[tuple[str, int]]:
    """(helper, node number) of each mutant: all places on executed lines are equally probable."""
    places = []
    for helper in helpers:
        source = (COURSE / "helpers" / f"{helper}.py").read_text(encoding="utf-8")
        places += [(helper, site) for site in sites(source, set(executed[helper]))]
    return random.Random(seed).sample(places, min(number, len(places)))


def run(out: Path, number: int, seed: int, helpers: list[str]) -> None:
    """Draw mutants, try each, store each result at once; print the survivors at the end."""
    stored = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {"executed": None, "mutants": []}
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        copy_course(folder)
        stored["executed"] = stored["executed"] or executed_lines(folder)
        for count, (helper, site) in enumerate(draw(stored["executed"], number, seed, helpers), start=1):
            if any((row["helper"], row["site"]) == (helper, site) for row in stored["mutants"]):
                continue
            path = folder / "helpers" / f"{helper}.py"
            source = path.read_text(encoding="utf-8")
            broken, line, what = mutant(source, site)
            path.write_text(broken, encoding="utf-8")
            found = killer(folder, helper)
            path.write_text(source, encoding="utf-8")
            row = {"helper": helper, "site": site, "line": line, "what": what, "killed_by": found}
            stored["mutants"].append(row)
            out.write_text(json.dumps(stored, indent=1), encoding="utf-8")
            print(f"{count}/{number} {helper}.py line {line}: {what}: {found or 'SURVIVED'}", flush=True)
    killed = sum(row["killed_by"] is not None for row in stored["mutants"])
    print(f"{killed} of {len(stored['mutants'])} killed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--number", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--helpers", nargs="+", default=list(LESSON_OF), choices=list(LESSON_OF))
    options = parser.parse_args()
    run(options.out, options.number, options.seed, options.helpers)
