# %% [markdown]
# # 03 · Losses and optimizers: the formulas, right and by hand
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/v0.2.0/notebooks/03_losses_and_optimizers.ipynb)
#
# A **loss** (损失函数) says in one number how wrong a model is. An **optimizer** (优化器) changes the weights so that this number falls.
# You will write both in a few lines of NumPy and check that they match Keras. Some formulas of the Chinese article behind this course
# are wrong, and you will see what that does to a training.
#
# **You will be able to**
#
# - compute cross-entropy from logits, and say what goes wrong without them;
# - derive its gradient, and check it with numbers;
# - say what the learning rate and the noise of a batch do to a training;
# - write gradient descent, momentum and Adam by hand, and say what each one adds;
# - say what weight decay does, and why biases are exempt.
#
# **You need first:** lesson 00, and 01 for the reviews at the end. **Time:** about 45 minutes to read, 30 for the exercises, one minute to run on two CPU cores.

# %%
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/OWNER/REPOSITORY", "v0.2.0"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")

# %% tags=["parameters"]
seed = 42
profile = "small"  # or "full": BERT-base, for an accelerator and a network
source = None  # the path of your own CSV file (columns text, label)
max_rows = 5000  # of your own CSV file: more are sampled; None: take all
star_texts = 800  # training reviews for the stars; under 400 findings may fail

# %%
import numpy as np

from helpers import figures, runtime

course = runtime.start(seed, profile, source)
import keras

random = np.random.default_rng(seed)

# %% [markdown]
# ## A number: mean squared error (均方误差)
#
# Three reviews have 5, 1 and 4 stars, and a model guesses 4, 1 and 2. The errors are 1, 0 and 2, their squares 1, 0 and 4, and the mean of the
# squares is 5/3. For $n$ texts with the true numbers $y_i$ and the predictions $\hat y_i$, the loss $L$ is
#
# $$L=\frac1n\sum_{i=1}^n(y_i-\hat y_i)^2$$
#
# An error of 2 counts four times as much as an error of 1, so the model learns to avoid large misses first. The article has this formula right. Both arrays
# need the same shape (*Going further*).

# %%
def mean_squared_error(truth, predicted):
    """Both (n,); a number."""
    return np.mean((truth - predicted) ** 2)


print(mean_squared_error(np.array([5, 1, 4]), np.array([4, 1, 2])).round(2))

# %% [markdown]
# ## Classes: softmax and cross-entropy (交叉熵)
#
# A classifier gives each class a number, its **logit** $z_k$, which is larger for a likelier class. **Softmax** turns logits into
# probabilities. The logits 2, 1 and 0 have the exponentials 7.39, 2.72 and 1. Divided by their sum, 11.11, these become
# the probabilities 0.67, 0.24 and 0.09:
#
# $$p_k=\frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# The code first subtracts each text's largest logit, for a reason that follows. This divides all exponentials by the same number, so no probability changes.

