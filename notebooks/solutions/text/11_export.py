# %% [markdown]
# # 11 · Exercises: export
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/11_export.ipynb)
#
# After [the lesson](../11_export.ipynb). Replace the dots, run the cell, then run the check below it, part by part: it tells you whether the
# answer holds, and what to look at if not. They take some seconds.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import json
import tempfile
from pathlib import Path

import numpy as np

from helpers import models, runtime, tokenization

course = runtime.start(dtype_policy="float32")  # answers are compared to many digits
classifier = models.make_classifier()
matrix = np.random.default_rng(0).normal(size=(384, 384)).astype("float32")
# As beside the lesson's ONNX file: it frames texts and cuts them at 128 tokens.
path = Path(tempfile.mkdtemp()) / "tokenizer.json"
tokenization.make_reference_tokenizer(
    classifier.tokenizer.get_vocabulary(), max_length=models.MAX_LENGTH
).save(str(path))

# %% [markdown]
# ## Exercise 1
#
# int8 by hand. Store `matrix` in whole numbers from -127 to 127 (`whole`, int8) and one number `scale`, so that
# `whole * scale` is as near as possible. How large can an error be? Put that bound into `bound`.

# %% tags=["solution"]
# stub: whole, scale, bound
scale = float(np.abs(matrix).max() / 127)
whole = np.round(matrix / scale).astype("int8")
bound = scale / 2

# %% tags=["check"]
# Check, part 1 of 2
numbers = (int, float, np.number)
assert isinstance(whole, np.ndarray) and whole.dtype == "int8", (
    "`whole` is to be an int8 array: .astype('int8')."
)
assert isinstance(scale, numbers) and isinstance(bound, numbers), (
    "`scale` and `bound` are one number each for the whole matrix."
)
assert whole.shape == matrix.shape, "`whole` has a number for each number of `matrix`."
largest = np.abs(matrix).max()
assert 127 * scale >= largest - 1e-4, (
    "The largest value does not fit: beyond 127 int8 wraps around to negative numbers. "
    "scale = largest absolute value / 127."
)
assert np.abs(whole.astype(int)).max() == 127 and 127 * scale <= largest + 1e-4, (
    "Use the whole range: scale = largest absolute value / 127."
)

# %% tags=["check"]
# Check, part 2 of 2
error = np.abs(whole.astype("float32") * scale - matrix).max()
assert error <= scale / 2 + 1e-6, (
    "Off by more than half a step: .astype cuts off, so round before you convert."
)
assert abs(bound - scale) > 1e-6, (
    "A whole step is too much: of the two whole numbers around a value "
    "you take the nearer."
)
assert abs(bound - scale / 2) < 1e-4, (
    "Rounding goes to the nearest whole number: how far away can that be, in steps?"
)
print("✓ a quarter of the bytes, no value off by more than half a step")

# %% [markdown]
# **Why.** The whole numbers are a step of `scale` apart, so the nearest is at most half a step away. One large value makes
# `scale` large, and with it the errors of all the small ones. That is why a few huge attention scores ruin full int8.

# %% [markdown]
# ## Exercise 2
#
# The feed of an ONNX file by hand. Write `feed(texts)` with the package `tokenizers` alone, as a user without Keras must. `path` names
# the file `tokenizer.json`, the same that the lesson writes beside `model.onnx`. It frames texts by [CLS] and [SEP] and cuts them at 128
# tokens by itself. `feed` gives a dictionary of int32 arrays `token_ids`, `padding_mask`, `segment_ids`, each (texts, longest). Fill up with
# 0.

# %% tags=["solution"]
# stub: feed
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(str(path))
tokenizer.enable_padding()  # with id 0, to the longest of a batch


def feed(texts):
    """The model's inputs for some texts."""
    rows = tokenizer.encode_batch(list(texts))
    ids = np.array([row.ids for row in rows], dtype="int32")
    mask = np.array([row.attention_mask for row in rows], dtype="int32")
    return {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}

# %% tags=["check"]
# Check, part 1 of 2
assert callable(feed), "Define a function `feed(texts)`."
others = {"models", "finetuning", "tokenization", "predicting", "classifier"}
used = others & set(getattr(getattr(feed, "__code__", None), "co_names", ()))
assert not used, (
    f"A user of the ONNX file has no {', '.join(sorted(used))}: "
    "use the package `tokenizers` alone."
)
some = ["A naïve film… ½", "Dull", "word " * 300]
try:
    arrays = feed(some)
