"""Environments: two runs never disturb each other's, and none passes for what it is not. Nothing is installed here."""

import fcntl
import os
import shutil
import subprocess
import sys
import time

import course
import doctor
import pytest

from helpers import runtime

pytestmark = pytest.mark.repository

# A program like tools/course.py with a stand-in for venv and pip, which takes half a second. It is told what to do by
# its arguments: the folder, a word that stands for the version of Python, and what happens to it.
PROGRAM = """
import os, pathlib, signal, sys, time
sys.path.insert(0, {tools!r})
import course
place, course.sys.version = pathlib.Path(sys.argv[1]), sys.argv[2]
environment = place / ".venv"

def make(command):
    (environment / "bin").mkdir(parents=True)
    for number in range(25):
        (environment / "bin" / str(number)).write_text(sys.argv[2])
        time.sleep(0.02)
    with (place / "made").open("a") as file:
        file.write(sys.argv[2] + " ")
    return 0

def die_half_way(folder, **_):
    (pathlib.Path(folder) / "bin" / "3").unlink()
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[3] == "die":
    course.shutil.rmtree = die_half_way
if sys.argv[3] == "race":  # all have looked, and found none, before the first one makes it
    looked = []
    def look(path, read=course.text_of):
        found = read(path)
        looked.append(path)
        if len(looked) == 2:  # the first look was at the place of the checkout, before the lock
            (place / str(os.getpid())).touch()
            while len(list(place.glob("[0-9]*"))) < 4:
                time.sleep(0.01)
        return found
    course.text_of = look
course.COURSE = place
course.subprocess.call = make
course.call = lambda *command, environment: 0
course.set_up(environment)

def whole():
    return [(environment / "bin" / str(number)).read_text() for number in range(25)] == [sys.argv[2]] * 25

assert whole()
print("set up", flush=True)
if sys.argv[3] == "stay":
    sys.stdin.readline()
    assert whole()
"""


def start(place, version="3.12", then="end"):
    code = PROGRAM.format(tools=str(runtime.COURSE / "tools"))
    command = [sys.executable, "-c", code, str(place), version, then]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("then", ["end", "race"])
def test_of_several_first_runs_one_makes_the_environment_and_the_others_wait(then, tmp_path):
    programs = [start(tmp_path, then=then) for _ in range(4)]
    said = [program.communicate()[0] for program in programs]
    assert [text.split("\n")[-2] for text in said] == ["set up"] * 4, said
    assert (tmp_path / "made").read_text().split() == ["3.12"]
    assert "".join(said).count("Setting up .venv") == 1 and "waiting for its end" in "".join(said)


def test_an_environment_in_use_is_not_made_anew_before_its_user_ends(tmp_path):
    """As where `make run PYTHON=python3.11` comes while `make run` is at work under 3.12."""
    user = start(tmp_path, "3.12", "stay")
    assert user.stdout.readline().startswith("Setting up") and user.stdout.readline() == "set up\n"
    friend = start(tmp_path, "3.12")
    assert friend.communicate()[0] == "set up\n"  # who wants the same does not wait
    other = start(tmp_path, "3.11")
    assert "waiting for its end" in other.stdout.readline()
    time.sleep(0.1)
    assert (tmp_path / "made").read_text().split() == ["3.12"]
    assert user.communicate("end\n")[0] == "" and user.returncode == 0
    assert other.communicate()[0].endswith("set up\n")
    assert (tmp_path / "made").read_text().split() == ["3.12", "3.11"]


def test_an_environment_half_removed_by_a_killed_run_is_made_anew(tmp_path):
    assert start(tmp_path).communicate()[0].endswith("set up\n")
    killed = start(tmp_path, "3.11", "die")
    killed.communicate()
    assert killed.returncode == -9 and not (tmp_path / ".venv" / "bin" / "3").exists()
    assert start(tmp_path).communicate()[0].endswith("set up\n")  # 3.12, as the stamp of the half one said