# %%
def softmax(logits):
    """(n, K) -> probabilities (n, K): exponentials, divided by each row's sum."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


print(softmax(np.array([[2.0, 1.0, 0.0]])).round(2))

# %% [markdown]
# The loss is minus the logarithm of the *right* class's probability. A probability of 0.67 costs 0.41, one of 0.09 costs
# 2.41, and certainty costs nothing. With the natural logarithm the unit is the **nat**.
#
# Why not the squared error of the probability? Let the right one of two logits rise from 6 to 4 below the other. The squared error falls only from
# 0.995 to 0.964, so it hardly asks a model that is surely wrong to change. Cross-entropy falls from 6 to 4.

# %% tags=["nbval-ignore-output"]
gap = np.linspace(-6, 6, 100)
p = 1 / (1 + np.exp(-gap))  # softmax of the logits `gap` and 0
costs = {"cross-entropy, -log p": -np.log(p), "squared error": (1 - p) ** 2}
labels = "logit of the right class, minus the other", "loss (cross-entropy: nats)"
alt = "Cross-entropy falls like a straight line; squared error is flat on the left."
figures.show(figures.curves("What an answer costs", *labels, costs, x=gap), alt)

# %% [markdown]
# The loss of $n$ texts is the mean of their losses. Let $y_i$ be a row of $K$ numbers, 1 for the right class and 0 for the others (**one-hot**, 独热).
# Then only the right class's logarithm remains of the inner sum:
#
# $$L=-\frac1n\sum_{i=1}^{n}\sum_{k=1}^{K}y_{ik}\log p_{ik}$$
#
# The article omits $1/n$; *Going further* shows what that does.
#
# ## Why from logits?
#
# Let the logits be 0 and 200, and the first class right. Its probability is about $e^{-200}$, so the loss should be 200. `float32`, in which models
# compute, ends near $e^{89}$ and rounds $e^{-200}$ to 0.

# %%
label, z = np.array([0]), np.array([[0, 200]], dtype="float32")
with np.errstate(all="ignore"):  # NumPy would warn; a graphics card does not
    plain = np.exp(z) / np.exp(z).sum()
    print("plain softmax", plain[0], "loss", -np.log(plain[0, 0]))
    print("our softmax  ", softmax(z)[0], "loss", -np.log(softmax(z)[0, 0]))

# %% [markdown]
# The plain softmax divides infinity by infinity and gives `nan`, which is no number. Our softmax does not overflow, but the logarithm of its 0 is infinite.
# So we compute $\log p_k$ without $p_k$:
#
# $$-\log p_k=\log\sum_j e^{z_j}-z_k,\qquad \log\sum_j e^{z_j}=z_{\max}+\log\sum_j e^{z_j-z_{\max}}$$
#
# In the last sum the largest logit $z_{\max}$ gives $e^0=1$, and no term is larger, so its logarithm is safe. This is **log-sum-exp**.

# %%
def cross_entropy(label, logits):
    """label (n,), logits (n, K); a number, finite for all finite logits."""
    largest = logits.max(axis=1)
    log_sum = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return np.mean(log_sum - logits[np.arange(len(label)), label])


course.claim("in float32, too, the loss is 200", cross_entropy(label, z) == 200)

# %% [markdown]
# Keras does the same with `from_logits=True`. Its *sparse* loss takes the number of the right class in place of a one-hot row. Two things can go wrong:
#
# - **Probabilities instead of logits.** Keras raises smaller ones to $10^{-7}$, so no loss is over 16.1. Below that its slope is 0, and the
#   model learns nothing from its worst mistakes.
# - **Softmax twice.** The model ends in a softmax layer, and the loss gets `from_logits=True`. Then even a sure
#   and right answer costs something. On TensorFlow, Keras 3.15 notices the layer, warns, and takes the logits that it received. On JAX it does not.

# %%
from_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
from_probabilities = keras.losses.SparseCategoricalCrossentropy()
safe, cut = float(from_logits(label, z)), float(from_probabilities(label, softmax(z)))
twice = float(from_logits(np.array([1]), softmax(z)))
course.claim("from logits, Keras's loss is 200", safe == 200)
course.claim("from probabilities, it is under 16.2", cut < 16.2, cut)
course.claim("softmax twice: sure and right, it is over 0.3", twice > 0.3, twice)

# %% [markdown]
# ## The gradient: p - y
#
# The **gradient** (梯度) says how the loss changes with each logit. Take the logits 0 and 2, and let the first class be right. The probabilities are 0.12 and
# 0.88, and the gradient is $p-y$: $0.12-1=-0.88$ and $0.88-0=0.88$. A step against it raises the first logit and lowers the second, by as much
# as the model is off.
#
# Where does $p-y$ come from? For one text, $L=\log\sum_j e^{z_j}-z_{\text{right}}$. The derivative of the first part by $z_k$ is
# $e^{z_k}/\sum_j e^{z_j}=p_k$. That of the second part is 1 for the right class and 0 for the others, which is $y_k$. The mean divides by $n$:
#
# $$\frac{\partial L}{\partial z_{ik}}=\frac{p_{ik}-y_{ik}}{n}$$
#
# This is convenient: it needs only the probabilities, and it does not vanish while the model is wrong.
#
# To check a gradient, move one input a little up and down, and divide the difference of the two losses by that of the inputs. These are **central
# differences** (中心差分). If the move $h$ is too large, the curve bends in between. If it is too small, both losses agree in almost all digits, and their
# difference is mostly rounding. In `float64` about $10^{-5}$ suits.

# %%
def cross_entropy_gradient(label, logits):
    """label (n,), logits (n, K); the derivative by each logit, (n, K)."""
    one_hot = np.eye(logits.shape[1])[label]
    return (softmax(logits) - one_hot) / len(label)


z = np.array([[0.0, 2.0]])
gradient = cross_entropy_gradient(label, z)
higher, lower = (cross_entropy(label, z + [[h, 0]]) for h in (1e-5, -1e-5))
off = abs(gradient[0, 0] - (higher - lower) / 2e-5)  # of the first logit
print(gradient.round(2))
course.claim("central differences agree within 0.0000001", off < 1e-7, off)

# %% [markdown]
# ## Gradient descent (梯度下降)
#
# The loss $w^2$ of a single weight $w$ has the slope $2w$. At $w=3$ the slope is 6. With a **learning rate** (学习率) of 0.1 the weight becomes $3-0.1\cdot6=2.4$, and then
# $2.4-0.1\cdot4.8=1.92$. For all weights $w_t$ at step $t$, with the rate $\alpha$ and the gradient $g_t$:
#
# $$w_{t+1}=w_t-\alpha g_t$$
#
# Other rules remember something from step to step, their **state**. So each of our rules takes and returns one;
# gradient descent passes it on untouched. `follow` repeats a rule and keeps all weights.

# %%
def sgd(weights, gradient, state, learning_rate):
    return weights - learning_rate * gradient, state


def follow(rule, state, gradient, weights, steps, **knobs):
    """All weights on the way, (steps + 1, shape of `weights`)."""
    path = [weights]
    for _ in range(steps):
        weights, state = rule(weights, gradient(weights), state, **knobs)
        path.append(weights)
    return np.array(path)


path = follow(sgd, None, lambda w: 2 * w, 3.0, 5, learning_rate=0.1)
print(path.round(2))

# %% [markdown]
# ## The learning rate: too small, right, too large
#
# Near its lowest point a smooth loss looks like a bowl, $\kappa w^2/2$. Its slope is $\kappa w$, where $\kappa$ is the **curvature** (曲率). A step
# multiplies the weight by $1-\alpha\kappa$. With $\kappa=1$, the rate 0.02 leaves 98 % of the distance, 0.5 leaves half, and 1 reaches the bottom at once. The
# rate 1.5 jumps over the bottom to $-50$ %, and 2.1 to $-110$ %, so there the loss grows.
#
# If the rate is **too small**, the loss falls steadily, but slowly. If it is **right**, it falls fast and flattens out low.
# If it is **too large**, it jumps up and down, stays high, or grows.
#
# So the loss falls at every step only if $\alpha<2/\kappa$. With many weights the direction of the largest curvature sets this limit. For the mean squared
# error of $Xw$ (features $X$, $n$ rows) the directions are the eigenvectors of $\frac2nX^\top X$, and the curvatures its eigenvalues (特征值).

# %%
losses = {}
for rate in (0.02, 0.5, 1.5, 2.1):
    path = follow(sgd, None, lambda w: w, 1.0, 15, learning_rate=rate)
    losses[rate] = path**2 / 2
rise = max(np.diff(losses[rate]).max() for rate in (0.02, 0.5, 1.5))
course.claim("at 0.02, 0.5 and 1.5 the loss falls at each step", rise < 0, rise)
times = losses[2.1][-1] / losses[2.1][0]
course.claim("at 2.1 the loss ends over 10 times as high", times > 10, times)

# %% tags=["nbval-ignore-output"]
curves = {"too small": losses[0.02], "right": losses[0.5], "too large": losses[2.1]}
figure = figures.curves("Rates 0.02, 0.5 and 2.1 in a bowl", "step", "loss", curves)
figure.axes[0].set_ylim(0, 2)
alt = "At 0.02 the loss falls slowly, at 0.5 it is soon near 0, at 2.1 it grows."
figures.show(figure, alt)

# %% [markdown]
# ## Batches: the gradient is noisy
#
# The exact gradient reads all texts for one step. A **mini-batch** (小批量) of a few random texts, none of them twice, gives an estimate. Say that four texts have the slopes 3, -1, 2 and 0. Their
# mean is 1, but the second text alone says -1, the wrong direction. Four times as many texts halve this noise (*Going further* measures it).
# Steps by random batches are **stochastic gradient descent** (随机梯度下降), **SGD**.
#
# We train a small classifier. `X` holds 256 texts with 10 features each, and Gumbel noise draws each
# text's class by the softmax of its true logits. The weights `W` have the shape (10, 3), and the logits are `X @ W`. By the chain rule the gradient by
# `W` is the transposed `X` times the gradient by the logits.

# %%
X, noise = random.normal(size=(256, 10)), random.gumbel(size=(256, 3))
label = (X @ random.normal(size=(10, 3)) + noise).argmax(axis=1)


def slope_of(rows, W):
    """The derivative of the mean loss of some rows by W, (10, 3)."""
    return X[rows].T @ cross_entropy_gradient(label[rows], X[rows] @ W)


curves, zeros = {}, np.zeros((10, 3))
for size in (256, 16, 1):

    def draw(W, size=size):  # some texts, other ones at each step
        return slope_of(random.permutation(256)[:size], W)

    path = follow(sgd, None, draw, zeros, 200, learning_rate=0.1)
    curves[f"{size} in a batch"] = np.array([cross_entropy(label, X @ W) for W in path])

# %%
rise, ups = ((np.diff(curves[f"{n} in a batch"]) > 0).sum() for n in (256, 1))
course.claim("with all texts the loss never rises", rise == 0)
course.claim("with one text it rises in over 50 of 200 steps", ups > 50, ups)
more = curves["1 in a batch"][-100:].mean() / curves["256 in a batch"][-100:].mean()
course.claim("steps 101 to 200: over 1.05 times the loss with all", more > 1.05, more)

# %% tags=["nbval-ignore-output"]
labels = "step", "cross-entropy of all texts (nats)"
alt = "With 256 texts the loss falls smoothly, with one raggedly, and stays higher."
figures.show(figures.curves("200 steps at rate 0.1", *labels, curves), alt)

# %% [markdown]
# The noise of single texts keeps the weights jumping around the lowest
# point. A smaller rate makes the jumps smaller, so trainings let the rate fall towards their end (lesson 05).
#
# ## Momentum (动量)
#
# Momentum moves the weights by a **velocity** $u$, which keeps a share $\mu$ of itself. Take a gradient that is always 1, the rate 0.1 and $\mu=0.9$. The steps are 0.1, then
# $0.9\cdot0.1+0.1=0.19$, then 0.271, and they approach 1, ten times the rate. Where the gradient alternates between 1 and -1, the steps shrink to 0.053 instead.
# So momentum is fast where gradients agree, and calm where they do not:
#
# $$u_{t+1}=\mu u_t-\alpha g_t,\qquad w_{t+1}=w_t+u_{t+1}$$

# %%
def momentum(weights, gradient, velocity, learning_rate, momentum):
    velocity = momentum * velocity - learning_rate * gradient  # the state
    return weights + velocity, velocity


path = follow(momentum, 0.0, np.ones_like, 0.0, 3, learning_rate=0.1, momentum=0.9)
print("steps", -np.diff(path).round(3))  # all downwards: the gradient is 1

# %% [markdown]
# ## Adam
#
# If one weight has gradients near 100 and another near 0.01, no rate suits both. **Adam** divides each weight's step by the usual size of its
# gradient. It keeps a running mean $m$ of the gradients and a running mean $v$ of their squares; $\sqrt v$ is the usual size.
#
# A running mean keeps, say, 90 % of its old value and adds 10 % of the new one, so it forgets the old. It begins at 0, so it is too small at first. If the gradient is always 1, it is 0.1
# after one step and 0.19 after two. Divided by $1-0.9=0.1$ and by $1-0.9^2=0.19$ it is 1. This is **bias correction** (偏差修正), marked by hats:
#
# $$m_t=\beta_1m_{t-1}+(1-\beta_1)g_t,\quad v_t=\beta_2v_{t-1}+(1-\beta_2)g_t^2$$
# $$\hat m_t=\frac{m_t}{1-\beta_1^t},\quad \hat v_t=\frac{v_t}{1-\beta_2^t},\quad w_{t+1}=w_t-\alpha\frac{\hat m_t}{\sqrt{\hat v_t}+\epsilon}$$
#
# Usually $\beta_1=0.9$ and $\beta_2=0.999$; the tiny $\epsilon$ prevents a division by 0. The article omits the hats. In step 1, $m$ is then
# 10 times too small, but $\sqrt v$, by which we divide, about 32 times. So the step is 3.16 times too large. This grows to over 6 times near step 12, and then slowly falls
# back (*Going further*). Our code, like Keras, multiplies the rate by both corrections, $\sqrt{1-\beta_2^t}/(1-\beta_1^t)$.
# Its first step is as large as the rate for both weights, though their gradients differ 10,000-fold.

# %%
def adam(
    weights, gradient, state, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7
):
    step, m, v = state
    step = step + 1
    m = beta_1 * m + (1 - beta_1) * gradient
    v = beta_2 * v + (1 - beta_2) * gradient**2
    rate = learning_rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return weights - rate * m / (np.sqrt(v) + epsilon), (step, m, v)


start, sizes = (0, 0.0, 0.0), np.array([100.0, 0.01])
print("first step", adam(np.zeros(2), sizes, start, learning_rate=0.1)[0].round(3))

# %% [markdown]
# ## A ravine (峡谷)
#
# The loss $(w_1^2+100\,w_2^2)/2$ has the curvature 1 along the floor and 100 across. The gradient is $(w_1,100\,w_2)$. SGD's rate must stay under 2/100.

# %%
slopes, begin = np.array([1.0, 100.0]), np.array([-10.0, 1.0])
ways = {
    "SGD": (sgd, None, {"learning_rate": 0.018}),
    "Adam": (adam, start, {"learning_rate": 0.5}),
    "momentum": (momentum, 0.0, {"learning_rate": 0.018, "momentum": 0.8}),
}
paths = {}
for name, (rule, state, knobs) in ways.items():
    paths[name] = follow(rule, state, lambda w: slopes * w, begin, 60, **knobs)
ends = {name: (slopes * path[-1] ** 2).sum() / 2 for name, path in paths.items()}
share = max(ends["Adam"], ends["momentum"]) / ends["SGD"]
course.claim("momentum and Adam end under 0.1 of SGD's loss", share < 0.1, share)
left = -paths["SGD"][-1, 0]
course.claim("SGD still has over 3 of 10 to go", left > 3, left)

# %% tags=["nbval-ignore-output"]
labels = "weight 1, the flat direction", "weight 2, the steep one"
alt = "SGD zigzags and is still on its way; momentum and Adam are near the bottom."
title, height = "60 steps in a ravine", lambda x, y: (x**2 + 100 * y**2) / 2
figures.show(figures.paths(title, *labels, paths, height), alt)

# %% [markdown]
# SGD zigzags across the ravine and creeps along its floor. Momentum adds up the small steps along the floor. Adam divides them by their own size.
#
# ## AdamW: weight decay (权重衰减)
#
# **Weight decay** of strength $\lambda$ takes the share $\alpha\lambda$ off every weight at each step. With $\alpha\lambda=0.001$ a weight of 2 becomes 1.998. Without any gradient it is 0.74 after
# 1,000 steps. So only the weights that the gradients keep pushing stay large. **AdamW** subtracts $\alpha\lambda w_t$ and then takes Adam's step, as Keras's does (*Going further*).
#
# Why? Large weights turn small differences between texts into sure answers. Where texts are few, a model can fit each of them with large
# weights, and is then sure and wrong on others: it **over-fits** (过拟合). We train on 40 of the 256 texts. Guessing would cost $\log3=1.1$:

# %%
def adamw(weights, gradient, state, learning_rate, weight_decay, **knobs):
    weights = weights - learning_rate * weight_decay * weights
    return adam(weights, gradient, state, learning_rate, **knobs)


few, others, loss = np.arange(40), np.arange(40, 256), {}
for decay in (0.0, 1.0):
    knobs = {"learning_rate": 0.05, "weight_decay": decay}
    path = follow(adamw, start, lambda W: slope_of(few, W), zeros, 1000, **knobs)
    fit, loss[decay] = (cross_entropy(label[r], X[r] @ path[-1]) for r in (few, others))
    print(f"decay {decay}: the 40 texts {fit:.2f}, others {loss[decay]:.2f}")
drop = loss[0.0] / loss[1.0]
course.claim("without decay other texts cost over twice as much", drop > 2, drop)
course.claim("with decay they cost under 1.1", loss[1.0] < 1.1, loss[1.0])

# %% [markdown]
# **Biases are exempt.** A bias (偏置) adds the same number for every text. It cannot learn texts by heart, and decay would only
# shift all answers. Take a model that says $b$ for all reviews, whose mean is 4 stars. The squared error pulls $b$ up to 4 by $2(4-b)$, a decay of 0.5 pulls it down to 0 by
# $0.5\,b$. At $b=3.2$ both pull by 1.6, so every answer stays 0.8 too low. The scales by which a layer normalisation (lesson 02) multiplies its outputs
# are exempt, too. They begin at 1, and decay would weaken all signals alike.

# %%
rest = follow(sgd, None, lambda b: 2 * (b - 4) + 0.5 * b, 4.0, 50, learning_rate=0.1)
course.claim("the bias falls to under 3.3", rest[-1] < 3.3, rest[-1])

# %% [markdown]
# ## Going further: Keras's AdamW
#
# `keras.optimizers.AdamW` does the same as ours with the 40 texts and the decay 1:

# %%
optimizer = keras.optimizers.AdamW(0.05, weight_decay=1.0)
variable = keras.Variable(zeros, dtype="float32")
for _ in range(100):
    slope = slope_of(few, keras.ops.convert_to_numpy(variable))
    optimizer.apply([keras.ops.convert_to_tensor(slope, "float32")], [variable])
off = np.abs(path[100] - keras.ops.convert_to_numpy(variable)).max()
course.claim("after 100 steps both agree within 0.001", off < 0.001, off)

# %% [markdown]
# ## Going further: each gradient checked, at every input
#
# One input can agree by chance. This function moves every input by $h$ up and down, and takes the slope $(f(x+h)-f(x-h))/2h$. For $f(x)=x^2$ at 3 and $h=0.1$
# that is $(9.61-8.41)/0.2=6$.

# %%
def numerical_gradient(function, at, h=1e-5):
    """Derivative by each number of the float64 array `at`, by central differences."""
    slopes = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        move = np.zeros_like(at)
        move[place] = h
        slopes[place] = (function(at + move) - function(at - move)) / (2 * h)
    return slopes


number, logits = random.integers(0, 4, 6), random.normal(size=(6, 4))
numerical = numerical_gradient(lambda z: cross_entropy(number, z), logits)
off = np.abs(cross_entropy_gradient(number, logits) - numerical).max()
course.claim("(p - y) / n is the gradient, within 0.00000001", off < 1e-8, off)

# %% [markdown]
# ## Going further: each formula against Keras, on random problems
#
# Here are many random problems, to six digits. NumPy computes in `float64`, with 16 digits, and Keras on TensorFlow can do so, too. JAX
# has only `float32`, with 7 digits, unless told otherwise.

# %%
in_float64 = course.backend == "tensorflow"
precision, tolerance = ("float64", 1e-6) if in_float64 else ("float32", 1e-4)


def same(ours, theirs):
    """Whether two numbers or arrays agree within the tolerance."""
    return np.allclose(ours, theirs, rtol=tolerance, atol=tolerance)


theirs = keras.losses.MeanSquaredError(dtype=precision)
pairs = [random.normal(size=(2, random.integers(1, 100))) for _ in range(20)]
course.claim(
    "on 20 problems our MSE is Keras's",
    all(same(mean_squared_error(*pair), theirs(*pair)) for pair in pairs),
)

# %% [markdown]
# Here is cross-entropy with one-hot rows, as in the formula. The sparse version gets the right class's number and picks its probability:

# %%
def categorical_cross_entropy(one_hot, probability):
    """Both (n, K); a number."""
    return -np.mean(np.sum(one_hot * np.log(probability), axis=1))


def sparse_cross_entropy(label, probability):
    """label (n,), whole numbers 0 to K - 1; probability (n, K)."""
    return -np.mean(np.log(probability[np.arange(len(label)), label]))

# %%
categorical = keras.losses.CategoricalCrossentropy(dtype=precision)
sparse = keras.losses.SparseCategoricalCrossentropy(dtype=precision)
from_logits = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True, dtype=precision
)
agree = []
for _ in range(20):
    n, classes = random.integers(1, 100), random.integers(2, 10)
    number, z = random.integers(0, classes, n), random.normal(size=(n, classes))
    one_hot, p = np.eye(classes)[number], softmax(z)
    agree.append(same(categorical_cross_entropy(one_hot, p), categorical(one_hot, p)))
    agree.append(same(sparse_cross_entropy(number, p), sparse(number, p)))
    agree.append(same(cross_entropy(number, z), from_logits(number, z)))
    agree.append(same(cross_entropy(number, z), sparse_cross_entropy(number, p)))
course.claim("on 20, all forms of cross-entropy are Keras's and equal", all(agree))

# %% [markdown]
# For the optimizers we need random problems with many weights. **Least squares** (最小二乘) looks for weights $w$, $(d,)$, such that $Xw$ is near $y$, where
# $X$ is $(n, d)$. The loss is the mean squared error, and its gradient is $g=\frac2n X^\top(Xw-y)$, $(d,)$.

# %%
def least_squares(seed, n=64, d=8):
    """A random problem: X (n, d), y (n,)."""
    random = np.random.default_rng(seed)
    X, noise = random.normal(size=(n, d)), random.normal(size=n)
    return X, X @ random.normal(size=d) + noise


def squares_gradient(X, y, weights):
    """The derivative of the MSE of X @ weights by each weight, (d,)."""
    return 2 / len(y) * X.T @ (X @ weights - y)


A, y = least_squares(seed)
at = random.normal(size=8)
numerical = numerical_gradient(lambda w: mean_squared_error(y, A @ w), at)
off = np.abs(squares_gradient(A, y, at) - numerical).max()
course.claim("its gradient is right, within 0.000001", off < 1e-6, off)

# %% [markdown]
# One more rule is an ancestor of Adam. **Adagrad** (Duchi, Hazan and Singer, 2011) divides by the root of the sum $q$ of all squared gradients so far:
# $q_t=q_{t-1}+g_t^2$ and $w_{t+1}=w_t-\alpha g_t/\sqrt{q_t+\epsilon}$. Keras begins with $q_0=0.1$. Since $q$ only grows, the steps shrink until the
# training hardly moves. Adam's running mean $v$ forgets old squares: it falls again where gradients become small, so Adam's steps need not shrink.
#
# One detail shows in the fifth digit: Keras rounds an optimizer's settings to `float32`, where 0.999 is 0.99900001. Then $1-\beta_2$ is 0.00099999 and
# not 0.001. So we give both sides the rounded settings.

# %%
def adagrad(weights, gradient, squares, learning_rate, epsilon=1e-7):
    squares = squares + gradient**2
    return weights - learning_rate * gradient / np.sqrt(squares + epsilon), squares


def follow_keras(optimizer, gradient, weights, steps):
    """All weights on the way, (steps + 1, shape of `weights`), by Keras's optimizer."""
    variable, path = keras.Variable(weights, dtype=precision), [weights]
    for _ in range(steps):
        slope = keras.ops.convert_to_tensor(gradient(path[-1]), dtype=precision)
        optimizer.apply([slope], [variable])
        path.append(keras.ops.convert_to_numpy(variable))
    return np.array(path)

