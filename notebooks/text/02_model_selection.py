# %% [markdown]
# # 02 · Model selection: three families, one block
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/02_model_selection.ipynb)
#
# You will take BERT, GPT and ViT apart, count their numbers by hand, train two small ones here, and choose a model for a task
# (模型选择) by facts with sources. At the end you load weights that you can trust.
#
# **You will be able to**
#
# - say what BERT, GPT and ViT share, and what each may look at;
# - derive a model's number of parameters by hand;
# - train a small ViT and a small GPT, baselines first;
# - choose a model by language, length, licence, speed and published quality;
# - check weights before you load them.
#
# **You need first:** lessons 00 and 01. **Time:** about 40 minutes to read, two minutes to run on two CPU cores.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% tags=["parameters"]
seed = 42
# "full": BERT-base on a public data set; wants an accelerator and a network
profile = "small"
# the path of your own CSV file (columns text, label); None: what the profile names
source = None
max_rows = 5000  # of your own CSV file: more are sampled; None: take all
vit_epochs = 20  # times that the small ViT sees all training digits
gpt_epochs = 12  # times that the small GPT sees its texts
gpt_texts = 400  # texts that the small GPT reads

# %%
import numpy as np
import pandas as pd

from helpers import architecture, data, evaluation
from helpers import figures, finetuning, models, runtime

# what we build must equal KerasHub's, to many digits
course = runtime.start(seed, profile, source, dtype_policy="float32")

# %% tags=["nbval-ignore-output"]
splits, label_names = data.prepare_splits(course.source, max_rows)
classifier = models.make_classifier(course.profile.backbone, len(label_names), seed)

# %% [markdown]
# ## One block, three families
#
# A **Transformer block** has two parts. *Attention* (注意力) lets each token collect from others; a *feed-forward* network (前馈网络)
# then works on each token alone. Both add their result to what came in. A stack of blocks is a **backbone** (骨干网络).
#
# **BERT** (an encoder, 编码器), **GPT** (a decoder, 解码器) and **ViT** (vision, 视觉) stack the same block. Here they are, tiny and with random weights.

# %%
import keras
import keras_hub

keras.utils.set_random_seed(seed)
size = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16}
for_text = {"intermediate_dim": 32, "max_sequence_length": 12}
bert = keras_hub.models.BertBackbone(100, **size, **for_text)
gpt = keras_hub.models.GPT2Backbone(100, **size, **for_text)
vit = keras_hub.models.ViTBackbone((8, 8, 1), patch_size=2, mlp_dim=32, **size)

# %% [markdown]
# Follow the shapes. The text has six tokens and two places of padding (0). The image has 8 x 8 pixels and one channel: 16 patches of
# 2 x 2, each of which ViT treats as a token.

