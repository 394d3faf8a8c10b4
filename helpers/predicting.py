"""Lesson 11: use an exported model: with onnxruntime and `tokenizers`, or as a bag of words; Keras and TensorFlow stay out.

    python -m helpers.predicting --data new.csv       a class and its probability for each row, in a new file
    python -m helpers.predicting "Never again."       for texts of the command line

The model is the one that lesson 11 exported last; `--model FOLDER` names another.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from helpers import own_file, runtime, words

KINDS = ("onnx", "bag_of_words")
WINDOWS = "windows.json"  # beside an ONNX file: the most windows that are read of a text; no file: one
BATCH, TOKENS = 32, 32 * 128  # texts, and tokens, at a time: few enough for the memory of a small machine


def number_at_once(tokens: int) -> int:
    """How many texts, or windows, of so many tokens a graph gets at a time: 32, fewer of long ones, at least one."""
    return max(1, min(BATCH, TOKENS // tokens))


class OnnxModel:
    """An ONNX export that answers, with onnxruntime and `tokenizers` alone: `model(texts)` gives probabilities."""

    def __init__(self, folder: Path, kind: str = "float32", threads: int = 2):
        """Raises FileNotFoundError when the folder lacks a file."""
        import onnxruntime
        from tokenizers import Tokenizer

        path = folder / ("model.onnx" if kind == "float32" else f"model-{kind}.onnx")
        for needed in (path, folder / "tokenizer.json"):
            if not needed.is_file():
                raise FileNotFoundError(f"There is no {needed.name} in {folder}. `export.write_onnx` makes it.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding()
        windows = folder / WINDOWS
        self.num_windows = json.loads(windows.read_text(encoding="utf-8")) if windows.is_file() else 1

    def windows_of(self, texts: Sequence[str]) -> list[list]:
        """The encodings of each text's windows: what goes beyond the first, the tokenizer gives as `overflowing`."""
        encodings = self.tokenizer.encode_batch(list(texts))
        return [[encoding, *encoding.overflowing][: self.num_windows] for encoding in encodings]

    def feed(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The model's inputs, int32 (windows, longest), as `models.inputs_of` makes them; most texts are one window."""
        return self.arrays_of(self.windows_of(texts))

    def arrays_of(self, texts: Sequence[list]) -> dict[str, np.ndarray]:
        """The same, from what `windows_of` gives."""
        encodings = [window for windows in texts for window in windows]
        ids = np.array([encoding.ids for encoding in encodings], dtype="int32")
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype="int32")
        return {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": mask}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        windows = self.windows_of(texts)
        arrays = self.arrays_of(windows)
        number, longest = arrays["token_ids"].shape
        at_once = number_at_once(longest)
        starts = range(0, number, at_once)
        parts = [{name: rows[start : start + at_once] for name, rows in arrays.items()} for start in starts]
        logits = np.concatenate([self.session.run(None, part)[0] for part in parts])
        ends = np.cumsum([len(part) for part in windows])[:-1]
        return softmax(np.stack([part.mean(axis=0) for part in np.split(logits, ends)]), axis=1)


@dataclass(frozen=True)
class Model:
    """A model ready for use: the names of its classes, and `answer`, from texts to probabilities (texts, classes)."""

    labels: tuple[str, ...]
    answer: object

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Probability of each class, float (texts, classes). Texts are cleaned as those of the training were.

        Raises TypeError for what is not a string.
        """
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"Text {row} is {text!r}, not a string.")
        texts = [own_file.clean_text(text) for text in texts]
        parts = [self.answer(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.labels)))

    def label(self, texts: Sequence[str]) -> pd.DataFrame:
        """A row a text: `label`, the most probable class, and its `probability`."""
        found = self(texts)
        labels = [self.labels[number] for number in found.argmax(axis=1)]
        return pd.DataFrame({"label": labels, "probability": found.max(axis=1) if len(found) else []})


def write_facts(folder: Path, kind: str, labels: Sequence[str]) -> None:
    """Write model.json, which says what answers in a model's folder (one of KINDS), and let `latest` point at the folder."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}.")
    with runtime.written_whole(folder / "model.json") as unfinished:
        facts = {"kind": kind, "labels": list(labels)}
        unfinished.write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
    with runtime.written_whole(latest()) as link:
        link.symlink_to(folder.resolve(), target_is_directory=True)


def latest() -> Path:
    """Where the link to the last exported model lies."""
    return runtime.artifacts_folder() / "latest"


def load(folder: Path | str | None = None, form: str = "float32", threads: int = 2) -> Model:
    """The model in a folder that lesson 11 made; None: the last one. `form` and `threads`: of an ONNX file.

    Raises FileNotFoundError where there is none, ValueError where its files are damaged.
    """
    folder = Path(folder or latest())
    path = folder / "model.json"
    if not path.is_file():
        raise FileNotFoundError(f"There is no model in {folder}. Lesson 11 exports one: `make run DATA=mine.csv`.")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        kind, labels = KINDS[KINDS.index(facts["kind"])], tuple(facts["labels"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}). Export the model again.") from error
    if kind == "bag_of_words":
        return Model(labels, words.read_bag_of_words(folder / kind).predict_proba)
    return Model(labels, OnnxModel(folder / "onnx", form, threads))


def predict_file(model: Model, path: Path, text: str | None, output: Path) -> pd.DataFrame:
    """Write `label` and `probability` beside each text of a file (CSV, TSV, JSON Lines ...), and return the table.

    `text` names the column, or several with commas between, or its number where the file has no header. Raises
    FileNotFoundError and DataError as `own_file.load` does.
    """
    frame = own_file.load_texts(own_file.Source(str(path), text=text))
    frame = pd.concat([frame, model.label(frame["text"].tolist())], axis=1)
    with runtime.written_whole(output) as unfinished:
        frame.to_csv(unfinished, index=False, encoding="utf-8")
    return frame


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and do what it says; ends the program with a word where that cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", help="texts to classify")
    parser.add_argument("--model", help="a folder that lesson 11 made; the last one where it is not given")
    parser.add_argument("--data", help="a file of texts")
    parser.add_argument("--text", help="its column of texts, or several with commas between")
    parser.add_argument("--output", help="where the answers go; else beside the file, as NAME.predictions.csv")
    options = parser.parse_args(arguments)
    if bool(options.texts) == bool(options.data):
        parser.error("give texts, or a file by --data")
    try:
        model = load(options.model)
        if options.texts:
            for text, row in zip(options.texts, model.label(options.texts).itertuples(), strict=True):
                print(f"{row.label}  {row.probability:.3f}  {text}")
            return
        path = Path(options.data)
        output = Path(
            options.output or path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.csv')}.predictions.csv")
        )
        if output.resolve() == path.resolve():
            sys.exit(f"{output} is the file of the texts itself. Name another one by --output.")
        found = predict_file(model, path, options.text, output)
    except (FileNotFoundError, ValueError) as error:  # DataError is a ValueError
        sys.exit(str(error))
    print(f"{found['label'].value_counts().to_string()}\n{len(found):,} answers: {output}")


if __name__ == "__main__":
    main()
