"""The SavedModel answers like the model it came from, in a process that knows nothing of the course."""

import json
from types import SimpleNamespace

import keras_hub
import numpy as np
import pandas as pd
import pytest
import tokenizer_differences
from conftest import make_tiny_reviews

from helpers import cleaning, data, evaluation, finetuning, models, predicting, runtime

pytestmark = pytest.mark.tensorflow

if runtime.installed("tensorflow"):
    from helpers import export

AWKWARD = [
    "",
    "good " * 500,
    "naïve café",
    "two\u00a0words",
    "zero\u200bwidth",
    "日本語",
    "😂",
    "[SEP] [MASK]",
    "line\nbreak",
]


@pytest.fixture(scope="module")
def exported(minilm, tmp_path_factory):
    return export.write_saved_model(minilm, tmp_path_factory.mktemp("export") / "model")


def test_a_fresh_process_gives_the_same_probabilities(minilm, exported):
    texts = [*AWKWARD, *make_tiny_reviews(40)[0]]
    there = export.predict_in_fresh_process(exported, texts)
    assert np.abs(there - finetuning.predict_proba(minilm, texts)).max() < 1e-5
    assert np.ptp(there[:, 0]) > 1e-3  # they do not all get one answer


def test_each_weight_is_stored_once(minilm, exported):
    weights = 4 * sum(np.prod(weight.shape) for weight in minilm.model.weights)
    stored = sum(path.stat().st_size for path in (exported / "variables").iterdir())
    assert weights <= stored < 1.01 * weights


def test_the_signature_takes_strings_and_the_labels_lie_beside(exported):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    served = tf.saved_model.load(str(exported)).signatures["serving_default"]
    answer = served(texts=tf.constant(["good", "bad"]))
    assert [tuple(value.shape) for value in answer.values()] == [(2, 2)]
    assert json.loads((exported / "labels.json").read_text()) == ["negative", "positive"]


def test_an_export_of_trained_weights_is_not_that_of_the_first_ones(tiny_classifier, tmp_path):
    texts, labels = make_tiny_reviews()
    recipe = finetuning.Recipe(epochs=2, batch_size=8, learning_rate=1e-2)
    untrained = finetuning.predict_proba(tiny_classifier, texts)
    finetuning.fine_tune(tiny_classifier, (texts, labels), (texts, labels), recipe)
    folder = export.write_saved_model(tiny_classifier, tmp_path / "model")
    there = export.predict_in_fresh_process(folder, texts)
    assert np.abs(there - finetuning.predict_proba(tiny_classifier, texts)).max() < 1e-5
    assert np.abs(there - untrained).max() > 0.05


