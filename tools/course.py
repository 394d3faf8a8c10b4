"""The course's commands, with no package but Python's own library: python3 tools/course.py COMMAND

  setup    make the environment .venv from requirements.lock
  run      execute copies of all lessons in order; end with a table and the scores
           --data mine.csv: lessons 01, 05, 06, 09 and 11 with your own texts; --text, --label, --validation, --test, --rare
           --backbone, --max-length: another BERT, more tokens of a text
           --profile full: BERT-base on public data; wants an accelerator and a network
  predict  label texts with the model that lesson 11 exported last: --data new.csv, or the texts themselves
  serve    answer texts over HTTP with that model, or the one in a FOLDER: --port, --host, --key-file
  test     prove it: unit tests, strict nbval, and the same without TensorFlow
           (run and test do two things at a time, each on half of the cores; LANES=1: one at a time on all)
  experiments  make data/results/ anew: what needs many seeds or long training
  bench    compare the course with what one would pick instead; about an hour, results in benchmarks/
  stress   all pages of the web edition; full-size runs on seven sets of a reader's data (over an hour), results in data/results/
  outputs  execute the lessons and rewrite the committed notebooks and their text twins
  lab      open JupyterLab
  lint     check code and workflows
  site     build the web edition into build/site/: open its index.html; another folder: site FOLDER
  lock     make the locks anew, from pyproject.toml and benchmarks/requirements.in (needs uv)
  doctor   say in plain words what is missing or does not fit, and its remedy

`make COMMAND` calls the same. The environment gets the Python that runs this script.
"""

from __future__ import annotations  # an older Python, too, must get as far as the word that it is too old

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lanes

COURSE = Path(__file__).resolve().parents[1]
LOCK = COURSE / "requirements.lock"
MAIN, WITHOUT_TENSORFLOW = COURSE / ".venv", COURSE / ".venv-without-tensorflow"
BENCH, BENCH_LOCK = COURSE / ".venv-bench", COURSE / "benchmarks" / "requirements.lock"
SITE, SITE_LOCK = COURSE / ".venv-site", COURSE / "requirements-site.lock"
SERVE_LOCK = COURSE / "requirements-serve.lock"  # only what the course's own lock does not hold
# PyTorch without CUDA (Python 3.11, Linux, x86-64). Public indexes list for this system only builds with CUDA, 3 GB more,
# so this one is taken where pip has been told of a place that holds it (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL).
TORCH_WITHOUT_CUDA = (
    "torch==2.13.0+cpu --hash=sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b\n"
)
PYTHONS = [(3, 11), (3, 12), (3, 13)]
# What environment.yml gives to pip, too: one way to one environment. A test compares the two.
PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
PIP_LINES = ["--require-hashes", "-r requirements.lock"]
# Left out of the second environment: TensorFlow and all that needs it. It stands in for Colab's TPU runtime.
TENSORFLOW_FAMILY = {
    "tensorflow", "tensorflow-text", "tensorflow-hub", "tensorflow-datasets", "tensorflow-metadata", "tf-keras",
}  # fmt: skip
# Fewer reviews and epochs where JAX runs on a CPU; the claims are those that fit (see the lessons).
SMALL = '{"train_limit": 640, "epochs": 2, "test_limit": 320}'
# Lessons that must also hold on other runtimes than this one: without TensorFlow, and on Colab's images.
ELSEWHERE = ["00", "01", "05", "06", "11"]
# Which lesson makes what another one loads; a test compares this with what the lessons call. Where the maker is not
# part of a run, the lesson that needs the thing makes it.
NEEDS = {
    "00": {"01"}, "02": {"01"}, "03": {"01"}, "05": {"01"}, "06": {"01", "05"}, "07": {"01"}, "09": {"01", "05"},
    "11": {"01", "05"}, "14": {"01"},
}  # fmt: skip
# About how long a lesson takes on one core; the longest begin first. One that is not named takes about a minute.
MINUTES = {"00": 2, "02": 3, "04": 5, "05": 9, "06": 2, "07": 6, "09": 4, "11": 6, "14": 5}
WHOLE_MACHINE = set()  # lessons that need all cores for themselves

