# %% [markdown]
# # 01 · Exercises: data preparation
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/01_data_preparation.ipynb)
#
# After [the lesson](../01_data_preparation.ipynb). Replace the dots, run the cell, then run the check below it, part by part. The check tells you whether your
# answer is right, and what to look at if not. The cells run in half a minute.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
from collections.abc import Mapping
from numbers import Real

import numpy as np
import pandas as pd

from helpers import cleaning, data, evaluation, models, runtime, words

course = runtime.start()
reviews, _ = cleaning.clean(cleaning.load())
texts = reviews["text"].tolist()
tokenizer = models.load_tokenizer()
splits, label_names = data.prepare_splits()
train, validation = splits["train"], splits["validation"]

# %% [markdown]
# ## Exercise 1
#
# Lower the threshold for near-duplicates to 0.3. How many pairs are found *more* than at 0.5? Put the number into `extra_pairs`. Then
# read ten of these pairs: would you call them duplicates?

# %% tags=["solution"]
# stub: extra_pairs
at_03 = cleaning.find_near_duplicates(texts, 0.3)
at_05 = cleaning.find_near_duplicates(texts, 0.5)
extra_pairs = len(at_03) - len(at_05)
found_before = {tuple(pair) for pair in at_05.tolist()}
new = [pair for pair in at_03.tolist() if tuple(pair) not in found_before]
for i, j in new[:10]:
    print(f"{texts[i][:60]!r} ~ {texts[j][:60]!r}")

# %% tags=["check"]
assert isinstance(extra_pairs, Real), (
    "Put a number into `extra_pairs`: a difference of two lengths."
)
assert extra_pairs > 0, (
    "A lower threshold finds more pairs, not fewer: subtract the other way round."
)
find = cleaning.find_near_duplicates
found = {limit: len(find(texts, limit)) for limit in (0.3, 0.4, 0.5)}
assert extra_pairs != found[0.3], (
    "That is the number at 0.3. How many of them were not found at 0.5?"
)
raw_texts = cleaning.load()["text"].tolist()
in_raw = len(find(raw_texts, 0.3)) - len(find(raw_texts, 0.5))
assert extra_pairs != in_raw, (
    "Those are pairs of the raw file. Compare the texts after cleaning: `texts`."
)
assert extra_pairs == found[0.3] - found[0.5], (
    "Count what cleaning.find_near_duplicates(texts, limit) finds at 0.3 and at 0.5."
)
print("✓ so many more pairs at 0.3:", extra_pairs)

# %% [markdown]
# **Why.** Most of the new pairs share a turn of phrase and are about different things. They are no duplicates. A few word pairs are enough in a
# short text: of two sentences with five word pairs each, three shared ones give an overlap of 3 / 7 = 0.43. So 0.3 would
# be wrong for *deleting* reviews. For the *split* it would do little harm, since near-duplicates only stay together.

# %% [markdown]
# ## Exercise 2
#
# Which has more word pieces, "unbelievable" or "waterproofing"? Guess first. Then put the pieces of both into `pieces`, a dictionary from the
# word to the list of its pieces, without `[CLS]` and `[SEP]`.

# %% tags=["solution"]
# stub: pieces
pieces = {}
for word in ("unbelievable", "waterproofing"):
    ids = models.token_ids(tokenizer, [word])[0][1:-1]
    pieces[word] = [tokenizer.id_to_token(int(i)) for i in ids]

# %% tags=["check"]
# Check, part 1 of 2
two = {"unbelievable", "waterproofing"}
assert isinstance(pieces, Mapping) and set(pieces) == two, (
    "`pieces` is a dictionary with one entry for each of the two words."
)

# %% tags=["check"]
# Check, part 2 of 2
for word, own in pieces.items():
    own = [own] if isinstance(own, str) else list(own)
    assert all(isinstance(piece, str) for piece in own), (
        "Pieces, not their numbers: tokenizer.id_to_token(number)."
    )
    assert not {"[CLS]", "[SEP]"} & set(own), (
        "Leave out [CLS] and [SEP]: they are no pieces of the word."
    )
    assert "".join(piece.removeprefix("##") for piece in own) == word, (
        f"The pieces of {word} do not join to the word."
    )
    assert all(piece.startswith("##") for piece in own[1:]), (
        "A piece that continues a word begins with ##."
    )
    assert all(piece in tokenizer.get_vocabulary() for piece in own), (
        "Each piece must be in BERT's vocabulary."
    )
    ids = models.token_ids(tokenizer, [word])[0][1:-1]
    assert own == [tokenizer.id_to_token(int(i)) for i in ids], (
        "WordPiece takes the longest piece that fits, from the left."
    )
print("✓", {word: len(own) for word, own in pieces.items()})

# %% [markdown]
# **Why.** "unbelievable" is frequent enough to be in the vocabulary whole. The vocabulary was made by frequency, so
# a rare word is put together from frequent pieces, whatever its length.

# %% [markdown]
# ## Exercise 3
#
# What share of the tokens of each sentence below is `[UNK]`? Leave out `[CLS]` and `[SEP]`. Put both shares, between 0 and 1, into `unknown`,
# a dictionary with the keys "French" and "Chinese". Why do they differ?
#
# - French: "Très bon café, on y retourne"
# - Chinese: "屏幕很亮，电池却只能用半天，客服一直不回复。"

