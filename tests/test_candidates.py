"""The candidates of lesson 05: which is kept, with what weights, and what is found again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import make_tiny_classifier, make_tiny_reviews

from helpers import candidates, evaluation, finetuning, models, runtime, words
from helpers.finetuning import Recipe

TINY = Recipe(epochs=1, batch_size=16, learning_rate=1e-3, max_length=12, seed=5)
ROWS = ["majority", "bag of words", "frozen", "full"]


def counted(*counts):
    """Labels 0, 1, 2 and so on, each so many times."""
    return np.repeat(np.arange(len(counts)), counts)


def frame(texts, labels):
    return pd.DataFrame({"text": texts, "label": np.asarray(labels)})


def reviews(number=64, seed=0):
    return frame(*make_tiny_reviews(number, seed))


# ---- the recipe


def test_classes_are_uneven_from_three_to_one_on():
    assert candidates.is_uneven(counted(10, 30)) and candidates.is_uneven(counted(31, 20, 10))
    assert not candidates.is_uneven(counted(10, 29)) and not candidates.is_uneven(counted(11, 30, 30))
    assert candidates.is_uneven(counted(0, 10, 30)) and not candidates.is_uneven(counted(0, 10, 10))
    assert type(candidates.is_uneven(counted(10, 30))) is bool  # JSON holds it, among a recipe's facts


def test_the_courses_reviews_are_read_three_times_and_many_classes_more_often():
    assert candidates.choose_epochs(1_700, 2) == 3
    assert candidates.choose_epochs(3_500, 77) == 8  # 30,000 texts would be 8.6 times all; 1,000 of a class 22 times
    assert candidates.choose_epochs(2_000, 10) == 5  # 10,000 texts: 1,000 of each class
    assert candidates.choose_epochs(1_999, 10) == 6


def test_epochs_are_twelve_at_most_and_three_at_least():
    assert candidates.choose_epochs(100, 10) == candidates.MOST_EPOCHS == 12
    assert candidates.choose_epochs(40_000, 77) == 3  # not even once within 30,000 texts
    assert candidates.choose_epochs(7_500, 77) == 4 and candidates.choose_epochs(7_501, 77) == 3


PROFILE = runtime.Profile("own", "own.csv", "own_bert", batch_size=24, learning_rate=7e-5, max_length=64)


def test_a_recipe_takes_the_profiles_values_where_none_is_given():
    train = frame(["text"] * 2000, counted(*[200] * 10))
    expected = Recipe(epochs=5, batch_size=24, learning_rate=7e-5, max_length=64, seed=42)
    assert candidates.make_recipe(PROFILE, train) == expected
    assert candidates.make_recipe(PROFILE, train, None, None, None, 1) == replace(expected, seed=1)


def test_a_recipe_takes_what_is_given():
    train = frame(["text"] * 20, counted(10, 10))
    expected = Recipe(epochs=2, batch_size=4, learning_rate=1e-3, max_length=64, seed=9)
    assert candidates.make_recipe(PROFILE, train, 2, 4, 1e-3, 9) == expected


def test_macro_f1_chooses_the_epoch_of_uneven_classes():
    even, uneven = (frame(["text"] * 40, counted(*counts)) for counts in [(20, 20), (10, 30)])
    assert not candidates.make_recipe(PROFILE, even).by_macro_f1
    made = candidates.make_recipe(PROFILE, uneven)
    assert made.by_macro_f1 is True and not made.class_weights  # weights are for `settle_weights` to find


# ---- class weights


def test_even_classes_need_no_weights_and_nothing_is_fitted(monkeypatch):
    monkeypatch.setattr(finetuning, "fit_frozen_head", None)  # whatever fits now fails
    even, uneven = ((np.zeros((40, 1)), counted(*counts)) for counts in [(20, 20), (10, 30)])
    assert candidates.settle_weights(TINY, even, uneven) is TINY


class Answers:
    """A model that gives the same classes to any texts."""

    def __init__(self, classes):
        self.classes = classes

    def predict_proba(self, texts):
        return np.eye(2)[self.classes]


@pytest.mark.parametrize(
    ("plain", "weighted", "helps"),
    [
        ([0, 0, 0, 0, 0], [0, 0, 0, 1, 1], True),  # accuracy 0.8 both times, macro F1 0.44 and 0.76
        ([0, 0, 0, 0, 1], [0, 0, 0, 1, 1], False),
        ([0, 0, 0, 1, 1], [0, 0, 0, 1, 1], False),  # no better: without
    ],
)
def test_weights_stay_exactly_where_macro_f1_is_higher_with_them(monkeypatch, plain, weighted, helps):
    validation = np.zeros((5, 1)), np.array([0, 0, 0, 0, 1])
    train, seen = (np.zeros((40, 1)), counted(30, 10)), []

    def fit(features, labels, class_weights):
        seen.append((features is train[0], labels is train[1]))
        return Answers(weighted if class_weights else plain)

    monkeypatch.setattr(finetuning, "fit_frozen_head", fit)
    for recipe in (TINY, replace(TINY, class_weights=True)):
        assert candidates.settle_weights(recipe, train, validation) == replace(TINY, class_weights=helps)
    assert seen == [(True, True)] * 4


def signs(common=(180, 20), rare=(8, 12)):
    """Rows without and with a sign, of a common and of a rare class: by default most that have it are common."""
    shown = np.repeat([0, 1, 0, 1], [*common, *rare])
    return shown, counted(sum(common), sum(rare))


def test_weights_help_where_a_rare_class_hides_behind_a_common_one():
    shown, labels = signs()
    found = candidates.settle_weights(TINY, *[(shown[:, None].astype(float), labels)] * 2)
    assert found.class_weights is True
    shown, labels = signs((300, 0), (0, 100))  # the sign alone tells: nothing to gain
    found = candidates.settle_weights(TINY, *[(shown[:, None].astype(float), labels)] * 2)
    assert found.class_weights is False


# ---- bags of words and of characters


def test_characters_win_where_no_spaces_divide_the_words():
    chance = np.random.default_rng(0)

    def make(number):
        signs = list("天地人日月山水火木金土石")
        texts, labels = [], chance.integers(2, size=number)
        for label in labels:
            chance.shuffle(signs)
            texts.append("".join([*signs[:5], "坏好"[label], *signs[5:8]]))
        return frame(texts, labels)

    train, validation = make(120), make(40)
    model, kind = candidates.fit_bag_of_words(train, validation)
    assert kind == "characters" and model[0].analyzer == "char"
    assert evaluation.accuracy(validation["label"].to_numpy(), model.predict_proba(validation["text"])) > 0.9


def test_words_win_where_their_letters_say_nothing():
    chance = np.random.default_rng(0)
    known = sorted({"".join(chance.choice(["a", "b"], size=12)) for _ in range(40)})
    labels = chance.integers(2, size=len(known))  # by heart
    validation = frame(known, labels)
    model, kind = candidates.fit_bag_of_words(frame(known * 2, np.tile(labels, 2)), validation)
    assert kind == "words" and model[0].analyzer == "word"
    assert model.score(known, labels) == 1
    characters = words.bag_of_words(kind="characters").fit(known * 2, np.tile(labels, 2))
    assert characters.score(known, labels) < 0.95  # or else this would be the test of equals


def test_of_equals_the_one_that_is_surer_is_taken():
    texts, labels = ["good film", "bad film"] * 10, np.array([1, 0] * 10)
    answers = {kind: words.bag_of_words(kind=kind).fit(texts, labels).predict_proba(texts) for kind in words.KINDS}
    right = {kind: found[np.arange(20), labels].mean() for kind, found in answers.items()}
    assert all(evaluation.macro_f1(labels, found) == 1 for found in answers.values())
    assert candidates.fit_bag_of_words(*[frame(texts, labels)] * 2)[1] == max(right, key=right.get)
    # Clauses without spaces: each is a word of its own, so the bag of words is right, and hardly sure.
    chance = np.random.default_rng(1)
    parts = [("房间很好", "房间太差"), ("服务很好", "服务太差"), ("早餐很好", "早餐太差")]
    clauses = [[parts[chance.integers(3)][label] for _ in range(2)] for label in labels]
    held_out = frame([f"{a}，{b}{i}。" for i, (a, b) in enumerate(clauses)], labels)
    assert candidates.fit_bag_of_words(held_out, held_out)[1] == "characters"


def test_texts_without_a_word_are_counted_by_characters():
    train = frame(["好 吃", "坏 吃", "😀 😀", "😡 !"] * 5, [1, 0] * 10)  # a word has two letters or more
    model, kind = candidates.fit_bag_of_words(train, train)
    assert kind == "characters" and model.predict(["好", "坏", "😀", "😡"]).tolist() == [1, 0, 1, 0]


@pytest.fixture
def fitted(monkeypatch):
    """(kind, class_weights) of each bag of words that is made."""
    seen, make = [], words.bag_of_words

    def spy(kind, class_weights):
        seen.append((kind, class_weights))
        return make(kind=kind, class_weights=class_weights)

    monkeypatch.setattr(words, "bag_of_words", spy)
    return seen


def test_bags_with_weights_are_tried_where_classes_are_uneven(fitted):
    texts, labels = ["good film", "bad film"] * 10, [1, 0] * 10
    candidates.fit_bag_of_words(frame(texts, labels), frame(texts[:9] + texts[:8:2], labels[:9] + labels[:8:2]))
    assert fitted == [("words", False), ("characters", False)]
    fitted.clear()
    candidates.fit_bag_of_words(frame(texts + texts[::2] * 2, labels + labels[::2] * 2), frame(texts, labels))
    assert fitted == [("words", False), ("words", True), ("characters", False), ("characters", True)]


def test_a_bag_with_weights_is_taken_where_they_help():
    shown, labels = signs()
    hiding = frame(np.array(["fine film", "dull film"])[shown], labels)
    model, _ = candidates.fit_bag_of_words(hiding, hiding)
    assert model[-1].class_weight == "balanced" and model.predict(["dull film", "fine film"]).tolist() == [1, 0]
    shown, labels = signs((200, 0), (0, 20))
    plain = frame(np.array(["fine film", "dull film"])[shown], labels)
    assert candidates.fit_bag_of_words(plain, plain)[0][-1].class_weight is None


# ---- a frozen head as the last layer


@pytest.mark.parametrize("num_classes", [2, 3])
def test_with_the_regressions_head_the_classifier_answers_as_the_regression(num_classes):
    classifier, (texts, labels) = make_tiny_classifier(num_classes), make_tiny_reviews(90)
    labels = labels + (num_classes - 2) * np.array(["bad" in text.split() for text in texts])
    before = finetuning.predict_proba(classifier, texts)
    features = finetuning.mean_features(classifier, texts)
    regression = finetuning.fit_frozen_head(features, labels)
    expected = regression.predict_proba(features)
    assert np.ptp(expected, axis=0).min() > 0.05 and np.abs(expected - before).max() > 0.05
    candidates.put_head(classifier, regression)
    assert np.abs(finetuning.predict_proba(classifier, texts) - expected).max() < 1e-5


# ---- the choice


def make_tiny(source, num_classes, seed, max_length):
    """The tiny model in place of the pre-trained one: takes `models.make_classifier`'s place."""
    return replace(make_tiny_classifier(num_classes, seed), max_length=max_length)


