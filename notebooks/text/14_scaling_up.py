# %% [markdown]
# # 14 · Scaling up: the same training, faster, larger, on several devices
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/14_scaling_up.ipynb)
#
# You will train one small BERT in half precision, compiled, in accumulated batches and on four emulated devices, and check
# each time that it learns the same.
#
# **You will be able to**
#
# - use mixed precision, XLA and gradient accumulation, and say what each one saves;
# - train from many files that are read side by side;
# - train on several devices and prove that the result is the same;
# - say what to do with a model, or with data, too large for one device;
# - estimate time and cost before you rent anything.
#
# **You need first:** lessons 01, 03 and 05.
# **Time:** about 45 minutes to read, 25 for the exercises, 5 to run on two CPU cores.

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
utilisation = 0.3  # share of an accelerator's peak that is reached: an assumption

# %%
import numpy as np
import pandas as pd

from helpers import architecture, data, finetuning, models, runtime, scaling

import keras  # after the helpers, which settle the backend

course = runtime.start(seed, dtype_policy="float32")  # accelerators may still
rounding = 1e-5 if course.device.kind == "CPU" else 1e-2  # use fewer digits: faster

# %% [markdown]
# ## One training, many ways
#
# **Distributed training** (分布式训练) spreads a training over several devices. Here one processor pretends to be several,
# so nothing gets faster. But a laptop can test whether it is still **the same training**. The
# model is tiny: 2 blocks, vectors of 64 numbers, 32 tokens a text. It has no dropout, whose random numbers would differ.

# %% tags=["nbval-ignore-output"]
splits, _ = data.prepare_splits()
reviews = splits["train"][:training_reviews]
tokenizer = models.load_tokenizer()
token_ids = models.token_ids(tokenizer, reviews["text"].tolist(), scaling.LENGTH)

# %%
ids, labels = scaling.cut_or_fill(token_ids), reviews["label"].to_numpy("int32")
inputs, pieces = models.inputs_of(ids), int(ids.max()) + 1
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
print({name: array.shape for name, array in inputs.items()})

# %% [markdown]
# ## Mixed precision (混合精度)
#
# A float32 takes four bytes. Numbers of two bytes need half the memory, and an accelerator's matrix units (on GPUs
# *tensor cores*) compute them several times faster. **float16** keeps more digits, **bfloat16** keeps the range of float32.

# %%
for kind in ("float32", "float16", "bfloat16"):
    some = keras.ops.cast(np.array([1.001, 70_000.0, 1e-8], "float32"), kind)
    print(f"{kind:9}", keras.ops.convert_to_numpy(keras.ops.cast(some, "float32")))

# %% [markdown]
# In float16 the large number overflows and the small one becomes 0. bfloat16 keeps both, but 1.001 has become 1, since it has under
# three decimal digits. Therefore the precision is *mixed*:
# weights stay in float32, and only the computation uses 16 bits.

# %%
with scaling.use_precision("mixed_bfloat16"):
    model = scaling.build_tiny_model(pieces, seed)
block = model.get_layer("transformer_layer_0")
kinds = {variable.dtype for variable in block.trainable_variables}
course.claim("a block's weights are float32", kinds == {"float32"})
course.claim("it computes in bfloat16", block.compute_dtype == "bfloat16")

# %% [markdown]
# So which memory does it save? Weights are float32, and so are the gradients that reach them and AdamW's two averages: four
# numbers, or 16 bytes, for each parameter, as before. It halves the **activations** (激活值): what each block keeps until the gradients are computed. We count them for
# BERT-base (vectors of 768 numbers, 3072 in the feed-forward part).

# %%
layers, tokens, width, inner, heads = 12, 128, 768, 3072, 12
kept = {  # numbers a token that computing gradients (the way back) needs again
    "input": width, "query, key, value": 3 * width, "weighted values": width,
    "sums before layer norm": 2 * width, "output of attention": width,
    "before GELU": inner, "after GELU": inner,
    "shares of attention": heads * tokens,
}  # fmt: skip
numbers = layers * tokens * sum(kept.values())  # for a text
fixed, batches = 16 * 109_482_240, np.array([1, 64, 1024])  # BERT-base's parameters
memory = pd.DataFrame({"float32": fixed + 4 * numbers * batches}, batches) / 1e9  # GB
memory["mixed"] = (fixed + 2 * numbers * batches) / 1e9
memory["saved %"] = 100 * (1 - memory["mixed"] / memory["float32"])
print(memory.rename_axis("texts").round(1))
one, _, many = memory["saved %"]
good = one < 5 and many > 45
course.claim("batch of 1: under 5 % saved, of 1024: over 45 %", good, one, many)

