# %% [markdown]
# # 06 · Fine-tuning: a pre-trained BERT learns your task
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.1.0/notebooks/06_fine_tuning.ipynb)
#
# You will fine-tune (微调) a real pre-trained BERT to tell positive from negative reviews, in a few minutes on two
# CPU cores, and stop and resume a training without losing anything.
#
# **You will be able to**
#
# - put a classification head on a pre-trained backbone;
# - choose learning rate, warm-up and decay, and say why;
# - fine-tune, and read the curves;
# - resume a training that was killed.
#
# **You need first:** lessons 00 and 02. **Time:** about 25 minutes to read, five minutes to run on two CPU cores.

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
epochs = 3  # times that the model sees all training reviews
batch_size = 16  # reviews a step
learning_rate = 1e-4  # the peak; exercise 1 tries Keras's default for Adam, 1e-3
train_limit = None  # use only so many training reviews (None: all)

# %%
import numpy as np

from helpers import data, evaluation, figures, finetuning, models, runtime

course = runtime.start(seed)

# %% tags=["nbval-ignore-output"]
splits = data.prepared()

# %%
train, validation = splits["train"][:train_limit], splits["validation"]
print(f"{len(train):,} reviews to train, {len(validation)} to validate")

# %% [markdown]
# ## Backbone and head
#
# The backbone brings what it learnt from a billion sentence pairs. The **head** is new: the mean over the tokens'
# vectors, as in lesson 00, then one layer to two numbers, the **logits**, one for each class. Its weights start at random.

# %%
classifier = models.classifier(num_classes=2, seed=seed)
backbone_size = models.parameter_count(classifier.backbone)
head_size = models.parameter_count(classifier.model.get_layer("logits"))
print(f"backbone {backbone_size:,} parameters, head {head_size:,}")

# %% [markdown]
# The head takes 384 numbers and gives 2: 384 x 2 weights and 2 biases.

# %%
course.claim("the head has 384 x 2 + 2 parameters", head_size == 384 * 2 + 2)

# %% [markdown]
# ## One batch, by hand
#
# Follow the shapes once. Three reviews become token ids, one row each, filled up to a common length.

# %%
some = train[:3]
inputs = finetuning.pad(models.token_ids(classifier.tokenizer, some["text"].tolist()))
print({name: array.shape for name, array in inputs.items()})
logits = np.asarray(classifier.model(inputs, training=False))
print("logits", logits.shape)

# %% [markdown]
# **Softmax** turns logits into probabilities; the loss, **cross-entropy** (交叉熵), is minus the logarithm of the
# probability that the right class got. A model that knows nothing says 1/2 : 1/2 and has a loss of ln 2, about 0.69.

# %%
loss = finetuning.cross_entropy(some["label"].to_numpy(), logits)
print(f"loss before any training: {loss:.1f}")
course.claim("an untrained head is near the loss of guessing, ln 2 (within 0.2)", abs(loss - np.log(2)) < 0.2)

# %% [markdown]
# Labels stay whole numbers (0, 1), so the loss is the *sparse* categorical cross-entropy, from logits. With
# `softmax` in the model *and* `from_logits=True`, training would still run, and learn badly: no error tells you.

# %% [markdown]
# ## Learning rate: warm-up and decay
#
# Pre-trained weights are good already: large steps destroy them. So the rate (学习率) starts at 0, rises over the
# first tenth of the steps while Adam collects its averages, then falls to 0 again.

