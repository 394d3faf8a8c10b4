"""The commands in the documents: each is parsed by the program that it calls, and nothing is run."""

import argparse
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys

import course
import pytest

from helpers import runtime

pytestmark = pytest.mark.repository

ROOT = runtime.COURSE
PYTHON = re.compile(r"(\.venv/bin/)?python[\d.]*$")
NOT_OURS = {"git", "sudo", "cd", "conda", "pip", "wsl", "uv", "curl"}  # other people's programs
# What the commands of tools/course.py hand on to another program, with the rest of the line.
HANDED_ON = {
    "run": ["tools/lessons.py", "run"],
    "outputs": ["tools/lessons.py", "outputs"],
    "predict": ["helpers/predicting.py"],
    "serve": ["helpers/serving.py"],
}


class Parsed(Exception):
    """A program has understood its command line as this namespace; there the test stops it."""


def commands(text):
    """The shell commands in a document: lines of its bash blocks, and what stands in backquotes and begins as one."""
    lines = [
        line for block in re.findall(r"^```bash\n(.*?)^```", text, flags=re.M | re.S) for line in block.splitlines()
    ]
    outside_blocks = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    lines += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", outside_blocks)]
    parts = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    starts = {"make", *NOT_OURS}
    return [words for words in parts if len(words) > 1 and (words[0] in starts or PYTHON.match(words[0]))]


def stop_after_parsing(monkeypatch):
    """Let each program end with Parsed as soon as it has understood its command line."""
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self, args=None, namespace=None):
        raise Parsed(parse(self, args, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)


def check(words, monkeypatch):
    """The options as the last program understands them; None where it takes none.

    Raises AssertionError, or ends as the program would, where a command would not be understood.
    """
    understood = None
    if PYTHON.match(words[0]) and words[1] == "-m" and words[2].startswith("helpers."):
        words = [words[0], f"{words[2].replace('.', '/')}.py", *words[3:]]
    if words[0] == "make":
        if not shutil.which("make"):
            pytest.skip("make is not installed")
        # These tests themselves run under `make test`, whose variables would make this one speak as its helper.
        own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        shown = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, env=own, capture_output=True, text=True)
        assert shown.returncode == 0, shown.stderr
        for line in shown.stdout.replace("\\\n", " ").splitlines():
            understood = check(shlex.split(line.removeprefix("exec ")), monkeypatch)
    elif PYTHON.match(words[0]) and words[1] != "-m":
        understood = check_script(words[1], words[2:], monkeypatch)
    else:
        assert words[0] in NOT_OURS or words[1:4] == ["-m", "pip", "install"], f"whose program is {words[0]}?"
    return understood


def check_script(script, arguments, monkeypatch):
    """Let a script parse its arguments; those of tools/course.py go to the program that it calls."""
    if script == "tools/course.py":
        assert arguments[0] in course.COMMANDS
        if arguments[0] in HANDED_ON:
            script, *first = HANDED_ON[arguments[0]]
            return check_script(script, [*first, *arguments[1:]], monkeypatch)
        assert arguments[1:] == []
        return None
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    with pytest.raises(Parsed) as caught:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    return vars(caught.value.args[0])


