"""Docstrings of public things, their sentences, and what is no prose; in a time that grows as the text does."""

import time

import pytest

from helpers import docstrings

pytestmark = pytest.mark.once  # it needs neither backend

CODE = '''
"""Of the module."""
class Reader:
    """Of the class."""
    def read(self):
        """Of the method."""
        def inner():
            """Of an inner function."""
    class Inner:
        """Of the inner class."""
    def _hidden(self):
        """Of a private method."""
async def load():
    """Of the coroutine."""
class _Hidden:
    """Of a private class."""
    def read(self):
        """Of its method."""
if True:
    def later():
        """Of what is defined on a condition."""
raise RuntimeError("this code was run")
'''


def test_public_docstrings_come_in_the_order_of_the_file():
    assert list(docstrings.find_docstrings(CODE)) == [
        "Of the module.",
        "Of the class.",
        "Of the method.",
        "Of the inner class.",
        "Of the coroutine.",
    ]
    assert list(docstrings.find_docstrings("x = 1")) == []
    with pytest.raises(SyntaxError):
        list(docstrings.find_docstrings("def (:"))


def test_a_docstring_keeps_its_indentation_and_an_odd_escape_makes_no_warning(recwarn):
    found = list(docstrings.find_docstrings('def f():\n    """One \\d.\n\n        two\n    """'))
    assert found == ["One \\d.\n\n        two\n    "] and not len(recwarn)


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        (
            "Use ``x`` or **y**, see `the guide <https://a.b/c>`_ and [this](http://d.e).",
            "Use x or y, see the guide and this.",
        ),
        ("First.\n\n:param x: hidden\n    hidden too\n:returns: hidden\nLast.", "First. Last."),
        ("First.\n\n.. code-block:: python\n\n    hidden()\n\nLast::\n\n    hidden()\n", "First. Last:"),
        ("First.\n\n```python\nhidden()\n```\nLast.", "First. Last."),
        ("First.\n\n===== =====\na     b\n===== =====\n| hidden | hidden |\n", "First. a b"),
        ("First.\n\nReturns\n-------\nhidden\n\nNotes\n-----\nLast.", "First. Last."),
        (
            "One.\n\nNotes\n---\nTwo.\n\nReturns\n---\nhidden\n\nRemarks\n---\nThree.\n\nMore\n---\nFour.",
            "One. Two. Three. Four.",
        ),
        ("A title\n=======\n\nExamples:\n\n  hidden\n\n  hidden\nLast 2 * 3.", "Last 2 * 3."),
        (
            "See `a <b>`__, `c <d>`_. And `x < y` but ![an image](e).",
            "See a, c. And x < y but an image.",
        ),
        ("A [0, 1) range, [this](that), see [here] (not a link).", "A 0, 1) range, [this, see [here] (not a link)."),
        (
            "Some <b>bold</b> and [1]_ cited, :class:`~a.B` and :py:func:`!c`, \\*args.",
            "Some bold and cited, a.B and c, args.",
        ),
        ("A (see www.example.org and ftp://x.y/z now).", "A (see and now)."),
        ("Say >>> no.\n\n>>> hidden\nhidden\n\nThen.\n\n$ hidden\n@hidden\n", "Say >>> no. Then."),
        (
            "Examples: ::\n\n    hidden\n\nArgs (all of them):\n    hidden\nReturns**:**\n    hidden\nEnd.",
            "Examples: : End.",
        ),
    ],
)
def test_prose(docstring, expected):
    assert docstrings.extract_prose(docstring) == expected


def test_fences_that_close_hide_code_and_others_stay():
    def kept(*lines):
        return docstrings.drop_fenced_code("\n".join(lines)).split("\n")

    assert kept("a", "```python", "x", "```", "b") == ["a", "", "b"]
    assert kept("a", "  ~~~", "```", "x", "~~~ ", "b", "```") == ["a", "", "b", "```"]
    assert kept("```", "x", "```y", "```", "```", "z") == ["", "```", "z"]
    assert kept("a", "```", "x") == ["a", "```", "x"]
    assert kept("a ```", "x", "```") == ["a ```", "x", "```"]


@pytest.mark.parametrize(
    "part",
    ["```\n", "~~~ x\n", "[", "[a](", "`a<", "`" + " " * 30, ":a", ":a:`", "<", "# Returns" + "*" * 30, "*", "a: "],
)
def test_time_grows_as_the_text_does(part):
    """Eight times the text takes about eight times as long; where each place looks at all that follow, sixty-four."""

    def seconds(letters):
        text, taken = "First line.\n" + part * (letters // len(part)) + "x", []
        for _ in range(3):
            started = time.process_time()
            docstrings.extract_prose(text)
            taken.append(time.process_time() - started)
        return min(taken)

    assert seconds(32_000) < 25 * (seconds(4_000) + 0.001)


def test_what_is_no_prose_is_dropped():
    assert docstrings.is_prose("This sentence (of ten words) isn't code, so it stays.")
    assert not docstrings.is_prose("x = f(a_b, 3) -> y[i] + 2 if z else the rest of it")
    assert docstrings.is_prose("one two three four five six seven eight")
    assert not docstrings.is_prose("one two three four five six seven")
    assert docstrings.is_prose("one two three four five six 7 8") and not docstrings.is_prose(
        "one two three four five 6 7 8"
    )
