"""What a reader does with an exported model: load it, ask it, label a file with it; Keras and TensorFlow stay out."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import make_tiny_classifier

from helpers import finetuning, own_file, predicting, runtime, words

pytestmark = pytest.mark.once  # what answers needs neither backend

if runtime.installed("tensorflow"):
    from helpers import export

TEXTS = ["a good film", "very good, a strong film", "good room", "a bad film", "very bad", "a weak, dull room"]
FITTED = words.bag_of_words().fit(TEXTS, [1, 1, 1, 0, 0, 0])
NAMES = ("schön", "ärgerlich")  # of class 0 and 1; a test of answers does not need them to be true


def write_model(folder, names=NAMES):
    """A folder as lesson 11 leaves it where a bag of words was the best."""
    with runtime.written_whole(folder / "bag_of_words", folder=True) as unfinished:
        words.write_bag_of_words(FITTED, "words", unfinished)
    predicting.write_facts(folder, "bag_of_words", names)
    return folder


@pytest.fixture
def model(artifacts):
    """A model that is exported and loaded again."""
    return predicting.load(write_model(artifacts / "mine"))


def in_new_process(code, *arguments):
    """What a program prints that starts from nothing."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=runtime.COURSE)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


HEAVY = "print(sorted({'keras', 'keras_hub', 'tensorflow', 'jax'} & set(sys.modules)))"


# ---- loading


def test_a_bag_of_words_answers_as_before_it_was_written(model):
    texts = ["good", "a dull, weak film", "", "nothing that it knows"]
    assert model.labels == NAMES
    assert np.abs(model(texts) - FITTED.predict_proba(texts)).max() < 1e-12
    assert np.ptp(model(texts)[:, 0]) > 0.2


def test_the_latest_model_is_the_one_that_was_written_last(artifacts):
    write_model(artifacts / "first", ("a", "b"))
    assert predicting.latest().resolve() == artifacts / "first" and predicting.load().labels == ("a", "b")
    write_model(artifacts / "second", ("c", "d"))
    assert predicting.latest().resolve() == artifacts / "second" and predicting.load().labels == ("c", "d")
    assert predicting.load(artifacts / "first").labels == ("a", "b")  # it is still there
    assert predicting.load(str(artifacts / "first")).labels == ("a", "b")
    assert sorted(path.name for path in artifacts.iterdir()) == ["first", "latest", "second"]


def test_an_unknown_kind_is_refused_and_nothing_is_written(artifacts):
    with pytest.raises(ValueError, match="'pickle' is none of onnx, bag_of_words"):
        predicting.write_facts(artifacts / "mine", "pickle", NAMES)
    assert not artifacts.exists()


def test_where_there_is_no_model_the_remedy_is_said(artifacts, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no model in .*latest\. Lesson 11 exports one: `make run DATA=mine\.csv`"
    ):
        predicting.load()
    with pytest.raises(FileNotFoundError, match=rf"There is no model in {tmp_path / 'nowhere'}\."):
        predicting.load(tmp_path / "nowhere")
    shutil.rmtree(write_model(artifacts / "mine"))  # `latest` points at nothing
    with pytest.raises(FileNotFoundError, match="Lesson 11 exports one"):
        predicting.load()


@pytest.mark.parametrize("content", [b"{", b'{"kind": "onnx"}', b'{"labels": ["a", "b"]}', b"[]", b"3", b"\xff"])
def test_damaged_facts_are_named(content, artifacts):
    folder = write_model(artifacts / "mine")
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"mine/model\.json is damaged .*Export the model again"):
        predicting.load(folder)


@pytest.mark.parametrize("name", ["terms.json", "weights.npz"])
def test_a_damaged_bag_of_words_is_named(name, artifacts):
    path = write_model(artifacts / "mine") / "bag_of_words" / name
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(ValueError, match=r"The bag of words in .*mine/bag_of_words is damaged .*Make it again"):
        predicting.load(artifacts / "mine")


def test_a_missing_onnx_file_is_named(artifacts):
    predicting.write_facts(artifacts / "mine", "onnx", NAMES)
    with pytest.raises(FileNotFoundError, match=r"There is no model\.onnx in .*mine/onnx\."):
        predicting.load(artifacts / "mine")


def test_using_a_model_imports_neither_keras_nor_a_backend(artifacts):
    assert in_new_process(f"import sys; from helpers import predicting; {HEAVY}") == ["[]"]
    code = f"import sys; from helpers import predicting; print(*predicting.load(sys.argv[1])(['good'])[0]); {HEAVY}"
    first, second, loaded = in_new_process(code, write_model(artifacts / "mine"))
    assert [float(first), float(second)] == pytest.approx(FITTED.predict_proba(["good"])[0]) and loaded == "[]"


# ---- answers


def echo(names=("no", "yes")):
    """A model that says yes as surely as the text is a number, and the batches of texts that it got."""
    batches = []

    def answer(texts):
        batches.append(list(texts))
        return np.array([[1 - float(text), float(text)] for text in texts])

    return predicting.Model(names, answer), batches


