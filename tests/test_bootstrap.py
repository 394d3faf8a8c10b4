"""What the lessons' first cell and colab/setup.py do in Colab, on both kinds of runtime, and elsewhere.

Run in the environment without TensorFlow too: there the cell must choose JAX by itself.
"""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import bootstrap
import pytest

from helpers import runtime

ROOT = runtime.COURSE
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
IN_COLAB_ALREADY = {
    name: (ROOT / "colab" / f"{name}.txt").read_text(encoding="utf-8") for name in ("jax", "tensorflow")
}


def version_in(lock, package):
    """Version of a package in a lock file's text."""
    return re.search(rf"^{re.escape(package)}==([^\s;]+)", lock, flags=re.M)[1]


@pytest.fixture
def run_cell(monkeypatch, tmp_path):
    """Runs the cell as in Colab, with a stand-in for git and pip; gives their commands.

    `with_tensorflow`: whether TensorFlow is found (None: as in this environment).
    """

    def pretend(command):
        commands.append(command)
        if command[0] == "git":
            (tmp_path / command[-1]).symlink_to(ROOT)

    def run(with_tensorflow=None):
        commands.clear()
        monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
        monkeypatch.setenv("KERAS_BACKEND", "")
        if with_tensorflow is not None:
            found = {"tensorflow": with_tensorflow or None}
            monkeypatch.setattr(importlib.util, "find_spec", lambda name: found[name] if name in found else find(name))
        exec(compile(bootstrap.cell(), "bootstrap", "exec"), {})
        return list(commands)

    commands, find = [], importlib.util.find_spec
    monkeypatch.setattr(subprocess, "check_call", pretend)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return run


def packages(pip):
    """What a pip command installs: package -> version."""
    assert pip[:5] == [sys.executable, "-m", "pip", "install", "-q"]
    return dict(re.split("[=<]=", package) for package in pip[5:] if package != "--no-deps")


def test_the_cell_is_short_and_stays_so_when_the_repository_has_a_name(monkeypatch):
    for repository in ("OWNER/REPOSITORY", "a" * 40):
        monkeypatch.setattr(bootstrap, "facts", lambda name=repository: {"repository": name, "tag": "v0.12.34"})
        lines = bootstrap.cell().splitlines()
        assert len(lines) <= 6 and max(map(len, lines)) <= 88
        assert repository in bootstrap.cell() and '"v0.12.34"' in bootstrap.cell()


def test_the_course_is_cloned_once_at_the_badges_tag(run_cell):
    clone, _ = run_cell()
    tag, repository = bootstrap.facts()["tag"], bootstrap.facts()["repository"]
    assert clone == f"git clone -q --depth=1 -b {tag} https://github.com/{repository} course".split()
    assert f"/{repository}/blob/{tag}/" in bootstrap.badge("00_welcome")
    second = run_cell()  # after a restart of the kernel, the clone is there, and the rest is done again
    assert len(second) == 1 and second[0][1:4] == ["-m", "pip", "install"]


def test_with_tensorflow_it_stays_as_it_is(run_cell):
    _, pip = run_cell(with_tensorflow=True)
    expected = ["keras-hub", "keras-nlp", "ftfy", "spacy-lookups-data", "onnxruntime", "tf2onnx", "onnx"]
    versions = {name: version_in(LOCK, name) for name in expected}
    # TensorFlow stands on protobuf, and the newest onnx would bring another.
    assert packages(pip) == versions | {"protobuf": runtime.version_of("protobuf")}
    assert f"onnx<={versions['onnx']}" in pip and "--no-deps" not in pip
    assert Path(sys.path[0]).samefile(ROOT)
    assert os.environ["KERAS_BACKEND"] == ""


def test_without_tensorflow_it_takes_jax(run_cell):
    _, pip = run_cell(with_tensorflow=False)
    expected = ["keras", "keras-hub", "keras-nlp", "ftfy", "spacy-lookups-data"]
    assert packages(pip) == {name: version_in(LOCK, name) for name in expected}
    assert pip[5] == "--no-deps"
    assert os.environ["KERAS_BACKEND"] == "jax"
    assert Path(sys.path[0]).samefile(ROOT)


