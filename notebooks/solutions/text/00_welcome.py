# %% [markdown]
# # 00 · Exercises: welcome
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/00_welcome.ipynb)
#
# After [the lesson](../00_welcome.ipynb). Replace the dots, run the cell, then run the check below it, part by part: it tells you whether the
# answer is right, and what to look at if not. They take half a minute to run.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import re

import numpy as np

from helpers import finetuning, models, runtime

course = runtime.start()
classifier = models.make_classifier()

# %% [markdown]
# The exercises use three functions, which do what the lesson did cell by cell.

# %%
def vectors_of(texts):
    """Token vectors (texts, length, 384) and the mask (texts, length, 1)."""
    inputs = finetuning.pad(models.token_ids(classifier.tokenizer, texts))
    vectors = classifier.backbone.predict(inputs, verbose=0)["sequence_output"]
    return np.asarray(vectors), inputs["padding_mask"][:, :, None]


def cosines(vectors):
    """All cosines between rows, (rows, rows)."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def mean_cosines(texts):
    """Cosines between the mean vectors of texts."""
    vectors, mask = vectors_of(texts)
    return cosines((vectors * mask).sum(axis=1) / mask.sum(axis=1))

# %% [markdown]
# ## Exercise 1
#
# "The room was spotless." Write another sentence with the word *room* whose cosine with it is below 0.3. Which meaning of the
# word did you take?

# %% tags=["solution"]
# stub: sentence
# room as space for something: another meaning
sentence = "There is room for doubt in his theory of numbers."

# %% tags=["check"]
assert isinstance(sentence, str), "`sentence` is a text in quotes."
assert re.search(r"\broom\b", sentence.lower()), (
    "Put the word room into `sentence`, as a word of its own."
)
others = {word for word in re.findall(r"[a-z']+", sentence.lower()) if word != "room"}
assert len(others) >= 3, "Write a whole sentence: one word alone shows no meaning."
cosine = mean_cosines(["The room was spotless.", sentence])[0, 1]
assert cosine < 0.3, (
    f"The cosine is {cosine:.2f}: still too alike. Take the word in another meaning."
)
print("✓ the same word, another meaning: the cosine is below 0.3")

# %% [markdown]
# **Why.** Attention mixes the vectors of the neighbours into that of *room*, and the mean takes in all tokens. So a room of a hotel and room as space
# for something are far apart, though they share the word. A dirty room is not far: the model compares what a sentence
# is about, not whether it praises.

# %% [markdown]
# ## Exercise 2
#
# Replace the mean over tokens by the vector of `[CLS]` alone: put the 3 x 3 cosines of the three sentences below into
# `cls_cosines`. Are the rooms and the film still apart, by the lesson's bounds of 0.4 and 0.25?

# %% tags=["solution"]
# stub: cls_cosines
sentences = [
    "The room was spotless.",
    "Our hotel room could not have been cleaner.",
    "The film bored us to tears.",
]
vectors, _ = vectors_of(sentences)
cls_cosines = cosines(vectors[:, 0])

# %% tags=["check"]
try:
    found = np.array(cls_cosines, dtype="float64")
except (TypeError, ValueError):
    found = np.empty(0)
assert found.shape == (3, 3), "`cls_cosines` is an array of 3 x 3 cosines."
assert np.allclose(np.diagonal(found), 1, atol=1e-3), (
    "A vector's cosine with itself is 1: divide each vector by its length."
)
three = [
    "The room was spotless.",
    "Our hotel room could not have been cleaner.",
    "The film bored us to tears.",
]
assert not np.allclose(found, mean_cosines(three), atol=1e-3), (
    "These are the cosines of the means, not of [CLS]."
)
assert np.allclose(found, cosines(vectors_of(three)[0][:, 0]), atol=1e-3), (
    "[CLS] is the first token of each text: vectors[:, 0]."
)
print("✓ cosines of [CLS]; rooms alike:", found[0, 1] > found[0, 2])

# %% [markdown]
# **Why.** The rooms are still nearer to each other than to the film. [CLS] is a token like the others: attention mixes all of
# them into its vector, so it says something about the whole text. But this model was tuned on means, and nothing trained its [CLS]
# for the comparison. For other models, whose [CLS] was trained, it may be the better choice.

# %% [markdown]
# ## Exercise 3
#
# Write the majority baseline: `majority_accuracy(train_labels, labels)` gives every text the class that is most frequent in
# `train_labels`, and returns the share of `labels`, between 0 and 1, for which that is right. Labels are whole numbers from 0.

# %% tags=["solution"]
# stub: majority_accuracy
def majority_accuracy(train_labels, labels):
    """Share of `labels` that are the most frequent class of `train_labels`."""
    chosen = np.bincount(train_labels).argmax()
    return np.mean(np.asarray(labels) == chosen)

# %% tags=["check"]
assert callable(majority_accuracy), "Write a function of this name."
found = majority_accuracy([0, 0, 1], [0, 0, 0, 1])
assert np.ndim(found) == 0 and isinstance(found, (int, float, np.number)), (
    "Return one number, a share between 0 and 1."
)
assert 0 <= found <= 1, "A share is between 0 and 1, and no percentage."
assert abs(found - 0.75) < 1e-6, "3 of these 4 labels are 0, the most frequent class."
found = majority_accuracy([1, 1, 0, 1], [0, 0, 0, 1])
assert abs(found - 0.25) < 1e-6, (
    "The class is chosen on the training labels alone. It may be any class, and be"
    " wrong for most of the others."
)
found = majority_accuracy([2, 1, 2, 0], [2, 2, 1, 0, 2])
assert abs(found - 0.6) < 1e-6, "There may be three classes: do not assume two."
print("✓ the baseline that reads nothing")

# %% [markdown]
# **Why.** A baseline is a model, and a model may not look at the labels that judge it. One that chose its class on the held-out labels could never be
# below one half with two classes. A model that does not beat this number has learnt nothing from the texts.