# %% [markdown]
# float16 has one danger left: many gradients are smaller than it can represent, and become 0. **Loss scaling** (损失缩放)
# multiplies the loss, and so all gradients, by a large number. Before the update they are divided by it again, in float32. Keras does
# this by itself in a *model* made under `mixed_float16`. bfloat16 has the range of float32 and needs no scaling.
#
# Now three trainings that differ only in precision. (With JAX on a CPU two: it lacks float16 products there.) In this lesson
# `shuffle=False` gives all trainings the same batches.

# %% tags=["nbval-ignore-output"]
policies = ["float32", "mixed_bfloat16", "mixed_float16"]
if (course.backend, course.device.kind) == ("jax", "CPU"):
    policies.pop()
options, losses_of = {"shuffle": False, "verbose": 0}, {}
for policy in policies:
    with scaling.use_precision(policy):
        model = scaling.build_tiny_model(pieces, seed)
    model.compile(keras.optimizers.AdamW(2e-3), loss)
    fitted = model.fit(inputs, labels, global_batch, epochs=6, **options)
    losses_of[policy] = fitted.history["loss"]
table = pd.DataFrame(losses_of)  # a row an epoch, a column a policy
print(table.round(4))

# %%
falls, apart = (table.iloc[0] - table.iloc[-1]).min(), np.ptp(table.iloc[-1])
course.claim("every loss falls by over 0.3", falls > 0.3, falls)
course.claim("and all end within 0.03 of each other", apart < 0.03, apart)

# %% [markdown]
# A T4's matrix units lack bfloat16, so it needs `mixed_float16`. On newer GPUs and TPUs take `mixed_bfloat16`. On a CPU, half
# precision is seldom faster.
#
# ## XLA
#
# Usually each operation reads its input from memory and writes its output back. **XLA**, a compiler at run time (即时编译),
# turns a whole function into one program and fuses neighbouring operations. That saves time for moving numbers through memory.
# The price is that it compiles anew for each *shape*. A Python line inside runs only then, so our list counts compilations.

# %%
small, compiled_for = scaling.build_tiny_model(pieces, seed), []


def logits(batch):
    compiled_for.append(tuple(batch["token_ids"].shape))
    return small(batch, training=False)


fast = scaling.compile_function(logits)  # tf.function(..., jit_compile=True) or jax.jit
for size in (16, 32, 16, 32, 16, 32):
    batch = {name: array[:size] for name, array in inputs.items()}
    answer = keras.ops.convert_to_numpy(fast(batch))
plain = keras.ops.convert_to_numpy(small(batch, training=False))
course.claim("six calls in two shapes are compiled twice", len(compiled_for) == 2)
off = np.abs(answer - plain).max()
course.claim("the logits are the same, up to rounding", off < rounding, off)

# %% [markdown]
# Compiling can take longer than it saves: in a short training, or where shapes keep changing. Then XLA is slower. So
# where it is on, lesson 05 pads to only four lengths. With JAX it is always on, with
# TensorFlow on GPUs. On a CPU, `model.compile(..., jit_compile=True)` turns it on.
#
# ## Gradient accumulation (梯度累积)
#
# What if a batch of 64 does not fit into memory? Compute the gradients of four parts, and update once with their **mean**.
# By hand, with the mean squared error of lesson 03:

# %%
random = np.random.default_rng(seed)
X, y, w = random.normal(size=(64, 8)), random.normal(size=64), random.normal(size=8)


def gradient_of(rows):
    """Gradient of the mean squared error over some rows, (8,)."""
    return 2 / len(rows) * X[rows].T @ (X[rows] @ w - y[rows])


