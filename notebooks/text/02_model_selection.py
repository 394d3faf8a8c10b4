# %% [markdown]
# # 02 · Model selection: attention by hand, three families
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/02_model_selection.ipynb)
#
# You will compute a block of BERT by hand, compare three families of models, and choose a model for a task (模型选择).
#
# **You will be able to**
#
# - compute attention by hand, and say what a block does with the other tokens and the mask;
# - say what BERT, GPT and ViT share, and what each token may look at;
# - derive a model's number of parameters by hand;
# - choose a model by task, language, length, licence and published quality;
# - check weights before you load them.
#
# **You need first:** lessons 00 and 01.
# **Time:** about 45 minutes to read, 25 for the exercises, 2 to run on two CPU cores.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% tags=["parameters"]
seed = 42
profile = "small"  # "full": BERT-base; wants an accelerator and a network
source = None  # the path of your own CSV file; None: what the profile names
max_rows = 5000  # of your own CSV file: more are sampled; None: take all
# For the parts that go further:
vit_epochs = 20  # times that the small ViT sees all training digits
gpt_epochs = 12  # times that the small GPT sees its texts
gpt_texts = 400  # texts that the small GPT reads

# %%
import numpy as np
import pandas as pd
from helpers import architecture, data, diagrams, evaluation
from helpers import figures, finetuning, models, runtime
import keras, keras_hub  # after the helpers, which settle the backend

course = runtime.start(seed, profile, source, dtype_policy="float32")

# %% tags=["nbval-ignore-output"]
figures.show(
    diagrams.bert(),
    "Boxes from top to bottom: text; tokens; embedding; blocks 1 to N; a vector for"
    " each token; their mean; the head; two logits.",
)

# %% [markdown]
# As drawn, BERT keeps a vector of $d$ numbers for each of the $n$ tokens of a text. At first it depends only on the word piece,
# its place, and its segment (first or second text): "good" does not know yet what stands before it.
#
# Then come the **blocks**. Embedding and blocks are the **backbone** (骨干网络); code calls a block a layer. In each block, a token's vector takes something from
# the vectors of other tokens. This is **attention** (注意力), and it is the only place where tokens meet.
#
# ## Attention by hand
#
# How can "good" find out that "not" stands before it? Think of a notice board. Each token pins up three cards. Each card is
# computed from the token's vector by a matrix that training has found:
#
# - the **query** (查询) says what the token looks for: "good" looks for words that change praise;
# - the **key** (键) says what the token can be found by: "not" can be found as a negation;
# - the **value** (值) says what the token hands over: "not" hands over "turn the praise around".
#
# A token compares its query with every key. Then it takes a share of every value, and the share is large where query and key
# fit.
#
# We take three tokens with three numbers each, and choose the matrices ourselves.

# %%
tokens, meanings = ["not", "very", "good"], ["negates", "strengthens", "praises"]
x = np.eye(3)  # (3, 3): a row for each token, a column for each meaning
to_query = np.array([[0, 0, 0], [0, 0, 0], [4, 2, 0]])  # praise looks for the others
to_key = np.eye(3)  # each token is found by its meaning
to_value = np.array([[0, 0, -3], [0, 0, 1], [0, 0, 0]])  # how each changes praise

query, key, value = x @ to_query, x @ to_key, x @ to_value  # (3, 3) each
scores = query @ key.T / np.sqrt(3)  # (3, 3): row i says how well each key fits query i
shares = np.exp(scores)  # (3, 3), all positive
weights = shares / shares.sum(axis=1, keepdims=True)  # (3, 3): each row adds up to 1
collected = weights @ value  # (3, 3): row i is what token i takes from all values
print(pd.DataFrame(weights, tokens, tokens).round(2))
print(pd.DataFrame(x + collected, tokens, meanings).round(2))

# %% [markdown]
# The first table holds the **attention weights**. In its last row, "good" takes 71 % from "not", 22 % from "very" and 7 % from
# itself. The other tokens look for nothing: their scores are 0, so they take equal shares
# and collect the mean of the values, $-0.67$.
#
# The second table holds the new vectors: what a token collects is *added* to its own vector. The praise of "good" was 1. Now
# it is negative, because "good" took most from "not".
#
# Making positive shares that add up to 1 out of scores is called **softmax**. In the formula, $Q$, $K$ and $V$ hold
# queries, keys and values as rows, and $d$ is here the length of a query:
#
# $$\text{attention}(Q,K,V)=\text{softmax}\left(\frac{QK^\top}{\sqrt d}\right)V$$
#
# ## Why the scores are divided
#
# A score adds up $d$ products, one for each number of query and key. If these numbers have variance 1, the score's standard
# deviation is $\sqrt d$: wide vectors have large scores only because they are wide. We let 1,000 random queries of 384 numbers
# meet ten random keys each.

