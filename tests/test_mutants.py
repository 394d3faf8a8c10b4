"""The tool that breaks helpers: what it breaks and leaves alone, what it draws, and that it judges in a copy."""

import ast
import json
import os
import subprocess
import time
from pathlib import Path

import mutants
import pytest

pytestmark = pytest.mark.repository

SOURCE = """\
def f(x: int = 3):
    "doc"
    if x > 2:  # this stays
        raise ValueError(f"{x + 1} is bad")
    print(7)
    return (x + 1) * 2
"""


def all_mutants(source):
    return [mutants.mutant("f", source, number) for number in mutants.sites(source)]


def test_code_is_broken_and_wording_is_left_alone():
    found = all_mutants(SOURCE)
    assert sorted((one.line, one.what) for one in found) == [
        (1, "3  becomes  4"),
        (3, "2  becomes  3"),
        (3, "x > 2  becomes  not x > 2"),
        (3, "x > 2  becomes  x >= 2"),
        (6, "(x + 1) * 2  becomes  (x + 1) / 2"),
        (6, "1  becomes  2"),
        (6, "2  becomes  3"),
        (6, "return (x + 1) * 2  becomes  return None"),
        (6, "x + 1  becomes  x - 1"),
    ]
    assert not mutants.change(ast.parse("x").body[0].value)
    with pytest.raises(ValueError, match="Nothing to break in def f"):
        mutants.mutant("f", SOURCE, 0)


def test_only_one_place_differs_and_means_what_is_said():
    lines = SOURCE.splitlines()
    for one in all_mutants(SOURCE):
        changed = [number for number, line in enumerate(one.source.splitlines(), 1) if line != lines[number - 1]]
        assert changed == [one.line]
    values = {one.what: run_f(one.source, -1) for one in all_mutants(SOURCE)}
    assert values["x + 1  becomes  x - 1"] == -4 and values["1  becomes  2"] == 2
    assert (
        values["(x + 1) * 2  becomes  (x + 1) / 2"] == 0 and values["return (x + 1) * 2  becomes  return None"] is None
    )
    assert values["x > 2  becomes  not x > 2"] == "raised" and values["x > 2  becomes  x >= 2"] == 0


def run_f(source, x):
    names = {}
    exec(source, names)
    try:
        return names["f"](x)
    except ValueError:
        return "raised"


def test_positions_count_bytes_and_code_of_several_lines_is_replaced_whole():
    source = 'def g(a):\n    return "ä" + a if (\n        a and\n        "ö"\n    ) else not a\n'
    found = {one.what: one for one in all_mutants(source)}
    broken = found["\"ä\" + a  becomes  'ä' - a"]
    assert "('ä' - a) if (" in broken.source and broken.line == 2
    assert "(a or 'ö')\n    ) else not a" in found["a and \"ö\"  becomes  a or 'ö'"].source
    assert all(ast.parse(one.source) for one in found.values())


def test_what_is_drawn_from_the_helpers_parses_and_differs():
    drawn = mutants.draw(20, 3, mutants.HELPERS)
    assert len({one.helper for one in drawn}) > 5
    for one in drawn:
        assert ast.dump(ast.parse(one.source)) != ast.dump(ast.parse(mutants.source_of(one.helper))), one.what


def test_a_seed_draws_the_same_places_from_all_helpers(monkeypatch):
    sources = {"a": "x = 1\ny = 2\n", "b": "z = 3\n" * 8}
    monkeypatch.setattr(mutants, "source_of", sources.get)
    drawn = mutants.draw(5, 7, ["b", "a"])
    assert drawn == mutants.draw(5, 7, ["a", "b"]) and len({(one.helper, one.node) for one in drawn}) == 5
    assert drawn != mutants.draw(5, 8, ["a", "b"])
    assert len(mutants.draw(99, 7, ["a", "b"])) == 10 and {one.helper for one in mutants.draw(99, 7, ["a"])} == {"a"}
    # All places are equally probable: two of ten lie in `a`.
    of_a = sum(one.helper == "a" for seed in range(400) for one in mutants.draw(1, seed, ["a", "b"]))
    assert 50 < of_a < 110


