"""The bootstrap cell and the Colab badge of each lesson, made from notebooks/address.json and the lock.

python tools/bootstrap.py writes both into all text twins and notebooks; a test compares them.
"""

import json
import re
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
CELL = """\
# In Colab: install what is missing and fetch the course. Elsewhere: nothing.
import importlib.metadata
import importlib.util
import os
import subprocess
import sys

if "COLAB_RELEASE_TAG" in os.environ:
    if importlib.util.find_spec("tensorflow"):  # CPU and GPU runtimes: their TensorFlow stays as it is
        packages = ["keras-hub=={keras-hub}", "keras-nlp=={keras-nlp}"]
        packages += ["onnx<={onnx}", "onnxruntime=={onnxruntime}", "tf2onnx=={tf2onnx}"]
        packages += ["protobuf==" + importlib.metadata.version("protobuf")]  # as it is, too: the newest onnx that fits it
    else:  # the TPU runtime has JAX and no TensorFlow
        packages = ["--no-deps", "keras=={keras}", "keras-hub=={keras-hub}", "keras-nlp=={keras-nlp}"]
        os.environ["KERAS_BACKEND"] = "jax"
    packages += ["ftfy=={ftfy}", "spacy-lookups-data=={spacy-lookups-data}"]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *packages], check=True)
    address, tag, folder = "https://github.com/{repository}", "{tag}", "/content/course"
    if not os.path.isdir(folder):
        subprocess.run(["git", "clone", "-q", "--depth=1", "--branch", tag, address, folder], check=True)
    sys.path.insert(0, folder)
"""
PACKAGES = re.findall(r"=\{([\w-]+)\}", CELL)  # what the cell installs, in the locked versions
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/{tag}/notebooks/{lesson}.ipynb)"
)
BADGE_PATTERN = r"\[!\[Open in Colab\]\(.*?\)\]\(.*?\)"
CELL_PATTERN = r"# In Colab: install.*?(?=\n# %%)"


def facts() -> dict[str, str]:
    """Repository, tag and the locked versions that the texts above name; ValueError where the lock lacks one."""
    address = json.loads((COURSE / "notebooks" / "address.json").read_text(encoding="utf-8"))
    lock = (COURSE / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(rf"^({'|'.join(PACKAGES)})==(\S+)", lock, flags=re.M))
    if missing := set(PACKAGES) - set(locked):
        raise ValueError(f"The lock lacks {', '.join(sorted(missing))}, which the bootstrap cell installs.")
    return address | locked


def cell() -> str:
    """Source of the bootstrap cell."""
    text = CELL
    for name, value in facts().items():
        text = text.replace("{" + name + "}", value)
    return text.strip()


def badge(lesson: str) -> str:
    """Markdown of a lesson's badge."""
    return BADGE.format(lesson=lesson, **{k: v for k, v in facts().items() if k in ("repository", "tag")})


def address_of(path: Path) -> str:
    """What a badge names: the lesson, or the exercise, for its solution too."""
    return path.stem if path.relative_to(COURSE).parts[1] in ("text", path.name) else f"exercises/{path.stem}"


def main() -> None:
    """Write badge and cell into each lesson, exercise and solution, twins and notebooks alike; outputs stay as they are."""
    notebooks = COURSE / "notebooks"
    for path in sorted(notebooks.rglob("text/*.py")):
        text = re.sub(
            BADGE_PATTERN, lambda _, path=path: badge(address_of(path)), path.read_text(encoding="utf-8"), count=1
        )
        text = re.sub(CELL_PATTERN, lambda _: cell() + "\n", text, count=1, flags=re.S)
        path.write_text(text, encoding="utf-8")
    for path in sorted(notebooks.rglob("*.ipynb")):
        content = json.loads(path.read_text(encoding="utf-8"))
        head = re.sub(BADGE_PATTERN, badge(address_of(path)), "".join(content["cells"][0]["source"]), count=1)
        for number, source in enumerate((head, cell())):
            content["cells"][number]["source"] = source.splitlines(keepends=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
