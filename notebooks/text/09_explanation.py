# %% [markdown]
# # 09 · Explanation: why this answer, and is the reason true?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/09_explanation.ipynb)
#
# You will ask the fine-tuned model for its reasons, word by word, and test whether these are true. Then you will test
# the model itself.
#
# **You will be able to**
#
# - say what each word adds to an answer;
# - test whether such an explanation is true;
# - put a readable model beside BERT, and say how far to trust it;
# - draw what a model's vectors hold;
# - test behaviour, find the cause of a failure, and set limits.
#
# **You need first:** lessons 02 (attention), 05 and 06. **Time:** about 45 minutes to read, 30 for the exercises, four
# to run on two CPU cores (some minutes more if lesson 05 has not run).

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% tags=["parameters"]
seed = 42
profile = "small"  # "full": BERT-base, public data; wants an accelerator and a network
source = None  # your own table, or {"file": ..., "text": ..., "label": ...}
max_rows = 5000  # of your own table: more are sampled; None: take all
backbone = None  # a preset, a folder, hf://...; None: the profile's (small: MiniLM)
max_length = None  # most tokens read of a text, in windows if need be; None: 128
epochs = None  # readings of the training texts; None: 3, more for small classes
batch_size = None  # reviews a step; None: the profile's (small: 16)
learning_rate = None  # the peak; None: the profile's (small: 1e-4)
train_limit = None  # use only so many training reviews (None: all)
test_limit = None  # use only so many test reviews (None: all)

# %%
import numpy as np
import pandas as pd

from helpers import behaviour, candidates, data, evaluation, explanation
from helpers import faithfulness, feature_plots, figures, finetuning, highlights
from helpers import models, runtime, surrogates

course = runtime.start(seed, profile, source, backbone, max_length)
rounding = 0.001 if course.device.kind == "CPU" else 0.1  # accelerators round more

# %% tags=["nbval-ignore-output"]
splits, label_names = data.prepare_splits(course.source, max_rows)
train, test = splits["train"][:train_limit], splits["test"][:test_limit]
knobs = epochs, batch_size, learning_rate, seed
recipe = candidates.make_recipe(course.profile, train, *knobs)
names = course.profile.backbone, len(label_names)
chosen = candidates.load_or_choose(train, splits["validation"], recipe, *names)
classifier = chosen.classifier  # a BERT, even where a bag of words has won

# %% [markdown]
# ## One answer to explain
#
# An **explanation** (解释) of an answer gives each word a number: above 0 if the word speaks for the answer, below 0 if
# it speaks against it. Are they true of *this* model? That is the lesson's question.
#
# A probability near 100 % hardly moves, whatever a word adds. So we explain the **log-odds** (对数几率) of the answer,
# $\ln(p / (1 - p))$. They are 0 at 50 % and have no upper end.