def choose(**options):
    return candidates.load_or_choose(reviews(), reviews(40, 1), TINY, **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The artifacts' folder, the choice that was made there, and the regression on frozen features."""
    folder, regressions, fit = tmp_path_factory.mktemp("artifacts"), [], finetuning.fit_frozen_head

    def spy(*given, **options):
        regressions.append(fit(*given, **options))
        return regressions[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_ARTIFACTS", str(folder))
        patch.setattr(models, "make_classifier", make_tiny)
        patch.setattr(finetuning, "fit_frozen_head", spy)
        return folder, choose(), regressions[0]


@pytest.fixture
def nothing_fits(trained, monkeypatch):
    """Where `trained` was made, whatever fits fails."""
    monkeypatch.setenv("COURSE_ARTIFACTS", str(trained[0]))
    monkeypatch.setattr(models, "make_classifier", make_tiny)
    for module, name in [(candidates, "fit_bag_of_words"), (finetuning, "fit_frozen_head"), (finetuning, "fine_tune")]:
        monkeypatch.setattr(module, name, None)


def test_the_scores_are_those_of_each_candidate(trained, nothing_fits):
    _, chosen, regression = trained
    texts, labels = reviews(40, 1)["text"].tolist(), reviews(40, 1)["label"].to_numpy()
    full, _ = finetuning.load_or_fine_tune(reviews(), reviews(40, 1), TINY, num_classes=2)
    features = finetuning.mean_features(make_tiny(None, 2, TINY.seed, TINY.max_length), texts)
    answers = {
        "majority": np.eye(2)[[int(reviews()["label"].mean() > 0.5)] * 40],
        "bag of words": chosen.bag_of_words.predict_proba(texts),
        "frozen": regression.predict_proba(features),
        "full": finetuning.predict_proba(full, texts),
    }
    assert chosen.scores.index.tolist() == ROWS and chosen.scores.columns.tolist() == ["accuracy", "macro F1"]
    for name, found in answers.items():
        expected = [evaluation.accuracy(labels, found), evaluation.macro_f1(labels, found)]
        assert chosen.scores.loc[name].tolist() == pytest.approx(expected, abs=1e-12), name
    assert chosen.scores.drop(index="majority")["macro F1"].idxmax() == chosen.name


def test_what_was_chosen_is_found_again_and_nothing_is_fitted(trained, nothing_fits):
    folder, made, _ = trained
    found, texts = choose(), make_tiny_reviews(20, seed=3)[0]
    assert (found.name, found.counts, found.recipe, found.key) == (made.name, made.counts, made.recipe, made.key)
    assert found.scores.equals(made.scores)
    assert np.array_equal(found.predict_proba(texts), made.predict_proba(texts))
    assert np.array_equal(found.bag_of_words.predict_proba(texts), made.bag_of_words.predict_proba(texts))
    values = [finetuning.values_of(chosen.classifier.model.variables) for chosen in (made, found)]
    assert all(np.array_equal(*pair) for pair in zip(*values, strict=True))
    assert [path.name for path in folder.glob("candidates-*.1")] == [f"candidates-{made.key}.1"]
    with pytest.raises(TypeError, match="not callable"):
        choose(remake=True)


@pytest.fixture
def forced(artifacts, monkeypatch):
    """`forced(macro_f1, accuracy)`: the choice where the candidates have these scores, in the order of ROWS.

    Features are drawn, not computed; `forced.full` stands for what full fine-tuning gives, `forced.recipes` holds what it
    was asked for.
    """
    frozen, full, recipes = make_tiny_classifier(), object(), []
    features = np.random.default_rng(0).normal(size=(64, 16))
    monkeypatch.setattr(models, "make_classifier", lambda *given: frozen)
    monkeypatch.setattr(finetuning, "mean_features", lambda classifier, texts: features[: len(texts)])
    monkeypatch.setattr(finetuning, "predict_proba", lambda classifier, texts: np.ones((len(texts), 2)) / 2)
    monkeypatch.setattr(
        finetuning,
        "load_or_fine_tune",
        lambda train, validation, recipe, *given: recipes.append(recipe) or (full, None),
    )

    def force(macro_f1, accuracy=(0.5, 0.5, 0.5, 0.5)):
        table = pd.DataFrame({"accuracy": accuracy, "macro F1": macro_f1}, index=ROWS)
        monkeypatch.setattr(candidates, "score", lambda labels, answers: table.loc[list(answers)])
        return choose(remake=True)

    force.full, force.recipes = full, recipes
    return force


@pytest.mark.parametrize(
    ("macro_f1", "winner"),
    [
        ((0.1, 0.9, 0.8, 0.7), "bag of words"),
        ((0.1, 0.7, 0.9, 0.8), "frozen"),
        ((0.1, 0.8, 0.7, 0.9), "full"),
        ((0.1, 0.9, 0.9, 0.9), "bag of words"),
        ((0.1, 0.8, 0.9, 0.9), "frozen"),
        ((0.1, 0.9, 0.8, 0.9), "bag of words"),
        ((0.9, 0.2, 0.1, 0.3), "full"),  # the majority is never the choice
    ],
)
def test_the_highest_macro_f1_wins_and_of_equals_the_cheapest(forced, macro_f1, winner):
    assert forced(macro_f1).name == winner
    if len(set(macro_f1)) == len(macro_f1):
        assert forced(macro_f1, macro_f1[::-1]).name == winner  # whatever the accuracy


def test_where_macro_f1_is_equal_accuracy_decides(forced):
    assert forced((0.1, 0.9, 0.9, 0.9), (0.1, 0.5, 0.5, 0.6)).name == "full"
    assert forced((0.1, 0.9, 0.9, 0.8), (0.1, 0.5, 0.6, 0.7)).name == "frozen"


def test_the_classifier_is_the_better_of_frozen_and_full(forced):
    for bag_of_words in (0.1, 0.9):
        assert forced((0, bag_of_words, 0.7, 0.8)).classifier is forced.full
        assert forced((0, bag_of_words, 0.8, 0.7)).classifier is not forced.full
        assert forced((0, bag_of_words, 0.8, 0.8)).classifier is not forced.full  # the cheaper


def test_where_the_bag_of_words_wins_it_answers(forced):
    chosen, texts = forced((0.1, 0.9, 0.7, 0.8)), make_tiny_reviews(20, seed=3)[0]
    expected = words.bag_of_words(kind=chosen.counts).fit(reviews()["text"], reviews()["label"]).predict_proba(texts)
    assert np.ptp(expected[:, 1]) > 0.1
    assert np.abs(chosen.predict_proba(pd.Series(texts)) - expected).max() < 1e-12


def test_where_a_classifier_wins_it_answers(forced, monkeypatch):
    chosen = forced((0.1, 0.7, 0.8, 0.9))
    monkeypatch.setattr(finetuning, "predict_proba", lambda classifier, texts: (classifier, texts))
    assert chosen.predict_proba(pd.Series(["good", "bad"])) == (forced.full, ["good", "bad"])


def test_where_the_frozen_head_wins_the_classifier_answers_as_the_regression(trained, artifacts, monkeypatch):
    monkeypatch.setattr(models, "make_classifier", make_tiny)
    monkeypatch.setattr(finetuning, "load_or_fine_tune", lambda *given: (make_tiny_classifier(), None))
    table = pd.DataFrame({"accuracy": 0.5, "macro F1": [0.1, 0.7, 0.9, 0.8]}, index=ROWS)
    monkeypatch.setattr(candidates, "score", lambda *given: table)
    chosen, texts = choose(), make_tiny_reviews(20, seed=3)[0]
    features = finetuning.mean_features(make_tiny(None, 2, TINY.seed, TINY.max_length), texts)
    expected = trained[2].predict_proba(features)
    assert np.ptp(expected[:, 1]) > 0.05 and chosen.classifier.max_length == TINY.max_length
    assert np.abs(chosen.predict_proba(texts) - expected).max() < 1e-5


def test_weights_that_were_settled_reach_the_frozen_head_the_training_and_the_recipe(forced, monkeypatch):
    seen, fit = [], finetuning.fit_frozen_head

    def spy(features, labels, class_weights):
        seen.append(class_weights)
        return fit(features, labels, class_weights)

    monkeypatch.setattr(finetuning, "fit_frozen_head", spy)
    examples = []

    def settle(recipe, train, validation):
        examples.extend([train, validation])
        return replace(recipe, class_weights=True)

    monkeypatch.setattr(candidates, "settle_weights", settle)
    settled = replace(TINY, class_weights=True)
    assert forced((0.1, 0.8, 0.7, 0.9)).recipe == settled and seen == [True]
    assert choose().recipe == settled and seen == [True]  # found again
    assert forced.recipes == [settled] * 3  # made, loaded, and loaded again
    for (features, labels), part in zip(examples, (reviews(), reviews(40, 1)), strict=True):
        assert len(features) == len(part) and labels.tolist() == part["label"].tolist()


def test_features_that_are_there_already_are_not_computed_again(forced, monkeypatch):
    forced((0.1, 0.8, 0.7, 0.9))
    monkeypatch.setattr(finetuning, "mean_features", None)
    seen, fit = [], finetuning.fit_frozen_head
    monkeypatch.setattr(finetuning, "fit_frozen_head", lambda *given, **on: seen.append(given) or fit(*given, **on))
    features = [np.random.default_rng(1).normal(size=(number, 16)) for number in (64, 40)]
    choose(features=features, remake=True)
    assert [given[0] is features[0] for given in seen] == [True]
    assert seen[0][1].tolist() == reviews()["label"].tolist()


def test_all_that_decides_the_choice_is_in_its_key(monkeypatch):
    keys = []
    spy = lambda name, make, inputs, sources, remake: keys.append(runtime.artifact_key(inputs, sources))  # noqa: E731
    monkeypatch.setattr(runtime, "artifact", spy)
    monkeypatch.setattr(candidates, "_load", lambda *given: None)
    calls = [
        {},
        {"train": reviews(63)},
        {"validation": reviews(40, 2)},
        {"recipe": replace(TINY, by_macro_f1=True)},
        {"source": "another"},
        {"num_classes": 1},
    ]
    for call in calls * 2:
        candidates.load_or_choose(**{"train": reviews(), "validation": reviews(40, 1), "recipe": TINY} | call)
    assert len(set(keys)) == len(calls) and keys[: len(calls)] == keys[len(calls) :]


def chosen_by_hand(name="frozen", key="0123456789ab", counts="words"):
    table = pd.DataFrame({"accuracy": [0.75, 0.8, 0.91, 0.85], "macro F1": [0.4, 0.625, 0.9, 0.7]}, index=ROWS)
    return candidates.Chosen(name, table, None, None, counts, TINY, key)


def test_the_choice_is_described_beside_the_others_in_their_order():
    assert chosen_by_hand().describe() == (
        "Best on validation: frozen, macro F1 90.0 %, accuracy 91.0 %. "
        "Macro F1 of the others: full 70.0 %, bag of words 62.5 %, majority 40.0 %."
    )
    said = chosen_by_hand("bag of words", counts="characters").describe()
    assert said.startswith("Best on validation: bag of words (characters), macro F1 62.5 %, accuracy 80.0 %. ")
    assert said.endswith(": frozen 90.0 %, full 70.0 %, majority 40.0 %.")


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("reviews", "reviews-01234567"),
        ("a b/ü.csv", "a_b_ü.csv-01234567"),
        ("glue/sst2: *", "glue_sst2-01234567"),
        ("a, b.csv", "a_b.csv-01234567"),
        ("../x-1.csv.gz", "x-1.csv.gz-01234567"),
        ("", "data-01234567"),
        ("..", "data-01234567"),
    ],
)
def test_a_models_folder_has_the_datas_name_and_eight_digits_of_the_key(artifacts, name, folder):
    assert candidates.model_folder(chosen_by_hand(), name) == artifacts / "models" / folder


def test_a_class_without_training_texts_is_named(artifacts):
    rows = pd.DataFrame({"text": ["good", "bad"], "label": [0, 2]})
    with pytest.raises(ValueError, match=r"No training text has the labels \[1\]: take more rows"):
        candidates.load_or_choose(rows, rows, num_classes=3)
    assert not artifacts.exists()
