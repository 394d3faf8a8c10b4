"""What the tests of lesson 04 share: texts of twelve words, their vocabulary, and the shape of a tiny model."""

from dataclasses import replace

import keras
import keras_hub
import numpy as np

from helpers import pretraining, wordpiece

WORDS = ["the", "a", "film", "room", "was", "is", "very", "not", "good", "bad", "dull", "fine"]
VOCABULARY = [*wordpiece.SPECIAL, *WORDS]
TINY = pretraining.Size(layers=1, heads=2, width=16, intermediate=32, sequence_length=16, longest_wave=16.0)


def make_texts(number=60, seed=0):
    """Texts of 3 to 20 words."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size=random.integers(3, 21))) for _ in range(number)]


def make_tokenizer(vocabulary=VOCABULARY):
    """BERT's tokenizer with the words as pieces."""
    return keras_hub.models.BertTokenizer(list(vocabulary), lowercase=True, strip_accents=True)


def build_masked(seed=0, **size):
    """A tiny masked model, or one of another size."""
    return pretraining.build_model("masked", len(VOCABULARY), replace(TINY, **size), seed)


def answer(model, inputs):
    """The model's logits as a NumPy array; it takes what it needs of the inputs."""
    return keras.ops.convert_to_numpy(model({name: inputs[name] for name in model.input}, training=False))
