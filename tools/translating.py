"""The Chinese edition: python tools/translating.py update | count | show 05 | fill 05 FILE | check [05 ...] | make [FOLDER]

update  bring the catalogues in translations/ into step with the English texts; say what is new and what is gone
count   blocks of each catalogue, how many are translated, how many are stale
show    the blocks of a lesson and its exercises that are not translated, in the form that `fill` reads (--all: all blocks)
fill    take translations out of a file of that form: what holds the checks is stored, the rest is named
check   what is wrong with stored translations, a line each
make    write the Chinese notebooks, to look at them (default: artifacts/zh); `make site` makes its own

What a block is: see blocks.py. A block that several texts share is in translations/common.po. What a translation must hold:
see translation_checks.py.
"""

import argparse
import contextlib
import difflib
import functools
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import blocks
import nbformat
import translation_checks
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

COURSE = Path(__file__).resolve().parents[1]
FOLDER = COURSE / "translations"
COMMON = "common"  # the catalogue of what several texts share
EXERCISES = ".exercises"  # so ends the name of a catalogue for a lesson's exercises and their solutions
HEADER = 'msgid ""\nmsgstr ""\n"Language: zh_CN\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
WIDTH = 110  # of a line in a catalogue
NOTE = "> 本页译自英文版。代码、断言（claim 与 finding）、图表和输出保留英文。"
MISSING = "尚有 {} 段未译，以英文显示。"
NOTHING = "> 本页尚未翻译，以英文显示（共 {} 段）。"


# ---- the English texts


def documents() -> dict[str, list[str]]:
    """Name of each text -> its Markdown cells: the start page, the lessons, their exercises with and without solutions."""
    import exercises  # the web edition needs neither these nor what they import
    import lessons

    result = {"README": [(COURSE / "README.md").read_text(encoding="utf-8")]}
    for path in lessons.lessons([]):
        result[path.stem] = markdown_of(lessons.read_twin(path))
    for path in exercises.twins():
        solved = lessons.read_twin(path)
        cells = markdown_of(solved) + markdown_of(exercises.exercise_form(solved))
        result[path.stem + EXERCISES] = list(dict.fromkeys(cells))
    return result