# %%
ids = np.array([[2, 17, 45, 9, 63, 3, 0, 0]], dtype="int32")
padding_mask = (ids > 0).astype("int32")
image = np.random.default_rng(seed).random((1, 8, 8, 1), dtype="float32")
from_bert = bert(
    {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": padding_mask}
)
from_gpt = gpt({"token_ids": ids, "padding_mask": padding_mask})
shapes = {name: tuple(array.shape) for name, array in from_bert.items()}
print("BERT", ids.shape, "->", shapes)
print("GPT ", ids.shape, "->", tuple(from_gpt.shape))
print("ViT ", image.shape, "->", tuple(vit(image).shape))

# %% [markdown]
# A vector of 16 numbers for each token. ViT gives 17: it puts a **class token** before the patches, as BERT begins each text with `[CLS]`.
# BERT's *pooled output* is one more layer on `[CLS]`.
#
# ## Who may look at whom
#
# The **attention mask** (注意力掩码) says at which tokens a token may look. BERT: at all real ones, before and after. GPT: at itself and
# what came before (causal, 因果). ViT: at every patch.

# %%
real = padding_mask[0].astype(bool)
both_ways = np.ones((8, 8), dtype=bool) & real  # a column for each token looked at
causal = np.tril(both_ways)  # the triangle below the diagonal
encoder = architecture.attention_mask("encoder", real)
decoder = architecture.attention_mask("decoder", real)
course.claim(
    "attention_mask makes the mask of BERT", np.array_equal(encoder, both_ways)
)
course.claim("and that of GPT", np.array_equal(decoder, causal))

# %% tags=["nbval-ignore-output"]
vision = architecture.attention_mask("vision", np.ones(17))
masks = {"BERT": both_ways, "GPT": causal, "ViT": vision}
figures.show(
    figures.attention(masks),
    "Three squares. BERT: all rows are filled in the first six columns and empty in the"
    " two of padding. GPT: the same, cut to the triangle below the diagonal. ViT: 17 by"
    " 17, all filled.",
)

# %% [markdown]
# ## Causality, measured
#
# Do the models obey? Change one token, the fifth, and see which outputs move.

# %%
changed = ids.copy()
changed[0, 4] = 64


def moved(model, key=None):
    """By how much each of the eight outputs differs at most between the two texts."""
    texts = np.concatenate([ids, changed])
    inputs = models.inputs_of(texts)  # the same dictionary as above, for any texts
    output = model({name: inputs[name] for name in model.input})
    first, second = np.asarray(output if key is None else output[key])
    return np.abs(first - second).max(axis=-1)


print("outputs that move, in GPT:", np.flatnonzero(moved(gpt) > 1e-5).tolist())
most = moved(gpt)[:4].max()
course.claim("GPT: no output before the changed token moves (0.000001)", most < 1e-6)
least = moved(bert, "sequence_output").min()
course.claim("BERT: every output moves (0.00001)", least > 1e-5)

# %% [markdown]
# So GPT can be trained on all places of a text at once to say the next token, and never sees the answer. BERT reads both ways: better for
# judging a text that is there, of no use for continuing one.
#
# ## Counting parameters by hand
#
# A **parameter** (参数) is one trained number. For a width $d$ and a feed-forward width $f$, a block has
#
# $$\underbrace{4(d^2+d)}_{\text{query, key, value, output}}+\underbrace{2df+f+d}_{\text{feed-forward}}+\underbrace{4d}_{\text{two layer norms}}$$

# %%
def block(d, f):
    """Numbers in one block of width d, with a feed-forward part of width f."""
    attention = 4 * (d**2 + d)  # four matrices, each with a bias
    feed_forward = 2 * d * f + f + d  # to f and back
    # a layer norm has a scale and a shift for each of d
    return attention + feed_forward + 4 * d


same = block(16, 32) == architecture.block_parameters(16, 32)
course.claim("architecture.block_parameters counts the same", same)

# %% [markdown]
# The families differ before and after the $L$ blocks. With a vocabulary of $V$, at most $P$ tokens, $N$ patches of $p$ x $p$ pixels and $c$ channels:
#
# - BERT: $(V+P+2)\,d$ for words, places and two segments; $2d$ layer norm; $d^2+d$ for the pooled output;
# - GPT: $(V+P)\,d$, and $2d$ for a last layer norm. The words' vectors serve again as its output;
# - ViT: $p^2c\,d+d$ to embed patches, $d$ for the class token, $(N+1)\,d$ places, $2d$ layer norm.

# %%
d, f, layers = 16, 32, 2
by_hand = {
    "BERT": (100 + 12 + 2) * d + 2 * d + layers * block(d, f) + d**2 + d,
    "GPT": (100 + 12) * d + layers * block(d, f) + 2 * d,
    "ViT": 2 * 2 * 1 * d + d + d + (16 + 1) * d + layers * block(d, f) + 2 * d,
}
families = {"BERT": bert, "GPT": gpt, "ViT": vit}
counted = {name: model.count_params() for name, model in families.items()}
print(pd.DataFrame({"by hand": by_hand, "counted by Keras": counted}).to_string())
course.claim(
    "BERT: by hand as many as Keras counts", by_hand["BERT"] == counted["BERT"]
)
course.claim("GPT: by hand as many as Keras counts", by_hand["GPT"] == counted["GPT"])
course.claim("ViT: by hand as many as Keras counts", by_hand["ViT"] == counted["ViT"])

# %% [markdown]
# Now the model of this course, MiniLM. It is a BERT, so the same formula must give its number to the last digit.

# %%
it = classifier.backbone
sizes = it.vocabulary_size, it.max_sequence_length, it.hidden_dim
numbers = architecture.encoder_parameters(*sizes, it.num_layers, it.intermediate_dim)
share = it.vocabulary_size * it.hidden_dim / numbers
print(f"{numbers:,} numbers, {share:.0%} of them ", end="")
print(f"in the vectors of {it.vocabulary_size:,} word pieces")
course.claim(
    "the backbone has as many as the formula says", numbers == it.count_params()
)
course.finding("MiniLM: between 22.7 and 22.8 million", 22.7e6 < numbers < 22.8e6)

# %% [markdown]
# Half of a small model is its dictionary. A larger vocabulary (several languages) costs memory, and nearly no time: of each text only its
# own words are looked up.
#
# ## A ViT that you can train here
#
# 1,797 handwritten digits of 8 x 8 pixels come with scikit-learn. A quarter is kept for the test; the split is fixed.

# %%
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

pixels, digits = load_digits(return_X_y=True)
images = (pixels / 16).reshape(-1, 8, 8, 1).astype("float32")  # values from 0 to 1
digits = digits.astype("int32")
train_x, test_x, train_y, test_y = train_test_split(
    images, digits, test_size=450, random_state=0, stratify=digits
)
print(train_x.shape, test_x.shape)

# %% tags=["nbval-ignore-output"]
figure, axes = figures.new(
    f"A digit {train_y[0]} in patches of 2 x 2", "column", "row", width=3.4, height=3.2
)
axes.imshow(train_x[0, :, :, 0], cmap="gray_r")
axes.hlines([1.5, 3.5, 5.5], -0.5, 7.5, color=figures.ORANGE)
axes.vlines([1.5, 3.5, 5.5], -0.5, 7.5, color=figures.ORANGE)
figures.show(
    figure,
    "A handwritten digit of 8 by 8 grey pixels, cut by orange lines into 16 patches of"
    " 2 by 2 pixels.",
)

# %% [markdown]
# The baseline (基线) first: logistic regression on the 64 pixels, with 650 parameters.

# %% tags=["nbval-ignore-output"]
flat = [images.reshape(len(images), -1) for images in (train_x, test_x)]
regression = LogisticRegression(max_iter=1000).fit(flat[0], train_y)
answers = {"logistic regression": regression.predict_proba(flat[1])}
print(f"{evaluation.accuracy(test_y, answers['logistic regression']):.1%}")

# %% [markdown]
# The ViT: three blocks, 64 wide, and a **head** (分类头) of ten logits on the class token. Warm-up and decay of the learning rate are lesson 05's subject.

# %%
keras.utils.set_random_seed(seed)
backbone = keras_hub.models.ViTBackbone(
    (8, 8, 1), patch_size=2, num_layers=3, num_heads=4, hidden_dim=64, mlp_dim=128
)
head = keras.layers.Dense(10, dtype="float32", name="logits")
vision = keras.Model(backbone.input, head(backbone.output[:, 0]))
steps = vit_epochs * -(-len(train_x) // 32)
rates = keras.optimizers.schedules.CosineDecay(
    1e-5, steps, warmup_target=2e-3, warmup_steps=steps // 10
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
vision.compile(keras.optimizers.AdamW(rates, weight_decay=0.01), loss)
print(f"{vision.count_params():,} parameters")

# %% tags=["nbval-ignore-output"]
vision.fit(train_x, train_y, batch_size=32, epochs=vit_epochs, verbose=0)
logits = vision.predict(test_x, verbose=0)
answers["ViT"] = np.asarray(keras.ops.softmax(logits))
table = evaluation.compare(test_y, answers)
print((100 * table[["accuracy", "low", "high"]]).round(1).to_string())

# %%
course.claim(
    "the ViT is right on over 95 % of the test digits", table["accuracy"]["ViT"] > 0.95
)
course.claim(
    "so is logistic regression", table["accuracy"]["logistic regression"] > 0.95
)
gap = abs(table["accuracy"]["ViT"] - table["accuracy"]["logistic regression"])
course.claim("less than 3 points lie between them", gap < 0.03)

# %% [markdown]
# Honestly: no winner; the intervals overlap. With 1,347 images, 150 times the parameters buy nothing. Vision transformers need much data or pre-training: Dosovitskiy et al. used millions of images.
#
# ## A GPT that you can train here
#
# Next character instead of next word: a short list of characters is learnt fast. Texts are joined and cut into windows of 64.

# %%
some = "\n".join(splits["train"]["text"][:gpt_texts])
characters = ["?"] + sorted(set(some))  # number 0 stands for a character never seen


def windows(text):
    """Ids of 64 characters a row and of those that follow: two int32 (rows, 64)."""
    found = [characters.index(c) if c in characters else 0 for c in text]
    found, end = np.array(found, dtype="int32"), 64 * ((len(found) - 1) // 64)
    return found[:end].reshape(-1, 64), found[1 : end + 1].reshape(-1, 64)


read, following = windows(some)
unseen, unseen_following = windows("\n".join(splits["validation"]["text"][:200]))
print(read.shape, unseen.shape, len(characters), "characters")

# %% [markdown]
# Three baselines, as losses in nats (minus the mean logarithm of the right character's probability): know nothing; know how frequent each
# character is; know that for each character before it.

# %%
kinds = len(characters)
# One more of each, so that no probability is 0.
single = np.bincount(following.ravel(), minlength=kinds) + 1
pairs = np.ones((kinds, kinds))
np.add.at(pairs, (read.ravel(), following.ravel()), 1)
after = pairs / pairs.sum(axis=1, keepdims=True)
losses = {"uniform": np.log(kinds)}
losses["frequencies"] = -np.log((single / single.sum())[unseen_following]).mean()
losses["pairs"] = -np.log(after[unseen, unseen_following]).mean()

# %% tags=["nbval-ignore-output"]
keras.utils.set_random_seed(seed)
size = {"num_layers": 2, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 256}
small_gpt = keras_hub.models.GPT2Backbone(
    kinds, **size, max_sequence_length=64, dropout=0.0
)
logits = small_gpt.token_embedding(small_gpt.output, reverse=True)
writer = keras.Model(small_gpt.input, logits)
writer.compile(keras.optimizers.AdamW(3e-3), loss)
inputs = [
    {"token_ids": part, "padding_mask": np.ones_like(part)} for part in (read, unseen)
]
losses["GPT, untrained"] = writer.evaluate(inputs[1], unseen_following, verbose=0)
writer.fit(inputs[0], following, batch_size=16, epochs=gpt_epochs, verbose=0)
losses["GPT"] = writer.evaluate(inputs[1], unseen_following, verbose=0)
print(pd.Series(losses).round(2).to_string())

# %%
course.claim(
    "untrained, it knows nothing: within 0.2 of uniform",
    abs(losses["GPT, untrained"] - losses["uniform"]) < 0.2,
)
course.finding(
    "trained, over 1.5 nats below uniform", losses["GPT"] < losses["uniform"] - 1.5
)
course.finding(
    "and over 0.3 nats below the frequencies",
    losses["GPT"] < losses["frequencies"] - 0.3,
)
course.finding(
    "but a table of pairs is as good, within 0.3 nats",
    abs(losses["GPT"] - losses["pairs"]) < 0.3,
)

# %% [markdown]
# It has learnt more than which letters are frequent. But a mere table of letter pairs does about as well: so far it makes little of
# what stands further back. Such is a GPT after half a minute; lesson 04 is about pre-training. A BERT for the reviews is lesson 05's work.
#
# ## Choosing: what it costs here
#
# Before you believe others' figures, measure your own: size, time for a text, longest input.

# %% tags=["nbval-ignore-output"]
texts = splits["validation"]["text"].tolist()
lengths = [len(row) for row in models.token_ids(classifier.tokenizer, texts)]
tokens = int(np.median(lengths))


def predict(batch):
    """Probabilities of a list of texts."""
    return finetuning.predict_proba(classifier, batch)


alone, together = (evaluation.latency(predict, texts, size) for size in (1, 32))
shape = it.num_layers, it.hidden_dim, it.intermediate_dim
work = architecture.forward_operations(*shape, tokens)
print(f"{numbers:,} parameters, {4 * numbers / 1e6:.0f} MB in float32, ", end="")
print(f"at most {it.max_sequence_length} tokens a text")
print(f"{tokens} tokens a text: {work / 1e9:.2f} billion operations, ", end="")
print(f"{alone:.1f} ms alone, {together:.1f} ms in batches of 32")

# %% [markdown]
# ## Choosing: what others published
#
# `data/models.csv` holds facts about thirteen models, each with its source. What we could not verify stays empty: better a gap than a guess. Parameters are in millions;
# `longest_input` counts tokens, for ViT patches and the class token. ModernBERT's number is rounded by its authors, and KerasHub has no class for it
# yet. The others you can now check yourself.

# %%
published = architecture.read_facts("models")
columns = "model parameters layers width longest_input languages licence".split()
millions = (published["parameters"] / 1e6).round(1)
shown = published[columns].fillna("").assign(parameters=millions)
print(shown.to_string(index=False))

# %%
encoders = published[published["family"] == "encoder"].dropna(subset="vocabulary")
for row in encoders.itertuples():
    plain = row.model == "DistilBERT"  # no segments, no pooled output
    extra = {"segments": 0, "pooler": False} if plain else {}
    sizes = int(row.vocabulary), row.longest_input, row.width, row.layers
    derived = architecture.encoder_parameters(*sizes, int(row.feed_forward), **extra)
    assert derived == row.parameters, row.model
course.claim("ten encoders: the formula gives the table's number", len(encoders) == 10)
gpt_2 = architecture.decoder_parameters(50257, 1024, 768, 12, 3072)
vit_b_16 = architecture.vision_parameters(224, 16, 3, 768, 12, 3072)
course.claim("GPT-2 small, too", gpt_2 == 124_439_808)
course.claim("and ViT-B/16", vit_b_16 == 85_798_656)

# %%
for row in published.itertuples():
    line = f"{row.model}: {row.quality} ({row.benchmark}, {row.split})"
    print(line.replace(", nan", ""))
    print(f"    {row.source}")

# %% [markdown]
# Only figures of the same benchmark can be compared. **MNLI** asks whether one sentence follows from another (three answers). "test" was
# scored by the benchmark's own server, "dev" by the authors.

# %% tags=["nbval-ignore-output"]
on_mnli = published[published["benchmark"].str.startswith("MNLI")]
figures.show(
    figures.quality_by_size(on_mnli),
    "Dots, accuracy on MNLI by parameters on a logarithmic axis: BERT-tiny 70 % with 4"
    " million, BERT-large 87 % with 335 million. MiniLM with 23 million lies at 83 %,"
    " far above BERT-small with 29 million at 78 %.",
)

# %%
by_model = on_mnli.set_index("model")
bert_base, bert_large = by_model.loc["BERT-base"], by_model.loc["BERT-large"]
course.claim(
    "BERT-large has over 3 times BERT-base's numbers",
    bert_large["parameters"] > 3 * bert_base["parameters"],
)
course.claim(
    "and gains under 3 points", bert_large["quality"] - bert_base["quality"] < 3
)

# %% [markdown]
# How far to trust it? BERT-base itself has 84.6 in its own paper (test), 84.5 in MiniLM's and 86.7 in DistilBERT's (both dev): two points
# between papers, for one model. MiniLM and DistilBERT learnt from a larger model (distillation, 知识蒸馏, lesson 10).
#
# The weights of this course, all-MiniLM-L6-v2, are a later relative of MiniLM-L6-H384, tuned for comparing sentences; no MNLI figure is published for them.
#
# ## Choosing: five questions
#
# | ask | then |
# |---|---|
# | Must it write text? | yes: a decoder (GPT). No: an encoder is smaller and faster |
# | Which language? | Chinese: BERT Chinese; several: multilingual; English: the others |
# | How long are your texts? | over 512 tokens: ModernBERT, or cut (lesson 01 counts) |
# | May you use it? | read the licence, for the weights, not only for the code |
# | How fast, where, how many labels? | few milliseconds on a CPU: MiniLM, exported (lesson 11); 50 labels are too few for any (lesson 05) |
#
# Then take the two smallest that pass, and measure both on *your* data.
#
# ## Where weights come from
#
# | you write | it means | needs a network |
# |---|---|---|
# | `all-MiniLM-L6-v2` | this course's checked copy, in `.cache/` | once |
# | `bert_base_zh` | a KerasHub preset (预设), kept in `~/.cache/kagglehub` | once |
# | `hf://owner/name` | a Hugging Face repository, in `~/.cache/huggingface` | once |
# | `kaggle://...` | a handle on Kaggle, where TF-Hub's models moved | once |
# | `my/folder` | files on your disk | no |
#
# `models.locate` turns such a source into what KerasHub loads. `models.load_tokenizer` loads its tokenizer, and
# `models.make_classifier` puts a new head on its backbone. A wrong folder is named at once, before anything goes
# looking on the network.

# %%
presets = keras_hub.models.BertBackbone.presets
print(*[name for name in presets if name.startswith("bert_")], sep="\n")
print(presets["bert_base_zh"]["kaggle_handle"])

# %% tags=["raises-exception"]
print(models.locate("bert_base_zh"), end=" ")
print(models.locate("hf://google-bert/bert-base-chinese"))
models.locate("./my-bert")

# %% [markdown]
# ## Why not a pickle
#
# Many weights are shared as **pickles** (Python's way to store objects: `.pkl`, older `.bin` and `.pt`). A pickle is a program: loading it runs
# what its author wished. This one is harmless and only writes into a list.

# %%
import pickle

diary = []


def write_down(text):
    """What a pickle may call: any function that Python can find."""
    diary.append(text)


class LooksLikeWeights:
    def __reduce__(self):  # how to rebuild this object: call write_down
        return write_down, ("I ran while you loaded me",)


pickle.loads(pickle.dumps(LooksLikeWeights()))
written = ["I ran while you loaded me"]
course.claim("loading the pickle ran a function", diary == written)

# %% [markdown]
# **safetensors** can hold numbers only: 8 bytes say how long the header is, the header (JSON) names each tensor with type, shape and place,
# then come the numbers. Read it by hand:

# %%
import json

folder = models.minilm_folder()
with (folder / "model.safetensors").open("rb") as file:
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(length))
print(f"header: {length:,} bytes, {len(header)} entries")
print("embeddings.word_embeddings.weight", header["embeddings.word_embeddings.weight"])
tensors, start = architecture.read_safetensors_header(folder / "model.safetensors")
end = max(tensor["data_offsets"][1] for tensor in tensors.values())
same = tensors.keys() == header.keys() - {"__metadata__"} and start == 8 + length
course.claim("architecture.read_safetensors_header reads the same", same)
course.claim(
    "the numbers fill the file to its last byte",
    start + end == (folder / "model.safetensors").stat().st_size,
)

# %% [markdown]
# ## Why a hash
#
# Numbers cannot run, but they can lie. We copy the folder and flip *one bit*: one of its 384 numbers for the word "film" becomes
# 16 times as large. Nobody would see such tampering (篡改).

# %%
import shutil
import tempfile
from pathlib import Path

copy = Path(tempfile.mkdtemp()) / "copy"
shutil.copytree(folder, copy)
film = models.load_tokenizer().token_to_id("film")
offset = tensors["embeddings.word_embeddings.weight"]["data_offsets"][0]
place = start + offset + 4 * 384 * film
with (copy / "model.safetensors").open("r+b") as file:
    file.seek(place)
    vector = np.frombuffer(file.read(4 * 384), "<f4")
    target = int(np.where(np.abs(vector) < 0.125, np.abs(vector), 0).argmax())
    file.seek(place + 4 * target + 3)  # the byte with the sign and most of the exponent
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 0b10]))  # exponent plus 4: times 16

