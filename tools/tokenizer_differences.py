"""Do all runtimes read alike? python tools/tokenizer_differences.py [--strings 100000] [--every 1]

Each text goes through each way from strings to ids that the course has, and through the tokenizer.json that MiniLM's authors
publish, which is the truth. The texts: every character that this Python knows, between letters, at both ends, doubled;
then random strings that mix scripts, marks, emoji, spaces and controls. Counts are printed; data/tokenizer_differences.csv gets
each text that a runtime reads otherwise, and ends empty when there is none. Run it under the newest Python of the course,
which knows the most characters.
"""

import argparse
import csv
import json
import random
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from helpers import models, runtime, tokenization

TARGET = runtime.COURSE / "data" / "tokenizer_differences.csv"
Ids = list[list[int]]


# ---- texts


def assigned_characters() -> list[str]:
    """All characters that the running Python's Unicode version has assigned, surrogates left out."""
    return [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]


def texts_of(characters: Sequence[str]) -> list[str]:
    """Each character between letters, at both ends of a text, and doubled."""
    return [form.format(c) for c in characters for form in ("a{0}b", "{0}a {0} b{0}", "a{0}{0}b")]


WORDS = (
    "naïve", "CAFÉ", "don't", "北京", "Ünïted", "[SEP]", "[MASK]", "e\u0301t\u0301", "it’s", "¿qué?", "3.14", "a" * 101,
    "é" * 60, "हि" * 51, "👨\u200d👩\u200d👧", "\u00a0", "\u200b", "\t", "\x00", "İ", "ﷺ", "한국어", "हिन्दी", "Σίσυφος", "ẛ̣",
)  # fmt: skip


def random_texts(number: int, seed: int = 0) -> list[str]:
    """Texts of up to twelve parts: letters of all scripts, marks, emoji, spaces, controls, awkward words."""
    draw, groups = random.Random(seed), {}
    for character in assigned_characters():
        groups.setdefault(unicodedata.category(character), []).append(character)
    groups["emoji"] = [chr(code) for code in range(0x1F300, 0x1FB00)]
    groups["ASCII"] = [chr(code) for code in range(128)]
    kinds = sorted(groups)
    pick = [
        lambda: draw.choice(WORDS),
        lambda: draw.choice(groups[draw.choice(kinds)]),
        lambda: draw.choice("aeou") + draw.choice(groups["Mn"]) * draw.randrange(1, 3),
        lambda: " ",
    ]
    return ["".join(draw.choice(pick)() for _ in range(draw.randrange(13))) for _ in range(number)]


# ---- runtimes