def markdown_of(notebook: nbformat.NotebookNode) -> list[str]:
    """The texts of a notebook's Markdown cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def contents(texts: dict[str, list[str]]) -> dict[str, dict[str, str]]:
    """Name of each catalogue -> its keys in order, each with the heading that it stands under."""
    result = {COMMON: {}}
    for name, cells in texts.items():
        heading, own = "", {}
        for block in (block for cell in cells for block in blocks.blocks_in(cell)):
            found = blocks.HEADING.match(block)
            own.setdefault(block, "a heading" if found else f"under: {heading}")
            heading = found[2] if found else heading
        result[name] = own
    used = Counter(key for own in result.values() for key in own)
    for name in texts:
        shared = {key: place for key, place in result[name].items() if used[key] > 1}
        result[COMMON] |= {key: result[COMMON].get(key, f"{name}, {place}") for key, place in shared.items()}
        result[name] = {key: place for key, place in result[name].items() if key not in shared}
    return result


# ---- the catalogues


def names_in(folder: Path = FOLDER) -> list[str]:
    """The names of all catalogues."""
    return [path.stem for path in sorted(folder.glob("*.po"))]


def path_of(name: str, folder: Path = FOLDER) -> Path:
    """Where a catalogue is."""
    return folder / f"{name}.po"


def read(name: str, folder: Path = FOLDER) -> Catalog:
    """A catalogue; an empty one where there is no file."""
    path = path_of(name, folder)
    if not path.is_file():
        return Catalog(locale="zh_CN", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale="zh_CN", charset="utf-8")


def messages(catalog: Catalog) -> dict[str, str]:
    """English -> Chinese of a catalogue, "" where that is missing; what is obsolete is left out."""
    return {message.id: message.string or "" for message in catalog if message.id}


def write(name: str, catalog: Catalog, folder: Path = FOLDER) -> None:
    """Write a catalogue whole or not at all."""
    from helpers import runtime  # the web edition needs no helpers

    text = io.BytesIO()
    write_po(text, catalog, width=WIDTH, omit_header=True)
    path_of(name, folder).parent.mkdir(parents=True, exist_ok=True)
    with runtime.written_whole(path_of(name, folder)) as unfinished:
        Path(unfinished).write_bytes(HEADER.encode() + text.getvalue())


def new_catalog(entries: dict[str, tuple[str, str]], obsolete: dict[str, str]) -> Catalog:
    """A catalogue of English -> (Chinese, where it stands), and of what no text holds any more."""
    catalog = Catalog(locale="zh_CN", fuzzy=False)
    for key, (chinese, place) in entries.items():
        catalog.add(key, chinese, auto_comments=[f"{blocks.id_of(key)} {place}"])
    for key, chinese in obsolete.items():
        catalog.obsolete[key] = Message(key, chinese)
    return catalog


def with_new_numbers(old: str, new: str, chinese: str) -> str:
    """The Chinese of a block in which nothing but figures has changed, as in a table of measurements; else nothing."""
    digits = r"\d+(?:[.,]\d+)*"
    before, after = re.findall(digits, old), re.findall(digits, new)
    if re.sub(digits, "#", old) != re.sub(digits, "#", new) or re.findall(digits, chinese) != before:
        return ""
    figures = iter(after)
    return re.sub(digits, lambda _: next(figures), chinese)


def update(texts: dict[str, list[str]], folder: Path = FOLDER) -> list[str]:
    """Bring the catalogues into step with the texts; return what is new and what is gone, a line each.

    A translation follows its block into another catalogue, and to a block in which only figures differ. One whose block is gone
    is kept as obsolete, as long as its catalogue has blocks without a translation: it may help with them.
    """
    wanted = contents(texts)
    names = [*wanted, *(name for name in names_in(folder) if name not in wanted)]
    stored = {name: read(name, folder) for name in names}
    known = {}
    for catalog in stored.values():
        old = {message.id: message.string for message in catalog.obsolete.values()}
        known |= {key: text for key, text in (old | messages(catalog)).items() if text}
    everything, news = {key for keys in wanted.values() for key in keys}, []
    for name, catalog in stored.items():
        keys, before = wanted.get(name, {}), messages(catalog)
        gone = [key for key in before if key not in everything]
        for key in (key for key in keys if key not in known):
            moved = (with_new_numbers(old, key, known[old]) for old in gone if old in known)
            if chinese := next(filter(None, moved), ""):
                known[key] = chinese
        news += [f"{name}: new: {blocks.brief(key)}" for key in keys if key not in before and key not in known]
        news += [f"{name}: gone: {blocks.brief(key)}" for key in gone]
        entries = {key: (known.get(key, ""), place) for key, place in keys.items()}
        old = {*gone, *(message.id for message in catalog.obsolete.values())} - everything
        waiting = any(not chinese for chinese, _ in entries.values())
        if name in wanted:
            kept = {key: known[key] for key in sorted(old) if waiting and key in known}
            write(name, new_catalog(entries, kept), folder)
        else:
            path_of(name, folder).unlink()
    return news


def stale(texts: dict[str, list[str]], folder: Path = FOLDER) -> list[str]:
    """Blocks that the catalogues lack, and those that no text holds any more, a line each; none is right."""
    faults = []
    for name, keys in contents(texts).items():
        stored = messages(read(name, folder))
        faults += [
            f"{name}: new or changed, not in the catalogue: {blocks.brief(key)}" for key in keys if key not in stored
        ]
        faults += [
            f"{name}: in the catalogue, but no longer in the text: {blocks.brief(key)}"
            for key in stored
            if key not in keys
        ]
    return faults


def translations(folder: Path = FOLDER) -> dict[str, str]:
    """English -> Chinese of all blocks that are translated."""
    stored = [messages(read(name, folder)) for name in names_in(folder)]
    return {key: chinese for catalog in stored for key, chinese in catalog.items() if chinese}


# ---- Chinese texts


def translate_text(markdown: str, chinese: dict[str, str]) -> tuple[str, int, int]:
    """A Markdown text in Chinese; how many blocks it has, and how many of them are not translated and stay English.

    Each heading but the title gets the English anchor, so that a link to it holds in both editions.
    """
    result, keys = "", blocks.blocks_in(markdown)
    for piece in blocks.pieces(markdown):
        key = blocks.key_of(piece.text)
        if not piece.block or key not in chinese:
            result += piece.text
            continue
        english, own = blocks.HEADING.match(key), blocks.HEADING.match(chinese[key])
        if english and own and len(english[1]) > 1 and blocks.slug(english[2]) != blocks.slug(own[2]):
            result += f'<div id="{blocks.slug(english[2])}"></div>\n\n'
        result += chinese[key]
    return result, len(keys), sum(key not in chinese for key in keys)


def with_note(markdown: str, number: int, missing: int) -> str:
    """A Chinese page's first text, with a line below its title that says what stays English."""
    note = NOTHING.format(missing) if missing == number else NOTE + (MISSING.format(missing) if missing else "")
    title, _, rest = markdown.partition("\n")
    return f"{title}\n\n{note}\n\n{rest.lstrip()}".rstrip()