def test_wrong_labels_are_refused_and_an_old_export_is_kept(tiny_classifier, tmp_path, monkeypatch):
    folder = export.write_saved_model(tiny_classifier, tmp_path / "model")
    with pytest.raises(ValueError, match="3 labels for 2 classes"):
        export.write_saved_model(tiny_classifier, folder, ["a", "b", "c"])

    def full_disk(*arguments, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr("tensorflow.saved_model.save", full_disk)
    with pytest.raises(OSError, match="No space"):
        export.write_saved_model(tiny_classifier, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (folder / "saved_model.pb").is_file()


def test_a_broken_export_says_so(tmp_path):
    with pytest.raises(RuntimeError, match="does not answer"):
        export.predict_in_fresh_process(tmp_path, ["good"])


def test_the_fresh_process_refuses_the_courses_code(tiny_classifier, tmp_path, monkeypatch):
    folder = export.write_saved_model(tiny_classifier, tmp_path / "model")
    monkeypatch.setattr(export, "CONSUMER", "import helpers\n" + export.CONSUMER)
    with pytest.raises(RuntimeError, match="the export pulled in {'helpers'}"):
        export.predict_in_fresh_process(folder, ["good"])


def test_another_backend_is_refused(tiny_classifier, tmp_path, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        export.write_saved_model(tiny_classifier, tmp_path / "model")


# ---- every runtime, the same ids and the same answers


def five_hundred_texts():
    """Reviews and awkward texts: accents, emoji, Chinese, empty, 2,000 words, random strings of all scripts."""
    reviews = cleaning.load(cleaning.REVIEWS)["text"].tolist()[:180]
    made = ["wörd " * 2000, "好" * 300, "👩\u200d🚀🎉 great … ½ ™", "好吃，不错", *reviews]
    return [*AWKWARD, *made, *tokenizer_differences.random_texts(500, seed=3)][:500]


@pytest.fixture(scope="module")
def texts():
    return five_hundred_texts()


@pytest.fixture(scope="module")
def lite_folder(minilm, tmp_path_factory):
    samples = cleaning.load(cleaning.REVIEWS)["text"].tolist()[:20]
    return export.write_lite(minilm, tmp_path_factory.mktemp("lite") / "lite", samples)


@pytest.fixture(scope="module")
def hub_folder(minilm, tmp_path_factory):
    return export.write_hub_pair(minilm, tmp_path_factory.mktemp("hub") / "pair")


@pytest.fixture(scope="module")
def onnx_folder(minilm, tmp_path_factory):
    return export.write_onnx(minilm, tmp_path_factory.mktemp("onnx") / "onnx")


def test_ids_are_equal_in_every_export_on_500_texts(minilm, texts, lite_folder, onnx_folder, hub_folder):
    import tensorflow as tf
    import tensorflow_hub as hub

    assert len(texts) == 500 and max(len(text.split()) for text in texts) == 2000 and "" in texts
    assert sum(any("一" <= c <= "鿿" for c in text) for text in texts) > 5
    expected = [ids.tolist() for ids in models.token_ids(minilm.tokenizer, texts)]
    assert len({tuple(ids) for ids in expected}) > 300
    assert tokenizer_differences.published(texts) == expected
    preprocessed = hub.load(str(hub_folder / "preprocess"))(tf.constant(texts))["input_word_ids"].numpy()
    feed = predicting.OnnxModel(onnx_folder).feed(texts)
    lite = export.LiteModel(export.lite_path(lite_folder, "int8"))
    found = {
        "TF-Hub": preprocessed,
        "ONNX": feed["token_ids"],
        "LiteRT": np.concatenate([lite.outputs(text)["token_ids"] for text in texts]),
    }
    for name, rows in found.items():
        assert tokenizer_differences.without_padding(rows) == expected, name


def test_probabilities_are_equal_in_every_float32_export(minilm, texts, exported, lite_folder, onnx_folder):
    import tensorflow as tf

    some = texts[::5]
    expected = finetuning.predict_proba(minilm, some)
    assert np.ptp(expected[:, 0]) > 0.01  # they are not all alike
    served = tf.saved_model.load(str(exported))
    answers = {
        "SavedModel": served.predict(tf.constant(some)).numpy(),
        "LiteRT": export.LiteModel(export.lite_path(lite_folder, "float32"))(some),
        "ONNX": predicting.OnnxModel(onnx_folder)(some),
    }
    for name, found in answers.items():
        assert np.abs(found - expected).max() < 1e-4, name


def test_smaller_weights_are_smaller_and_near(minilm, texts, lite_folder, onnx_folder):
    some = texts[20:80]
    expected = finetuning.predict_proba(minilm, some)[:, 0]
    size = {kind: export.size_in_bytes(export.lite_path(lite_folder, kind)) for kind in export.LITE_KINDS}
    assert size["float16"] < 0.55 * size["float32"] and size["int8"] < 0.3 * size["float32"]
    onnx_sizes = [export.size_in_bytes(onnx_folder / name) for name in ("model.onnx", "model-int8.onnx")]
    assert onnx_sizes[1] < 0.5 * onnx_sizes[0]  # the vocabulary's vectors stay in float32
    exports = {f"LiteRT {kind}": export.LiteModel(export.lite_path(lite_folder, kind)) for kind in ("float16", "int8")}
    exports["ONNX int8"] = predicting.OnnxModel(onnx_folder, "int8")
    found = {name: model(some)[:, 0] for name, model in exports.items()}
    for name, tolerance in {"LiteRT float16": 1e-3, "LiteRT int8": 0.02, "ONNX int8": 0.05}.items():
        assert np.abs(found[name] - expected).max() < tolerance, name
    assert np.corrcoef(found["LiteRT int8"], expected)[0, 1] > 0.98  # the head is untrained: all are near one half


def test_full_int8_rounds_answers_to_256_steps_and_loses_what_int8_keeps(minilm, texts, lite_folder):
    """Lesson 11's warning, in numbers: this export runs, and its answers have little to do with the model's."""
    some = texts[20:80]
    expected = finetuning.predict_proba(minilm, some)
    int8 = export.LiteModel(export.lite_path(lite_folder, "int8"))(some)
    whole = export.LiteModel(export.lite_path(lite_folder, "full int8"), minilm.tokenizer)(some)
    assert np.array_equal(whole * 256, np.round(whole * 256)) and np.abs(whole.sum(axis=1) - 1).max() <= 1 / 256
    assert len(np.unique(whole[:, 0])) > 5  # it does read the text
    assert 4 * np.abs(int8 - expected).max() < np.abs(whole - expected).max() < 0.3
    same = [(found.argmax(axis=1) == expected.argmax(axis=1)).mean() for found in (int8, whole)]
    assert same[1] < 0.85 < 0.93 < same[0]


def test_a_model_that_keeps_upper_case_keeps_it_in_every_export(tmp_path):
    import tensorflow as tf

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Good", "good", "film", "Für", "fur"]
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=False, strip_accents=False)
    backbone = keras_hub.models.BertBackbone(len(vocabulary), 1, 2, 16, 32, max_sequence_length=128)
    classifier, texts = models.add_head(backbone, tokenizer, 2), ["Good film", "good FILM", "Für fur"]
    expected = finetuning.predict_proba(classifier, texts)
    assert np.abs(expected[0] - expected[1]).max() > 1e-5  # it can tell them apart
    served = tf.saved_model.load(str(export.write_saved_model(classifier, tmp_path / "saved")))
    lite = export.lite_path(export.write_lite(classifier, tmp_path / "lite", texts, ["float32"]), "float32")
    onnx = predicting.OnnxModel(export.write_onnx(classifier, tmp_path / "onnx"))
    assert onnx.feed(texts)["token_ids"].tolist() == [[2, 5, 7, 3], [2, 6, 1, 3], [2, 8, 9, 3]]
    for answers in (served.predict(tf.constant(texts)).numpy(), export.LiteModel(lite)(texts), onnx(texts)):
        assert np.abs(answers - expected).max() < 1e-6


def test_the_saved_model_asks_for_no_operation_that_a_server_may_lack(exported):
    graph = (exported / "saved_model.pb").read_bytes()
    assert b"RoundRobinTrim" not in graph and b"FastWordpieceTokenize" in graph


def test_a_file_that_the_fast_kernels_refuse_runs_on_the_plain_ones(minilm, lite_folder, texts, monkeypatch):
    from tensorflow.lite.python.interpreter import Interpreter

    asked, start = [], Interpreter.__init__

    def refuse(self, **options):
        """As XNNPACK does, where it cannot prepare a node."""
        asked.append(options["experimental_op_resolver_type"].name)
        if asked[-1] == "AUTO":
            raise RuntimeError("failed to create XNNPACK runtime")
        start(self, **options)

    path = export.lite_path(lite_folder, "float32")
    expected = export.LiteModel(path)(texts[:2])
    monkeypatch.setattr(Interpreter, "__init__", refuse)
    assert np.abs(export.LiteModel(path)(texts[:2]) - expected).max() < 1e-5
    assert asked == ["AUTO", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"]


def test_before_it_is_rounded_full_int8_is_the_model(tiny_classifier):
    texts = ["very good film", "dull"]
    rows = [export._row(ids, models.MAX_LENGTH) for ids in models.token_ids(tiny_classifier.tokenizer, texts)]
    function = export._from_row(tiny_classifier)
    found = [function(row["token_ids"], row["shares"])["probabilities"].numpy()[0] for row in rows]
    assert np.abs(found - finetuning.predict_proba(tiny_classifier, texts)).max() < 1e-5


def test_the_hub_pair_is_loaded_and_trains_again(minilm, hub_folder):
    import tensorflow as tf
    import tensorflow_hub as hub

    preprocess, encoder = (hub.load(str(hub_folder / name)) for name in ("preprocess", "encoder"))
    some = ["A naïve film.", "bad"]
    inputs = preprocess(tf.constant(some))
    assert {name: (value.shape[1], value.dtype) for name, value in inputs.items()} == dict.fromkeys(
        ("input_word_ids", "input_mask", "input_type_ids"), (models.MAX_LENGTH, tf.int32)
    )
    outputs = encoder(inputs)
    assert outputs["sequence_output"].shape == (2, models.MAX_LENGTH, 384)
    assert np.allclose(outputs["pooled_output"], finetuning.mean_features(minilm, some), atol=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(inputs)["pooled_output"] ** 3)
    gradients = tape.gradient(loss, encoder.trainable_variables)
    used = [gradient is not None for gradient in gradients]
    assert len(used) == len(minilm.backbone.trainable_variables) and sum(used) >= len(used) - 2  # not BERT's own pooler


def test_what_is_missing_or_unknown_is_named(minilm, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no LiteRT file"):
        export.LiteModel(tmp_path / "int8.tflite")
    with pytest.raises(FileNotFoundError, match=r"There is no model-int8\.onnx"):
        predicting.OnnxModel(tmp_path, "int8")
    with pytest.raises(ValueError, match=r"no kind \['int4'\] of LiteRT file"):
        export.write_lite(minilm, tmp_path / "lite", [], kinds=["int4"])
    assert not list(tmp_path.iterdir())


# ---- the table and the card


def test_compare_measures_each_export(tiny_classifier, tmp_path):
    (tmp_path / "weights").write_bytes(b"x" * 3_000_000)
    texts, _ = make_tiny_reviews(40)
    expected = finetuning.predict_proba(tiny_classifier, texts)
    lookup = dict(zip(texts, expected, strict=True))
    swapped = {text: row[::-1] if text == texts[0] else row for text, row in lookup.items()}
    sizes = []

    def other(batch):
        sizes.append(len(batch))
        return np.array([swapped[text] for text in batch])

    table = export.compare(tiny_classifier, {"other": (other, tmp_path)}, texts)
    assert sizes == [32, 8] + [1] * 31  # few at once for the answers; alone for the time, once to warm up
    assert table.loc["Keras predict", "MB"] == 4 * models.parameter_count(tiny_classifier.model) / 1e6
    assert table.index.tolist() == ["Keras predict", "other"]
    assert table.loc["Keras predict", "largest difference"] < 1e-6 and table.loc["Keras predict", "same answer"] == 1
    assert table.loc["other", "MB"] == 3 and table.loc["other", "ms a text"] < table.loc["Keras predict", "ms a text"]
    assert table.loc["other", "largest difference"] == pytest.approx(abs(expected[0, 0] - expected[0, 1]))
    assert table.loc["other", "same answer"] == pytest.approx(1 - texts.count(texts[0]) / 40)


def test_a_model_is_described_with_its_temperature():
    chosen = SimpleNamespace(name="full", recipe=finetuning.Recipe(epochs=2, batch_size=8, learning_rate=1e-3, seed=7))
    parts = {"training": pd.DataFrame({"text": ["a"] * 1234}), "test": pd.DataFrame({"text": ["b"]})}
    facts = export.describe_model(chosen, models.MINILM, "mine.csv", ("bad", "good"), parts, 2.178)
    assert facts["training texts"] == "1,234" and facts["test texts"] == "1" and facts["classes"] == "bad, good"
    assert facts["recipe"] == "2 epochs, batch 8, learning rate 0.001, seed 7"
    assert facts["temperature"].startswith("2.18, fitted on") and facts["temperature"].endswith(
        "softmax(log(p) / 2.18)"
    )
    assert facts["licence of the weights"] == "Apache-2.0" and "exports" not in facts
    bag = SimpleNamespace(name="bag of words", recipe=chosen.recipe)
    own = export.describe_model(bag, "/home/me/my-bert", "mine.csv", ("bad", "good"), parts, 0.5)
    assert own["backbone"] == "my-bert" and "won" in own["exports"] and "licence of the weights" not in own


def test_the_card_of_german_data_says_what_was_measured_and_nothing_of_the_course(tmp_path):
    """A model that is too unsure (T is 0.47), on texts in another language than the reviews'."""
    chosen = SimpleNamespace(
        name="frozen", recipe=finetuning.Recipe(epochs=2, batch_size=8, learning_rate=1e-3, seed=7)
    )
    parts = {"training": pd.DataFrame({"text": ["Lob"] * 60}), "test": pd.DataFrame({"text": ["Lob"] * 30})}
    about = "/home/me/my-bert", data.name_of("/home/me/mails.csv"), ("Lob", "Tadel"), parts, 0.47
    scores = pd.DataFrame({"accuracy": [0.9], "low": [0.74], "high": [0.97], "f1": [0.9]}, ["this model"])
    exports = pd.DataFrame({"MB": [91.0], "ms a text": [3.0], "largest difference": [0], "same answer": [1]}, ["file"])
    limits = {"tokens a word": 2.4, "% of texts cut": 99.0, "% calibration error, as exported": 42.5}
    card = evaluation.write_card(
        tmp_path, export.describe_model(chosen, *about), scores, exports, ("Lob", "Tadel"), limits
    )
    title, what, quality, files, limits, made = card.split("\n## ")
    assert title == "# A text classifier: Lob, Tadel\n"
    assert what.splitlines() == [
        "What it is",
        "- model: frozen",
        "- data: mails.csv",
        "- backbone: my-bert",
        "- classes: Lob, Tadel",
        "- training texts: 60",
        "- test texts: 30",
        "- recipe: 2 epochs, batch 8, learning rate 0.001, seed 7",
        "- temperature: 0.47, fitted on the validation texts. The probabilities p that this model gives are NOT scaled. "
        "For calibrated ones take softmax(log(p) / 0.47)",
    ]
    assert limits.splitlines() == [
        "Limits",
        "It learnt from these data alone: nothing is known of other texts. On the test texts:",
        "- 2.4 tokens a word",
        "- 99 % of texts cut",
        "- 42.5 % calibration error, as exported",
        "",
        "Not to be used to judge people.",
    ]
    assert "too sure" not in quality + files + made and "/home" not in card