NO_TESTS = 5  # pytest's exit code when no test has the marks asked for
# A cell may take long where a machine is slow; the budget of a lesson is a matter of its own.
NBVAL = [
    "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=900",
    "--nbval-sanitize-with=tests/nbval_sanitize.cfg", "-p", "no:cacheprovider",
]  # fmt: skip


def python_of(environment: Path) -> Path:
    """The Python inside a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def call(*command, environment: Path = MAIN, output=None, **variables: str) -> int:
    """Run a command with an environment's Python in the course's folder; return its exit code.

    `output`: an open file that takes what the command prints; None: it is shown at once.
    """
    errors = output and subprocess.STDOUT
    command, env = [str(python_of(environment)), *command], {**os.environ, **variables}
    return subprocess.call(command, cwd=COURSE, env=env, stdout=output, stderr=errors)


def lock_without(lock: str, names: set[str]) -> str:
    """The text of a lock file less some packages."""
    kept, keep = [], True
    for line in lock.splitlines(keepends=True):
        if not line[0].isspace() and not line.startswith("#"):
            keep = line.split("==")[0].strip() not in names
        if keep:
            kept.append(line)
    return "".join(kept)


HELD: dict[Path, object] = {}  # open lock files; a lock ends with this program, however that ends


def hold(path: Path, shared: bool) -> None:
    """Take the lock of an environment: with others who use it (shared), or alone, to make it. Wait, with a word, for those
    who are in the way. Taken again, it changes its kind. Nothing is locked on Windows, where the course does not run.
    """
    try:
        import fcntl
    except ImportError:
        return
    if path not in HELD:
        HELD[path] = path.with_name(f"{path.name}.lock").open("w")
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(HELD[path], kind | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"Another run makes {path.name}, or uses it as it is now; waiting for its end ...", flush=True)
        fcntl.flock(HELD[path], kind)


def release(path: Path) -> None:
    """Give a lock back."""
    if path in HELD:
        HELD.pop(path).close()


def text_of(path: Path) -> str:
    """A file's text, or "" where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def make_once(stamp_file: Path, stamp: str, make: Callable[[], None]) -> None:
    """Call `make` unless the stamp in the environment says that this was done; then write the stamp.

    From then on until this program ends, nobody else makes the environment anew.
    """
    environment = stamp_file.parent
    hold(environment, shared=True)
    while text_of(stamp_file) != stamp:
        hold(environment, shared=False)
        if text_of(stamp_file) != stamp:  # else another run has made it, while this one waited
            stamp_file.unlink(missing_ok=True)  # first of all: what is half removed must not pass for whole
            make()
            stamp_file.write_text(stamp, encoding="utf-8")
        hold(environment, shared=True)


def moved_from(environment: Path) -> str | None:
    """Folder of the checkout that an environment was made for, where that is not this one; else None."""
    made_for = text_of(environment / "made-from").splitlines()[1:]
    return made_for[0] if made_for and made_for[0] != str(COURSE) else None


def set_up(environment: Path, left_out: set[str] = frozenset()) -> None:
    """Make a virtual environment from the lock, unless it is there, made from this very lock for this very checkout.

    Ends the program with a remedy when that cannot be done.
    """
    lock = lock_without(LOCK.read_text(encoding="utf-8"), left_out)
    if old := moved_from(environment):  # its programs and the course that it imports would be those of the old place
        print(f"This checkout was moved or copied here from {old}: {environment.name} is made anew.", flush=True)
    stamp = f"{hashlib.sha256((lock + sys.version).encode()).hexdigest()}\n{COURSE}\n"
    make_once(environment / "made-from", stamp, lambda: make_environment(environment, lock, bool(left_out)))


def make_empty_environment(environment: Path) -> None:
    """Make a virtual environment with pip alone, in the place of an older one; ends the program where that fails."""
    if sys.version_info[:2] not in PYTHONS:
        sys.exit(
            f"This is Python {sys.version.split()[0]}; the course runs on 3.11 to 3.13: `make run PYTHON=python3.12`."
        )
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("Python cannot make virtual environments here. On Debian and Ubuntu: `sudo apt install python3-venv`.")
    python = getattr(sys, "_base_executable", None) or sys.executable  # not the one inside, which is about to go
    remove(environment)
    if subprocess.call([python, "-m", "venv", str(environment)]):
        sys.exit(f"Python could not make {environment}; why stands above. Is the disk full, or the folder not yours?")


