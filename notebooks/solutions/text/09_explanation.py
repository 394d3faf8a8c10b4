# %% [markdown]
# # 09 · Exercises: explanation
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/09_explanation.ipynb)
#
# After [the lesson](../09_explanation.ipynb). Replace the dots, run the cell, then run the check below it, part by part. The check tells you whether your
# answer is right, and what to look at if not. The cells run in a minute, if the model of lesson 05 is there.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% tags=["nbval-ignore-output"]
import functools
import numbers

import numpy as np
import pandas as pd
from scipy.special import softmax

from helpers import behaviour, data, explanation, faithfulness, finetuning, runtime

course = runtime.start()
splits, label_names = data.prepare_splits()
train, validation = splits["train"], splits["validation"]
classifier, _ = finetuning.load_or_fine_tune(train, validation)
predict_proba = functools.partial(finetuning.predict_proba, classifier)
some = [
    "A lovely walk and a cheerful guide.",
    "Dirty rooms and rude staff.",
    "We are not disappointed, the boat was clean.",
    "It was excellent, truly excellent.",
]
readings = explanation.read(classifier, some)

# %% [markdown]
# ## Exercise 1
#
# Occlusion removes one word at a time. Change that knob: write `pairs(reading, target)`, which deletes two neighbouring words at once. For each pair
# it gives the fall of the log-odds of the class `target`, in a float array (words - 1,). `explanation.remove(reading, [2, 3])` gives the token ids
# without two words. `explanation.answer(classifier, rows)` gives the logits (rows, classes) of such ids.
#
# In which of the reviews `some` are the scores of single words most misleading? For each pair, take the sum of its two words' own scores and subtract the
# pair's score, both for the class 1 (positive). Put the largest of these differences into `gap`, and the number of its review, 0 to 3, into `needs`. Why is it so
# large there?

# %% tags=["solution"]
# stub: pairs, needs, gap
def pairs(reading, target):
    """Fall of the target's log-odds without two neighbouring words, (words - 1,)."""
    starts = range(len(reading.units) - 1)
    rows = [explanation.remove(reading, [k, k + 1]) for k in starts]
    logits = explanation.answer(classifier, [reading.token_ids, *rows])
    odds = explanation.log_odds(logits, target)
    return odds[0] - odds[1:]


gaps = []
for reading, own in zip(readings, explanation.occlusion(classifier, readings, 1)):
    gaps.append((own[:-1] + own[1:] - pairs(reading, 1)).max())
needs, gap = int(np.argmax(gaps)), max(gaps)

# %% tags=["check"]
# Check, part 1 of 3
assert callable(pairs), "Write a function `pairs(reading, target)`."


def check_fall(reading, target, groups, gone=None):
    """Fall of the log-odds without each group of words, or with the id `gone` there."""
    ids, owner = reading.token_ids, reading.owner
    rows = [ids]
    for away in (np.isin(owner, group) for group in groups):
        rows.append(ids[~away] if gone is None else np.where(away, gone, ids))
    logits = explanation.answer(classifier, [row.astype("int32") for row in rows])
    odds = (logits[:, target] - logits[:, 1 - target]).astype("float64")
    return odds[0] - odds[1:]


texts = ["The beds were not bad and the tea was not bad.", "Never late."]
two = explanation.read(classifier, texts)
asked = [(reading, target) for reading in two for target in (0, 1)]
try:
    found = [np.asarray(pairs(*one), dtype="float64") for one in asked]
except Exception as stopped:
    raise AssertionError(f"`pairs` stops with {stopped!r}.") from stopped

# %% tags=["check"]
# Check, part 2 of 3
ones = [[[k] for k in range(len(reading.units))] for reading, _ in asked]
twos = [[[k, k + 1] for k in range(len(groups) - 1)] for groups in ones]
mask = two[0].mask_id
alone = [check_fall(*one, groups) for one, groups in zip(asked, ones)]
right = [check_fall(*one, groups) for one, groups in zip(asked, twos)]
masked = [check_fall(*one, groups, mask) for one, groups in zip(asked, twos)]


