# %% [markdown]
# # 07 · The listing, fixed: each mistake made, explained, repaired
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/07_listing_fixed.ipynb)
#
# This course grew out of a Chinese article on fine-tuning BERT. Its program, the *listing*, does not run. You will reproduce most of the listing's
# mistakes in the smallest form, read what Python says, and end with the program repaired.
#
# **You will be able to**
#
# - read an error message back to its cause;
# - tell TF1 modules, TF2 hub models and Keras 3 layers apart;
# - give a model what it wants: ids instead of texts, three inputs instead of one;
# - find the mistakes that raise no error;
# - write the whole program, and its ten-line form.
#
# **You need first:** lesson 00. **Time:** about 40 minutes to read, three minutes to run on two CPU cores.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% tags=["parameters"]
seed = 42
number_of_reviews = 800  # for training: enough to see the repaired program learn
passes = 2  # over those reviews

# %%
import ast
import tempfile
import time

import keras
import numpy as np
import pandas as pd

from helpers import cleaning, data, evaluation, figures, finetuning, models
from helpers import optimizers, runtime, words

# In float32, since answers are compared to many digits.
course = runtime.start(seed, dtype_policy="float32")

# %% tags=["nbval-ignore-output"]
reviews, label_names = data.prepare_splits()  # the reviews, as lesson 01 leaves them
if course.has_tensorflow("data sets and models as TensorFlow's hubs have them"):
    from helpers import export

    folder = data.course_reviews_folder()  # the reviews as a TFDS data set
    minilm = models.make_classifier(seed=seed)
    place = runtime.artifacts_folder() / "listing_hub_pair"
    pair = export.write_hub_pair(minilm, place)

# %% [markdown]
# ## The catalogue (勘误)
#
# `data/errata.csv` lists every mistake that we found in the article, its prose included: what is wrong, what happens, the fix, and where
# you can check it. `data/errata_sound.csv` lists the rest: what is right. Here are the kinds of mistake in the
# program, and the first twelve.

# %%
errata = pd.read_csv(cleaning.REVIEWS.parent / "errata.csv", index_col="number")
of_program = errata[errata["section"].str.startswith("Listing")]
print(of_program["kind"].value_counts().to_string())
print(of_program["what_is_wrong"].str.slice(0, 110).head(12).to_string())
course.claim(
    "the catalogue has at least 40 mistakes in the program, and more in the prose",
    len(errata) > len(of_program) >= 40,
)

# %% [markdown]
# In most cells below, a comment names the mistake's number. Some cells stop with an error; they are meant to. One or more such cells come
# first, and then a cell that explains their errors and repairs them.
#
# ## It does not start
#
# Python reads the whole file before it runs a line. Three lines of the listing stand one space too far to the right.

# %% tags=["raises-exception"]
# Erratum 1
compile("model = load()\n layer = model\n", "listing", "exec")

# %%
# An indented line belongs to a block, and no block was opened. Lines of one block
# begin in one column.
repaired = compile("model = load()\nlayer = model\n", "listing", "exec")
course.claim("aligned, it compiles", repaired.co_names == ("load", "model", "layer"))

# %% tags=["raises-exception"]
# Erratum 2
english = spacy.blank("en")

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 4
if course.has_tensorflow("tensorflow-text"):
    import tensorflow_text as text

    for text in ["a fine film"]:
        print(text.WhitespaceTokenizer().tokenize(text))

# %%
# Errata 2, 3 and 4: spaCy was never imported; `text` was a module until the loop gave
# the name to a string.
import spacy

program = (
    "import numpy as np\nimport matplotlib.pyplot as plt\n"
    "import tensorflow_text as tf_text\nprint(np.argmax([3, 1]))"
)
nodes = list(ast.walk(ast.parse(program)))
imports = [node for node in nodes if isinstance(node, ast.Import)]
imported = {alias.asname or alias.name for node in imports for alias in node.names}
mentioned = {node.id for node in nodes if isinstance(node, ast.Name)}
course.claim(
    "a look at the names finds two imports without use",
    imported - mentioned == {"plt", "tf_text"},
)
course.claim(
    "spaCy is here, and no name stands for two things",
    spacy.blank("en")("Fine.").text == "Fine.",
)

