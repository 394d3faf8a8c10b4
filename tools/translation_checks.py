"""What can be wrong with a translated block: its form, its numbers, its terms, its punctuation.

`translations/glossary.csv` holds the terms: English forms with | between (regular endings in -s are found by themselves), Chinese
forms of which one must stand in the translation, and Chinese forms that must not. Where `checked` is "no", a row only informs
translators. `translations/exceptions.csv` names blocks where a term means something else, by the block's short name, and says why;
the term "numbers" is for a block whose numbers cannot be the same, as in "2.7 of 3.2 million".
"""

import csv
import functools
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import blocks
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

FOLDER = Path(__file__).resolve().parents[1] / "translations"
MARKDOWN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, double_inline=True)
HAN = "\u3400-\u9fff"  # Chinese characters
FULL = "，。；：？！、（）“”《》「」—"  # punctuation as wide as a Chinese character
SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "万": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8}
NUMBER = re.compile(
    r"(?<![A-Za-z\d.])(?:(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)|\b[Aa])(?:\s?((?:thousand|million|billion)(?!th)|百万|千万|万|亿))?(?!\d)"
)
WORDS = [
    "one first january", "two second february", "three third march", "four fourth april", "five fifth may", "six sixth june",
    "seven july", "eight august", "nine september", "ten tenth october", "eleven november", "twelve december",
]  # fmt: skip
SPELLED = {
    word: number for number, words in enumerate(WORDS, 1) for word in words.split()
}  # may be a figure in Chinese
BEGINNINGS = {"**Why.** ": "**为什么**：", "**References.** ": "**参考文献**：", "**Glossary.** ": "**术语表**："}


class Term(NamedTuple):
    """A row of the glossary."""

    english: list[str]
    chinese: list[str]
    avoid: list[str]
    checked: bool
    note: str

    def found_in(self, key: str) -> bool:
        """Whether a block's prose holds the term as a whole word."""
        return bool(pattern_of(*self.english).search(prose_of(key)))


@functools.cache
def pattern_of(*forms: str) -> re.Pattern:
    """What finds one of these words or phrases, singular or plural."""
    joined = [re.sub(r"\\[ -]", r"[\\s-]?", re.escape(form)) for form in sorted(forms, key=len, reverse=True)]
    words = "|".join(joined)
    return re.compile(rf"(?<![\w-])(?:{words})(?:s|es)?(?![\w-])", re.I)


@functools.cache
def read_glossary(folder: Path = FOLDER) -> list[Term]:
    """The terms that translations are held to."""
    with (folder / "glossary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    split = {
        name: [[part for part in row[name].split("|") if part] for row in rows]
        for name in ("english", "chinese", "avoid")
    }
    return [
        Term(*forms, row["checked"] != "no", row["note"])
        for row, *forms in zip(rows, split["english"], split["chinese"], split["avoid"], strict=True)
    ]


@functools.cache
def read_exceptions(folder: Path = FOLDER) -> dict[tuple[str, str], str]:
    """(term, short name of a block) -> why the agreed Chinese need not stand there."""
    with (folder / "exceptions.csv").open(encoding="utf-8", newline="") as file:
        return {(row["term"], row["block"]): row["reason"] for row in csv.DictReader(file)}


class Shape(NamedTuple):
    """What a block and its translation have in common."""

    code: Counter
    formulas: Counter
    links: Counter
    tags: Counter
    strong: int
    texts: list[str]  # what is left, as a reader sees it
    emphasised: list[str]


def shape_of(block: str) -> Shape:
    """Read a block as Markdown."""
    shape = Shape(Counter(), Counter(), Counter(), Counter(), 0, [], [])
    strong, open_emphasis = 0, 0
    for token in MARKDOWN.parse(block):
        text = []
        for child in token.children or []:
            strong += child.type == "strong_open"
            open_emphasis += (child.type == "em_open") - (child.type == "em_close")
            if child.type == "code_inline":
                shape.code[child.content] += 1
                text.append("`x`")
            elif child.type.startswith("math"):
                shape.formulas[" ".join(child.content.split())] += 1
                text.append("$x$")
            elif child.type == "html_inline":
                shape.tags[child.content] += 1
            elif child.type in ("link_open", "image"):
                shape.links[child.attrs.get("href") or child.attrs.get("src")] += 1
                text.append(child.content)  # of an image, the words in its place
            elif child.type == "softbreak":
                text.append(" ")
            elif child.type == "text":
                text.append(child.content)
                if open_emphasis:
                    shape.emphasised.append(child.content)
        if token.type == "inline":
            shape.texts.append("".join(text))
        elif token.type in ("html_block", "fence", "code_block"):
            shape.tags[token.content] += 1
    return shape._replace(strong=strong)


