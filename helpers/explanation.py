"""Lesson 09: which words speak for an answer, by seven methods, computed by hand.

A text is read once into token ids. A unit is a word between spaces, or a single character of the scripts that BERT divides
by characters (Chinese). To remove a unit is to remove its token ids, or to put [MASK] in their place: texts are never glued
together again. A score is positive where its unit speaks for the target class. What is explained is the class's log-odds.
"""

import itertools
import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from scipy.special import logsumexp

from helpers import finetuning, models

HOWS = ("delete", "mask")  # ways of removing a unit
OUTSIDE = -1  # in `Reading.owner`: a token of no unit
ROWS_AT_ONCE = 32  # of interpolation, in a batch of gradients
Scores = list[np.ndarray]  # for each text, float64 (units,)


@dataclass(frozen=True)
class Reading:
    """A text as the model reads it: the first window of its tokens, and the units that they belong to.

    `token_ids`: int32 (tokens,), with [CLS] and [SEP]. `owner`: int (tokens,), each token's place in `units`, OUTSIDE for
    [CLS] and [SEP]. `mask_id`: the id of [MASK].
    """

    text: str
    units: tuple[str, ...]
    token_ids: np.ndarray
    owner: np.ndarray
    mask_id: int


# ---- from texts to units, and back to token ids


def read(classifier: models.Classifier, texts: Sequence[str]) -> list[Reading]:
    """Each text's tokens, those of `models.token_ids` up to the classifier's window, and their units.

    A unit is left out where none of its tokens is read: beyond the window, or made of characters that BERT drops.
    """
    return [_read_one(classifier, text) for text in texts]


def _read_one(classifier: models.Classifier, text: str) -> Reading:
    """The reading of one text."""
    tokenizer, reference = classifier.tokenizer, models.reference_of(classifier.tokenizer)
    encoding, room = reference.encode(text, add_special_tokens=False), classifier.window - 2
    ids = [tokenizer.cls_token_id, *encoding.ids[:room], tokenizer.sep_token_id]
    numbers = number_units(text, reference)
    starts = [start for start, _ in encoding.offsets[:room]]  # where in the text each token begins
    kept, owner = np.unique(numbers[starts], return_inverse=True)
    first, end = np.searchsorted(numbers, kept), np.searchsorted(numbers, kept, side="right")
    units = tuple(text[start:stop] for start, stop in zip(first, end, strict=True))
    framed = np.array([OUTSIDE, *owner, OUTSIDE])
    return Reading(text, units, np.array(ids, dtype="int32"), framed, tokenizer.mask_token_id)


def number_units(text: str, reference) -> np.ndarray:
    """The number of the unit that each character of a text belongs to, ascending, int (characters,).

    `reference`: a `tokenizers.Tokenizer`. Its normalizer puts spaces around a character that is a word of its own, and makes
    one of each kind of space. Spaces are numbered too; no token begins there.
    """
    seen = {character: reference.normalizer.normalize_str(character) for character in set(text)}
    alone = np.array([seen[character].startswith(" ") for character in text], dtype=bool)
    begins = alone.copy()
    begins[1:] |= alone[:-1]  # what follows a space or a Chinese character is a new unit
    return np.cumsum(begins)


def remove(reading: Reading, units: Iterable[int], how: str = "delete") -> np.ndarray:
    """Token ids without some units (their places in `reading.units`): deleted, or with [MASK] for each token; int32.

    Raises ValueError for another `how` than HOWS names.
    """
    if how not in HOWS:
        raise ValueError(f"Units are removed by one of {HOWS}, not by {how!r}.")
    gone = np.isin(reading.owner, list(units))
    if how == "delete":
        return reading.token_ids[~gone]
    return np.where(gone, reading.mask_id, reading.token_ids).astype("int32")


def sum_by_unit(reading: Reading, values: np.ndarray) -> np.ndarray:
    """The sum of the tokens' values, float (tokens,), over each unit's tokens: float64 (units,)."""
    inside = reading.owner != OUTSIDE
    return np.bincount(reading.owner[inside], values[inside], minlength=len(reading.units)).astype("float64")


# ---- what the model answers


def log_odds(logits: np.ndarray, targets) -> np.ndarray:
    """ln(p / (1 - p)) of the target class, float64 (texts,), from logits (texts, classes).

    `targets`: int (texts,), or one class for all. It is the target's logit less the logarithm of the sum of the others'
    exponentials; for two classes, the difference of the logits. Unlike a probability it does not crowd near 0 and 1.
    """
    logits = np.asarray(logits, dtype="float64")
    target = np.arange(logits.shape[1]) == np.broadcast_to(targets, len(logits))[:, None]
    return logits[target] - logsumexp(np.where(target, -np.inf, logits), axis=1)


