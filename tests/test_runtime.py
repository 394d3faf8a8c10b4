"""Backend, claims, artifacts."""

import os
import subprocess
import sys

import pytest

from helpers import runtime


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
    session = runtime.Session(backend="jax", device="CPU", seed=0)
    session.claim("two is more than one", 2 > 1)
    assert capsys.readouterr().out == "✓ two is more than one\n"
    with pytest.raises(AssertionError, match="does not hold here: one is more than two"):
        session.claim("one is more than two", 1 > 2)


def test_a_tensorflow_step_is_skipped_in_one_line_on_jax(capsys):
    assert runtime.Session("tensorflow", "CPU", 0).has_tensorflow("the export")
    assert capsys.readouterr().out == ""
    assert not runtime.Session("jax", "TPU", 0).has_tensorflow("the export")
    assert capsys.readouterr().out.count("\n") == 1


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
    assert runtime.artifact("thing", make, {"epochs": 1}, [], remake=True) == first
    assert (first / "result.txt").read_text() == "2"


def test_artifact_key_depends_on_inputs_sources_versions_and_backend(tmp_path, monkeypatch):
    source = tmp_path / "helper.py"
    source.write_text("x = 1")
    keys = [runtime.artifact_key({"epochs": 1}, [source])]
    keys.append(runtime.artifact_key({"epochs": 2}, [source]))
    source.write_text("x = 2")
    keys.append(runtime.artifact_key({"epochs": 1}, [source]))
    monkeypatch.setattr(runtime, "version_of", lambda package: "0")
    keys.append(runtime.artifact_key({"epochs": 1}, [source]))
    monkeypatch.setattr(runtime, "choose_backend", lambda: "other")
    keys.append(runtime.artifact_key({"epochs": 1}, [source]))
    assert len(set(keys)) == 5


def test_a_failed_artifact_leaves_nothing_and_spares_the_old_one(artifacts):
    _, make = make_counter()
    folder = runtime.artifact("thing", make, {}, [])

    def fail(unfinished):
        (unfinished / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runtime.artifact("thing", fail, {}, [], remake=True)
    assert os.listdir(artifacts) == [folder.name]
    assert (folder / "result.txt").read_text() == "1"


def test_file_hash_is_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    # The test vector of FIPS 180-2, appendix B.1.
    assert runtime.file_hash(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# ---- profiles, sources, findings


def test_the_profile_names_source_and_backbone_and_a_lesson_may_say_otherwise():
    small, full = runtime.start(), runtime.start(profile="full")
    assert (small.source, small.profile.backbone) == ("reviews", "all-MiniLM-L6-v2") and small.on_reviews
    assert (full.source, full.profile.backbone) == ("glue/sst2", "bert_base_en_uncased") and not full.on_reviews
    own = runtime.start(source="mine.csv")
    assert own.source == "mine.csv" and own.profile == small.profile and not own.on_reviews
    assert not runtime.start(profile="full", source="reviews").on_reviews  # the findings are about MiniLM
    with pytest.raises(ValueError, match="profile is 'huge'; the course knows small and full"):
        runtime.start(profile="huge")


def test_a_finding_raises_only_on_the_courses_reviews(capsys):
    own = runtime.start(source="mine.csv")
    own.finding("over 80 % right", False)
    own.finding("over 70 % right", True)
    assert capsys.readouterr().out == "– otherwise with this data: over 80 % right\n✓ over 70 % right\n"
    with pytest.raises(AssertionError, match="does not hold here: over 80 % right"):
        runtime.start().finding("over 80 % right", False)
    with pytest.raises(AssertionError, match="does not hold here: rows sum to 1"):
        own.claim("rows sum to 1", False)
