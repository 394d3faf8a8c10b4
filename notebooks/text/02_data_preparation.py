# %% [markdown]
# # 02 · Data preparation: from reviews in a file to splits you can trust
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.1.0/notebooks/02_data_preparation.ipynb)
#
# You will turn a file of reviews into clean, labelled splits without leaks, see what BERT reads instead of words,
# and set the score that a model has to beat.
#
# **You will be able to**
#
# - clean texts step by step and report what each step did;
# - split data so that no near-copy of a training text is in the test;
# - explain tokens, padding and why batches are grouped by length;
# - set up an honest baseline (基线).
#
# **You need first:** lesson 00. **Time:** about 25 minutes to read, one minute to run on two CPU cores.

# %%
# In Colab: install what is missing and fetch the course. Elsewhere: nothing.
import importlib.util
import os
import subprocess
import sys

if "COLAB_RELEASE_TAG" in os.environ:
    if importlib.util.find_spec("tensorflow"):  # CPU and GPU runtimes: their TensorFlow stays as it is
        packages = ["keras-hub==0.32.0", "keras-nlp==0.32.0"]
    else:  # the TPU runtime has JAX and no TensorFlow
        packages = ["--no-deps", "keras==3.15.1", "keras-hub==0.32.0", "keras-nlp==0.32.0"]
        os.environ["KERAS_BACKEND"] = "jax"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *packages], check=True)
    address, tag, folder = "https://github.com/OWNER/REPOSITORY", "v0.1.0", "/content/course"
    if not os.path.isdir(folder):
        subprocess.run(["git", "clone", "-q", "--depth=1", "--branch", tag, address, folder], check=True)
    sys.path.insert(0, folder)

# %% tags=["parameters"]
seed = 42
near_duplicate_threshold = 0.5  # share of common word pairs from which two reviews count as near-duplicates
batch_size = 16  # reviews a batch, for the padding figure

# %%
from helpers import data, evaluation, figures, finetuning, models, runtime

course = runtime.start(seed)

# %% [markdown]
# ## Look before you clean (数据准备)
#
# The reviews were written for this course: invented, not collected. `data/README.md` is their datasheet.
# Always read some rows before you write any code.

# %%
raw = data.load()
for row in raw.iloc[[1, 0, 7]].itertuples():
    print(f"{row.stars} stars, {row.domain}, {row.style}: {row.text}")

# %% [markdown]
# `plain` reviews say their opinion in words. `implied` ones make you infer it, often by irony:
# "Gone in one night." praises a book. That half will be hard for whoever counts words.

# %%
print(raw.pivot_table(index="stars", columns="style", values="text", aggfunc="count"))

# %% [markdown]
# ## Clean (数据清洗)
#
# Our file is tidy, real ones are not. So first a small dirty one, to see each step at work.

# %%
import pandas as pd

texts = ["Great   film.", "great film", "", "Caf\u00e9\u200b lovely", "Meh", "Odd", "n/a", "Fine.", "fine"]
stars = [5, 5, 4, 4, 9, "three", 1, 4, 2]
dirty = pd.DataFrame({"text": texts, "stars": stars, "domain": "film", "style": "plain"})
cleaned, report = data.clean(dirty)
print(report.to_string(index=False))

# %%
print(cleaned[["text", "stars"]].to_string(index=False))
course.claim("the text 'n/a' survives: it is a text, not a missing value", "n/a" in set(cleaned["text"]))

# %% [markdown]
# The two "fine" went both: one has 4 stars, one has 2, and nobody can say which is right. Of two "great film"
# one is enough. Now the real file:

# %%
reviews, report = data.clean(raw)
print(report.to_string(index=False))
course.claim("cleaning keeps over 99.9 % of our reviews", len(reviews) > 0.999 * len(raw))

# %% [markdown]
# What this does **not** do: remove stop words, lower-case, stem. Recipes for counting words ask for that;
# for BERT it destroys what the model reads. Look at what stop words (停用词) are:

# %%
sentence = "It was not good, but I have had worse."
words = data.words([sentence])[0]
print("all words:    ", " ".join(word for word, _ in words))
print("no stop words:", " ".join(word for word, is_stop in words if not is_stop))
course.claim("spaCy's list of stop words holds 'not'", ("not", True) in words)

# %% [markdown]
# ## Label
#
# 4 and 5 stars become *positive* (1), 1 and 2 *negative* (0). Three stars say neither: we set them aside as
# *undecided* (-1) instead of forcing a label on them.

# %%
labels = data.label(reviews["stars"])
print(labels.value_counts().sort_index().to_string())

# %% [markdown]
# ## Near-duplicates (去重)
#
# A test text that nearly equals a training text measures memory, not skill: a **leak** (数据泄漏).
# We compare all pairs by the share of word pairs that they have in common (Jaccard).

# %%
reviews = reviews.assign(label=labels)
pairs = data.near_duplicates(reviews["text"].tolist(), near_duplicate_threshold)
for i, j in pairs[:4]:
    print(f"{reviews['text'][i]!r}  ~  {reviews['text'][j]!r}")
print(f"{len(pairs)} pairs among {len(reviews):,} reviews")

# %% [markdown]
# Some of these pairs differ in the word that matters. Keeping such a pair on one side costs nothing, so the
# threshold may be strict.

# %% [markdown]
# ## Split (数据集划分)
#
# Train to learn, **validation** (验证集) to choose, **test** (测试集) to judge, once, at the end.
# Within each stratum (domain, stars, style) the clusters of near-duplicates are ranked by a hash of their text
# and dealt out 60 : 10 : 30. The domains *course* and *travel* arrive later in the course: fields that the model has
# never seen.

# %% tags=["nbval-ignore-output"]
splits = data.prepared(remake=True)  # lesson 02 owns this artifact: it always makes it

