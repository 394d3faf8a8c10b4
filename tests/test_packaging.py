"""The course as a package: one version, a build that setuptools understands, and a clear word outside the checkout."""

import json
import re
import shutil
import subprocess
import sys
import tomllib

import bootstrap
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from helpers import runtime

pytestmark = pytest.mark.repository

ROOT = runtime.COURSE
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_stands_in_pyproject_and_nowhere_else():
    version = PROJECT["project"]["version"]
    assert bootstrap.facts()["tag"] == f"v{version}"
    assert json.loads((ROOT / "notebooks" / "address.json").read_text(encoding="utf-8")).keys() == {"repository"}
    assert "__version__" not in (ROOT / "helpers" / "__init__.py").read_text(encoding="utf-8")
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M)
    assert newest[1] == version


def test_the_build_takes_the_setuptools_of_the_lock():
    """77 and later read `license = "Apache-2.0"`; 81 has no pkg_resources, which tensorflow-hub imports."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = re.search(r"^setuptools==(\S+)", lock, flags=re.M)[1]
    (build,) = map(Requirement, PROJECT["build-system"]["requires"])
    (used,) = (r for r in map(Requirement, PROJECT["project"]["dependencies"]) if r.name == "setuptools")
    assert build.specifier == used.specifier
    assert locked in build.specifier and build.specifier.contains("77.0.0")
    assert not build.specifier.contains("76.1") and not build.specifier.contains(str(Version("81")))


def test_outside_its_checkout_the_package_says_where_it_belongs(tmp_path):
    """As `pip install .` would leave it: installed into a folder of its own from a wheel."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "helpers", source / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", *PROJECT["project"]["license-files"]):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    installed = tmp_path / "installed"
    subprocess.run([*pip, "--target", str(installed), str(source)], check=True, capture_output=True)
    variables = runtime.environment_with(PYTHONPATH=str(installed))
    command = [sys.executable, "-c", "from helpers import data"]
    result = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    said = result.stderr.splitlines()[-1]
    assert result.returncode == 1 and said.startswith("ImportError: The course runs from its own folder")
    assert str(installed / "helpers") in said and "make setup" in said
    assert not (installed / "artifacts").exists()
    (installed / "data" / "raw").mkdir(parents=True)  # with its data beside it, it is the course
    subprocess.run([sys.executable, "-c", "import helpers"], cwd=tmp_path, env=variables, check=True)
