"""The SavedModel answers like the model it came from, in a process that knows nothing of the course."""

import json

import numpy as np
import pytest
from conftest import make_tiny_reviews

from helpers import finetuning, runtime

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
    return export.saved_model(minilm, tmp_path_factory.mktemp("export") / "model")


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
    folder = export.saved_model(tiny_classifier, tmp_path / "model")
    there = export.predict_in_fresh_process(folder, texts)
    assert np.abs(there - finetuning.predict_proba(tiny_classifier, texts)).max() < 1e-5
    assert np.abs(there - untrained).max() > 0.05


def test_wrong_labels_are_refused_and_an_old_export_is_kept(tiny_classifier, tmp_path, monkeypatch):
    folder = export.saved_model(tiny_classifier, tmp_path / "model")
    with pytest.raises(ValueError, match="3 labels for 2 classes"):
        export.saved_model(tiny_classifier, folder, ["a", "b", "c"])

    def full_disk(*arguments, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr("tensorflow.saved_model.save", full_disk)
    with pytest.raises(OSError, match="No space"):
        export.saved_model(tiny_classifier, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (folder / "saved_model.pb").is_file()


def test_a_broken_export_says_so(tmp_path):
    with pytest.raises(RuntimeError, match="does not answer"):
        export.predict_in_fresh_process(tmp_path, ["good"])


def test_the_fresh_process_refuses_the_courses_code(tiny_classifier, tmp_path, monkeypatch):
    folder = export.saved_model(tiny_classifier, tmp_path / "model")
    monkeypatch.setattr(export, "CONSUMER", "import helpers\n" + export.CONSUMER)
    with pytest.raises(RuntimeError, match="the export pulled in {'helpers'}"):
        export.predict_in_fresh_process(folder, ["good"])


def test_another_backend_is_refused(tiny_classifier, tmp_path, monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        export.saved_model(tiny_classifier, tmp_path / "model")
