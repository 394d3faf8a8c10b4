"""Lesson 02: three families of Transformers: their sizes, their masks, what they cost, and how their weights are stored.

Everything here is computed from a few whole numbers: no Keras, no TensorFlow.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from helpers import runtime

# ---- parameters


def block_parameters(width: int, feed_forward: int) -> int:
    """Numbers in one Transformer block: attention 4(d² + d), feed-forward 2df + f + d, two layer norms 4d.

    d is `width`, f is `feed_forward` (Vaswani et al., 2017, section 3, with biases everywhere).
    """
    attention = 4 * (width**2 + width)
    return attention + 2 * width * feed_forward + feed_forward + width + 4 * width


def encoder_parameters(
    vocabulary: int, length: int, width: int, layers: int, feed_forward: int, segments: int = 2, pooler: bool = True
) -> int:
    """Numbers in a BERT: three embeddings and their layer norm, the blocks, and the layer on [CLS] (`pooler`).

    DistilBERT has neither segments nor a pooler (Devlin et al., 2019; Sanh et al., 2019).
    """
    embeddings = (vocabulary + length + segments) * width + 2 * width
    return embeddings + layers * block_parameters(width, feed_forward) + pooler * (width**2 + width)


def decoder_parameters(vocabulary: int, length: int, width: int, layers: int, feed_forward: int) -> int:
    """Numbers in a GPT-2: two embeddings, the blocks, one last layer norm; the words' vectors also serve as its output."""
    return (vocabulary + length) * width + layers * block_parameters(width, feed_forward) + 2 * width


def vision_parameters(image: int, patch: int, channels: int, width: int, layers: int, feed_forward: int) -> int:
    """Numbers in a ViT for square images of `image` pixels a side (Dosovitskiy et al., 2021, section 3.1).

    One linear layer for all patches, the class token, a position for each patch and for it, the blocks, a layer norm.
    Raises ValueError when the patches do not fill the image.
    """
    if image % patch:
        raise ValueError(f"Patches of {patch} pixels do not fill a side of {image} pixels.")
    patches = (image // patch) ** 2
    embeddings = patch**2 * channels * width + width + width + (patches + 1) * width
    return embeddings + layers * block_parameters(width, feed_forward) + 2 * width


# ---- what they cost


def forward_operations(layers: int, width: int, feed_forward: int, tokens: int, looked_at: int | None = None) -> int:
    """Floating-point operations of one pass of a text of `tokens` tokens through the blocks; a multiply-add is two.

    In each block every token meets four matrices of width x width (query, key, value, output) and the two of the
    feed-forward part. Attention costs two products of vectors for each token that a token looks at: `looked_at` of
    them, or all of the text (None); 0 leaves attention out. Embeddings, normalisation, softmax, biases and the head are
    not counted: they add about one in a hundred (Kaplan et al., 2020, table 1).
    """
    looked_at = tokens if looked_at is None else looked_at
    matrices = 4 * width**2 + 2 * width * feed_forward
    return 2 * layers * tokens * (matrices + 2 * looked_at * width)


def training_operations(layers: int, width: int, feed_forward: int, tokens: int, looked_at: int | None = None) -> int:
    """Floating-point operations to train on a text once: forward, and twice that backward (Kaplan et al., 2020, 2.1)."""
    return 3 * forward_operations(layers, width, feed_forward, tokens, looked_at)


# ---- who looks at whom


def attention_mask(family: str, padding_mask: Sequence[int]) -> np.ndarray:
    """Who may look at whom: bool (tokens, tokens), row i says at which tokens token i may look.

    `padding_mask` has 1 for a real token and 0 for padding. "encoder" (BERT): at each real token; "decoder" (GPT): at real
    tokens up to itself; "vision" (ViT): at each patch. Raises ValueError for another family.
    """
    real = np.asarray(padding_mask).astype(bool)
    everything = np.ones((len(real), len(real)), dtype=bool)
    masks = {"encoder": everything & real, "decoder": np.tril(everything & real), "vision": everything}
    if family not in masks:
        raise ValueError(f"The family is {family!r}; there are {', '.join(masks)}.")
    return masks[family]


def attend(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, may_look: np.ndarray | bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Attention of one head or of several: what each token collects, and with which weights it does (Vaswani et al., 2017, 3.2.1).

    `query` and `key` are float (..., tokens, size), `value` is (..., tokens, any size); "..." are heads, or nothing. `may_look`
    is bool (tokens, tokens), as `attention_mask` makes it; each row must allow one token. The result: (..., tokens, any size),
    and weights (..., tokens, tokens) that are 0 where a token may not look and add up to 1 in each row.
    """
    scores = query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
    scores = np.where(may_look, scores, -np.inf)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))  # the largest becomes 1: nothing can overflow
    weights = shares / shares.sum(axis=-1, keepdims=True)
    return weights @ value, weights


def measure_influence(
    vectors_of: Callable[[np.ndarray], np.ndarray], original: np.ndarray, changed: np.ndarray
) -> np.ndarray:
    """How far each output moves when one input is changed: float (outputs, changes), the largest change of any number.

    `original` is one input, `changed` a stack of variants of it; `vectors_of` gives (inputs, outputs, width). All pass
    through the model in one batch, so that rounding is the same for all.
    """
    vectors = np.asarray(vectors_of(np.concatenate([original[None], changed])))
    return np.abs(vectors[1:] - vectors[:1]).max(axis=-1).T


# ---- published facts, files of weights


def read_facts(name: str):
    """A table of quoted facts, data/NAME.csv, as a pandas DataFrame; an empty field says "not verified" and becomes NaN.

    "models": published models with their sources. "beyond_text": other tasks, what to read, what to load.
    """
    import pandas as pd

    return pd.read_csv(runtime.COURSE / "data" / f"{name}.csv")


def read_safetensors_header(path: Path) -> tuple[dict[str, dict], int]:
    """Header of a safetensors file, tensor -> dtype, shape, data_offsets, and the byte at which the numbers begin.

    The format: 8 bytes (little-endian) with the header's length, the header in JSON, the numbers. Offsets count from the
    first number. Raises ValueError when the file is something else.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(length)) if 2 <= length <= size - 8 else None
        except ValueError:
            header = None
    if not isinstance(header, dict):
        raise ValueError(f"{path.name} does not begin with a safetensors header.")
    header.pop("__metadata__", None)
    return header, 8 + length
