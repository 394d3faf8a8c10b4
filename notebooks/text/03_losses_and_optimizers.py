# %% [markdown]
# # 03 · Losses and optimizers: the formulas, right and by hand
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/03_losses_and_optimizers.ipynb)
#
# You will write every loss (损失函数) and optimizer (优化器) of the article in a few lines of NumPy, hold them against Keras to the sixth
# digit, and see what happens to a training when a formula is a little wrong.
#
# **You will be able to**
#
# - write MSE and cross-entropy with the right sums, and say why a loss should be computed from logits;
# - derive the gradient of cross-entropy, and check any gradient with numbers;
# - write SGD, momentum, Adagrad, Adam and AdamW by hand;
# - recognise a sum without a mean, a missing bias correction and a rate that is too large;
# - choose between a number and classes for a target such as stars.
#
# **You need first:** lesson 00, and 01 for the last part. **Time:** about 40 minutes to read, one minute to run on two CPU cores.

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
# the path of your own CSV file (columns text, label); None: what the profile names
source = None
max_rows = 5000  # of your own CSV file: more are sampled; None: take all
steps = 200  # of each optimizer when it is held against Keras
problems = 20  # random problems on which each loss is held against Keras
# training reviews for the stars at the end (under 400 the findings there need not hold)
star_texts = 800

# %%
from functools import partial

import numpy as np
import pandas as pd

from helpers import data, figures, finetuning, models, runtime

course = runtime.start(seed, profile, source)
import keras
from keras import optimizers

random = np.random.default_rng(seed)
# NumPy counts in float64, 16 digits; so can Keras on TensorFlow.
# JAX has float32, 7 digits, unless told otherwise.
in_float64 = course.backend == "tensorflow"
precision, tolerance = ("float64", 1e-6) if in_float64 else ("float32", 1e-4)

# %% [markdown]
# ## A number: mean squared error (均方误差)
#
# $$\text{MSE} = \frac{1}{n}\sum_{i=1}^{n}(y_i-\hat y_i)^2$$
#
# $n$ texts; $y_i$, the true number of text $i$; $\hat y_i$ ("y hat"), the predicted one. Both $y$ and $\hat y$ have the
# shape $(n,)$. The article has this one right.

# %%
def mean_squared_error(truth, predicted):
    """Both (n,); a number."""
    return np.mean((truth - predicted) ** 2)


stars, guesses = np.array([5.0, 1.0, 4.0]), np.array([4.0, 1.0, 2.0])
error = round(mean_squared_error(stars, guesses), 2)
print("squared errors", (stars - guesses) ** 2, "mean", error)

# %% [markdown]
# An error of 2 counts four times as much as an error of 1: MSE hates large misses. Now against Keras, on random problems.

# %%
def same(ours, theirs):
    """Whether two numbers or arrays agree within the tolerance."""
    return np.allclose(ours, theirs, rtol=tolerance, atol=tolerance)


theirs = keras.losses.MeanSquaredError(dtype=precision)
pairs = [random.normal(size=(2, random.integers(1, 100))) for _ in range(problems)]
course.claim(
    "our MSE is Keras's",
    all(same(mean_squared_error(*pair), theirs(*pair)) for pair in pairs),
)

# %% [markdown]
# ## A trap: (n,) against (n, 1)
#
# A model with one output gives $(n, 1)$; labels are often $(n,)$. Subtract them, and NumPy **broadcasts** (广播): each label meets
# each prediction, $(n, n)$ differences. NumPy raises no error, and
# the mean of these $n^2$ differences is another number. Keras's losses align the two shapes first, and so does `compile` for a function that you
# pass to it. A loss that you compute yourself, as here, does not.

# %%
column = guesses[:, None]  # (3, 1), as a model gives it
print("differences", (stars - column).shape)
wrong = round(mean_squared_error(stars, column), 2)
print("right", error, "wrong", wrong)
course.claim(
    "perfect predictions in the wrong shape have an error over 1",
    mean_squared_error(stars, stars[:, None]) > 1,
)
course.claim(
    "Keras's MSE is the same for (n,) and (n, 1)",
    same(theirs(stars, column), theirs(stars, guesses)),
)

# %% [markdown]
# ## Yes or no: binary cross-entropy (二元交叉熵)
#
# $$L = -\frac{1}{n}\sum_{i=1}^{n}\big[y_i\log p_i+(1-y_i)\log(1-p_i)\big]$$
#
# $y_i$ is 1 or 0, $p_i$ the predicted probability of 1; both $(n,)$. It is minus the logarithm of the probability that the *right*
# answer got. It is 0 for a sure and right answer, and grows without limit as the right answer's probability goes to 0. With the natural logarithm
# its unit is the **nat**.

# %%
def binary_cross_entropy(truth, probability):
    """Both (n,); a number, in nats."""
    return -np.mean(truth * np.log(probability) + (1 - truth) * np.log(1 - probability))


theirs = keras.losses.BinaryCrossentropy(dtype=precision)
sizes = random.integers(1, 100, size=problems)
pairs = [(random.integers(0, 2, n), random.uniform(0.01, 0.99, n)) for n in sizes]
course.claim(
    "our binary cross-entropy is Keras's",
    all(same(binary_cross_entropy(*pair), theirs(*pair)) for pair in pairs),
)

# %% [markdown]
# The article has only $-\sum_i y_i\log\hat y_i$, and says that $i$ counts *samples*. Then texts with $y_i=0$ drop out, and whoever
# says "1" to everything has a perfect score:

