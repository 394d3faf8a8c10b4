"""Lesson 02: reviews from a file to clean, labelled splits; words; the bag-of-words baseline."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import runtime

REVIEWS = runtime.COURSE / "data" / "reviews.csv"
COLUMNS = ("review_id", "text", "stars", "domain", "style")
LABELS = ("negative", "positive")  # label 0 and label 1
LATER_DOMAINS = ("course", "travel")  # kept out of all splits: fields that the model has never seen
SPLIT_SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}
STRATUM = ["domain", "stars", "style"]


def load(path: Path | str = REVIEWS) -> pd.DataFrame:
    """Read reviews from a UTF-8 CSV file: columns `review_id` (int), `text`, `stars`, `domain`, `style`.

    An empty text stays an empty string and "n/a" stays "n/a": what to do about them is `clean`'s decision.
    Raises FileNotFoundError, or ValueError that names the missing columns or the encoding.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. The course's own reviews are data/reviews.csv.")
    try:
        frame = pd.read_csv(path, keep_default_na=False, encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 (byte {error.start}). Save it again as UTF-8.") from error
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise ValueError(f"{path.name} lacks the columns {missing}; it has {list(frame.columns)}.")
    return frame


def tidy_text(text: str) -> str:
    """One spelling for one text: Unicode NFC, no invisible characters, single spaces, none at the ends."""
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text))
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf") or c == "\u200d").strip()


def comparison_key(text: str) -> str:
    """Lower-case letters and digits of a text in single spaces: what two copies of a review share."""
    return " ".join(re.findall(r"\w+", text.lower()))


def clean(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tidy texts and drop unusable rows.

    Returns the clean frame (same columns, a new index, `stars` as int64) and a report with the columns
    `step`, `rows_changed`, `rows_dropped`, a row for each step. Of exact duplicates (equal but for
    case and punctuation, same stars) the first is kept; where copies disagree about the stars, all go,
    since nobody can say which is right. Texts without a letter or digit count as their own key.
    """
    tidy = frame.assign(text=frame["text"].fillna("").astype(str).map(tidy_text))
    steps = [("tidy the text", int((tidy["text"] != frame["text"]).sum()), 0)]

    def keep(rows: pd.Series, step: str) -> None:
        """Keep the rows that are True, and count the others in the report."""
        nonlocal tidy
        steps.append((step, 0, int((~rows).sum())))
        tidy = tidy[rows]

    keep(tidy["text"] != "", "drop empty texts")
    stars = pd.to_numeric(tidy["stars"], errors="coerce")
    keep(stars.isin([1, 2, 3, 4, 5]), "drop rows without 1 to 5 stars")
    tidy = tidy.assign(stars=pd.to_numeric(tidy["stars"]).astype("int64"))
    key = tidy["text"].map(lambda text: comparison_key(text) or text)
    keep(tidy.groupby(key)["stars"].transform("nunique") == 1, "drop copies with other stars")
    key = key[tidy.index]
    keep(~key.duplicated(), "drop exact duplicates")
    report = pd.DataFrame(steps, columns=["step", "rows_changed", "rows_dropped"])
    return tidy.reset_index(drop=True), report


def label(stars: pd.Series) -> pd.Series:
    """Label of each review: 1 (4-5 stars), 0 (1-2 stars), -1 for 3 stars: undecided."""
    return pd.Series(np.select([stars >= 4, stars <= 2], [1, 0], -1), index=stars.index, name="label")


def word_pairs(text: str) -> set[tuple[str, str]]:
    """Neighbouring words of a text (its shingles); a text of one word is paired with nothing."""
    words = comparison_key(text).split()
    return set(pairwise(words)) if len(words) > 1 else {(word, "") for word in words}


def near_duplicates(texts: Sequence[str], threshold: float = 0.5) -> np.ndarray:
    """Pairs (i, j), i < j, int array (pairs, 2), whose word pairs overlap by Jaccard >= `threshold`.

    Jaccard = shared / all different word pairs of both texts (Broder, 1997, "On the resemblance and
    containment of documents"). All texts are compared with all: a sparse product counts what they share.
    """
    from scipy.sparse import triu
    from sklearn.feature_extraction.text import CountVectorizer

    shingles = CountVectorizer(analyzer=word_pairs, binary=True, dtype=np.int32).fit_transform(texts)
    sizes = np.asarray(shingles.sum(axis=1)).ravel()
    shared = triu(shingles @ shingles.T, k=1).tocoo()
    union = sizes[shared.row] + sizes[shared.col] - shared.data
    near = shared.data >= threshold * union
    return np.stack([shared.row[near], shared.col[near]], axis=1)


def clusters(texts: Sequence[str], threshold: float = 0.5) -> np.ndarray:
    """Cluster number of each text, int array (texts,): near-duplicates, and theirs, share one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = near_duplicates(texts, threshold)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(texts), len(texts)))
    return connected_components(links, directed=False)[1]