# %% tags=["nbval-ignore-output"]
middle = sorted(test["text"], key=len)[len(test) // 2]  # of your own file
text = "A slow start, but a wonderful ending." if course.on_reviews else middle
reading = explanation.read(classifier, [text])[0]
logits = explanation.predict(classifier, [reading]).astype("float64")  # (1, classes)
target = logits.argmax(axis=1)  # (1,): the class that is explained
p = (np.exp(logits) / np.exp(logits).sum())[0, target[0]]
print(f"{label_names[target[0]]}: p = {p:.3f}, log-odds {np.log(p / (1 - p)):.2f}")

# %%
ids, owner, units = reading.token_ids, reading.owner, reading.units
print(units, owner)
off = abs(explanation.log_odds(logits, target)[0] - np.log(p / (1 - p)))
course.claim("explanation.log_odds agrees up to rounding", off < rounding, off)

# %% [markdown]
# The words here are **units**: what is between two spaces, with its comma, or a single Chinese character. BERT reads a
# unit as one or more tokens. `owner` names the unit of each token; the -1 at both ends are `[CLS]` and `[SEP]`.
#
# ## Take a word away
#
# What would the model answer without this word? The log-odds of the whole text, less those without the word, are the
# word's **occlusion** (遮挡). We remove *tokens*, since joining the rest anew might change its tokens. They are
# deleted, or `[MASK]` takes their place.

# %%
number, mask = len(units), reading.mask_id
rows = {
    "delete": [ids[owner != k] for k in range(number)],
    "mask": [np.where(owner == k, mask, ids) for k in range(number)],
}
same = []
for how, without in rows.items():
    f = explanation.log_odds(explanation.answer(classifier, [ids, *without]), target[0])
    helper = explanation.occlusion(classifier, [reading], target, how)[0]  # (units,)
    same.append(np.allclose(f[0] - f[1:], helper, atol=rounding))
course.claim("deleted or masked, the helper agrees", all(same))

# %% tags=["nbval-ignore-output"]
def draw(reading, scores, title, answer="the answer"):
    alt = ", ".join(f"{u} {s:.1f}" for u, s in zip(reading.units, scores, strict=True))
    figure = highlights.words(reading, scores, title, answer)
    figures.show(figure, f"{title}. Words with their scores: {alt}")


occluded = explanation.occlusion(classifier, [reading], target)[0]
draw(reading, occluded, "Each word deleted alone")

# %% [markdown]
# Blue behind a word speaks for the answer, orange against it. The number below says how much, so nobody needs the
# colours. All this holds for one text: in a review of a spa "slow" may be praise.
#
# ## Words that work together: Shapley values
#
# In "Warm, funny, wonderful." each word alone would do. If one goes, the other two carry the answer, so occlusion gives
# each of them little. In "Not bad, really." two words need each other. Without either of them the praise is gone, so occlusion gives *both* too much.
#
# So let the words come one after the other, in *every* order. The **Shapley value** (沙普利值) of a word is the mean of
# what it adds when it comes. Three words have six orders:

# %%
from itertools import permutations

small = explanation.read(classifier, ["Not bad, really.", "Warm, funny, wonderful."])
praise = explanation.predict(classifier, small).argmax(axis=1)
added = np.zeros((6, 3))  # (orders, words)
for row, order in enumerate(permutations(range(3))):
    rows = [explanation.remove(small[0], order[n:]) for n in range(4)]  # 0 to 3 words
    f = explanation.log_odds(explanation.answer(classifier, rows), praise[0])
    added[row, list(order)] = np.diff(f)
shapley = explanation.shapley(classifier, small, praise)
same = np.allclose(added.mean(axis=0), shapley[0], atol=rounding)
course.claim("explanation.shapley agrees up to rounding", same)
off = np.abs(added.sum(axis=1) - (f[-1] - f[0])).max()
course.claim("each order sums to f(all) - f(nothing)", off < rounding, off)

alone = explanation.occlusion(classifier, small, praise)
bad, warm = (o.sum() / s.sum() for o, s in zip(alone, shapley, strict=True))
if train_limit is None:
    course.finding("'Not bad': occlusion over 1.5 times Shapley's sum", bad > 1.5, bad)
    course.finding("'Warm': under 0.6 times Shapley's", warm < 0.6, warm)

# %% [markdown]
# Since each order sums to the same, so do the values. (*Nothing* is `[CLS]` and `[SEP]` alone.)
#
# Ten words have 3,628,800 orders, so the helper then draws six. The sum is exact; only how the words share it is an
# estimate.
#
# ## Slopes: integrated gradients
#
# One backward pass gives the log-odds' slopes along all token vectors' numbers. **Gradient norm** is their length; **gradient x input** multiplies by vectors. But a slope tells what a tiny step would do, and removing a word is no tiny step.
#
# **Integrated gradients** (积分梯度) walk the whole way: straight from a text of `[MASK]` to ours. They take the mean slope of 32 places, times the way.

# %%
start = explanation.look_up(classifier, np.where(owner >= 0, mask, ids))
way = explanation.look_up(classifier, ids) - start  # (tokens, 384)
middles = (np.arange(32) + 0.5) / 32  # of 32 equal steps
path = start + middles[:, None, None] * way  # (32, tokens, 384)
slopes = explanation.gradients(classifier, path, target[0])  # the same shape
by_hand = explanation.sum_by_unit(reading, (slopes.mean(axis=0) * way).sum(axis=1))
helper = explanation.integrated_gradients(classifier, [reading], target)[0]
course.claim("the helper agrees", np.allclose(by_hand, helper, atol=rounding))

# %% [markdown]
# Slopes along a way add up to the change of height, so the sum should be f(text) - f(all masked). This **completeness**
# (完备性) checks the arithmetic (*Completeness*, below), and not the way: from another start the words would share
# otherwise.
#
# ## Attention is tempting
#
# Attention weights (lesson 02) are there already and look like reasons. People take the last layer's, or the
# **rollout**, which follows what flows from each word through all layers (*Attention rollout by hand*, below). But no
# weight is below 0, so none speaks *against* an answer. No class occurs in them, so they do not even know the answer.
#
# ## Are the colours true?
#
# If the words on top carry the answer, it must fall when they go. So we delete them, from the highest score down, by
# each of seven methods:

# %% tags=["nbval-ignore-output"]
every = {k: f(classifier, [reading], target)[0] for k, f in explanation.METHODS.items()}
left = {}
for name, scores in every.items():
    order = np.argsort(-scores, kind="stable")  # the highest first
    rows = [ids[~np.isin(owner, order[:gone])] for gone in range(number + 1)]
    f = explanation.log_odds(explanation.answer(classifier, rows), target[0])
    left[name] = 1 / (1 + np.exp(-f))  # probability, by words deleted
print(pd.DataFrame(left).T.round(2).to_string())

# %% [markdown]
# **Comprehensiveness** is how much the probability falls when the top 10, 20, 30, 40 and 50 % are gone, on average:
# high is good. **Sufficiency** is how much it falls when *only* these are kept: low is good. Here are both on twenty
# test reviews, beside random scores:

# %% tags=["nbval-ignore-output"]
sample = test.sample(min(20, len(test)), random_state=seed)
readings = explanation.read(classifier, sample["text"].tolist())
targets = explanation.predict(classifier, readings).argmax(axis=1)  # (texts,)
scores = {k: f(classifier, readings, targets) for k, f in explanation.METHODS.items()}
scores |= {f"random {n}": explanation.random_scores(readings, n) for n in range(3)}
falls = {}
for measure in (faithfulness.comprehensiveness, faithfulness.sufficiency):
    rows = {k: measure(classifier, readings, s, targets) for k, s in scores.items()}
    falls[measure.__name__] = pd.DataFrame(rows)  # (texts, explanations)
print(pd.concat(falls).groupby(level=0).mean().T.round(2).to_string())

# %%
good, fall = list(explanation.METHODS)[:3], falls["comprehensiveness"]  # the first 3
rows = [faithfulness.mean_interval(fall[name]) for name in good]
worst, low = min(row[0] for row in rows), min(row[1] for row in rows)
random, _, high = faithfulness.mean_interval(fall.filter(like="random").mean(axis=1))
if train_limit is None:
    course.finding("the three: over 3 times random", worst > 3 * random, worst, random)
    course.finding("their intervals begin above random's end", low > high, low, high)

# %% [markdown]
# Twenty reviews leave wide intervals. So 200 were computed beforehand, with both ways of removing. The
# figure shows the second, `[MASK]`:

# %%
stored = runtime.experiment("explanation_faithfulness").set_index("method")
leads = []
for how in explanation.HOWS:
    rows = stored[how].str["comprehensiveness"]
    wide = pd.DataFrame(list(rows), rows.index, ["mean", "low", "high"])
    leads.append(wide["mean"][good].min() - wide["mean"].drop(good).max())
course.claim("the three lead by over 0.1, either way", min(leads) > 0.1, min(leads))
if train_limit is None:
    then = stored["delete"]["occlusion"]["comprehensiveness"][0]
    now = fall["occlusion"].mean()
    course.finding("today within 0.2 of the stored", abs(now - then) < 0.2, now, then)

# %% tags=["nbval-ignore-output"]
figure = highlights.bars(wide, "Words masked", "comprehensiveness")
alt = ", ".join(f"{name} {mean:.2f}" for name, mean in wide["mean"].items())
figures.show(figure, f"A point with its interval for each method: {alt}")

# %% [markdown]
# Shapley values, occlusion and integrated gradients find the words that carry the answer. Attention and plain slopes colour a text as convincingly, and lie far nearer to chance.
#
# ## Two more tests
#
# *A planted word.* Put "zebra" or "orchid" into each review, and let it alone decide the label. A model that learns
# this goes by that word, so a true explanation puts it first. *Shuffled weights.* Shuffle the model's weights, from the
# head downwards. What stays the same was never about the model. Both were computed beforehand, for three seeds:

# %%
planted = runtime.experiment("explanation_planted")["found_first"]
first = 100 * pd.DataFrame(list(planted)).mean()  # % of the texts
shuffled = runtime.experiment("explanation_shuffled").set_index("method")["agreement"]
table = pd.DataFrame(list(shuffled), shuffled.index)[["0", "3", "6", "all"]]
table = table.map(lambda agreement: agreement[0]).groupby("method").mean()
print(table.assign(planted=first).round(2).to_string())
found = first[good].min()
course.claim("the three: planted word first in over 90 %", found > 90, found)
fixed, free = table["6"][["attention rollout", "integrated gradients"]]
course.claim("six layers shuffled: rollout stays over 0.6", fixed > 0.6, fixed)
course.claim("integrated gradients under 0.35", free < 0.35, free)

# %% [markdown]
# The first columns say how alike an explanation stays (1: the same order), by shuffled layers (0: the head
# alone; *all*: the embeddings, too). `planted`: % found first. The last attention passes that. But shuffled
# weights change it little, and rollout less: both add up a word's tokens, whose number no weight changes.
#
# ## A readable model beside it
#
# What does the model do in general? The article behind this course fits a decision tree (决策树) to BERT's answers. Such a
# **surrogate** (代理模型) can be read. It speaks for BERT only as far as both answer alike: that share is its **fidelity**
# (保真度).
#
# Ours is linear: a weight for each word and pair of words, fitted to BERT's *logits*. It needs no labels, so undecided reviews serve, too: a **student**, distilled (蒸馏) from BERT.

# %% tags=["nbval-ignore-output"]
texts = pd.concat([train, splits.get("undecided", train[:0])])["text"].tolist()
taught = finetuning.predict_outputs(classifier.model, classifier, texts)  # logits
student = surrogates.fit_linear(texts, taught, label_names)
tree = surrogates.fit_tree(texts[: len(train)], taught[: len(train)].argmax(axis=1))
theirs = finetuning.predict_proba(classifier, test["text"].tolist())
both = {"tree": tree.predict(test["text"]), "student": student.predict(test["text"])}
fidelity = {k: surrogates.fidelity(a, theirs.argmax(axis=1)) for k, a in both.items()}
print(pd.DataFrame(fidelity, index=["fidelity", "low", "high"]).T.round(3).to_string())
for name, part in surrogates.telling_words(student, 8).groupby("class", sort=False):
    print(f"{name}: {', '.join(part['term'])}")

# %%
if train_limit is None:
    low, high = (100 * share for share, *_ in fidelity.values())
    course.finding("the tree answers alike in under 65 %", low < 65, low)
    course.finding("the student in over 76 %", high > 76, high)

# %% [markdown]
# Two models agree in half of the texts by chance, so this tree says hardly anything about BERT. The student agrees in four of five, perhaps for reasons of its own.
#
# ## Behavioural tests
#
# **CheckList** tests one ability at a time, with sentences from templates. Some have a sure answer (*plain*,
# *negation*). Some changes, such as a typo or another name, must not change an answer. Added praise must not lower the
# odds of "positive" (*direction*).

# %% tags=["nbval-ignore-output"]
if course.on_reviews:
    shown = behaviour.run(chosen.predict_proba, behaviour.load_cases("shown"))
    print(behaviour.summarise(shown).round(2).to_string(index=False))

# %% [markdown]
# "The film was great." is called negative. Why? Here are its Shapley values for "positive"; then we change a word:

# %% tags=["nbval-ignore-output"]
if course.on_reviews:
    failing = explanation.read(classifier, ["The film was great."])
    scores = explanation.shapley(classifier, failing, 1, permutations=24)[0]
    draw(failing[0], scores, "Why not positive?", "positive")

# %%
if course.on_reviews and train_limit is None:
    failed = int(shown["failed"].sum())
    course.finding("at least 5 of 72 plain sentences fail", failed >= 5, failed)
    now = shown.assign(text=shown["text"].str.replace(" was ", " is "))
    now = int(behaviour.run(chosen.predict_proba, now)["failed"].sum())
    course.finding("with 'is' over a quarter fewer", now < 0.75 * failed, now)
    praise = train["label"][train["text"].str.match(r"The \w+ (was|were)\b")].mean()
    course.finding("reviews that begin so: praise under 0.35", praise < 0.35, praise)

# %% [markdown]
# All but "great" speak against it, and of the reviews that begin with "The X was" a quarter praise. But is that the *cause*? With two seeds the model was trained anew, once without some complaints in the past, so that "was" goes
# with praise as often as other words do, and once without as many *others*.

# %%
tried = runtime.experiment("explanation_cause").set_index("texts")["failed"]
fails = tried.str["shown"].str["failed"].groupby("texts").mean()  # of 72
less, other = fails["less past in complaints"], fails["fewer other complaints"]
course.claim("less past: over a quarter fewer fail", less < 0.75 * other, less, other)

# %% [markdown]
# So it is a cause, and not the only one. The **mend** trains on several hundred plain sentences more. Two sets of 72 were *held out*: written before
# a mend was judged, sharing no template and hardly a noun:

# %%
runs = runtime.experiment("explanation_mend").set_index("texts")
failed_in = pd.DataFrame(list(runs["failed"]), runs.index)
share = failed_in.map(lambda n: n["failed"] / n["cases"]).groupby("texts").mean().T
limits = [behaviour.MAY_FAIL.get(k, behaviour.MAY_FAIL["plain"]) for k in share.index]
print((100 * share.assign(**{"may fail": limits})).round(1).to_string())
kept_out = failed_in.loc["and plain sentences", ["held out", "held out, flat"]]
most = kept_out.map(lambda n: n["failed"]).max().max()
course.claim("each seed and held-out set: at most 2 fail", most <= 2, most)
worst = 100 * runs["low"].min()
course.claim("test: the paired intervals begin above -3 points", worst > -3, worst)

# %% [markdown]
# Rows: sets or kinds, with the % that fail. Negation gains, too; typos do not.
#
# So that none breaks again unseen, each kind has a **limit**, the share that `may fail`, for the release gate of
# lesson 13. Lesson 05's model does not pass. Tests say what a model cannot do, not how often people meet it.

# %% [markdown]
# ## Going further: attention rollout by hand
#
# Each layer adds what it attends to to what it was given. So in each layer half of a token is its own, and half comes
# from the others. Multiplied over the layers, this tells how much of each token reaches the mean that the head reads:

# %%
flow = np.eye(len(ids))
for weights in explanation.attention_weights(classifier, ids):  # (tokens, tokens)
    flow = (weights + np.eye(len(ids))) / 2 @ flow
by_hand = explanation.sum_by_unit(reading, flow.mean(axis=0))
off = by_hand - explanation.rollout(classifier, [reading])[0]
off = np.abs(off).max(initial=0)
course.claim("explanation.rollout agrees up to rounding", off < rounding, off)
least = by_hand.min(initial=1)
course.claim("no word has less than 0", least >= 0, least)

# %% [markdown]
# ## Going further: completeness
#
# How far is the sum of integrated gradients from f(text) - f(all masked), as a share of it, on ten of the reviews?

# %%
ten = classifier, readings[:10], targets[:10]
gaps = [100 * np.median(explanation.completeness_gap(*ten, steps)) for steps in (8, 32)]
course.finding("with 32 steps the median gap is under 1 %", gaps[1] < 1, gaps[1])
if train_limit is None:
    course.finding("with 8 steps it is over 1 %", gaps[0] > 1, gaps[0])

# %% [markdown]
# A sum that is far off means too few steps, or a mistake. Nobody has to look at a word for that.
#
# ## Going further: one slope, two backends
#
# Keras has no function for gradients that works on each backend. TensorFlow records what happens to a tensor on a
# *tape*, and JAX turns a function into its gradient. Only these few lines differ; `explanation.gradients` compiles them
# as well.

# %%
import keras

given = [classifier.model.input[name] for name in ("segment_ids", "padding_mask")]
looked_up = classifier.backbone.token_embedding.output
from_vectors = keras.Model([looked_up, *given], classifier.model.output)
one = keras.ops.ones((1, len(ids)), "int32")
others = 1e9 * np.eye(len(label_names), dtype="float32")[target[0]]


def log_odds_of(vectors):  # (1, tokens, width) -> a number
    logits = from_vectors([vectors, 0 * one, one], training=False)[0]
    return logits[int(target[0])] - keras.ops.logsumexp(logits - others)

# %%
vectors = keras.ops.convert_to_tensor(path[:1], "float32")
if course.backend == "tensorflow":
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(vectors)
        value = log_odds_of(vectors)
    slope = tape.gradient(value, vectors)
else:
    import jax

    slope = jax.grad(log_odds_of)(vectors)
off = np.abs(keras.ops.convert_to_numpy(slope) - slopes[:1]).max()
course.claim("by hand and helper agree up to rounding", off < rounding, off)

# %% [markdown]
# ## Going further: where the student and BERT part
#
# Here are the reviews on which BERT is surest and the student answers otherwise, with the terms that the student goes by and what each adds. What does a sum of words not see?

# %% tags=["nbval-ignore-output"]
apart = surrogates.where_they_part(test["text"], both["student"], theirs, 3)
for row in apart.itertuples():
    terms = surrogates.explain_linear(student, row.text, row.surrogate).head(4)
    said = ", ".join(f"{term} {a:.1f}" for term, a in terms.items())
    answer = label_names[row.surrogate]
    print(f"BERT {label_names[row.model]}, student {answer} ({said}):\n    {row.text}")

# %% [markdown]
# Depth does not save the tree, and more texts add little to the linear model. This was computed beforehand on all test
# reviews. (`texts` names the parts that a model has learnt from, `learns` what.)

# %%
stored = runtime.experiment("explanation_surrogates")
for measure in ("fidelity", "accuracy"):
    stored[measure] = (100 * stored[measure].str[0]).round(1)
stored["texts"] = stored["texts"].str.join(", ")
shown_columns = ["model", "learns", "depth", "texts", "fidelity", "accuracy"]
print(stored[shown_columns].to_string(index=False, na_rep="-"))
best = stored.groupby("learns")["fidelity"].max()
course.claim("the best tree: under 65 %", best["answers"] < 65, best["answers"])
gain = best["logits"] - best["labels"]
course.claim("logits instead of labels gain under 4 points", gain < 4, gain)

# %% [markdown]
# A bag of words that has seen labels alone agrees with BERT nearly as often as the student: much of the agreement is
# that both are right. So fidelity alone does not prove that a surrogate has found BERT's reasons. The place to look is
# where they part.

# %% [markdown]
# ## Going further: the features, drawn
#
# The head reads one vector of 384 numbers for a text, the mean of its tokens'. **Principal components** (主成分) are the
# directions in which such vectors differ most. Their shares of all differences (the variance, 方差) say how much of the
# whole a drawing of two of them shows.

# %% tags=["nbval-ignore-output"]
untrained = models.make_classifier(*names, seed, course.profile.max_length)
some, drawn = test[:300], {}
for when, model in {"before": untrained, "after": classifier}.items():
    vectors = surrogates.layer_vectors(model, some["text"].tolist())[-1]  # (300, 384)
    drawn[when] = surrogates.principal_components(vectors)
labels = some["label"].to_numpy()
figure = feature_plots.features(*drawn.values(), labels, label_names)
alt = "Test texts on two components, a colour and a mark for each class. Before fine-"
alt += "tuning the classes lie in one cloud, after it mostly at opposite ends."
figures.show(figure, alt if course.on_reviews else "Test texts on two components.")

# %%
if train_limit is None:
    old, new = (share[0] for _, share in drawn.values())
    course.finding("before: the first component holds under 0.2", old < 0.2, old)
    course.finding("after: over 0.7", new > 0.7, new)

# %% [markdown]
# After fine-tuning nearly all that differs lies on one line, and the classes lie at its ends. So two components show what
# is there, and slower drawings (t-SNE, UMAP) have little to add. Before it, two components hold little of the whole, so
# a drawing of them proves nothing.
#
# What does each layer hold? A **probe** (探针) is a logistic regression that reads the class from one layer's vectors.
# Beside it is the share of a text's 15 nearest neighbours that are of its class, or of its domain. This was computed
# beforehand; layer 0 is the embeddings.

# %%
layers = runtime.experiment("explanation_layers").set_index("fine_tuned")
kinds = ["probe", "class_share", "domain_share"]
held = {
    f"{kind}, {when}": layers.loc[tuned, kind]
    for kind in kinds
    for when, tuned in (("before", False), ("after", True))
}
held = pd.DataFrame(held)
print(held.round(2).to_string())
gain = held["probe, after"].iloc[-1] - held["probe, before"].iloc[-1]
course.claim("last layer: the probe gains over 0.03", gain > 0.03, gain)
lost = held["domain_share, before"].iloc[-1] - held["domain_share, after"].iloc[-1]
course.claim("the domain's share falls by over 0.15", lost > 0.15, lost)

# %% [markdown]
# Fine-tuning has brought texts of one *class* together, and lets those of one *domain* go. A probe tells what *can* be
# read from a layer, and not what the model makes of it.
#
# "These training texts are like yours" is another explanation. How do the ten nearest of 800 vote?

# %% tags=["nbval-ignore-output"]
known = train.sample(min(800, len(train)), random_state=seed)
bank = finetuning.mean_features(classifier, known["text"].tolist())
near = surrogates.nearest(bank, vectors, k=min(10, len(bank)))  # vectors: of `some`
votes = surrogates.vote(known["label"], near, len(label_names))
print(some["text"].iloc[0])
print(*("    " + known["text"].iloc[row] for row in near[0][:3]), sep="\n")

# %%
given = theirs[: len(some)].argmax(axis=1)
agree = 100 * (votes.argmax(axis=1) == given).mean()
course.finding("the ten vote as the model answers in over 95 %", agree > 95, agree)
wrong = given != labels
if train_limit is None and wrong.any():
    agree = 100 * (votes.argmax(axis=1) == given)[wrong].mean()
    course.finding("where it is wrong in over 85 %", agree > 85, agree)

# %% [markdown]
# They vote with the model where it errs, too: they are near *because* the model puts them there. So they say what the
# model takes for like, and not whether it is right.
#
# ## Going further: a quick patch
#
# Must one train anew to mend? Here the classifier is trained on for two epochs, on 300 of the plain sentences and as
# many reviews, with half the rate:

# %% tags=["nbval-ignore-output"]
import functools

if course.on_reviews:
    plain = pd.read_csv(runtime.COURSE / "data" / "plain_sentences.csv")
    plain = plain.rename(columns={"sentence": "text"})
    mix = [part.sample(min(300, len(part)), random_state=1) for part in (plain, train)]
    mix = pd.concat(mix)
    patched = faithfulness.copy(classifier)
    short = finetuning.Recipe(epochs=2, learning_rate=5e-5, seed=seed)
    frames = mix, splits["validation"]
    pairs = [(frame["text"].tolist(), frame["label"].to_numpy()) for frame in frames]
    finetuning.fine_tune(patched, *pairs, short)

# %%
if course.on_reviews and train_limit is None:
    ask = functools.partial(finetuning.predict_proba, patched)
    now = int(behaviour.run(ask, behaviour.load_cases("shown"))["failed"].sum())
    course.finding("at most 5 of 72 plain sentences fail now", now <= 5, now, failed)
    old = 100 * (theirs.argmax(axis=1) == test["label"]).mean()
    new = 100 * (ask(test["text"]).argmax(axis=1) == test["label"]).mean()
    course.finding("the test loses under 5 points", new > old - 5, new, old)

# %% [markdown]
# A patch is quick, and these sentences are mended. But it may cost accuracy on the reviews (the last numbers: now and
# before). One seed cannot tell whether it costs more than training anew (*Behavioural tests*).
#
# ## Going further: any text, your own file
#
# With your own file (`source`) the sections above have used your texts. Here are its surest errors, each with the
# reasons for the *wrong* answer. Look for words that decide although they should not: names, marks, a price. Then write
# sentences that test it.

# %% tags=["nbval-ignore-output"]
worst = evaluation.worst_errors(test, theirs, number=3)
wrong = explanation.read(classifier, worst["text"].tolist())
found = explanation.shapley(classifier, wrong)
for row, one, s in zip(worst.itertuples(), wrong, found, strict=True):
    draw(one, s, f"Really {label_names[row.label]}", "the wrong answer")

# %% [markdown]
# What changes should not matter for *your* texts? Each change works in any writing system that has what it changes. Their limits come along:

# %% tags=["nbval-ignore-output"]
kinds = [*behaviour.CHANGES, "names", "neutral sentence", "direction"]
cases = behaviour.make_cases(test["text"].tolist()[:50], kinds, seed, label_names)
summary = behaviour.summarise(behaviour.run(chosen.predict_proba, cases, label_names))
limits = {k: v for k, v in behaviour.MAY_FAIL.items() if k in set(summary["kind"])}
summary = summary[summary["kind"].isin(limits)]
print(behaviour.judge(summary, limits).round(2).to_string(index=False))

# %%
same = summary.set_index("kind")["share"]
if "spaces" in same:
    course.finding("wider spaces change no answer", same["spaces"] == 0, same["spaces"])

# %% [markdown]
# Fifty texts are few, so look at the intervals before you believe a "passed".
#
# ## Going further: SHAP and LIME
#
# Two packages compute such numbers for any model. **SHAP** estimates Shapley values. **LIME** fits a small linear model
# to texts in which words are missing. They are not part of the course's environment: the cell says so where they are
# missing. Test what they give you in the same way.

# %% tags=["nbval-ignore-output"]
for package in ("shap", "lime"):
    if not runtime.installed(package):
        print(f"{package} is not installed here: pip install {package}")
ask = functools.partial(finetuning.predict_proba, classifier)
if runtime.installed("shap"):
    import shap

    masker = shap.maskers.Text(r"\s+")  # the default would drop the last full stop
    found = shap.Explainer(ask, masker, seed=seed)([text], max_evals=100)
    values = found.values[0][:, target[0]]  # they share the probability, not log-odds
    print("SHAP", *(f"{w}{v:.2f}" for w, v in zip(found.data[0], values)), sep=" | ")
if runtime.installed("lime"):
    from lime.lime_text import LimeTextExplainer

    lime = LimeTextExplainer(split_expression=r"\s+", random_state=seed, bow=False)
    found = lime.explain_instance(text, ask, labels=[int(target[0])], num_samples=100)
    pairs = found.as_list(int(target[0]))
    print("LIME", *(f"{word} {value:.2f}" for word, value in pairs), sep=" | ")

# %% [markdown]
# ## Going further: many classes
#
# With K classes "for" means: for this class, against *all* others together. Then $\ln(p / (1 - p))$ is the logit of the
# class, less the logarithm of the sum of $e^{\text{logit}}$ over the others. Another question is "why A and not B?":
# there, take the difference of their two logits.

# %%
three = np.array([[2.0, 1.0, 0.5]])  # one text, three classes
p = np.exp(three[0]) / np.exp(three[0]).sum()
values = [explanation.log_odds(three, k)[0] for k in range(3)]
off = np.abs(values - np.log(p / (1 - p))).max()
course.claim("each is ln(p / (1 - p)) within 0.000001", off < 1e-6, off)
print(f"p {p.round(2)}, log-odds {np.round(values, 2)}")

# %% [markdown]
# Only the first is above 0: it alone is more probable than the other two together. So with many classes even the
# model's own answer can have log-odds below 0. Its words' numbers still say what raises and lowers it.

# %% [markdown]
# ## Exercises
#
# 1. Delete two neighbouring words at once. Where do the scores of single words mislead most, and why?
# 2. Write sufficiency by hand. Why can it praise an explanation that comprehensiveness blames?
# 3. Build a test of your own: another city must not change an answer. Decide by the interval.
#
# With checks: [exercises](exercises/09_explanation.ipynb); solved: [solutions](solutions/09_explanation.ipynb).

# %% [markdown]
# ## Quiz
#
# Answer each question in your own words, then unfold ours.
#
# <details><summary>1. Why are log-odds explained, and not the probability?</summary>
#
# Near 100 % a probability hardly moves, whatever a word adds (*One answer to explain*).
#
# </details>
#
# <details><summary>2. "Superb, charming, lovely." gives each word a small occlusion. Does the model ignore them?</summary>
#
# No: each stands in for the others (*Words that work together*).
#
# </details>
#
# <details><summary>3. Integrated gradients are complete. What does that prove, and what not?</summary>
#
# That the sum is right. How the words share it depends on the way (*Slopes*).
#
# </details>
#
# <details><summary>4. Someone shows you attention in colour as the model's reasons. What do you ask?</summary>
#
# Does the answer fall without its words (*Are the colours true?*)? Do the colours change with shuffled weights (*Two
# more tests*)?
#
# </details>
#
# <details><summary>5. When may a readable tree be shown as "what BERT does"?</summary>
#
# High fidelity on new texts is needed, and not enough. Ours is hardly above chance (*A readable model beside it*).
#
# </details>
#
# <details><summary>6. Reviews with "was" are mostly complaints. Why is that not yet the cause of the failure?</summary>
#
# Things that go together need not cause each other. Train without them, and without as many others (*Behavioural
# tests*).
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - ✔ say what each word adds to an answer (*Take a word away*, *Words that work together*, *Slopes*);
# - ✔ test whether an explanation is true (*Are the colours true?*, *Two more tests*);
# - ✔ put a readable model beside BERT (*A readable model beside it*);
# - ✔ draw what vectors hold (*Going further: the features, drawn*);
# - ✔ test behaviour, find a cause, set limits (*Behavioural tests*).
#
# **References.** Štrumbelj, Kononenko: *Explanation of Individual Classifications using Game Theory*, 2010.
# Sundararajan et al.: *Axiomatic Attribution*, 2017. Abnar, Zuidema: *Quantifying Attention Flow*, 2020. DeYoung et
# al.: *ERASER*, 2020. Bastings et al.: *Will You Find These Shortcuts?*, 2022. Adebayo et al.: *Sanity Checks for
# Saliency Maps*, 2018. Ribeiro et al.: *Beyond Accuracy*, 2020.
#
# **Glossary.** completeness 完备性 · decision tree 决策树 · distillation 蒸馏 · explanation 解释 · fidelity 保真度 · integrated
# gradients 积分梯度 · log-odds 对数几率 · occlusion 遮挡 · principal component 主成分 · probe 探针 · Shapley value 沙普利值 · surrogate
# 代理模型.