# %%
from functools import partial

optimizers = keras.optimizers
with_momentum = {"learning_rate": 0.02, "momentum": 0.9}
adams = {"learning_rate": 0.05, "beta_1": 0.9, "beta_2": 0.999}
rules = {  # our rule, the state that it begins with, Keras's class, knobs for both
    "SGD": (sgd, None, optimizers.SGD, {"learning_rate": 0.05}),
    "momentum": (momentum, 0.0, optimizers.SGD, with_momentum),
    "Adagrad": (adagrad, 0.1, optimizers.Adagrad, {"learning_rate": 0.5}),
    "Adam": (adam, start, optimizers.Adam, adams),
    "AdamW": (adamw, start, optimizers.AdamW, adams | {"weight_decay": 0.1}),
}
agree = []
for rule, state, theirs, knobs in rules.values():
    knobs = {knob: float(np.float32(value)) for knob, value in knobs.items()}
    for number in range(3):
        gradient = partial(squares_gradient, *least_squares(seed + number))
        ours = follow(rule, state, gradient, np.zeros(8), 200, **knobs)
        its = follow_keras(theirs(**knobs), gradient, np.zeros(8), 200)
        agree.append(same(ours, its))
names = ", ".join(rules)
course.claim(f"each of 200 steps of {names} is Keras's, on 3 problems", all(agree))

