"""Say in plain words what this machine lacks to run the course, and what to do about it.

Needs nothing but Python's own library, so that it runs where nothing is installed: python3 tools/doctor.py
"""

from __future__ import annotations  # an older Python, too, must get as far as the word that it is too old

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import course

NEEDED_GB = 10  # two environments of about 4 GB, the weights, what the lessons make
SYSTEM_GIB = 1  # of memory, for all but the lesson
# Packages that the course asks for, by their names on the package index: pyproject.toml is the only list of them (read
# without tomllib, which an older Python lacks). keras-nlp is a name for keras-hub, which the code imports.
PROJECT = (course.COURSE / "pyproject.toml").read_text(encoding="utf-8")
OWN = PROJECT.partition("\nsite = [")[0]  # what builds the web edition has an environment of its own
PACKAGES = ["keras-hub", *(name.replace("_", "-") for name in re.findall(r'^    "([\w.-]+)[<>=]', OWN, flags=re.M))]
IN_ENVIRONMENT = """
import importlib.metadata, json, sys
versions = {}
for name in json.loads(sys.argv[1]):
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        versions[name] = None
print(json.dumps(versions))
"""


@dataclass
class Finding:
    """One thing that does not fit, and its remedy."""

    problem: str
    remedy: str


def python(version: tuple[int, int]) -> list[Finding]:
    """Is this a Python that the course runs on?"""
    if version in course.PYTHONS:
        return []
    return [
        Finding(
            f"Python {version[0]}.{version[1]} is too {'old' if version < course.PYTHONS[0] else 'new'}; the course runs on 3.11 to 3.13.",
            "Install one of them and name it: `make run PYTHON=python3.12`, or `python3.12 tools/course.py run`.",
        )
    ]


def system(name: str, machine: str) -> list[Finding]:
    """Does tensorflow-text exist for this system?"""
    if name == "Windows":
        return [
            Finding(
                "This is Windows: tensorflow-text has no package for it.",
                "Install WSL (`wsl --install` in PowerShell) and run the course inside it, or open the lessons in Colab.",
            )
        ]
    if name == "Darwin" and machine == "x86_64":
        return [
            Finding(
                "This is a Mac with an Intel processor: TensorFlow ended its packages for it.", "Use Colab, or Linux."
            )
        ]
    return []


def venv_module(found: bool) -> list[Finding]:
    """Can Python make virtual environments? Debian ships that apart."""
    if found:
        return []
    return [
        Finding("Python cannot make virtual environments.", "On Debian and Ubuntu: `sudo apt install python3-venv`.")
    ]


def disk(free_bytes: int) -> list[Finding]:
    """Is there room for what is still to be installed?"""
    if free_bytes >= NEEDED_GB * 1e9:
        return []
    return [
        Finding(f"Only {free_bytes / 1e9:.0f} GB are free here.", f"Make room: the course takes up to {NEEDED_GB} GB.")
    ]


def memory_of_lessons(readme: str) -> dict[str, float]:
    """Lesson's number -> GiB that it was measured to take, from the README's table."""
    return {number: float(gib) for number, gib in re.findall(r"^\| \[(\d\d) .* \| ([\d.]+) \|$", readme, flags=re.M)}


def memory(total_bytes: int | None, readme: str | None = None) -> list[Finding]:
    """Is there enough memory for each lesson? `readme`: the text with their table (default: the course's)."""
    needed = memory_of_lessons(readme or (course.COURSE / "README.md").read_text(encoding="utf-8"))
    total = float("inf") if total_bytes is None else total_bytes / 2**30
    too_large = [f"{number} ({gib} GiB)" for number, gib in needed.items() if gib + SYSTEM_GIB > total]
    if not too_large:
        return []
    problem = f"This machine has {total:.1f} GiB of memory; that is little for lesson {', '.join(too_large)}."
    return [Finding(problem, "Close other programs. Colab has enough for any lesson.")]


def packages(found: dict[str, str | None], lock: str) -> list[Finding]:
    """Are the packages of the environment there, in the versions of the lock?"""
    locked: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lock, flags=re.M):
        locked.setdefault(name, set()).add(version)
    findings = []
    for name, version in found.items():
        wanted = " or ".join(sorted(locked[name]))
        if version is None:
            findings.append(Finding(f"{name} is missing.", f"`make setup` installs {name} {wanted}."))
        elif version not in locked[name]:
            problem = f"{name} is {version}; the lock names {wanted}."
            findings.append(Finding(problem, "Delete the folder .venv and run `make setup`."))
    return findings


def made_for_this_checkout(folder: Path) -> list[Finding]:
    """Was the environment made to its end, and for the course in this very folder?"""
    remedy = "`make setup` makes it anew; `make run` does so by itself."
    if old := course.moved_from(folder):
        return [Finding(f"The environment belongs to the checkout in {old}; this one is in {course.COURSE}.", remedy)]
    if course.python_of(folder).is_file() and not (folder / "made-from").is_file():
        return [Finding("The course's environment was not made to its end.", remedy)]
    return []


def environment(folder: Path, lock: str) -> list[Finding]:
    """Is the course's environment there, and what does it hold?"""
    interpreter = course.python_of(folder)
    if not interpreter.is_file():
        return [
            Finding(
                "The course's environment is not there yet.", "`make setup` makes it; `make run` does so by itself."
            )
        ]
    command = [str(interpreter), "-c", IN_ENVIRONMENT, json.dumps(PACKAGES)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        return [Finding("The course's environment does not start.", "Delete the folder .venv and run `make setup`.")]
    return packages(json.loads(result.stdout), lock)


def total_memory() -> int | None:
    """Bytes of memory, or None where Python cannot tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


CHECKS: dict[str, Callable[[], list[Finding]]] = {
    "Python": lambda: python(sys.version_info[:2]),
    "system": lambda: system(platform.system(), platform.machine()),
    "virtual environments": lambda: venv_module(importlib.util.find_spec("ensurepip") is not None),
    "disk": lambda: disk(shutil.disk_usage(course.COURSE).free),
    "memory": lambda: memory(total_memory()),
    "environment": lambda: (
        made_for_this_checkout(course.MAIN) or environment(course.MAIN, course.LOCK.read_text(encoding="utf-8"))
    ),
}


def main() -> int:
    """Print each check; return 1 when something does not fit."""
    found = 0
    for name, check in CHECKS.items():
        findings = check()
        print(f"{'!' if findings else '✓'} {name}")
        for finding in findings:
            print(f"    {finding.problem}\n    -> {finding.remedy}")
        found += len(findings)
    print("Nothing is missing: `make run`." if not found else f"{found} thing(s) to mend.")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