# %%
random = np.random.default_rng(seed)  # attend gives what is collected [0], weights [1]
queries, keys = random.normal(size=(1000, 1, 384)), random.normal(size=(1000, 10, 384))
divided = 100 * architecture.attend(queries, keys, keys)[1].max(axis=-1).mean()
larger = architecture.attend(queries * np.sqrt(384), keys, keys)[1].max(axis=-1)
same = np.allclose(architecture.attend(query, key, value)[1], weights)
course.claim("architecture.attend does the steps from above", same)
course.claim("divided: the largest weight is under 40 %", divided < 40, divided)
undivided = 100 * larger.mean()  # "times the root of 384" undid the division
course.claim("undivided: it is over 90 %", undivided > 90, undivided)

# %% [markdown]
# Without the division, an untrained model would give nearly all weight to one token. There the weights hardly move
# when the scores do: the gradient is close to 0, and training could hardly change them.
#
# ## The mask
#
# The texts of a batch are filled up with `[PAD]` to equal length, and a model that writes
# must not see what comes next. The **attention mask** (注意力掩码) says at which tokens a token may look. A forbidden score becomes
# $-\infty$ *before* softmax, and its share $e^{-\infty}=0$. So the shares of the allowed tokens add up to 1; weights set to 0 afterwards
# would leave less. We hide "not":

# %%
hidden, weights = architecture.attend(query, key, value, np.array([False, True, True]))
print("weights of 'good':", weights[2].round(2))
course.claim("a hidden token gets a weight of exactly 0", (weights[:, 0] == 0).all())
praise = (x + hidden)[2, 2]
course.claim("without 'not', the praise of 'good' is above 1", praise > 1, praise)

# %% [markdown]
# ## A whole block by hand
#
# A block has two halves. The first is attention with several **heads** (注意力头, not the head that makes logits). Each has its own
# queries, keys and values, which are narrow: MiniLM, the model of this course, divides its width of 384 among 12 heads of 32. So a token
# can look for 12 things at once. Twelve heads of 32 have no more parameters than one of 384. Each divides its scores by $\sqrt{32}$.
# What the heads collect is put side by side, and one more matrix mixes it.
#
# The second half is a **feed-forward network** (前馈网络). It works on each token alone: a matrix to a larger width $f$ (1,536 in
# MiniLM), the function GELU, and a matrix back.

# %% tags=["nbval-ignore-output"]
figures.show(
    diagrams.block(),
    "From top to bottom: query, key, value; attention with its mask; add; layer norm;"
    " feed-forward; add; layer norm. Lines lead around attention and feed-forward.",
)

# %% [markdown]
# Each half is *added* to what came into it. These ways around are called **residual connections** (残差连接). A half needs to learn
# only a change, and gradients reach the first blocks without passing through all the others.
#
# **Layer norm** (层归一化) shifts and scales each token's vector to mean 0 and variance 1, then applies a learnt scale and
# shift. Without it, the sums would grow from block to block. BERT normalises *after* each sum, as drawn (post-norm). GPT-2 and ViT normalise
# *before* each half, so that nothing touches the residual line (pre-norm). Deep stacks train more easily in this way.
#
# Here is BERT's block for one text. `w` holds its weights by name. `einsum` multiplies and adds as its letters say: $n$ tokens,
# width $d$, $h$ heads, $k$ numbers a head.

# %%
def layer_norm(x, w, name):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    return x * w[f"{name}/gamma"] + w[f"{name}/beta"]


def gelu(x):  # nearly 0 for negative numbers, nearly x for positive ones
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def block_by_hand(x, w, may_look):
    query, key, value = (  # (h, n, k) each, by kernels (d, h, k) and biases (h, k)
        np.einsum("nd,dhk->hnk", x, w[f"{name}/kernel"]) + w[f"{name}/bias"][:, None]
        for name in ("query", "key", "value")
    )
    found, weights = architecture.attend(query, key, value, may_look)
    mixed = np.einsum("hnk,hkd->nd", found, w["attention_output/kernel"])  # (n, d)
    x = x + mixed + w["attention_output/bias"]  # the kernel is (h, k, d)
    x = layer_norm(x, w, "self_attention_layer_norm")
    wide, back = "feedforward_intermediate_dense", "feedforward_output_dense"
    inner = gelu(x @ w[f"{wide}/kernel"] + w[f"{wide}/bias"])  # (n, f)
    x = x + inner @ w[f"{back}/kernel"] + w[f"{back}/bias"]
    return layer_norm(x, w, "feedforward_layer_norm"), weights


# %% [markdown]
# Does it equal KerasHub's first block of MiniLM? We take two reviews, padded to equal length. KerasHub computes the vectors that enter the block, and its own answer.

# %%
reviews = ["Ugly interface, though it does open most file types."]
reviews += ["Nice try, but not good enough."]
classifier = models.make_classifier(seed=seed)  # MiniLM and a new head for logits
it, read = classifier.backbone, models.token_ids(classifier.tokenizer, reviews)
embed = keras.Model(it.input, it.get_layer("embeddings_layer_norm").output)
inputs = finetuning.pad(read)  # both filled up to 16 places
into, real = np.asarray(embed(inputs)), inputs["padding_mask"].astype(bool)
theirs = np.asarray(it.transformer_layers[0](into, padding_mask=real))
print("vectors", into.shape, "real tokens", real.sum(axis=1))