# %% [markdown]
# ## Going further: (n,) against (n, 1)
#
# A model with one output gives $(n, 1)$, while labels are often $(n,)$. If you subtract them, NumPy **broadcasts** (广播): each label meets
# each prediction, which makes $(n, n)$ differences. NumPy raises no error, and
# the mean of their squares is another number. Its lowest point is to guess the mean label for every text, so a training stalls near the variance
# of the labels.
#
# How would you notice? Print the shape of the differences. Or feed perfect guesses: the loss must be 0. Keras's losses make the two shapes equal
# first, and `compile` does so for a function that you pass to it. A loss that you compute yourself, as here, does not.

# %%
stars, guesses = np.array([5.0, 1.0, 4.0]), np.array([4.0, 1.0, 2.0])
column = guesses[:, None]  # (3, 1), as a model gives them
print("differences", (stars - column).shape)
right, wrong = (mean_squared_error(stars, shape) for shape in (guesses, column))
print(f"right {right:.2f}, wrong {wrong:.2f}")
perfect = mean_squared_error(stars, stars[:, None])
course.claim("perfect guesses of shape (n, 1) cost over 1", perfect > 1, perfect)
theirs = keras.losses.MeanSquaredError(dtype=precision)
equal = same(theirs(stars, column), theirs(stars, guesses))
course.claim("Keras's MSE is the same for (n,) and (n, 1)", equal)