def answer(classifier: models.Classifier, rows: Sequence[np.ndarray]) -> np.ndarray:
    """Logits of rows of token ids, float32 (rows, classes). Equal rows are computed once."""
    if not len(rows):
        return np.empty((0, classifier.num_classes), dtype="float32")
    device, different = finetuning.this_device(), {row.tobytes(): row for row in rows}
    place, given = {name: number for number, name in enumerate(different)}, list(different.values())
    if device.compiles:  # it would compile another number of rows anew: short ones fill the batches up
        given += [min(given, key=len)] * (-len(given) % device.batch_size)
    pad_id = classifier.tokenizer.pad_token_id
    batches = finetuning.LengthGroupedBatches(given, batch_size=device.batch_size, pad_id=pad_id)
    return finetuning.predict_logits(classifier.model, batches)[[place[row.tobytes()] for row in rows]]


def predict(classifier: models.Classifier, readings: Sequence[Reading]) -> np.ndarray:
    """Logits of whole readings, float32 (texts, classes)."""
    return answer(classifier, [reading.token_ids for reading in readings])


def choose_targets(classifier: models.Classifier, readings: Sequence[Reading], targets=None) -> np.ndarray:
    """The classes to explain, int (texts,): those given, or where `targets` is None the ones that the model predicts."""
    if targets is None:
        return predict(classifier, readings).argmax(axis=1)
    return np.broadcast_to(targets, len(readings))


def answer_groups(classifier: models.Classifier, groups: Sequence[list[np.ndarray]], targets=None) -> Scores:
    """The log-odds of each text's variants, one float64 (variants,) a text; all go through the model together.

    `groups`: for each text its variants as token ids, first the whole text: its predicted class is the target where
    `targets` is None.
    """
    logits = answer(classifier, [row for group in groups for row in group])
    ends = np.cumsum([len(group) for group in groups])[:-1]
    parts = np.split(logits, ends) if len(groups) else []
    chosen = [part[0].argmax() for part in parts] if targets is None else np.broadcast_to(targets, len(parts))
    return [log_odds(part, target) for part, target in zip(parts, chosen, strict=True)]


# ---- methods that remove units


def occlusion(classifier: models.Classifier, readings: Sequence[Reading], targets=None, how: str = "delete") -> Scores:
    """What the log-odds lose without each unit alone (Zeiler and Fergus, 2014; Li et al., 2016)."""
    without = [[remove(reading, [unit], how) for unit in range(len(reading.units))] for reading in readings]
    groups = [[reading.token_ids, *rows] for reading, rows in zip(readings, without, strict=True)]
    return [values[0] - values[1:] for values in answer_groups(classifier, groups, targets)]


def draw_orders(number: int, permutations: int, seed: int) -> list[tuple[int, ...]]:
    """Orders of `number` units: all there are, if these are `permutations` or fewer; else so many drawn ones.

    Every second one is the one before it backwards: where a unit was removed early, it is now removed late. The mean over
    such a pair varies less (Mitchell et al., 2022, "Sampling permutations for Shapley value estimation").
    """
    if number < 20 and math.factorial(number) <= permutations:
        return list(itertools.permutations(range(number)))
    random = np.random.default_rng(seed)
    drawn = [tuple(random.permutation(number).tolist()) for _ in range(math.ceil(permutations / 2))]
    return [order for forwards in drawn for order in (forwards, forwards[::-1])][:permutations]


def shapley(
    classifier: models.Classifier,
    readings: Sequence[Reading],
    targets=None,
    permutations: int = 6,
    how: str = "delete",
    seed: int = 42,
) -> Scores:
    """What the log-odds lose when a unit goes, on average over orders in which all units go, one after the other.

    An estimate of the Shapley values (Štrumbelj and Kononenko, 2010; Castro et al., 2009), and exact where `permutations`
    is at least the number of all orders. In every order the losses add up to the whole: the scores' sum is the log-odds of
    the text less those of nothing. A text's scores do not depend on the texts beside it.
    """
    orders = [draw_orders(len(reading.units), permutations, seed) for reading in readings]
    groups = [
        [reading.token_ids, *(remove(reading, order[: end + 1], how) for order in own for end in range(len(order)))]
        for reading, own in zip(readings, orders, strict=True)
    ]
    return [_mean_losses(*pair) for pair in zip(answer_groups(classifier, groups, targets), orders, strict=True)]


def _mean_losses(values: np.ndarray, orders: list[tuple[int, ...]]) -> np.ndarray:
    """Each unit's mean loss, float64 (units,). `values`: of the whole text, then order by order as unit after unit goes."""
    left = values[1:].reshape(len(orders), -1)
    in_order = -np.diff(left, axis=1, prepend=values[0])
    losses = np.empty_like(in_order)
    np.put_along_axis(losses, np.array(orders, dtype=int), in_order, axis=1)
    return losses.mean(axis=0)


