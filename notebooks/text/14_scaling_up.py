# %% [markdown]
# # 14 · Scaling up: the same training, faster, larger, on several devices
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/14_scaling_up.ipynb)
#
# You will train one small BERT in half precision, compiled, in accumulated batches, on four devices and in two processes, and
# check each time that it learns the same. Then you will work out what a million texts cost on three accelerators.
#
# **You will be able to**
#
# - use mixed precision, XLA and gradient accumulation, and say what each one saves;
# - train from many files that are read side by side;
# - train on several devices and prove that the result is the same;
# - say when TPUs, several hosts, model parallelism, Beam or Dask take over;
# - estimate time and cost before you rent anything.
#
# **You need first:** lessons 01, 03 and 05. **Time:** about 40 minutes to read, three minutes to run on two CPU cores.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% tags=["parameters"]
seed = 42
training_reviews = 512  # in all trainings of this lesson; a multiple of the batch
global_batch = 64  # reviews a step, on all devices together
devices = 4  # that JAX is to see
training_texts = 1_000_000  # of the estimate
# share of an accelerator's peak that such a training reaches: an assumption
utilisation = 0.3

# %%
import inspect
import time

import keras
import numpy as np
import pandas as pd

from helpers import architecture, data, figures, finetuning, models
from helpers import runtime, scaling

# on every device: here 16 bits are asked for where they are shown
course = runtime.start(seed, dtype_policy="float32")
# accelerators compute matrix products with fewer digits
rounding = 1e-5 if course.device.kind == "CPU" else 1e-2

# %% [markdown]
# ## One training, many ways
#
# **Distributed training** (分布式训练) spreads one training over several devices. Here they are emulated: one processor that claims to be
# several. So nothing gets faster. What a laptop can test is what fails silently: whether it is still **the same training**. The model is
# tiny, and without dropout, whose random numbers would differ from device to device.

# %% tags=["nbval-ignore-output"]
splits, _ = data.prepare_splits()
reviews = splits["train"][:training_reviews]
token_ids = models.token_ids(
    models.load_tokenizer(), reviews["text"].tolist(), scaling.LENGTH
)

# %%
ids, labels = scaling.cut_or_fill(token_ids), reviews["label"].to_numpy("int32")
inputs = models.inputs_of(ids)
pieces = int(ids.max()) + 1
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
print({name: array.shape for name, array in inputs.items()})

# %% [markdown]
# ## Mixed precision (混合精度)
#
# A float32 takes four bytes. Two would halve the memory and the traffic, and an accelerator's matrix units (on GPUs *tensor cores*) compute
# them several times faster. There are two ways to spend 16 bits: **float16** keeps digits, **bfloat16** keeps the range.

# %%
for kind in ("float32", "float16", "bfloat16"):
    some = keras.ops.cast(keras.ops.convert_to_tensor([1.001, 70_000.0, 1e-8]), kind)
    print(
        f"{kind:9}",
        [
            f"{value:.6g}"
            for value in keras.ops.convert_to_numpy(keras.ops.cast(some, "float32"))
        ],
    )

# %% [markdown]
# float16 lets the large number overflow and the small one vanish. bfloat16 keeps both, but 1.001 has become 1: it has under three decimal
# digits. A small update on a weight near 1 would be rounded away, too. Hence *mixed*: weights stay in float32, only the computation is done in
# 16 bits.

# %%
with scaling.use_precision("mixed_bfloat16"):
    layer = keras.layers.Dense(4)
answer = layer(np.ones((2, 3), "float32"))
print("weights", layer.kernel.dtype, "- computed in", layer.compute_dtype)
kinds = layer.kernel.dtype, keras.backend.standardize_dtype(answer.dtype)
course.claim(
    "weights stay in float32, the output has 16 bits", kinds == ("float32", "bfloat16")
)

# %% [markdown]
# With float16, gradients are in danger: many are smaller than it can hold. **Loss scaling** (损失缩放) multiplies the loss by a large
# number before the gradients are computed, and divides them by it, in float32, before the update.

