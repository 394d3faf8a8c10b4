"""The course's commands, with no package but Python's own library: python3 tools/course.py COMMAND

  setup    make the environment .venv from requirements.lock
  run      execute copies of all lessons in order; end with a table and the scores
           --data mine.csv: lessons 01, 05, 06 and 11 with your own texts (columns text, label)
           --profile full: BERT-base on public data; wants an accelerator and a network
  test     prove it: unit tests, strict nbval, and the same without TensorFlow
  experiments  make data/results/ anew: what needs many seeds or long training
  bench    compare the course with what one would pick instead; about an hour, results in benchmarks/
  outputs  execute the lessons and rewrite the committed notebooks and their text twins
  lab      open JupyterLab
  lint     check code and workflows
  lock     make both locks anew, from pyproject.toml and benchmarks/requirements.in (needs uv)
  doctor   say in plain words what is missing or does not fit, and its remedy

`make COMMAND` calls the same. The environment gets the Python that runs this script.
"""

from __future__ import annotations  # an older Python, too, must get as far as the word that it is too old

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
LOCK = COURSE / "requirements.lock"
MAIN, WITHOUT_TENSORFLOW = COURSE / ".venv", COURSE / ".venv-without-tensorflow"
BENCH, BENCH_LOCK = COURSE / ".venv-bench", COURSE / "benchmarks" / "requirements.lock"
# PyTorch without CUDA (Python 3.11, Linux, x86-64). Public indexes list for this system only builds with CUDA, 3 GB more,
# so this one is taken where pip has been told of a place that holds it (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL).
TORCH_WITHOUT_CUDA = (
    "torch==2.13.0+cpu --hash=sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b\n"
)
PYTHONS = [(3, 11), (3, 12), (3, 13)]
# What environment.yml gives to pip, too: one way to one environment. A test compares the two.
PIP_LINES = ["--require-hashes", "-r requirements.lock"]
# Left out of the second environment: TensorFlow and all that needs it. It stands in for Colab's TPU runtime.
TENSORFLOW_FAMILY = {
    "tensorflow", "tensorflow-text", "tensorflow-hub", "tensorflow-datasets", "tensorflow-metadata", "tf-keras",
}  # fmt: skip
# Fewer reviews and epochs where JAX runs on a CPU; the claims are those that fit (see the lessons).
SMALL = '{"train_limit": 640, "epochs": 2, "test_limit": 320}'
# Lessons that must also hold on other runtimes than this one: without TensorFlow, and on Colab's images.
ELSEWHERE = ["00", "01", "05", "06", "11"]

# A cell may take long where a machine is slow; the budget of a lesson is a matter of its own.
NBVAL = [
    "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=900",
    "--nbval-sanitize-with=tests/nbval_sanitize.cfg", "-p", "no:cacheprovider",
]  # fmt: skip


