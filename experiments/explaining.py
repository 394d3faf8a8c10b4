"""The experiments of lesson 09: are explanations true, what do the layers hold, how well do readable models imitate?

All of them question the course's classifier, as lesson 05 trains it; "planted" trains it on. Nothing is chosen by what is
measured on the test reviews, and nothing is trained on them.
"""

import functools
import sys
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
import points
import results
from tqdm import tqdm

from helpers import data, evaluation, explanation, faithfulness, finetuning, models, surrogates, words

PREFIX = "explanation_"  # of the files' names
SEEDS = (42, 1, 2)
CHOICE = 9  # the seed by which reviews are drawn
FEWEST_WORDS, MOST_WORDS = 5, 40  # of the reviews that are explained
AT_ONCE = 20  # reviews are explained together, as many as in the lesson
STEPS = (8, 32)  # of integrated gradients, whose gaps are compared
PLANTED = ("zebra", "orchid")  # pieces of the vocabulary that no review holds
SHUFFLED = ("occlusion", "integrated gradients", "last attention", "attention rollout", "gradient norm")
EVERYTHING = ("train", "undecided", "later")  # splits with texts to imitate the model on; the labels are not needed

BY_LABELS = {"kind": "surrogates", "model": "linear", "learns": "labels", "texts": ["train"]}  # the bag of words

EXPERIMENTS = {
    "faithfulness": [
        {"kind": "faithfulness", "method": method, "reviews": 200} for method in (*explanation.METHODS, "random")
    ],
    "planted": [
        {"kind": "planted", "trained_on": 480, "epochs": 2, "learning_rate": 5e-5, "reviews": 60, "seed": seed}
        for seed in SEEDS
    ],
    "shuffled": [
        {"kind": "shuffled", "method": method, "reviews": 30, "seed": seed} for method in SHUFFLED for seed in SEEDS
    ],
    "layers": [{"kind": "layers", "fine_tuned": fine_tuned} for fine_tuned in (False, True)],
    "surrogates": [
        BY_LABELS,
        {"kind": "surrogates", "model": "linear", "learns": "logits", "texts": ["train"]},
        {"kind": "surrogates", "model": "linear", "learns": "logits", "texts": ["train", "undecided"]},
        {"kind": "surrogates", "model": "linear", "learns": "logits", "texts": list(EVERYTHING)},
    ]
    + [
        {"kind": "surrogates", "model": "tree", "learns": "answers", "texts": ["train"], "depth": depth}
        for depth in (2, 5, 10, 20)
    ]
    + [{"kind": "surrogates", "model": "tree", "learns": "answers", "texts": list(EVERYTHING), "depth": 20}],
}


def choose_reviews(frame: pd.DataFrame, number: int, seed: int = CHOICE) -> pd.DataFrame:
    """Rows drawn by a seed from those with FEWEST_WORDS to MOST_WORDS words."""
    lengths = frame["text"].str.split().str.len()
    return frame[lengths.between(FEWEST_WORDS, MOST_WORDS)].sample(number, random_state=seed)


def score(method: str, classifier: models.Classifier, readings: Sequence, targets=None) -> list[np.ndarray]:
    """Scores by one of `explanation.METHODS` or "random", some texts at a time."""
    if method == "random":
        return explanation.random_scores(readings, CHOICE)
    found = []
    for start in tqdm(range(0, len(readings), AT_ONCE), desc=method, mininterval=5, file=sys.stdout):
        rows = slice(start, start + AT_ONCE)
        found += explanation.METHODS[method](classifier, readings[rows], None if targets is None else targets[rows])
    return found


def rounded(values: Sequence[float]) -> list[float]:
    """The values with four digits behind the point."""
    return [round(float(value), 4) for value in values]


# ---- words are removed


def faithfulness_point(configuration: dict, classifier: models.Classifier, splits: dict) -> dict:
    """Comprehensiveness and sufficiency of a method under each way of removing, and how far it is from random scores."""
    method = configuration["method"]
    texts = choose_reviews(splits["test"], configuration["reviews"])["text"].tolist()
    readings = explanation.read(classifier, texts)
    targets = explanation.predict(classifier, readings).argmax(axis=1)
    score(method, classifier, readings[:AT_ONCE], targets[:AT_ONCE])  # what is compiled at the first call takes no part
    started = time.monotonic()
    scores = score(method, classifier, readings, targets)
    result = {"ms_a_text": round((time.monotonic() - started) / len(texts) * 1000, 2)}
    by_chance = explanation.random_scores(readings, CHOICE)
    for how in explanation.HOWS:
        result[how] = compare_with_chance(classifier, readings, scores, by_chance, targets, how)
    return result | (measure_gaps(classifier, readings, targets) if method == "integrated gradients" else {})