def make_environment(environment: Path, lock: str, partial: bool) -> None:
    """Make a virtual environment with what a lock's text names, and the course; `partial`: some packages are left out."""
    print(f"Setting up {environment.name} from {LOCK.name}: about two minutes and 4 GB ...", flush=True)
    make_empty_environment(environment)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / LOCK.name).write_text(lock, encoding="utf-8")
        lines = Path(folder) / "pip.txt"
        lines.write_text("\n".join(PIP_LINES), encoding="utf-8")
        options = ["--no-deps"] if partial else []  # the lock names everything; keras-hub asks for TensorFlow
        if call(*PIP, *options, "-r", str(lines), environment=environment):
            sys.exit(
                "pip could not install the lock; why stands above. Is the package index within reach, and are 4 GB free? "
                "Then run this again."
            )
    hold(COURSE / ".venv-course", shared=False)  # pip builds inside the checkout, which all environments share
    if call(*PIP, "--no-deps", "--no-build-isolation", "--editable", ".", environment=environment):
        sys.exit(f"pip could not install the course itself; why stands above. Can you write to {COURSE}?")
    release(COURSE / ".venv-course")


def remove(environment: Path) -> None:
    """Remove an old environment; where it is a link, only the link. Ends the program where it cannot be removed."""
    if environment.is_symlink():
        environment.unlink()
    shutil.rmtree(environment, ignore_errors=True)
    if environment.exists():
        sys.exit(f"The old environment {environment} cannot be removed. Delete that folder, then run this again.")


def cuda_packages(lock: str) -> set[str]:
    """Names of the packages in a lock file that only a PyTorch built with CUDA needs."""
    names = {line.split("==")[0] for line in lock.splitlines() if "==" in line}
    return {name for name in names if name.startswith(("nvidia-", "cuda-")) or name == "triton"}


def install(lock: str, environment: Path, **options) -> int:
    """Install what a lock file's text names, and nothing else, into an environment; pip's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.lock"
        file.write_text(lock, encoding="utf-8")
        command = [str(python_of(environment)), *PIP, "--no-deps", "--require-hashes", "-r", str(file)]
        return subprocess.call(command, cwd=COURSE, **options)


def set_up_bench() -> None:
    """Make the benchmarks' environment: the course's packages, and the contestants that the course does not use.

    A PyTorch built with CUDA does not start without CUDA's packages, even where there is no GPU. Ends the program with
    a remedy when pip fails.
    """
    set_up(BENCH)
    lock = BENCH_LOCK.read_text(encoding="utf-8")
    stamp = hashlib.sha256(lock.encode()).hexdigest()
    make_once(BENCH / "contestants-made-from", stamp, lambda: add_contestants(lock))


def add_contestants(lock: str) -> None:
    """Install PyTorch and Transformers, which a lock's text names, into the benchmarks' environment."""
    print(f"Adding PyTorch and Transformers to {BENCH.name}: up to 3 GB ...", flush=True)
    if install(TORCH_WITHOUT_CUDA, BENCH, stderr=subprocess.DEVNULL) == 0:
        lock = lock_without(lock, {"torch", *cuda_packages(lock)})
    if install(lock, BENCH) or call("-c", "import torch, transformers", environment=BENCH):
        sys.exit("pip could not install benchmarks/requirements.lock. Are the package index and 8 GB within reach?")


def set_up_site() -> None:
    """Make the environment that builds the web edition: Sphinx and its kind. It needs no TensorFlow, so a machine that only
    publishes the site installs 0.2 GB and not 4.

    Ends the program with a remedy when pip fails.
    """
    lock = SITE_LOCK.read_text(encoding="utf-8")
    stamp = f"{hashlib.sha256((lock + sys.version).encode()).hexdigest()}\n{COURSE}\n"
    make_once(SITE / "made-from", stamp, lambda: make_site_environment(lock))


def make_site_environment(lock: str) -> None:
    """Install Sphinx and what it needs into an environment of their own."""
    print(f"Setting up {SITE.name} from {SITE_LOCK.name}: about a minute and 0.2 GB ...", flush=True)
    make_empty_environment(SITE)
    if install(lock, SITE):
        sys.exit(f"pip could not install {SITE_LOCK.name}; why stands above. Is the package index within reach?")


def set_up_serving() -> None:
    """Make the main environment, and add what the server needs beside the course's packages.

    That disturbs nobody who uses the environment, and an open JupyterLab uses it for hours. So this waits only for others
    who add the same. Ends the program with a remedy when pip fails.
    """
    set_up(MAIN)
    lock = SERVE_LOCK.read_text(encoding="utf-8")
    stamp_file, stamp = MAIN / "serving-made-from", hashlib.sha256(lock.encode()).hexdigest()
    adding = COURSE / ".venv-serving"
    hold(adding, shared=False)
    if text_of(stamp_file) != stamp:
        print(f"Adding FastAPI and uvicorn to {MAIN.name}: some seconds ...", flush=True)
        if install(lock, MAIN):
            sys.exit(f"pip could not install {SERVE_LOCK.name}; why stands above. Is the package index within reach?")
        stamp_file.write_text(stamp, encoding="utf-8")
    release(adding)


def setup() -> int:
    """Make the main environment."""
    set_up(MAIN)
    return 0


def run() -> int:
    """Execute copies of the lessons."""
    set_up(MAIN)
    # Not `call`: the path of a reader's file counts from where the reader is.
    return subprocess.call([str(python_of(MAIN)), str(COURSE / "tools" / "lessons.py"), "run", *sys.argv[2:]])


def predict() -> int:
    """Label a reader's texts with an exported model."""
    set_up(MAIN)
    # Not `call`: the path of a reader's file counts from where the reader is.
    return subprocess.call([str(python_of(MAIN)), "-m", "helpers.predicting", *sys.argv[2:]])


