"""Harvest, vocabulary, token files, and the task with labels."""

import hashlib
import json
import os
from collections import Counter

import keras
import keras_hub
import numpy as np
import pytest

from helpers import corpus
from helpers.corpus import CorpusError

WORDS = ["the", "a", "film", "room", "was", "is", "very", "not", "good", "bad", "dull", "fine"]

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
        '"""The latest module is no test although its name ends so."""'
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
    assert any("latest" in row["text"] for row in rows)


def test_no_file_stands_on_two_sides(harvested):
    sides = {split: {row["module"] for row in corpus.read_corpus(harvested, split)} for split in corpus.SPLITS}
    assert sum(map(len, sides.values())) == len(set.union(*sides.values())) == 121
    assert all(len(modules) >= 1 for modules in sides.values()) and len(sides["train"]) > 95


def test_near_copies_share_an_end(tmp_path):
    words = [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    text = " ".join(words)
    near = [" ".join([*words[:20], "then", "other"]), " ".join(["other", *words[5:]]), text.upper() + "!"]
    assert all(corpus.ends(text) & corpus.ends(other) for other in near)
    assert not corpus.ends(text) & corpus.ends(" ".join(["other", *words[1:-1], "other"]))
    (tmp_path / "tree" / "some").mkdir(parents=True)
    for number, other in enumerate([text, *near]):
        (tmp_path / "tree" / "some" / f"m{number}.py").write_text(f'"""{other}"""', encoding="utf-8")
    assert corpus.harvest(tmp_path / "tree", tmp_path / "out.jsonl")["manifest"]["texts"] == 1


def test_manifest_counts_and_the_same_packages_give_the_same_hash(packages, harvested, tmp_path):
    manifest = corpus.manifest_of(harvested)
    assert manifest == corpus.harvest(packages, tmp_path / "again.jsonl")
    counts = manifest["manifest"]
    assert counts["texts"] == 361 and counts["unreadable"] == 1
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


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        (
            "Use ``x`` or **y**, see `the guide <https://a.b/c>`_ and [this](http://d.e).",
            "Use x or y, see the guide and this.",
        ),
        ("First.\n\n:param x: hidden\n    hidden too\n:returns: hidden\nLast.", "First. Last."),
        ("First.\n\n.. code-block:: python\n\n    hidden()\n\nLast::\n\n    hidden()\n", "First. Last:"),
        ("First.\n\n```python\nhidden()\n```\nLast.", "First. Last."),
        ("First.\n\n===== =====\na     b\n===== =====\n| hidden | hidden |\n", "First. a b"),
        ("First.\n\nReturns\n-------\nhidden\n\nNotes\n-----\nLast.", "First. Last."),
        ("A title\n=======\n\nExamples:\n\n  hidden\n\n  hidden\nLast 2 * 3.", "Last 2 * 3."),
    ],
)
def test_prose(docstring, expected):
    assert corpus.prose(docstring) == expected


def test_what_is_no_prose_is_dropped():
    assert corpus.is_prose("This sentence (of ten words) isn't code, so it stays.")
    assert not corpus.is_prose("Too short to be kept here.")
    assert not corpus.is_prose("x = f(a_b, 3) -> y[i] + 2 if z else the rest of it")


def test_course_sources_are_those_of_the_lock_and_python_itself():
    sources = {source.package: source for source in corpus.course_sources()}
    assert {"python", "keras", "numpy"} <= set(sources)
    assert "json/decoder.py" in sources["python"].files and sources["keras"].version == keras.__version__
    assert not any("site-packages" in file for file in sources["python"].files)
    assert all((source.root / file).is_file() for source in sources.values() for file in source.files[:1])


# ---- WordPiece


def test_merging_by_hand():
    words = corpus.spelled(["hug"] * 10 + ["pug"] * 5 + ["hugs"] * 5)
    assert words == {("h", "##u", "##g"): 10, ("p", "##u", "##g"): 5, ("h", "##u", "##g", "##s"): 5}
    assert corpus.most_frequent_pair(words) == ("##u", "##g")
    words = corpus.merge_step(words)
    assert words == {("h", "##ug"): 10, ("p", "##ug"): 5, ("h", "##ug", "##s"): 5}
    words = corpus.merge_step(words)
    assert words == {("hug",): 10, ("p", "##ug"): 5, ("hug", "##s"): 5}
    assert corpus.most_frequent_pair(words) == ("hug", "##s")  # of equals the first
    assert corpus.most_frequent_pair({("b", "##a"): 1, ("a", "##b"): 1}) == ("a", "##b")
    assert corpus.merge_step({("a",): 3}) == {("a",): 3}


def make_texts(number=60, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size=random.integers(3, 21))) for _ in range(number)]


def test_a_learnt_vocabulary_fits_berts_tokenizer():
    texts = make_texts()
    vocabulary = corpus.learn_vocabulary(iter(texts), 80)
    assert vocabulary[:5] == list(corpus.SPECIAL) and vocabulary[5:] == sorted(set(vocabulary[5:]))
    assert set(WORDS) <= set(vocabulary) and len(vocabulary) <= 80
    assert vocabulary == corpus.learn_vocabulary(iter(texts), 80)
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=True, strip_accents=True)
    fit = corpus.vocabulary_fit(tokenizer, ["The FILM wàs good", "dull 漢"])
    assert fit == {"pieces": len(vocabulary), "tokens_a_word": 1.0, "unknown_share": 1 / 6}
    assert len(corpus.learn_vocabulary(iter(texts), 50)) == 50
    with pytest.raises(CorpusError, match="no text"):
        corpus.learn_vocabulary(iter([]), 80)


def test_ties_are_broken_alike_each_time():
    """Words that all occur once: each join is a tie."""
    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("abcdefghijklmnop"), size=8)) for _ in range(300)]
    found = {tuple(corpus.learn_vocabulary(iter(random.permutation(texts).tolist()), 120)) for _ in range(6)}
    assert len(found) == 1 and len(next(iter(found))) == 120


# ---- the artifact


def test_prepared_is_made_once_and_its_splits_share_a_vocabulary(packages, artifacts, monkeypatch, capsys):
    monkeypatch.setattr(corpus, "course_sources", lambda: corpus.folder_sources(packages))
    monkeypatch.setattr(corpus, "split_of", lambda package, module: corpus.SPLITS[len(module) % 3])
    corpus_file, tokens = corpus.prepared()
    assert list(tokens) == list(corpus.SPLITS) and len({some.vocabulary for some in tokens.values()}) == 1
    for split, some in tokens.items():
        texts = [row["text"] for row in corpus.read_corpus(corpus_file, split)]
        assert len(some.starts) == len(texts) + 1
    assert corpus.prepared()[0] == corpus_file and "docstrings: found in" in capsys.readouterr().out


# ---- topics


def test_topics_hide_the_names_and_keep_the_split(tmp_path):
    text = "NumPy and sklearn.linear arrays (np.array) in a keras model are numpydoc, mynumpy in thing-like things and Thing."
    hidden = corpus.without_names(text, "thing/core.py")
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
    frame = corpus.topics(tmp_path / "corpus.jsonl", "train")
    names = list(corpus.FIELDS)
    assert frame["label"].tolist() == [names.index("numerics"), names.index("standard library")]
    assert frame["text"].tolist() == ["Text 0 of json", "Text 1 of this package"]
