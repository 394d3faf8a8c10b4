"""Lesson 00: what the arithmetic runs on, and the settings that suit it.

Nothing heavy is imported until a backend is asked.
"""

import functools
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

# What pip installs for a backend that is to use an NVIDIA GPU; the lock has the CPU's only.
GPU_PACKAGES = {
    "tensorflow": '`.venv/bin/python -m pip install "tensorflow[and-cuda]"`',
    "jax": '`.venv/bin/python -m pip install "jax[cuda12]"`',
}
DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


class Chip(NamedTuple):
    """One processor that a backend sees."""

    kind: str  # CPU, GPU or TPU
    name: str  # as its maker calls it
    capability: tuple[int, int] | None = None  # CUDA's compute capability; None for all but NVIDIA's


@dataclass(frozen=True)
class Device:
    """What the arithmetic runs on, and the settings that suit it; made by `describe_device`."""

    kind: str  # CPU, GPU or TPU
    name: str  # of one chip
    count: int
    dtype_policy: str  # one of DTYPE_POLICIES
    batch_size: int  # texts a batch when predicting; when training, the recipe's, since it decides what is learnt
    steps_per_execution: int  # batches between two returns to Python, at most
    compiles: bool  # whether XLA compiles the model anew for each shape: then padded lengths must be few

    def __str__(self) -> str:
        """The device in words."""
        chips = "CPU, no accelerator found" if self.kind == "CPU" else f"{self.count} x {self.name} ({self.kind})"
        return f"{chips}; {self.dtype_policy}, predictions in batches of {self.batch_size}"


@functools.cache
def chips(backend: str) -> tuple[Chip, ...]:
    """The processors that the backend sees; CPUs only where it sees no others."""
    found = _jax_chips() if backend == "jax" else _tensorflow_chips()
    return tuple(chip for chip in found if chip.kind != "CPU") or (Chip("CPU", platform.machine()),)


def _jax_chips() -> list[Chip]:
    """What JAX sees. Where JAX was told to take an accelerator that is not there, it says so and takes the CPU."""
    import jax

    try:
        devices = jax.devices()
    except RuntimeError as error:
        print(f"JAX cannot start the accelerator that it was told to take; the CPU runs this. ({error})")
        jax.config.update("jax_platforms", "cpu")
        devices = jax.devices()
    found = []
    for device in devices:
        version = str(getattr(device, "compute_capability", "")).split(".")  # "8.0" of NVIDIA, "gfx90a" of AMD
        capability = (int(version[0]), int(version[1])) if len(version) == 2 else None
        kind = device.platform.upper() if device.platform in ("cpu", "tpu") else "GPU"
        found.append(Chip(kind, device.device_kind, capability))
    return found


def _tensorflow_chips() -> list[Chip]:
    """The GPUs that TensorFlow sees. TPUs run on JAX in this course."""
    import tensorflow as tf

    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return [Chip("GPU", found.get("device_name", "GPU"), found.get("compute_capability")) for found in details]


def describe_device(backend: str, policy: str | None = None) -> Device:
    """What `chips` finds, with the settings that suit it; `policy`: a dtype policy in place of the chip's own."""
    found = chips(backend)
    accelerated = found[0].kind != "CPU"
    return Device(
        found[0].kind,
        found[0].name,
        len(found),
        dtype_policy=policy or choose_dtype_policy(found[0]),
        batch_size=256 if accelerated else 32,
        steps_per_execution=8 if accelerated else 1,
        compiles=accelerated or backend == "jax",  # Keras leaves XLA out with TensorFlow on a CPU alone
    )


def choose_dtype_policy(chip: Chip) -> str:
    """Keras's policy for a chip; "mixed" computes in 16 bits and keeps the weights in float32.

    bfloat16 where the chip has it (TPUs; NVIDIA from compute capability 8.0, as its CUDA guide says); float16, whose
    small gradients need loss scaling, on 7.x with its float16 matrix units (T4: 7.5); float32 on all others.
    """
    if chip.kind == "TPU" or (chip.capability or (0, 0)) >= (8, 0):
        return "mixed_bfloat16"
    return "mixed_float16" if (chip.capability or (0, 0)) >= (7, 0) else "float32"


def keep_all_digits(backend: str, wanted: bool) -> None:
    """Make an accelerator multiply float32 matrices with all their digits, if `wanted`.

    Otherwise it does what it does by default: it rounds them first, to TF32 or bfloat16, which is faster.
    """
    if backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest" if wanted else None)
    else:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(not wanted)


def keep_compiled_programs(folder: Path) -> None:
    """Let JAX store what XLA compiles (what took over a second) in a folder, and find it there the next time."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
