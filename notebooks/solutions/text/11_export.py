# %% [markdown]
# # 11 · Exercises: export
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/11_export.ipynb)
#
# After [the lesson](../11_export.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
# answer holds, and what to look at if not. They take some seconds.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import numpy as np

from helpers import finetuning, models, runtime, tokenization

course = runtime.start(dtype_policy="float32")  # answers are compared to many digits
classifier = models.make_classifier()
matrix = np.random.default_rng(0).normal(size=(384, 384)).astype("float32")

# %% [markdown]
# ## Exercise 1
#
# int8 by hand. Store `matrix` in whole numbers from -127 to 127 (`whole`, int8) and one number `scale`, so that `whole * scale` is as near as
# possible.

# %% tags=["solution"]
# stub: whole, scale
scale = float(np.abs(matrix).max() / 127)
whole = np.round(matrix / scale).astype("int8")

# %% tags=["check"]
assert isinstance(whole, np.ndarray) and whole.dtype == "int8", (
    "`whole` is to be an int8 array: .astype('int8')."
)
assert isinstance(scale, float | np.floating), (
    "`scale` is one number for the whole matrix."
)
error = np.abs(whole.astype("float32") * scale - matrix).max()
assert np.abs(whole.astype(int)).max() == 127, (
    "Use the whole range: scale = largest value / 127."
)
assert error <= scale / 2 + 1e-6, (
    "Off by more than half a step: round before you convert."
)
print("✓ a quarter of the bytes, no value off by more than half a step")

# %% [markdown]
# ## Exercise 2
#
# The feed of an ONNX file by hand: write `feed(texts)` with the `tokenizers` package, which gives a dictionary of int32 arrays `token_ids`,
# `padding_mask`, `segment_ids`, each (texts, longest), filled up with 0.

# %% tags=["solution"]
# stub: feed
vocabulary = classifier.tokenizer.get_vocabulary()
tokenizer = tokenization.make_reference_tokenizer(
    vocabulary, max_length=models.MAX_LENGTH
)


def feed(texts):
    """The model's inputs for some texts."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    longest = max(map(len, rows))
    ids = np.array([row + [0] * (longest - len(row)) for row in rows], dtype="int32")
    return {
        "token_ids": ids,
        "padding_mask": (ids != 0).astype("int32"),
        "segment_ids": np.zeros_like(ids),
    }

# %% tags=["check"]
assert callable(feed), "Define a function `feed(texts)`."
some = ["A naïve film.", "Dull", "word " * 300]
arrays = feed(some)
names = set(arrays) if isinstance(arrays, dict) else set()
assert names == {"token_ids", "padding_mask", "segment_ids"}, (
    "Return a dictionary with three names; see the task."
)
assert {array.dtype.name for array in arrays.values()} == {"int32"}, (
    "All arrays are int32."
)
for row, ids in enumerate(models.token_ids(classifier.tokenizer, some)):
    assert arrays["token_ids"][row, : len(ids)].tolist() == ids.tolist(), (
        f"Other ids than in training for: {some[row][:20]}"
    )
    assert arrays["padding_mask"][row].sum() == len(ids), (
        "The mask is 1 for tokens and 0 for the filling."
    )
assert not arrays["segment_ids"].any(), "One text a row: all of it is segment 0."
print("✓ the same ids as in training, framed, cut and filled up")
