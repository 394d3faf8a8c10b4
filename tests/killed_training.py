"""The tiny training of test_finetuning.py, killed at a chosen moment: killed_training.py FOLDER BATCH

BATCH > 0: SIGKILL after that many batches of this process; -1: while `last.npz` is being written; 0: never.
"""

import os
import signal
import sys
from pathlib import Path

from conftest import make_tiny_classifier, make_tiny_reviews  # first: it chooses the backend of Keras

# isort: split
import keras
import numpy as np

from helpers import finetuning

folder, moment = Path(sys.argv[1]), int(sys.argv[2])


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class KillAfter(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        if self.batches == moment:
            die()


def die_half_way(file, *arrays, save=np.savez, **facts):
    if "last" in file.name:
        file.write(b"half a checkpoint")
        file.flush()
        die()
    save(file, *arrays, **facts)


if moment == -1:
    np.savez = die_half_way
classifier = make_tiny_classifier()
recipe = finetuning.Recipe(epochs=3, batch_size=8, learning_rate=1e-3, seed=5)
data = make_tiny_reviews(), make_tiny_reviews(40, seed=1)
finetuning.fine_tune(classifier, *data, recipe, folder / "checkpoints", [KillAfter()])
np.savez(folder / "end.npz", *finetuning.values_of(classifier.model.variables))