# %%
gradient, scale = 1e-8, 2.0**15
lost = float(np.float16(gradient))
kept = float(np.float32(np.float16(gradient * scale)) / scale)
course.claim("float16 takes the gradient 0.00000001 for 0", lost == 0)
course.claim(
    "scaled by 2 to the 15th, it comes back to within 1 %",
    abs(kept / gradient - 1) < 0.01,
)

# %% [markdown]
# Keras does this by itself when the whole *model* is made under `mixed_float16`. If only its layers get that `dtype`, it does not, and says
# nothing. And the logits should be float32 (our head asks for that), since the loss takes exponentials of them.

# %%
with scaling.use_precision("mixed_float16"):
    half = scaling.build_tiny_model(pieces, seed)
half.compile("adamw", loss)
course.claim(
    "the optimizer scales the loss",
    isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer),
)
course.claim("the logits are float32", half.layers[-1].compute_dtype == "float32")

# %% [markdown]
# Three trainings that differ in nothing else. (On a CPU, JAX has no matrix product in float16 that gives float32.)

# %% tags=["nbval-ignore-output"]
losses_by_policy = {}
policies = ["float32", "mixed_bfloat16", "mixed_float16"]
for policy in (
    policies if (course.backend, course.device.kind) != ("jax", "CPU") else policies[:2]
):
    with scaling.use_precision(policy):
        model = scaling.build_tiny_model(pieces, seed)
    model.compile(keras.optimizers.AdamW(1e-3), loss)
    started = time.monotonic()
    fitted = model.fit(
        inputs, labels, batch_size=global_batch, epochs=3, shuffle=False, verbose=0
    )
    losses_by_policy[policy] = fitted.history["loss"]
    print(
        f"{policy:15} loss {fitted.history['loss'][-1]:.4f} after three epochs,"
        f" {time.monotonic() - started:.1f} s"
    )

# %%
table = pd.DataFrame(losses_by_policy)  # a row an epoch, a column a policy
course.claim(
    "every loss falls by over 0.01", (table.iloc[0] - table.iloc[-1]).min() > 0.01
)
course.claim("and all end within 0.003 of each other", np.ptp(table.iloc[-1]) < 0.003)

# %% [markdown]
# The seconds say little: most are for building the graph, and this model is tiny. Half precision is for accelerators. A T4 wants `mixed_float16`; newer GPUs and all TPUs
# want `mixed_bfloat16`, which needs no loss scaling.
#
# ## XLA
#
# Usually each operation reads its input from memory and writes its output back. **XLA**, a compiler at run time (即时编译), makes one program
# of a whole function and fuses neighbouring operations. The price: it compiles anew for each *shape*. A Python line inside the function
# runs only then, so it can count.

# %%
model = scaling.build_tiny_model(pieces, seed)
compiled_for = []


def logits(batch):
    compiled_for.append(tuple(batch["token_ids"].shape))
    return model(batch, training=False)


# With TensorFlow tf.function(..., jit_compile=True), with JAX jax.jit(...):
fast = scaling.compile_function(logits)
for texts in (16, 32, 16, 32, 16, 32):
    answer = fast({name: array[:texts] for name, array in inputs.items()})
print(compiled_for)
slow_answer = model({name: a[:32] for name, a in inputs.items()}, training=False)
answers = [keras.ops.convert_to_numpy(found) for found in (answer, slow_answer)]
difference = np.abs(answers[0] - answers[1]).max()
course.claim("six calls in two shapes are compiled twice", len(compiled_for) == 2)
course.claim("the logits are the same, up to rounding", difference < rounding)

# %% tags=["nbval-ignore-output"]
batch = {name: array[:32] for name, array in inputs.items()}
ways = {"operation by operation": lambda b: model(b, training=False), "XLA": fast}
if course.backend == "tensorflow":
    by_hand = ways["operation by operation"]
    ways["as a graph, not compiled"] = scaling.compile_function(by_hand, by_xla=False)
for name, function in ways.items():
    function(batch)
    started = time.monotonic()
    for _ in range(20):
        keras.ops.convert_to_numpy(function(batch))
    print(f"{name:24} {(time.monotonic() - started) / 20 * 1000:.1f} ms a batch")

