# %% [markdown]
# # 02 · Exercises: model selection
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/02_model_selection.ipynb)
#
# After [the lesson](../02_model_selection.ipynb). Replace the dots, run the cell, then run the check below it, part by part. The check says whether your answer
# is right, and what to look at if it is not. The checks take half a minute.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import numpy as np

from helpers import architecture, models, runtime

course = runtime.start()

# %% [markdown]
# ## Exercise 1
#
# Take the example of *Attention by hand*: the tokens "not", "very", "good", with the same matrices. Hide "very" from all tokens, instead of "not".
# Which weights has "good" for the three tokens (three numbers, into `weights`)? What is its praise after the result is added to its
# vector (into `praise`)? Do it without `architecture.attend`.

# %% tags=["solution"]
# stub: weights, praise
x = np.eye(3)  # a row for each token; columns: negates, strengthens, praises
query = x @ np.array([[0, 0, 0], [0, 0, 0], [4, 2, 0]])
value = x @ np.array([[0, 0, -3], [0, 0, 1], [0, 0, 0]])  # the keys are x itself
scores = query[2] @ x.T / np.sqrt(3)  # those of "good"
scores[1] = -np.inf  # "very" is hidden
weights = np.exp(scores) / np.exp(scores).sum()
praise = x[2, 2] + weights @ value[:, 2]

# %% tags=["check"]
# Check, part 1 of 2
x, to_value = np.eye(3), np.array([[0, 0, -3], [0, 0, 1], [0, 0, 0]])
query = x @ np.array([[0, 0, 0], [0, 0, 0], [4, 2, 0]])


def attended(scale, may_look):
    """Weights and collected praise of "good"."""
    mask = np.array(may_look)
    collected, found = architecture.attend(scale * query, x, x @ to_value, mask)
    return found[2], collected[2, 2]


given = [] if weights is ... else np.atleast_1d(weights).tolist()
assert len(given) == 3 and all(isinstance(value, int | float) for value in given), (
    "Put three numbers into `weights`: those of 'good' for 'not', 'very' and 'good'."
)
right, collected = attended(1, [True, False, True])


def is_like(answer):
    """Whether the given weights are these, to two digits."""
    return np.allclose(given, answer, atol=0.006)

# %% tags=["check"]
# Check, part 2 of 2
assert not is_like(attended(1, [True, True, True])[0] * [1, 0, 1]), (
    "The weights no longer add up to 1: hide the score, before softmax."
)
assert not is_like(attended(1, [False, True, True])[0]), "Hide 'very', and not 'not'."
assert not is_like(attended(np.sqrt(3), [True, False, True])[0]), (
    "Divide the scores by the root of d, which is 3 here."
)
assert given[1] == 0, (
    "A hidden token gets a weight of exactly 0: its score is minus infinity, "
    "since a score of 0 would give a share of 1."
)
assert is_like(right), "Softmax: the exponentials of the scores, divided by their sum."
assert isinstance(praise, int | float | np.number), "Put one number into `praise`."
assert abs(praise - collected) > 0.01, "Add what 'good' collects to its own praise, 1."
assert abs(praise - 1 - collected) < 0.02, (
    "The praise is 1, plus the sum of each weight times that token's value."
)
print(f"✓ 'good' looks at 'not' with {right[0]:.0%}: praise {1 + collected:.1f}")

# %% [markdown]
# **Why.** The share of "very" is gone, and the two that remain are divided by a smaller sum. So "not" gets more than before, 91 % instead of 71 %. What "very"
# added is missing, too. Hiding one token changes what the others give.

# %% [markdown]
# ## Exercise 2
#
# How many parameters has a BERT-tiny (2 layers, 128 wide, feed-forward 512, at most 512 tokens) with the Chinese vocabulary of 21,128 word pieces? Compute the number by hand
# into `parameters`, without asking Keras.

# %% tags=["solution"]
# stub: parameters
d, f = 128, 512
# A block: attention, feed-forward, two layer norms.
block = 4 * (d**2 + d) + (2 * d * f + f + d) + 4 * d
embeddings = (21_128 + 512 + 2) * d + 2 * d  # words, places, two segments; a layer norm
parameters = embeddings + 2 * block + d**2 + d  # two blocks; the pooled output

# %% tags=["check"]
import keras_hub

assert isinstance(parameters, int | float | np.number) and parameters % 1 == 0, (
    "Compute a whole number into `parameters`."
)
tiny = keras_hub.models.BertBackbone(21_128, 2, 2, 128, 512, max_sequence_length=512)
hints = {
    128**2 + 128: "BERT has one more layer, on [CLS], for its pooled output.",
    256: "128 + 128 are missing. Two things have as many: the vectors of the two "
    "segments, and the layer norm that follows the embeddings.",
    512: "the two segments *and* the layer norm after the embeddings are missing.",
    512 * 128: "each of the 512 places has a vector, too.",
    2 * (4 * 128 + 512 + 128): "each matrix in a block has a bias.",
    2 * 4 * 128: "each block has two layer norms, with a scale and a shift each.",
    architecture.block_parameters(128, 512): "there are two blocks.",
    (21_128 - 30_522) * 128: "the Chinese vocabulary has 21,128 word pieces.",
}
missing = tiny.count_params() - int(parameters)
assert missing not in hints, f"Nearly: {hints[missing]}"
assert missing == 0, (
    "Count words, places and segments, and their layer norm; two blocks; pooled output."
)
print("✓ as many as Keras counts")