# %% [markdown]
# ## Going further: yes or no, and the article's sum
#
# For two classes one probability is enough. Let $y_i$ be 1 or 0 and $p_i$ the probability of 1, both $(n,)$. **Binary cross-entropy** (二元交叉熵) is again
# minus the logarithm of the right answer's probability. If the model says 0.9, a text with $y=1$ costs $-\log0.9=0.11$, and one with $y=0$ costs $-\log0.1=2.30$:
#
# $$L = -\frac{1}{n}\sum_{i=1}^{n}\big[y_i\log p_i+(1-y_i)\log(1-p_i)\big]$$

# %%
def binary_cross_entropy(truth, probability):
    """Both (n,); a number, in nats."""
    return -np.mean(truth * np.log(probability) + (1 - truth) * np.log(1 - probability))


theirs = keras.losses.BinaryCrossentropy(dtype=precision)
counts = random.integers(1, 100, size=20)
pairs = [(random.integers(0, 2, n), random.uniform(0.01, 0.99, n)) for n in counts]
course.claim(
    "on 20 problems our binary cross-entropy is Keras's",
    all(same(binary_cross_entropy(*pair), theirs(*pair)) for pair in pairs),
)

# %% [markdown]
# The article has only $-\sum_i y_i\log\hat y_i$ and says that $i$ counts *samples*. Read so, texts with $y_i=0$ drop out, and a model that
# says "1" to everything has a perfect score:

