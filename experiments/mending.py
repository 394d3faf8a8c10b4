"""The experiments of lesson 09 on behaviour: why "The film was great." is called negative, and what mends it.

Each point is a training with the default recipe on other texts, judged on sentences that nothing was trained on, on the
changes of lesson 09, and on the test reviews. The mend was chosen by the sets "shown" and "tuning" and by validation.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import points
import results

from helpers import behaviour, data, evaluation, finetuning, models, runtime

PREFIX = "explanation_"
SEEDS = (42, 1, 2)
PLAIN = runtime.COURSE / "data" / "plain_sentences.csv"  # columns sentence and label
SETS = ("shown", "tuning", "held out", "held out, flat", "negation")
CHANGED_REVIEWS = 400  # of the test reviews; each is changed in each way of KINDS
KINDS = ("direction", "names", "neutral sentence", "one typo", "three typos", "numbers", "length", "capitals", "spaces")
PAST = r"\b(?:was|were)\b"
FRAME = r"^(?:The|the) \w+ (?:was|were)\b"


def point(texts: str, seed: int) -> dict:
    """A configuration: which texts the classifier learns from, and the seed."""
    return {"texts": texts, "seed": seed}


EXPERIMENTS = {
    "mend": [point(texts, seed) for seed in SEEDS for texts in ("reviews", "and plain sentences")],
    "cause": [
        point(texts, seed) for seed in SEEDS[:2] for texts in ("less past in complaints", "fewer other complaints")
    ],
}


def read_plain() -> pd.DataFrame:
    """The plain sentences to learn from, columns `text` and `label`."""
    return pd.read_csv(PLAIN).rename(columns={"sentence": "text"})


def choose_texts(texts: str, train: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The training rows (text, label) of a configuration."""
    if texts == "reviews":
        return train
    if texts == "and plain sentences":
        return pd.concat([train[["text", "label"]], read_plain()], ignore_index=True)
    dropped = surplus_complaints(train, seed)
    if texts == "less past in complaints":
        return train.drop(index=dropped)
    others = train[~train["text"].str.contains(PAST) & (train["label"] == 0)]
    return train.drop(index=others.sample(len(dropped), random_state=seed).index)


def surplus_complaints(train: pd.DataFrame, seed: int) -> list:
    """Index of the negative rows without which rows with "was" or "were" are positive as often as those without.

    The same holds then for the rows that begin with FRAME.
    """
    past, frame = (train["text"].str.contains(pattern) for pattern in (PAST, FRAME))
    share = train.loc[~past, "label"].mean()
    dropped = []
    for chosen in (frame, past & ~frame):
        complaints, praise = train[chosen & (train["label"] == 0)], train[chosen & (train["label"] == 1)]
        surplus = max(0, len(complaints) - round(len(praise) * (1 - share) / share))
        dropped += complaints.sample(surplus, random_state=seed).index.tolist()
    return dropped


def train_on(texts: str, seed: int, splits: dict) -> models.Classifier:
    """The default recipe on the texts of a configuration. Plain reviews: the artifact of lesson 05."""
    recipe = finetuning.Recipe(seed=seed)
    chosen = choose_texts(texts, splits["train"], seed)
    return finetuning.load_or_fine_tune(chosen, splits["validation"], recipe)[0]


def judge_point(configuration: dict, splits: dict) -> dict:
    """Train; then which sentences fail (counts of each set), which changes change answers, what the test reviews get."""
    classifier = train_on(**configuration, splits=splits)

    def predict(texts: Sequence[str]) -> np.ndarray:
        """The classifier's probabilities."""
        return finetuning.predict_proba(classifier, list(texts))

    failed = {}
    for name in SETS:
        found = behaviour.run(predict, behaviour.load_cases(name))
        failed[name] = {"cases": len(found), "failed": int(found["failed"].sum())}
    reviews = splits["test"].sample(CHANGED_REVIEWS, random_state=42)["text"].tolist()
    summary = behaviour.summarise(behaviour.run(predict, behaviour.make_cases(reviews, KINDS)))
    failed |= {row.kind: {"cases": row.cases, "failed": row.failed} for row in summary.itertuples()}
    return {"failed": failed} | compare_with_reviews(configuration, predict, splits)


def compare_with_reviews(configuration: dict, predict, splits: dict) -> dict:
    """Accuracy on validation and test, and on test its distance from the classifier of the reviews alone, with interval."""
    test = splits["test"]
    before = train_on("reviews", configuration["seed"], splits)
    labels, texts = test["label"].to_numpy(), test["text"].tolist()
    own, other = predict(texts), finetuning.predict_proba(before, texts)
    gain = evaluation.accuracy(labels, own) - evaluation.accuracy(labels, other)
    validation = splits["validation"]
    held = evaluation.accuracy(validation["label"].to_numpy(), predict(validation["text"]))
    values = {"validation": held, "test": evaluation.accuracy(labels, own), "gain": gain}
    low, high = evaluation.difference_interval(labels, own, other)
    return {name: round(float(value), 4) for name, value in (values | {"low": low, "high": high}).items()}


def describe_inputs(splits: dict) -> dict:
    """What all points depend on: reviews, sentences, the backbone and the recipe."""
    hashes = {name: data.content_hash(splits[name]) for name in ("train", "validation", "test")}
    hashes |= {path.name: runtime.file_hash(path) for path in (PLAIN, behaviour.TABLE)}
    return hashes | {"backbone": models.MINILM, "recipe": finetuning.Recipe().facts()}


def roots_of(name: str) -> set:
    """The code that an experiment's points come from, for `code_hash.code_of`."""
    return {"helpers.models.FILE_HASHES", judge_point}


def run(names: Sequence[str] = tuple(EXPERIMENTS)) -> None:
    """Make the points of the named experiments that are not stored yet."""
    splits, _ = data.prepare_splits()
    for name in names:
        present = results.circumstances(describe_inputs(splits), roots_of(name), points.PACKAGES)
        points.complete(PREFIX + name, EXPERIMENTS[name], present, lambda c: judge_point(c, splits))
