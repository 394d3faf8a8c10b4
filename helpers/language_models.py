"""Lesson 04: how good a language model is: beside models that count, by what it says, and how loss falls with size."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from scipy import stats
from scipy.special import log_softmax, softmax

from helpers import models
from helpers.corpus import Tokens
from helpers.pretraining import Size, TokenBatches, check_vocabulary, make_batches
from helpers.wordpiece import SPECIAL

JUDGED = 20  # batches of held-out text on which a loss is measured
RIVALS = {  # models that count, by objective
    "masked": ("unigram", "neighbours"),
    "causal": ("unigram", "bigram"),
    "denoising": ("unigram",),
}
Score = Callable[[dict[str, np.ndarray], np.ndarray], np.ndarray]  # (inputs, targets) -> log probability of each target


# ---- losses on held-out text


def measure_losses(score: Score, batches: TokenBatches, steps: int) -> np.ndarray:
    """-log(probability) in nats of each target that has a weight, in the first `steps` batches, float64 (targets,).

    `score` is that of a model (`make_score`) or of counts (a method of NeighbourCounts).
    """
    batches.first, found = 0, []
    for step in range(steps):
        inputs, targets, weights = batches[step]
        found.append(-score(inputs, targets)[weights > 0])
    return np.concatenate(found).astype("float64")


def make_score(model: keras.Model) -> Score:
    """The score of a trained model, for `measure_losses`."""

    def score(inputs, targets):
        """Logarithm of each target's probability, float32, of the targets' shape."""
        logs = log_softmax(model.predict_on_batch(inputs).astype("float32"), axis=-1)
        return np.take_along_axis(logs, targets[..., None], axis=-1)[..., 0]

    return score


def measure_held_out_losses(
    objective: str, model: keras.Model | None, train: Tokens, held_out: Tokens, size: Size = Size(), steps: int = JUDGED
) -> dict[str, float]:
    """Mean loss on held-out text, in nats a target: "model" (left out for None) and its RIVALS, all on the same targets.

    The rivals count in `train`. Each token that a masked model is to predict is hidden, so that none can be copied.
    """
    batches = make_batches(objective, held_out, size, seed=0, judge=True)
    counts = NeighbourCounts(train.ids, len(train.vocabulary))
    scores = {"model": make_score(model)} if model is not None else {}
    scores |= {name: getattr(counts, f"{name}_score") for name in RIVALS[objective]}
    steps = min(steps, batches.steps_an_epoch)
    return {name: float(measure_losses(score, batches, steps).mean()) for name, score in scores.items()}


# ---- models that count


class NeighbourCounts:
    """Probabilities of a token from counts in a flat array of ids: of itself, of pairs, and of both neighbours.

    Unigram: (count + 1) / (number of ids + size of the vocabulary). All others are (count + k p(token)) / (count of the
    context + k), where p is the next simpler model: they count as if p had been seen k times (MacKay and Peto, 1995).
    Ids are int arrays, probabilities float64 arrays of the same shape.
    """

    def __init__(self, ids: np.ndarray, vocabulary_size: int, k: float = 20.0):
        self.size, self.k, ids = vocabulary_size, k, np.asarray(ids, dtype="int64")
        counted = np.bincount(ids, minlength=vocabulary_size)
        self.single = (counted + 1) / (len(ids) + vocabulary_size)
        self.as_left = np.bincount(ids[:-1], minlength=vocabulary_size)
        self.as_right = np.bincount(ids[1:], minlength=vocabulary_size)
        self.pairs = np.unique(self._key(ids[:-1], ids[1:]), return_counts=True)
        self.gaps = np.unique(self._key(ids[:-2], ids[2:]), return_counts=True)
        self.triples = np.unique(self._key(ids[:-2], ids[1:-1], ids[2:]), return_counts=True)

    def _key(self, first, *others) -> np.ndarray:
        """One int64 number for each sequence of tokens."""
        key = np.asarray(first, dtype="int64")
        for token in others:
            key = key * self.size + token
        return key

    def _seen(self, counts, *tokens) -> np.ndarray:
        """How often each sequence was counted; 0 for one never seen."""
        (keys, numbers), wanted = counts, self._key(*tokens)
        places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
        return np.where(keys[places] == wanted, numbers[places], 0)

    def _shrunk(self, seen, context, simpler) -> np.ndarray:
        return (seen + self.k * simpler) / (context + self.k)

    def after(self, left, token) -> np.ndarray:
        """p(token | the token before it): the bigram model."""
        return self._shrunk(self._seen(self.pairs, left, token), self.as_left[left], self.single[token])

    def before(self, token, right) -> np.ndarray:
        """p(token | the token after it)."""
        return self._shrunk(self._seen(self.pairs, token, right), self.as_right[right], self.single[token])

    def between(self, left, token, right) -> np.ndarray:
        """p(token | both neighbours), shrunk to the mean of `after` and `before`."""
        simpler = (self.after(left, token) + self.before(token, right)) / 2
        return self._shrunk(self._seen(self.triples, left, token, right), self._seen(self.gaps, left, right), simpler)

    def unigram_score(self, inputs, targets) -> np.ndarray:
        """Score for `measure_losses`, for all three tasks."""
        return np.log(self.single[targets])

    def bigram_score(self, inputs, targets) -> np.ndarray:
        """Score for the causal task: each target follows the input at its place."""
        return np.log(self.after(inputs["token_ids"], targets))

    def neighbours_score(self, inputs, targets) -> np.ndarray:
        """Score for the masked task: neighbours as the model sees them. A masked neighbour was never counted."""
        ids, places = inputs["token_ids"], inputs["mask_positions"]
        left = np.take_along_axis(ids, np.maximum(places - 1, 0), 1)
        right = np.take_along_axis(ids, np.minimum(places + 1, ids.shape[1] - 1), 1)
        return np.log(self.between(left, targets, right))


# ---- how loss falls with size


@dataclass(frozen=True)
class PowerLaw:
    """loss = a * n ** -b, fitted by least squares of logarithms; `covariance` is that of (log a, -b)."""

    a: float
    b: float
    covariance: np.ndarray
    freedom: int  # points less two
    noise: float  # variance of one point's log loss

    def at(self, n: float) -> tuple[float, float, float]:
        """Loss at n and the ends of the interval that holds a new run's in 95 of 100 cases, if the law goes on so far."""
        x = np.array([1.0, np.log(n)])
        middle = np.log(self.a) - self.b * x[1]
        reach = stats.t.ppf(0.975, self.freedom) * np.sqrt(x @ self.covariance @ x + self.noise)
        return tuple(float(value) for value in np.exp([middle, middle - reach, middle + reach]))

    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of the exponent b."""
        reach = stats.t.ppf(0.975, self.freedom) * np.sqrt(self.covariance[1, 1])
        return float(self.b - reach), float(self.b + reach)


def fit_power_law(n: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """Fit a straight line through (log n, log loss). Raises ValueError for fewer than three sizes or values not above 0."""
    n, losses = np.asarray(n, dtype="float64"), np.asarray(losses, dtype="float64")
    if len(np.unique(n)) < 3 or (n <= 0).any() or (losses <= 0).any():
        raise ValueError("A power law with its uncertainty takes three different sizes or more, and values above 0.")
    x = np.stack([np.ones_like(n), np.log(n)], axis=1)
    solution, *_ = np.linalg.lstsq(x, np.log(losses), rcond=None)
    noise = float(np.sum((np.log(losses) - x @ solution) ** 2) / (len(n) - 2))
    covariance = noise * np.linalg.inv(x.T @ x)
    return PowerLaw(float(np.exp(solution[0])), float(-solution[1]), covariance, len(n) - 2, noise)


# ---- what a pre-trained model says


def fill_blanks(
    model: keras.Model, tokenizer, text: str, number: int = 5, limit: int = Size.sequence_length
) -> list[list[tuple[str, float]]]:
    """For each "[MASK]" in the text, the `number` likeliest pieces with their probabilities, the likeliest first.

    Raises ValueError when the text has no blank or more than `limit` tokens, and for a vocabulary that does not fit.
    """
    check_vocabulary(model, tokenizer.vocabulary_size())
    ids = _ids_with_blanks(tokenizer, text)
    places = np.flatnonzero(ids == tokenizer.mask_token_id)
    if not len(places) or len(ids) > limit:
        raise ValueError(f"It takes a text with [MASK] in it and at most {limit} tokens; this has {len(ids)}.")
    inputs = models.inputs_of(ids[None], np.ones_like(ids[None])) | {"mask_positions": places[None].astype("int32")}
    probabilities = softmax(model.predict_on_batch(inputs)[0].astype("float64"), axis=-1)
    best = np.argsort(-probabilities, axis=-1)[:, :number]
    rows = zip(probabilities, best, strict=True)
    return [[(tokenizer.id_to_token(int(i)), float(row[i])) for i in some] for row, some in rows]


def _ids_with_blanks(tokenizer, text: str) -> np.ndarray:
    """Token ids, int32 (length,), of a text in which "[MASK]" stands for the mask."""
    first, *others = (ids[1:-1] for ids in models.token_ids(tokenizer, text.split("[MASK]"), sys.maxsize))
    ids = [tokenizer.cls_token_id, *first]
    for part in others:
        ids += [tokenizer.mask_token_id, *part]
    return np.array([*ids, tokenizer.sep_token_id], dtype="int32")


def continue_text(
    model: keras.Model,
    tokenizer,
    text: str,
    tokens: int = 20,
    temperature: float = 1.0,
    seed: int = 42,
    limit: int = Size.sequence_length,
) -> str:
    """The text and up to `tokens` more, drawn one at a time; temperature 0 takes the likeliest. It ends at [SEP].

    The model sees the last tokens of what is there, at most one fewer than `limit`, as in training. Raises ValueError
    for a vocabulary that does not fit.
    """
    check_vocabulary(model, tokenizer.vocabulary_size())
    random = np.random.default_rng(seed)
    ids = models.token_ids(tokenizer, [text], sys.maxsize)[0][:-1].tolist()
    never = [tokenizer.token_to_id(piece) for piece in SPECIAL if piece != "[SEP]"]
    for _ in range(tokens):
        logits = _logits_after(model, ids, limit - 1, tokenizer.pad_token_id)
        logits[never] = -np.inf
        ids.append(_draw(logits, temperature, random))
        if ids[-1] == tokenizer.sep_token_id:
            break
    pieces = [tokenizer.id_to_token(i) for i in ids[1:] if i != tokenizer.sep_token_id]
    return " ".join(pieces).replace(" ##", "")


def _logits_after(model: keras.Model, ids: Sequence[int], length: int, pad_id: int) -> np.ndarray:
    """Logits of the token after the last of `ids`, float64 (vocabulary,); all inputs have one length: one graph."""
    seen = np.asarray(ids[-length:], dtype="int32")
    row = np.full((1, length), pad_id, dtype="int32")
    row[0, : len(seen)] = seen
    mask = (np.arange(length) < len(seen))[None].astype("int32")
    logits = model.predict_on_batch({"token_ids": row, "padding_mask": mask})
    return logits[0, len(seen) - 1].astype("float64")


def _draw(logits: np.ndarray, temperature: float, random: np.random.Generator) -> int:
    """A token's id, drawn with the probabilities at a temperature; at 0 one of the likeliest."""
    probabilities = softmax(logits / temperature) if temperature else logits == logits.max()
    return int(random.choice(len(logits), p=probabilities / probabilities.sum()))
