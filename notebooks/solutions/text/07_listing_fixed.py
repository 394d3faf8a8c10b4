# %% [markdown]
# # 07 · Exercises: the listing, fixed
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/07_listing_fixed.ipynb)
#
# After [the lesson](../07_listing_fixed.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
# answer holds, and what to look at if not. They take a minute.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import ast

import keras
import numpy as np

from helpers import data, models, runtime, words

course = runtime.start(dtype_policy="float32")  # answers are compared to many digits
splits, label_names = data.prepare_splits()

# %% [markdown]
# ## Exercise 1
#
# This program has four mistakes. Put the repaired program, a string, into `repaired`. It must run, train on both texts, and leave a `model`
# with one logit or probability for each of two classes. Keep the texts as they come, in bytes, in its first line.

# %%
broken = """texts = [b"good film", b"bad film"]
 vocabulary = {"good": 0, "bad": 1, "film": 2}
ids = np.array([[vocabulary[word] for word in text.split()] for text in texts])
embed = [keras.layers.Embedding(3, 4), keras.layers.GlobalAveragePooling1D()]
head = keras.layers.Dense(num_classes, activation="softmax")
model = keras.Sequential([*embed, head])
model.compile("adam", "categorical_crossentropy")
model.fit(ids, np.array([1, 0]), verbose=0)
"""

# %% tags=["solution"]
# stub: repaired
repaired = """texts = [b"good film", b"bad film"]
vocabulary = {"good": 0, "bad": 1, "film": 2}
words_of = [text.decode("utf-8").split() for text in texts]
ids = np.array([[vocabulary[word] for word in words] for words in words_of])
embed = [keras.layers.Embedding(3, 4), keras.layers.GlobalAveragePooling1D()]
head = keras.layers.Dense(2, activation="softmax")
model = keras.Sequential([*embed, head])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(ids, np.array([1, 0]), verbose=0)
"""

# %% tags=["check"]
assert isinstance(repaired, str), "Put the whole program, as a string, into `repaired`."
assert 'b"good film"' in repaired, (
    "Leave the first line as it is: texts come as bytes. Decode them further down."
)
try:
    ast.parse(repaired)
except SyntaxError as error:
    hint = f"It does not parse yet ({error}): look at the first column."
    raise AssertionError(hint) from None
space = {"np": np, "keras": keras}
try:
    exec(repaired, space)
except Exception as error:
    hint = f"It stops with {type(error).__name__}: {error}. "
    raise AssertionError(hint + "Which erratum of the lesson is that?") from None
assert space["model"].output_shape == (None, 2), (
    "Two classes: the last layer has two numbers for each text."
)
assert list(space["ids"][0]) == [0, 2], "The ids of 'good film' are 0 and 2."
print("✓ it runs and has two classes")

# %% [markdown]
# ## Exercise 2
#
# `HubEncoder` of the lesson gives `pooled_output`. Write a layer `FirstToken` that gives the vector of the first token, `[CLS]`, and trains:
# `FirstToken(folder)`, called with the encoder's three inputs, returns float32 (texts, 384). (It needs TensorFlow.)

# %%
import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_text  # noqa: F401

from helpers import export

place = runtime.artifacts_folder() / "hub_pair"
pair = export.write_hub_pair(models.make_classifier(), place)
ids = hub.load(str(pair / "preprocess"))(tf.constant(["A fine film.", "Dull."]))

# %% tags=["solution"]
# stub: FirstToken
class FirstToken(keras.layers.Layer):
    """A TF2 hub encoder in Keras 3: its inputs to [CLS], float32 (texts, width)."""

    def __init__(self, folder):
        super().__init__()
        self.encoder = hub.load(str(folder))
        variables = enumerate(self.encoder.trainable_variables)
        self.variables_of_hub = [
            keras.Variable(variable, name=f"hub_{i}") for i, variable in variables
        ]

    def call(self, inputs):
        """Vectors of the first tokens."""
        return self.encoder(inputs)["sequence_output"][:, 0]


# %% tags=["check"]
assert isinstance(FirstToken, type) and issubclass(FirstToken, keras.layers.Layer), (
    "Write a class that inherits from keras.layers.Layer."
)
layer = FirstToken(pair / "encoder")
vectors = np.asarray(layer(ids))
assert vectors.shape == (2, 384), (
    "One vector of 384 numbers a text: take sequence_output at the first place."
)
expected = np.asarray(hub.load(str(pair / "encoder"))(ids)["sequence_output"])[:, 0]
assert np.allclose(vectors, expected, atol=1e-5), (
    "The vector of [CLS] stands at place 0 of sequence_output."
)
assert len(layer.trainable_variables) > 90, (
    "Nothing would train: keep the encoder's variables in a list of keras.Variable."
)
with tf.GradientTape() as tape:
    total = tf.reduce_sum(layer(ids) ** 2)
assert tape.gradient(total, layer.trainable_variables[0].value) is not None, (
    "The variables in your list are copies: the encoder does not use them."
)
print("✓ the layer gives [CLS] and trains")

# %% [markdown]
# ## Exercise 3
#
# The lesson chose the best of 40 models on 100 test reviews: it looked 9 points better than it was. How many points, as a share between 0 and 1,
# if there are only 2 models? `rights` holds for each of 40 models and each test review whether the answer is right. Take the first two
# models, 200 random orders, and put the mean gap into `gap`.

# %%
test, random = splits["test"], np.random.default_rng(42)
rights = []
for _ in range(40):
    some = splits["train"].sample(100, random_state=random.integers(2**31))
    model = words.bag_of_words().fit(some["text"], some["label"])
    rights.append(model.predict(test["text"]) == test["label"])
rights = np.array(rights)

# %% tags=["solution"]
# stub: gap
gaps = []
for _ in range(200):
    order = random.permutation(len(test))
    chosen_on = rights[:2, order[:100]].mean(axis=1)
    fresh = rights[:2, order[100:]].mean(axis=1)
    gaps.append(chosen_on.max() - fresh[chosen_on.argmax()])
gap = float(np.mean(gaps))

# %% tags=["check"]
assert isinstance(gap, float), "Put one number into `gap`."
assert gap < 0.06, "That is the gap of many models. Take rights[:2] only."
assert gap > 0.003, (
    "Choosing by a score flatters it, even with two models: "
    "compare the chosen one's score on the 100 with that on the others."
)
print("✓ the fewer models one chooses from, the smaller the gap")
