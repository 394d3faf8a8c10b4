"""What a server may be asked: bodies up to a limit, two forms, and errors that say nothing of what came."""

import asyncio
import json

import pytest

from helpers import forms

pytestmark = pytest.mark.once  # what answers needs neither backend

LIMITS = forms.Limits(body=100, texts=3, characters=5, seconds_to_send=0.05)
SECRET = "Geheim-42"  # stands in bodies that are refused, and must not come back


def refusal(function, *arguments):
    """The refusal that a call ends with."""
    with pytest.raises(forms.Refused) as caught:
        function(*arguments)
    return caught.value


# ---- reading


def read(parts, announced=None, pause=0.0):
    """Read a body that comes in parts; what was read, and how many parts were taken."""
    taken = []

    async def chunks():
        for part in parts:
            await asyncio.sleep(pause)
            taken.append(part)
            yield part

    return lambda: asyncio.run(forms.read_body(chunks(), announced, LIMITS)), taken


def test_a_body_is_read_whole_up_to_the_limit():
    assert read([b"a" * 60, b"b" * 40], "100")[0]() == b"a" * 60 + b"b" * 40
    assert read([])[0]() == b"" and read([b"x"], "no number")[0]() == b"x"


def test_a_body_that_is_announced_too_long_is_refused_before_it_is_read():
    start, taken = read([b"a"], "101")
    found = refusal(start)
    assert (found.status, found.reason, taken) == (413, "too long", []) and "100 bytes" in str(found)
    assert refusal(read([b"a"], "9" * 5000)[0]).status == 413


def test_a_body_that_turns_out_too_long_is_refused_while_it_comes():
    start, taken = read([b"a" * 60] * 50, "3")
    assert refusal(start).status == 413 and len(taken) == 2


def test_a_body_that_does_not_come_is_refused():
    found = refusal(read([b"a"] * 100, pause=0.02)[0])
    assert (found.status, found.reason) == (408, "slow") and "0.05 seconds" in str(found)


def test_texts_are_counted_and_measured():
    forms.check_texts(["", "12345", "äöüß!"], LIMITS)
    assert refusal(forms.check_texts, [], LIMITS).status == 400
    assert "at most 3 texts" in str(refusal(forms.check_texts, ["a"] * 4, LIMITS))
    found = refusal(forms.check_texts, ["a", SECRET], LIMITS)
    assert found.status == 413 and str(found) == "Text 1 has more than 5 characters."


# ---- forms


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ["a", "ß\n"]},
        {"instances": [{"texts": "a"}, {"texts": "ß\n"}], "signature_name": "serving_default"},
        {"inputs": ["a", "ß\n"]},
        {"inputs": {"texts": ["a", "ß\n"]}},
    ],
)
def test_tensorflow_servings_forms_are_read(body):
    form = forms.parse(forms.Predict, json.dumps(body).encode())
    assert form.texts == ["a", "ß\n"] and (form.instances is None) == ("inputs" in body)


def tensor(**changes):
    return {"name": "texts", "shape": [2], "datatype": "BYTES", "data": ["a", "ß"]} | changes


@pytest.mark.parametrize("changes", [{}, {"shape": [2, 1]}, {"shape": [2, 1], "data": [["a"], ["ß"]]}])
def test_the_open_inference_protocols_form_is_read(changes):
    body = {"id": "7", "inputs": [tensor(**changes)], "outputs": [{"name": "label"}], "parameters": {"x": 1}}
    form = forms.parse(forms.Infer, json.dumps(body).encode())
    assert form.texts == ["a", "ß"] and form.id == "7" and [output.name for output in form.outputs] == ["label"]


