# %% 1 wrong: "That is the sum of two words' scores"
def pairs(reading, target):
    own = explanation.occlusion(classifier, [reading], target)[0]
    return own[:-1] + own[1:]


needs, gap = 2, 16.9

# %% 1 wrong: "Give one number a pair"
def pairs(reading, target):
    return explanation.occlusion(classifier, [reading], target)[0]


needs, gap = 2, 16.9

# %% 1 wrong: "`pairs` stops with"
pairs, needs, gap = explanation.occlusion, 2, 16.9

# %% 1 wrong: "so swap the two"
def pairs(reading, target, how="delete", sign=-1):
    rows = [explanation.remove(reading, [k, k + 1], how) for k in range(len(reading.units) - 1)]
    odds = explanation.log_odds(explanation.answer(classifier, [reading.token_ids, *rows]), target)
    return sign * (odds[0] - odds[1:])


needs, gap, either = 2, 16.9, pairs

# %% 1 wrong: "use `target`"
pairs = lambda reading, target: either(reading, 1, sign=1)

# %% 1 wrong: "you have put [MASK] in their place"
pairs = lambda reading, target: either(reading, target, "mask", 1)

# %% 1 wrong: "log-odds of the whole text less"
def pairs(reading, target):
    rows = [explanation.remove(reading, [k, k + 1]) for k in range(len(reading.units) - 1)]
    p = softmax(explanation.answer(classifier, [reading.token_ids, *rows]), axis=1)[:, target]
    return p[0] - p[1:]

# %% 1 wrong: "Another review has the largest difference"
pairs = lambda reading, target: either(reading, target, sign=1)
needs, gap = 3, 3.2

# %% 1 wrong: "measure its largest difference"
needs, gap = 2, 12.5

# %% 1 right
def pairs(reading, target):
    owner, ids = reading.owner, reading.token_ids
    rows = [ids] + [ids[(owner != k) & (owner != k + 1)] for k in range(owner.max())]
    logits = explanation.answer(classifier, rows).astype("float64")
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    odds = np.log(p[:, target]) - np.log(p[:, 1 - target])
    return [float(odds[0] - odd) for odd in odds[1:]]


differences = {}
for number, reading in enumerate(readings):
    single = explanation.occlusion(classifier, [reading], [1])[0]
    for k, both in enumerate(pairs(reading, 1)):
        differences[single[k] + single[k + 1] - both] = number
gap = max(differences)
needs = differences[gap]

# %% 2 wrong: "`sufficiency` stops with"
sufficiency, joint, repeated = faithfulness.sufficiency, 0.92, 0.01

# %% 2 wrong: "which step differs"
sufficiency, joint, repeated = lambda *given: 0.5, 0.92, 0.01

# %% 2 wrong: "That is comprehensiveness. Keep"
def by_keeping(choose, sign=1):
    """A function such as the exercise wants, that keeps the units which `choose(scores, number)` names."""

    def chosen(reading, scores, target, share):
        kept = set(choose(np.asarray(scores), max(1, int(share * len(scores) + 0.5))))
        others = set(range(len(scores))) - kept
        rows = [reading.token_ids, explanation.remove(reading, others)]
        whole, part = softmax(explanation.answer(classifier, rows), axis=1)[:, target]
        return sign * (whole - part)

    return chosen


sufficiency = by_keeping(lambda values, number: np.argsort(-values)[number:])

# %% 2 wrong: "lowest scores"
sufficiency = by_keeping(lambda values, number: np.argsort(values)[:number])

# %% 2 wrong: "rank without abs"
sufficiency = by_keeping(lambda values, number: np.argsort(-abs(values))[:number])

# %% 2 wrong: "comes first"
sufficiency = by_keeping(lambda values, number: np.argsort(-values)[:number], sign=-1)

# %% 2 wrong: "Give a fall"
def sufficiency(reading, scores, target, share):
    others = np.argsort(-np.asarray(scores))[faithfulness.count(share, len(scores)) :]
    row = explanation.remove(reading, others)
    return softmax(explanation.answer(classifier, [row]), axis=1)[0, target]

# %% 2 wrong: "keep at least one word"
def sufficiency(reading, scores, target, share):
    others = np.argsort(-np.asarray(scores))[int(share * len(scores) + 0.5) :]
    rows = [reading.token_ids, explanation.remove(reading, others)]
    whole, kept = softmax(explanation.answer(classifier, rows), axis=1)[:, target]
    return whole - kept

# %% 2 wrong: "in the order of the text"
def sufficiency(reading, scores, target, share):
    ids = reading.token_ids
    kept = np.argsort(-np.asarray(scores))[: faithfulness.count(share, len(scores))]
    row = [ids[0], *(i for unit in kept for i in ids[reading.owner == unit]), ids[-1]]
    logits = explanation.answer(classifier, [ids, np.array(row, "int32")])
    whole, part = softmax(logits, axis=1)[:, target]
    return whole - part

# %% 2 wrong: "Compare probabilities"
def sufficiency(reading, scores, target, share):
    others = np.argsort(-np.asarray(scores))[faithfulness.count(share, len(scores)) :]
    rows = [reading.token_ids, explanation.remove(reading, others)]
    whole, kept = explanation.log_odds(explanation.answer(classifier, rows), target)
    return whole - kept

# %% 2 wrong: "The two are swapped"
sufficiency = by_keeping(lambda values, number: np.argsort(-values)[:number])
ours = explanation.occlusion(classifier, readings, 1)
repeated, joint = (sufficiency(readings[n], ours[n], 1, 0.1) for n in (2, 3))