except Exception as stopped:
    raise AssertionError(
        f"feed stops with {stopped!r}. Have all rows one length? Fill them up."
    ) from stopped
names = set(arrays) if isinstance(arrays, dict) else set()
assert names == {"token_ids", "padding_mask", "segment_ids"}, (
    "Return a dictionary with three names; see the task."
)

# %% tags=["check"]
# Check, part 2 of 2
kinds = {getattr(array, "dtype", None) for array in arrays.values()}
assert kinds == {np.dtype("int32")}, "All three are arrays of int32."
assert {array.shape for array in arrays.values()} == {(3, 128)}, (
    "Each is (texts, longest). The longest has 128 tokens here: texts are cut there."
)
for row, ids in enumerate(models.token_ids(classifier.tokenizer, some)):
    assert arrays["token_ids"][row, : len(ids)].tolist() == ids.tolist(), (
        f"Other ids than in training for: {some[row][:20]}"
    )
    rest = arrays["token_ids"][row, len(ids) :]
    assert not rest.any(), "After a text, fill up with 0."
    mask = [1] * len(ids) + [0] * (128 - len(ids))
    assert arrays["padding_mask"][row].tolist() == mask, (
        "The mask is 1 for tokens and 0 for the filling."
    )
assert not arrays["segment_ids"].any(), "One text a row: all of it is segment 0."
print("✓ the same ids as in training, framed, cut and filled up")

# %% [markdown]
# **Why.** The file holds the vocabulary and all rules: small letters, accents, words, framing, cutting. A user needs neither Keras nor the
# course. The mask tells the model which ids are filling, so a text gets the same answer whatever it shares a batch with.

# %% [markdown]
# ## Exercise 3
#
# The last step of a served model. Write `answer(probabilities, labels, temperature)`, which gives a list with a pair (name, probability) for each text.
# `probabilities` are those of an export (texts, classes), `labels` is the path of its `labels.json` (a list of names), and the
# probability is scaled by `temperature`, as the model card asks. Why should the labels travel with a model?

# %% tags=["solution"]
# stub: answer
def answer(probabilities, labels, temperature):
    """Name and calibrated probability of the most probable class of each text."""
    names = json.loads(Path(labels).read_text(encoding="utf-8"))
    powers = np.asarray(probabilities) ** (1 / temperature)
    scaled = powers / powers.sum(axis=1, keepdims=True)
    return [(names[row.argmax()], float(row.max())) for row in scaled]

# %% tags=["check"]
# Check, part 1 of 2
assert callable(answer), "Define `answer(probabilities, labels, temperature)`."
given = np.array([[0.9, 0.09, 0.01], [0.2, 0.3, 0.5]])
labels = path.with_name("labels.json")
labels.write_text(json.dumps(["positive", "mixed", "negative"]), encoding="utf-8")
try:
    names, found = zip(*answer(given.copy(), labels, 2.0), strict=True)
    found = np.array(found, dtype=float)
except Exception as stopped:
    raise AssertionError(
        f"Return a list of pairs (name, probability), one a text. Error: {stopped!r}."
    ) from stopped
assert found.shape == (2,), "One pair a text: its most probable class alone."
assert list(names) == ["positive", "negative"], (
    "Take the names from labels.json: another model has other classes, another order."
)

# %% tags=["check"]
# Check, part 2 of 2
raw, roots = given.max(axis=1), np.sqrt(given)
assert not np.allclose(found, raw), "Scale the export's own probabilities."
assert not np.allclose(found, raw / 2), (
    "After p / T a text's probabilities no longer sum to 1: T divides log(p), not p."
)
assert not np.allclose(found, roots.max(axis=1)), "Divide by the sum of the row."
assert found[0] < raw[0], "A temperature above 1 makes answers less sure: p ** (1 / T)."
assert np.allclose(found, (roots / roots.sum(axis=1, keepdims=True)).max(axis=1)), (
    "The card says softmax(log(p) / T): p ** (1 / T), divided by the row's sum."
)
print("✓ named, and no surer than the validation texts allow")

# %% [markdown]
# **Why.** A model gives numbers, and number 0 means nothing by itself. If the names stood in the program, a new model with another order of classes would
# run without an error and call every good review bad. So names, tokenizer and temperature travel with the weights.