def test_the_choice_follows_what_is_installed_here(run_cell):
    _, pip = run_cell()
    assert ("--no-deps" in pip) == (not runtime.installed("tensorflow"))
    assert (os.environ["KERAS_BACKEND"] == "jax") == (not runtime.installed("tensorflow"))


def test_a_package_that_the_lock_lacks_or_forks_is_named(monkeypatch):
    monkeypatch.setattr(subprocess, "check_call", lambda command: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("KERAS_BACKEND", "")
    exact = runpy.run_path(str(ROOT / "colab" / "setup.py"))["exact"]
    assert exact("keras-hub") == f"keras-hub=={version_in(LOCK, 'keras-hub')}"
    with pytest.raises(ValueError, match="one version of onnnx, but names 0"):
        exact("onnnx")
    with pytest.raises(ValueError, match="one version of numpy, but names 2"):
        exact("numpy")


def test_outside_colab_it_does_nothing(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setattr(subprocess, "check_call", None)
    monkeypatch.setattr(runpy, "run_path", None)
    before = list(sys.path)
    exec(compile(bootstrap.cell(), "bootstrap", "exec"), {})
    assert sys.path == before


SERVER = {"application", "serving"}  # no lesson imports these two


def imported_when_loaded():
    """Names on the package index of what the helpers import outside functions."""
    modules = set()
    for path in [path for path in (ROOT / "helpers").glob("*.py") if path.stem not in SERVER]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            modules |= {name.split(".")[0] for name in names}
    of_module = importlib.metadata.packages_distributions()
    return {of_module[module][0].lower() for module in modules - sys.stdlib_module_names - {"helpers"}}


def test_what_the_helpers_import_is_in_colab_or_installed_there(run_cell):
    _, pip = run_cell(with_tensorflow=False)
    there = {name.lower() for name in re.findall(r"^([\w.-]+)==", IN_COLAB_ALREADY["jax"], flags=re.M)}
    imported = imported_when_loaded()
    assert {"numpy", "pandas", "keras"} < imported
    assert imported <= there | set(packages(pip))


# ---- the tool


TWIN = """\
# %% [markdown]
# # 00 · Welcome
#
# [![Open in Colab](badge.svg)](https://elsewhere)

# %%
# In Colab: an older cell.
import sys

if "x" in sys.path:
    print(1)

# %% tags=["parameters"]
seed = 42

# %%
print(seed)

# %% [markdown]
# End.
"""


def test_the_tool_writes_cell_and_badge_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "COURSE", tmp_path)
    monkeypatch.setattr(bootstrap, "facts", lambda: {"repository": "us/course", "tag": "v9.9.9"})
    text, notebook = tmp_path / "notebooks" / "text", {"cells": [{"source": ["# A\n", "[![Open in Colab](b)](c)"]}]}
    notebook["cells"] += [{"source": ["old"]}, {"source": ["kept"], "outputs": ["ä"]}]
    text.mkdir(parents=True)
    (text / "00_welcome.py").write_text(TWIN, encoding="utf-8")
    (text.parent / "exercises").mkdir()
    paths = [text.parent / "00_welcome.ipynb", text.parent / "exercises" / "00_welcome.ipynb"]
    for path in paths:
        path.write_text(json.dumps(notebook), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["bootstrap.py"])
    for _ in range(2):  # the second time changes nothing
        bootstrap.main()
        head, end = TWIN.split("[![")[0], TWIN[TWIN.index('# %% tags=["parameters"]') :]
        badge, cell = bootstrap.badge("00_welcome"), bootstrap.cell()
        assert (text / "00_welcome.py").read_text(encoding="utf-8") == f"{head}{badge}\n\n# %%\n{cell}\n\n{end}"
        for path, lesson in zip(paths, ("00_welcome", "exercises/00_welcome"), strict=True):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            assert "".join(cells[0]["source"]) == "# A\n" + bootstrap.badge(lesson)
            assert "".join(cells[1]["source"]) == cell and cells[2] == notebook["cells"][2]
    assert "us/course/blob/v9.9.9/notebooks/exercises/00_welcome.ipynb" in bootstrap.badge("exercises/00_welcome")