# %% [markdown]
# ## Data that are not a table
#
# The listing gives TensorFlow Datasets a placeholder, `[data set]`, in place of a name. It unpacks two values from the result, and then takes columns
# out of it as from a table.

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 5
if course.has_tensorflow("TensorFlow Datasets"):
    import tensorflow_datasets as tfds

    tfds.load("[data set]")

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 6
if course.has_tensorflow("TensorFlow Datasets"):
    dataset, info = tfds.load("course_reviews", data_dir=str(folder))

# %% tags=["needs-tensorflow"]
# Errata 5 and 6: a real name; and `load` gives a dictionary of splits. Only
# with_info=True makes it a pair.
if course.has_tensorflow("TensorFlow Datasets"):
    splits, info = tfds.load("course_reviews", data_dir=str(folder), with_info=True)
    sizes = {name: info.splits[name].num_examples for name in splits}
    print(sizes, info.features["label"].names)
    course.claim(
        "there are three splits, one of them to choose with",
        set(splits) == {"train", "validation", "test"},
    )
    first, second = {"train": "its reviews", "test": "its reviews"}
    course.claim(
        "with two splits it would be worse: no error, and only their names",
        (first, second) == ("train", "test"),
    )

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 7
if course.has_tensorflow("TensorFlow Datasets"):
    splits["train"]["text"]

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 8
if course.has_tensorflow("TensorFlow Datasets"):
    example = next(splits["validation"].as_numpy_iterator())
    spacy.blank("en")(example["text"])

# %% tags=["needs-tensorflow"]
# Errata 7 and 8: a data set is a stream of rows, not a table. Its texts are bytes, and
# what spaCy takes bytes for are documents of its own: hence that odd message. Decode
# first.
if course.has_tensorflow("TensorFlow Datasets"):
    rows = [
        (row["text"].decode("utf-8"), int(row["label"]))
        for row in tfds.as_numpy(splits["validation"])
    ]
    texts, labels = zip(*rows, strict=True)
    course.claim(
        "every text is a string, every label a number",
        {type(x) for row in rows for x in row} == {str, int},
    )

# %% [markdown]
# ## Calls that spaCy does not have
#
# A spaCy **pipeline** cuts a text into words and annotates them. The trained pipeline `en_core_web_sm` is a package of its own, which the article
# never installs. And a pipeline has no method `process`: you call the pipeline itself. It can mark **stop words** (停用词), frequent words such as
# "the", and give each word's **lemma**, its form in a dictionary.

# %% tags=["raises-exception"]
# Erratum 9
spacy.load("en_core_web_sm")

# %% tags=["raises-exception"]
# Erratum 10
spacy.blank("en").process("The rooms were running out.")

# %%
# Errata 9 and 10: the blank pipeline cuts words, knows stop words and, from a table,
# lemmas. It needs no download.
pipeline = spacy.blank("en")
pipeline.add_pipe("lemmatizer", config={"mode": "lookup"}).initialize()
document = pipeline("The rooms were running out.")
print([(token.text, token.lemma_, token.is_stop) for token in document])
course.claim("'running' has the lemma 'run'", document[3].lemma_ == "run")

# %% [markdown]
# ## Hub models, old and new
#
# A **hub model** is a trained model saved in a folder, which `hub.load` reads. The address in the listing holds a **TF1 module**: a graph with named
# entry points, its *signatures*, made for TensorFlow 1. Without a network we make a tiny one with `tf.compat.v1`, which looks up a vector for each id.
# A **TF2 hub model** is called like a function, and for BERT it comes as a pair. `preprocess` turns texts into three arrays: the tokens' ids
# (`input_word_ids`), 1 for real tokens and 0 for padding (`input_mask`), and the number of the sentence (`input_type_ids`). `encoder` turns these into vectors.

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("a TF1 module"):
    import tensorflow as tf
    import tensorflow_hub as hub

    tf.get_logger().setLevel("ERROR")  # without its advice to leave TensorFlow 1
    v1, old_folder = tf.compat.v1, tempfile.mkdtemp() + "/module"
    with tf.Graph().as_default(), v1.Session() as session:
        ids = v1.placeholder(tf.int32, [None, None])
        vectors = tf.gather(v1.get_variable("table", [100, 8]), ids)
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def(
            {"input_ids": ids}, {"sequence_output": vectors}
        )
        builder = v1.saved_model.Builder(old_folder)
        builder.add_meta_graph_and_variables(session, [], {"tokens": signature})
        builder.save()
    old = hub.load(old_folder)

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 18
if course.has_tensorflow("a TF1 module"):
    old.layers[-1]

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 19
if course.has_tensorflow("a TF1 module"):
    old(tf.constant([[1, 2]]))