# %%
try:
    models.check_files(copy)
    caught = ""
except models.WeightsError as error:
    caught = str(error).replace(str(copy), "the copy")
print(caught)
course.claim(
    "the hash notices one bit among 700 million",
    "model.safetensors in the copy was changed" in caught,
)

# %% [markdown]
# A **hash** (哈希, here SHA-256) is 64 hexadecimal digits computed from all bytes; another byte, another hash. The course keeps the authors' hashes in
# `helpers/models.py`. And without that check?

# %% tags=["nbval-ignore-output"]
sentences = ["The film was wonderful.", "The hotel was wonderful."]
sentences.append("I want my money back.")
both = [models.make_classifier(weights) for weights in (models.MINILM, copy)]
vectors = [finetuning.mean_features(each, sentences) for each in both]
shutil.rmtree(copy.parent)
lengths = [np.linalg.norm(part, axis=1) for part in vectors]
similarity = (vectors[0] * vectors[1]).sum(axis=1) / (lengths[0] * lengths[1])
for sentence, value in zip(sentences, similarity, strict=True):
    print(f"{value:.2f} {sentence}")

# %%
course.claim(
    "it loads without a word;"
    " the sentence with 'film' has another vector (cosine under 0.95)",
    similarity[0] < 0.95,
)
course.claim(
    "all others are as before (within 0.000001)",
    np.abs(similarity[1:] - 1).max() < 1e-6,
)

