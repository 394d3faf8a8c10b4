"""Harvest, token files, and the task with labels."""

import hashlib
import importlib.metadata
import json
import os
from collections import Counter
from dataclasses import FrozenInstanceError
from itertools import chain
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_language import VOCABULARY, WORDS, make_texts

from helpers import corpus, tokenization, wordpiece
from helpers.corpus import CorpusError

# ---- the corpus

MODULE = '''"""{name} holds things that a reader of this small package may want to know about {name}."""
raise RuntimeError("this module was imported")

def load(path):
    """Load the file named {name} from a path, as `load` of :func:`other.load` does it. See https://example.org/x

    Parameters
    ----------
    path : str
        This secret is only about a parameter of the function.

    Notes
    -----
    It reads the whole file at once, so take care of *very* large ones, {name}.

    >>> load("secret")
    'secret'
    """
    def inner():
        """Nobody outside of this function can ever read this secret docstring here."""

def _private():
    """This is a secret of the module, and nobody else should ever read about it."""

class Reader:
    """Short."""

    def read(self, size):
        """Read at most so many bytes of {name} and give them back as they are in {name}.

        Args:
            size: another secret about a parameter that is longer than eight words.

        Returns:
            The secret bytes.
        """
'''


@pytest.fixture
def packages(tmp_path):
    """Three packages of forty modules, each of which would raise if it were imported; tests; a broken file."""
    for package in ("alpha", "beta", "gamma"):
        for number in range(40):
            file = tmp_path / "tree" / package / f"module{number}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(MODULE.format(name=f"{package}{number}"), encoding="utf-8")
    for hidden in ("tests/helper.py", "test_it.py", "it_test.py", "testing/tool.py", "conftest.py"):
        file = tmp_path / "tree" / "alpha" / hidden
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            '"""This secret stands in a test and is no part of what users should read."""', encoding="utf-8"
        )
    (tmp_path / "tree" / "alpha" / "latest.py").write_text(
        '"""The latest module is no test although its naïve name ends so."""', encoding="utf-8"
    )
    (tmp_path / "tree" / "beta" / "broken.py").write_text("def (:")
    (tmp_path / "tree" / "gamma" / "copy.py").write_text(MODULE.format(name="alpha1"), encoding="utf-8")
    return tmp_path / "tree"


@pytest.fixture
def harvested(packages, tmp_path):
    corpus.harvest(packages, tmp_path / "corpus.jsonl")
    return tmp_path / "corpus.jsonl"


def test_harvest_keeps_sentences_and_leaves_out_tests_lists_code_and_copies(harvested):
    rows = [row for split in corpus.SPLITS for row in corpus.read_corpus(harvested, split)]
    assert len(rows) == 3 * 40 * 3 + 1  # a module, a function, a method; copies once
    assert [row["text"] for row in rows if row["package"] == "alpha" and row["module"] == "alpha/module1.py"] == [
        "alpha1 holds things that a reader of this small package may want to know about alpha1.",
        "Load the file named alpha1 from a path, as load of other.load does it. See "
        "It reads the whole file at once, so take care of very large ones, alpha1.",
        "Read at most so many bytes of alpha1 and give them back as they are in alpha1.",
    ]
    assert not any("secret" in row["text"] for row in rows)
    assert any("latest" in row["text"] for row in rows) and "naïve".encode() in harvested.read_bytes()


def test_no_file_stands_on_two_sides(harvested):
    sides = {split: {row["module"] for row in corpus.read_corpus(harvested, split)} for split in corpus.SPLITS}
    assert sum(map(len, sides.values())) == len(set.union(*sides.values())) == 121
    assert all(len(modules) >= 1 for modules in sides.values()) and len(sides["train"]) > 95


