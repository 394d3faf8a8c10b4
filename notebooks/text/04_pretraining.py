# %% [markdown]
# # 04 · Pre-training: learning from text that nobody labelled
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/04_pretraining.ipynb)
#
# You will make a corpus of 1.5 million words from what is installed on this machine, learn a vocabulary from it, and pre-train
# (预训练) a small Transformer on it. Then you will check something that is often taken for granted: does pre-training help?
#
# **You will be able to**
#
# - make a corpus whose parts do not leak into each other;
# - learn a WordPiece vocabulary, and say what a merge is;
# - turn plain text into three training tasks: hidden words, the next word, the next sentence;
# - judge a language model by comparing it with models that only count;
# - measure whether pre-training helped.
#
# **You need first:** lessons 00, 01, 02 and 03. **Time:** about 44 minutes to read, 20 for the exercises, 4 to run on two CPU
# cores.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% tags=["parameters"]
seed = 42
profile = "small"  # the same here in both profiles
rows_a_step = 32  # rows of 64 tokens in a training step
peak_rate = 3e-3  # the learning rate after the warm-up
plan_steps = 300  # training steps that the schedule of the rate plans for
live_steps = 150  # how many of them run here; the rest was computed beforehand

# %%
from collections import Counter

import numpy as np
import pandas as pd

from helpers import corpus, docstrings, figures, finetuning, language_models, models
from helpers import optimizers, pretraining, runtime, tokenization, wordpiece

import keras  # after the helpers, which settle the backend

course = runtime.start(seed, profile)

# %% [markdown]
# ## Labels for free
#
# Lesson 05 needs thousands of labelled reviews, and somebody had to label them. Pre-training takes plain text and makes tasks whose
# answers are part of the text itself. This is called **self-supervised learning** (自监督学习), since the text supplies its own labels.
#
# The article calls it unsupervised (无监督学习) and names two kinds. An **autoencoder** (自编码器) gives back the text that it was
# given. **Language modelling** (语言建模) predicts the next word. BERT does neither: it fills blanks, for which it reads the words on
# both sides, and it tells whether one sentence follows another.
#
# ## A corpus from what is installed
#
# This lesson downloads nothing. Each installed Python package brings English text: its docstrings. The course's code reads them
# from the source files, without running any, and keeps only the sentences. It takes about two minutes.

# %% tags=["nbval-ignore-output"]
corpus_file, tokens = corpus.prepare(remake=True)
facts = corpus.read_manifest(corpus_file)["manifest"]
print({name: f"{number:,}" for name, number in facts.items()})
print(next(corpus.read_corpus(corpus_file, "test"))["text"][:90])

# %% [markdown]
# A model is judged on **held-out** text (留出文本), which it has not trained on. Two things could spoil that judgement:
#
# - The same text may occur twice, since packages copy from each other. So the corpus drops a text when its first or its last twelve
#   words have occurred before.
# - The texts of one file resemble each other. So a whole file belongs either to training (nine files of ten), to validation or to test.

# %%
splits, files = corpus.SPLITS, {}
for split in splits:
    rows = corpus.read_corpus(corpus_file, split)
    files[split] = {(row["package"], row["module"]) for row in rows}
shared = [files[a] & files[b] for a in splits for b in splits if a < b]
course.claim("no file belongs to two splits", not any(shared))

# %% [markdown]
# ## WordPiece, by hand
#
# A model's vocabulary (词表) holds a fixed number of pieces: whole words and parts of words. Learning it begins with single
# letters. The mark `##` stands before a letter that does not begin its word. A **merge** (合并) then takes the two pieces that
# occur side by side most often and makes them one new piece. Each merge adds one piece, until the vocabulary has the wanted size.


# %%
def most_frequent_pair(spellings):
    """The two neighbouring pieces that occur most often: ("##e", "##r")."""
    pairs = Counter()
    for pieces, number in spellings.items():
        for pair in zip(pieces, pieces[1:]):
            pairs[pair] += number
    return min(pairs, key=lambda pair: (-pairs[pair], pair))  # of equals the first


def merge(spellings, pair):
    """All spellings, with this pair joined: ("n", "##ew") becomes ("new",)."""
    joined = {}
    for pieces, number in spellings.items():
        word = []
        for piece in pieces:
            if word and (word[-1], piece) == pair:
                word[-1] += piece.removeprefix("##")
            else:
                word.append(piece)
        joined[tuple(word)] = number
    return joined


# %%
text = "low low low lower lower newer newer newer newest newest widest wide new new old"
spellings = again = wordpiece.split_into_letters(text.split())  # {spelling: count}
for number in range(1, 7):
    pair = most_frequent_pair(spellings)
    spellings = merge(spellings, pair)
    again = wordpiece.merge_most_frequent_pair(again)  # the helper's one line
    print(number, " + ".join(pair))
print("  ".join(" ".join(pieces) for pieces in spellings))
course.claim("the helper makes the same merges", spellings == again)

# %% [markdown]
# Frequent stems and endings have become pieces; rare words stay in parts. So every word can be written, unless it has a letter
# that the vocabulary lacks: then it becomes `[UNK]`. Pieces with `##` are WordPiece's form. The merges go by count, as in
# byte-pair encoding (字节对编码). WordPiece as first described also divides a pair's count by the counts of its parts.
#
# The library `tokenizers` merges by count, too. It has learnt 8,000 pieces from the training texts.
#
# ## Three tasks from one text
#
# The ids of all training texts are stored as one long row, with `[SEP]` after each text. Cut into stretches of 63 tokens, with
# `[CLS]` in front, they make a table of 64 columns. A row may thus begin within a text. Each task turns such rows into inputs and
# answers.
#
# **The hidden word.** A masked language model (掩码语言模型) chooses 15 of 100 tokens, and has to name them. Of the chosen tokens 80
# of 100 are replaced by `[MASK]` and 10 of 100 by another token; 10 of 100 stay as they are. After pre-training no text will contain
# `[MASK]`, so the last two kinds keep the model from relying on it.

