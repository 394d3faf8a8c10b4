"""Search in English and Chinese: words, and of Chinese texts each pair of neighbouring characters.

Chinese has no spaces between words, and no list of words knows 预训练. Its pairs 预训 and 训练 are found wherever it stands.
"""

import re

from sphinx.search import languages
from sphinx.search.en import SearchEnglish

HAN = r"\u3400-\u9fff"
PIECES = rf"[{HAN}]+|[^\W{HAN}]+"
SPLITTER = """
function splitQuery(query) {
  const pieces = query.match(/[HAN]+|(?:(?![HAN])[\\p{L}\\p{N}_])+/gu) || [];
  const pairs = (piece) => Array.from({ length: piece.length - 1 }, (_, start) => piece.slice(start, start + 2));
  return pieces.flatMap((piece) => (/^[HAN]{2,}$/.test(piece) ? pairs(piece) : [piece]));
}
""".replace("HAN", HAN)


def pieces_of(text: str) -> list[str]:
    """Words, and pairs of Chinese characters; a single one stays as it is."""
    found = []
    for piece in re.findall(PIECES, text):
        chinese = len(piece) > 1 and re.match(f"[{HAN}]", piece)
        found += [piece[start : start + 2] for start in range(len(piece) - 1)] if chinese else [piece]
    return found


class Search(SearchEnglish):
    """Sphinx's search in English with pairs of Chinese characters."""

    lang = "course"
    js_splitter_code = SPLITTER

    def split(self, input: str) -> list[str]:
        """The pieces of a text under which it is found."""
        return pieces_of(input)


languages[Search.lang] = Search
