"""Answers in two protocols, as their clients expect them."""

import numpy as np
import pytest

from helpers import forms, protocols

pytestmark = pytest.mark.once  # what answers needs neither backend

SERVED = protocols.Served("mine", "onnx_onnxv1", ("schlecht", "gut"))
FOUND = np.array([[0.25, 0.75], [1.0, 0.0], [0.375, 0.625]])


def test_tensorflow_servings_answers_go_with_the_way_of_asking():
    assert protocols.predictions(forms.Predict(instances=["a"]), FOUND) == {"predictions": FOUND.tolist()}
    assert protocols.predictions(forms.Predict(inputs=["a"]), FOUND) == {"outputs": FOUND.tolist()}


def test_tensorflow_serving_says_that_the_model_is_there_and_what_it_takes():
    (found,) = protocols.status(SERVED)["model_version_status"]
    assert (found["version"], found["state"], found["status"]["error_code"]) == ("1", "AVAILABLE", "OK")
    facts = protocols.signature(SERVED)
    assert facts["model_spec"] == {"name": "mine", "signature_name": "", "version": "1"}
    default = facts["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert default["inputs"]["texts"]["dtype"] == "DT_STRING"
    sizes = [size["size"] for size in default["outputs"]["output_0"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", "2"] and default["method_name"] == "tensorflow/serving/predict"


PROBABILITIES = {"name": "probabilities", "datatype": "FP64", "shape": [3, 2], "data": FOUND.ravel().tolist()}
LABEL = {"name": "label", "datatype": "BYTES", "shape": [3], "data": ["gut", "schlecht", "gut"]}


def ask(**more):
    """A form of the Open Inference Protocol."""
    texts = {"name": "texts", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    return forms.Infer.model_validate({"inputs": [texts], **more})


@pytest.mark.parametrize(
    ("wanted", "outputs"),
    [
        (None, [PROBABILITIES, LABEL]),
        ([], [PROBABILITIES, LABEL]),
        (["label"], [LABEL]),
        (["label", "probabilities"], [LABEL, PROBABILITIES]),
    ],
)
def test_the_open_inference_protocol_gives_the_outputs_asked_for(wanted, outputs):
    asked = None if wanted is None else [{"name": name} for name in wanted]
    found = protocols.inference(SERVED, ask(outputs=asked), FOUND)
    assert found == {"model_name": "mine", "model_version": "1", "outputs": outputs}


def test_a_requests_id_comes_back():
    assert protocols.inference(SERVED, ask(id="x7"), FOUND)["id"] == "x7"


def test_the_open_inference_protocol_says_what_the_model_takes_and_gives():
    facts = protocols.metadata(SERVED)
    assert (facts["name"], facts["versions"], facts["platform"]) == ("mine", ["1"], "onnx_onnxv1")
    assert facts["inputs"] == [{"name": "texts", "datatype": "BYTES", "shape": [-1]}]
    given = protocols.inference(SERVED, ask(), FOUND)["outputs"]
    for said, found in zip(facts["outputs"], given, strict=True):
        assert (said["name"], said["datatype"]) == (found["name"], found["datatype"])
        assert said["shape"][1:] == found["shape"][1:]
    assert list(facts["parameters"]["labels"]) == ["schlecht", "gut"]
    assert protocols.server()["version"] == "2"
