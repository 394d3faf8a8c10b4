"""Backend, claims, artifacts."""

import configparser
import dataclasses
import errno
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import devices, runtime

CPU = devices.Device("CPU", "x86_64", 1, "float32", batch_size=32, steps_per_execution=1, compiles=False)


def in_new_process(code: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], env=runtime.environment_with(**variables), capture_output=True, text=True
    )


def test_importing_the_package_imports_nothing_heavy():
    result = in_new_process(
        "import sys, helpers; print(sorted({'keras', 'tensorflow', 'jax', 'numpy'} & set(sys.modules)))"
    )
    assert result.stdout.strip() == "[]"


def test_a_claim_that_holds_is_printed_and_one_that_does_not_raises(capsys):
    session = runtime.Session(backend="jax", device=CPU, seed=0)
    session.claim("two is more than one", 2 > 1)
    assert capsys.readouterr().out == "✓ two is more than one\n"
    session.claim("over 3 points", True, 7.912345, np.int64(2409), 0.000012345, 100 * 0.5)
    assert capsys.readouterr().out == "✓ over 3 points (here 7.91, 2,409, 1.23e-05, 50)\n"
    with pytest.raises(AssertionError, match=r"over 3 points \(here 2.5\)$"):
        session.claim("over 3 points", False, 2.5)
    with pytest.raises(AssertionError, match="does not hold here: one is more than two"):
        session.claim("one is more than two", 1 > 2)


def test_nbval_masks_what_a_claim_measured_and_nothing_else():
    patterns = configparser.RawConfigParser()
    patterns.read(runtime.COURSE / "tests" / "nbval_sanitize.cfg", encoding="utf-8")
    regex = next(patterns[name]["regex"] for name in patterns if "claim" in name)
    for measured in ((7.912345, 2409), (1.23e-05, -3.0), (float("nan"), float("inf"))):
        assert re.fullmatch(regex, runtime.here(measured).strip())
    assert not re.search(regex, "the same words (here film, not book)")


def test_a_tensorflow_step_is_skipped_in_one_line_on_jax(capsys):
    assert runtime.Session("tensorflow", CPU, 0).has_tensorflow("the export")
    assert capsys.readouterr().out == ""
    assert runtime.Session("jax", CPU, 0).has_tensorflow("the export") is False
    assert capsys.readouterr().out == "Skipped, since TensorFlow does not run this lesson: the export.\n"


def test_a_session_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        runtime.Session("jax", CPU, 0).seed = 1


