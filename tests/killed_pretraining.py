"""A tiny masked pre-training, killed with SIGKILL after some batches (0: never): killed_pretraining.py FOLDER BATCHES"""

import os
import signal
import sys
from pathlib import Path

from conftest import SPECIAL, WORDS, make_tiny_reviews  # first: it chooses the backend of Keras

# isort: split
import keras
import numpy as np

from helpers import corpus, finetuning, pretraining

folder, moment = Path(sys.argv[1]), int(sys.argv[2])


class KillAfter(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.left = moment

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


size = pretraining.Size(layers=1, heads=2, width=16, intermediate=32, sequence_length=16, dropout=0.1)
corpus.write_tokens(make_tiny_reviews(400)[0], SPECIAL + WORDS, folder / "tokens")
tokens = corpus.read_tokens(folder / "tokens")
model = pretraining.build_model("masked", len(tokens.vocabulary), size)
plan = pretraining.Plan(steps=10, steps_a_part=3, learning_rate=1e-2)
batches = pretraining.make_batches("masked", tokens, size)
pretraining.pretrain(model, batches, plan, folder / "checkpoints", [KillAfter()])
np.savez(folder / "end.npz", *finetuning.values_of(model.variables))