# %%
train, validation = tokens["train"], tokens["validation"]
vocabulary, special = train.vocabulary, train.special_ids  # special[-1]: [MASK]
next_token = pretraining.predict_next_token  # a task for later; not used by frame
batches = pretraining.TokenBatches(train, next_token, rows_a_step, seed=seed)
ids, padding = batches.frame(np.arange(1600))  # bare rows, no task: (1600, 64) each

random = np.random.default_rng(seed)
may_hide = ~np.isin(ids, special)
chosen = may_hide & (random.random(ids.shape) < 0.15)
kind = random.random(ids.shape)
seen = np.where(chosen & (kind < 0.8), special[-1], ids)  # 80 of 100: [MASK]
others = np.setdiff1d(np.arange(len(vocabulary)), special)
replaced = chosen & (kind >= 0.8) & (kind < 0.9)  # 10 of 100: another token
seen = np.where(replaced, random.choice(others, ids.shape), seen)

# %%
arguments = ids, padding, len(vocabulary), special[-1], special
by_helper = pretraining.mask_tokens(*arguments, np.random.default_rng(seed))
same = [np.array_equal(a, b) for a, b in zip(by_helper, (seen, ids, chosen))]
course.claim("the helper gives these inputs, answers and weights", all(same))
share = 100 * chosen.sum() / may_hide.sum()
course.claim("15 in 100 are chosen, within 0.5", abs(share - 15) < 0.5, share)
share = 100 * (seen == ids)[chosen].mean()
course.claim("10 in 100 of them stay, within 1.5", abs(share - 10) < 1.5, share)

# %% [markdown]
# Below are the chosen places of one text: the model reads the middle column and has to answer what stands in the right
# one. Nothing else counts for the loss: the
# **weights** (权重) of all other answers are 0.

# %% tags=["nbval-ignore-output"]
for place in np.flatnonzero(chosen[2]):
    print(f"{place:2}  {vocabulary[seen[2, place]]:12} {vocabulary[ids[2, place]]}")

# %% [markdown]
# **The next word.** A causal language model (因果语言模型) such as GPT predicts each token from the earlier ones. So the answers are
# the same row, moved by one place. All tokens count here, not 15 of 100. The model's attention must hide the later tokens, or it could copy the
# answer; lesson 02 builds that mask.

# %%
_, answers, _ = next_token(ids, padding)
moved = np.array_equal(answers, ids[:, 1:])
course.claim("the answers are the row, moved by one place", moved)

# %% [markdown]
# **The next sentence.** BERT has a second task: next-sentence prediction (下一句预测). Two sentences are put into one row, and the
# model tells whether the second followed the first in its text. Half of the time it did; else it comes from another text.
# Segments mark which token belongs to which sentence.


# %% tags=["nbval-ignore-output"]
def make_pair(first, second):
    """Token ids and segments of two sentences, as BERT reads them."""
    a, b = own.encode(first).ids, own.encode(second).ids
    start, end = special[2:4]  # [CLS] and [SEP]
    return [start, *a, end, *b, end], [0] * (len(a) + 2) + [1] * (len(b) + 1)


own = tokenization.make_reference_tokenizer(vocabulary)
first, follows = "The file is read.", "It is closed then."
for second, label in ((follows, "yes"), ("Their sum is new.", "no")):
    token_ids, segments = make_pair(first, second)
    print(" ".join(vocabulary[i] for i in token_ids), segments, label, sep="\n")

# %% [markdown]
# The answer, yes or no, is computed from the vector of `[CLS]`, which can attend to both sentences. BERT adds this loss to that of
# the hidden words. Liu et al. (2019, *RoBERTa*) left the task out and lost nothing, so ours does without it.
#
# ## Models that only count
#
# A token's loss is -ln of the probability that the model gave it, in **nats**. A loss of 6 nats says little by itself: an even
# guess among 8,000 pieces costs ln 8,000, or 9.0 nats a token. A better **baseline** (基线) counts how often each token occurs: the
# unigram model (一元模型). The bigram model (二元模型) also counts which token follows which. To the counts of what follows a token we
# add 20 imagined observations, spread as the unigram says.

# %%
flat, size = np.asarray(train.ids), len(vocabulary)
count = np.bincount(flat, minlength=size)
unigram = (count + 1) / (len(flat) + size)  # probabilities, shape (8000,)
left = np.bincount(flat[:-1], minlength=size)  # how often a token has one after it
pairs = Counter(zip(flat[:-1].tolist(), flat[1:].tolist()))


def bigram(a, b):
    """Probability of token b after token a."""
    return (pairs[a, b] + 20 * unigram[b]) / (left[a] + 20)


some = validation.ids[:1000]
by_hand = [bigram(a, b) for a, b in zip(some[:-1].tolist(), some[1:].tolist())]
counts = language_models.NeighbourCounts(train.ids, size)
same = np.allclose(by_hand, counts.after(some[:-1], some[1:]))
course.claim("the helper's bigram gives these probabilities", same)

# %% [markdown]
# For the hidden word a fair rival counts which token occurs between these two neighbours, since the masked model sees both sides.
# For neighbours rarely seen together it falls back, by 20 imagined observations again, on the mean of two pair models: after the
# left one, and before the right one.
# All are judged on validation texts.

# %%
judge = language_models.measure_held_out_losses
rivals = {name: judge(name, None, train, validation) for name in ("causal", "masked")}
gain = rivals["causal"]["unigram"] - rivals["causal"]["bigram"]
course.claim("knowing one neighbour saves over 0.5 nats", gain > 0.5, gain)
gain = rivals["masked"]["unigram"] - rivals["masked"]["neighbours"]
course.claim("knowing both saves over 1 nat", gain > 1, gain)

