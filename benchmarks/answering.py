"""Answering: milliseconds a text for one text and for 32, of the fine-tuned course's model in each form.

Every contestant holds the same weights and begins with strings. `predict` is what `model.predict` takes when it is
called as in most tutorials; all others are compared with its answers.
"""

import functools
import sys
import time
from pathlib import Path

import contest
import numpy as np
import results

from helpers import cleaning, data, runtime

SIZE = {"train": None, "epochs": 1, "one": 200, "batches": 10, "batch": 32, "judged": 400}
TINY = {"train": 32, "epochs": 1, "one": 4, "batches": 2, "batch": 4, "judged": 16}
EXPORTS = ("SavedModel", "LiteRT float32", "LiteRT int8", "onnxruntime float32", "onnxruntime int8")
# Accuracy class, by the share of answers that are those of `predict`: at least, below; and the export that lesson 11 tells its
# reader to take, which must be the fastest of its class.
CLASSES = {
    "99 % or more the same answers": (0.99, 1.01, "onnxruntime float32"),
    "90 to 99 % the same answers": (0.90, 0.99, "onnxruntime int8"),
}


# ---- what all need, made once


def home(size: dict) -> Path:
    """Folder of the exports, another one where data, code or versions differ."""
    inputs = {"train": size["train"], "epochs": size["epochs"], "raw data": runtime.file_hash(cleaning.RAW)}
    key = runtime.artifact_key(inputs | {"code": results.code_hash.code_of([prepare])}, [])
    return runtime.artifacts_folder() / "benchmarks" / f"answering-{key[:12]}"


def prepare(size: dict) -> dict:
    """Milliseconds a text in each form of the model."""
    runtime.start()
    from helpers import export, finetuning

    splits, _ = data.prepare_splits()
    train, validation = splits["train"][: size["train"]], splits["validation"]
    recipe = finetuning.Recipe(epochs=size["epochs"])
    classifier, _ = finetuning.load_or_fine_tune(train, validation, recipe, num_classes=2)
    folder = home(size)
    if not (folder / "expected.npy").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        export.write_saved_model(classifier, folder / "saved_model")
        export.write_lite(classifier, folder / "lite", train["text"].tolist()[:16], kinds=("float32", "int8"))
        export.write_onnx(classifier, folder / "onnx")
        arrays = finetuning.values_of(classifier.model.variables)
        finetuning.save_arrays(folder / "weights.npz", arrays, {})
        np.save(folder / "expected.npy", finetuning.predict_proba(classifier, texts(size["judged"])))
    hashes = {name: data.content_hash(frame) for name, frame in (("training", train), ("validation", validation))}
    return {name: size[name] for name in SIZE} | hashes


