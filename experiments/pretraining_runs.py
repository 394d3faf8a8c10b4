"""The experiments of lesson 04: three ways to pre-train, and whether it helps.

Each point is trained once and stored (`points.complete`); a long training also goes on in the middle, from its
checkpoint. Choices are made on the validation texts; the test texts are read once, for what is reported.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import points
import results

from helpers import corpus, evaluation, finetuning, language_models, models, pretraining, runtime, words
from helpers.pretraining import Plan, Size

SEEDS = (42, 1, 2)
PREFIX = "pretraining_"  # of the files' names
LONG_STEPS = {"masked": 15_000, "causal": 4000, "denoising": 4000}
EPOCHS = {50: 20, 200: 10, 1000: 4}  # labels a class -> epochs: few labels, more epochs
RATES = (3e-4, 1e-3)
FURTHER_TOKENS = 200_704  # 98 batches of 32 rows of 64 tokens
PRETRAINED = runtime.COURSE / "data" / "pretrained"


def long(objective: str) -> dict:
    """Configuration of a training of about a quarter of an hour, whose weights are kept."""
    return {"kind": "long", "objective": objective, "steps": LONG_STEPS[objective], "learning_rate": 2e-3, "seed": 42}


def short(objective: str, seed: int, **size) -> dict:
    """Configuration of a training as short as the lesson's."""
    plan = pretraining.LIVE[objective]
    knobs = {"steps": plan.steps, "learning_rate": plan.learning_rate, "seed": seed}
    return {"kind": "short", "objective": objective, **knobs, **size}


EXPERIMENTS = {
    "long_masked": [long("masked")],
    "short": [short(objective, seed) for objective in pretraining.LIVE for seed in SEEDS],
    "long_causal": [long("causal")],
    "topics": [
        {"kind": "topics", "start": start, "labels_a_class": labels, "seed": seed, "learning_rate": rate}
        for labels in EPOCHS
        for start in ("random", "masked")
        for rate in RATES
        for seed in SEEDS
    ],
    "sizes": [short("causal", 42, width=width) for width in (16, 32, 64, 128, 256)],
    "minilm": [
        {"kind": "minilm", "further_tokens": tokens, "labels_a_class": labels, "seed": seed}
        for tokens in (0, FURTHER_TOKENS)
        for labels in EPOCHS
        for seed in SEEDS
    ]
    + [
        {"kind": "minilm_tuned", "further_tokens": tokens, "labels_a_class": 50, "epochs": 6, "seed": seed}
        for tokens in (0, FURTHER_TOKENS)
        for seed in SEEDS
    ],
    "positions": [short("masked", seed, **wave) for wave in ({}, {"longest_wave": 10_000.0}) for seed in SEEDS[:2]],
    "long_denoising": [long("denoising")],
}


class HeldOut(keras.callbacks.Callback):
    """Writes the loss on validation text after each part of a training, beside its checkpoint."""

    def __init__(self, objective: str, tokens: dict, size: Size, plan: Plan, path: Path):
        super().__init__()
        self.judge = lambda: language_models.measure_held_out_losses(
            objective, self.model, tokens["train"], tokens["validation"], size, steps=8
        )
        self.path, self.plan = path, plan
        self.losses = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def on_epoch_end(self, epoch, logs=None):
        """Judge (Keras calls this once a part)."""
        steps = min(int(self.model.optimizer.iterations), self.plan.steps)
        self.losses[str(steps)] = self.judge()["model"]
        self.path.write_text(json.dumps(self.losses), encoding="utf-8")


