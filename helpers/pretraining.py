"""Lesson 04: pre-train a small encoder on the token ids that `corpus` wrote.

Batches, three ways of learning from text without labels, training that may be stopped, baselines that count, what it
costs, and what a pre-trained model says.
"""

import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import log_softmax, softmax

from helpers import architecture, finetuning, models, optimizers
from helpers.corpus import SPECIAL, CorpusError, Tokens

JUDGED = 20  # batches of held-out text on which a loss is measured


def check_vocabulary(model: keras.Model, pieces: int) -> None:
    """Raise ValueError unless the model's output has a column for each of so many pieces."""
    if model.output_shape[-1] != pieces:
        raise ValueError(
            f"The model was made for {model.output_shape[-1]} pieces, this vocabulary has {pieces}. They belong together."
        )


class TokenBatches(keras.utils.PyDataset):
    """Batches number `first` to `first + steps` of an endless sequence that only `seed` decides.

    A row is [CLS] and ids, `sequence_length` in all: packed, a stretch of the flat array over the borders of texts;
    else the beginning of one text, its [SEP], and padding. Each epoch takes all rows in an order of its own; the rows
    of the last batch that would not be full are left out. `task` makes of token ids, padding mask (int32, both
    (rows, length)), and a generator: inputs, targets, weights.
    """

    def __init__(self, tokens: Tokens, task: Callable, batch_size=32, sequence_length=64, seed=42, packed=True):
        super().__init__()
        self.tokens, self.task, self.batch_size, self.seed = tokens, task, batch_size, seed
        self.sequence_length, self.packed = sequence_length, packed
        room = sequence_length - 1
        self.begins = np.arange(0, len(tokens.ids) - room + 1, room) if packed else tokens.starts[:-1]
        self.lengths = np.full(len(self.begins), room) if packed else np.minimum(np.diff(tokens.starts), room)
        self.steps_an_epoch = self.steps = len(self.begins) // batch_size
        self.first, self._epoch = 0, None
        if not self.steps:
            raise CorpusError(
                f"{len(self.begins)} rows are no batch of {batch_size}. Take more text or smaller batches."
            )

    def identity(self) -> str:
        """Hash of the tokens and the first batch, and so of all that decides the others."""
        self.first, first = 0, self.first
        arrays = keras.tree.flatten(self[0])
        self.first = first
        return hashlib.sha256(b"".join([self.tokens.fingerprint.encode(), *map(bytes, arrays)])).hexdigest()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int):
        epoch, place = divmod(self.first + index, self.steps_an_epoch)
        if self._epoch != epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.begins))
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        return self.task(*self.framed(rows), np.random.default_rng([self.seed, 1, self.first + index]))

    def framed(self, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids and padding mask of some rows, int32 (rows, sequence_length)."""
        pad, _, start, *_ = self.tokens.special_ids
        ids = np.full((len(rows), self.sequence_length), pad, dtype="int32")
        ids[:, 0] = start
        for row, (begin, length) in zip(ids, zip(self.begins[rows], self.lengths[rows], strict=True), strict=True):
            row[1 : 1 + length] = self.tokens.ids[begin : begin + length]
        mask = np.arange(self.sequence_length) <= self.lengths[rows][:, None]
        return ids, mask.astype("int32")


# ---- three ways to make a task of text


def mask_tokens(
    token_ids, padding_mask, vocabulary_size, mask_id, special_ids, random, share=0.15, kinds=(0.8, 0.1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets (int32) and weights (float32) of masked language modelling (Devlin et al., 2019, 3.1).

    Of the tokens that are neither special nor padding, `share` are chosen: weight 1, others 0. Of those kinds[0] become
    mask_id and kinds[1] another token, drawn evenly from all that are not special; the rest stays. Targets: token_ids.
    """
    may_hide = (padding_mask == 1) & ~np.isin(token_ids, special_ids)
    chosen = may_hide & (random.random(token_ids.shape) < share)
    kind = random.random(token_ids.shape)
    others = np.setdiff1d(np.arange(vocabulary_size), special_ids)
    inputs = np.where(chosen & (kind < kinds[0]), mask_id, token_ids)
    replaced = chosen & (kind >= kinds[0]) & (kind < sum(kinds))
    inputs = np.where(replaced, random.choice(others, token_ids.shape), inputs)
    return inputs.astype("int32"), token_ids.astype("int32"), chosen.astype("float32")


def masked_task(vocabulary: Sequence[str], kinds=(0.8, 0.1)) -> Callable:
    """Task for TokenBatches: inputs of `masked_model`, of which only the chosen positions are predicted.

    A row has room for a quarter of its tokens; chosen ones beyond that (in about 1 row of 100) count nothing.
    """
    special = [vocabulary.index(piece) for piece in SPECIAL]

    def masked(token_ids, padding_mask, random):
        """Inputs, targets, weights of one batch."""
        inputs, targets, weights = mask_tokens(
            token_ids, padding_mask, len(vocabulary), special[-1], special, random, kinds=kinds
        )
        positions = np.argsort(-weights, axis=1, kind="stable")[:, : max(1, weights.shape[1] // 4)].astype("int32")
        features = {**models.inputs_of(inputs, padding_mask), "mask_positions": positions}
        return features, np.take_along_axis(targets, positions, 1), np.take_along_axis(weights, positions, 1)

    return masked


def next_token(token_ids, padding_mask, random=None) -> tuple[dict, np.ndarray, np.ndarray]:
    """Task for TokenBatches: from the tokens up to each position, the next one (Radford et al., 2018)."""
    inputs = {"token_ids": token_ids[:, :-1], "padding_mask": padding_mask[:, :-1]}
    return inputs, token_ids[:, 1:], padding_mask[:, 1:].astype("float32")


def add_noise(token_ids, padding_mask, pad_id, others, random, drop=0.1, replace=0.1, window=3):
    """Token ids and padding mask, int32 (rows, length), with noise in all but the first token of each row.

    A share `replace` of the tokens becomes one of `others`, a share `drop` goes, and the rest moves by fewer than
    `window` places (Lample et al., 2018, "Unsupervised machine translation using monolingual corpora only").
    """
    shape, length = token_ids.shape, token_ids.shape[1]
    noisy = np.where(random.random(shape) < replace, random.choice(others, shape), token_ids)
    kept = (padding_mask == 1) & (random.random(shape) >= drop)
    place = np.arange(length) + random.uniform(0, window, shape)
    noisy[:, 0], kept[:, 0], place[:, 0] = token_ids[:, 0], True, -1
    order = np.argsort(np.where(kept, place, np.inf), axis=1)
    mask = np.arange(length) < kept.sum(axis=1)[:, None]
    return np.where(mask, np.take_along_axis(noisy, order, 1), pad_id).astype("int32"), mask.astype("int32")


def denoising_task(vocabulary: Sequence[str], **noise) -> Callable:
    """Task for TokenBatches: from a text with noise (`add_noise`), the text itself (Vincent et al., 2008)."""
    special = [vocabulary.index(piece) for piece in SPECIAL]
    others = np.setdiff1d(np.arange(len(vocabulary)), special)

    def denoised(token_ids, padding_mask, random):
        """Inputs, targets, weights of one batch."""
        noisy = add_noise(token_ids, padding_mask, special[0], others, random, **noise)
        return models.inputs_of(*noisy), token_ids[:, 1:], padding_mask[:, 1:].astype("float32")

    return denoised


# ---- models


@dataclass(frozen=True)
class Size:
    """The shape of a model: as BERT-tiny of Turc et al. (2019), but for its 4 heads (there 2)."""

    layers: int = 2
    heads: int = 4
    width: int = 128
    intermediate: int = 512
    sequence_length: int = 64  # as the batches'
    longest_wave: float = 64.0  # of the sines that mark places, in 2 pi places
    dropout: float = 0.0  # a text is seen once or twice: there is little to over-fit


def encoder(vocabulary_size: int, size: Size = Size(), seed: int = 42, causal: bool = False) -> keras.Model:
    """A small Transformer with random weights, decided by `seed`, with BERT's inputs and its output `sequence_output`.

    With `causal` each place sees only what is before it, and there are no `segment_ids`. Unlike BERT it normalises
    before each part of a layer, not after (Xiong et al., 2020), draws its random weights for its width, and has fixed
    positions: sines (Vaswani et al., 2017, 3.5) whose longest wave is 2 pi rows long, not 2 pi times 10,000 places; lesson
    04 measures the difference. `models.add_head` makes a classifier of it.
    """
    keras.utils.set_random_seed(seed)
    names = ("token_ids", "padding_mask") if causal else ("token_ids", "padding_mask", "segment_ids")
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}  # segments are left unread
    tokens = keras_hub.layers.ReversibleEmbedding(
        vocabulary_size, size.width, embeddings_initializer=spread(size.width), name="token_embedding"
    )
    x = with_places(tokens(inputs["token_ids"]) * size.width**0.5, size, "places")  # (texts, length, width)
    for number in range(size.layers):
        x = transformer_layer(size, f"transformer_layer_{number}", causal)(x, inputs["padding_mask"])
    return keras.Model(inputs, {"sequence_output": keras.layers.LayerNormalization(name="final_norm")(x)})


def spread(width: int) -> keras.initializers.Initializer:
    """Random weights of 1 / sqrt(width), so that a product keeps the size of its input."""
    return keras.initializers.RandomNormal(stddev=width**-0.5)


def with_places(vectors, size: Size, name: str):
    """Vectors (texts, length, width) plus the sines of their places."""
    return vectors + keras_hub.layers.SinePositionEncoding(max_wavelength=size.longest_wave, name=name)(vectors)


def transformer_layer(size: Size, name: str, causal: bool = False):
    """A layer that maps vectors (texts, length, width) and a padding mask to vectors."""
    options = dict(dropout=size.dropout, activation="gelu", kernel_initializer=spread(size.width), name=name)
    kind = keras_hub.layers.TransformerDecoder if causal else keras_hub.layers.TransformerEncoder
    layer = kind(size.intermediate, size.heads, normalize_first=True, **options)
    mask = "decoder_padding_mask" if causal else "padding_mask"
    return lambda vectors, padding_mask: layer(vectors, **{mask: padding_mask})


def masked_model(backbone: keras.Model) -> keras.Model:
    """From `models.inputs_of` and int32 `mask_positions` (texts, positions) to logits (texts, positions, vocabulary).

    The head is BERT's: dense, GELU, layer normalisation, and the token embeddings once more as output weights.
    `backbone` is an `encoder` or a KerasHub BertBackbone.
    """
    width = backbone.output["sequence_output"].shape[-1]
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    head = keras_hub.layers.MaskedLMHead(
        token_embedding=backbone.get_layer("token_embedding"),
        intermediate_activation="gelu",
        kernel_initializer=spread(width),
        name="masked_lm_head",
    )
    logits = head(backbone.output["sequence_output"], positions)
    return keras.Model({**backbone.input, "mask_positions": positions}, logits)


def causal_model(vocabulary_size: int, size: Size = Size(), seed: int = 42) -> keras.Model:
    """From `token_ids`, `padding_mask` to logits of each next token: the `encoder`, causal, as in GPT-2."""
    backbone = encoder(vocabulary_size, size, seed, causal=True)
    return keras.Model(
        backbone.input, backbone.get_layer("token_embedding")(backbone.output["sequence_output"], reverse=True)
    )


def autoencoder(backbone: keras.Model, length: int, size: Size = Size(), bottleneck: int = 64):
    """From `models.inputs_of` to logits (texts, length, vocabulary), all through one vector a text, the bottleneck.

    The decoder sees nothing but that vector and the places: the mean of the token vectors, narrowed, repeated, one layer.
    """
    pooled = keras.layers.GlobalAveragePooling1D(name="mean_of_tokens")(
        backbone.output["sequence_output"], mask=backbone.input["padding_mask"]
    )
    vector = keras.layers.Dense(bottleneck, name="bottleneck")(pooled)
    repeated = keras.layers.RepeatVector(length)(keras.layers.Dense(size.width, name="widened")(vector))
    x = transformer_layer(size, "decoder")(with_places(repeated, size, "decoder_places"), None)
    x = keras.layers.LayerNormalization(name="decoder_norm")(x)
    return keras.Model(backbone.input, backbone.get_layer("token_embedding")(x, reverse=True))


# ---- the three objectives by name


def task_of(objective: str, vocabulary: Sequence[str], judge: bool = False) -> Callable:
    """The task of "masked", "causal" or "denoising" for TokenBatches.

    To `judge` a masked model, each chosen token is hidden: one that was kept can be copied.
    """
    if objective == "masked":
        return masked_task(vocabulary, kinds=(1.0, 0.0) if judge else (0.8, 0.1))
    return {"causal": next_token, "denoising": denoising_task(vocabulary)}[objective]


def model_of(objective: str, vocabulary_size: int, size: Size = Size(), seed: int = 42) -> keras.Model:
    """The model for an objective, with random weights decided by `seed`."""
    if objective == "causal":
        return causal_model(vocabulary_size, size, seed)
    backbone = encoder(vocabulary_size, size, seed)
    return masked_model(backbone) if objective == "masked" else autoencoder(backbone, size.sequence_length - 1, size)


def batches_of(
    objective: str, tokens: Tokens, size: Size = Size(), seed: int = 42, judge: bool = False
) -> TokenBatches:
    """Batches of 32 rows: packed ones, but for the autoencoder, which takes one text a row."""
    task, packed = task_of(objective, tokens.vocabulary, judge), objective != "denoising"
    return TokenBatches(tokens, task, 32, size.sequence_length, seed, packed)


# ---- training that may be stopped


@dataclass(frozen=True)
class Recipe:
    """The knobs of a pre-training run; batches and seed are those of the TokenBatches."""

    steps: int = 1000
    steps_a_part: int = 100  # between two checkpoints
    learning_rate: float = 1e-3  # the peak; ten times BERT's, for a model a hundred times smaller
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0


LIVE = {  # about a minute each on two cores
    "masked": Recipe(steps=1000, steps_a_part=250, learning_rate=3e-3),
    "causal": Recipe(steps=300, steps_a_part=75, learning_rate=3e-3),
    "denoising": Recipe(steps=200, steps_a_part=50, learning_rate=3e-3),
}


def pretrain(
    model: keras.Model,
    batches: TokenBatches,
    recipe: Recipe = Recipe(),
    checkpoint_folder: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> pd.DataFrame:
    """Train in place for recipe.steps batches; the loss is the mean over the targets that have a weight.

    With a folder, a stopped training goes on after its last whole part and ends with the same weights. Returns a row a
    part: steps, loss (nats a target), tokens_a_second (of input, padding not counted; the first part also compiles).
    Raises ValueError for a checkpoint of another recipe, data, vocabulary or model, and FloatingPointError for a loss
    that is not finite.
    """
    check_vocabulary(model, len(batches.tokens.vocabulary))
    optimizer = optimizers.make_optimizer(recipe, recipe.steps, model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    model.compile(optimizer, loss)
    state = [*model.variables, *optimizer.variables]  # dropout's random state is among the model's
    run = {"recipe": asdict(recipe), "batches": batches.identity()}
    history = restored(checkpoint_folder, state, run)
    progress = finetuning.Progress(recipe.steps, done=history[-1]["steps"] if history else 0)
    share = float(np.mean(batches.lengths + 1)) / batches.sequence_length
    while not history or history[-1]["steps"] < recipe.steps:
        batches.first = history[-1]["steps"] if history else 0
        batches.steps = min(recipe.steps_a_part, recipe.steps - batches.first)
        started = time.perf_counter()
        fitted = model.fit(batches, shuffle=False, verbose=0, callbacks=[progress, *callbacks])
        seconds = time.perf_counter() - started
        row = {"steps": batches.first + batches.steps, "loss": fitted.history["loss"][0]}
        if not np.isfinite(row["loss"]):
            raise FloatingPointError(f"The loss is {row['loss']}: lower the learning rate ({recipe.learning_rate}).")
        tokens = batches.steps * batches.batch_size * batches.sequence_length * share
        history.append({**row, "tokens_a_second": tokens / seconds})
        if checkpoint_folder is not None:
            values = finetuning.values_of(state)
            finetuning.save_arrays(checkpoint_folder / "last.npz", values, {"run": run, "history": history})
    progress.bar.close()
    return pd.DataFrame(history)


def restored(folder: Path | None, state: Sequence, run: dict) -> list[dict]:
    """Load the last checkpoint into `state`, if there is one; return its history. Raises ValueError if it does not fit."""
    if folder is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "last.npz").exists():
        return []
    values, facts = finetuning.load_arrays(folder / "last.npz")
    if differ := [name for name in run if facts["run"][name] != run[name]]:
        raise ValueError(f"The checkpoint in {folder} is of other {' and '.join(differ)}. Delete it, or keep both.")
    finetuning.assign(state, values)
    return facts["history"]


def target_losses(score: Callable, batches: TokenBatches, steps: int) -> np.ndarray:
    """-log(probability) in nats of each target that has a weight, in the first `steps` batches, float64 (targets,).

    `score(inputs, targets)` gives the logarithm of each target's probability: `model_score`, or one that counts.
    """
    batches.first, found = 0, []
    for step in range(steps):
        inputs, targets, weights = batches[step]
        found.append(-score(inputs, targets)[weights > 0])
    return np.concatenate(found).astype("float64")


def model_score(model: keras.Model) -> Callable:
    """Score for `target_losses` of a trained model."""

    def score(inputs, targets):
        """Logarithm of each target's probability."""
        logs = log_softmax(model.predict_on_batch(inputs).astype("float32"), axis=-1)
        return np.take_along_axis(logs, targets[..., None], axis=-1)[..., 0]

    return score


# ---- baselines that count


class NeighbourCounts:
    """Probabilities of a token from counts in a flat array of ids: of itself, of pairs, and of both neighbours.

    Unigram: (count + 1) / (ids + vocabulary). All others shrink to the next simpler model p with weight k, as if it
    had been seen k times (MacKay and Peto, 1995): (count + k p(token)) / (count of the context + k).
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
        """Score for `target_losses`, for all three tasks."""
        return np.log(self.single[targets])

    def bigram_score(self, inputs, targets) -> np.ndarray:
        """Score for `next_token`: each target follows the input at its place."""
        return np.log(self.after(inputs["token_ids"], targets))

    def neighbours_score(self, inputs, targets) -> np.ndarray:
        """Score for `masked_task`: neighbours as the model sees them; one that is masked was never seen, so counts nothing."""
        ids, places = inputs["token_ids"], inputs["mask_positions"]
        left = np.take_along_axis(ids, np.maximum(places - 1, 0), 1)
        right = np.take_along_axis(ids, np.minimum(places + 1, ids.shape[1] - 1), 1)
        return np.log(self.between(left, targets, right))


def held_out_losses(
    objective: str, model: keras.Model | None, train: Tokens, held_out: Tokens, size: Size = Size(), steps: int = JUDGED
) -> dict[str, float]:
    """Mean loss in nats a target on held-out text, of the model (None: left out) and of those that count, on the same targets.

    Which count: for "causal" unigram and bigram, for "masked" unigram and both neighbours, for "denoising" the unigram.
    """
    batches = batches_of(objective, held_out, size, seed=0, judge=True)
    counts = NeighbourCounts(train.ids, len(train.vocabulary))
    scores = {"model": model_score(model)} if model is not None else {}
    scores["unigram"] = counts.unigram_score
    scores |= {"causal": {"bigram": counts.bigram_score}, "masked": {"neighbours": counts.neighbours_score}}.get(
        objective, {}
    )
    steps = min(steps, batches.steps_an_epoch)
    return {name: float(target_losses(score, batches, steps).mean()) for name, score in scores.items()}


# ---- what it costs


def operations_a_token(size: Size, vocabulary_size: int, predicted_share: float = 1.0) -> int:
    """Floating-point operations of training on one token: 6 N (Kaplan et al., 2020, 2.1).

    N counts the weights that multiply each token: the layers' matrices, and the output embedding for the share of the
    tokens that is predicted. The input embedding is looked up, which costs nothing; attention scores are left out.
    """
    blocks = architecture.training_operations(size.layers, size.width, size.intermediate, tokens=1, looked_at=0)
    return blocks + round(6 * predicted_share * vocabulary_size * size.width)


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


def save_pretrained(model: keras.Model, objective: str, size: Size, vocabulary: Sequence[str], path: Path) -> None:
    """Write weights as float16 with all that `load_pretrained` needs, whole or not at all."""
    arrays = [value.astype("float16") for value in finetuning.values_of(model.weights)]
    path.parent.mkdir(parents=True, exist_ok=True)
    finetuning.save_arrays(path, arrays, {"objective": objective, "size": asdict(size), "vocabulary": list(vocabulary)})


def load_pretrained(path: Path) -> tuple[keras.Model, keras_hub.models.BertTokenizer]:
    """Model and tokenizer that `save_pretrained` wrote. Raises ValueError for a damaged file."""
    arrays, facts = finetuning.load_arrays(path)
    model = model_of(facts["objective"], len(facts["vocabulary"]), Size(**facts["size"]))
    finetuning.assign(model.weights, [array.astype("float32") for array in arrays])
    return model, keras_hub.models.BertTokenizer(facts["vocabulary"], lowercase=True, strip_accents=True)


def fill_blanks(
    model: keras.Model, tokenizer, text: str, number: int = 5, limit: int = Size.sequence_length
) -> list[list[tuple[str, float]]]:
    """For each "[MASK]" in the text, the likeliest pieces with their probabilities.

    Raises ValueError where there is none, the text is too long, or model and vocabulary do not belong together.
    """
    check_vocabulary(model, tokenizer.vocabulary_size())
    parts = [ids[1:-1] for ids in models.token_ids(tokenizer, text.split("[MASK]"), sys.maxsize)]
    ids = [tokenizer.cls_token_id, *parts[0]]
    for part in parts[1:]:
        ids += [tokenizer.mask_token_id, *part]
    ids = np.array([[*ids, tokenizer.sep_token_id]], dtype="int32")
    places = np.flatnonzero(ids[0] == tokenizer.mask_token_id)
    if not len(places) or ids.shape[1] > limit:
        raise ValueError(f"It takes a text with [MASK] in it and at most {limit} tokens; this has {ids.shape[1]}.")
    inputs = {**models.inputs_of(ids, np.ones_like(ids)), "mask_positions": places[None].astype("int32")}
    probabilities = softmax(model.predict_on_batch(inputs)[0].astype("float64"), axis=-1)
    best = np.argsort(-probabilities, axis=-1)[:, :number]
    rows = zip(probabilities, best, strict=True)
    return [[(tokenizer.id_to_token(int(i)), float(row[i])) for i in some] for row, some in rows]


def continue_text(
    model, tokenizer, text: str, tokens=20, temperature=1.0, seed=42, limit: int = Size.sequence_length
) -> str:
    """The text and up to `tokens` more, drawn one at a time; temperature 0 takes the likeliest. Ends at [SEP].

    The model sees the last tokens of what is there, one fewer than `limit`, as in training. Raises ValueError for a vocabulary that does not fit.
    """
    check_vocabulary(model, tokenizer.vocabulary_size())
    random, length = np.random.default_rng(seed), limit - 1
    ids = models.token_ids(tokenizer, [text], sys.maxsize)[0][:-1].tolist()
    never = [tokenizer.token_to_id(piece) for piece in SPECIAL if piece != "[SEP]"]
    for _ in range(tokens):
        seen = ids[-length:]
        padded = np.array(
            [seen + [tokenizer.pad_token_id] * (length - len(seen))], dtype="int32"
        )  # one length: one graph
        inputs = {"token_ids": padded, "padding_mask": (np.arange(length) < len(seen))[None].astype("int32")}
        logits = model.predict_on_batch(inputs)[0, len(seen) - 1].astype("float64")
        logits[never] = -np.inf
        probabilities = softmax(logits / temperature) if temperature else logits == logits.max()
        ids.append(int(random.choice(len(logits), p=probabilities / probabilities.sum())))
        if ids[-1] == tokenizer.sep_token_id:
            break
    pieces = [tokenizer.id_to_token(i) for i in ids[1:] if i != tokenizer.sep_token_id]
    return " ".join(pieces).replace(" ##", "")
