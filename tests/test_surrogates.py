"""Readable models: do they say what the model says, and can they be read? And what lies in its vectors."""

import keras
import numpy as np
import pytest
from conftest import make_tiny_classifier, make_tiny_reviews

from helpers import finetuning, models, surrogates

COUNTS = {"good": 3.0, "fine": 1.0, "bad": -2.0, "dull": -0.5}  # what each word adds to the log-odds of a made-up model
ONE_WORD = ["good", "fine", "bad", "dull", "film", "room"]


def made_up_log_odds(texts):
    return np.array([sum(COUNTS.get(word, 0) for word in text.split()) for text in texts])


def imitation(strength=1e-3):
    texts, _ = make_tiny_reviews(300)
    return surrogates.fit_linear(texts, made_up_log_odds(texts), ("no", "yes"), "words", strength)


# ---- what is counted

CHINESE = [
    "服务很好，下次再来。",
    "房间太小了，不满意！",
    "电影不错，值得一看。",
    "太贵了，我不推荐。",
    "味道很好，就是有点远。",
]


def test_words_are_counted_where_they_come_again_and_characters_where_clauses_do_not():
    assert surrogates.choose_kind(["The film was good.", "the room was bad"]) == "words"  # the, was: 4 of 8
    assert surrogates.choose_kind(["The film was good.", "the rooms are bad"]) == "characters"  # 2 of 8
    assert surrogates.choose_kind(make_tiny_reviews(20)[0]) == "words"
    assert surrogates.choose_kind(CHINESE) == surrogates.choose_kind(["😀", "a"]) == "characters"
    assert surrogates.choose_kind(["much much much", "else"]) == "characters"  # twice in one text only
    assert surrogates.choose_kind(CHINESE * 2) == "characters"  # the same texts again


# ---- the linear model


def test_a_linear_model_finds_what_each_word_adds():
    linear, (texts, _) = imitation(), make_tiny_reviews(100, seed=1)
    found = linear.logits(texts)
    assert np.allclose(found.sum(axis=1), 0, atol=1e-9)
    expected = made_up_log_odds(texts)
    assert np.corrcoef(found[:, 1] - found[:, 0], expected)[0, 1] > 0.9
    clear = np.abs(expected) > 1
    assert (linear.predict(texts)[clear] == (expected > 0)[clear]).mean() > 0.95
    log_odds = np.log(linear.predict_proba(texts)) @ [-1, 1]
    assert np.allclose(log_odds, found[:, 1] - found[:, 0])


def test_log_odds_and_logits_make_the_same_model_whatever_is_added_to_all_logits_of_a_text():
    texts, _ = make_tiny_reviews(60)
    log_odds, aside = made_up_log_odds(texts), np.random.default_rng(0).normal(size=(60, 1))
    one = surrogates.fit_linear(texts, log_odds)
    other = surrogates.fit_linear(texts, np.stack([0 * log_odds, log_odds], axis=1) + 50 * aside)
    assert np.allclose(one.logits(texts), other.logits(texts), atol=0.02) and np.ptp(one.logits(texts)) > 1
    assert one.class_names == ("0", "1")


def test_the_regression_holds_weights_down_as_told():
    assert np.abs(imitation(100.0).weights()).max() < np.abs(imitation(1.0).weights()).max() / 3
    assert imitation().ridge.alpha == 1e-3 and surrogates.fit_linear(["a b", "a c"], [1, 2], kind="characters")


def three_classes():
    """A model of three classes: each of the words good, bad, film speaks for its own, by 6, 4 and 2."""
    texts = [f"{word} {other}" for word in ("good", "bad", "film") for other in ("the", "very", "not")] * 4
    logits = np.array([[6 * ("good" in t), 4 * ("bad" in t), 2 * ("film" in t)] for t in texts], "float32")
    return texts, logits, surrogates.fit_linear(texts, logits, ("A", "B", "C"), "words", 1e-6)


def test_the_weight_of_a_word_is_what_it_adds_beyond_the_other_classes():
    texts, logits, linear = three_classes()
    assert linear.predict(texts).tolist() == logits.argmax(axis=1).tolist()
    assert np.allclose(linear.logits(texts), logits - logits.mean(axis=1, keepdims=True), atol=1e-3)
    coefficients = linear.ridge.coef_
    for number in range(3):
        others = np.delete(coefficients, number, axis=0).mean(axis=0)
        assert np.allclose(linear.weights()[number], coefficients[number] - others)


