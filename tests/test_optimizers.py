"""Learning rates and AdamW; the fused AdamW ends with the weights of Keras's own."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from helpers import finetuning, optimizers, runtime

RECIPE = finetuning.Recipe(learning_rate=1e-3, weight_decay=0.5, clip_norm=0.5)
tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the fused AdamW is TensorFlow's")


# ---- rates


def test_rate_rises_to_its_peak_and_falls_to_zero():
    schedule = optimizers.make_schedule(replace(RECIPE, learning_rate=1e-3, warmup_share=0.1), 100)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == 0 and np.argmax(rates) == 10
    assert rates[10] == pytest.approx(1e-3) and rates[100] == pytest.approx(0, abs=1e-9)
    assert rates[5] == pytest.approx(0.5e-3) and rates[55] == pytest.approx(0.5e-3)  # half way up, half way down
    assert np.all(np.diff(rates[:11]) > 0) and np.all(np.diff(rates[10:]) < 0)


def test_a_training_of_one_batch_has_a_schedule_too():
    schedule = optimizers.make_schedule(RECIPE, 1)
    assert [float(schedule(step)) for step in range(3)] == pytest.approx([0, RECIPE.learning_rate, 0], abs=1e-9)


def test_the_optimizer_follows_the_rates(tiny_classifier):
    optimizer = optimizers.make_optimizer(RECIPE, 50, tiny_classifier.model.trainable_variables)
    for step in (0, 5, 30):
        optimizer.iterations.assign(step)
        rate = keras.ops.convert_to_numpy(optimizer.learning_rate)
        assert rate == pytest.approx(float(optimizers.make_schedule(RECIPE, 50)(step)), rel=1e-5)


# ---- decay and clipping


def test_weights_decay_but_biases_and_norms_do_not(tiny_classifier):
    variables = tiny_classifier.model.trainable_variables
    for variable in variables:
        variable.assign(keras.ops.ones(variable.shape))
    optimizer = optimizers.make_optimizer(
        replace(RECIPE, weight_decay=0.5, learning_rate=0.1, warmup_share=0), 10, variables
    )
    optimizer.iterations.assign(1)  # after the warm-up of one step: the rate is at its peak
    optimizer.apply([keras.ops.zeros(variable.shape) for variable in variables])
    for variable in variables:
        expected = 1 if variable.name in ("bias", "gamma", "beta") else 1 - 0.1 * 0.5
        assert np.allclose(keras.ops.convert_to_numpy(variable), expected, atol=1e-6), variable.path
    assert {"bias", "gamma", "beta", "kernel", "embeddings"} <= {variable.name for variable in variables}


def test_gradients_are_clipped_by_their_common_norm():
    """After one step the first moments are a tenth of the gradients that were taken."""
    variables = [keras.Variable(np.zeros(3, "float32")), keras.Variable(np.zeros(4, "float32"))]
    for clip_norm, expected in [(2.0, 2.0), (1e6, np.sqrt(7) * 100)]:
        optimizer = optimizers.make_optimizer(replace(RECIPE, clip_norm=clip_norm), 10, variables)
        optimizer.apply([keras.ops.full((3,), 100.0), keras.ops.full((4,), 100.0)], variables)
        moments = [keras.ops.convert_to_numpy(m) for m in optimizer._momentums]
        taken = np.concatenate(moments) / (1 - optimizer.beta_1)
        assert np.linalg.norm(taken) == pytest.approx(expected, rel=1e-5) and np.ptp(taken) < 1e-3


# ---- the fused AdamW


def keras_own(recipe, steps, variables):
    """The same optimizer in Keras's own operations."""
    settings = {"weight_decay": recipe.weight_decay, "global_clipnorm": recipe.clip_norm}
    optimizer = keras.optimizers.AdamW(optimizers.make_schedule(recipe, steps), **settings)
    optimizer.exclude_from_weight_decay(var_list=[v for v in variables if v.name in optimizers.NO_DECAY])
    optimizer.build(variables)
    return optimizer


