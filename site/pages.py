"""The pages of the site: which there are, and their sources, written for Sphinx in the layout of the repository.

So links between documents hold as they stand. A page of the repository that is not here is a broken link.
"""

import csv
import html
import json
import math
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import cells
import nbformat

COURSE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(COURSE / "tools"))
import bootstrap  # noqa: E402
import translating  # noqa: E402

WORDS_A_MINUTE = 150  # what readers took in; see CONTRIBUTING.md
DOCUMENTS = {  # of the repository -> page
    "README.md": "index.md",
    "data/README.md": "data/README.md",
    "benchmarks/README.md": "benchmarks/README.md",
    "benchmarks/GPU.md": "benchmarks/GPU.md",
}
LISTED = ["glossary", "mistakes", "data/README", "benchmarks/README", "benchmarks/GPU"]  # after the lessons
FILES = ["data/listing.txt"]  # which pages link to
WIDE = "---\nhtml_theme.sidebar_secondary.remove: true\n---\n\n"  # a page without its table of contents
TERM = r"(.*?) (\S*[\u3400-\u9fff].*)"  # of a lesson's glossary: English, then Chinese, as in F1 F1值
IMAGE = r"!\[([^\]]*)\]\((?!https?:)([^)]+\.png)\)"


@dataclass(frozen=True)
class Edition:
    """One language of the site. `folder`: inside the site; `words`: what the site itself says in it."""

    language: str
    folder: str
    words: dict[str, str]


WORDS = json.loads((Path(__file__).parent / "words.json").read_text(encoding="utf-8"))
ENGLISH, CHINESE = Edition("en", "", WORDS["en"]), Edition("zh_CN", "zh", WORDS["zh"])
EDITIONS = [ENGLISH, CHINESE]


def lessons() -> list[str]:
    """Names of the lessons, in order."""
    return [path.stem for path in sorted((COURSE / "notebooks").glob("[0-9]*.ipynb"))]


def relative(target: str, page: str) -> str:
    """Address of a target as a page sees it; both count from the root of the site."""
    return os.path.relpath(target, os.path.dirname(page) or ".").replace(os.sep, "/")


# ---- the bar below a title


def link(text: str, address: str, more: str = "") -> str:
    """An HTML link."""
    return f'<a href="{html.escape(address)}"{more}>{text}</a>'


def colab(lesson: str, words: dict[str, str]) -> str:
    """Link to a notebook in Colab, named as planned as long as the course has no address."""
    address = re.search(r"\]\((https:[^)]*)\)", bootstrap.badge(lesson))[1]
    planned = " " + words["planned"] if "OWNER" in bootstrap.facts()["repository"] else ""
    return link(words["colab"], address) + planned


def bar(page: str, edition: Edition, minutes: int, links: tuple[str, ...] = ()) -> str:
    """Minutes, links, and the same page in the other language. `page`: without its ending."""
    words, other = edition.words, EDITIONS[edition is ENGLISH]
    here, there = (f"{e.folder}/{page}.html".lstrip("/") for e in (edition, other))
    language = f' lang="{other.words["tag"]}" hreflang="{other.words["tag"]}"'
    parts = [words["minutes"].format(minutes), *links, link(other.words["name"], relative(there, here), language)]
    return '<div class="bar">' + "".join(f"<span>{part}</span>" for part in parts) + "</div>"


def reading_minutes(text: str) -> int:
    """Minutes that a text takes to read, at least one."""
    return max(1, math.ceil(len(re.findall(r"\w+", text)) / WORDS_A_MINUTE))


def stated_minutes(lesson: str) -> tuple[int, int]:
    """Minutes to read a lesson and to do its exercises, as its head states them."""
    head = nbformat.read(COURSE / "notebooks" / f"{lesson}.ipynb", as_version=4).cells[0].source
    found = re.search(r"\*\*Time:\*\* about (\d+) minutes to read, (\d+) for the exercises", head)
    return int(found[1]), int(found[2])


