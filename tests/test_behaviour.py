"""Cases of behaviour against sentences written out by hand, and models whose answers are known."""

import hashlib
import random
import re

import numpy as np
import pandas as pd
import pytest

from helpers import behaviour, cleaning

pytestmark = pytest.mark.once  # it needs neither backend

SETS = ("shown", "tuning", "held out", "held out, flat")
REVIEWS = ["The waiter forgot the soup and we left after 40 minutes.", "It was this good, and that with 3 children!"]
CHINESE = ["这部电影很好看。", "房间太小了,我不喜欢"]


def sigmoid(scores):
    return 1 / (1 + np.exp(-np.asarray(scores, dtype="float64")))


def two_classes(score):
    """A model whose log-odds of the second class are `score(text)`."""

    def predict_proba(texts):
        positive = sigmoid([score(text) for text in texts])
        return np.column_stack([1 - positive, positive])

    return predict_proba


def cases(kind, *rows):
    """A case for each (before, text, expected)."""
    return pd.DataFrame([(kind, *row) for row in rows], columns=["kind", "before", "text", "expected"])


# ---- the table of sentences


def test_a_row_stands_for_each_pair_of_noun_and_word(tmp_path):
    lines = [
        "set,kind,template,noun,word,expected",
        "s,plain,The {noun} is {word} {}.,cup|pot,red|,up",
        "t,negation,No.,,,down",
    ]
    (tmp_path / "own.csv").write_text("\n".join(lines), encoding="utf-8")
    found = behaviour.load_cases("plain", tmp_path / "own.csv")
    assert found["text"].tolist() == [
        "The cup is red {}.",
        "The cup is  {}.",
        "The pot is red {}.",
        "The pot is  {}.",
    ]
    assert found["expected"].tolist() == ["up"] * 4 and found["noun"].tolist() == ["cup", "cup", "pot", "pot"]
    assert behaviour.load_cases("t", tmp_path / "own.csv")["text"].tolist() == ["No."]


