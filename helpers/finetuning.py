"""Lesson 05: fine-tune a classifier in length-grouped batches, with checkpoints to resume from."""

import hashlib
import json
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from scipy.special import log_softmax, softmax
from tqdm import tqdm

from helpers import data, devices, evaluation, models, optimizers, runtime

# Batches are padded to one of these lengths. Where XLA compiles the model anew for each, they are few.
BUCKET_LENGTHS = (8, 16, 24, 32, 40, 48, 56, 64, 96, 128)
COMPILED_LENGTHS = (16, 32, 64, 128)
BATCHES_A_GROUP = 16  # more: less padding, and less random an order
FEW_BATCHES = 8  # so many are prepared by one worker, more by two
EMBEDDINGS = ("token_embedding", "position_embedding", "segment_embedding")  # the backbone's layers


@dataclass(frozen=True)
class Recipe:
    """The knobs of a fine-tuning run, with the values that the course uses.

    Batch of 16, 3 epochs and dropout 0.1 are among those of Devlin et al. (2019, A.3); their rates end at 5e-5,
    and this smaller model took 1e-4 better in trials.
    """

    epochs: int = 3
    batch_size: int = 16
    learning_rate: float = 1e-4  # the peak, reached at the end of the warm-up
    warmup_share: float = 0.1  # of all steps
    weight_decay: float = 0.01
    clip_norm: float = 1.0  # of all gradients together
    patience: int = 2  # epochs without a better validation accuracy before it stops
    max_length: int = models.MAX_LENGTH
    seed: int = 42
    # Half of MiniLM's weights. Over five seeds it cost no accuracy that shows (data/results/fine_tuning_frozen_embeddings.json),
    # and took 7 % off a step: too little to keep the model from learning a reader's words.
    freeze_embeddings: bool = False
    # Where classes are of very unlike size: a text counts the more, the rarer its class; macro F1 chooses the epoch.
    class_weights: bool = False
    by_macro_f1: bool = False

    def facts(self) -> dict:
        """The knobs as JSON holds them. An option that is off is left out: results from before it was there stand."""
        return {name: value for name, value in asdict(self).items() if value is not False}


def this_device() -> devices.Device:
    """The device of the running backend."""
    return runtime.find_device(keras.backend.backend())


def padded_length(length: int) -> int:
    """The smallest length on the device's list that holds `length` tokens; a longer text keeps its own length."""
    lengths = COMPILED_LENGTHS if this_device().compiles else BUCKET_LENGTHS
    return next((bucket for bucket in lengths if bucket >= length), length)


def pad(token_ids: Sequence[np.ndarray], pad_id: int = 0) -> dict[str, np.ndarray]:
    """Model inputs of some texts: int32 arrays (texts, length), length as `padded_length` says.

    `padding_mask` is 1 for a token and 0 for padding; `segment_ids` are all 0 (one text each).
    """
    length = padded_length(max(map(len, token_ids)))
    ids = np.full((len(token_ids), length), pad_id, dtype="int32")
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return models.inputs_of(ids, mask)


class LengthGroupedBatches(keras.utils.PyDataset):
    """Batches of texts of like length, in an order that only `seed` and `epoch` decide.

    Each epoch shuffles all texts, sorts them by length within groups of 16 batches, and shuffles
    the batches: nearly random, with hardly any padding. Without `labels` (for prediction) texts
    are sorted by length once. `order` holds the row of each text in the order of the batches.
    """

    def __init__(self, token_ids, labels=None, batch_size=32, seed=0, epoch=0, pad_id=0):
        self.token_ids, self.labels, self.pad_id = token_ids, labels, pad_id
        lengths = np.array([len(tokens) for tokens in token_ids])
        if labels is None:
            order = np.argsort(lengths, kind="stable")
            batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        else:
            batches = group_by_length(lengths, batch_size, np.random.default_rng([seed, epoch]))
        self.batches = make_first_two_unlike(batches, lengths)
        # With two workers Keras turns the tuner of tf.data off. Otherwise `fit` often returns only when the tuner next
        # wakes up, 5, 10, 20, 40, 80 seconds after it began, then once a minute (TensorFlow 2.21): see
        # benchmarks/README.md. They cost a tenth of a second, too much for a few texts. With JAX there is no tuner, and
        # two workers change what it learns.
        many = len(self.batches) > FEW_BATCHES and keras.backend.backend() == "tensorflow"
        super().__init__(workers=2 if many else 1)

    @property
    def order(self) -> np.ndarray:
        """Row of each text in the order of the batches, int array (texts,)."""
        return np.concatenate(self.batches)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int):
        rows = self.batches[index]
        inputs = pad([self.token_ids[row] for row in rows], self.pad_id)
        return (inputs,) if self.labels is None else (inputs, self.labels[rows])