# %% tags=["needs-tensorflow"]
# Errata 18 and 19: layers belong to Keras models. A TF1 module has signatures, and its
# weights do not train any more. A TF2 hub model is called as it is. It comes as a pair:
# texts to ids, ids to vectors.
if course.has_tensorflow("hub models"):
    outputs = old.signatures["tokens"](tf.constant([[1, 2]]))
    print(sorted(old.signatures), outputs["sequence_output"].shape)
    preprocess = hub.load(str(pair / "preprocess"))
    encoder = hub.load(str(pair / "encoder"))
    ids = preprocess(tf.constant(["A fine film."]))
    print({name: tuple(value.shape) for name, value in sorted(encoder(ids).items())})
    trained = len(encoder.trainable_variables)
    course.claim("the encoder's variables train", trained > 100)

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 20
if course.has_tensorflow("hub models"):
    encoder(tf.constant([[101, 102]]), tf.constant([[1, 1]]), tf.constant([[0, 0]]))

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 23
if course.has_tensorflow("hub models"):
    encoder(ids).last_hidden_state

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 21
inputs = {
    name: keras.Input((None,), dtype="int32", name=name)
    for name in ("input_word_ids", "input_mask", "input_type_ids")
}
if course.has_tensorflow("hub models"):
    encoder(inputs)

# %%
# Errata 20, 21 and 23: it wants one dictionary and gives one; `last_hidden_state` is a
# name from Hugging Face. And Keras 3 wants a layer, which is called when there are
# numbers. What is in a list of keras.Variable trains (BERT's unused pooler aside).
class HubEncoder(keras.layers.Layer):
    """A TF2 hub encoder in Keras 3: its inputs to vectors, float32 (texts, width)."""

    def __init__(self, folder):
        super().__init__()
        self.encoder = hub.load(str(folder))
        variables = self.encoder.trainable_variables
        used = [v for v in variables if "pooled_dense" not in v.name]
        self.variables_of_hub = [
            keras.Variable(variable, name=f"hub_{i}") for i, variable in enumerate(used)
        ]

    def call(self, inputs):
        """Vectors of the texts."""
        return self.encoder(inputs)["pooled_output"]


# %% tags=["needs-tensorflow"]
# Erratum 22: wrapped in a Lambda layer, as one finds it advised, the same model runs.
# But nothing of BERT would train.
if course.has_tensorflow("hub models"):
    layer = HubEncoder(pair / "encoder")
    untracked = keras.layers.Lambda(
        lambda inputs: encoder(inputs)["pooled_output"], output_shape=(384,)
    )
    same = np.allclose(layer(ids), untracked(ids), atol=1e-6)
    course.claim("both give the same vectors", same)
    sizes = [
        sum(int(np.prod(v.shape)) for v in one.trainable_variables)
        for one in (layer, untracked)
    ]
    course.claim(
        "the layer trains over 22 million numbers, the Lambda none",
        sizes[0] > 22e6 and sizes[1] == 0,
    )

# %% [markdown]
# ## Classes and loss
#
# The listing uses `num_classes` and never sets it. Its labels are whole numbers, while its loss wants, for each label, a row with a 1 for the class and
# zeros elsewhere. The repaired loss takes whole numbers and the last layer's raw outputs, the logits (lesson 03).

# %% tags=["raises-exception"]
# Erratum 24
keras.layers.Dense(num_classes)

# %% tags=["raises-exception"]
# Erratum 25
tiny = keras.Sequential(
    [keras.Input((2,)), keras.layers.Dense(2, activation="softmax")]
)
tiny.compile("adam", "categorical_crossentropy")
tiny.fit(np.zeros((4, 2)), np.array([0, 1, 1, 0]), verbose=0)

