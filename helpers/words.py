"""Lesson 01: words, stop words and normal forms of texts, and the bag-of-words baseline."""

import json
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

NORMAL_FORMS = ("words", "no stop words", "lemmas", "stems")


def mark_stop_words(texts: Iterable[str]) -> list[list[tuple[str, bool]]]:
    """Words of each text by spaCy's rules for English, each with whether it is a stop word; no punctuation.

    Uses the blank pipeline (tokenizer only): it needs no trained model and so no download.
    """
    import spacy

    documents = spacy.blank("en").pipe(texts)
    return [[(token.text, token.is_stop) for token in document if not token.is_punct] for document in documents]


def normalise(texts: Iterable[str], how: str) -> list[str]:
    """Texts as lower-case words with single spaces between, changed as `how` (one of NORMAL_FORMS) says.

    "no stop words" leaves out spaCy's list; "lemmas" are dictionary forms from spaCy's lookup table, which knows
    no context ("better" is always "well"); "stems" are cut by rules that know no dictionary (Porter's *Snowball*,
    2001: "happily" is "happili"). Needs no download. Raises ValueError for another `how`.
    """
    if how not in NORMAL_FORMS:
        raise ValueError(f"{how!r} is none of {', '.join(NORMAL_FORMS)}.")
    import spacy

    pipeline = spacy.blank("en")
    form = str.lower
    if how == "lemmas":
        pipeline.add_pipe("lemmatizer", config={"mode": "lookup"}).initialize()
    elif how == "stems":
        from nltk.stem.snowball import SnowballStemmer

        form = SnowballStemmer("english").stem
    result = []
    for document in pipeline.pipe(text.lower() for text in texts):
        kept = [t for t in document if not (t.is_punct or t.is_space or (how == "no stop words" and t.is_stop))]
        result.append(" ".join(form(token.lemma_ if how == "lemmas" else token.text) for token in kept))
    return result


# Two characters or more: a letter or digit, then letters, digits and marks. Python's \w leaves out marks, the categories Mn and
# Mc of Unicode, and so would cut Hindi words at their vowel signs. U+200D joins letters within a word, as in Sinhala. U+034F
# is a mark by its category alone: it has no form, and stray ones in the course's raw reviews are no part of a word.
MARKS = "".join(
    c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in ("Mn", "Mc") and c != "\u034f"
)
WORD = rf"(?u)\w[\w\u200d{MARKS}]+"
KINDS = {  # what is counted: words and pairs of them; or 1 to 4 characters, for scripts without spaces between words
    "words": {"ngram_range": (1, 2)},
    "characters": {"analyzer": "char", "ngram_range": (1, 4), "min_df": 2, "max_features": 50_000},
}


def bag_of_words(pattern: str = WORD, kind: str = "words", class_weights: bool = False):
    r"""The baseline: TF-IDF of what is counted (one of KINDS), then logistic regression; a scikit-learn pipeline.

    `pattern` says what a word is; with r"\S+" a word is whatever stands between spaces, as in the texts that
    `normalise` writes. `class_weights`: a text counts the more, the rarer its class. `fit(texts, labels)`, then
    `predict_proba(texts)`: float64 array (texts, classes).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        TfidfVectorizer(sublinear_tf=True, token_pattern=pattern if kind == "words" else None, **KINDS[kind]),
        LogisticRegression(C=10, max_iter=1000, class_weight="balanced" if class_weights else None),
    )


def write_bag_of_words(fitted, kind: str, folder: Path) -> None:
    """Write a fitted `bag_of_words` to a folder: terms.json (kind and terms, in the order of the columns) and
    weights.npz. Unlike a pickle, neither can run code where it is read. Words must be those of WORD.
    """
    vectorizer, regression = fitted[0], fitted[-1]
    terms = vectorizer.get_feature_names_out().tolist()
    (folder / "terms.json").write_text(json.dumps({"kind": kind, "terms": terms}, ensure_ascii=False), encoding="utf-8")
    arrays = {"idf": vectorizer.idf_, "coef": regression.coef_, "intercept": regression.intercept_}
    np.savez_compressed(folder / "weights.npz", classes=regression.classes_, **arrays)


# What json, zipfile and NumPy raise where a file is gone, cut short or changed.
DAMAGE = (KeyError, TypeError, ValueError, EOFError, OSError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def read_bag_of_words(folder: Path):
    """The model that `write_bag_of_words` wrote. Raises ValueError where the files are damaged or do not fit together."""
    try:
        facts = json.loads((folder / "terms.json").read_text(encoding="utf-8"))
        model = bag_of_words(kind=facts["kind"])
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            model[0].set_params(vocabulary=facts["terms"])
            model[0].idf_ = arrays["idf"]
            regression = model[-1]
            regression.classes_, regression.coef_ = arrays["classes"], arrays["coef"]
            regression.intercept_ = arrays["intercept"]
        rows = (
            len(regression.classes_) if len(regression.classes_) > 2 else 1
        )  # for two classes one row stands for both
        if not len(regression.coef_) == len(regression.intercept_) == rows:
            raise ValueError("weights of different numbers of classes")
        model.predict_proba([""])
    except DAMAGE as error:
        raise ValueError(f"The bag of words in {folder} is damaged ({error}). Make it again.") from error
    return model
