"""The web edition: built as `make site` does, and read in a headless Chromium, with the network off.

`make stress` sets COURSE_ALL_PAGES: then axe sees all pages, and the site is built twice.
"""

import collections
import filecmp
import functools
import http.server
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading

import browser
import building
import cells
import course
import links
import nbformat
import pages
import pytest
import translating

from helpers import runtime

pytestmark = pytest.mark.repository

ROOT = runtime.COURSE
ALL = "COURSE_ALL_PAGES" in os.environ
LESSONS = pages.lessons()
KINDS = ["index", "notebooks/05_fine_tuning", "notebooks/exercises/05_fine_tuning", "mistakes", "glossary"]
KINDS += ["benchmarks/README", "search", "zh/index", "zh/notebooks/01_data_preparation"]
WIDTHS = (1440, 390)
ALLOWED = {  # what axe may report: rule -> why
    "region": "the theme sets the course's name above the navigation, outside of any landmark",
    "empty-table-header": "the corner of a table of pandas, and of tables in documents, is empty",
}


def build(folder):
    """Build the site; skip where the packages for it cannot be had."""
    try:
        course.set_up_site()
    except SystemExit as end:
        pytest.skip(f"the environment of the site cannot be made: {end}")
    assert course.call("site/building.py", str(folder), environment=course.SITE) == 0
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    return build(tmp_path_factory.mktemp("site") / "site")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A browser without a network."""
    if not browser.program():
        pytest.skip("Chromium is not installed: `apt install chromium`")
    opened = browser.Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def served(site):
    """Address of a server of the site on this machine."""
    handler = functools.partial(Silent, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class Silent(http.server.SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *_):
        """Keep still."""


def html_pages(site):
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))


def text_of(site, page):
    return (site / f"{page}.html").read_text(encoding="utf-8")


# ---- without a browser


def counts_in_notebook(notebook):
    """Claims, alt texts, tracebacks, code cells and folded answers to "why" of a notebook."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    return {
        "claims": sum(output.text.count("✓ ") for output in outputs if output.output_type == "stream"),
        "alts": sorted(o.metadata["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})),
        "tracebacks": sum(output.output_type == "error" for output in outputs),
        "code cells": len(code),
        "whys": cells.kinds_of(notebook).count("why"),
    }


def counts_in_page(text, words):
    """The same of a page. `words`: of its edition."""
    return {
        "claims": text.count('<p class="claim">'),
        "alts": sorted(map(cells.html.unescape, re.findall(r'<img class="dark-light"[^>]* alt="([^"]*)"', text))),
        "tracebacks": text.count('<pre class="traceback">'),
        "code cells": len(re.findall(r'<div class="cell_input ', text)),
        "whys": text.count(f"<summary>{words['why']}</summary><p><strong>{words['why']}"),
    }


@pytest.mark.parametrize("edition", pages.EDITIONS, ids=lambda edition: edition.language)
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_page_shows_all_that_its_notebook_holds(site, lesson, edition):
    for source, page in ((lesson, lesson), (f"solutions/{lesson}", f"exercises/{lesson}")):
        notebook = nbformat.read(ROOT / "notebooks" / f"{source}.ipynb", as_version=4)
        shown = counts_in_page(text_of(site / edition.folder, f"notebooks/{page}"), edition.words)
        assert shown == counts_in_notebook(notebook), page


def test_every_page_has_its_bar_its_neighbours_and_a_title_of_its_own(site):
    titles = collections.Counter()
    for page in html_pages(site):
        text = (site / page).read_text(encoding="utf-8")
        titles[re.search(r"<title>(.*?)</title>", text, flags=re.S)[1]] += 1
        if page.rpartition("/")[2] in ("search.html", "genindex.html"):
            continue
        bar = re.search(r'<div class="bar">.*?</div>', text)[0]
        assert re.search(r"<span>\d+ (minutes|分钟)</span>", bar) and "hreflang=" in bar, page
        assert 'class="right-next"' in text or 'class="left-prev"' in text, page
        if "notebooks/" in page:
            assert "colab.research.google.com" in bar and ".ipynb" in bar and "download" in bar, page
    assert len(titles) > 50 and [title for title, number in titles.items() if number > 1] == []


def test_a_broken_link_or_anchor_is_found(site, tmp_path):
    (tmp_path / "notebooks").mkdir()
    shutil.copy(site / "notebooks" / "00_welcome.html", tmp_path / "notebooks")
    (tmp_path / "index.html").write_text('<a id="here" href="notebooks/00_welcome.html#nowhere"></a><a href="#here">')
    broken = links.broken(tmp_path)
    assert "index.html: notebooks/00_welcome.html#nowhere" in broken and "index.html: #here" not in broken


@pytest.mark.parametrize(
    "warned, said",
    [(0, r"^Broken links:\nindex.html: gone.html\nzh/index.html: gone.html$"), (1, "Sphinx warned")],
)
def test_the_build_ends_where_a_link_is_broken_or_sphinx_warns(warned, said, tmp_path, monkeypatch):
    """Nothing is built here: a stand-in for Sphinx writes one page, and says whether it warned."""

    def write(edition, work, site):
        page = site / edition.folder / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text('<a href="https://a.b">far</a> <a href="gone.html">near</a>')
        return subprocess.Popen([sys.executable, "-c", f"raise SystemExit({warned})"])

    monkeypatch.setattr(building, "mathjax", lambda target: None)
    monkeypatch.setattr(building, "sphinx", write)
    with pytest.raises(SystemExit, match=said):
        building.main(tmp_path / "site")
    assert list(tmp_path.iterdir()) == []


def test_the_catalogue_and_the_glossary_are_whole(site):
    rows = text_of(site, "mistakes").count("<tr")
    assert rows == sum(len(pages.rows_of(name)) + 1 for name in ("errata.csv", "errata_sound.csv"))
    terms, page = pages.terms(), text_of(site, "glossary")
    assert len(terms) > 90 and all(chinese in page for _, chinese in terms)


def test_a_notebook_to_download_is_that_of_the_course_in_the_language_of_the_page(site):
    for path in translating.notebooks():
        name = path.relative_to(ROOT)
        assert (site / name).read_bytes() == path.read_bytes()
        english, chinese = (nbformat.read(file, as_version=4).cells for file in (path, site / "zh" / name))
        assert [(cell.id, cell.cell_type) for cell in english] == [(cell.id, cell.cell_type) for cell in chinese]
        assert all(one.source == other.source for one, other in zip(english, chinese, strict=True) if "outputs" in one)


def test_texts_are_cut_into_pieces_that_search_finds(site):
    code = "import searching; print(searching.pieces_of('a pre-training 预训练 of 乱码, 码, x_1'))"
    command = [course.python_of(course.SITE), "-c", f"import sys; sys.path.insert(0, 'site'); {code}"]
    said = subprocess.check_output(command, cwd=ROOT, text=True, encoding="utf-8")
    assert said.strip() == "['a', 'pre', 'training', '预训', '训练', 'of', '乱码', '码', 'x_1']"


@pytest.mark.skipif(not ALL, reason="a second build: `make stress`")
def test_two_builds_are_the_same(site, tmp_path):
    again = build(tmp_path / "site")
    files = [str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()]
    assert sorted(files) == sorted(str(path.relative_to(again)) for path in again.rglob("*") if path.is_file())
    _, differ, lost = filecmp.cmpfiles(site, again, files, shallow=False)
    assert differ == lost == []


# ---- in a browser

WIDE = """
(() => {
  const scrolls = (part) => part && (/auto|scroll/.test(getComputedStyle(part).overflowX) || scrolls(part.parentElement));
  const shown = (part) => part.getBoundingClientRect().width && getComputedStyle(part).visibility === "visible";
  const beyond = (part) => {
    const box = part.getBoundingClientRect();
    return shown(part) && (box.right > innerWidth + 1 || box.left < -1);
  };
  const found = [...document.querySelectorAll(".bd-article *, .bd-header-article *, footer *")]
    .filter((part) => beyond(part) && !scrolls(part.parentElement) && !part.closest("mjx-assistive-mml, .headerlink"))
    .map((part) => part.outerHTML.slice(0, 160));
  return document.documentElement.scrollWidth > innerWidth ? ["the page scrolls", ...found.slice(0, 3)] : found.slice(0, 3);
})()
"""
RAW = """
(() => {
  const copy = document.querySelector(".bd-article").cloneNode(true);
  copy.querySelectorAll("pre, code, mjx-container").forEach((part) => part.remove());
  return /\\$\\$|\\\\\\(|\\\\\\[/.test(copy.textContent);
})()
"""


@pytest.mark.browser
def test_every_page_fits_a_phone_and_a_desk_and_asks_nothing_of_elsewhere(site, chromium):
    chromium.offline(True)
    faults = {}
    for page in html_pages(site):
        chromium.resize(WIDTHS[0])
        chromium.visit((site / page).as_uri())
        found = chromium.errors() + chromium.run(WIDE)
        found += [url for url in chromium.requests() if not url.startswith((site.as_uri(), "data:", "blob:"))]
        chromium.resize(WIDTHS[1])
        found += chromium.run(WIDE)
        found += ["a raw formula"] if chromium.run(f"document.querySelector('.bd-article') ? {RAW} : false") else []
        faults |= {page: found} if found else {}
    assert faults == {}


QUERIES = {"": ("warm-up", "乱码", "预训练"), "zh/": ("warm-up", "乱码", "预训练")}


@pytest.mark.browser
@pytest.mark.parametrize("way", ["http", "file"])
def test_search_finds_english_and_chinese(way, site, chromium, served):
    chromium.offline(way == "file")
    root = served if way == "http" else site.as_uri()
    for folder, queries in QUERIES.items():
        for query in queries:
            chromium.visit(f"{root}/{folder}search.html?q={query}")
            assert chromium.wait_for("document.querySelectorAll('#search-results li a').length"), (folder, query)
            assert chromium.wait_for("!Search._pulse_status || Search._pulse_status < 0")
            assert chromium.errors() == [], query
            assert all(url.startswith((root, "data:")) for url in chromium.requests()), query


KEYS = (("Enter", "Enter", 13, "\r"), (" ", "Space", 32, " "))


@pytest.mark.browser
@pytest.mark.parametrize("page", ["notebooks/05_fine_tuning", "notebooks/exercises/05_fine_tuning"])
@pytest.mark.parametrize("edition", ["", "zh/"])
def test_every_folded_part_opens_by_keyboard(edition, page, site, chromium):
    chromium.offline(True)
    chromium.resize(WIDTHS[1])
    chromium.visit((site / f"{edition}{page}.html").as_uri())
    number = chromium.run("document.querySelectorAll('.bd-article details').length")
    assert number >= 5 and chromium.run("document.querySelectorAll('.bd-article details[open]').length") == 0
    for place, key in zip(range(number), itertools.cycle(KEYS)):
        chromium.run(f"document.querySelectorAll('.bd-article details')[{place}].querySelector('summary').focus()")
        chromium.press(*key)
        assert chromium.wait_for("document.activeElement.closest('details').open", 5), (place, key)
    assert chromium.run("[...document.querySelectorAll('.bd-article details')].every((part) => part.checkVisibility())")


@pytest.mark.browser
def test_the_catalogue_can_be_searched(site, chromium):
    chromium.visit((site / "mistakes.html").as_uri())
    shown = "[...document.querySelectorAll('.rows')][0].querySelectorAll('tbody tr:not([hidden])').length"
    before = chromium.run(shown)
    chromium.run("document.querySelector('.filter').focus()")
    chromium.call("Input.insertText", text="spaCy import")
    assert 0 < chromium.run(shown) < before / 4


def axe_pages(site):
    return [page.removesuffix(".html") for page in html_pages(site)] if ALL else KINDS


@pytest.mark.browser
def test_axe_finds_nothing_but_what_is_allowed(site, chromium):
    source = browser.axe(ROOT / ".cache" / "axe")
    if source is None:
        pytest.skip("axe-core is not there, and npm cannot fetch it")
    chromium.offline(True)
    chromium.resize(WIDTHS[0])
    faults = {}
    for page in axe_pages(site):
        chromium.visit((site / f"{page}.html").as_uri())
        chromium.run(f"{source}; true")
        for theme in ("light", "dark"):
            chromium.run(f"document.documentElement.dataset.theme = document.documentElement.dataset.mode = '{theme}'")
            found = chromium.run(
                "axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations"
                ".map((v) => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200), v.nodes[0].target.join()]))"
            )
            faults |= {(page, theme, rule): rest for rule, *rest in found if rule not in ALLOWED}
    assert faults == {}