# %%
table = pd.DataFrame({name: part["label"].value_counts() for name, part in splits.items()}).T
table = table.fillna(0).astype(int)[[0, 1, -1]].set_axis(["negative", "positive", "undecided"], axis=1)
print(table.assign(reviews=table.sum(axis=1)).to_string())

# %%
rows = pd.concat([splits[name].assign(side=name) for name in data.SPLIT_SHARES], ignore_index=True)
pairs = data.near_duplicates(rows["text"].tolist(), near_duplicate_threshold)
crossing = sum(rows["side"][i] != rows["side"][j] for i, j in pairs)
print(f"{len(pairs)} near-duplicate pairs within the three splits, {crossing} of them across")
course.claim("no review has a near-duplicate on another side", len(pairs) > 0 and crossing == 0)

# %% [markdown]
# ## What BERT reads: word pieces
#
# BERT knows 30,522 pieces of words. A frequent word is one piece, a rare one is several; `##` marks a piece that
# continues a word. Upper case and accents go, as in BERT's own training.

# %%
tokenizer = models.tokenizer()
text = "Unputdownable! A naïve café-owner's tale."
ids = models.token_ids(tokenizer, [text])[0]
print([tokenizer.id_to_token(i) for i in ids])
print(ids)

# %% [markdown]
# How long are the reviews, in tokens? Texts beyond 128 tokens would be cut.

# %% tags=["nbval-ignore-output"]
train = splits["train"]
token_ids = models.token_ids(tokenizer, train["text"].tolist())
counts = pd.Series(map(len, token_ids))
figures.show(
    figures.lengths(counts, models.MAX_LENGTH),
    "Histogram of tokens a review. Most reviews have 10 to 40 tokens, few over 80, none as many as the cut at 128.",
)

# %%
course.claim("no training review is cut", counts.max() < models.MAX_LENGTH)
course.claim("half of the training reviews have at most 24 tokens", counts.median() <= 24)

# %% [markdown]
# ## Batches and padding (填充)
#
# Texts of one batch must be equally long, so the shorter ones are filled up with padding, and padding costs as much
# work as words. What share of the work is real?

# %%
def real_share(batches):
    """Real tokens among all that a model would compute."""
    masks = [finetuning.pad([token_ids[row] for row in rows])["padding_mask"] for rows in batches]
    return sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks)


grouped = finetuning.LengthGroupedBatches(token_ids, train["label"].to_numpy(), batch_size, seed).batches
in_order = [range(i, min(i + batch_size, len(train))) for i in range(0, len(train), batch_size)]
shares = {
    "all padded to 128": counts.sum() / (len(counts) * models.MAX_LENGTH),
    "each batch to its longest": real_share(in_order),
    "grouped by length": real_share(grouped),
}

# %% tags=["nbval-ignore-output"]
figures.show(
    figures.padding(shares),
    "Three bars. Padded to 128 about a fifth of the computed tokens is real, padded to the longest of a batch "
    "little over a third, grouped by length over three quarters.",
)

# %%
gain = shares["grouped by length"] / shares["all padded to 128"]
course.claim("grouping by length at least triples the real share of 'all padded to 128'", gain >= 3)

# %% [markdown]
# ## The baseline (基线)
#
# A model is good *compared with something*. The least: always say what is most frequent. The next: count words and
# word pairs (TF-IDF) and weigh them by logistic regression, which takes a second. We look at the validation split;
# the test waits for lesson 07.

# %%
validation = splits["validation"]
majority = evaluation.majority(train["label"].to_numpy(), len(validation))
bag_of_words = data.bag_of_words().fit(train["text"], train["label"])
probabilities = bag_of_words.predict_proba(validation["text"])
table = evaluation.compare(validation["label"].to_numpy(), {"majority": majority, "bag of words": probabilities})
print((100 * table[["accuracy", "low", "high"]]).round(0).astype(int).to_string())

# %%
course.claim("the bag of words beats the majority by over 15 points", table["accuracy"].diff().iloc[1] > 0.15)
by_style = evaluation.by_slice(validation, probabilities, "style")
course.claim(
    "it is over 10 points better where the opinion is said in words",
    by_style.loc["plain", "accuracy"] > by_style.loc["implied", "accuracy"] + 0.10,
)

# %% [markdown]
# `low` and `high` bound a 95 % interval: 402 reviews leave that much to chance. The baseline is honest work: on the
# plain half it is right nearly nine times in ten. What BERT adds must show on the implied half.

# %% [markdown]
# ## Exercises
#
# 1. Lower `near_duplicate_threshold` to 0.3. How many more pairs are found, and would you call them duplicates?
# 2. Give `clean` a text of one emoji. Why must it not count as empty?
# 3. Train the bag of words without word pairs (`ngram_range=(1, 1)`). Which style loses more, and why?

# %% [markdown]
# ## What you can do now
#
# - ✔ clean step by step with a report (*Clean*);
# - ✔ split without leaks (*Near-duplicates*, *Split*);
# - ✔ explain tokens, padding, grouping (*What BERT reads*, *Batches and padding*);
# - ✔ set up a baseline (*The baseline*).
#
# **References.** Broder: *On the resemblance and containment of documents*, 1997. Gebru et al.: *Datasheets for
# Datasets*, 2021. Kapoor, Narayanan: *Leakage and the reproducibility crisis in machine-learning-based science*, 2023.
# Wu et al.: *Google's Neural Machine Translation System*, 2016 (word pieces).
#
# **Glossary.** baseline 基线 · cleaning 数据清洗 · leak 数据泄漏 · near-duplicate 近似重复 · padding 填充 · split 数据集划分 ·
# stop word 停用词 · tokenisation 分词 · training, validation, test set 训练集、验证集、测试集.