# ---- notebooks


@dataclass(frozen=True)
class Places:
    """Folders of an edition that is being prepared: `source` for Sphinx; `extra` goes into the site as it is."""

    source: Path
    extra: Path

    def write(self, page: str, text: str) -> None:
        """Write the Markdown of a page."""
        path = self.source / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def figures(self, page: str) -> cells.Figures:
        """Where the figures of a page go."""
        folder = self.extra / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        return cells.Figures(folder, relative("figures", page), page.replace("/", "-"))


def read(name: str, edition: Edition) -> nbformat.NotebookNode:
    """A notebook in the language of the edition."""
    notebook = nbformat.read(COURSE / f"{name}.ipynb", as_version=4)
    return translating.translated(notebook) if edition is CHINESE else notebook


def offer(name: str, edition: Edition, places: Places) -> str:
    """Put a notebook into the site for download; its path there."""
    target = places.extra / f"{name}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    if edition is ENGLISH:
        shutil.copy(COURSE / f"{name}.ipynb", target)
    else:
        nbformat.write(read(name, edition), target)
    return f"{name}.ipynb"


def write_notebook(
    page: str, source: str, minutes: int, links: tuple[str, ...], edition: Edition, places: Places
) -> None:
    """Write the page of a notebook. `source`: the notebook that it shows."""
    head = bar(page, edition, minutes, links)
    kinds = cells.kinds_of(read(source, ENGLISH))
    notebook = cells.for_web(read(source, edition), kinds, head, places.figures(page), edition.words)
    if page == source:  # a lesson: its exercises come next
        toctree = f"```{{toctree}}\n:hidden:\n\nexercises/{Path(page).name}\n```"
        notebook.cells.append(nbformat.v4.new_markdown_cell(toctree))
    path = places.source / f"{page}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def write_lesson(lesson: str, edition: Edition, places: Places) -> None:
    """Write the pages of a lesson and of its exercises with their solutions."""
    words, minutes = edition.words, stated_minutes(lesson)
    page, exercises, solutions = f"notebooks/{lesson}", f"notebooks/exercises/{lesson}", f"notebooks/solutions/{lesson}"

    def download(name: str, from_page: str, label: str) -> str:
        address = relative(offer(name, edition, places), from_page)
        return link(words[label], address, " download")

    links = colab(lesson, words), download(page, page, "download")
    write_notebook(page, page, minutes[0], links, edition, places)
    links = colab(f"exercises/{lesson}", words), download(exercises, exercises, "download")
    links += (download(solutions, exercises, "download_solutions"),)
    write_notebook(exercises, solutions, minutes[1], links, edition, places)


# ---- documents and tables


def with_figures(text: str, document: Path, figures: cells.Figures) -> str:
    """Markdown with its images as figures that lead to their full size."""

    def shown(image: re.Match) -> str:
        return figures.add((document.parent / image[2]).read_bytes(), image[1])

    return re.sub(IMAGE, shown, text)


def write_document(document: str, edition: Edition, places: Places) -> None:
    """Write the page of a document of the repository."""
    page = DOCUMENTS[document].removesuffix(".md")
    english = (COURSE / document).read_text(encoding="utf-8")
    text = translating.translated_text(english) if edition is CHINESE else english
    text = with_figures(text, COURSE / document, places.figures(page))
    text = cells.with_bar(text, bar(page, edition, reading_minutes(english)))
    places.write(f"{page}.md", text + (contents(edition.words) if page == "index" else ""))


def contents(words: dict[str, str]) -> str:
    """Tables of contents for the side of each page."""
    parts = {"lessons": [f"notebooks/{lesson}" for lesson in lessons()], "reference": LISTED}
    trees = [
        f"```{{toctree}}\n:hidden:\n:caption: {words[name]}\n\n" + "\n".join(pages) for name, pages in parts.items()
    ]
    return "".join(f"\n{tree}\n```\n" for tree in trees)