FOUND = {
    f"{name}: {' '.join(words)}": words
    for name in ("CONTRIBUTING.md", "README.md")
    for words in commands((ROOT / name).read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("command", FOUND)
def test_a_command_in_a_document_is_understood(command, monkeypatch):
    stop_after_parsing(monkeypatch)
    check(FOUND[command], monkeypatch)


def test_the_commands_are_found():
    text = "Say `make run DATA=a` and\n`python\n tools/x.py`; `python` alone, `data.load()`.\n```bash\nmake lint  # all\n```\n"
    assert commands(text) == [["make", "lint"], ["make", "run", "DATA=a"], ["python", "tools/x.py"]]
    for part in ("tools/mutants.py --own-tests", "tools/exercises.py outputs", "tools/bootstrap.py", "make outputs"):
        assert any(name.startswith("CONTRIBUTING.md") and part in name for name in FOUND), part


@pytest.mark.parametrize(
    "line",
    [
        "python tools/exercises.py",
        "python tools/mutants.py --seed x",
        "python tools/lessons.py twin",
        "python tools/course.py test now",
        "python tools/course.py predict --label kind",
        "python -m helpers.predicting --file new.csv",
        "python tools/course.py serve --data new.csv",
        "python -m helpers.serving --port eighty",
        "make bnech",
        "mkae test",
    ],
)
def test_what_a_program_would_refuse_is_noticed(line, monkeypatch):
    stop_after_parsing(monkeypatch)
    with pytest.raises((SystemExit, AssertionError)):
        check(line.split(), monkeypatch)


def test_what_make_is_told_reaches_the_program(monkeypatch):
    stop_after_parsing(monkeypatch)
    nothing = {"texts": [], "model": None, "data": None, "text": None, "output": None}
    assert check(["make", "predict"], monkeypatch) == nothing
    asked = check(["make", "predict", "DATA=my new.csv", "TEXT=title,body", "MODEL=there", "OUTPUT=o.csv"], monkeypatch)
    assert asked == {"texts": [], "model": "there", "data": "my new.csv", "text": "title,body", "output": "o.csv"}
    assert check(["make", "serve"], monkeypatch)["folder"] is None
    monkeypatch.setenv("HOST", "of-a-shell")
    line = ["make", "serve", "MODEL=my model", "PORT=8001", "KEY_FILE=my key", "FORM=int8"]
    asked = check(line, monkeypatch)
    assert (asked["folder"], asked["port"], asked["key_file"], asked["form"]) == ("my model", 8001, "my key", "int8")
    assert asked["host"] == "127.0.0.1" and check([*line, "HOST=0.0.0.0"], monkeypatch)["host"] == "0.0.0.0"
    asked = check(["make", "run", "BACKBONE=my bert", "MAX_LENGTH=64"], monkeypatch)
    assert (asked["backbone"], asked["max_length"], asked["data"]) == ("my bert", 64, None)
    assert check(["make", "run", "DATA="], monkeypatch)["data"] == ""  # which the program refuses
    monkeypatch.setenv("DATA", "of another program.csv")
    assert check(["make", "run"], monkeypatch)["data"] is None
    asked = check(["make", "run", "DATA=a.csv"], monkeypatch)
    assert (asked["backbone"], asked["max_length"], asked["data"]) == (None, None, "a.csv")


def test_predict_hands_all_to_its_program_which_works_where_the_reader_is(monkeypatch):
    given = {}
    monkeypatch.setattr(course, "set_up", given.setdefault)
    monkeypatch.setattr(course.sys, "argv", ["course.py", "predict", "--data", "new.csv", "--text", "title"])
    monkeypatch.setattr(course.subprocess, "call", lambda command, **options: given.update(options, command=command))
    course.COMMANDS["predict"]()
    program = [str(course.python_of(course.MAIN)), "-m", "helpers.predicting"]
    assert given == {course.MAIN: None, "command": [*program, "--data", "new.csv", "--text", "title"]}


def test_serve_becomes_the_server_and_holds_the_environment(monkeypatch, tmp_path):
    """A signal to the command is one to the server: there is no process between them."""
    given = []
    with (tmp_path / "lock").open("w") as file:
        monkeypatch.setattr(course, "HELD", {course.MAIN: file})
        monkeypatch.setattr(course, "set_up_serving", lambda: given.append("set up"))
        monkeypatch.setattr(course.sys, "argv", ["course.py", "serve", "there", "--port", "1"])
        monkeypatch.setattr(course.os, "execv", lambda *command: given.append(command))
        course.COMMANDS["serve"]()
        assert os.get_inheritable(file.fileno())
    python = str(course.python_of(course.MAIN))
    assert given == ["set up", (python, [python, "-m", "helpers.serving", "there", "--port", "1"])]
