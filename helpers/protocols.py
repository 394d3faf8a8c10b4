"""Lesson 12: answers in two protocols: TensorFlow Serving's REST, and the Open Inference Protocol (v2).

TensorFlow Serving: github.com/tensorflow/serving, docs "RESTful API". Open Inference Protocol: github.com/kserve/open-inference-protocol,
which KServe, Triton and MLServer speak. All functions are from values to values that JSON can hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers import forms

VERSION = "1"  # a folder holds one version of a model


@dataclass(frozen=True)
class Served:
    """A model as clients see it: its name, what answers, and the names of its classes."""

    name: str
    platform: str
    labels: tuple[str, ...]


# ---- TensorFlow Serving


def status(served: Served) -> dict:
    """Answer to GET /v1/models/NAME."""
    fine = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": VERSION, "state": "AVAILABLE", "status": fine}]}


def signature(served: Served) -> dict:
    """Answer to GET /v1/models/NAME/metadata: the signature that lesson 11's SavedModel has."""

    def tensor(kind: str, *sizes: int) -> dict:
        """What is said of a tensor."""
        dimensions = [{"size": str(size), "name": ""} for size in sizes]
        return {"dtype": kind, "tensor_shape": {"dim": dimensions, "unknown_rank": False}, "name": ""}

    default = {
        "inputs": {"texts": tensor("DT_STRING", -1)},
        "outputs": {"output_0": tensor("DT_FLOAT", -1, len(served.labels))},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": served.name, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": {"serving_default": default}}},
    }


def predictions(form: forms.Predict, found: np.ndarray) -> dict:
    """Answer to POST :predict, from probabilities (texts, classes): under the name that goes with the one asked by."""
    return {"outputs" if form.instances is None else "predictions": found.tolist()}


# ---- Open Inference Protocol


def server() -> dict:
    """Answer to GET /v2."""
    return {"name": "bert-from-text-to-product", "version": "2", "extensions": []}


def metadata(served: Served) -> dict:
    """Answer to GET /v2/models/NAME; `parameters` names the classes in the order of the probabilities."""
    texts = {"name": "texts", "datatype": "BYTES", "shape": [-1]}
    probabilities = {"name": "probabilities", "datatype": "FP64", "shape": [-1, len(served.labels)]}
    label = {"name": "label", "datatype": "BYTES", "shape": [-1]}
    facts = {"name": served.name, "versions": [VERSION], "platform": served.platform}
    return facts | {"inputs": [texts], "outputs": [probabilities, label], "parameters": {"labels": served.labels}}


def label_of(labels: Sequence[str], found: np.ndarray) -> list[str]:
    """The most probable class of each row of probabilities (texts, classes)."""
    return [labels[number] for number in found.argmax(axis=1)]


def inference(served: Served, form: forms.Infer, found: np.ndarray) -> dict:
    """Answer to POST /v2/models/NAME/infer, from probabilities (texts, classes): the outputs asked for, or all."""
    data = {
        "probabilities": ("FP64", [*found.shape], found.ravel().tolist()),
        "label": ("BYTES", [len(found)], label_of(served.labels, found)),
    }
    wanted = [output.name for output in form.outputs] if form.outputs else list(data)
    outputs = [dict(zip(("name", "datatype", "shape", "data"), (name, *data[name]), strict=True)) for name in wanted]
    answer = {"model_name": served.name, "model_version": VERSION, "outputs": outputs}
    return answer if form.id is None else answer | {"id": form.id}
