"""Shared fixtures: a session started once, a tiny untrained BERT, the real weights."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import runtime

sys.path.append(
    str(Path(__file__).resolve().parents[1] / "tools")
)  # scripts of tests import this file outside of pytest
import lanes

if "PYTEST_XDIST_WORKER" in os.environ:  # "gw0", "gw1": each keeps to its own cores, before TensorFlow counts them
    own = lanes.cores_of_lanes(int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    lanes.keep_to(own[int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))])
runtime.start()  # before anything imports Keras

import keras  # noqa: E402
import keras_hub  # noqa: E402

from helpers import models  # noqa: E402

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["good", "bad", "very", "not", "the", "film", "room", "##s", "dull", "fine", ".", "!"]


# These take minutes each. They begin first, so that no process waits for one at the end.
LONGEST = ("test_exercises.py", "test_own_lessons.py", "test_site.py")


def pytest_collection_modifyitems(items):
    """The longest files first. Tests marked `tensorflow` are skipped, with the reason, where TensorFlow is not installed."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    if not runtime.installed("tensorflow"):
        for item in items:
            if item.get_closest_marker("tensorflow"):
                item.add_marker(pytest.mark.skip(reason="TensorFlow is not installed in this environment"))


def make_tiny_classifier(num_classes=2, seed=0):
    """A BERT of 2 layers, 16 wide, with random weights and dropout: fine-tunes in a second."""
    keras.utils.set_random_seed(seed)
    vocabulary = SPECIAL + WORDS
    backbone = keras_hub.models.BertBackbone(
        len(vocabulary),
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_sequence_length=models.MAX_LENGTH,
    )
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=True, strip_accents=True)
    return models.add_head(backbone, tokenizer, num_classes)


def make_tiny_reviews(number=96, seed=0):
    """Texts of 1 to 20 words of the tiny vocabulary, label 1 if "good" is among the words, else 0."""
    random = np.random.default_rng(seed)
    words = [word for word in WORDS if not word.startswith("##")]
    texts = [" ".join(random.choice(words, size=random.integers(1, 21))) for _ in range(number)]
    return texts, np.array([int("good" in text.split()) for text in texts])


@pytest.fixture
def tiny_classifier():
    """A fresh tiny classifier."""
    return make_tiny_classifier()


@pytest.fixture(scope="session")
def minilm():
    """The classifier on the real pre-trained weights, its head untrained."""
    return models.make_classifier()


@pytest.fixture
def artifacts(tmp_path, monkeypatch):
    """An empty artifacts folder for one test."""
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path / "artifacts"))
    return tmp_path / "artifacts"