@functools.cache
def stored_translations() -> dict[str, str]:
    """What the catalogues hold, read once."""
    return translations()


def translated_text(markdown: str, chinese: dict[str, str] | None = None) -> str:
    """A document of the course in Chinese, as far as it is translated."""
    return with_note(*translate_text(markdown, stored_translations() if chinese is None else chinese))


def translated(notebook: nbformat.NotebookNode, chinese: dict[str, str] | None = None) -> nbformat.NotebookNode:
    """A notebook with its Markdown cells in Chinese; all else, code and outputs included, is a copy."""
    chinese = stored_translations() if chinese is None else chinese
    result, counts = nbformat.from_dict(notebook), Counter()
    cells = [cell for cell in result.cells if cell.cell_type == "markdown"]
    for cell in cells:
        cell.source, number, missing = translate_text(cell.source, chinese)
        counts.update(number=number, missing=missing)
    if cells:
        cells[0].source = with_note(cells[0].source, counts["number"], counts["missing"])
    return result


def notebooks() -> list[Path]:
    """All notebooks of the course. JupyterLab's own copies, in hidden folders beside them, are none."""
    folders = [COURSE / "notebooks" / part for part in ("", "exercises", "solutions")]
    return [path for folder in folders for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]


def make(target: Path) -> None:
    """Write the Chinese edition under a folder, in the places that the English one has."""
    for path in notebooks():
        out = target / path.relative_to(COURSE)
        out.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(translated(nbformat.read(path, as_version=4)), out)
    (target / "README.md").write_text(
        translated_text((COURSE / "README.md").read_text(encoding="utf-8")), encoding="utf-8"
    )


# ---- what translators read and write

SHOWN = "@@ "  # so begins the line before a block


def names_for(prefixes: list[str]) -> list[str]:
    """Catalogues whose names begin with one of these (none: all); ends the program where a beginning fits none."""
    names = names_in()
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            sys.exit(f"No catalogue begins with {prefix!r}. There are: {', '.join(names)}.")
    return [name for name in names if not prefixes or name.startswith(tuple(prefixes))]


def show(name: str, everything: bool = False, folder: Path = FOLDER) -> Iterator[str]:
    """The blocks of a catalogue in the form that `fill` reads: those without a translation, or all."""
    catalog, glossary = read(name, folder), translation_checks.read_glossary()
    old = {message.id: message.string for message in catalog.obsolete.values()}
    for message in catalog:
        if not message.id or (message.string and not everything):
            continue
        terms = [
            f"{term.english[0]} {term.chinese[0]}" for term in glossary if term.checked and term.found_in(message.id)
        ]
        yield f"{SHOWN}{' '.join(message.auto_comments)}" + (f" [{'; '.join(terms)}]" if terms else "")
        for like in difflib.get_close_matches(message.id, old, n=1, cutoff=0.6):
            yield f"{SHOWN}# its English was: {like}\n{SHOWN}# and its Chinese: {old[like]}"
        yield f"{message.string or message.id}\n"