# %%
def weights_of(layer):  # by the last two parts of their names, such as "query/kernel"
    return {"/".join(v.path.split("/")[-2:]): np.asarray(v) for v in layer.weights}


w = weights_of(it.transformer_layers[0])
ours = [block_by_hand(x, w, mask)[0] for x, mask in zip(into, real)]
unmasked = [block_by_hand(x, w, True)[0] for x in into]
gap = np.abs(np.stack(ours) - theirs)[real].max()
course.claim("by hand within 0.00001 of KerasHub's block", gap < 1e-5, gap)
gap = np.abs(np.stack(unmasked) - theirs)[real].max()
course.claim("without the mask, over 0.1 from it", gap > 0.1, gap)

# %% [markdown]
# So a block lets each token collect from the tokens that the mask allows, and adds. Then it works on
# each token alone, and adds again. Without the mask, padding would leak into every real token.
#
# ## What a trained head looks at
#
# For the first review, we look at a head of the fourth block. For the second review, we look at a head of the first block.

# %%
x, by_block = into[0][real[0]], []
for layer in it.transformer_layers[:4]:  # blocks 1 to 4; there are 12 heads in each
    x, weights = block_by_hand(x, weights_of(layer), True)
    by_block.append(weights)  # (12, n, n)
name = classifier.tokenizer.id_to_token
tokens, others = ([name(int(number)) for number in row] for row in read)
head, early = by_block[3][1], block_by_hand(into[1], w, real[1])[1][2]  # from 0
share = 100 * head[tokens.index("it"), tokens.index("interface")]
course.claim("block 4, head 2: 'it' gives over 70 % to 'interface'", share > 70, share)
share = 100 * early[others.index("good"), others.index("not")]
course.claim("block 1, head 3: 'good' gives over 90 % to 'not'", share > 90, share)
share = 100 * np.mean([early[i, i - 1] for i in range(1, len(others))])
course.claim("a token gives on average over 90 % to the one before", share > 90, share)

# %% tags=["nbval-ignore-output"]
figures.show(
    diagrams.heat_map(head, tokens, "MiniLM, block 4, head 2"),
    "A table of 13 by 13 tokens. In the row of 'it', the darkest cell is 'interface'.",
)

# %% [markdown]
# "it" takes 84 % from "interface", its noun. In the second review, "good" takes nearly everything from "not".
# Can these heads resolve pronouns and understand negation? Be careful:
#
# - We picked the two heads because they look clever. Four rows of the picture give most weight to `[CLS]`, and "does" takes 62 %
#   from "interface", though it is no pronoun.
# - The second head takes from the token before, *whatever it is*.
#
# An attention weight says where numbers were taken from. It does not yet say what they did to the answer (lesson 09).
#
# ## Three families
#
# **BERT** (an encoder, 编码器), **GPT** (a decoder, 解码器) and **ViT** (vision, 视觉) stack the same kind of block. They differ in what a token is, and in
# the mask. In BERT each token may look at all real tokens. In GPT a token may look at itself and at earlier
# ones: the mask is **causal** (因果). ViT cuts an image into patches (小块), treats each as a token, and puts a **class token** before them, as
# BERT puts `[CLS]`. Each of its tokens may look at all others.

# %%
places = np.array([True] * 6 + [False] * 2)  # six tokens, two places of padding
both_ways = np.ones((8, 8), dtype=bool) & places  # a column for each token looked at
causal = np.tril(both_ways)  # the triangle below the diagonal
made = [architecture.attention_mask(name, places) for name in ("encoder", "decoder")]
same = np.array_equal(made, [both_ways, causal])
course.claim("architecture.attention_mask makes both masks", same)
print(causal.astype(int))

# %% [markdown]
# A 1 says that the token of the row may look at the token of the column. The mask alone decides who influences whom: we give the
# block of MiniLM both masks, change one token, the fifth, and see which outputs move.

# %%
x = into[1][:8]  # the masks treat the last two as padding: no token looks at them
changed = np.concatenate([x[:4], x[5:6], x[5:]])  # the fifth is now like the sixth
for name, mask in (("BERT", both_ways), ("GPT", causal)):
    moved = block_by_hand(x, w, mask)[0] - block_by_hand(changed, w, mask)[0]
    moved = np.abs(moved).max(axis=1) > 1e-5
    print(name, "outputs that move:", (1 + np.flatnonzero(moved)).tolist())
course.claim("with GPT's mask nothing moves before the change", not moved[:4].any())

# %% [markdown]
# So GPT can be trained to predict the next token at every position at once, and no position sees its answer. BERT reads
# both ways. This helps to judge a complete text, but not to continue one.
#
# ## Counting parameters by hand
#
# A **parameter** (参数) is one trained number. We count those of MiniLM: its blocks, and what is before and after them.