def check_same(others):
    """Whether `pairs` gave these numbers."""
    return all(np.allclose(a, b, atol=0.01) for a, b in zip(found, others))


assert [a.shape for a in found] == [a.shape for a in right], (
    f"Of {len(alone[0])} words there are {len(right[0])} pairs: words 0 and 1, "
    "words 1 and 2, and so on. Give one number a pair."
)
assert not check_same([a[:-1] + a[1:] for a in alone]), (
    "That is the sum of two words' scores. Remove both at once, then ask the model."
)
assert not check_same([-a for a in right]), (
    "Whole text less the text without, so swap the two."
)

# %% tags=["check"]
# Check, part 3 of 3
assert not np.allclose(found[0], found[1], atol=0.01), (
    "Both classes get the same scores: use `target`."
)
assert not check_same(masked), "Delete the words; you have put [MASK] in their place."
assert check_same(right), (
    "Give the log-odds of the whole text less those of the text without words k, k + 1."
)
assert isinstance(needs, numbers.Integral) and isinstance(gap, numbers.Real), (
    "Put the number of a review into `needs`, and a difference into `gap`."
)
gaps_found = []
for reading in readings:
    words = range(len(reading.units))
    own = check_fall(reading, 1, [[k] for k in words])
    both = check_fall(reading, 1, [[k, k + 1] for k in words[:-1]])
    gaps_found.append((own[:-1] + own[1:] - both).max())
assert needs == np.argmax(gaps_found), (
    "Another review has the largest difference: scores of two words, less the pair's."
)
assert abs(gap - max(gaps_found)) < 0.05, (
    "Right review; measure its largest difference."
)
print("✓ the pairs' scores, and the review that needs them")

# %% [markdown]
# **Why.** Without "not", a complaint is left: "We are disappointed". Without "disappointed", only "not" is left, and the model takes that for
# a complaint, too. So both words get large scores (here 10 and 7). Without both, the rest is still a praise, and the pair's score is about 0.
# One step at a time, occlusion counts the same loss twice: the two words mean something only together.
# In the last review it errs the other way. Each "excellent" stands in for the other, so that neither seems to matter: their scores are about 0.1 and 0.2,
# while without both the log-odds fall by 5. The two are no neighbours, so pairs do not show that either. Shapley values remove words in many orders, and do.

# %% [markdown]
# ## Exercise 2
#
# Write `sufficiency(reading, scores, target, share)` by hand: the probability of the class `target` for the whole text, less its probability for the words
# with the highest scores alone. Keep `faithfulness.count(share, words)` of them (the share, rounded, but at least one) in the order of the text, and delete the others.
#
# Then use it with occlusion's scores for the class 1 and the share 0.1, so that one word stays. Put what it gives for review 2 of `some` ("not disappointed") into
# `joint`, and what it gives for review 3 ("excellent, truly excellent") into `repeated`. Compare both with comprehensiveness: why can the two measures disagree?

# %% tags=["solution"]
# stub: sufficiency, joint, repeated
def sufficiency(reading, scores, target, share):
    """p(whole text) - p(the highest units alone) of one text, a float."""
    ranked = np.argsort(-np.asarray(scores), kind="stable")
    others = ranked[faithfulness.count(share, len(ranked)) :]
    rows = [reading.token_ids, explanation.remove(reading, others)]
    whole, kept = softmax(explanation.answer(classifier, rows), axis=1)[:, target]
    return float(whole - kept)


scores = explanation.occlusion(classifier, readings, 1)
joint, repeated = (sufficiency(readings[n], scores[n], 1, 0.1) for n in (2, 3))

# %% tags=["check"]
# Check, part 1 of 4
assert callable(sufficiency), "Write `sufficiency(reading, scores, target, share)`."
random = np.random.default_rng()  # other scores each time that you run this
drawn = [
    (reading, random.normal(size=len(reading.units)), target, share)
    for share in (0.01, 0.1, 0.3, 0.5, 0.7)
    for reading, target in zip(readings, random.permutation([0, 0, 1, 1]))
]
try:
    found = np.array([sufficiency(*one) for one in drawn], dtype="float64")
