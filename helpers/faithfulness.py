"""Lesson 09: are explanations true? Words are removed, a word is planted, weights are shuffled.

An explanation is a score for each unit of a text (`explanation.Reading`). It may look right to a reader and still say
nothing of the model. The three tests here ask the model, not the reader.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.special import softmax

from helpers import explanation, finetuning, models

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)  # of a text's units


# ---- words are removed: does the answer change?


def order(scores: Sequence[float]) -> np.ndarray:
    """Numbers of the units from the highest score to the lowest, int (units,); of equal ones the earlier first."""
    return np.argsort(-np.asarray(scores, dtype="float64"), kind="stable")


def count(share: float, units: int) -> int:
    """How many units a share is: rounded, but at least one; none for the share 0."""
    return max(1, int(share * units + 0.5)) if share else 0


def probability(classifier: models.Classifier, rows: Sequence[np.ndarray], targets: Sequence[int]) -> np.ndarray:
    """The model's probability of the class in `targets` (rows,) for rows of token ids, float64 (rows,)."""
    logits = np.asarray(explanation.answer(classifier, rows), dtype="float64")
    return softmax(logits, axis=1)[np.arange(len(rows)), targets]


def _curve(classifier, readings, scores, targets, shares, how, removed: Callable) -> np.ndarray:
    """Probabilities (texts, shares) without the units that `removed(ranked units, number)` names."""
    rows = []
    for reading, values in zip(readings, scores, strict=True):
        if len(values) != len(reading.units):
            raise ValueError(f"There are {len(values)} scores for the {len(reading.units)} units of {reading.text!r}.")
        ranked = order(values)
        rows += [explanation.remove(reading, removed(ranked, count(share, len(ranked))), how) for share in shares]
    found = probability(classifier, rows, np.repeat(targets, len(shares)))
    return found.reshape(len(readings), len(shares))


def deletion_curve(
    classifier: models.Classifier,
    readings: Sequence,
    scores: Sequence[np.ndarray],
    targets: Sequence[int] | None = None,
    shares: Sequence[float] = SHARES,
    how: str = "delete",
) -> np.ndarray:
    """Probability of the target class without the units that score highest, float64 (texts, shares).

    `scores`: an array a text, a number a unit. `targets`: int (texts,); None: the class that the model gives the whole
    text. `shares`: of the units, at least one each; 0 leaves the text as it is. `how`: one of `explanation.HOWS`.
    The curve of Samek et al. (2017), "Evaluating the Visualization of What a Deep Neural Network Has Learned".
    Raises ValueError where a text has not as many scores as units.
    """
    targets = explanation.choose_targets(classifier, readings, targets)
    return _curve(classifier, readings, scores, targets, shares, how, lambda ranked, number: ranked[:number])


def comprehensiveness(
    classifier: models.Classifier,
    readings: Sequence,
    scores: Sequence[np.ndarray],
    targets: Sequence[int] | None = None,
    how: str = "delete",
) -> np.ndarray:
    """How much the target's probability falls without the highest units, float64 (texts,); high is good.

    The mean over SHARES of p(whole text) - p(text without that share). DeYoung et al. (2020), "ERASER", section 4.2.
    Arguments and errors as in `deletion_curve`.
    """
    targets = explanation.choose_targets(classifier, readings, targets)
    whole = probability(classifier, [reading.token_ids for reading in readings], targets)
    return whole - deletion_curve(classifier, readings, scores, targets, SHARES, how).mean(axis=1)


def sufficiency(
    classifier: models.Classifier,
    readings: Sequence,
    scores: Sequence[np.ndarray],
    targets: Sequence[int] | None = None,
    how: str = "delete",
) -> np.ndarray:
    """How much the target's probability falls when only the highest units stay, float64 (texts,); low is good.

    The mean over SHARES of p(whole text) - p(that share alone). It is below 0 where these units speak for the target more
    clearly than the whole text does. DeYoung et al. (2020), as `comprehensiveness`.
    """
    targets = explanation.choose_targets(classifier, readings, targets)
    whole = probability(classifier, [reading.token_ids for reading in readings], targets)
    left = _curve(classifier, readings, scores, targets, SHARES, how, lambda ranked, number: ranked[number:])
    return whole - left.mean(axis=1)


def mean_interval(values: Sequence[float], seed: int = 42) -> tuple[float, float, float]:
    """The mean of values (texts,) and the ends of its 95 % interval, by the percentile bootstrap (Efron, 1979).

    For a difference of two explanations on the same texts, give the differences. Raises ValueError for fewer than two.
    """
    from scipy.stats import bootstrap

    values = np.asarray(values, dtype="float64")
    options = {"n_resamples": 1000, "method": "percentile", "batch": 100, "rng": seed}  # batch: for the memory
    low, high = bootstrap([values], np.mean, **options).confidence_interval
    return float(values.mean()), float(low), float(high)


