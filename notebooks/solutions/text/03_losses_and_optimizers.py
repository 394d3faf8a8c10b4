# %% [markdown]
# # 03 · Exercises: losses and optimizers
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/03_losses_and_optimizers.ipynb)
#
# After [the lesson](../03_losses_and_optimizers.ipynb). Replace the dots, run the cell, then run the check below it: it tells you whether the
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

from helpers import runtime

course = runtime.start()
import keras  # after the start, which chooses the backend


def softmax(logits):
    """As in the lesson: (n, K) -> probabilities (n, K)."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def least_squares(seed, n=64, d=8):
    """As in the lesson: a random problem, X (n, d), y (n,)."""
    random = np.random.default_rng(seed)
    X, noise = random.normal(size=(n, d)), random.normal(size=n)
    return X, X @ random.normal(size=d) + noise

# %% [markdown]
# ## Exercise 1
#
# Gradient descent on the MSE of `least_squares(7)` falls at each step if its rate is under a bound. Compute that bound into `largest_rate`;
# the lesson's section on the learning rate has the formula.

# %% tags=["solution"]
# stub: largest_rate
X, y = least_squares(7)
# The curvatures of the MSE in the directions of the eigenvectors.
curvatures = np.linalg.eigvalsh(2 / len(X) * X.T @ X)
largest_rate = float(2 / curvatures.max())

# %% tags=["check"]
assert isinstance(largest_rate, float), "Compute a number into `largest_rate`."
X, y = least_squares(7)


def loss_after(rate, steps=400):
    """How far the MSE is from its least value after some steps from zero weights."""
    best, weights = np.linalg.lstsq(X, y, rcond=None)[0], np.zeros(8)
    for _ in range(steps):
        weights = weights - rate * 2 / len(y) * X.T @ (X @ weights - y)
    return np.mean((X @ (weights - best)) ** 2)


begin = loss_after(0.0)
assert loss_after(0.99 * largest_rate) < begin, (
    "Just below your bound it still diverges: "
    "take the *largest* eigenvalue of 2 / n X'X."
)
assert loss_after(1.01 * largest_rate) > begin, (
    "Just above your bound it still converges: "
    "the bound is 2 / L, L with its factor 2 / n."
)
print("✓ below the bound it converges, above it does not")

# %% [markdown]
# ## Exercise 2
#
# Label smoothing (标签平滑): with $s=0.1$ and $K$ classes, the right class gets $1-s+s/K$ and each other one $s/K$. Write
# `smoothed_loss(label, logits, s)`, the mean cross-entropy from logits, and `smoothed_gradient(label, logits, s)`, its derivative by the logits.

# %% tags=["solution"]
# stub: smoothed_loss, smoothed_gradient
def smoothed(label, classes, s):
    """Targets (n, K) that sum to 1 in each row."""
    return (1 - s) * np.eye(classes)[label] + s / classes


def smoothed_loss(label, logits, s):
    """label (n,), logits (n, K); a number."""
    lowered = logits - logits.max(axis=1, keepdims=True)
    log_p = lowered - np.log(np.exp(lowered).sum(axis=1, keepdims=True))
    return -np.mean(np.sum(smoothed(label, logits.shape[1], s) * log_p, axis=1))


def smoothed_gradient(label, logits, s):
    """As without smoothing, (p - y) / n: the rows of y need only sum to 1."""
    return (softmax(logits) - smoothed(label, logits.shape[1], s)) / len(label)

# %% tags=["check"]
assert callable(smoothed_loss) and callable(smoothed_gradient), (
    "Write two functions with these names."
)
random = np.random.default_rng(1)
label, logits = random.integers(0, 4, 20), 3 * random.normal(size=(20, 4))
loss_of = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
theirs = loss_of(np.eye(4)[label], logits)
assert abs(smoothed_loss(label, logits, 0.1) - float(theirs)) < 1e-5, (
    "The loss is not Keras's: sum over classes, mean over texts, targets as above."
)
assert np.isfinite(smoothed_loss(label, 1000 * logits, 0.1)), (
    "Large logits give no number: use log-sum-exp, not log(softmax)."
)
move = np.zeros_like(logits)
move[3, 2] = 1e-5
higher, lower = (smoothed_loss(label, logits + m, 0.1) for m in (move, -move))
slope = (higher - lower) / 2e-5
found = smoothed_gradient(label, logits, 0.1)
assert found.shape == logits.shape, "The gradient has one number for each logit."
assert abs(found[3, 2] - slope) < 1e-7, (
    "The gradient is not the slope of your loss: it is (p - y') / n."
)
print("✓ Keras's loss, and its gradient")

# %% [markdown]
# ## Exercise 3
#
# RMSprop: $v_t=\rho v_{t-1}+(1-\rho)g_t^2$, then $w_{t+1}=w_t-\alpha g_t/\sqrt{v_t+\epsilon}$; $v_0=0$, $\epsilon=10^{-7}$. Write
# `rmsprop(weights, gradient, square, learning_rate, rho)`, which returns the new weights and the new $v$, as the lesson's optimizers do.

# %% tags=["solution"]
# stub: rmsprop
def rmsprop(weights, gradient, square, learning_rate, rho):
    """New weights and new running mean of the squared gradients, shaped alike."""
    square = rho * square + (1 - rho) * gradient**2
    return weights - learning_rate * gradient / np.sqrt(square + 1e-7), square

# %% tags=["check"]
assert callable(rmsprop), "Write a function of this name."
X, y = least_squares(3)
optimizer = keras.optimizers.RMSprop(learning_rate=0.01, rho=0.9)
variable = keras.Variable(np.zeros(8), dtype="float32")
weights, square = np.zeros(8), 0.0
for step in range(100):
    gradient = 2 / len(y) * X.T @ (X @ weights - y)
    tensor = keras.ops.convert_to_tensor(gradient, dtype="float32")
    optimizer.apply([tensor], [variable])
    weights, square = rmsprop(weights, gradient, square, 0.01, 0.9)
    difference = np.abs(weights - keras.ops.convert_to_numpy(variable)).max()
    assert difference < 1e-4, (
        f"Step {step + 1} differs from Keras's: "
        "update `square` first, then divide by the root of it."
    )
print("✓ a hundred steps like Keras's")