def compare_with_chance(classifier, readings, scores, by_chance, targets, how: str) -> dict:
    """Mean and ends of the 95 % interval of both measures, and of their distance from what random scores reach."""
    result = {}
    for measure in (faithfulness.comprehensiveness, faithfulness.sufficiency):
        own, random = (measure(classifier, readings, values, targets, how) for values in (scores, by_chance))
        result[measure.__name__] = rounded(faithfulness.mean_interval(own))
        result[f"{measure.__name__}_less_random"] = rounded(faithfulness.mean_interval(own - random))
    return result


def measure_gaps(classifier: models.Classifier, readings: Sequence, targets: np.ndarray) -> dict:
    """The median gap of integrated gradients' completeness for each number of steps, a share."""
    gaps = {steps: explanation.completeness_gap(classifier, readings, targets, steps) for steps in STEPS}
    return {"median_gap": {str(steps): round(float(np.median(gap)), 5) for steps, gap in gaps.items()}}


# ---- a word is planted


def planted_point(configuration: dict, classifier: models.Classifier, splits: dict) -> dict:
    """Train the classifier on until planted words decide; then in what share each method ranks the planted word first.

    Stored as well: its accuracy with the planted words, and on the same texts before they were planted. The labels do not
    depend on the texts, so the second one is about a half by chance, and the first can come near 1 by the words alone.
    """
    seed = configuration["seed"]
    trained = faithfulness.copy(classifier)
    frames = {
        "train": splits["train"].sample(configuration["trained_on"], random_state=seed),
        "validation": splits["validation"],
        "test": choose_reviews(splits["test"], configuration["reviews"], seed),
    }
    planted = {split: faithfulness.plant(frame, PLANTED, seed) for split, frame in frames.items()}
    pairs = [(planted[split]["text"].tolist(), planted[split]["label"].to_numpy()) for split in ("train", "validation")]
    recipe = finetuning.Recipe(configuration["epochs"], learning_rate=configuration["learning_rate"], seed=seed)
    finetuning.fine_tune(trained, *pairs, recipe)
    labels = planted["test"]["label"].to_numpy()
    accuracies = {
        name: round(evaluation.accuracy(labels, finetuning.predict_proba(trained, frame["text"].tolist())), 4)
        for name, frame in (("accuracy", planted["test"]), ("accuracy_without", frames["test"]))
    }
    return {**accuracies, "found_first": find_planted(trained, planted["test"]["text"].tolist(), labels)}


def find_planted(classifier: models.Classifier, texts: Sequence[str], labels: np.ndarray) -> dict[str, float]:
    """Method -> share of the texts in which it ranks the planted word first, as a reason for the label that it decides."""
    readings, found = explanation.read(classifier, texts), {}
    for method in (*explanation.METHODS, "random"):
        scores = score(method, classifier, readings, labels)
        found[method] = round(faithfulness.found_first(readings, scores, PLANTED), 4)
    return found


# ---- weights are shuffled


@functools.cache
def copied(classifier: models.Classifier) -> models.Classifier:
    """One copy for all points: what is compiled for it serves again, whatever weights it is given."""
    return faithfulness.copy(classifier)


def shuffled_point(configuration: dict, classifier: models.Classifier, splits: dict) -> dict:
    """How much a method's explanations stay the same when head, head and top layers, or everything is shuffled.

    `agreement`: number of layers ("all": embeddings, too) -> mean rank agreement with the original, ends of its interval.
    The class explained is the one that the original predicts.
    """
    method, other = configuration["method"], copied(classifier)
    texts = choose_reviews(splits["test"], configuration["reviews"])["text"].tolist()
    readings = explanation.read(classifier, texts)
    targets = explanation.predict(classifier, readings).argmax(axis=1)
    original, agreement = score(method, classifier, readings, targets), {}
    for layers in (*range(len(faithfulness.transformer_layers(classifier)) + 1), "all"):
        values = faithfulness.shuffled_values(classifier, layers, configuration["seed"])
        finetuning.assign(other.model.variables, values)
        found = faithfulness.rank_agreement(original, score(method, other, readings, targets))
        agreement[str(layers)] = rounded(faithfulness.mean_interval(found[np.isfinite(found)]))
    return {"agreement": agreement}


# ---- what the layers hold


def layers_point(configuration: dict, classifier: models.Classifier, splits: dict) -> dict:
    """What each layer's mean vectors hold, before or after fine-tuning: lists with an item a layer, embeddings first.

    Probes learn on the training reviews and are judged on the test; neighbours and components are those of the test.
    """
    read = classifier if configuration["fine_tuned"] else models.make_classifier()
    train, test = splits["train"], splits["test"]
    vectors = [surrogates.layer_vectors(read, frame["text"].tolist()) for frame in (train, test)]
    labels = [frame["label"].to_numpy() for frame in (train, test)]
    known = (test["domain"] != "unknown").to_numpy()
    domains = test["domain"][known].astype("category").cat.codes.to_numpy()
    rows = [describe_layer(*pair, *labels, known, domains) for pair in zip(*vectors, strict=True)]
    by_layer = {name: rounded(row[name] for row in rows) for name in rows[0]}
    chances = {"class_chance": repeat_share(labels[1]), "domain_chance": repeat_share(domains)}
    return {**by_layer, **chances, "texts": len(test), "texts_of_known_domain": int(known.sum())}


