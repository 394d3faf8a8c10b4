"""Lesson 04: a corpus from the docstrings of the installed packages, and a vocabulary learnt from it.

From docstrings to clean texts in a file with a hash, from texts to WordPiece and token ids on disk, and a task with
labels: the field of a docstring's package. `pretraining` trains on what this module writes.
"""

import array
import ast
import hashlib
import importlib.metadata
import inspect
import json
import platform
import re
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers import cleaning, models, runtime

LOCK = runtime.COURSE / "requirements.lock"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SPLITS = ("train", "validation", "test")  # 90, 5 and 5 of 100 module files
MIN_WORDS = 8
COPY_WORDS = 12
TEST_PATH = re.compile(r"(^|/)(_?tests?|testing|conftest|test_[^/]*|[^/]*_tests?)(/|\.py$)")


class CorpusError(ValueError):
    """A corpus is empty, cut short or changed; the message says what to do."""


# ---- docstrings, found without importing anything


@dataclass(frozen=True)
class Source:
    """A package to harvest: `files` are paths below `root`, with "/", sorted."""

    package: str
    version: str
    root: Path
    files: tuple[str, ...]


def course_sources() -> list[Source]:
    """The packages named in requirements.lock that are installed (without the file: all that are), and Python's own."""
    if LOCK.is_file():
        names = set(re.findall(r"(?m)^([\w.-]+)==", LOCK.read_text(encoding="utf-8")))
    else:
        names = {distribution.name for distribution in importlib.metadata.distributions()}
    root = Path(sysconfig.get_paths()["stdlib"])
    sources = [Source("python", platform.python_version(), root, tuple(python_files(root)))]
    for name in sorted(names, key=str.lower):
        if runtime.version_of(name):
            distribution = importlib.metadata.distribution(name)
            files = sorted(
                {f.as_posix() for f in distribution.files or () if f.suffix == ".py" and ".." not in f.parts}
            )
            sources.append(Source(name, distribution.version, Path(distribution.locate_file("")), tuple(files)))
    return sources


def python_files(root: Path) -> list[str]:
    """Paths of all Python files below a folder, sorted; what pip put into Python's own folder is left out."""
    paths = (path.relative_to(root) for path in root.rglob("*.py"))
    return sorted(path.as_posix() for path in paths if path.parts[0] not in ("site-packages", "dist-packages"))


def folder_sources(folder: Path) -> list[Source]:
    """Each folder right below `folder` as a package without a version."""
    found: dict[str, list[str]] = {}
    for file in python_files(folder):
        found.setdefault(file.split("/")[0], []).append(file)
    return [Source(package, "", folder, tuple(files)) for package, files in found.items()]