def texts(number: int) -> list[str]:
    """So many validation reviews, repeated if there are fewer."""
    found = data.prepare_splits()[0]["validation"]["text"].tolist()
    return (found * (number // len(found) + 1))[:number]


def classifier_of(size: dict):
    """The fine-tuned classifier."""
    from helpers import finetuning, models

    found = models.make_classifier()
    finetuning.assign(found.model.variables, finetuning.load_arrays(home(size) / "weights.npz")[0])
    return found


# ---- contestants: size -> (function from texts to probabilities, file or folder, or None)


def keras_predict(size: dict):
    """`model.predict` on batches padded by the course."""
    from helpers import finetuning

    classifier = classifier_of(size)
    return lambda batch: finetuning.predict_proba(classifier, batch), None


def compiled_function(size: dict):
    """The model in a `tf.function`, inputs padded by the course."""
    import tensorflow as tf

    from helpers import finetuning, models

    classifier = classifier_of(size)
    names = ("token_ids", "segment_ids", "padding_mask")
    signature = [{name: tf.TensorSpec([None, None], tf.int32, name) for name in names}]
    call = tf.function(lambda inputs: tf.nn.softmax(classifier.model(inputs, training=False)), signature)

    def answer(batch):
        """Strings to probabilities."""
        inputs = finetuning.pad(models.token_ids(classifier.tokenizer, batch))
        return call({name: tf.constant(value) for name, value in inputs.items()}).numpy()

    return answer, None


def saved_model(size: dict):
    """The export of lesson 11: strings in, padded to 128 tokens inside."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  (registers the tokenizer's operations)

    folder = home(size) / "saved_model"
    model = tf.saved_model.load(str(folder))
    return lambda batch: model.predict(tf.constant(batch)).numpy(), folder


def lite(size: dict, kind: str):
    """A LiteRT file: one text at a time, padded to 128 tokens inside."""
    from helpers import export

    path = export.lite_path(home(size) / "lite", kind)
    return export.LiteModel(path), path


def onnx(size: dict, kind: str):
    """onnxruntime on a file of lesson 11."""
    from helpers import predicting

    folder = home(size) / "onnx"
    return predicting.OnnxModel(folder, kind), folder / ("model.onnx" if kind == "float32" else f"model-{kind}.onnx")


def pytorch(size: dict):
    """The same weights in Transformers' BertModel: mean over the tokens, then the head.

    KerasHub's BERT computes GELU by its approximation with tanh, so this one does, too: with the exact one
    probabilities would differ by about 0.0001.
    """
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    source = str(runtime.cache_folder() / runtime.MINILM)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    config = transformers.AutoConfig.from_pretrained(source, hidden_act="gelu_pytorch_tanh")
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    classifier = classifier_of(size)
    state = {name: torch.tensor(value) for name, value in torch_weights(classifier.backbone).items()}
    missing = model.load_state_dict(state, strict=False)
    if missing.unexpected_keys or [name for name in missing.missing_keys if "position_ids" not in name]:
        raise RuntimeError(f"The weights do not fit: {missing}")
    kernel, bias = (torch.tensor(value) for value in classifier.model.get_layer("logits").get_weights())

    def answer(batch):
        """Strings to probabilities."""
        inputs = tokenizer(batch, truncation=True, max_length=runtime.MAX_LENGTH, padding=True, return_tensors="pt")
        with torch.inference_mode():
            vectors, mask = model(**inputs).last_hidden_state, inputs["attention_mask"][:, :, None]
            mean = (vectors * mask).sum(dim=1) / mask.sum(dim=1)
            return torch.softmax(mean @ kernel + bias, dim=1).numpy()

    return answer, None


# KerasHub's name of a layer -> Transformers' name of the same.
TORCH_NAMES = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embeddings_layer_norm": "embeddings.LayerNorm",
    "self_attention_layer/query": "attention.self.query",
    "self_attention_layer/key": "attention.self.key",
    "self_attention_layer/value": "attention.self.value",
    "self_attention_layer/attention_output": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "feedforward_intermediate_dense": "intermediate.dense",
    "feedforward_output_dense": "output.dense",
    "feedforward_layer_norm": "output.LayerNorm",
}


def torch_weights(backbone) -> dict[str, np.ndarray]:
    """KerasHub's BERT weights by the names and in the shapes of Transformers' BertModel; without the unused pooler."""
    found = {}
    for variable in backbone.weights:
        path, kind = variable.path.rsplit("/", 1)
        if path.startswith("pooled_dense"):
            continue
        block, name = path.split("/", 1) if path.startswith("transformer_layer_") else ("", path)
        prefix = f"encoder.layer.{block.removeprefix('transformer_layer_')}." if block else ""
        ending = "bias" if kind in ("bias", "beta") else "weight"
        found[f"{prefix}{TORCH_NAMES[name]}.{ending}"] = torch_shape(kind, name, np.asarray(variable))
    return found


def torch_shape(kind: str, name: str, value: np.ndarray) -> np.ndarray:
    """A weight as PyTorch has it: heads side by side, kernels (outputs, inputs)."""
    if kind == "bias":
        return value.reshape(-1)
    if kind != "kernel":
        return value
    rows = value.shape[0] * value.shape[1] if name.endswith("attention_output") else value.shape[0]
    return np.ascontiguousarray(value.reshape(rows, -1).T)


# ---- measure and report

CONTESTANTS = {
    "Keras predict": keras_predict,
    "compiled function": compiled_function,
    "SavedModel": saved_model,
    "LiteRT float32": functools.partial(lite, kind="float32"),
    "LiteRT int8": functools.partial(lite, kind="int8"),
    "onnxruntime float32": functools.partial(onnx, kind="float32"),
    "onnxruntime int8": functools.partial(onnx, kind="int8"),
    "PyTorch": pytorch,
}


def milliseconds(answer, batches: list[list[str]]) -> float:
    """Milliseconds a text over all batches together, after two to warm up."""
    for batch in batches[:2]:
        answer(batch)
    started = time.perf_counter()
    for batch in batches:
        answer(batch)
    return 1000 * (time.perf_counter() - started) / sum(map(len, batches))


def measured(size: dict, name: str) -> dict:
    """Milliseconds a text for one and for a batch, size on disk, agreement with `predict`."""
    runtime.start(size["seed"])
    answer, path = CONTESTANTS[name](size)
    many = texts(size["batches"] * size["batch"])
    parts = [many[i : i + size["batch"]] for i in range(0, len(many), size["batch"])]
    found = {"ms, one": milliseconds(answer, [[text] for text in texts(size["one"])])}
    found["ms, batch"] = milliseconds(answer, parts)
    expected = np.load(home(size) / "expected.npy")
    answers = np.asarray(answer(texts(size["judged"])))
    found["largest difference"] = float(np.abs(answers - expected).max())
    found["same answer"] = float((answers.argmax(axis=1) == expected.argmax(axis=1)).mean())
    files = [path] if path is None or path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return found | {"MB": path and sum(file.stat().st_size for file in files) / 1e6}


def in_class(rounds: list[dict], least: float, below: float) -> list[str]:
    """Exports whose median share of the same answers lies in a class."""
    found = {name: contest.summary(rounds, name, "same answer") for name in EXPORTS}
    return [name for name, numbers in found.items() if numbers and least <= numbers[0] < below]


def fastest(rounds: list[dict], names: list[str], measure: str) -> str | None:
    """The name with the least median; None where nothing was measured."""
    found = {name: contest.summary(rounds, name, measure) for name in names}
    found = {name: numbers[0] for name, numbers in found.items() if numbers}
    return min(found, key=found.get) if found else None


def classes(rounds: list[dict]) -> str:
    """For each accuracy class and size of batch: the fastest export, and whether lesson 11 recommends it."""
    rows = []
    for kind, (least, below, recommended) in CLASSES.items():
        for measure, name in (("ms, one", "one text"), ("ms, batch", "a batch")):
            best = fastest(rounds, in_class(rounds, least, below), measure)
            verdict = "reached" if best == recommended else "**not reached**: change the recommendation"
            rows.append([f"{kind}, {name}", best or "-", recommended, verdict if best else "not measured"])
    return contest.table(["accuracy class", "fastest export", "recommended", "verdict"], rows)


def report(rounds: list[dict]) -> str:
    """One table of all, one of the recommendation."""
    rows = []
    for name in CONTESTANTS:
        same = contest.summary(rounds, name, "same answer")
        cells = [contest.shown(contest.summary(rounds, name, f"ms, {kind}"), 2) for kind in ("one", "batch")]
        cells += [
            contest.shown(contest.ratio(rounds, f"ms, {kind}", "Keras predict", name)) for kind in ("one", "batch")
        ]
        size = contest.summary(rounds, name, "MB")
        difference = contest.summary(rounds, name, "largest difference")
        cells.append(f"{size[0]:.0f}" if size else "-")
        cells.append(contest.shown(same and tuple(100 * number for number in same)))
        cells.append(f"{difference[2]:.1e}" if difference else "-")
        rows.append([name, *cells])
    head = ["form", "ms a text, one", "ms a text, batch", "predict / this, one", "predict / this, batch"]
    return f"{contest.table([*head, 'MB', 'same answer %', 'largest difference'], rows)}\n\n{classes(rounds)}"


def figure(rounds: list[dict]):
    """Milliseconds for one text."""
    found = {name: contest.summary(rounds, name, "ms, one") for name in CONTESTANTS}
    return contest.bars("Answering one text", "milliseconds (bar: median, line: all rounds)", found)


CONTEST = contest.Contest(
    "answering",
    {name: functools.partial(measured, name=name) for name in CONTESTANTS},
    SIZE,
    TINY,
    prepare,
    report,
    figure,
    rounds=2,
)

if __name__ == "__main__":
    sys.exit(contest.main(CONTEST, Path(__file__)))
