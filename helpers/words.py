"""Lesson 01: words, stop words and normal forms of texts, and the bag-of-words baseline."""

from collections.abc import Iterable

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


def bag_of_words(pattern: str = r"(?u)\b\w\w+\b"):
    r"""The baseline: TF-IDF of words and word pairs, then logistic regression; a scikit-learn pipeline.

    `pattern` says what a word is; with r"\S+" a word is whatever stands between spaces, as in the texts that
    `normalise` writes. `fit(texts, labels)`, then `predict_proba(texts)`: float64 array (texts, classes).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=pattern),
        LogisticRegression(C=10, max_iter=1000),
    )