# %% [markdown]
# No error, no warning, and no test would notice that does not speak of films. So: take weights from their authors, as safetensors, with a hash that you
# got another way than the file.

# %% [markdown]
# ## Going further: who influences whom
#
# Above, one token was changed. `architecture.measure_influence` changes each in turn; then the measured influence
# must be the mask, and the diagonal besides: a block adds to what came in, so each token always sees itself.

# %%
variants = np.repeat(ids, 8, axis=0)
variants[range(8), range(8)] = 64  # row j: token j is another


def vectors_of(model, key=None):
    """A function from token ids to vectors; the last two places stay padding."""

    def compute(tokens):
        inputs = models.inputs_of(tokens, np.tile(padding_mask, (len(tokens), 1)))
        output = model({name: inputs[name] for name in model.input})
        return np.asarray(output if key is None else output[key])

    return compute

# %%
bert_vectors, gpt_vectors = vectors_of(bert, "sequence_output"), vectors_of(gpt)
by_bert = architecture.measure_influence(bert_vectors, ids[0], variants) > 1e-5
by_gpt = architecture.measure_influence(gpt_vectors, ids[0], variants) > 1e-5
itself = np.eye(8, dtype=bool)
course.claim(
    "BERT: measured influence is the mask and each token itself",
    np.array_equal(by_bert, both_ways | itself),
)
course.claim(
    "GPT: measured influence is the mask and each token itself",
    np.array_equal(by_gpt, causal | itself),
)