# ---- methods by gradients

_gradients = weakref.WeakKeyDictionary()


def gradient_of(classifier: models.Classifier) -> Callable:
    """The function that differentiates a classifier's log-odds by its token vectors, made at the first call.

    It takes token vectors, float32 (rows, tokens, width), before positions and segments are added, a padding mask, int32
    (rows, tokens), and the target class as a row of 0 and one 1, float32 (classes,). It gives a tensor like the vectors.
    """
    if classifier.model not in _gradients:
        make = _tensorflow_gradient if keras.backend.backend() == "tensorflow" else _jax_gradient
        _gradients[classifier.model] = make(_from_vectors(classifier))
    return _gradients[classifier.model]


def _from_vectors(classifier: models.Classifier) -> keras.Model:
    """The classifier's model from the token vectors on: [vectors, segments, mask] to logits, with the same layers."""
    given = [classifier.model.input[name] for name in ("segment_ids", "padding_mask")]
    return keras.Model([classifier.backbone.token_embedding.output, *given], classifier.model.output)


def _summed_log_odds(logits, target):
    """The sum of the rows' log-odds as a tensor: the gradient by a row's vectors is then that of the row's own log-odds."""
    return keras.ops.sum(logits * target) - keras.ops.sum(keras.ops.logsumexp(logits - 1e9 * target, axis=1))


def _tensorflow_gradient(model: keras.Model) -> Callable:
    """`gradient_of` with TensorFlow's tape; the weights are not watched, which saves a third of the work."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def gradient(vectors, mask, target):
        """The tape's answer."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(vectors)
            value = _summed_log_odds(model([vectors, 0 * mask, mask], training=False), target)
        return tape.gradient(value, vectors)

    return lambda *arrays: gradient(*map(tf.convert_to_tensor, arrays))


def _jax_gradient(model: keras.Model) -> Callable:
    """`gradient_of` with `jax.grad`, which differentiates a function without state: the weights are handed to it."""
    import jax

    def value(vectors, mask, target, trainable, others):
        """The sum of the log-odds as a function of all that it depends on."""
        logits, _ = model.stateless_call(trainable, others, [vectors, 0 * mask, mask], training=False)
        return _summed_log_odds(logits, target)

    gradient = jax.jit(jax.grad(value))
    # The lists are made anew at each call, so that the weights are those of that moment.
    return lambda *arrays: gradient(
        *arrays, [w.value for w in model.trainable_variables], [w.value for w in model.non_trainable_variables]
    )


def look_up(classifier: models.Classifier, ids: np.ndarray) -> np.ndarray:
    """The vectors of token ids (tokens,) in the model's table, float32 (tokens, width)."""
    return keras.ops.convert_to_numpy(classifier.backbone.token_embedding(ids[None]))[0].astype("float32")


def gradients(classifier: models.Classifier, vectors: np.ndarray, target: int) -> np.ndarray:
    """Gradients of the log-odds by token vectors: for rows of equal length, float32 (rows, tokens, width), the same shape."""
    rows, tokens, width = vectors.shape
    padded = np.zeros((rows, finetuning.padded_length(tokens), width), dtype="float32")
    padded[:, :tokens] = vectors
    mask = np.zeros(padded.shape[:2], dtype="int32")
    mask[:, :tokens] = 1
    gradient, wanted = gradient_of(classifier), np.eye(classifier.num_classes, dtype="float32")[target]
    starts = range(0, rows, ROWS_AT_ONCE)
    parts = [gradient(*(array[start : start + ROWS_AT_ONCE] for array in (padded, mask)), wanted) for start in starts]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])[:, :tokens]


def path_contributions(classifier: models.Classifier, reading: Reading, target: int, steps: int) -> np.ndarray:
    """What each token contributes on the way from [MASK] everywhere to the text, float64 (tokens,).

    The way is straight and divided into `steps` of equal length; the gradient is taken at the middle of each.
    """
    start = look_up(classifier, remove(reading, range(len(reading.units)), "mask"))
    way = look_up(classifier, reading.token_ids) - start
    middles = ((np.arange(steps) + 0.5) / steps).astype("float32")
    found = gradients(classifier, start + middles[:, None, None] * way, target)
    return (found.mean(axis=0, dtype="float64") * way).sum(axis=1)


def integrated_gradients(
    classifier: models.Classifier, readings: Sequence[Reading], targets=None, steps: int = 32
) -> Scores:
    """What the units contribute to the difference between [MASK] everywhere and the text (Sundararajan et al., 2017).

    The scores add up to that difference, but for the error that `completeness_gap` measures.
    """
    chosen = zip(readings, choose_targets(classifier, readings, targets), strict=True)
    return [sum_by_unit(reading, path_contributions(classifier, reading, target, steps)) for reading, target in chosen]


