"""`tools/lessons.py`: what the command line takes and refuses, and what it keeps of a run."""

import json
import subprocess
import sys

import lessons
import nbformat
import pytest
from test_own_file import FOUR_CLASSES, one_class

from helpers import predicting, runtime

# ---- the command line


def test_the_command_line_refuses_a_bad_file_without_a_traceback(tmp_path):
    one_class(tmp_path / "bad.csv")
    command = [sys.executable, str(runtime.COURSE / "tools" / "lessons.py"), "run", "--data", str(tmp_path / "bad.csv")]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1 and result.stderr.strip().startswith("All usable rows have one label")


@pytest.mark.parametrize(
    "options", [["--data", ""], ["--label", "x"], ["--data", "x.csv", "--backbone", ""], ["--max-length", "0"]]
)
def test_options_without_a_value_start_nothing(options, monkeypatch, capsys):
    monkeypatch.setattr(lessons, "run", lambda *given: pytest.fail("the lessons were started"))
    with pytest.raises(SystemExit) as end:
        lessons.main(["run", *options])
    assert end.value.code == 2 and "--" in capsys.readouterr().err


def test_what_was_understood_is_said_before_the_lessons_start(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"{word} thing{i} seen{i} here{i},{word}" for i in range(40) for word in ("fine", "bad")]
    (tmp_path / "mine.csv").write_text("\n".join(["review,verdict", *rows]), encoding="utf-8")
    source = lessons.check_own_data(file="mine.csv", text=None, label="verdict", rare="drop", test=None)
    assert source == {"file": str(tmp_path / "mine.csv"), "label": "verdict", "rare": "drop"}
    said = capsys.readouterr().out
    assert "text separated by commas, 80 rows" in said and "The text is taken from the column 'review'" in said
    assert "2 classes; 48 train, 8 validation, 24 test." in said


def test_own_data_and_profile_reach_the_parameters(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr(lessons, "run", lambda paths, parameters: asked.update(lessons=paths, parameters=parameters))
    monkeypatch.setattr(lessons.subprocess, "run", lambda command, check: asked.update(device=command[-1]))
    lessons.main(["run", "--data", str(FOUR_CLASSES), "--profile", "full", "--parameters", json.dumps({"epochs": 1})])
    assert asked["parameters"] == {"epochs": 1, "source": str(FOUR_CLASSES), "profile": "full"}
    assert [path.stem[:2] for path in asked["lessons"]] == ["01", "05", "06", "09", "11"]
    assert "profile='full'" in asked.pop("device")  # said beforehand: which accelerator is there
    lessons.main(["run", "06", "--data", str(FOUR_CLASSES)])
    assert "device" not in asked
    assert [path.stem[:2] for path in asked["lessons"]] == ["06"]
    lessons.main(["run"])
    assert asked["parameters"] == {} and len(asked["lessons"]) >= 5


def test_another_backbone_and_length_reach_the_parameters(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr(lessons, "run", lambda paths, parameters: asked.update(lessons=paths, parameters=parameters))
    lessons.main(["run", "--backbone", "hf://owner/name", "--max-length", "64"])
    assert asked["parameters"] == {"backbone": "hf://owner/name", "max_length": 64}
    assert [path.stem[:2] for path in asked["lessons"]] == ["01", "05", "06", "09", "11"]
    (tmp_path / "my bert").mkdir()
    monkeypatch.chdir(tmp_path)  # the lessons run in another folder
    lessons.main(["run", "05", "--backbone", "my bert", "--data", str(FOUR_CLASSES)])
    assert asked["parameters"] == {"backbone": str(tmp_path / "my bert"), "source": str(FOUR_CLASSES)}
    lessons.main(["run", "05", "--backbone", "bert_base_zh"])  # a preset is no path
    assert asked["parameters"] == {"backbone": "bert_base_zh"}


def test_a_length_is_a_number_and_goes_to_lessons_that_have_one(monkeypatch, capsys):
    monkeypatch.setattr(lessons, "run", None)
    with pytest.raises(SystemExit):
        lessons.main(["run", "--max-length", "long"])
    assert "--max-length: invalid int value: 'long'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="No parameter max_length in 00_welcome"):
        lessons.main(["run", "00", "--max-length", "64"])


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


# ---- what is printed at the end


def table_of(capsys, *rows):
    """The lines of the closing table after a run: of each lesson its name, result and notes are given."""
    rows = [lessons.Row(name, 0.1, 0.7, 0, result, notes) for name, result, notes in rows]
    lessons.print_table(rows, 0.1, 0.7)
    return capsys.readouterr().out.splitlines()


def test_reports_and_what_is_otherwise_are_noted_and_all_that_was_checked_is_counted():
    texts = ["→ 1.5 tokens a word\n✓ it holds\nother ", "→ words\n– otherwise with this data: over 80 %\n"]
    texts += ["– so with this data, too: over 70 %\n– a dash\n"]
    printed = [nbformat.v4.new_output("stream", text=text) for text in texts]
    cells = [nbformat.v4.new_code_cell(outputs=[output]) for output in printed]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("→ no output"), *cells])
    assert lessons.notes_in(notebook) == ["→ 1.5 tokens a word", "– otherwise with this data: over 80 %"]
    assert lessons.claims_in(notebook) == 3


def test_what_is_reported_comes_before_what_is_otherwise(capsys):
    first, second = ("– otherwise: a", "→ b", "– otherwise: c"), ("→ d", "– otherwise: e")
    said = table_of(capsys, ("01_data_preparation", "ok", first), ("05_fine_tuning", "FAILED", second))
    assert said[-5:] == ["01: → b", "05: → d", "01: – otherwise: a", "01: – otherwise: c", "05: – otherwise: e"]


def test_after_an_export_a_reader_learns_how_to_use_it(artifacts, capsys):
    predicting.write_facts(artifacts / "mine-123", "onnx", ["a", "b"])
    said = table_of(capsys, ("11_export", "ok", ("→ The model (BERT) lies in mine-123.",)))
    assert said[-5] == "11: → The model (BERT) lies in mine-123."
    assert said[-4] == f"The model and its card: {artifacts / 'mine-123'}"
    assert "predicting.load()" in said[-3] and said[-2].endswith("make predict DATA=new.csv")


@pytest.mark.parametrize(
    ("result", "notes"),
    [("ok", ()), ("ok", ("→ 1.5 tokens a word",)), ("FAILED", ("→ The model (BERT) lies in mine-123.",))],
)
def test_an_older_export_does_not_pass_for_this_runs_own(result, notes, artifacts, capsys):
    predicting.write_facts(artifacts / "old", "onnx", ["a", "b"])
    said = table_of(capsys, ("11_export", result, notes))
    assert not any("make predict" in line or str(artifacts) in line for line in said)


def test_the_report_of_another_lesson_is_no_export(artifacts, capsys):
    predicting.write_facts(artifacts / "old", "onnx", ["a", "b"])
    notes = ("→ The model of lesson 05 is a bag of words",)
    said = table_of(capsys, ("05_fine_tuning", "ok", notes), ("11_export", "ok", ()))
    assert not any("make predict" in line for line in said)