# %%
# Errata 24 and 25: the data say how many classes there are. For whole-number labels
# take the *sparse* loss, from logits.
num_classes = len(label_names)
tiny = keras.Sequential([keras.Input((2,)), keras.layers.Dense(num_classes)])
tiny.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
# With these weights it says 0 and 2 to everything.
tiny.set_weights([np.zeros((2, 2)), np.array([0.0, 2.0])])
loss = tiny.evaluate(np.zeros((4, 2)), np.array([0, 1, 1, 0]), verbose=0)
# The formula: minus the logarithm of what the right class got.
by_hand = (np.log(1 + np.exp(2)) + np.log(1 + np.exp(-2))) / 2
course.claim(
    "it takes the labels, and the loss is the formula's (within 0.00001)",
    abs(loss - by_hand) < 1e-5,
)

# %% [markdown]
# ## Inputs: texts are not ids
#
# The model was declared with three inputs of numbers. But the listing feeds it one string for each review: no tokenizer ever reads the training texts.

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 30
if course.has_tensorflow("training the hub model"):
    vectors = keras.layers.Dropout(0.1)(layer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(num_classes)(vectors))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rows = list(texts[:32]), list(labels[:32])
    strings = tf.data.Dataset.from_tensor_slices(rows).batch(16)
    model.fit(strings, shuffle=False, verbose=0)

# %% tags=["raises-exception"]
# Erratum 32
keras.layers.Embedding(100, 8)(np.array(["a fine film"]))

# %% tags=["needs-tensorflow"]
# Errata 30 and 32: each batch of texts goes through `preprocess`, which makes the three
# inputs; then we cut the padding that no text of the batch needs.
if course.has_tensorflow("training the hub model"):

    def ids_of(texts):
        """The encoder's inputs, int32 (texts, longest of the batch)."""
        inputs = preprocess(texts)
        longest = tf.reduce_max(tf.reduce_sum(inputs["input_mask"], axis=1))
        return {name: value[:, :longest] for name, value in inputs.items()}

    batch = ids_of(tf.constant(texts[:16]))
    ours = models.token_ids(models.load_tokenizer(), texts[:16])
    rows = zip(batch["input_word_ids"].numpy(), ours, strict=True)
    same = all(list(row[: len(ids)]) == list(ids) for row, ids in rows)
    course.claim("the ids are KerasHub's", same)
    course.claim(
        "the model takes them: a row of logits for each text",
        model(batch).shape == (16, num_classes),
    )

# %% [markdown]
# ## A new text
#
# At the end the listing wants to classify one sentence. `tokenizer` and `max_length` come from nowhere, `encode` from another library, and
# the model gets one input instead of three.

# %% tags=["raises-exception"]
# Erratum 34
tokenizer("This is a sample text.")

# %% tags=["raises-exception"]
# Erratum 35
np.zeros((1, max_length), dtype="int32")

# %% tags=["raises-exception"]
# Erratum 36
models.load_tokenizer().encode("This is a sample text.", padding="max_length")

# %% tags=["raises-exception", "needs-tensorflow"]
# Erratum 37
if course.has_tensorflow("the hub model"):
    model.predict(np.array([[101, 2023, 102]]), verbose=0)

# %% tags=["needs-tensorflow"]
# Errata 34 to 37: the same function serves training and answering, so nothing can
# differ between the two.
if course.has_tensorflow("the hub model"):
    answer = model.predict(ids_of(tf.constant(["This is a sample text."])), verbose=0)
    course.claim("one text, one row of logits", answer.shape == (1, num_classes))

# %% [markdown]
# ## The program, repaired
#
# In the article's order: data, model, training, evaluation, a new text. We use spaCy for one thing only: to leave
# out texts that hold no word.

# %% tags=["needs-tensorflow"]
# 1 · Data: three splits, texts decoded, rows without a word left out.
def texts_and_labels(split):
    """Texts and labels of a split, less the texts without a word."""
    rows = [(text.decode("utf-8"), int(label)) for text, label in tfds.as_numpy(split)]
    documents = spacy.blank("en").pipe(text for text, _ in rows)
    has_word = [any(token.is_alpha for token in document) for document in documents]
    kept = [row for row, keep in zip(rows, has_word, strict=True) if keep]
    return [text for text, _ in kept], [label for _, label in kept]


if course.has_tensorflow("the repaired program"):
    names = info.features["label"].names
    wanted = [f"train[:{number_of_reviews}]", "validation", "test"]
    splits = tfds.load(
        "course_reviews", split=wanted, data_dir=str(folder), as_supervised=True
    )
    train, validation, test = (texts_and_labels(split) for split in splits)
    print([len(texts) for texts, _ in (train, validation, test)])

