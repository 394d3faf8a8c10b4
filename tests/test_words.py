"""Words, stop words, normal forms, the bag of words."""

import numpy as np
import pytest

from helpers import cleaning, data, words


def test_words_are_marked_as_stop_words():
    assert words.mark_stop_words(["It was not good!"]) == [
        [("It", True), ("was", True), ("not", True), ("good", False)]
    ]


def test_normal_forms():
    texts = ["The movies didn't  run happily!", "STUDIED, better?"]
    assert words.normalise(texts, "words") == ["the movies did n't run happily", "studied better"]
    assert words.normalise(texts, "no stop words") == ["movies run happily", "studied better"]
    assert words.normalise(texts, "lemmas") == ["the movie do not run happily", "study well"]
    assert words.normalise(texts, "stems") == ["the movi did n't run happili", "studi better"]
    with pytest.raises(ValueError, match="'roots' is none of words, no stop words, lemmas, stems"):
        words.normalise(texts, "roots")


def test_the_pattern_says_what_a_word_is():
    texts, labels = ["a b good", "n't good"], [0, 1]
    assert sorted(words.bag_of_words().fit(texts, labels)[0].vocabulary_) == ["good"]
    found = sorted(words.bag_of_words(r"\S+").fit(texts, labels)[0].vocabulary_)
    assert found == ["a", "a b", "b", "b good", "good", "n't", "n't good"]


def test_a_word_that_stands_twice_counts_less_than_twice():
    counter = words.bag_of_words().fit(["good good bad", "dull"], [0, 1])[0]
    row = counter.transform(["good good bad"]).toarray()[0]
    ratio = row[counter.vocabulary_["good"]] / row[counter.vocabulary_["bad"]]
    assert ratio == pytest.approx(1 + np.log(2))


def test_bag_of_words_beats_the_majority():
    splits = data.split(cleaning.clean(cleaning.load())[0])
    train, test = splits["train"], splits["test"]
    baseline = words.bag_of_words().fit(train["text"], train["label"])
    probabilities = baseline.predict_proba(test["text"])
    assert probabilities.shape == (len(test), 2)
    right = (probabilities.argmax(axis=1) == test["label"]).mean()
    assert right > max(np.mean(test["label"]), 1 - np.mean(test["label"])) + 0.15
