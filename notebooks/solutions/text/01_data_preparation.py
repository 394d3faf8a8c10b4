# %% [markdown]
# # 01 · Exercises: data preparation
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/01_data_preparation.ipynb)
#
# After [the lesson](../01_data_preparation.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
# answer holds, and what to look at if not. They take half a minute.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import numpy as np

from helpers import cleaning, data, evaluation, models, runtime, words

course = runtime.start()
reviews, _ = cleaning.clean(cleaning.load())
texts = reviews["text"].tolist()
tokenizer = models.load_tokenizer()

# %% [markdown]
# ## Exercise 1
#
# Lower the threshold for near-duplicates to 0.3. How many pairs are found *more* than at 0.5? Put the number into `extra_pairs`, then
# read ten of them: would you call them duplicates?

# %% tags=["solution"]
# stub: extra_pairs
at_03 = cleaning.find_near_duplicates(texts, 0.3)
at_05 = cleaning.find_near_duplicates(texts, 0.5)
extra_pairs = len(at_03) - len(at_05)

# %% tags=["check"]
assert isinstance(extra_pairs, int), (
    "Put a whole number into `extra_pairs`: a difference of two lengths."
)
assert extra_pairs > 0, (
    "A lower threshold finds more pairs, not fewer: subtract the other way round."
)
find = cleaning.find_near_duplicates
found = {limit: len(find(texts, limit)) for limit in (0.3, 0.5)}
assert extra_pairs != found[0.3], (
    "That is the number at 0.3. How many of them were not found at 0.5?"
)
hint = "Count what cleaning.find_near_duplicates(texts, limit) finds at 0.3 and 0.5."
assert extra_pairs == found[0.3] - found[0.5], hint
print("✓ so many more pairs at 0.3:", extra_pairs)

# %% [markdown]
# ## Exercise 2
#
# Which has more word pieces, "unbelievable" or "waterproofing"? Guess; then put the pieces of both into `pieces`, a dictionary from word to
# list of pieces, `[CLS]` and `[SEP]` left out.

# %% tags=["solution"]
# stub: pieces
pieces = {}
for word in ("unbelievable", "waterproofing"):
    ids = models.token_ids(tokenizer, [word])[0][1:-1]
    pieces[word] = [tokenizer.id_to_token(int(i)) for i in ids]

# %% tags=["check"]
two = {"unbelievable", "waterproofing"}
assert isinstance(pieces, dict) and set(pieces) == two, (
    "`pieces` has one entry for each word."
)
for word, own in pieces.items():
    assert all(isinstance(piece, str) for piece in own), (
        "Pieces, not their numbers: tokenizer.id_to_token(number)."
    )
    assert "[CLS]" not in own and "[SEP]" not in own, (
        "Leave out [CLS] and [SEP]: they are no pieces of the word."
    )
    assert "".join(piece.removeprefix("##") for piece in own) == word, (
        f"The pieces of {word} do not join to the word."
    )
    assert all(piece in tokenizer.get_vocabulary() for piece in own), (
        "Each piece must be in BERT's vocabulary."
    )
    assert len(own) == len(models.token_ids(tokenizer, [word])[0]) - 2, (
        "WordPiece takes the longest piece that fits."
    )
print("✓", {word: len(own) for word, own in pieces.items()})

# %% [markdown]
# ## Exercise 3
#
# Train the bag of words without word pairs (`ngram_range=(1, 1)`) and put its validation accuracy for each style into `by_style`, as
# `evaluation.by_slice` gives it. Which style loses more against word pairs, and why?

# %% tags=["solution"]
# stub: by_style
splits, label_names = data.prepare_splits()
train, validation = splits["train"], splits["validation"]
single = words.bag_of_words()
single.set_params(tfidfvectorizer__ngram_range=(1, 1))
single.fit(train["text"], train["label"])
probabilities = single.predict_proba(validation["text"])
by_style = evaluation.by_slice(validation, probabilities, "style")

# %% tags=["check"]
assert hasattr(by_style, "loc"), (
    "Put the table of evaluation.by_slice(validation, probabilities, 'style') "
    "into `by_style`."
)
assert {"plain", "implied"} <= set(by_style.index), (
    "Slice by the column `style` of the validation reviews."
)
parts, _ = data.prepare_splits()
pairs = words.bag_of_words().fit(parts["train"]["text"], parts["train"]["label"])
theirs = pairs.predict_proba(parts["validation"]["text"])
table = evaluation.by_slice(parts["validation"], theirs, "style")
assert by_style["texts"].sum() == table["texts"].sum(), "Take all validation reviews."
assert not by_style["accuracy"].equals(table["accuracy"]), (
    "This is still the model with word pairs: ngram_range=(1, 1)."
)
assert by_style.loc["plain", "accuracy"] > 0.75, (
    "So low on plain reviews? Fit on the training reviews, with their labels."
)
print("✓ by style, single words against pairs")