rows = np.arange(64)
equal, unequal = np.split(rows, 4), np.split(rows, [60])  # 4 x 16; 60 and 4
means = [np.mean([gradient_of(p) for p in parts], axis=0) for parts in (equal, unequal)]
off = [np.abs(mean - gradient_of(rows)).max() for mean in means]
course.claim("the mean over equal parts is right within 1e-12", off[0] < 1e-12, off[0])
course.claim("with parts of 60 and 4 it is off by over 0.1", off[1] > 0.1, off[1])

# %% [markdown]
# Wherever a batch is divided, in time or among devices, a smaller part must weigh less.
#
# Now in Keras: first whole batches, then quarters. `gradient_accumulation_steps=4` collects the gradients of four batches and
# updates once with their mean. The optimizer is SGD on purpose. A sum in place of the mean makes its step four times as large.
# AdamW divides by the gradient's size, which would hide that. SGD learns slowly, so its task is an easy one: is a review longer
# than half of them?

# %%
counts = np.array([len(row) for row in token_ids])
is_long = (counts > np.median(counts)).astype("int32")
weights, updates, curves, rate = [], [], [], 0.03
for size, steps in ((global_batch, None), (global_batch // 4, 4)):
    model = scaling.build_tiny_model(pieces, seed)
    optimizer = keras.optimizers.SGD(rate, gradient_accumulation_steps=steps)
    model.compile(optimizer, loss)
    fitted = model.fit(inputs, is_long, size, epochs=10, **options)
    weights.append(finetuning.values_of(model.trainable_variables))
    updates.append(int(optimizer.iterations))
    curves.append(fitted.history["loss"])
falls, off = curves[0][0] - curves[0][-1], scaling.largest_difference(*weights)
course.claim("the loss falls by over 0.3", falls > 0.3, falls)
course.claim("as many updates in quarters", updates[0] == updates[1])
course.claim("and the same weights within 0.001", off < 1e-3, off)

# %% [markdown]
# Only a quarter of the batch is in memory at a time, so the activations shrink to a quarter. That saves no time. The
# sum of the gradients needs one more number for each weight.
#
# The weights agree only because no layer looks at the batch. **Batch norm** would take mean and spread from a quarter of it.
# BERT's layer norm takes them from one token. Dropout would draw other numbers.
#
# ## Data that no longer fit into memory
#
# Divide them into files, **shards** (分片). tf.data reads TFRecord, TensorFlow's file of byte strings. `interleave` opens several files at once and takes a text from each in turn. `prefetch` reads the next
# batch while the model computes on this one.

# %% tags=["needs-tensorflow"]
folder = runtime.artifacts_folder() / "scaling"
if course.has_tensorflow("reading TFRecord files by hand"):
    import tensorflow as tf

    paths = scaling.write_shards(token_ids, labels, folder / "shards", number=8)
    files = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
    records = files.interleave(tf.data.TFRecordDataset, 4, num_parallel_calls=4)
    batches = records.batch(100).prefetch(tf.data.AUTOTUNE)
    print(paths[0].name, "to", paths[-1].name, [len(batch) for batch in batches])

# %% [markdown]
# `scaling.read_shards` does the same and turns the bytes back into token ids and labels. `fit` takes its batches (*Going
# further: a slow store*).

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("TFRecord files by the helper"):
    read = [part["token_ids"] for part, _ in scaling.read_shards(paths, 100)]
    same = sorted(map(tuple, np.concatenate(read))) == sorted(map(tuple, ids))
    course.claim("every review comes exactly once, with its ids", same)

# %% [markdown]
# **Shuffling** becomes approximate: shuffle the order of the files in each epoch, and draw each text at random from a buffer of
# some thousands (`records.shuffle(5000)`). So shuffle all once before you write the files.
#
# Without TensorFlow there is a **memory-mapped** file (内存映射): `np.load(path, mmap_mode="r")` reads only the rows that you ask
# for.
#
# ## Data parallelism (数据并行)
#
# Each device has a copy of the model and takes an equal share of each batch. The shares' gradients, each divided by the size of the
# *whole* batch, are added up (**all-reduce**, 全归约): that is the mean. Each copy does the same update. In Keras it is one scope around the model:
#
# ```python
# with keras.distribution.DataParallel().scope():  # JAX; TensorFlow: tf.distribute.MirroredStrategy
#     model = build_model()
# ```

# %% [markdown]
# A notebook has one backend and one number of devices, fixed before the first computation. So `helpers/scaling.py` runs as a program of
# its own, with SGD as above: `jax-1` with JAX on one device, `jax-4` on four. Compare only within one backend: from the same
# seed, each backend draws other first weights.

# %% tags=["nbval-ignore-output"]
recipe = finetuning.Recipe(
    epochs=10, batch_size=global_batch, learning_rate=rate, clip_norm=1e6, seed=seed
)  # gradients' norms stay far below a million, so nothing is clipped
scaling.save_training(folder / "plain", ids, is_long, recipe)
jax = [{"KERAS_BACKEND": "jax"}]  # one process, with this environment variable
scaling.run("devices", folder / "plain", 1, devices, environments=jax)  # on 1, on 4

# %%
losses, one, _ = scaling.load_result(folder / "plain", "jax-1")
of_many, many, facts = scaling.load_result(folder / "plain", f"jax-{devices}")
course.claim("the weights lay on all devices", facts["devices"] == devices)
shared = facts["texts a device"] == global_batch // devices
course.claim("each had its share of a batch", shared)
falls, apart = losses[0] - losses[-1], np.abs(losses - of_many).max()
course.claim("the loss falls by over 0.3", falls > 0.3, falls)
course.claim("at each epoch both agree within 0.001", apart < 1e-3, apart)
off = scaling.largest_difference(one, many)
course.claim("and so do the weights, within 0.001", off < 1e-3, off)

# %% [markdown]
# Before you use several devices:
#
# - A batch must be divisible by the number of devices.
# - Four devices with 64 texts *each* make a batch of 256 and a quarter of the updates. So raise the learning rate: with SGD by the
#   same factor, four, up to a point, with a longer warm-up (Goyal et al., 2017); with Adam rather by its root, two. Then measure.
# - Under `MirroredStrategy`, clipping gives other weights (*Going further*).
#
# ## A model too large for one device
#
# With data parallelism, *every* device needs the 16 bytes for each parameter. Does that fit on an H100 with its 80 GB? In
# GB, without activations:

# %%
large, thin = 7e9, 2 * 2 * 32 * 4096 * 4  # LoRA: pair, query/value, layers, width, rank
gigabytes = {
    "BERT-base, all weights trained": 16 * 109_482_240 / 1e9,
    "7 billion parameters, all trained": 16 * large / 1e9,
    "the same, divided among 8 devices": 16 * large / 8 / 1e9,
    "the same, LoRA on frozen 16-bit weights": (2 * large + 16 * thin) / 1e9,
}
print(pd.Series(gigabytes).round(1).to_string())
_, whole, divided, lora = gigabytes.values()
course.claim("whole, 7 billion take over 80 GB", whole > 80, whole)
course.claim("divided or with LoRA, under 20", max(divided, lora) < 20, divided, lora)

# %% [markdown]
# The two 14.0 are equal by chance: 112 / 8, and 2 bytes for each of 7 billion frozen weights. So first ask whether all
# weights must be trained. If so, there are other ways, which can be combined:
#
# | way | what is divided | what is sent | note |
# |---|---|---|---|
# | **LoRA** (低秩适配), lesson 05 | nothing: only thin matrices are trained | gradients of the thin matrices | the first choice for fine-tuning; the frozen weights must still fit |
# | **ZeRO**, **FSDP** | each batch, and the *storage* of weights, gradients and averages | each layer's weights, lent by all devices while it computes; its gradients, added up, to the device that stores that share | data parallelism that stores nothing twice (DeepSpeed, PyTorch) |
# | **model parallelism** (模型并行), also *tensor parallelism* | each large matrix; all devices see the whole batch | activations, within every layer | wants fast links; Keras on JAX has `ModelParallel` (*Going further*) |
# | **pipeline parallelism** (流水线并行) | the layers: one device has blocks 1 to 6, the next 7 to 12 | activations at the border, gradients back | the batch comes in small parts, or one device waits for the other |
# | **offloading** (卸载) | averages, or weights, wait in the computer's own memory or on a disk | what is needed just then | fits nearly anything, slowly |
#
# Where only the activations are too many, **recomputation** keeps only each block's input and computes the rest again on the
# way back (`keras.RematScope`). It costs about a third more time.

# %% [markdown]
# ## Where others take over (分布式训练工具)
#
# | you meet | what changes | take |
# |---|---|---|
# | a **TPU** (张量处理器) | XLA always: fixed shapes, in multiples of 8 and 128; bfloat16 | Keras on JAX, `DataParallel`. Not `tf.distribute.TPUStrategy`: its tensorflow-tpu ended with 2.20.0 |
# | **several hosts** | the same program on each, with files of its own; equally many steps, or they wait for each other for ever | `jax.distributed` and `DataParallel`; with TensorFlow a loop by hand (*Going further*) |
# | **raw data too large for a machine** | cleaning and splitting become jobs on a cluster | Apache **Beam**: the same pipeline here and on a cluster |
# | tables too large for pandas | data frames in parts on several machines, computed only when asked for | **Dask**: preparing, scoring. It does not train one network on many devices |
# | old advice: **Horovod** | all-reduce as a library | both frameworks have it built in; its last release is of June 2023 |
#
# First try one good accelerator.

# %% [markdown]
# ## Before you rent: an estimate
#
# A million texts of 128 tokens, three epochs, BERT-base: how many operations is that? For each token, each weight of a matrix is
# one multiply-add, so two operations. Attention adds two products of 768
# numbers for each pair of tokens: score and weighted value. The way back costs about twice the way forward.

# %%
matrices = 4 * width**2 + 2 * width * inner  # attention, feed-forward part
attention = 2 * tokens * width  # scores, and the weighted sum of values
forward = 2 * layers * tokens * (matrices + attention)
total = 3 * forward * 3 * training_texts  # both ways; three epochs
print(f"{forward / 1e9:.1f} billion operations a text forward, {total:.2e} in all")
same = forward == architecture.forward_operations(layers, width, inner, tokens)
course.claim("the formula of lesson 02 says the same", same)

# %% [markdown]
# Peaks and prices are in `data/accelerators.csv`, with sources. The **peak** is the most that the matrix units
# can compute, in TFLOPS: 10¹² operations a second, here in float16 (T4) or bfloat16. No training reaches it. The share that it reaches is the **model FLOPs utilisation** (利用率). Chowdhery et al. (2022) reached 46 % with a huge model. Short
# texts and a small model reach less: we assume 30 %.

# %%
table = pd.read_csv(runtime.COURSE / "data" / "accelerators.csv")
estimate = table.set_index("accelerator")[["peak_tflops", "usd_per_hour", "price_date"]]
estimate["hours"] = total / (estimate["peak_tflops"] * 1e12 * utilisation) / 3600
estimate["USD"] = estimate["hours"] * estimate["usd_per_hour"]
print(estimate.round(2).to_string())
if (training_texts, utilisation) == (1_000_000, 0.3):
    hours, dollars = estimate["hours"], estimate["USD"]
    faster = hours["T4"] / hours["H100"]
    course.claim("the H100 is over 10 times faster than the T4", faster > 10, faster)
    course.claim("each costs under 3 dollars", dollars.max() < 3, *dollars)
    course.claim("the H100 costs most of the three", dollars.idxmax() == "H100")

# %% [markdown]
# These are one company's list prices. Others rent an H100 out for less, which may change the order. We gave all
# three the same share. But a small model hardly fills an H100, which then costs even more. So train ten minutes on one device first, measure the share, and put it
# into the formula. Queues, failed runs and your own hours cost more than these dollars.

# %% [markdown]
# ## Going further: loss scaling, and where it is silently missing
#
# First what it does to one small gradient.

# %%
gradient, scale = 1e-8, 2.0**15
course.claim("float16 takes the gradient 0.00000001 for 0", np.float16(gradient) == 0)
kept_gradient = float(np.float32(np.float16(gradient * scale)) / scale)
error = 100 * abs(kept_gradient / gradient - 1)
course.claim("scaled by 2 to the 15th, it is right within 1 %", error < 1, error)

# %% [markdown]
# Under `mixed_float16` Keras scales the loss if the whole *model* is made there. If only its layers get that `dtype`, Keras does
# not scale, and gives no warning. The logits should be float32, since the loss takes exponentials of them. Our head asks for that.

# %%
with scaling.use_precision("mixed_float16"):
    half = scaling.build_tiny_model(pieces, seed)
half.compile("adamw", loss)
scales = isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer)
course.claim("the optimizer scales the loss", scales)
course.claim("the logits are float32", half.layers[-1].compute_dtype == "float32")

# %% [markdown]
# ## Going further: what compiling gains
#
# The same batch: computed operation by operation, compiled by XLA, and, with TensorFlow, as a graph (图) that is not compiled. Most
# is gained by the graph, which TensorFlow's `fit` always makes. XLA gains the rest.

# %% tags=["nbval-ignore-output"]
import time

ways = {"operation by operation": lambda b: small(b, training=False), "XLA": fast}
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
# Compiled training, too, is the same training. With TensorFlow on a CPU, `"auto"` trains an epoch without XLA and `True` with it.
# With JAX or on an accelerator both are compiled, and the comparison shows nothing new.

# %%
trained = []
for xla in ("auto", True):
    model = scaling.build_tiny_model(pieces, seed)
    model.compile(keras.optimizers.SGD(rate), loss, jit_compile=xla)
    model.fit(inputs, is_long, global_batch, epochs=1, **options)
    trained.append(finetuning.values_of(model.trainable_variables))
off = scaling.largest_difference(*trained)
course.claim("compiled: the same weights, up to rounding", off < rounding, off)

# %% [markdown]
# ## Going further: what a schedule counts
#
# Gradient accumulation hides a trap. This learning rate falls by 0.01 each step. What is it after 8 batches, which are 2 updates?

# %%
falling = keras.optimizers.schedules.PolynomialDecay(
    1.0, decay_steps=100, end_learning_rate=0.0
)
optimizer = keras.optimizers.SGD(falling, gradient_accumulation_steps=4)
weight = keras.Variable([0.0])
optimizer.build([weight])
for _ in range(8):
    optimizer.apply([keras.ops.ones(1)], [weight])
now = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
print(f"{int(optimizer.iterations)} updates, learning rate {now:.2f}")
course.claim("the schedule has counted batches", round(now, 4) == 0.92)

# %% [markdown]
# In Keras 3.15 the schedule has counted 8 batches, not 2 updates. So give a schedule the number of batches, whatever you accumulate.

# %% [markdown]
# ## Going further: a slow store
#
# First a training on the files. They do not say how many texts they hold, so `fit` must be told the number of steps.

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("training on TFRecord files"):
    steps, shards = len(ids) // global_batch, scaling.read_shards(paths, global_batch)
    model = scaling.build_tiny_model(pieces, seed)
    model.compile("adamw", loss)
    model.fit(shards, steps_per_epoch=steps, **options)
    updated = int(model.optimizer.iterations)
    course.claim("Keras trains on them: an update for each batch", updated == steps)

# %% [markdown]
# Files in a far-away store are slow to *open*. Here that takes half a second for each of eight. Reading is mostly waiting, so it
# needs more threads than there are cores. `read_shards` asks for them. Below, `numpy_function` calls a Python function from
# tf.data, and `ensure_shape` says that it returns one string.

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

    waited = tf.data.Dataset.from_tensors(path).map(wait)  # the one path, after a wait
    return waited.flat_map(tf.data.TFRecordDataset)  # the records of its file


if course.has_tensorflow("the slow store"):
    seconds = {}
    for at_once in (1, 8):  # files that are read side by side
        started = time.monotonic()
        batches = scaling.read_shards(paths, 64, at_once, read_slowly)
        count = sum(len(targets) for _, targets in batches)
        seconds[at_once] = time.monotonic() - started
        print(f"{at_once} at once: {count} reviews in {seconds[at_once]:.2f} s")

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claim about it"):
    ratio = seconds[8] / seconds[1]
    course.claim("eight at once take under half the time", ratio < 0.5, ratio)

# %% [markdown]
# ## Going further: MirroredStrategy, and what clipping does under it
#
# TensorFlow's way to data parallelism is `MirroredStrategy`, for several GPUs of one machine (多GPU训练). Here one processor plays two
# devices. Its first weights are other ones than JAX's, so compare `tensorflow-2` with `tensorflow-1` only. This is the scope that our
# program puts around the model:

# %%
import inspect

print(inspect.getsource(scaling.use_data_parallel))

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("MirroredStrategy"):
    scaling.run("devices", folder / "plain", 1, 2)

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claims about it"):
    losses_tf, one_tf, _ = scaling.load_result(folder / "plain", "tensorflow-1")
    losses_of_two, two, facts = scaling.load_result(folder / "plain", "tensorflow-2")
    course.claim("the weights lay on two devices", facts["devices"] == 2)
    falls, apart = np.ptp(losses_tf), np.abs(losses_tf - losses_of_two).max()
    course.claim("the loss falls by over 0.3", falls > 0.3, falls)
    course.claim("at each epoch both agree within 0.001", apart < 1e-3, apart)
    off = scaling.largest_difference(one_tf, two)
    course.claim("and so do the weights, within 0.001", off < 1e-3, off)

# %% [markdown]
# So far **clipping** (梯度裁剪) was off. Now it is on. JAX compiles one program for all devices and
# clips the sum of their gradients. Under `MirroredStrategy`, Keras 3.15 clips each device's share *before* they are added up. That
# gives other numbers, and no warning. With two devices the sum may be twice as long as the limit allows. So the loss below
# falls faster: the step is larger, not better.

# %% tags=["nbval-ignore-output"]
from dataclasses import replace

clipped = folder / "clipped"
short = replace(recipe, clip_norm=0.1, epochs=3, learning_rate=0.1)
scaling.save_training(clipped, ids, is_long, short)
scaling.run("devices", clipped, 1, devices, environments=jax)
if course.has_tensorflow("clipping under MirroredStrategy"):
    scaling.run("devices", clipped, 1, 2)

# %%
by_jax = [scaling.load_result(clipped, f"jax-{number}")[1] for number in (1, devices)]
off = scaling.largest_difference(*by_jax)
course.claim("JAX: clipped, the weights agree within 0.0001", off < 1e-4, off)
if course.has_tensorflow("the claim about TensorFlow"):
    names = ("tensorflow-1", "tensorflow-2")
    by_tensorflow = [scaling.load_result(clipped, name)[1] for name in names]
    off = scaling.largest_difference(*by_tensorflow)
    course.claim("TensorFlow: they differ by over 0.001", off > 1e-3, off)

# %% [markdown]
# ## Going further: a matrix in two halves
#
# Keras has `ModelParallel` for model parallelism (with JAX): a map from names of weights to axes. It says for each axis of
# a matrix whether the devices divide it (`"model"`) or each has it whole (`None`). So `(None, "model")` gives each device all rows and
# half of the columns. Unlike with data parallelism, devices now exchange results within every layer.

# %%
print(inspect.getsource(scaling.use_model_parallel))

# %% tags=["nbval-ignore-output"]
scaling.run("split", folder / "plain", 2, environments=jax)

# %%
names = ("jax-1", "jax-split-2")
facts = [scaling.load_result(folder / "plain", name)[2] for name in names]
matrix = "transformer_layer_0/feedforward_intermediate_dense/kernel"
shapes = [part["layouts"][matrix] for part in facts]
print("on the first device, whole and split:", shapes)
halved = np.prod(shapes[0]) == 2 * np.prod(shapes[1])
course.claim("each of two devices holds half of the matrix", halved)
apart = np.abs(np.subtract(*(part["losses"] for part in facts))).max()
course.claim("the losses are those of one device, within 0.001", apart < 1e-3, apart)

# %% [markdown]
# ## Going further: what another share of the peak would cost

# %% tags=["nbval-ignore-output"]
from helpers import figures

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
    " cheapest throughout, then comes the T4; the H100 costs most.",
)