def test_unknown_sets_and_missing_columns_are_named(tmp_path):
    with pytest.raises(ValueError, match="'names' is none of shown, tuning, held out, .*plain.*need texts"):
        behaviour.load_cases("names")
    (tmp_path / "own.csv").write_text("set,kind,template,noun\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"own.csv lacks the columns word, expected"):
        behaviour.load_cases("plain", tmp_path / "own.csv")


@pytest.mark.parametrize("wanted", [*SETS, "negation"])
def test_each_set_has_36_different_sentences_of_each_class(wanted):
    found = behaviour.load_cases(wanted)
    assert found["expected"].value_counts().to_dict() == {"positive": 36, "negative": 36}
    assert found["text"].nunique() == 72 and not found["text"].str.contains(r"[{}|]|  ").any()
    assert found["text"].str.fullmatch(r"[A-Z].*[.!]").all()


def test_sets_have_no_noun_and_no_template_in_common():
    found = {wanted: behaviour.load_cases(wanted) for wanted in SETS}
    for first in SETS:
        for second in SETS[SETS.index(first) + 1 :]:
            assert behaviour.in_common(found[first], found[second]["text"]) == {"texts": 0, "templates": 0, "nouns": 0}


def test_sentences_to_judge_by_are_those_that_were_written_before_the_mend():
    """They were committed before any model was mended. A change here means that earlier results are of other sentences."""
    found = {wanted: "\n".join(behaviour.load_cases(wanted)["text"]) for wanted in SETS[2:]}
    hashes = {wanted: hashlib.sha256(text.encode()).hexdigest()[:16] for wanted, text in found.items()}
    assert hashes == {"held out": "ca968039033ded39", "held out, flat": "640232fd8093cb87"}


def test_no_sentence_to_judge_by_stands_in_the_reviews_or_among_the_sentences_to_mend_with():
    texts = cleaning.load(cleaning.REVIEWS)["text"].tolist()
    mends = pd.read_csv(behaviour.TABLE.with_name("plain_sentences.csv"))["sentence"].tolist()
    for wanted in SETS:
        found = behaviour.load_cases(wanted)
        assert behaviour.in_common(found, texts)["texts"] == 0
        named = 2 if wanted == "held out, flat" else 0  # one pillow each way, found when the mends had been trained
        assert behaviour.in_common(found, mends) == {"texts": 0, "templates": 0, "nouns": named}


def test_what_sentences_have_in_common_with_cases_is_counted():
    found = pd.DataFrame({"text": ["The soups were hot?"], "template": ["The {noun} were {word}?"], "noun": ["soups"]})
    assert behaviour.in_common(found, ["the SOUPS were hot?", "the tea-cups here were far too small?", "Hot soup."]) == {
        "texts": 1, "templates": 2, "nouns": 2,
    }  # fmt: skip
    assert behaviour.in_common(found, ["Oh, the soups were hot?", "the old soupspoon", "The tea was hot?"]) == {
        "texts": 0, "templates": 0, "nouns": 1,
    }  # fmt: skip
    assert behaviour.in_common(found.assign(noun=""), ["Hot soup."])["nouns"] == 0


# ---- changes


def is_swap(before, after):
    """Whether two neighbouring letters, and nothing else, changed places; and where."""
    places = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    return len(places) == 2 and places[1] == places[0] + 1 and before[places[0]] == after[places[1]]


def test_one_typo_swaps_two_neighbours_in_a_longer_word():
    text, seen = "It was a weird little café.", set()
    for seed in range(200):
        after = behaviour.perturb([text], "one typo", seed)[0]
        assert is_swap(text, after) and after[:9] == text[:9]  # "It was a " has no word of four letters
        seen.add(after)
    assert len(seen) == 11  # 4 places in weird, 4 in little (not tt), 3 in café


def test_three_typos_are_in_three_words():
    text = "weird little café tables"
    for seed in range(50):
        after = behaviour.perturb([text], "three typos", seed)[0]
        pairs = list(zip(text.split(), after.split(), strict=True))
        assert sum(is_swap(*pair) for pair in pairs) == 3 and sum(a == b for a, b in pairs) == 1
    assert behaviour.perturb(["weird little cat"], "three typos") == ["weird little cat"]


@pytest.mark.parametrize(
    "text", ["ça va? oui", "aaaa Bbbb", "这部电影很好看", "영화가재미있어요", "यह फ़िल्म अच्छी नहीं", "12345", ""]
)
def test_where_no_typo_makes_sense_a_text_stays(text):
    assert behaviour.perturb([text], "one typo") == [text]


@pytest.mark.parametrize("word", ["прекрасно", "όμορφη", "ممتاز", "נהדרת"])
def test_other_alphabets_get_typos(word):
    assert is_swap(word, behaviour.perturb([word], "one typo")[0])


def test_numbers_grow_by_one_or_a_tenth():
    seen = {behaviour.perturb(["200 pages, 15 of them good"], "numbers", seed)[0] for seed in range(300)}
    found = [tuple(map(int, re.findall(r"\d+", text))) for text in seen]
    assert {b for _, b in found} == {16} and min(a for a, _ in found) == 201 and max(a for a, _ in found) == 220
    assert all(re.fullmatch(r"\d{3} pages, 16 of them good", text) for text in seen)
    assert behaviour.perturb(["在2019年等了3小时"], "numbers", 1)[0].endswith("年等了4小时")


@pytest.mark.parametrize(
    "text",
    ["4 stars", "4-star", "five, 5 Stars!", "7/10", "8 out of 10", "100 %", "50%", "£40", "3.50", "3,000", "MP3", "4K",
     "10:30", "1 of us", "no number", "4★", "5星"],
)  # fmt: skip
def test_marks_prices_and_names_are_no_numbers_to_change(text):
    assert behaviour.perturb([text], "numbers") == [text]


def test_capitals_length_and_spaces():
    text = "A film, naïve"
    assert behaviour.perturb([text], "capitals") == ["A FILM, NAÏVE"]
    assert behaviour.perturb([text], "length") == ["A film, naïve A film, naïve"]
    for seed in range(20):
        assert re.fullmatch(" A {2,3}film, {2,3}naïve ", behaviour.perturb([text], "spaces", seed)[0])
    assert len({behaviour.perturb([text], "spaces", seed)[0] for seed in range(40)}) == 4


def test_what_happens_to_a_text_depends_on_the_seed_and_not_on_its_neighbours():
    for kind in ["one typo", "numbers", "spaces", "names", "neutral sentence"]:
        both, alone = behaviour.perturb(REVIEWS, kind, 3), behaviour.perturb(REVIEWS[1:], kind, 3)
        assert both[1] == alone[0] and both == behaviour.perturb(REVIEWS, kind, 3)
    assert len({behaviour.perturb(REVIEWS[:1], "one typo", seed)[0] for seed in range(9)}) > 3


def test_names_stand_before_and_neutral_sentences_behind():
    texts = [f"Nice {i} {{word}}." for i in range(400)]
    names = {re.fullmatch(r"(\w+) says: Nice \d+ \{word\}\.", text)[1] for text in behaviour.perturb(texts, "names")}
    assert len(names) == 16 and {"Maria", "Mohammed", "Wei", "Ngozi"} < names
    ends = {re.fullmatch(r"Nice \d+ \{word\}\. (.+)", text)[1] for text in behaviour.perturb(texts, "neutral sentence")}
    assert len(ends) == 5 and "I live in a small town." in ends


def test_a_sentence_for_or_against_is_added():
    texts = [f"Text {i}." for i in range(200)]
    ends = {
        e: {t.split(". ", 1)[1] for t in behaviour.perturb(texts, "direction", 1, e)} for e in ("positive", "negative")
    }
    assert {"I love it.", "I recommend it to everyone."} < ends["positive"] and "I hate it." in ends["negative"]
    assert len(ends["positive"]) == len(ends["negative"]) == 4 and not ends["positive"] & ends["negative"]
    with pytest.raises(
        ValueError, match="'rhymes' is none of one typo, .*, spaces, direction, names, neutral sentence"
    ):
        behaviour.perturb(["Well."], "rhymes")


# ---- cases of given texts


def test_english_is_told_by_frequent_words():
    german = ["Das war ein guter Film und ich mag ihn.", "Er ist in der Tat gut."]
    assert behaviour.is_english(REVIEWS) and behaviour.is_english(["Great!", "the", "So so", "Nice one"])
    assert not any(map(behaviour.is_english, [german, CHINESE, [], ["Great!", "the", "So so", "Nice one", "Fine"]]))


def test_cases_hold_what_was_and_what_is(capsys):
    made = behaviour.make_cases([*REVIEWS, REVIEWS[0], "Fine."], ["numbers", "capitals", "direction"], seed=1)
    assert made["kind"].value_counts(sort=False).to_dict() == {"numbers": 2, "capitals": 3, "direction": 6}
    assert made["expected"].tolist() == ["same"] * 5 + ["positive"] * 3 + ["negative"] * 3
    assert made["before"].tolist() == REVIEWS + 3 * [*REVIEWS, "Fine."]
    assert made["text"].tolist()[1:5] == [
        "It was this good, and that with 4 children!",
        *[t.upper() for t in [*REVIEWS, "Fine."]],
    ]
    assert made["text"].tolist()[5:8] == behaviour.perturb([*REVIEWS, "Fine."], "direction", 1, "positive")
    assert capsys.readouterr().out == ""


def test_kinds_that_make_no_sense_are_skipped_with_a_word(capsys):
    kinds = ["one typo", "numbers", "capitals", "length", "spaces", "names", "direction"]
    made = behaviour.make_cases(CHINESE, kinds)
    assert made["kind"].tolist() == ["length"] * 2 + ["spaces"] * 2
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["one typo", "numbers", "capitals", "names", "direction"]
    assert "changes none" in said[0] and "are English and these texts are not" in said[3]
    made = behaviour.make_cases(REVIEWS, ["direction"], names=["sport", "positive"])
    assert made["expected"].tolist() == ["positive"] * 2
    assert capsys.readouterr().out == "direction: skipped for 'negative', which is none of the classes.\n"


def test_a_readers_own_table_speaks_the_readers_language(tmp_path, capsys):
    lines = "set,kind,template,noun,word,expected\nnames,names,{word}说:{text},,小明,same\nd,direction,{text}{word},,很好!,好\n"
    (tmp_path / "own.csv").write_text(lines, encoding="utf-8")
    made = behaviour.make_cases(CHINESE, ["names", "direction"], names=["坏", "好"], path=tmp_path / "own.csv")
    assert made["text"].tolist() == [f"小明说:{text}" for text in CHINESE] + [f"{text}很好!" for text in CHINESE]
    assert made["expected"].tolist() == ["same", "same", "好", "好"] and capsys.readouterr().out == ""


# ---- run


def test_log_odds_keep_the_digits_of_sure_answers():
    found = behaviour.log_odds([[0.2, 0.3, 0.5], [1e-30, 1 - 1e-30, 0], [0.0, 1.0, 0.0]], np.array([1, 1, 1]))
    assert found[:2] == pytest.approx([np.log(3 / 7), np.log(1e30)]) and found.dtype == "float64"
    assert np.isfinite(found).all()


def test_log_odds_leave_the_probabilities_as_they_were():
    given = np.array([[0.2, 0.8]])
    behaviour.log_odds(given, np.array([0]))
    assert given.tolist() == [[0.2, 0.8]]


def test_sentences_fail_where_the_answer_is_another_class():
    found = behaviour.run(two_classes(lambda text: 3 if "great" in text else -1), behaviour.load_cases("shown"))
    wrong = found[found["failed"]]
    assert len(wrong) == 24 and set(wrong["word"]) == {"lovely", "excellent"} and set(wrong["answer"]) == {"negative"}
    assert set(found["answer"][found["word"] == "great"]) == {"positive"} and not found["moved"].any()
    assert found["failed"].dtype == bool


def test_a_change_that_must_not_matter_fails_where_it_changes_the_answer():
    scores = {"a": 1.0, "A": 0.5, "b": 1.0, "B": -0.2, "c": -1.0, "C": -3.0}
    found = behaviour.run(two_classes(scores.get), cases("capitals", *[(t, t.upper(), "same") for t in "abc"]))
    assert found["failed"].tolist() == [False, True, False]
    assert found["answer"].tolist() == ["positive", "negative", "negative"]
    assert found["moved"].to_numpy() == pytest.approx([-0.5, -1.2, 2.0])  # towards the class that was answered before


def test_a_direction_fails_where_log_odds_move_the_wrong_way_by_more_than_the_tolerance():
    scores = {"a": 1.0, "up": 2.0, "little": 0.95, "down": 0.85, "wrong class": -5.0, "b": -8.0}
    rows = [("a", "up", "positive"), ("a", "little", "positive"), ("a", "down", "positive"), ("a", "up", "negative"),
            ("a", "little", "negative"), ("b", "wrong class", "positive")]  # fmt: skip
    found = behaviour.run(two_classes(scores.get), cases("direction", *rows))
    assert found["failed"].tolist() == [False, False, True, True, False, False]
    assert found["moved"].to_numpy() == pytest.approx([1.0, -0.05, -0.15, -1.0, 0.05, 3.0])


def test_three_classes_and_their_names():
    answers = {"a": [0.6, 0.3, 0.1], "A": [0.3, 0.3, 0.4], "c": [0.1, 0.1, 0.8], "c!": [0.2, 0.1, 0.7]}
    every = pd.concat(
        [cases("capitals", ("a", "A", "same")), cases("direction", ("c", "c!", "red"), ("c", "c!", "blue"))]
    )
    found = behaviour.run(lambda texts: np.array([answers[t] for t in texts]), every, ["red", "green", "blue"])
    assert found["failed"].tolist() == [True, False, True] and found["answer"].tolist() == ["blue", "blue", "blue"]
    logit = [np.log(p / (1 - p)) for p in (0.6, 0.3, 0.1, 0.2, 0.8, 0.7)]
    assert found["moved"].to_numpy() == pytest.approx([logit[1] - logit[0], logit[3] - logit[2], logit[5] - logit[4]])


def test_each_text_is_read_once():
    read = []

    def predict_proba(texts):
        assert type(texts) is list
        read.extend(texts)
        return np.tile([0.4, 0.6], (len(texts), 1))

    behaviour.run(predict_proba, cases("spaces", ("a", "a ", "same"), ("a", " a", "same")))
    assert sorted(read) == [" a", "a", "a "]


def test_what_does_not_fit_is_named():
    one = cases("direction", ("a", "b", "positive"))
    with pytest.raises(ValueError, match=r"expect \['positive'\]; the classes are \['sport', 'news'\]"):
        behaviour.run(two_classes(len), one, ["sport", "news"])
    with pytest.raises(ValueError, match="are these logits"):
        behaviour.run(lambda texts: np.ones((len(texts), 2)), one)
    with pytest.raises(ValueError, match="tells 2 classes apart; 3 names"):
        behaviour.run(two_classes(len), one, ["positive", "b", "c"])


# ---- count and judge


def made_up(**failed):
    """Cases of kinds, each with its list of failures."""
    return pd.DataFrame([(kind, f) for kind, values in failed.items() for f in values], columns=["kind", "failed"])


def test_failures_are_counted_with_wilsons_interval():
    summary = behaviour.summarise(made_up(plain=[True] * 13 + [False] * 59, names=[False] * 10))
    assert summary[["kind", "cases", "failed"]].to_numpy().tolist() == [["plain", 72, 13], ["names", 10, 0]]
    p, n, z = 13 / 72, 72, 1.959964
    middle, half = (p + z**2 / (2 * n)), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    ends = np.array([middle - half, middle + half]) / (1 + z**2 / n)
    assert summary.loc[0, ["share", "low", "high"]].tolist() == pytest.approx([p, *ends], abs=1e-6)
    assert summary.loc[1, ["share", "low", "high"]].tolist() == pytest.approx([0, 0, z**2 / (10 + z**2)], abs=1e-6)


def test_failures_are_counted_by_another_column():
    found = behaviour.run(two_classes(lambda text: 1), pd.concat([behaviour.load_cases(s) for s in SETS]))
    summary = behaviour.summarise(found, "set")
    assert summary["set"].tolist() == list(SETS) and summary["failed"].tolist() == [36] * 4


def test_a_gate_passes_up_to_its_limit_and_nothing_untested():
    summary = behaviour.summarise(made_up(plain=[True] + [False] * 9, names=[True] * 2 + [False] * 8))
    judged = behaviour.judge(summary, {"plain": 0.1, "names": 0.1, "length": 0.5})
    assert judged["kind"].tolist() == ["plain", "names", "length"] and judged["may_fail"].tolist() == [0.1, 0.1, 0.5]
    assert judged["passed"].tolist() == [True, False, False] and judged["cases"].tolist() == [10, 10, 0]
    assert behaviour.judge(summary, {"plain": 0.1, "names": 0.2})["passed"].tolist() == [True, True]
    with pytest.raises(ValueError, match="no limit for names"):
        behaviour.judge(summary, {"plain": 0.1})


def test_each_kind_has_a_limit():
    table = behaviour.read_table()
    assert set(behaviour.MAY_FAIL) == set(table["kind"]) | set(behaviour.CHANGES)
    assert 2 / 72 <= behaviour.MAY_FAIL["plain"] < 3 / 72
    assert behaviour.MAY_FAIL["one typo"] < behaviour.MAY_FAIL["three typos"]


def test_reviews_make_cases_of_every_kind(capsys):
    texts = cleaning.load(cleaning.REVIEWS)["text"].sample(200, random_state=1).tolist()
    kinds = [*behaviour.CHANGES, "names", "neutral sentence", "direction"]
    made = behaviour.make_cases(texts, kinds)
    counts = made["kind"].value_counts()
    assert set(counts.index) == set(kinds) and counts["direction"] == 400 and counts["names"] == 200
    assert counts["one typo"] > 190 and counts["numbers"] >= 5 and capsys.readouterr().out == ""
    assert (made["before"] != made["text"]).all()


def test_a_chance_is_a_chance_of_its_own():
    before = random.getstate()
    behaviour.perturb(REVIEWS, "one typo", 7)
    assert random.getstate() == before
