"""Builds the web edition: python site/building.py OUTPUT, in the environment that `make site` makes.

Both editions are built into a new folder, their links are followed, and then the folder takes the place of OUTPUT. A
warning or a broken link ends the program before that.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import links
import pages

HERE = Path(__file__).resolve().parent
LEFTOVERS = [".buildinfo", "objects.inv", "*webpack-macros.html"]  # of Sphinx and its theme, which no reader needs


def mathjax(target: Path) -> None:
    """Copy of MathJax what the pages use: one program and its fonts, 1.6 of 24 MB."""
    package = importlib.util.find_spec("sphinx-mathjax-offline").submodule_search_locations[0]
    source = Path(package) / "static" / "mathjax"
    (target / "mathjax").mkdir(parents=True)
    shutil.copy(source / "tex-chtml.js", target / "mathjax")
    shutil.copytree(source / "output" / "chtml" / "fonts", target / "mathjax" / "output" / "chtml" / "fonts")


def sphinx(edition: pages.Edition, work: Path, site: Path) -> subprocess.Popen:
    """Start Sphinx on an edition whose sources are prepared in a folder."""
    places = pages.Places(work / "source", work / "extra")
    pages.prepare(edition, places)
    static = f"html_static_path={HERE / 'static'},{work.parent / 'static'}"
    settings = [f"language={edition.language}", f"html_title={edition.words['site']}"]
    settings += [f"html_extra_path={places.extra}", static]
    options = [part for setting in settings for part in ("-D", setting)]
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-c", HERE, *options]
    return subprocess.Popen([*command, "-d", work / "doctrees", places.source, site / edition.folder])


def build(work: Path) -> Path:
    """Build both editions inside a folder for work; the site's folder. Ends the program where something is wrong."""
    site = work / "site"
    mathjax(work / "static")
    editions = [sphinx(edition, work / edition.language, site) for edition in pages.EDITIONS]
    if any([edition.wait() for edition in editions]):
        sys.exit("Sphinx warned; about what stands above.")
    shutil.rmtree(site / "jupyter_execute", ignore_errors=True)  # notebooks in the form that myst-nb reads
    for pattern in LEFTOVERS:
        for file in site.rglob(pattern):
            file.unlink()
    if found := links.broken(site):
        sys.exit("Broken links:\n" + "\n".join(found))
    return site


def main(output: Path) -> None:
    """Build, then put the result in the place of an older one."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f"{output.name}-") as work:
        site = build(Path(work))
        if output.exists():
            output.rename(Path(work) / "old")
        site.rename(output)
    print(f"Open {output / 'index.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
