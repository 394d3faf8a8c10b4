"""Lesson 00: where a lesson runs: folders, backend, seed, checked claims, shared artifacts.

This is the only module that reads environment variables:

- `KERAS_BACKEND`: `tensorflow` (default where it is installed) or `jax`.
- `COURSE_ARTIFACTS`: the folder for what lessons make (default: `artifacts/` in the course).
- `COURSE_CACHE`: the folder for downloaded weights (default: `.cache/` in the course).
- `COURSE_DTYPE_POLICY`: float32, mixed_bfloat16 or mixed_float16, where the device's own should not do.
"""

import ast
import contextlib
import errno
import functools
import hashlib
import importlib.metadata
import importlib.util
import itertools
import json
import logging
import os
import platform
import re
import secrets
import shutil
import sys
import time
import tomllib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import filelock
import psutil

from helpers import devices

COURSE = Path(__file__).resolve().parents[1]
BACKENDS = ("tensorflow", "jax")
MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # several may share a folder
# The versions that readers compare first when their numbers differ.
KEY_PACKAGES = ("keras", "keras-hub", "numpy", "scikit-learn", "tensorflow", "jax")


def artifacts_folder() -> Path:
    """Folder for what the lessons make; git ignores it. A relative COURSE_ARTIFACTS counts from the course's folder."""
    return COURSE / (os.environ.get("COURSE_ARTIFACTS") or "artifacts")


def cache_folder() -> Path:
    """Folder for what was downloaded once and checked; git ignores it. COURSE_CACHE as in `artifacts_folder`."""
    return COURSE / (os.environ.get("COURSE_CACHE") or ".cache")


def installed(module: str) -> bool:
    """Whether a module can be imported, found out without importing it."""
    return importlib.util.find_spec(module) is not None


def environment_with(**variables: str) -> dict[str, str]:
    """This process's environment variables and some more: for a subprocess."""
    return {**os.environ, **variables}


@functools.cache
def version_of(package: str) -> str | None:
    """Installed version of a package by its name on the package index, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


MINILM = "all-MiniLM-L6-v2"  # BERT's architecture and vocabulary, 6 layers, 384 wide, 22.7 M parameters
MAX_LENGTH = 128  # tokens a text, [CLS] and [SEP] included, unless a lesson says otherwise


@dataclass(frozen=True)
class Profile:
    """What a lesson runs with, unless its parameters cell says otherwise.

    `source` and `backbone` are what `data.prepare_splits` and `models.make_classifier` take; longer texts than
    `max_length` tokens are cut, in training and in every export.
    """

    name: str
    source: str
    backbone: str
    batch_size: int
    learning_rate: float
    max_length: int = MAX_LENGTH


PROFILES = {
    "small": Profile("small", "reviews", MINILM, batch_size=16, learning_rate=1e-4),
    # Batch and rate are among those of Devlin et al. (2019, A.3) for BERT-base.
    "full": Profile("full", "glue/sst2", "bert_base_en_uncased", batch_size=32, learning_rate=3e-5),
}


def here(measured: Sequence[float]) -> str:
    """Numbers as a claim shows them, three digits each: " (here 0.123, 45.6)"; nothing where there are none."""
    shown = (f"{number:,.0f}" if float(number).is_integer() else f"{number:.3g}" for number in measured)
    return f" (here {', '.join(shown)})" if measured else ""


@dataclass(frozen=True)
class Session:
    """What a lesson knows about its run; made by `start`."""

    backend: str
    device: devices.Device
    seed: int
    profile: Profile = PROFILES["small"]
    source: str | dict = "reviews"

    @property
    def on_reviews(self) -> bool:
        """Whether the data are the course's own reviews and the backbone the one that its findings are about."""
        return self.source == "reviews" and self.profile == PROFILES["small"]

    def claim(self, text: str, holds: bool, *measured: float) -> None:
        """Print `text` with a tick if it holds, else raise AssertionError: for what holds with any data.

        `text` names constant thresholds only, so that it is the same on every machine. The numbers that were `measured`
        follow in brackets, "(here 0.123)": nbval takes any number there for equal.
        """
        if not holds:
            raise AssertionError(f"This claim does not hold here: {text}{here(measured)}")
        print(f"✓ {text}{here(measured)}")

    def finding(self, text: str, holds: bool, *measured: float) -> None:
        """A claim about the course's own reviews; with other data or another profile it prints and never raises."""
        if self.on_reviews:
            self.claim(text, holds, *measured)
        else:  # without a tick: the sentence is about other texts, and often about another model
            print(f"– {'so with this data, too' if holds else 'otherwise with this data'}: {text}{here(measured)}")

    def report(self, text: str) -> None:
        """Print what a reader should know of their data or model; `make run DATA=` says it again at its end."""
        print(f"→ {text}")

    def has_tensorflow(self, purpose: str) -> bool:
        """Whether TensorFlow runs this lesson; if not, say in one line what is skipped."""
        if self.backend == "tensorflow":
            return True
        print(f"Skipped, since TensorFlow does not run this lesson: {purpose}.")
        return False


