# %% [markdown]
# # 11 · Export: strings in, probabilities out, the same answers everywhere
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/11_export.ipynb)
#
# You will turn the fine-tuned model into files that other programs can load without KerasHub and without this course,
# for servers, phones and other runtimes. You will prove that the float32 files answer as the model does here, and measure how often the
# smaller files answer otherwise.
#
# **You will be able to**
#
# - say what a served model must contain;
# - export a SavedModel that takes strings;
# - prove that it answers as the model did in training;
# - make a TF-Hub pair and fine-tune it again;
# - make LiteRT and ONNX files, and choose by size, speed and agreement.
#
# **You need first:** lesson 05. **Time:** about 30 minutes to read, three minutes to run on two CPU cores
# (some minutes more if lesson 05 has not run). Without TensorFlow
# the lesson runs, but skips every export.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% tags=["parameters"]
seed = 42
# "full": BERT-base on a public data set; wants an accelerator and a network
profile = "small"
# your own table, or {"file": ..., "text": ..., "label": ...} to name its columns;
# None: what the profile names
source = None
max_rows = 5000  # of your own table: more are sampled; None: take all
backbone = None  # a preset, a folder, hf://...; None: the profile's (small: MiniLM)
# most tokens read of a text; beyond what the backbone takes at once, the answers to
# windows of the text are averaged; None: 128
max_length = None
epochs = None  # readings of the training texts; None: 3, more for small classes
batch_size = None  # reviews a step; None: the profile's (small: 16)
learning_rate = None  # the peak; None: the profile's (small: 1e-4)
train_limit = None  # use only so many training reviews (None: all)
number_of_texts = 200  # reviews on which exports and model are compared

# %%
import numpy as np

from helpers import candidates, data, evaluation, finetuning, models
from helpers import own_file, predicting, runtime, tokenization, words

# answers are compared to many digits
course = runtime.start(
    seed, profile, source, backbone, max_length, dtype_policy="float32"
)

# %% tags=["nbval-ignore-output"]
splits, label_names = data.prepare_splits(course.source, max_rows)
train, validation, test = (splits[name] for name in ("train", "validation", "test"))
recipe = candidates.make_recipe(
    course.profile, train[:train_limit], epochs, batch_size, learning_rate, seed
)
names = course.profile.backbone, len(label_names)
chosen = candidates.load_or_choose(train[:train_limit], validation, recipe, *names)
classifier = chosen.classifier
home = candidates.model_folder(chosen, data.name_of(course.source))

# %% [markdown]
# ## What must go along
#
# A user sends text. Weights alone cannot read it: the **tokenizer** must travel with them, and it must cut, lower-case
# and split exactly as in training. Here is the same model with a tokenizer that forgets to lower-case:

# %%
from dataclasses import replace
from pathlib import Path

import keras_hub

texts = ["WONDERFUL HOTEL, WE LOVED EVERY MINUTE."]
vocabulary = classifier.tokenizer.get_vocabulary()
careless = keras_hub.models.BertTokenizer(vocabulary, lowercase=False)
pieces = [
    [tokenizer.id_to_token(i) for i in models.token_ids(tokenizer, texts)[0]]
    for tokenizer in (classifier.tokenizer, careless)
]
print(*pieces, sep="\n")
course.finding("the careless one gives the model other pieces", pieces[0] != pieces[1])

# %%
right = finetuning.predict_proba(classifier, texts)
wrong = finetuning.predict_proba(replace(classifier, tokenizer=careless), texts)
course.finding("the careless one gives another answer", abs(right - wrong).max() > 1e-3)
if train_limit is None and recipe.epochs >= 3 and course.on_reviews:
    course.finding(
        "with its own tokenizer the model hears praise (over 0.9)", right[0, 1] > 0.9
    )
    moved = abs(right[0, 1] - wrong[0, 1])
    course.finding("with the careless one the answer moves by over 0.1", moved > 0.1)

# %% [markdown]
# No error, no warning: only another answer.

# %% [markdown]
# ## Export (模型导出)
#
# A **SavedModel** is a folder with TensorFlow's graph of the computation and its weights. Ours holds one function:
# strings in, probabilities out. Inside, the text goes through the same steps as in training: it is lower-cased, accents go, punctuation
# is set apart, words are cut into pieces, and what goes beyond the limit (128 tokens here) is dropped.

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the export of a SavedModel"):
    from helpers import export

    folder = export.write_saved_model(classifier, home / "saved_model", label_names)
    print(sorted(path.name for path in folder.iterdir()))

# %% [markdown]
# Keras's own export stores each weight twice (Keras issue 23553). Ours holds each once: four bytes a parameter, and
# a little for the graph.

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the size of the export"):
    weights = 4 * models.parameter_count(classifier.model)
    ratio = export.size_in_bytes(folder) / weights
    print(f"weights {weights / 1e6:.0f} MB")
    course.finding(
        "the whole export is at most 5 % larger than its weights", 1 <= ratio < 1.05
    )

