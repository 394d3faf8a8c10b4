"""What the server counts, read back as Prometheus reads it."""

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers import gauges

pytestmark = pytest.mark.once  # what answers needs neither backend


def read(text):
    """Name -> {labels' values, by the labels' names: number} of all samples."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            values = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[values] = sample.value
    return found


def test_all_is_counted_from_0():
    held = [0]
    counts = gauges.Gauges(("schlecht", 'g"ut'), lambda: held[0])
    before = read(counts.text())
    assert before["course_refusals_total"] == {(reason,): 0 for reason in gauges.REASONS}
    assert before["course_answers_total"] == {("schlecht",): 0, ('g"ut',): 0} and before["course_requests_held"] == {
        (): 0
    }

    held[0] = 7
    counts.count_answer("v1", 0.02, 11, np.array([[0.25, 0.75], [0.96, 0.04]]))
    counts.count_answer("v2", 0.2, 4, np.array([[0.45, 0.55]]))
    counts.count_refusal("busy")
    after = read(counts.text())
    assert after["course_texts_total"] == {("v1",): 2, ("v2",): 1} and after["course_tokens_total"] == {(): 15}
    assert after["course_answers_total"] == {("schlecht",): 1, ('g"ut',): 2}
    assert after["course_refusals_total"][("busy",)] == 1 and sum(after["course_refusals_total"].values()) == 1
    seconds = after["course_answer_seconds_bucket"]
    assert [seconds[edge] for edge in (("0.01", "v1"), ("0.025", "v1"), ("0.1", "v2"), ("0.25", "v2"))] == [0, 1, 0, 1]
    confidence = after["course_confidence_bucket"]
    assert [confidence[(edge,)] for edge in ("0.5", "0.6", "0.8", "0.95", "0.99")] == [0, 1, 2, 2, 3]
    assert after["course_requests_held"] == {(): 7}


def test_two_servers_count_for_themselves():
    first, second = gauges.Gauges(("a",), int), gauges.Gauges(("a",), int)
    first.count_refusal("form")
    assert read(second.text())["course_refusals_total"][("form",)] == 0