# %%
truth, always_one = np.array([1, 0, 0, 1]), np.full(4, 1 - 1e-9)
as_printed = abs(np.sum(truth * np.log(always_one)))
right = binary_cross_entropy(truth, always_one)
print(f"as printed {as_printed:.2f}, right {right:.2f}")
course.claim("as printed, it is under 0.000001", as_printed < 1e-6, as_printed)

# %% [markdown]
# ## Going further: the article's cross-entropy, a sum without a mean
#
# Without $1/n$ the gradient grows with the batch: with 256 texts each step is 256 times as large. The rate 0.5
# then acts as 128 would on the mean, far beyond $2/\kappa$. With another batch size it would act as another rate. The weights do not explode, since each entry of $p-y$ is between -1 and 1. We train
# the classifier of *Batches* in both ways:

# %%
curves = {}
for name, times in {"mean": 1, "sum": 256}.items():

    def gradient(W, times=times):
        return times * X.T @ cross_entropy_gradient(label, X @ W)

    path = follow(sgd, None, gradient, np.zeros((10, 3)), 100, learning_rate=0.5)
    losses = np.array([cross_entropy(label, X @ W) for W in path])
    curves[f"gradient of the {name}"] = losses
mean, total = curves.values()
change = np.diff(mean).max()
course.claim("with the mean, the loss falls at each step", change < 0, change)
above = total[1:].min() / total[0]
course.claim("with the sum, the loss stays above its start", above > 1, above)

# %% tags=["nbval-ignore-output"]
labels = "step", "mean cross-entropy (nats a text)"
alt = (
    "Two curves over 100 steps: with the mean the loss falls smoothly, with the sum it"
    " jumps up at once and stays far above."
)
figures.show(figures.curves("256 texts at rate 0.5", *labels, curves), alt)

# %% [markdown]
# The article's SGD has a similar slip. Its words describe a step for each text, but its formula takes the loss of all texts. In practice each step takes a mini-batch, as in *Batches*.
#
# ## Going further: the article's Adam, without bias correction
#
# With a gradient that is always 1, a corrected step is the rate itself. Without the hats the steps are these:

# %%
def adam_as_printed(
    weights, gradient, state, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7
):  # without the hats, so the state needs no number of the step
    m = beta_1 * state[0] + (1 - beta_1) * gradient
    v = beta_2 * state[1] + (1 - beta_2) * gradient**2
    return weights - learning_rate * m / (np.sqrt(v) + epsilon), (m, v)


# the gradient, always 1; one weight, at first 0; the number of steps
ones = np.ones_like, np.zeros(1), 100
# at the rate 1 the sizes of the steps are in rates
printed = -np.diff(follow(adam_as_printed, (0.0, 0.0), *ones, learning_rate=1.0)[:, 0])
right = -np.diff(follow(adam, start, *ones, learning_rate=1.0)[:, 0])
off = np.abs(right - 1).max()
course.claim("corrected, every step is the rate, within 0.001", off < 0.001, off)
course.claim("as printed, the first is over 3 rates", printed[0] > 3, printed[0])
course.claim("the largest is over 6 rates", printed.max() > 6, printed.max())
course.claim("and step 100 is still over 3 rates", printed[99] > 3, printed[99])

# %% tags=["nbval-ignore-output"]
curves = {"as printed": printed, "with bias correction": right}
labels = "step", "size of the step (rates)"
alt = (
    "With correction a flat line at 1; as printed it starts above 3, rises above 6 near"
    " step 12 and falls back to 3 at step 100."
)
figure = figures.curves("Gradient always 1", *labels, curves, x=range(1, 101))
figure.axes[0].set_ylim(bottom=0)
figures.show(figure, alt)

# %% [markdown]
# With the printed formula, early steps are several times as large as the rate says. A rate that suits these steps is too small later. With a rate that
# suits the later steps, the first ones can spoil good weights. After some thousands of steps $1-\beta_2^t$ is near 1, and both formulas agree.
#
# ## Going further: stars as a number, or as classes?
#
# One to five stars can be *measured* (mean squared error) or *told apart* (cross-entropy). As features we take MiniLM's vectors without training it; lesson 05 calls
# them frozen features. We also use the three-star reviews, which lesson 01 set aside: a fifth of them for validation, the others for training.

# %% tags=["nbval-ignore-output"]
import pandas as pd

