"""The experiments of lesson 05, all judged on the validation reviews: the test reviews are never read here.

Each experiment is a list of points. A point is trained once; what is stored with the same data, versions and
configuration is kept, so a stopped run goes on where it was.
"""

import time
from collections.abc import Sequence

import pandas as pd
import results

from helpers import data, evaluation, finetuning, models, words

LABELS = {50: 15, 100: 10, 200: 6, 400: 4, 800: 3, 1600: 3}  # number of labels -> epochs: few labels, more epochs
SEEDS = (42, 1, 2)


def point(seed: int = 42, labels: int | None = None, words: str = "all", **recipe) -> dict:
    """A configuration: what differs from the default recipe, the number of labels, the treatment of the words."""
    different = {name: value for name, value in recipe.items() if value != getattr(finetuning.Recipe, name)}
    return {"seed": seed, "labels": labels, "words": words, **different}


EXPERIMENTS = {
    "seeds": [point(seed=seed) for seed in (42, 1, 2, 3, 4)],
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
    "words": [point(seed, words=words) for words in ("all", "no stop words", "lemmas") for seed in SEEDS[:2]],
    "labels": [
        point(seed, labels=labels, epochs=epochs, patience=epochs)
        for labels, epochs in LABELS.items()
        for seed in SEEDS
    ],
}


def treated(texts: Sequence[str], words: str) -> list[str]:
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


def trained(configuration: dict, train: pd.DataFrame, validation: pd.DataFrame) -> dict:
    """Fine-tune as a configuration says; return what is stored: history, scores, seconds."""
    settings = {k: v for k, v in configuration.items() if k not in ("labels", "words")}
    recipe = finetuning.Recipe(**settings)
    if configuration["labels"]:
        train = train.sample(configuration["labels"], random_state=recipe.seed)
    words = configuration["words"]
    pairs = [(treated(frame["text"], words), frame["label"].to_numpy()) for frame in (train, validation)]
    classifier = models.make_classifier(seed=recipe.seed)
    started = time.monotonic()
    history = finetuning.fine_tune(classifier, *pairs, recipe)
    best = max(history.to_dict("records"), key=finetuning.judge_epoch)
    result = {"accuracy": best["validation_accuracy"], "seconds": round(time.monotonic() - started, 1)}
    result["history"] = [
        {key: round(float(value), 5) for key, value in row.items()} for row in history.to_dict("records")
    ]
    if configuration["labels"]:
        result |= others(train, validation)
    return result


def others(train: pd.DataFrame, validation: pd.DataFrame) -> dict:
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


def run(names: Sequence[str] = tuple(EXPERIMENTS)) -> None:
    """Make the points of the named experiments that are not stored yet."""
    splits, _ = data.prepare_splits()
    train, validation = splits["train"], splits["validation"]
    inputs = describe_inputs(train, validation)
    for name in names:
        results.complete(f"fine_tuning_{name}", EXPERIMENTS[name], inputs, lambda c: trained(c, train, validation))
