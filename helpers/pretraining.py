"""Lesson 04: pre-train a small encoder on the token ids that `corpus` wrote.

Batches, three ways of learning from text without labels, their models, and training that may be stopped.
`language_models` judges what comes out.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pandas as pd

from helpers import architecture, finetuning, models, optimizers
from helpers.corpus import CorpusError, Tokens
from helpers.wordpiece import SPECIAL

Batch = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]  # inputs, targets, weights of the targets


def check_vocabulary(model: keras.Model, pieces: int) -> None:
    """Raise ValueError unless the model's output has a column for each of so many pieces."""
    if model.output_shape[-1] != pieces:
        raise ValueError(
            f"The model was made for {model.output_shape[-1]} pieces, this vocabulary has {pieces}. They belong together."
        )


class TokenBatches(keras.utils.PyDataset):
    """Batches number `first` to `first + steps` of an endless sequence that only `seed` decides.

    A row is [CLS] and ids, `sequence_length` in all. When `packed`, the ids are a stretch of the flat array and go over
    the borders of texts; else they are the beginning of one text, its [SEP], and padding. Each epoch takes all rows in
    an order of its own, except for the last ones that fill no batch. `task(token_ids, padding_mask, random)` makes a
    Batch of two int32 arrays (rows, sequence_length) and a generator. Raises CorpusError for less text than a batch.
    """

    def __init__(
        self, tokens: Tokens, task: Callable[..., Batch], batch_size=32, sequence_length=64, seed=42, packed=True
    ):
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

    def fingerprint(self) -> str:
        """Hash of all tokens, of what decides the rows, and of the first batch, in which a task's own knobs show."""
        self.first, first = 0, self.first
        arrays = keras.tree.flatten(self[0])
        self.first = first
        knobs = [self.tokens.fingerprint, self.batch_size, self.sequence_length, self.seed, self.packed]
        return hashlib.sha256(b"".join([json.dumps(knobs).encode(), *map(bytes, arrays)])).hexdigest()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Batch:
        epoch, place = divmod(self.first + index, self.steps_an_epoch)
        if self._epoch != epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.begins))
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        return self.task(*self.frame(rows), np.random.default_rng([self.seed, 1, self.first + index]))

    def frame(self, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids and padding mask of some rows, int32 (rows, sequence_length)."""
        pad, _, start, *_ = self.tokens.special_ids
        ids = np.full((len(rows), self.sequence_length), pad, dtype="int32")
        ids[:, 0] = start
        for row, begin, length in zip(ids, self.begins[rows], self.lengths[rows], strict=True):
            row[1 : 1 + length] = self.tokens.ids[begin : begin + length]
        mask = np.arange(self.sequence_length) <= self.lengths[rows][:, None]
        return ids, mask.astype("int32")


# ---- three ways to make a task of text


def mask_tokens(
    token_ids, padding_mask, vocabulary_size, mask_id, special_ids, random, share=0.15, kinds=(0.8, 0.1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets (int32) and weights (float32) of masked language modelling (Devlin et al., 2019, 3.1).

    A share `share` of the tokens that are neither special nor padding is chosen: these have weight 1, all others 0. Of
    the chosen ones the share kinds[0] becomes `mask_id`, and kinds[1] becomes another token, drawn evenly from all that
    are not special; the rest stays as it is. The targets are the token ids. All arrays have the shape of `token_ids`.
    """
    may_hide = (padding_mask == 1) & ~np.isin(token_ids, special_ids)
    chosen = may_hide & (random.random(token_ids.shape) < share)
    kind = random.random(token_ids.shape)
    others = np.setdiff1d(np.arange(vocabulary_size), special_ids)
    inputs = np.where(chosen & (kind < kinds[0]), mask_id, token_ids)
    replaced = chosen & (kind >= kinds[0]) & (kind < sum(kinds))
    inputs = np.where(replaced, random.choice(others, token_ids.shape), inputs)
    return inputs.astype("int32"), token_ids.astype("int32"), chosen.astype("float32")


def make_masked_task(vocabulary: Sequence[str], kinds: tuple[float, float] = (0.8, 0.1)) -> Callable[..., Batch]:
    """Task for TokenBatches: the inputs of `build_masked_model`, of which only the chosen positions are predicted.

    `kinds` as in `mask_tokens`. A row has room for a quarter of its tokens. In about 1 row of 100 more are chosen; those
    beyond the room are hidden, but not predicted.
    """
    special = [vocabulary.index(piece) for piece in SPECIAL]

    def mask(token_ids, padding_mask, random) -> Batch:
        """A batch with its masks."""
        changed, targets, weights = mask_tokens(
            token_ids, padding_mask, len(vocabulary), special[-1], special, random, kinds=kinds
        )
        positions = np.argsort(-weights, axis=1, kind="stable")[:, : max(1, weights.shape[1] // 4)].astype("int32")
        inputs = {**models.inputs_of(changed, padding_mask), "mask_positions": positions}
        return inputs, np.take_along_axis(targets, positions, 1), np.take_along_axis(weights, positions, 1)

    return mask


def predict_next_token(token_ids, padding_mask, random=None) -> Batch:
    """Task for TokenBatches: from the tokens up to each position, the next one (Radford et al., 2018)."""
    inputs = {"token_ids": token_ids[:, :-1], "padding_mask": padding_mask[:, :-1]}
    return inputs, token_ids[:, 1:], padding_mask[:, 1:].astype("float32")


def add_noise(
    token_ids, padding_mask, pad_id, others, random, drop=0.1, replace=0.1, window=3
) -> tuple[np.ndarray, np.ndarray]:
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


def make_denoising_task(vocabulary: Sequence[str], **noise) -> Callable[..., Batch]:
    """Task for TokenBatches: from a text with noise, the text itself (Vincent et al., 2008).

    `noise`: drop, replace and window of `add_noise`.
    """
    special = [vocabulary.index(piece) for piece in SPECIAL]
    others = np.setdiff1d(np.arange(len(vocabulary)), special)

    def disturb(token_ids, padding_mask, random) -> Batch:
        """A batch with its noise."""
        noisy = add_noise(token_ids, padding_mask, special[0], others, random, **noise)
        return models.inputs_of(*noisy), token_ids[:, 1:], padding_mask[:, 1:].astype("float32")

    return disturb


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


def build_encoder(vocabulary_size: int, size: Size = Size(), seed: int = 42, causal: bool = False) -> keras.Model:
    """A small Transformer with BERT's inputs and its output `sequence_output`; `seed` decides its random weights.

    With `causal` each place sees only itself and what is before it, and there are no `segment_ids`. It differs from BERT
    in three things: it normalises before each part of a layer, not after (Xiong et al., 2020); the spread of its random
    weights depends on its width; and it marks places by sines (Vaswani et al., 2017, 3.5), which are not learnt. Their
    longest wave is 2 pi times `size.longest_wave` places, not 2 pi times 10,000; lesson 04 measures the difference.
    `models.add_head` makes a classifier of it.
    """
    keras.utils.set_random_seed(seed)
    names = ("token_ids", "padding_mask") if causal else ("token_ids", "padding_mask", "segment_ids")
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}  # segments are left unread
    tokens = keras_hub.layers.ReversibleEmbedding(
        vocabulary_size, size.width, embeddings_initializer=make_initializer(size.width), name="token_embedding"
    )
    x = add_places(tokens(inputs["token_ids"]) * size.width**0.5, size, "places")  # (texts, length, width)
    for number in range(size.layers):
        x = build_layer(size, f"transformer_layer_{number}", causal)(x, inputs["padding_mask"])
    return keras.Model(inputs, {"sequence_output": keras.layers.LayerNormalization(name="final_norm")(x)})


def make_initializer(width: int) -> keras.initializers.Initializer:
    """Random weights with a standard deviation of 1 / sqrt(width), so that a product keeps the size of its input."""
    return keras.initializers.RandomNormal(stddev=width**-0.5)


def add_places(vectors, size: Size, name: str):
    """Vectors (texts, length, width) plus the sines of their places."""
    return vectors + keras_hub.layers.SinePositionEncoding(max_wavelength=size.longest_wave, name=name)(vectors)


def build_layer(size: Size, name: str, causal: bool = False) -> Callable:
    """A Transformer layer: it maps vectors (texts, length, width) and a padding mask to vectors of that shape."""
    options = dict(dropout=size.dropout, activation="gelu", kernel_initializer=make_initializer(size.width), name=name)
    kind = keras_hub.layers.TransformerDecoder if causal else keras_hub.layers.TransformerEncoder
    layer = kind(size.intermediate, size.heads, normalize_first=True, **options)
    mask = "decoder_padding_mask" if causal else "padding_mask"
    return lambda vectors, padding_mask: layer(vectors, **{mask: padding_mask})


def build_masked_model(backbone: keras.Model) -> keras.Model:
    """From `models.inputs_of` and int32 `mask_positions` (texts, positions) to logits (texts, positions, vocabulary).

    The head is BERT's: dense, GELU, layer normalisation, and the token embeddings once more as output weights.
    `backbone` is a `build_encoder` or a KerasHub BertBackbone.
    """
    width = backbone.output["sequence_output"].shape[-1]
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    head = keras_hub.layers.MaskedLMHead(
        token_embedding=backbone.get_layer("token_embedding"),
        intermediate_activation="gelu",
        kernel_initializer=make_initializer(width),
        name="masked_lm_head",
    )
    logits = head(backbone.output["sequence_output"], positions)
    return keras.Model({**backbone.input, "mask_positions": positions}, logits)


def build_causal_model(vocabulary_size: int, size: Size = Size(), seed: int = 42) -> keras.Model:
    """From `token_ids`, `padding_mask` to logits of each next token (texts, length, vocabulary), as GPT-2 has them."""
    backbone = build_encoder(vocabulary_size, size, seed, causal=True)
    return keras.Model(
        backbone.input, backbone.get_layer("token_embedding")(backbone.output["sequence_output"], reverse=True)
    )


def build_autoencoder(backbone: keras.Model, length: int, size: Size = Size(), bottleneck: int = 64) -> keras.Model:
    """From `models.inputs_of` to logits (texts, length, vocabulary), all through one vector a text, the bottleneck.

    The vector is the mean of a text's token vectors, narrowed to `bottleneck` numbers. The decoder sees it at each place,
    and the place, and nothing else; it is one layer.
    """
    pooled = keras.layers.GlobalAveragePooling1D(name="mean_of_tokens")(
        backbone.output["sequence_output"], mask=backbone.input["padding_mask"]
    )
    vector = keras.layers.Dense(bottleneck, name="bottleneck")(pooled)
    repeated = keras.layers.RepeatVector(length)(keras.layers.Dense(size.width, name="widened")(vector))
    x = build_layer(size, "decoder")(add_places(repeated, size, "decoder_places"), None)
    x = keras.layers.LayerNormalization(name="decoder_norm")(x)
    return keras.Model(backbone.input, backbone.get_layer("token_embedding")(x, reverse=True))


# ---- the three objectives by name


def make_task(objective: str, vocabulary: Sequence[str], judge: bool = False) -> Callable[..., Batch]:
    """The task of "masked", "causal" or "denoising" for TokenBatches.

    To `judge` a masked model, each chosen token is hidden: one that was kept can be copied.
    """
    if objective == "masked":
        return make_masked_task(vocabulary, kinds=(1.0, 0.0) if judge else (0.8, 0.1))
    return {"causal": predict_next_token, "denoising": make_denoising_task(vocabulary)}[objective]


def build_model(objective: str, vocabulary_size: int, size: Size = Size(), seed: int = 42) -> keras.Model:
    """The model for an objective, with random weights decided by `seed`."""
    if objective == "causal":
        return build_causal_model(vocabulary_size, size, seed)
    backbone = build_encoder(vocabulary_size, size, seed)
    if objective == "masked":
        return build_masked_model(backbone)
    return build_autoencoder(backbone, size.sequence_length - 1, size)


def make_batches(
    objective: str, tokens: Tokens, size: Size = Size(), seed: int = 42, judge: bool = False
) -> TokenBatches:
    """Batches of 32 rows: packed ones, but for the autoencoder, which takes one text a row."""
    task, packed = make_task(objective, tokens.vocabulary, judge), objective != "denoising"
    return TokenBatches(tokens, task, 32, size.sequence_length, seed, packed)


# ---- training that may be stopped


@dataclass(frozen=True)
class Plan:
    """The knobs of a pre-training run; batches and seed are those of the TokenBatches."""

    steps: int = 1000
    steps_a_part: int = 100  # between two checkpoints
    learning_rate: float = 1e-3  # the peak; ten times BERT's, for a model a hundred times smaller
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0


LIVE = {  # about a minute each on two cores
    "masked": Plan(steps=1000, steps_a_part=250, learning_rate=3e-3),
    "causal": Plan(steps=300, steps_a_part=75, learning_rate=3e-3),
    "denoising": Plan(steps=200, steps_a_part=50, learning_rate=3e-3),
}


def pretrain(
    model: keras.Model,
    batches: TokenBatches,
    plan: Plan = Plan(),
    checkpoint_folder: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> pd.DataFrame:
    """Train in place for `plan.steps` batches; the loss is the mean over the targets that have a weight.

    With a folder, a stopped training goes on after its last whole part and ends with the same weights. Returns a row a
    part: steps, loss (nats a target), tokens_a_second (of input, padding not counted; the first part also compiles).
    Raises ValueError for a vocabulary that does not fit and for a checkpoint of another plan, other batches or another
    model, and FloatingPointError for a loss that is not finite.
    """
    check_vocabulary(model, len(batches.tokens.vocabulary))
    optimizer = optimizers.make_optimizer(plan, plan.steps, model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    model.compile(optimizer, loss)
    run = {"plan": asdict(plan), "batches": batches.fingerprint(), "model": hash_layers(model)}
    state = [*model.variables, *optimizer.variables]  # dropout's random state is among the model's
    history = restore(checkpoint_folder, state, run)
    done = history[-1]["steps"] if history else 0
    progress = finetuning.Progress(plan.steps, done)
    for first in range(done, plan.steps, plan.steps_a_part):
        batches.first, batches.steps = first, min(plan.steps_a_part, plan.steps - first)
        history.append(train_part(model, batches, [progress, *callbacks]))
        if checkpoint_folder is not None:
            facts = {"run": run, "history": history}
            finetuning.save_arrays(checkpoint_folder / "last.npz", finetuning.values_of(state), facts)
    progress.bar.close()
    return pd.DataFrame(history)


def train_part(model: keras.Model, batches: TokenBatches, callbacks: Sequence[keras.callbacks.Callback]) -> dict:
    """Fit a compiled model to the batches of one part; its row of the history. Errors as in `pretrain`."""
    started = time.perf_counter()
    fitted = model.fit(batches, shuffle=False, verbose=0, callbacks=list(callbacks))
    seconds = time.perf_counter() - started
    loss = fitted.history["loss"][0]
    if not np.isfinite(loss):
        raise FloatingPointError(f"The loss is {loss}: lower the learning rate of the plan.")
    tokens = batches.steps * batches.batch_size * float(np.mean(batches.lengths + 1))
    return {"steps": batches.first + batches.steps, "loss": loss, "tokens_a_second": tokens / seconds}


def hash_layers(model: keras.Model) -> str:
    """Hash of each layer's class and configuration, in the model's order; names count nothing, nor do weights.

    Two models may have weights of the same shapes and yet compute otherwise, as with another number of heads.
    """
    layers = [
        [type(layer).__name__, {knob: value for knob, value in layer.get_config().items() if knob != "name"}]
        for layer in model.layers
    ]
    plain = keras.saving.serialize_keras_object(layers)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def restore(folder: Path | None, state: Sequence, run: dict) -> list[dict]:
    """Load the last checkpoint into `state`, if there is one; return its history.

    `run` says what made it: raises ValueError when a part of that differs, or the file is damaged.
    """
    if folder is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "last.npz").exists():
        return []
    values, facts = finetuning.load_arrays(folder / "last.npz")
    if differ := [name for name in run if facts["run"].get(name) != run[name]]:
        raise ValueError(f"The checkpoint in {folder} is of other {' and '.join(differ)}. Delete it, or keep both.")
    finetuning.assign(state, values)
    return facts["history"]


# ---- what it costs


def operations_a_token(size: Size, vocabulary_size: int, predicted_share: float = 1.0) -> int:
    """Floating-point operations of training on one token: 6 N (Kaplan et al., 2020, 2.1).

    N counts the weights that multiply each token: the layers' matrices, and the output embedding for the share of the
    tokens that is predicted. The input embedding is looked up, which costs nothing; attention scores are left out.
    """
    blocks = architecture.training_operations(size.layers, size.width, size.intermediate, tokens=1, looked_at=0)
    return blocks + round(6 * predicted_share * vocabulary_size * size.width)


# ---- weights that are kept


def save_pretrained(model: keras.Model, objective: str, size: Size, vocabulary: Sequence[str], path: Path) -> None:
    """Write weights as float16 with all that `load_pretrained` needs, whole or not at all."""
    arrays = [value.astype("float16") for value in finetuning.values_of(model.weights)]
    path.parent.mkdir(parents=True, exist_ok=True)
    finetuning.save_arrays(path, arrays, {"objective": objective, "size": asdict(size), "vocabulary": list(vocabulary)})


def load_pretrained(path: Path) -> tuple[keras.Model, keras_hub.models.BertTokenizer]:
    """Model and tokenizer that `save_pretrained` wrote. Raises ValueError for a damaged file."""
    arrays, facts = finetuning.load_arrays(path)
    model = build_model(facts["objective"], len(facts["vocabulary"]), Size(**facts["size"]))
    finetuning.assign(model.weights, [array.astype("float32") for array in arrays])
    return model, keras_hub.models.BertTokenizer(facts["vocabulary"], lowercase=True, strip_accents=True)
