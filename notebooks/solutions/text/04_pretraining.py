# %% [markdown]
# # 04 · Exercises: pre-training
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/04_pretraining.ipynb)
#
# After [the lesson](../04_pretraining.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
# answer holds, and what to look at if not. They take a minute.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpers import corpus, language_models, pretraining, runtime, wordpiece

course = runtime.start()

# %% [markdown]
# ## Exercise 1
#
# Here are nine words. Which pairs are joined first, second and third? Put three pairs, such as `("a", "##b")`, into `merges`. Of equally
# frequent pairs the alphabetically first is taken.

# %%
words = ["hug", "hug", "hug", "pug", "pug", "pun", "bun", "bun", "hugs"]
print(wordpiece.split_into_letters(words))

# %% tags=["solution"]
# stub: merges
# "##u ##g" stands in hug (3), pug (2), hugs (1): 6 times. Then "h ##ug": 4 times.
# Then "##u ##n" in pun and bun: 3 times.
merges = [("##u", "##g"), ("h", "##ug"), ("##u", "##n")]

# %% tags=["check"]
assert (
    isinstance(merges, list) and len(merges) == 3
), "Put three pairs into the list `merges`."
pieces, expected = wordpiece.split_into_letters(words), []
for _ in range(3):
    expected.append(wordpiece.find_most_frequent_pair(pieces))
    pieces = wordpiece.merge_most_frequent_pair(pieces)
assert tuple(merges[0]) == expected[0], (
    "First: count each pair of neighbours over all nine words; ##u and ##g stand side"
    " by side six times."
)
assert [
    tuple(pair) for pair in merges
] == expected, "After a merge the new piece is a neighbour itself: count again."
print("✓ the merges of wordpiece.merge_most_frequent_pair")

# %% [markdown]
# ## Exercise 2
#
# A row has `[CLS]` and 63 ordinary tokens, and BERT's masks. How many of them will look like `[MASK]` on average, and how many are
# chosen but look untouched? Put two numbers into `look_masked` and `look_untouched`.

# %% tags=["solution"]
# stub: look_masked, look_untouched
look_masked = 63 * 0.15 * 0.8  # [CLS] is never chosen
look_untouched = 63 * 0.15 * 0.1

# %% tags=["check"]
assert isinstance(look_masked, float) and isinstance(look_untouched, float), (
    "Put a number into each name."
)
rows = np.random.default_rng(0).integers(5, 8000, size=(4000, 64))
rows[:, 0] = 2
inputs, targets, weights = pretraining.mask_tokens(
    rows, np.ones_like(rows), 8000, 4, [0, 1, 2, 3, 4], np.random.default_rng(1)
)
drawn_masked, drawn_untouched = (
    (inputs == 4).sum(1).mean(),
    ((inputs == targets) & (weights > 0)).sum(1).mean(),
)
assert abs(look_masked - drawn_masked) < 0.1, (
    "15 of 100 are chosen; of those 80 of 100 become [MASK]; [CLS] never."
)
assert abs(look_untouched - drawn_untouched) < 0.05, (
    "Of the chosen ones 10 of 100 stay as they are."
)
print("✓ as 4,000 drawn rows have it")

# %% [markdown]
# ## Exercise 3
#
# A baseline without any neighbour: a *cache*. What stood in this row already is likely to come again. Write
# `cache_score(inputs, targets)`: the logarithm of 0.9 times the unigram's probability plus 0.1 times the share of the target among the
# tokens that the model has seen at that place (`inputs["token_ids"]` up to it). Does it beat the unigram?

# %% tags=["nbval-ignore-output"]
python = corpus.list_course_sources()[0]
with tempfile.TemporaryDirectory() as folder:
    corpus.harvest(
        [replace(python, files=python.files[:500])], Path(folder) / "corpus.jsonl"
    )
    texts = {
        split: [
            row["text"]
            for row in corpus.read_corpus(Path(folder) / "corpus.jsonl", split)
        ]
        for split in ("train", "test")
    }
    vocabulary = wordpiece.learn_vocabulary(texts["train"], 2000)
    for split in texts:
        corpus.write_tokens(texts[split], vocabulary, Path(folder) / split)
    tokens = {split: corpus.read_tokens(Path(folder) / split) for split in texts}
    tokens = {
        split: replace(some, ids=np.array(some.ids)) for split, some in tokens.items()
    }
task = pretraining.predict_next_token
batches = pretraining.TokenBatches(tokens["test"], task, batch_size=8)
counts = language_models.NeighbourCounts(tokens["train"].ids, len(vocabulary))
unigram = counts.single  # probability of each token

# %% tags=["solution"]
# stub: cache_score


def cache_score(inputs, targets):
    """Logarithm of each target's probability, float (rows, length), like `targets`."""
    seen = inputs["token_ids"]
    length = seen.shape[1]
    same = seen[:, None, :] == np.asarray(targets)[:, :, None]  # (rows, target, seen)
    before = np.tril(np.ones((length, length)))  # place i has seen places 0 to i
    share = (same * before).sum(axis=2) / before.sum(axis=1)
    return np.log(0.9 * unigram[targets] + 0.1 * share)


# %% tags=["check"]
assert callable(cache_score), "Write a function `cache_score(inputs, targets)`."
row = {"token_ids": np.tile(batches[0][0]["token_ids"][:1], (len(vocabulary), 1))}
every = np.tile(np.arange(len(vocabulary))[:, None], (1, row["token_ids"].shape[1]))
sums = np.exp(cache_score(row, every)).sum(axis=0)
assert np.allclose(sums, 1), (
    "At each place the probabilities of all tokens must sum to 1: is the share one of"
    " the tokens seen so far?"
)
losses = [
    language_models.measure_losses(score, batches, len(batches)).mean()
    for score in (cache_score, counts.unigram_score)
]
peeking = {"token_ids": row["token_ids"][:1].copy()}
peeking["token_ids"][0, 30:] = 7
same = (
    cache_score({"token_ids": row["token_ids"][:1]}, every[:1])[0, :30]
    == cache_score(peeking, every[:1])[0, :30]
)
assert (
    same.all()
), "Place 10 must not change when place 30 does: look only at what came before."
assert (
    losses[0] < losses[1] - 0.05
), "It should be clearly better than the unigram: 0.9 of the unigram, 0.1 of the cache."
print("✓ a cache beats the unigram, without any neighbour")