@functools.cache
def prose_of(block: str) -> str:
    """A block without code, formulas, link targets and what is in italics: titles of works and sections."""
    text = re.sub(r"`[^`]*`|\$[^$]+\$|\]\([^)]*\)", " ", block)
    return re.sub(r"(?<!\*)\*(?!\*)[^*\n]+\*(?!\*)", " ", text)


def numbers_in(texts: list[str]) -> Counter:
    """The numbers of some texts, by value; "1.1 亿" and "110 million" are the same."""
    result = Counter()
    for text in texts:
        for digits, scale in NUMBER.findall(text):
            if digits or scale:
                value = float(digits.replace(",", "") or 1) * SCALES.get(scale, 1)
                result[float(f"{value:.12g}")] += 1  # 1.1 x 100,000,000 is not exactly 110,000,000
    return result


def form_faults(key: str, chinese: str) -> list[str]:
    """What a translation lacks or adds of what must stay: code, formulas, links, tags, numbers, lines, columns, bold words."""
    faults, one, other = [], shape_of(key), shape_of(chinese)
    for what in ("code", "formulas", "links", "tags"):
        english, own = getattr(one, what), getattr(other, what)
        faults += [f"{what}: missing {each!r}" for each in (english - own).elements()]
        faults += [f"{what}: added {each!r}" for each in (own - english).elements()]
    if one.strong != other.strong:
        faults.append(f"{one.strong} words in bold, here {other.strong} (or a ** that Markdown does not read as bold)")
    if any("*" in text for text in other.texts) and not any("*" in text for text in one.texts):
        faults.append("a * that Markdown shows as it is: put the punctuation outside of the stars")
    english, own = numbers_in(one.texts), numbers_in(other.texts)
    spelled = {SPELLED[word] for word in re.findall(r"[a-z]+", key.lower()) if word in SPELLED}
    faults += [f"number: missing {each:g}" for each in (english - own).elements()]
    faults += [f"number: added {each:g}" for each in (own - english).elements() if each not in spelled]
    faults += [
        f"begins with {own}"
        for start, own in BEGINNINGS.items()
        if key.startswith(start) and not chinese.startswith(own)
    ]
    lines, own_lines = key.split("\n"), chinese.split("\n")
    if len(lines) != len(own_lines):
        faults.append(f"{len(lines)} lines (items, rows), here {len(own_lines)}")
    elif [mark_of(line) for line in lines] != [mark_of(line) for line in own_lines]:
        faults.append("lines begin in another way: keep #, -, 1. and | with their indents")
    elif any(columns_of(line) != columns_of(mine) for line, mine in zip(lines, own_lines, strict=True)):
        faults.append("a row has another number of columns")
    return faults


def mark_of(line: str) -> str:
    """How a line begins, as far as Markdown reads it."""
    return re.match(r"\s*(?:#{1,6} |[-*] |\d+\. |\||> )?", line)[0]


def columns_of(line: str) -> int:
    """Bars of a table's row."""
    return len(re.findall(r"(?<!\\)\|", line)) if line.lstrip().startswith("|") else 0


def term_faults(key: str, chinese: str, glossary: list[Term], exceptions: dict) -> list[str]:
    """Terms of the English block whose agreed Chinese is not there, or which are translated in a way not to be used."""
    faults = []
    for term in glossary:
        name = term.english[0]
        if not term.checked or not term.found_in(key) or (name, blocks.id_of(key)) in exceptions:
            continue
        if not any(form.lower() in chinese.lower() for form in term.chinese):
            faults.append(f"term: {name} is {' or '.join(term.chinese)}")
        faults += [f"term: {name} is {term.chinese[0]}, not {form}" for form in term.avoid if form in chinese]
    return faults


