# %% [markdown]
# # 03 · Exercises: losses and optimizers
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/exercises/03_losses_and_optimizers.ipynb)
#
# After [the lesson](../03_losses_and_optimizers.ipynb). Replace the dots, run the cell, then run the check below it, part by part: it tells you whether the
# answer is right, and what to look at if not. They take seconds.

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
# Gradient descent on the mean squared error of `least_squares(7)` falls at each step if its rate is under a bound. Compute that bound into
# `largest_rate`. The lesson's section on the learning rate names the bound, and the curvatures of this loss.

# %% tags=["solution"]
# stub: largest_rate
X, y = least_squares(7)
# The curvatures of the MSE in the directions of the eigenvectors.
curvatures = np.linalg.eigvalsh(2 / len(X) * X.T @ X)
largest_rate = float(2 / curvatures.max())

# %% tags=["check"]
# Check, part 1 of 2
X, y = least_squares(7)
eigenvalues = np.linalg.eigvalsh(X.T @ X)
bound = 1 / eigenvalues.max() * len(X)
errors = {  # what a typical error gives: what to look at
    bound / 2: "1 / curvature reaches the bottom fastest; the bound is twice that.",
    bound * 2: "The curvature has its factor: take the eigenvalues of 2 / n X'X.",
    2 / eigenvalues.max(): "The loss is a mean: take the eigenvalues of 2 / n X'X.",
    len(X) / eigenvalues.min(): "That is the flattest direction: the steepest limits.",
    2 / bound: "That is the largest curvature; the bound is 2 divided by it.",
}
assert np.ndim(largest_rate) == 0, "`largest_rate` is one number."
assert isinstance(largest_rate, (int, float, np.number)) or (
    isinstance(largest_rate, np.ndarray) and largest_rate.dtype.kind in "if"
), "Compute a number into `largest_rate`."

# %% tags=["check"]
# Check, part 2 of 2
for wrong, hint in errors.items():
    assert not np.isclose(largest_rate, wrong, rtol=1e-3), hint
assert largest_rate < bound * (1 + 1e-4), (
    "Just below your bound the loss still grows: it is too large. "
    "Compute it from the curvatures, the eigenvalues of 2 / n X'X."
)
assert largest_rate > bound * (1 - 1e-4), (
    "Just above your bound the loss still falls: it is too small. "
    "Compute it from the curvatures, the eigenvalues of 2 / n X'X."
)
print("✓ below this rate the loss falls at each step, above it grows")

# %% [markdown]
# **Why.** In the direction of an eigenvector the loss is a bowl whose curvature is the eigenvalue. A step multiplies the distance from the bottom by
# $1-\alpha\kappa$, which is between -1 and 1 only for $\alpha<2/\kappa$. The largest curvature gives the smallest bound, so it decides for all directions.

# %% [markdown]
# ## Exercise 2
#
# Label smoothing (标签平滑): with a share $s=0.1$ and $K$ classes, the right class gets $1-s+s/K$ and each other one $s/K$. Write
# `smoothed_loss(label, logits, s)`, the mean cross-entropy from logits, and `smoothed_gradient(label, logits, s)`, its derivative by the logits.
# Why does its form not change?

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
# Check, part 1 of 3
assert callable(smoothed_loss) and callable(smoothed_gradient), (
    "Write two functions with these names."
)
random = np.random.default_rng(1)
label, logits = random.integers(0, 4, 20), 3 * random.normal(size=(20, 4))
one_hot, p = np.eye(4)[label], softmax(logits)


