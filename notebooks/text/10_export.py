# %% [markdown]
# # 10 · Export: strings in, probabilities out, the same answers everywhere
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.1.0/notebooks/10_export.ipynb)
#
# You will turn the fine-tuned model into a folder that another program can load without KerasHub and without this course,
# its tokenizer inside.
#
# **You will be able to**
#
# - say what a served model must contain;
# - export a SavedModel that takes strings;
# - prove that it answers as the model did in training;
# - load it with TensorFlow Hub.
#
# **You need first:** lesson 06. **Time:** about 15 minutes to read, one minute to run on two CPU cores
# (some minutes more if lesson 06 has not run). Needs TensorFlow.

# %%
# In Colab: install what is missing and fetch the course. Elsewhere: nothing.
import importlib.util
import os
import subprocess
import sys

if "COLAB_RELEASE_TAG" in os.environ:
    if importlib.util.find_spec("tensorflow"):  # CPU and GPU runtimes: their TensorFlow stays as it is
        packages = ["keras-hub==0.32.0", "keras-nlp==0.32.0"]
    else:  # the TPU runtime has JAX and no TensorFlow
        packages = ["--no-deps", "keras==3.15.1", "keras-hub==0.32.0", "keras-nlp==0.32.0"]
        os.environ["KERAS_BACKEND"] = "jax"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *packages], check=True)
    address, tag, folder = "https://github.com/OWNER/REPOSITORY", "v0.1.0", "/content/course"
    if not os.path.isdir(folder):
        subprocess.run(["git", "clone", "-q", "--depth=1", "--branch", tag, address, folder], check=True)
    sys.path.insert(0, folder)

# %% tags=["parameters"]
seed = 42
epochs = 3  # as in lesson 06: with the same values its model is found and not trained again
batch_size = 16
learning_rate = 1e-4
train_limit = None
number_of_texts = 200  # reviews on which export and model are compared

# %%
import numpy as np

from helpers import data, finetuning, models, runtime

course = runtime.start(seed)

# %% tags=["nbval-ignore-output"]
splits = data.prepared()
recipe = finetuning.Recipe(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
classifier, _ = finetuning.fine_tuned(splits["train"][:train_limit], splits["validation"], recipe)

# %% [markdown]
# ## What must go along
#
# A user sends text. Weights alone cannot read it: the **tokenizer** must travel with them, and it must cut, lower-case
# and split exactly as in training. Here is the same model with a tokenizer that forgets to lower-case:

# %%
from dataclasses import replace

import keras_hub

texts = ["WONDERFUL HOTEL, WE LOVED EVERY MINUTE."]
careless = keras_hub.models.BertTokenizer(classifier.tokenizer.get_vocabulary(), lowercase=False)
for tokenizer in (classifier.tokenizer, careless):
    print([tokenizer.id_to_token(i) for i in models.token_ids(tokenizer, texts)[0]])

# %%
right = finetuning.predict_proba(classifier, texts)
wrong = finetuning.predict_proba(replace(classifier, tokenizer=careless), texts)
course.claim("with its own tokenizer the model hears praise (over 0.9)", right[0, 1] > 0.9)
course.claim("with the careless one the answer moves by over 0.1", abs(right[0, 1] - wrong[0, 1]) > 0.1)

# %% [markdown]
# No error, no warning: only another answer.

# %% [markdown]
# ## Export (模型导出)
#
# A **SavedModel** is a folder with TensorFlow's graph of the computation and its weights. Ours holds one function:
# strings in, probabilities out. The text goes through the same steps as in training: spaces, lower case, word pieces, 128 tokens
# at most.

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the export of a SavedModel"):
    from helpers import export

    folder = export.saved_model(classifier, runtime.artifacts_folder() / "saved_model")
    print(sorted(path.name for path in folder.iterdir()))

# %% [markdown]
# Keras's own export stores each weight twice (Keras issue 23553). Ours holds each once: four bytes a parameter, and
# a little for the graph.

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the size of the export"):
    weights = 4 * models.parameter_count(classifier.model)
    ratio = export.size_in_bytes(folder) / weights
    print(f"weights {weights / 1e6:.0f} MB")
    course.claim("the whole export is at most 5 % larger than its weights", 1 <= ratio < 1.05)

# %% [markdown]
# ## The same answers, elsewhere
#
# A new Python process loads the folder with TensorFlow and tensorflow-text alone: no KerasHub, none of the course's
# code (the process checks that; Keras comes along with TensorFlow).
# It must answer as the model does here, on reviews and on awkward texts.

# %% tags=["needs-tensorflow"]
awkward = ["", "word " * 1000, "naïve café", "two\u00a0words", "日本語", "😂", "[SEP]", "line\nbreak"]
texts = awkward + splits["test"]["text"].tolist()[: number_of_texts - len(awkward)]
if course.has_tensorflow("the comparison with a fresh process"):
    here = finetuning.predict_proba(classifier, texts)
    there = export.predict_in_fresh_process(folder, texts)
    course.claim("no probability differs by over 0.00001", np.abs(here - there).max() < 1e-5)
    course.claim("the answers are not all alike", np.ptp(there[:, 1]) > 0.5)

# %% [markdown]
# ## TensorFlow Hub
#
# `hub.load` loads such a folder, from disk or from an address. (`hub.KerasLayer`, which older tutorials use, does not work
# inside Keras 3.) `tensorflow_text` must be imported first: it brings the tokenizer's operations.

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("loading with TensorFlow Hub"):
    import tensorflow as tf
    import tensorflow_hub as hub
    import tensorflow_text  # noqa: F401

    served = hub.load(str(folder))
    answers = served.predict(tf.constant(["Everything was wonderful.", "A waste of money."])).numpy()
    print([data.LABELS[row.argmax()] for row in answers])
    course.claim("a loved and a loathed thing are told apart", answers[0, 1] > 0.5 > answers[1, 1])

# %% [markdown]
# ## What this does not show
#
# How fast it is, and how small it could be. Other formats (LiteRT for phones, ONNX for other runtimes) and
# int8 weights (量化) are planned.

# %% [markdown]
# ## Exercises
#
# 1. Load the folder in a terminal of its own and ask it about a review that you write.
# 2. In the folder, rename `labels.json`. What still works, what is lost, and why should labels travel with a model?

# %% [markdown]
# ## What you can do now
#
# - ✔ say what a served model must contain (*What must go along*);
# - ✔ export a SavedModel that takes strings (*Export*);
# - ✔ prove that it answers alike (*The same answers, elsewhere*);
# - ✔ load it with TensorFlow Hub (*TensorFlow Hub*).
#
# **References.** TensorFlow guide: *Using the SavedModel format*. Sculley et al.: *Hidden Technical Debt in Machine Learning
# Systems*, 2015. Breck et al.: *The ML Test Score*, 2017.
#
# **Glossary.** deployment 部署 · export 模型导出 · graph 计算图 · quantisation 量化 · serving 模型服务.