def docstrings(code: str) -> Iterator[str]:
    """Docstrings of a module, its public functions and classes, and their public methods, in the file's order.

    Raises SyntaxError or ValueError for what this Python cannot parse.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on others' odd escapes
        nodes = [ast.parse(code)]
    while nodes:
        node = nodes.pop(0)
        if text := ast.get_docstring(node, clean=False):
            yield text
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [
                child for child in node.body if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            ]
            nodes[:0] = [child for child in inner if not child.name.startswith("_")]


# ---- cleaning

_TITLES = (
    r"(?:(?:other|call|init|keyword) )?(?:parameters|arguments|args|kwargs)|returns?|yields?|receives|raises|warns|"
    r"attributes|methods|members|properties|fields|see also|references?|examples?|usage|inputs?|outputs?|"
    r"(?:input|output) shapes?|todo|copyright|license"
)
UNDERLINED = re.compile(r"(?m)^[ \t]*(\w[\w ]*)\n[ \t]*[-=~^]{3,}[ \t]*$")  # a heading of numpydoc
SECTION = re.compile(rf"(?i)[#*\s]*({_TITLES})( \(.*\))?[*\s]*:*[*\s]*")  # "Args:", a heading of Google's style
OPENS_BLOCK = re.compile(r"\.\. .*|[:@]\w[^:`]*:(\s.*)?")  # ".. note::", ":param x: ...", "@param x: ..."
NO_PROSE = re.compile(r"[\W\d_]*|.*\|.*\|.*|(>>>|\.\.\.|\$|%|@|#!|\+-).*")  # rules, tables, prompts
INLINE = (
    (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),  # Markdown links
    (re.compile(r"`([^`<]+?)\s*<[^>]*>`__?"), r"\1"),  # reST links
    (re.compile(r":[\w:]+:`[~!]?([^`]*)`"), r"\1"),  # reST roles
    (re.compile(r"(https?|ftp)://\S+|www\.\S+"), ""),
    (re.compile(r"\[\w+\]_|<[^<>]{1,60}>"), ""),  # citations, tags
    (re.compile(r"`+|\*\*|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)|\\"), ""),  # code and emphasis
    (re.compile(r"\s+"), " "),
)


def prose(docstring: str) -> str:
    """The sentences of a docstring on one line: without code, parameter lists, tables, links and markup.

    Knows numpydoc, Google's style, reST and Markdown. What it leaves in by mistake `is_prose` may still drop.
    """
    text = re.sub(r"(?ms)^[ \t]*(```|~~~).*?^[ \t]*\1[ \t]*$", "", inspect.cleandoc(docstring))
    parts = UNDERLINED.split(text)  # body, title, body, title, body ...
    titled = zip(parts[1::2], parts[2::2], strict=True)
    bodies = [parts[0], *(body for title, body in titled if not SECTION.fullmatch(title))]
    text = " ".join(line for body in bodies for line in _sentences(body))
    for pattern, replacement in INLINE:
        text = pattern.sub(replacement, text)
    return text.strip()


def _sentences(body: str) -> Iterator[str]:
    """Lines outside of code, lists of parameters and tables."""
    hidden, in_doctest = None, False  # hidden: indentation of the line whose indented block is left out
    for line in body.splitlines():
        stripped, indent = line.strip(), len(line) - len(line.lstrip())
        in_doctest = bool(stripped) and (in_doctest or stripped.startswith(">>>"))
        if not stripped or in_doctest or (hidden is not None and indent > hidden):
            continue
        opens = SECTION.fullmatch(stripped) or OPENS_BLOCK.fullmatch(stripped)
        hidden = indent if opens or stripped.endswith("::") else None
        if not opens and not NO_PROSE.fullmatch(stripped):
            yield re.sub(r"::$", ":", stripped)


def is_prose(text: str) -> bool:
    """Whether a text has MIN_WORDS words or more and three of four look like English words."""
    words = text.split()
    plain = sum(bool(re.fullmatch(r"[(\"']?[A-Za-z]+(['-][A-Za-z]+)*[.,;:!?)\"']*", word)) for word in words)
    return len(words) >= MIN_WORDS and plain >= 0.75 * len(words)


def split_of(package: str, module: str) -> str:
    """The side of the split on which a module file stands; its path alone decides."""
    place = cleaning.stable_hash(f"{package}/{module}") % 100
    return "train" if place < 90 else "validation" if place < 95 else "test"


def ends(text: str) -> set[bytes]:
    """Hashes, eight bytes each, of the first and of the last COPY_WORDS words: near-copies share one of them.

    Packages copy from each other. Where only whole texts were compared, 11 to 15 of 100 stretches of eight words on
    the held-out sides stood in the training texts too; so it is 3 to 4.
    """
    words = cleaning.comparison_key(text).split()
    parts = (" ".join(words[:COPY_WORDS]), " ".join(words[-COPY_WORDS:]))
    return {hashlib.blake2b(part.encode(), digest_size=8).digest() for part in parts}


# ---- the corpus file


def examples(sources: Iterable[Source], counts: Counter) -> Iterator[dict]:
    """Each new text with its package, module and split. Files that do not parse are counted as `unreadable`."""
    seen: set[bytes] = set()  # of small hashes, so that memory hardly grows
    files = [(source, file) for source in sources for file in source.files if not TEST_PATH.search(file)]
    for source, file in tqdm(files, desc="harvesting", unit=" files", mininterval=2, file=sys.stdout):
        counts["files"] += 1
        try:
            found = list(docstrings((source.root / file).read_text(encoding="utf-8")))
        except (SyntaxError, ValueError, OSError, RecursionError):
            counts["unreadable"] += 1
            continue
        for text in map(prose, found):
            counts["docstrings"] += 1
            keys = ends(text)
            if is_prose(text) and not keys & seen:
                seen |= keys
                yield {"text": text, "package": source.package, "module": file, "split": split_of(source.package, file)}


def harvest(sources: Path | Sequence[Source], out: Path) -> dict:
    """Write the corpus, a JSON line a text, and as its last line the manifest, which is returned.

    `sources`: a folder of packages, or what `course_sources` gives. The manifest counts texts and words by split and
    holds the packages' versions and the SHA-256 of all lines before it. The same packages give the same bytes.
    The file appears whole or not at all. Raises CorpusError when there is no text.
    """
    sources = folder_sources(sources) if isinstance(sources, Path) else list(sources)
    counts, digest = Counter(), hashlib.sha256()
    with runtime.written_whole(out) as unfinished, unfinished.open("wb") as file:
        for example in examples(sources, counts):
            line = json.dumps(example, ensure_ascii=False).encode() + b"\n"
            words = len(example["text"].split())
            counts.update(
                {"texts": 1, "words": words, f"{example['split']} texts": 1, f"{example['split']} words": words}
            )
            digest.update(line)
            file.write(line)
        if not counts["texts"]:
            raise CorpusError(f"No docstring of {MIN_WORDS} words in {counts['files']} files. Is the folder right?")
        versions = {source.package: source.version for source in sources}
        manifest = {"manifest": dict(counts), "versions": versions, "sha256": digest.hexdigest()}
        file.write(json.dumps(manifest).encode() + b"\n")
    return manifest


def manifest_of(path: Path) -> dict:
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
    if not manifest_of(path)["manifest"].get(f"{split} texts"):
        raise CorpusError(f"{path.name} has no text in the split {split!r}; there are {', '.join(SPLITS)}.")
    with path.open("rb") as file:
        for line in file:
            example = json.loads(line)
            if example.get("split") == split:
                yield example


# ---- WordPiece


def spelled(words: Iterable[str]) -> dict[tuple[str, ...], int]:
    """Counts of words, each spelt in letters; all but the first with "##": where merging begins."""
    counts = Counter(words)
    return {(word[0], *(f"##{letter}" for letter in word[1:])): number for word, number in counts.items()}


def most_frequent_pair(words: dict[tuple[str, ...], int]) -> tuple[str, str] | None:
    """The two neighbouring pieces that occur most often; of equals the alphabetically first; None if none is left."""
    pairs = Counter()
    for pieces, number in words.items():
        for pair in pairwise(pieces):
            pairs[pair] += number
    return min(pairs, key=lambda pair: (-pairs[pair], pair)) if pairs else None


def merge_step(words: dict[tuple[str, ...], int]) -> dict[tuple[str, ...], int]:
    """The words with their most frequent pair made one piece (Sennrich et al., 2016, "BPE").

    Schuster and Nakajima (2012) divide the pair's count by those of its parts; the trainer that the course uses does not.
    """
    pair, result = most_frequent_pair(words), {}
    for pieces, number in words.items():
        merged: list[str] = []
        for piece in pieces:
            if merged and (merged[-1], piece) == pair:
                merged[-1] += piece.removeprefix("##")
            else:
                merged.append(piece)
        result[tuple(merged)] = number
    return result


def learn_vocabulary(texts: Iterable[str], vocabulary_size: int = 8000, alphabet: int = 200) -> list[str]:
    """A WordPiece vocabulary of at most `vocabulary_size` pieces, SPECIAL first; rarer letters become [UNK].

    Lower-cased and without accents: for `BertTokenizer(vocabulary, lowercase=True, strip_accents=True)`. Texts are
    read one at a time. Raises CorpusError for no text.
    """
    from tokenizers.trainers import WordPieceTrainer

    tokenizer = models.make_reference_tokenizer(SPECIAL)
    counts, letters = Counter(), Counter()
    for text in texts:
        words = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
        counts.update(word for word, _ in words)
    if not counts:
        raise CorpusError("There is no text to learn a vocabulary from.")
    for word, number in counts.items():
        letters.update(dict.fromkeys(word, number))
    kept = sorted(sorted(letters, key=lambda letter: (-letters[letter], letter))[:alphabet])
    # Of equally frequent pairs the trainer joins the one with the lower numbers, and it numbers letters as it meets them,
    # in another order in each process. Numbered beforehand, they give the same vocabulary each time.
    numbered = [*SPECIAL, *kept, *(f"##{letter}" for letter in kept)]
    trainer = WordPieceTrainer(
        vocab_size=vocabulary_size,
        special_tokens=numbered,
        initial_alphabet=kept,
        limit_alphabet=len(kept),
        show_progress=False,
    )
    tokenizer.train_from_iterator((f"{word} " * number for word, number in sorted(counts.items())), trainer)
    return [*SPECIAL, *sorted(set(tokenizer.get_vocab()) - set(SPECIAL))]


def vocabulary_fit(tokenizer, texts: Sequence[str]) -> dict[str, float]:
    """How a vocabulary suits texts: its size, tokens for each word between spaces, and the share of [UNK]."""
    tokens = sum(len(ids) - 2 for ids in models.token_ids(tokenizer, texts, sys.maxsize))
    return {
        "pieces": tokenizer.vocabulary_size(),
        "tokens_a_word": tokens / max(1, sum(len(text.split()) for text in texts)),
        "unknown_share": models.unknown_share(tokenizer, texts),
    }


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
    """Tokenise texts, 1,000 at a time, into a folder that `read_tokens` reads; it appears whole or not at all."""
    tokenizer, starts, batch = models.make_reference_tokenizer(vocabulary), array.array("q", [0]), []
    digest, end = hashlib.sha256("\n".join(vocabulary).encode()), vocabulary.index("[SEP]")
    with runtime.written_whole(folder, folder=True) as unfinished:
        with (unfinished / "ids.int32").open("wb") as file:

            def flush() -> None:
                """Write the batch of texts as ids."""
                for encoding in tokenizer.encode_batch(batch):
                    block = np.array([*encoding.ids, end], dtype="<i4").tobytes()
                    starts.append(starts[-1] + len(block) // 4)
                    digest.update(block)
                    file.write(block)
                batch.clear()

            for text in texts:
                batch.append(text)
                if len(batch) == 1000:
                    flush()
            flush()
        if len(starts) == 1:
            raise CorpusError("There is no text to tokenise.")
        np.save(unfinished / "starts.npy", np.frombuffer(starts, dtype="int64"))
        facts = {"vocabulary": list(vocabulary), "fingerprint": digest.hexdigest()}
        (unfinished / "tokens.json").write_text(json.dumps(facts), encoding="utf-8")


def read_tokens(folder: Path) -> Tokens:
    """What `write_tokens` wrote; the ids stay on disk until a batch needs them. Raises CorpusError if cut short."""
    facts = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    starts = np.load(folder / "starts.npy")
    if (folder / "ids.int32").stat().st_size != 4 * starts[-1]:
        raise CorpusError(f"The ids in {folder} were cut short. Delete that folder and write it again.")
    ids = np.memmap(folder / "ids.int32", dtype="<i4", mode="r")
    return Tokens(ids, starts, tuple(facts["vocabulary"]), facts["fingerprint"])


def prepared(remake: bool = False) -> tuple[Path, dict[str, Tokens]]:
    """The corpus file of the installed packages and its token ids by split, as an artifact that lesson 04 makes."""
    sources = course_sources()

    def make(folder: Path) -> None:
        """Harvest, learn a vocabulary of the training texts, tokenise."""
        harvest(sources, folder / "corpus.jsonl")
        vocabulary = learn_vocabulary(example["text"] for example in read_corpus(folder / "corpus.jsonl", "train"))
        for split in SPLITS:
            texts = (example["text"] for example in read_corpus(folder / "corpus.jsonl", split))
            write_tokens(texts, vocabulary, folder / split)

    inputs = {"versions": {source.package: source.version for source in sources}}
    folder = runtime.artifact("docstrings", make, inputs, [Path(__file__), Path(models.__file__)], remake)
    return folder / "corpus.jsonl", {split: read_tokens(folder / split) for split in SPLITS}


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


def without_names(text: str, module: str) -> str:
    """The text with its own import name and the names of all packages in FIELDS replaced by "this package"."""
    own = re.escape(module.split("/")[0].removesuffix(".py"))
    pattern = rf"(?i)(?<![\w-])(?:{own}|{'|'.join(map(re.escape, _NAMES))})(?![\w-])"
    return re.sub(pattern, "this package", text)


def topics(path: Path, split: str) -> pd.DataFrame:
    """Texts of the packages in FIELDS with their field as a label: columns text, label (0 to 6), package, module."""
    frame = pd.DataFrame(e for e in read_corpus(path, split) if e["package"] in FIELD_OF)
    if frame.empty:
        raise CorpusError(f"{path.name} has no text of a package in FIELDS in the split {split!r}.")
    frame["text"] = [without_names(text, module) for text, module in zip(frame["text"], frame["module"], strict=True)]
    frame["label"] = frame["package"].map(FIELD_OF).map(list(FIELDS).index)
    return frame[["text", "label", "package", "module"]]