def test_near_copies_share_an_end(tmp_path):
    words = [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    text = " ".join(words)
    near = [" ".join([*words[:20], "then", "other"]), " ".join(["other", *words[5:]]), text.upper() + "!"]
    assert all(corpus.hash_ends(text) & corpus.hash_ends(other) for other in near)
    assert not corpus.hash_ends(text) & corpus.hash_ends(" ".join(["other", *words[1:-1], "other"]))
    assert corpus.hash_ends(text) & corpus.hash_ends(" ".join([*words[:12], *"other"]))
    assert not corpus.hash_ends(text) & corpus.hash_ends(" ".join([*words[:11], *"other"]))
    assert {len(end) for end in corpus.hash_ends(text)} == {8}
    (tmp_path / "tree" / "some").mkdir(parents=True)
    for number, other in enumerate([text, *near]):
        (tmp_path / "tree" / "some" / f"m{number}.py").write_text(f'"""{other}"""', encoding="utf-8")
    assert corpus.harvest(tmp_path / "tree", tmp_path / "out.jsonl")["manifest"]["texts"] == 1


def test_manifest_counts_and_the_same_packages_give_the_same_hash(packages, harvested, tmp_path):
    manifest = corpus.read_manifest(harvested)
    assert manifest == corpus.harvest(packages, tmp_path / "a new" / "folder" / "again.jsonl")
    counts = manifest["manifest"]
    assert (counts["files"], counts["texts"], counts["unreadable"]) == (3 * 40 + 3, 361, 1)
    for split in corpus.SPLITS:
        texts = [row["text"] for row in corpus.read_corpus(harvested, split)]
        assert counts[f"{split} texts"] == len(texts) and counts[f"{split} words"] == sum(len(t.split()) for t in texts)
    (packages / "beta" / "module0.py").write_text('"""Something else is said here, with as many as nine words."""')
    assert corpus.harvest(packages, tmp_path / "changed.jsonl")["sha256"] != manifest["sha256"]
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_damaged_corpus_is_refused_before_its_first_text(harvested):
    whole = harvested.read_bytes()
    for damaged, message in [
        (whole[:-1], "cut short"),
        (whole[: len(whole) // 2], "cut short"),
        (b"", "cut short"),
        (whole.replace(b"alpha7", b"alpha8", 1), "changed"),
        (whole[whole.index(b"\n") + 1 :], "changed"),
    ]:
        harvested.write_bytes(damaged)
        with pytest.raises(CorpusError, match=message):
            next(corpus.read_corpus(harvested, "train"))
    harvested.write_bytes(whole)
    with pytest.raises(CorpusError, match="'training'"):
        next(corpus.read_corpus(harvested, "training"))


def test_an_empty_folder_is_an_error_and_leaves_no_file(tmp_path):
    (tmp_path / "tree").mkdir()
    with pytest.raises(CorpusError, match="No docstring"):
        corpus.harvest(tmp_path / "tree", tmp_path / "corpus.jsonl")
    assert os.listdir(tmp_path) == ["tree"]


def test_a_file_goes_where_its_path_says():
    """The stored results are of these splits: a change here makes them stale."""
    names = [("python", "json/decoder.py"), ("numpy", "numpy/linalg/_linalg.py"), ("keras", "keras/src/losses/loss.py")]
    assert [corpus.choose_split(*name) for name in names] == ["train", "train", "train"]
    counts = Counter(corpus.choose_split("some", f"module{number}.py") for number in range(20_000))
    assert counts == {"train": 18108, "validation": 950, "test": 942}


def test_the_sources_are_those_of_the_lock_that_are_installed_and_python_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "LOCK", tmp_path / "lock")
    (tmp_path / "lock").write_text("numpy==0.1 \\\n    --hash=a\nKeras==3 \\\nabsent-from-here==1 \\\n")
    sources = corpus.list_course_sources()
    assert [source.package for source in sources] == ["python", "Keras", "numpy"]
    python, keras_source, _ = sources
    assert keras_source.version == keras.__version__ and "keras/src/models/model.py" in keras_source.files
    assert "json/decoder.py" in python.files and not any("site-packages" in file for file in python.files)
    assert all(file.endswith(".py") for source in sources for file in source.files)
    assert all(list(source.files) == sorted(set(source.files)) for source in sources)
    assert all((source.root / file).is_file() for source in sources for file in source.files[:1])


def test_without_a_lock_the_sources_are_all_that_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "LOCK", tmp_path / "none")
    some = [importlib.metadata.distribution(name) for name in ("pytest", "numpy")]
    monkeypatch.setattr(corpus.importlib.metadata, "distributions", lambda: some)
    assert [source.package for source in corpus.list_course_sources()] == ["python", "numpy", "pytest"]


def test_a_source_does_not_change(tmp_path):
    with pytest.raises(FrozenInstanceError):
        corpus.Source("some", "1", tmp_path, ()).version = "2"


# ---- token files


def test_token_files_hold_the_ids_of_each_text_and_where_it_begins(tmp_path):
    corpus.write_tokens(iter(["the FILM", "unheard, good"]), VOCABULARY, tmp_path / "tokens")
    tokens = corpus.read_tokens(tmp_path / "tokens")
    assert tokens.ids.tolist() == [5, 7, 3, 1, 1, 13, 3] and tokens.starts.tolist() == [0, 3, 7]
    assert isinstance(tokens.ids, np.memmap) and tokens.vocabulary == tuple(VOCABULARY)
    assert tokens.special_ids == [0, 1, 2, 3, 4]
    with pytest.raises(FrozenInstanceError):
        tokens.fingerprint = "of others"


def test_token_files_do_not_depend_on_how_many_texts_are_tokenised_at_once(tmp_path):
    texts = [WORDS[i % 12] for i in range(2001)]
    corpus.write_tokens(texts, VOCABULARY, tmp_path / "tokens")
    tokens = corpus.read_tokens(tmp_path / "tokens")
    assert tokens.ids[::2].tolist() == [5 + i % 12 for i in range(2001)] and set(tokens.ids[1::2]) == {3}
    assert tokens.starts.tolist() == list(range(0, 4003, 2))


def test_a_fingerprint_is_of_ids_and_vocabulary(tmp_path):
    def fingerprint(texts, vocabulary=VOCABULARY):
        corpus.write_tokens(texts, vocabulary, tmp_path / "tokens")
        return corpus.read_tokens(tmp_path / "tokens").fingerprint

    first = fingerprint(["the film", "good"])
    assert first == fingerprint(["The  FILM", "good"])
    assert first != fingerprint(["the film", "bad"]) and first != fingerprint(["the film", "good", "good"])
    assert first != fingerprint(["the film", "good"], [*VOCABULARY[:-1], "other"])


def test_tokens_of_no_text_or_cut_short_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="no text"):
        corpus.write_tokens(iter([]), VOCABULARY, tmp_path / "empty")
    assert not list(tmp_path.iterdir())
    corpus.write_tokens(make_texts(5), VOCABULARY, tmp_path / "short")
    file = tmp_path / "short" / "ids.int32"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(CorpusError, match="cut short"):
        corpus.read_tokens(tmp_path / "short")