def choose_backend() -> str:
    """Name of the Keras backend: `KERAS_BACKEND` if set, else TensorFlow, else JAX.

    Raises ValueError for an unknown name and RuntimeError when the backend is not installed
    or Keras has already started with another one.
    """
    wanted = os.environ.get("KERAS_BACKEND")
    backend = wanted or ("tensorflow" if installed("tensorflow") else "jax")
    if backend not in BACKENDS:
        raise ValueError(f"KERAS_BACKEND is {backend!r}; the course knows {' and '.join(BACKENDS)}.")
    if not installed(backend):
        raise RuntimeError(
            f"The backend {backend!r} is not installed. Run `make setup` (README: with and without make), "
            "or set KERAS_BACKEND to the backend that is."
        )
    running = sys.modules.get("keras")
    if running is not None and running.backend.backend() != backend:
        raise RuntimeError(
            f"Keras already runs on {running.backend.backend()!r}, not on {backend!r}. "
            "Restart the kernel and run the lesson from its first cell."
        )
    return backend


def settle_backend() -> str:
    """Tell Keras, before its first import, which backend to take; keep others' noise out of lessons."""
    backend = choose_backend()
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Else an ONNX export copies the whole model dozens of times, and the copies wait for the garbage collector.
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")
    # Warnings of libraries to their own authors: tensorflow-hub 0.16.1 on setuptools, kagglehub on its progress bar.
    for message in ("pkg_resources is deprecated", "IProgress not found"):
        warnings.filterwarnings("ignore", message=message)
    return backend


def start(
    seed: int = 42,
    profile: str = "small",
    source: str | Path | dict | None = None,
    backbone: str | Path | None = None,
    max_length: int | None = None,
    dtype_policy: str | None = None,
) -> Session:
    """Seed every random generator, set the device's dtype policy, and return the lesson's `Session`.

    `profile` is a name in PROFILES; `source` is "reviews", the path of a reader's file, a dictionary (`own_file.Source`), the
    name of a TensorFlow data set, or None: what the profile names. `backbone` and `max_length` take the place of the
    profile's. `dtype_policy`: None takes the device's. Errors as in `choose_backend` and `find_device`; ValueError for an
    unknown profile.
    """
    if profile not in PROFILES:
        raise ValueError(f"The profile is {profile!r}; the course knows {' and '.join(PROFILES)}.")
    backend = settle_backend()
    import keras

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its advice on retracing names addresses in memory
    keras.utils.set_random_seed(seed)
    device = find_device(backend)
    device = replace(device, dtype_policy=dtype_policy or device.dtype_policy)
    keras.config.set_dtype_policy(device.dtype_policy)
    if profile == "full" and device.kind == "CPU":
        print(
            f"No accelerator found by {backend}: this profile would take many hours. With an NVIDIA GPU: {devices.GPU_PACKAGES[backend]}."
        )
    if device.kind != "CPU":
        devices.keep_all_digits(backend, device.dtype_policy == "float32")
    if backend == "jax" and device.kind != "CPU":  # a CPU's programs fit that very kind of CPU, and compile soon
        devices.keep_compiled_programs(cache_folder() / "jax")
    chosen = PROFILES[profile]
    chosen = replace(chosen, backbone=str(backbone or chosen.backbone), max_length=max_length or chosen.max_length)
    if source == "":
        raise ValueError('The source is "". Give the path of a file, or None for what the profile names.')
    source = source or chosen.source
    return Session(backend, device, seed, chosen, source if isinstance(source, dict) else str(source))


