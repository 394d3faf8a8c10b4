# %% [markdown]
# # 02 · Exercises: model selection
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/02_model_selection.ipynb)
#
# After [the lesson](../02_model_selection.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
# answer holds, and what to look at if not. They take half a minute.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
from helpers import architecture, models, runtime

course = runtime.start()

# %% [markdown]
# ## Exercise 1
#
# How many parameters has a BERT-tiny (2 layers, 128 wide, feed-forward 512, at most 512 tokens) with the Chinese vocabulary of 21,128 word pieces? Compute it by hand
# into `parameters`; do not ask Keras.

# %% tags=["solution"]
# stub: parameters
d, f = 128, 512
# A block: attention, feed-forward, two layer norms.
block = 4 * (d**2 + d) + (2 * d * f + f + d) + 4 * d
embeddings = (21_128 + 512 + 2) * d + 2 * d  # words, places, two segments; a layer norm
parameters = embeddings + 2 * block + d**2 + d  # two blocks; the pooled output

# %% tags=["check"]
assert isinstance(parameters, int), "Compute a whole number into `parameters`."
import keras_hub

tiny = keras_hub.models.BertBackbone(21_128, 2, 2, 128, 512, max_sequence_length=512)
counted = tiny.count_params()
assert parameters != counted - 128**2 - 128, (
    "Nearly: BERT has one more layer, on [CLS], for its pooled output."
)
assert parameters != counted - 256, "Nearly: a layer norm follows the embeddings."
assert parameters == counted, (
    "Words, places and segments, and their layer norm; two blocks; the pooled output."
)
print("✓ as many as Keras counts")

# %% [markdown]
# ## Exercise 2
#
# From `architecture.read_facts("models")`: which models read Chinese (104 languages hold it, too), are under
# Apache-2.0 and have a KerasHub preset? Put their names into `chinese`, smallest first, and the published figure by which the smaller one is better into `gain` (in points).

# %% tags=["solution"]
# stub: chinese, gain
published = architecture.read_facts("models")
reads = published["languages"].isin(["Chinese", "104 languages"])
allowed = (published["licence"] == "Apache-2.0") & published["preset"].notna()
found = published[reads & allowed].sort_values("parameters")
chinese = found["model"].tolist()
# Both figures are on XNLI Chinese.
gain = float(found["quality"].iloc[0] - found["quality"].iloc[1])

# %% tags=["check"]
assert isinstance(chinese, list) and isinstance(gain, float), (
    "Put a list of names into `chinese` and a number into `gain`."
)
assert "ModernBERT-base" not in chinese, "ModernBERT was trained on English and code."
assert chinese == ["BERT Chinese", "BERT multilingual (cased)"], (
    "Look at the columns languages, licence and preset; smallest first."
)
assert abs(gain - 0.6) < 1e-6, (
    "Both have a figure on XNLI Chinese: "
    "subtract the multilingual one's from the Chinese one's."
)
print("✓ BERT Chinese is smaller and, on XNLI Chinese, 0.6 points better")

# %% [markdown]
# ## Exercise 3
#
# The byte at position 20,000,000 of MiniLM's `model.safetensors` was changed. In which tensor does it lie (put the name into `tensor`), and which word piece's
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
assert isinstance(tensor, str) and isinstance(piece, str), (
    "Put two names into `tensor` and `piece`."
)
assert tensor == "embeddings.word_embeddings.weight", (
    "Offsets count from the first number, after 8 bytes and the header."
)
path = models.minilm_folder() / "model.safetensors"
known, begin = architecture.read_safetensors_header(path)
expected = (20_000_000 - begin - known[tensor]["data_offsets"][0]) // 1536
right = models.load_tokenizer().id_to_token(expected)
assert piece == right, "Divide the place within the tensor by 4 x 384; round down."
print("✓ found: a single changed byte belongs to a single word piece")