from helpers import data, finetuning, models

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
# **Ridge** (岭回归) is a linear model with the squared error and a penalty on large weights. It chooses the strength of the penalty on the training reviews. **Logistic regression**
# is a linear model with cross-entropy. Its five probabilities give an answer in three ways: the likeliest class, the mean, and the median (中位数), which is the
# first class at which the summed probabilities reach one half. If 1 to 5 stars have 0.1, 0.1, 0.2, 0.2 and 0.4, these are 5, 3.7 and 4.
#
# **MAE** (平均绝对误差) is the mean distance from the true number. "Hits" is the share of
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
table["hits"], table["over 2.5 off"] = (off == 0).mean(), (off > 2.5).mean()
print(table.round(2).to_string())

# %%
mse, mae, hits, far = table["MSE"], table["MAE"], table["hits"], table["over 2.5 off"]
rounded, likeliest, middle = "number, rounded", "likeliest class", "median of classes"
more = 100 * (hits[likeliest] - hits[rounded])
course.finding("classes hit over 8 points more than the rounded number", more > 8, more)
lower = mse[likeliest] - mse["number"]
course.finding("the number has an MSE over 0.2 lower", lower > 0.2, lower)
rare = far["number"] / far[likeliest]
course.finding("and is over 2.5 stars off under half as often", rare < 0.5, rare)
gap = abs(mae[rounded] - mae[likeliest])
course.finding("in MAE they are within 0.2 of each other", gap < 0.2, gap)
threes = 100 * (answers[rounded] == 3).mean()
course.finding("over 40 % of the rounded numbers are 3", threes > 40, threes)
best = mae[["number", likeliest]].min()
smaller = mae[middle] < best
course.finding("the median of classes has a smaller MAE", smaller, mae[middle], best)
gap = abs(mse[middle] - mse["always the mean"])
course.finding("always the mean has an MSE within 0.2 of the median's", gap < 0.2, gap)
lower = mse[likeliest] - mse["always the mean"]
course.finding("and over 0.2 below the likeliest class's", lower > 0.2, lower)
gap = abs(mse["mean of classes"] - mse["number"])
course.finding("the mean of classes has the number's MSE within 0.2", gap < 0.2, gap)

# %% [markdown]
# The model trained with the squared error avoids large misses. When it is unsure it predicts about 3, which is rarely far off and rarely exact. The likeliest class hits
# more often and misses by more: its MSE is even worse than that of always saying the mean, and the median's is about as high as that. In MAE neither the number
# nor the likeliest class wins clearly.
#
# One set of probabilities serves all three scores: take the likeliest class for hits, the median for MAE, the mean for MSE. The mean's MSE is within 0.2
# of that of the number trained for it. Cross-entropy does not use the fact that 4 is nearer to 5 than to 1. Here that did little harm: the mean of classes does as
# well as the number.

# %% [markdown]
# ## Going further: the noise of a batch, measured
#
# A batch's gradient is an estimate (估计) of the gradient of all texts. If the batch is drawn with replacement, so that a text can come
# twice, the estimate's standard deviation
# falls as $1/\sqrt{\text{batch}}$: to halve the noise, take four times as many examples. The gradient here has eight numbers; we add their variances and take
# the root. We measure it on 2,000 batches of each size. (*Batches* draws without
# replacement. Then small batches are nearly as noisy, large ones less, and a batch of all texts not at all.)

# %%
A, y = least_squares(seed, n=2000)
at, sizes = np.zeros(8), np.array([1, 4, 16, 64, 256])
# the gradient of one example, (2000, 8)
each = np.array([squares_gradient(A[[row]], y[[row]], at) for row in range(2000)])
expected = np.sqrt(each.var(axis=0).sum() / sizes)
batches = [random.integers(0, 2000, (2000, size)) for size in sizes]
means = [each[rows].mean(axis=1) for rows in batches]
measured = np.array([np.sqrt(mean.var(axis=0).sum()) for mean in means])
off = 100 * np.abs(measured / expected - 1).max()
course.claim("the noise falls as 1 / root of the batch, within 15 %", off < 15, off)

# %% tags=["nbval-ignore-output"]
labels = "examples in the batch", "standard deviation of the gradient"
figure, axes = figures.new("Noise of a batch's gradient", *labels)
axes.loglog(sizes, measured, "o", color="black", label="measured")
name = "1 / root of the batch"
axes.loglog(sizes, expected, color=figures.BLUE, linestyle="--", label=name)
axes.legend(frameon=False)
figures.show(
    figure, "Five points on a straight falling line in a plot with logarithmic axes."
)

# %% [markdown]
# ## Going further: Adam's first steps, and why warm-up (预热)
#
# In step 1, $\hat m=g$ and $\sqrt{\hat v}=|g|$: the step is the rate times the *sign* of the gradient, whatever its size. Coordinates that hardly
# matter move as far as those that do:

# %%
g = np.array([-1000.0, -1.0, 0.001, 0.1, 10.0])
moved, _ = adam(np.zeros(5), g, start, learning_rate=0.01)
print("gradients ", g.tolist(), "\nfirst step", moved.round(3).tolist())
off = 100 * np.abs(np.abs(moved) / 0.01 - 1).max()
course.claim("each coordinate moves by the rate, within 1 %", off < 1, off)

# %% [markdown]
# Now let each gradient be a constant 0.1, the signal, plus noise of standard deviation 1, as a small batch makes it. The first steps go the wrong
# way almost as often as the right way, at full rate. Later the means cover many steps, the noise in them partly cancels, and the steps of such
# coordinates become smaller by themselves:

# %%
def noisy(weights):  # 1,000 weights, so 1,000 trials at once
    return 0.1 + random.normal(size=1000)


path = follow(adam, start, noisy, np.zeros(1000), 200, learning_rate=0.01)
moves = np.diff(path, axis=0)
wrong = 100 * (moves[0] > 0).mean()  # the signal is positive: down is right
course.claim("over 40 % of 1,000 first steps go the wrong way", wrong > 40, wrong)
typical = np.median(np.abs(moves), axis=1) / 0.01
off = 100 * abs(typical[0] - 1)
course.claim("the typical first step is the rate, within 1 %", off < 1, off)
late = typical[199]
course.claim("step 200 is typically under 0.33 rates", late < 0.33, late)