# %%
truth, always_one = np.array([1, 0, 0, 1]), np.full(4, 1 - 1e-9)
as_printed = -np.sum(truth * np.log(always_one))
right = binary_cross_entropy(truth, always_one)
print(f"as printed {abs(as_printed):.2f}, right {right:.2f}")
course.claim("as printed, always saying 1 has a loss of 0", abs(as_printed) < 1e-6)

# %% [markdown]
# ## One of K: categorical cross-entropy (交叉熵)
#
# $$L=-\frac1n\sum_{i=1}^{n}\sum_{k=1}^{K}y_{ik}\log p_{ik}$$
#
# The article's sum is right if its index runs over the $K$ *classes* of one text; then comes the mean over the $n$ texts. $y$ and
# $p$ are $(n, K)$; each row of $y$ holds a single 1 (**one-hot**, 独热). The **sparse** version gives the same loss,
# but takes the class's number in place of the row.
#
# A model's last layer gives $K$ arbitrary numbers for each text, the **logits** $z$. **Softmax** turns them into probabilities:
# $p_k=e^{z_k}/\sum_j e^{z_j}$. The code subtracts each row's largest logit first. That changes no probability; the next section shows why it is needed.

# %%
def categorical_cross_entropy(one_hot, probability):
    """Both (n, K); a number."""
    return -np.mean(np.sum(one_hot * np.log(probability), axis=1))


def sparse_cross_entropy(label, probability):
    """label (n,), whole numbers 0 to K - 1; probability (n, K)."""
    return -np.mean(np.log(probability[np.arange(len(label)), label]))