# %% [markdown]
# Most is gained by the graph, which `fit` always makes. Compiled, it likes few shapes: where XLA is on, lesson 05 pads to four lengths, and a
# smaller last batch is better dropped or filled up. With JAX it is always on, with TensorFlow on GPUs (but not under a `tf.distribute`
# strategy); on a CPU `model.compile(..., jit_compile=True)` asks for it.
#
# ## Gradient accumulation (梯度累积)
#
# A batch of 64 does not fit into memory? Compute four of 16, **add up** their gradients, and update once. By hand, with the mean squared
# error of lesson 03:

# %%
random = np.random.default_rng(seed)
X, y, w = random.normal(size=(64, 8)), random.normal(size=64), random.normal(size=8)


def gradient_of(rows):
    """Gradient of the mean squared error over some rows, (8,)."""
    return 2 / len(rows) * X[rows].T @ (X[rows] @ w - y[rows])


whole, equal = gradient_of(np.arange(64)), np.split(np.arange(64), 4)
unequal = np.split(np.arange(64), [60])  # 60 rows and 4
by_equal, by_unequal = (
    np.mean([gradient_of(rows) for rows in parts], axis=0) for parts in (equal, unequal)
)
course.claim(
    "the mean over four equal parts is the gradient of the whole",
    np.allclose(by_equal, whole),
)
course.claim(
    "with parts of 60 and 4 it is off by over 0.1",
    np.abs(by_unequal - whole).max() > 0.1,
)

# %% [markdown]
# Remember the second line: wherever a batch is split, in time or among devices, a smaller part must weigh less. Exercise 1 mends it. Now in
# Keras, an epoch with SGD: whole batches, quarters, and whole ones compiled by XLA.

# %%
weights, updates = [], []
quarter, whole = (global_batch // 4, 4), (global_batch, None)
for (size, steps), xla in ((whole, "auto"), (quarter, "auto"), (whole, True)):
    model = scaling.build_tiny_model(pieces, seed)
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps)
    model.compile(optimizer, loss, jit_compile=xla)
    model.fit(inputs, labels, batch_size=size, epochs=1, shuffle=False, verbose=0)
    weights.append(finetuning.values_of(model.trainable_variables))
    updates.append(int(model.optimizer.iterations))
print(f"updates: {updates}")
whole, quarters, by_xla = weights
course.claim(
    "in quarters: as many updates, the same weights",
    updates[0] == updates[1] and scaling.largest_difference(whole, quarters) < rounding,
)
course.claim(
    "compiled: the same weights", scaling.largest_difference(whole, by_xla) < rounding
)

# %% [markdown]
# An update takes as long as before; only the memory for **activations**, the values between the layers, shrinks to a quarter. The *weights* need
# even more, one number each: the sum so far. And there is a trap. How far is the learning rate after 8 batches, which are 2 updates?

# %%
# 0.01 less each step
falling = keras.optimizers.schedules.PolynomialDecay(
    1.0, decay_steps=100, end_learning_rate=0.0
)
optimizer, weight = (
    keras.optimizers.SGD(falling, gradient_accumulation_steps=4),
    keras.Variable([0.0]),
)
optimizer.build([weight])
for _ in range(8):
    optimizer.apply([keras.ops.ones(1)], [weight])
rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
print(f"{int(optimizer.iterations)} updates, learning rate {rate:.2f}")
course.claim(
    "Keras 3.15: the schedule has counted 8 batches, not 2 updates",
    abs(rate - 0.92) < 1e-6,
)

# %% [markdown]
# So give a schedule the number of batches, whatever you accumulate.
#
# ## Data that no longer fit into memory
#
# Split them into files, **shards** (分片), and read while the model computes. TFRecord is TensorFlow's file of byte strings; tf.data reads it.

# %% tags=["needs-tensorflow"]
folder = runtime.artifacts_folder() / "scaling"
if course.has_tensorflow("writing and reading TFRecord files"):
    paths = scaling.write_shards(token_ids, labels, folder / "shards", number=8)
    batches = list(scaling.read_shards(paths, batch_size=100))
    read = np.concatenate([part["token_ids"] for part, _ in batches])
    sizes = [len(targets) for _, targets in batches]
    print(paths[0].name, "to", paths[-1].name, "-", sizes, "texts a batch")
    same = sorted(map(tuple, read)) == sorted(map(tuple, ids))
    course.claim("every review comes exactly once, with its ids", same)
    # Files do not say how many texts they hold; Keras would try a batch too many.
    model = scaling.build_tiny_model(pieces, seed)
    model.compile("adamw", loss)
    steps, shards = len(ids) // global_batch, scaling.read_shards(paths, global_batch)
    model.fit(shards, steps_per_epoch=steps, shuffle=False, verbose=0)
    updated = int(model.optimizer.iterations)
    course.claim("Keras trains on them: an update for each batch", updated == steps)