# %% [markdown]
# Cost falls as one over the share. So the curves compare accelerators only at an equal share, which is rarely so. Exercise 2 asks
# where two of them cost the same.

# %% [markdown]
# ## Going further: two workers, a loop by hand
#
# Several hosts, in small: two processes on this machine that know each other only by address. The variable `TF_CONFIG` tells each its
# own number and the addresses of all. Keras 3's `fit` does not run under `MultiWorkerMirroredStrategy` (Keras issue 20585), but a loop written by hand does.
# Its main part:

# %%
print(
    inspect.getsource(scaling.train_worker)
    .split("    if index == 0:")[0]
    .split('"""', 2)[2]
)

# %% [markdown]
# The sum is divided by the texts of *all* workers. Then adding up the gradients gives the mean over the whole batch. Were it divided by a
# worker's own share, gradient and step would be twice as large. Each worker trains on its own rows only.

# %% tags=["needs-tensorflow", "nbval-ignore-output"]
if course.has_tensorflow("two workers"):
    scaling.run("worker", folder / "plain", environments=scaling.describe_cluster(2))

# %% tags=["needs-tensorflow"]
if course.has_tensorflow("the claims about it"):
    found = scaling.load_result(folder / "plain", "workers-2")
    losses_of_workers, by_workers = found[:2]
    apart = np.abs(losses_tf - losses_of_workers).max()
    course.claim("at each epoch both agree within 0.001", apart < 1e-3, apart)
    off = scaling.largest_difference(one_tf, by_workers)
    course.claim("and so are the weights, within 0.001", off < 1e-3, off)