except Exception as stopped:
    raise AssertionError(f"`sufficiency` stops with {stopped!r}.") from stopped
assert found.shape == (len(drawn),), "Give one number for a text."
assert np.abs(found).max() <= 1, "Compare probabilities: the fall is between -1 and 1."

# %% tags=["check"]
# Check, part 2 of 4
def check_p(choose, cases, order=sorted):
    """Probability of each case's target for the units that `choose` takes."""
    rows = []
    for reading, values, _, share in cases:
        kept = order(choose(np.asarray(values), share * len(values)))
        ids, owner = reading.token_ids, reading.owner
        parts = [ids[:1], *(ids[owner == unit] for unit in kept), ids[-1:]]
        rows.append(np.concatenate(parts))
    logits = explanation.answer(classifier, rows).astype("float64")
    return softmax(logits, axis=1)[np.arange(len(rows)), [one[2] for one in cases]]


def check_all(values, n):
    """Every unit."""
    return range(len(values))


def check_top(values, n):
    """The highest units: n, rounded, but at least one."""
    return np.argsort(-values)[: max(1, int(n + 0.5))]


whole, kept = check_p(check_all, drawn), check_p(check_top, drawn)

# %% tags=["check"]
# Check, part 3 of 4
wrong = {
    "Give a fall: p(whole text) less p(the words kept).": kept,
    "p(whole text) comes first; you have subtracted from the other side.": kept - whole,
    "That is comprehensiveness. Keep the highest words and delete the others.": whole
    - check_p(lambda v, n: set(check_all(v, n)) - set(check_top(v, n)), drawn),
    "You keep the words with the lowest scores.": whole
    - check_p(lambda v, n: check_top(-v, n), drawn),
    "A score far below 0 speaks against the class: rank without abs.": whole
    - check_p(lambda v, n: check_top(abs(v), n), drawn),
    "Of a small share nothing is left: keep at least one word.": whole
    - check_p(lambda v, n: check_top(v, n)[: int(n + 0.5)], drawn),
    "Keep the words in the order of the text.": whole - check_p(check_top, drawn, list),
}
if not np.allclose(found, whole - kept, atol=0.002):
    for hint, other in wrong.items():
        assert not np.allclose(found, other, atol=0.002), hint
    raise AssertionError("p(whole text) - p(highest words alone): which step differs?")

# %% tags=["check"]
# Check, part 4 of 4
by_word = explanation.occlusion(classifier, readings[2:], 1)
own = [(*pair, 1, n) for n in (0.1, 0.5) for pair in zip(readings[2:], by_word)]
full = check_p(check_all, own)
true, half = (full - check_p(check_top, own)).reshape(2, 2)
without_top = check_p(lambda v, n: set(check_all(v, n)) - set(check_top(v, n)), own)
assert isinstance(joint, numbers.Real) and isinstance(repeated, numbers.Real), (
    "Put a number into `joint` and another into `repeated`."
)
given = np.array([joint, repeated])
if not np.allclose(given, true, atol=0.01):
    assert not np.allclose(given, true[::-1], atol=0.01), "The two are swapped."
    assert not np.allclose(given, half, atol=0.01), "Take the share 0.1, not 0.5."
    assert not np.allclose(given, (full - without_top)[:2], atol=0.01), (
        "That is comprehensiveness: what the text loses without the word."
    )
    raise AssertionError("Measure both: occlusion's scores for class 1, share 0.1.")
print("✓ one word is too little for one of the two, and enough for the other")

# %% [markdown]
# **Why.** Comprehensiveness asks whether the answer *needs* the highest words, sufficiency whether these words are *enough*. In "not disappointed" the answer
# needs each of the two words, so without the first one the probability falls from about 1 to about 0. Yet one of them alone is not enough: comprehensiveness is good (about 1) and
# sufficiency bad (about 0.9). Where "excellent" stands twice, one of them is enough, and the answer needs neither, since the other is still there: sufficiency is good and
# comprehensiveness bad (both about 0). The same explanation, the true one, gets a good and a bad mark each time. So report both.
# Both also ask the model about fragments that it never met in training. What it says of "not" alone is hardly a fact about reviews.

