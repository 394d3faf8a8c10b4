"""Lesson 05: pre-train a small encoder on text that comes with the installed packages.

The lesson and its experiments are planned; what they need stands here, tested. From docstrings to a corpus, from the
corpus to a vocabulary, to batches of token ids, to three ways of learning from text without labels, with baselines that
count and with what it costs. Short runs do not beat these baselines yet: only the experiments can show whether long ones do.
"""

import array
import ast
import hashlib
import importlib.metadata
import inspect
import json
import os
import platform
import re
import sys
import sysconfig
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import log_softmax, softmax
from tqdm import tqdm

from helpers import data, finetuning, models, runtime

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
    place = data.stable_hash(f"{package}/{module}") % 100
    return "train" if place < 90 else "validation" if place < 95 else "test"


def ends(text: str) -> set[bytes]:
    """Hashes, eight bytes each, of the first and of the last COPY_WORDS words: near-copies share one of them.

    Packages copy from each other. Where only whole texts were compared, 11 to 15 of 100 stretches of eight words on
    the held-out sides stood in the training texts too; so it is 3 to 4.
    """
    words = data.comparison_key(text).split()
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
    unfinished = out.with_name(f"{out.name}.{os.getpid()}.unfinished")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with unfinished.open("wb") as file:
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
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
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

    tokenizer = models.reference_tokenizer(SPECIAL)
    trainer = WordPieceTrainer(
        vocab_size=vocabulary_size, special_tokens=list(SPECIAL), limit_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces = tokenizer.get_vocab()
    if len(pieces) <= len(SPECIAL):
        raise CorpusError("There is no text to learn a vocabulary from.")
    return [*SPECIAL, *sorted(set(pieces) - set(SPECIAL))]


def check_vocabulary(model: keras.Model, pieces: int) -> None:
    """Raise ValueError unless the model's output has a column for each of so many pieces."""
    if model.output_shape[-1] != pieces:
        raise ValueError(
            f"The model was made for {model.output_shape[-1]} pieces, this vocabulary has {pieces}. They belong together."
        )


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
    tokenizer, starts, batch = models.reference_tokenizer(vocabulary), array.array("q", [0]), []
    digest, end = hashlib.sha256("\n".join(vocabulary).encode()), vocabulary.index("[SEP]")
    with runtime.replaced_when_complete(folder) as unfinished:
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


class TokenBatches(keras.utils.PyDataset):
    """Batches number `first` to `first + steps` of an endless sequence that only `seed` decides.

    A row is [CLS] and ids, `sequence_length` in all: packed, a stretch of the flat array over the borders of texts;
    else the beginning of one text, its [SEP], and padding. Each epoch takes all rows in an order of its own; the rows
    of the last batch that would not be full are left out. `task` makes of token ids, padding mask (int32, both
    (rows, length)), and a generator: inputs, targets, weights.
    """

    def __init__(self, tokens: Tokens, task: Callable, batch_size=32, sequence_length=64, seed=42, packed=True):
        super().__init__()
        self.tokens, self.task, self.batch_size, self.seed = tokens, task, batch_size, seed
        self.sequence_length, self.packed = sequence_length, packed
        room = sequence_length - 1
        self.begins = np.arange(0, len(tokens.ids) - room + 1, room) if packed else tokens.starts[:-1]
        self.lengths = np.full(len(self.begins), room) if packed else np.minimum(np.diff(tokens.starts), room)
        self.steps_an_epoch = self.steps = len(self.begins) // batch_size
        self.first, self._epoch = 0, None
        if not self.steps:
            raise CorpusError(
                f"{len(self.begins)} rows are no batch of {batch_size}. Take more text or smaller batches."
            )

    def identity(self) -> str:
        """Hash of the tokens and the first batch, and so of all that decides the others."""
        self.first, first = 0, self.first
        arrays = keras.tree.flatten(self[0])
        self.first = first
        return hashlib.sha256(b"".join([self.tokens.fingerprint.encode(), *map(bytes, arrays)])).hexdigest()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int):
        epoch, place = divmod(self.first + index, self.steps_an_epoch)
        if self._epoch != epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.begins))
        rows = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        return self.task(*self.framed(rows), np.random.default_rng([self.seed, 1, self.first + index]))

    def framed(self, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids and padding mask of some rows, int32 (rows, sequence_length)."""
        pad, _, start, *_ = self.tokens.special_ids
        ids = np.full((len(rows), self.sequence_length), pad, dtype="int32")
        ids[:, 0] = start
        for row, (begin, length) in zip(ids, zip(self.begins[rows], self.lengths[rows], strict=True), strict=True):
            row[1 : 1 + length] = self.tokens.ids[begin : begin + length]
        mask = np.arange(self.sequence_length) <= self.lengths[rows][:, None]
        return ids, mask.astype("int32")


# ---- three ways to make a task of text


def mask_tokens(
    token_ids, padding_mask, vocabulary_size, mask_id, special_ids, random, share=0.15, kinds=(0.8, 0.1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets (int32) and weights (float32) of masked language modelling (Devlin et al., 2019, 3.1).

    Of the tokens that are neither special nor padding, `share` are chosen: weight 1, others 0. Of those kinds[0] become
    mask_id and kinds[1] another token, drawn evenly from all that are not special; the rest stays. Targets: token_ids.
    """
    may_hide = (padding_mask == 1) & ~np.isin(token_ids, special_ids)
    chosen = may_hide & (random.random(token_ids.shape) < share)
    kind = random.random(token_ids.shape)
    others = np.setdiff1d(np.arange(vocabulary_size), special_ids)
    inputs = np.where(chosen & (kind < kinds[0]), mask_id, token_ids)
    replaced = chosen & (kind >= kinds[0]) & (kind < sum(kinds))
    inputs = np.where(replaced, random.choice(others, token_ids.shape), inputs)
    return inputs.astype("int32"), token_ids.astype("int32"), chosen.astype("float32")


def masked_task(vocabulary: Sequence[str], kinds=(0.8, 0.1)) -> Callable:
    """Task for TokenBatches: inputs of `masked_model`, of which only the chosen positions are predicted.

    A row has room for a quarter of its tokens; chosen ones beyond that (in about 1 row of 100) count nothing.
    """
    special = [vocabulary.index(piece) for piece in SPECIAL]

    def masked(token_ids, padding_mask, random):
        """Inputs, targets, weights of one batch."""
        inputs, targets, weights = mask_tokens(
            token_ids, padding_mask, len(vocabulary), special[-1], special, random, kinds=kinds
        )
        positions = np.argsort(-weights, axis=1, kind="stable")[:, : max(1, weights.shape[1] // 4)].astype("int32")
        features = {**encoder_inputs(inputs, padding_mask), "mask_positions": positions}
        return features, np.take_along_axis(targets, positions, 1), np.take_along_axis(weights, positions, 1)

    return masked


def encoder_inputs(token_ids: np.ndarray, padding_mask: np.ndarray) -> dict[str, np.ndarray]:
    """What a BertBackbone takes, int32 (rows, length)."""
    return {"token_ids": token_ids, "padding_mask": padding_mask, "segment_ids": np.zeros_like(token_ids)}


def next_token(token_ids, padding_mask, random=None) -> tuple[dict, np.ndarray, np.ndarray]:
    """Task for TokenBatches: from the tokens up to each position, the next one (Radford et al., 2018)."""
    inputs = {"token_ids": token_ids[:, :-1], "padding_mask": padding_mask[:, :-1]}
    return inputs, token_ids[:, 1:], padding_mask[:, 1:].astype("float32")


def add_noise(token_ids, padding_mask, pad_id, others, random, drop=0.1, replace=0.1, window=3):
    """Token ids and padding mask, int32 (rows, length), with noise in all but the first token of each row.

    A share `replace` of the tokens becomes one of `others`, a share `drop` goes, and the rest moves by fewer than
    `window` places (Lample et al., 2018, "Unsupervised machine translation using monolingual corpora only").
    """
    shape, length = token_ids.shape, token_ids.shape[1]
    noisy = np.where(random.random(shape) < replace, random.choice(others, shape), token_ids)
    kept = (padding_mask == 1) & (random.random(shape) >= drop)
    place = np.arange(length) + random.uniform(0, window, shape)
    noisy[:, 0], kept[:, 0], place[:, 0] = token_ids[:, 0], True, -1
    order = np.argsort(np.where(kept, place, np.inf), axis=1)
    mask = np.arange(length) < kept.sum(axis=1)[:, None]
    return np.where(mask, np.take_along_axis(noisy, order, 1), pad_id).astype("int32"), mask.astype("int32")


def denoising_task(vocabulary: Sequence[str], **noise) -> Callable:
    """Task for TokenBatches: from a text with noise (`add_noise`), the text itself (Vincent et al., 2008)."""
    special = [vocabulary.index(piece) for piece in SPECIAL]
    others = np.setdiff1d(np.arange(len(vocabulary)), special)

    def denoised(token_ids, padding_mask, random):
        """Inputs, targets, weights of one batch."""
        noisy = add_noise(token_ids, padding_mask, special[0], others, random, **noise)
        return encoder_inputs(*noisy), token_ids[:, 1:], padding_mask[:, 1:].astype("float32")

    return denoised


# ---- models


@dataclass(frozen=True)
class Size:
    """The shape of a model; BERT-tiny of Turc et al. (2019) is 2 layers, 2 heads, 128 wide."""

    layers: int = 2
    heads: int = 2
    width: int = 128
    intermediate: int = 512
    sequence_length: int = 64  # as the batches': other places would never be trained
    dropout: float = 0.0  # a text is seen once or twice: there is little to over-fit

    def options(self, vocabulary_size: int) -> dict:
        """Arguments of a KerasHub backbone."""
        shape = dict(num_layers=self.layers, num_heads=self.heads, hidden_dim=self.width)
        shape |= dict(intermediate_dim=self.intermediate, max_sequence_length=self.sequence_length)
        return {"vocabulary_size": vocabulary_size, "dropout": self.dropout, **shape}


def encoder(vocabulary_size: int, size: Size = Size(), seed: int = 42) -> keras.Model:
    """A small encoder with random weights, decided by `seed`, with BERT's inputs and its output `sequence_output`.

    Unlike BERT it normalises before each part of a layer, not after (Xiong et al., 2020), and draws its random weights
    for its width: in short trials it left the unigram's loss sooner than a BertBackbone of its size, at a time that
    hangs on the seed.
    `models.with_head` makes a classifier of it.
    """
    keras.utils.set_random_seed(seed)
    start = keras.initializers.RandomNormal(stddev=size.width**-0.5)
    names = ("token_ids", "segment_ids", "padding_mask")  # segments: taken since others give them, and left unread
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
    tokens = keras_hub.layers.ReversibleEmbedding(
        vocabulary_size, size.width, embeddings_initializer=start, name="token_embedding"
    )
    places = keras_hub.layers.PositionEmbedding(size.sequence_length, initializer=start, name="position_embedding")
    x = tokens(inputs["token_ids"])  # (texts, length, width)
    x = x + places(x)
    for number in range(size.layers):
        layer = keras_hub.layers.TransformerEncoder(
            size.intermediate,
            size.heads,
            size.dropout,
            "gelu",
            kernel_initializer=start,
            normalize_first=True,
            name=f"transformer_layer_{number}",
        )
        x = layer(x, padding_mask=inputs["padding_mask"])
    return keras.Model(inputs, {"sequence_output": keras.layers.LayerNormalization(name="final_norm")(x)})


def masked_model(backbone: keras.Model) -> keras.Model:
    """From `encoder_inputs` and int32 `mask_positions` (texts, positions) to logits (texts, positions, vocabulary).

    The head is BERT's: dense, GELU, layer normalisation, and the token embeddings once more as output weights.
    `backbone` is an `encoder` or a KerasHub BertBackbone.
    """
    width = backbone.output["sequence_output"].shape[-1]
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    head = keras_hub.layers.MaskedLMHead(
        token_embedding=backbone.get_layer("token_embedding"),
        intermediate_activation="gelu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=width**-0.5),
        name="masked_lm_head",
    )
    logits = head(backbone.output["sequence_output"], positions)
    return keras.Model({**backbone.input, "mask_positions": positions}, logits)


def causal_model(vocabulary_size: int, size: Size = Size(), seed: int = 42) -> keras.Model:
    """From `token_ids`, `padding_mask` to logits of each next token: a GPT-2 whose positions see what is before them."""
    keras.utils.set_random_seed(seed)
    backbone = keras_hub.models.GPT2Backbone(**size.options(vocabulary_size))
    return keras.Model(backbone.input, backbone.token_embedding(backbone.output, reverse=True))


def autoencoder(backbone: keras.Model, length: int, size: Size = Size(), bottleneck: int = 64):
    """From `encoder_inputs` to logits (texts, length, vocabulary), all through one vector a text, the bottleneck.

    The decoder sees nothing but that vector and the places: the mean of the token vectors, narrowed, repeated, one layer.
    """
    pooled = keras.layers.GlobalAveragePooling1D(name="mean_of_tokens")(
        backbone.output["sequence_output"], mask=backbone.input["padding_mask"]
    )
    vector = keras.layers.Dense(bottleneck, name="bottleneck")(pooled)
    repeated = keras.layers.RepeatVector(length)(keras.layers.Dense(size.width, name="widened")(vector))
    places = keras_hub.layers.PositionEmbedding(length, name="decoder_positions")(repeated)
    layer = keras_hub.layers.TransformerEncoder(size.intermediate, size.heads, size.dropout, name="decoder")
    return keras.Model(backbone.input, backbone.get_layer("token_embedding")(layer(repeated + places), reverse=True))


# ---- training that may be stopped


@dataclass(frozen=True)
class Recipe:
    """The knobs of a pre-training run; batches and seed are those of the TokenBatches."""

    steps: int = 1000
    steps_a_part: int = 100  # between two checkpoints
    learning_rate: float = 1e-3  # the peak; ten times BERT's, for a model a hundred times smaller
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0


def pretrain(
    model: keras.Model,
    batches: TokenBatches,
    recipe: Recipe = Recipe(),
    checkpoint_folder: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> pd.DataFrame:
    """Train in place for recipe.steps batches; the loss is the mean over the targets that have a weight.

    With a folder, a stopped training goes on after its last whole part and ends with the same weights. Returns a row a
    part: steps, loss (nats a target), tokens_a_second (of input, padding not counted; the first part also compiles).
    Raises ValueError for a checkpoint of another recipe, data, vocabulary or model, and FloatingPointError for a loss
    that is not finite.
    """
    check_vocabulary(model, len(batches.tokens.vocabulary))
    optimizer = finetuning.make_optimizer(recipe, recipe.steps, model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    model.compile(optimizer, loss)
    state = [*model.variables, *optimizer.variables]  # dropout's random state is among the model's
    run = {"recipe": asdict(recipe), "batches": batches.identity()}
    history = restored(checkpoint_folder, state, run)
    progress = finetuning.Progress(recipe.steps, done=history[-1]["steps"] if history else 0)
    share = float(np.mean(batches.lengths + 1)) / batches.sequence_length
    while not history or history[-1]["steps"] < recipe.steps:
        batches.first = history[-1]["steps"] if history else 0
        batches.steps = min(recipe.steps_a_part, recipe.steps - batches.first)
        started = time.perf_counter()
        fitted = model.fit(batches, shuffle=False, verbose=0, callbacks=[progress, *callbacks])
        seconds = time.perf_counter() - started
        row = {"steps": batches.first + batches.steps, "loss": fitted.history["loss"][0]}
        if not np.isfinite(row["loss"]):
            raise FloatingPointError(f"The loss is {row['loss']}: lower the learning rate ({recipe.learning_rate}).")
        tokens = batches.steps * batches.batch_size * batches.sequence_length * share
        history.append({**row, "tokens_a_second": tokens / seconds})
        if checkpoint_folder is not None:
            values = finetuning.values_of(state)
            finetuning.save_arrays(checkpoint_folder / "last.npz", values, {"run": run, "history": history})
    progress.bar.close()
    return pd.DataFrame(history)


def restored(folder: Path | None, state: Sequence, run: dict) -> list[dict]:
    """Load the last checkpoint into `state`, if there is one; return its history. Raises ValueError if it does not fit."""
    if folder is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "last.npz").exists():
        return []
    values, facts = finetuning.load_arrays(folder / "last.npz")
    if differ := [name for name in run if facts["run"][name] != run[name]]:
        raise ValueError(f"The checkpoint in {folder} is of other {' and '.join(differ)}. Delete it, or keep both.")
    finetuning.assign(state, values)
    return facts["history"]


def target_losses(score: Callable, batches: TokenBatches, steps: int) -> np.ndarray:
    """-log(probability) in nats of each target that has a weight, in the first `steps` batches, float64 (targets,).

    `score(inputs, targets)` gives the logarithm of each target's probability: `model_score`, or one that counts.
    """
    batches.first, found = 0, []
    for step in range(steps):
        inputs, targets, weights = batches[step]
        found.append(-score(inputs, targets)[weights > 0])
    return np.concatenate(found).astype("float64")


def model_score(model: keras.Model) -> Callable:
    """Score for `target_losses` of a trained model."""

    def score(inputs, targets):
        """Logarithm of each target's probability."""
        logs = log_softmax(model.predict_on_batch(inputs).astype("float32"), axis=-1)
        return np.take_along_axis(logs, targets[..., None], axis=-1)[..., 0]

    return score


# ---- baselines that count


class NeighbourCounts:
    """Probabilities of a token from counts in a flat array of ids: of itself, of pairs, and of both neighbours.

    Unigram: (count + 1) / (ids + vocabulary). All others shrink to the next simpler model p with weight k, as if it
    had been seen k times (MacKay and Peto, 1995): (count + k p(token)) / (count of the context + k).
    """

    def __init__(self, ids: np.ndarray, vocabulary_size: int, k: float = 20.0):
        self.size, self.k, ids = vocabulary_size, k, np.asarray(ids, dtype="int64")
        counted = np.bincount(ids, minlength=vocabulary_size)
        self.single = (counted + 1) / (len(ids) + vocabulary_size)
        self.as_left = np.bincount(ids[:-1], minlength=vocabulary_size)
        self.as_right = np.bincount(ids[1:], minlength=vocabulary_size)
        self.pairs = np.unique(self._key(ids[:-1], ids[1:]), return_counts=True)
        self.gaps = np.unique(self._key(ids[:-2], ids[2:]), return_counts=True)
        self.triples = np.unique(self._key(ids[:-2], ids[1:-1], ids[2:]), return_counts=True)

    def _key(self, first, *others) -> np.ndarray:
        """One int64 number for each sequence of tokens."""
        key = np.asarray(first, dtype="int64")
        for token in others:
            key = key * self.size + token
        return key

    def _seen(self, counts, *tokens) -> np.ndarray:
        """How often each sequence was counted; 0 for one never seen."""
        (keys, numbers), wanted = counts, self._key(*tokens)
        places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
        return np.where(keys[places] == wanted, numbers[places], 0)

    def _shrunk(self, seen, context, simpler) -> np.ndarray:
        return (seen + self.k * simpler) / (context + self.k)

    def after(self, left, token) -> np.ndarray:
        """p(token | the token before it): the bigram model."""
        return self._shrunk(self._seen(self.pairs, left, token), self.as_left[left], self.single[token])

    def before(self, token, right) -> np.ndarray:
        """p(token | the token after it)."""
        return self._shrunk(self._seen(self.pairs, token, right), self.as_right[right], self.single[token])

    def between(self, left, token, right) -> np.ndarray:
        """p(token | both neighbours), shrunk to the mean of `after` and `before`."""
        simpler = (self.after(left, token) + self.before(token, right)) / 2
        return self._shrunk(self._seen(self.triples, left, token, right), self._seen(self.gaps, left, right), simpler)

    def unigram_score(self, inputs, targets) -> np.ndarray:
        """Score for `target_losses`, for all three tasks."""
        return np.log(self.single[targets])

    def bigram_score(self, inputs, targets) -> np.ndarray:
        """Score for `next_token`: each target follows the input at its place."""
        return np.log(self.after(inputs["token_ids"], targets))

    def neighbours_score(self, inputs, targets) -> np.ndarray:
        """Score for `masked_task`: neighbours as the model sees them; one that is masked was never seen, so counts nothing."""
        ids, places = inputs["token_ids"], inputs["mask_positions"]
        left = np.take_along_axis(ids, np.maximum(places - 1, 0), 1)
        right = np.take_along_axis(ids, np.minimum(places + 1, ids.shape[1] - 1), 1)
        return np.log(self.between(left, targets, right))


# ---- what it costs


def operations_a_token(size: Size, vocabulary_size: int, predicted_share: float = 1.0) -> int:
    """Floating-point operations of training on one token: 6 N (Kaplan et al., 2020, 2.1).

    N counts the weights that multiply each token: the layers' matrices, and the output embedding for the share of the
    tokens that is predicted. The input embedding is looked up, which costs nothing; attention scores are left out.
    """
    matrices = size.layers * (4 * size.width**2 + 2 * size.width * size.intermediate)
    return round(6 * (matrices + predicted_share * vocabulary_size * size.width))


@dataclass(frozen=True)
class PowerLaw:
    """loss = a * n ** -b, fitted by least squares of logarithms; `covariance` is that of (log a, -b)."""

    a: float
    b: float
    covariance: np.ndarray
    freedom: int  # points less two
    noise: float  # variance of one point's log loss

    def at(self, n: float) -> tuple[float, float, float]:
        """Loss at n and the ends of the interval that holds a new run's in 95 of 100 cases, if the law goes on so far."""
        x = np.array([1.0, np.log(n)])
        middle = np.log(self.a) - self.b * x[1]
        reach = stats.t.ppf(0.975, self.freedom) * np.sqrt(x @ self.covariance @ x + self.noise)
        return tuple(float(value) for value in np.exp([middle, middle - reach, middle + reach]))

    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of the exponent b."""
        reach = stats.t.ppf(0.975, self.freedom) * np.sqrt(self.covariance[1, 1])
        return float(self.b - reach), float(self.b + reach)


def fit_power_law(n: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """Fit a straight line through (log n, log loss). Raises ValueError for fewer than three sizes or values not above 0."""
    n, losses = np.asarray(n, dtype="float64"), np.asarray(losses, dtype="float64")
    if len(np.unique(n)) < 3 or (n <= 0).any() or (losses <= 0).any():
        raise ValueError("A power law with its uncertainty takes three different sizes or more, and values above 0.")
    x = np.stack([np.ones_like(n), np.log(n)], axis=1)
    solution, *_ = np.linalg.lstsq(x, np.log(losses), rcond=None)
    noise = float(np.sum((np.log(losses) - x @ solution) ** 2) / (len(n) - 2))
    covariance = noise * np.linalg.inv(x.T @ x)
    return PowerLaw(float(np.exp(solution[0])), float(-solution[1]), covariance, len(n) - 2, noise)


# ---- what a pre-trained model says


def longest(model: keras.Model) -> int:
    """Number of tokens that the model has positions for."""
    return model.get_layer("position_embedding").sequence_length


def fill_blanks(model: keras.Model, tokenizer, text: str, number: int = 5) -> list[list[tuple[str, float]]]:
    """For each "[MASK]" in the text, the likeliest pieces with their probabilities.

    Raises ValueError where there is none, the text is too long, or model and vocabulary do not belong together.
    """
    check_vocabulary(model, tokenizer.vocabulary_size())
    parts = [ids[1:-1] for ids in models.token_ids(tokenizer, text.split("[MASK]"), sys.maxsize)]
    ids = [tokenizer.cls_token_id, *parts[0]]
    for part in parts[1:]:
        ids += [tokenizer.mask_token_id, *part]
    ids = np.array([[*ids, tokenizer.sep_token_id]], dtype="int32")
    places = np.flatnonzero(ids[0] == tokenizer.mask_token_id)
    if not len(places) or ids.shape[1] > longest(model):
        raise ValueError(
            f"It takes a text with [MASK] in it and at most {longest(model)} tokens; this has {ids.shape[1]}."
        )
    inputs = {**encoder_inputs(ids, np.ones_like(ids)), "mask_positions": places[None].astype("int32")}
    probabilities = softmax(model.predict_on_batch(inputs)[0].astype("float64"), axis=-1)
    best = np.argsort(-probabilities, axis=-1)[:, :number]
    rows = zip(probabilities, best, strict=True)
    return [[(tokenizer.id_to_token(int(i)), float(row[i])) for i in some] for row, some in rows]


def continue_text(model, tokenizer, text: str, tokens: int = 20, temperature: float = 1.0, seed: int = 42) -> str:
    """The text and up to `tokens` more, drawn one at a time; temperature 0 takes the likeliest. Ends at [SEP].

    The model sees the last tokens that it has positions for. Raises ValueError for a vocabulary that does not fit.
    """
    check_vocabulary(model, tokenizer.vocabulary_size())
    random, length = np.random.default_rng(seed), longest(model) - 1  # the last place had no target in training
    ids = models.token_ids(tokenizer, [text], sys.maxsize)[0][:-1].tolist()
    never = [tokenizer.token_to_id(piece) for piece in SPECIAL if piece != "[SEP]"]
    for _ in range(tokens):
        seen = ids[-length:]
        padded = np.array(
            [seen + [tokenizer.pad_token_id] * (length - len(seen))], dtype="int32"
        )  # one length: one graph
        inputs = {"token_ids": padded, "padding_mask": (np.arange(length) < len(seen))[None].astype("int32")}
        logits = model.predict_on_batch(inputs)[0, len(seen) - 1].astype("float64")
        logits[never] = -np.inf
        probabilities = softmax(logits / temperature) if temperature else logits == logits.max()
        ids.append(int(random.choice(len(logits), p=probabilities / probabilities.sum())))
        if ids[-1] == tokenizer.sep_token_id:
            break
    pieces = [tokenizer.id_to_token(i) for i in ids[1:] if i != tokenizer.sep_token_id]
    return " ".join(pieces).replace(" ##", "")


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