def group_by_length(lengths: np.ndarray, batch_size: int, random: np.random.Generator) -> list[np.ndarray]:
    """Rows of each batch: shuffled, sorted by length within groups of BATCHES_A_GROUP batches, batches shuffled."""
    order = random.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), BATCHES_A_GROUP * batch_size):
        group = order[start : start + BATCHES_A_GROUP * batch_size]
        group = group[np.argsort(lengths[group], kind="stable")]
        batches += [group[i : i + batch_size] for i in range(0, len(group), batch_size)]
    return [batches[i] for i in random.permutation(len(batches))]


def make_first_two_unlike(batches: list[np.ndarray], lengths: np.ndarray) -> list[np.ndarray]:
    """The same batches, the first two of unlike padded length where there are such.

    Keras (3.15, `NUM_BATCHES_FOR_TENSOR_SPEC`) reads off the first two batches which sizes may
    vary; were those two alike, the first batch of another length would raise an error.
    """
    padded = [padded_length(lengths[rows].max()) for rows in batches]
    unlike = next((i for i, length in enumerate(padded) if length != padded[0]), 0)
    if unlike:
        batches[1], batches[unlike] = batches[unlike], batches[1]
    return batches


def predict_logits(model: keras.Model, batches: LengthGroupedBatches) -> np.ndarray:
    """Logits, float32 (texts, classes), in the order in which the texts were given."""
    outputs = model.predict(batches, verbose=0)
    logits = np.empty_like(outputs, dtype="float32")
    logits[batches.order] = outputs
    return logits


def predict_outputs(model: keras.Model, classifier: models.Classifier, texts: Sequence[str]) -> np.ndarray:
    """What a model says to each text, in batches that suit the device, float32 (texts, outputs).

    `model` takes what the classifier's own model takes. Texts beyond the classifier's `max_length` are cut there, as in
    training; of a text in several windows it is the mean. Raises TypeError for what is not a string.
    """
    ids, owners = models.token_windows(classifier, list(texts))
    batches = LengthGroupedBatches(ids, batch_size=this_device().batch_size, pad_id=classifier.tokenizer.pad_token_id)
    return models.mean_by_text(predict_logits(model, batches), owners)


def predict_proba(classifier: models.Classifier, texts: Sequence[str]) -> np.ndarray:
    """Probability of each class, float64 (texts, classes); rows sum to 1. Long texts and errors as in `predict_outputs`."""
    if not len(texts):
        return np.empty((0, classifier.num_classes))
    return softmax(predict_outputs(classifier.model, classifier, texts).astype("float64"), axis=1)


def mean_features(classifier: models.Classifier, texts: Sequence[str]) -> np.ndarray:
    """What the head sees: the mean over each text's token vectors, float32 (texts, width)."""
    pooled = keras.Model(classifier.model.input, classifier.model.get_layer("mean_of_tokens").output)
    return predict_outputs(pooled, classifier, texts)