# %% [markdown]
# **Perplexity** (困惑度) is e to the power of the loss. The model is as unsure as if it chose among so many equally likely tokens:
# 6.5 nats are a perplexity of 665. It depends on the vocabulary. With larger pieces, a text has fewer tokens, and each of them is
# harder to guess. So compare the perplexities of two models only if they share a vocabulary; else compare nats a *word*. (Going
# further shows an example.) And a masked model's perplexity is that of its blanks, given the rest. It is not that of a text,
# which multiplies the chances of all tokens in order.
#
# ## A minute of training
#
# The small Transformer has 2 layers, 128 wide. It differs from BERT to learn faster: it normalises before each part of a layer, and
# it marks places by sines (Vaswani et al., 2017). AdamW trains it (lesson 03), with gradients clipped to a norm of 1. The rate rises to `peak_rate` over the
# first 30 steps and falls towards 0, which it would reach at step 300. You see the first 150 steps.

# %%
causal = pretraining.build_causal_model(len(vocabulary), seed=seed)
plan = pretraining.Plan(steps=plan_steps, learning_rate=peak_rate)
adamw = optimizers.make_optimizer(plan, plan.steps, causal.trainable_variables)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
causal.compile(adamw, loss)

# %% tags=["nbval-ignore-output"]
progress = finetuning.Progress(live_steps, 0)  # a bar
for first in (0, live_steps // 2):  # two halves
    batches.first, batches.steps = first, live_steps // 2
    row = pretraining.train_part(causal, batches, [progress])  # calls causal.fit
    live = judge("causal", causal, train, validation, steps=8)
    print("\n", {name: round(value, 2) for name, value in (row | live).items()})
progress.bar.close()

# %%
gain = live["unigram"] - live["model"]
course.claim("over 0.3 nats better than the unigram", gain > 0.3, gain)
lag = live["model"] - live["bigram"]
course.claim("over 0.1 nats worse than counting pairs", lag > 0.1, lag)

# %% [markdown]
# The loss is far below the 9.0 nats of an even guess, and yet counting pairs is better. Only the baseline tells how much is
# missing. A mere tie with the bigram would mean that the model uses nothing further back than one token. More steps help.
# Computed beforehand: the causal model with 4,000 steps, the masked one with 15,000. Both are judged on test texts.

# %%
names = ("causal", "masked")
long = {name: runtime.experiment(f"pretraining_long_{name}").iloc[0] for name in names}
test = pd.DataFrame({name: long[name]["test"] for name in names})
print(test.round(2).to_string())
gains = (test.loc[["bigram", "neighbours"]] - test.loc["model"]).min()
course.claim("both beat counting by over 0.5 nats", gains.min() > 0.5, *gains)

# %% [markdown]
# What has the masked model learnt? Let it fill the blank in this sentence; the claim names its choice.

# %%
path = runtime.COURSE / "data" / "pretrained" / "masked.npz"
masked, tokenizer = pretraining.load_pretrained(path)
blank = "If the file does not [MASK], an error is raised."
filled = dict(language_models.fill_blanks(masked, tokenizer, blank)[0])
chance = 100 * filled.get("exist", 0)
course.claim("'exist' gets over 30 % in that blank", chance > 30, chance)

# %% [markdown]
# ## Does pre-training help?
#
# A low loss is not the aim; a better classifier is. The test: a docstring is given, and the classifier tells its package's field, one
# of seven: numerics, machine learning, text, web, tools, figures, standard library. The names of all 62 packages are hidden in it.
# No model saw the 1,430 test texts in pre-training. The masked model's encoder is fine-tuned with 50, 200 or 1,000
# labels a field. Its rival is the same encoder with random weights. A bag of words (lesson 01) is the baseline.
#
# This was computed beforehand with three seeds. For each number of labels, each start had two learning rates to choose from, by
# validation accuracy.

# %%
topics = runtime.experiment("pretraining_topics")
knobs, point = ["start", "labels_a_class", "learning_rate"], ["labels_a_class", "seed"]
accuracy = topics.groupby(knobs)["validation_accuracy"].mean()
best = list(accuracy.groupby(knobs[:2]).idxmax())  # better rate by start and labels
topics = topics.set_index(knobs).loc[best].reset_index()
wide = topics.pivot(index=point, columns="start", values="test_accuracy")
wide["words"] = topics[topics["start"] == "masked"].set_index(point)["bag of words"]
mean = 100 * wide.groupby("labels_a_class").mean()  # over the seeds

# %% tags=["nbval-ignore-output"]
points = wide.reset_index(names=["labels", "seed"])
ways = {"masked": "pre-trained", "words": "bag of words", "random": "random weights"}
figures.show(
    figures.by_labels(points, ways, "labels a field", "test texts"),
    "Three rising lines. With 50 labels the pre-trained encoder is near 49 %, the bag"
    " of words near 39, random weights near 33. With 1,000 all are from 61 to 64 %.",
)

# %%
few, many = mean.loc[50], mean.loc[1000]
gain = few["masked"] - few["random"]
course.claim("50 labels a field: it gains over 10 points", gain > 10, gain)
gain = few["masked"] - few["words"]
course.claim("and beats the bag of words by over 5", gain > 5, gain)
gain = few["masked"] - mean.loc[200, "random"]
course.claim("50 labels with it beat 200 without, by over 1", gain > 1, gain)
gain = many["masked"] - many["random"]
course.claim("1,000 labels: it gains under 4 points", gain < 4, gain)
gain = many["masked"] - many["words"]
course.claim("and is within 3 of the bag of words", abs(gain) < 3, gain)

# %% [markdown]
# **The answer.** Pre-training helped, and most where labels are few: 50 labels with it beat 200 without. With 1,000 labels a field
# little of the gain is left, and the bag of words is as good as this small encoder.
# This was a favourable case, since corpus and task are both docstrings. Expect less where the corpus is unlike the task's
# texts, where it is small, or where the model has already read far more text, as MiniLM has. Only the last was tried here.
#
# BERT-base learnt from two thousand times as much text, with 75 times as many weights. Lesson 05 shows what such a model gains.
# Two doubts remain: this was one pre-training with three seeds of fine-tuning, and no person has checked
# the labels: each docstring just has its package's field.

# %% [markdown]
# ## Going further: from a source file to a text
#
# Python's own parser finds the docstrings; the code is never run. Private functions and tests are left out, and so are parameter
# lists and markup.

# %%
code = '''
def load(path):
    """Load a **table** from a file, and guess the `dtypes` of its columns.

    Args:
        path: where the file is.
    """

def _guess(column):
    """Private helpers are left out, whatever they say about themselves."""
'''
found = list(docstrings.find_docstrings(code))
prose = docstrings.extract_prose(found[0])
print(prose)
plain = prose.endswith("guess the dtypes of its columns.") and len(found) == 1
course.claim("one public docstring, without markup and parameters", plain)
number = facts["train words"]
course.claim("over 1,000,000 words to train on", number > 1_000_000, number)
unread = 100 * facts.get("unreadable", 0) / facts["files"]
course.claim("under 2 % of the files could not be read", unread < 2, unread)

# %% [markdown]
# The last line of the corpus file is a manifest: counts, versions, and a hash of all lines before it. If the disk was full while
# the file was written, its end is missing. Such a file is refused before its first text is read:

# %%
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    cut = Path(folder) / "corpus.jsonl"
    cut.write_bytes(corpus_file.read_bytes()[:-1000])
    try:
        next(corpus.read_corpus(cut, "train"))
        refused = False
    except corpus.CorpusError as error:
        refused = True
        print(error)
course.claim("a corpus that was cut short is refused", refused)

# %% [markdown]
# ## Going further: does the vocabulary fit?
#
# The lesson's vocabulary has 8,000 pieces, BERT's has 30,522. How many tokens does each need for texts that it has never seen?

# %% tags=["nbval-ignore-output"]
unseen = [row["text"] for row in corpus.read_corpus(corpus_file, "test")][:500]
bert = models.load_tokenizer()
settings = {"lowercase": True, "strip_accents": True}
small = type(bert)(list(vocabulary), **settings)  # BERT's class, the lesson's pieces
tokenizers = {"own": small, "BERT's": bert}
fits = {name: wordpiece.measure_fit(one, unseen) for name, one in tokenizers.items()}
print(pd.DataFrame(fits).T.round(4).to_string())
# own, from "The next sentence" above, has the same pieces
print(own.encode("a callable that normalizes the dataframe").tokens)

# %%
saved = 100 * (1 - fits["own"]["tokens_a_word"] / fits["BERT's"]["tokens_a_word"])
course.claim("over 2 % fewer tokens than with BERT's pieces", saved > 2, saved)
unknown = 1000 * fits["own"]["unknown_share"]
course.claim("under 1 token in 1,000 is unknown", unknown < 1, unknown)

# %% [markdown]
# A vocabulary learnt from texts of one's own field makes texts shorter and training cheaper. It has a price: the weights of a
# published model fit the pieces of that model alone, so with a new vocabulary its embeddings are lost.
#
# ## Going further: perplexity and the vocabulary
#
# Here are two unigram models of the same validation texts. One knows 8,000 pieces, the other only single letters.

# %%
joined = {}
for split in ("train", "validation"):
    rows = corpus.read_corpus(corpus_file, split)
    joined[split] = " ".join(row["text"].lower() for row in rows)
letters, held_out = Counter(joined["train"]), Counter(joined["validation"])
total = letters.total() + len(letters) + 1  # one more for a letter never seen
nats = {"letters": 0.0, "pieces": -np.log(unigram[validation.ids]).sum()}
for letter, number in held_out.items():
    nats["letters"] -= number * np.log((letters[letter] + 1) / total)
targets = {"letters": held_out.total(), "pieces": len(validation.ids)}
perplexity = {name: np.exp(nats[name] / targets[name]) for name in nats}
words = len(joined["validation"].split())
a_word = {name: nats[name] / words for name in nats}

# %%
times = perplexity["pieces"] / perplexity["letters"]
course.claim("the letters' perplexity is over 20 times lower", times > 20, times)
times = a_word["letters"] / a_word["pieces"]
nats_a_word = a_word["letters"], a_word["pieces"]
course.claim("their nats a word are over 1.8 times more", times > 1.8, *nats_a_word)

# %% [markdown]
# The model of letters hesitates among about 20 letters, which is easy, but it has to guess six of them in a word. Compared by nats a word, it is
# far worse. That is why two models with different vocabularies may not compare perplexities.
#
# ## Going further: can the model see the answer?
#
# A causal model must not see later tokens. You can test this without reading its code: change the later tokens, and look at which
# logits change. The masked model is meant to see both sides.

# %%
whole, padding = batches.frame(np.arange(1))
other = whole.copy()
other[0, 40:] = other[0, 40:][::-1]  # reversed: another future from token 40 on
# the masked model is asked for its logits at all 64 places, not only at blanks
every = {"mask_positions": np.arange(64, dtype="int32")[None]}
encoder = pretraining.build_encoder(len(vocabulary), seed=seed)  # untrained will do
both_sides = pretraining.build_masked_model(encoder)
changed = {}
for name, model in (("causal", causal), ("masked", both_sides)):
    logits = []
    for some in (whole, other):
        inputs = models.inputs_of(some, padding) | every  # each model takes its own
        logits.append(np.asarray(model({key: inputs[key] for key in model.input})))
    changed[name] = np.abs(logits[0] - logits[1]).max(axis=-1)[0]  # shape (64,)

# %%
most = float(changed["causal"][:40].max())  # places that see only unchanged tokens
course.claim("causal: logits before token 40 stay, within 1e-6", most < 1e-6, most)
most = float(changed["causal"][41:].max())  # after the first changed token
course.claim("causal: later ones change by over 0.001", most > 1e-3, most)
least = float(changed["masked"][:40].min())  # even the least changed place
course.claim("masked: all earlier ones change by over 1e-6", least > 1e-6, least)

# %% [markdown]
# ## Going further: is today's training like the stored ones?
#
# `make experiments` trained each model for a short time with three seeds: 300 steps for the causal model, 1,000 for the masked one.
# The stored curves have a point at every quarter. Your training should be near the causal curves at the same step.

# %%
short = runtime.experiment("pretraining_short")
stored = short.query("objective == 'causal'")
curves = pd.concat([pd.DataFrame(curve) for curve in stored["curve"]])
band = curves.loc[curves["steps"] == live_steps, "validation_loss"]
if (rows_a_step, peak_rate, plan_steps, len(band)) == (32, 3e-3, 300, 3):
    inside = band.min() - 0.2 < live["model"] < band.max() + 0.2
    course.finding("within 0.2 of three stored runs", inside, live["model"], *band)
end = pd.DataFrame(list(stored["validation"]))
lag = (end["model"] - end["bigram"]).min()
course.claim("after 300 steps still over 0.1 nats worse than pairs", lag > 0.1, lag)
end = pd.DataFrame(list(short.query("objective == 'masked'")["validation"]))
gains = end["unigram"] - end["model"]
few = 0 < gains.min() and gains.max() < 0.5
course.claim("masked, 1,000 steps: under 0.5 below the unigram", few, *gains)

# %% [markdown]
# The masked model learns less from a step, since only 15 of 100 tokens are answers. After 1,000 steps it is hardly better than the
# unigram, so it makes little use of the neighbours. A step of the causal model takes longer, since it predicts every token.
#
# ## Going further: kept tokens flatter a masked model
#
# During training the masked model's loss looks better than it is. One of ten chosen tokens stays as it is, and the model can copy it.
# To judge the model, hide every chosen token. The option `judge=True` does so:

# %%
tested = (row["text"] for row in corpus.read_corpus(corpus_file, "test"))
pieces = tokenizer.get_vocabulary()  # of the stored model
score = language_models.make_score(masked)
with tempfile.TemporaryDirectory() as folder:
    corpus.write_tokens(tested, pieces, Path(folder) / "test")
    read = corpus.read_tokens(Path(folder) / "test")
    losses = []
    for hide_all in (True, False):
        some = pretraining.make_batches("masked", read, judge=hide_all)
        losses.append(language_models.measure_losses(score, some, 20).mean())
    del some, read  # before the folder goes
gain = losses[0] - losses[1]
course.claim("kept tokens make the loss look over 0.1 nats better", gain > 0.1, gain)

# %% [markdown]
# ## Going further: the denoising autoencoder
#
# The article's first kind of pre-training is the autoencoder. A plain one could learn to copy. A denoising autoencoder (去噪自编码器;
# Vincent et al., 2008) gets a text with mistakes and gives back the original. Here one token of ten is replaced, one of ten is dropped,
# and the rest moves by up to two places.

# %%
texts = pretraining.make_batches("denoising", validation, judge=True)
ids, padding = texts.frame(np.arange(32))  # one text a row, int32 (32, 64)
random = np.random.default_rng(seed)
wrong = random.random(ids.shape) < 0.1
noisy = np.where(wrong, random.choice(others, ids.shape), ids)
kept = (padding == 1) & (random.random(ids.shape) >= 0.1)
place = np.arange(64) + random.uniform(0, 3, ids.shape)
noisy[:, 0], kept[:, 0], place[:, 0] = ids[:, 0], True, -1  # [CLS] stays in front
order = np.argsort(np.where(kept, place, np.inf), axis=1)  # dropped ones go last
left = np.arange(64) < kept.sum(axis=1)[:, None]
noisy = np.where(left, np.take_along_axis(noisy, order, 1), special[0])
arguments = ids, padding, special[0], others, np.random.default_rng(seed)
by_helper, _ = pretraining.add_noise(*arguments)
course.claim("the helper makes the same noise", np.array_equal(noisy, by_helper))

# %% tags=["nbval-ignore-output"]
for name, some in (("noisy", noisy), ("answers", ids)):
    print(f"{name:8}", " ".join(vocabulary[i] for i in some[0, 1:14]))

# %% [markdown]
# The model must send the whole text through one vector of 64 numbers, and a decoder writes the text from that vector. The
# unigram is too weak a rival for it: most answers are in the noisy text, at about their place. A fair rival copies. It gives 80 of 100 parts of its belief to the
# tokens of the noisy text, equally to each, and the rest to the unigram.


# %%
def copy_score(inputs, targets):
    """Log of each target's probability, of the targets' shape."""
    present = inputs["padding_mask"][:, None, :]  # (texts, 1, seen)
    equal = (targets[:, :, None] == inputs["token_ids"][:, None, :]) * present
    share = equal.sum(axis=2) / present.sum(axis=2)
    return np.log(0.8 * share + 0.2 * unigram[targets])


inputs, targets, weights = texts[0]
equal = targets[:, :, None] == inputs["token_ids"][:, None, :]
there = 100 * equal.any(axis=2)[weights > 0].mean()
course.claim("over 75 of 100 answers are in the noisy text", there > 75, there)
copied = language_models.measure_losses(copy_score, texts, 20).mean()
loss = runtime.experiment("pretraining_long_denoising").iloc[0]["test"]
gain = loss["unigram"] - loss["model"]
course.claim("the stored one beats the unigram by over 1 nat", gain > 1, gain)
lag = loss["model"] - copied
course.claim("it is over 0.5 nats worse than copying", lag > 0.5, loss["model"], copied)

# %% [markdown]
# After 4,000 steps (computed beforehand, 11 minutes) the autoencoder beats the unigram by far. But copying, without any training,
# is better. The comparison is not quite even: copying reads all tokens of the noisy text, the decoder only 64 numbers. Also, the
# model was judged on test texts, copying on validation texts. Still, the loss alone would not have told how little the model
# gives back.
#
# ## Going further: killed, and resumed
#
# Long trainings get killed. `pretraining.pretrain` runs the loop that you saw. After each part, it writes the weights, the
# optimizer's averages and the step to a file. The file gets its real name only when it is complete. The seed and the number of a
# batch decide what is in it, so nothing else has to be stored.
#
# Below, the stopped training's bar ends at step 6 of 8, but its file holds step 4. The resumed training goes on from step 4.


# %%
class PowerCut(keras.callbacks.Callback):
    """Stops the training in its second part."""

    batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        if self.batches == 6:
            raise KeyboardInterrupt


# %% tags=["nbval-ignore-output"]
tiny = pretraining.Size(layers=1, heads=2, width=16, intermediate=32)
plan = pretraining.Plan(steps=8, steps_a_part=4)
some = pretraining.make_batches("masked", train, tiny, seed)
through, stopped, resumed = (
    pretraining.build_model("masked", len(vocabulary), tiny, seed) for _ in range(3)
)
pretraining.pretrain(through, some, plan)
with tempfile.TemporaryDirectory() as folder:
    try:
        pretraining.pretrain(stopped, some, plan, Path(folder), [PowerCut()])
    except KeyboardInterrupt:
        print("\nstopped in the second part")
    pretraining.pretrain(resumed, some, plan, Path(folder))

# %%
both = zip(through.get_weights(), resumed.get_weights(), strict=True)
most = float(max(np.abs(a - b).max() for a, b in both))
# accelerators may add up in another order each time
rounding = 1e-6 if course.device.kind == "CPU" else 1e-3
course.claim("resumed, all weights end the same, up to rounding", most < rounding, most)

# %% [markdown]
# ## Going further: the two long trainings
#
# These are the long trainings whose results you saw above: the masked model with 15,000 steps, the causal one with 4,000, both at
# a peak rate of 0.002 (yours has 0.003). They took 23 and 12 minutes on two cores. The points are judged on eight batches of
# held-out text.

# %% tags=["nbval-ignore-output"]
curves = {name: pd.DataFrame(long[name]["curve"]) for name in names}
counting = {}
for name in names:
    held_out = long[name]["validation"]
    counting[name] = {key: held_out[key] for key in held_out if key != "model"}
figures.show(
    figures.loss_curves(curves, counting),
    "Two panels. The causal model's loss is below the bigram's line from a fifth of"
    " its steps on. The masked model's loss crosses the line of both neighbours before"
    " a third of its steps and goes on falling. Both flatten towards the end.",
)

# %%
late = curves["masked"].query("steps > 5000")["validation_loss"].max()
gain = counting["masked"]["neighbours"] - late
course.claim("from a third of the steps on below both neighbours", gain > 0, gain)
late = curves["causal"]["validation_loss"].iloc[1:].max()
gain = counting["causal"]["bigram"] - late
course.claim("causal: from a fifth on below the bigram", gain > 0, gain)

# %% [markdown]
# Both curves flatten towards the end, and that says little: the learning rate falls to 0 there, so the weights hardly move. A longer plan might
# reach a lower loss. Docstrings repeat themselves, so do not compare these losses with those on other texts.
#
# Here is what the two models say. Judge for yourself:

# %% tags=["nbval-ignore-output"]
blanks = [
    "Return the number of [MASK] in the list.",
    "Compute the [MASK] of two arrays.",
]
for text in blanks:
    filled = language_models.fill_blanks(masked, tokenizer, text)[0]
    print(text, [f"{piece} {100 * chance:.0f} %" for piece, chance in filled])
writer, _ = pretraining.load_pretrained(path.with_name("causal.npz"))
for number in range(3):
    options = {"temperature": 0.7, "seed": number}
    beginning = writer, tokenizer, "return the"
    print("...", language_models.continue_text(*beginning, **options))

# %% [markdown]
# ## Going further: how sure is the gain?
#
# The test texts are a sample. Other test texts would give another gain. The bootstrap (lesson 06) draws the test texts again and
# again, with replacement, and takes the middle 95 % of the gains.

# %%
def gain_interval(before, after):
    """Mean gain over the seeds in points, and its 95 % interval over the test texts.

    A row a seed; `right` holds a digit a text: 1 where the model was right.
    """
    rows = [frame.sort_values("seed")["right"] for frame in (before, after)]
    right = [np.array([list(map(int, digits)) for digits in part]) for part in rows]
    gains = 100 * (right[1] - right[0]).mean(axis=0)  # one a text: mean of the seeds
    random = np.random.default_rng(seed)
    draws = random.choice(gains, size=(1000, len(gains))).mean(axis=1)
    return gains.mean(), *np.percentile(draws, [2.5, 97.5])


gains = {}
for labels, rows in topics.groupby("labels_a_class"):
    starts = (rows[rows["start"] == start] for start in ("random", "masked"))
    gains[labels] = gain_interval(*starts)
    middle, low, high = gains[labels]
    print(f"{labels:5} labels: {middle:.1f} points, from {low:.1f} to {high:.1f}")

# %%
low = gains[50][1]
course.claim("50 labels: the whole interval is over 10 points", low > 10, low)
low = gains[200][1]
course.claim("200 labels: the whole interval is over 4 points", low > 4, low)
commonest = 100 * topics["majority"].mean()
lag = commonest - mean.loc[50, "random"]
course.claim("50 labels, random: worse than the commonest field", lag > 0, lag)

# %% [markdown]
# The last claim says how weak the encoder with random weights is: with 50 labels a field, one does better by always naming the commonest
# field. The intervals are for these three seeds and this one pre-training; sister packages also share words.
# The pre-training had read the labelled training texts, too, without their labels.
#
# ## Going further: MiniLM, pre-trained further
#
# Usually one takes a model that is pre-trained already, and may let it read on in one's own field (Gururangan et al., 2020). Computed
# beforehand: MiniLM reads 200,704 tokens of these docstrings as a masked model. Then it learns the same fields as above, with and
# without this further reading. Either a logistic regression learns from its frozen features, or, with 50 labels a field, all weights are
# fine-tuned. Each has three seeds. The labelled texts and the test texts are those of the small encoder's curve above, so accuracies
# may be compared. But they compare whole recipes: MiniLM was trained in another way, and had one learning rate only.

# %%
minilm = runtime.experiment("pretraining_minilm")
read_on = minilm["further_tokens"] > 0
curve = pd.DataFrame(minilm.loc[read_on, "curve"].iloc[0])["validation_loss"]
print("held-out loss while it reads on:", curve.round(2).tolist())
ways, further = {"minilm": "frozen", "minilm_tuned": "fine-tuned"}, {}
for (kind, labels), rows in minilm.groupby(["kind", "labels_a_class"]):
    without, with_it = rows[~read_on[rows.index]], rows[read_on[rows.index]]
    further[kind, labels] = middle, low, high = gain_interval(without, with_it)
    accuracy = 100 * without["test_accuracy"].mean()
    print(f"{ways[kind]:10} {labels:5} labels: {accuracy:.1f} %", end=", ")
    print(f"then {middle:+.1f} points, from {low:.1f} to {high:.1f}")

# %%
fall = curve.iloc[0] - curve.iloc[-1]
course.claim("reading on, its loss falls by over 0.5 nats", fall > 0.5, fall)
most = max(middle for middle, _, _ in further.values())
course.claim("no setting gains: each mean gain is below 0", most < 0, most)
_, low, high = further["minilm_tuned", 50]
worse = -3 < low < high < 0
course.claim("fine-tuned: a loss, all of it under 3 points", worse, low, high)

# %% [markdown]
# Reading on did not help here. The loss fell, but the answers stayed as they were or got a little worse. Why was not measured. One
# possible reason: MiniLM was trained to compare sentences and has no masked-word head any more. A new head starts with random weights, and its
# gradients disturb all other weights. 98 steps may be too few to recover. The authors above read billions of tokens.
#
# Three of the four intervals contain 0. The fourth just excludes it. With four intervals, it is no surprise if one excludes 0 by chance.
#
# ## Going further: what it costs
#
# Training takes about 6 operations for each weight and token (Kaplan et al., 2020): a multiplication and an addition forward, and
# twice as many backward. Your training has shown how many tokens a second this machine reads. How long would BERT-base take here?
# That is an **extrapolation** over seven orders of magnitude in operations, and first one has to know how many tokens BERT read.
# Devlin et al. (2019) allow three countings:
#
# - by the words: 3.3 billion words, read 40 times;
# - by the steps: a million steps of 256 rows of 512 tokens (their appendix A.2);
# - by the rows' true lengths: 90 of 100 steps had rows of 128 tokens only.
#
# The first gives more than the second, since a word is about 1.5 of BERT's tokens here (measured on docstrings). The paper's 40
# times fit its steps only if a word counts as one token. The operations counted are those of the layers' matrices and of the
# output over the vocabulary, which BERT computes for the 15 of 100 chosen tokens only (0.15 in the code). Attention scores are
# left out.

# %%
speed = row["tokens_a_second"]  # of the live training
rate = speed * pretraining.operations_a_token(pretraining.Size(), len(vocabulary))
large = pretraining.Size(layers=12, heads=12, width=768, intermediate=3072)
operations = pretraining.operations_a_token(large, 30_522, 0.15)  # for a token
read = {
    "by the words": 3.3e9 * fits["BERT's"]["tokens_a_word"] * 40,
    "by the steps": 1e6 * 256 * 512,
    "by the true lengths": 1e6 * 256 * (0.9 * 128 + 0.1 * 512),
}
years = {name: n * operations / rate / (365 * 86_400) for name, n in read.items()}

# %% tags=["nbval-ignore-output"]
print(f"{speed:,.0f} tokens a second, {rate / 1e9:.0f} billion operations a second")
for name, number in read.items():
    print(f"{name:20} {number / 1e9:4.0f} billion tokens, {years[name]:.1f} years here")

# %%
times = read["by the words"] / read["by the true lengths"]
course.claim("the countings differ by over 4 times", times > 4, times)
if course.device.kind == "CPU":
    least, most = min(years.values()), max(years.values())
    course.finding("over 0.1 years here, by each counting", least > 0.1, least, most)

# %% [markdown]
# The counting alone makes a factor of over four, more than most differences between two machines. So say what you counted when you
# say what a training costs.
#
# ## Going further: five sizes and a power law
#
# The loss falls with the size of a model like a power of it (Kaplan et al., 2020), as long as data and training do not run short:
# `loss = a N^-b`, where N is the number of weights, and a and the exponent b are fitted.
# Computed beforehand: five causal models, 16 to 256 wide, 300 steps each.

# %% tags=["nbval-ignore-output"]
sizes = runtime.experiment("pretraining_sizes").sort_values("parameters")
sizes["loss"] = [row["model"] for row in sizes["validation"]]
law = language_models.fit_power_law(sizes["parameters"], sizes["loss"])
figures.show(
    figures.power_law(sizes, law, np.geomspace(sizes["parameters"].min(), 1.2e8, 50)),
    "Five dots on a straight falling line, both axes logarithmic, from 0.13 to 3.6"
    " million parameters; the line and its band go on to 120 million.",
)

# %%
low, high = law.interval()
middle, at_least, at_most = law.at(1.1e8)
print(f"at 110 million parameters: {middle:.2f}, from {at_least:.2f} to {at_most:.2f}")
most = sizes["loss"].diff().max()
course.claim("each larger model has a lower loss", most < 0, most)
exponent = 0.04 < low < high < 0.08
course.claim("the exponent is between 0.04 and 0.08", exponent, law.b, low, high)
embeddings = len(vocabulary) * sizes["width"]
inner = language_models.fit_power_law(sizes["parameters"] - embeddings, sizes["loss"])
course.claim("without embeddings it is below 0.045", inner.b < 0.045, inner.b)
shares = 100 * embeddings / sizes["parameters"]
course.claim("they are over 50 % of each model", shares.min() > 50, *shares)

# %% [markdown]
# Two warnings. First, these parameters include the embeddings, which are 95 % of the smallest model and 56 % of the largest.
# Kaplan's law leaves them out; counted so, the exponent is smaller, and the two must not be compared.
#
# Second, each model read 0.6 million tokens, and none had learnt what it could. A model of 110 million would need another rate and far more
# text. Five points tell what happens between them; the interval at the line's end assumes that the line goes on, which nobody has checked.
#
# ## Going further: why the sines are short
#
# The sines of Vaswani et al. (2017) have waves up to 2π times 10,000 places long. In a row of 64 places most of them hardly change. So
# the small models' longest wave is 2π times 64 places. Computed beforehand: 1,000 steps of the masked model with both, two seeds each.

# %%
positions = runtime.experiment("pretraining_positions").fillna({"longest_wave": 64.0})
positions["loss"] = [row["model"] for row in positions["validation"]]
by_seed = positions.pivot(index="seed", columns="longest_wave", values="loss")
print(by_seed.round(2).to_string())
gap = by_seed[10_000.0].min() - by_seed[64.0].max()
course.claim("short waves: both seeds are lower than with long ones", gap > 0, gap)

# %% [markdown]
# Seed by seed the gain is small, between 0.05 and 0.1 nats. The claim's gap is smaller: it lies between the worse seed with short
# waves and the better one with long ones. There are only two seeds. Whether it lasts in a longer training was not measured.

# %% [markdown]
# ## Exercises
#
# 1. By hand: merge the most frequent pair of nine words, three times.
# 2. How many tokens of a row will be `[MASK]` on average, and how many are chosen but look untouched?
# 3. Write a baseline that beats the unigram on the causal task without any neighbour: it expects what this row has already contained (a *cache*).
#
# Each has a check that tells you whether your answer is right: [exercises](exercises/04_pretraining.ipynb); solved: [solutions](solutions/04_pretraining.ipynb).

# %% [markdown]
# ## Quiz
#
# Answer each question in your own words, then unfold ours.
#
# <details><summary>1. Why does a whole file go to one split, and why are near-copies dropped?</summary>
#
# Texts of one file resemble each other, and packages copy from each other. A held-out text that resembles a training text would make the
# model look better than it is (*A corpus from what is installed*).
#
# </details>
#
# <details><summary>2. Why do some chosen tokens stay as they are or become another token, instead of [MASK]?</summary>
#
# After pre-training no text contains `[MASK]`. The two other kinds keep the model from relying on it (*Three tasks from one text*).
#
# </details>
#
# <details><summary>3. What does next-sentence prediction ask, and where does its label come from?</summary>
#
# It asks whether the second sentence followed the first in its text. Whoever makes the pair knows: it took the true next sentence, or one
# from another text (*Three tasks from one text*).
#
# </details>
#
# <details><summary>4. May two models with different vocabularies compare perplexities?</summary>
#
# No. Perplexity is per token, and larger pieces are fewer and harder to guess. Compare nats a word (*Models that only count*).
#
# </details>
#
# <details><summary>5. A loss has fallen from 9 to 5.8 nats. Is the model good?</summary>
#
# The fall alone does not tell. Here counting pairs of tokens costs 5.4 nats, which is still better (*A minute of training*).
#
# </details>
#
# <details><summary>6. When does pre-training help most?</summary>
#
# When labels are few: 50 labels a field with it beat 200 without. With 1,000 little of the gain is left (*Does pre-training help?*).
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - ✔ make a corpus without leaks (*A corpus from what is installed*);
# - ✔ learn a vocabulary, merge by merge (*WordPiece, by hand*);
# - ✔ make three tasks of plain text (*Three tasks from one text*);
# - ✔ compare a language model with counts (*Models that only count*, *A minute of training*);
# - ✔ measure whether pre-training helped (*Does pre-training help?*).
#
# **References.** Devlin et al.: *BERT*, 2019. Vincent et al.: *Extracting and Composing Robust Features with Denoising Autoencoders*, 2008.
# Sennrich, Haddow, Birch: *Neural Machine Translation of Rare Words with Subword Units*, 2016. Vaswani et al.: *Attention Is All You Need*, 2017.
# Kaplan et al.: *Scaling Laws for Neural Language Models*, 2020. Gururangan et al.: *Don't Stop Pretraining*, 2020. Liu et al.: *RoBERTa*, 2019.
#
# **Glossary.** autoencoder 自编码器 · baseline 基线 · causal language model 因果语言模型 · language modelling 语言建模 · masked language model
# 掩码语言模型 · next-sentence prediction 下一句预测 · perplexity 困惑度 · pre-training 预训练 · self-supervised 自监督 · vocabulary 词表.
