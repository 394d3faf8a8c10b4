"""Lesson 09: readable models beside the real one, and what its vectors hold: components, probes, neighbours."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from helpers import evaluation, finetuning, models, words

MOST_COLUMNS = 2_000  # that a tree may ask about: the most frequent words and pairs, or runs of characters


# ---- what is counted


def choose_kind(texts: Iterable[str]) -> str:
    """What readable models of these texts should count, one of `words.KINDS`.

    "words" where at least half of all words stand in two different texts or more. In a script without spaces between words a whole
    clause looks like one word and hardly ever comes again, so there, and where no word is found, it is "characters".
    """
    found = [set(re.findall(words.WORD, text.lower())) for text in set(texts)]
    texts_with = Counter(chain.from_iterable(found))
    shared = sum(number for number in texts_with.values() if number > 1)
    return "words" if texts_with and 2 * shared >= texts_with.total() else "characters"


def _counter(texts: Sequence[str], kind: str | None):
    """The unfitted TF-IDF of the course's bag of words; `kind` None takes what `choose_kind` says."""
    return words.bag_of_words(kind=kind or choose_kind(texts))[0]


# ---- a linear model that imitates


@dataclass(frozen=True)
class Linear:
    """A linear model that imitates another's logits: a word's weight times its TF-IDF is what the word adds.

    `counter` is the fitted TF-IDF, `ridge` the fitted regression; `texts_with`, int (terms,), says how many of the texts
    that it was fitted on have each term.
    """

    counter: object
    ridge: object
    texts_with: np.ndarray
    class_names: tuple[str, ...]

    def logits(self, texts: Iterable[str]) -> np.ndarray:
        """Imitated logits less their mean over the classes, float64 (texts, classes)."""
        return self.ridge.predict(self.counter.transform(list(texts)))

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """Number of the class with the highest logit, int (texts,)."""
        return self.logits(texts).argmax(axis=1)

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Softmax of the logits, float64 (texts, classes)."""
        return softmax(self.logits(texts), axis=1)

    def weights(self) -> np.ndarray:
        """What one unit of a term's TF-IDF adds to a class's logit, less what it adds to the others' on average.

        float64 (classes, terms). For two classes that is what it adds to the log-odds.
        """
        classes = len(self.class_names)
        return self.ridge.coef_ * classes / (classes - 1)  # each term's sum over the classes is 0


def fit_linear(
    texts: Iterable[str],
    scores: np.ndarray,
    class_names: Sequence[str] | None = None,
    kind: str | None = None,
    strength: float = 1.0,
) -> Linear:
    """Ridge regression from TF-IDF to a model's logits: a surrogate that says by its weights what speaks for a class.

    `scores`: the model's logits (texts, classes), or for two classes its log-odds for class 1 (texts,). No labels are
    needed. Unlabelled texts, with the model's logits for them, make it a student of the model (Hinton et al., 2015,
    section 2.1: to match logits is distillation at a high temperature). `class_names`: None takes the numbers. `kind`: as in
    `choose_kind`, which decides for None. `strength`: how much the regression holds weights down. Raises ValueError where
    the numbers of texts, scores and names do not fit.
    """
    from sklearn.linear_model import Ridge

    texts, scores = list(texts), np.asarray(scores, dtype="float64")
    if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1) / 2
    names = tuple(class_names or map(str, range(scores.shape[1])))
    if len(texts) != len(scores) or len(names) != scores.shape[1] or len(names) < 2:
        raise ValueError(f"{len(texts)} texts, scores {scores.shape} and {len(names)} names of classes do not fit.")
    counter = _counter(texts, kind)
    counted = counter.fit_transform(texts)
    # A constant added to all logits of a text changes no answer, so there is nothing in it to learn.
    ridge = Ridge(alpha=strength).fit(counted, scores - scores.mean(axis=1, keepdims=True))
    return Linear(counter, ridge, np.bincount(counted.indices, minlength=counted.shape[1]), names)


def telling_words(linear: Linear, number: int = 10, least: int = 3) -> pd.DataFrame:
    """The terms that speak most for each class: a row a term, those of the first class first, the highest weight first.

    Columns: class, term, weight (see `Linear.weights`; only those above 0), texts (how many of the fitted ones have it).
    Terms of fewer than `least` texts are left out: their weight is chance. A space at either end of a run of characters is
    shown as "␣".
    """
    terms = linear.counter.get_feature_names_out()
    parts = []
    for name, weights in zip(linear.class_names, linear.weights(), strict=True):
        table = pd.DataFrame({"class": name, "term": terms, "weight": weights, "texts": linear.texts_with})
        kept = table[(table["texts"] >= least) & (table["weight"] > 0)]
        parts.append(kept.nlargest(number, "weight"))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(term=found["term"].map(_mark_ends))


def _mark_ends(term: str) -> str:
    """The term with "␣" for each space at its ends, where nobody would see one."""
    inner = term.strip(" ")
    before = len(term) - len(term.lstrip(" "))
    return "␣" * before + inner + "␣" * (len(term) - len(inner) - before)


def explain_linear(linear: Linear, text: str, target: int | None = None) -> pd.Series:
    """What each term of a text adds for the class `target` (None: the one predicted), float64, the most first.

    The index holds the terms; the last row, "(bias)", is what every text gets. The sum is the target's logit less the mean
    of the others', exactly; for two classes that is the log-odds. So a linear model is its own explanation.
    """
    target = int(linear.predict([text])[0]) if target is None else target
    row, classes = linear.counter.transform([text]), len(linear.class_names)
    terms = linear.counter.get_feature_names_out()[row.indices]
    added = pd.Series(row.data * linear.weights()[target, row.indices], index=terms, dtype="float64")
    bias = pd.Series({"(bias)": linear.ridge.intercept_[target] * classes / (classes - 1)})
    return pd.concat([added.sort_values(ascending=False, kind="stable"), bias])


# ---- a tree that imitates


def fit_tree(texts: Iterable[str], answers: np.ndarray, depth: int | None = 5, kind: str | None = None):
    """A decision tree on the same TF-IDF that imitates a model's answers, int (texts,) (Craven and Shavlik, 1996).

    It asks about MOST_COLUMNS terms at most, `depth` questions in a row (None: as many as it takes). A scikit-learn
    pipeline: `predict(texts)` gives int (texts,).
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    texts = list(texts)
    counter = _counter(texts, kind).set_params(max_features=MOST_COLUMNS)
    # random_state: where two questions are equally good, the tree would draw lots.
    return make_pipeline(counter, DecisionTreeClassifier(max_depth=depth, random_state=0)).fit(texts, answers)