# %% 2 wrong: "not 0.5"
joint, repeated = (sufficiency(readings[n], ours[n], 1, 0.5) for n in (2, 3))

# %% 2 wrong: "what the text loses without the word"
without_top = by_keeping(lambda values, number: np.argsort(-values)[number:])
joint, repeated = (without_top(readings[n], ours[n], 1, 0.1) for n in (2, 3))

# %% 2 wrong: "Measure both"
joint, repeated = 0.5, 0.3

# %% 2 right
def sufficiency(reading, scores, target, share):
    number = faithfulness.count(share, len(scores))
    alone = faithfulness.order(scores)[:number]
    ids = [i for i, unit in zip(reading.token_ids, reading.owner) if unit in (-1, *alone)]
    logits = explanation.answer(classifier, [np.array(ids, dtype="int32"), reading.token_ids])
    odds = explanation.log_odds(logits, target)
    kept, whole = 1 / (1 + np.exp(-odds))
    return whole - kept


joint, repeated = (sufficiency(readings[n], ours[n], 1, 0.1) for n in (2, 3))

# %% 3 wrong: "holds {city} once"
def changes(predict_proba, templates, cities):
    """Whether each pair's answer changes, bool (templates, cities - 1)."""
    texts = [text.replace("{city}", city) for text in templates for city in cities]
    answers = np.asarray(predict_proba(texts)).argmax(axis=1).reshape(len(templates), -1)
    return answers[:, 1:] != answers[:, :1]


def judged(share, number, limit):
    """Share, interval, decision."""
    from scipy.stats import binomtest

    low, high = binomtest(round(share * number), number).proportion_ci(method="wilson")
    return share, low, high, "passed" if high < limit else "failed" if low > limit else "more cases"


def city_test(predict_proba, templates, cities, limit):
    found = changes(predict_proba, templates, cities)
    return judged(found.mean(), found.size, limit)


things = ["hotel", "museum", "station", "market"]
templates = [f"The {thing} in Rome was {word}." for thing in things for word in ("lovely", "awful")]
cities = "Rome Paris Cairo Lagos Lima Oslo Boston Athens Delhi Hanoi Turin Bonn".split()
verdict = city_test(predict_proba, templates, cities, 0.1)

# %% 3 wrong: "write praise and complaints"
templates = [f"The lovely {n} evenings in {{city}} were excellent." for n in range(2, 9)]

# %% 3 wrong: "at least 6 templates and 12 cities"
templates = ["The hotel in {city} was lovely.", "The hotel in {city} was dirty and loud."]

# %% 3 wrong: "`city_test` stops with"
templates = [
    "The {thing} in {{city}} was {word}.".replace("{thing}", thing).replace("{word}", word).replace("{{city}}", "{city}")
    for thing in things
    for word in ("clean, quiet and lovely", "dirty, loud and far too dear")
]
city_test = behaviour.run

# %% 3 wrong: "tried with each of the cities"
city_test = lambda *given: (0, 0, 0.025, "passed")  # a constant

# %% 3 wrong: "other templates have other answers"
def city_test(predict_proba, templates, cities, limit):
    texts = [text.replace("{city}", city) for text in templates for city in cities]
    answers = predict_proba(texts).argmax(axis=1)
    return judged((answers != answers[0]).mean(), len(texts), limit)

# %% 3 wrong: "is the same answer"
def city_test(predict_proba, templates, cities, limit):
    texts = [text.replace("{city}", city) for text in templates for city in cities]
    p = predict_proba(texts)[:, 1].reshape(len(templates), -1)
    moved = abs(p[:, 1:] - p[:, :1]) > 0.05
    return judged(moved.mean(), moved.size, limit)

# %% 3 wrong: "Wilson's interval of"
def city_test(predict_proba, templates, cities, limit):
    found = changes(predict_proba, templates, cities)
    spread = 1.96 * np.sqrt(found.mean() * (1 - found.mean()) / found.size)
    return found.mean(), found.mean() - spread, found.mean() + spread, "passed"

# %% 3 wrong: "a limit of 0.1: 'more cases'"
def city_test(predict_proba, templates, cities, limit):
    found = changes(predict_proba, templates, cities)
    share, low, high, _ = judged(found.mean(), found.size, limit)
    return share, low, high, "passed" if share <= limit else "failed"

# %% 3 wrong: "towns change one of 5 templates"
def city_test(predict_proba, templates, cities, limit):
    found = changes(predict_proba, templates, cities).any(axis=0)  # by any template
    return judged(found.mean(), found.size * len(templates), limit)

# %% 3 wrong: "count pairs"
def city_test(predict_proba, templates, cities, limit):
    texts = [text.replace("{city}", city) for text in templates for city in cities]
    answers = np.asarray(predict_proba(texts)).argmax(axis=1).reshape(len(templates), -1)
    return judged((answers[:, 1:] != answers[:, :-1]).mean(), answers[:, 1:].size, limit)

# %% 3 wrong: "let your own test find that"
def city_test(predict_proba, templates, cities, limit):
    found = changes(predict_proba, templates, cities)
    return judged(found.mean(), found.size, limit)


verdict = 0.5, 0.4, 0.6, "failed"

# %% 3 wrong: "Take all four from one call"
verdict = city_test(predict_proba, templates, cities, 0.1)[:3] + ("perhaps",)

# %% 3 right
verdict = list(city_test(predict_proba, templates, cities, 0.1))