def fit_frozen_head(features: np.ndarray, labels: Sequence[int], class_weights: bool = False):
    """Logistic regression on frozen features, float (texts, width): a scikit-learn model with `predict_proba`.

    The features are scaled to mean 0 and deviation 1 first, or else it would hardly converge. `class_weights`: as in `Recipe`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weights = "balanced" if class_weights else None
    regression = LogisticRegression(C=0.01, max_iter=2000, class_weight=weights)
    return make_pipeline(StandardScaler(), regression).fit(features, labels)


def add_lora(classifier: models.Classifier, rank: int = 4) -> models.Classifier:
    """The same classifier with low-rank updates to train instead of the backbone (Hu et al., 2022, "LoRA").

    Each query and value matrix W becomes W + A B, where A has `rank` columns and B `rank` rows; all other weights of
    the backbone stand still, the biases too. The head trains. Changes the classifier in place.
    """
    classifier.backbone.enable_lora(rank)
    for layer in classifier.backbone._flatten_layers():
        if getattr(layer, "lora_enabled", False) and layer.bias is not None:
            layer.bias.trainable = False  # Keras leaves it on; then "only A and B are trained" would not be true
    return classifier


def freeze_embeddings(classifier: models.Classifier) -> None:
    """Let the vectors of tokens, positions and segments stand still from now on."""
    for name in EMBEDDINGS:
        classifier.backbone.get_layer(name).trainable = False


def count_trained(model: keras.Model) -> int:
    """Number of numbers that training changes."""
    return int(sum(np.prod(variable.shape) for variable in model.trainable_variables))


def save_arrays(path: Path, arrays: Sequence[np.ndarray], facts: dict) -> None:
    """Write arrays and facts (values that JSON can hold) to one `.npz` file, whole or not at all."""
    with runtime.written_whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, *arrays, facts=np.array(json.dumps(facts)))


def load_arrays(path: Path) -> tuple[list[np.ndarray], dict]:
    """Arrays and facts that `save_arrays` wrote.

    Raises ValueError when the file is damaged; only files of one's own making should be opened.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[f"arr_{i}"] for i in range(len(file.files) - 1)]
            return arrays, json.loads(str(file["facts"]))
    except Exception as error:
        raise ValueError(f"The checkpoint {path} is damaged ({error}). Delete it and train again.") from error


