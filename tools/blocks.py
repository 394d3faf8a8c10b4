"""Blocks of a Markdown text: what is translated as one, and what stays as it is.

A block is a heading, a paragraph, a list or a table. Its key is the English text itself, with white space normalised: a changed
sentence makes a new block. Formulas on lines of their own, code, badges and the tags of a quiz are no blocks.
"""

import hashlib
import re
import unicodedata
from typing import NamedTuple

# What stays as it is, with the white space around it: code, formulas on lines of their own, badges, tags; and what divides blocks.
AS_IS = re.compile(
    r"(\s*(?:^```.*?^```|^\$\$.*?\$\$|^\[!\[[^\n]*\)$|<details><summary>|</summary>|</details>)\s*|\s*\n\s*\n\s*|\n(?=#{1,6} ))",
    re.S | re.M,
)
HEADING = re.compile(r"(#{1,6}) (.+)")
MARKER = re.compile(r"\s*(?:[-*] |\d+\. |\||> )")  # so begins an item, a row, a quotation


class Piece(NamedTuple):
    """A part of a Markdown text; `block` says whether it is to be translated."""

    text: str
    block: bool


def pieces(markdown: str) -> list[Piece]:
    """The parts of a Markdown text in order; joined, they are the text again."""
    result = []
    for place, part in enumerate(AS_IS.split(markdown)):
        if place % 2:
            result.append(Piece(part, False))
            continue
        heading = HEADING.match(part)
        if heading and "\n" in part:  # a paragraph that follows its heading without an empty line
            first, rest = part.split("\n", 1)
            result += [Piece(first, True), Piece("\n", False), Piece(rest, True)]
        elif part:
            result.append(Piece(part, bool(part.strip())))
    return result


def key_of(block: str) -> str:
    """A block with white space normalised: a line for each item or row, and each paragraph in one line."""
    lines = []
    for line in block.strip().splitlines():
        if lines and not MARKER.match(line):
            lines[-1] += " " + " ".join(line.split())
        else:
            indent = line[: len(line) - len(line.lstrip())] if lines else ""
            lines.append(indent + " ".join(line.split()))
    return "\n".join(lines)


def blocks_in(markdown: str) -> list[str]:
    """The keys of a Markdown text's blocks, in order."""
    return [key_of(piece.text) for piece in pieces(markdown) if piece.block]


def id_of(key: str) -> str:
    """A short name for a block."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def slug(heading: str) -> str:
    """The anchor that Sphinx gives to a heading of the English page."""
    text = unicodedata.normalize("NFKD", heading.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"^[-0-9]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", " ".join(text.split())))


def brief(key: str, length: int = 90) -> str:
    """A block's name and beginning."""
    line = " ".join(key.split())
    return f"{id_of(key)} {line if len(line) <= length else line[: length - 1] + '…'}"