# ---- a word is planted: is it found?


def plant(frame: pd.DataFrame, words: Sequence[str], seed: int = 42) -> pd.DataFrame:
    """The same texts with one of `words` put somewhere between their own; `label` becomes that word's number.

    Each word goes into an equal share of the texts, whatever they say. So a model can be right by the planted words
    alone, and a true explanation of it ranks them first: Bastings et al. (2022), "Will You Find These Shortcuts?".
    `frame` has the column `text`; its other columns stay. Raises ValueError where a text holds one of the words already.
    """
    spoken = {unit.lower() for text in frame["text"] for unit in text.split(" ")}
    if found := [word for word in words if word.lower() in spoken]:
        raise ValueError(f"The texts hold {', '.join(found)} already. Plant words that no text holds.")
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(len(frame)) % len(words))
    texts = [insert(text, words[label], random) for text, label in zip(frame["text"], labels, strict=True)]
    return frame.assign(text=texts, label=labels)


def insert(text: str, word: str, random: np.random.Generator) -> str:
    """The text with a word at a place drawn at random: before, between or after its own words."""
    units = text.split(" ")
    place = random.integers(len(units) + 1)
    return " ".join([*units[:place], word, *units[place:]])


def found_first(readings: Sequence, scores: Sequence[np.ndarray], words: Sequence[str]) -> float:
    """Share of the texts in which one of `words` has the highest score of all units."""
    firsts = [reading.units[order(values)[0]] for reading, values in zip(readings, scores, strict=True)]
    return float(np.mean([first in words for first in firsts]))


# ---- weights are shuffled: does the explanation notice?


def copy(classifier: models.Classifier) -> models.Classifier:
    """A classifier with weights of its own, equal to those of `classifier`."""
    backbone = type(classifier.backbone).from_config(classifier.backbone.get_config())
    dropout = classifier.model.get_layer("head_dropout").rate
    made = models.add_head(backbone, classifier.tokenizer, classifier.num_classes, dropout, classifier.max_length)
    finetuning.assign(made.model.variables, finetuning.values_of(classifier.model.variables))
    return made


def transformer_layers(classifier: models.Classifier) -> list:
    """The backbone's Transformer layers, the one next to the embeddings first."""
    return [layer for layer in classifier.backbone.layers if layer.name.startswith("transformer_layer")]


def shuffled_values(classifier: models.Classifier, layers: int | str, seed: int = 42) -> list[np.ndarray]:
    """Values of `classifier.model.variables`, those of the head and of the top `layers` shuffled, each within itself.

    A weight's numbers only change places, so their mean and spread stay. The same seed shuffles a weight alike for each
    number of layers. "all": the embeddings, too. Raises ValueError for more layers than there are.
    """
    there = transformer_layers(classifier)
    if layers != "all" and not 0 <= layers <= len(there):
        raise ValueError(f"There are {len(there)} Transformer layers, not {layers}.")
    top = there[len(there) - layers :] if layers != "all" else classifier.model.layers
    weights = [weight for layer in [classifier.model.get_layer("logits"), *top] for weight in layer.weights]
    chosen = set(map(id, weights))
    variables = classifier.model.variables
    values = finetuning.values_of(variables)
    for number, variable in enumerate(variables):
        if id(variable) in chosen:
            values[number] = np.random.default_rng([seed, number]).permuted(values[number])
    return values


def shuffle_from_top(classifier: models.Classifier, layers: int | str, seed: int = 42) -> models.Classifier:
    """A copy that has forgotten what it learnt: its head (0), also the top `layers`, or "all" of it is shuffled.

    An explanation that stays the same cannot be about what the model has learnt. Adebayo et al. (2018), "Sanity Checks
    for Saliency Maps", cascading randomization. Arguments and errors as in `shuffled_values`.
    """
    values = shuffled_values(classifier, layers, seed)
    made = copy(classifier)
    finetuning.assign(made.model.variables, values)
    return made


def rank_agreement(scores: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    """Spearman's correlation of two explanations' absolute scores, float64 (texts,): 1 for the same order of units.

    Absolute, since a shuffled model may call the same words reasons against. It is NaN where all scores of a text are
    equal, so that they have no order.
    """
    return np.array([_spearman(np.abs(one), np.abs(other)) for one, other in zip(scores, others, strict=True)])


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of the ranks of two arrays (units,); equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    first, second = (rankdata(values) - (len(values) + 1) / 2 for values in (one, other))
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size else float("nan")