def completeness_gap(
    classifier: models.Classifier, readings: Sequence[Reading], targets=None, steps: int = 32
) -> np.ndarray:
    """How far integrated gradients' sum is from the difference that it should be, as a share of it, float64 (texts,).

    The error is that of the steps, which are finite. A text without units has a gap of 0.
    """
    chosen = choose_targets(classifier, readings, targets)
    ends = [[reading.token_ids, remove(reading, range(len(reading.units)), "mask")] for reading in readings]
    differences = np.array([whole - masked for whole, masked in answer_groups(classifier, ends, chosen)])
    pairs = zip(readings, chosen, strict=True)
    sums = np.array([path_contributions(classifier, *pair, steps).sum() for pair in pairs])
    return np.abs(sums - differences) / np.maximum(np.abs(differences), np.finfo("float64").tiny)


def _vectors_and_gradients(classifier: models.Classifier, readings, targets) -> Iterable[tuple]:
    """(reading, its token vectors, the gradient by them), the last two float64 (tokens, width)."""
    for reading, target in zip(readings, choose_targets(classifier, readings, targets), strict=True):
        vectors = look_up(classifier, reading.token_ids)
        yield reading, vectors.astype("float64"), gradients(classifier, vectors[None], target)[0].astype("float64")


def gradient_times_input(classifier: models.Classifier, readings: Sequence[Reading], targets=None) -> Scores:
    """The gradient times the token vector, summed over width and a unit's tokens (Shrikumar et al., 2016)."""
    found = _vectors_and_gradients(classifier, readings, targets)
    return [sum_by_unit(reading, (slope * vectors).sum(axis=1)) for reading, vectors, slope in found]


def gradient_norm(classifier: models.Classifier, readings: Sequence[Reading], targets=None) -> Scores:
    """The length of the gradient by all numbers of a unit's token vectors (Simonyan et al., 2014): never negative."""
    found = _vectors_and_gradients(classifier, readings, targets)
    return [np.sqrt(sum_by_unit(reading, (slope**2).sum(axis=1))) for reading, _, slope in found]


# ---- methods by attention


def attention_weights(classifier: models.Classifier, ids: np.ndarray) -> np.ndarray:
    """Attention of each layer, the mean over its heads, for token ids (tokens,): float64 (layers, tokens, tokens).

    Row i says how much token i takes from each token; the sum of a row is 1.
    """
    backbone, inputs = classifier.backbone, finetuning.pad([ids], classifier.tokenizer.pad_token_id)
    vectors = keras.Model(backbone.input, backbone.get_layer("embeddings_dropout").output)(inputs, training=False)
    found = []
    for layer in backbone.transformer_layers:
        vectors, weights = layer(vectors, inputs["padding_mask"], training=False, return_attention_scores=True)
        found.append(keras.ops.convert_to_numpy(weights)[0].mean(axis=0, dtype="float64"))
    return np.stack(found)[:, : len(ids), : len(ids)]


def last_attention(classifier: models.Classifier, readings: Sequence[Reading], targets=None) -> Scores:
    """What all tokens take from a unit's tokens in the last layer, on average: never negative, and the same for each class."""
    found = [attention_weights(classifier, reading.token_ids)[-1] for reading in readings]
    return [sum_by_unit(reading, weights.mean(axis=0)) for reading, weights in zip(readings, found, strict=True)]


def roll_out(weights: np.ndarray) -> np.ndarray:
    """What flows from each token through all layers to each, (tokens, tokens), of weights (layers, tokens, tokens).

    Each layer adds what it attends to to what it was given, so half of it is the token's own (Abnar and Zuidema, 2020).
    """
    flow = np.eye(weights.shape[1])
    for layer in weights:
        flow = (layer + np.eye(len(layer))) / 2 @ flow
    return flow


def rollout(classifier: models.Classifier, readings: Sequence[Reading], targets=None) -> Scores:
    """What flows from a unit's tokens to the mean of all tokens, which the head reads (Abnar and Zuidema, 2020, with [CLS])."""
    found = [roll_out(attention_weights(classifier, reading.token_ids)) for reading in readings]
    return [sum_by_unit(reading, flow.mean(axis=0)) for reading, flow in zip(readings, found, strict=True)]


# ---- all of them, and none


def random_scores(readings: Sequence[Reading], seed: int = 42) -> Scores:
    """Scores drawn between -1 and 1: what every method has to beat."""
    random = np.random.default_rng(seed)
    return [random.uniform(-1, 1, len(reading.units)) for reading in readings]


METHODS: dict[str, Callable] = {  # in the order of a trial's comprehensiveness
    "Shapley values": shapley,
    "occlusion": occlusion,
    "integrated gradients": integrated_gradients,
    "last attention": last_attention,
    "gradient norm": gradient_norm,
    "attention rollout": rollout,
    "gradient x input": gradient_times_input,
}