def softmax(logits):
    """(n, K) -> probabilities (n, K): exp, then divided by the row's sum."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)

# %%
categorical = keras.losses.CategoricalCrossentropy(dtype=precision)
sparse = keras.losses.SparseCategoricalCrossentropy(dtype=precision)
for _ in range(problems):
    n, classes = random.integers(1, 100), random.integers(2, 10)
    label, p = random.integers(0, classes, n), softmax(random.normal(size=(n, classes)))
    one_hot = np.eye(classes)[label]
    ours = categorical_cross_entropy(one_hot, p), sparse_cross_entropy(label, p)
    assert same(ours[0], categorical(one_hot, p))
    assert same(ours[1], sparse(label, p))
course.claim("ours are Keras's, and both are one number", same(*ours))

# %% [markdown]
# ## Why logits?
#
# On paper one computes $p=\text{softmax}(z)$, then $\log p$. In `float32`, with logits of 0
# and 200 where the class with 0 is right, the loss should be 200:

# %%
z = np.array([[0, 200]], dtype="float32")
with np.errstate(all="ignore"):  # NumPy would warn; a graphics card does not
    raised = np.exp(z)
    p = raised / raised.sum()
    print("exp", raised, "softmax", p, "loss", -np.log(p)[0, 0])
    p = softmax(z)
    print("our softmax", p, "loss", -np.log(p)[0, 0])
course.claim(
    "e to the 200 is no float32, and e to the -200 is 0",
    np.isinf(raised[0, 1]) and p[0, 0] == 0,
)

# %% [markdown]
# In the first version $e^{200}$ overflows to `inf`, and `inf / inf` is `nan`. Our softmax subtracts the largest logit first, so nothing
# overflows. But the small probability is rounded to 0, and the loss is still infinite. So compute the loss from the logits, without $p$:
#
# $$-\log p_k=\log\sum_j e^{z_j}-z_k,\qquad \log\sum_j e^{z_j}=m+\log\sum_j e^{z_j-m},\quad m=\max_j z_j$$
#
# This is **log-sum-exp**: the largest term is $e^0=1$, so the logarithm is safe.

# %%
def cross_entropy(label, logits):
    """label (n,), logits (n, K); a number, finite for all finite logits."""
    largest = logits.max(axis=1)
    log_sum = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return np.mean(log_sum - logits[np.arange(len(label)), label])


print("loss", cross_entropy(np.array([0]), z))
course.claim("in float32, too, it is 200", cross_entropy(np.array([0]), z) == 200)

# %% [markdown]
# With `from_logits=True`, Keras computes the loss in this way. If you give it probabilities, it cuts them at $10^{-7}$, so the loss cannot exceed
# $-\ln 10^{-7}\approx 16.1$. Beyond this point the loss is constant and its gradient is 0: the model learns nothing from its worst mistakes. (Where a
# model of TensorFlow's ends in a softmax layer, Keras finds the logits behind it and takes them; with JAX it cannot. Do not rely on it.)

# %%
from_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
from_probabilities = keras.losses.SparseCategoricalCrossentropy()
for size in (10, 50, 200):
    z = np.array([[0, size]], dtype="float32")
    safe = float(from_logits(np.array([0]), z))
    cut = float(from_probabilities(np.array([0]), softmax(z)))
    print(f"logits 0 and {size:3}: ", end="")
    print(f"from logits {safe:5.1f}, from probabilities {cut:5.1f}")
course.claim(
    "from probabilities Keras's loss ends under 16.2", cut < 16.2 and safe == 200
)

# %% [markdown]
# ## The gradient: p - y
#
# How does the loss change with a logit? For one text, $L=\log\sum_j e^{z_j}-z_{\text{right}}$. The derivative of the
# first part by $z_k$ is $e^{z_k}/\sum_j e^{z_j}=p_k$. That of the second part is $-1$ if $k$ is the right class and 0 otherwise, which is $-y_k$.
# Taking the mean over $n$ texts divides their sum by $n$:
#
# $$\frac{\partial L}{\partial z_{ik}}=\frac{p_{ik}-y_{ik}}{n}$$

# %%
def cross_entropy_gradient(label, logits):
    """label (n,), logits (n, K); the derivative by each logit, (n, K)."""
    one_hot = np.eye(logits.shape[1])[label]
    return (softmax(logits) - one_hot) / len(label)


print(cross_entropy_gradient(np.array([0]), np.array([[0.0, 2.0]])).round(2))

# %% [markdown]
# Going down this slope pushes the wrong class down and the right one up, by as much as the model is off. Check a gradient (梯度) by moving each number a
# little both ways, **central differences** (中心差分): the estimate is $(f(x+h)-f(x-h))/2h$, for one number of $x$ at a time.

# %%
def numerical_gradient(function, at, step=1e-5):
    """Derivative by each number of the float64 array `at`, by central differences."""
    slopes = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        move = np.zeros_like(at)
        move[place] = step
        slopes[place] = (function(at + move) - function(at - move)) / (2 * step)
    return slopes


label, logits = random.integers(0, 4, 6), random.normal(size=(6, 4))
numerical = numerical_gradient(lambda z: cross_entropy(label, z), logits)
off = np.abs(cross_entropy_gradient(label, logits) - numerical).max()
course.claim("(p - y) / n is the gradient, within 0.00000001", off < 1e-8)

# %% [markdown]
# ## A test bed for optimizers (优化器)
#
# Least squares (最小二乘): find weights $w$, $(d,)$, such that $Xw$ is near $y$; $X$ is $(n, d)$. The loss is the MSE, its gradient
# $g=\frac2n X^\top(Xw-y)$, $(d,)$.

# %%
def least_squares(seed, n=64, d=8):
    """A random problem: X (n, d), y (n,)."""
    random = np.random.default_rng(seed)
    X, noise = random.normal(size=(n, d)), random.normal(size=n)
    return X, X @ random.normal(size=d) + noise


def squares_gradient(X, y, weights):
    """The derivative of the MSE of X @ weights by each weight, (d,)."""
    return 2 / len(y) * X.T @ (X @ weights - y)


X, y = least_squares(seed)
at = random.normal(size=8)
numerical = numerical_gradient(lambda w: mean_squared_error(y, X @ w), at)
off = np.abs(squares_gradient(X, y, at) - numerical).max()
course.claim("its gradient is right, within 0.000001", off < 1e-6)

# %% [markdown]
# ## SGD, momentum (动量), Adagrad
#
# $\alpha$, a number, is the learning rate (学习率); $g_t$, $(d,)$, the gradient at $w_t$. What a rule remembers has $w$'s shape, too; squares and roots
# are taken of each coordinate. $0\le\mu<1$, the parameter `momentum` in the code, says how much of the old velocity stays; $\epsilon$ is tiny.
#
# - **SGD** (随机梯度下降): $w_{t+1}=w_t-\alpha g_t$.
# - **Momentum** keeps a velocity that remembers older gradients: $u_{t+1}=\mu u_t-\alpha g_t$, then $w_{t+1}=w_t+u_{t+1}$.
# - **Adagrad** divides by the root of all squared gradients so far: $s_t=s_{t-1}+g_t^2$, $w_{t+1}=w_t-\alpha g_t/\sqrt{s_t+\epsilon}$. Keras begins
#   with $s_0=0.1$. Since $s$ only grows, the steps shrink.
#
# Each of our functions takes the weights, the gradient and its **state**, which is what it remembers. It returns the new weights and the new state. SGD
# remembers nothing and passes its state on.

# %%
def sgd(weights, gradient, state, learning_rate):
    return weights - learning_rate * gradient, state


def momentum(weights, gradient, velocity, learning_rate, momentum):
    velocity = momentum * velocity - learning_rate * gradient
    return weights + velocity, velocity


def adagrad(weights, gradient, squares, learning_rate, epsilon=1e-7):
    squares = squares + gradient**2
    return weights - learning_rate * gradient / np.sqrt(squares + epsilon), squares

# %% [markdown]
# ## Adam and AdamW
#
# **Adam** keeps running means of $g$ and of $g^2$:
#
# $$m_t=\beta_1m_{t-1}+(1-\beta_1)g_t,\quad v_t=\beta_2v_{t-1}+(1-\beta_2)g_t^2$$
# $$\hat m_t=\frac{m_t}{1-\beta_1^t},\quad \hat v_t=\frac{v_t}{1-\beta_2^t},\quad w_{t+1}=w_t-\alpha\frac{\hat m_t}{\sqrt{\hat v_t}+\epsilon}$$
#
# Usually $\beta_1=0.9$, $\beta_2=0.999$. Both means begin at 0 and so are too small at first; the hats put that right: **bias correction** (偏差修正).
# The article leaves it out. **Weight decay** (权重衰减) pulls every weight a little towards 0 at each step. **AdamW** does this apart from the
# gradient: it also subtracts $\alpha\lambda w_t$, where the number $\lambda$ says how strongly. The code below computes Adam in another form: it corrects
# the rate in place of $m$ and $v$.

# %%
def adam(
    weights, gradient, state, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7
):
    step, first, second = state
    step = step + 1
    first = beta_1 * first + (1 - beta_1) * gradient
    second = beta_2 * second + (1 - beta_2) * gradient**2
    # both corrections in one
    rate = learning_rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return weights - rate * first / (np.sqrt(second) + epsilon), (step, first, second)


def adamw(weights, gradient, state, learning_rate, weight_decay, **knobs):
    weights = weights - learning_rate * weight_decay * weights
    return adam(weights, gradient, state, learning_rate, **knobs)

# %% [markdown]
# Like Keras, our lines correct the rate, as Kingma and Ba propose at the end of their section 2. It is the same but
# for $\epsilon$, which then stands beside the *uncorrected* root ("epsilon hat"); *Going further* shows where that matters.
#
# One function follows our rule from state to state; another lets Keras's optimizer do the same, with the same gradients.

# %%
def follow(rule, state, gradient, weights, steps, **knobs):
    """All weights on the way, (steps + 1, d)."""
    path = [weights]
    for _ in range(steps):
        weights, state = rule(weights, gradient(weights), state, **knobs)
        path.append(weights)
    return np.array(path)


def follow_keras(optimizer, gradient, weights, steps):
    """The same with an optimizer of Keras."""
    variable, path = keras.Variable(weights, dtype=precision), [weights]
    for _ in range(steps):
        slope = keras.ops.convert_to_tensor(gradient(path[-1]), dtype=precision)
        optimizer.apply([slope], [variable])
        path.append(keras.ops.convert_to_numpy(variable))
    return np.array(path)

# %% [markdown]
# One detail shows in the fifth digit: Keras rounds an optimizer's settings to `float32`, where 0.999 is 0.99900001. So both sides get the
# rounded settings. Then each of the 200 steps agrees.

# %%
with_momentum = {"learning_rate": 0.02, "momentum": 0.9}
adams = {"learning_rate": 0.05, "beta_1": 0.9, "beta_2": 0.999}
rules = {  # our rule, the state that it begins with, Keras's class, knobs for both
    "SGD": (sgd, None, optimizers.SGD, {"learning_rate": 0.05}),
    "momentum": (momentum, 0.0, optimizers.SGD, with_momentum),
    "Adagrad": (adagrad, 0.1, optimizers.Adagrad, {"learning_rate": 0.5}),
    "Adam": (adam, (0, 0.0, 0.0), optimizers.Adam, adams),
    "AdamW": (adamw, (0, 0.0, 0.0), optimizers.AdamW, adams | {"weight_decay": 0.1}),
}
agree = []
for rule, state, theirs, knobs in rules.values():
    knobs = {knob: float(np.float32(value)) for knob, value in knobs.items()}
    for number in range(3):
        X, y = least_squares(seed + number)
        gradient = partial(squares_gradient, X, y)
        ours = follow(rule, state, gradient, np.zeros(8), steps, **knobs)
        its = follow_keras(theirs(**knobs), gradient, np.zeros(8), steps)
        agree.append(same(ours, its))
names = ", ".join(rules)
course.claim(f"each step of {names} is Keras's, on 3 random problems", all(agree))

# %% [markdown]
# ## The learning rate: too small, right, too large
#
# On a bowl with steepest curvature $L$ (曲率; for least squares the largest eigenvalue of $\frac2nX^\top X$), gradient descent falls at each step
# if $\alpha<2/L$. Beyond that, each step along the steepest direction lands higher on the other side.

# %%
X, y = least_squares(seed)
steepest = np.linalg.eigvalsh(2 / len(X) * X.T @ X).max()
gradient, curves = partial(squares_gradient, X, y), {}
for share in (0.02, 1.0, 2.1):
    path = follow(sgd, None, gradient, np.zeros(8), 40, learning_rate=share / steepest)
    curves[share] = np.array([mean_squared_error(y, X @ w) for w in path])
course.claim(
    "under 2 / L the loss falls at each step",
    all(np.diff(curves[share]).max() < 1e-9 for share in (0.02, 1.0)),
)
course.claim(
    "at 2.1 / L it ends over 3 times as high as at 1 / L",
    curves[2.1][-1] > 3 * curves[1.0][-1],
)

# %% tags=["nbval-ignore-output"]
title = "The same 40 steps at three rates"
figure, axes = figures.new(title, "step", "mean squared error")
styles = (figures.BLUE, ":"), (figures.GREEN, "-"), (figures.ORANGE, "--")
for (share, curve), (colour, line) in zip(curves.items(), styles, strict=True):
    label = f"rate {share:g} / L"
    axes.plot(curve, color=colour, linestyle=line, linewidth=2, label=label)
axes.set_yscale("log")
axes.legend(frameon=False)
figures.show(
    figure,
    "Three loss curves: with the small rate it falls slowly, with the right one within"
    " ten steps; with the large one it rises.",
)

# %% [markdown]
# ## A ravine (峡谷)
#
# Where one direction is a hundred times as steep as another (condition number 100, 条件数), the steep one limits the rate, and along
# the flat one SGD crawls. Momentum adds up what points the same way. Adam divides each coordinate by the running size of its own gradient. The ravine
# below is the loss $(w_1^2+100\,w_2^2)/2$; its gradient is $(w_1,100\,w_2)$, and `slopes` holds the two factors.

# %%
slopes, begin = np.array([1.0, 100.0]), np.array([-10.0, 1.0])
ways = {
    "SGD": (sgd, None, {"learning_rate": 0.018}),
    "Adam": (adam, (0, 0.0, 0.0), {"learning_rate": 0.5}),
    "momentum": (momentum, 0.0, {"learning_rate": 0.018, "momentum": 0.8}),
}
paths, ends = {}, {}
for name, (rule, state, knobs) in ways.items():
    paths[name] = follow(rule, state, lambda w: slopes * w, begin, 60, **knobs)
    ends[name] = (slopes * paths[name][-1] ** 2).sum() / 2
course.claim(
    "after 60 steps momentum and Adam are under a tenth of SGD's loss",
    10 * max(ends["Adam"], ends["momentum"]) < ends["SGD"],
)

# %% tags=["nbval-ignore-output"]
directions = "weight 1, the flat direction", "weight 2, the steep direction"
figure, axes = figures.new("60 steps in a ravine", *directions)
x, up = np.meshgrid(np.linspace(-11, 4, 100), np.linspace(-1.6, 1.6, 100))
heights = (x**2 + 100 * up**2) / 2
axes.contour(x, up, heights, levels=[1, 5, 15, 30, 60, 100], colors="lightgrey")
styles = ("o-", figures.BLUE), ("s--", figures.GREEN), ("^:", figures.ORANGE)
for (name, path), (style, colour) in zip(paths.items(), styles, strict=True):
    axes.plot(*path.T, style, color=colour, markersize=3, label=name)
axes.legend(frameon=False)
figures.show(
    figure,
    "Paths over the contours of a long narrow valley: SGD zigzags and stops half-way,"
    " momentum and Adam come to the bottom.",
)

# %% [markdown]
# ## The article's cross-entropy: a sum, no mean
#
# Without $1/n$ the gradient grows with the batch: with 256 texts the step is 256 times as large. A rate that was right for
# the mean is far beyond $2/L$ for the sum. (The weights do not explode only because each entry of $p-y$ lies between -1 and 1.) The same rate, the same data:

# %%
X, noise = random.normal(size=(256, 10)), random.gumbel(size=(256, 3))
label = (X @ random.normal(size=(10, 3)) + noise).argmax(axis=1)
curves = {}
for name, times in {"mean": 1, "sum": 256}.items():

    def gradient(W, times=times):
        return times * X.T @ cross_entropy_gradient(label, X @ W)

    path = follow(sgd, None, gradient, np.zeros((10, 3)), 100, learning_rate=0.5)
    curves[name] = np.array([cross_entropy(label, X @ W) for W in path])
course.claim(
    "with the mean the loss falls at each step", np.diff(curves["mean"]).max() < 0
)
course.claim(
    "with the sum it is never again as low as at the start",
    curves["sum"][1:].min() > curves["sum"][0],
)

# %% tags=["nbval-ignore-output"]
title = "Cross-entropy of 256 texts at rate 0.5"
figure, axes = figures.new(title, "step", "mean cross-entropy (nats a text)")
styles = (figures.GREEN, "-"), (figures.ORANGE, "--")
for (name, curve), (colour, line) in zip(curves.items(), styles, strict=True):
    of = f"gradient of the {name}"
    axes.plot(curve, color=colour, linestyle=line, linewidth=2, label=of)
axes.legend(frameon=False)
figures.show(
    figure,
    "Two curves over 100 steps: with the mean the loss falls smoothly, with the sum it"
    " jumps up at once and stays far above.",
)

# %% [markdown]
# ## The article's SGD: "each sample", with a formula for all
#
# Its words describe a step for each text, its $L$ is the loss of all texts. The two differ: one is noisy and cheap, the other smooth, and each
# step reads everything. In practice one takes **mini-batches** (小批量), between the two.

# %%
X, y = least_squares(seed, n=256)
curves = {}
for size in (256, 16, 1):
    rows = iter([random.permutation(256)[:size] for _ in range(100)])

    def gradient(w, rows=rows):
        batch = next(rows)
        return squares_gradient(X[batch], y[batch], w)

    path = follow(sgd, None, gradient, np.zeros(8), 100, learning_rate=0.04)
    curves[size] = np.array([mean_squared_error(y, X @ w) for w in path])
rises = {size: (np.diff(curve) > 1e-9).sum() for size, curve in curves.items()}
course.claim("with all examples the loss never rises", rises[256] == 0)
course.claim("with one example it rises in over 20 of 100 updates", rises[1] > 20)
course.claim("and still ends lower than it began", curves[1][-1] < curves[1][0])
late = {size: curve[50:].mean() for size, curve in curves.items()}
course.claim("in the second half it stays higher than with all", late[1] > late[256])

# %% tags=["nbval-ignore-output"]
title = "100 updates at rate 0.04, 256 examples"
figure, axes = figures.new(title, "update", "mean squared error of all")
styles = (figures.GREEN, "-"), (figures.BLUE, ":"), (figures.ORANGE, "--")
for (size, curve), (colour, line) in zip(curves.items(), styles, strict=True):
    of = f"{'all' if size == len(X) else size} in an update"
    axes.plot(curve, color=colour, linestyle=line, linewidth=2, label=of)
axes.legend(frameon=False)
figures.show(
    figure,
    "Three falling curves: with all examples smooth, with 16 nearly so, with one"
    " example an update ragged.",
)

# %% [markdown]
# A hundred updates read 25,600 examples with all, and only 100 with one. At first the loss falls about as fast either way. Near the goal the noise of single
# examples keeps it from settling.
#
# ## The article's Adam: no bias correction
#
# With a gradient that is always 1, a corrected step is the rate itself. Without the hats, $m_1=1-\beta_1=0.1$ and $\sqrt{v_1}=\sqrt{0.001}$: the first
# step is $0.1/0.032\approx3.16$ times too large. How do the next ones go?

# %%
def adam_as_printed(
    weights, gradient, state, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7
):
    m = beta_1 * state[0] + (1 - beta_1) * gradient
    v = beta_2 * state[1] + (1 - beta_2) * gradient**2
    return weights - learning_rate * m / (np.sqrt(v) + epsilon), (m, v)


ones = np.ones_like, np.zeros(1), 100  # the gradient, the first weight, the steps
printed = -np.diff(follow(adam_as_printed, (0.0, 0.0), *ones, learning_rate=1.0)[:, 0])
right = -np.diff(follow(adam, (0, 0.0, 0.0), *ones, learning_rate=1.0)[:, 0])
off = np.abs(right - 1).max()
course.claim("corrected, every step is the rate, within 0.001", off < 0.001)
course.claim(
    "as printed, the first is over 3 times the rate, the largest over 6 times",
    printed[0] > 3 and printed.max() > 6,
)
course.claim("and step 100 is still over 3 times", printed[99] > 3)

# %% tags=["nbval-ignore-output"]
title = "Adam's first hundred steps, gradient always 1"
figure, axes = figures.new(title, "step", "size of the step (rates)")
step, orange, green = range(1, 101), figures.ORANGE, figures.GREEN
axes.plot(step, printed, "--", color=orange, linewidth=2, label="as printed")
axes.plot(step, right, color=green, linewidth=2, label="with bias correction")
axes.set_ylim(bottom=0)
axes.legend(frameon=False)
figures.show(
    figure,
    "With correction a flat line at 1; as printed it starts above 3, rises above 6 near"
    " step 12 and falls back to 3 at step 100.",
)

# %% [markdown]
# With the printed formula, early steps are several times as large as the rate says. A rate that suits these steps is too small later, and with one
# that suits the later steps the first ones can spoil good weights. After some thousand steps $1-\beta_2^t$ is near 1, and both are the same.
#
# ## At real work: stars as a number, or as classes?
#
# One to five stars can be *measured* (MSE) or *told apart* (cross-entropy). As features we take MiniLM's vectors without training it; lesson 05 calls
# them frozen features. We also use the three-star reviews, which lesson 01 set aside: a fifth of them for validation, the others for training.

# %% tags=["nbval-ignore-output"]
splits, label_names = data.prepare_splits(course.source, max_rows)
column = "stars" if course.on_reviews else "label"
parts = {"train": [splits["train"]], "validation": [splits["validation"]]}
if course.on_reviews:
    for name, part in zip(parts, data.carve(splits["undecided"], 0.2), strict=True):
        parts[name].append(part)
train, validation = (pd.concat(frames, ignore_index=True) for frames in parts.values())
train = train.sample(min(star_texts, len(train)), random_state=seed)
validation = validation.sample(min(400, len(validation)), random_state=seed)
classifier = models.make_classifier(course.profile.backbone, seed=seed)
texts = [frame["text"].tolist() for frame in (train, validation)]
features = [finetuning.mean_features(classifier, part) for part in texts]

# %% [markdown]
# **Ridge** (岭回归) is a linear model with MSE and a penalty on large weights, whose strength it chooses on the training reviews. **Logistic regression**
# is a linear model with cross-entropy. Its five probabilities can be summed up in three ways: the likeliest class, the mean, and the median (中位数), the
# first class at which the summed probabilities reach one half. **MAE** (平均绝对误差) is the mean distance from the true number. "Hits" is the share of
# answers that are exactly right, so an unrounded number has hardly any.

# %% tags=["nbval-ignore-output"]
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

stars, levels = validation[column].to_numpy(), np.unique(train[column])
ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 9)))
number = ridge.fit(features[0], train[column]).predict(features[1])
p = finetuning.fit_frozen_head(features[0], train[column]).predict_proba(features[1])
mean = np.full(len(stars), train[column].mean())
answers = {"always the mean": mean, "number": number}
answers["number, rounded"] = number.round().clip(levels[0], levels[-1])
answers["likeliest class"] = levels[p.argmax(axis=1)]
median = (p.cumsum(axis=1) < 0.5).sum(axis=1).clip(max=len(levels) - 1)
answers["median of classes"] = levels[median]
answers["mean of classes"] = p @ levels
off = pd.DataFrame(answers).sub(stars, axis=0).abs()
table = pd.DataFrame({"MSE": (off**2).mean(), "MAE": off.mean()})
table["hits"], table["3 or more off"] = (off == 0).mean(), (off > 2.5).mean()
print(table.round(2).to_string())

# %%
mse, mae, hits, far = table["MSE"], table["MAE"], table["hits"], table["3 or more off"]
rounded, likeliest = "number, rounded", "likeliest class"
more = hits[likeliest] - hits[rounded]
course.finding("classes hit over 8 points more than the rounded number", more > 0.08)
lower = mse[likeliest] - mse["number"]
course.finding("the number has an MSE over 0.2 lower", lower > 0.2)
rare = far["number"] < far[likeliest] / 2
course.finding("and is 3 stars off less than half as often", rare)
gap = abs(mae[rounded] - mae[likeliest])
course.finding("in mean absolute error they are within 0.2 of each other", gap < 0.2)
threes = (answers[rounded] == 3).mean()
course.finding("over 40 % of the rounded numbers are 3", threes > 0.4)
smaller = mae["median of classes"] < mae[["number", likeliest]].min()
course.finding("the median of the classes has a smaller one than either", smaller)
gap = abs(mse["mean of classes"] - mse["number"])
course.finding("the mean of the classes has the number's MSE, within 0.2", gap < 0.2)

# %% [markdown]
# The model trained with MSE avoids large misses: in doubt it answers near 3, which is seldom far off and seldom exactly right. The likeliest class hits
# more and misses by more. In MAE neither wins.
#
# One set of probabilities serves all three scores: take the likeliest class for hits, the median for MAE, the mean for MSE. The mean's MSE is within 0.2
# of that of the number trained for it. Cross-entropy does not use the fact that 4 is nearer to 5 than to 1; here we saw no large loss from that.

# %% [markdown]
# ## Going further: batch size and noise
#
# A batch's gradient is an estimate (估计) of the gradient of all. If the batch is drawn at random with replacement, the estimate's standard deviation
# falls as $1/\sqrt{\text{batch}}$: to halve the noise, take four times as many examples. The gradient has eight numbers; we add their variances and take
# the root. Measured on 2,000 batches of each size:

# %%
X, y = least_squares(seed, n=2000)
at, sizes = np.zeros(8), np.array([1, 4, 16, 64, 256])
# the gradient of one example, (2000, 8)
each = np.array([squares_gradient(X[[row]], y[[row]], at) for row in range(2000)])
expected = np.sqrt(each.var(axis=0).sum() / sizes)
batches = [random.integers(0, 2000, (2000, size)) for size in sizes]
means = [each[rows].mean(axis=1) for rows in batches]
measured = np.array([np.sqrt(mean.var(axis=0).sum()) for mean in means])
off = np.abs(measured / expected - 1).max()
course.claim("the noise falls as 1 / root of the batch, within 15 %", off < 0.15)

# %% tags=["nbval-ignore-output"]
labels = "examples in the batch", "standard deviation of the gradient"
figure, axes = figures.new("Noise of a batch's gradient", *labels)
axes.loglog(sizes, measured, "o", color="black", label="measured")
label = "that of one example / root of the batch"
axes.loglog(sizes, expected, color=figures.BLUE, linestyle="--", label=label)
axes.legend(frameon=False)
figures.show(
    figure, "Five points on a straight falling line in a plot with logarithmic axes."
)

# %% [markdown]
# ## Adam's first steps, and why warm-up (预热)
#
# In step 1, $\hat m=g$ and $\sqrt{\hat v}=|g|$: the step is the rate times the *sign* of the gradient, whatever its size. Coordinates that hardly
# matter move as far as those that do:

# %%
g = np.array([-1000.0, -1.0, 0.001, 0.1, 10.0])
moved, _ = adam(np.zeros(5), g, (0, 0.0, 0.0), learning_rate=0.01)
print("gradients ", g.tolist(), "\nfirst step", moved.round(3).tolist())
course.claim(
    "each coordinate moves by the rate, within 1 %",
    np.abs(np.abs(moved) / 0.01 - 1).max() < 0.01,
)

# %% [markdown]
# Now let each gradient be a constant 0.1, the signal, plus noise of standard deviation 1, as a small batch makes it. The first steps go the wrong
# way almost as often as the right way, at full rate. Later, when the means cover many steps, the noise in them partly cancels, and the steps of such
# coordinates get smaller by themselves:

# %%
def noisy(weights):
    return 0.1 + random.normal(size=1000)


path = follow(adam, (0, 0.0, 0.0), noisy, np.zeros(1000), 200, learning_rate=0.01)
moves = np.diff(path, axis=0)
wrong = (moves[0] > 0).mean()
course.claim("over 40 % of 1,000 coordinates first step the wrong way", wrong > 0.4)
typical = np.median(np.abs(moves), axis=1) / 0.01
course.claim(
    "the typical first step is the rate, within 1 %", abs(typical[0] - 1) < 0.01
)
course.claim("the typical step 200 is under a third of it", typical[199] < 1 / 3)

# %% [markdown]
# **Warm-up** keeps the rate small until the means hold something. On pre-trained weights, which are good already, that is a
# cheap insurance; lesson 05 measures how much it mattered there (little, at the right rate).

# %% [markdown]
# ## Why AdamW's decay is not L2
#
# **L2 regularisation** adds $\lambda w$ to the *gradient*. Adam then divides this term by $\sqrt{\hat v}$ together with the rest, so weights with large
# gradients hardly decay. AdamW subtracts $\alpha\lambda w$ from the weight directly, and nothing divides it. To compare, two weights begin at 1. The
# gradient of the first alternates between $+10$ and $-10$, that of the second between $+0.1$ and $-0.1$:

# %%
def decayed(rule, penalty, **knobs):
    """Both weights over 500 steps, (501, 2); the gradient gets `penalty` times them."""
    signs = iter([1.0, -1.0] * 250)

    def swing(weights):
        return next(signs) * np.array([10.0, 0.1]) + penalty * weights

    knobs["learning_rate"] = 0.01
    return follow(rule, (0, 0.0, 0.0), swing, np.ones(2), 500, **knobs)


l2, decoupled = decayed(adam, 0.1), decayed(adamw, 0.0, weight_decay=0.1)

# %% tags=["nbval-ignore-output"]
figure, axes = figures.new("Decay of two weights", "step", "weight")
orange, blue = figures.ORANGE, figures.BLUE
axes.plot(l2[:, 0], "-", color=orange, label="Adam with L2, gradients of 10")
axes.plot(l2[:, 1], "--", color=orange, label="Adam with L2, gradients of 0.1")
axes.plot(decoupled[:, 0], color=blue, linewidth=3, label="AdamW, gradients of 10")
axes.plot(decoupled[:, 1], ":", color="black", label="AdamW, gradients of 0.1")
axes.set_ylim(0, 1.1)
axes.legend(frameon=False, loc=(0.5, 0.17))
figures.show(
    figure,
    "With L2 the weight with large gradients stays at 1 and the other falls to near 0;"
    " AdamW's two lines fall slowly together.",
)

# %%
course.claim(
    "with L2 one weight keeps over 90 %, the other under 20 %",
    l2[-1, 0] > 0.9 and l2[-1, 1] < 0.2,
)
course.claim(
    "with AdamW both decay alike, within 0.02",
    abs(decoupled[-1, 0] - decoupled[-1, 1]) < 0.02,
)

# %% [markdown]
# ## A ravine at an angle
#
# Adam scales *coordinates*. Turn the ravine by 45 degrees, and no coordinate is steep or flat any more. SGD and momentum do not notice;
# Adam does:

# %%
turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
bowl = turn @ np.diag(slopes) @ turn.T
turned = {}
for name, (rule, state, knobs) in ways.items():
    end = follow(rule, state, lambda w: bowl @ w, turn @ begin, 60, **knobs)[-1]
    turned[name] = end @ bowl @ end / 2
course.claim(
    "SGD and momentum end as before",
    all(np.isclose(turned[name], ends[name]) for name in ("SGD", "momentum")),
)
course.claim(
    "Adam ends over twice as high as before", turned["Adam"] > 2 * ends["Adam"]
)

# %% [markdown]
# ## Keras's epsilon
#
# Beside the uncorrected root, $\epsilon$ weighs $1/\sqrt{1-\beta_2^t}$ times as much: 32 times in step 1. With ordinary gradients nobody
# sees it; with gradients of a millionth, one does. Algorithm 1 of the paper, by hand:

# %%
def adam_of_the_paper(
    weights, gradient, state, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7
):
    step = state[0] + 1
    m = beta_1 * state[1] + (1 - beta_1) * gradient
    v = beta_2 * state[2] + (1 - beta_2) * gradient**2
    m_hat, v_hat = m / (1 - beta_1**step), v / (1 - beta_2**step)
    return weights - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon), (step, m, v)


for size in (1.0, 1e-6):
    paper, of_keras = (
        rule(0.0, -size, (0, 0.0, 0.0), 1.0)[0] for rule in (adam_of_the_paper, adam)
    )
    print(f"gradient {size:g}: the paper's first step {paper:.2f} rates, ", end="")
    print(f"Keras's {of_keras:.2f}")
course.claim(
    "for a gradient of 0.000001 Keras's first step is under a third of the paper's",
    of_keras < paper / 3,
)

# %% [markdown]
# ## Exercises
#
# 1. What is the largest rate at which gradient descent still falls for `least_squares(7)`? Check with one rate below and one above.
# 2. Label smoothing (标签平滑) gives each class a little: $y'=(1-s)\,y+s/K$. Write the loss from logits, and its gradient.
# 3. RMSprop is Adam without $m$ and without correction. Write it, and hold it against Keras.
#
# With a check that tells you whether your answer holds: [exercises](exercises/03_losses_and_optimizers.ipynb); solved: [solutions](solutions/03_losses_and_optimizers.ipynb).

# %% [markdown]
# ## What you can do now
#
# - ✔ write MSE and cross-entropy, from logits (*A number*, *Yes or no*, *One of K*, *Why logits?*);
# - ✔ derive and check a gradient (*The gradient: p - y*);
# - ✔ write five optimizers by hand (*SGD, momentum, Adagrad*, *Adam and AdamW*);
# - ✔ recognise wrong formulas and wrong rates (*The learning rate*, *The article's …*);
# - ✔ choose between number and classes (*At real work*).
#
# **References.** Robbins, Monro: *A Stochastic Approximation Method*, 1951. Polyak: *Some methods of speeding up the convergence of iteration
# methods*, 1964. Duchi, Hazan, Singer: *Adaptive Subgradient Methods for Online Learning and Stochastic Optimization*, 2011. Kingma, Ba: *Adam: A
# Method for Stochastic Optimization*, 2015. Loshchilov, Hutter: *Decoupled Weight Decay Regularization*, 2019. Liu et al.: *On the Variance of the
# Adaptive Learning Rate and Beyond*, 2020 (warm-up). Keras documentation: *Losses*, *Optimizers*.
#
# **Glossary.** bias correction 偏差修正 · broadcasting 广播 · condition number 条件数 · cross-entropy 交叉熵 · curvature 曲率 · gradient 梯度 · learning rate 学习率 ·
# logits 未归一化分数 · loss 损失函数 · mean absolute error 平均绝对误差 · mean squared error 均方误差 · mini-batch 小批量 · momentum 动量 · one-hot 独热 · optimizer 优化器 · ridge 岭回归 ·
# stochastic gradient descent 随机梯度下降 · warm-up 预热 · weight decay 权重衰减.
