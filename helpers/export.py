"""Lesson 11: the classifier for other programs: SavedModel, TF-Hub pair, LiteRT, ONNX; the same answers everywhere.

Making the exports needs TensorFlow, as backend and installed.
"""

import contextlib
import gc
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from helpers import data, evaluation, finetuning, models, predicting, runtime, tokenization

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


def check_backend() -> None:
    """Raise RuntimeError unless TensorFlow is the backend; keep its chatter about paths quiet."""
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError("Exports need the TensorFlow backend. Start again with KERAS_BACKEND=tensorflow.")
    import tensorflow as tf

    tf.get_logger().setLevel("WARNING")  # or else it prints the path of the temporary folder


# ---- SavedModel


def write_saved_model(classifier: models.Classifier, folder: Path, labels: Sequence[str] = data.LABELS) -> Path:
    """Write `classifier` to `folder` as a SavedModel and return the folder.

    The model has one function, `predict` (also its serving signature): string tensor (texts,) to float32 tensor (texts,
    classes), rows summing to 1, texts cut at the same number of tokens as in training. `labels.json` beside it names the classes
    in order. Each weight is stored once: Keras's own exports store it twice (keras-team/keras#23553). An old export is
    replaced only by a whole one. Raises RuntimeError on another backend than TensorFlow, ValueError when the labels do
    not fit.
    """
    check_backend()
    if len(labels) != classifier.num_classes:
        raise ValueError(f"{len(labels)} labels for {classifier.num_classes} classes: name each class once.")
    import tensorflow as tf

    with runtime.written_whole(folder, folder=True) as unfinished:
        module = _module("predict", _predict_function(classifier), classifier.model.variables)
        tf.saved_model.save(module, str(unfinished), signatures=module.predict)
        (unfinished / "labels.json").write_text(json.dumps(list(labels), ensure_ascii=False), encoding="utf-8")
    return folder


def _inputs_in_graph(classifier: models.Classifier, windows: int = 1):
    """A function from strings (texts,) to what the model takes, int32 (windows, window) each, and the text of each."""
    import tensorflow as tf

    tokenizer = classifier.tokenizer
    token_ids = tokenization.token_windows_in_graph(tokenizer, classifier.window, windows)

    def inputs(texts):
        """Strings to ids and masks."""
        ids, owners = token_ids(texts)
        return models.inputs_of(ids, tf.cast(ids != tokenizer.pad_token_id, tf.int32)), owners

    return inputs


def _predict_function(classifier: models.Classifier):
    """A TensorFlow function from strings (texts,) to probabilities, float32 (texts, classes)."""
    import tensorflow as tf

    inputs, model = _inputs_in_graph(classifier, classifier.num_windows), classifier.model

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="texts")])
    def predict(texts):
        """Strings to probabilities."""
        arrays, owners = inputs(texts)
        logits = tf.cast(model(arrays, training=False), tf.float32)
        return tf.nn.softmax(tf.math.segment_mean(logits, owners))

    return predict


def _module(name: str, function, variables: Sequence = (), trainable: Sequence = ()):
    """A TensorFlow object that holds Keras variables, each once, and a function under a name, and nothing of Keras."""
    import tensorflow as tf

    kept = {"variables": variables, "trainable_variables": trainable}
    module = tf.train.Checkpoint(**{key: [variable.value for variable in some] for key, some in kept.items()})
    setattr(module, name, function)
    return module