def test_texts_are_cleaned_as_those_of_the_training_were(model):
    plain, batches = echo()
    assert plain(["<b>0.75</b>", " 0.25&nbsp;"]).tolist() == [[0.25, 0.75], [0.75, 0.25]]
    assert batches == [["0.75", "0.25"]]
    dirty, clean = model(["<strong>bad</strong>"]), model(["bad"])  # "strong" is a word that it knows
    assert np.array_equal(dirty, clean) and not np.allclose(clean, FITTED.predict_proba(["<strong>bad</strong>"]))


@pytest.mark.parametrize(("tokens", "number"), [(20, 32), (128, 32), (129, 31), (512, 8), (4096, 1), (9000, 1)])
def test_of_long_texts_fewer_are_read_at_a_time(tokens, number):
    assert predicting.number_at_once(tokens) == number


@pytest.mark.parametrize("number", [1, predicting.BATCH, predicting.BATCH + 1, 2 * predicting.BATCH + 5])
def test_many_texts_are_answered_in_order_and_in_small_batches(number):
    model, batches = echo()
    values = np.random.default_rng(0).permutation(number) / number
    assert model([str(value) for value in values])[:, 1].tolist() == values.tolist()
    assert sum(map(len, batches)) == number and max(map(len, batches)) == min(number, predicting.BATCH)


@pytest.mark.parametrize(("texts", "row"), [(["1", None], "Text 1 is None"), ([float("nan")], "Text 0 is nan")])
def test_what_is_not_a_string_is_refused_with_its_row(texts, row):
    model, batches = echo()
    with pytest.raises(TypeError, match=f"{row}, not a string"):
        model(texts)
    assert batches == []


def test_no_texts_get_no_answers():
    model, batches = echo(("a", "b", "c"))
    assert model([]).shape == (0, 3) and batches == []
    assert model.label([]).to_dict("list") == {"label": [], "probability": []}


def test_a_label_is_the_most_probable_class_with_its_probability():
    found = echo()[0].label(["0.75", "0.125"])
    assert found.to_dict("list") == {"label": ["yes", "no"], "probability": [0.75, 0.875]}


# ---- files


def write_texts(path, *texts, column="text"):
    """A CSV file with an id and a text in each row."""
    pd.DataFrame({"id": range(len(texts)), column: texts}).to_csv(path, index=False)
    return path


def test_a_file_is_labelled_in_a_new_one(tmp_path):
    path = write_texts(tmp_path / "new.csv", "0.75", "<i>0.125</i>", "0", column="review, if any")
    before = path.read_bytes()
    found = predicting.predict_file(echo(("no, never", "yes"))[0], path, "review, if any", tmp_path / "answers.csv")
    expected = {
        "line": [2, 3, 4],
        "text": ["0.75", "<i>0.125</i>", "0"],  # as it stands in the file
        "label": ["yes", "no, never", "no, never"],
        "probability": [0.75, 0.875, 1.0],
    }
    assert found.to_dict("list") == expected
    again = pd.read_csv(tmp_path / "answers.csv", dtype={"text": str})
    assert again.to_dict("list") == expected and list(again) == list(expected)
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["answers.csv", "new.csv"]


def test_awkward_texts_come_back_from_the_file_of_answers(model, tmp_path):
    texts = ['He said "no", twice.\nThen left.', "NULL", "好吃; nan", "a\tb|c"]
    predicting.predict_file(model, write_texts(tmp_path / "new.csv", *texts), None, tmp_path / "answers.csv")
    again = own_file.load(tmp_path / "answers.csv")
    assert again["text"].tolist() == texts and again["label"].tolist() == model.label(texts)["label"].tolist()


