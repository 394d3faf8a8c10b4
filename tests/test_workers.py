"""Threads that answer, and the bound on what waits for them."""

import asyncio
import gc
import threading
import time

import numpy as np
import pytest

from helpers import forms, predicting, workers

pytestmark = pytest.mark.once  # what answers needs neither backend

LIMITS = forms.Limits(waiting=2, seconds_to_answer=0.2)


class Slow:
    """A model that says the text's number; it answers "wait" only when it is let go."""

    def __init__(self):
        self.go, self.seen, self.at_once = threading.Event(), [], 0
        self.model = predicting.Model(("no", "yes"), self.answer)

    def answer(self, texts):
        self.at_once = max(self.at_once, len(texts))
        self.seen += texts
        if texts == ["wait"]:
            self.go.wait(5)
            return np.array([[0.5, 0.5]])
        return np.array([[1 - float(text), float(text)] for text in texts])


@pytest.fixture
def slow():
    found = Slow()
    yield found
    found.go.set()


async def never():
    """A client that does not hang up."""
    await asyncio.Event().wait()


async def soon():
    """A client that hangs up."""
    await asyncio.sleep(0.02)


async def until(true):
    """Wait for something that another thread does."""
    ends = time.monotonic() + 5
    while not true():
        assert time.monotonic() < ends
        await asyncio.sleep(0.005)


def test_texts_are_answered_in_order_and_one_at_a_time(slow):
    found, tokens = asyncio.run(workers.Workers(slow.model, 2, LIMITS).answer(["0.5", "0.25", "1"], never))
    assert found.tolist() == [[0.5, 0.5], [0.75, 0.25], [0, 1]] and tokens == 3 and slow.at_once == 1


def test_tokens_are_those_that_an_onnx_model_reads():
    class Window:
        attention_mask = (1, 1, 1, 0)

    class Answer:
        def windows_of(self, texts):
            return [[Window, Window] for _ in texts]

        def __call__(self, texts):
            return np.array([[0.25, 0.75]])

    row, tokens = workers.answer_text(predicting.Model(("a", "b"), Answer()), "a text")
    assert row.tolist() == [0.25, 0.75] and tokens == 6


def test_what_goes_beyond_the_bound_is_refused_at_once(slow):
    async def ask():
        threads = workers.Workers(slow.model, 1, LIMITS)
        held = [asyncio.create_task(threads.answer(["wait"], never)) for _ in range(3)]  # one at work, two wait
        await until(lambda: threads.held == 3 and slow.seen == ["wait"])
        with pytest.raises(forms.Refused) as caught:
            threads.check_place()
        started = time.monotonic()
        with pytest.raises(forms.Refused):
            await threads.answer(["1"], never)
        assert time.monotonic() - started < 0.1
        slow.go.set()
        await asyncio.gather(*held)
        await until(lambda: threads.held == 0)
        found, _ = await threads.answer(["1"], never)  # there is a place again
        assert found.tolist() == [[0, 1]]
        return caught.value

    refused = asyncio.run(ask())
    assert (refused.status, refused.reason, refused.headers) == (503, "busy", {"Retry-After": "1"})


def test_work_for_a_client_that_is_gone_is_dropped(slow):
    async def ask():
        threads = workers.Workers(slow.model, 1, LIMITS)
        first = asyncio.create_task(threads.answer(["wait", "0.5"], soon))
        second = asyncio.create_task(threads.answer(["0.25"], soon))
        for task in (first, second):
            with pytest.raises(forms.Refused) as caught:
                await task
            assert (caught.value.status, caught.value.reason) == (499, "hung up")
        assert threads.held == 1  # the one at work; the one that waited is away
        slow.go.set()
        await until(lambda: threads.held == 0)

    asyncio.run(ask())
    assert slow.seen == ["wait"]  # neither the rest of the first request, nor the second


def test_an_answer_that_takes_too_long_is_given_up(slow):
    async def ask():
        threads = workers.Workers(slow.model, 1, LIMITS)
        started = time.monotonic()
        with pytest.raises(forms.Refused) as caught:
            await threads.answer(["wait", "1"], never)
        assert 0.15 < time.monotonic() - started < 2
        slow.go.set()
        await until(lambda: threads.held == 0)
        return caught.value

    refused = asyncio.run(ask())
    assert (refused.status, refused.reason, refused.headers) == (503, "slow", {"Retry-After": "1"})
    assert slow.seen == ["wait"]


def test_an_error_frees_its_place(slow):
    async def ask():
        threads = workers.Workers(slow.model, 1, LIMITS)
        with pytest.raises(ValueError, match="could not convert"):
            await threads.answer(["no number"], never)
        await until(lambda: threads.held == 0)

    asyncio.run(ask())


def test_as_many_requests_are_at_work_as_there_are_threads(slow):
    async def ask(number):
        threads = workers.Workers(slow.model, number, LIMITS)
        held = [asyncio.create_task(threads.answer(["wait"], never)) for _ in range(2)]
        await asyncio.sleep(0.05)
        seen = len(slow.seen)
        slow.go.set()
        await asyncio.gather(*held)
        return seen

    assert asyncio.run(ask(2)) == 2
    slow.go.clear()
    slow.seen.clear()
    assert asyncio.run(ask(1)) == 1


def test_an_error_that_nobody_waits_for_is_in_no_log(slow, caplog):
    async def ask():
        threads = workers.Workers(predicting.Model(("no", "yes"), late), 1, LIMITS)
        with pytest.raises(forms.Refused):
            await threads.answer(["a secret"], soon)
        slow.go.set()
        await until(lambda: threads.held == 0)
        await asyncio.sleep(0.02)

    def late(texts):
        slow.go.wait(5)
        raise ValueError(texts)

    asyncio.run(ask())
    gc.collect()  # asyncio tells of a forgotten error when it forgets it
    assert caplog.text == ""