def call(function, *arguments):
    """What the function gives, as an array; an error becomes a hint."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(function(*arguments), dtype="float64")
    except Exception as error:
        raise AssertionError(f"{function.__name__} raises: {error!r}") from error


def costs(targets):
    """The loss of each text, (20,)."""
    return -(targets * np.log(p)).sum(axis=1)

# %% tags=["check"]
# Check, part 2 of 3
targets = 0.9 * one_hot + 0.1 / 4
loss_of = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
theirs = float(loss_of(one_hot, logits))
found = call(smoothed_loss, label, logits, 0.1)
assert found.shape == (), "The loss of all texts is one number, their mean."
errors = {
    costs(targets).sum(): "That is the sum over the texts: take their mean.",
    costs(targets).mean() / 4: "Sum over the classes; take the mean over texts only.",
    costs(one_hot).mean(): "Your targets are not smoothed.",
    costs(0.9 * one_hot + 0.1 / 3 * (1 - one_hot)).mean(): "Each class gets s / K, "
    "the right one, too: do not share s among the other K - 1.",
    costs(0.9 * one_hot).mean(): "Your targets' rows must sum to 1: add s / K.",
}
for wrong, hint in errors.items():
    assert not np.isclose(found, wrong, rtol=1e-4), hint
assert abs(found - theirs) < 1e-4, (
    "The loss is not Keras's: sum over classes, mean over texts, targets as above."
)
assert np.isfinite(call(smoothed_loss, label, 1000 * logits, 0.1)), (
    "Large logits give no number: use log-sum-exp, not log(softmax)."
)
gradient, right = call(smoothed_gradient, label, logits, 0.1), (p - targets) / 20

# %% tags=["check"]
# Check, part 3 of 3
assert gradient.shape == logits.shape, "The gradient has one number for each logit."
errors = {
    "You forgot to smooth: it is p - y', not p - y.": (p - one_hot) / 20,
    "The loss is a mean: divide by the number of texts.": p - targets,
    "The sign is wrong: it is p - y', and steps go against it.": -right,
    "Divide by the number of texts, not by that of all logits.": right / 4,
}
for hint, wrong in errors.items():
    assert not np.allclose(gradient, wrong, rtol=1e-4, atol=1e-7), hint
move = np.zeros_like(logits)
for place in np.ndindex(logits.shape):  # each entry against the slope of your loss
    move[place] = 1e-5
    up, down = (call(smoothed_loss, label, logits + m, 0.1) for m in (move, -move))
    move[place] = 0
    assert abs(gradient[place] - (up - down) / 2e-5) < 1e-7, (
        f"Entry {place} is not the slope of your loss: it is (p - y') / n."
    )
half = 0.5 * one_hot + 0.5 / 4
loss = call(smoothed_loss, label, logits, 0.5)
gradient = call(smoothed_gradient, label, logits, 0.5)
assert np.allclose(loss, costs(half).mean()), "Use the argument s in the loss."
assert np.allclose(gradient, (p - half) / 20), "Use the argument s in the gradient."
print("✓ Keras's loss, and each number of its gradient")

# %% [markdown]
# **Why.** The loss is $\sum_k y'_k\,(\log\sum_j e^{z_j}-z_k)$. Since the targets $y'_k$ sum to 1, the first part is counted exactly once and has the
# derivative $p_k$. The second part has the derivative $-y'_k$. So the gradient is $p-y'$ for any targets that sum to 1. It is 0 at $p=y'$, so the logits stay
# finite, and the model is never quite sure.

# %% [markdown]
# ## Exercise 3
#
# RMSprop: $v_t=\rho v_{t-1}+(1-\rho)g_t^2$, then $w_{t+1}=w_t-\alpha g_t/\sqrt{v_t+\epsilon}$; $v_0=0$, $\epsilon=10^{-7}$ *under* the root, as in Keras. Write
# `rmsprop(weights, gradient, square, learning_rate, rho)`, which returns the new weights and the new $v$, as the lesson's optimizers do.
# Why does it need no bias correction to be useful?

# %% tags=["solution"]
# stub: rmsprop
def rmsprop(weights, gradient, square, learning_rate, rho):
    """New weights and new running mean of the squared gradients, shaped alike."""
    square = rho * square + (1 - rho) * gradient**2
    return weights - learning_rate * gradient / np.sqrt(square + 1e-7), square

# %% tags=["check"]
# Check, part 1 of 4
assert callable(rmsprop), "Write a function of this name."
# A hundred gradients for eight weights, from tiny to large. Tiny ones show epsilon.
scales = 10.0 ** np.arange(-5, 3)
gradients = np.random.default_rng(3).normal(size=(100, 8)) * scales


def path_of(rule):
    """A hundred steps, (100, 8), or a hint where the rule gives no new state."""
    weights, square, path = np.zeros(8), np.zeros(8), []
    for gradient in gradients:
        try:
            with np.errstate(all="ignore"):
                weights, square = rule(weights, gradient, square, 0.01, 0.9)
        except Exception as error:
            raise AssertionError(
                f"Return the new weights and the new v, a pair; it raises {error!r}."
            ) from error
        assert np.shape(weights) == np.shape(square) == (8,), "Both have w's shape."
        path.append(np.asarray(weights, dtype="float64"))
    return np.array(path)

# %% tags=["check"]
# Check, part 2 of 4
def mean_of(v, g):
    """The new running mean of the squares."""
    return 0.9 * v + 0.1 * g**2


def variant(mean=mean_of, root=lambda v: np.sqrt(v + 1e-7), keep="new", sign=1):
    """RMSprop, or a typical error: another mean, root, state or sign."""

    def rule(weights, gradient, square, rate, rho):
        new = mean(square, gradient)
        step = sign * rate * gradient / root(square if keep == "late" else new)
        return weights - step, square if keep == "old" else new

    return rule

# %% tags=["check"]
# Check, part 3 of 4
ours = path_of(rmsprop)
errors = {
    "Your epsilon is beside the root; here it is under it, as in Keras.": variant(
        root=lambda v: np.sqrt(v) + 1e-7
    ),
    "Update v first, then divide by the root of the new one.": variant(keep="late"),
    "Return the new v, or each step forgets the ones before.": variant(keep="old"),
    "Divide by the *root* of v.": variant(root=lambda v: v + 1e-7),
    "Go against the gradient: subtract the step.": variant(sign=-1),
    "rho is the share of the old v that stays.": variant(
        mean=lambda v, g: 0.1 * v + 0.9 * g**2
    ),
    "v is the mean of the *squared* gradients.": variant(
        mean=lambda v, g: 0.9 * v + 0.1 * np.abs(g)
    ),
    "Weigh the new square by 1 - rho; else v is a sum.": variant(
        mean=lambda v, g: 0.9 * v + g**2
    ),
}

# %% tags=["check"]
# Check, part 4 of 4
for hint, rule in errors.items():
    assert not np.allclose(ours, path_of(rule), rtol=1e-6, atol=1e-9), hint
optimizer = keras.optimizers.RMSprop(learning_rate=0.01, rho=0.9)
variable = keras.Variable(np.zeros(8), dtype="float32")
for step, (weights, gradient) in enumerate(zip(ours, gradients, strict=True), start=1):
    optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
    off = np.abs(weights - keras.ops.convert_to_numpy(variable)).max()
    assert off < 1e-4, f"Step {step} differs from Keras's: compare with the formula."
moved, new = rmsprop(np.zeros(8), np.ones(8), np.full(8, 4.0), 0.5, 0.6)
assert np.allclose(new, 2.8) and np.allclose(moved, -0.5 / np.sqrt(2.8)), (
    "Use the arguments `learning_rate` and `rho`."
)
print("✓ a hundred steps like Keras's")

# %% [markdown]
# **Why.** Without correction the first $v$ is $(1-\rho)g^2=0.1\,g^2$, so the first step is $1/\sqrt{0.1}\approx3.2$ rates. With $\rho=0.9$ that is over after
# some 20 steps. Adam's $\beta_2=0.999$ would take some thousands, and so Adam corrects.