# ---- the artifact


@pytest.fixture
def three_parts(packages, monkeypatch):
    """The packages as the only sources; a third of the files in each split, each with words of its own."""

    def choose_split(package, module):
        digits = "".join(filter(str.isdigit, module))
        return corpus.SPLITS[int(digits or 0) % 3]

    words = {"train": "quick", "validation": "jumpy", "test": "blowzy"}
    for file in packages.glob("*/module*.py"):
        word = words[choose_split("", file.name)]
        file.write_text(f'"""{file.stem} of {file.parent.name} says {f"{word} " * 9}."""', encoding="utf-8")
    monkeypatch.setattr(corpus, "list_course_sources", lambda: corpus.list_folder_sources(packages))
    monkeypatch.setattr(corpus, "choose_split", choose_split)


def test_the_artifact_is_made_once_and_its_vocabulary_is_learnt_from_the_training_texts_alone(
    three_parts, artifacts, capsys
):
    path, tokens = corpus.prepare()
    texts = {split: [row["text"] for row in corpus.read_corpus(path, split)] for split in corpus.SPLITS}
    vocabularies = {split: tuple(wordpiece.learn_vocabulary(texts[split])) for split in corpus.SPLITS}
    assert "quick" in vocabularies["train"] and "blowzy" in vocabularies["test"]
    assert list(tokens) == list(corpus.SPLITS)
    tokenizer = tokenization.make_reference_tokenizer(vocabularies["train"])
    for split, some in tokens.items():
        assert some.vocabulary == vocabularies["train"]
        ids = [[*encoding.ids, 3] for encoding in tokenizer.encode_batch(texts[split])]
        assert some.ids.tolist() == list(chain(*ids))
    assert corpus.prepare()[0] == path and "docstrings: found in" in capsys.readouterr().out


def test_other_code_makes_another_artifact(three_parts, artifacts, tmp_path, monkeypatch):
    """The code of what `corpus` imports counts as well: see test_runtime.py."""
    before = corpus.prepare()[0]
    changed = tmp_path / "changed.py"
    changed.write_text(Path(corpus.__file__).read_text(encoding="utf-8") + "# changed", encoding="utf-8")
    monkeypatch.setattr(corpus, "__file__", str(changed))
    assert corpus.prepare()[0] != before


# ---- topics


def test_topics_hide_the_names_and_keep_the_split(tmp_path):
    text = "NumPy and sklearn.linear arrays (np.array) in a keras model are numpydoc, mynumpy in thing-like things and Thing."
    hidden = corpus.hide_names(text, "thing/core.py")
    assert hidden == (
        "this package and this package.linear arrays (this package.array) in a this package model are numpydoc, mynumpy "
        "in thing-like things and this package."
    )
    lines = [("numpy", "numpy/a.py", "train"), ("python", "json/b.py", "train"), ("unheard-of", "c.py", "train")]
    rows = [dict(text=f"Text {i} of json", package=p, module=m, split=s) for i, (p, m, s) in enumerate(lines)]
    body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    counts = Counter({"train texts": 3})
    manifest = {"manifest": counts, "versions": {}, "sha256": hashlib.sha256(body).hexdigest()}
    (tmp_path / "corpus.jsonl").write_bytes(body + json.dumps(manifest).encode() + b"\n")
    frame = corpus.read_topics(tmp_path / "corpus.jsonl", "train")
    names = list(corpus.FIELDS)
    assert frame["label"].tolist() == [names.index("numerics"), names.index("standard library")]
    assert frame["text"].tolist() == ["Text 0 of json", "Text 1 of this package"]