def stable_hash(text: str) -> int:
    """The same whole number (64 bits) for the same text on every machine; Python's `hash` is not."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def content_hash(frame: pd.DataFrame) -> str:
    """SHA-256 (64 hex digits) of the texts and labels of a frame, in order: the same data, the same hash."""
    return hashlib.sha256(frame[["text", "label"]].to_csv(index=False).encode()).hexdigest()


def split(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Divide clean reviews into `train`, `validation`, `test`, `undecided`, `later`.

    `later` holds the domains in LATER_DOMAINS, `undecided` the 3-star reviews of the others.
    The rest is dealt by SPLIT_SHARES within each stratum (domain, stars, style): clusters of
    near-duplicates, in the order of their hash, go whole to the first split that still has room.
    So the sizes are exact, and no review has a near-duplicate on another side.
    """
    frame = frame.assign(label=label(frame["stars"]))
    is_later = frame["domain"].isin(LATER_DOMAINS)
    is_undecided = ~is_later & (frame["label"] == -1)
    rest = frame[~is_later & ~is_undecided]
    side = _deal(rest.assign(cluster=clusters(rest["text"])))
    splits = {name: rest[side == name] for name in SPLIT_SHARES}
    splits |= {"undecided": frame[is_undecided], "later": frame[is_later]}
    return {name: part.reset_index(drop=True) for name, part in splits.items()}


def _deal(rows: pd.DataFrame) -> pd.Series:
    """Name of the split of each row, by the rules of `split`."""
    members = rows.assign(order=rows["text"].map(stable_hash)).sort_values("order")
    whole = members.groupby("cluster", sort=False).agg(
        size=("text", "size"), **{column: (column, "first") for column in STRATUM}
    )
    side_of_cluster: dict[int, str] = {}
    dealt = dict.fromkeys(SPLIT_SHARES, 0)
    total = 0
    for _, stratum in whole.groupby(STRATUM):
        total += int(stratum["size"].sum())
        # Quotas are of the running total, so that rounding never adds up over the strata.
        room = {name: round(share * total) - dealt[name] for name, share in SPLIT_SHARES.items()}
        for cluster, size in stratum["size"].items():
            name = next((n for n in ("test", "validation") if room[n] >= size), "train")
            side_of_cluster[cluster] = name
            room[name] -= size
            dealt[name] += size
    return rows["cluster"].map(side_of_cluster)


def prepared(remake: bool = False) -> dict[str, pd.DataFrame]:
    """The clean splits, as an artifact that lesson 02 makes and later lessons load."""

    def make(folder: Path) -> None:
        """Write a CSV file for each split."""
        for name, part in split(clean(load())[0]).items():
            part.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8")

    folder = runtime.artifact("splits", make, {"reviews": runtime.file_hash(REVIEWS)}, [Path(__file__)], remake)
    names = (*SPLIT_SHARES, "undecided", "later")
    return {name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False) for name in names}


def words(texts: Iterable[str]) -> list[list[tuple[str, bool]]]:
    """Words of each text by spaCy's rules for English, each with whether it is a stop word.

    Uses the blank pipeline (tokenizer only): it needs no trained model and so no download.
    """
    import spacy

    pipeline = spacy.blank("en")
    return [
        [(token.text, token.is_stop) for token in document if not token.is_punct] for document in pipeline.pipe(texts)
    ]


def bag_of_words():
    """The baseline: TF-IDF of words and word pairs, then logistic regression; a scikit-learn pipeline.

    `fit(texts, labels)`, then `predict_proba(texts)`: float64 array (texts, classes).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    )