# %% [markdown]
# The padding's own vectors do change; nobody looks at them. For ViT we brighten one patch at a time:

# %%
patches = np.kron(np.eye(16).reshape(16, 4, 4), np.ones((2, 2)))
patches = patches.reshape(16, 8, 8, 1).astype("float32")
by_vit = architecture.measure_influence(vit, image[0], image + patches) > 1e-5
print(by_vit.shape)
course.claim(
    "ViT: each of 16 patches moves all 17 outputs",
    by_vit.all() and by_vit.shape == (17, 16),
)

# %% [markdown]
# ## Going further: what long texts cost
#
# `architecture.forward_operations` counts multiplications and additions by a formula. Attention looks at each
# pair of tokens, so its part grows with the square of the length:

# %%
def pairs_share(tokens, width=384, feed_forward=1536):
    """Share of a block's work that attention between pairs of tokens takes."""
    pairs = 2 * tokens * width
    return pairs / (4 * width**2 + 2 * width * feed_forward + pairs)


print({tokens: f"{pairs_share(tokens):.0%}" for tokens in (24, 128, 512, 8192)})
course.claim(
    "in a text of 24 tokens, pairs take under 2 % of the work", pairs_share(24) < 0.02
)
course.claim("in one of 512 tokens, over 15 %", pairs_share(512) > 0.15)

