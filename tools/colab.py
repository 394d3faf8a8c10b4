"""A stand-in for a Colab runtime, made from scratch: python tools/colab.py tensorflow | jax [00 06 ...]

tensorflow  as on Colab's CPU and GPU runtimes (colab/tensorflow.txt)
jax         as on its TPU runtime, which has no TensorFlow (colab/jax.txt); here it computes on the CPU

Installs the pinned versions under Python 3.13, runs the bootstrap cell as Colab would (it clones the course as
committed, HEAD), then lessons 00, 01, 05, 06 and 11, each with that cell first. They are judged by
their claims. Ends with a table; the exit code is 0 when all hold. About 4 GB and a quarter of an hour on two cores.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import bootstrap
import course

COURSE = course.COURSE
RUNTIMES = ("tensorflow", "jax")
# colab/setup.py promises to leave these as they are, which Colab may have imported already.
UNTOUCHED = ("tensorflow", "tensorflow-text", "jax", "jaxlib", "numpy", "protobuf")
# As in Colab, the kernel works in /content and finds the course by what the cell did, not by this process's path.
RUN_LESSONS = """
import sys, pathlib
sys.path[:0] = [".", "tools"]
import lessons
lessons.NOTEBOOKS = pathlib.Path("..").resolve()
sys.exit(lessons.main(sys.argv[1:]))
"""


def find_python(wanted: str | None) -> str:
    """Path of a Python 3.13: the one wanted, else `PYTHON`, else python3.13; ends the program where there is none."""
    path = shutil.which(wanted or os.environ.get("PYTHON") or "python3.13")
    version = path and subprocess.run([path, "--version"], capture_output=True, text=True).stdout.strip()
    if not version or not version.startswith("Python 3.13"):
        sys.exit(f"Colab has Python 3.13; found {version or 'none'}. Name one: --python /path/to/python3.13")
    return path


def make_image(folder: Path, python: str, runtime: str) -> Path:
    """The Python of a new virtual environment with the runtime's pinned versions."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    interpreter = course.python_of(folder)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(COURSE / "colab" / f"{runtime}.txt")], check=True)
    return interpreter


def image(folder: Path, python: str, runtime: str) -> tuple[Path, dict[str, str]]:
    """An image's Python, and its versions when it was made; made where there is no complete one."""
    as_made = folder / "versions.json"
    if not as_made.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        interpreter = make_image(folder, python, runtime)
        as_made.write_text(json.dumps(versions(interpreter)), encoding="utf-8")
    return course.python_of(folder), json.loads(as_made.read_text(encoding="utf-8"))


def versions(interpreter: Path) -> dict[str, str]:
    """Package -> version in an environment."""
    command = [str(interpreter), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {package["name"].lower().replace("_", "-"): package["version"] for package in found}


def differences(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Package -> (version before, version after) of all that changed; "-" for none."""
    pairs = {name: (before.get(name, "-"), after.get(name, "-")) for name in sorted({*before, *after})}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def address_on_this_machine(folder: Path) -> dict[str, str]:
    """A clone of the course with the badge's tag in `folder`, and the variables that send git there from its address."""
    facts = bootstrap.facts()
    subprocess.run(["git", "clone", "--quiet", "--bare", str(COURSE), str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "tag", "--force", facts["tag"], "HEAD"], check=True, capture_output=True)
    key = f"url.{folder.as_uri()}.insteadOf"
    address = f"https://github.com/{facts['repository']}"
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": key, "GIT_CONFIG_VALUE_0": address}


def run_cell(interpreter: Path, content: Path, variables: dict[str, str]) -> None:
    """Run the bootstrap cell in `content`, which stands for Colab's folder of that name; it leaves the clone there."""
    content.mkdir()
    subprocess.run([str(interpreter), "-c", bootstrap.cell()], check=True, cwd=content, env=variables)


def main(arguments: list[str] | None = None) -> int:
    """Make the stand-in, run cell and lessons, print what changed and how it went; 0 when all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=RUNTIMES)
    parser.add_argument("lesson", nargs="*", help="first characters of the lessons' names; none: those above")
    parser.add_argument("--python", help="a Python 3.13 (default: the variable PYTHON, else python3.13)")
    parser.add_argument(
        "--parameters", default=course.SMALL, help="JSON for the parameters cells (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="take the environment that is there; remake the rest")
    options = parser.parse_args(arguments)
    python, folder = find_python(options.python), COURSE / ".cache" / "colab" / options.runtime
    started = time.monotonic()
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    for old in ("origin.git", "content"):
        shutil.rmtree(folder / old, ignore_errors=True)
    interpreter, before = image(folder / "image", python, options.runtime)
    # As Colab's own environment: none of this one's paths, backend or folders.
    unset = ("PYTHONPATH", "KERAS_BACKEND", "COURSE_ARTIFACTS", "COURSE_CACHE")
    variables = {name: value for name, value in os.environ.items() if name not in unset}
    variables |= {
        "COLAB_RELEASE_TAG": "stand-in",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        **address_on_this_machine(folder / "origin.git"),
    }
    print(f"{options.runtime}: {len(before)} packages; {(time.monotonic() - started) / 60:.1f} min", flush=True)
    run_cell(interpreter, folder / "content", variables)
    changed = differences(before, versions(interpreter))
    for name, (old, new) in changed.items():
        print(f"  the cell brings {name:22} {old:>10} -> {new}")
    if touched := sorted(changed.keys() & set(UNTOUCHED)):
        print(f"FAILED: the cell changes {', '.join(touched)}, which Colab may have imported before it runs.")
        return 1
    command = [str(interpreter), "-c", RUN_LESSONS, "run", *(options.lesson or course.ELSEWHERE)]
    command += ["--parameters", options.parameters]
    failed = subprocess.call(command, cwd=folder / "content" / "course", env=variables)
    print(f"{options.runtime}: {'FAILED' if failed else 'passed'}; {(time.monotonic() - started) / 60:.1f} min in all")
    return failed


if __name__ == "__main__":
    sys.exit(main())