def small_model():
    """Embedding, normalisation, dropout, two dense layers, 20 words to two logits; the same weights at each call."""
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Embedding(20, 8),
        keras.layers.LayerNormalization(),
        keras.layers.Dropout(0.1),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(8, activation="tanh"),
        keras.layers.Dense(2, dtype="float32"),
    ]
    model = keras.Sequential(layers)
    model.build((None, 6))
    return model


def compiled(make, steps=100, model=None):
    """A small model that trains with the optimizer that `make` gives; without XLA."""
    model = model or small_model()
    optimizer = make(RECIPE, steps, model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)
    return model


def step(model, steps):
    """Train on the batches of these steps; words occur more than once in a batch."""
    for number in steps:
        random = np.random.default_rng(number)
        model.train_on_batch(random.integers(0, 20, (8, 6)), random.integers(0, 2, 8))


def state(model):
    return finetuning.values_of([*model.variables, *model.optimizer.variables])


def assert_close(one, other, tolerance=1e-6):
    """All weights of two models agree, and the optimizers' states."""
    for values in zip(state(one), state(other), strict=True):
        np.testing.assert_allclose(*values, rtol=tolerance, atol=tolerance)


@tensorflow
def test_the_courses_adamw_is_fused_on_tensorflow_without_xla(monkeypatch):
    variables = [keras.Variable(np.zeros(3, "float32"))]
    kinds = []
    for compiles in (False, True):
        device = replace(runtime.find_device("tensorflow"), compiles=compiles)
        monkeypatch.setattr(runtime, "find_device", lambda backend, device=device: device)
        kinds.append(type(optimizers.make_optimizer(RECIPE, 10, variables)))
    assert kinds == [optimizers.FusedAdamW, keras.optimizers.AdamW]