def serve() -> int:
    """Become the server, so that a signal reaches it; the environment stays held."""
    set_up_serving()
    for file in HELD.values():
        os.set_inheritable(file.fileno(), True)
    python = str(python_of(MAIN))
    return os.execv(python, [python, "-m", "helpers.serving", *sys.argv[2:]])


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


def site() -> int:
    """Build the web edition."""
    set_up_site()
    target = Path(sys.argv[2] if len(sys.argv) > 2 else COURSE / "build" / "site").absolute()
    return call("site/building.py", str(target), environment=SITE)


def stress() -> int:
    """Run what is too long for `test`: all pages of the web edition, then sets of a reader's data, or those that are named."""
    set_up(MAIN)
    pages = 0 if sys.argv[2:] else call("-m", "pytest", "tests/test_site.py", COURSE_ALL_PAGES="yes")
    return call("tools/stress.py", *sys.argv[2:]) or pages


def outputs() -> int:
    """Rewrite the committed notebooks."""
    set_up(MAIN)
    return call("tools/lessons.py", "outputs", *sys.argv[2:])


def lab() -> int:
    """Open JupyterLab in the lessons' folder."""
    set_up(MAIN)
    return call("-m", "jupyter", "lab", "--notebook-dir", str(COURSE), *sys.argv[2:])


def job_of(lesson: str, names: dict[str, str], work: Callable[[int], bool]) -> lanes.Job:
    """The job of a lesson; `names`: number of a lesson -> name of its job, for all lessons of the same run."""
    needs = frozenset(names[need] for need in NEEDS.get(lesson, ()) if need in names)
    return lanes.Job(names[lesson], work, needs, lesson in WHOLE_MACHINE, MINUTES.get(lesson, 1))