# %% tags=["solution"]
# stub: unknown
sentences = {
    "French": "Très bon café, on y retourne",
    "Chinese": "屏幕很亮，电池却只能用半天，客服一直不回复。",
}
unknown = {}
for language, sentence in sentences.items():
    ids = models.token_ids(tokenizer, [sentence])[0][1:-1]
    tokens = [tokenizer.id_to_token(int(i)) for i in ids]
    print(tokens)
    unknown[language] = tokens.count("[UNK]") / len(tokens)

# %% tags=["check"]
# Check, part 1 of 2
given = {
    "French": "Très bon café, on y retourne",
    "Chinese": "屏幕很亮，电池却只能用半天，客服一直不回复。",
}
assert isinstance(unknown, Mapping) and set(unknown) == set(given), (
    "`unknown` is a dictionary with the keys 'French' and 'Chinese'."
)
assert all(isinstance(share, Real) for share in unknown.values()), (
    "Each value is a number."
)
assert all(0 <= share <= 1 for share in unknown.values()), (
    "Give shares between 0 and 1: not per cent, and not the number of tokens."
)

# %% tags=["check"]
# Check, part 2 of 2
for language, sentence in given.items():
    ids = models.token_ids(tokenizer, [sentence])[0]
    hits = (ids == tokenizer.token_to_id("[UNK]")).sum()
    share = unknown[language]
    assert hits == 0 or abs(share - hits / len(ids)) > 1e-9, (
        "Leave out [CLS] and [SEP] when you count the tokens."
    )
    assert hits == 0 or abs(share - 1 + hits / (len(ids) - 2)) > 1e-9, (
        "That is the share of the tokens that are known."
    )
    assert abs(share - hits / (len(ids) - 2)) < 0.006, (
        f"{language}: count the tokens that are [UNK], and divide by all tokens."
    )
print("✓", {language: round(float(share), 2) for language, share in unknown.items()})

# %% [markdown]
# **Why.** The tokenizer removes the accents, and then every French letter is a piece of the vocabulary. So each word can be put
# together, and nothing is unknown. "retourne" becomes three pieces, which say little about its meaning: no `[UNK]` does not
# mean that the model understands. Each Chinese character is a word of its own, and the vocabulary has only some of them.

# %% [markdown]
# ## Exercise 4
#
# Train the bag of words without word pairs (`ngram_range=(1, 1)`). Put its validation accuracy for each style into `by_style`, as
# `evaluation.by_slice` gives it. How much does each style lose against a bag with word pairs, and is that more than chance?

# %% tags=["solution"]
# stub: by_style
single = words.bag_of_words()
single.set_params(tfidfvectorizer__ngram_range=(1, 1))
single.fit(train["text"], train["label"])
probabilities = single.predict_proba(validation["text"])
by_style = evaluation.by_slice(validation, probabilities, "style")
truth = validation["label"].to_numpy()
with_pairs = words.bag_of_words().fit(train["text"], train["label"])
both = with_pairs.predict_proba(validation["text"])
table = evaluation.by_slice(validation, both, "style")
print("with pairs:", table["accuracy"].round(3).to_dict())
low, high = evaluation.difference_interval(truth, both, probabilities)
print(f"pairs add {100 * low:.0f} to {100 * high:.0f} points (95 % interval)")

# %% tags=["check"]
# Check, part 1 of 2
assert isinstance(by_style, pd.DataFrame) and "accuracy" in by_style, (
    "Put the table of evaluation.by_slice(validation, probabilities, 'style') "
    "into `by_style`."
)
assert {"plain", "implied"} <= set(by_style.index), (
    "Slice by the column `style` of the validation reviews."
)


def right_answers(pairs_up_to, rows=validation):
    """Right answers by style of a bag of words with so many words in a row."""
    model = words.bag_of_words()
    model.set_params(tfidfvectorizer__ngram_range=(1, pairs_up_to))
    model.fit(train["text"], train["label"])
    return evaluation.by_slice(rows, model.predict_proba(rows["text"]), "style")

# %% tags=["check"]
# Check, part 2 of 2
def is_like(table):
    """Whether the answer has a table's accuracies for both styles."""
    both = ["plain", "implied"]
    return np.allclose(by_style["accuracy"][both], table["accuracy"][both])


assert not is_like(right_answers(2)), "This is still the model with word pairs."
assert not is_like(right_answers(3)), (
    "This model counts three words in a row as well. Single words: ngram_range=(1, 1)."
)
assert not is_like(right_answers(1, train)), (
    "Those are training reviews. Judge on validation: the model has not seen those."
)
assert not is_like(right_answers(1, splits["test"])), (
    "Those are test reviews, which wait for lesson 06. Take the validation split."
)
assert is_like(right_answers(1)), (
    "Fit words.bag_of_words() with ngram_range=(1, 1) on all training reviews, "
    "and change nothing else."
)
print("✓ by style, single words:", by_style["accuracy"].round(3).to_dict())

# %% [markdown]
# **Why.** Neither style loses anything that can be told from chance. The interval of the difference includes 0. Pairs such as "not good" do
# turn the meaning round, but each of them is rare: 2,409 short reviews hold most pairs only once or twice, so the model
# learns hardly anything about them. With many more reviews word pairs usually help.