# %% tags=["needs-tensorflow"]
# 2 · Model: a TF2 hub encoder as a layer, dropout, one dense layer to the logits; AdamW
# with warm-up and decay.
def batches(texts, labels, shuffle=False):
    """A tf.data pipeline: shuffled over all texts, tokenised in batches of 16."""
    rows = tf.data.Dataset.from_tensor_slices((texts, labels))
    rows = rows.shuffle(len(texts), seed=seed) if shuffle else rows
    return rows.batch(16).map(lambda text, label: (ids_of(text), label)).prefetch(1)


if course.has_tensorflow("the repaired program"):
    keras.utils.set_random_seed(seed)
    vectors = keras.layers.Dropout(0.1)(HubEncoder(pair / "encoder")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(len(names))(vectors))
    steps = passes * -(-len(train[0]) // 16)
    variables = model.trainable_variables
    optimizer = optimizers.make_optimizer(finetuning.Recipe(), steps, variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
# 3 · Training, watched on the validation split, and drawn. (Erratum 33)
if course.has_tensorflow("the repaired program"):
    history = model.fit(
        batches(*train, shuffle=True),
        validation_data=batches(*validation),
        epochs=passes,
        shuffle=False,
        verbose=0,
    ).history
    x_label, y_label = "pass over the training reviews", "cross-entropy (nats a review)"
    figure, axes = figures.new("The repaired program learns", x_label, y_label)
    x, training, validating = range(1, passes + 1), history["loss"], history["val_loss"]
    axes.plot(x, training, marker="o", color=figures.BLUE, label="training")
    axes.plot(x, validating, marker="s", color=figures.ORANGE, label="validation")
    axes.set_xticks(x)
    axes.legend(frameon=False)
    alt = "Two lines over two passes: the training loss falls steeply, "
    figures.show(figure, alt + "the validation loss ends near 0.5.")

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
# 4 · Evaluation: the test split, once, with more than accuracy.
# 5 · A new text, answered by a name. (Erratum 38)
if course.has_tensorflow("the repaired program"):
    logits = model.predict(batches(*test), verbose=0)
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    table = evaluation.by_class(np.array(test[1]), probabilities, names)
    print(table.round(2).to_string())
    new = "Everything worked on the first day, and I would buy it again."
    answer = model.predict(ids_of(tf.constant([new])), verbose=0)
    print(names[answer.argmax()], "<-", new)

# %% [markdown]
# ## In ten lines
#
# The helpers hold the same steps, tested. The next cell does the work of the program above in ten lines, with KerasHub's model in place of the
# hub's. `load_or_fine_tune` trains only if no trained model lies on the disk.

# %% tags=["nbval-ignore-output"]
reviews, label_names = data.prepare_splits()
recipe = finetuning.Recipe(epochs=passes)
classifier, history = finetuning.load_or_fine_tune(
    reviews["train"][:number_of_reviews], reviews["validation"], recipe
)
answers = finetuning.predict_proba(classifier, reviews["test"]["text"].tolist())
scores = evaluation.scores(reviews["test"]["label"], answers)
print({name: round(value, 2) for name, value in scores.items()})
answer = finetuning.predict_proba(classifier, ["I would buy it again."])[0]
print(label_names[answer.argmax()])

# %%
labels = reviews["test"]["label"]
right = evaluation.accuracy(labels.to_numpy(), answers)
course.claim(
    "the helpers' program beats the majority by over 15 points, too",
    right > labels.value_counts(normalize=True).max() + 0.15,
)

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
# Erratum 39: the listing ends, and its model is gone. Lesson 11 exports in earnest.
if course.has_tensorflow("the export"):
    place = runtime.artifacts_folder() / "listing_saved_model"
    served = hub.load(str(export.write_saved_model(classifier, place)))
    by_served = served.predict(tf.constant(reviews["test"]["text"][:50])).numpy()
    differences = np.abs(by_served - answers[:50])

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claims about program and export"):
    majority = np.bincount(test[1]).max() / len(test[1])
    right = evaluation.accuracy(np.array(test[1]), probabilities)
    course.claim(
        "the repaired program beats the majority by over 15 points",
        right > majority + 0.15,
    )
    course.claim(
        "loaded again, the export gives the same probabilities (within 0.00001)",
        differences.max() < 1e-5,
    )

# %% [markdown]
# ## Going further: mistakes that raise nothing
#
# A mistake that stops the program is soon found. Others let it run to the end: the answers are worse, the program is slower, or its scores look
# better than they are. We measure most of them here, one by one.
#
# **A pipeline for every text.** The listing loads spaCy anew for each review, then takes the reviews one by one.

# %% tags=["nbval-ignore-output"]
# Erratum 11
texts = reviews["train"]["text"].tolist()[:400]
with tempfile.TemporaryDirectory() as place:
    pipeline.to_disk(place)
    started = time.monotonic()
    slow = [[token.lemma_ for token in spacy.load(place)(text)] for text in texts[:3]]
    per_text = (time.monotonic() - started) / len(slow)
started = time.monotonic()
fast = [[token.lemma_ for token in document] for document in pipeline.pipe(texts)]
in_batches = (time.monotonic() - started) / len(fast)
print(
    f"loaded for each text: {1000 * per_text:.0f} ms a text; "
    f"loaded once: {1000 * in_batches:.2f} ms; ratio {per_text / in_batches:,.0f}"
)

# %%
# Erratum 11
course.claim("the lemmas are the same", slow == fast[:3])
ratio = per_text / in_batches
course.claim("loading for each text is over 50 times slower", ratio > 50)

# %% [markdown]
# **Stop words removed before a verdict.** spaCy's list of stop words holds "not", "never" and "but". Look at what is left:

# %%
# Erratum 12
def without_stop_words(text):
    """A text as the listing feeds it to BERT, but for the lemmas."""
    return " ".join(token.text for token in pipeline(text) if not token.is_stop)


yes, no = "I would buy it again.", "I would not buy it again."
for text in (yes, no, "Never again, and not only for the price."):
    print(f"{text:42} -> {without_stop_words(text)}")
course.claim(
    "yes and no have become one text",
    without_stop_words("I would buy it.") == without_stop_words("I would not buy it."),
)

# %% [markdown]
# So much for one sentence. In how many of the training reviews does the negation get lost?

# %%
# Erratum 12
negations = set("not no never nothing n't nobody none neither nor cannot".split())


def has_negation(text):
    """Whether one of a text's tokens is a negation."""
    return bool(negations & {token.lower_ for token in pipeline(text)})


negated = [text for text in reviews["train"]["text"] if has_negation(text)]
lost = sum(not has_negation(without_stop_words(text)) for text in negated)
print(f"{len(negated)} of {len(reviews['train']):,} training reviews hold a negation.")
course.claim("over 95 % of these lose all of it", lost > 0.95 * len(negated))

# %% [markdown]
# What it costs a classifier was computed beforehand. Lesson 05's fine-tuning was run with three kinds of text: unchanged, without stop words, and with
# lemmas in place of words. Training and validation texts were treated alike, with two seeds each.

# %%
# Errata 12 and 14
points = runtime.experiment("fine_tuning_words")
by_words = points.groupby("words")["accuracy"].mean()
print((100 * by_words).round(1).to_string())
lost = by_words["all"] - by_words
course.claim("without stop words over 4 points are lost", lost["no stop words"] > 0.04)
nothing = abs(lost["lemmas"]) < 0.03
course.claim("lemmas change the mean by under 3 points: work for nothing", nothing)

# %% [markdown]
# **Lemmas are not stems** (词形还原, 词干提取). A lemma is a dictionary form; a stem is what is left when rules cut off endings. The listing's comment
# promises stems, but its code takes lemmas. NLTK, which has a stemmer, is installed and never used.

# %%
# Erratum 13
from nltk.stem.snowball import SnowballStemmer

stemmer = SnowballStemmer("english")
for word in ("studies", "better", "happily"):
    print(f"{word:8} lemma {pipeline(word)[0].lemma_:8} stem {stemmer.stem(word)}")
course.claim(
    "'studies' has the lemma 'study' and the stem 'studi'",
    (pipeline("studies")[0].lemma_, stemmer.stem("studies")) == ("study", "studi"),
)

# %% [markdown]
# **The test that chooses.** The listing validates on the test set, and has no other split. Whoever keeps the best of several models by that score
# reports a score that is too good. How much? We train 40 bag-of-words models, each on 100 other training
# reviews. `rights` holds, for each model and test review, whether the answer is right.

# %%
# Errata 17, 29 and 31
test, random = reviews["test"], np.random.default_rng(seed)
rights = []
for _ in range(40):
    some = reviews["train"].sample(100, random_state=random.integers(2**31))
    model = words.bag_of_words().fit(some["text"], some["label"])
    rights.append(model.predict(test["text"]) == test["label"])
rights = np.array(rights)

# %% [markdown]
# Now we repeat the following 200 times. We draw 100 test reviews at random, choose the model with the best accuracy on them, and measure it on the
# remaining test reviews. The gap between the two accuracies says how much too good the chosen score looks.

# %%
# Errata 17, 29 and 31
gaps = []
for _ in range(200):
    order = random.permutation(len(test))
    chosen_on = rights[:, order[:100]].mean(axis=1)
    fresh = rights[:, order[100:]].mean(axis=1)
    gaps.append(chosen_on.max() - fresh[chosen_on.argmax()])
gap = np.mean(gaps)
print(
    "chosen on 100 test reviews, "
    f"the best of 40 looks {100 * gap:.0f} points better than it is"
)
course.claim("on average it looks over 4 points better than it is", gap > 0.04)

# %% [markdown]
# **A shuffle that is too short.** The listing calls shuffling "augmentation"; it adds no text. `shuffle(1000)`
# keeps 1,000 rows in a buffer and draws the next row from there, so rows that are far apart never meet. If the data are sorted by class, as many
# public sets are, each of the first batches holds only one class.

# %% tags=["needs-tensorflow"]
# Erratum 15
if course.has_tensorflow("tf.data"):
    sorted_labels = tf.data.Dataset.from_tensor_slices([0] * 5000 + [1] * 5000)
    shares = {}
    for size in (1000, 10_000):
        shuffled = sorted_labels.shuffle(size, seed=seed).batch(32).take(100)
        shares[size] = np.mean([len(set(batch.numpy())) == 1 for batch in shuffled])
    told = "{:.0f} % of 100 batches have one class"
    print({f"buffer of {n:,}": told.format(100 * one) for n, one in shares.items()})
    course.claim(
        "with a buffer of 1,000 every one of the first 100 batches has one class",
        shares[1000] == 1,
    )
    course.claim("with a buffer for all rows, none has", shares[10_000] == 0)

# %% [markdown]
# **No seed.** Without one, two runs of the same program differ: the head begins with other weights, the texts come in another order, and dropout
# removes other numbers.

# %%
# Erratum 16
def first_weights(seed=None):
    """A new layer's weights, as a program with or without a seed begins with them."""
    # This notebook has a seed already: what a program has without one is whatever the
    # system deals it.
    keras.utils.set_random_seed(int.from_bytes(os.urandom(4)) if seed is None else seed)
    layer = keras.layers.Dense(2)
    layer.build((None, 384))
    return keras.ops.convert_to_numpy(layer.kernel)


alike = np.array_equal(first_weights(), first_weights())
course.claim("without a seed no two starts are alike", not alike)
alike = np.array_equal(first_weights(seed), first_weights(seed))
course.claim("with one they are", alike)

# %% [markdown]
# **Accuracy alone.** The article promises recall and F1 and compiles accuracy. On rare classes that hides everything:

# %%
# Erratum 27
rare = np.array([1] * 5 + [0] * 95)
always_no = evaluation.majority(rare, len(rare))
found = evaluation.scores(rare, always_no)
print({name: round(value, 2) for name, value in found.items() if name != "log_loss"})
course.claim(
    "a model that finds none of the rare class has 95 % accuracy and under 0.5 F1",
    found["f1"] < 0.5,
)

# %% [markdown]
# **A loss that broadcasts.** The formula of the squared error says nothing of shapes. Labels of shape (n,) against predictions of shape
# (n, 1) make an n x n table of differences; its mean is a number like any other, and the model learns to say the average.

# %%
# Erratum 41
x = np.random.default_rng(seed).normal(size=(200, 3)).astype("float32")
y = x @ np.array([1.0, -2.0, 0.5], dtype="float32")


def error_after_training(labels):
    """Squared error after 200 steps with a hand-written loss; right is near 0."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(
        keras.optimizers.SGD(0.1),
        lambda y, p: keras.ops.mean((keras.ops.reshape(y, labels.shape) - p) ** 2),
    )
    model.fit(x, labels, batch_size=200, epochs=200, verbose=0)
    return np.mean((keras.ops.convert_to_numpy(model(x))[:, 0] - y) ** 2)


# %% [markdown]
# Now we train with labels of both shapes, and compare the errors with that of always saying the average.

# %%
# Erratum 41
right, wrong = error_after_training(y[:, None]), error_after_training(y)
print(
    f"error with (n, 1) against (n, 1): {right:.2f}; with (n,) against (n, 1): "
    f"{wrong:.0f}; of always saying the average: {y.var():.0f}"
)
course.claim("shapes alike, it learns the line (error under 0.001)", right < 1e-3)
course.claim(
    "shapes unlike, it is within 10 % of always saying the average",
    abs(wrong / y.var() - 1) < 0.1,
)

# %% [markdown]
# **Random crops and padding**, which the article recommends for more data, come from images. A crop of a picture of a cat shows a cat. Half a
# review may not hold the verdict; and padding is masked, so it adds nothing.

# %%
# Erratum 104
validation, random = reviews["validation"], np.random.default_rng(seed)


def cropped(text):
    """Half of a text's words, in a row, from a random place on."""
    words = text.split()
    half = -(-len(words) // 2)
    start = random.integers(len(words) - half + 1)
    return " ".join(words[start : start + half])


whole = finetuning.predict_proba(classifier, validation["text"])
half = finetuning.predict_proba(classifier, validation["text"].map(cropped))
kept = evaluation.accuracy(whole.argmax(axis=1), half)
course.claim(
    "cropped to half, over 10 % of the reviews get another verdict from the same model",
    kept < 0.9,
)

# %% [markdown]
# For the padding we give the model one text twice: alone, and in a batch with a text of 60 tokens, to whose length it is filled up.

# %%
# Erratum 104
ids = models.token_ids(classifier.tokenizer, ["A fine film."])
short = np.asarray(classifier.model(finetuning.pad(ids)))
long = np.asarray(classifier.model(finetuning.pad([*ids, np.ones(60, "int32")])))
difference = np.abs(short[0] - long[0]).max()
course.claim("padding changes no logit by over 0.00001", difference < 1e-5)

# %% [markdown]
# Two more are measured in [lesson 05](05_fine_tuning.ipynb): Adam at its default rate (*A rate that fails*), and no warm-up and decay
# (*Computed beforehand*). The formulas have [a lesson of their own](03_losses_and_optimizers.ipynb).

# %% [markdown]
# ## Exercises
#
# 1. A small program with four mistakes of these kinds: repair it.
# 2. Write a Keras layer around a hub encoder that gives the vector of the first token, and trains.
# 3. How optimistic is the test that chooses, if there are only 2 models to choose from instead of 40?
#
# With a check that tells you whether your answer holds: [exercises](exercises/07_listing_fixed.ipynb); solved: [solutions](solutions/07_listing_fixed.ipynb).

# %% [markdown]
# ## What you can do now
#
# - ✔ read an error back to its cause (*It does not start* to *A new text*);
# - ✔ tell TF1 modules, TF2 hub models and Keras 3 layers apart (*Hub models, old and new*);
# - ✔ give a model what it wants (*Inputs*, *A new text*);
# - ✔ find mistakes that raise no error (*Going further*);
# - ✔ write the whole program, and its ten lines (*The program, repaired*, *In ten lines*).
#
# **References.** Devlin et al.: *BERT*, 2019. Mosbach, Andriushchenko, Klakow: *On the Stability of Fine-tuning BERT*, 2021. Kapoor, Narayanan: *Leakage and the
# reproducibility crisis in machine-learning-based science*, 2023. TensorFlow documentation: *TF1 to TF2 hub formats*. Keras documentation: *Making new layers via subclassing*.
#
# **Glossary.** augmentation 数据增强 · catalogue of errors 勘误 · data set 数据集 · lemma 词形还原 · loss 损失函数 · pre-trained model 预训练模型 · stem 词干提取 · stop word 停用词 ·
# tokenisation 分词 · validation set 验证集.