# %% [markdown]
# **Warm-up** keeps the rate small until the running means have seen enough gradients to be reliable. On pre-trained weights, which are good already, that is a
# cheap insurance; lesson 05 measures how much it mattered there. Liu et al. (*On the Variance of the Adaptive Learning Rate and Beyond*, 2020) look at
# this noise more closely.

# %% [markdown]
# ## Going further: why AdamW's decay is not L2
#
# **L2 regularisation** adds $\lambda w^2/2$ to the *loss* for each weight, so $\lambda w$ to its gradient. Adam then divides this term by $\sqrt{\hat v}$ together with the rest, so weights with large
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
axes.plot(l2[:, 0], "-", color=orange, label="L2, gradients of 10")
axes.plot(l2[:, 1], "--", color=orange, label="L2, gradients of 0.1")
axes.plot(decoupled[:, 0], color=blue, linewidth=3, label="AdamW, gradients of 10")
axes.plot(decoupled[:, 1], ":", color="black", label="AdamW, gradients of 0.1")
axes.set_ylim(0, 1.1)
axes.legend(frameon=False, loc=(0.42, 0.24))
figures.show(
    figure,
    "With L2 the weight with large gradients stays at 1 and the other falls to near 0;"
    " AdamW's two lines fall slowly together.",
)

# %%
kept = 100 * l2[-1]
course.claim("with L2 one weight keeps over 90 %", kept[0] > 90, kept[0])
course.claim("and the other under 20 %", kept[1] < 20, kept[1])
gap = abs(decoupled[-1, 0] - decoupled[-1, 1])
course.claim("with AdamW both decay alike, within 0.02", gap < 0.02, gap)

# %% [markdown]
# ## Going further: a ravine at an angle
#
# Adam scales *coordinates*. If you turn the ravine by 45 degrees, no coordinate is steep or flat any more. SGD and momentum do not notice;
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
times = turned["Adam"] / ends["Adam"]
course.claim("Adam ends over twice as high as before", times > 2, times)

# %% [markdown]
# ## Going further: Keras's epsilon
#
# Keras corrects the rate in place of $m$ and $v$, as Kingma and Ba propose at the end of their section 2. It is the same but for $\epsilon$, which then stands beside the
# *uncorrected* root and weighs $1/\sqrt{1-\beta_2^t}$ times as much: 32 times in step 1. With ordinary gradients the difference does not show.
# With gradients of a millionth it does. Here is algorithm 1 of the paper:

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
    both = (rule(0.0, -size, start, 1.0)[0] for rule in (adam_of_the_paper, adam))
    paper, of_keras = both
    print(f"gradient {size:g}: the paper's first step {paper:.2f} rates, ", end="")
    print(f"Keras's {of_keras:.2f}")
share = of_keras / paper
course.claim(
    "for a gradient of a millionth Keras's step is under 0.33 of the paper's",
    share < 0.33,
    share,
)

# %% [markdown]
# ## Exercises
#
# 1. What is the largest rate at which gradient descent still falls for `least_squares(7)`?
# 2. Label smoothing (标签平滑) gives each class a little: $y'=(1-s)\,y+s/K$. Write the loss from logits, and its gradient.
# 3. RMSprop is Adam without $m$ and without correction. Write it, and compare it with Keras.
#
# With checks: [exercises](exercises/03_losses_and_optimizers.ipynb); solved: [solutions](solutions/03_losses_and_optimizers.ipynb).

# %% [markdown]
# ## Quiz
#
# Answer each question in your own words, then unfold ours.
#
# <details><summary>1. Why should a loss be computed from logits and not from probabilities?</summary>
#
# Exponentials of large logits overflow, and small probabilities become 0, whose logarithm is infinite. Log-sum-exp avoids both. If probabilities are cut instead,
# the model learns nothing from its worst mistakes (*Why from logits?*).
#
# </details>
#
# <details><summary>2. What does the gradient p - y mean for a text whose right class has probability 0.99?</summary>
#
# The right logit has the gradient -0.01, so the text hardly moves the weights. A probability of 0.01 pulls 99 times as hard (*The gradient: p - y*).
#
# </details>
#
# <details><summary>3. Why does the loss grow if the rate is over 2 divided by the curvature?</summary>
#
# A step multiplies the distance from the bottom by 1 minus rate times curvature. This is below -1 then, so each step ends farther away on the
# other side (*The learning rate*).
#
# </details>
#
# <details><summary>4. Why does Adam need bias correction?</summary>
#
# Its running means begin at 0. In step 1, $m$ is 10 times too small and $\sqrt v$ 32 times, so the uncorrected step is 3 times too large (*Adam*).
#
# </details>
#
# <details><summary>5. What does weight decay do, and why are biases exempt?</summary>
#
# It takes a small share off each weight at every step, so only weights that many texts ask for stay large. A bias cannot learn texts by heart, and
# its decay would only shift all answers (*AdamW*).
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - ✔ compute cross-entropy from logits (*Classes*, *Why from logits?*);
# - ✔ derive and check its gradient (*The gradient: p - y*);
# - ✔ explain the learning rate and the noise of a batch (*The learning rate*, *Batches*);
# - ✔ write gradient descent, momentum and Adam (*Gradient descent*, *Momentum*, *Adam*, *A ravine*);
# - ✔ explain weight decay (*AdamW*).
#
# **References.** Polyak: *Some methods of speeding up the convergence of iteration methods*, 1964 (momentum). Kingma, Ba: *Adam: A
# Method for Stochastic Optimization*, 2015. Loshchilov, Hutter: *Decoupled Weight Decay Regularization*, 2019 (AdamW).
#
# **Glossary.** bias 偏置 · bias correction 偏差修正 · cross-entropy 交叉熵 · curvature 曲率 · gradient 梯度 · learning rate 学习率 ·
# logits 未归一化分数 · loss 损失函数 · mean squared error 均方误差 · mini-batch 小批量 · momentum 动量 · one-hot 独热 · optimizer 优化器 ·
# over-fitting 过拟合 · stochastic gradient descent 随机梯度下降 · warm-up 预热 · weight decay 权重衰减.