def python_of(environment: Path) -> Path:
    """The Python inside a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def call(*command, environment: Path = MAIN, **variables: str) -> int:
    """Run a command with an environment's Python in the course's folder; return its exit code."""
    return subprocess.call([str(python_of(environment)), *command], cwd=COURSE, env={**os.environ, **variables})


def lock_without(lock: str, names: set[str]) -> str:
    """The text of a lock file less some packages."""
    kept, keep = [], True
    for line in lock.splitlines(keepends=True):
        if not line[0].isspace() and not line.startswith("#"):
            keep = line.split("==")[0].strip() not in names
        if keep:
            kept.append(line)
    return "".join(kept)


def set_up(environment: Path, left_out: set[str] = frozenset()) -> None:
    """Make a virtual environment from the lock, unless it is there and made from this very lock.

    Ends the program with a remedy when Python is of another version or cannot make environments.
    """
    lock = lock_without(LOCK.read_text(encoding="utf-8"), left_out)
    stamp = hashlib.sha256((lock + sys.version).encode()).hexdigest()
    stamp_file = environment / "made-from"
    if stamp_file.is_file() and stamp_file.read_text() == stamp:
        return
    if sys.version_info[:2] not in PYTHONS:
        sys.exit(
            f"This is Python {sys.version.split()[0]}; the course runs on 3.11 to 3.13: `make run PYTHON=python3.12`."
        )
    print(f"Setting up {environment.name} from {LOCK.name}: about two minutes and 4 GB ...", flush=True)
    python = getattr(sys, "_base_executable", None) or sys.executable  # not the one inside, which is about to go
    shutil.rmtree(environment, ignore_errors=True)
    if subprocess.call([python, "-m", "venv", str(environment)]):
        sys.exit("Python cannot make virtual environments here. On Debian and Ubuntu: `sudo apt install python3-venv`.")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / LOCK.name).write_text(lock, encoding="utf-8")
        lines = Path(folder) / "pip.txt"
        lines.write_text("\n".join(PIP_LINES), encoding="utf-8")
        options = ["--no-deps"] if left_out else []  # the lock names everything; keras-hub asks for TensorFlow
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        failed = call(*pip, *options, "-r", str(lines), environment=environment)
    failed = failed or call(*pip, "--no-deps", "--no-build-isolation", "--editable", ".", environment=environment)
    if failed:
        sys.exit(
            "pip could not install the lock. Is the package index within reach, and are 4 GB free? Then run this again."
        )
    stamp_file.write_text(stamp)


def cuda_packages(lock: str) -> set[str]:
    """Names of the packages in a lock file that only a PyTorch built with CUDA needs."""
    names = {line.split("==")[0] for line in lock.splitlines() if "==" in line}
    return {name for name in names if name.startswith(("nvidia-", "cuda-")) or name == "triton"}


def install(lock: str, environment: Path, **options) -> int:
    """Install what a lock file's text names, and nothing else, into an environment; pip's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.lock"
        file.write_text(lock, encoding="utf-8")
        pip = [str(python_of(environment)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        return subprocess.call([*pip, "--no-deps", "--require-hashes", "-r", str(file)], cwd=COURSE, **options)


def set_up_bench() -> None:
    """Make the benchmarks' environment: the course's packages, and the contestants that the course does not use.

    A PyTorch built with CUDA does not start without CUDA's packages, even where there is no GPU. Ends the program with
    a remedy when pip fails.
    """
    set_up(BENCH)
    lock = BENCH_LOCK.read_text(encoding="utf-8")
    stamp, stamp_file = hashlib.sha256(lock.encode()).hexdigest(), BENCH / "contestants-made-from"
    if stamp_file.is_file() and stamp_file.read_text() == stamp:
        return
    print(f"Adding PyTorch and Transformers to {BENCH.name}: up to 3 GB ...", flush=True)
    if install(TORCH_WITHOUT_CUDA, BENCH, stderr=subprocess.DEVNULL) == 0:
        lock = lock_without(lock, {"torch", *cuda_packages(lock)})
    if install(lock, BENCH) or call("-c", "import torch, transformers", environment=BENCH):
        sys.exit("pip could not install benchmarks/requirements.lock. Are the package index and 8 GB within reach?")
    stamp_file.write_text(stamp)


def setup() -> int:
    """Make the main environment."""
    set_up(MAIN)
    return 0


def run() -> int:
    """Execute copies of the lessons."""
    set_up(MAIN)
    # Not `call`: the path of a reader's file counts from where the reader is.
    return subprocess.call([str(python_of(MAIN)), str(COURSE / "tools" / "lessons.py"), "run", *sys.argv[2:]])


def experiments() -> int:
    """Make the stored results anew; what is there and still right is kept."""
    set_up(MAIN)
    return call("experiments/run.py", *sys.argv[2:])


def bench() -> int:
    """Run the benchmarks; rounds that are stored and still right are kept."""
    set_up_bench()
    names = ("job", "training", "training_step", "training_tries", "preparing_data", "answering")
    scripts = [f"benchmarks/{name}.py" for name in names]
    return int(any([call(script, *sys.argv[2:], environment=BENCH) for script in scripts]))  # a list: all of them run


def outputs() -> int:
    """Rewrite the committed notebooks."""
    set_up(MAIN)
    return call("tools/lessons.py", "outputs", *sys.argv[2:])


def lab() -> int:
    """Open JupyterLab in the lessons' folder."""
    set_up(MAIN)
    return call("-m", "jupyter", "lab", "--notebook-dir", str(COURSE), *sys.argv[2:])


def test() -> int:
    """All proofs, one after the other, each with its time; 0 when all hold."""
    set_up(MAIN)
    set_up(WITHOUT_TENSORFLOW, TENSORFLOW_FAMILY)
    notebooks = sorted(str(path) for path in (COURSE / "notebooks").glob("[0-9]*.ipynb"))
    results = {}
    with tempfile.TemporaryDirectory(prefix="course-artifacts-") as empty:
        variables = {"COURSE_ARTIFACTS": empty}
        without = {"environment": WITHOUT_TENSORFLOW, "KERAS_BACKEND": "jax", **variables}
        steps = {
            "unit tests": lambda: call("-m", "pytest", **variables),
            "lessons, outputs compared (strict nbval)": lambda: call(*NBVAL, *notebooks, **variables),
            "unit tests without TensorFlow": lambda: call(
                "-m", "pytest", "-m", "not repository and not once", **without
            ),
            "lessons without TensorFlow, by their claims": lambda: call(
                "tools/lessons.py", "run", *ELSEWHERE, "--parameters", SMALL, **without
            ),
        }
        for name, step in steps.items():
            print(f"\n=== {name}", flush=True)
            started = time.monotonic()
            results[name] = step(), (time.monotonic() - started) / 60
    print("\n=== summary")
    for name, (failed, minutes) in results.items():
        print(f"{'FAILED' if failed else 'passed'}  {minutes:5.1f} min  {name}")
    failures = sum(bool(failed) for failed, _ in results.values())
    print(f"{len(results) - failures} passed, {failures} failed")
    return int(failures > 0)


def lint() -> int:
    """Check the code's form, and the workflows' schema and security."""
    set_up(MAIN)
    workflows = sorted(str(path) for path in (COURSE / ".github" / "workflows").glob("*.yml"))
    checks = [
        ("-m", "ruff", "check", "."),
        ("-m", "ruff", "format", "--check", "."),
        ("-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows),
    ]
    failed = [call(*check) for check in checks]
    zizmor = python_of(MAIN).with_name("zizmor")  # a program, not a module
    failed.append(subprocess.call([str(zizmor), "--offline", *workflows], cwd=COURSE))
    return int(any(failed))


def lock() -> int:
    """Resolve pyproject.toml and benchmarks/requirements.in for Python 3.11-3.13 on all systems, with hashes, naming no host."""
    uv = shutil.which("uv")
    if not uv:
        sys.exit("`make lock` needs uv: `pip install uv`.")
    command = [uv, "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate"]
    command += ["--no-emit-index-url", "--quiet", "--upgrade", "--custom-compile-command", "make lock"]
    course, contestants = ["pyproject.toml", "--group", "dev"], ["benchmarks/requirements.in", "-c", LOCK.name]
    failed = subprocess.call([*command, *course, "-o", LOCK.name], cwd=COURSE)
    return failed or subprocess.call([*command, *contestants, "-o", str(BENCH_LOCK.relative_to(COURSE))], cwd=COURSE)


def doctor() -> int:
    """Print what is missing or does not fit; see tools/doctor.py."""
    return subprocess.call([sys.executable, str(COURSE / "tools" / "doctor.py")])


COMMANDS = {c.__name__: c for c in (setup, run, test, experiments, bench, outputs, lab, lint, lock, doctor)}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    sys.exit(COMMANDS[sys.argv[1]]())
