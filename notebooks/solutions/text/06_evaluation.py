# %% [markdown]
# # 06 · Exercises: evaluation
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/06_evaluation.ipynb)
#
# After [the lesson](../06_evaluation.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
# answer holds, and what to look at if not. They take some seconds.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import numpy as np

from helpers import data, evaluation, words

splits, label_names = data.prepare_splits()
train, validation, test = (splits[name] for name in ("train", "validation", "test"))
# This model is quick; MiniLM would do as well.
model = words.bag_of_words().fit(train["text"], train["label"])
labels, probabilities = test["label"].to_numpy(), model.predict_proba(test["text"])

# %% [markdown]
# ## Exercise 1
#
# Take only the first 100 test reviews and compute the interval of the accuracy again. Put its width and that of all
# test reviews into `width_100` and `width_all`. How do the two relate, and why?

# %% tags=["solution"]
# stub: width_100, width_all
low, high = evaluation.accuracy_interval(labels[:100], probabilities[:100])
width_100 = high - low
low, high = evaluation.accuracy_interval(labels, probabilities)
width_all = high - low
# It falls as 1 / square root of the number: 12 times the reviews, 3.5 times narrower.

# %% tags=["check"]
assert isinstance(width_100, float) and isinstance(width_all, float), (
    "Put two widths, high - low, into the two names."
)
assert width_100 > width_all, (
    "Fewer reviews, a wider interval: are the two the other way round?"
)
ratio = width_100 / width_all / np.sqrt(len(labels) / 100)
assert 0.7 < ratio < 1.3, "Use evaluation.accuracy_interval on labels[:100] and on all."
low, high = evaluation.accuracy_interval(labels, probabilities)
assert abs(width_all - (high - low)) < 0.01, (
    "The width is the upper end less the lower end."
)
print("✓ about the square root of the ratio of the numbers")

# %% [markdown]
# ## Exercise 2
#
# Of 1,000 mails 10 are spam, and a filter never says "spam". Compute its accuracy, macro F1 and Matthews coefficient by hand into
# `accuracy`, `macro_f1`, `mcc`.

# %% tags=["solution"]
# stub: accuracy, macro_f1, mcc
accuracy = 990 / 1000
f1_ham = 2 * 0.99 * 1 / (0.99 + 1)  # precision 0.99, recall 1
macro_f1 = (f1_ham + 0) / 2  # no spam found
mcc = 0.0  # it says the same to all

# %% tags=["check"]
mails, answers = np.array([1] * 10 + [0] * 990), np.tile([1.0, 0.0], (1000, 1))
found = evaluation.scores(mails, answers)
assert all(isinstance(own, int | float) for own in (accuracy, macro_f1, mcc)), (
    "Put a number into each of the three names."
)
assert abs(accuracy - found["accuracy"]) < 1e-6, (
    "Accuracy: right answers / all answers."
)
assert abs(macro_f1 - found["f1"]) < 1e-3, (
    "Macro F1: the plain mean over both classes; that of spam is 0."
)
assert abs(mcc - evaluation.matthews(mails, answers)) < 1e-6, (
    "Who says the same to all has a coefficient of 0."
)
print("✓ 99 % accuracy, and worth nothing")

# %% [markdown]
# ## Exercise 3
#
# A missed negative review now costs 1, and a false alarm (a positive one called negative) 5. Choose the threshold for "positive" on the
# validation reviews, into `threshold`. Which way did it move?

# %% tags=["solution"]
# stub: threshold
scores = model.predict_proba(validation["text"])[:, 1]
# A missed negative was called positive: a false positive of the class "positive".
threshold = evaluation.best_threshold(
    validation["label"], scores, false_positive=1, false_negative=5
)

# %% tags=["check"]
assert isinstance(threshold, float), (
    "Put the threshold, a number between 0 and 1, into `threshold`."
)
assert threshold < 0.5, (
    "False alarms are dear now, so call negative only what surely is: "
    "the threshold falls below 1/2."
)
own = model.predict_proba(validation["text"])[:, 1]
best = evaluation.best_threshold(validation["label"], own, 1, 5)
cost = {
    t: evaluation.expected_cost(validation["label"], own, t, 1, 5)
    for t in (threshold, best, 0.5)
}
assert cost[threshold] < cost[0.5], "On validation it must cost less than 1/2."
assert cost[threshold] < 1.05 * cost[best], (
    "Another threshold costs clearly less: evaluation.best_threshold finds it."
)
print("✓ it fell below 1/2 and costs less on validation")