def find_device(backend: str) -> devices.Device:
    """The device that the backend computes on, with COURSE_DTYPE_POLICY in place of its own policy where that is set.

    Without an accelerator it is the CPU, never an error. Raises ValueError for an unknown policy.
    """
    wanted = os.environ.get("COURSE_DTYPE_POLICY")
    if wanted and wanted not in devices.DTYPE_POLICIES:
        raise ValueError(f"COURSE_DTYPE_POLICY is {wanted!r}; the course knows {', '.join(devices.DTYPE_POLICIES)}.")
    return devices.describe_device(backend, wanted or None)


def environment(session: Session) -> dict[str, str]:
    """What a reader needs to compare two runs: system, Python, backend, device, versions."""
    packages = (*KEY_PACKAGES, "tensorflow-text", "tensorflow-hub", "tensorflow-datasets", "keras-nlp", "spacy")
    return {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "backend": session.backend,
        "device": str(session.device),
        **{package: version_of(package) or "not installed" for package in packages},
    }


# ---- files and folders that appear whole or not at all


@contextlib.contextmanager
def written_whole(path: Path, folder: bool = False) -> Iterator[Path]:
    """Give a temporary path in the same folder; what the block writes there becomes `path` when the block ends well.

    It may be a file or a folder; with `folder=True` an empty folder is there already. What `path` was before (a file,
    a folder, or a link, which is not followed) is replaced: a file in one step, a folder in two renames, and between
    them there is none for an instant. After an error or a kill `path` is as it was; what a killed process left behind,
    the next call removes. Raises OSError where the old one cannot be moved; it names where the finished one is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    unfinished = _beside(path)
    try:
        if folder:
            unfinished.mkdir()
        yield unfinished
        _put(unfinished, path)
    finally:
        _delete(unfinished)


def _beside(path: Path) -> Path:
    """A hidden name beside `path` that nobody else takes; it says whose it is: the machine and the process."""
    return path.with_name(f".{path.name}.{MACHINE}-{os.getpid()}-{secrets.token_hex(4)}.unfinished")


def _remove_leftovers(folder: Path) -> None:
    """Remove what this machine's processes left unfinished in a folder, except of those that still run."""
    for path in folder.glob(".*.unfinished"):
        owner = re.search(rf"\.{MACHINE}-(\d+)-\w+\.unfinished$", path.name)
        if owner and not psutil.pid_exists(int(owner[1])):
            _delete(path)


