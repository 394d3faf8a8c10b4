"""A reader's own CSV file: what works, and for what does not an error that names row and remedy."""

import csv
import json
import subprocess
import sys

import lessons
import pandas as pd
import pytest

from helpers import data, runtime

FOUR_CLASSES = runtime.COURSE / "tests" / "four_classes.csv"


def write(path, rows, header=("text", "label")):
    """A CSV file of rows, quoted as they need."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def good_rows(number=30):
    """Rows of two classes that are no near-copies of each other."""
    return [
        (f"{'fine' if i % 2 else 'poor'} thing{i} seen{i} here{i}", "yes" if i % 2 else "no") for i in range(number)
    ]


# ---- what works


def test_four_classes_become_splits():
    splits, names = data.split_own(data.clean_own(data.load_own(FOUR_CLASSES)))
    assert names == ("book", "film", "food", "gadget")
    sizes = {side: len(part) for side, part in splits.items()}
    assert sizes == {"train": 240, "validation": 40, "test": 120}
    for part in splits.values():
        assert set(part["label"]) == {0, 1, 2, 3} and set(part.columns) == {"text", "label"}
    whole = pd.read_csv(FOUR_CLASSES).set_index("text")["label"]
    row = splits["test"].iloc[0]
    assert whole[row["text"]] == names[row["label"]]


def test_prepared_reads_a_file_and_finds_it_again(artifacts, capsys):
    first, names = data.prepared(str(FOUR_CLASSES), 200)
    assert sum(map(len, first.values())) == 200 and "a sample of 200" in capsys.readouterr().out
    again, same = data.prepared(str(FOUR_CLASSES), 200)
    assert "found in" in capsys.readouterr().out and same == names == ("book", "film", "food", "gadget")
    for side in first:
        assert first[side].equals(again[side])
    everything, _ = data.prepared(str(FOUR_CLASSES), None)
    assert sum(map(len, everything.values())) == 400  # another number of rows is another artifact


def test_so_many_labels_are_no_classes(tmp_path):
    texts = [text for text, _ in good_rows(42)]
    many = write(tmp_path / "many.csv", [(text, f"label {i % 21}") for i, text in enumerate(texts)])
    with pytest.raises(data.DataError, match="21 labels in 42 rows: is `label` really a class"):
        data.clean_own(data.load_own(many))
    twenty = write(tmp_path / "twenty.csv", [(text, f"label {i % 20}") for i, text in enumerate(texts)])
    with pytest.raises(data.DataError, match="Class .* has 2 usable row"):  # so few may be classes, with too few rows
        data.clean_own(data.load_own(twenty))


def test_a_sample_keeps_the_shares_of_the_labels():
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(100)], "label": ["a"] * 80 + ["b"] * 20})
    sample = data.sampled(frame, 50)
    assert sample["label"].value_counts().to_dict() == {"a": 40, "b": 10}
    assert sample["text"].is_unique and list(sample.index) == list(range(50))
    assert data.sampled(frame, None) is frame and data.sampled(frame, 100) is frame


def test_labels_that_are_numbers_keep_their_order(tmp_path):
    rows = [(f"word{i} other{i} third{i}", str([10, 9, -1][i % 3])) for i in range(60)]
    _, names = data.split_own(data.clean_own(data.load_own(write(tmp_path / "numbers.csv", rows))))
    assert names == ("-1", "9", "10")
    _, names = data.split_own(
        data.clean_own(data.load_own(write(tmp_path / "mixed.csv", [(t, {"9": "b"}.get(n, n)) for t, n in rows])))
    )
    assert names == ("-1", "10", "b")


def test_columns_for_slices_are_kept_and_others_dropped(tmp_path):
    rows = [(label, text, "home", 7) for text, label in good_rows()]
    frame = data.load_own(write(tmp_path / "more.csv", rows, ("label", "text", "domain", "price")))
    assert list(frame.columns) == ["line", "text", "label", "domain"] and frame["line"].tolist() == list(range(2, 32))
    splits, _ = data.split_own(data.clean_own(frame))
    assert list(splits["test"].columns) == ["text", "label", "domain"]


def test_quotes_commas_breaks_and_a_byte_order_mark_are_read(tmp_path):
    path = write(tmp_path / "quoted.csv", [('He said "no", twice.\nThen left.', "a"), ("fine", "b")])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n\r\n")
    frame = data.load_own(path)
    assert frame["text"].tolist() == ['He said "no", twice.\nThen left.', "fine"]
    assert frame["line"].tolist() == [2, 4]


def test_unusable_rows_are_dropped_with_a_word(tmp_path, capsys):
    bad = [("", "yes"), ("no label", " "), ("Poor thing0 SEEN0 here0!", "no"), ("both", "yes"), ("both", "no")]
    cleaned = data.clean_own(data.load_own(write(tmp_path / "some.csv", good_rows() + bad)))
    assert len(cleaned) == 30 and "both" not in set(cleaned["text"])
    assert capsys.readouterr().out == "5 of 35 rows dropped: no text, no label, a copy, or copies that disagree.\n"


def test_near_copies_of_a_readers_texts_stay_on_one_side(tmp_path):
    copies = [(f"a very long text that is the same but for number {i} at its end", "no") for i in range(8)]
    splits, _ = data.split_own(data.clean_own(data.load_own(write(tmp_path / "c.csv", good_rows(60) + copies))))
    assert [part["text"].str.contains("very long").sum() for part in splits.values()].count(0) == 2


# ---- seven bad files, and some more


def one_class(path):
    write(path, [(text, "yes") for text, _ in good_rows()])


def class_with_one_row(path):
    write(path, [*good_rows(), ("the only one", "maybe")])


def broken_quote(path):
    write(path, good_rows())
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[4] = '"It began well, then,no'
    path.write_text("\n".join(lines) + '\n"a good one",yes\n', encoding="utf-8")


def wrong_encoding(path):
    write(path, [*good_rows(), ("a naïve café", "yes")])
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))


def huge_text(path):
    write(path, good_rows())
    with path.open("a", encoding="utf-8") as file:
        for _ in range(200):
            file.write("x" * 1_000_000)
        file.write(",yes\n")


BAD = {
    "no such column": (
        lambda path: write(path, good_rows(), ("text", "sentiment")),
        r"bad\.csv, line 1: no column label among \['text', 'sentiment'\]\. Rename or add it",
    ),
    "one class": (one_class, r"All usable rows have one label \(yes\)\. It takes two classes or more"),
    "empty": (
        lambda path: path.write_text(""),
        r"bad\.csv is empty\. Its first line must name the columns: text,label",
    ),
    "wrong encoding": (wrong_encoding, r"bad\.csv, line 32: byte 5 is not UTF-8\. Save the file again as UTF-8"),
    "a broken quote": (broken_quote, r"bad\.csv, line 5: a quote is not closed.*write each quote inside it twice"),
    "a text of 200 MB": (huge_text, r"bad\.csv, line 32: more than 1,000,000 characters in one text.*cut the text"),
    "a class with one row": (
        class_with_one_row,
        r"Class 'maybe' has 1 usable row\(s\), the first in line 32; it takes 10 .*Add rows, join it with another",
    ),
    "header only": (lambda path: write(path, []), r"bad\.csv holds no row below its first line\. Add texts"),
    "semicolons": (
        lambda path: path.write_text("text;label\ngood;1\n"),
        r"no column text and label .*separated by semicolons or tabs: save the file with commas",
    ),
    "UTF-16": (lambda path: path.write_text("text,label\n", encoding="utf-16"), r"bad\.csv is UTF-16.*CSV UTF-8"),
    "a comma too many": (
        lambda path: path.write_text("text,label\nfine,yes\nnot bad, really,yes\n"),
        r"bad\.csv, line 3: 3 fields where the first line names 2\. A text that holds a comma must stand in quotes",
    ),
    "every row its own class": (
        lambda path: write(path, [(text, f"id{i}") for i, (text, _) in enumerate(good_rows(60))]),
        r"60 labels in 60 rows: is `label` really a class\?",
    ),
    "copies only": (
        lambda path: write(path, good_rows() + [(f"the same old text again and again {i}", "same") for i in range(12)]),
        r"The rows of class 'same' are near-copies of each other\. Add rows that differ",
    ),
    "a long text in many lines": (
        lambda path: path.write_text('text,label\nfine,yes\n"' + "many words\n" * 100_000 + '",no\n'),
        r"bad\.csv, line 3: more than 1,000,000 characters in one text",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_an_error_that_names_row_and_remedy(name, tmp_path, artifacts):
    make, message = BAD[name]
    make(tmp_path / "bad.csv")
    with pytest.raises(data.DataError, match=message):
        data.prepared(str(tmp_path / "bad.csv"))
    assert not list(artifacts.glob("*"))  # nothing half-written
    with pytest.raises(SystemExit, match=message):  # what `make run DATA=bad.csv` says, before any lesson starts
        lessons.check_own_data(str(tmp_path / "bad.csv"))


def test_a_file_that_is_not_there(artifacts):
    for ask in (data.load_own, data.prepared):
        with pytest.raises(FileNotFoundError, match=r"There is no file nowhere\.csv\. Give the path"):
            ask("nowhere.csv")
    with pytest.raises(SystemExit, match="There is no file"):
        lessons.check_own_data("nowhere.csv")


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
    def execute(notebook, name):
        if name.startswith("00"):
            raise error

    monkeypatch.setattr(lessons, "execute", execute)
    assert lessons.main(["run", "00", "04"]) == 1
    printed = capsys.readouterr().out
    assert f"00_welcome stopped:\n{error}" in printed and "FAILED" in printed and printed.count("  ok") == 1
    assert ("memory was too small" in printed) == isinstance(error, lessons.DeadKernelError)


def test_only_a_run_as_the_lessons_stand_is_kept_for_the_readme(monkeypatch, artifacts):
    monkeypatch.setattr(lessons, "execute", lambda notebook, name: None)
    file = artifacts / "run" / "measured.json"
    lessons.main(["run", "04", "--parameters", '{"seed": 1}'])
    assert not file.exists()
    lessons.main(["run", "04"])
    assert list(json.loads(file.read_text(encoding="utf-8"))) == ["04_pretraining"]


@pytest.mark.parametrize("backend", runtime.BACKENDS)
def test_an_older_export_does_not_pass_for_this_runs_own(backend, monkeypatch, artifacts, capsys):
    (artifacts / "saved_model").mkdir(parents=True)
    monkeypatch.setattr(runtime, "choose_backend", lambda: backend)
    lessons.print_table([lessons.Row("11_export", 0.1, 0.7, 0, "ok")])
    assert ("The exported classifier" in capsys.readouterr().out) == (backend == "tensorflow")
    lessons.print_table([lessons.Row("11_export", 0.1, 0.7, 0, "FAILED")])
    assert "The exported classifier" not in capsys.readouterr().out