def test_telling_words_are_those_that_speak_most_for_each_class():
    linear = imitation(0.1)
    table = surrogates.telling_words(linear, 2)
    assert table.columns.tolist() == ["class", "term", "weight", "texts"]
    assert table["class"].tolist() == ["no", "no", "yes", "yes"]
    assert ["bad" in term for term in table["term"]] == [True, True, False, False]
    assert ["good" in term for term in table["term"]] == [False, False, True, True]
    terms, common = linear.counter.get_feature_names_out(), linear.texts_with >= 3
    for name, weights in zip(("no", "yes"), linear.weights(), strict=True):
        rows, best = table[table["class"] == name], np.argsort(-weights[common])[:2]
        assert rows["term"].tolist() == terms[common][best].tolist()
        assert rows["weight"].tolist() == weights[common][best].tolist()
    texts = [" ".join(text.replace(".", "").replace("!", "").split()) for text in make_tiny_reviews(300)[0]]
    assert [sum(term in text for text in texts) for term in table["term"]] == table["texts"].tolist()
    words = surrogates.telling_words(three_classes()[2], 1)
    assert words[["class", "term"]].to_numpy().tolist() == [["A", "good"], ["B", "bad"], ["C", "film"]]


def test_words_of_few_texts_are_no_telling_words():
    texts = ["good film", "good room", "good", "best", "bad film", "bad room", "bad", "film"]
    linear = surrogates.fit_linear(texts, [3, 3, 3, 9, -3, -3, -3, 0], kind="words")
    assert surrogates.telling_words(linear, 1, least=1)["term"].tolist() == ["bad", "best"]
    assert surrogates.telling_words(linear, 1)["term"].tolist() == ["bad", "good"]
    assert surrogates.telling_words(linear, least=4).empty
    everything = surrogates.telling_words(linear, 99, least=1)
    assert (everything["weight"] > 0).all() and everything["term"].is_unique  # what speaks for one is against the other


def test_telling_runs_of_characters_speak_in_any_script_and_show_their_spaces():
    texts = [
        f"{first}{good}{last}" for first in ("这家", "那个") for good in ("好", "坏") for last in ("吃", "看", "用")
    ] * 2
    scores = [5.0 if "好" in text else -5.0 for text in texts]
    linear = surrogates.fit_linear(texts, scores, ("差", "佳"))
    table = surrogates.telling_words(linear, 1)
    assert table["term"].tolist() == ["坏", "好"] and table["class"].tolist() == ["差", "佳"]
    assert linear.predict(["好", "坏"]).tolist() == [1, 0]
    spaced = surrogates.fit_linear(["x ay", "x ay", "x by", "x by"] * 2, [3, 3, -3, -3] * 2, kind="characters")
    assert "␣a" in surrogates.telling_words(spaced, 20)["term"].tolist()
    assert [surrogates._mark_ends(term) for term in (" a b ", "a b", "  ")] == ["␣a b␣", "a b", "␣␣"]


@pytest.mark.parametrize("make", [imitation, lambda: three_classes()[2]])
def test_what_the_words_of_a_text_add_is_its_log_odds(make):
    linear, text = make(), "good film not very bad"
    logits = linear.logits([text])[0]
    for target in range(len(logits)):
        parts = surrogates.explain_linear(linear, text, target)
        assert parts.sum() == pytest.approx(logits[target] - np.delete(logits, target).mean())
        assert parts.index[-1] == "(bias)" and parts.iloc[:-1].is_monotonic_decreasing
        assert {"good", "film", "bad"} <= set(parts.index)
    expected = surrogates.explain_linear(linear, text, int(logits.argmax()))
    assert surrogates.explain_linear(linear, text).equals(expected)


def test_what_does_not_fit_is_refused():
    for texts, scores, names in [(["a"], [1, 2], None), (["a", "b"], [1, 2], ("x",)), (["a"], [[1.0]], None)]:
        with pytest.raises(ValueError, match="do not fit"):
            surrogates.fit_linear(texts, scores, names, "characters")


