"""Lesson 12: threads that answer requests, and a bound on how many requests wait for them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from helpers import forms, predicting

RETRY = {"Retry-After": "1"}  # a client that asks again at once takes the time that answers need


def answer_text(model: predicting.Model, text: str) -> tuple[np.ndarray, int]:
    """Probabilities (classes,) of one text, and how many tokens it has; words, where a bag of words answers.

    One text at a time: on a CPU a token costs the same in a batch, where filling is added to it, and an int8 model's
    answers depend on the other texts of its batch.
    """
    read = getattr(model.answer, "windows_of", None)
    tokens = sum(sum(window.attention_mask) for window in read([text])[0]) if read else len(text.split())
    return model([text])[0], tokens


class Work:
    """One request's texts. A thread answers one after the other, unless nobody waits for them any more."""

    def __init__(self, model: predicting.Model, texts: Sequence[str]):
        self.model, self.texts, self.abandoned = model, texts, False

    def run(self) -> tuple[np.ndarray, int]:
        """Probabilities (texts, classes) and the number of tokens; fewer texts where the work was abandoned."""
        found = []
        for text in self.texts:
            if self.abandoned:
                break
            found.append(answer_text(self.model, text))
        return np.array([row for row, _ in found]), sum(tokens for _, tokens in found)


class Workers:
    """Threads that answer, and a bound on the requests that they have not yet finished."""

    def __init__(self, model: predicting.Model, threads: int, limits: forms.Limits):
        self.model, self.limits, self.most = model, limits, threads + limits.waiting
        self.pool = ThreadPoolExecutor(threads, "answer")
        self.held, self.lock = 0, threading.Lock()

    def take_place(self) -> None:
        """Take a place for a request; raises Refused (503) where there is none."""
        with self.lock:
            self.check_place()
            self.held += 1

    def check_place(self) -> None:
        """Raise Refused (503) where there is no place just now."""
        if self.held >= self.most:
            raise busy()

    def leave_place(self, _: Future) -> None:
        """Free a place: its work is done, or was dropped before it began."""
        with self.lock:
            self.held -= 1

    async def answer(self, texts: Sequence[str], hung_up: Callable[[], Awaitable[None]]) -> tuple[np.ndarray, int]:
        """What `Work.run` gives; `hung_up()` lasts until the client goes.

        Raises Refused: 503 where there is no place or the time is over, 499 where the client is gone. What has not begun
        then is dropped.
        """
        self.take_place()
        work = Work(self.model, texts)
        future = self.pool.submit(work.run)
        future.add_done_callback(self.leave_place)
        done, gone = asyncio.wrap_future(future), asyncio.ensure_future(hung_up())
        done.add_done_callback(take_note)
        try:
            await asyncio.wait({done, gone}, timeout=self.limits.seconds_to_answer, return_when=asyncio.FIRST_COMPLETED)
            if done.done():
                return done.result()
            if gone.done():
                raise forms.Refused(499, "hung up", "The client is gone.")
            raise forms.Refused(503, "slow", "The answer took too long. Ask again later.", RETRY)
        finally:
            work.abandoned = True
            future.cancel()
            gone.cancel()


def take_note(done: asyncio.Future) -> None:
    """Look at an error that nobody waits for any more: else asyncio would log it, and a text with it."""
    if not done.cancelled():
        done.exception()


def busy() -> forms.Refused:
    """The refusal of a request for which there is no place."""
    return forms.Refused(503, "busy", "Too many requests wait. Ask again later.", RETRY)