# %%
recipe = finetuning.Recipe(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
steps = recipe.epochs * -(-len(train) // recipe.batch_size)
schedule = finetuning.learning_rates(recipe, steps)
rates = np.array([float(schedule(step)) for step in range(steps + 1)])

# %% tags=["nbval-ignore-output"]
figure, axes = figures.new("Learning rate: warm-up, then decay", "step", "learning rate")
axes.plot(rates, color=figures.BLUE)
figures.show(figure, "A line that rises steeply from 0 over the first tenth of the steps and then falls slowly back to 0.")

# %%
course.claim("the rate starts and ends at 0", rates[0] == 0 and rates[-1] < 1e-8)

# %% [markdown]
# The optimizer is **AdamW**: Adam, with weight decay (权重衰减) kept apart from the gradients. Biases and
# normalisation weights do not decay, and gradients are clipped, so that one odd batch cannot throw the model off.

# %% [markdown]
# ## Fine-tune
#
# All weights train, those of the backbone too. After each epoch the state is saved, so if you stop this cell and run
# it again, it goes on where it was. The weights of the best epoch on the *validation* reviews are kept.

# %% tags=["nbval-ignore-output"]
classifier, history = finetuning.fine_tuned(train, validation, recipe, remake=True)
print(history.round(3).to_string(index=False))

# %% tags=["nbval-ignore-output"]
figures.show(
    figures.history(history),
    "Two lines over the epochs. The training loss falls steadily; the validation loss falls first and then levels off or rises.",
)

# %% [markdown]
# The training loss goes on falling when the validation loss no longer does: the model begins to learn the
# training reviews by heart (过拟合). A validation loss that rises while the share of right answers still grows means
# that the few wrong answers are given with more and more confidence. So the best epoch is chosen by accuracy, and these
# probabilities are not to be trusted as they stand.

# %%
course.claim("the training loss falls from the first to the last epoch", history["train_loss"].is_monotonic_decreasing)
course.claim(
    "training gains more on the training reviews than on the validation reviews",
    history["train_loss"].iloc[-1] < history["validation_loss"].iloc[-1],
)

# %% [markdown]
# ## Against the baseline
#
# The same two baselines as in lesson 02, on the same validation reviews.

# %% tags=["nbval-ignore-output"]
labels = validation["label"].to_numpy()
bag_of_words = data.bag_of_words().fit(train["text"], train["label"])
results = {
    "majority": evaluation.majority(train["label"].to_numpy(), len(validation)),
    "bag of words": bag_of_words.predict_proba(validation["text"]),
    "fine-tuned MiniLM": finetuning.predict_proba(classifier, validation["text"].tolist()),
}
table = evaluation.compare(labels, results)
print((100 * table[["accuracy", "low", "high"]]).round(1).to_string())

# %%
accuracy = table["accuracy"]
course.claim("fine-tuned, it beats the majority by over 15 points", accuracy.iloc[2] > accuracy.iloc[0] + 0.15)
if train_limit is None:
    course.claim("and the bag of words by over 2 points", accuracy.iloc[2] > accuracy.iloc[1] + 0.02)

# %% [markdown]
# These reviews chose the best epoch, so they flatter the model a little. The verdict falls in lesson 07, on reviews
# that chose no epoch.

# %% [markdown]
# ## New reviews
#
# Texts that are in no split:

# %% tags=["nbval-ignore-output"]
new = ["Everything about this place was wonderful.", "A complete waste of money.", "I would not call it good."]
probabilities = finetuning.predict_proba(classifier, new)
for text, row in zip(new, probabilities, strict=True):
    print(f"{data.LABELS[row.argmax()]:9} {text}")

# %%
course.claim("clear praise and clear blame are told apart", probabilities[0, 1] > 0.5 > probabilities[1, 1])

# %% [markdown]
# The third one is your test of the model: negation turns it round, and no claim is made about it.

# %% [markdown]
# ## Stop and resume
#
# A checkpoint holds weights, the optimizer's averages and dropout's random states; the order of the reviews follows
# from seed and epoch. A tiny model shows that nothing else is needed: here one training runs through, another
# is stopped in its second epoch and resumed.

# %%
import tempfile
from pathlib import Path

import keras
import keras_hub


def tiny_model():
    """The same first weights at each call: 2 small layers, and a new head."""
    keras.utils.set_random_seed(seed)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=True)
    backbone = keras_hub.models.BertBackbone(len(vocabulary), 2, 2, 16, 32, max_sequence_length=16)
    return models.with_head(backbone, tokenizer, num_classes=2)


# %%
class StopButton(keras.callbacks.Callback):
    """Stops the training after 6 batches, as you would by hand."""

    batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        if self.batches == 6:
            raise KeyboardInterrupt


# %% tags=["nbval-ignore-output"]
tiny_recipe = finetuning.Recipe(epochs=3, batch_size=4, learning_rate=1e-3, seed=seed)
tiny_data = (["good film", "bad film", "good", "bad"] * 4, np.array([1, 0, 1, 0] * 4))
through, stopped, resumed = tiny_model(), tiny_model(), tiny_model()
finetuning.fine_tune(through, tiny_data, tiny_data, tiny_recipe)
with tempfile.TemporaryDirectory() as folder:
    try:
        finetuning.fine_tune(stopped, tiny_data, tiny_data, tiny_recipe, Path(folder), [StopButton()])
    except KeyboardInterrupt:
        print("\nstopped in the second epoch")
    finetuning.fine_tune(resumed, tiny_data, tiny_data, tiny_recipe, Path(folder))

# %%
pairs = zip(finetuning.values_of(through.model.variables), finetuning.values_of(resumed.model.variables), strict=True)
difference = max(np.abs(a.astype("float64") - b.astype("float64")).max() for a, b in pairs)
course.claim("resumed, all weights end within 0.000001 of the uninterrupted ones", difference < 1e-6)

# %% [markdown]
# ## Exercises
#
# 1. Set `learning_rate = 1e-3`, Keras's default for Adam, and `epochs = 1`. What happens to the loss, and to the answers?
# 2. Set `train_limit = 300`. By how much does MiniLM still beat the bag of words? Which of them needs more data?

# %% [markdown]
# ## What you can do now
#
# - ✔ put a head on a backbone (*Backbone and head*);
# - ✔ choose rate, warm-up and decay (*Learning rate*);
# - ✔ fine-tune and read the curves (*Fine-tune*, *Against the baseline*);
# - ✔ resume a training (*Stop and resume*).
#
# **References.** Devlin et al.: *BERT*, 2019, appendix A.3 (recipes for BERT-base). Loshchilov, Hutter: *Decoupled Weight Decay
# Regularization*, 2019 (AdamW). Mosbach, Andriushchenko, Klakow: *On the Stability of Fine-tuning BERT*, 2021.
#
# **Glossary.** cross-entropy 交叉熵 · epoch 轮次 · fine-tuning 微调 · head 分类头 · learning rate 学习率 ·
# over-fitting 过拟合 · weight decay 权重衰减.