# %% [markdown]
# With real hosts come the hard parts. A worker that dies stops all, so save checkpoints often. A slow one slows all, and each must do equally
# many steps. With JAX the same is `jax.distributed.initialize(address, number, index)` and then `DataParallel` over all devices.

# %% [markdown]
# ## Exercises
#
# 1. Repair the mean: add up the gradients of parts of unequal size so that they give the gradient of the whole.
# 2. At which utilisation is an H100 as cheap as a T4 that uses 30 % of its peak?
# 3. Write dynamic loss scaling: halve the scale after an overflow, double it after some good steps in a row. Check it against Keras's.
#
# With a check that tells you whether your answer is right: [exercises](exercises/14_scaling_up.ipynb); solved:
# [solutions](solutions/14_scaling_up.ipynb).

# %% [markdown]
# ## Quiz
#
# Answer each question in your own words, then unfold ours.
#
# <details><summary>1. Which memory does mixed precision save, and which not?</summary>
#
# It halves the activations. Weights, gradients and averages stay in float32, so that no small update is rounded away
# (*Mixed precision*).
#
# </details>
#
# <details><summary>2. A batch is divided into parts of 60 and 4. Why is the mean of their gradients wrong?</summary>
#
# Each of the 4 rows then counts as much as 15 of the others. A part must count as much as it has rows (*Gradient accumulation*).
#
# </details>
#
# <details><summary>3. Why does the lesson compare the devices with SGD, on a training that learns?</summary>
#
# AdamW divides by the gradient's size, so a sum in place of a mean would not show. And where a model hardly learns, wrong gradients
# hardly show either (*Gradient accumulation*, *Data parallelism*).
#
# </details>
#
# <details><summary>4. Every device has room for the weights, but not for gradients and averages. Name two ways out.</summary>
#
# LoRA trains so few weights that gradients and averages nearly vanish. ZeRO and FSDP divide them among the devices
# (*A model too large for one device*).
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - ✔ use mixed precision, XLA and accumulation, and say what each saves (*Mixed precision*, *XLA*, *Gradient accumulation*);
# - ✔ train from many files that are read side by side (*Data that no longer fit into memory*, *Going further: a slow store*);
# - ✔ train on several devices and prove it right (*Data parallelism*, *Going further*);
# - ✔ say what to do with what is too large (*A model too large for one device*, *Where others take over*);
# - ✔ estimate time and cost (*Before you rent*).
#
# **References.** Micikevicius et al.: *Mixed Precision Training*, 2018. Korthikanti et al.: *Reducing Activation Recomputation in Large
# Transformer Models*, 2022. Goyal et al.: *Large Minibatch SGD*, 2017. Rajbhandari et al.: *ZeRO*, 2020. Zhao et al.:
# *PyTorch FSDP*, 2023. Huang et al.: *GPipe*, 2019. Hu et al.: *LoRA*, 2022. Chowdhery et al.: *PaLM*, 2022, appendix B
# (utilisation). Kaplan et al.: *Scaling Laws*, 2020.
#
# **Glossary.** activations 激活值 · all-reduce 全归约 · data parallelism 数据并行 · gradient accumulation 梯度累积 · loss scaling 损失缩放 ·
# mixed precision 混合精度 · model parallelism 模型并行 · shard 分片 · TPU 张量处理器 · utilisation 利用率.