# %% [markdown]
# ## Exercise 3
#
# Build a test of behaviour of your own: another city must not change an answer. Write at least 6 templates such as "The hotel in {city} was clean.", some praise and some
# complaints, in `templates`, and at least 12 names in `cities`. Each template with the first city is compared with the same template with each of the other cities.
#
# Write `city_test(predict_proba, templates, cities, limit)`. It gives four things: the share of these pairs in which the model's answer changes, the lower and the upper end of
# Wilson's 95 % interval, and a decision. That is "passed" if the whole interval lies below `limit`, "failed" if it lies above, and "more cases" otherwise.
# `behaviour.run` and `behaviour.summarise` do half of the work, but `behaviour.judge` looks at the share alone. Put what your test says of `predict_proba` at a limit of 0.1 into `verdict`.
# Why should the interval decide, and not the share?

# %% tags=["solution"]
# stub: templates, cities, city_test, verdict
templates = [
    "We spent three days in {city} and the hotel was clean and quiet.",
    "The food at the station in {city} was cold and far too dear.",
    "My bag never arrived in {city}, and nobody answered my letters.",
    "The guide who showed us {city} was funny and patient.",
    "The concert in {city} was wonderful from the first song on.",
    "The flat in {city} smelled of smoke and the heating was broken.",
]
cities = "Oslo Rome Cairo Lagos Lima Bonn Kyiv Delhi Hanoi Quito Riga Bern".split()


def city_test(predict_proba, templates, cities, limit):
    """Share of answers that another city changes, its interval, and a decision."""
    texts = [[t.replace("{city}", city) for city in cities] for t in templates]
    pairs = [(first, other) for first, *others in texts for other in others]
    cases = pd.DataFrame(pairs, columns=["before", "text"])
    cases["kind"], cases["expected"] = "cities", behaviour.SAME
    found = behaviour.summarise(behaviour.run(predict_proba, cases)).iloc[0]
    decision = "passed" if found["high"] < limit else "more cases"
    decision = "failed" if found["low"] > limit else decision
    return found["share"], found["low"], found["high"], decision


verdict = city_test(predict_proba, templates, cities, 0.1)

# %% tags=["check"]
# Check, part 1 of 5
assert callable(city_test), (
    "Write `city_test(predict_proba, templates, cities, limit)`."
)
assert isinstance(templates, list | tuple) and isinstance(cities, list | tuple), (
    "`templates` and `cities` are lists of strings."
)
assert all(str(text).count("{city}") == 1 for text in templates), (
    "Each template holds {city} once."
)
assert len(set(templates)) >= 6 and len(set(cities)) >= 12, (
    "Write at least 6 templates and 12 cities that differ."
)
assert len(set(templates) | set(cities)) == len(templates) + len(cities), (
    "A template or a city stands there twice, and would count twice."
)
starts = predict_proba([text.replace("{city}", cities[0]) for text in templates])
assert len(set(starts.argmax(axis=1))) == 2, (
    "The model gives all your templates one answer: write praise and complaints."
)

# %% tags=["check"]
# Check, part 2 of 5
class CheckModel:
    """Says "positive", as surely as `sure` says, where `rule` holds for a text."""

    def __init__(self, rule, sure):
        self.rule, self.sure, self.asked = rule, sure, set()

    def __call__(self, texts):
        assert not isinstance(texts, str), "Give `predict_proba` a list of texts."
        self.asked |= set(texts)
        p = np.array([self.sure(t) if self.rule(t) else 0.1 for t in texts])
        return np.column_stack([1 - p, p])


def check_interval(share, pairs):
    """Wilson's 95 % interval."""
    z = 1.959964
    spread = z * np.sqrt(share * (1 - share) / pairs + (z / pairs / 2) ** 2)
    middle = share + z * z / pairs / 2
    return (middle + np.array([-1, 1]) * spread) / (1 + z * z / pairs)