def call_and_show(name: str, *command, **options) -> bool:
    """As `call`, with the output shown whole at the end, below the job's name; whether the command went well."""
    print(f"{name}: begins", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        failed = call(*command, output=output, **options)
        output.seek(0)
        minutes = (time.monotonic() - started) / 60
        print(f"\n--- {name}: {minutes:.1f} min\n{output.read()}", flush=True)
    return not failed


def lesson_jobs(kind: str, lessons: dict[str, list[str]], **options) -> list[lanes.Job]:
    """A job for each lesson. `lessons`: its number -> the command; `options`: what `call` takes."""
    names = {number: f"{number} {kind}" for number in lessons}

    def job(number: str) -> lanes.Job:
        """The job of one lesson."""

        def work(lane: int) -> bool:
            return call_and_show(names[number], *lessons[number], **options)

        return job_of(number, names, work)

    return [job(number) for number in lessons]


def test_lessons(variables: dict[str, str], without: dict) -> int:
    """Each lesson with its outputs compared, and five without TensorFlow by their claims; 0 when all hold."""
    notebooks = {path.name[:2]: path for path in sorted((COURSE / "notebooks").glob("[0-9]*.ipynb"))}
    strict = {number: [*NBVAL, str(path)] for number, path in notebooks.items()}
    by_claims = {number: ["tools/lessons.py", "run", number, "--parameters", SMALL] for number in ELSEWHERE}
    jobs = lesson_jobs("strict nbval", strict, **variables)
    jobs += lesson_jobs("without TensorFlow, by its claims", by_claims, **without)
    done = lanes.run(jobs)
    print(f"\n{'lesson':40}{'minutes':>8}  result")
    for name, what in done.items():
        print(f"{name:40}{what.minutes:8.1f}  {what.result}")
    return int(any(what.result != "ok" for what in done.values()))


def unit_tests(marks: str = "", **variables) -> int:
    """Run the unit tests (those with these marks); 0 when all hold.

    The test files are dealt to as many processes as there are lanes; tests marked `whole_machine` follow alone.
    """
    number = lanes.number_of_lanes()
    if number == 1:
        return call("-m", "pytest", "-m", marks, **variables)
    together = " and ".join(["not whole_machine", *filter(None, [marks])])
    in_order = "--no-loadscope-reorder"  # of tests/conftest.py, the longest files first
    side_by_side = ["-n", str(number), "--dist", "loadscope", in_order]
    failed = call("-m", "pytest", *side_by_side, "-m", together, **variables)
    alone = "whole_machine" if not marks else f"whole_machine and {marks}"
    return failed or (call("-m", "pytest", "-m", alone, **variables) not in (0, NO_TESTS))


def keep_compiled(folder: Path) -> dict[str, str]:
    """Environment variables by which JAX compiles a program once for all tests: on a CPU that takes most of their time."""
    limits = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    return {"JAX_COMPILATION_CACHE_DIR": str(folder), **limits}


def test() -> int:
    """All proofs, step by step, each with its time; 0 when all hold."""
    set_up_serving()
    set_up(WITHOUT_TENSORFLOW, TENSORFLOW_FAMILY)
    results = {}
    with tempfile.TemporaryDirectory(prefix="course-artifacts-") as empty:
        variables = {"COURSE_ARTIFACTS": empty, **keep_compiled(Path(empty) / "jax")}
        without = {"environment": WITHOUT_TENSORFLOW, "KERAS_BACKEND": "jax", **variables}
        steps = {
            "unit tests": lambda: unit_tests(**variables),
            "lessons: outputs compared, and without TensorFlow": lambda: test_lessons(variables, without),
            "unit tests without TensorFlow": lambda: unit_tests("not repository and not once", **without),
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
    """Resolve pyproject.toml and benchmarks/requirements.in for Python 3.11-3.13 on all systems, with hashes, naming no host.

    What other environments share with the course's has the same versions.
    """
    uv = shutil.which("uv")
    if not uv:
        sys.exit("`make lock` needs uv: `pip install uv`.")
    command = [uv, "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate"]
    command += ["--no-emit-index-url", "--quiet", "--upgrade", "--custom-compile-command", "make lock"]
    course, same = ["pyproject.toml", "--group", "dev"], ["-c", LOCK.name]
    failed = subprocess.call([*command, *course, "-o", LOCK.name], cwd=COURSE)
    others = {
        BENCH_LOCK: ["benchmarks/requirements.in"],
        SITE_LOCK: ["--group", "site"],
        SERVE_LOCK: ["--group", "serve"],
    }
    for path, wanted in others.items():
        failed = failed or subprocess.call([*command, *wanted, *same, "-o", str(path.relative_to(COURSE))], cwd=COURSE)
    if not failed:  # the server's packages come beside the course's
        names = {line.split("==")[0] for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line}
        SERVE_LOCK.write_text(lock_without(SERVE_LOCK.read_text(encoding="utf-8"), names), encoding="utf-8")
    return failed


def doctor() -> int:
    """Print what is missing or does not fit; see tools/doctor.py."""
    return subprocess.call([sys.executable, str(COURSE / "tools" / "doctor.py")])


COMMANDS = {
    c.__name__: c
    for c in (setup, run, predict, serve, test, experiments, bench, site, stress, outputs, lab, lint, lock, doctor)
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    sys.exit(COMMANDS[sys.argv[1]]())
