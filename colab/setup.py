"""Prepares a Colab runtime for the course; the first cell of each lesson runs this file inside its kernel.

It installs what Colab lacks, in the versions of requirements.lock, and puts the course on the path. Colab's TensorFlow
stays as it is. The TPU runtime has none: there Keras is told to compute with JAX.
"""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
LOCK = (COURSE / "requirements.lock").read_text(encoding="utf-8")
EVERYWHERE = ["keras-hub", "keras-nlp", "ftfy", "spacy-lookups-data"]


def exact(package: str) -> str:
    """A package with its version in the lock, as pip reads it; ValueError unless the lock names just one."""
    versions = re.findall(rf"^{re.escape(package)}==([^\s;]+)", LOCK, flags=re.M)
    if len(versions) != 1:
        raise ValueError(f"requirements.lock should name one version of {package}, but names {len(versions)}.")
    return f"{package}=={versions[0]}"


def missing_packages(with_tensorflow: bool) -> list[str]:
    """What pip is to install, for the CPU and GPU runtimes or for the one without TensorFlow."""
    if not with_tensorflow:  # without dependencies: keras-hub would bring TensorFlow
        return ["--no-deps", *map(exact, ["keras", *EVERYWHERE])]
    # TensorFlow stands on Colab's protobuf, and the newest onnx would bring another: so the newest that fits it.
    protobuf = "protobuf==" + importlib.metadata.version("protobuf")
    return [*map(exact, [*EVERYWHERE, "onnxruntime", "tf2onnx"]), exact("onnx").replace("==", "<="), protobuf]


with_tensorflow = importlib.util.find_spec("tensorflow") is not None
subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", *missing_packages(with_tensorflow)])
if not with_tensorflow:
    os.environ["KERAS_BACKEND"] = "jax"  # before the first import of Keras
sys.path.insert(0, str(COURSE))
