"""Lesson 01: splits without leaks, of the reviews, a reader's own file or a TensorFlow data set, for all lessons."""

import contextlib
import csv
import functools
import hashlib
import io
import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import cleaning, own_file, runtime, tables

LABELS = ("negative", "positive")  # label 0 and label 1
LATER_DOMAINS = ("course", "travel")  # kept out of all splits: fields that the model has never seen
SPLIT_SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}
STRATUM = ["domain", "stars", "style"]
SOURCES = [Path(module.__file__) for module in (cleaning, tables, own_file)] + [Path(__file__)]  # what makes the splits


# ---- splits without leaks


def label(stars: pd.Series) -> pd.Series:
    """Label of each review: 1 (4-5 stars), 0 (1-2 stars), -1 for 3 stars: undecided."""
    return pd.Series(np.select([stars >= 4, stars <= 2], [1, 0], -1), index=stars.index, name="label")


def content_hash(frame: pd.DataFrame) -> str:
    """SHA-256 (64 hex digits) of the texts and labels of a frame, in order: the same data, the same hash."""
    return hashlib.sha256(frame[["text", "label"]].to_csv(index=False).encode()).hexdigest()


def cluster(texts: Sequence[str], threshold: float = 0.5, divide: Callable = cleaning.divide_english) -> np.ndarray:
    """Cluster number of each text, int array (texts,): near-duplicates, and theirs, share one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = cleaning.find_near_duplicates(texts, threshold, divide)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(texts), len(texts)))
    return connected_components(links, directed=False)[1]


def deal(rows: pd.DataFrame, stratum: list[str], clusters: np.ndarray | None = None) -> dict[str, pd.DataFrame]:
    """Deal rows to `train`, `validation` and `test` by SPLIT_SHARES within each stratum.

    Clusters of near-duplicates go whole, in the order of their smallest hash, to the first of test, validation and
    train that still has room. So no text has a near-duplicate on another side, and the sizes are exact where the
    clusters are small. With `clusters` (`find_families`; int array, one number a row) they go in the order of the hash of
    their alphabetically first text. The smallest of many hashes is small, so by the first rule large clusters come to the
    test more often than to training. For the reviews it was left as it is: another rule would deal them anew.
    """
    hashes = rows["text"].map(cleaning.stable_hash)
    if clusters is None:
        members = rows.assign(cluster=cluster(rows["text"].tolist()), order=hashes).sort_values("order")
    else:
        rows = rows.assign(cluster=clusters, order=hashes)
        first = rows.sort_values("text").groupby("cluster")["order"].first()
        members = rows.assign(order=rows["cluster"].map(first)).sort_values(["order", "text"])
    rows = rows.assign(cluster=members["cluster"])
    whole = members.groupby("cluster", sort=False).agg(
        size=("text", "size"), **{column: (column, "first") for column in stratum}
    )
    side = rows["cluster"].map(_choose_sides(whole, stratum))
    rows = rows.drop(columns=["cluster", "order"], errors="ignore")
    return {name: rows[side == name].reset_index(drop=True) for name in SPLIT_SHARES}


def _choose_sides(clusters: pd.DataFrame, stratum: list[str]) -> dict[int, str]:
    """Cluster number -> its side, of clusters (the index) with their `size` and stratum, in the order of dealing."""
    side_of: dict[int, str] = {}
    dealt = dict.fromkeys(SPLIT_SHARES, 0)
    total = 0
    for _, part in clusters.groupby(stratum):
        total += int(part["size"].sum())
        # Quotas are of the running total, so that rounding never adds up over the strata.
        room = {name: round(share * total) - dealt[name] for name, share in SPLIT_SHARES.items()}
        for number, size in part["size"].items():
            name = next((n for n in ("test", "validation") if room[n] >= size), "train")
            side_of[number] = name
            room[name] -= size
            dealt[name] += size
    return side_of


def split(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Divide clean reviews into `train`, `validation`, `test`, `undecided`, `later`.

    `later` holds the domains in LATER_DOMAINS, `undecided` the 3-star reviews of the others.
    The rest is dealt by `deal` within each stratum (domain, stars, style).
    """
    frame = frame.assign(label=label(frame["stars"]))
    is_later = frame["domain"].isin(LATER_DOMAINS)
    is_undecided = ~is_later & (frame["label"] == -1)
    splits = deal(frame[~is_later & ~is_undecided], STRATUM)
    splits |= {"undecided": frame[is_undecided], "later": frame[is_later]}
    return {name: part.reset_index(drop=True) for name, part in splits.items()}