# %% tags=["check"]
# Check, part 3 of 5
def check_with(rule, share, decision, hint, towns, places=5, sure=lambda text: 0.9):
    """Let `city_test` judge a model whose answers are known."""
    things = ["bus", "inn", "pub", "zoo", "spa"][:places]
    model = CheckModel(rule, sure)
    own = [f"The {thing} of {{city}} shut." for thing in things]
    try:
        *given, decided = city_test(model, list(own), list(towns), 0.1)
        said, low, high = map(float, given)
    except Exception as stopped:
        raise AssertionError(f"`city_test` stops with {stopped!r}.") from stopped
    asked = {text.replace("{city}", town) for text in own for town in towns}
    assert asked <= model.asked, "A template was not tried with each of the cities."
    assert abs(said - share) < 1e-6, hint
    pairs = places * (len(towns) - 1)
    start, end = check_interval(share, pairs)
    assert np.allclose([low, high], [start, end], atol=1e-3), (
        f"Wilson's interval of {share:.2f} of {pairs} pairs: {start:.3f} to {end:.3f}."
    )
    assert decided == decision, (
        f"An interval from {low:.2f} to {high:.2f}, a limit of 0.1: '{decision}'."
    )

# %% tags=["check"]
# Check, part 4 of 5
random = np.random.default_rng()  # other towns each time that you run this
towns = [f"Town{n}" for n in random.permutation(900)[:31]]
bad = towns[-random.integers(9, 16) :]
sureness = dict(zip(towns, random.uniform(0.6, 0.99, size=31)))
hint = "Here the town changes no answer, but other templates have other answers."
check_with(lambda t: "bus" in t, 0, "passed", hint, towns)
hint = "An answer of which the model is more or less sure is the same answer."
sure = lambda text: sureness[text.split()[3]]
check_with(lambda t: True, 0, "passed", hint, towns, sure=sure)
check_with(lambda t: True, 0, "more cases", hint, towns[:4], places=2)
hint = f"{len(bad)} of 30 other towns change each of 5 answers: count pairs."
check_with(lambda t: t.split()[3] not in bad, len(bad) / 30, "failed", hint, towns)
hint = f"{len(bad)} towns change one of 5 templates: {len(bad)} of 150 pairs."
rule = lambda text: "bus" in text and text.split()[3] in bad
check_with(rule, len(bad) / 150, "more cases", hint, towns)
hint = "Compare each other city with the first one; here all of them differ from it."
check_with(lambda t: t.split()[3] == towns[0], 1, "failed", hint, towns)

# %% tags=["check"]
# Check, part 5 of 5
assert isinstance(verdict, list | tuple) and len(verdict) == 4, (
    "Put what `city_test` gives for `predict_proba` into `verdict`."
)
grid = [text.replace("{city}", city) for text in templates for city in cities]
answers = predict_proba(grid).argmax(axis=1).reshape(len(templates), len(cities))
changed = answers[:, 1:] != answers[:, :1]
low, high = check_interval(changed.mean(), changed.size)
decision = "passed" if high < 0.1 else "failed" if low > 0.1 else "more cases"
assert abs(verdict[0] - changed.mean()) < 0.5 / changed.size, (
    f"The course's model changes {changed.sum()} of {changed.size} answers to "
    "your templates: let your own test find that."
)
assert np.allclose(verdict[1:3], [low, high], atol=1e-3) and verdict[3] == decision, (
    "Take all four from one call of `city_test`, with your lists and the limit 0.1."
)
print("✓ a test with an interval, and a decision that says when cases are too few")

# %% [markdown]
# **Why.** A share says nothing of how many cases it comes from. "0 of 6 fail" sounds perfect, but Wilson's interval reaches 39 %. With no failure at all
# it takes 35 cases before the interval lies below 10 %, and 73 for 5 %. Of the pairs above one changes: a bag that "never arrived in Hanoi" becomes praise.
# The interval covers chance among sentences like these. It does not say how often such a thing happens in real reviews, since nobody drew the templates from them.