def test_unlabelled_texts_teach_words_that_the_labelled_ones_lack():
    labelled, unlabelled = (
        ["fine film", "dull film", "fine room", "dull room"],
        ["superb film", "superb room", "awful film"],
    )
    scores = lambda texts: [4.0 * (text.split()[0] in ("fine", "superb")) - 2 for text in texts]  # noqa: E731
    alone = surrogates.fit_linear(labelled, scores(labelled), kind="words")
    student = surrogates.fit_linear(labelled + unlabelled, scores(labelled + unlabelled), kind="words")
    assert np.allclose(alone.logits(["superb"]), alone.logits(["awful"]))
    assert student.predict(["superb", "awful"]).tolist() == [1, 0]


# ---- the tree


def test_a_tree_imitates_and_asks_no_more_than_told():
    texts, labels = make_tiny_reviews(200)
    tree = surrogates.fit_tree(texts, labels, kind="words")
    fresh, expected = make_tiny_reviews(50, seed=3)
    assert tree.predict(fresh).tolist() == expected.tolist()  # label 1 where "good" stands
    either = np.array([int("good" in t.split() or "room" in t.split()) for t in texts])
    for depth in (1, 2):
        assert surrogates.fit_tree(texts, either, depth, "words")[-1].get_depth() == depth
    assert (surrogates.fit_tree(texts, either, 1, "words").predict(texts) == either).mean() < 0.95
    assert (surrogates.fit_tree(texts, either, None, "words").predict(texts) == either).all()
    assert tree[-1].max_depth == 5


def test_a_tree_asks_about_the_most_frequent_terms_only(monkeypatch):
    monkeypatch.setattr(surrogates, "MOST_COLUMNS", 2)
    tree = surrogates.fit_tree(["the good", "the bad", "the good film", "bad the"], [1, 0, 1, 0])
    assert tree[0].get_feature_names_out().tolist() == ["bad", "the"]
    chinese = surrogates.fit_tree(CHINESE * 3, [1, 0, 1, 0, 1] * 3)
    assert chinese[0].analyzer == "char"


def test_a_tree_can_be_read():
    texts = ["good film"] * 6 + ["bad film"] * 2 + ["good not"] * 3 + ["bad not"]
    answers = [1] * 6 + [0] * 2 + [0] * 3 + [0]
    fitted = surrogates.fit_tree(texts, answers, 3, "words")
    columns = ["bad", "bad film", "bad not", "film", "good", "good film", "good not", "not"]
    assert fitted[0].get_feature_names_out().tolist() == columns
    lines = surrogates.describe_tree(fitted[-1], columns, ("no", "yes"))
    threshold = fitted[-1].tree_.threshold[0]
    assert lines == [
        f'"good film" over {threshold:.2f}:',
        "    → yes: 100 % of 6 texts",
        f'"good film" at most {threshold:.2f}:',
        "    → no: 100 % of 6 texts",
    ]
    assert surrogates.describe_tree(fitted[-1], columns, depth=0) == ["→ 0: 50 % of 12 texts"]


def test_a_deep_tree_is_described_as_far_as_asked_level_by_level():
    texts, _ = make_tiny_reviews(200)
    answers = np.array([2 * ("good" in t.split()) + ("room" in t.split()) for t in texts])
    fitted = surrogates.fit_tree(texts, answers, None, "words")
    one, two = (surrogates.describe_tree(fitted[-1], fitted[0].get_feature_names_out(), depth=n) for n in (1, 2))
    assert len(one) == 4 and [line.startswith("    →") for line in one] == [False, True, False, True]
    assert len(two) == 10 and two[0] == one[0] and two[5] == one[2]
    assert sum(int(line.split(" of ")[1].split()[0]) for line in two if "→" in line) == 200
    over = [text for text in texts if one[0].split('"')[1] in text.split()]
    assert one[1].endswith(f" of {len(over)} texts")


# ---- fidelity


def test_fidelity_is_the_share_of_same_answers_with_wilsons_interval():
    answers = np.array([0, 1, 2, 2, 1, 0, 0, 1, 2, 1])
    other = np.array([0, 1, 2, 0, 1, 0, 1, 1, 2, 0])
    share, low, high = surrogates.fidelity(other, answers)
    z, n = 1.959964, 10  # Wilson (1927): (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    middle, half = 0.7 + z**2 / (2 * n), z * np.sqrt(0.7 * 0.3 / n + z**2 / (4 * n**2))
    assert share == pytest.approx(0.7)
    assert [low, high] == pytest.approx([(middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)], abs=1e-6)
    assert surrogates.fidelity([3, 0], [0, 0])[0] == surrogates.fidelity([0, 0], [0, 3])[0] == 0.5
    for surrogate, model in [([], []), ([0], [0, 0])]:
        with pytest.raises(ValueError, match="do not fit"):
            surrogates.fidelity(np.array(surrogate, int), np.array(model, int))