LARGEST_FAMILY = SPLIT_SHARES["test"]  # of a class; a larger family fits into no other side than training
STRICTER = 0.8  # share of common word pairs by which the rows of such a family are told apart


def find_families(rows: pd.DataFrame) -> np.ndarray:
    """Number of the family of near-copies that each row belongs to, int array (rows,); columns text and label.

    A family with more than LARGEST_FAMILY of a class's rows is parted by STRICTER, and a line says so.
    """
    found = pd.Series(cluster(rows["text"].tolist(), divide=own_file.divide), index=rows.index)
    together = rows.assign(family=found).groupby(["label", "family"])["text"].transform("size")
    of_class = rows.groupby("label")["text"].transform("size")
    giant = found.isin(set(found[together > (LARGEST_FAMILY * of_class).clip(lower=1)]))
    if giant.any():
        print(
            f"{int(giant.sum()):,} rows are so much alike that they would stand on one side of the split. They are parted where "
            f"less than {STRICTER:.0%} of their word pairs agree, so the test holds texts much like some of training."
        )
        found[giant] = found.max() + 1 + cluster(rows["text"][giant].tolist(), STRICTER, own_file.divide)
    return found.to_numpy()


def split_own_file(frame: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """`train`, `validation` and `test` of the rows of `own_file.read`, and the names of the classes.

    `label` becomes 0 to K - 1 (`own_file.number_labels`). Rows that the reader has split (column `side`) keep their side;
    what is missing is carved from the training rows. Raises DataError for a class that cannot be trained or tested.
    """
    numbered, names = own_file.number_labels(frame)
    if "side" in numbered:
        splits = _complete({side: part.drop(columns="side") for side, part in numbered.groupby("side")})
    else:
        splits = deal(numbered, ["label"], find_families(numbered))
    for number, name in enumerate(names):
        missing = [side for side in ("train", "test") if not (splits[side]["label"] == number).any()]
        if missing and "side" in numbered:
            raise own_file.DataError(f"Class {name!r} has no row to {missing[0]} with. Add some to that file.")
        if missing:
            raise own_file.DataError(f"The rows of class {name!r} are near-copies of each other. Add rows that differ.")
    if splits["validation"].empty:
        raise own_file.DataError(
            "No row is left to choose with: the texts are near-copies of each other. Add rows that differ."
        )
    return splits, names


def _complete(sides: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """All three splits, those that are missing carved from the training rows by SPLIT_SHARES."""
    for side in ("test", "validation"):
        if side not in sides:
            sides["train"], sides[side] = carve(sides["train"], SPLIT_SHARES[side])
    return {side: sides[side].reset_index(drop=True) for side in SPLIT_SHARES}


CARVED = 0.1  # of the training split, where a public data set has no labelled split to choose with


def carve(frame: pd.DataFrame, share: float = CARVED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide rows in two, the second with `share` of each label (rounded, at least one row): those whose texts have
    the smallest hashes, so the same on every machine and in any order of the rows. Equal texts stay together."""
    hashes = frame["text"].map(cleaning.stable_hash)
    sizes = (frame.groupby("label")["text"].transform("size") * share).round().clip(lower=1)
    chosen = hashes.groupby(frame["label"]).rank(method="first") <= sizes
    chosen = frame["text"].isin(set(frame["text"][chosen]))
    return frame[~chosen].reset_index(drop=True), frame[chosen].reset_index(drop=True)


# ---- the splits that all lessons share


def is_own_file(source: str | dict) -> bool:
    """Whether a source names a reader's file or folder: by its ending, or because it is there."""
    if isinstance(source, dict):
        return True
    return bool(OWN_FILE.search(source)) or Path(source).exists()


def name_of(source: str | dict) -> str:
    """What a source is called in a report: of a reader's file the name, without the folders of this machine."""
    return Path(own_file.as_source(source).file).name if is_own_file(source) else source


OWN_FILE = re.compile(r"\.(csv|tsv|txt|jsonl?|ndjson|parquet|xlsx?)(\.gz)?$", re.IGNORECASE)


def make_splits(source: str | dict, max_rows: int | None) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The splits of a source, and the names of the classes; arguments, columns and errors as in `prepare_splits`."""
    if source == "reviews":
        return split(cleaning.clean(cleaning.load())[0]), LABELS
    if is_own_file(source):
        return split_own_file(own_file.read(source, max_rows))
    return load_tfds(source)


def write_splits(folder: Path, splits: dict[str, pd.DataFrame]) -> None:
    """Write a CSV file for each split. All texts stand in quotes: else a lone carriage return would end a row."""
    for name, part in splits.items():
        part.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8", quoting=csv.QUOTE_NONNUMERIC)


def read_splits(folder: Path) -> dict[str, pd.DataFrame]:
    """What `write_splits` wrote; nothing in it is taken for a missing value."""
    paths = sorted(folder.glob("*.csv"))
    return {path.stem: pd.read_csv(path, keep_default_na=False, dtype={"text": str}) for path in paths}


def prepare_splits(
    source: str | dict = "reviews", max_rows: int | None = own_file.MAX_ROWS, remake: bool = False
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The splits that lesson 01 makes as an artifact and later lessons load, and the names of the classes.

    `source`: "reviews" (the raw file, cleaned), the path of a reader's file or what `own_file.as_source` takes (of which
    `max_rows` rows are sampled), or the name of a TensorFlow data set (`load_tfds`). Columns: text, label (0 to K - 1,
    and -1 in `undecided`), and the other columns of the source. Raises FileNotFoundError, DataError or SourceError.
    """

    def make(folder: Path) -> None:
        """Write the splits and the names of the classes."""
        splits, names = make_splits(source, max_rows)
        write_splits(folder, splits)
        (folder / "label_names.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")

    if source == "reviews":
        inputs = {"source": runtime.file_hash(cleaning.RAW)}
    elif is_own_file(source):
        own = own_file.as_source(source)
        hashes = {side: hash_of(Path(path)) for side, path in own.files().items()}
        inputs = {"source": hashes, "max_rows": max_rows, **own_file.facts(own)}
    else:
        inputs = {"source": source}
    folder = runtime.artifact("splits", make, inputs, SOURCES, remake)
    return read_splits(folder), tuple(json.loads((folder / "label_names.json").read_text(encoding="utf-8")))


def hash_of(path: Path) -> str:
    """Hash of a file, or of all files of a folder with their names. Raises FileNotFoundError."""
    if tables.require(path).is_file():
        return runtime.file_hash(path)
    files = sorted(part for part in path.rglob("*") if part.is_file())
    listed = "".join(f"{file.relative_to(path)} {runtime.file_hash(file)}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


# ---- TensorFlow Datasets (TFDS)


class SourceError(RuntimeError):
    """A TensorFlow data set could not be read; the message says what to do."""


# Name: the key of its text, and which of its splits serve. The test split of SST-2 has no labels, so its `validation`
# serves as the test. Its training split holds phrases beside the sentences that they are part of, so a validation split
# carved from it is too easy.
TFDS_SOURCES = {
    "course_reviews": ("text", {"train": "train", "validation": "validation", "test": "test"}),
    "glue/sst2": ("sentence", {"train": "train", "test": "validation"}),
    "imdb_reviews": ("text", {"train": "train", "test": "test"}),
    "ag_news_subset": ("description", {"train": "train", "test": "test"}),
}


def _tfds():
    """The package tensorflow_datasets, without progress bars; without a network it gives up after some seconds.

    Its ten tries, with waits that double, took 205 seconds. Raises SourceError where it is missing.
    """
    missing = [name for name in ("tensorflow", "tensorflow_datasets") if not runtime.installed(name)]
    if missing:
        raise SourceError(
            f"{' and '.join(missing)} is not installed, and TensorFlow data sets need it: run `make setup`, or take "
            "the course's reviews (source = None, profile = 'small') or your own CSV file."
        )
    import tensorflow_datasets
    from tensorflow_datasets.core.download import downloader

    tensorflow_datasets.disable_progress_bar()
    downloader.MAX_RETRIES = 5
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # else a warning a try
    return tensorflow_datasets


@functools.cache
def course_reviews_builder():
    """The class that tells TFDS about the course's reviews; once defined, TFDS knows the name `course_reviews`.

    Features: `text`, `label` (ClassLabel), `review_id`, `stars`, `domain`, `style`; splits as `split` deals them.
    """
    tfds = _tfds()

    class CourseReviews(tfds.core.GeneratorBasedBuilder):
        """Short English reviews written for a course, cleaned, in splits without near-copies across."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=LABELS)}
            features |= {"review_id": np.int64, "stars": np.int64}
            features |= {"domain": tfds.features.Text(), "style": tfds.features.Text()}
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(features), supervised_keys=("text", "label")
            )

        def _split_generators(self, dl_manager):
            splits = split(cleaning.clean(cleaning.load())[0])
            return {name: self._generate_examples(splits[name]) for name in SPLIT_SHARES}

        def _generate_examples(self, rows):
            for row in rows.to_dict("records"):
                yield row["review_id"], row

    return CourseReviews


def course_reviews_folder(remake: bool = False) -> Path:
    """Folder with the course's reviews as TFDS writes them: an artifact, made at the first call, without a network.

    Then `tfds.load("course_reviews", split="train", data_dir=FOLDER)` reads them. Raises SourceError without TFDS.
    """
    builder = course_reviews_builder()

    def make(folder: Path) -> None:
        """Let TFDS write its files, without its words about folders and downloads."""
        with contextlib.redirect_stdout(io.StringIO()):
            builder(data_dir=str(folder)).download_and_prepare()

    inputs = {"source": runtime.file_hash(cleaning.RAW)}
    return runtime.artifact("course_reviews", make, inputs, SOURCES, remake)


def load_tfds(name: str, data_dir: Path | str | None = None) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """`train`, `validation` and `test` of a data set in TFDS_SOURCES, columns text and label, and the class names.

    Where a set has no labelled validation split, CARVED of its training split becomes one (`carve`). `data_dir`
    is TFDS's folder; None: TFDS's own choice, and for the course's reviews an artifact. Raises SourceError for an
    unknown name, where TFDS is missing, and where a set cannot be fetched.
    """
    if name not in TFDS_SOURCES:
        raise SourceError(
            f"{name!r} is neither a file or folder (looked for it from {Path.cwd()}) nor a data set that the course can "
            f"read: {', '.join(TFDS_SOURCES)}."
        )
    text_key, sides = TFDS_SOURCES[name]
    tfds = _tfds()
    if name == "course_reviews":
        course_reviews_builder()
        data_dir = data_dir or course_reviews_folder()
    try:
        sets, info = tfds.load(name, split=sides, data_dir=data_dir and str(data_dir), with_info=True)
    except Exception as error:  # TFDS reports a missing network by many kinds of exceptions
        raise SourceError(
            f"TFDS could not give {name!r}. The first time it needs a network; without one, take the course's reviews "
            f"(source = None, profile = 'small') or your own CSV file. ({type(error).__name__}: {str(error)[:300]})"
        ) from error
    splits = {}
    for side, examples in sets.items():
        rows = [(row[text_key].decode("utf-8"), int(row["label"])) for row in tfds.as_numpy(examples)]
        splits[side] = pd.DataFrame(rows, columns=["text", "label"])
    if "validation" not in splits:
        splits["train"], splits["validation"] = carve(splits["train"])
    return {side: splits[side] for side in SPLIT_SHARES}, tuple(info.features["label"].names)
