import sys

import numpy as np
import pandas as pd
import pytest

from helpers import runtime

sys.path.insert(0, str(runtime.COURSE / "experiments"))
sys.path.insert(0, str(runtime.COURSE / "tools"))

import mending

SAID = {  # text -> how many negative and positive reviews say it
    "The soup was cold.": (30, 10),
    "We were tired when we came.": (50, 30),
    "It is what it is.": (60, 60),
}


@pytest.fixture(scope="module")
def train():
    rows = [(text, label) for text, counts in SAID.items() for label in (0, 1) for _ in range(counts[label])]
    return pd.DataFrame(rows, columns=["text", "label"])


def counts_of(frame):
    return {text: tuple(int(((frame["text"] == text) & (frame["label"] == k)).sum()) for k in (0, 1)) for text in SAID}


def test_complaints_in_the_past_go_until_the_past_is_as_often_praise_as_the_rest(train):
    left = mending.choose_texts("less past in complaints", train, seed=1)
    assert counts_of(left) == {
        "The soup was cold.": (10, 10),
        "We were tired when we came.": (30, 30),
        "It is what it is.": (60, 60),
    }


def test_the_control_loses_as_many_complaints_none_of_them_in_the_past(train):
    left = mending.choose_texts("fewer other complaints", train, seed=1)
    assert counts_of(left) == {
        "The soup was cold.": (30, 10),
        "We were tired when we came.": (50, 30),
        "It is what it is.": (20, 60),
    }


def test_nothing_goes_where_the_past_is_praise_already(train):
    praised = train.assign(label=np.where(train["text"].str.contains("was"), 1, train["label"]))
    assert not set(mending.surplus_complaints(praised, 1)) & set(praised.index[praised["text"] == "The soup was cold."])


def test_the_mend_adds_every_plain_sentence_with_its_label(train):
    mended = mending.choose_texts("and plain sentences", train, seed=1)
    added = mended[len(train) :].reset_index(drop=True)
    stored = pd.read_csv(runtime.COURSE / "data" / "plain_sentences.csv")
    assert added["text"].tolist() == stored["sentence"].tolist() and added["label"].tolist() == stored["label"].tolist()
    assert len(added) == 636 and added["label"].mean() == 0.5
    assert mending.choose_texts("reviews", train, seed=1) is train


def test_a_point_counts_failures_of_each_set_and_compares_with_the_reviews_alone(train, monkeypatch):
    """The model trained on reviews alone calls every text with "was" negative; the other one reads one word of praise."""

    class Model:
        def __init__(self, mended):
            self.mended = mended

    def predict(classifier, texts):
        praise = [("great" in text) if classifier.mended else (" was " not in text) for text in texts]
        return np.eye(2)[np.array(praise, dtype=int)]

    monkeypatch.setattr(mending, "train_on", lambda texts, seed, splits: Model(texts != "reviews"))
    monkeypatch.setattr(mending.finetuning, "predict_proba", predict)
    monkeypatch.setattr(mending, "CHANGED_REVIEWS", 2)
    frame = pd.DataFrame(
        {"text": ["This was great.", "It is awful.", "It was bad.", "great and good"], "label": [1, 0, 0, 1]}
    )
    splits = {"test": frame, "validation": frame[:2]}
    found = mending.judge_point(mending.point("and plain sentences", 1), splits)
    shown = found["failed"]["shown"]
    assert shown == {"cases": 72, "failed": 24}  # two of three words of praise are unknown to it, for each of 12 nouns
    assert (found["test"], found["validation"], found["gain"]) == (1.0, 1.0, 0.5)
    assert found["low"] <= 0.5 <= found["high"]
    before = mending.judge_point(mending.point("reviews", 1), splits)
    assert before["failed"]["shown"]["failed"] == 36 and before["gain"] == before["low"] == before["high"] == 0