# %% [markdown]
# Files in a far-away store are slow to *open*; here that takes half a second. `interleave` opens several at once and takes a text from each
# in turn. Reading is mostly waiting, so it wants more threads than there are cores; `read_shards` asks for them. `prefetch`, at
# its end, reads the next batch while the model computes on this one.

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
def after_a_wait(name):
    """The same name, from a place that takes its time."""
    time.sleep(0.5)
    return name


def read_slowly(path):
    """A file's records, as from a store that takes its time."""
    import tensorflow as tf

    def wait(name):
        return tf.ensure_shape(tf.numpy_function(after_a_wait, [name], tf.string), [])

    waited = tf.data.Dataset.from_tensors(path).map(wait)
    return waited.flat_map(tf.data.TFRecordDataset)


if course.has_tensorflow("the slow store"):
    seconds = {}
    for at_once in (1, 8):
        started = time.monotonic()
        batches = scaling.read_shards(paths, 64, at_once, read_slowly)
        count = sum(len(targets) for _, targets in batches)
        seconds[at_once] = time.monotonic() - started
        print(f"{at_once} at once: {count} reviews in {seconds[at_once]:.2f} s")

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claim about it"):
    course.claim(
        "eight files at once take under half the time of one after the other",
        seconds[8] < seconds[1] / 2,
    )

# %% [markdown]
# Without TensorFlow there is a plain way, which the processes below use: a **memory-mapped** file (内存映射). NumPy opens it at once and reads
# only the rows that you touch.

# %%
# gradients' norms stay far below a million, so nothing is clipped
recipe = finetuning.Recipe(
    epochs=3, batch_size=global_batch, learning_rate=0.1, clip_norm=1e6, seed=seed
)
scaling.save_training(folder / "plain", ids, labels, recipe)
mapped, _, _ = scaling.load_training(folder / "plain")
print(type(mapped).__name__, mapped.shape)
course.claim(
    "the mapped rows are the same", np.array_equal(mapped[100:110], ids[100:110])
)

# %% [markdown]
# ## Data parallelism (数据并行)
#
# Each device has a copy of the model and takes an equal share of each batch. The gradients are added up (**all-reduce**, 全归约), and each
# copy does the same update. It is gradient accumulation side by side. With Keras it is one line around the model, in which we name the
# emulated devices. On real ones `keras.distribution.DataParallel()` and `tf.distribute.MirroredStrategy()` need no arguments.

# %%
print(inspect.getsource(scaling.use_data_parallel))

# %% [markdown]
# A notebook's kernel has one backend, fixed when Keras is imported, and one number of devices, fixed at the first computation. So `helpers/scaling.py` runs as a program in a process of its
# own: first on one device, then on four. A batch must be divisible by the devices. The optimizer is SGD on purpose: AdamW divides by the
# gradient's size, and would hide it if four devices' gradients were added up where their mean is due. (In 24 plain steps the model hardly
# learns more than not to be wrong too surely; for the comparison that does not matter.)

# %% tags=["nbval-ignore-output"]
scaling.run(
    "devices", folder / "plain", 1, devices, environments=[{"KERAS_BACKEND": "jax"}]
)

# %%
losses, one = scaling.load_result(folder / "plain", "jax-1")[:2]
losses_of_many, many, facts = scaling.load_result(folder / "plain", f"jax-{devices}")
course.claim(
    "JAX: the weights lay on as many devices as we asked for",
    facts["devices"] == devices,
)
course.claim(
    "and each had its share of a batch",
    facts["texts a device"] == global_batch // devices,
)
course.claim(
    "the losses are those of one device, within 0.0001",
    np.abs(losses - losses_of_many).max() < 1e-4,
)
course.claim(
    "and so are the weights, within 0.0001",
    scaling.largest_difference(one, many) < 1e-4,
)
course.claim("the loss falls by over 0.01", losses[0] - losses[-1] > 0.01)