def test_a_file_that_cannot_be_read_leaves_an_old_answer_alone(model, tmp_path):
    (tmp_path / "answers.csv").write_text("old")
    path = write_texts(tmp_path / "new.csv", "good", column="x")
    with pytest.raises(own_file.DataError, match="no column that is surely the text: it has 'id', 'x'"):
        predicting.predict_file(model, path, None, tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_text() == "old"


# ---- the command line


def test_texts_of_the_command_line_are_answered(model, capsys):
    predicting.main(["a good film", "very bad"])
    good, bad = FITTED.predict_proba(["a good film", "very bad"])
    assert good[1] > 0.5 > bad[1]
    expected = f"ärgerlich  {good[1]:.3f}  a good film\nschön  {bad[0]:.3f}  very bad\n"
    assert capsys.readouterr().out == expected


def test_another_model_can_be_named(artifacts, capsys):
    write_model(artifacts / "first", ("a", "b"))
    write_model(artifacts / "second", ("c", "d"))
    predicting.main(["good", "--model", str(artifacts / "first")])
    assert capsys.readouterr().out.startswith("b  0.")


def test_the_answers_for_a_file_lie_beside_it(model, tmp_path, capsys):
    path = write_texts(tmp_path / "new.csv", "good", "bad", "very good")
    predicting.main(["--data", str(path)])
    found = pd.read_csv(tmp_path / "new.predictions.csv")
    assert found["text"].tolist() == ["good", "bad", "very good"]
    assert found["label"].tolist() == ["ärgerlich", "schön", "ärgerlich"]
    said = capsys.readouterr().out
    assert said.endswith(f"3 answers: {tmp_path / 'new.predictions.csv'}\n")
    assert ["ärgerlich", "2"] in [line.split() for line in said.splitlines()]


def test_the_answers_go_where_they_are_told_to_and_columns_are_named(model, tmp_path):
    path = write_texts(tmp_path / "new.csv", "good", column="x")
    predicting.main(["--data", str(path), "--text", "x, id", "--output", str(tmp_path / "sub" / "o.csv")])
    assert pd.read_csv(tmp_path / "sub" / "o.csv")["text"].tolist() == ["good 0"]
    assert not list(tmp_path.glob("*.predictions.csv"))


def test_the_file_of_the_texts_is_never_written_over(model, tmp_path, monkeypatch):
    path = write_texts(tmp_path / "new.csv", "good")
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^new\.csv is the file of the texts itself\. Name another one by --output"):
        predicting.main(["--data", str(path), "--output", "new.csv"])
    assert path.read_bytes() == before


@pytest.mark.parametrize("arguments", [[], ["good", "--data", "new.csv"]])
def test_it_takes_texts_or_a_file(arguments, model, capsys):
    with pytest.raises(SystemExit) as caught:
        predicting.main(arguments)
    assert caught.value.code == 2 and "give texts, or a file by --data" in capsys.readouterr().err


def test_what_cannot_be_done_ends_the_program_with_a_word(artifacts, tmp_path):
    with pytest.raises(SystemExit, match="There is no model in .*latest.*Lesson 11 exports one"):
        predicting.main(["good"])
    write_model(artifacts / "mine")
    with pytest.raises(SystemExit, match=r"There is no file .*nowhere\.csv"):
        predicting.main(["--data", str(tmp_path / "nowhere.csv")])
    path = write_texts(tmp_path / "new.csv", "good")
    with pytest.raises(SystemExit, match=r"new\.csv has no column 'review'\. It has: 'id', 'text'"):
        predicting.main(["--data", str(path), "--text", "review"])
    (artifacts / "mine" / "model.json").write_text("{")
    with pytest.raises(SystemExit, match=r"model\.json is damaged"):
        predicting.main(["good"])
    assert not list(tmp_path.glob("*.predictions.csv"))


# ---- the exports of a classifier

SIX = "good very bad not dull fine"  # with [CLS] and [SEP] 8 tokens
SOME = [SIX + " the room ! film" * 20, SIX, "bad", "", "very dull film . not good"]


@pytest.fixture(scope="module")
def short():
    """A tiny classifier that reads 8 tokens of a text."""
    return dataclasses.replace(make_tiny_classifier(), max_length=8)


@pytest.fixture(scope="module")
def onnx_folder(short, tmp_path_factory):
    return export.write_onnx(short, tmp_path_factory.mktemp("onnx") / "onnx")


@pytest.mark.tensorflow
def test_an_exported_bert_answers_as_the_classifier_without_keras(short, onnx_folder, artifacts):
    shutil.copytree(onnx_folder, artifacts / "mine" / "onnx")
    predicting.write_facts(artifacts / "mine", "onnx", ["bad", "good"])
    expected = finetuning.predict_proba(short, SOME)
    assert np.ptp(expected[:, 0]) > 1e-3
    assert np.abs(predicting.load()(SOME) - expected).max() < 1e-5
    code = f"""
import json, sys
from helpers import predicting
print(*predicting.load(sys.argv[1])(json.loads(sys.argv[2]))[:, 0])
{HEAVY}"""
    *there, loaded = in_new_process(code, artifacts / "mine", json.dumps(SOME))
    assert np.abs(np.array(there, dtype=float) - expected[:, 0]).max() < 1e-5 and loaded == "[]"


@pytest.mark.tensorflow
def test_every_export_cuts_a_long_text_where_the_classifier_does(short, onnx_folder, tmp_path):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    expected = finetuning.predict_proba(short, SOME)
    assert np.abs(expected[0] - expected[1]).max() < 1e-7  # both are the same eight tokens
    longer = dataclasses.replace(short, max_length=128)
    assert np.abs(expected[0] - finetuning.predict_proba(longer, SOME)[0]).max() > 1e-3
    served = tf.saved_model.load(str(export.write_saved_model(short, tmp_path / "saved_model")))
    lite = export.write_lite(short, tmp_path / "lite", [], kinds=["float32"])
    answers = {
        "SavedModel": served.predict(tf.constant(SOME)).numpy(),
        "ONNX": predicting.OnnxModel(onnx_folder)(SOME),
        "LiteRT": export.LiteModel(export.lite_path(lite, "float32"))(SOME),
    }
    for name, found in answers.items():
        assert np.abs(found - expected).max() < 1e-5, name
