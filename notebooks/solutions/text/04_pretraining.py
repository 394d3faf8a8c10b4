# %% [markdown]
# # 04 · Exercises: pre-training
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/04_pretraining.ipynb)
#
# Do these after [the lesson](../04_pretraining.ipynb). Replace the dots, run the cell, then run the check below it, part by part. It tells you whether your
# answer is right, and what to look at if not. The cells together run for about a minute.

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
from numbers import Real
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
# "##u ##g" occurs in hug (3), pug (2) and hugs (1): 6 times. Then "h ##ug": 4 times.
# Then "##u ##n" in pun and bun: 3 times.
merges = [("##u", "##g"), ("h", "##ug"), ("##u", "##n")]

# %% tags=["check"]
pairs = [tuple(pair) for pair in merges] if isinstance(merges, list | tuple) else []
assert len(pairs) == 3 and all(len(pair) == 2 for pair in pairs), (
    "Put three pairs of pieces into the list `merges`."
)
pieces, expected = wordpiece.split_into_letters(words), []
for _ in range(3):
    expected.append(wordpiece.find_most_frequent_pair(pieces))
    pieces = wordpiece.merge_most_frequent_pair(pieces)
marked = [part for pair in pairs for part in pair if part.startswith("##")]
assert marked, "A letter that does not begin its word is written with ## before it."
assert pairs[0] == expected[0], (
    "First: count each pair of neighbours over all nine words, each word as often as"
    " it occurs; ##u and ##g are side by side six times."
)
assert pairs[1] == expected[1], (
    "Second: after a merge the new piece is a neighbour itself, so count again; `##ug`"
    " is now one piece."
)
assert pairs[2] == expected[2], (
    "Third: the pairs left are counted anew; of equally frequent ones the first in the"
    " alphabet is taken, but only of equally frequent ones."
)
print("✓ the merges of wordpiece.merge_most_frequent_pair")

# %% [markdown]
# **Why.** The first merge changes the counts of all pairs around it. All six `##g` have become part of `##ug`. So `h ##u`, which
# occurred four times, is gone, and `h ##ug` has taken its place. That is why the pairs have to be counted again after every merge.

# %% [markdown]
# ## Exercise 2
#
# A row has `[CLS]` and 200 ordinary tokens, and BERT's masks. How many of them will look like `[MASK]` on average, and how many are
# chosen but look untouched? Put two numbers into `look_masked` and `look_untouched`.

# %% tags=["solution"]
# stub: look_masked, look_untouched
look_masked = 200 * 0.15 * 0.8  # [CLS] is never chosen
look_untouched = 200 * 0.15 * 0.1

# %% tags=["check"]
# Check, part 1 of 2
for number in (look_masked, look_untouched):
    assert isinstance(number, Real) and not isinstance(number, bool), (
        "Put a number into each name."
    )
rows = np.random.default_rng(0).integers(5, 8000, size=(4000, 201))
rows[:, 0] = 2
inputs, targets, weights = pretraining.mask_tokens(
    rows, np.ones_like(rows), 8000, 4, [0, 1, 2, 3, 4], np.random.default_rng(1)
)
drawn_masked = (inputs == 4).sum(axis=1).mean()
drawn_untouched = ((inputs == targets) & (weights > 0)).sum(axis=1).mean()
close = [abs(look_masked - 200 * 0.15 * 0.8), abs(look_untouched - 200 * 0.15 * 0.1)]

# %% tags=["check"]
# Check, part 2 of 2
assert abs(look_masked - 201 * 0.15 * 0.8) > 0.01, (
    "[CLS] is a special token: it is never chosen. Only 200 tokens can be."
)
assert abs(look_masked - 30) > 0.01, (
    "30 tokens are chosen, but not every chosen one becomes [MASK]: 80 of 100 do."
)
assert close[0] < 0.01, (
    f"look_masked: 15 of 100 are chosen, and 80 of 100 of those become [MASK]. In 4,000"
    f" drawn rows there are {drawn_masked:.1f} a row."
)
assert abs(look_untouched - 6) > 0.01, (
    "6 of the chosen are not [MASK], but half of those became another token."
)
assert abs(look_untouched - 170) > 0.01, (
    "170 are not chosen at all. Count those that are chosen and yet look untouched."
)
assert close[1] < 0.01, (
    f"look_untouched: of the chosen ones 10 of 100 stay as they are. In 4,000 drawn"
    f" rows there are {drawn_untouched:.1f} a row."
)
assert abs(drawn_masked - 24) < 0.3 and abs(drawn_untouched - 3) < 0.15
print("✓ and 4,000 drawn rows have about as many")