def test_where_the_two_part_the_models_surest_answers_come_first():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.01, 0.99], [0.3, 0.7]])
    found = surrogates.where_they_part(list("abcde"), [1, 1, 0, 1, 0], probabilities, 2)
    assert found.reset_index().to_numpy().tolist() == [[0, "a", 0, 1, 0.9], [2, "c", 1, 0, 0.8]]
    assert found.columns.tolist() == ["text", "model", "surrogate", "confidence"]
    assert len(surrogates.where_they_part(list("abcde"), [0, 1, 0, 1, 0], probabilities)) == 3


# ---- vectors by layer


def test_the_last_layer_is_what_the_head_sees_and_texts_keep_their_order(tiny_classifier):
    texts, _ = make_tiny_reviews(40)
    found = surrogates.layer_vectors(tiny_classifier, texts)
    assert found.shape == (3, 40, 16) and found.dtype == "float32"
    assert np.allclose(found[2], finetuning.mean_features(tiny_classifier, texts), atol=1e-6)
    for row in (0, 7, 39):
        assert np.allclose(surrogates.layer_vectors(tiny_classifier, [texts[row]])[:, 0], found[:, row], atol=1e-5)


def embeddings_by_hand(classifier, ids):
    """Token, position and segment vectors added and normalised, float (tokens, width): Devlin et al. (2019), figure 2."""
    tables = [classifier.backbone.get_layer(name).weights[0] for name in finetuning.EMBEDDINGS]
    token, position, segment = map(keras.ops.convert_to_numpy, tables)
    added = token[ids] + position[: len(ids)] + segment[0]
    scale, shift = map(keras.ops.convert_to_numpy, classifier.backbone.get_layer("embeddings_layer_norm").weights)
    centred = added - added.mean(axis=1, keepdims=True)
    return centred / centred.std(axis=1, keepdims=True) * scale + shift


def test_layer_0_is_the_mean_of_the_embeddings_and_padding_does_not_count(tiny_classifier):
    texts = ["good film", "the room was not very good . " * 5]
    found = surrogates.layer_vectors(tiny_classifier, texts)
    for row, ids in enumerate(models.token_ids(tiny_classifier.tokenizer, texts)):
        assert np.allclose(found[0, row], embeddings_by_hand(tiny_classifier, ids).mean(axis=0), atol=1e-4)
        first = tiny_classifier.backbone.get_layer("transformer_layer_0")
        after = first(embeddings_by_hand(tiny_classifier, ids)[None].astype("float32"), training=False)
        assert np.allclose(found[1, row], keras.ops.convert_to_numpy(after)[0].mean(axis=0), atol=1e-4)


def test_a_text_of_several_windows_has_the_mean_of_them():
    classifier = make_tiny_classifier()
    longer = models.Classifier(classifier.backbone, classifier.model, classifier.tokenizer, 3 * models.MAX_LENGTH)
    half = models.MAX_LENGTH - 2
    parts = [["good"] * half, ["bad"] * half]
    whole = surrogates.layer_vectors(longer, [" ".join(parts[0] + parts[1])])
    each = surrogates.layer_vectors(longer, [" ".join(part) for part in parts])
    assert np.allclose(whole[:, 0], each.mean(axis=1), atol=1e-5) and np.abs(each[:, 0] - each[:, 1]).max() > 0.1


# ---- components


def test_components_are_the_directions_of_greatest_variance():
    random = np.random.default_rng(0)
    hidden = random.normal(size=(500, 2)) * [3.0, 1.0]
    directions = np.array([[-0.6, 0.8, 0.0], [0.8, 0.6, 0.0]])
    vectors = (hidden @ directions + [5, -7, 2]).astype("float32")  # the third dimension is constant
    points, shares = surrogates.principal_components(vectors)
    assert shares.sum() == pytest.approx(1, abs=1e-6) and shares[0] == pytest.approx(0.9, abs=0.02)
    assert np.allclose(points.mean(axis=0), 0, atol=1e-6)
    assert abs(np.corrcoef(points[:, 0], hidden[:, 0])[0, 1]) > 0.999 > 0.1 > abs(np.corrcoef(points.T)[0, 1])
    assert points[:, 0].std() == pytest.approx(3, abs=0.2)
    assert np.corrcoef(points[:, 0], hidden[:, 0])[0, 1] > 0  # 0.8, its largest weight, is positive
    again = surrogates.principal_components(-vectors)[0]
    assert np.allclose(again, -points, atol=1e-5)  # the direction does not turn with the texts