def commit(folder):
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "only"]):
        subprocess.run([*git, *command], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def small_course(tmp_path, monkeypatch):
    """A course of one helper with two functions, of which its tests know one; committed."""
    folder = tmp_path / "course"
    (folder / "helpers").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "helpers" / "__init__.py").touch()
    source = (
        '"""Lesson 06: two functions."""\n\n\ndef double(x):\n    return x * 2\n\n\ndef half(x):\n    return x / 2\n'
    )
    (folder / "helpers" / "small.py").write_text(source, encoding="utf-8")
    test = "from helpers import small\n\n\ndef test_double():\n    assert small.double(3) == 6\n"
    (folder / "tests" / "test_small.py").write_text(test, encoding="utf-8")
    monkeypatch.setattr(mutants, "COURSE", folder)
    monkeypatch.setattr(mutants, "HELPERS", ["small"])
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take longer to load than these tests
    return folder


def test_the_commits_seed_is_of_committed_code_only(small_course):
    head = commit(small_course)
    assert mutants.seed_of_commit() == int(head[:8], 16)
    (small_course / "notes.txt").touch()  # neither helper nor test
    assert mutants.seed_of_commit() == int(head[:8], 16)
    (small_course / "tests" / "test_new.py").touch()
    with pytest.raises(SystemExit, match="not committed:\n.*test_new.py"):
        mutants.seed_of_commit()


def test_own_tests_kill_what_they_notice_and_the_tree_stays_as_it_is(small_course, tmp_path, capsys, monkeypatch):
    commit(small_course)
    before = mutants.state_of_code()
    out = tmp_path / "mutants.json"
    mutants.main(["--own-tests", "--seed-from-commit", "--number", "99", "--out", str(out)])
    assert mutants.state_of_code() == before
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "3 of 6 mutants killed: 50 %"
    rows = {(row["line"], row["what"]): row["killed_by"] for row in json.loads(out.read_text())["mutants"]}
    assert {line: by for (line, _), by in rows.items()} == {5: "its tests", 9: None} and len(rows) == 6
    assert any("helpers/small.py:9  x / 2  becomes  x * 2: SURVIVED" in line for line in printed)
    # Once more: everything is stored. With other code nothing is taken over.
    monkeypatch.setattr(mutants, "call", None)
    mutants.main(["--own-tests", "--seed-from-commit", "--number", "99", "--out", str(out)])
    settings = json.loads(out.read_text())["settings"]
    assert len(mutants.stored_results(out, settings)["mutants"]) == 6
    assert mutants.stored_results(out, settings | {"code": "other"})["mutants"] == []


def test_tests_that_fail_unbroken_end_the_program(small_course, tmp_path):
    (small_course / "tests" / "test_small.py").write_text("assert False\n", encoding="utf-8")
    commit(small_course)
    with pytest.raises(SystemExit, match="test_small.py fails before anything is broken"):
        mutants.main(["--own-tests", "--number", "1", "--out", str(tmp_path / "out.json")])


def test_a_mutant_that_loops_is_ended_with_all_it_started(tmp_path):
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WRITES_LATER!r}], cwd={str(tmp_path)!r})"
    assert not mutants.call(tmp_path, "-c", program, limit_s=1)
    time.sleep(1.5)
    assert not (tmp_path / "late").exists()
    assert mutants.call(tmp_path, "-c", "pass") and not mutants.call(tmp_path, "-c", "1 / 0")


WRITES_LATER = "import time; time.sleep(2); open('late', 'w')"


def test_two_run_at_a_time_each_in_its_own_copy(small_course, monkeypatch):
    commit(small_course)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cores: None, raising=False)
    running, most, folders = [], [], set()

    def work(folder, task):
        running.append(task)
        most.append(len(running))
        folders.add(folder)
        assert (folder / "helpers" / "small.py").is_file()
        time.sleep(0.05)
        running.remove(task)
        return task * 10

    assert dict(mutants.on_each_core(work, [1, 2, 3, 4])) == {1: 10, 2: 20, 3: 30, 4: 40}
    assert max(most) == 2 and len(folders) == 2 and not any(Path(folder).exists() for folder in folders)


def test_a_helpers_lesson_is_the_one_that_its_first_line_names(small_course):
    assert mutants.lesson_of("small") == "06"