# %%
d, f, layers = it.hidden_dim, it.intermediate_dim, it.num_layers  # 384, 1536, 6
attention = 4 * (d**2 + d)  # query, key, value and mixing: a matrix and a bias each
feed_forward = (d * f + f) + (f * d + d)  # to the larger width and back
block = attention + feed_forward + 2 * 2 * d  # two layer norms: scale and shift each
words = it.vocabulary_size * d  # a vector for each word piece
before = words + (it.max_sequence_length + 2) * d + 2 * d  # places, segments, a norm
by_hand = before + layers * block + (d**2 + d)  # a layer on [CLS], unused by our head
print(f"{by_hand:,} parameters, {words / by_hand:.0%} of them vectors of word pieces")
course.claim("by hand as many as Keras counts", by_hand == it.count_params())

# %% [markdown]
# With a vocabulary of $V$, at most $P$ tokens, $L$ blocks of $B$ numbers, and $N$ patches of $p$ x $p$ pixels and $c$ channels:
#
# - BERT: $(V+P+2)\,d+2d+L\,B+d^2+d$;
# - GPT-2: $(V+P)\,d+L\,B+2d$;
# - ViT: $(p^2c\,d+d)+d+(N+1)\,d+L\,B+2d$: patches, class token, places.
#
# The single $2d$ is one more layer norm: after BERT's embedding, and after the last block of GPT-2 and ViT.
#
# With $f=4d$, as in MiniLM, a block has about $12d^2$ parameters: twice the width, four times as many. The text's length counts
# only in the places, $P\,d$. The work on pairs grows with its square (*Going further: what long texts cost*).
#
# Half of MiniLM is its dictionary. A larger vocabulary always costs memory. An encoder that classifies
# needs hardly more time: it only looks words up. A model that *predicts* words must
# compare each token's vector with those of all words: in GPT-2 small, this is 31 % of the work
# (*Going further: is the table of models right?*).
#
# ## Choosing: what others published
#
# `data/models.csv` holds facts about thirteen models, with sources. What we could not verify stays empty.
# `longest_input` counts tokens.

# %%
published = architecture.read_facts("models")
columns = "model parameters longest_input languages licence".split()
millions = (published["parameters"] / 1e6).round(1)
shown = published[columns].fillna("").assign(parameters=millions)
print(shown.to_string(index=False))

# %% [markdown]
# Parameters are in millions. Quality can be compared only on the same benchmark *and* the same split. **MNLI** asks whether one
# sentence follows from another. The benchmark's server scores answers on secret labels ("test"). Authors compute "dev"
# results themselves, on labels that they know.

# %% tags=["nbval-ignore-output"]
on_mnli = published[published["benchmark"].str.startswith("MNLI")]
figures.show(
    figures.quality_by_size(on_mnli),
    "Accuracy on MNLI by parameters. Test: BERT-tiny 70 %, small 78 %, medium 80 %,"
    " base 85 %, large 87 %. Dev: MiniLM 83 % with 23 million, DistilBERT 82 %.",
)

# %%
quality = on_mnli.set_index("model")["quality"]
gain = quality["BERT-large"] - quality["BERT-base"]
course.claim("test: BERT-large, 3 times the size, gains under 3 points", gain < 3, gain)

# %% [markdown]
# Three papers score BERT-base: its own 84.6 (test), MiniLM's 84.5 and
# DistilBERT's 86.7 (both dev). That is two points apart, for one model.
#
# For this course's weights, all-MiniLM-L6-v2, no MNLI figure is published. They are a later relative of MiniLM-L6-H384, tuned for
# comparing sentences.
#
# ## Choosing: five questions
#
# | ask | then |
# |---|---|
# | Must it write text? | yes: a decoder (GPT), or an encoder with a decoder (T5). No: an encoder, which reads both ways |
# | Which language? | Chinese: BERT Chinese; several: multilingual; English: the other text models |
# | How long are your texts? | over 512 tokens: cut (lesson 01). ModernBERT reads 8,192, but KerasHub has no class for it |
# | May you use it? | read the licence of the weights, not only that of the code |
# | How fast must it be? | take smaller blocks, not another family: those of BERT-base and GPT-2 small are equal. In batches, MiniLM takes tens of milliseconds a text on a CPU |
#
# Then measure the two smallest that remain on *your* data (lesson 05).
#
# ## Check before you load
#
# Weights come from strangers. Two things can go wrong:
#
# - The file can be a **pickle** (`.pkl`, older `.bin` and `.pt`). A pickle is a program, and loading runs it. **safetensors** files
#   hold numbers only: take those.
# - Someone can change the numbers. A **hash** (哈希) shows this. It is a short number computed from all bytes of a file
#   (here SHA-256, 64 hexadecimal digits). If a byte changes, so does the hash.
#
# `models.FILE_HASHES` keeps the hashes that MiniLM's authors publish.

# %%
import hashlib

published_hash = models.FILE_HASHES["model.safetensors"]
content = bytearray((models.minilm_folder() / "model.safetensors").read_bytes())
same = hashlib.sha256(content).hexdigest() == published_hash
course.claim("our file has the hash that its authors publish", same)
content[5_000_000] ^= 1  # flip one bit of 700 million
changed = hashlib.sha256(content).hexdigest()
print(published_hash[:24], changed[:24])
course.claim("one flipped bit changes the hash", changed != published_hash)

