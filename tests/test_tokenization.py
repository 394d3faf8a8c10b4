"""BERT's rules for characters: as a table, in a file, in a graph; every runtime gives the same ids."""

import csv

import keras_hub
import numpy as np
import pytest
import tokenizer_differences
from conftest import SPECIAL

from helpers import models, runtime, tokenization

UNCASED, CASED = tokenization.Rules(), tokenization.Rules(lowercase=False, strip_accents=False)
SOME = tokenizer_differences.texts_of(tokenizer_differences.assigned_characters()[::97])
RANDOM = tokenizer_differences.random_texts(2000, seed=5)


@pytest.mark.parametrize(
    ("rules", "becomes"),
    [
        (UNCASED, {"É": "e", "…": " … ", "，": " ， ", "好": " 好 ", "\u00ad": "", "\u0301": "", "\u3000": " "}),
        (CASED, {"É": "É", "好": " 好 ", "\u0301": "\u0301", "\u00ad": "", "!": " ! "}),
        (tokenization.Rules(strip_accents=False), {"É": "é", "\u0301": "\u0301"}),
        (tokenization.Rules(lowercase=False), {"É": "E", "A": "A"}),
        (tokenization.Rules(split_chinese=False), {"好": "好", "，": " ， ", "A": "a"}),
    ],
)
def test_the_table_says_what_stands_for_a_character(rules, becomes):
    table = tokenization.make_table(rules)
    assert {character: table.get(ord(character), character) for character in becomes} == becomes
    assert ord("a") not in table and not set(tokenization.SURROGATES) & set(table)
    assert table[0xE000] == table[0xE001] == table[0xF8FF] == ""  # private use


@pytest.mark.parametrize("rules", [UNCASED, CASED, tokenization.Rules(True, False, False)])
def test_words_are_those_of_the_reference(rules):
    reference = tokenization.make_reference_tokenizer(SPECIAL, rules)
    table, texts = tokenization.make_table(rules), [*SOME, *RANDOM]
    divided = [tokenization.divide_words(text, table) for text in texts]
    longest = tokenization.LONGEST_WORD
    for text, found in zip(texts, divided, strict=True):
        words = [word for word, _ in reference.pre_tokenizer.pre_tokenize_str(reference.normalizer.normalize_str(text))]
        assert found == [word if len(word) <= longest else "[UNK]" for word in words], repr(text)
    assert sum("[UNK]" in words for words in divided) > 100 and sum(map(len, divided)) > 10_000


def test_a_word_of_more_than_a_hundred_characters_is_unknown():
    words = ["é" * 100, "é" * 101, "好" * 101]
    divided = [tokenization.divide_words(word, tokenization.make_table(UNCASED)) for word in words]
    assert divided == [["e" * 100], ["[UNK]"], ["好"] * 101]


def test_a_table_comes_back_from_its_file(tmp_path):
    table = {65: "a", 66: "b", 200: "", 201: "", 203: "", 0x4E00: " 一 ", 0x4E01: " 丁 ", 0x3000: " "}
    tokenization.write_table(table, tmp_path / "some.csv")
    assert tokenization.read_table(tmp_path / "some.csv") == table
    lines = (tmp_path / "some.csv").read_text().splitlines()
    expected = [
        "0041,0041,0061",
        "0042,0042,0062",
        "00C8,00C9,",
        "00CB,00CB,",
        "3000,3000,0020",
        "4E00,4E01,0020 * 0020",
    ]
    assert lines == ["first,last,becomes", *expected]
    tokenization.write_table(tokenization.make_table(UNCASED), tmp_path / "all.csv")
    assert tokenization.read_table(tmp_path / "all.csv") == tokenization.make_table(UNCASED)
    assert (tmp_path / "all.csv").stat().st_size < 500_000


def test_rules_are_read_off_a_tokenizer(minilm):
    class Tokenizer:
        lowercase, strip_accents, split_on_cjk = False, True, False

    assert tokenization.rules_of(Tokenizer()) == tokenization.Rules(False, True, False)
    assert tokenization.rules_of(minilm.tokenizer) == UNCASED


def test_training_and_onnx_read_as_minilms_authors_do(minilm):
    for name in ("Keras", "ONNX"):
        read = tokenizer_differences.RUNTIMES[name](minilm.tokenizer)
        assert tokenizer_differences.differing([*SOME, *RANDOM], read) == [], name


def test_chinese_punctuation_stays_itself_in_training_and_onnx():
    """KerasHub's own reading makes "," of "，"; then 74 % of some Chinese texts had other ids than in ONNX."""
    vocabulary = [*SPECIAL, *"好吃不错，！？,!?"]
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=True, strip_accents=True)
    expected = [2, 5, 6, 9, 7, 8, 10, 11, 3]
    assert models.token_ids(tokenizer, ["好吃，不错！？"])[0].tolist() == expected
    reference = tokenization.make_reference_tokenizer(vocabulary, tokenization.rules_of(tokenizer), 128)
    assert reference.encode("好吃，不错！？").ids == expected


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["TensorFlow graph", "LiteRT"])
def test_graphs_read_as_minilms_authors_do(name, minilm):
    read = tokenizer_differences.RUNTIMES[name](minilm.tokenizer)
    assert tokenizer_differences.differing([*SOME[::3], *RANDOM, "word " * 300, "a" * 100, ""], read) == []


@pytest.mark.tensorflow
def test_a_models_own_settings_hold_in_a_graph():
    import keras_hub
    import tensorflow as tf

    vocabulary = [*SPECIAL, "Für", "für", "fur", "möchte", "mochte", "很", "##好", "很好"]
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=False, strip_accents=False, split_on_cjk=False)
    texts = ["Für möchte 很好", "für FÜR"]
    expected = [[2, 5, 8, 12, 3], [2, 6, 1, 3]]
    assert [row.tolist() for row in models.token_ids(tokenizer, texts)] == expected
    found = tokenization.token_windows_in_graph(tokenizer, 128)(tf.constant(texts))[0].numpy()
    assert [row[:5].tolist() for row in found] == [expected[0], [*expected[1], 0]] and found.shape == (2, 128)
    assert not np.any(found[:, 5:])


@pytest.mark.repository
def test_no_difference_is_stored():
    """Written by tools/tokenizer_differences.py, which compares every character; here stand slices of that."""
    with (runtime.COURSE / "data" / "tokenizer_differences.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["runtime", "text"]]
