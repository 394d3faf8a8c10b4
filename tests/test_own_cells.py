"""Single cells of the lessons that run on a reader's file, on numbers of real files that once stopped them or got false ticks.

`test_own_lessons.py` executes the whole lessons on small sets. Here what earlier cells compute in minutes is given by hand.
"""

import ast
import re
from types import SimpleNamespace

import keras_hub
import lessons
import numpy as np
import pandas as pd
import pytest
from conftest import SPECIAL, WORDS
from test_candidates import chosen_by_hand

from helpers import cleaning, data, evaluation, finetuning, models, own_file, predicting, runtime, words

pytestmark = pytest.mark.once  # it needs neither backend

OWN = runtime.Session("tensorflow", None, 42, runtime.PROFILES["small"], "mine.csv")


def cell_with(number, part):
    """The source of the one code cell of a lesson that holds `part`."""
    (path,) = lessons.lessons([number])
    cells = [cell.source for cell in lessons.read_twin(path).cells if cell.cell_type == "code"]
    (source,) = [source for source in cells if part in source]
    return source


def run_cell(number, part, **names):
    """Execute the cell of a lesson that holds `part`, with what earlier cells made; return all names after it."""
    names = {"np": np, "pd": pd, "course": OWN, "train_limit": None, "evaluation": evaluation, **names}
    exec(cell_with(number, part), names)
    return names


def lines_of(capsys):
    return capsys.readouterr().out.splitlines()


# ---- findings about the reviews stop nothing and get no tick


def fixed(probability):
    """In place of `finetuning`: the model, here a probability of class 1, gives it to any text."""
    return SimpleNamespace(predict_proba=lambda model, texts: np.array([[1 - model, model]] * len(texts)))


def test_a_model_that_is_sure_with_any_tokenizer_does_not_stop_lesson_11(capsys):
    """30 rows of spam in 1,530: .99817 with its own tokenizer, .99812 with the careless one."""
    made = {"classifier": 0.99817, "careless": 0.99812, "replace": lambda model, tokenizer: tokenizer}
    made |= {"finetuning": fixed(0), "shouted": ["WONDERFUL HOTEL"], "recipe": finetuning.Recipe(epochs=3)}
    run_cell("11", "with the careless one", **made)
    assert lines_of(capsys) == [
        "– so with this data, too: P(positive) is over 0.9 with its tokenizer (here 0.998)",
        "– otherwise with this data: and over 0.1 less with the careless one (here 0.998)",
    ]


def test_a_model_that_gives_all_texts_one_answer_does_not_stop_lesson_11(capsys):
    answers = SimpleNamespace(predict_in_fresh_process=lambda folder, texts: np.array([[0.25, 0.75]] * len(texts)))
    made = {"finetuning": fixed(0), "classifier": 0.75, "export": answers, "folder": None, "number_of_texts": 20}
    run_cell("11", "the answers are spread", test=pd.DataFrame({"text": ["Lob"] * 30}), **made)
    assert lines_of(capsys) == [
        "✓ no probability differs by over 0.00001 (here 0)",
        "– otherwise with this data: the answers are spread over more than 0.5 (here 0)",
    ]


@pytest.mark.parametrize(("length", "number"), [(128, 16), (512, 4), (4096, 2)])
def test_lesson_11_trains_on_fewer_texts_the_longer_they_are(length, number):
    """16 texts of 512 tokens took 15 GiB: a step keeps what every layer computed."""
    made = {
        "tf": SimpleNamespace(constant=list, Variable=list, random=SimpleNamespace(normal=lambda shape, **_: shape))
    }
    made |= {
        "train": pd.DataFrame({"text": ["Lob"] * 40, "label": 1}),
        "length": length,
        "preprocess": list,
        "seed": 42,
    }
    made |= {"classifier": SimpleNamespace(backbone=SimpleNamespace(hidden_dim=384)), "label_names": ("a", "b")}
    made |= {"encoder": SimpleNamespace(trainable_variables=[]), "course": SimpleNamespace(has_tensorflow=bool)}
    found = run_cell("11", "a new head for the loaded encoder", **made)
    assert len(found["few"]) == len(found["targets"]) == number


