# %% [markdown]
# # 14 · Exercises: scaling up
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/14_scaling_up.ipynb)
#
# After [the lesson](../14_scaling_up.ipynb). Replace the dots, run the cell, then run the check below it, part by part: it tells you whether the
# answer holds, and what to look at if not. They take seconds.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %%
import numbers

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
# Repair the mean: write `combined(gradients, sizes)`. `gradients` are those of the parts of a batch, `sizes` the numbers of rows of these
# parts, which may differ. It returns the gradient of the whole batch.

# %% tags=["solution"]
# stub: combined
def combined(gradients, sizes):
    """Gradient of the whole batch, (d,), from the parts' mean gradients, each (d,)."""
    return np.average(gradients, axis=0, weights=sizes)

# %% tags=["check"]
assert callable(combined), "Write a function of this name."
for cuts in ([16, 32, 48], [32], [60], [10, 11, 50]):
    parts = np.split(np.arange(64), cuts)
    sizes = [len(rows) for rows in parts]
    found = combined([gradient_of(rows) for rows in parts], sizes)
    assert np.shape(found) == (8,), "Return one gradient: an array of 8 numbers."
    right = np.allclose(found, gradient_of(np.arange(64)))
    assert right or len(set(sizes)) > 1, (
        f"Wrong even for equal parts of {sizes} rows: the result is a mean over all"
        " rows, not a sum."
    )
    assert right, (
        f"Wrong for parts of {sizes} rows: a part counts as much as it has rows."
    )
print("✓ however the batch is cut, its gradient is the same")

# %% [markdown]
# **Why.** The gradient of a part is a mean over its rows. Times the number of rows it becomes a sum. The sums of all parts, added up and
# divided by all rows, are the mean over the whole batch. A plain mean of the parts' gradients is right only where all parts are equal.

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
is_number = isinstance(break_even, numbers.Real) and not isinstance(break_even, bool)
assert is_number, "`break_even` is a number."
assert 0 < break_even < 1, "A share is between 0 and 1, and no percentage."
facts = pd.read_csv(runtime.COURSE / "data" / "accelerators.csv")
facts = facts.set_index("accelerator")
used = facts["peak_tflops"] * pd.Series({"T4": 0.3, "H100": float(break_even)})
cost = facts["usd_per_hour"] / used  # of one operation, but for a factor
ratio = cost["H100"] / cost["T4"]
assert abs(ratio - 1) < 0.001, (
    f"At this share the H100 costs {ratio:.3f} times as much as the T4."
    " Cost = operations / (peak x share) x price: peak and price both count."
)
print("✓ at this share both cost the same; below it the T4 is the cheaper one")

# %% [markdown]
# **Why.** A dollar buys peak / price operations at the full peak: more of them on the T4. So the H100 must use the larger share, about 40 %.
# Chowdhery et al. reached 46 % with a huge model on thousands of chips. A small model with short texts reaches less, so at these
# prices the T4 is the cheaper one. The H100 is still ten times faster.

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
# Check, part 1 of 2
assert callable(next_scale), "Write a function of this name."
finite_steps = [1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0]


def scales_of_keras(patience):
    """Keras's scale after each of the sixteen steps."""
    variable, scales = keras.Variable(np.zeros(2), dtype="float32"), []
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.0), initial_scale=8.0, dynamic_growth_steps=patience
    )
    optimizer.build([variable])
    for finite in finite_steps:
        values = [1.0, 1.0 if finite else np.inf]
        optimizer.apply([keras.ops.convert_to_tensor(values, "float32")], [variable])
        scales.append(float(keras.ops.convert_to_numpy(optimizer.dynamic_scale)))
    return scales

# %% tags=["check"]
# Check, part 2 of 2
for patience in (3, 2, 5):
    scale, good_steps = 8.0, 0
    for step, expected in enumerate(scales_of_keras(patience), 1):
        finite = bool(finite_steps[step - 1])
        answer = next_scale(scale, good_steps, finite, patience)
        assert isinstance(answer, tuple | list) and len(answer) == 2, (
            "Return two numbers: the scale and the good steps in a row."
        )
        before, (scale, good_steps) = scale, answer
        where = f"Patience {patience}, step {step}: Keras has {expected}, you {scale}. "
        assert finite or scale == expected, where + "After an overflow it is halved."
        assert scale == expected or expected == before, (
            where + "After `patience` good steps in a row it is doubled."
        )
        assert scale == expected, (
            where + "Too early: does the count begin anew after an overflow and after"
            " each doubling, and does it use `patience`?"
        )
print("✓ sixteen steps like Keras's, with three kinds of patience")

# %% [markdown]
# **Why.** A scale that is too large makes gradients overflow, and that step is lost. A scale that is too small lets small gradients become 0, and
# no error tells. So the scale grows again and again until a step fails. The count begins anew after an overflow, since
# steps with another scale say nothing about this one.