WRONG = {
    "no JSON": (forms.Predict, f'{{"instances": ["{SECRET}', "Invalid JSON"),
    "lone surrogate": (forms.Predict, f'{{"instances": ["{SECRET} \\ud800"]}}', "Invalid JSON"),
    "nested": (forms.Predict, '{"instances": ' + "[" * 5000, "Invalid JSON"),
    "NaN": (forms.Predict, '{"instances": [NaN]}', "instances.0: Input should be a valid string"),
    "number": (forms.Predict, f'{{"instances": ["{SECRET}", 3]}}', "instances.1: Input should be a valid string"),
    "list": (forms.Predict, f'["{SECRET}"]', "Input should be an object"),
    "null": (forms.Predict, "null", "Input should be an object"),
    "nothing": (forms.Predict, f'{{"{SECRET}": 1}}', "either instances or inputs"),
    "both": (forms.Predict, f'{{"instances": ["{SECRET}"], "inputs": ["a"]}}', "either instances or inputs"),
    "text alone": (forms.Predict, f'{{"instances": "{SECRET}"}}', "instances: Input should be a valid array"),
    "other input": (forms.Predict, f'{{"instances": [{{"{SECRET}": "a"}}]}}', "instances.0: Input should be a valid"),
    "other name": (forms.Infer, {"inputs": [tensor(name=SECRET)]}, "inputs.0.name: Input should be 'texts'"),
    "other type": (forms.Infer, {"inputs": [tensor(datatype=SECRET)]}, "inputs.0.datatype: Input should be 'BYTES'"),
    "shape": (forms.Infer, {"inputs": [tensor(shape=[3])]}, "inputs.0: Value error, the shape does not fit the data"),
    "text for a number": (
        forms.Infer,
        {"inputs": [tensor(shape=["2"])]},
        "inputs.0.shape.0: Input should be a valid integer",
    ),
    "rows of two": (forms.Infer, {"inputs": [tensor(shape=[1, 2])]}, "the shape does not fit the data"),
    "negative": (forms.Infer, {"inputs": [tensor(shape=[-2, -1])]}, "the shape does not fit the data"),
    "three sizes": (forms.Infer, {"inputs": [tensor(shape=[2, 1, 1])]}, "inputs.0.shape: List should have at most 2"),
    "ragged": (forms.Infer, {"inputs": [tensor(data=[["a"], "ß"])]}, "inputs.0.data.0: Input should be a valid string"),
    "two inputs": (forms.Infer, {"inputs": [tensor(), tensor()]}, "inputs: List should have at most 1 item"),
    "other output": (
        forms.Infer,
        {"inputs": [tensor()], "outputs": [{"name": SECRET}]},
        "outputs.0.name: Input should",
    ),
    "three outputs": (
        forms.Infer,
        {"inputs": [tensor()], "outputs": [{"name": "label"}] * 3},
        "outputs: List should have at most 2 items",
    ),
    "long id": (forms.Infer, {"inputs": [tensor()], "id": SECRET * 20}, "id: String should have at most 128"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_named_without_what_came(kind):
    form, body, said = WRONG[kind]
    body = body if isinstance(body, str) else json.dumps(body)
    found = refusal(forms.parse, form, body.encode())
    assert (found.status, found.reason) == (400, "form") and said in str(found)
    assert SECRET not in str(found) and "surrogate" not in str(found)
    assert found.__context__ is None or found.__suppress_context__


def test_bytes_that_are_no_text_are_refused():
    for body in (b"", b"\xff\xfe", b'{"instances": ["\xff"]}', b'{"instances": ["a\x00b'):
        assert refusal(forms.parse, forms.Predict, body).status == 400


def test_the_pages_form_is_read():
    assert forms.parse_page(b"text=gut+%26+sch%C3%B6n%0D%0A&key=") == {"text": "gut & schön\r\n", "key": ""}


@pytest.mark.parametrize("body", [b"", b"text", b"text=%ff", b"text=\xff", b"a=1&b=2&c=3&d=4&e=5", b"{}"])
def test_what_no_browser_sends_is_refused(body):
    assert refusal(forms.parse_page, body).status == 400