def trained(configuration: dict, tokens: dict) -> tuple[keras.Model, Size, list[dict]]:
    """Pre-train as a configuration says; the model, its size, and a row a part: steps, loss, validation_loss, tokens_a_second."""
    objective, seed = configuration["objective"], configuration["seed"]
    steps = configuration["steps"]
    parts = 10 if configuration["kind"] == "long" else 4
    plan = Plan(steps, steps_a_part=steps // parts, learning_rate=configuration["learning_rate"])
    width = configuration.get("width", Size.width)
    heads = max(1, width // 32)
    size = Size(width=width, heads=heads, intermediate=4 * width)
    size = replace(size, longest_wave=configuration.get("longest_wave", Size.longest_wave))
    vocabulary = tokens["train"].vocabulary
    name = "-".join(str(value) for value in configuration.values())
    folder = runtime.artifacts_folder() / "experiments" / f"{name}-{tokens['train'].fingerprint[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    model = pretraining.build_model(objective, len(vocabulary), size, seed)
    batches = pretraining.make_batches(objective, tokens["train"], size, seed)
    judge = HeldOut(objective, tokens, size, plan, folder / "held_out.json")
    rows = pretraining.pretrain(model, batches, plan, folder, [judge]).to_dict("records")
    return model, size, [{**row, "validation_loss": judge.losses[str(row["steps"])]} for row in rows]


def pretraining_point(configuration: dict, tokens: dict, corpus_file: Path | None = None) -> dict:
    """What is stored of a pre-training; the weights of the two long ones that the lesson reads go to data/pretrained."""
    model, size, curve = trained(configuration, tokens)
    objective, is_long = configuration["objective"], configuration["kind"] == "long"
    result = {"parameters": model.count_params(), "curve": curve}
    for split in ("validation", "test") if is_long else ("validation",):
        batches = 1000 if is_long else language_models.JUDGED
        result[split] = language_models.measure_held_out_losses(
            objective, model, tokens["train"], tokens[split], size, batches
        )
    if is_long and objective != "denoising":
        path = PRETRAINED / f"{objective}.npz"
        pretraining.save_pretrained(model, objective, size, tokens["train"].vocabulary, path)
    return rounded(result)


def rounded(value):
    """The same with each float to five digits behind the point."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, 5) if isinstance(value, float) else value


# ---- does it help?


@functools.cache
def all_topics(corpus_file: Path, split: str) -> pd.DataFrame:
    """`corpus.read_topics`, read once in a process."""
    return corpus.read_topics(corpus_file, split)


def topic_texts(corpus_file: Path, labels_a_class: int, seed: int) -> dict:
    """Frames by split: so many training texts of each field, 700 validation texts, all test texts."""
    frames = {split: all_topics(corpus_file, split) for split in corpus.SPLITS}
    groups = frames["train"].groupby("label")
    frames["train"] = groups.sample(labels_a_class, random_state=seed).sample(frac=1, random_state=seed)
    frames["validation"] = frames["validation"].sample(700, random_state=0)
    return frames


def judged(truth: np.ndarray, scores: np.ndarray) -> dict:
    """Accuracy, and a digit a test text: 1 for a right answer. With these, intervals can be computed later."""
    right = (scores.argmax(axis=1) == truth).astype(int)
    return {"test_accuracy": float(right.mean()), "right": "".join(map(str, right))}


def topics_point(configuration: dict, tokens: dict, corpus_file: Path) -> dict:
    """Fine-tune the small encoder, from pre-trained or random weights, on so many labels; accuracy, and the bag of words'."""
    labels_a_class, seed = configuration["labels_a_class"], configuration["seed"]
    frames = topic_texts(corpus_file, labels_a_class, seed)
    model, tokenizer = pretraining.load_pretrained(PRETRAINED / "masked.npz")
    backbone = pretraining.build_encoder(len(tokens["train"].vocabulary), Size(), seed)
    if configuration["start"] == "masked":
        for layer in backbone.layers:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    classifier = models.add_head(backbone, tokenizer, len(corpus.FIELDS))
    epochs = EPOCHS[labels_a_class]
    recipe = finetuning.Recipe(
        epochs, 32, configuration["learning_rate"], patience=epochs, max_length=Size.sequence_length, seed=seed
    )
    result, truth = fine_tuned(classifier, frames, recipe), frames["test"]["label"].to_numpy()
    bag_of_words = words.bag_of_words().fit(frames["train"]["text"].tolist(), frames["train"]["label"].to_numpy())
    by_words = bag_of_words.predict_proba(frames["test"]["text"].tolist())
    majority = float(np.mean(truth == np.bincount(truth).argmax()))
    return rounded({**result, "bag of words": evaluation.accuracy(truth, by_words), "majority": majority})


def fine_tuned(classifier: models.Classifier, frames: dict, recipe: finetuning.Recipe) -> dict:
    """Train all weights on the training texts; the best validation accuracy, and the test texts judged."""
    pairs = {split: (frame["text"].tolist(), frame["label"].to_numpy()) for split, frame in frames.items()}
    history = finetuning.fine_tune(classifier, pairs["train"], pairs["validation"], recipe)
    ids = models.token_ids(classifier.tokenizer, pairs["test"][0], recipe.max_length)
    logits = finetuning.predict_logits(classifier.model, finetuning.LengthGroupedBatches(ids))
    return {"validation_accuracy": float(history["validation_accuracy"].max()), **judged(pairs["test"][1], logits)}


# ---- MiniLM, pre-trained further


def further_minilm(further_tokens: int, corpus_file: Path) -> tuple[models.Classifier, list[dict]]:
    """MiniLM after so many more tokens of masked language modelling on the docstrings, and how its loss went."""
    classifier = models.make_classifier(num_classes=len(corpus.FIELDS))
    if not further_tokens:
        return classifier, []
    vocabulary = classifier.tokenizer.get_vocabulary()
    folder = runtime.artifacts_folder() / "experiments" / "minilm"
    for split in ("train", "validation"):
        texts = (example["text"] for example in corpus.read_corpus(corpus_file, split))
        corpus.write_tokens(texts, vocabulary, folder / split)
    tokens = {split: corpus.read_tokens(folder / split) for split in ("train", "validation")}
    model = pretraining.build_masked_model(classifier.backbone)
    batches = pretraining.make_batches("masked", tokens["train"])
    steps = further_tokens // (batches.batch_size * batches.sequence_length)
    plan = Plan(steps=steps, steps_a_part=-(-steps // 4), learning_rate=1e-4)
    judge = HeldOut("masked", tokens, Size(), plan, folder / "held_out.json")
    rows = pretraining.pretrain(model, batches, plan, folder / "checkpoint", [judge]).to_dict("records")
    return classifier, [{**row, "validation_loss": judge.losses[str(row["steps"])]} for row in rows]


FEATURES: dict[int, tuple] = {}  # of the two MiniLMs, so that each is made once in a process


def minilm_features(further_tokens: int, corpus_file: Path) -> tuple[dict, list[dict]]:
    """Features by text, and the curve of the further pre-training."""
    if further_tokens not in FEATURES:
        classifier, curve = further_minilm(further_tokens, corpus_file)
        texts = set(all_topics(corpus_file, "test")["text"])
        for seed in SEEDS:
            texts |= set(topic_texts(corpus_file, max(EPOCHS), seed)["train"]["text"])
            texts |= {text for labels in EPOCHS for text in topic_texts(corpus_file, labels, seed)["train"]["text"]}
        texts = sorted(texts)
        FEATURES[further_tokens] = dict(zip(texts, finetuning.mean_features(classifier, texts), strict=True)), curve
    return FEATURES[further_tokens]


def minilm_point(configuration: dict, tokens: dict, corpus_file: Path) -> dict:
    """Logistic regression on frozen MiniLM features, with or without further pre-training."""
    features, curve = minilm_features(configuration["further_tokens"], corpus_file)
    frames = topic_texts(corpus_file, configuration["labels_a_class"], configuration["seed"])
    x = {split: np.stack([features[text] for text in frames[split]["text"]]) for split in ("train", "test")}
    probabilities = finetuning.fit_frozen_head(x["train"], frames["train"]["label"]).predict_proba(x["test"])
    return rounded({**judged(frames["test"]["label"].to_numpy(), probabilities), "curve": curve})


def tuned_minilm_point(configuration: dict, tokens: dict, corpus_file: Path) -> dict:
    """MiniLM fine-tuned, all weights, with or without further pre-training."""
    seed = configuration["seed"]
    frames = topic_texts(corpus_file, configuration["labels_a_class"], seed)
    classifier, _ = further_minilm(configuration["further_tokens"], corpus_file)
    recipe = finetuning.Recipe(configuration["epochs"], max_length=Size.sequence_length, seed=seed)
    return rounded(fine_tuned(classifier, frames, recipe))


def describe_inputs(corpus_file: Path) -> dict:
    """What all points depend on: the corpus, the default sizes, plan and recipe, from which a configuration differs."""
    defaults = {"size": asdict(Size()), "recipe": asdict(Plan()), "fine_tuning": finetuning.Recipe().facts()}
    return {"corpus": corpus.read_manifest(corpus_file)["sha256"], "backbone": models.MINILM, **defaults}


MAKERS = {  # kind of a configuration -> the function that makes its point, from tokens and corpus
    "long": pretraining_point,
    "short": pretraining_point,
    "topics": topics_point,
    "minilm": minilm_point,
    "minilm_tuned": tuned_minilm_point,
}


def roots_of(name: str) -> set:
    """The code that an experiment's points come from, for `code_hash.code_of`."""
    return {"helpers.models.FILE_HASHES"} | {MAKERS[configuration["kind"]] for configuration in EXPERIMENTS[name]}


def run(names: Sequence[str] = tuple(EXPERIMENTS)) -> None:
    """Make the points of the named experiments that are not stored yet."""
    corpus_file, tokens = corpus.prepare()
    inputs = describe_inputs(corpus_file)
    for name in names:
        present = results.circumstances(inputs, roots_of(name), points.PACKAGES)
        points.complete(PREFIX + name, EXPERIMENTS[name], present, lambda c: MAKERS[c["kind"]](c, tokens, corpus_file))