def read_filled(text: str) -> dict[str, str]:
    """Block's short name -> Chinese, out of a text in the form of `show`."""
    result, current = {}, None
    for line in text.splitlines():
        if line.startswith(f"{SHOWN}#"):
            continue
        if line.startswith(SHOWN):
            current = line.split()[1]
            if current in result:
                raise ValueError(f"{current} stands there twice.")
            result[current] = ""
        elif current:
            result[current] += line + "\n"
        elif line.strip():
            raise ValueError(f"A text before the first '{SHOWN}': {line[:60]!r}")
    return {name: chinese.strip("\n") for name, chinese in result.items()}


def fill(names: list[str], given: dict[str, str], folder: Path = FOLDER) -> tuple[int, list[str]]:
    """Store what holds the checks; return how many blocks that are, and what is wrong with the others."""
    faults, number, left = [], 0, dict(given)
    for name in names:
        catalog = read(name, folder)
        for key in messages(catalog):
            chinese = left.pop(blocks.id_of(key), "")
            if not chinese or chinese == key:
                continue
            wrong = translation_checks.faults_of(key, chinese)
            faults += [f"{name}: {blocks.brief(key, 50)}\n    {each}" for each in wrong]
            if not wrong:
                catalog[key].string = chinese
                number += 1
        write(name, catalog, folder)
    return number, faults + [f"{each}: no block of {', '.join(names)} has this name" for each in left]


def faults_in(name: str, folder: Path = FOLDER) -> list[str]:
    """All that is wrong with a catalogue's translations."""
    stored = {key: chinese for key, chinese in messages(read(name, folder)).items() if chinese}
    faults = [(key, fault) for key, chinese in stored.items() for fault in translation_checks.faults_of(key, chinese)]
    lesson = messages(read(name.removesuffix(EXERCISES), folder))
    faults += translation_checks.section_faults(stored, lesson) + translation_checks.anchor_faults(stored)
    return [f"{name}: {blocks.brief(key, 50)}\n    {fault}" for key, fault in faults]


def count(folder: Path = FOLDER) -> dict[str, tuple[int, int]]:
    """Name of each catalogue -> its blocks, and how many of them are translated."""
    stored = {name: messages(read(name, folder)) for name in names_in(folder)}
    return {name: (len(catalog), sum(map(bool, catalog.values()))) for name, catalog in stored.items()}


def only_one() -> contextlib.AbstractContextManager:
    """A lock for what reads catalogues and writes them: translators work side by side."""
    import filelock  # not in the web edition's environment

    (COURSE / ".cache").mkdir(exist_ok=True)
    return filelock.FileLock(COURSE / ".cache" / "translations.lock")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, do what it says, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["update", "count", "show", "fill", "check", "make"])
    parser.add_argument("rest", nargs="*", help="first characters of a catalogue's name; for fill also a file")
    parser.add_argument("--all", action="store_true", help="show translated blocks, too")
    options = parser.parse_args(arguments)
    if options.command == "update":
        texts = documents()
        with only_one():
            print(*update(texts), sep="\n")
    elif options.command == "count":
        old = Counter(line.split(":")[0] for line in stale(documents()))
        for name, (number, done) in count().items():
            print(f"{name:40} {number:4} blocks {done:4} translated" + (f" {old[name]:4} stale" if old[name] else ""))
    elif options.command == "make":
        make(Path(options.rest[0]) if options.rest else COURSE / "artifacts" / "zh")
    elif options.command == "show":
        for name in names_for(options.rest):
            print(*show(name, options.all), sep="\n")
    elif options.command == "fill":
        if len(options.rest) != 2:
            parser.error("fill wants the beginning of a name and a file")
        given = read_filled(Path(options.rest[1]).read_text(encoding="utf-8"))
        with only_one():
            number, faults = fill(names_for(options.rest[:1]), given)
        print(*faults, f"{number} stored, {len(faults)} faults", sep="\n")
        return int(bool(faults))
    else:
        faults = [fault for name in names_for(options.rest) for fault in faults_in(name)]
        print(*faults, f"{len(faults)} faults", sep="\n")
        return int(bool(faults))
    return 0


if __name__ == "__main__":
    sys.exit(main())