# %% [markdown]
# ## Going further: beyond text
#
# The article looks ahead to other tasks and fields. Each has a family that serves it, a paper to read, and something maintained to
# load. All large ones want an accelerator and a network.

# %%
beyond = architecture.read_facts("beyond_text").fillna("")
for row in beyond.itertuples():
    print(f"{row.task}: {row.family}\n    read: {row.read}, {row.year}")
    print(f"    load: {row.keras_hub_class or row.guide} {row.preset}".rstrip())

# %%
listed = beyond[beyond["keras_hub_class"] != ""]
known = [
    row.preset in getattr(keras_hub.models, row.keras_hub_class).presets
    for row in listed.itertuples()
]
course.claim(
    "each class is in KerasHub, and each preset belongs to its class",
    all(known) and len(known) >= 10,
)

# %% [markdown]
# What the table cannot promise: a model for pictures of lungs is not a doctor, and medical use needs approval. Gemma's and Stable Diffusion's weights have
# terms of their own: read them first. "Keeping knowledge current" means fetching
# texts at the time of the question (检索增强); it does not make the model itself newer.

# %% [markdown]
# ## Exercises
#
# 1. By hand: how many parameters has a BERT-tiny (2 layers, 128 wide, feed-forward 512) with the Chinese vocabulary of 21,128? Check with KerasHub.
# 2. From the table: which models read Chinese, may be used under Apache-2.0, and have a preset? Which is the smallest?
# 3. A byte of MiniLM's file has changed, at position 20,000,000. In which tensor does it lie, and to which word piece does it belong?
#
# With a check that tells you whether your answer holds: [exercises](exercises/02_model_selection.ipynb); solved: [solutions](solutions/02_model_selection.ipynb).

