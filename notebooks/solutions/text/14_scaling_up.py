# %% [markdown]
# # 14 · Exercises: scaling up
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/14_scaling_up.ipynb)
#
# After [the lesson](../14_scaling_up.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
# answer holds, and what to look at if not. They take seconds.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import numpy as np
import pandas as pd

from helpers import runtime

course = runtime.start()
import keras

random = np.random.default_rng(3)
X, y, w = random.normal(size=(64, 8)), random.normal(size=64), random.normal(size=8)


def gradient_of(rows):
    """As in the lesson: gradient of the mean squared error over some rows, (8,)."""
    return 2 / len(rows) * X[rows].T @ (X[rows] @ w - y[rows])

# %% [markdown]
# ## Exercise 1
#
# Mend the mean: write `combined(gradients, sizes)`. `gradients` are those of the parts of a batch, `sizes` the numbers of rows of these
# parts, which may differ. It returns the gradient of the whole batch.

# %% tags=["solution"]
# stub: combined
def combined(gradients, sizes):
    """Gradient of the whole batch, (d,), from the parts' mean gradients, each (d,)."""
    return np.average(gradients, axis=0, weights=sizes)

# %% tags=["check"]
assert callable(combined), "Write a function of this name."
for cuts in ([32], [60], [10, 11, 50]):
    parts = np.split(np.arange(64), cuts)
    found = combined(
        [gradient_of(rows) for rows in parts], [len(rows) for rows in parts]
    )
    message = (
        f"Wrong for parts of {[len(rows) for rows in parts]} rows: a part counts as"
        " much as it has rows."
    )
    assert np.shape(found) == (8,) and np.allclose(
        found, gradient_of(np.arange(64))
    ), message
print("✓ however the batch is cut, its gradient is the same")

# %% [markdown]
# ## Exercise 2
#
# At which utilisation is an H100 as cheap as a T4 that uses 30 % of its peak? Take peaks and prices from `data/accelerators.csv`; put the
# share, between 0 and 1, into `break_even`. Is that a share that you would expect of so small a model?

# %% tags=["solution"]
# stub: break_even
table = pd.read_csv(runtime.COURSE / "data" / "accelerators.csv").set_index(
    "accelerator"
)
# what a dollar buys, at the peak
per_dollar = table["peak_tflops"] / table["usd_per_hour"]
break_even = 0.3 * per_dollar["T4"] / per_dollar["H100"]

# %% tags=["check"]
assert isinstance(break_even, float), "`break_even` is a number."
facts = pd.read_csv(runtime.COURSE / "data" / "accelerators.csv").set_index(
    "accelerator"
)
# of one operation, but for a factor
cost = (
    facts["usd_per_hour"]
    / facts["peak_tflops"]
    / pd.Series({"T4": 0.3, "H100": break_even})
)
assert abs(cost["H100"] / cost["T4"] - 1) < 0.01, (
    "Cost = operations / (peak x utilisation) x price: set it equal for both."
)
print("✓ at this share both cost the same; below it the T4 is the cheaper one")

# %% [markdown]
# ## Exercise 3
#
# Dynamic loss scaling: write `next_scale(scale, good_steps, finite, patience)`, which returns the new scale and the new number of good
# steps in a row. After a step with a gradient that is not finite the scale is halved and the count begins anew. After `patience` good steps
# in a row the scale is doubled and the count begins anew.

# %% tags=["solution"]
# stub: next_scale
def next_scale(scale, good_steps, finite, patience):
    """Scale and good steps in a row, after a step with finite gradients or not."""
    if not finite:
        return scale / 2, 0
    if good_steps + 1 == patience:
        return scale * 2, 0
    return scale, good_steps + 1

# %% tags=["check"]
assert callable(next_scale), "Write a function of this name."
variable = keras.Variable(np.zeros(2), dtype="float32")
optimizer = keras.optimizers.LossScaleOptimizer(
    keras.optimizers.SGD(0.0), initial_scale=8.0, dynamic_growth_steps=3
)
optimizer.build([variable])
scale, good_steps = 8.0, 0
for step, finite in enumerate([1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0]):
    gradient = keras.ops.convert_to_tensor(
        [1.0, 1.0 if finite else np.inf], dtype="float32"
    )
    optimizer.apply([gradient], [variable])
    scale, good_steps = next_scale(scale, good_steps, bool(finite), 3)
    expected = float(keras.ops.convert_to_numpy(optimizer.dynamic_scale))
    assert scale == expected, (
        f"After step {step + 1} Keras has {expected}, you have {scale}: when does the"
        " count begin anew?"
    )
print("✓ sixteen steps like Keras's")
