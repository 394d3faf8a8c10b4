"""The stand-ins for Colab and the GPU benchmark, without a network and without a GPU."""

import argparse
import ast
import re
import subprocess
import sys
from types import SimpleNamespace

import course
import gpu
import jupytext
import pytest

import colab
from helpers import runtime

pytestmark = pytest.mark.repository

LISTS = {path.stem: path.read_text(encoding="utf-8") for path in (runtime.COURSE / "colab").glob("*.txt")}


def pins(text):
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text, flags=re.M))


# ---- Colab


def test_each_stand_in_pins_all_it_installs():
    assert set(LISTS) == set(colab.RUNTIMES)
    for text in LISTS.values():
        lines = [line for line in text.splitlines() if line and not line.startswith("#") and line != "-r jax.txt"]
        assert len(lines) == len(pins(text)), [line for line in lines if "==" not in line]
    assert "-r jax.txt" in LISTS["tensorflow"] and not pins(LISTS["tensorflow"]).keys() & pins(LISTS["jax"]).keys()


def test_the_stand_in_for_the_tpu_runtime_has_no_tensorflow():
    names = {name.lower().replace("_", "-") for name in pins(LISTS["jax"])}
    assert not names & {*course.TENSORFLOW_FAMILY, "keras-hub", "keras-nlp", "spacy-lookups-data", "ftfy"}
    assert pins(LISTS["jax"])["jax"] == "0.7.2" and pins(LISTS["tensorflow"])["tensorflow"] == "2.20.0"


def test_another_python_is_refused_before_anything_is_installed(monkeypatch, capsys):
    answers = SimpleNamespace(stdout="Python 3.12.1\n")
    monkeypatch.setattr(colab.subprocess, "run", lambda *command, **options: answers)
    monkeypatch.setattr(colab.shutil, "which", lambda name: name)
    with pytest.raises(SystemExit, match=r"Colab has Python 3.13; found Python 3.12.1. Name one: --python"):
        colab.main(["jax"])
    answers.stdout = "Python 3.13.0\n"
    monkeypatch.setenv("PYTHON", "from_outside")
    assert colab.find_python("named") == "named" and colab.find_python(None) == "from_outside"
    monkeypatch.setattr(colab.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="found none"):
        colab.find_python(None)


def test_a_kept_image_is_a_complete_one_with_the_versions_it_was_made_with(tmp_path, monkeypatch):
    def make_image(folder, python, runtime):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()
        made.append(runtime)
        if len(made) == 1:
            raise OSError("no network")
        return folder / "bin" / "python"

    made, versions = [], {"keras": "1"}
    monkeypatch.setattr(colab, "make_image", make_image)
    monkeypatch.setattr(colab, "versions", lambda interpreter: versions)
    with pytest.raises(OSError, match="no network"):
        colab.image(tmp_path / "image", "python", "jax")
    for _ in range(2):  # half-made: made anew; then kept, whatever a lesson's cell has changed in it meanwhile
        assert colab.image(tmp_path / "image", "python", "jax")[1] == {"keras": "1"}
        versions = {"keras": "2"}
    assert made == ["jax", "jax"]


def test_what_the_cell_changes_is_found():
    before, after = (
        {"keras": "3.13.2", "numpy": "2.2.6", "gone": "1"},
        {"keras": "3.15.1", "numpy": "2.2.6", "ftfy": "6"},
    )
    assert colab.differences(before, after) == {"keras": ("3.13.2", "3.15.1"), "ftfy": ("-", "6"), "gone": ("1", "-")}


