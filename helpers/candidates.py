"""Lesson 05: classifiers of the same texts, from the cheapest to full fine-tuning; the best on validation is kept."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import data, evaluation, finetuning, models, runtime, words

UNEVEN = 3  # the largest class has so many times the rows of the smallest: then weights are tried, and macro F1 chooses
LOOKS_A_CLASS = 1_000  # about so many texts of a class should have been read when training ends
MOST_EPOCHS = 12
MOST_LOOKS = 30_000  # texts read in all, unless three epochs are more: some minutes on two cores


def is_uneven(labels: np.ndarray) -> bool:
    """Whether the largest class has UNEVEN times as many rows as the smallest, or more."""
    counts = np.unique(labels, return_counts=True)[1]
    return bool(counts.max() >= UNEVEN * counts.min())


def choose_epochs(rows: int, num_classes: int) -> int:
    """Times that a model should see `rows` training texts: 3, and more where a class has few of them.

    Each class gets about LOOKS_A_CLASS readings, within MOST_EPOCHS and MOST_LOOKS. Training stops sooner where validation
    no longer improves.
    """
    wanted = math.ceil(LOOKS_A_CLASS * num_classes / rows)
    affordable = MOST_LOOKS // rows
    return max(3, min(wanted, affordable, MOST_EPOCHS))


def make_recipe(
    profile: runtime.Profile,
    train: pd.DataFrame,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    seed: int = 42,
) -> finetuning.Recipe:
    """The recipe for some training rows (columns text and label); what is None follows from them and the profile."""
    labels = train["label"].to_numpy()
    return finetuning.Recipe(
        epochs=epochs or choose_epochs(len(train), len(np.unique(labels))),
        batch_size=batch_size or profile.batch_size,
        learning_rate=learning_rate or profile.learning_rate,
        max_length=profile.max_length,
        by_macro_f1=is_uneven(labels),
        seed=seed,
    )


Examples = tuple[np.ndarray, np.ndarray]  # features (texts, width) and labels (texts,)


def settle_weights(recipe: finetuning.Recipe, train: Examples, validation: Examples) -> finetuning.Recipe:
    """The recipe with class weights, where classes are uneven and weights help a frozen head on validation (macro F1)."""
    if not is_uneven(train[1]):
        return recipe
    found = {}
    for weights in (False, True):
        head = finetuning.fit_frozen_head(*train, class_weights=weights)
        found[weights] = evaluation.macro_f1(validation[1], head.predict_proba(validation[0]))
    return replace(recipe, class_weights=found[True] > found[False])


def fit_bag_of_words(train: pd.DataFrame, validation: pd.DataFrame) -> tuple[object, str]:
    """The bag of words that is best on validation by macro F1, and what it counts (one of `words.KINDS`).

    Where classes are uneven, each kind is also fitted with class weights. Where macro F1 is equal, the lower log loss decides:
    what is surer of the same answers has more to go by.
    """
    best, found = (-1.0, 0.0), None
    labels = validation["label"].to_numpy()
    for kind in words.KINDS:
        if kind == "words" and not any(map(re.compile(words.WORD).search, train["text"])):
            continue  # texts of emoji or single characters: no word to count
        for weights in (False, True)[: 1 + is_uneven(train["label"].to_numpy())]:
            model = words.bag_of_words(kind=kind, class_weights=weights).fit(train["text"], train["label"])
            scores = evaluation.scores(labels, model.predict_proba(validation["text"]))
            quality = scores["f1"], -scores["log_loss"]
            if quality > best:
                best, found = quality, (model, kind)
    return found


def head_of(classifier: models.Classifier) -> list:
    """The variables of a classifier's last layer: kernel (width, classes), bias (classes,)."""
    layer = classifier.model.get_layer("logits")
    return [layer.kernel, layer.bias]


def put_head(classifier: models.Classifier, regression) -> None:
    """Give the classifier's last layer the weights of `finetuning.fit_frozen_head`, the scaling of features taken in.

    Then its softmax is the regression's `predict_proba`, up to rounding. For two classes scikit-learn keeps one row of
    weights; the other class's are 0.
    """
    scaler, logistic = regression
    weights, biases = logistic.coef_, logistic.intercept_
    if len(weights) == 1:
        weights, biases = np.vstack([0 * weights, weights]), np.append(0, biases)
    kernel = (weights / scaler.scale_).T
    finetuning.assign(head_of(classifier), [kernel, biases - scaler.mean_ @ kernel])


NAMES = ("bag of words", "frozen", "full")  # where both scores are equal the first, the cheapest, is taken


@dataclass(frozen=True)
class Chosen:
    """The best of the candidates. `scores`: a row a candidate, `accuracy` and `macro F1` on the validation texts.

    `classifier` is the better of "frozen" and "full": what the exports are made of. `bag_of_words` is the better of its
    kinds, `counts` what it counts. `key`: 12 hex digits of all that decided it.
    """

    name: str
    scores: pd.DataFrame
    classifier: models.Classifier
    bag_of_words: object
    counts: str
    recipe: finetuning.Recipe
    key: str

    def predict_proba(self, texts) -> np.ndarray:
        """Probability of each class by the best candidate, float64 (texts, classes)."""
        if self.name == "bag of words":
            return self.bag_of_words.predict_proba(list(texts))
        return finetuning.predict_proba(self.classifier, list(texts))

    def describe(self) -> str:
        """The best candidate in words, with its scores beside the next best's and the majority's."""
        kind = f" ({self.counts})" if self.name == "bag of words" else ""
        others = self.scores.drop(index=self.name).sort_values("macro F1", ascending=False)
        said = [f"{name} {100 * row['macro F1']:.1f} %" for name, row in others.iterrows()]
        best = self.scores.loc[self.name]
        return (
            f"Best on validation: {self.name}{kind}, macro F1 {100 * best['macro F1']:.1f} %, accuracy "
            f"{100 * best['accuracy']:.1f} %. Macro F1 of the others: {', '.join(said)}."
        )


