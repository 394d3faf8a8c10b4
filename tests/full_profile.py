"""Profile `full` without a network: python tests/full_profile.py FOLDER make | train

make   writes a random BERT of BERT-base's shape to FOLDER, as a KerasHub preset
train  fine-tunes it for two steps on mock data in the form of GLUE SST-2; KERAS_BACKEND names the backend
"""

import json
import sys

import numpy as np

from helpers import data, finetuning, models, runtime


def make(folder: str) -> None:
    """A backbone with BERT-base's sizes and random weights, and BERT's vocabulary."""
    import keras_hub

    backbone = keras_hub.models.BertBackbone(
        30_522, num_layers=12, num_heads=12, hidden_dim=768, intermediate_dim=3072, max_sequence_length=512
    )
    backbone.save_to_preset(folder)
    models.load_tokenizer().save_to_preset(folder)


def train(folder: str) -> None:
    """Two steps by the profile's own recipe, but for smaller batches; prints what a test compares."""
    import tensorflow_datasets as tfds

    course = runtime.start(profile="full")
    with tfds.testing.mock_data(num_examples=20):
        splits, label_names = data.prepare_splits(course.source)
    recipe = finetuning.Recipe(epochs=1, batch_size=4, learning_rate=course.profile.learning_rate)
    before = finetuning.values_of(models.make_classifier(folder).model.trainable_variables)
    classifier, history = finetuning.load_or_fine_tune(
        splits["train"][:8], splits["validation"][:4], recipe, source=folder
    )
    after = finetuning.values_of(classifier.model.trainable_variables)
    moved = [float(np.abs(one - other).max()) for one, other in zip(before, after, strict=True)]
    facts = {"backend": course.backend, "names": label_names, "parameters": models.parameter_count(classifier.backbone)}
    facts |= {"splits": sorted(splits), "loss": history["train_loss"].iloc[0], "moved": max(moved)}
    print("FACTS" + json.dumps(facts))


if __name__ == "__main__":
    {"make": make, "train": train}[sys.argv[2]](sys.argv[1])