def style_faults(key: str, chinese: str) -> list[str]:
    """What Chinese readers stumble over in spaces and punctuation; all of it as they see it, without Markdown's signs."""
    faults = []
    prose = [text for text in shape_of(chinese).texts if re.search(rf"[{HAN}]", text)]
    if not prose and re.search(r"[a-z]{4,} [a-z]{2,} [a-z]{2,}", prose_of(key)):
        faults.append("no Chinese in it")
    for text in prose:
        for pattern, what in STYLE:
            faults += [f"{what}: …{text[max(0, m.start() - 8) : m.end() + 8]}…" for m in re.finditer(pattern, text)]
        faults += [f"four times 的 in a clause: {part}" for part in re.split(f"[{FULL}]", text) if part.count("的") > 3]
    return faults


STYLE = [
    (
        rf"[{HAN}][A-Za-z0-9`$]|[A-Za-z0-9`$%][{HAN}]",
        "a space between Chinese and Latin letters, digits, code or formulas",
    ),
    (rf"[{HAN}] +[{HAN}]", "no space between Chinese characters"),
    (rf"\S? +[{FULL.replace('—', '')}]|[{FULL.replace('—', '')}] +(?=\S)", "no space beside full-width punctuation"),
    (rf"[{HAN}”）] ?[,;:?!]|[{HAN}”）]\.(?=\s|$)|[{HAN}] ?\(|\) ?[{HAN}]", "full-width punctuation beside Chinese"),
    (r'"', "quotation marks “ ”"),
    (r"您", "你, not 您"),
    (r"\d %", "no space before %"),
    (r"…(?!…)(?<!……)", "two signs …… for an ellipsis"),
]


def section_faults(chinese: dict[str, str], lesson: dict[str, str]) -> list[tuple[str, str]]:
    """Blocks that refer to sections of a lesson, *in italics* in English, but do not name them as their Chinese headings do.

    Takes English -> Chinese of the translated blocks, and of the lesson that holds the headings.
    """
    headings = {}
    for key, translated in lesson.items():
        if (english := blocks.HEADING.match(key)) and (own := blocks.HEADING.match(translated)):
            headings[plain(english[2])] = plain(own[2])
    faults = []
    for key in chinese:
        named = [plain(part) for part in re.findall(r"“([^”]+)”", chinese[key])]
        for title in map(plain, shape_of(key).emphasised):
            fits = [own for english, own in headings.items() if begins(english, title)]
            if fits and not any(begins(own, part) for part in named for own in fits):
                faults.append((key, f"section *{title}*: “{'” or “'.join(fits)}” or its beginning"))
    return faults


def begins(heading: str, title: str) -> bool:
    """Whether a heading is this title or begins with it, as whole words."""
    return bool(title) and heading.startswith(title) and not re.match(r"[a-z]", heading[len(title) :])


def plain(heading: str) -> str:
    """A heading without Markdown's signs, and without the name in brackets at its end."""
    return re.sub(r"\s*[（(][^（(]*[)）]$", "", re.sub(r"[*`$]", "", heading)).strip()


def anchor_faults(chinese: dict[str, str]) -> list[tuple[str, str]]:
    """Chinese headings whose own anchor, made of their Latin words, is the English one of another heading, or shared."""
    pairs = {}
    for key, translated in chinese.items():
        if (english := blocks.HEADING.match(key)) and (own := blocks.HEADING.match(translated)):
            pairs[key] = blocks.slug(english[2]), blocks.slug(own[2])
    used = Counter(anchor for pair in pairs.values() for anchor in set(pair) if anchor)
    return [
        (key, f"two headings have the anchor {own}: reword one") for key, (_, own) in pairs.items() if used[own] > 1
    ]


def faults_of(key: str, chinese: str) -> list[str]:
    """All that is wrong with a block's translation, taken by itself."""
    exceptions, found = read_exceptions(), form_faults(key, chinese)
    if ("numbers", blocks.id_of(key)) in exceptions:
        found = [fault for fault in found if not fault.startswith("number:")]
    return found + term_faults(key, chinese, read_glossary(), exceptions) + style_faults(key, chinese)