# %% [markdown]
# ## The same answers, elsewhere
#
# A new Python process loads the folder with TensorFlow and tensorflow-text alone: no KerasHub, none of the course's
# code (the process checks that; Keras comes along with TensorFlow).
# It must answer as the model does here, on reviews and on awkward texts.

# %% tags=["needs-tensorflow"]
awkward = ["", "word " * 1000, "naïve café", "two\u00a0words"]
awkward += ["日本語", "😂", "[SEP]", "line\nbreak"]
texts = awkward + test["text"].tolist()[: number_of_texts - len(awkward)]
if course.has_tensorflow("the comparison with a fresh process"):
    here = finetuning.predict_proba(classifier, texts)
    there = export.predict_in_fresh_process(folder, texts)
    largest = np.abs(here - there).max()
    course.claim("no probability differs by over 0.00001", largest < 1e-5)
    course.finding("the answers are not all alike", np.ptp(there[:, 1]) > 0.5)

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
    two = tf.constant(["Everything was wonderful.", "A waste of money."])
    answers = served.predict(two).numpy()
    print([label_names[row.argmax()] for row in answers])
    told_apart = answers[0, 1] > 0.5 > answers[1, 1]
    if course.on_reviews:
        course.finding("a loved and a loathed thing are told apart", told_apart)

# %% [markdown]
# ## The TF-Hub pair
#
# TensorFlow Hub's BERTs come in two parts: **preprocess** (strings to ids) and **encoder** (ids to vectors). Here are the same two
# of our own backbone; anybody can put a new head on them.

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the TF-Hub pair"):
    pair = export.write_hub_pair(classifier, home / "hub_pair")
    preprocess = hub.load(str(pair / "preprocess"))
    encoder = hub.load(str(pair / "encoder"))
    backbone_width = classifier.backbone.hidden_dim
    inputs = preprocess(tf.constant(["A fine film.", "Dull."]))
    print({name: tuple(value.shape) for name, value in sorted(inputs.items())})
    print({name: tuple(value.shape) for name, value in sorted(encoder(inputs).items())})

# %% [markdown]
# You can go on training the loaded encoder, because the folder holds its variables. A new head and a plain loop of ten steps on 16 texts show it;
# no Keras model is involved.

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("a new head for the loaded encoder"):
    few = preprocess(tf.constant(train["text"].tolist()[:16]))
    targets = train["label"].to_numpy()[:16]
    shape = [backbone_width, len(label_names)]
    kernel = tf.Variable(tf.random.normal(shape, stddev=0.02, seed=seed))
    variables = [kernel, *encoder.trainable_variables]