# %% [markdown]
# **Why.** 2.7 million of the 3.2 million parameters are vectors of word pieces. In so small a model the vocabulary decides about the size: the English one, with 30,522 pieces,
# makes it 1.2 million parameters larger, although the blocks are the same.

# %% [markdown]
# ## Exercise 3
#
# From `architecture.read_facts("models")`: which models read Chinese, are under Apache-2.0 and have a KerasHub preset? Put their names into `chinese`, smallest
# first. By how many points is the published figure of the smallest above that of the next (into `gain`)?

# %% tags=["solution"]
# stub: chinese, gain
published = architecture.read_facts("models")
reads = published["languages"].isin(["Chinese", "104 languages"])
allowed = (published["licence"] == "Apache-2.0") & published["preset"].notna()
found = published[reads & allowed].sort_values("parameters")
chinese = found["model"].tolist()
gain = found["quality"].iloc[0] - found["quality"].iloc[1]  # both on XNLI Chinese

# %% tags=["check"]
facts = architecture.read_facts("models").set_index("model")
names = [] if chinese is ... or isinstance(chinese, str) else list(chinese)
assert names and set(names) <= set(facts.index), (
    "Put a list of names from the column `model` into `chinese`."
)
of_chinese = ["BERT Chinese", "BERT multilingual (cased)"]
wrong = [name for name in names if name not in of_chinese]
assert not wrong, f"{wrong[0]} was trained on {facts['languages'][wrong[0]]}."
assert set(names) == set(of_chinese), (
    "Another model was trained on Chinese, too: look at the whole column `languages`."
)
assert names == of_chinese, "Smallest first: sort by the column `parameters`."
assert isinstance(gain, int | float | np.number), "Put a number into `gain`, in points."
right = facts["quality"][of_chinese[0]] - facts["quality"][of_chinese[1]]
assert abs(gain + right) > 1e-6, "The other way round: the smallest minus the next."
assert abs(gain - right) < 1e-6, (
    "Subtract their figures in the column `quality`; both are on XNLI Chinese."
)
print(f"✓ BERT Chinese is smaller and, on XNLI Chinese, {right:.1f} points better")

# %% [markdown]
# **Why.** The multilingual model has a vector for each of 119,547 pieces of 104 languages, and must divide its blocks among them. A model for one language puts
# all of its 102 million parameters into Chinese. Both figures are on one benchmark, else the difference would mean nothing.

# %% [markdown]
# ## Exercise 4
#
# The byte at position 20,000,000 of MiniLM's `model.safetensors` was changed. In which tensor is it (put the name into `tensor`), and which word piece's
# vector is it (into `piece`)? `architecture.read_safetensors_header` says where each tensor begins; a number has
# 4 bytes, a vector 384 numbers.

# %% tags=["solution"]
# stub: tensor, piece
path = models.minilm_folder() / "model.safetensors"
header, start = architecture.read_safetensors_header(path)
offset = 20_000_000 - start  # offsets count from the first number
tensor = next(
    name
    for name, entry in header.items()
    if entry["data_offsets"][0] <= offset < entry["data_offsets"][1]
)
row = (offset - header[tensor]["data_offsets"][0]) // (4 * 384)
piece = models.load_tokenizer().id_to_token(row)

# %% tags=["check"]
# Check, part 1 of 2
assert isinstance(tensor, str) and isinstance(piece, str), (
    "Put two names into `tensor` and `piece`."
)
path = models.minilm_folder() / "model.safetensors"
known, begin = architecture.read_safetensors_header(path)
assert tensor in known, "Put the name of a tensor of the header into `tensor`."
first, end = known[tensor]["data_offsets"]
assert first <= 20_000_000 - begin < end, (
    f"{tensor} has the bytes {begin + first:,} to {begin + end:,} of the file."
)
tokenizer, vector = models.load_tokenizer(), 4 * 384

# %% tags=["check"]
# Check, part 2 of 2
def piece_at(place):
    """The word piece whose vector has this byte of the tensor."""
    return tokenizer.id_to_token(place // vector)


place = 20_000_000 - begin - first
assert piece not in (piece_at(place + begin), piece_at(place + begin - 8)), (
    "Offsets count from the first number: subtract the 8 bytes *and* the header."
)
assert piece != piece_at(place + first), "Subtract where this tensor begins, too."
assert piece != piece_at(place + vector), "The first vector is number 0: round down."
assert piece == piece_at(place), "Divide the place within the tensor by 4 * 384."
print("✓ found: a single changed byte belongs to a single word piece")

# %% [markdown]
# **Why.** The file is a header and then one number after the other, without any compression. So a byte's position says which number it belongs to. This makes
# safetensors fast to load, and easy to tamper with: only a hash shows it.