# %% [markdown]
# `models.check_files` does this before the course loads its own copy of MiniLM; check other weights yourself. Unchecked, a changed file
# loads without a word (*Going further: one bit*). So take weights from their authors, as safetensors, and get the hash from another
# place than the file. A hash shows that the file is the authors', not that the authors are honest.

# %% [markdown]
# ## Going further: three models in small
#
# Here are BERT, GPT-2 and ViT from KerasHub, tiny and with random weights. The text has six tokens and two places of padding (0). The
# image has 8 x 8 pixels and one channel, so it has 16 patches of 2 x 2.

# %%
keras.utils.set_random_seed(seed)
size = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16}
for_text = {"intermediate_dim": 32, "max_sequence_length": 12}
bert = keras_hub.models.BertBackbone(100, **size, **for_text)
gpt = keras_hub.models.GPT2Backbone(100, **size, **for_text)
vit = keras_hub.models.ViTBackbone((8, 8, 1), patch_size=2, mlp_dim=32, **size)
ids = np.array([[2, 17, 45, 9, 63, 3, 0, 0]], dtype="int32")
padding_mask = (ids > 0).astype("int32")
image = np.random.default_rng(seed).random((1, 8, 8, 1), dtype="float32")
from_bert = bert(models.inputs_of(ids))
from_gpt = gpt({"token_ids": ids, "padding_mask": padding_mask})
shapes = {name: tuple(array.shape) for name, array in from_bert.items()}
print("BERT", ids.shape, "->", shapes)
print("GPT ", ids.shape, "->", tuple(from_gpt.shape))
print("ViT ", image.shape, "->", tuple(vit(image).shape))

# %% [markdown]
# Each gives a vector of 16 numbers for each token. ViT gives 17 of them: 16 patches and the class token. BERT's *pooled output* is one
# more layer on `[CLS]`, by which its authors classify. This course's head takes the mean of all tokens instead, as MiniLM was trained. Now the formulas for their parameters, beside Keras's count:

# %%
d, f, layers = 16, 32, 2
block = architecture.block_parameters(d, f)
by_hand = {
    "BERT": (100 + 12 + 2) * d + 2 * d + layers * block + d**2 + d,
    "GPT": (100 + 12) * d + layers * block + 2 * d,
    "ViT": 2 * 2 * 1 * d + d + d + (16 + 1) * d + layers * block + 2 * d,
}
counted = {"BERT": bert.count_params(), "GPT": gpt.count_params()}
counted["ViT"] = vit.count_params()
print(pd.DataFrame({"by hand": by_hand, "counted by Keras": counted}).to_string())
course.claim("by hand as many as Keras counts, for all three", by_hand == counted)

# %% [markdown]
# Here are their masks. ViT's is full: there is no padding, and each patch may look at each other.

# %% tags=["nbval-ignore-output"]
vision = architecture.attention_mask("vision", np.ones(17))
figure = figures.attention({"BERT": both_ways, "GPT": causal, "ViT": vision})
figure.suptitle("Blue: the token of the row may look at the token of the column")
figures.show(
    figure,
    "Three squares. BERT: the first six columns are blue, the two of padding empty."
    " GPT: the same, without all that is above the diagonal. ViT: 17 by 17, all blue.",
)

# %% [markdown]
# Who influences whom? `architecture.measure_influence` changes one input at a time and measures how far each output moves. The result must be
# the mask and the diagonal. The diagonal is there because a block adds to what came in: even a place of padding, at which no token may look,
# keeps its own vector.

# %%
variants = np.repeat(ids, 8, axis=0)
variants[range(8), range(8)] = 64  # row j: token j is another, padding too


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
same = np.array_equal(by_bert, both_ways | itself)
course.claim("BERT: measured influence is the mask and each token itself", same)
same = np.array_equal(by_gpt, causal | itself)
course.claim("GPT: measured influence is the mask and each token itself", same)

# %% [markdown]
# Another id at a place of padding moves the output at that place, and no other: the mask stays, so no other token looks there. For ViT we brighten one patch at a time:

# %%
patches = np.kron(np.eye(16).reshape(16, 4, 4), np.ones((2, 2)))
patches = patches.reshape(16, 8, 8, 1).astype("float32")
by_vit = architecture.measure_influence(vit, image[0], image + patches) > 1e-5
everywhere = by_vit.all() and by_vit.shape == (17, 16)
course.claim("ViT: each of 16 patches moves all 17 outputs", everywhere)

# %% [markdown]
# ## Going further: GELU, exact or not
#
# GELU is $x$ times the probability that a standard normal number is below $x$. BERT's authors approximate this by a hyperbolic tangent, as KerasHub does and as we did. MiniLM was trained with
# the exact function. So KerasHub's MiniLM differs a little from the one that its authors run. How much, in one block?

# %%
from math import erf

approximate = gelu
vectors = into[1][real[1]]
close = block_by_hand(vectors, w, True)[0]


def gelu(x):  # from now on block_by_hand uses this one
    return x / 2 * (1 + np.vectorize(erf)(x / np.sqrt(2)))