def test_a_copied_checkout_makes_its_own_environment_and_spares_the_old_one(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    start(first).communicate()
    shutil.copytree(first, second)
    said = start(second).communicate()[0]
    assert said.startswith(f"This checkout was moved or copied here from {first}: .venv is made anew.\n")
    assert said.endswith("set up\n") and (second / "made").read_text().split() == ["3.12"] * 2
    assert (first / "made").read_text().split() == ["3.12"]
    assert start(first).communicate()[0] == start(second).communicate()[0] == "set up\n"


def test_doctor_knows_an_environment_of_another_checkout_and_a_half_made_one(tmp_path, monkeypatch):
    start(tmp_path).communicate()
    (belongs,) = doctor.made_for_this_checkout(tmp_path / ".venv")
    assert f"belongs to the checkout in {tmp_path}" in belongs.problem and "make setup" in belongs.remedy
    monkeypatch.setattr(course, "COURSE", tmp_path)
    assert doctor.made_for_this_checkout(tmp_path / ".venv") == doctor.made_for_this_checkout(tmp_path) == []
    (tmp_path / ".venv" / "made-from").unlink()
    course.python_of(tmp_path / ".venv").touch()
    (half,) = doctor.made_for_this_checkout(tmp_path / ".venv")
    assert "not made to its end" in half.problem


def test_an_environment_that_is_a_link_goes_and_what_it_points_at_stays(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").touch()
    (tmp_path / ".venv").symlink_to(elsewhere)
    assert start(tmp_path).communicate()[0].endswith("set up\n")
    assert os.listdir(elsewhere) == ["mine"] and not (tmp_path / ".venv").is_symlink()


def test_what_serves_is_added_once_also_while_others_use_the_environment(tmp_path, monkeypatch, capsys):
    """An open JupyterLab holds the environment for hours; it does not mind four packages more."""
    installed, lab = [], os.open(tmp_path / ".venv.lock", os.O_CREAT)
    fcntl.flock(lab, fcntl.LOCK_SH)
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(course, "COURSE", tmp_path)
    monkeypatch.setattr(course, "MAIN", tmp_path / ".venv")
    monkeypatch.setattr(course, "HELD", {})
    monkeypatch.setattr(course, "set_up", lambda environment: course.hold(environment, shared=True))
    monkeypatch.setattr(course, "install", lambda lock, environment: installed.append((lock, environment)) or 1)
    with pytest.raises(SystemExit, match=r"requirements-serve\.lock; why stands above"):
        course.set_up_serving()
    monkeypatch.setattr(course, "install", lambda lock, environment: installed.append((lock, environment)) or 0)
    for _ in range(2):
        course.set_up_serving()
    lock = course.SERVE_LOCK.read_text(encoding="utf-8")
    assert installed == [(lock, tmp_path / ".venv")] * 2  # the failure, and once more
    monkeypatch.setattr(course, "SERVE_LOCK", tmp_path / "other.lock")
    course.SERVE_LOCK.write_text("fastapi==1")
    course.set_up_serving()
    assert installed[2:] == [("fastapi==1", tmp_path / ".venv")]
    assert capsys.readouterr().out.count("Adding FastAPI") == 3
    os.close(lab)


def test_the_servers_lock_loses_what_the_courses_has(tmp_path, monkeypatch):
    written = {
        "requirements.lock": "# by uv\nanyio==4 \\\n    --hash=sha256:a\nclick==8 ; sys_platform == 'x' \\\n    --hash=sha256:b\n",
        "requirements-serve.lock": "# by uv\nanyio==4 \\\n    --hash=sha256:a\nfastapi==1 \\\n    --hash=sha256:c\n",
    }

    def compile_lock(command, cwd):
        path = tmp_path / command[command.index("-o") + 1]
        path.write_text(written.get(path.name, "sphinx==9\n"), encoding="utf-8")
        return 0

    monkeypatch.setattr(course, "COURSE", tmp_path)
    for name, file in [("LOCK", ""), ("BENCH_LOCK", "-bench"), ("SITE_LOCK", "-site"), ("SERVE_LOCK", "-serve")]:
        monkeypatch.setattr(course, name, tmp_path / f"requirements{file}.lock")
    monkeypatch.setattr(course.shutil, "which", lambda name: name)
    monkeypatch.setattr(course.subprocess, "call", compile_lock)
    assert course.lock() == 0
    assert course.SERVE_LOCK.read_text() == "# by uv\nfastapi==1 \\\n    --hash=sha256:c\n"
    assert course.LOCK.read_text() == written["requirements.lock"] and course.SITE_LOCK.read_text() == "sphinx==9\n"


def test_the_proof_needs_the_server(monkeypatch):
    """Else its tests would be skipped."""
    made = []
    monkeypatch.setattr(course, "set_up_serving", lambda: made.append("serving"))
    monkeypatch.setattr(course, "set_up", lambda *_: sys.exit("far enough"))
    with pytest.raises(SystemExit, match="far enough"):
        course.test()
    assert made == ["serving"]


@pytest.mark.parametrize("cause", ["no ensurepip", "venv", "lock", "course", "old one stays"])
def test_the_error_names_its_cause(cause, tmp_path, monkeypatch):
    old = tmp_path / "env" / "old"
    old.parent.mkdir()
    old.touch()

    def call(*command, environment):
        return int(cause == ("course" if "--editable" in command else "lock"))

    if cause == "no ensurepip":
        monkeypatch.setattr(course.importlib.util, "find_spec", lambda name: None)
    if cause == "old one stays":
        monkeypatch.setattr(course.shutil, "rmtree", lambda folder, ignore_errors: None)
    monkeypatch.setattr(course, "COURSE", tmp_path)
    monkeypatch.setattr(course, "HELD", {})
    monkeypatch.setattr(course, "call", call)
    monkeypatch.setattr(course.subprocess, "call", lambda command: int(cause == "venv"))
    with pytest.raises(SystemExit) as caught:
        course.set_up(tmp_path / "env")
    said = str(caught.value)
    assert ("python3-venv" in said) == (cause == "no ensurepip") == ("virtual environments here" in said)
    assert ("could not make" in said) == (cause == "venv") and ("cannot be removed" in said) == ("old" in cause)
    assert ("package index" in said) == (cause == "lock") and ("the course itself" in said) == (cause == "course")
    assert old.exists() == (cause in ("no ensurepip", "old one stays"))
    assert not (tmp_path / "env" / "made-from").exists()


def test_doctor_says_what_memory_lessons_take_as_the_readme_does():
    readme = (runtime.COURSE / "README.md").read_text(encoding="utf-8")
    needed = doctor.memory_of_lessons(readme)
    assert {path.name[:2] for path in (runtime.COURSE / "notebooks").glob("[0-9]*.ipynb")} == set(needed)
    assert all(f"| {gib} |" in readme for gib in needed.values())
    table = "| [04 A](a) | b | 4 | 1.8 |\n| [05 B](b) | c | 3 | 3.3 |\n| [11 C](c) | d | 2 | 9.0 |\n"
    assert doctor.memory(10 * 2**30, table) == doctor.memory(None, table) == []
    (found,) = doctor.memory(4 * 2**30, table)
    assert found.problem == "This machine has 4.0 GiB of memory; that is little for lesson 05 (3.3 GiB), 11 (9.0 GiB)."
