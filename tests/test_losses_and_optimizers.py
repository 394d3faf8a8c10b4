"""Lesson 03: the formulas that its cells define, against Keras, on many random problems.

The lesson has no helper module, so its functions are read out of its text twin.
"""

import ast

import keras
import numpy as np
import pytest

from helpers import runtime

TWIN = runtime.COURSE / "notebooks" / "text" / "03_losses_and_optimizers.py"
# JAX counts in float32 unless told otherwise; NumPy and Keras on TensorFlow can count in float64.
PRECISION, TOLERANCE = ("float64", 1e-6) if keras.backend.backend() == "tensorflow" else ("float32", 2e-4)
LOSSES = keras.losses
ADAM_START = (0, 0.0, 0.0)


def functions_of(path):
    """The functions defined at the top level of a twin's cells, in one namespace."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    namespace = {"np": np, "keras": keras, "precision": PRECISION}
    exec(compile(tree, path.name, "exec"), namespace)
    return type("Lesson", (), {name: staticmethod(value) for name, value in namespace.items() if callable(value)})


lesson = functions_of(TWIN)


def same(ours, theirs):
    """Whether two numbers or arrays agree within the tolerance, relative to their size."""
    return np.allclose(ours, np.asarray(theirs, dtype="float64"), rtol=TOLERANCE, atol=TOLERANCE)


def rounded(knobs):
    """Keras keeps its knobs as float32; both sides get the same ones."""
    return {name: float(np.float32(value)) for name, value in knobs.items()}


# ---- losses


@pytest.mark.parametrize("seed", range(25 if PRECISION == "float64" else 6))  # JAX compiles anew for each shape
def test_losses_are_those_of_keras(seed):
    random = np.random.default_rng(seed)
    n, classes = int(random.integers(1, 200)), int(random.integers(2, 12))
    truth, predicted = random.normal(scale=10.0 ** random.integers(-2, 3), size=(2, n))
    assert same(lesson.mean_squared_error(truth, predicted), LOSSES.MeanSquaredError(dtype=PRECISION)(truth, predicted))
    yes, probability = random.integers(0, 2, n), random.uniform(1e-4, 1 - 1e-4, n)
    theirs = LOSSES.BinaryCrossentropy(dtype=PRECISION)(yes, probability)
    assert same(lesson.binary_cross_entropy(yes, probability), theirs)
    label, logits = random.integers(0, classes, n), random.normal(scale=random.uniform(0.1, 4), size=(n, classes))
    one_hot, p = np.eye(classes)[label], lesson.softmax(logits)
    assert same(p, keras.ops.softmax(keras.ops.convert_to_tensor(logits, dtype=PRECISION)))
    p = (p + 1e-5) / (p + 1e-5).sum(axis=1, keepdims=True)  # away from Keras's cut at 0.0000001
    theirs = LOSSES.CategoricalCrossentropy(dtype=PRECISION)(one_hot, p)
    assert same(lesson.categorical_cross_entropy(one_hot, p), theirs)
    theirs = LOSSES.SparseCategoricalCrossentropy(dtype=PRECISION)(label, p)
    assert same(lesson.sparse_cross_entropy(label, p), theirs)
    theirs = LOSSES.SparseCategoricalCrossentropy(from_logits=True, dtype=PRECISION)(label, logits)
    assert same(lesson.cross_entropy(label, logits), theirs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_from_logits_bears_any_finite_logit(dtype):
    random = np.random.default_rng(0)
    logits, label = random.normal(scale=1e4, size=(50, 5)).astype(dtype), random.integers(0, 5, 50)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, p = lesson.cross_entropy(label, logits), lesson.softmax(logits)
    assert np.isclose(loss, (logits.max(axis=1) - logits[np.arange(50), label]).mean(), rtol=1e-4)
    assert np.isfinite(p).all() and np.allclose(p.sum(axis=1), 1)


def test_cross_entropy_does_not_change_when_all_logits_of_a_text_move():
    random = np.random.default_rng(1)
    logits, label = random.normal(size=(20, 3)), random.integers(0, 3, 20)
    moved = logits + random.normal(scale=100, size=(20, 1))
    assert np.isclose(lesson.cross_entropy(label, logits), lesson.cross_entropy(label, moved), atol=1e-9)


# ---- gradients


def test_numerical_gradient_finds_known_slopes():
    at = np.random.default_rng(2).normal(size=(3, 4))
    assert np.allclose(lesson.numerical_gradient(lambda x: (x**3).sum(), at), 3 * at**2, atol=1e-8)
    assert np.allclose(lesson.numerical_gradient(lambda x: np.sin(x).sum(), at), np.cos(at), atol=1e-8)


@pytest.mark.parametrize("seed", range(10))
def test_gradients_are_the_slopes_of_their_losses(seed):
    random = np.random.default_rng(seed)
    n, classes, d = random.integers(1, 9), random.integers(2, 6), random.integers(1, 7)
    label, logits = random.integers(0, classes, n), random.normal(scale=2, size=(n, classes))
    found = lesson.cross_entropy_gradient(label, logits)
    slopes = lesson.numerical_gradient(lambda z: lesson.cross_entropy(label, z), logits)
    assert found.shape == logits.shape and np.abs(found - slopes).max() < 1e-8
    assert np.allclose(found.sum(axis=1), 0)
    X, y = lesson.least_squares(seed, n, d)
    assert X.shape == (n, d) and y.shape == (n,)
    weights = random.normal(size=d)
    slopes = lesson.numerical_gradient(lambda w: lesson.mean_squared_error(y, X @ w), weights)
    assert np.allclose(lesson.squares_gradient(X, y, weights), slopes, rtol=1e-6, atol=1e-6)


def test_least_squares_has_noise_that_no_weights_remove():
    for seed in range(5):
        X, y = lesson.least_squares(seed, n=500, d=4)
        best = np.linalg.lstsq(X, y, rcond=None)[0]
        assert 0.7 < lesson.mean_squared_error(y, X @ best) < 1.3  # the noise has deviation 1


# ---- optimizers

RULES = {  # name: rule, its first state, Keras's class, draws of the knobs
    "sgd": (lesson.sgd, None, keras.optimizers.SGD, {}),
    "momentum": (lesson.momentum, 0.0, keras.optimizers.SGD, {"momentum": (0.3, 0.99)}),
    "adagrad": (lesson.adagrad, 0.1, keras.optimizers.Adagrad, {"epsilon": (1e-7, 1e-2)}),
    "adam": (
        lesson.adam,
        ADAM_START,
        keras.optimizers.Adam,
        {"beta_1": (0.5, 0.95), "beta_2": (0.9, 0.999), "epsilon": (1e-7, 1e-2)},
    ),
    "adamw": (
        lesson.adamw,
        ADAM_START,
        keras.optimizers.AdamW,
        {"beta_1": (0.5, 0.95), "beta_2": (0.9, 0.999), "epsilon": (1e-7, 1e-2), "weight_decay": (0.01, 1.0)},
    ),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", range(6))
def test_optimizers_are_those_of_keras(name, seed):
    """Any shape, any knobs; gradients that depend on the weights, with noise and with scales of their own."""
    rule, state, theirs, draws = RULES[name]
    random = np.random.default_rng([seed, len(name)])
    shape = [(5,), (1,), (3, 2), (7,), (2, 2, 2), (4,)][seed]
    knobs = {"learning_rate": random.uniform(0.001, 0.05)}
    knobs = rounded(knobs | {knob: random.uniform(*ends) for knob, ends in draws.items()})
    scale, noise = 10.0 ** random.uniform(-2, 0, shape), random.normal(size=(60, *shape))
    start = random.normal(size=shape)

    def gradient_with(noises):
        return lambda weights: scale * (weights + next(noises))

    ours = lesson.follow(rule, state, gradient_with(iter(noise)), start, 60, **knobs)
    its = lesson.follow_keras(theirs(**knobs), gradient_with(iter(noise)), start, 60)
    assert ours.shape == its.shape == (61, *shape)
    assert np.array_equal(ours[0], start) and not np.allclose(ours[1:], start)
    assert same(ours, its)


@pytest.mark.parametrize("rule", [lesson.adam, lesson.adamw, lesson.adam_of_the_paper])
def test_the_usual_knobs_are_the_defaults_of_keras(rule):
    defaults = keras.optimizers.Adam()
    knobs = {"learning_rate": 0.01} | ({"weight_decay": 0.004} if rule is lesson.adamw else {})
    usual = {name: getattr(defaults, name) for name in ("beta_1", "beta_2", "epsilon")}
    ours = lesson.follow(rule, ADAM_START, lambda w: w + 1e-3, np.ones(3), 5, **knobs)
    assert np.array_equal(ours, lesson.follow(rule, ADAM_START, lambda w: w + 1e-3, np.ones(3), 5, **knobs, **usual))


@pytest.mark.parametrize("seed", range(10))
def test_adam_of_the_paper_differs_from_keras_by_epsilon_alone(seed):
    random = np.random.default_rng(seed)
    scale, start = 10.0 ** random.uniform(-6, 2, 6), random.normal(size=6)
    knobs = {"learning_rate": 0.02, "beta_1": random.uniform(0.5, 0.95), "beta_2": random.uniform(0.9, 0.999)}
    paths = [
        lesson.follow(rule, ADAM_START, lambda w: scale * w, start, 40, **knobs, epsilon=1e-30)
        for rule in (lesson.adam, lesson.adam_of_the_paper)
    ]
    assert np.allclose(*paths, rtol=0, atol=1e-10)
    # In step t the paper's epsilon is Keras's divided by the root of 1 - beta_2^t; here t is 1.
    paper, _ = lesson.adam_of_the_paper(start, scale, ADAM_START, **knobs, epsilon=1e-3)
    keras_form, _ = lesson.adam(start, scale, ADAM_START, **knobs, epsilon=1e-3 * np.sqrt(1 - knobs["beta_2"]))
    assert np.allclose(paper, keras_form, rtol=0, atol=1e-12)
    assert np.allclose(paper, start - 0.02 * scale / (scale + 1e-3), rtol=0, atol=1e-12)  # by hand


def test_adam_as_printed_steps_too_far_at_first_by_the_known_factor():
    t = np.arange(1, 301)
    for beta_1, beta_2 in ((0.9, 0.999), (0.8, 0.99), (0.95, 0.9)):
        path = lesson.follow(
            lesson.adam_as_printed,
            (0.0, 0.0),
            np.ones_like,
            np.zeros(1),
            300,
            learning_rate=0.5,
            beta_1=beta_1,
            beta_2=beta_2,
        )
        factor = (1 - beta_1**t) / np.sqrt(1 - beta_2**t)
        assert np.allclose(-np.diff(path[:, 0]), 0.5 * factor, rtol=1e-4)


def test_decay_of_adamw_is_the_same_for_all_weights_and_l2_is_not():
    """Two weights whose gradients swing between two sizes, as in the lesson."""
    l2, decoupled = lesson.decayed(lesson.adam, 0.1), lesson.decayed(lesson.adamw, 0.0, weight_decay=0.1)
    assert l2.shape == decoupled.shape == (501, 2)
    assert np.allclose(decoupled[-1], (1 - 0.01 * 0.1) ** 500, atol=0.02)
    assert l2[-1, 0] > 0.9 and l2[-1, 1] < 0.2
