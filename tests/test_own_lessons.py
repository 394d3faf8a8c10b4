"""The lessons that run on a reader's file, executed on small sets of our own making, with a tiny untrained BERT.

What counts here is that no claim fails and no tick is false on data that are unlike the course's reviews. The backbone knows
a few words and has random weights: it starts in a second, and the bag of words often wins, as it may on a reader's data.
"""

import re
import sys
from pathlib import Path

import keras
import keras_hub
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import lessons  # noqa: E402
import own_sets  # noqa: E402

from helpers import predicting  # noqa: E402

pytestmark = [pytest.mark.tensorflow, pytest.mark.once]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A folder with an untrained BERT of 2 layers, 24 wide."""
    folder = tmp_path_factory.mktemp("backbone")
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *own_sets.WORDS,
        *own_sets.THINGS,
        *"abcdefghijklmnopqrstuvwxyz",
    ]
    vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"] + [*"0123456789;,.!，。好坏很"]
    keras.utils.set_random_seed(1)
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=True, strip_accents=True)
    made = keras_hub.models.BertBackbone(len(vocabulary), 2, 2, 24, 48, max_sequence_length=64)
    made.save_to_preset(str(folder))
    tokenizer.save_to_preset(str(folder))
    return folder


SETS = {
    own_sets.two_percent: lessons.WITH_OWN_DATA,
    own_sets.chinese: lessons.WITH_OWN_DATA,
    own_sets.many_classes: ["01", "05", "06"],  # the exports of two sets are enough for every day
    own_sets.one_length: ["01", "05", "06"],
}


@pytest.mark.parametrize("make", SETS, ids=lambda make: make.__name__)
def test_the_lessons_hold_on_a_readers_data(make, backbone, artifacts, tmp_path, capfd):
    """The lessons run to their end; what was found comes last; an exported model answers texts that are new."""
    source = make(tmp_path)
    parameters = {"source": str(source), "backbone": str(backbone), "max_length": 32, "epochs": 1}
    assert lessons.run(lessons.lessons(SETS[make]), parameters) == 0
    said = capfd.readouterr().out
    for found in ("tokens a word", "Best on validation: ", "calibration error"):
        assert found in said, found
    copies = [nbformat.read(path, as_version=4) for path in sorted((artifacts / "run").glob("*.ipynb"))]
    lines = [line for copy in copies for line in lessons.printed_in(copy)]
    ticks = [line for line in lines if line.startswith("✓ ")]
    assert len(ticks) > 20 and not [tick for tick in ticks if re.search("MiniLM|praise|the reviews|stored band", tick)]
    if make is own_sets.many_classes:
        assert any("ln K is 3.40" in line for line in lines)  # chance is that of 30 classes
    if make is own_sets.two_percent:  # where one class has nearly all texts, answering it always is no failure
        assert not any("95 % of its answers" in line for line in lines)
    if "11" in SETS[make]:
        assert "The model (" in said and "make predict" in said
        assert predicting.latest().resolve().name.startswith(source.name)
        assert predicting.load().label(["red table 好评很好"]).shape == (1, 2)
        card = (predicting.latest() / "README.md").read_text(encoding="utf-8")
        assert source.name in card and "English" not in card and "data/README" not in card and "Apache" not in card
        assert str(tmp_path) not in card and str(backbone) not in card  # no machine's paths
