"""Loading, cleaning, near-duplicates, splits, words, the baseline."""

import itertools

import numpy as np
import pandas as pd
import pytest

from helpers import data


@pytest.fixture(scope="module")
def reviews():
    return data.clean(data.load())[0]


@pytest.fixture(scope="module")
def splits(reviews):
    return data.split(reviews)


def frame_of(*rows):
    """A frame of reviews from (text, stars) pairs."""
    texts, stars = zip(*rows, strict=True)
    return pd.DataFrame(
        {"review_id": range(len(rows)), "text": texts, "stars": stars, "domain": "film", "style": "plain"}
    )


def test_the_reviews_are_those_of_the_datasheet(reviews):
    loaded = data.load()
    assert len(loaded) == 6235
    assert loaded["review_id"].is_unique
    assert loaded.groupby(["style", "stars"]).size().tolist() == [640, 718, 480, 720, 798, 600, 600, 399, 600, 680]
    assert len(reviews) == 6232  # three texts stand twice, but for case and full stop


def test_load_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        data.load(tmp_path / "none.csv")
    (tmp_path / "short.csv").write_text("text,stars\nfine,3\n")
    with pytest.raises(ValueError, match=r"lacks the columns \['review_id', 'domain', 'style'\]"):
        data.load(tmp_path / "short.csv")
    (tmp_path / "latin.csv").write_bytes("review_id,text\n1,café\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8"):
        data.load(tmp_path / "latin.csv")


def test_load_keeps_texts_that_look_like_missing_values(tmp_path):
    (tmp_path / "reviews.csv").write_text(
        "review_id,text,stars,domain,style\n1,n/a,1,app,plain\n2,,1,app,plain\n3,null,1,app,plain\n"
    )
    assert data.load(tmp_path / "reviews.csv")["text"].tolist() == ["n/a", "", "null"]


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("  two\u00a0 words\n", "two words"),
        ("cafe\u0301", "café"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\x00", ""),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),  # here the joiner belongs to the sign
    ],
)
def test_tidy_text(text, tidy):
    assert data.tidy_text(text) == tidy


def test_clean_drops_what_it_should_and_reports_it():
    dirty = frame_of(
        ("Good  film.", 5),
        ("good film", 5),
        ("", 4),
        (None, 4),
        ("Odd", 7),
        ("Odd too", "five"),
        ("Mixed", 1),
        ("mixed!", 5),
        ("👍", 5),
        ("👎", 1),
    )
    clean, report = data.clean(dirty)
    assert clean["text"].tolist() == ["Good film.", "👍", "👎"]
    assert clean["stars"].dtype == "int64"
    assert report["rows_dropped"].tolist() == [0, 2, 2, 2, 1]
    assert report["rows_changed"].tolist() == [2, 0, 0, 0, 0]  # the double space and the missing text


def test_labels():
    assert data.label(pd.Series([1, 2, 3, 4, 5])).tolist() == [0, 0, -1, 1, 1]


def test_near_duplicates_equal_a_plain_double_loop(reviews):
    texts = reviews["text"].sample(400, random_state=0).tolist()
    texts += [text + " really" for text in texts[:20]]
    pairs = [data.word_pairs(text) for text in texts]
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(len(texts)), 2)
        if len(pairs[i] & pairs[j]) >= 0.5 * len(pairs[i] | pairs[j])
    }
    assert {tuple(pair) for pair in data.near_duplicates(texts).tolist()} == expected
    assert len(expected) >= 15


def test_clusters_join_over_a_common_neighbour():
    found = data.clusters(["a b c d", "a b c d e f", "a b c d e f g h i", "z y x"])
    assert found[0] == found[1] == found[2] != found[3]


def test_stable_hash_is_the_same_on_every_machine():
    assert data.stable_hash("good") == 0x770E607624D68926


def test_split_sizes_are_exact(splits):
    total = sum(len(splits[name]) for name in data.SPLIT_SHARES)
    for name, share in data.SPLIT_SHARES.items():
        assert abs(len(splits[name]) - share * total) < 1


def test_split_loses_and_doubles_nothing(reviews, splits):
    ids = sorted(itertools.chain.from_iterable(part["review_id"] for part in splits.values()))
    assert ids == sorted(reviews["review_id"])


def test_split_is_stratified(splits):
    counts = pd.DataFrame({name: splits[name].groupby(data.STRATUM).size() for name in data.SPLIT_SHARES}).fillna(0)
    for name, share in data.SPLIT_SHARES.items():
        assert (counts[name] - share * counts.sum(axis=1)).abs().max() < 3.1  # rounding; clusters stay whole
    assert len(counts) == 6 * 4 * 2


def test_no_near_duplicate_stands_on_another_side(splits):
    rows = pd.concat([splits[name].assign(side=name) for name in data.SPLIT_SHARES], ignore_index=True)
    pairs = data.near_duplicates(rows["text"].tolist())
    assert len(pairs) == 19  # or else this test would prove nothing
    sides = rows["side"].to_numpy()
    assert (sides[pairs[:, 0]] == sides[pairs[:, 1]]).all()


def test_later_and_undecided_are_set_aside(splits):
    assert set(splits["later"]["domain"]) == {"course", "travel"}
    for name in data.SPLIT_SHARES:
        assert not set(splits[name]["domain"]) & {"course", "travel"}
        assert set(splits[name]["label"]) == {0, 1}
    assert set(splits["undecided"]["stars"]) == {3}


def test_split_does_not_depend_on_the_order_of_the_rows(reviews, splits):
    shuffled = data.split(reviews.sample(frac=1, random_state=1).reset_index(drop=True))
    for name in data.SPLIT_SHARES:
        assert set(shuffled[name]["review_id"]) == set(splits[name]["review_id"])


def test_prepared_gives_the_same_splits_when_made_and_when_found(artifacts, splits):
    for _ in ("made", "found"):
        prepared = data.prepared()
        for name, part in splits.items():
            pd.testing.assert_frame_equal(prepared[name], part, check_dtype=False)


def test_content_hash_sees_text_label_and_order():
    frame = pd.DataFrame({"text": ["a", "b"], "label": [0, 1]})
    others = [frame.assign(text=["a", "c"]), frame.assign(label=[1, 1]), frame[::-1], frame]
    hashes = [data.content_hash(other) for other in others]
    assert len(set(hashes)) == 4 and hashes[-1] == data.content_hash(frame)


def test_words_are_marked_as_stop_words():
    assert data.words(["It was not good!"]) == [[("It", True), ("was", True), ("not", True), ("good", False)]]


def test_bag_of_words_beats_the_majority(splits):
    train, test = splits["train"], splits["test"]
    baseline = data.bag_of_words().fit(train["text"], train["label"])
    probabilities = baseline.predict_proba(test["text"])
    assert probabilities.shape == (len(test), 2)
    right = (probabilities.argmax(axis=1) == test["label"]).mean()
    assert right > max(np.mean(test["label"]), 1 - np.mean(test["label"])) + 0.15