# %% [markdown]
# ## What you can do now
#
# - ✔ say what the three families share, and what each may look at (*One block*, *Causality, measured*);
# - ✔ derive a number of parameters (*Counting parameters by hand*);
# - ✔ train a small ViT and a small GPT (*A ViT*, *A GPT that you can train here*);
# - ✔ choose by facts with sources (*Choosing*);
# - ✔ check weights before loading (*Why not a pickle*, *Why a hash*).
#
# **References.** Vaswani et al.: *Attention Is All You Need*, 2017. Devlin et al.: *BERT*, 2019. Radford et al.: *Language Models are Unsupervised
# Multitask Learners* (GPT-2), 2019. Dosovitskiy et al.: *An Image is Worth 16x16 Words* (ViT), 2021. Sanh et al.: *DistilBERT*, 2019. Wang et al.: *MiniLM*, 2020. Turc et
# al.: *Well-Read Students Learn Better*, 2019. Warner et al.: *ModernBERT*, 2024. Python documentation: *pickle*, its warning. Hugging Face documentation: *safetensors*.
#
# **Glossary.** attention mask 注意力掩码 · backbone 骨干网络 · causal 因果 · decoder 解码器 · distillation 知识蒸馏 · encoder 编码器 · feed-forward 前馈网络 ·
# hash 哈希 · model selection 模型选择 · parameter 参数 · preset 预设 · self-attention 自注意力 · vision transformer 视觉 Transformer.