exact = block_by_hand(vectors, w, True)[0]
gelu = approximate
gap = np.abs(exact - close).max()
course.claim("the exact GELU moves an output by under 0.01", gap < 0.01, gap)
course.claim("but by over 0.0001, so it is no rounding error", gap > 1e-4, gap)

# %% [markdown]
# ## Going further: a ViT that you can train here
#
# 1,797 handwritten digits of 8 x 8 pixels come with scikit-learn. A quarter of them is kept for the test. The split is fixed.

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
# We begin with a baseline (基线): logistic regression on the 64 pixels, with 650 parameters.

# %% tags=["nbval-ignore-output"]
flat = [images.reshape(len(images), -1) for images in (train_x, test_x)]
regression = LogisticRegression(max_iter=1000).fit(flat[0], train_y)
answers = {"logistic regression": regression.predict_proba(flat[1])}
print(f"{evaluation.accuracy(test_y, answers['logistic regression']):.1%}")

# %% [markdown]
# The ViT has three blocks, 64 wide, and a **head** (分类头) that makes ten logits from the class token. Lesson 05 explains why the learning rate first rises and
# then falls.

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
by_vit, by_pixels = 100 * table["accuracy"][["ViT", "logistic regression"]]
course.claim("ViT: over 95 % of the test digits are right", by_vit > 95, by_vit)
course.claim("logistic regression: over 95 %, too", by_pixels > 95, by_pixels)
gap = abs(by_vit - by_pixels)
course.claim("under 3 points lie between them", gap < 3, gap)

# %% [markdown]
# Neither is clearly better. With 1,347 images, 150 times as many parameters do not pay. Vision transformers need much data or
# pre-training: Dosovitskiy et al. used millions of images.
#
# ## Going further: a GPT that you can train here
#
# This GPT predicts the next *character*, since a short list of characters is learnt fast. The reviews are joined and cut into windows of 64 characters.

# %% tags=["nbval-ignore-output"]
splits, label_names = data.prepare_splits(course.source, max_rows)
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
# There are three baselines. The first knows nothing. The second knows how frequent each character is. The third is a table of pairs: how frequent each
# character is after the one before it. We compare losses in nats: minus the mean logarithm of the right character's probability.

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
# The characters' vectors once more: each output is compared with all of them.
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
gap = abs(losses["GPT, untrained"] - losses["uniform"])
course.claim("untrained, it is within 0.2 nats of knowing nothing", gap < 0.2, gap)
gain = losses["uniform"] - losses["GPT"]
course.finding("trained, over 1.5 nats below uniform", gain > 1.5, gain)
gain = losses["frequencies"] - losses["GPT"]
course.finding("and over 0.3 nats below the frequencies", gain > 0.3, gain)
gain = losses["pairs"] - losses["GPT"]
course.finding("but not even 0.1 nats below the table of pairs", gain < 0.1, gain)

# %% [markdown]
# It has learnt more than which letters are frequent. But the table of pairs is better, by about 0.14 nats when we ran it, although it sees only one letter. Does the GPT make anything of what is
# further back? We take the last place of each window, and replace all letters but the last few by those of another window.

# %% tags=["nbval-ignore-output"]
def loss_of_last(ids):
    """Loss at the last of the 64 places, for windows `ids`, nats."""
    logits = writer.predict({**inputs[1], "token_ids": ids}, verbose=0)[:, -1]
    surely = np.asarray(keras.ops.log_softmax(logits))
    return -surely[range(len(ids)), unseen_following[:, -1]].mean()


by_context = {}
for known in (1, 2, 4, 8, 64):
    ids = np.roll(unseen, 1, axis=0)  # the characters of another window ...
    ids[:, -known:] = unseen[:, -known:]  # ... but for the last few
    by_context[known] = loss_of_last(ids)
print(pd.Series(by_context).round(2).to_string())

# %%
gain = by_context[1] - by_context[64]
course.finding("all 64 letters: under 0.3 nats better than one", gain < 0.3, gain)

# %% [markdown]
# It makes little of them. So far, a table of pairs would do better. A GPT writes by choosing the next letter by its probabilities, again and again:

# %% tags=["nbval-ignore-output"]
random = np.random.default_rng(seed)
written = [characters.index(c) if c in characters else 0 for c in "The "]
for _ in range(60):
    ids = np.zeros((1, 64), dtype="int32")
    ids[0, : len(written)] = written
    logits = writer({"token_ids": ids, "padding_mask": np.ones_like(ids)})
    chances = np.asarray(keras.ops.softmax(logits[0, len(written) - 1]), "float64")
    written.append(int(random.choice(kinds, p=chances / chances.sum())))
print("".join(characters[number] for number in written[:64]))

# %% [markdown]
# The letters look like English, the words do not. This is a GPT after half a minute of training on 400 reviews. Lesson 04 is about pre-training.
#
# ## Going further: what it costs here
#
# Before you believe the figures of others, measure your own: size, time for a text, longest input. The model is the one that your profile names.