def in_cell(text: str) -> str:
    """A plain text as a cell of a Markdown table."""
    return re.sub(r"([\\`*_\[\]<>|$#~{}])", r"\\\1", " ".join(text.split()))


def searchable_table(columns: list[str], rows: list[list[str]], words: dict[str, str]) -> str:
    """A table in Markdown below a field that leaves the rows which hold all words typed into it; course.js does that."""
    label = f'<label>{words["filter"]} <input type="search" class="filter"></label>'
    field = f'<div class="rows">\n<p class="filtered">{label} <output aria-live="polite"></output></p>'
    lines = [columns, ["---"] * len(columns), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{field}\n\n{table}\n\n</div>"


def with_anchor(row: list[str]) -> list[str]:
    """A row of the catalogue with an anchor at its number, and links to lessons in its last column."""
    paths = {lesson[:2]: f"notebooks/{lesson}.ipynb" for lesson in lessons()}
    where = row[-1].replace("this lesson", "lesson 07")
    where = re.sub(
        r"\blesson (\d\d)", lambda found: f"[{found[0]}]({paths[found[1]]})" if found[1] in paths else found[0], where
    )
    return [f'<a id="erratum-{row[0]}"></a>{row[0]}', *row[1:-1], where]


def rows_of(name: str) -> list[list[str]]:
    """The rows of a CSV file in `data/`, without its head, as cells of Markdown."""
    with (COURSE / "data" / name).open(encoding="utf-8", newline="") as file:
        return [[in_cell(cell) for cell in row] for row in list(csv.reader(file))[1:]]


def mistakes(words: dict[str, str]) -> str:
    """The catalogue of mistakes, and what is right, as two tables that can be searched."""
    wrong, right = list(map(with_anchor, rows_of("errata.csv"))), rows_of("errata_sound.csv")
    parts = [f"# {words['mistakes']}", words["about_mistakes"].format(len(wrong), len(right))]
    for heading, columns, rows in (("wrong", "wrong_columns", wrong), ("right", "right_columns", right)):
        parts += [f"## {words[heading]}", searchable_table(words[columns], rows, words)]
    return "\n\n".join(parts)


def terms() -> dict[tuple[str, str], list[str]]:
    """English and Chinese term -> the lessons whose glossaries hold it."""
    found: dict[tuple[str, str], list[str]] = {}
    for lesson in lessons():
        last = nbformat.read(COURSE / "notebooks" / f"{lesson}.ipynb", as_version=4).cells[-1].source
        listed = " ".join(last.partition("**Glossary.**")[2].split()).rstrip(".")
        for entry in listed.split(" · "):
            found.setdefault(re.fullmatch(TERM, entry).groups(), []).append(lesson)
    return dict(sorted(found.items(), key=lambda item: item[0][0].lower()))


def glossary(words: dict[str, str]) -> str:
    """All terms of the lessons' glossaries in both languages, with links to these lessons."""
    rows = []
    for (english, chinese), places in terms().items():
        links = " ".join(f"[{lesson[:2]}](notebooks/{lesson}.ipynb)" for lesson in places)
        rows.append([in_cell(english), in_cell(chinese), links])
    parts = [f"# {words['glossary']}", words["about_glossary"].format(len(rows))]
    return "\n\n".join([*parts, searchable_table(words["glossary_columns"], rows, words)])


# ---- all


def prepare(edition: Edition, places: Places) -> None:
    """Write the sources of all pages of an edition."""
    for lesson in lessons():
        write_lesson(lesson, edition, places)
    for document in DOCUMENTS:
        write_document(document, edition, places)
    for page, write in (("mistakes", mistakes), ("glossary", glossary)):
        text = write(edition.words)
        text = cells.with_bar(text, bar(page, edition, reading_minutes(text)))
        places.write(f"{page}.md", WIDE + text)
    for file in FILES:
        (places.source / file).parent.mkdir(exist_ok=True)
        shutil.copy(COURSE / file, places.source / file)