# %% [markdown]
# Each step computes the loss, asks for its gradients and takes a tenth of them off the variables.

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("training the loaded encoder"):
    first, losses = variables[1].numpy().copy(), []
    for _ in range(10):
        with tf.GradientTape() as tape:
            logits = tf.matmul(encoder(few)["pooled_output"], kernel)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(each)
        losses.append(float(loss))
        gradients = tape.gradient(loss, variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            if gradient is not None:  # BERT's own pooler gets none
                variable.assign_sub(0.1 * tf.convert_to_tensor(gradient))
    print(f"loss {losses[0]:.2f} at first, {losses[-1]:.2f} after ten steps")

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claim about it"):
    course.finding("the loss falls", losses[-1] < losses[0])
    stayed = np.array_equal(first, variables[1].numpy())
    course.claim("the encoder's own weights have moved", not stayed)

# %% [markdown]
# ## LiteRT: one file for phones
#
# **LiteRT** (once TensorFlow Lite) is a single file for a small runtime. All but one of ours also hold the vocabulary and WordPiece; the exception,
# "full int8", takes ids. One step is missing inside: before WordPiece, each character must be replaced or set apart as in training. The file
# `characters.csv` beside the models lists what becomes of each, and the program that calls a model must apply it; here `export.LiteModel` does.
# Smaller numbers (量化, quantisation) make it smaller: float16 halves it; int8 stores each weight in one byte.
# For each multiplication it also rounds the layer's input to 8 bits; between the layers the numbers stay floats.

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("LiteRT"):
    samples = train["text"].tolist()[:100]
    lite_folder = export.write_lite(classifier, home / "lite", samples)
    paths = {kind: export.lite_path(lite_folder, kind) for kind in export.LITE_KINDS}
    # "full int8" computes in whole numbers altogether, calibrated on 100 training
    # texts. It has no tokenizer inside.
    own = {"full int8": classifier.tokenizer}
    lite = {kind: export.LiteModel(path, own.get(kind)) for kind, path in paths.items()}

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the ids inside LiteRT"):
    window = classifier.window  # tokens read at once
    expected = models.token_ids(classifier.tokenizer, texts, window)
    inside = [lite["int8"].outputs(text)["token_ids"][0] for text in texts]
    same = [
        row[: len(ids)].tolist() == ids.tolist()
        for row, ids in zip(inside, expected, strict=True)
    ]
    course.finding("LiteRT reads every text as training did", all(same))

# %% [markdown]
# Why a table? Every runtime has a Unicode library of its own, and they disagree on thousands of characters, among them `…`, `½` and `，`. If a model
# gets other pieces than in training, its answer may change, and no error tells you. So the course asks one reference what becomes
# of each character, the package `tokenizers`, and gives the answers to the runtimes that lack it:

# %%
table = tokenization.make_table(tokenization.rules_of(classifier.tokenizer))
for character in "É…½，好\u00ad\u00a0":  # what the table does not name stays as it is
    becomes = table.get(ord(character), character)
    print(f"U+{ord(character):04X}  {character!r:9} becomes {becomes!r}")
divided = tokenization.divide_words("Très bon… ½ price，好吃", table)
print(divided)
course.finding(
    "after the table only spaces divide words",
    divided == ["tres", "bon", "…", "½", "price", "，", "好", "吃"],
)

# %% [markdown]
# The SavedModel and the pair's `preprocess` hold the same table and apply it themselves. ONNX needs none: its user calls `tokenizers`.
# `tools/tokenizer_differences.py` compares the exports, with the table applied, on every character of Unicode, and writes each difference to
# `data/tokenizer_differences.csv`. That file lists none.

# %% [markdown]
# ## ONNX: a file for other runtimes
#
# **ONNX** files run in onnxruntime, from C#, Java or a browser. The file takes ids, not text. In Python, load `tokenizer.json` beside it
# with the package `tokenizers` to make them: neither TensorFlow nor Keras is needed. Other languages need a WordPiece tokenizer that reads that file.

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("ONNX"):
    onnx_folder = export.write_onnx(classifier, home / "onnx")
    kinds = "float32", "int8"
    onnx = {kind: predicting.OnnxModel(onnx_folder, kind) for kind in kinds}

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the ids for ONNX"):
    encoded = [windows[0].ids for windows in onnx["float32"].windows_of(texts)]
    rows = [
        row[: len(ids)] == ids.tolist()
        for row, ids in zip(encoded, expected, strict=True)
    ]
    course.finding("tokenizer.json gives the same ids for every text", all(rows))
    print(sorted(path.name for path in onnx_folder.iterdir()))

# %% [markdown]
# ## Side by side
#
# Size on disk, milliseconds for one text, the largest difference from Keras in any probability, and how often the answer is the
# same.

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("the comparison"):
    exports = {
        "SavedModel": (lambda batch: served.predict(tf.constant(batch)).numpy(), folder)
    }
    for kind, model in lite.items():
        exports[f"LiteRT {kind}"] = (model, paths[kind])
    for kind, name in (("float32", "model.onnx"), ("int8", "model-int8.onnx")):
        exports[f"ONNX {kind}"] = (onnx[kind], onnx_folder / name)
    table = export.compare(classifier, exports, texts)
    digits = {"MB": 1, "ms a text": 1, "largest difference": 6, "same answer": 3}
    print(table.round(digits).to_string())

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claims about it"):
    exact = table["largest difference"]
    exact = exact[["SavedModel", "LiteRT float32", "ONNX float32"]]
    course.finding("all float32 exports differ by at most 0.0001", exact.max() <= 1e-4)
    agreement, size, ms = table["same answer"], table["MB"], table["ms a text"]
    same = agreement["LiteRT int8"]
    course.finding("LiteRT int8 gives the same answer to over 96 %", same > 0.96)
    course.finding("ONNX int8 to over 90 %", agreement["ONNX int8"] > 0.90)
    smaller = size["LiteRT int8"] < size["LiteRT float32"] / 3
    course.finding("LiteRT int8 is under a third of float32", smaller)
    wrong = agreement["LiteRT full int8"] < 0.90
    course.finding("full int8 is wrong far more often: under 90 % the same", wrong)
    faster = ms["LiteRT int8"] < ms["Keras predict"]
    course.finding("LiteRT int8 answers one text faster than predict", faster)

# %% [markdown]
# When this was written, ONNX was the fastest: it computes only as many tokens as the text has. LiteRT wants one fixed size, so every text is padded
# to 128 tokens, and it still beats `predict`. All float32 files keep the model's answers: take ONNX float32, or the SavedModel where your server runs
# TensorFlow. Take ONNX int8 only if you accept that some answers change; the column "same answer" says how many. Take LiteRT int8
# where the file must be small. The [benchmarks](../benchmarks/README.md) time them in interleaved rounds, beside a compiled function
# and PyTorch. On your machine the order may differ: measure there.

# %% [markdown]
# The last LiteRT row is a warning: where every computation uses whole numbers, the model often gives another answer. Eight bits allow 256
# values. They are too few to hold both the very large and the small values that occur in attention and normalisation.

# %% [markdown]
# ## A model card (模型卡)
#
# Whoever receives the file should know what it is, how good it is, and what it must not be used for. The card is written by code, from what was measured:
# nobody typed a number.

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("the model card"):
    name = data.name_of(course.source)
    facts = {"model": chosen.name, "data": name}
    facts["backbone"] = Path(course.profile.backbone).name
    facts["classes"] = ", ".join(label_names)
    parts = {"training": train[:train_limit], "validation": validation, "test": test}
    facts |= {f"{name} texts": f"{len(part):,}" for name, part in parts.items()}
    facts["recipe"] = f"{recipe.epochs} epochs, batch {recipe.batch_size}, "
    facts["recipe"] += f"learning rate {recipe.learning_rate}, seed {seed}"
    if course.profile.backbone == models.MINILM:
        facts["licence of the weights"] = "Apache-2.0"
    if chosen.name == "bag of words":
        facts["exports"] = "of BERT; the bag of words won, and answers"

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("the model card"):
    probabilities = chosen.predict_proba(test["text"])
    scores = evaluation.compare(test["label"].to_numpy(), {"this model": probabilities})
    limits = models.describe_tokens(
        classifier.tokenizer, test["text"].tolist(), classifier.max_length
    )
    calibration = evaluation.calibration_error(test["label"], probabilities)
    limits["% calibration error"] = 100 * calibration
    print(evaluation.write_card(home, facts, scores, table, label_names, limits))

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claim about the card"):
    course.claim("the card lies beside the exports", (home / "README.md").is_file())

# %% [markdown]
# ## Use it
#
# All of this lies in one folder under `artifacts/models/`. Its name is that of the data and a hash of what decided the model, so other data do
# not overwrite it. `artifacts/latest` points at the last one. If lesson 05 found a bag of words better than BERT on your data, its terms and weights
# lie there, too, and `predicting` uses them. That helper imports neither Keras nor TensorFlow. `make predict DATA=new.csv` labels a whole file.

# %% tags=["nbval-ignore-output"]
if chosen.name == "bag of words":
    with runtime.written_whole(home / "bag_of_words", folder=True) as unfinished:
        words.write_bag_of_words(chosen.bag_of_words, chosen.counts, unfinished)
    predicting.write_facts(home, "bag_of_words", label_names)
elif course.backend == "tensorflow":
    predicting.write_facts(home, "onnx", label_names)
if (home / "model.json").is_file():
    course.report(f"The model ({chosen.name}) lies in {home.name}.")
    print(predicting.load(home).label(["Everything was wonderful.", "A waste."]))

# %%
if (home / "model.json").is_file():
    some = [own_file.clean_text(text) for text in test["text"][:50]]
    elsewhere, here = predicting.load(home)(some), chosen.predict_proba(some)
    largest = abs(elsewhere - here).max()
    course.claim("it answers as the model here, to 0.0001", largest < 1e-4)

# %% [markdown]
# ## What this does not show
#
# Batches and many users at once (serving is planned), phones themselves, and whether int8 hurts some slice more than others:
# ask lesson 06's questions of the file that you ship.

# %% [markdown]
# ## Exercises
#
# 1. int8 by hand: store a matrix in whole numbers from -127 to 127 and one scale. How large is the largest error?
# 2. Write the feed of an ONNX file yourself, with the `tokenizers` package alone.
# 3. In the export's folder, rename `labels.json`. What still works, what is lost, and why should labels travel with a model?
#
# With a check that tells you whether your answer holds: [exercises](exercises/11_export.ipynb); solved: [solutions](solutions/11_export.ipynb).

# %% [markdown]
# ## What you can do now
#
# - ✔ say what a served model must contain (*What must go along*);
# - ✔ export a SavedModel that takes strings (*Export*);
# - ✔ prove that it answers alike (*The same answers, elsewhere*);
# - ✔ go on training a pair's encoder (*The TF-Hub pair*);
# - ✔ choose between files (*Side by side*).
#
# **References.** TensorFlow guide: *Using the SavedModel format*. Mitchell et al.: *Model Cards for Model Reporting*, 2019. Jacob et al.:
# *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*, 2018. Sculley et al.: *Hidden Technical Debt in Machine Learning
# Systems*, 2015. Breck et al.: *The ML Test Score*, 2017.
#
# **Glossary.** deployment 部署 · export 模型导出 · graph 计算图 · model card 模型卡 · quantisation 量化 · serving 模型服务.
