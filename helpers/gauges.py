"""Lesson 12: what a server counts, for Prometheus: time, tokens, refusals, classes, confidence. Texts are not among it."""

from collections.abc import Callable, Sequence

import numpy as np

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
CONFIDENCE = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
# What a request may be refused for; each stands at 0 from the beginning, so that a rise from 0 to 1 is seen.
REASONS = ("form", "too long", "slow", "busy", "key", "address", "hung up", "failed")
FORMAT = "text/plain; version=0.0.4; charset=utf-8"


class Gauges:
    """The counts of one server; they begin at 0."""

    def __init__(self, labels: Sequence[str], held: Callable[[], int]):
        """`labels`: names of the classes; `held`: how many requests are at work or wait just now."""
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry, self.labels = CollectorRegistry(), labels
        own = {"namespace": "course", "registry": self.registry}
        self.seconds = Histogram("answer_seconds", "From body to answer.", ["protocol"], buckets=SECONDS, **own)
        self.texts = Counter("texts", "Texts answered.", ["protocol"], **own)
        self.tokens = Counter("tokens", "Tokens read; words, where a bag of words answers.", **own)
        self.refused = Counter("refusals", "Requests that got no answer.", ["reason"], **own)
        self.classes = Counter("answers", "Texts by their most probable class.", ["label"], **own)
        self.confidence = Histogram("confidence", "Probability of that class.", buckets=CONFIDENCE, **own)
        Gauge("requests_held", "Requests at work or waiting.", **own).set_function(held)
        for reason in REASONS:
            self.refused.labels(reason)
        for label in labels:
            self.classes.labels(label)

    def count_answer(self, protocol: str, seconds: float, tokens: int, found: np.ndarray) -> None:
        """Count one request that was answered by probabilities (texts, classes)."""
        self.seconds.labels(protocol).observe(seconds)
        self.texts.labels(protocol).inc(len(found))
        self.tokens.inc(tokens)
        for row in found:
            self.classes.labels(self.labels[row.argmax()]).inc()
            self.confidence.observe(float(row.max()))

    def count_refusal(self, reason: str) -> None:
        """Count one request that was refused, by one of REASONS."""
        self.refused.labels(reason).inc()

    def text(self) -> bytes:
        """All counts in Prometheus's text format, FORMAT."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