@pytest.mark.parametrize(
    ("labels", "last"),
    [
        (np.arange(100) % 77, ["– so with this data, too: at 0.001 over 95 % of its answers are one class (here 100)"]),
        (np.repeat([0, 1], [98, 2]), []),  # where the majority is 98 %, such answers are no sign of a failure
    ],
)
def test_chance_is_that_of_77_classes(labels, last, capsys):
    names = {"targets": np.arange(3), "logits": np.zeros((3, 77), "float32"), "label_names": range(77)}
    names = run_cell("05", "the loss is within 0.2 of ln K", finetuning=finetuning, **names)
    assert names["chance"] == pytest.approx(4.3438, abs=1e-4)
    losses, given = {1e-3: 1.8, 1e-4: 1.25}, {1e-3: np.zeros(100, int)}
    run_cell("05", "at 0.001 the loss is over ln K", chance=names["chance"], losses=losses, given=given, labels=labels)
    assert lines_of(capsys) == [
        "– so with this data, too: the loss is within 0.2 of ln K (here 4.34, 4.34)",
        "– otherwise with this data: at 0.001 the loss is over ln K (here 1.8)",
        "– so with this data, too: at 0.0001 it is under ln K (here 1.25)",
        *last,
    ]


@pytest.mark.parametrize("source", ["mine.csv", "reviews"])
def test_only_the_reviews_are_compared_with_the_stored_band(source, capsys):
    session = runtime.Session("tensorflow", None, 42, runtime.PROFILES["small"], source)
    table = pd.DataFrame({"accuracy": {"full": 84.0}})
    run_cell("05", "stored band", course=session, runtime=runtime, table=table, recipe=finetuning.Recipe(epochs=3))
    assert sum("stored band" in line for line in lines_of(capsys)) == (source == "reviews")


@pytest.mark.parametrize("more", [{}, {"style": ["email", "chat", "email"]}, {"style": ["plain", "plain", "chat"]}])
def test_other_styles_than_the_reviews_have_no_slices_of_plain_and_implied(more, capsys):
    rows = pd.DataFrame({"text": list("abc"), "label": [0, 1, 1], **more})
    made = {"validation": rows, "answers": {"bag of words": np.eye(2)[[0, 1, 0]]}}
    names = run_cell("01", "has_styles = ", **made)
    run_cell("01", "where the opinion is said in words", **names)
    made = {"test": rows, "probabilities": np.eye(2)[[0, 1, 0]]}
    run_cell("06", "implied reviews: over 10 points fewer", **made)
    run_cell("06", "of the 20 worst are implied", worst=rows)
    assert lines_of(capsys) == ["No styles `plain` and `implied`: no slices."]


def test_lesson_01_compares_5000_rows_a_side_at_most_and_a_pair_that_crosses_stops_nothing(capsys):
    """A family that was parted has such pairs; its words are found in any script."""
    asked, splits = [], {side: pd.DataFrame({"text": [side] * 6000}) for side in data.SPLIT_SHARES}

    def find(texts, divide):
        asked.append((texts.count("train"), len(texts), divide))
        return [(0, 1), (4999, 5000)]

    finder = SimpleNamespace(find_near_duplicates=find, divide_english=cleaning.divide_english)
    run_cell(
        "01", "pairs of near-duplicates across sides", splits=splits, data=data, cleaning=finder, own_file=own_file
    )
    assert asked == [(5000, 15_000, own_file.divide)]
    assert lines_of(capsys) == ["– otherwise with this data: pairs of near-duplicates across sides: 0 (here 1)"]


# ---- what was found begins with an arrow, so it comes at the end of `make run`, too


def test_unknown_words_fragments_and_cut_texts_are_reported(capsys):
    tokenizer = keras_hub.models.BertTokenizer([*SPECIAL, *WORDS], lowercase=True, strip_accents=True)
    made = {"models": models, "tokenizer": tokenizer, "train": pd.DataFrame({"text": ["屏 幕 goods"]})}
    run_cell("01", "warn_if_unknown", **made)
    figures = SimpleNamespace(show=lambda *given: None, lengths=lambda *given: None)
    run_cell("01", "describe_tokens", figures=figures, length=5, lengths=np.array([6]), **made)
    warning, facts = [line for line in lines_of(capsys) if line.startswith("→ ")]
    assert warning.startswith("→ Careful: 50% of the tokens are [UNK].") and "BACKBONE=bert_base_zh" in warning
    said = "1.33 tokens a word, 50 % of tokens unknown, 25 % of tokens cut, 100 % of texts cut"
    assert facts == f"→ training texts: {said}"