def test_equal_vectors_have_no_variance_and_no_nan():
    points, shares = surrogates.principal_components(np.ones((5, 3), "float32"))
    assert np.array_equal(points, np.zeros((5, 2))) and np.array_equal(shares, [0, 0])
    with pytest.raises(ValueError, match="no 4 components"):
        surrogates.principal_components(np.ones((5, 3)), 4)


# ---- probes and neighbours


def two_groups(number=100, apart=8.0, seed=0):
    """Vectors of 6 dimensions, of which the last is constant, and labels that the first tells."""
    random = np.random.default_rng(seed)
    labels = np.arange(number) % 2
    vectors = random.normal(size=(number, 6))
    vectors[:, 0] += apart * labels
    vectors[:, 5] = 0.1
    return vectors.astype("float32"), labels


def test_a_probe_reads_what_is_there_and_nothing_else():
    vectors, labels = two_groups()
    held, held_labels = two_groups(60, seed=1)
    assert surrogates.probe(vectors, labels, held, held_labels) == 1
    assert surrogates.probe(vectors, labels, held, 1 - held_labels) == 0
    nothing = [part[0] for part in (two_groups(200, 0), two_groups(200, 0, seed=1))]
    assert 0.3 < surrogates.probe(nothing[0], np.arange(200) % 2, nothing[1], np.arange(200) % 2) < 0.7
    with pytest.raises(ValueError, match="class"):
        surrogates.probe(vectors, 0 * labels, held, held_labels)


def test_the_share_of_neighbours_with_the_same_label_leaves_the_text_itself_out():
    vectors = np.array([[1, 0], [1, 0.1], [1, 0.3], [0, 1], [0.1, 1]])
    assert surrogates.neighbour_share(vectors, [0, 0, 1, 1, 1], k=1) == pytest.approx(
        4 / 5
    )  # the third's is the second
    assert surrogates.neighbour_share(vectors, [0, 0, 0, 1, 1], k=1) == 1
    assert surrogates.neighbour_share(vectors, [0, 0, 0, 1, 1], k=2) == pytest.approx((3 + 2 * 0.5) / 5)
    assert surrogates.neighbour_share(np.ones((4, 2)), [0, 1, 2, 3], k=1) == 0  # copies of each other
    assert surrogates.neighbour_share(vectors * [[1], [9], [0.1], [5], [1]], [0, 0, 1, 1, 1], k=1) == pytest.approx(
        4 / 5
    )
    with pytest.raises(ValueError, match="n_neighbors"):
        surrogates.neighbour_share(vectors, [0, 0, 0, 1, 1], k=5)
    mixed, labels = two_groups(200, 0)
    assert 0.4 < surrogates.neighbour_share(mixed, labels) < 0.6


def test_the_nearest_come_first_by_angle_and_not_by_length():
    vectors = np.array([[0, 1], [100, 1], [1, 1], [1, 2]])
    queries = np.array([[1, 0], [0.1, 5]])
    assert surrogates.nearest(vectors, queries, 3).tolist() == [[1, 2, 3], [0, 3, 2]]
    assert surrogates.nearest(vectors, queries, 1).tolist() == [[1], [0]]
    with pytest.raises(ValueError, match="n_neighbors"):
        surrogates.nearest(vectors, queries, 5)
    assert surrogates.nearest(np.eye(12), np.eye(12)[:2]).shape == (2, 10)


def test_neighbours_vote_with_equal_voices():
    rows = np.array([[0, 1, 2, 3], [3, 3, 3, 0]])
    assert surrogates.vote([0, 1, 1, 2], rows, 3).tolist() == [[0.25, 0.5, 0.25], [0.25, 0, 0.75]]
    assert surrogates.vote([0, 1, 1, 0], rows).tolist() == [[0.5, 0.5], [1, 0]]


def test_a_fitted_model_is_not_changed():
    with pytest.raises(AttributeError):
        imitation().class_names = ()
    assert isinstance(imitation(), surrogates.Linear)