def describe_tree(tree, columns: Sequence[str], class_names: Sequence[str] | None = None, depth: int = 2) -> list[str]:
    """The first `depth` questions of a fitted DecisionTreeClassifier as lines that can be read.

    `tree` and `columns` are `fitted[-1]` and `fitted[0].get_feature_names_out()` of what `fit_tree` gives. `class_names`:
    the name of class 0, 1 and so on; None takes the numbers.
    """
    lines: list[str] = []
    _describe_node(tree, columns, class_names, 0, depth, "", lines)
    return lines


def _describe_node(tree, columns, class_names, node: int, depth: int, indent: str, lines: list[str]) -> None:
    """Add the lines of one node, and of those below it as far as `depth` goes."""
    nodes = tree.tree_
    if depth == 0 or nodes.children_left[node] < 0:
        shares = nodes.value[node, 0] / nodes.value[node, 0].sum()
        label = tree.classes_[shares.argmax()]
        name = class_names[label] if class_names is not None else label
        lines.append(f"{indent}→ {name}: {100 * shares.max():.0f} % of {nodes.n_node_samples[node]} texts")
        return
    term, threshold = columns[nodes.feature[node]], nodes.threshold[node]
    for question, below in (("over", nodes.children_right[node]), ("at most", nodes.children_left[node])):
        lines.append(f'{indent}"{_mark_ends(term)}" {question} {threshold:.2f}:')
        _describe_node(tree, columns, class_names, below, depth - 1, indent + "    ", lines)


# ---- does the readable model say what the model says?


def fidelity(surrogate_answers: np.ndarray, answers: np.ndarray) -> tuple[float, float, float]:
    """Share of texts on which both give the same answer, and the ends of its 95 % interval (Wilson, 1927).

    Both int (texts,). Measured on texts that the surrogate was not fitted on. Raises ValueError for none, or unlike numbers.
    """
    surrogate_answers, answers = np.asarray(surrogate_answers), np.asarray(answers)
    certain = np.eye(1 + surrogate_answers.max(initial=0))[surrogate_answers]  # its answers as probabilities
    low, high = evaluation.accuracy_interval(answers, certain)
    return evaluation.accuracy(answers, certain), low, high


