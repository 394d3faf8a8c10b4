"""Writes the bootstrap cell and the Colab badge into all text twins and notebooks: python tools/bootstrap.py

Both name the repository (notebooks/address.json) and the tag, which is the version in pyproject.toml. Outputs stay as they
are. A test compares what stands in the lessons with what this tool would write.
"""

import argparse
import json
import re
import tomllib
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
# What is to be done in Colab stands in colab/setup.py, which comes with the clone and runs inside the kernel.
CELL = """\
import os, runpy, subprocess  # outside Colab this cell does nothing more
if "COLAB_RELEASE_TAG" in os.environ:  # in Colab: fetch the course, set it up
    url, tag = "https://github.com/{repository}", "{tag}"
    if not os.path.isdir("course"):
        subprocess.check_call(f"git clone -q --depth=1 -b {tag} {url} course".split())
    runpy.run_path("course/colab/setup.py")"""
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/{tag}/notebooks/{lesson}.ipynb)"
)
BADGE_PATTERN = r"\[!\[Open in Colab\]\(.*?\)\]\(.*?\)"
FIRST_CODE_CELL = r"(?<=\n# %%\n).*?(?=\n\n# %%)"  # of a text twin


def facts() -> dict[str, str]:
    """The `repository` as OWNER/NAME, and the `tag` under which this version of the course is published."""
    address = json.loads((COURSE / "notebooks" / "address.json").read_text(encoding="utf-8"))
    project = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"repository": address["repository"], "tag": "v" + project["version"]}


def cell() -> str:
    """Source of the bootstrap cell."""
    known = facts()
    return CELL.replace("{repository}", known["repository"]).replace('"{tag}"', f'"{known["tag"]}"')


def badge(lesson: str) -> str:
    """Markdown of a lesson's badge."""
    return BADGE.format(lesson=lesson, **facts())


def address_of(path: Path) -> str:
    """What a badge names: the lesson, or the exercise, for its solution too."""
    return path.stem if path.relative_to(COURSE).parts[1] in ("text", path.name) else f"exercises/{path.stem}"


def with_badge(text: str, path: Path) -> str:
    """The text of a lesson's head with the badge of the lesson at `path`."""
    return re.sub(BADGE_PATTERN, lambda _: badge(address_of(path)), text, count=1)


def write_twin(path: Path) -> None:
    """Write badge and cell into a text twin."""
    text = with_badge(path.read_text(encoding="utf-8"), path)
    path.write_text(re.sub(FIRST_CODE_CELL, lambda _: cell(), text, count=1, flags=re.S), encoding="utf-8")


def write_notebook(path: Path) -> None:
    """Write badge and cell into a notebook's first two cells."""
    content = json.loads(path.read_text(encoding="utf-8"))
    head = with_badge("".join(content["cells"][0]["source"]), path)
    for number, source in enumerate((head, cell())):
        content["cells"][number]["source"] = source.splitlines(keepends=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Write badge and cell into each lesson, exercise and solution, twins and notebooks alike."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    notebooks = COURSE / "notebooks"
    for path in sorted(notebooks.rglob("text/*.py")):
        write_twin(path)
    for path in sorted(notebooks.rglob("*.ipynb")):
        write_notebook(path)


if __name__ == "__main__":
    main()
