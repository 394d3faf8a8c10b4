"""The experiments of lesson 05, all judged on the validation reviews: the test reviews are never read here.

Each experiment is a list of points. A point is trained once; what is stored with the same data, versions, code and
configuration is kept, so a stopped run goes on where it was.

Experiments that compare fine-tuning with itself give the accuracy after the best epoch, found on the very texts that it
is measured on: all their points are too high by the same kind of luck. The experiment on the number of labels also has
baselines, which choose nothing. So there fine-tuning chooses nothing either: it is scored once, after its last epoch.
"""

import time
from collections.abc import Sequence

import pandas as pd
import points
import results

from helpers import data, evaluation, finetuning, models, words

LABELS = {50: 15, 100: 10, 200: 6, 400: 4, 800: 3, 1600: 3}  # number of labels -> epochs: few labels, more epochs
SEEDS = (42, 1, 2)
PREFIX = "fine_tuning_"  # of the files' names


def point(seed: int = 42, labels: int | None = None, words: str = "all", **recipe) -> dict:
    """A configuration: what differs from the default recipe and from full fine-tuning, labels, treatment of the words."""
    different = {name: value for name, value in recipe.items() if value != getattr(finetuning.Recipe, name, None)}
    return {"seed": seed, "labels": labels, "words": words, **different}


EXPERIMENTS = {
    "seeds": [point(seed=seed) for seed in (42, 1, 2, 3, 4)],
    "frozen_embeddings": [point(seed=seed, freeze_embeddings=True) for seed in (42, 1, 2, 3, 4)],
    "learning_rates": [
        point(seed, learning_rate=rate) for rate in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3) for seed in SEEDS[:2]
    ],
    "warm_up": [
        point(seed, learning_rate=rate, warmup_share=share)
        for rate in (1e-4, 3e-4)
        for share in (0.0, 0.1)
        for seed in SEEDS[:2]
    ],
    "over_fitting": [point(epochs=8, patience=8)],
    "lora": [point(seed, lora_rank=4, learning_rate=3e-3) for seed in SEEDS],
    "words": [point(seed, words=words) for words in ("all", "no stop words", "lemmas") for seed in SEEDS[:2]],
    "labels": [
        point(seed, labels, epochs=epochs, patience=epochs) for labels, epochs in LABELS.items() for seed in SEEDS
    ],
}


def treat(texts: Sequence[str], words: str) -> list[str]:
    """The texts with all words, without spaCy's stop words, or with each word replaced by its lemma."""
    if words == "all":
        return list(texts)
    import spacy

    pipeline = spacy.blank("en")
    if words == "lemmas":
        pipeline.add_pipe("lemmatizer", config={"mode": "lookup"})
        pipeline.initialize()
    documents = pipeline.pipe(texts)
    if words == "no stop words":
        return [" ".join(token.text for token in document if not token.is_stop) for document in documents]
    return [" ".join(token.lemma_ or token.text for token in document) for document in documents]


def tune_point(configuration: dict, train: pd.DataFrame, validation: pd.DataFrame) -> dict:
    """Fine-tune as a configuration says; what is stored: the accuracy after the best epoch, history, seconds."""
    words = configuration["words"]
    frames = [frame.assign(text=treat(frame["text"], words)) for frame in (train, validation)]
    history, seconds = tune(configuration, *frames)
    best = max(history, key=finetuning.judge_epoch)
    return {"accuracy": best["validation_accuracy"], "seconds": seconds, "history": round_rows(history)}


def compare_point(configuration: dict, train: pd.DataFrame, validation: pd.DataFrame) -> dict:
    """Fine-tune with so many labels, all epochs of the recipe, beside baselines with the same ones; as `tune_point`.

    All are scored once, on the same texts: fine-tuning after its last epoch.
    """
    train = train.sample(configuration["labels"], random_state=configuration["seed"])
    history, seconds = tune(configuration, train, validation)
    result = {"accuracy": history[-1]["validation_accuracy"], "seconds": seconds, "history": round_rows(history)}
    return result | score_baselines(train, validation)


def tune(configuration: dict, train: pd.DataFrame, validation: pd.DataFrame) -> tuple[list[dict], float]:
    """Fine-tune the course's classifier, or LoRA's matrices in it: its history, a dict an epoch, and the seconds it took."""
    recipe = finetuning.Recipe(**{k: v for k, v in configuration.items() if k not in ("labels", "words", "lora_rank")})
    classifier, started = models.make_classifier(seed=recipe.seed), time.monotonic()
    if "lora_rank" in configuration:
        classifier = finetuning.add_lora(classifier, configuration["lora_rank"])
    pairs = [(frame["text"].tolist(), frame["label"].to_numpy()) for frame in (train, validation)]
    history = finetuning.fine_tune(classifier, *pairs, recipe).to_dict("records")
    return history, round(time.monotonic() - started, 1)


def round_rows(history: list[dict]) -> list[dict]:
    """The same with numbers of five digits behind the point."""
    return [{key: round(float(value), 5) for key, value in row.items()} for row in history]


def score_baselines(train: pd.DataFrame, validation: pd.DataFrame) -> dict:
    """Validation accuracy of the bag of words and of frozen features with the same labels."""
    labels = validation["label"].to_numpy()
    untrained = models.make_classifier()
    features = [finetuning.mean_features(untrained, frame["text"].tolist()) for frame in (train, validation)]
    probabilities = {
        "bag of words": words.bag_of_words().fit(train["text"], train["label"]).predict_proba(validation["text"]),
        "frozen": finetuning.fit_frozen_head(features[0], train["label"]).predict_proba(features[1]),
    }
    return {name: evaluation.accuracy(labels, values) for name, values in probabilities.items()}


def describe_inputs(train: pd.DataFrame, validation: pd.DataFrame) -> dict:
    """What all points depend on: the data, the backbone, and the default recipe, from which a configuration differs."""
    hashes = {"train": data.content_hash(train), "validation": data.content_hash(validation)}
    return hashes | {"backbone": models.MINILM, "recipe": finetuning.Recipe().facts()}


def maker_of(configuration: dict):
    """The function that makes the point of a configuration."""
    return compare_point if configuration["labels"] else tune_point


def roots_of(name: str) -> set:
    """The code that an experiment's points come from, for `code_hash.code_of`."""
    return {"helpers.models.FILE_HASHES", *map(maker_of, EXPERIMENTS[name])}


def run(names: Sequence[str] = tuple(EXPERIMENTS)) -> None:
    """Make the points of the named experiments that are not stored yet."""
    splits, _ = data.prepare_splits()
    train, validation = splits["train"], splits["validation"]
    for name in names:
        present = results.circumstances(describe_inputs(train, validation), roots_of(name), points.PACKAGES)
        points.complete(PREFIX + name, EXPERIMENTS[name], present, lambda c: maker_of(c)(c, train, validation))
