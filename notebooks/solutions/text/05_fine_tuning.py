# %% [markdown]
# # 05 · Exercises: fine-tuning
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/05_fine_tuning.ipynb)
#
# After [the lesson](../05_fine_tuning.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
# answer holds, and what to look at if not. They take a minute.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import numpy as np

from helpers import data, evaluation, finetuning, models, optimizers, runtime

course = runtime.start()
splits, label_names = data.prepare_splits()
train, validation = splits["train"][:200], splits["validation"]

# %% [markdown]
# ## Exercise 1
#
# Warm-up by hand: the peak is 0.001, reached after 20 of 100 steps. What is the rate at step 10? And roughly at step 60, half-way down the
# cosine? Put both into `rate_10` and `rate_60`.

# %% tags=["solution"]
# stub: rate_10, rate_60
rate_10 = 0.001 * 10 / 20  # a straight line from 0 to the peak
# Half of the 80 steps of the descent: cos is 0.
rate_60 = 0.001 * (1 + np.cos(np.pi * (60 - 20) / 80)) / 2

# %% tags=["check"]
assert isinstance(rate_10, float) and isinstance(rate_60, float), (
    "Put two numbers into `rate_10` and `rate_60`."
)
recipe = finetuning.Recipe(learning_rate=0.001, warmup_share=0.2)
schedule = optimizers.make_schedule(recipe, 100)
assert abs(rate_10 - float(schedule(10))) < 1e-6, (
    "At step 10 it has risen half of the way, in a straight line."
)
assert abs(rate_60 - float(schedule(60))) < 5e-5, (
    "From step 20 to 100 it falls as a cosine; 60 is half-way."
)
print("✓ both rates are those of optimizers.make_schedule")

# %% [markdown]
# ## Exercise 2
#
# How many numbers would LoRA of rank 8 train in MiniLM (6 layers, 12 heads, 384 wide), head for two classes included? Compute it into
# `trained`; do not ask the model.

# %% tags=["solution"]
# stub: trained
thin = 384 * 12 * 8 + 8 * 32  # A: (384, 12 heads, rank); B: (rank, 32 = 384 / 12)
trained = 6 * 2 * thin + (384 * 2 + 2)  # query and value in 6 layers; the head

# %% tags=["check"]
assert isinstance(trained, int), "Compute a whole number into `trained`."
lora = finetuning.add_lora(models.make_classifier(), rank=8)
counted = finetuning.count_trained(lora.model)
assert trained != counted - 770, (
    "Nearly: the head is trained, too (384 x 2 weights and 2 biases)."
)
assert trained == counted, (
    "A is 384 x 12 x rank, B is rank x 32; "
    "for query and value, in six layers; and the head."
)
print("✓ as many as Keras counts")

# %% [markdown]
# ## Exercise 3
#
# Call `finetuning.fit_frozen_head` with 200 labels, once with the mean vectors and once with the vector of `[CLS]`. Put the two validation accuracies
# into `mean_accuracy` and `cls_accuracy`. Which is better, and why?

# %% tags=["solution"]
# stub: mean_accuracy, cls_accuracy
import keras

classifier = models.make_classifier()
backbone = classifier.backbone
first_token = keras.Model(backbone.input, backbone.output["sequence_output"][:, 0])


def cls_features(texts):
    """Vectors of [CLS], float32 (texts, 384)."""
    ids = models.token_ids(classifier.tokenizer, texts)
    batches = finetuning.LengthGroupedBatches(ids)
    return finetuning.predict_logits(first_token, batches)


def accuracy_with(features_of):
    """Validation accuracy of a head on these features."""
    vectors = features_of(train["text"].tolist())
    model = finetuning.fit_frozen_head(vectors, train["label"])
    return model.score(features_of(validation["text"].tolist()), validation["label"])


mean_accuracy = accuracy_with(lambda texts: finetuning.mean_features(classifier, texts))
cls_accuracy = accuracy_with(cls_features)

# %% tags=["check"]
assert isinstance(mean_accuracy, float) and isinstance(cls_accuracy, float), (
    "Put two accuracies, 0 to 1, into the two names."
)
base = models.make_classifier()
mean_vectors = finetuning.mean_features(base, train["text"].tolist())
known = finetuning.fit_frozen_head(mean_vectors, train["label"])
new_vectors = finetuning.mean_features(base, validation["text"].tolist())
expected = known.score(new_vectors, validation["label"])
assert abs(mean_accuracy - expected) < 0.02, (
    "For the mean: finetuning.mean_features, "
    "then finetuning.fit_frozen_head on 200 labels."
)
assert 0.45 < cls_accuracy < 0.9 and cls_accuracy != mean_accuracy, (
    "For [CLS] take sequence_output[:, 0] of the backbone."
)
print("✓ both measured; the model was trained for the mean")
