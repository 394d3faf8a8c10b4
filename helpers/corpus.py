"""Lesson 04: a corpus from the docstrings of the installed packages.

Clean texts in a file with a hash, their token ids on disk, and a task with labels: the field of a docstring's package.
`docstrings` finds and cleans the texts, `wordpiece` learns the vocabulary, `pretraining` trains on the token ids.
"""

import array
import hashlib
import importlib.metadata
import json
import platform
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers import cleaning, docstrings, runtime, tokenization, wordpiece
from helpers.wordpiece import SPECIAL

LOCK = runtime.COURSE / "requirements.lock"
SPLITS = ("train", "validation", "test")  # 90, 5 and 5 of 100 module files
COPY_WORDS = 12
TEST_PATH = re.compile(r"(^|/)(_?tests?|testing|conftest|test_[^/]*|[^/]*_tests?)(/|\.py$)")


class CorpusError(ValueError):
    """A corpus is empty, cut short or changed; the message says what to do."""


# ---- packages


@dataclass(frozen=True)
class Source:
    """A package to harvest: `files` are paths below `root`, with "/", sorted."""

    package: str
    version: str
    root: Path
    files: tuple[str, ...]


def list_course_sources() -> list[Source]:
    """Python's own library, then the installed packages of requirements.lock; all that are installed where that is missing."""
    root = Path(sysconfig.get_paths()["stdlib"])
    python = Source("python", platform.python_version(), root, tuple(list_python_files(root)))
    if LOCK.is_file():
        names = set(re.findall(r"(?m)^([\w.-]+)==", LOCK.read_text(encoding="utf-8")))
    else:
        names = {distribution.name for distribution in importlib.metadata.distributions()}
    installed = filter(runtime.version_of, sorted(names, key=str.lower))
    return [python, *(_source_of(importlib.metadata.distribution(name), name) for name in installed)]


def _source_of(distribution: importlib.metadata.Distribution, name: str) -> Source:
    """The Python files of an installed package, without what it put outside of its folder."""
    files = {f.as_posix() for f in distribution.files or () if f.suffix == ".py" and ".." not in f.parts}
    return Source(name, distribution.version, Path(distribution.locate_file("")), tuple(sorted(files)))


def list_python_files(root: Path) -> list[str]:
    """Paths of all Python files below a folder, sorted; what pip put into Python's own folder is left out."""
    paths = (path.relative_to(root) for path in root.rglob("*.py"))
    return sorted(path.as_posix() for path in paths if path.parts[0] not in ("site-packages", "dist-packages"))


def list_folder_sources(folder: Path) -> list[Source]:
    """Each folder right below `folder` as a package without a version."""
    found: dict[str, list[str]] = {}
    for file in list_python_files(folder):
        found.setdefault(file.split("/")[0], []).append(file)
    return [Source(package, "", folder, tuple(files)) for package, files in found.items()]


def choose_split(package: str, module: str) -> str:
    """The split to which a module file belongs; its path alone decides."""
    place = cleaning.stable_hash(f"{package}/{module}") % 100
    return "train" if place < 90 else "validation" if place < 95 else "test"


def hash_ends(text: str) -> set[bytes]:
    """Hashes, eight bytes each, of the first and of the last COPY_WORDS words: near-copies share one of them.

    Packages copy from each other. When only whole texts were compared, the training texts also held 11 to 15 of 100
    stretches of eight words of the other splits. When their ends are compared, they hold 3 to 4 of 100.
    """
    words = cleaning.comparison_key(text).split()
    parts = (" ".join(words[:COPY_WORDS]), " ".join(words[-COPY_WORDS:]))
    return {hashlib.blake2b(part.encode(), digest_size=8).digest() for part in parts}


# ---- the corpus file


def collect_examples(sources: Iterable[Source], counts: Counter) -> Iterator[dict]:
    """Each new text with its package, module and split. Files that do not parse are counted as `unreadable`."""
    seen: set[bytes] = set()  # of small hashes, so that memory hardly grows
    files = [(source, file) for source in sources for file in source.files if not TEST_PATH.search(file)]
    for source, file in tqdm(files, desc="harvesting", unit=" files", mininterval=2, file=sys.stdout):
        place = {"package": source.package, "module": file, "split": choose_split(source.package, file)}
        for text in map(docstrings.extract_prose, _read_docstrings(source.root / file, counts)):
            keys = hash_ends(text)
            if docstrings.is_prose(text) and not keys & seen:
                seen |= keys
                yield {"text": text, **place}


