"""Lesson 12: what a server may be asked: how a body is read, which forms it has, and how much it may hold.

What a client sent never comes back in an error: an error names the place and the rule, and nothing of the body. Bodies are
bytes until pydantic reads them, so that no part of a web framework sees them before.
"""

import asyncio
import math
import urllib.parse
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator


@dataclass(frozen=True)
class Limits:
    """How much a client may ask, and how long that may take."""

    body: int = 256 * 1024  # bytes
    texts: int = 128  # in a body
    characters: int = 10_000  # of a text: a tokenizer reads all of it before it cuts
    waiting: int = 64  # requests, beside those at work
    seconds_to_send: float = 10.0
    seconds_to_answer: float = 10.0


class Refused(Exception):
    """A request that gets an error in place of an answer.

    `status`: of HTTP; `reason`: a word for the count of refusals; `message`: for the client; `headers`: of the answer.
    """

    def __init__(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.reason, self.message, self.headers = status, reason, message, headers or {}


# ---- reading


async def read_body(chunks: AsyncIterator[bytes], announced: str | None, limits: Limits) -> bytes:
    """The whole body, from the parts in which it comes; `announced`: the length that the client names, or None.

    Raises Refused: 413 as soon as it is too long, before the rest has come; 408 where it takes too long to come.
    """
    if announced and announced.isdecimal() and int(announced[:20]) > limits.body:
        raise too_long(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds_to_send):
            async for chunk in chunks:
                body += chunk
                if len(body) > limits.body:
                    raise too_long(limits)
    except TimeoutError as error:
        raise Refused(408, "slow", f"The body took more than {limits.seconds_to_send:g} seconds to come.") from error
    return bytes(body)


def too_long(limits: Limits) -> Refused:
    """The refusal of a body with too many bytes."""
    return Refused(413, "too long", f"A body holds at most {limits.body:,} bytes.")


def check_texts(texts: Sequence[str], limits: Limits) -> None:
    """Raise Refused (400, 413) unless there is a text, and neither too many nor one that is too long."""
    if not texts:
        raise Refused(400, "form", "There is no text to answer.")
    if len(texts) > limits.texts:
        raise Refused(413, "too long", f"A body holds at most {limits.texts} texts.")
    for row, text in enumerate(texts):
        if len(text) > limits.characters:
            raise Refused(413, "too long", f"Text {row} has more than {limits.characters:,} characters.")


# ---- forms


def unwrap(value):
    """What stands under `texts` where a client names the input, else the value itself."""
    return value["texts"] if isinstance(value, dict) and set(value) == {"texts"} else value


def flatten(value):
    """A list in place of a list of lists, as the protocol allows both for a tensor of more dimensions."""
    if isinstance(value, list) and value and all(isinstance(part, list) for part in value):
        return [item for part in value for item in part]
    return value


Named = BeforeValidator(unwrap)


class Form(BaseModel):
    """What all forms share: a number is no text, and fields that the server does not know are left unread."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Predict(Form):
    """TensorFlow Serving's `:predict`: a list of texts, or of {"texts": text}, as `instances` or as `inputs`."""

    instances: list[Annotated[str, Named]] | None = None
    inputs: Annotated[list[str] | None, Named] = None

    @model_validator(mode="after")
    def check_one(self):
        """One of the two must be there."""
        if (self.instances is None) == (self.inputs is None):
            raise ValueError("give either instances or inputs")
        return self

    @property
    def texts(self) -> list[str]:
        """The texts, in the order asked."""
        return self.inputs if self.instances is None else self.instances


class Tensor(Form):
    """Texts as the Open Inference Protocol sends them."""

    name: Literal["texts"]
    shape: list[int] = Field(min_length=1, max_length=2)
    datatype: Literal["BYTES"]
    data: Annotated[list[str], BeforeValidator(flatten)]

    @model_validator(mode="after")
    def check_shape(self):
        """A row a text; a second dimension holds one text."""
        if math.prod(self.shape) != len(self.data) or self.shape[1:] not in ([], [1]):
            raise ValueError("the shape does not fit the data")
        return self


class Output(Form):
    """An output that a client of the Open Inference Protocol asks for."""

    name: Literal["probabilities", "label"]


class Infer(Form):
    """The Open Inference Protocol's `/infer`."""

    id: str | None = Field(None, max_length=128)
    inputs: list[Tensor] = Field(min_length=1, max_length=1)
    outputs: list[Output] | None = Field(None, max_length=2)  # each adds to the answer

    @property
    def texts(self) -> list[str]:
        """The texts, in the order asked."""
        return self.inputs[0].data


def parse(form: type[Form], body: bytes) -> Form:
    """A body as the form that it should have; raises Refused (400), which says where the body differs and how."""
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        raise Refused(400, "form", describe(error)) from None  # pydantic's own error holds the input


def describe(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, without what it found there: place and rule.

    A place is of our own names and of numbers, since fields that a form does not have are left unread.
    """
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def parse_page(body: bytes) -> dict[str, str]:
    """The fields of the page's form, as a browser sends them; raises Refused (400) for another body."""
    try:
        fields = urllib.parse.parse_qs(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=4
        )
    except ValueError:
        fields = {}
    if "text" not in fields:
        raise Refused(400, "form", "This is not what the page's form sends.")
    return {name: values[0] for name, values in fields.items()}