# %% [markdown]
# TensorFlow's way is `MirroredStrategy`, for several GPUs of one machine (多GPU训练); here for a processor that plays two.

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("MirroredStrategy"):
    scaling.run("devices", folder / "plain", 1, 2)

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claims about it"):
    losses, one = scaling.load_result(folder / "plain", "tensorflow-1")[:2]
    losses_of_two, two, facts = scaling.load_result(folder / "plain", "tensorflow-2")
    course.claim("TensorFlow: the weights lay on two devices", facts["devices"] == 2)
    course.claim(
        "the losses are those of one device, within 0.0001",
        np.abs(losses - losses_of_two).max() < 1e-4,
    )
    course.claim(
        "and so are the weights, within 0.0001",
        scaling.largest_difference(one, two) < 1e-4,
    )

# %% [markdown]
# Is it always the same? We had switched one thing off: **clipping** (梯度裁剪). Now it is on. JAX compiles one program for all devices and
# clips the sum of their gradients. Under `MirroredStrategy`, Keras 3.15 clips each device's share *before* they are added up: other
# numbers, and no warning.

# %% tags=["nbval-ignore-output"]
from dataclasses import replace

clipped = folder / "clipped"
scaling.save_training(clipped, ids, labels, replace(recipe, clip_norm=0.1))
scaling.run("devices", clipped, 1, devices, environments=[{"KERAS_BACKEND": "jax"}])
if course.has_tensorflow("clipping under MirroredStrategy"):
    scaling.run("devices", clipped, 1, 2)

# %%
by_jax = [scaling.load_result(clipped, f"jax-{number}")[1] for number in (1, devices)]
course.claim(
    "JAX: with clipping, too, the weights agree within 0.0001",
    scaling.largest_difference(*by_jax) < 1e-4,
)
if course.has_tensorflow("the claim about TensorFlow"):
    names = ("tensorflow-1", "tensorflow-2")
    by_tensorflow = [scaling.load_result(clipped, name)[1] for name in names]
    course.claim(
        "TensorFlow: they differ by over 0.001",
        scaling.largest_difference(*by_tensorflow) > 1e-3,
    )

# %% [markdown]
# Two more traps. Four devices with 64 texts *each* are a batch of 256: fewer updates, so people raise the learning rate with the batch and
# warm up longer (Goyal et al., 2017). And emulated devices share one processor: measure speed on real ones.
#
# ## Model parallelism (模型并行)
#
# Every copy needs room for weights, gradients and AdamW's two averages: four float32 numbers a weight (with accumulation five), on *each*
# device. Does that fit?

# %%
base = (
    pd.read_csv(runtime.COURSE / "data" / "models.csv")
    .set_index("model")
    .loc["BERT-base", "parameters"]
)
for name, parameters in (("BERT-base", base), ("a model of 7 billion", 7e9)):
    print(f"{name:20} {4 * 4 * parameters / 1e9:6.1f} GB, without activations")

# %% [markdown]
# BERT-base fits anywhere. The large one does not fit on an H100's 80 GB: its matrices must be cut, and each device keeps a part. Keras has
# `ModelParallel` for it (with JAX): a map from names of weights to axes. Only then do devices wait for each other inside each layer, so it
# wants fast links.

# %%
print(inspect.getsource(scaling.use_model_parallel))

# %% tags=["nbval-ignore-output"]
scaling.run("split", folder / "plain", 2, environments=[{"KERAS_BACKEND": "jax"}])

# %%
names = ("jax-1", "jax-split-2")
facts = [scaling.load_result(folder / "plain", name)[2] for name in names]
matrix = "transformer_layer_0/feedforward_intermediate_dense/kernel"
print(
    "on the first device, whole and split:", [part["layouts"][matrix] for part in facts]
)
course.claim(
    "each of two devices holds half of the matrix",
    np.prod(facts[0]["layouts"][matrix]) == 2 * np.prod(facts[1]["layouts"][matrix]),
)
course.claim(
    "the losses are those of one device, within 0.0001",
    np.abs(np.subtract(*(part["losses"] for part in facts))).max() < 1e-4,
)

