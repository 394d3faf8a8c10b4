# %% [markdown]
# # 00 · Exercises: welcome
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/00_welcome.ipynb)
#
# After [the lesson](../00_welcome.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
# answer holds, and what to look at if not. They take half a minute.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
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
written = sentence.lower() if isinstance(sentence, str) else ""
words = written.replace(".", " ").replace(",", " ").split()
assert "room" in words and len(words) > 2, (
    "Put a sentence with the word room into `sentence`."
)
cosine = mean_cosines(["The room was spotless.", sentence])[0, 1]
assert cosine < 0.3, (
    f"The cosine is {cosine:.2f}: still too alike. Take the word in another meaning."
)
print("✓ the same word, another meaning: the cosine is below 0.3")

# %% [markdown]
# ## Exercise 2
#
# Replace the mean over tokens by the vector of `[CLS]` alone: put the 3 x 3 cosines of the three sentences below into
# `cls_cosines`. Are the two rooms still clearly apart from the film?

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
assert np.shape(cls_cosines) == (3, 3), (
    "`cls_cosines` is to be an array of 3 x 3 cosines, by `cosines(...)`."
)
three = [
    "The room was spotless.",
    "Our hotel room could not have been cleaner.",
    "The film bored us to tears.",
]
assert not np.allclose(cls_cosines, mean_cosines(three), atol=1e-3), (
    "These are the cosines of the means, not of [CLS]."
)
assert np.allclose(cls_cosines, cosines(vectors_of(three)[0][:, 0]), atol=1e-4), (
    "[CLS] is the first token: vectors[:, 0]."
)
print("✓ cosines of [CLS]; rooms alike:", cls_cosines[0, 1] > cls_cosines[0, 2])