def test_git_finds_the_commit_here_at_the_badges_address(tmp_path, monkeypatch):
    """The cell as it is, with the variables that the tool sets: it clones this commit and runs its setup.py."""
    made = tmp_path / "made"
    (made / "colab").mkdir(parents=True)
    (made / "colab" / "setup.py").write_text("print('set up from', __file__)", encoding="utf-8")
    git = ["git", "-C", str(made), "-c", "user.name=a", "-c", "user.email=b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "only"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(colab, "COURSE", made)
    variables = runtime.environment_with(COLAB_RELEASE_TAG="stand-in")
    variables |= colab.address_on_this_machine(tmp_path / "origin.git")
    colab.run_cell(sys.executable, tmp_path / "content", variables)
    assert (tmp_path / "content" / "course" / ".git").is_dir()
    again = [sys.executable, "-c", colab.bootstrap.cell()]  # as in the next lesson: the clone is there
    printed = subprocess.run(again, check=True, cwd=tmp_path / "content", env=variables, capture_output=True, text=True)
    assert printed.stdout == "set up from course/colab/setup.py\n" and printed.stderr == ""


# ---- GPU


def test_operations_of_bert_base():
    """By hand: a matrix product of (n, a) and (a, b) is 2 n a b operations; six a layer, two in attention."""
    n, d, f = 128, 768, 3072
    forward = 12 * (4 * 2 * n * d * d + 2 * 2 * n * d * f + 2 * 2 * n * n * d)
    assert gpu.training_flops(n, *gpu.SHAPES["full"]) == 3 * forward
    # Kaplan et al. (2020): about 6 operations a parameter and token, embeddings left out; attention comes on top.
    assert gpu.training_flops(n, *gpu.SHAPES["full"]) / (6 * 85e6 * n) == pytest.approx(1, abs=0.04)


def test_a_share_is_of_the_higher_matrix_rate():
    results = {"bert": {"matrix_flops": 100.0, "128": {"flops": 40.0}}, "transformers": {"matrix_flops": 80.0}}
    assert gpu.with_shares(results)["bert"]["128"]["share_of_matrix_rate"] == 0.4
    results["transformers"]["matrix_flops"] = 160.0
    assert gpu.with_shares(results)["bert"]["128"]["share_of_matrix_rate"] == 0.25
    assert gpu.with_shares({"tests": {"left_out": "not installed: pytest"}}) == {
        "tests": {"left_out": "not installed: pytest"}
    }


def test_what_the_helpers_import_is_asked_for():
    found = set()
    for name in ("devices", "runtime", "data", "architecture", "models", "optimizers", "finetuning", "evaluation"):
        tree = ast.parse((runtime.COURSE / "helpers" / f"{name}.py").read_text(encoding="utf-8"))
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            found |= {name.split(".")[0] for name in names}
    asked = found - sys.stdlib_module_names - {"helpers", "numpy"}  # Keras brings NumPy
    assert {"pandas", "scipy"} < asked and all(asked <= set(gpu.NEEDS[part]) for part in ("bert", "lessons", "tests"))


def test_a_part_that_cannot_run_is_a_word(monkeypatch):
    options = argparse.Namespace(tiny=True, weights=None)
    monkeypatch.setitem(gpu.NEEDS, "bert", ["jax", "no_such_package"])
    assert gpu.run_part("bert", options) == {"left_out": "not installed: no_such_package"}
    monkeypatch.setitem(gpu.NEEDS, "bert", [])
    monkeypatch.setitem(gpu.MINUTES, "bert", 0)
    assert gpu.run_part("bert", options) == {"failed": "took more than 0 minutes"}
    with pytest.raises(SystemExit):
        gpu.main(["brt"])


def test_the_fastest_of_three_rounds_counts(monkeypatch):
    clock = iter([0, 40, 100, 110, 200, 230])
    monkeypatch.setattr(gpu.time, "perf_counter", lambda: next(clock))
    rounds = []
    assert gpu.seconds_a_step(rounds.append, steps=10) == 1.0 and rounds == [10] * 4


@pytest.mark.parametrize("name", gpu.LESSONS)
def test_cells_are_read_as_jupytext_reads_them(name):
    path = runtime.COURSE / "notebooks" / "text" / f"{name}.py"
    expected = [
        (cell.source, "parameters" in cell.metadata.get("tags", []))
        for cell in jupytext.read(path, fmt="py:percent").cells
        if cell.cell_type == "code"
    ]
    assert [(body.strip(), knobs) for body, knobs in gpu.code_cells(path.read_text(encoding="utf-8"))] == expected