def test_backend_is_jax_where_tensorflow_is_not_installed(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(runtime, "installed", lambda module: module == "jax")
    assert runtime.choose_backend() == "jax"
    monkeypatch.setattr(runtime, "installed", lambda module: True)
    assert runtime.choose_backend() == "tensorflow"


def test_the_backend_is_settled_before_any_helper_imports_keras():
    code = "from helpers import models; import keras; print(keras.backend.backend())"
    expected = "tensorflow" if runtime.installed("tensorflow") else "jax"
    assert in_new_process(code, KERAS_BACKEND="").stdout.split()[-1] == expected


def test_wrong_missing_or_second_backend_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(ValueError, match="'torch'; the course knows tensorflow and jax"):
        runtime.choose_backend()
    running = sys.modules["keras"].backend.backend()
    other = {"tensorflow": "jax", "jax": "tensorflow"}[running]
    monkeypatch.setenv("KERAS_BACKEND", other)
    monkeypatch.setattr(runtime, "installed", lambda module: True)
    with pytest.raises(RuntimeError, match="Restart the kernel"):
        runtime.choose_backend()
    monkeypatch.setattr(runtime, "installed", lambda module: False)
    with pytest.raises(RuntimeError, match="make setup"):
        runtime.choose_backend()


def test_start_seeds_numpy_and_keras():
    import keras
    import numpy as np

    def draw():
        runtime.start(seed=7)
        return np.random.rand(), float(keras.ops.convert_to_numpy(keras.random.uniform(())))

    assert draw() == draw()


def test_environment_names_every_package_that_decides_a_result():
    facts = runtime.environment(runtime.start())
    assert facts["keras"] == runtime.version_of("keras")
    assert set(runtime.KEY_PACKAGES) <= set(facts)


# ---- device


def with_chips(monkeypatch, *chips):
    """As if every backend saw these chips."""
    monkeypatch.delenv("COURSE_DTYPE_POLICY", raising=False)
    monkeypatch.setattr(devices, "chips", lambda backend: chips)


def test_the_policy_can_be_set_from_outside(monkeypatch):
    with_chips(monkeypatch, devices.Chip("GPU", "A100", (8, 0)))
    monkeypatch.setenv("COURSE_DTYPE_POLICY", "float32")
    assert runtime.find_device("jax").dtype_policy == "float32"
    monkeypatch.setenv("COURSE_DTYPE_POLICY", "float8")
    with pytest.raises(ValueError, match="'float8'; the course knows float32, mixed_bfloat16, mixed_float16"):
        runtime.find_device("jax")


def test_an_absent_accelerator_is_a_word_and_not_an_error():
    code = "from helpers import runtime; print(runtime.start().device.kind)"
    result = in_new_process(code, KERAS_BACKEND="jax", JAX_PLATFORMS="tpu")
    assert result.returncode == 0, result.stderr[-2000:]
    assert "the CPU runs this" in result.stdout and result.stdout.split()[-1] == "CPU"


def test_start_applies_the_policy_and_says_so(monkeypatch):
    import keras

    with_chips(monkeypatch, devices.Chip("CPU", "x86_64"))
    monkeypatch.setenv("COURSE_DTYPE_POLICY", "mixed_bfloat16")
    try:
        facts = runtime.environment(runtime.start())
        assert keras.config.dtype_policy().name == "mixed_bfloat16" and "mixed_bfloat16" in facts["device"]
        in_16_bits = runtime.artifact_key({}, [])
        assert runtime.start(dtype_policy="float32").device.dtype_policy == "float32"  # a lesson may insist
        assert keras.config.dtype_policy().name == "float32"
    finally:
        monkeypatch.delenv("COURSE_DTYPE_POLICY")
        runtime.start()
    assert keras.config.dtype_policy().name == "float32" and runtime.artifact_key({}, []) != in_16_bits


def test_compiled_programs_are_kept_where_jax_runs_an_accelerator(tmp_path):
    """A second process must find them; here on a CPU, with a small program, so the threshold of a second goes."""
    code = """
import jax
found = []
jax.monitoring.register_event_listener(lambda event, **_: found.append(event) if event.endswith("/cache_hits") else None)
from helpers import devices, runtime
devices.chips = lambda backend: (devices.Chip("GPU", "A100", (8, 0)),)
runtime.start()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.jit(lambda x: x + 1)(1)
print(len(found), jax.config.jax_default_matmul_precision)
"""
    runs = [in_new_process(code, KERAS_BACKEND="jax", COURSE_CACHE=str(tmp_path)) for _ in range(2)]
    hits = [int(run.stdout.split()[0]) for run in runs]
    assert list((tmp_path / "jax").iterdir()) and hits[0] == 0 < hits[1]
    other = in_new_process(code.replace('"GPU"', '"CPU"'), KERAS_BACKEND="jax", COURSE_CACHE=str(tmp_path / "other"))
    assert other.returncode == 0 and not (tmp_path / "other" / "jax").exists()


@pytest.mark.parametrize("backend", [pytest.param("tensorflow", marks=pytest.mark.tensorflow), "jax"])
def test_where_a_lesson_insists_on_float32_an_accelerator_keeps_all_digits(backend):
    code = """
from helpers import devices, runtime
devices.chips = lambda backend: (devices.Chip("GPU", "A100", (8, 0)),)
for policy in (None, "float32"):
    if runtime.start(dtype_policy=policy).backend == "jax":
        import jax
        print(jax.config.jax_default_matmul_precision == "highest", end=" ")
    else:
        import tensorflow as tf
        print(not tf.config.experimental.tensor_float_32_execution_enabled(), end=" ")
"""
    result = in_new_process(code, KERAS_BACKEND=backend)
    assert result.stdout.split() == ["False", "True"], result.stderr[-2000:]


# ---- artifacts


def make_counter():
    calls = []

    def make(folder):
        calls.append(folder)
        (folder / "result.txt").write_text(str(len(calls)))

    return calls, make


def test_artifact_is_made_once_then_found_and_remade_by_its_owner(artifacts):
    calls, make = make_counter()
    first = runtime.artifact("thing", make, {"epochs": 1}, [])
    assert runtime.artifact("thing", make, {"epochs": 1}, []) == first
    assert len(calls) == 1
    second = runtime.artifact("thing", make, {"epochs": 1}, [], remake=True)
    assert (second / "result.txt").read_text() == "2" and runtime.artifact("thing", make, {"epochs": 1}, []) == second
    assert (first / "result.txt").read_text() == "1"  # somebody may still be reading it


def test_an_artifact_followed_by_another_an_hour_ago_is_removed(artifacts):
    _, make = make_counter()
    for _ in range(9):
        runtime.artifact("other", make, {}, [])
        folders = [runtime.artifact("thing", make, {}, [], remake=True) for _ in range(2)]
    assert [folder.suffix for folder in folders] == [".17", ".18"]
    for folder in artifacts.glob("thing-*.[1-9]"):  # .1 to .9
        os.utime(folder, (0, 0))
    last = runtime.artifact("thing", make, {}, [], remake=True)
    kept = sorted(int(folder.suffix[1:]) for folder in artifacts.glob("thing-*.*") if folder.suffix != ".lock")
    assert kept == [*range(9, 20)] and last.suffix == ".19" and list(artifacts.glob("other-*.1"))


def test_an_artifact_stays_for_an_hour_after_it_was_followed(artifacts, monkeypatch):
    _, make = make_counter()
    first, second = (runtime.artifact("thing", make, {}, [], remake=True) for _ in range(2))
    os.utime(second, (0, 0))
    for now, stays in ((3600, True), (3601, False)):
        monkeypatch.setattr(runtime, "time", SimpleNamespace(time=lambda now=now: now))
        runtime.artifact("thing", make, {}, [], remake=True)
        assert first.exists() == stays and second.exists()


def test_artifact_key_depends_on_inputs_sources_versions_and_backend(tmp_path, monkeypatch):
    source = tmp_path / "helper.py"
    source.write_text("x = 1")
    keys = [runtime.artifact_key({"epochs": 1}, [source])]
    keys.append(runtime.artifact_key({"epochs": 2}, [source]))
    source.write_text("x = 2")
    keys.append(runtime.artifact_key({"epochs": 1}, [source]))
    monkeypatch.setattr(runtime.platform, "python_version_tuple", lambda: ("3", "10", "0"))
    keys.append(runtime.artifact_key({"epochs": 1}, [source]))
    monkeypatch.setattr(runtime.platform, "python_version_tuple", lambda: ("3", "10", "1"))
    assert runtime.artifact_key({"epochs": 1}, [source]) == keys[-1]  # a bug fix of Python decides no result
    monkeypatch.setattr(runtime, "version_of", lambda package: "0")
    keys.append(runtime.artifact_key({"epochs": 1}, [source]))
    monkeypatch.setattr(runtime, "choose_backend", lambda: "other")
    keys.append(runtime.artifact_key({"epochs": 1}, [source]))
    assert len(set(keys)) == 6


def test_artifact_key_does_not_depend_on_the_order_of_inputs():
    assert runtime.artifact_key({"epochs": 1, "seed": 2}, []) == runtime.artifact_key({"seed": 2, "epochs": 1}, [])


def test_artifact_key_depends_on_the_dtype_policy(monkeypatch):
    import keras

    keys = []
    for policy in devices.DTYPE_POLICIES:
        monkeypatch.setattr(keras.config, "dtype_policy", lambda policy=policy: keras.DTypePolicy(policy))
        keys.append(runtime.artifact_key({}, []))
    assert len(set(keys)) == 3
    monkeypatch.delitem(sys.modules, "keras")  # as where nothing has imported it yet
    assert runtime.artifact_key({}, []) == keys[0]


@pytest.mark.parametrize("package", ["ftfy", "tokenizers", "scipy", "pandas", "safetensors", "spacy", "nltk"])
def test_artifact_key_depends_on_each_package_that_the_course_asks_for(package, monkeypatch):
    before, version_of = runtime.artifact_key({}, []), runtime.version_of
    monkeypatch.setattr(runtime, "version_of", lambda name: "0" if name == package else version_of(name))
    assert runtime.artifact_key({}, []) != before


def test_artifact_key_depends_on_the_helpers_that_a_source_imports(tmp_path, monkeypatch):
    """`top` imports `middle`, that one imports `bottom` inside a function; `aside` is imported by nobody."""
    for name, text in {
        "top": "from helpers import middle, nothing_of_ours\nimport numpy",
        "middle": "def f():\n    import helpers.bottom",
        "bottom": "from helpers.top import something",  # a circle must not be walked for ever
        "aside": "",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(runtime, "__file__", str(tmp_path / "runtime.py"))
    source = tmp_path / "top.py"
    assert [path.stem for path in runtime.with_imports([source])] == ["bottom", "middle", "top"]
    keys = [runtime.artifact_key({}, [source])]
    for name in ("middle", "bottom", "aside"):
        with (tmp_path / f"{name}.py").open("a") as file:
            file.write("\nx = 1")
        keys.append(runtime.artifact_key({}, [source]))
    assert len(set(keys)) == 3 and keys[2] == keys[3]


def test_the_corpus_depends_on_what_its_code_imports():
    from helpers import corpus

    names = {path.stem for path in runtime.with_imports([Path(corpus.__file__)])}
    assert {"corpus", "cleaning", "docstrings", "models", "runtime", "devices", "wordpiece"} <= names


def test_a_failed_artifact_leaves_nothing_and_spares_the_old_one(artifacts):
    _, make = make_counter()
    folder = runtime.artifact("thing", make, {}, [])

    def fail(unfinished):
        (unfinished / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runtime.artifact("thing", fail, {}, [], remake=True)
    assert [name for name in os.listdir(artifacts) if not name.endswith(".lock")] == [folder.name]
    assert (folder / "result.txt").read_text() == "1"


# ---- several processes at once, and processes that are killed

WORKER = """
import os, pathlib, sys, time
from helpers import runtime
place, who, rounds, remake = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "remake"

def make(folder):
    with (place / "made").open("a") as file:
        file.write(folder.name.split(".")[1] + "\\n")
    token = os.urandom(8).hex()
    for number in range(20):
        (folder / f"{number}.txt").write_text(token)
        time.sleep(0.0005)

(place / f"ready-{who}").touch()
while not (place / "go").exists():
    time.sleep(0.001)
for number in range(rounds):
    folder = runtime.artifact("thing", make, {"round": 0 if remake else number}, [], remake)
    tokens = [(folder / f"{number}.txt").read_text() for number in range(20)]
    assert len(set(tokens)) == 1 and len(os.listdir(folder)) == 21, tokens
print("held")
"""


def start_worker(place, who, rounds, remake="find"):
    command = [sys.executable, "-c", WORKER, str(place), who, str(rounds), remake]
    variables = runtime.environment_with(COURSE_ARTIFACTS=str(place / "artifacts"))
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def together(place, workers):
    """Let the workers go at the same moment; what each printed."""
    while len(list(place.glob("ready-*"))) < len(workers):
        assert not any(worker.poll() for worker in workers), [worker.stdout.read() for worker in workers]
        time.sleep(0.01)
    (place / "go").touch()
    return [worker.communicate()[0] for worker in workers]


def test_of_several_processes_one_makes_an_artifact_and_the_others_wait_for_it(tmp_path):
    said = together(tmp_path, [start_worker(tmp_path, str(number), 20) for number in range(4)])
    assert [text.split()[-1] for text in said] == ["held"] * 4, said
    made = (tmp_path / "made").read_text().split()
    assert len(made) == len(set(made)) == 20  # each of the 20 artifacts once
    assert "another run is making it; waiting for it" in "".join(said)


def test_of_several_processes_that_remake_an_artifact_none_finds_half_of_it(tmp_path):
    workers = [start_worker(tmp_path, f"remake-{number}", 10, "remake") for number in range(3)]
    said = together(tmp_path, workers)
    assert [text.split()[-1] for text in said] == ["held"] * 3, said
    assert len(list((tmp_path / "artifacts").glob("thing-*.[0-9]*"))) == 30  # none was lost or made over another


def test_a_killed_process_leaves_no_half_artifact_and_its_leavings_go_the_next_time(tmp_path):
    random, leavings = Random(5), set()
    (tmp_path / "go").touch()
    (tmp_path / "made").touch()
    for _ in range(6):
        begun = (tmp_path / "made").stat().st_size
        worker = start_worker(tmp_path, "killed", 1000, "remake")
        while (tmp_path / "made").stat().st_size == begun:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.02))
        worker.kill()
        worker.communicate()
        leavings |= {path.name for path in (tmp_path / "artifacts").glob(".*.unfinished")}
        for folder in (tmp_path / "artifacts").glob("thing-*.[0-9]*"):
            assert len(os.listdir(folder)) == 21
    (tmp_path / "ready-killed").unlink()
    assert leavings and together(tmp_path, [start_worker(tmp_path, "next", 1, "remake")])[0].endswith("held\n")
    assert not list((tmp_path / "artifacts").glob(".*.unfinished"))


KILLED_WHILE_REMOVING = """
import os, signal, sys
from pathlib import Path
from helpers import runtime
os.utime(Path(sys.argv[1]), (0, 0))

def make(folder):
    for name in "abc":
        (folder / name).write_text(name)

def die_half_way(folder, *_, **__):
    os.unlink(Path(folder) / "a")
    os.kill(os.getpid(), signal.SIGKILL)

runtime.shutil.rmtree = die_half_way
if sys.argv[2] == "artifact":
    runtime.artifact("thing", make, {}, [], remake=True)
else:
    with runtime.written_whole(Path(sys.argv[1]), folder=True) as unfinished:
        make(unfinished)
"""


@pytest.mark.parametrize("kind", ["artifact", "folder"])
def test_a_kill_while_an_old_folder_is_being_removed_leaves_no_half_one(kind, artifacts):
    def make(folder):
        for name in "abc":
            (folder / name).write_text(name)

    folders = [runtime.artifact("thing", make, {}, [], remake=True) for _ in range(2)]
    os.utime(folders[1], (0, 0))
    killed = in_new_process("import sys; sys.argv[1:] = " + repr([str(folders[0]), kind]) + KILLED_WHILE_REMOVING)
    assert killed.returncode == -9, killed.stderr
    assert [path.name[-11:] for path in artifacts.glob(".*.unfinished")] == [".unfinished"]
    for folder in artifacts.glob("thing-*.[0-9]"):
        assert set("abc") <= set(os.listdir(folder)), folder
    assert set("abc") <= set(os.listdir(runtime.artifact("thing", make, {}, [])))
    runtime.artifact("thing", make, {}, [], remake=True)
    assert not list(artifacts.glob(".*.unfinished"))


# ---- files and folders that appear whole or not at all


def read(path):
    """A file's text, or a folder's files with their texts."""
    return {each.name: each.read_text() for each in path.iterdir()} if path.is_dir() else path.read_text()


def write(path, text, folder):
    with runtime.written_whole(path, folder) as unfinished:
        (unfinished / "new" if folder else unfinished).write_text(text)


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("before", ["nothing", "file", "folder", "link to a file", "link to a folder", "broken link"])
def test_what_is_finished_replaces_whatever_was_there(before, folder, tmp_path):
    path, elsewhere = tmp_path / "sub" / "folder" / "result", tmp_path / "elsewhere"
    if before != "nothing":
        path.parent.mkdir(parents=True)
    place = elsewhere if "link" in before else path
    if before.endswith("file"):
        place.write_text("old")
    if before.endswith("folder"):
        place.mkdir()
        (place / "old").write_text("old")
    if "link" in before:
        path.symlink_to(elsewhere)
    write(path, "whole", folder)
    assert read(path) == ({"new": "whole"} if folder else "whole") and not path.is_symlink()
    assert os.listdir(path.parent) == ["result"]
    if before.startswith("link"):  # it may have been something else's
        assert read(elsewhere) == ("old" if before.endswith("file") else {"old": "old"})


@pytest.mark.parametrize("folder", [False, True])
def test_an_error_spares_what_was_there(folder, tmp_path):
    write(tmp_path / "result", "old", folder)
    with pytest.raises(ZeroDivisionError), runtime.written_whole(tmp_path / "result", folder) as unfinished:
        assert unfinished.parent == tmp_path
        (unfinished / "new" if folder else unfinished).write_text("half")
        1 / 0  # noqa: B018
    assert read(tmp_path / "result") == ({"new": "old"} if folder else "old") and os.listdir(tmp_path) == ["result"]


def test_where_the_old_folder_cannot_be_moved_the_finished_one_is_kept_and_named(tmp_path, monkeypatch):
    write(tmp_path / "result", "old", True)

    def refuse(self, target):
        if self == tmp_path / "result":  # as where it is a disk of its own
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(self, target)

    rename = Path.rename
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match=r"cannot be replaced .*busy.* kept beside it: result\.finished-\w+\.") as caught:
        write(tmp_path / "result", "whole", True)
    kept = tmp_path / str(caught.value).split()[-1].rstrip(".")
    assert read(kept) == {"new": "whole"} and read(tmp_path / "result") == {"new": "old"}
    assert len(os.listdir(tmp_path)) == 2