def score(labels: np.ndarray, answers: dict[str, np.ndarray]) -> pd.DataFrame:
    """Accuracy and macro F1 of each candidate's probabilities (texts, classes)."""
    rows = {
        name: {"accuracy": evaluation.accuracy(labels, found), "macro F1": evaluation.macro_f1(labels, found)}
        for name, found in answers.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def fit_frozen(
    classifier: models.Classifier,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    recipe: finetuning.Recipe,
    features=None,
) -> tuple[finetuning.Recipe, np.ndarray]:
    """Give a classifier with an untrained head the head that is fitted on its frozen features.

    Returns the recipe with its class weights settled (`settle_weights`), and the validation texts' probabilities (texts,
    classes). `features`: what `finetuning.mean_features` gives for training and validation texts, if that is known already.
    """
    sides = (train, validation)
    vectors = features or [finetuning.mean_features(classifier, side["text"].tolist()) for side in sides]
    parts = [(part, side["label"].to_numpy()) for part, side in zip(vectors, sides, strict=True)]
    settled = settle_weights(recipe, *parts)
    regression = finetuning.fit_frozen_head(*parts[0], class_weights=settled.class_weights)
    put_head(classifier, regression)
    return settled, regression.predict_proba(parts[1][0])


def _fit_all(folder: Path, train, validation, recipe, source, num_classes, features) -> None:
    """Fit what is cheap, fine-tune (or load that), compare; write what `_load` needs to a folder."""
    bag_of_words, kind = fit_bag_of_words(train, validation)
    words.write_bag_of_words(bag_of_words, kind, folder)
    frozen = models.make_classifier(source, num_classes, recipe.seed, recipe.max_length)
    settled, by_frozen = fit_frozen(frozen, train, validation, recipe, features)
    finetuning.save_arrays(folder / "frozen_head.npz", finetuning.values_of(head_of(frozen)), {})
    full, _ = finetuning.load_or_fine_tune(train, validation, settled, source, num_classes)
    answers = {
        "majority": evaluation.majority(train["label"].to_numpy(), len(validation), num_classes),
        "bag of words": bag_of_words.predict_proba(validation["text"]),
        "frozen": by_frozen,
        "full": finetuning.predict_proba(full, validation["text"].tolist()),
    }
    score(validation["label"].to_numpy(), answers).to_csv(folder / "scores.csv")
    facts = {"counts": kind, "class_weights": settled.class_weights}
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def load_or_choose(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    recipe: finetuning.Recipe = finetuning.Recipe(),
    source: str | Path = models.MINILM,
    num_classes: int = 2,
    features: Sequence[np.ndarray] | None = None,
    remake: bool = False,
) -> Chosen:
    """Fit the candidates, or load them: an artifact that lesson 05 makes and others load.

    Arguments as in `finetuning.load_or_fine_tune`, and `features` as in `fit_frozen`, which settles the class weights.
    Raises ValueError where a class has no training text.
    """
    if missing := sorted(set(range(num_classes)) - set(train["label"])):
        raise ValueError(f"No training text has the labels {missing}: take more rows (train_limit), or leave them out.")
    given = (train, validation, recipe, source, num_classes)
    inputs = {"recipe": recipe.facts(), "source": str(source), "num_classes": num_classes}
    inputs |= {"train": data.content_hash(train), "validation": data.content_hash(validation)}

    def make(folder: Path) -> None:
        """Fit all of them."""
        _fit_all(folder, *given, features)

    return _load(runtime.artifact("candidates", make, inputs, [Path(__file__)], remake), *given)


def _load(folder: Path, train, validation, recipe, source, num_classes) -> Chosen:
    """What `load_or_choose` gives, from the artifact's folder."""
    scores = pd.read_csv(folder / "scores.csv", index_col=0)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    recipe = replace(recipe, class_weights=facts["class_weights"])
    by_quality = scores.loc[list(NAMES)].sort_values(["macro F1", "accuracy"], ascending=False, kind="stable")
    better = next(name for name in by_quality.index if name != "bag of words")
    if better == "full":
        classifier, _ = finetuning.load_or_fine_tune(train, validation, recipe, source, num_classes)
    else:
        classifier = models.make_classifier(source, num_classes, recipe.seed, recipe.max_length)
        finetuning.assign(head_of(classifier), finetuning.load_arrays(folder / "frozen_head.npz")[0])
    bag_of_words, key = words.read_bag_of_words(folder), folder.name.split("-")[1][:12]
    return Chosen(by_quality.index[0], scores, classifier, bag_of_words, facts["counts"], recipe, key)


def model_folder(chosen: Chosen, data_name: str) -> Path:
    """Where a model's exports belong: artifacts/models/NAME-HASH, the data's name and the first digits of the key."""
    name = re.sub(r"[^\w.-]+", "_", data_name).strip("._")[:80] or "data"
    return runtime.artifacts_folder() / "models" / f"{name}-{chosen.key[:8]}"