# %% [markdown]
# ## Where others take over (分布式训练工具)
#
# | you meet | what changes | take |
# |---|---|---|
# | a **TPU** (张量处理器) | XLA always: fixed shapes, bfloat16; sizes that are multiples of 8 and 128 fill its units; reading must keep up | Keras on JAX, `DataParallel`. `tf.distribute.TPUStrategy` is history: the package tensorflow-tpu stopped at 2.20.0 |
# | **several hosts** | the same program on each; each reads its own files; equally many steps, or all wait for ever; checkpoints by one | `jax.distributed` and `DataParallel`; with TensorFlow a loop by hand, see *Going further* |
# | a model too large for a device | cut matrices, recompute activations | `ModelParallel`, as above |
# | **raw data too large for a machine** | cleaning, splitting, removing copies become jobs on a cluster; the model sees only finished shards | Apache **Beam**: the same pipeline here and on a cluster, in batches or streams; TFDS can run on it |
# | tables too large for pandas, in Python | lazy data frames and task graphs, some machines | **Dask**: preparing, scoring, many small models. It does not train one network on many devices |
# | old advice: **Horovod** | all-reduce as a library | not any more: both frameworks have it built in. Its last release, 0.28.1, is of June 2023; a change for TensorFlow 2.20 was still waiting in December 2025 |
#
# Take the next row only when the one before is used up: one good accelerator first.

# %% [markdown]
# ## Before you rent: an estimate
#
# A million texts of 128 tokens, three epochs, BERT-base. How many operations is that? For a token, each weight of a layer's matrices is one
# multiply-add, so two operations; attention adds its products. The way back costs about twice the way forward: three in all.

# %%
layers, width, inner, tokens, epochs = 12, 768, 3072, 128, 3
# query, key, value, output; two of the feed-forward part
matrices = 4 * width**2 + 2 * width * inner
attention = 2 * tokens * width  # scores, and the weighted sum of values
forward = 2 * layers * tokens * (matrices + attention)
total = 3 * forward * epochs * training_texts
print(f"{forward / 1e9:.1f} billion operations a text forward, {total:.2e} in all")
by_formula = architecture.forward_operations(layers, width, inner, tokens)
course.claim("the formula of lesson 02 says the same", forward == by_formula)

# %% [markdown]
# Peaks and prices lie in `data/accelerators.csv`, with sources and the day of the quote: look again before you use them. Nobody reaches the
# peak. The share that one reaches is the **model FLOPs utilisation** (利用率; Chowdhery et al., 2022, reached 46 % with a huge model). Short
# texts and a small model reach less: we assume 30 %.

# %%
accelerators = pd.read_csv(runtime.COURSE / "data" / "accelerators.csv")
shown = ["precision", "peak_tflops", "memory_gb", "usd_per_hour", "price_date"]
estimate = accelerators.set_index("accelerator")[shown].copy()
estimate["hours"] = total / (estimate["peak_tflops"] * 1e12 * utilisation) / 3600
estimate["USD"] = estimate["hours"] * estimate["usd_per_hour"]
print(estimate.round(2).to_string())
if (training_texts, utilisation) == (1_000_000, 0.3):
    hours, dollars = estimate["hours"], estimate["USD"]
    course.claim(
        "a T4 takes under 4 hours, an H100 under 20 minutes",
        hours["T4"] < 4 and hours["H100"] < 1 / 3,
    )
    course.claim("each of the three costs under 3 dollars", dollars.max() < 3)
    course.claim(
        "the H100 is over 10 times faster than the T4", hours["T4"] > 10 * hours["H100"]
    )
    course.claim(
        "and, at these prices, the dearest of the three", dollars.idxmax() == "H100"
    )
    limit = dollars.min() / hours["H100"]
    print(f"Below {limit:.2f} dollars an hour the H100 would be the cheapest.")

# %% tags=["nbval-ignore-output"]
title, below = "What the training costs", "share of the peak that is used (%)"
figure, axes = figures.new(title, below, "US dollars")
shares = np.linspace(0.1, 0.6, 51)
styles = ((figures.BLUE, "-"), (figures.ORANGE, "--"), (figures.GREEN, ":"))
for name, (colour, line) in zip(estimate.index, styles, strict=True):
    cost = estimate["USD"][name] * utilisation / shares
    axes.plot(100 * shares, cost, line, color=colour, label=name)