def where_they_part(
    texts: Iterable[str], surrogate_answers: np.ndarray, probabilities: np.ndarray, number: int = 5
) -> pd.DataFrame:
    """Texts to which the surrogate gives another answer, those first of which the model is surest.

    `probabilities`: the model's, (texts, classes). Columns: text, model, surrogate (numbers of classes), confidence. The
    index holds the text's place.
    """
    columns = {"text": list(texts), "model": probabilities.argmax(axis=1), "surrogate": np.asarray(surrogate_answers)}
    table = pd.DataFrame(columns | {"confidence": probabilities.max(axis=1)})
    return table[table["model"] != table["surrogate"]].nlargest(number, "confidence")


# ---- what the vectors hold


def layer_vectors(classifier: models.Classifier, texts: Sequence[str]) -> np.ndarray:
    """The mean over each text's token vectors after the embeddings and after each layer, float32 (layers + 1, texts, width).

    [CLS] and [SEP] count as tokens, padding does not. The last layer's are what the head sees (`finetuning.mean_features`).
    Of a text in several windows it is their mean.
    """
    backbone = classifier.backbone
    names = ["embeddings_dropout", *(f"transformer_layer_{number}" for number in range(backbone.num_layers))]
    mask = backbone.input["padding_mask"]
    mean = keras.layers.GlobalAveragePooling1D(dtype="float32")
    means = [mean(backbone.get_layer(name).output, mask=mask) for name in names]
    reader = keras.Model(backbone.input, keras.layers.Concatenate()(means))  # one run through the model for all layers
    found = finetuning.predict_outputs(reader, classifier, texts)
    return found.reshape(len(texts), len(names), -1).transpose(1, 0, 2)


def principal_components(vectors: np.ndarray, number: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of vectors (texts, width) along their `number` directions of greatest variance (Pearson, 1901).

    Returns coordinates, float64 (texts, number), with mean 0, and each direction's share of all variance, float64
    (number,); 0 where all vectors are equal. The dimensions are not scaled, since a constant one has no deviation to divide
    by. Raises ValueError where there are not so many directions.
    """
    if number > min(vectors.shape):
        raise ValueError(f"Vectors {vectors.shape} have no {number} components.")
    centred = vectors.astype("float64") - vectors.mean(axis=0, dtype="float64")
    left, deviations, directions = np.linalg.svd(centred, full_matrices=False)
    # A direction may as well be reversed; so that all machines draw alike, its largest weight is made positive.
    largest = np.abs(directions).argmax(axis=1)
    signs = np.where(directions[np.arange(len(directions)), largest] < 0, -1, 1)
    variances = deviations**2
    shares = variances / max(variances.sum(), np.finfo("float64").tiny)
    return (left * deviations * signs)[:, :number], shares[:number]


def probe(vectors: np.ndarray, labels: np.ndarray, held_vectors: np.ndarray, held_labels: np.ndarray) -> float:
    """Accuracy on held-out vectors of a logistic regression that learns labels from vectors (Alain and Bengio, 2016).

    Vectors float (texts, width), labels int (texts,). It tells what can be read from the vectors, and not what the model
    uses. Raises ValueError where all labels are the same.
    """
    # The scaling inside leaves a constant dimension as it is, so that nothing is divided by its deviation of 0.
    return float(finetuning.fit_frozen_head(vectors, labels).score(held_vectors, held_labels))


def neighbour_share(vectors: np.ndarray, labels: np.ndarray, k: int = 15) -> float:
    """Mean share of a text's `k` nearest other texts that have its label; nearness is the cosine.

    Where labels mean nothing to the vectors, it is about the sum of the squared shares of the classes. Raises ValueError
    where there are no `k` others.
    """
    from sklearn.neighbors import NearestNeighbors

    labels = np.asarray(labels)
    found = NearestNeighbors(n_neighbors=k, metric="cosine").fit(vectors)
    rows = found.kneighbors(return_distance=False)  # without a query, no text is its own neighbour
    return float((labels[rows] == labels[:, None]).mean())


def nearest(vectors: np.ndarray, queries: np.ndarray, k: int = 10) -> np.ndarray:
    """Rows of the `k` vectors nearest to each query by the cosine, the nearest first, int (queries, k).

    `vectors` (texts, width), `queries` (queries, width). Raises ValueError where there are no `k` vectors.
    """
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=k, metric="cosine").fit(vectors)
    return found.kneighbors(queries, return_distance=False)


def vote(labels: np.ndarray, rows: np.ndarray, num_classes: int = 2) -> np.ndarray:
    """Share of each class among the neighbours of a query, float64 (queries, classes).

    `rows`: what `nearest` gives; `labels`: int, of the vectors among which it looked.
    """
    return np.eye(num_classes)[np.asarray(labels)[rows]].mean(axis=1)