def test_an_old_folder_that_cannot_be_deleted_does_not_matter(tmp_path, monkeypatch):
    write(tmp_path / "result", "old", True)

    def refuse(path, ignore_errors):
        if not ignore_errors:
            raise PermissionError(path)

    with monkeypatch.context() as patch:
        patch.setattr(runtime.shutil, "rmtree", refuse)
        write(tmp_path / "result", "whole", True)
    assert read(tmp_path / "result") == {"new": "whole"} and len(os.listdir(tmp_path)) == 2


def test_leavings_of_those_who_still_run_and_of_other_machines_stay(tmp_path):
    here, dead = runtime.MACHINE, subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    stays = [f".a.{here}-{os.getpid()}-ab.unfinished", f".a.00000000-{dead.pid}-ab.unfinished", "b.unfinished"]
    for name in [*stays, f".c.{here}-{dead.pid}-ab.unfinished"]:
        (tmp_path / name).write_text("half")
    (tmp_path / f".d.{here}-{dead.pid}-ab.unfinished").mkdir()
    write(tmp_path / "result", "whole", False)
    assert sorted(os.listdir(tmp_path)) == sorted([*stays, "result"])


def test_several_processes_may_write_one_folder_and_one_file_at_once(tmp_path):
    code = f"""
import os, sys
from pathlib import Path
from helpers import runtime
for _ in range(150):
    token = os.urandom(8).hex()
    with runtime.written_whole(Path({str(tmp_path)!r}, "folder"), folder=True) as unfinished:
        for number in range(5):
            (unfinished / str(number)).write_text(token)
    with runtime.written_whole(Path({str(tmp_path)!r}, "file")) as unfinished:
        unfinished.write_text(token * 500)
    text = Path({str(tmp_path)!r}, "file").read_text()
    assert len(text) == 8000 and text == text[:16] * 500
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate()[1] for process in processes]
    assert not any(process.returncode for process in processes), said
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert len(read(tmp_path / "folder")) == 5 and len(set(read(tmp_path / "folder").values())) == 1


def test_the_lock_makes_the_folders_that_it_needs(tmp_path):
    with runtime.alone(tmp_path / "sub" / "folder" / "result"):
        assert os.listdir(tmp_path / "sub" / "folder") == [".result.lock"]


def test_file_hash_is_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    # The test vector of FIPS 180-2, appendix B.1.
    assert runtime.file_hash(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# ---- profiles, sources, findings


def test_the_profile_names_source_and_backbone_and_a_lesson_may_say_otherwise():
    small, full = runtime.start(), runtime.start(profile="full")
    assert small.seed == 42 and runtime.MAX_LENGTH == 128
    assert (small.profile.batch_size, small.profile.learning_rate) == (16, 1e-4)
    assert (full.profile.batch_size, full.profile.learning_rate) == (32, 3e-5)
    assert (small.source, small.profile.backbone) == ("reviews", "all-MiniLM-L6-v2") and small.on_reviews
    assert (full.source, full.profile.backbone) == ("glue/sst2", "bert_base_en_uncased") and not full.on_reviews
    own = runtime.start(source="mine.csv")
    assert own.source == "mine.csv" and own.profile == small.profile and not own.on_reviews
    assert runtime.start(source=Path("mine.csv")).source == "mine.csv"
    assert runtime.start(source={"path": "mine.csv"}).source == {"path": "mine.csv"}
    assert not runtime.start(profile="full", source="reviews").on_reviews  # the findings are about MiniLM
    with pytest.raises(ValueError, match="profile is 'huge'; the course knows small and full"):
        runtime.start(profile="huge")
    with pytest.raises(ValueError, match='The source is "". Give the path of a file, or None'):
        runtime.start(source="")


def test_a_backbone_and_a_length_take_the_place_of_the_profiles():
    small = runtime.start().profile
    own = runtime.start(backbone="bert_base_zh", max_length=256)
    assert own.profile == dataclasses.replace(small, backbone="bert_base_zh", max_length=256)
    assert not own.on_reviews and own.source == "reviews"
    assert not runtime.start(max_length=64).on_reviews and not runtime.start(backbone=Path("mine")).on_reviews
    assert runtime.start(backbone=Path("mine")).profile == dataclasses.replace(small, backbone="mine")
    full = runtime.start(profile="full", max_length=64).profile
    assert (full.backbone, full.max_length, full.batch_size) == ("bert_base_en_uncased", 64, 32)


@pytest.mark.parametrize(("backbone", "max_length"), [(None, None), ("all-MiniLM-L6-v2", 128), (None, 128)])
def test_the_findings_hold_with_the_profiles_own_backbone_and_length(backbone, max_length):
    session = runtime.start(backbone=backbone, max_length=max_length)
    assert session.profile == runtime.PROFILES["small"] and session.on_reviews
    assert (session.profile.backbone, session.profile.max_length) == ("all-MiniLM-L6-v2", 128)


@pytest.mark.parametrize("kind", ["CPU", "GPU"])
def test_the_full_profile_without_an_accelerator_gets_a_word(kind, monkeypatch, capsys):
    device = dataclasses.replace(
        runtime.find_device(runtime.choose_backend()), kind=kind, dtype_policy="mixed_bfloat16"
    )
    monkeypatch.setattr(runtime, "find_device", lambda backend: device)
    for name in ("keep_all_digits", "keep_compiled_programs"):
        monkeypatch.setattr(devices, name, lambda *_: None)
    runtime.start(profile="full", dtype_policy="float32")
    assert ("No accelerator found" in capsys.readouterr().out) == (kind == "CPU")
    runtime.start()
    assert capsys.readouterr().out == ""


def test_folders_of_the_environment_count_from_the_courses_folder(monkeypatch, tmp_path):
    for ask, variable in ((runtime.artifacts_folder, "COURSE_ARTIFACTS"), (runtime.cache_folder, "COURSE_CACHE")):
        monkeypatch.setenv(variable, "mine")
        assert ask() == runtime.COURSE / "mine"  # wherever the process works: a kernel works in notebooks/
        monkeypatch.setenv(variable, str(tmp_path))
        assert ask() == tmp_path


def test_a_finding_raises_only_on_the_courses_reviews(capsys):
    own = runtime.start(source="mine.csv")
    own.finding("over 80 % right", False)
    own.finding("over 70 % right", True)
    said = "– otherwise with this data: over 80 % right\n– so with this data, too: over 70 % right\n"
    assert capsys.readouterr().out == said  # no tick: the sentence is about other texts
    runtime.start().finding("over 70 % right", True)
    assert capsys.readouterr().out == "✓ over 70 % right\n"
    with pytest.raises(AssertionError, match="does not hold here: over 80 % right"):
        runtime.start().finding("over 80 % right", False)
    with pytest.raises(AssertionError, match="does not hold here: rows sum to 1"):
        own.claim("rows sum to 1", False)


def test_a_finding_about_another_backbone_or_length_does_not_raise(capsys):
    for own in (runtime.start(backbone="bert_base_zh"), runtime.start(max_length=64)):
        own.finding("over 80 % right", False)
        assert capsys.readouterr().out == "– otherwise with this data: over 80 % right\n"


def test_a_report_begins_with_an_arrow(capsys):
    for session in (runtime.start(), runtime.start(source="mine.csv")):
        session.report("1.5 tokens a word")
        assert capsys.readouterr().out == "→ 1.5 tokens a word\n"


# ---- experiments


def test_the_points_of_an_experiment_become_a_table(tmp_path, monkeypatch):
    folder = tmp_path / "data" / "results"
    folder.mkdir(parents=True)
    points = [{"configuration": {"rate": rate, "seed": 3}, "accuracy": 0.9} for rate in (0.1, 0.2)]
    (folder / "rates.json").write_text(json.dumps({"points": points}), encoding="utf-8")
    monkeypatch.setattr(runtime, "COURSE", tmp_path)
    table = runtime.experiment("rates")
    assert list(table.columns) == ["rate", "seed", "accuracy"]
    assert table.to_numpy().tolist() == [[0.1, 3, 0.9], [0.2, 3, 0.9]]
    with pytest.raises(FileNotFoundError, match="There is no other.json in data/results"):
        runtime.experiment("other")