def predict_in_fresh_process(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """Probabilities, float64 (texts, classes), from a new Python process that knows only the export.

    The process imports TensorFlow and tensorflow-text (which bring Keras along), no KerasHub and none of the course's
    code, and checks that. Raises RuntimeError with what the process printed when it fails.
    """
    command = [sys.executable, "-c", CONSUMER, str(folder)]
    # On the CPU: this process's TensorFlow may hold all of a GPU's memory.
    environment = runtime.environment_with(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    result = subprocess.run(command, input=json.dumps(list(texts)), env=environment, capture_output=True, text=True)
    lines = result.stdout.splitlines()
    answer = next((line.removeprefix("ANSWER") for line in lines if line.startswith("ANSWER")), None)
    if result.returncode or answer is None:
        raise RuntimeError(f"The export in {folder} does not answer:\n{result.stderr[-2000:]}")
    return np.array(json.loads(answer)).reshape(len(texts), -1)


def size_in_bytes(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


# ---- TF-Hub's pair: a preprocess model and an encoder

HUB_NAMES = {"token_ids": "input_word_ids", "segment_ids": "input_type_ids", "padding_mask": "input_mask"}


def write_hub_pair(classifier: models.Classifier, folder: Path) -> Path:
    """Write `folder`/preprocess and `folder`/encoder, SavedModels as TF-Hub's BERTs are, and return the folder.

    preprocess: string tensor (texts,) to a dict of int32 (texts, window): `input_word_ids`, `input_mask`,
    `input_type_ids`. encoder: that dict to float32 `sequence_output` (texts, length, width) and `pooled_output`
    (texts, width), here the mean over the real tokens. The loaded encoder has `trainable_variables`, so it can be
    fine-tuned again (without dropout). Raises RuntimeError on another backend than TensorFlow.
    """
    check_backend()
    import tensorflow as tf

    preprocess, encode, backbone = _hub_preprocess(classifier), _hub_encode(classifier.backbone), classifier.backbone
    encoder = _module("__call__", encode, backbone.variables, backbone.trainable_variables)
    with runtime.written_whole(folder, folder=True) as unfinished:
        tf.saved_model.save(_module("__call__", preprocess), str(unfinished / "preprocess"))
        tf.saved_model.save(encoder, str(unfinished / "encoder"))
    return folder


def _hub_preprocess(classifier: models.Classifier):
    """A TensorFlow function from strings to the encoder's inputs."""
    import tensorflow as tf

    inputs = _inputs_in_graph(classifier)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def preprocess(texts):
        """Strings to ids and masks under TF-Hub's names."""
        return {HUB_NAMES[name]: value for name, value in inputs(texts)[0].items()}

    return preprocess


def _hub_encode(backbone):
    """A TensorFlow function from the encoder's inputs to its vectors."""
    import tensorflow as tf

    @tf.function(input_signature=[{name: tf.TensorSpec([None, None], tf.int32, name) for name in HUB_NAMES.values()}])
    def encode(inputs):
        """Ids and masks to vectors."""
        ours = {name: inputs[theirs] for name, theirs in HUB_NAMES.items()}
        vectors = backbone(ours, training=False)["sequence_output"]
        mask = tf.cast(ours["padding_mask"][:, :, None], tf.float32)
        mean = tf.reduce_sum(vectors * mask, axis=1) / tf.reduce_sum(mask, axis=1)
        return {"sequence_output": vectors, "pooled_output": mean}

    return encode


# ---- LiteRT: one file for phones and small machines

LITE_KINDS = ("float32", "float16", "int8", "full int8")
CHARACTERS = "characters.csv"  # what stands for each character, for the program that asks the file


def lite_path(folder: Path, kind: str) -> Path:
    """Where a LiteRT model of a kind lies in the folder of `write_lite`."""
    return folder / f"{kind.replace(' ', '_')}.tflite"


def write_lite(
    classifier: models.Classifier, folder: Path, samples: Sequence[str], kinds: Sequence[str] = LITE_KINDS
) -> Path:
    """Write a LiteRT file for each kind to `folder`, and return the folder. The files do not name the classes.

    "float32", "float16" and "int8" hold WordPiece. They take one string, the words of `tokenization.divide_words` with
    spaces between, and give `probabilities` and `token_ids`; the table for that is beside them, in CHARACTERS. In "int8" the weights are int8; the numbers
    that meet them are rounded to int8 on the way, and between the layers there are floats. "full int8" computes in whole
    numbers only, calibrated on `samples`; it takes what `_row` makes. Texts are cut at the classifier's `max_length`. Raises RuntimeError on
    another backend than TensorFlow, ValueError for an unknown kind.
    """
    check_backend()
    unknown = set(kinds) - set(LITE_KINDS)
    if unknown:
        raise ValueError(f"There is no kind {sorted(unknown)} of LiteRT file. There are: {', '.join(LITE_KINDS)}.")
    with runtime.written_whole(folder, folder=True) as unfinished:
        tokenization.write_table(
            tokenization.make_table(tokenization.rules_of(classifier.tokenizer)), unfinished / CHARACTERS
        )
        for kind in kinds:
            converter = _converter(classifier, kind, samples)
            with _quiet():
                lite_path(unfinished, kind).write_bytes(converter.convert())
    return folder


def _converter(classifier: models.Classifier, kind: str, samples: Sequence[str]):
    """TensorFlow's converter, set for a kind of LiteRT file."""
    import tensorflow as tf

    function = (_from_row if kind == "full int8" else _from_text)(classifier)
    module = tf.Module()
    module.kept = [variable.value for variable in classifier.model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
    converter.allow_custom_ops = True  # tensorflow-text's tokenizer
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "full int8":
        windows, _ = models.token_windows(classifier, list(samples))
        inputs = [_row(tokens, classifier.window) for tokens in windows]
        converter.representative_dataset = lambda: ([row["token_ids"], row["shares"]] for row in inputs)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return converter


def _row(token_ids: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """What "full int8" takes for a text: `token_ids`, int32, and `shares`, float32, both (1, length).

    A real token's share in the mean is 1 / tokens, a filling's 0: in whole numbers the division would fail.
    """
    shape = (1, length)
    row = {"token_ids": np.zeros(shape, "int32"), "shares": np.zeros(shape, "float32")}
    row["token_ids"][0, : len(token_ids)] = token_ids
    row["shares"][0, : len(token_ids)] = 1 / len(token_ids)
    return row


def _from_row(classifier: models.Classifier):
    """A TensorFlow function from `_row`'s arrays to `probabilities`."""
    import tensorflow as tf

    kinds = {"token_ids": tf.int32, "shares": tf.float32}

    @tf.function(input_signature=[tf.TensorSpec([1, classifier.window], kind, name) for name, kind in kinds.items()])
    def from_row(token_ids, shares):
        """Ids to probabilities."""
        mask = tf.cast(token_ids != classifier.tokenizer.pad_token_id, tf.int32)
        vectors = classifier.backbone(models.inputs_of(token_ids, mask), training=False)["sequence_output"]
        logits = classifier.model.get_layer("logits")(tf.matmul(shares[:, None, :], vectors)[:, 0])
        return {"probabilities": tf.nn.softmax(logits)}

    return from_row


def _from_text(classifier: models.Classifier):
    """A TensorFlow function from one string to `probabilities` and `token_ids`."""
    import tensorflow as tf

    token_ids = tokenization.token_windows_in_lite(classifier.tokenizer, classifier.window, classifier.num_windows)
    padding = classifier.tokenizer.pad_token_id

    @tf.function(input_signature=[tf.TensorSpec([1], tf.string, name="texts")])
    def from_text(texts):
        """A string to probabilities."""
        ids, shares = token_ids(texts)
        logits = classifier.model(models.inputs_of(ids, tf.cast(ids != padding, tf.int32)), training=False)
        return {"probabilities": tf.nn.softmax(tf.reduce_sum(logits * shares, axis=0, keepdims=True)), "token_ids": ids}

    return from_text


def _open_lite(path: Path, threads: int):
    """TensorFlow's interpreter of a LiteRT file, ready to run.

    XNNPACK, the fast way to run one, refuses some files of whole numbers ("failed to prepare"; seen after calibration on
    Chinese texts that were mostly unknown). Those run without it.
    """
    import tensorflow_text
    from tensorflow.lite.python.interpreter import InterpreterWithCustomOps, OpResolverType

    def opened(kind):
        """The interpreter with a kind of kernels."""
        operations = tensorflow_text.tflite_registrar.SELECT_TFTEXT_OPS
        options = {"num_threads": threads, "experimental_op_resolver_type": kind}
        interpreter = InterpreterWithCustomOps(model_path=str(path), custom_op_registerers=operations, **options)
        interpreter.allocate_tensors()
        return interpreter

    try:
        return opened(OpResolverType.AUTO)
    except RuntimeError:
        return opened(OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


class LiteModel:
    """A LiteRT file that answers: `model(texts)` gives probabilities, float32 (texts, classes)."""

    def __init__(self, path: Path, tokenizer=None, threads: int = 2):
        """`tokenizer`: for "full int8", which has none inside. Raises FileNotFoundError when there is no file."""
        if not path.is_file():
            raise FileNotFoundError(f"There is no LiteRT file {path}. `export.write_lite` makes it.")
        self.tokenizer = tokenizer
        self.table = tokenization.read_table(path.with_name(CHARACTERS)) if tokenizer is None else None
        with _quiet():
            self.interpreter = _open_lite(path, threads)
            if tokenizer is None:
                self.run = self.interpreter.get_signature_runner()
            else:  # quantised as a whole, a file loses its signature
                self.length = int(self.interpreter.get_input_details()[0]["shape"][1])
                self.run = self._run_by_tensors

    def _run_by_tensors(self, **row: np.ndarray) -> dict[str, np.ndarray]:
        """Set each input tensor by the name in its own, run, read the only output."""
        for detail in self.interpreter.get_input_details():
            name = next(name for name in row if name in detail["name"])
            self.interpreter.set_tensor(detail["index"], row[name])
        self.interpreter.invoke()
        return {"probabilities": self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])}

    def outputs(self, text: str) -> dict[str, np.ndarray]:
        """What the file says of one text: `probabilities` (1, classes), and `token_ids` if the tokenizer is inside."""
        if self.tokenizer is None:
            return self.run(texts=np.array([" ".join(tokenization.divide_words(text, self.table))]))
        return self.run(**_row(models.token_ids(self.tokenizer, [text], self.length)[0], self.length))

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        return np.concatenate([self.outputs(text)["probabilities"] for text in texts])


# ---- ONNX: a file for many runtimes


def write_onnx(classifier: models.Classifier, folder: Path) -> Path:
    """Write model.onnx, model-int8.onnx and tokenizer.json to `folder`, and return the folder.

    The models take what `models.inputs_of` makes and give logits. In model-int8.onnx the vocabulary's vectors and the matrices
    of the feed-forward parts take a byte a number; those of attention stay float32. Where long texts are read in windows,
    windows.json says how many at most. tokenizer.json is for the `tokenizers` package, so that a consumer needs no Keras:
    see `predicting.OnnxModel`.
    Raises RuntimeError on another backend than TensorFlow.
    """
    check_backend()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    signature = [{name: keras.InputSpec(shape=(None, None), dtype="int32", name=name) for name in HUB_NAMES}]
    with runtime.written_whole(folder, folder=True) as unfinished, _quiet():
        path = unfinished / "model.onnx"
        classifier.model.export(str(path), format="onnx", input_signature=signature, verbose=False)
        gc.collect()  # its leavings are many times as large as the model
        quantize_dynamic(str(path), str(unfinished / "model-int8.onnx"), weight_type=QuantType.QInt8)
        tokenizer = tokenization.make_reference_tokenizer(
            classifier.tokenizer.get_vocabulary(), tokenization.rules_of(classifier.tokenizer), classifier.window
        )
        tokenizer.save(str(unfinished / "tokenizer.json"))
        if classifier.num_windows > 1:
            (unfinished / predicting.WINDOWS).write_text(json.dumps(classifier.num_windows), encoding="utf-8")
    return folder


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converters' notes to their own authors out of a lesson; their errors still come through."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(None), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


# ---- side by side


def compare(
    classifier: models.Classifier, exports: dict[str, tuple[Callable, Path]], texts: Sequence[str]
) -> pd.DataFrame:
    """A row an export, `predict` first: MB on disk, ms a text alone, largest difference and share of the same answers.

    `exports`: name -> (function from texts to probabilities, path). Differences are those of probabilities from
    `finetuning.predict_proba` on the same texts; latency is the median of 30 texts one at a time. An export gets
    `predicting.number_at_once` texts at a time: a graph holds all that it is given in memory.
    """
    expected = finetuning.predict_proba(classifier, texts)
    at_once = predicting.number_at_once(classifier.max_length)
    batches = [list(texts[start : start + at_once]) for start in range(0, len(texts), at_once)]
    here = {"Keras predict": (lambda batch: finetuning.predict_proba(classifier, batch), None)}
    rows = {}
    for name, (predict, path) in (here | exports).items():
        found = np.concatenate([predict(batch) for batch in batches])
        rows[name] = {
            "MB": size_in_bytes(path) / 1e6 if path else 4 * models.parameter_count(classifier.model) / 1e6,
            "ms a text": evaluation.latency(predict, texts, batch_size=1, repeats=30),
            "largest difference": float(np.abs(found - expected).max()),
            "same answer": float((found.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


# ---- what the card says of a model


def describe_model(
    chosen,
    backbone: str,
    data_name: str,
    label_names: Sequence[str],
    parts: dict[str, pd.DataFrame],
    temperature: float,
) -> dict[str, str]:
    """Name -> value, for `evaluation.write_card`: model, data, recipe, and how to scale its probabilities.

    `chosen`: what `candidates.load_or_choose` gives; `parts`: name of a split -> its rows; `temperature`: fitted on the
    validation texts by `evaluation.fit_temperature`. The exports know nothing of it, and the card says so.
    """
    recipe = chosen.recipe
    facts = {
        "model": chosen.name,
        "data": data_name,
        "backbone": Path(backbone).name,
        "classes": ", ".join(label_names),
    }
    facts |= {f"{name} texts": f"{len(part):,}" for name, part in parts.items()}
    facts["recipe"] = (
        f"{recipe.epochs} epochs, batch {recipe.batch_size}, learning rate {recipe.learning_rate}, seed {recipe.seed}"
    )
    if backbone == models.MINILM:
        facts["licence of the weights"] = "Apache-2.0"
    if chosen.name == "bag of words":
        facts["exports"] = "of BERT; the bag of words won, and answers"
    facts["temperature"] = (
        f"{temperature:.2f}, fitted on the validation texts. The probabilities p that this model gives are NOT scaled. "
        f"For calibrated ones take softmax(log(p) / {temperature:.2f})"
    )
    return facts
