"""Which chips a backend sees, and the settings that suit them."""

import dataclasses

import pytest

from helpers import devices

CPU = devices.Device("CPU", "x86_64", 1, "float32", batch_size=32, steps_per_execution=1, compiles=False)


def with_chips(monkeypatch, *chips):
    """As if every backend saw these chips."""
    monkeypatch.setattr(devices, "chips", lambda backend: chips)


@pytest.mark.parametrize(
    ("chip", "policy"),
    [
        (("CPU", "x86_64"), "float32"),
        (("GPU", "Tesla P100", (6, 0)), "float32"),
        (("GPU", "Tesla V100", (7, 0)), "mixed_float16"),
        (("GPU", "Tesla T4", (7, 5)), "mixed_float16"),
        (("GPU", "A100", (8, 0)), "mixed_bfloat16"),
        (("GPU", "H100", (9, 0)), "mixed_bfloat16"),
        (("GPU", "of another maker", None), "float32"),
        (("TPU", "TPU v5 lite", None), "mixed_bfloat16"),
    ],
)
def test_the_policy_is_what_the_chip_computes_well(chip, policy, monkeypatch):
    with_chips(monkeypatch, devices.Chip(*chip))
    assert devices.describe_device("jax").dtype_policy == devices.describe_device("tensorflow").dtype_policy == policy


def test_an_accelerator_is_named_and_gets_larger_batches(monkeypatch):
    with_chips(monkeypatch, *[devices.Chip("TPU", "TPU v5 lite")] * 4)
    tpu = devices.describe_device("jax")
    assert str(tpu) == "4 x TPU v5 lite (TPU); mixed_bfloat16, predictions in batches of 256"
    assert (tpu.count, tpu.steps_per_execution, tpu.compiles) == (4, 8, True)
    with_chips(monkeypatch, devices.Chip("CPU", "x86_64"))
    assert devices.describe_device("tensorflow") == CPU and "no accelerator found" in str(CPU)
    assert devices.describe_device("jax").compiles


def test_a_device_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CPU.batch_size = 256


class FakeJaxDevice:
    def __init__(self, platform, device_kind, capability=None):
        self.platform, self.device_kind = platform, device_kind
        if capability:
            self.compute_capability = capability


def test_jax_devices_become_chips(monkeypatch):
    import jax

    seen = [
        FakeJaxDevice("cpu", "cpu"),
        FakeJaxDevice("gpu", "Tesla T4", "7.5"),
        FakeJaxDevice("rocm", "MI", "gfx90a"),
    ]
    monkeypatch.setattr(jax, "devices", lambda: seen)
    assert devices.chips.__wrapped__("jax") == (("GPU", "Tesla T4", (7, 5)), ("GPU", "MI", None))
    monkeypatch.setattr(jax, "devices", lambda: seen[:1])
    assert [chip.kind for chip in devices.chips.__wrapped__("jax")] == ["CPU"]


@pytest.mark.tensorflow
def test_tensorflow_gpus_become_chips(monkeypatch):
    import tensorflow as tf

    details = {"T4": {"device_name": "Tesla T4", "compute_capability": (7, 5)}, "other": {}}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(details))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
    assert devices.chips.__wrapped__("tensorflow") == (("GPU", "Tesla T4", (7, 5)), ("GPU", "GPU", None))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert [chip.kind for chip in devices.chips.__wrapped__("tensorflow")] == ["CPU"]


def test_jax_keeps_all_digits_only_where_they_are_wanted():
    import jax

    devices.keep_all_digits("jax", True)
    assert jax.config.jax_default_matmul_precision == "highest"
    devices.keep_all_digits("jax", False)
    assert jax.config.jax_default_matmul_precision is None


@pytest.mark.tensorflow
def test_tensorflow_keeps_all_digits_only_where_they_are_wanted():
    import tensorflow as tf

    devices.keep_all_digits("tensorflow", True)
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    devices.keep_all_digits("tensorflow", False)
    assert tf.config.experimental.tensor_float_32_execution_enabled()