def test_elsewhere_it_is_keras_own(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(runtime, "find_device", lambda backend: pytest.fail("asked for another backend's device"))
    monkeypatch.setattr(optimizers.FusedAdamW, "__init__", lambda *arguments, **settings: pytest.fail("fused"))
    optimizer = optimizers.make_optimizer(RECIPE, 10, [keras.Variable(np.zeros(3, "float32"))])
    assert type(optimizer) is keras.optimizers.AdamW


@tensorflow
def test_a_hundred_fused_steps_end_with_the_weights_of_keras_own():
    fused, own, start = compiled(optimizers.make_optimizer), compiled(keras_own), small_model()
    assert type(fused.optimizer) is optimizers.FusedAdamW and type(own.optimizer) is keras.optimizers.AdamW
    for model in (fused, own):
        step(model, range(100))
    assert_close(fused, own)
    for before, after in zip(start.trainable_variables, own.trainable_variables, strict=True):
        assert np.abs(np.array(before) - np.array(after)).max() > 1e-3, after.path
    names = [[(v.name.split("_")[-1], v.shape, v.dtype) for v in m.optimizer.variables] for m in (fused, own)]
    assert names[0] == names[1]


def move(make, size):
    """Two matrices, a kernel and a bias, and the optimizer's variables after 20 random gradients, without a graph."""
    variables = [keras.Variable(np.ones((3, 4), "float32"), name=name) for name in ("kernel", "bias")]
    optimizer, random = make(RECIPE, 20, variables), np.random.default_rng(0)
    for _ in range(20):
        gradients = size * random.normal(size=(2, 3, 4))
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32") for gradient in gradients], variables)
    return finetuning.values_of([*variables, *optimizer.variables])


@pytest.fixture
def kernel_calls(monkeypatch):
    """A list with an entry for each weight that TensorFlow's kernel updates."""
    import tensorflow as tf

    calls, kernel = [], tf.raw_ops.ResourceApplyAdam

    def counted(**arguments):
        calls.append(arguments)
        return kernel(**arguments)

    monkeypatch.setattr(tf.raw_ops, "ResourceApplyAdam", counted)
    return calls


@tensorflow
@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_gradients_above_and_below_the_clipping_norm(size, kernel_calls):
    fused, own = (move(make, size) for make in (optimizers.make_optimizer, keras_own))
    assert len(kernel_calls) == 20 * 2  # all steps of both weights of the fused one
    for one, other in zip(fused, own, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert np.abs(own[0] - own[1]).max() > 1e-3  # the kernel decays, the bias does not


@tensorflow
def test_a_state_goes_from_one_to_the_other_and_back():
    through, changing = compiled(keras_own, 60), compiled(optimizers.make_optimizer, 60)
    step(through, range(60))
    step(changing, range(20))
    for make, steps in [(keras_own, range(20, 40)), (optimizers.make_optimizer, range(40, 60))]:
        before, changing = changing, compiled(make, 60)
        finetuning.assign([*changing.variables, *changing.optimizer.variables], state(before))
        step(changing, steps)
    assert_close(through, changing)


@tensorflow
def test_resumed_from_its_state_it_ends_bit_for_bit_the_same():
    through, stopped, resumed = (compiled(optimizers.make_optimizer, 20) for _ in range(3))
    step(through, range(20))
    step(stopped, range(10))
    finetuning.assign([*resumed.variables, *resumed.optimizer.variables], state(stopped))
    step(resumed, range(10, 20))
    assert all(np.array_equal(one, other) for one, other in zip(state(through), state(resumed), strict=True))


@tensorflow
def test_lora_and_frozen_weights_move_as_with_keras_own():
    models = []
    for make in (optimizers.make_optimizer, keras_own):
        model = small_model()
        model.layers[4].enable_lora(2)
        model.layers[0].trainable = False
        models.append(compiled(make, 30, model))
        step(model, range(30))
    assert len(models[0].trainable_variables) == 7  # A, B, their bias; gamma, beta; the last layer's two
    assert_close(*models)


@tensorflow
@pytest.mark.parametrize("setting", [{"gradient_accumulation_steps": 3}, {"use_ema": True}, {"amsgrad": True}])
def test_settings_that_the_kernel_does_not_know_are_left_to_keras(setting, kernel_calls):
    def with_setting(kind):
        def make(recipe, steps, variables):
            optimizer = kind(1e-2, weight_decay=0.5, global_clipnorm=0.5, **setting)
            optimizer.build(variables)
            return optimizer

        return make

    fused, own = (move(with_setting(kind), 1.0) for kind in (optimizers.FusedAdamW, keras.optimizers.AdamW))
    assert all(np.array_equal(*pair) for pair in zip(fused, own, strict=True)) and not kernel_calls
    without = move(lambda recipe, steps, variables: keras.optimizers.AdamW(1e-2, 0.5, global_clipnorm=0.5), 1.0)
    assert len(own) > len(without) or not np.allclose(own[0], without[0])  # the setting does something


@tensorflow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_in_16_bits_the_weights_stay_those_of_keras_own(policy):
    def scaled(recipe, steps, variables):
        optimizer = keras_own(recipe, steps, variables)
        return keras.optimizers.LossScaleOptimizer(optimizer) if policy == "mixed_float16" else optimizer

    keras.config.set_dtype_policy(policy)
    try:
        models = [compiled(make, 20) for make in (optimizers.make_optimizer, scaled)]
        for model in models:
            step(model, range(20))
    finally:
        keras.config.set_dtype_policy("float32")
    kind = type(getattr(models[0].optimizer, "inner_optimizer", models[0].optimizer))
    steps_done = {int(model.optimizer.iterations) for model in models}  # without those that the loss scale skipped
    assert kind is optimizers.FusedAdamW and len(steps_done) == 1 and steps_done.pop() > 15
    assert_close(*models, tolerance=1e-4)


@tensorflow
def test_a_saved_model_finds_its_optimizer_again(tmp_path):
    model = compiled(optimizers.make_optimizer)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert type(again) is optimizers.FusedAdamW and again.global_clipnorm == RECIPE.clip_norm
    assert float(again.learning_rate) == float(model.optimizer.learning_rate)