# %% tags=["nbval-ignore-output"]
chosen = models.make_classifier(course.profile.backbone, len(label_names), seed)
texts = splits["validation"]["text"].tolist()
lengths = [len(row) for row in models.token_ids(chosen.tokenizer, texts)]
tokens, it = int(np.median(lengths)), chosen.backbone


def predict(batch):
    """Probabilities of a list of texts."""
    return finetuning.predict_proba(chosen, batch)


alone, together = (evaluation.latency(predict, texts, size) for size in (1, 32))
shape = it.num_layers, it.hidden_dim, it.intermediate_dim
work, numbers = architecture.forward_operations(*shape, tokens), it.count_params()
print(f"{numbers:,} parameters, {4 * numbers / 1e6:.0f} MB in float32, ", end="")
print(f"at most {it.max_sequence_length} tokens a text")
print(f"{tokens} tokens a text: {work / 1e9:.2f} billion operations, ", end="")
print(f"{alone:.1f} ms alone, {together:.1f} ms in batches of 32")

# %% [markdown]
# ## Going further: what long texts cost
#
# `architecture.forward_operations` counts multiplications and additions by a formula. Attention looks at each pair of tokens. So its
# part grows with the length for one token, and with the square of the length for the whole text:

# %%
def pairs_share(tokens, width=384, feed_forward=1536):
    """Share of a block's work that pairs of tokens take, in percent."""
    pairs = 2 * tokens * width  # multiplications for one token
    return 100 * pairs / (4 * width**2 + 2 * width * feed_forward + pairs)


print({tokens: f"{pairs_share(tokens):.0f} %" for tokens in (24, 128, 512, 8192)})
short, long = pairs_share(24), pairs_share(512)
course.claim("in 24 tokens, pairs take under 2 % of the work", short < 2, short)
course.claim("in 512 tokens, over 15 %", long > 15, long)

# %% [markdown]
# ## Going further: is the table of models right?
#
# The formulas must give the number of each model in the table. Only ModernBERT is left out: its authors round their number, and the table
# lacks its vocabulary.

# %%
encoders = published[published["family"] == "encoder"].dropna(subset="vocabulary")
derived = []
for row in encoders.itertuples():
    plain = row.model == "DistilBERT"  # no segments, no pooled output
    extra = {"segments": 0, "pooler": False} if plain else {}
    sizes = int(row.vocabulary), row.longest_input, row.width, row.layers
    derived.append(
        architecture.encoder_parameters(*sizes, int(row.feed_forward), **extra)
    )
same = derived == encoders["parameters"].tolist() and len(derived) == 10
course.claim("ten encoders: the formula gives the table's number", same)
gpt_2 = architecture.decoder_parameters(50257, 1024, 768, 12, 3072)
vit_b = architecture.vision_parameters(224, 16, 3, 768, 12, 3072)
same = (gpt_2, vit_b) == (124_439_808, 85_798_656)
course.claim("GPT-2 small and ViT-B/16: so do theirs", same)

# %% [markdown]
# How much of GPT-2's work is the comparison with every word? We count multiplications for one token, in a text so short that attention between pairs is
# negligible.

# %%
predicting = 50257 * 768  # one vector against all words
blocks = 12 * (4 * 768**2 + 2 * 768 * 3072)
share = 100 * predicting / (predicting + blocks)
course.claim("GPT-2 small: over 30 % for its vocabulary", share > 30, share)

# %% [markdown]
# These are the sources of all quality figures:

# %%
for row in published.itertuples():
    line = f"{row.model}: {row.quality} ({row.benchmark}, {row.split})"
    print(line.replace(", nan", ""))
    print(f"    {row.source}")

# %% [markdown]
# ## Going further: where weights come from
#
# | you write | it means | needs a network |
# |---|---|---|
# | `all-MiniLM-L6-v2` | this course's checked copy, in `.cache/` | once |
# | `bert_base_zh` | a KerasHub preset (预设), kept in `~/.cache/kagglehub` | once |
# | `hf://owner/name` | a Hugging Face repository, in `~/.cache/huggingface` | once |
# | `kaggle://...` | a model on Kaggle, where TF-Hub's models are now | once |
# | `my/folder` | files on your disk | no |
#
# `models.locate` turns such a source into what KerasHub loads, and `models.make_classifier` puts a new head on its backbone.
# Which presets does KerasHub know, and what does `models.locate` say to a folder that does not exist? It names the mistake at once, before anything is looked up on the network.

# %%
presets = keras_hub.models.BertBackbone.presets
print(*[name for name in presets if name.startswith("bert_")], sep="\n")
print(presets["bert_base_zh"]["kaggle_handle"])

# %% tags=["raises-exception"]
print(models.locate("bert_base_zh"), end=" ")
print(models.locate("hf://google-bert/bert-base-chinese"))
models.locate("./my-bert")

# %% [markdown]
# ## Going further: pickle and safetensors
#
# A pickle tells Python how to rebuild an object, and may call any function to do so. This one is harmless and only writes into a list.

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
# A safetensors file has three parts. Its first 8 bytes say how long the header is. The header (JSON) names each tensor with its type, shape
# and place. Then come the numbers. We read it by hand:

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
filled = start + end == (folder / "model.safetensors").stat().st_size
course.claim("the numbers fill the file to its last byte", filled)

