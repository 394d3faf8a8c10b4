"""Words, stop words, normal forms, the bag of words."""

import json
import re

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


HINDI = "यह फ़िल्म अच्छी नहीं, मैं दुखी हूँ"  # This film is not good, I am sad.


def test_marks_stay_inside_their_words():
    """Vowel signs, the virama, the nukta and nasal signs are marks; the Sinhala word holds a joiner besides."""
    found = re.findall(words.WORD, f"{HINDI}! ශ්\u200dරී, ดีมาก; naïve cafe\u0301 a 7 42 x_y")
    assert found == [*HINDI.replace(",", "").split(), "ශ්\u200dරී", "ดีมาก", "naïve", "cafe\u0301", "42", "x_y"]
    counter = words.bag_of_words().fit([HINDI, "अच्छी"], [0, 1])[0]
    assert {"अच्छी", "अच्छी नहीं", "मैं दुखी"} <= set(counter.vocabulary_)


def test_a_sign_without_a_letter_is_no_word_nor_starts_one():
    assert re.findall(words.WORD, "\u093e\u0902 ☀\ufe0f \u200d\u200d ❤\ufe0f\u200d🔥 क ab\u093e") == ["ab\u093e"]


def test_of_the_reviews_the_same_words_are_found_as_without_marks():
    texts = cleaning.load(cleaning.REVIEWS)["text"]
    assert len(texts) > 5000
    for text in [*texts, *cleaning.load()["text"], "I <3 R&B, don't! 5-star 3,000 é ß ½ x² a b"]:
        assert re.findall(words.WORD, text) == re.findall(r"(?u)\b\w\w+\b", text)


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


# ---- kinds, class weights, files

TEXTS = ["good film", "good room", "bad film", 'bad "room"', "dull\nfilm", "dull 房间", "好 film", "very good film"] * 3


def fit(kind="words", num_classes=3):
    return words.bag_of_words(kind=kind).fit(TEXTS, [row // 2 % num_classes for row in range(8)] * 3)


def test_characters_are_counted_one_to_four_at_a_time_where_two_texts_have_them():
    counter = words.bag_of_words(kind="characters").fit(["天地人", "天地 x", "天地人日月"], [0, 1, 0])[0]
    assert sorted(counter.vocabulary_) == sorted(["天", "地", "人", "天地", "地人", "天地人"])
    counter = words.bag_of_words(kind="characters").fit(["abcde"] * 2, [0, 1])[0]
    assert max(map(len, counter.vocabulary_)) == 4 and len(counter.vocabulary_) == 5 + 4 + 3 + 2


def test_class_weights_find_more_of_a_rare_class():
    texts = ["fine film"] * 180 + ["dull film"] * 20 + ["fine film"] * 8 + ["dull film"] * 12
    labels = np.repeat([0, 1], [200, 20])
    plain, weighted = (words.bag_of_words(class_weights=on).fit(texts, labels) for on in (False, True))
    found = [(model.predict(texts)[labels == 1] == 1).mean() for model in (plain, weighted)]
    assert found == [0, 12 / 20]


@pytest.mark.parametrize("kind", words.KINDS)
@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_bag_of_words_that_was_written_answers_alike(tmp_path, kind, num_classes):
    fitted = fit(kind, num_classes)
    words.write_bag_of_words(fitted, kind, tmp_path)
    read = words.read_bag_of_words(tmp_path)
    texts = [*TEXTS, "", "a word that nobody knows", "GOOD good Film!", "\t好\n"]
    expected = fitted.predict_proba(texts)
    assert expected.shape[1] == num_classes and np.ptp(expected, axis=0).min() > 0.3
    assert np.abs(read.predict_proba(texts) - expected).max() < 1e-12
    assert read.predict(texts).tolist() == fitted.predict(texts).tolist()
    assert {path.name for path in tmp_path.iterdir()} == {"terms.json", "weights.npz"}


def cut_weights(folder):
    path = folder / "weights.npz"
    path.write_bytes(path.read_bytes()[:-30])


def empty_weights(folder):
    (folder / "weights.npz").write_bytes(b"")


def change_weights(folder, **changed):
    path = folder / "weights.npz"
    with np.load(path) as arrays:
        arrays = dict(arrays)
    np.savez_compressed(path, **{name: changed.get(name, lambda array: array)(arrays[name]) for name in arrays})


def change_terms(folder, change):
    path = folder / "terms.json"
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")


DAMAGES = {
    "weights cut": cut_weights,
    "weights empty": empty_weights,
    "terms cut": lambda folder: (folder / "terms.json").write_text('{"kind": "words", "te', encoding="utf-8"),
    "no kind": lambda folder: change_terms(folder, lambda facts: {"terms": facts["terms"]}),
    "no terms": lambda folder: change_terms(folder, lambda facts: {"kind": "words"}),
    "no facts": lambda folder: change_terms(folder, list),
    "terms that are a number": lambda folder: change_terms(folder, lambda facts: facts | {"terms": 5}),
    "another kind": lambda folder: change_terms(folder, lambda facts: facts | {"kind": "syllables"}),
    "a term less": lambda folder: change_terms(folder, lambda facts: facts | {"terms": facts["terms"][1:]}),
    "a term twice": lambda folder: change_terms(
        folder, lambda facts: facts | {"terms": [facts["terms"][1], *facts["terms"][1:]]}
    ),
    "no idf": lambda folder: np.savez(folder / "weights.npz", coef=0, intercept=0, classes=0),
    "idf too short": lambda folder: change_weights(folder, idf=lambda array: array[1:]),
    "coef too narrow": lambda folder: change_weights(folder, coef=lambda array: array[:, 1:]),
    "a class less in coef": lambda folder: change_weights(folder, coef=lambda array: array[1:]),
    "what could run code": lambda folder: change_weights(folder, idf=lambda array: array.astype(object)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bag_of_words_is_named(tmp_path, damage):
    words.write_bag_of_words(fit(), "words", tmp_path)
    words.read_bag_of_words(tmp_path)
    DAMAGES[damage](tmp_path)
    with pytest.raises(ValueError, match=rf"The bag of words in {re.escape(str(tmp_path))} is damaged \("):
        words.read_bag_of_words(tmp_path)