def _delete(path: Path) -> None:
    """Delete a file, a link or a folder, or as much of it as can be deleted."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        path.unlink()


def _move_aside(path: Path) -> Path:
    """Give an old file or folder the name of a leftover, so that nobody finds it half deleted; return that name."""
    aside = _beside(path)
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        path.rename(aside)
    return aside


def _put(finished: Path, path: Path) -> None:
    """Give what is finished its name; where the old one cannot be moved, keep it under another name."""
    asides = []
    try:
        while True:  # again where another process put its own there in between
            try:
                finished.replace(path)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
                    raise
            asides.append(_move_aside(path))
    except OSError as error:
        kept = finished.rename(path.with_name(f"{path.name}.finished-{secrets.token_hex(4)}"))
        raise OSError(
            f"{path} cannot be replaced ({error}). What is finished is kept beside it: {kept.name}."
        ) from error
    for aside in asides:
        _delete(aside)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process at a time do what makes `path`; one that comes later says so, waits, and should look again.

    The lock ends with its process. It is a hidden, empty file that stays beside `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        print(f"{path.name}: another run is making it; waiting for it", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


# ---- artifacts


@functools.cache
def course_packages() -> tuple[str, ...]:
    """Names of the packages that the course asks for in pyproject.toml: one list for all that depends on versions."""
    project = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return tuple(sorted(re.match(r"[\w.-]+", wanted)[0] for wanted in project["dependencies"]))


def with_imports(sources: Iterable[Path]) -> list[Path]:
    """Python files, the helpers that they import, also inside functions, and what these import; sorted by name."""
    found: set[Path] = set()
    waiting = list(sources)
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += _imported_helpers(source)
    return sorted(found, key=lambda path: (path.name, str(path)))


def _imported_helpers(source: Path) -> list[Path]:
    """Files of the helpers that a Python file imports itself."""
    names = []
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    modules = [name.split(".")[1] for name in names if name.startswith("helpers.")]
    paths = [Path(__file__).with_name(f"{module}.py") for module in modules]
    return [path for path in paths if path.is_file()]


def artifact_key(inputs: dict, sources: list[Path]) -> str:
    """Hash (64 hex digits) of all that decides a result.

    `inputs` are values that JSON can hold (parameters, hashes of data); `sources` are the Python files that make the
    result; the helpers that they import count, too (`with_imports`). Added here: the versions of Python and of
    `course_packages`, the backend, and a dtype policy other than float32.
    """
    versions = {package: version_of(package) for package in course_packages()}
    versions["python"] = ".".join(platform.python_version_tuple()[:2])
    facts = {"inputs": inputs, "versions": versions, "backend": choose_backend()}
    if "keras" in sys.modules and (policy := sys.modules["keras"].config.dtype_policy().name) != "float32":
        facts["dtype_policy"] = policy
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for source in with_imports(sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def artifact(name: str, make: Callable[[Path], None], inputs: dict, sources: list[Path], remake: bool = False) -> Path:
    """Folder of a result that lessons share: found if its key is right, else made by `make(folder)`.

    The key is `artifact_key(inputs, sources)`. The lesson that owns an artifact passes `remake=True`, so that it
    always makes it. One process at a time makes it; others that need it wait and find it. It is whole or not there, and
    never replaced: NAME-KEY.2 follows NAME-KEY.1, which stays for at least an hour, for those who still read it.
    """
    key = artifact_key(inputs, sources)
    folder = artifacts_folder() / f"{name}-{key[:12]}"
    found = _made(folder)
    if remake or not found:
        with alone(folder):
            found = _made(folder)  # by another process, meanwhile
            if remake or not found:
                return _make_next(folder, found, make, {"name": name, "key": key, "inputs": inputs})
    print(f"{name}: found in {found[-1].name}")
    return found[-1]


def _made(folder: Path) -> list[Path]:
    """What there is of an artifact, NAME-KEY.1, NAME-KEY.2 and so on, the newest last."""
    found = [path for path in folder.parent.glob(f"{folder.name}.*") if path.suffix[1:].isdigit()]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def _make_next(folder: Path, found: list[Path], make: Callable[[Path], None], record: dict) -> Path:
    """Make the next of an artifact's folders; then remove those that were followed by another one an hour ago."""
    newest = folder.with_name(f"{folder.name}.{int(found[-1].suffix[1:]) + 1 if found else 1}")
    print(f"{record['name']}: making {newest.name}")
    with written_whole(newest, folder=True) as unfinished:
        make(unfinished)
        facts = json.dumps(record | {"made": datetime.now(UTC).isoformat()}, indent=2)
        (unfinished / "artifact.json").write_text(facts, encoding="utf-8")
    for old, following in itertools.pairwise(found):
        if time.time() - following.stat().st_mtime > 3600:
            _delete(_move_aside(old))
    return newest


def experiment(name: str):
    """Stored points of an experiment as a pandas DataFrame: a column for each knob of its configuration and each result.

    Reads data/results/NAME.json, made by `make experiments`; raises FileNotFoundError when it is not there.
    """
    import pandas as pd

    path = COURSE / "data" / "results" / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path.name} in data/results. `make experiments` makes it (an hour).")
    points = json.loads(path.read_text(encoding="utf-8"))["points"]
    return pd.DataFrame([{**point["configuration"], **point} for point in points]).drop(columns="configuration")


def file_hash(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
