"""What the lessons' first cell does in Colab, on both kinds of runtime, and elsewhere.

Run in the environment without TensorFlow too: there the cell must choose JAX by itself.
"""

import importlib.util
import os
import re
import subprocess
import sys

import bootstrap
import pytest

from helpers import runtime

LOCK = (runtime.COURSE / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture
def run_cell(monkeypatch):
    """Runs the cell as in Colab, `with_tensorflow` or without (None: as this environment is); gives its commands."""

    def run(with_tensorflow=None):
        commands = []
        find = importlib.util.find_spec
        monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
        monkeypatch.setenv("KERAS_BACKEND", "")
        monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
        monkeypatch.setattr(sys, "path", list(sys.path))
        if with_tensorflow is not None:
            spec = {"tensorflow": with_tensorflow}
            monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec[name] if name in spec else find(name))
        exec(compile(bootstrap.cell(), "bootstrap", "exec"), {})
        return commands

    return run


def names(packages):
    return [re.split("[=<]=", package)[0] for package in packages]


def test_with_tensorflow_it_stays_as_it_is(run_cell):
    pip, clone = run_cell(with_tensorflow=True)
    expected = ["keras-hub", "keras-nlp", "onnx", "onnxruntime", "tf2onnx", "protobuf", "ftfy", "spacy-lookups-data"]
    assert names(pip[5:]) == expected
    # TensorFlow stands on protobuf, and the newest onnx would bring another.
    assert f"protobuf=={runtime.version_of('protobuf')}" in pip
    assert clone[:2] == ["git", "clone"] and bootstrap.facts()["tag"] in clone
    assert sys.path[0] == "/content/course"
    assert os.environ["KERAS_BACKEND"] == ""


def test_without_tensorflow_it_takes_jax(run_cell):
    pip, _ = run_cell(with_tensorflow=False)
    assert names(pip[5:]) == ["--no-deps", "keras", "keras-hub", "keras-nlp", "ftfy", "spacy-lookups-data"]
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_the_choice_follows_what_is_installed_here(run_cell):
    pip, _ = run_cell()
    assert ("--no-deps" in pip) == (not runtime.installed("tensorflow"))
    assert (os.environ["KERAS_BACKEND"] == "jax") == (not runtime.installed("tensorflow"))


def test_versions_are_those_of_the_lock(run_cell):
    for with_tensorflow in (True, False):
        for package in run_cell(with_tensorflow)[0][5:]:
            if package != "--no-deps" and not package.startswith("protobuf"):  # Colab's own stays
                assert re.search(rf"^{re.escape(package.replace('<=', '=='))} ", LOCK, flags=re.M), package


def test_a_package_that_the_lock_lacks_is_named(monkeypatch):
    monkeypatch.setattr(bootstrap, "PACKAGES", ["keras", "onnnx"])
    with pytest.raises(ValueError, match="lacks onnnx"):
        bootstrap.facts()


def test_outside_colab_it_does_nothing(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setattr(subprocess, "run", None)
    before = list(sys.path)
    exec(compile(bootstrap.cell(), "bootstrap", "exec"), {})
    assert sys.path == before
