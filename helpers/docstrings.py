"""Lesson 04: docstrings: found in Python code that is not run, and cleaned to plain sentences."""

import ast
import inspect
import re
import warnings
from collections.abc import Iterator

MIN_WORDS = 8


def find_docstrings(code: str) -> Iterator[str]:
    """Docstrings of a module, its public functions and classes, and their public methods, in the file's order.

    Raises SyntaxError or ValueError for what this Python cannot parse.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on others' odd escapes
        tree = ast.parse(code)
    yield from _docstrings_in(tree)


def _docstrings_in(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    if text := ast.get_docstring(node, clean=False):
        yield text
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return  # nobody can call what is defined inside a function
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and child.name[0] != "_":
            yield from _docstrings_in(child)


# ---- cleaning

FENCES = ("```", "~~~")  # of Markdown, around code
_TITLES = (
    r"(?:(?:other|call|init|keyword) )?(?:parameters|arguments|args|kwargs)|returns?|yields?|receives|raises|warns|"
    r"attributes|methods|members|properties|fields|see also|references?|examples?|usage|inputs?|outputs?|"
    r"(?:input|output) shapes?|todo|copyright|license"
)
UNDERLINED = re.compile(r"(?m)^[ \t]*(\w[\w ]*)\n[ \t]*[-=~^]{3,}[ \t]*$")  # a heading of numpydoc
SECTION = re.compile(rf"(?i)[#*\s]*({_TITLES})( \(.*\))?[*\s]*(?::+[*\s]*)?")  # "Args:", a heading of Google's style
OPENS_BLOCK = re.compile(r"\.\. .*|[:@]\w[^:`]*:(\s.*)?")  # ".. note::", ":param x: ...", "@param x: ..."
NO_PROSE = re.compile(r"[\W\d_]*|.*\|.*\|.*|(>>>|\.\.\.|\$|%|@|#!|\+-).*")  # rules, tables, prompts
# A Markdown link. What begins as one and is none is taken too, and put back: nothing inside of it can begin a link that
# ends, so no letter is looked at twice.
LINK = re.compile(r"!?\[([^\]]*)(?:\](?:\([^)]*(\)|\Z))?|\Z)")
OPENS_LINK, CLOSES_LINK = re.compile(r"`([^`<]+)<"), re.compile(r">`__?")  # of reST: `text <address>`_
INLINE = (
    (re.compile(r":[\w:]{1,50}:`[~!]?([^`]*)`"), r"\1"),  # reST roles
    (re.compile(r"(https?|ftp)://\S+|www\.\S+"), ""),
    (re.compile(r"\[\w+\]_|<[^<>]{1,60}>"), ""),  # citations, tags
    (re.compile(r"`+|\*\*|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)|\\"), ""),  # code and emphasis
    (re.compile(r"\s+"), " "),
)


def extract_prose(docstring: str) -> str:
    """The sentences of a docstring on one line: without code, parameter lists, tables, links and markup.

    It knows numpydoc, Google's style, reST and Markdown. What it leaves in by mistake `is_prose` may still drop.
    """
    parts = UNDERLINED.split(drop_fenced_code(inspect.cleandoc(docstring)))  # body, title, body, title, body ...
    titled = zip(parts[1::2], parts[2::2], strict=True)
    bodies = [parts[0], *(body for title, body in titled if not SECTION.fullmatch(title))]
    text = " ".join(line for body in bodies for line in _sentences(body))
    text = _unlink(LINK.sub(lambda found: found[1] if found[2] == ")" else found[0], text))
    for pattern, replacement in INLINE:
        text = pattern.sub(replacement, text)
    return text.strip()


def drop_fenced_code(text: str) -> str:
    """The text with each block between two lines of ``` or ~~~ made an empty line; a fence that nothing closes stays."""
    lines, kept, fence = text.split("\n"), [], None
    last = {line.strip(): number for number, line in enumerate(lines) if line.strip() in FENCES}
    for number, line in enumerate(lines):
        start = line.lstrip()[:3]
        if fence is not None:
            fence = None if line.strip() == fence else fence
        elif number < last.get(start, -1):
            fence = start
            kept.append("")
        else:
            kept.append(line)
    return "\n".join(kept)


def _unlink(text: str) -> str:
    """The text with the text of each reST link in place of the link."""
    kept, position, closing = [], 0, 0
    while (found := OPENS_LINK.search(text, position)) and closing >= 0:
        if closing < found.end():
            closing = text.find(">", found.end())
        link = CLOSES_LINK.match(text, closing) if closing >= 0 else None
        kept += [text[position : found.start()], (found[1].rstrip() or " ") if link else found[0]]
        position = (link or found).end()
    return "".join([*kept, text[position:]])


def _sentences(body: str) -> Iterator[str]:
    """Lines outside of code, lists of parameters and tables."""
    hidden, in_doctest = None, False  # hidden: indentation of the line whose indented block is left out
    for line in body.splitlines():
        stripped, indent = line.strip(), len(line) - len(line.lstrip())
        in_doctest = bool(stripped) and (in_doctest or stripped.startswith(">>>"))
        if not stripped or in_doctest or (hidden is not None and indent > hidden):
            continue
        opens = SECTION.fullmatch(stripped) or OPENS_BLOCK.fullmatch(stripped)
        hidden = indent if opens or stripped.endswith("::") else None
        if not opens and not NO_PROSE.fullmatch(stripped):
            yield re.sub(r"::$", ":", stripped)


def is_prose(text: str) -> bool:
    """Whether a text has MIN_WORDS words or more and three of four look like English words."""
    words = text.split()
    plain = sum(bool(re.fullmatch(r"[(\"']?[A-Za-z]+(['-][A-Za-z]+)*[.,;:!?)\"']*", word)) for word in words)
    return len(words) >= MIN_WORDS and plain >= 0.75 * len(words)
