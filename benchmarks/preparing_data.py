"""Preparing data: texts a second from strings to what a model takes, and how time and memory grow with the rows.

The two spaCy ways end in lemmas, as the article has it; all others end in padded token ids. The rows are the training
reviews, over and over: the same text comes back only after all others, but a way that kept answers would gain by it.
"""

import functools
import sys
import tempfile
import time
from pathlib import Path

import contest

from helpers import data, runtime

SIZE = {"rows": [1000, 10_000, 100_000], "article_rows": 20, "batch": 32}
TINY = {"rows": [50, 100], "article_rows": 2, "batch": 32}
NAMES = {
    "article": "spaCy, loaded for each text",
    "spacy": "spaCy, loaded once, pipe",
    "hub_text": "KerasHub, mapped by text",
    "hub_batch": "KerasHub, mapped by batch",
    "fast": "FastBertTokenizer",
    "tokenizers": "tokenizers",
    "course": "the course",
}


def prepare(size: dict) -> dict:
    """Texts a second, and growth of time and memory."""
    runtime.start()
    from helpers import models

    models.locate()
    splits, _ = data.prepare_splits()
    return {name: size[name] for name in SIZE} | {"train": data.content_hash(splits["train"])}


def reviews(number: int) -> list[str]:
    """So many texts: the training reviews, repeated."""
    texts = data.prepare_splits()[0]["train"]["text"].tolist()
    return (texts * (number // len(texts) + 1))[:number]


# Each function makes ready what is made once, off the clock, and returns a function from texts to a number of rows done.


def article(size: dict, folder: Path):
    """spaCy's pipeline read from disk for each text, as in the article's listing; lemmas."""
    import spacy

    spacy_pipeline().to_disk(folder)
    return lambda texts: sum(bool([token.lemma_ for token in spacy.load(folder)(text)]) for text in texts)


def spacy_pipeline():
    """English rules and lemmas from a table: a trained pipeline, as the article has, would be slower still."""
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("lemmatizer", config={"mode": "lookup"}).initialize()
    return pipeline


def spacy_pipe(size: dict, folder: Path):
    """The same pipeline, loaded once, texts in batches."""
    pipeline = spacy_pipeline()
    return lambda texts: sum(bool([token.lemma_ for token in document]) for document in pipeline.pipe(texts))


def kerashub(size: dict, folder: Path, by_batch: bool):
    """KerasHub's preprocessor mapped over a `tf.data.Dataset`, before or after it is cut into batches."""
    import tensorflow as tf

    from helpers import models

    tokenizer = models.load_tokenizer()
    layer = models.keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=models.MAX_LENGTH)

    def done(texts):
        """Iterate over all batches."""
        dataset = tf.data.Dataset.from_tensor_slices(texts)
        dataset = dataset.batch(size["batch"]).map(layer) if by_batch else dataset.map(layer).batch(size["batch"])
        return sum(len(batch["token_ids"]) for batch in dataset)

    return done


def fast(size: dict, folder: Path):
    """tensorflow-text's FastBertTokenizer, mapped by batch, padded to the longest text of the batch."""
    import tensorflow as tf
    import tensorflow_text

    from helpers import models

    tokenizer = models.load_tokenizer()
    layer = tensorflow_text.FastBertTokenizer(
        tokenizer.get_vocabulary(), token_out_type=tf.int32, lower_case_nfd_strip_accents=True
    )

    def ids(texts):
        """Padded ids of a batch, framed by [CLS] and [SEP]."""
        pieces = layer.tokenize(texts)[:, :126]
        start, end = (tf.fill([tf.size(texts), 1], token) for token in (tokenizer.cls_token_id, tokenizer.sep_token_id))
        return tf.concat([start, pieces, end], axis=1).to_tensor()

    def done(texts):
        """Iterate over all batches."""
        return sum(len(rows) for rows in tf.data.Dataset.from_tensor_slices(texts).batch(size["batch"]).map(ids))

    return done


def tokenizers(size: dict, folder: Path):
    """The `tokenizers` package, in batches, padded to the longest text of the batch."""
    import numpy as np

    from helpers import models, tokenization

    tokenizer = tokenization.make_reference_tokenizer(
        models.load_tokenizer().get_vocabulary(), max_length=models.MAX_LENGTH
    )
    tokenizer.enable_padding()

    def done(texts):
        """Encode batch by batch."""
        parts = (texts[i : i + size["batch"]] for i in range(0, len(texts), size["batch"]))
        return sum(len(np.array([row.ids for row in tokenizer.encode_batch(part)], "int32")) for part in parts)

    return done


def course(size: dict, folder: Path):
    """The course's path: `models.token_ids`, then batches of texts of like length."""
    from helpers import finetuning, models

    tokenizer = models.load_tokenizer()

    def done(texts):
        """All ids first, then batch by batch."""
        batches = finetuning.LengthGroupedBatches(models.token_ids(tokenizer, texts), batch_size=size["batch"])
        return sum(len(batches[i][0]["token_ids"]) for i in range(len(batches)))

    return done


WAYS = {
    "article": article,
    "spacy": spacy_pipe,
    "hub_text": functools.partial(kerashub, by_batch=False),
    "hub_batch": functools.partial(kerashub, by_batch=True),
    "fast": fast,
    "tokenizers": tokenizers,
    "course": course,
}


def measured(size: dict, way: str) -> dict:
    """Texts a second and memory beyond the texts (MB) for each number of rows."""
    runtime.start(size["seed"])
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        done = WAYS[way](size, Path(folder))
        done(reviews(10))  # graphs are built, tables are loaded
        for rows in [size["article_rows"]] if way == "article" else size["rows"]:
            texts = reviews(rows)
            contest.reset_peak()
            before, started = contest.memory_mb("VmRSS"), time.perf_counter()
            if done(texts) != rows:
                raise RuntimeError(f"{NAMES[way]} did not do all of {rows} rows.")
            seconds, peak = time.perf_counter() - started, contest.memory_mb()
            key = "few" if way == "article" else str(rows)
            found |= {f"seconds, {key}": seconds, f"texts a second, {key}": rows / seconds}
            found[f"MB, {key}"] = peak and max(0.0, peak - before)
    return found


def numbers_of_rows(rounds: list[dict]) -> list[str]:
    """The numbers of rows that were measured, least first, as they stand in the measurements' names."""
    names = {name.removeprefix("seconds, ") for row in rounds for name in row["values"] if name.startswith("seconds, ")}
    return sorted((name for name in names if name != "few"), key=int)


def speeds(rounds: list[dict]) -> dict:
    """Name -> spread of texts a second at the most rows, where building a graph no longer matters."""
    most = numbers_of_rows(rounds)[-1]
    return {
        name: contest.summary(rounds, name, f"texts a second, {'few' if key == 'article' else most}")
        for key, name in NAMES.items()
    }


def growth(rounds: list[dict], name: str, measure: str) -> tuple[float, float, float] | None:
    """Spread over rounds of (measure at the most rows) / (measure at the fewest), divided by the ratio of the rows.

    1: it grows as the rows do. 0: it does not grow at all.
    """
    keys = numbers_of_rows(rounds)
    few, many = (contest.values(rounds, name, f"{measure}, {key}") for key in (keys[0], keys[-1]))
    factor = int(keys[-1]) / int(keys[0])
    return contest.spread([many[i] / few[i] / factor for i in sorted(few.keys() & many.keys()) if few[i]])


def report(rounds: list[dict]) -> str:
    """Speed; growth of time and memory."""
    keys = numbers_of_rows(rounds)
    found, rows = speeds(rounds), []
    for key, name in NAMES.items():
        measures = [] if key == "article" else [f"texts a second, {number}" for number in (keys[-1], keys[0])]
        against = [contest.ratio(rounds, measure, NAMES["course"], name) for measure in measures] or [None, None]
        rows.append([name, contest.shown(found[name], 0), *(contest.shown(numbers, 2) for numbers in against)])
    head = ["way", "texts a second", "the course is so many times as fast", f"with {int(keys[0]):,} rows"]
    speed = contest.table(head, rows)
    rows = []
    for key, name in NAMES.items():
        if key == "article":
            continue
        memory = [contest.shown(contest.summary(rounds, name, f"MB, {number}"), 0) for number in keys]
        times = [contest.shown(contest.summary(rounds, name, f"seconds, {number}"), 2) for number in keys]
        rows.append([name, *times, contest.shown(growth(rounds, name, "seconds"), 2), *memory])
    head = [f"seconds, {int(number):,} rows" for number in keys] + ["growth of time by growth of rows"]
    grown = contest.table(["way", *head, *[f"MB, {int(number):,} rows" for number in keys]], rows)
    return f"{speed}\n\n{grown}"


def figure(rounds: list[dict]):
    """Texts a second."""
    return contest.bars("Preparing texts", "texts a second (bar: median, line: all rounds)", speeds(rounds), log=True)


CONTESTANTS = {name: functools.partial(measured, way=key) for key, name in NAMES.items()}
CONTEST = contest.Contest("preparing_data", CONTESTANTS, SIZE, TINY, prepare, report, figure, rounds=2)

if __name__ == "__main__":
    sys.exit(contest.main(CONTEST, Path(__file__)))