axes.set_ylim(bottom=0)
axes.legend(frameon=False)
figures.show(
    figure,
    "Three falling curves of cost by utilisation from 10 to 60 %. The v5e is the"
    " cheapest throughout, then comes the T4; the H100 is the dearest.",
)

# %% [markdown]
# Four warnings. All three are one company's list prices; others rent an H100 out for less, and then the order may turn round. The same share
# for all three is kind to the H100, which a small model hardly fills. Queues, failed runs, storage and your own hours cost more than these
# dollars. And a short text that is padded to 128 tokens pays for 128. So: ten minutes on one device first, measure the share, then put it into
# the formula.

# %% [markdown]
# ## Going further: two workers, a loop by hand
#
# Several hosts, in small: two processes on this machine that know each other only by address. The variable `TF_CONFIG` tells each who it
# is. Keras 3's `fit` does not run under `MultiWorkerMirroredStrategy` (Keras issue 20585), but a loop written by hand does. Its heart:

# %%
print(
    inspect.getsource(scaling.train_worker)
    .split("    if index == 0:")[0]
    .split('"""', 2)[2]
)

# %% [markdown]
# The sum is divided by the texts of *all* workers: then adding up the gradients gives the mean over the whole batch. Were it divided by a
# worker's own share, gradient and step would be twice as large. Each worker trains on its own rows only.

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("two workers"):
    scaling.run("worker", folder / "plain", environments=scaling.describe_cluster(2))

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claims about it"):
    found = scaling.load_result(folder / "plain", "workers-2")
    losses_of_workers, by_workers = found[:2]
    course.claim(
        "two workers: the losses are those of one device, within 0.0001",
        np.abs(losses - losses_of_workers).max() < 1e-4,
    )
    course.claim(
        "and so are the weights, within 0.0001",
        scaling.largest_difference(one, by_workers) < 1e-4,
    )

# %% [markdown]
# With real hosts come the hard parts: a worker that dies stops all (so checkpoint often), a slow one slows all, and each must do equally
# many steps. With JAX the same is `jax.distributed.initialize(address, number, index)` and then `DataParallel` over all devices.

# %% [markdown]
# ## Exercises
#
# 1. Mend the mean: add up the gradients of parts of unequal size so that they give the gradient of the whole.
# 2. At which utilisation is an H100 as cheap as a T4 that uses 30 % of its peak?
# 3. Write dynamic loss scaling: halve the scale after an overflow, double it after some good steps in a row. Check it against Keras's.
#
# With a check that tells you whether your answer holds: [exercises](exercises/14_scaling_up.ipynb); solved:
# [solutions](solutions/14_scaling_up.ipynb).

# %% [markdown]
# ## What you can do now
#
# - ✔ use mixed precision, XLA and accumulation (*Mixed precision*, *XLA*, *Gradient accumulation*);
# - ✔ train from many files that are read side by side (*Data that no longer fit into memory*);
# - ✔ train on several devices and prove it right (*Data parallelism*, *Model parallelism*, *Going further*);
# - ✔ say what takes over when (*Where others take over*);
# - ✔ estimate time and cost (*Before you rent*).
#
# **References.** Micikevicius et al.: *Mixed Precision Training*, 2018. Goyal et al.: *Accurate, Large Minibatch SGD*, 2017. Chowdhery et
# al.: *PaLM: Scaling Language Modeling with Pathways*, 2022, appendix B (utilisation). Kaplan et al.: *Scaling Laws for Neural Language
# Models*, 2020 (operations). TensorFlow guides: *Better performance with the tf.data API*; *Custom training loop with Keras and
# MultiWorkerMirroredStrategy*. Keras guide: *Distributed training with Keras 3*.
#
# **Glossary.** all-reduce 全归约 · data parallelism 数据并行 · distributed training 分布式训练 · gradient accumulation 梯度累积 · loss scaling 损失缩放 ·
# mixed precision 混合精度 · model parallelism 模型并行 · shard 分片 · TPU 张量处理器 · utilisation 利用率.