def published(texts: Sequence[str]) -> Ids:
    """The truth: tokenizer.json as MiniLM's authors publish it, cut as the course cuts.

    But "[MASK]" in a text is taken for plain characters, as BERT's own program takes it: who writes a text should not be
    able to write the model's control tokens.
    """
    from tokenizers import Tokenizer

    rules = json.loads((models.minilm_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_str(json.dumps(rules | {"added_tokens": []}))
    tokenizer.no_padding()
    tokenizer.enable_truncation(models.MAX_LENGTH)
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


def by_keras(tokenizer) -> Callable[[Sequence[str]], Ids]:
    """Training and `predict`."""
    return lambda texts: [ids.tolist() for ids in models.token_ids(tokenizer, texts)]


def by_graph(tokenizer) -> Callable[[Sequence[str]], Ids]:
    """SavedModel and TF-Hub pair: TensorFlow's operations, compiled as they are there."""
    import tensorflow as tf

    signature = [tf.TensorSpec([None], tf.string)]
    token_ids = tokenization.token_windows_in_graph(tokenizer, models.MAX_LENGTH)
    function = tf.function(lambda texts: token_ids(texts)[0], input_signature=signature)
    return lambda texts: without_padding(function(tf.constant(list(texts), tf.string)).numpy())


def by_lite(tokenizer) -> Callable[[Sequence[str]], Ids]:
    """LiteRT: the operations in a file of their own, and the table of characters as it lies beside such a file."""
    import tensorflow as tf
    import tensorflow_text
    from tensorflow.lite.python.interpreter import InterpreterWithCustomOps

    token_ids = tokenization.token_windows_in_lite(tokenizer, models.MAX_LENGTH)
    function = tf.function(
        lambda texts: token_ids(texts)[0], input_signature=[tf.TensorSpec([1], tf.string, name="texts")]
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())
    converter.allow_custom_ops = True
    operations = tensorflow_text.tflite_registrar.SELECT_TFTEXT_OPS
    interpreter = InterpreterWithCustomOps(model_content=converter.convert(), custom_op_registerers=operations)
    run = interpreter.get_signature_runner()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "characters.csv"
        tokenization.write_table(tokenization.make_table(tokenization.rules_of(tokenizer)), path)
        table = tokenization.read_table(path)

    def ids(texts: Sequence[str]) -> Ids:
        """One text at a time, as LiteRT works."""
        rows = []
        for text in texts:
            words = " ".join(tokenization.divide_words(text, table))
            rows.extend(without_padding(next(iter(run(texts=np.array([words])).values()))))
        return rows

    return ids


def by_onnx(tokenizer) -> Callable[[Sequence[str]], Ids]:
    """ONNX: the file that lies beside the model."""
    from tokenizers import Tokenizer

    rules, vocabulary = tokenization.rules_of(tokenizer), tokenizer.get_vocabulary()
    written = tokenization.make_reference_tokenizer(vocabulary, rules, models.MAX_LENGTH).to_str()
    read = Tokenizer.from_str(written)
    return lambda texts: [encoding.ids for encoding in read.encode_batch(list(texts))]


def without_padding(rows: np.ndarray) -> Ids:
    """Rows of ids less the zeros at their ends."""
    lengths = (rows != 0).sum(axis=1)
    return [row[:length].tolist() for row, length in zip(rows, lengths, strict=True)]


RUNTIMES = {"Keras": by_keras, "TensorFlow graph": by_graph, "LiteRT": by_lite, "ONNX": by_onnx}


def differing(texts: Sequence[str], read: Callable[[Sequence[str]], Ids], truth=published) -> list[str]:
    """The texts that a runtime reads otherwise than the truth."""
    return [text for text, a, b in zip(texts, read(texts), truth(texts), strict=True) if a != b]


def compare_probabilities(texts: Sequence[str]) -> dict[str, float]:
    """Largest difference in any probability from Keras's, on the course's classifier with its untrained head: by export."""
    import tensorflow as tf

    from helpers import export, finetuning, predicting

    classifier = models.make_classifier()
    expected = finetuning.predict_proba(classifier, texts)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        served = tf.saved_model.load(str(export.write_saved_model(classifier, folder / "saved_model")))
        lite = export.lite_path(export.write_lite(classifier, folder / "lite", [], ["float32"]), "float32")
        runtimes = {
            "SavedModel": lambda part: served.predict(tf.constant(list(part))).numpy(),
            "LiteRT float32": export.LiteModel(lite),
            "ONNX": predicting.OnnxModel(export.write_onnx(classifier, folder / "onnx")),
        }
        found = {name: [run(part) for part in parts_of(texts, 50)] for name, run in runtimes.items()}
    return {name: float(np.abs(np.concatenate(answers) - expected).max()) for name, answers in found.items()}


# ---- all of it


def parts_of(texts: Sequence[str], size: int = 20_000) -> Iterator[Sequence[str]]:
    """The texts in parts, under a progress bar."""
    for start in tqdm(range(0, len(texts), size), unit_scale=size, unit=" texts"):
        yield texts[start : start + size]


def main() -> None:
    """Compare everything, print the counts, write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strings", type=int, default=100_000, help="random strings (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th character (default: all)")
    parser.add_argument("--probabilities", type=int, help="compare instead the probabilities of so many random strings")
    options = parser.parse_args()
    runtime.start()
    if options.probabilities:
        for name, difference in compare_probabilities(random_texts(options.probabilities)).items():
            print(f"{name}: {options.probabilities} strings, largest difference in a probability {difference:.1g}")
        return
    characters = assigned_characters()[:: options.every]
    texts = texts_of(characters) + random_texts(options.strings)
    print(f"{len(characters)} characters in three texts each, and {options.strings} random strings")
    tokenizer, rows = models.load_tokenizer(), []
    for name, make in RUNTIMES.items():
        started, read = time.monotonic(), make(tokenizer)
        found = [text for part in parts_of(texts) for text in differing(part, read)]
        rows += [(name, " ".join(f"{ord(c):04X}" for c in text)) for text in found]
        print(
            f"{name}: {len(texts)} texts, {len(found)} differ, {(time.monotonic() - started) / 60:.1f} min", flush=True
        )
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("runtime", "text"), *rows])


if __name__ == "__main__":
    main()