def describe_layer(train_vectors, test_vectors, train_labels, test_labels, known, domains) -> dict[str, float]:
    """Probe's accuracy, shares of 15 neighbours of the same class and domain, share of variance of two components."""
    return {
        "probe": surrogates.probe(train_vectors, train_labels, test_vectors, test_labels),
        "class_share": surrogates.neighbour_share(test_vectors, test_labels),
        "domain_share": surrogates.neighbour_share(test_vectors[known], domains),
        "variance_of_first": surrogates.principal_components(test_vectors, 2)[1][0],
        "variance_of_two": surrogates.principal_components(test_vectors, 2)[1].sum(),
    }


def repeat_share(labels: np.ndarray) -> float:
    """Chance that two texts drawn at random have the same label: what a neighbour share is without any nearness."""
    return round(float(((np.bincount(labels) / len(labels)) ** 2).sum()), 4)


# ---- readable models


def surrogates_point(configuration: dict, classifier: models.Classifier, splits: dict) -> dict:
    """A readable model: its fidelity and accuracy on the test, and its distance from the model and from labels alone.

    `right` has a digit a test text. Each interval: share or difference, and its ends.
    """
    test, labels = splits["test"], splits["test"]["label"].to_numpy()
    answers = predict_readable(configuration, classifier, splits)
    theirs = logits_of(classifier, tuple(test["text"])).argmax(axis=1)
    by_labels = predict_readable(BY_LABELS, classifier, splits)
    right = answers == labels
    return {
        "fidelity": rounded(surrogates.fidelity(answers, theirs)),
        "accuracy": rounded([right.mean(), *evaluation.accuracy_interval(labels, np.eye(2)[answers])]),
        "less_the_model": difference(labels, answers, theirs),
        "less_labels_only": difference(labels, answers, by_labels),
        "right": "".join(map(str, right.astype(int))),
    }


def predict_readable(configuration: dict, classifier: models.Classifier, splits: dict) -> np.ndarray:
    """Fit the readable model of a configuration; its answers on the test, int (texts,)."""
    frame = pd.concat([splits[name] for name in configuration["texts"]])
    texts, test = tuple(frame["text"]), splits["test"]["text"].tolist()
    if configuration["learns"] == "labels":
        return words.bag_of_words().fit(texts, frame["label"]).predict(test)
    logits = logits_of(classifier, texts)
    if configuration["model"] == "linear":
        return surrogates.fit_linear(texts, logits).predict(test)
    return surrogates.fit_tree(texts, logits.argmax(axis=1), configuration["depth"]).predict(test)


@functools.cache
def logits_of(classifier: models.Classifier, texts: tuple[str, ...]) -> np.ndarray:
    """The classifier's logits, float32 (texts, classes), computed once in a process."""
    return finetuning.predict_outputs(classifier.model, classifier, texts)


def difference(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> list[float]:
    """Accuracy of the first answers less that of the second, and the ends of its interval; all int (texts,)."""
    gain = float(np.mean(first == labels) - np.mean(second == labels))
    return rounded([gain, *evaluation.difference_interval(labels, np.eye(2)[first], np.eye(2)[second])])


# ---- all of them

MAKERS = {  # kind of a configuration -> the function that makes its point, from the classifier and the splits
    "faithfulness": faithfulness_point,
    "planted": planted_point,
    "shuffled": shuffled_point,
    "layers": layers_point,
    "surrogates": surrogates_point,
}


def describe_inputs(splits: dict) -> dict:
    """What all points depend on: the data, the backbone, and the recipe of the classifier."""
    hashes = {name: data.content_hash(splits[name]) for name in sorted(splits)}
    return hashes | {"backbone": models.MINILM, "recipe": finetuning.Recipe().facts()}


def roots_of(name: str) -> set:
    """The code that an experiment's points come from, for `code_hash.code_of`."""
    kinds = {configuration["kind"] for configuration in EXPERIMENTS[name]}
    return {"helpers.models.FILE_HASHES", load_classifier} | {MAKERS[kind] for kind in kinds}


@functools.cache
def load_classifier() -> models.Classifier:
    """The course's classifier; trained (some minutes) where it is not there."""
    splits, _ = data.prepare_splits()
    return finetuning.load_or_fine_tune(splits["train"], splits["validation"])[0]


def run(names: Sequence[str] = tuple(EXPERIMENTS)) -> None:
    """Make the points of the named experiments that are not stored yet."""
    splits, _ = data.prepare_splits()
    inputs = describe_inputs(splits)
    for name in names:
        present = results.circumstances(inputs, roots_of(name), points.PACKAGES)
        points.complete(
            PREFIX + name, EXPERIMENTS[name], present, lambda c: MAKERS[c["kind"]](c, load_classifier(), splits)
        )