def values_of(variables: Sequence) -> list[np.ndarray]:
    """The variables' values as NumPy arrays."""
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def assign(variables: Sequence, values: Sequence[np.ndarray]) -> None:
    """Give each variable its value; raises ValueError when number or shapes differ."""
    if [tuple(v.shape) for v in variables] != [value.shape for value in values]:
        raise ValueError("These weights belong to a model of another shape. Delete the checkpoint folder.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class Checkpoints:
    """What training needs to go on after a stop: weights, dropout states, optimizer, history, the best weights.

    `last.npz` is written after each epoch and replaced whole. The order of the texts needs no storing: recipe and epoch
    decide it. `identity` says by name what the training depends on, as values that JSON can hold. Without a folder
    nothing is stored.
    """

    def __init__(self, folder: Path | None, model: keras.Model, optimizer, identity: dict):
        self.folder, self.identity = folder, identity
        self.weights = model.variables  # dropout's random state is among them
        self.state = [*model.variables, *optimizer.variables]
        self.best = values_of(self.weights)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def restore(self) -> list[dict]:
        """Load the last state into model and optimizer; return the history so far (empty: a new start).

        Raises ValueError for a checkpoint of another training, or a damaged one.
        """
        if self.folder is None or not (self.folder / "last.npz").exists():
            return []
        values, facts = load_arrays(self.folder / "last.npz")
        stored = facts.get("identity", {})
        if different := [name for name, value in self.identity.items() if stored.get(name) != value]:
            raise ValueError(
                f"The checkpoint in {self.folder} is of another training: different {' and '.join(different)}. "
                "Delete it, or take another folder."
            )
        assign(self.state, values)
        self.best, _ = load_arrays(self.folder / "best.npz")
        return facts["history"]

    def save(self, history: list[dict]) -> None:
        """Store the state after an epoch; the weights also as the best ones if they are."""
        is_best = judge_epoch(history[-1]) == max(map(judge_epoch, history))
        if is_best:
            self.best = values_of(self.weights)
        if self.folder is None:
            return
        if is_best:
            save_arrays(self.folder / "best.npz", self.best, {})
        save_arrays(self.folder / "last.npz", values_of(self.state), {"identity": self.identity, "history": history})


def hash_arrays(arrays: Sequence[np.ndarray]) -> str:
    """SHA-256 of the arrays' values, one array after the other, as 64 hex digits."""
    return hashlib.sha256(b"".join(map(bytes, arrays))).hexdigest()


def hash_layers(model: keras.Model) -> str:
    """SHA-256 of kind, precision and settings of all layers, as 64 hex digits: not of names, seeds or weights."""
    described = []
    for layer in model._flatten_layers(include_self=False):
        settings = {k: v for k, v in layer.get_config().items() if isinstance(v, int | float | str)}
        described.append([type(layer).__name__, layer.dtype_policy.name, {**settings, "name": None, "seed": None}])
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def cross_entropy(labels: np.ndarray, logits: np.ndarray) -> float:
    """Mean of -log(probability of the right class), in nats; labels int (texts,), logits (texts, classes)."""
    return float(-log_softmax(logits.astype("float64"), axis=1)[np.arange(len(labels)), labels].mean())


def judge_epoch(row: dict) -> tuple[float, float]:
    """What makes one epoch better than another: validation accuracy, or macro F1 where the history has it; where that is
    equal, the lower loss.

    Not the loss alone: while fine-tuning it often rises again, from over-confidence in few errors,
    when more and more answers are right.
    """
    return row.get("validation_macro_f1", row["validation_accuracy"]), -row["validation_loss"]


def has_stopped_improving(history: list[dict], patience: int) -> bool:
    """Whether none of the last `patience` epochs was better than the best one before them."""
    qualities = [judge_epoch(row) for row in history]
    return len(qualities) > patience and max(qualities[-patience:]) <= max(qualities[:-patience])


def encode_examples(
    classifier: models.Classifier, texts, labels, max_length: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Token ids and int32 labels of each window, checked: raises ValueError for none, another number, or a wrong label.

    A text that the backbone takes at once is one window. Each window of a longer one has the text's label.
    """
    labels = np.asarray(labels)
    if len(texts) == 0 or len(texts) != len(labels):
        raise ValueError(f"There are {len(texts)} texts and {len(labels)} labels; it takes as many, and at least one.")
    wrong = [label for label in np.unique(labels) if label not in range(classifier.num_classes)]
    if wrong:
        raise ValueError(f"Labels must be 0 to {classifier.num_classes - 1}; found {wrong}. See data.label.")
    ids, owners = models.token_windows(replace(classifier, max_length=max_length), list(texts))
    return ids, labels[owners].astype("int32")


class Progress(keras.callbacks.Callback):
    """A bar of batches, for cells whose output is not compared; with steps_per_execution it moves on by several."""

    def __init__(self, total: int, done: int):
        super().__init__()
        self.bar = tqdm(total=total, initial=done, unit=" batches", desc="training", mininterval=2, file=sys.stdout)
        self.done = done  # before this epoch

    def on_epoch_begin(self, epoch, logs=None):
        """Remember where the epoch began (Keras calls this)."""
        self.done = self.bar.n

    def on_train_batch_end(self, batch, logs=None):
        """Move the bar on (Keras calls this); the last group of batches may be counted beyond the epoch's end."""
        self.bar.update(self.done + min(batch + 1, self.params["steps"]) - self.bar.n)


def steps_at_once(steps: int) -> int:
    """Batches between two calls of the callbacks, out of `steps` an epoch: the device's, but 16 calls an epoch or more."""
    return max(1, min(this_device().steps_per_execution, steps // 16))


def weigh_classes(labels: np.ndarray, num_classes: int) -> dict[int, float]:
    """Class -> what one of its texts counts, so that all classes count alike and a text on average 1 (King and Zeng, 2001).

    `labels`: int (texts,). A class without texts counts 0.
    """
    counts = np.bincount(labels, minlength=num_classes)
    shared = len(labels) / (counts > 0).sum()
    return {number: float(shared / count) if count else 0.0 for number, count in enumerate(counts)}


def train_epoch(
    model: keras.Model,
    batches: LengthGroupedBatches,
    callbacks: Sequence,
    class_weights: dict[int, float] | None = None,
) -> float:
    """Train in place, each batch once; return the mean loss in nats. Raises FloatingPointError if it is not finite.

    `class_weights`: what `weigh_classes` gives, or None.
    """
    # shuffle=False: Keras would shuffle the batches once more, from a state that no checkpoint holds.
    fitted = model.fit(batches, shuffle=False, verbose=0, callbacks=callbacks, class_weight=class_weights)
    loss = fitted.history["loss"][0]
    if not math.isfinite(loss):
        raise FloatingPointError(f"The loss is {loss}: lower the recipe's learning rate.")
    return loss


def validate(model: keras.Model, ids: Sequence[np.ndarray], labels: np.ndarray, recipe: Recipe) -> dict[str, float]:
    """What the history keeps of an epoch: `validation_loss` (nats) and `validation_accuracy` (a share), and
    `validation_macro_f1` where the recipe chooses by that."""
    logits = predict_logits(model, LengthGroupedBatches(ids, batch_size=recipe.batch_size))
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    found = {"validation_loss": cross_entropy(labels, logits), "validation_accuracy": accuracy}
    return found | ({"validation_macro_f1": evaluation.macro_f1(labels, logits)} if recipe.by_macro_f1 else {})


def compile_for(model: keras.Model, recipe: Recipe, steps: int) -> None:
    """Give the model the course's optimizer and loss for a training of `steps` batches an epoch."""
    optimizer = optimizers.make_optimizer(recipe, recipe.epochs * steps, model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, steps_per_execution=steps_at_once(steps))


def fine_tune(
    classifier: models.Classifier,
    train: tuple[Sequence[str], Sequence[int]],
    validation: tuple[Sequence[str], Sequence[int]],
    recipe: Recipe = Recipe(),
    checkpoint_folder: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> pd.DataFrame:
    """Train all weights of `classifier` in place; end with those of the best epoch (see `judge_epoch`).

    `train` and `validation` are (texts, labels). With a `checkpoint_folder` a stopped training
    goes on after its last whole epoch and ends with the same weights. Returns the history, a row
    an epoch: epoch, train_loss and what `validate` gives (each window of a long text counts for itself there). Raises ValueError for wrong labels and for
    the checkpoint of another training, FloatingPointError for a loss that is not finite.
    """
    model = classifier.model
    ids, labels = encode_examples(classifier, *train, recipe.max_length)
    held_out = encode_examples(classifier, *validation, recipe.max_length)
    if recipe.freeze_embeddings:
        freeze_embeddings(classifier)
    steps = math.ceil(len(ids) / recipe.batch_size)
    compile_for(model, recipe, steps)
    identity = {"recipe": recipe.facts(), "model": hash_layers(model), "training data": hash_arrays([*ids, labels])}
    identity |= {"validation data": hash_arrays([*held_out[0], held_out[1]])}
    checkpoints = Checkpoints(checkpoint_folder, model, model.optimizer, identity)
    history = checkpoints.restore()
    progress = Progress(recipe.epochs * steps, done=len(history) * steps)
    weights = weigh_classes(labels, classifier.num_classes) if recipe.class_weights else None
    while len(history) < recipe.epochs and not has_stopped_improving(history, recipe.patience):
        batches = LengthGroupedBatches(ids, labels, recipe.batch_size, recipe.seed, epoch=len(history))
        row = {"epoch": len(history) + 1, "train_loss": train_epoch(model, batches, [progress, *callbacks], weights)}
        history.append(row | validate(model, *held_out, recipe))
        checkpoints.save(history)
    progress.bar.close()
    assign(checkpoints.weights, checkpoints.best)
    return pd.DataFrame(history)


def load_or_fine_tune(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    recipe: Recipe = Recipe(),
    source: str | Path = models.MINILM,
    num_classes: int | None = None,
    remake: bool = False,
) -> tuple[models.Classifier, pd.DataFrame]:
    """The course's classifier and its training history, as an artifact that lesson 05 makes and others load.

    The frames have the columns `text` and `label`. `num_classes`: None takes as many as `train` shows. A training
    that was stopped goes on from its checkpoint.
    """
    num_classes = num_classes or int(train["label"].max()) + 1
    classifier = models.make_classifier(source, num_classes, recipe.seed, recipe.max_length)
    inputs = {"recipe": recipe.facts(), "source": str(source), "num_classes": num_classes}
    inputs |= {"train": data.content_hash(train), "validation": data.content_hash(validation)}
    sources = [Path(module.__file__) for module in (models, optimizers, sys.modules[__name__])]
    checkpoint_folder = runtime.artifacts_folder() / "checkpoints" / runtime.artifact_key(inputs, sources)[:12]

    def make(folder: Path) -> None:
        """Train; keep weights and history."""
        pairs = [(frame["text"].tolist(), frame["label"].to_numpy()) for frame in (train, validation)]
        history = fine_tune(classifier, *pairs, recipe, checkpoint_folder)
        save_arrays(folder / "weights.npz", values_of(classifier.model.variables), {})
        history.to_csv(folder / "history.csv", index=False)
        shutil.rmtree(checkpoint_folder, ignore_errors=True)  # here: later another process may need its own

    folder = runtime.artifact("classifier", make, inputs, sources, remake)
    assign(classifier.model.variables, load_arrays(folder / "weights.npz")[0])
    return classifier, pd.read_csv(folder / "history.csv")