def _read_docstrings(path: Path, counts: Counter) -> list[str]:
    """The docstrings of a file, counted; none of a file that cannot be read or parsed."""
    counts["files"] += 1
    try:
        found = list(docstrings.find_docstrings(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError, OSError, RecursionError):
        counts["unreadable"] += 1
        return []
    counts["docstrings"] += len(found)
    return found


def harvest(sources: Path | Sequence[Source], out: Path) -> dict:
    """Write the corpus, a JSON line a text, and as its last line the manifest, which is returned.

    `sources`: a folder of packages, or what `list_course_sources` gives. The manifest counts texts and words by split
    and holds the packages' versions and the SHA-256 of all lines before it. The same packages give the same bytes.
    The file appears whole or not at all. Raises CorpusError when there is no text.
    """
    sources = list_folder_sources(sources) if isinstance(sources, Path) else list(sources)
    counts = Counter()
    with runtime.written_whole(out) as unfinished, unfinished.open("wb") as file:
        sha256 = _write_examples(collect_examples(sources, counts), file, counts)
        versions = {source.package: source.version for source in sources}
        manifest = {"manifest": dict(counts), "versions": versions, "sha256": sha256}
        file.write(json.dumps(manifest).encode() + b"\n")
    return manifest


def _write_examples(examples: Iterable[dict], file: BinaryIO, counts: Counter) -> str:
    """Write a line an example and count texts and words; the SHA-256 of the lines. Raises CorpusError for none."""
    digest = hashlib.sha256()
    for example in examples:
        split, words = example["split"], len(example["text"].split())
        counts.update({"texts": 1, "words": words, f"{split} texts": 1, f"{split} words": words})
        line = json.dumps(example, ensure_ascii=False).encode() + b"\n"
        digest.update(line)
        file.write(line)
    if not counts["texts"]:
        raise CorpusError(
            f"No docstring of {docstrings.MIN_WORDS} words in {counts['files']} files. Is the folder right?"
        )
    return digest.hexdigest()


def read_manifest(path: Path) -> dict:
    """The manifest of a corpus, after a look at every line. Raises CorpusError when it was cut short or changed."""
    digest, last = hashlib.sha256(), b""
    with path.open("rb") as file:
        for line in file:
            digest.update(last)
            last = line
    if not (last.startswith(b'{"manifest"') and last.endswith(b"\n")):
        raise CorpusError(f"{path.name} was cut short: its last line is no manifest. Delete it and harvest again.")
    manifest = json.loads(last)
    if manifest["sha256"] != digest.hexdigest():
        raise CorpusError(f"{path.name} was changed: its lines do not match its SHA-256. Delete it and harvest again.")
    return manifest


def read_corpus(path: Path, split: str) -> Iterator[dict]:
    """Texts of one split, one at a time: dicts with text, package, module, split.

    Raises CorpusError, before the first text, for a damaged file and for a split that is empty or unknown.
    """
    if not read_manifest(path)["manifest"].get(f"{split} texts"):
        raise CorpusError(f"{path.name} has no text in the split {split!r}; there are {', '.join(SPLITS)}.")
    with path.open("rb") as file:
        for line in file:
            example = json.loads(line)
            if example.get("split") == split:
                yield example


# ---- token ids on disk, and batches of them


@dataclass(frozen=True)
class Tokens:
    """One flat int32 array of ids, [SEP] after each text, and where each text begins, int64 (texts + 1,).

    `vocabulary` holds the pieces; `fingerprint` is a hash of ids and vocabulary.
    """

    ids: np.ndarray
    starts: np.ndarray
    vocabulary: tuple[str, ...]
    fingerprint: str

    @property
    def special_ids(self) -> list[int]:
        """Ids of SPECIAL, in that order."""
        return [self.vocabulary.index(piece) for piece in SPECIAL]


def write_tokens(texts: Iterable[str], vocabulary: Sequence[str], folder: Path) -> None:
    """Tokenise texts, 1,000 at a time, into a folder that `read_tokens` reads; it appears whole or not at all.

    Raises CorpusError when there is no text.
    """
    with runtime.written_whole(folder, folder=True) as unfinished:
        with (unfinished / "ids.int32").open("wb") as file:
            starts, fingerprint = _write_ids(iter(texts), vocabulary, file)
        if len(starts) == 1:
            raise CorpusError("There is no text to tokenise.")
        np.save(unfinished / "starts.npy", np.frombuffer(starts, dtype="int64"))
        facts = {"vocabulary": list(vocabulary), "fingerprint": fingerprint}
        (unfinished / "tokens.json").write_text(json.dumps(facts), encoding="utf-8")


def _write_ids(texts: Iterator[str], vocabulary: Sequence[str], file: BinaryIO) -> tuple[array.array, str]:
    """Write the ids of each text and [SEP]; where each text begins, and a hash of ids and vocabulary."""
    tokenizer, end = tokenization.make_reference_tokenizer(vocabulary), vocabulary.index("[SEP]")
    starts, digest = array.array("q", [0]), hashlib.sha256("\n".join(vocabulary).encode())
    while batch := list(islice(texts, 1000)):
        for encoding in tokenizer.encode_batch(batch):
            block = np.array([*encoding.ids, end], dtype="<i4").tobytes()
            starts.append(starts[-1] + len(block) // 4)
            digest.update(block)
            file.write(block)
    return starts, digest.hexdigest()


def read_tokens(folder: Path) -> Tokens:
    """What `write_tokens` wrote; the ids stay on disk until a batch needs them. Raises CorpusError if cut short."""
    facts = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    starts = np.load(folder / "starts.npy")
    if (folder / "ids.int32").stat().st_size != 4 * starts[-1]:
        raise CorpusError(f"The ids in {folder} were cut short. Delete that folder and write it again.")
    ids = np.memmap(folder / "ids.int32", dtype="<i4", mode="r")
    return Tokens(ids, starts, tuple(facts["vocabulary"]), facts["fingerprint"])


def prepare(remake: bool = False) -> tuple[Path, dict[str, Tokens]]:
    """The corpus file of the installed packages and its token ids by split, as an artifact that lesson 04 makes."""
    sources = list_course_sources()
    inputs = {"versions": {source.package: source.version for source in sources}}
    folder = runtime.artifact("docstrings", partial(_make, sources), inputs, [Path(__file__)], remake)
    return folder / "corpus.jsonl", {split: read_tokens(folder / split) for split in SPLITS}


def _make(sources: Sequence[Source], folder: Path) -> None:
    """Harvest, learn a vocabulary of the training texts alone, tokenise."""
    path = folder / "corpus.jsonl"
    harvest(sources, path)
    vocabulary = wordpiece.learn_vocabulary(_texts_of(path, "train"))
    for split in SPLITS:
        write_tokens(_texts_of(path, split), vocabulary, folder / split)


def _texts_of(path: Path, split: str) -> Iterator[str]:
    return (example["text"] for example in read_corpus(path, split))


# ---- a task with labels: the field of a docstring's package

FIELDS = {
    "numerics": "numpy scipy pandas h5py pyarrow narwhals numexpr opt-einsum joblib",
    "machine learning": "tensorflow jax jaxlib keras keras-hub tf-keras scikit-learn optree onnx onnxruntime tf2onnx",
    "text": "nltk spacy thinc tokenizers tensorflow-text beautifulsoup4 jinja2 lark pyparsing markdown-it-py mistune babel",
    "web and servers": "tornado requests urllib3 httpx httpcore anyio jupyter-server huggingface-hub grpcio fsspec bleach websocket-client",
    "notebooks and tools": "ipython prompt-toolkit pygments jupytext nbconvert nbformat pytest coverage setuptools jedi debugpy rich click",
    "figures": "matplotlib fonttools pillow contourpy",
    "standard library": "python",
}
FIELD_OF = {package: field for field, packages in FIELDS.items() for package in packages.split()}
OTHER_NAMES = ("sklearn", "pil", "bs4", "keras_nlp", "tf", "np", "pd", "plt", "jnp", "mpl")  # imports and short forms
_NAMES = sorted({*FIELD_OF, *(name.replace("-", "_") for name in FIELD_OF), *OTHER_NAMES}, key=len, reverse=True)


def hide_names(text: str, module: str) -> str:
    """The text with its own import name and the names of all packages in FIELDS replaced by "this package"."""
    own = re.escape(module.split("/")[0].removesuffix(".py"))
    pattern = rf"(?i)(?<![\w-])(?:{own}|{'|'.join(map(re.escape, _NAMES))})(?![\w-])"
    return re.sub(pattern, "this package", text)


def read_topics(path: Path, split: str) -> pd.DataFrame:
    """Texts of the packages in FIELDS with their field as a label: columns text, label (0 to 6), package, module.

    Raises CorpusError when there is none.
    """
    frame = pd.DataFrame(e for e in read_corpus(path, split) if e["package"] in FIELD_OF)
    if frame.empty:
        raise CorpusError(f"{path.name} has no text of a package in FIELDS in the split {split!r}.")
    frame["text"] = [hide_names(text, module) for text, module in zip(frame["text"], frame["module"], strict=True)]
    frame["label"] = frame["package"].map(FIELD_OF).map(list(FIELDS).index)
    return frame[["text", "label", "package", "module"]]
