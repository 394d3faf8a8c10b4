"""Merging by hand, and a vocabulary that is learnt alike each time."""

import keras_hub
import numpy as np
import pytest
from tiny_language import WORDS, make_texts, make_tokenizer

from helpers import tokenization, wordpiece


def test_merging_by_hand():
    words = wordpiece.split_into_letters(["hug"] * 10 + ["pug"] * 5 + ["hugs"] * 5)
    assert words == {("h", "##u", "##g"): 10, ("p", "##u", "##g"): 5, ("h", "##u", "##g", "##s"): 5}
    assert wordpiece.find_most_frequent_pair(words) == ("##u", "##g")
    words = wordpiece.merge_most_frequent_pair(words)
    assert words == {("h", "##ug"): 10, ("p", "##ug"): 5, ("h", "##ug", "##s"): 5}
    words = wordpiece.merge_most_frequent_pair(words)
    assert words == {("hug",): 10, ("p", "##ug"): 5, ("hug", "##s"): 5}
    assert wordpiece.find_most_frequent_pair(words) == ("hug", "##s")  # of equals the first
    assert wordpiece.find_most_frequent_pair({("b", "##a"): 1, ("a", "##b"): 1}) == ("a", "##b")


def test_a_pair_is_joined_wherever_it_stands_and_a_word_of_one_piece_stays():
    banana = ("b", "##a", "##n", "##a", "##n", "##a")
    assert wordpiece.merge_most_frequent_pair({banana: 1}) == {("b", "##an", "##an", "##a"): 1}
    assert wordpiece.find_most_frequent_pair({("a",): 3}) is None
    assert wordpiece.merge_most_frequent_pair({("a",): 3}) == {("a",): 3}


def test_a_learnt_vocabulary_fits_berts_tokenizer():
    texts = make_texts()
    vocabulary = wordpiece.learn_vocabulary(iter(texts), 80)
    assert vocabulary[:5] == list(wordpiece.SPECIAL) and vocabulary[5:] == sorted(set(vocabulary[5:]))
    assert set(WORDS) <= set(vocabulary) and len(vocabulary) <= 80
    fit = wordpiece.measure_fit(make_tokenizer(vocabulary), ["The FILM wàs good", "dull 漢"])
    assert fit == {"pieces": len(vocabulary), "tokens_a_word": 1.0, "unknown_share": 1 / 6}
    assert wordpiece.measure_fit(make_tokenizer(), ["films was"])["tokens_a_word"] == 1.0  # no piece for films: [UNK]
    assert wordpiece.measure_fit(make_tokenizer([*wordpiece.SPECIAL, "a", "##b"]), ["abbb a"])["tokens_a_word"] == 2.5
    assert wordpiece.measure_fit(make_tokenizer([*wordpiece.SPECIAL, "a", "##b"]), ["abbb"])["tokens_a_word"] == 4
    assert len(wordpiece.learn_vocabulary(iter(texts), 50)) == 50
    with pytest.raises(ValueError, match="no text"):
        wordpiece.learn_vocabulary(iter([]), 80)


def test_the_library_joins_what_the_hand_joins():
    """From the same counts as many joins, none of them a tie: the same pieces."""
    words = ["ab"] * 9 + ["cd"] * 7 + ["ef"] * 5 + ["abcd"] * 3
    spellings = wordpiece.split_into_letters(words)
    letters = {piece.removeprefix("##") for pieces in spellings for piece in pieces}
    pieces = {*letters, *(f"##{letter}" for letter in letters)}
    for _ in range(3):
        first, second = wordpiece.find_most_frequent_pair(spellings)
        pieces.add(first + second.removeprefix("##"))
        spellings = wordpiece.merge_most_frequent_pair(spellings)
    assert {"ab", "cd", "ef"} <= pieces
    learnt = wordpiece.learn_vocabulary([" ".join(words)], len(wordpiece.SPECIAL) + len(pieces))
    assert set(learnt) == {*wordpiece.SPECIAL, *pieces}


def test_words_are_counted_in_lower_case_and_a_letter_once_a_word():
    counts = wordpiece.count_words(["Pàpa, papa!", "map"], tokenization.make_reference_tokenizer(wordpiece.SPECIAL))
    assert counts == {"papa": 2, ",": 1, "!": 1, "map": 1}
    assert wordpiece.find_frequent_letters(counts, 2) == ["a", "p"]  # three words each
    assert wordpiece.find_frequent_letters(counts, 9) == ["!", ",", "a", "m", "p"]


def test_a_word_with_a_rare_letter_is_unknown():
    vocabulary = wordpiece.learn_vocabulary(["aa bb cc"] * 9 + ["xa"], 40, alphabet=3)
    assert not any("x" in piece for piece in vocabulary[5:])
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=True, strip_accents=True)
    assert [tokenizer.id_to_token(int(i)) for i in tokenizer("aa xa")] == ["aa", "[UNK]"]


def test_a_vocabulary_has_8000_pieces_of_200_letters_unless_told_otherwise():
    random = np.random.default_rng(0)
    words = ["".join(word) for word in random.choice(list("abcdefghijklmnopqrstuvwxyz"), size=(4000, 10))]
    assert len(wordpiece.learn_vocabulary(words)) == 8000
    letters = [chr(0x4E00 + number) for number in range(205)]  # Chinese: each is a word
    assert len(wordpiece.learn_vocabulary(letters)) == len(wordpiece.SPECIAL) + 2 * 200  # each also after "##"


def test_ties_are_broken_alike_each_time():
    """Words that all occur once: each join is a tie."""
    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("abcdefghijklmnop"), size=8)) for _ in range(300)]
    found = {tuple(wordpiece.learn_vocabulary(iter(random.permutation(texts).tolist()), 120)) for _ in range(6)}
    assert len(found) == 1 and len(next(iter(found))) == 120
