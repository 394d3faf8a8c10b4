"""Profile `full` on both backends: mock data, random weights of BERT-base's shape, two steps."""

import json
import math
import subprocess
import sys

import pytest

from helpers import runtime

pytestmark = [pytest.mark.tensorflow, pytest.mark.once]  # the public data sets are read with TensorFlow


def call(folder, what, **variables):
    """What tests/full_profile.py prints."""
    command = [sys.executable, str(runtime.COURSE / "tests" / "full_profile.py"), str(folder), what]
    environment = runtime.environment_with(TF_CPP_MIN_LOG_LEVEL="3", **variables)
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def bert_base(tmp_path_factory):
    """A folder with random weights of BERT-base's shape."""
    folder = tmp_path_factory.mktemp("bert_base")
    call(folder, "make", KERAS_BACKEND="tensorflow")
    return folder


@pytest.mark.parametrize("backend", runtime.BACKENDS)
def test_two_steps_of_the_full_profile(backend, bert_base, tmp_path):
    printed = call(bert_base, "train", KERAS_BACKEND=backend, COURSE_ARTIFACTS=str(tmp_path))
    facts = json.loads(printed.split("FACTS")[1])
    assert facts["backend"] == backend and facts["names"] == ["negative", "positive"]
    assert facts["parameters"] == 109_482_240  # BERT-base as published, without its pre-training heads
    assert {"train", "validation", "test"} <= set(facts["splits"])
    assert math.isfinite(facts["loss"]) and 0.1 < facts["loss"] < 3
    assert 0 < facts["moved"] < 1e-3  # two steps at the profile's rate of 3e-5