# %% [markdown]
# ## Going further: one bit
#
# Numbers cannot run, but they can lie. In a copy of the folder we flip *one bit* of the word "film": one of its 384 numbers becomes 16 times as
# large. Such tampering (篡改) is hard to see.

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
    # From 1/128 to below 1/8, the bit worth 4 in the exponent is 0. The flip sets it.
    file.write(bytes([byte ^ 0b10]))  # exponent plus 4: times 16

# %%
try:
    caught = models.check_files(copy)
except models.WeightsError as error:
    caught = str(error).replace(str(copy), "the copy")
print(caught)
course.claim("models.check_files notices it", "in the copy was changed" in caught)

# %% [markdown]
# And what happens where nobody checks?

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
with_film, others = similarity[0], np.abs(similarity[1:] - 1).max()
course.claim("'film': another vector, cosine under 0.95", with_film < 0.95, with_film)
course.claim("the others: cosine within 0.000001 of 1", others < 1e-6, others)

# %% [markdown]
# There is no error and no warning. Only the sentence with "film" has another vector, so a test without that word would notice nothing.
#
# ## Going further: beyond text
#
# The article looks ahead to other tasks and fields. For each, the table names a family of models, a paper to read, and something maintained to load. The large ones
# want an accelerator and a network.

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
number = len(known)
course.claim("each preset belongs to its class in KerasHub", all(known))
course.claim("there are at least ten of them", number >= 10, number)

# %% [markdown]
# The table cannot promise everything. A model for pictures of lungs is not a doctor, and medical use needs approval. The weights of Gemma and Stable Diffusion have
# terms of their own, which you should read first. In the table, "keeping knowledge current" means to fetch texts at the time of the question (检索增强). It does not make the model itself newer.

# %% [markdown]
# ## Exercises
#
# 1. In the example of *Attention by hand*, hide "very". Which weights has "good", and what is its praise?
# 2. Count by hand: how many parameters has a BERT-tiny (2 blocks, width 128, $f=512$, 512 tokens) with the Chinese vocabulary of 21,128?
# 3. Which models of the table read Chinese, may be used under Apache-2.0, and have a preset?
# 4. A byte of MiniLM's file has changed. Which word piece does it belong to? (*Going further: pickle and safetensors* helps.)
#
# With a check of your answer: [exercises](exercises/02_model_selection.ipynb); solved: [solutions](solutions/02_model_selection.ipynb).

# %% [markdown]
# ## Quiz
#
# Answer each question in your own words, then unfold ours.
#
# <details><summary>1. What are query, key and value, and why are key and value not the same?</summary>
#
# The query says what a token looks for, the key what it can be found by, the value what it hands over. "not" is found as a negation, but
# hands over "turn the praise around" (*Attention by hand*).
#
# </details>
#
# <details><summary>2. Why are the scores divided by the root of d?</summary>
#
# A score adds up d products, so its spread grows with the root of d. Undivided, softmax would give nearly all weight to one token, and training
# could hardly change it (*Why the scores are divided*).
#
# </details>
#
# <details><summary>3. What does a block do with padding?</summary>
#
# The mask turns its scores into minus infinity, so its weights are exactly 0. Without the mask, padding changes the vectors of real tokens
# (*The mask*).
#
# </details>
#
# <details><summary>4. In a trained head, "good" gives its largest weight to "not". Has the head understood the negation?</summary>
#
# Perhaps not: one head gives nearly all weight to the token before, whatever it is (*What a trained head looks at*).
#
# </details>
#
# <details><summary>5. BERT-base and GPT-2 small have equally large blocks. Why can only GPT-2 continue a text?</summary>
#
# Its mask is causal. Each token looks only at itself and at earlier tokens, so GPT-2 was trained to predict the next token at every position
# (*Three families*).
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - ✔ compute attention and a block by hand (*A whole block by hand*);
# - ✔ say what each family's tokens may look at (*Three families*);
# - ✔ derive a number of parameters (*Counting parameters by hand*);
# - ✔ choose by facts with sources (*Choosing*);
# - ✔ check weights before loading (*Check before you load*).
#
# **References.** Vaswani et al.: *Attention Is All You Need*, 2017. Devlin et al.: *BERT*, 2019. Radford et al.: *Language Models are Unsupervised Multitask
# Learners* (GPT-2), 2019. Dosovitskiy et al.: *An Image is Worth 16x16 Words* (ViT), 2021. Xiong et al.: *On Layer Normalization in the Transformer
# Architecture*, 2020.
#
# **Glossary.** attention 注意力 · attention mask 注意力掩码 · backbone 骨干网络 · causal 因果 · decoder 解码器 · encoder 编码器 · feed-forward 前馈网络 ·
# hash 哈希 · head (of attention) 注意力头 · key 键 · layer norm 层归一化 · model selection 模型选择 · parameter 参数 · patch 小块 · preset 预设 · query 查询 ·
# residual connection 残差连接 · value 值.
