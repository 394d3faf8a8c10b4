"""`tools/lessons.py`: what the command line takes and refuses, and what it keeps of a run."""

import json
import subprocess
import sys

import lessons
import pytest
from test_own_file import FOUR_CLASSES, one_class

from helpers import runtime

# ---- the command line


def test_the_command_line_refuses_a_bad_file_without_a_traceback(tmp_path):
    one_class(tmp_path / "bad.csv")
    command = [sys.executable, str(runtime.COURSE / "tools" / "lessons.py"), "run", "--data", str(tmp_path / "bad.csv")]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1 and result.stderr.strip().startswith("All usable rows have one label")


def test_own_data_and_profile_reach_the_parameters(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr(lessons, "run", lambda paths, parameters: asked.update(lessons=paths, parameters=parameters))
    monkeypatch.setattr(lessons.subprocess, "run", lambda command, check: asked.update(device=command[-1]))
    lessons.main(["run", "--data", str(FOUR_CLASSES), "--profile", "full", "--parameters", json.dumps({"epochs": 1})])
    assert asked["parameters"] == {"epochs": 1, "source": str(FOUR_CLASSES), "profile": "full"}
    assert [path.stem[:2] for path in asked["lessons"]] == ["01", "05", "06", "11"]
    assert "profile='full'" in asked.pop("device")  # said beforehand: which accelerator is there
    lessons.main(["run", "06", "--data", str(FOUR_CLASSES)])
    assert "device" not in asked
    assert [path.stem[:2] for path in asked["lessons"]] == ["06"]
    lessons.main(["run"])
    assert asked["parameters"] == {} and len(asked["lessons"]) >= 5


def test_what_no_lesson_would_read_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(lessons, "run", None)
    with pytest.raises(SystemExit, match="No parameter epoch in 00_welcome, .*There are: .*epochs"):
        lessons.main(["run", "06", "--parameters", '{"epoch": 1}'])
    with pytest.raises(SystemExit, match="No parameter source in 04_pretraining"):
        lessons.main(["run", "04", "--data", str(FOUR_CLASSES)])
    with pytest.raises(SystemExit):
        lessons.main(["run", "--parameters", "[1]"])
    assert "names and values" in capsys.readouterr().err


@pytest.mark.parametrize("error", [lessons.DeadKernelError("Kernel died"), lessons.CellTimeoutError("too long")])
def test_a_kernel_that_dies_or_is_too_slow_does_not_stop_the_others(error, monkeypatch, artifacts, capsys):
    def execute(client, name, lane):
        if name.startswith("00"):
            raise error

    monkeypatch.setattr(lessons, "execute", execute)
    assert lessons.main(["run", "00", "04"]) == 1
    printed = capsys.readouterr().out
    assert f"00_welcome stopped:\n{error}" in printed and "FAILED" in printed and printed.count("  ok") == 1
    assert ("memory was too small" in printed) == isinstance(error, lessons.DeadKernelError)


def test_only_a_run_as_the_lessons_stand_is_kept_for_the_readme(monkeypatch, artifacts):
    monkeypatch.setattr(lessons, "execute", lambda client, name, lane: None)
    file = artifacts / "run" / "measured.json"
    lessons.main(["run", "04", "--parameters", '{"seed": 1}'])
    assert not file.exists()
    lessons.main(["run", "04"])
    assert list(json.loads(file.read_text(encoding="utf-8"))) == ["04_pretraining"]


@pytest.mark.parametrize("backend", runtime.BACKENDS)
def test_an_older_export_does_not_pass_for_this_runs_own(backend, monkeypatch, artifacts, capsys):
    (artifacts / "saved_model").mkdir(parents=True)
    monkeypatch.setattr(runtime, "choose_backend", lambda: backend)
    lessons.print_table([lessons.Row("11_export", 0.1, 0.7, 0, "ok")], 0.1, 0.7)
    assert ("The exported classifier" in capsys.readouterr().out) == (backend == "tensorflow")
    lessons.print_table([lessons.Row("11_export", 0.1, 0.7, 0, "FAILED")], 0.1, 0.7)
    assert "The exported classifier" not in capsys.readouterr().out
