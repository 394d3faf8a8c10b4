"""Lesson 10: the classifier as a SavedModel with its tokenizer inside: strings in, probabilities out.

Needs TensorFlow, as backend and installed.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from helpers import data, models, runtime

# What a user of the export runs: TensorFlow and tensorflow-text (it registers the tokenizer's operations).
CONSUMER = """
import json, sys
import tensorflow as tf
import tensorflow_text
model = tf.saved_model.load(sys.argv[1])
texts = json.load(sys.stdin)
print("ANSWER" + json.dumps(model.predict(tf.constant(texts, tf.string)).numpy().tolist()))
needless = {"keras_hub", "helpers"} & set(sys.modules)  # Keras itself comes with TensorFlow
assert not needless, f"the export pulled in {needless}"
"""


def saved_model(classifier: models.Classifier, folder: Path, labels: Sequence[str] = data.LABELS) -> Path:
    """Write `classifier` to `folder` as a SavedModel and return the folder.

    The model has one function, `predict` (also its serving signature): string tensor (texts,) to
    float32 tensor (texts, classes), rows summing to 1, texts cut at MAX_LENGTH tokens as in training.
    `labels.json` beside it names the classes in order. Each weight is stored once: Keras's own
    exports store it twice (keras-team/keras#23553). Raises RuntimeError on another backend than
    TensorFlow, ValueError when the labels do not fit; an old export is replaced only by a whole one.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError("A SavedModel needs the TensorFlow backend. Start again with KERAS_BACKEND=tensorflow.")
    if len(labels) != classifier.num_classes:
        raise ValueError(f"{len(labels)} labels for {classifier.num_classes} classes: name each class once.")
    import tensorflow as tf

    tf.get_logger().setLevel("WARNING")  # or else it prints the path of the temporary folder
    with runtime.replaced_when_complete(folder) as unfinished:
        module = _module(classifier)
        tf.saved_model.save(module, str(unfinished), signatures=module.predict)
        (unfinished / "labels.json").write_text(json.dumps(list(labels), ensure_ascii=False), encoding="utf-8")
    return folder


def _module(classifier: models.Classifier):
    """A TensorFlow object that holds the classifier's variables and its function, and nothing of Keras."""
    import tensorflow as tf

    preprocessor, model = models.preprocessor(classifier), classifier.model

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="texts")])
    def predict(texts):
        """Strings (texts,) to probabilities, float32 (texts, classes)."""
        plain = tf.strings.regex_replace(texts, models.SPACES, " ")
        plain = tf.strings.regex_replace(plain, models.INVISIBLE, "")
        logits = model(preprocessor(plain), training=False)
        return tf.nn.softmax(tf.cast(logits, tf.float32))

    module = tf.train.Checkpoint(variables=[variable.value for variable in classifier.model.variables])
    module.predict = predict
    return module


def predict_in_fresh_process(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """Probabilities, float64 (texts, classes), from a new Python process that knows only the export.

    The process imports TensorFlow and tensorflow-text (which bring Keras along), no KerasHub and none of
    the course's code, and checks that.
    Raises RuntimeError with what the process printed when it fails.
    """
    command = [sys.executable, "-c", CONSUMER, str(folder)]
    environment = runtime.environment_with(TF_CPP_MIN_LOG_LEVEL="3")
    result = subprocess.run(command, input=json.dumps(list(texts)), env=environment, capture_output=True, text=True)
    lines = result.stdout.splitlines()
    answer = next((line.removeprefix("ANSWER") for line in lines if line.startswith("ANSWER")), None)
    if result.returncode or answer is None:
        raise RuntimeError(f"The export in {folder} does not answer:\n{result.stderr[-2000:]}")
    return np.array(json.loads(answer)).reshape(len(texts), -1)


def size_in_bytes(folder: Path) -> int:
    """Bytes of all files of an export."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
