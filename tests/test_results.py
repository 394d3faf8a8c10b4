"""Hashes of code: what changes them and what does not. Stored results: whole files, named differences."""

import functools
import json
import os
import re
import subprocess
import sys
import tomllib

import code_hash
import doctor
import pytest
import results

from helpers import runtime

HELPER = '''
"""A helper."""

import math

from helpers.other import shared
from helpers import other, runtime

RATE = 0.5
NEVER = 1
TABLE = {}
TABLE["a"] = 1
if math.pi > 3:
    LARGE = 9


def train(texts, rate: float = RATE) -> int:
    """Train."""
    # a comment
    return inner(texts) * other.scale(LARGE) + TABLE["a"]


def inner(texts):
    return shared(texts) + runtime.seed()


class Unused:
    """Nobody makes one."""

    size = NEVER
'''
OTHER = """
FACTOR = 3


def scale(number):
    return number * FACTOR


def shared(texts):
    return len(texts)
"""
SCRIPT = """
import sys

def run(texts):
    from helpers import own
    import second
    return own.train(texts) + second.more(texts)
"""


@pytest.fixture
def course(tmp_path):
    """A function (file -> (old, new)) that gives the hashes of a small course of its own, with these replacements."""

    def hashes(**replacements) -> dict[str, str]:
        texts = {"helpers/own.py": HELPER, "helpers/other.py": OTHER, "benchmarks/script.py": SCRIPT}
        texts["experiments/second.py"] = "def more(texts):\n    return 1\n"
        for path, text in texts.items():
            old, new = replacements.get(path.split("/")[1].removesuffix(".py"), ("", ""))
            assert old in text
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text.replace(old, new) if old else text, encoding="utf-8")
        return code_hash.code_of(["script.run"], tmp_path)

    return hashes


def test_the_code_of_a_function_is_what_it_comes_to_use(course):
    assert list(course()) == [
        "helpers.other.FACTOR", "helpers.other.scale", "helpers.other.shared", "helpers.own.LARGE", "helpers.own.RATE",
        "helpers.own.TABLE", "helpers.own.inner", "helpers.own.train", "script.run", "second.more",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"own": ('"""Train."""', '"""Trains, by and by."""')},
        {"own": ('    """Train."""\n', "")},
        {"own": ("# a comment", "# another one")},
        {"own": ("rate: float = RATE) -> int", "rate=RATE)")},
        {"own": ("return inner(texts) *", "return (\n        inner(texts)\n    ) *")},
        {"own": ("NEVER = 1", "NEVER = 2")},
        {"own": ("    size = NEVER", "    size = NEVER + 1")},
        {"other": ("FACTOR = 3", "# So many.\nFACTOR = 3")},
    ],
    ids=str,
)
def test_docstrings_comments_hints_and_what_is_not_called_change_nothing(course, change):
    before = course()
    assert course(**change) == before


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"other": ("FACTOR = 3", "FACTOR = 4")}, "helpers.other.FACTOR"),
        ({"other": ("len(texts)", "len(texts) + 1")}, "helpers.other.shared"),
        ({"own": ("RATE = 0.5", "RATE = 0.25")}, "helpers.own.RATE"),
        ({"own": ('TABLE["a"] = 1', 'TABLE["a"] = 2')}, "helpers.own.TABLE"),
        ({"own": ("LARGE = 9", "LARGE = 8")}, "helpers.own.LARGE"),
        ({"own": ("shared(texts) +", "shared(texts) -")}, "helpers.own.inner"),
        ({"second": ("return 1", "return 2")}, "second.more"),
    ],
    ids=str,
)
def test_a_change_is_named_by_the_function_or_constant_that_it_is_in(course, change, name):
    before = course()
    after = course(**change)
    assert [name for name in before if before[name] != after[name]] == [name] and before.keys() == after.keys()


def test_a_root_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(LookupError, match=r"no helpers\.models\.nothing"):
        code_hash.code_of(["helpers.models.nothing"])


def test_functions_and_partials_of_functions_are_roots_as_well():
    import training

    whole = functools.partial(training.keras_epoch, make_batches=training.fixed_batches, dtype="float32")
    assert list(code_hash.names_of(whole)) == ["training.keras_epoch", "training.fixed_batches"]
    assert list(code_hash.names_of(runtime.file_hash)) == ["helpers.runtime.file_hash"]


def test_what_is_left_out_is_there():
    for name in code_hash.LEFT_OUT:
        own, inner = code_hash.split(name)
        path = code_hash.file_of(own, code_hash.COURSE)
        assert path, name
        assert not inner or inner in code_hash.Module(path, code_hash.COURSE).statements, name


def test_a_version_that_was_not_stored_is_no_difference():
    stored = {"versions": {"keras": "3", "python": "3.11.7", "torch": None}}
    present = {"versions": {"keras": "3", "python": "3.12.1", "torch": None, "jax": "0.7"}}
    assert results.differences(stored, present) == []
    assert results.differences(stored, {"versions": {**present["versions"], "keras": "4"}}) == ["versions: keras"]
    assert results.differences(stored, {"versions": {"torch": "2"}}) == ["versions: keras", "versions: torch"]


def test_circumstances_hold_the_courses_own_list_of_packages():
    found = results.circumstances({"x": 1}, [runtime.version_of, "helpers.finetuning.pad"], ["spacy"])
    assert set(found) == set(results.ALL) and found["inputs"] == {"x": 1}
    assert set(found["versions"]) == {"python", "spacy", *runtime.KEY_PACKAGES}
    assert "helpers.finetuning.pad" in found["code"] and not any("runtime" in name for name in found["code"])
    assert found["machine"]["cores"] >= 1


def test_doctor_looks_for_what_the_course_asks_for():
    wanted = tomllib.loads((runtime.COURSE / "pyproject.toml").read_text(encoding="utf-8"))
    lines = [*wanted["project"]["dependencies"], *wanted["dependency-groups"]["dev"]]
    names = {re.match(r"[\w.-]+", line)[0].replace("_", "-") for line in lines}
    assert set(doctor.PACKAGES) == names | {"keras-hub"} and {"scipy", "nbval"} <= names


def test_a_result_file_is_written_whole(tmp_path):
    path = tmp_path / "new" / "speed.json"
    results.write(path, {"points": ["é"]})
    with pytest.raises(TypeError):
        results.write(path, {"points": object()})
    assert results.read(path) == {"points": ["é"]} and "é" in path.read_text(encoding="utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["speed.json"]
    assert results.read(tmp_path / "none.json") == {}


def test_many_differences_are_cut_short(tmp_path, capsys):
    path = tmp_path / "speed.json"
    results.write(path, {"circumstances": {"code": {str(n): "a" for n in range(7)}}, "rounds": [1]})
    assert results.stored(path, {"code": {}}, "rounds") == [] and "code: 4 and 2 more)" in capsys.readouterr().out
    assert results.stored(path, {"code": {}}, "rounds", ["inputs"]) == [1]


def test_the_store_needs_no_tensorflow_and_no_keras():
    code = "import sys, json, results; print(json.dumps([name for name in ('tensorflow', 'keras', 'jax') if name in sys.modules]))"
    environment = runtime.environment_with(
        PYTHONPATH=os.pathsep.join([str(runtime.COURSE / "tools"), str(runtime.COURSE)])
    )
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == []
