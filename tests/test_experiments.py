"""Stored results say how they came about; a stopped run of experiments goes on; the experiments never read the test."""

import json
import sys
import sysconfig
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SPECIAL, WORDS, make_tiny_classifier, make_tiny_reviews

from helpers import corpus, explanation, faithfulness, language_models, models, pretraining, runtime, surrogates

sys.path.insert(0, str(runtime.COURSE / "experiments"))

import explaining
import fine_tuning
import points
import pretraining_runs
import results
import run

STORED = sorted((runtime.COURSE / "data" / "results").glob("fine_tuning_*.json"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_result_says_how_it_came_about(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content["circumstances"]) == set(results.ALL) and content["circumstances"]["versions"]["keras"]
    assert content["circumstances"]["machine"]["cores"] > 0
    configurations = [point["configuration"] for point in content["points"]]
    assert configurations == fine_tuning.EXPERIMENTS[path.stem.removeprefix("fine_tuning_")]
    for point in content["points"]:
        assert date.fromisoformat(point["date"]) and point["minutes"] > 0
        accuracies = [row["validation_accuracy"] for row in point["history"]]
        compared = point["configuration"]["labels"] is not None  # beside baselines: no epoch is chosen
        expected = accuracies[-1] if compared else max(accuracies)
        assert point["accuracy"] == pytest.approx(expected, abs=1e-4) and 0.4 < expected < 1


def test_frozen_embeddings_cost_no_accuracy_that_five_seeds_show():
    """What the comment at `Recipe.freeze_embeddings` says."""
    frozen, all_train = (
        runtime.experiment(f"fine_tuning_{name}").set_index("seed")["accuracy"]
        for name in ("frozen_embeddings", "seeds")
    )
    gains = frozen - all_train
    assert len(gains) == 5 and gains.notna().all()
    assert abs(gains.mean()) < all_train.std()


def test_stored_results_are_of_the_data_that_ship(artifacts):
    from helpers import data

    splits, _ = data.prepare_splits()
    inputs = fine_tuning.describe_inputs(splits["train"], splits["validation"])
    assert len(STORED) >= 5
    for path in STORED:
        assert json.loads(path.read_text(encoding="utf-8"))["circumstances"]["inputs"] == inputs, path.name


@pytest.mark.parametrize("module", [fine_tuning, pretraining_runs, explaining], ids=lambda module: module.__name__)
def test_stored_results_are_of_the_present_code(module):
    """Else make them anew (`make experiments`), or say why the change does not matter (`experiments/run.py --stamp WHY`)."""
    found = {}
    for name in module.EXPERIMENTS:
        path = results.EXPERIMENTS / f"{module.PREFIX}{name}.json"
        if path.is_file() and (changed := results.stale(path, module.roots_of(name))):
            found[path.name] = changed
    assert not found, f"stale: {found}"


def circumstances(**changed) -> dict:
    """Circumstances of a test."""
    return {"inputs": {"train": "a"}, "versions": {"keras": "3"}, "code": {"f": "1"}, "machine": {"cores": 2}} | changed


def test_a_stopped_run_goes_on_and_shares_equal_points(tmp_path, monkeypatch, capsys):
    made, present = [], circumstances()

    def make(configuration):
        if configuration["x"] == 5 or (configuration["x"] == 3 and len(made) < 3):
            raise KeyboardInterrupt
        made.append(configuration["x"])
        return {"accuracy": configuration["x"] / 10}

    def complete(name, numbers, present):
        return points.complete(name, [{"x": x} for x in numbers], present, make, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        complete("first", [1, 2, 3], present)
    made.append("pause")
    found = complete("first", [1, 2, 3], present)
    assert made == [1, 2, "pause", 3] and [point["accuracy"] for point in found] == [0.1, 0.2, 0.3]
    before = (tmp_path / "first.json").read_text()
    monkeypatch.setattr(points, "write", None)  # nothing to make: nothing is written, no date changes
    elsewhere = circumstances(machine={"cores": 64})  # an accuracy does not hang on the kind of machine
    assert complete("first", [1, 2, 3], elsewhere) == found and (tmp_path / "first.json").read_text() == before
    monkeypatch.undo()
    assert complete("second", [2, 4], present)[0] == found[1] and made[-1] == 4  # 2 was taken from the first
    with pytest.raises(KeyboardInterrupt):
        complete("first", [1, 5, 2, 3], present)  # a new point in the middle is stopped
    assert [point["configuration"]["x"] for point in points.stored(tmp_path / "first.json", present)] == [1, 2, 3]
    assert "anew" not in capsys.readouterr().out
    complete("first", [1], circumstances(inputs={"train": "b"}))  # other data: made anew, with a word
    assert made[-1] == 1 and len(made) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.json", "second.json"]
    complete("first", [1], circumstances(inputs={"train": "b"}, code={"f": "2"}))
    assert len(made) == 7  # other code


def test_nothing_is_noted_of_older_points_that_was_not_known_then(tmp_path):
    path, noted = tmp_path / "first.json", circumstances()
    points.complete("first", [{"x": 1}], noted, lambda configuration: {}, tmp_path)
    today = circumstances(versions={"keras": "3", "jax": "1"}, machine={"cores": 64})
    points.complete("first", [{"x": 1}, {"x": 2}], today, lambda configuration: {}, tmp_path)
    assert results.read(path)["circumstances"] == noted and len(results.read(path)["points"]) == 2


def test_a_stamp_needs_a_reason_unless_there_were_no_hashes(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "EXPERIMENTS", tmp_path)
    path, point = tmp_path / "fine_tuning_seeds.json", {"configuration": {}, "accuracy": 0.8}
    results.write(path, {"circumstances": {"inputs": {}, "versions": {}, "machine": {}}, "points": [point]})
    run.stamp(fine_tuning, ["seeds", "words"], "")  # there is no file of words
    content = results.read(path)
    assert content["stamped"][0]["why"] == run.NO_HASHES and content["points"] == [point]
    assert results.stale(path, fine_tuning.roots_of("seeds")) == [] and len(list(tmp_path.iterdir())) == 1
    run.stamp(fine_tuning, ["seeds"], "")  # it is of the present code: nothing happens
    assert len(results.read(path)["stamped"]) == 1
    content["circumstances"]["code"]["helpers.finetuning.pad"] = "other"
    results.write(path, content)
    with pytest.raises(SystemExit, match="say why not"):
        run.stamp(fine_tuning, ["seeds"], "")
    run.stamp(fine_tuning, ["seeds"], "pad is faster, its answers are the same")
    assert [stamp["why"] for stamp in results.read(path)["stamped"]][1].startswith("pad is faster")


def test_beside_baselines_no_epoch_is_chosen(monkeypatch):
    """Fine-tuning is scored after its last epoch, as the baselines are scored once; by itself after its best."""
    rows = [{"epoch": n, "validation_accuracy": a, "validation_loss": 1.0} for n, a in ((1, 0.9), (2, 0.7))]
    frame = pd.DataFrame({"text": ["good", "bad", "fine", "dull"], "label": [1, 0, 1, 0]})
    seen = []
    monkeypatch.setattr(
        fine_tuning, "tune", lambda configuration, train, validation: (seen.append(train), (rows, 1.0))[1]
    )
    monkeypatch.setattr(fine_tuning, "score_baselines", lambda train, validation: {"frozen": len(train) / 10})
    configuration = fine_tuning.point(1, labels=2, epochs=2, patience=2)
    made = fine_tuning.maker_of(configuration)(configuration, frame, frame)
    assert made["accuracy"] == 0.7 and made["frozen"] == 0.2 and len(seen[0]) == 2
    configuration = fine_tuning.point(1)
    made = fine_tuning.maker_of(configuration)(configuration, frame, frame)
    assert made["accuracy"] == 0.9 and "frozen" not in made and len(seen[1]) == 4


def test_a_configuration_leaves_out_what_is_the_default():
    assert fine_tuning.point(1, learning_rate=1e-4, epochs=8) == {
        "seed": 1,
        "labels": None,
        "words": "all",
        "epochs": 8,
    }


def test_words_are_treated_as_named():
    text = ["The films were not running, but good."]
    assert fine_tuning.treat(text, "all") == text
    assert fine_tuning.treat(text, "no stop words") == ["films running , good ."]
    assert "film" in fine_tuning.treat(text, "lemmas")[0].split() and "not" in fine_tuning.treat(text, "lemmas")[0]


def test_a_lesson_reads_stored_points_as_a_table():
    table = runtime.experiment("fine_tuning_seeds")
    assert {"seed", "accuracy", "history", "minutes"} <= set(table.columns) and len(table) == 5
    with pytest.raises(FileNotFoundError, match=r"no nothing\.json in data/results\. `make experiments`"):
        runtime.experiment("nothing")


# ---- pre-training

PRETRAINING = sorted((runtime.COURSE / "data" / "results").glob("pretraining_*.json"))


@pytest.mark.parametrize("path", PRETRAINING, ids=lambda path: path.stem)
def test_a_stored_pretraining_says_how_it_came_about(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["circumstances"]["versions"]["keras"] and len(content["circumstances"]["inputs"]["corpus"]) == 64
    configurations = [point["configuration"] for point in content["points"]]
    assert configurations == pretraining_runs.EXPERIMENTS[path.stem.removeprefix("pretraining_")]
    for point in content["points"]:
        assert date.fromisoformat(point["date"]) and point["minutes"] >= 0
        if "right" in point:
            share = point["right"].count("1") / len(point["right"])
            assert point["test_accuracy"] == pytest.approx(share, abs=1e-4) and set(point["right"]) == {"0", "1"}
        else:
            last = point["curve"][-1]
            assert last["steps"] == point["configuration"]["steps"]
            assert abs(last["validation_loss"] - point["validation"]["model"]) < 0.2  # fewer batches, the same text


def test_stored_pretrainings_are_of_one_corpus_and_those_that_the_lesson_draws_are_there():
    inputs = [json.loads(path.read_text(encoding="utf-8"))["circumstances"]["inputs"] for path in PRETRAINING]
    assert all(one == inputs[0] for one in inputs)
    lesson = (runtime.COURSE / "notebooks" / "text" / "04_pretraining.py").read_text(encoding="utf-8")
    drawn = {f"pretraining_{name}" for name in pretraining_runs.EXPERIMENTS if f'"pretraining_{name}"' in lesson}
    assert drawn | {"pretraining_long_masked", "pretraining_long_causal"} <= {path.stem for path in PRETRAINING}


@pytest.fixture(scope="module")
def python_texts():
    """Docstrings of the files of Python's own library that stand in the test split."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = [file for file in corpus.list_python_files(root) if corpus.choose_split("python", file) == "test"]
    examples = corpus.collect_examples([corpus.Source("python", "", root, tuple(files))], Counter())
    return [example["text"] for example in examples]


@pytest.mark.parametrize("objective", ["masked", "causal"])
def test_kept_weights_are_those_of_the_stored_long_training(objective, python_texts, tmp_path):
    """On a sample of the held-out texts their loss lies at the stored one; random weights are at 9 nats, log 8,000."""
    point = runtime.experiment(f"pretraining_long_{objective}").iloc[0]
    model, tokenizer = pretraining.load_pretrained(pretraining_runs.PRETRAINED / f"{objective}.npz")
    corpus.write_tokens(python_texts, tokenizer.get_vocabulary(), tmp_path / "tokens")
    tokens = corpus.read_tokens(tmp_path / "tokens")
    losses = language_models.measure_held_out_losses(objective, model, tokens, tokens)
    assert model.count_params() == point["parameters"]
    assert abs(losses["model"] - point["test"]["model"]) < 0.3  # 0.03 with Python 3.12's texts


def test_a_tiny_pretraining_is_stored_whole(artifacts, tmp_path, monkeypatch):
    corpus.write_tokens(make_tiny_reviews(400)[0], SPECIAL + WORDS, tmp_path / "tokens")
    tokens = dict.fromkeys(corpus.SPLITS, corpus.read_tokens(tmp_path / "tokens"))
    monkeypatch.setattr(pretraining_runs, "PRETRAINED", tmp_path)
    configuration = {"kind": "long", "objective": "masked", "steps": 10, "learning_rate": 1e-3, "seed": 1, "width": 32}
    point = pretraining_runs.pretraining_point(configuration, tokens)
    assert [row["steps"] for row in point["curve"]] == list(range(1, 11))
    assert set(point["validation"]) == set(point["test"]) == {"model", "unigram", "neighbours"}
    model, _ = pretraining.load_pretrained(tmp_path / "masked.npz")
    assert model.count_params() == point["parameters"]
    again = pretraining_runs.pretraining_point(configuration, tokens)  # from the checkpoint: nothing is trained
    assert again["curve"] == point["curve"] and again["test"] == point["test"]


def test_topic_texts_are_balanced_and_of_their_split(tmp_path, monkeypatch):
    frames = {
        split: pd.DataFrame({"text": [f"{split} {i}" for i in range(1400)], "label": np.arange(1400) % 7})
        for split in corpus.SPLITS
    }
    monkeypatch.setattr(pretraining_runs, "all_topics", lambda path, split: frames[split])
    drawn = pretraining_runs.topic_texts(tmp_path, 50, seed=1)
    assert drawn["train"]["label"].value_counts().tolist() == [50] * 7 and len(drawn["validation"]) == 700
    assert drawn["train"]["text"].str.startswith("train").all() and drawn["train"]["label"].iloc[:20].nunique() > 3
    assert drawn["test"] is frames["test"]
    assert set(pretraining_runs.topic_texts(tmp_path, 50, seed=2)["train"]["text"]) != set(drawn["train"]["text"])


# ---- explanations

EXPLAINING = [
    path for name in explaining.EXPERIMENTS if (path := results.EXPERIMENTS / f"explanation_{name}.json").is_file()
]


@pytest.mark.parametrize("path", EXPLAINING, ids=lambda path: path.stem)
def test_a_stored_explanation_says_how_it_came_about(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["circumstances"]["versions"]["keras"] and len(content["circumstances"]["inputs"]["test"]) == 64
    configurations = [point["configuration"] for point in content["points"]]
    assert configurations == explaining.EXPERIMENTS[path.stem.removeprefix("explanation_")]
    for point in content["points"]:
        assert date.fromisoformat(point["date"]) and point["minutes"] >= 0
        if "right" in point:
            share = point["right"].count("1") / len(point["right"])
            assert point["accuracy"][0] == pytest.approx(share, abs=1e-4)
        if point["configuration"]["kind"] == "planted":  # else nothing would say that the planted words decide
            assert point["accuracy"] > 0.95 and point["accuracy_without"] < 0.75


def test_every_method_is_judged_and_no_name_means_two_experiments():
    methods = [configuration["method"] for configuration in explaining.EXPERIMENTS["faithfulness"]]
    assert methods == [*explanation.METHODS, "random"] and set(explaining.SHUFFLED) < set(methods)
    names = [name for module in (fine_tuning, pretraining_runs, explaining) for name in module.EXPERIMENTS]
    assert len(names) == len(set(names))
    for name in explaining.EXPERIMENTS:
        code = explaining.results.circumstances({}, explaining.roots_of(name))["code"]
        assert "helpers.finetuning.load_or_fine_tune" in code, name  # the classifier that is explained
        assert ("helpers.explanation.occlusion" in code) == (name in ("faithfulness", "planted", "shuffled")), name


@pytest.fixture(scope="module")
def small():
    """A tiny classifier, and splits of tiny reviews with what the experiments read of them."""
    splits = {}
    for seed, (name, number) in enumerate((("train", 200), ("validation", 32), ("test", 48), ("undecided", 40))):
        texts, labels = make_tiny_reviews(number, seed)
        domains = np.array(["film", "hotel", "unknown"])[np.arange(number) % 3]
        splits[name] = pd.DataFrame({"text": texts, "label": labels, "domain": domains})
    splits["undecided"]["label"] = -1
    return make_tiny_classifier(), splits | {"later": splits["undecided"]}


def test_reviews_to_explain_are_drawn_by_a_seed_and_neither_short_nor_long():
    frame = pd.DataFrame({"text": [" ".join("x" * number) for number in range(1, 60)]})
    drawn = explaining.choose_reviews(frame, 36)["text"].str.split().str.len()
    assert sorted(drawn) == list(range(5, 41))
    first, again, other = (explaining.choose_reviews(frame, 9, seed)["text"].tolist() for seed in (9, 9, 1))
    assert first == again == explaining.choose_reviews(frame, 9)["text"].tolist() and set(first) != set(other)


def test_scores_of_texts_in_parts_are_those_of_all(small, monkeypatch):
    classifier, splits = small
    readings = explanation.read(classifier, splits["test"]["text"].tolist()[:7])
    targets = np.array([0, 1, 1, 0, 1, 0, 0])
    expected = explanation.occlusion(classifier, readings, targets)
    monkeypatch.setattr(explaining, "AT_ONCE", 3)
    for one, other in zip(explaining.score("occlusion", classifier, readings, targets), expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_a_faithfulness_point_holds_both_measures_beside_chance(small):
    classifier, splits = small
    configuration = {"kind": "faithfulness", "method": "integrated gradients", "reviews": 6}
    point = explaining.faithfulness_point(configuration, classifier, splits)
    readings = explanation.read(classifier, explaining.choose_reviews(splits["test"], 6)["text"].tolist())
    own, chance = explanation.integrated_gradients(classifier, readings), explanation.random_scores(readings, 9)
    for how in explanation.HOWS:
        for measure in (faithfulness.comprehensiveness, faithfulness.sufficiency):
            values, others = (measure(classifier, readings, scores, how=how) for scores in (own, chance))
            assert point[how][measure.__name__][0] == pytest.approx(values.mean(), abs=2e-4)
            less = point[how][f"{measure.__name__}_less_random"]
            assert less[0] == pytest.approx((values - others).mean(), abs=2e-4) and less[1] <= less[0] <= less[2]
    gaps = explanation.completeness_gap(classifier, readings, steps=8)
    assert point["median_gap"]["8"] == pytest.approx(np.median(gaps), abs=1e-3) and point["ms_a_text"] > 0
    of_chance = explaining.faithfulness_point(configuration | {"method": "random"}, classifier, splits)
    assert of_chance["delete"]["comprehensiveness_less_random"] == [0, 0, 0] and "median_gap" not in of_chance


def shortened(text):
    """The first five words, without those that are planted: then a tiny model soon learns these."""
    return " ".join(text.replace("good", "fine").replace("bad", "dull").split()[:5])


def test_a_planted_point_trains_a_copy_until_the_planted_words_decide(small, monkeypatch):
    classifier, splits = small
    monkeypatch.setattr(explaining, "PLANTED", ("good", "bad"))  # which the tiny vocabulary holds
    plain = {name: frame.assign(text=frame["text"].map(shortened)) for name, frame in splits.items()}
    monkeypatch.setattr(explaining.finetuning, "has_stopped_improving", lambda history, patience: False)
    before = explaining.finetuning.values_of(classifier.model.variables)
    configuration = {"trained_on": 200, "epochs": 6, "learning_rate": 3e-3, "reviews": 20, "seed": 1}
    point = explaining.planted_point(configuration, classifier, plain)
    assert point["accuracy"] > 0.9 and 0.2 < point["accuracy_without"] < 0.8
    assert list(point["found_first"]) == [*explanation.METHODS, "random"]
    assert point["found_first"]["occlusion"] > 0.8 and point["found_first"]["random"] < 0.5
    after = explaining.finetuning.values_of(classifier.model.variables)
    assert all(map(np.array_equal, before, after))


@pytest.mark.parametrize("method", explaining.SHUFFLED)
def test_a_shuffled_point_shuffles_more_and_more(small, method):
    """The explanations are those of the weights that are there now, though all levels share one copy."""
    classifier, splits = small
    configuration = {"method": method, "reviews": 5, "seed": 3}
    agreement = explaining.shuffled_point(configuration, classifier, splits)["agreement"]
    assert list(agreement) == ["0", "1", "2", "all"]
    readings = explanation.read(classifier, explaining.choose_reviews(splits["test"], 5)["text"].tolist())
    targets = explanation.predict(classifier, readings).argmax(axis=1)
    explain = explanation.METHODS[method]
    for layers in (1, "all"):
        shuffled = faithfulness.shuffle_from_top(classifier, layers, 3)
        scores = [explain(one, readings, targets) for one in (classifier, shuffled)]
        expected = faithfulness.rank_agreement(*scores).mean()
        assert agreement[str(layers)][0] == pytest.approx(expected, abs=0.05)  # near-equal scores may change places
    if method in ("last attention", "attention rollout"):
        assert agreement["0"][0] == 1  # attention never hears of the head


def test_a_layers_point_reads_the_classifier_or_one_that_was_not_fine_tuned(small, monkeypatch):
    classifier, splits = small
    untrained = make_tiny_classifier(seed=5)
    monkeypatch.setattr(models, "make_classifier", lambda: untrained)
    for fine_tuned, read in ((True, classifier), (False, untrained)):
        point = explaining.layers_point({"fine_tuned": fine_tuned}, classifier, splits)
        train, test = (surrogates.layer_vectors(read, splits[name]["text"].tolist()) for name in ("train", "test"))
        labels = [splits[name]["label"].to_numpy() for name in ("train", "test")]
        probed = surrogates.probe(train[1], labels[0], test[1], labels[1])
        assert len(point["probe"]) == 3 and point["probe"][1] == pytest.approx(probed, abs=1e-4)
        assert point["class_share"][2] == pytest.approx(surrogates.neighbour_share(test[2], labels[1]), abs=1e-4)
        known = splits["test"]["domain"] != "unknown"
        domains = splits["test"]["domain"][known] == "hotel"
        assert point["domain_share"][1] == pytest.approx(
            surrogates.neighbour_share(test[1][known], domains.astype(int).to_numpy()), abs=1e-4
        )
        assert point["variance_of_first"][0] < point["variance_of_two"][0] <= 1
        assert point["texts"] == 48 and point["texts_of_known_domain"] == 32 and point["domain_chance"] == 0.5


def test_a_surrogate_learns_from_the_model_and_never_from_the_test(small, monkeypatch):
    classifier, splits = small
    asked, labels = [], splits["test"]["label"].to_numpy()

    def sure_of_dull(classifier, texts):
        """Logits of a model that goes by one word alone."""
        asked.append(texts)
        return np.array([[0.0, 4.0 if "dull" in text.split() else -4.0] for text in texts])

    monkeypatch.setattr(explaining, "logits_of", sure_of_dull)
    theirs = sure_of_dull(classifier, tuple(splits["test"]["text"])).argmax(axis=1)
    made = {}
    for configuration in explaining.EXPERIMENTS["surrogates"]:
        point = explaining.surrogates_point(configuration, classifier, splits)
        made[configuration["model"], configuration["learns"], len(configuration["texts"])] = point
        right = np.array(list(map(int, point["right"])))
        assert point["accuracy"][0] == pytest.approx(right.mean(), abs=1e-4) and len(right) == 48
        assert point["less_the_model"][0] == pytest.approx(right.mean() - (theirs == labels).mean(), abs=1e-4)
        by_labels = np.array(list(map(int, made["linear", "labels", 1]["right"])))
        assert point["less_labels_only"][0] == pytest.approx((right - by_labels).mean(), abs=1e-4)
        assert point["less_labels_only"][1] <= point["less_labels_only"][0] <= point["less_labels_only"][2]
    assert made["linear", "labels", 1]["less_labels_only"] == [0, 0, 0]
    assert made["tree", "answers", 1]["fidelity"][0] == 1  # it finds the word that decides
    assert made["linear", "logits", 3]["fidelity"][0] > 0.85 > made["linear", "labels", 1]["fidelity"][0]
    test = tuple(splits["test"]["text"])
    assert all(texts == test or not set(texts) >= set(test) for texts in asked)
    fitted_on = {len(texts) for texts in asked if texts != test}
    assert fitted_on == {200, 240, 280}