# %% [markdown]
# **Why.** 15 of 100 ordinary tokens are chosen, 30 of 200. Of these 30 the shares 0.8, 0.1 and 0.1 become `[MASK]`, become another token and stay. The
# untouched ones have to be predicted like all chosen ones. The model cannot tell them from the others, so it must form a good vector
# for every token.

# %% [markdown]
# ## Exercise 3
#
# Write a baseline without any neighbour: a *cache*. A token that this row has already contained is likely to come again. Write
# `cache_score(inputs, targets)`: the logarithm of 0.9 times the unigram's probability plus 0.1 times the share of the target among the
# tokens that the model has seen at that place. Those are `inputs["token_ids"]` from place 0 up to the place itself. Does it beat the unigram?

# %% tags=["nbval-ignore-output"]
python = corpus.list_course_sources()[0]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "corpus.jsonl"
    corpus.harvest([replace(python, files=python.files[:500])], path)
    texts = {
        split: [row["text"] for row in corpus.read_corpus(path, split)]
        for split in ("train", "test")
    }
    vocabulary = wordpiece.learn_vocabulary(texts["train"], 2000)
    tokens = {}
    for split in texts:
        corpus.write_tokens(texts[split], vocabulary, Path(folder) / split)
        read = corpus.read_tokens(Path(folder) / split)
        tokens[split] = replace(read, ids=np.array(read.ids))  # from disk to memory
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
# Check, part 1 of 2
assert callable(cache_score), "Write a function `cache_score(inputs, targets)`."
row = np.array(batches[0][0]["token_ids"][:1])  # (1, length)
pieces, length = len(vocabulary), row.shape[1]
every = np.tile(np.arange(pieces)[:, None], (1, length))  # each piece at each place


def scores_of(ids):
    """The answer's scores of all pieces at all places of one row, (pieces, length)."""
    return np.asarray(cache_score({"token_ids": np.tile(ids, (pieces, 1))}, every))


scores = scores_of(row)
assert scores.shape == every.shape and np.issubdtype(scores.dtype, np.floating), (
    "Return one logarithm for each target: an array of the targets' shape."
)
assert np.allclose(np.exp(scores).sum(axis=0), 1), (
    "At each place the probabilities of all tokens must sum to 1: is the share one of"
    " the tokens seen so far, and is it the logarithm of the sum?"
)
later, swapped = row.copy(), row.copy()
later[0, 30:] = 7  # another future

# %% tags=["check"]
# Check, part 2 of 2
assert np.allclose(scores_of(later)[:, :30], scores[:, :30]), (
    "Place 10 must not change when place 30 does: look only at what came before."
)
other = np.flatnonzero(row[0, :30] != row[0, 30])[-1]
swapped[0, [other, 30]] = row[0, [30, other]]  # the same tokens, in another order
assert np.allclose(scores_of(swapped)[:, 30], scores[:, 30]), (
    "At place 30 only which tokens were seen may count, not their order: a cache knows"
    " no neighbour."
)
uncached = np.log(np.tile(unigram[:, None], (1, length)))
assert not np.allclose(scores, uncached), "This is the unigram alone: add the cache."
share = (row[0] == every[:, :1]).cumsum(axis=1) / np.arange(1, length + 1)
assert np.allclose(np.exp(scores), 0.9 * unigram[every] + 0.1 * share), (
    "Take 0.9 of the unigram and 0.1 of the share among the tokens from place 0 up to"
    " the place itself."
)
losses = [
    language_models.measure_losses(score, batches, len(batches)).mean()
    for score in (cache_score, counts.unigram_score)
]
assert losses[0] < losses[1] - 0.05, "It should beat the unigram on held-out text."
print("✓ a cache beats the unigram by over 0.05 nats, without any neighbour")

# %% [markdown]
# **Why.** A text has a subject, and its words come again. The unigram knows only how often a token occurs in all texts. The cache
# corrects this within each row. Its probabilities may use place `i` itself, since the target is the token after it. A share over the whole row would contain the answer.