def test_the_winner_is_reported_beside_the_others(capsys):
    for name, shares in (("frozen", [0.4, 0.625, 0.9, 0.7]), ("bag of words", [0.5, 0.4, 0.3, 0.2])):
        chosen = chosen_by_hand(name)
        chosen.scores["macro F1"] = shares
        chooser = SimpleNamespace(load_or_choose=lambda *given, chosen=chosen, **options: chosen)
        made = dict.fromkeys(["train", "validation", "recipe", "features"])
        run_cell("05", "candidates.load_or_choose(", candidates=chooser, start=(None, 2), **made)
    assert [line for line in lines_of(capsys) if line.startswith("→ ")] == [
        "→ Best on validation: frozen, macro F1 90.0 %, accuracy 91.0 %. Macro F1 of the others: full 70.0 %, bag of words "
        "62.5 %, majority 40.0 %.",
        "→ Best on validation: bag of words (words), macro F1 40.0 %, accuracy 80.0 %. Macro F1 of the others: majority "
        "50.0 %, frozen 30.0 %, full 20.0 %.",
        "→ No candidate beats the majority: these labels were not learnt.",
    ]


def test_the_calibration_of_a_model_that_is_too_unsure_is_reported_as_it_is(capsys):
    labels, probabilities, right = np.zeros(8, int), np.tile([0.575, 0.425], (8, 1)), np.tile([1.0, 0.0], (8, 1))
    names = run_cell("06", "calibration error {error[0]", labels=labels, probabilities=probabilities, scaled=right)
    assert lines_of(capsys) == ["→ calibration error 0.425, scaled 0.000"]
    names |= {"temperature": 0.47, "log_loss": lambda truth, given: -np.log(given[:, 0]).mean()}
    run_cell("06", "too sure: T is over 1.1", **names)
    assert lines_of(capsys)[0] == "– otherwise with this data: too sure: T is over 1.1 (here 0.47)"


def test_where_the_model_lies_is_reported(artifacts, capsys):
    bag = words.bag_of_words().fit(["good film", "bad film"] * 4, [1, 0] * 4)
    chosen = SimpleNamespace(name="bag of words", bag_of_words=bag, counts="words")
    made = {"runtime": runtime, "words": words, "predicting": predicting, "home": artifacts / "mine.csv-0123"}
    run_cell("11", "lies in {home.name}", chosen=chosen, label_names=("Tadel", "Lob"), **made)
    assert lines_of(capsys)[0] == "→ The model (bag of words) lies in mine.csv-0123."
    assert predicting.load().label(["good"])["label"].tolist() == ["Lob"]


# ---- what a warning names can be given


@pytest.mark.parametrize("number", lessons.WITH_OWN_DATA)
def test_a_lesson_hands_on_which_data_which_backbone_and_how_many_tokens(number):
    (path,) = lessons.lessons([number])
    notebook, asked = lessons.read_twin(path), []
    given = {"seed": 7, "source": "mine.csv", "max_rows": 60, "backbone": "bert_base_zh", "max_length": 256}
    assert set(given) <= lessons.set_parameters(notebook, given)

    def start(*given, **options):
        asked.append(given)
        return SimpleNamespace(profile=OWN.profile, device=SimpleNamespace(kind="CPU"), source=given[2])

    names = {"runtime": SimpleNamespace(start=start), "data": SimpleNamespace(prepare_splits=lambda *given, **_: given)}
    (parameters,) = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    exec(parameters, names)
    tree = ast.parse(cell_with(number, "runtime.start("))
    tree.body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(tree, path.name, "exec"), names)
    assert asked == [(7, "small", "mine.csv", "bert_base_zh", 256)]
    (call,) = re.findall(r"data\.prepare_splits\(course\.source.*?\)", "\n".join(c.source for c in notebook.cells))
    assert eval(call, names) == ("mine.csv", 60)


@pytest.mark.parametrize("number", ["01", "05", "06"])
def test_figures_of_a_readers_data_say_nothing_of_the_reviews(number):
    """Titles and alt texts: words about the reviews stand only where `course.on_reviews` multiplies them."""
    (path,) = lessons.lessons([number])
    code = [cell.source for cell in lessons.read_twin(path).cells if cell.cell_type == "code"]
    shown = [call for call in calls_of("show", code) if not ast.unparse(call).startswith(STORED)]
    said = [ast.unparse(call) for call in shown]
    unguarded = [re.sub(r"'[^']*' \* course\.on_reviews", "", text) for text in said]
    assert len(said) >= 2 and not [text for text in unguarded if re.search("review|MiniLM|prais", text, re.I)]


STORED = "figures.show(figures.cleaning("  # of the course's raw file, whatever the reader's


def calls_of(name, code):
    """All calls of a function of `figures` in cells of code."""
    trees = [ast.parse(source) for source in code if not source.startswith(("%", "!"))]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) == f"figures.{name}"]
