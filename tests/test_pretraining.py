"""Batches, masks, causality, baselines by hand, a stopped training that ends like a whole one."""

import subprocess
import sys
from dataclasses import replace

import keras
import keras_hub
import numpy as np
import pytest
from scipy.special import softmax

from helpers import corpus, finetuning, models, pretraining, runtime
from helpers.corpus import CorpusError
from helpers.pretraining import NeighbourCounts, Recipe, Size, TokenBatches

TINY = Size(layers=1, heads=2, width=16, intermediate=32, sequence_length=16, longest_wave=16.0)
SHORT = Recipe(steps=8, steps_a_part=3, learning_rate=1e-2)
WORDS = ["the", "a", "film", "room", "was", "is", "very", "not", "good", "bad", "dull", "fine"]


def make_texts(number=60, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size=random.integers(3, 21))) for _ in range(number)]


# ---- tokens and batches

VOCABULARY = [*corpus.SPECIAL, *WORDS]


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens") / "tokens"
    corpus.write_tokens(iter(make_texts(300)), VOCABULARY, folder)
    return corpus.read_tokens(folder)


def raw(token_ids, padding_mask, random):
    return token_ids, padding_mask, random.random()


def test_padded_rows_are_texts_and_packed_rows_are_the_flat_array(tokens):
    texts, tokenizer = make_texts(300), models.make_reference_tokenizer(VOCABULARY)
    rows = TokenBatches(tokens, raw, sequence_length=16, packed=False)
    ids, mask = rows.framed(np.arange(300))
    for text, row, seen in zip(texts, ids, mask, strict=True):
        expected = [2, *tokenizer.encode(text).ids, 3][:16]
        assert row.tolist() == expected + [0] * (16 - len(expected)) and seen.sum() == len(expected)
    assert any(len(text.split()) < 5 for text in texts) and any(len(text.split()) > 16 for text in texts)
    ids, mask = TokenBatches(tokens, raw, sequence_length=16).framed(np.arange(5))
    assert (ids[:, 0] == 2).all() and mask.all() and ids.dtype == mask.dtype == "int32"
    assert ids[:, 1:].ravel().tolist() == tokens.ids[:75].tolist()


def test_an_epoch_takes_each_row_once_and_seed_and_step_decide(tokens):
    def taken(seed, first):
        batches = TokenBatches(tokens, raw, batch_size=10, sequence_length=16, seed=seed)
        batches.first, batches.begins = first, np.arange(len(batches.begins))  # a row's number instead of its place
        batches.framed = lambda rows: (rows, None)
        return [(tuple(batches[i][0]), batches[i][2]) for i in range(batches.steps_an_epoch)], len(batches.begins)

    rows, total = taken(1, 0)
    flat = [row for batch, _ in rows for row in batch]
    assert len(set(flat)) == len(flat) == total // 10 * 10
    assert taken(1, 0) == taken(1, 0) and taken(1, 4)[0][0] == rows[4]
    assert taken(2, 0)[0][0][0] != rows[0][0] and taken(1, len(rows))[0][0][0] != rows[0][0]
    assert len({noise for _, noise in rows}) == len(rows)


def test_bad_tokens_are_refused(tokens, tmp_path):
    with pytest.raises(CorpusError, match="no text"):
        corpus.write_tokens(iter([]), VOCABULARY, tmp_path / "empty")
    assert not list(tmp_path.iterdir())
    corpus.write_tokens(make_texts(5), VOCABULARY, tmp_path / "short")
    with pytest.raises(CorpusError, match="no batch of 32"):
        TokenBatches(corpus.read_tokens(tmp_path / "short"), raw)
    file = tmp_path / "short" / "ids.int32"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(CorpusError, match="cut short"):
        corpus.read_tokens(tmp_path / "short")


# ---- masks and noise


def in_bounds(hits, trials, share):
    """Within five standard deviations of a binomial count."""
    return abs(hits - trials * share) < 5 * np.sqrt(trials * share * (1 - share))


def test_masking_statistics_over_100_000_tokens():
    random = np.random.default_rng(0)
    ids = random.integers(5, 1000, size=(1000, 110)).astype("int32")
    ids[:, 0], ids[:, 50] = 2, 3
    padding = np.ones_like(ids)
    padding[:, 102:], ids[:, 102:] = 0, 0
    ids[:200, 105] = 7  # an ordinary id under padding must stay too
    special = [0, 1, 2, 3, 4]
    inputs, targets, weights = pretraining.mask_tokens(ids, padding, 1000, 4, special, np.random.default_rng(1))
    chosen, may = weights == 1, (padding == 1) & (ids > 4)
    assert may.sum() == 100_000 and not chosen[~may].any() and set(np.unique(weights)) == {0, 1}
    assert (targets == ids).all() and (inputs == ids)[~chosen].all()
    assert (inputs.dtype, targets.dtype, weights.dtype) == ("int32", "int32", "float32")
    assert in_bounds(chosen.sum(), 100_000, 0.15)
    masked, kept = chosen & (inputs == 4), chosen & (inputs == ids)
    replaced = chosen & ~masked & ~kept
    assert in_bounds(masked.sum(), chosen.sum(), 0.8)
    assert in_bounds(replaced.sum(), chosen.sum(), 0.1 * 994 / 995)  # one draw in 995 is the token itself
    assert inputs[replaced].min() >= 5 and len(np.unique(inputs[replaced])) > 700
    again = pretraining.mask_tokens(ids, padding, 1000, 4, special, np.random.default_rng(1))
    other = pretraining.mask_tokens(ids, padding, 1000, 4, special, np.random.default_rng(2))
    assert (again[0] == inputs).all() and (other[0] != inputs).any()


def test_masked_task_predicts_at_the_chosen_positions(tokens):
    task, batches = pretraining.masked_task(VOCABULARY, kinds=(1.0, 0.0)), TokenBatches(tokens, raw, sequence_length=32)
    ids, mask = batches.framed(np.arange(64))
    inputs, targets, weights = task(ids, mask, np.random.default_rng(0))
    assert inputs["mask_positions"].shape == targets.shape == weights.shape == (64, 8)
    at = np.take_along_axis(inputs["token_ids"], inputs["mask_positions"], 1)
    assert ((at == 4) == (weights == 1)).all() and 64 * 2 < weights.sum() < 64 * 6
    assert (targets == np.take_along_axis(ids, inputs["mask_positions"], 1)).all()


def test_next_token_targets_are_the_inputs_moved_by_one():
    ids, mask = np.array([[2, 7, 8, 3, 0]], dtype="int32"), np.array([[1, 1, 1, 1, 0]], dtype="int32")
    inputs, targets, weights = pretraining.next_token(ids, mask)
    assert inputs["token_ids"].tolist() == [[2, 7, 8, 3]] and targets.tolist() == [[7, 8, 3, 0]]
    assert inputs["padding_mask"].tolist() == [[1, 1, 1, 1]] and weights.tolist() == [[1, 1, 1, 0]]


def test_noise_drops_replaces_and_moves_a_little():
    ids = np.tile(np.arange(100, 200, dtype="int32"), (200, 1))
    mask = np.ones_like(ids)
    mask[:, 90:], ids[:, 90:] = 0, 0

    def noisy(**noise):
        return pretraining.add_noise(ids, mask, 0, [7], np.random.default_rng(0), **noise)

    dropped, seen = noisy(drop=0.2, replace=0, window=0)
    assert in_bounds(seen.sum() - 200, 200 * 89, 0.8) and (dropped[seen == 0] == 0).all()
    assert all(np.all(np.diff(row[: n.sum()]) > 0) for row, n in zip(dropped, seen, strict=True))
    replaced, seen = noisy(drop=0, replace=0.3, window=0)
    assert in_bounds((replaced == 7).sum(), 200 * 89, 0.3) and (seen == mask).all()
    moved, _ = noisy(drop=0, replace=0, window=3)
    shift = np.abs(moved[:, :90] - ids[:, :90])
    assert shift.max() == 2 and (shift > 0).mean() > 0.3
    assert (np.sort(moved[:, :90], axis=1) == ids[:, :90]).all() and (moved[:, 0] == 100).all()


# ---- models


@pytest.fixture(scope="session")
def masked():
    return pretraining.masked_model(pretraining.encoder(len(VOCABULARY), TINY))


@pytest.fixture(scope="session")
def causal():
    return pretraining.causal_model(len(VOCABULARY), TINY)


def positions_that_change(model, extra=None):
    """Whether the logits at each place change when the token at place 6 does."""
    ids = np.array([[2, 5, 6, 7, 8, 9, 10, 11, 12, 3]], dtype="int32")
    changed = ids.copy()
    changed[0, 6] = 14
    outputs = []
    for some in (ids, changed):
        inputs = models.inputs_of(some, np.ones_like(some))
        inputs = (
            {name: inputs[name] for name in ("token_ids", "padding_mask")} if extra is None else {**inputs, **extra}
        )
        outputs.append(keras.ops.convert_to_numpy(model(inputs, training=False))[0])
    return (np.abs(outputs[0] - outputs[1]).max(axis=-1) > 1e-6).tolist()


def test_the_causal_model_does_not_see_the_future_and_the_encoder_does(causal, masked):
    assert positions_that_change(causal) == [False] * 6 + [True] * 4
    every = {"mask_positions": np.arange(10, dtype="int32")[None]}
    assert positions_that_change(masked, every) == [True] * 10


def test_the_autoencoder_sees_the_text_through_its_bottleneck_alone(tokens):
    model = pretraining.autoencoder(pretraining.encoder(len(VOCABULARY), TINY), 15, TINY, bottleneck=4)
    batches = TokenBatches(tokens, pretraining.denoising_task(VOCABULARY), 8, 16, packed=False)
    inputs, targets, weights = batches[0]
    assert model.predict_on_batch(inputs).shape == (8, 15, len(VOCABULARY)) and targets.shape == weights.shape == (
        8,
        15,
    )
    assert model.get_layer("bottleneck").output.shape == (None, 4)
    logits = [keras.ops.convert_to_numpy(model(inputs, training=False))]
    layer = model.get_layer("bottleneck")
    layer.kernel.assign(keras.ops.zeros(layer.kernel.shape))  # now nothing of the text passes
    logits.append(keras.ops.convert_to_numpy(model(inputs, training=False)))
    rows_differ = [np.abs(some - some[:1]).max() for some in logits]
    assert rows_differ[0] > 1e-4 and rows_differ[1] < 1e-6


def test_output_weights_are_the_embeddings(masked, causal):
    for model in (masked, causal):
        shapes = [tuple(variable.shape) for variable in model.trainable_variables]
        assert [shape for shape in shapes if len(VOCABULARY) in shape and TINY.width in shape] == [(17, 16)]


def test_a_classifier_on_the_encoder_shares_its_weights_and_trains():
    backbone = pretraining.encoder(len(VOCABULARY), TINY)
    tokenizer = keras_hub.models.BertTokenizer(VOCABULARY, lowercase=True, strip_accents=True)
    classifier = models.add_head(backbone, tokenizer, 2)
    before = finetuning.values_of(backbone.trainable_variables)
    texts, labels = ["the film was good", "the film was bad"] * 8, np.array([1, 0] * 8)
    recipe = finetuning.Recipe(epochs=1, batch_size=8, learning_rate=1e-2, max_length=16)
    finetuning.fine_tune(classifier, (texts, labels), (texts, labels), recipe)
    assert finetuning.predict_proba(classifier, texts[:3]).shape == (3, 2)
    moved = [
        not np.allclose(*pair) for pair in zip(before, finetuning.values_of(backbone.trainable_variables), strict=True)
    ]
    assert np.mean(moved) > 0.8


# ---- training


def make_masked(seed=0, dropout=0.0):
    return pretraining.masked_model(pretraining.encoder(len(VOCABULARY), replace(TINY, dropout=dropout), seed))


def make_batches(tokens, seed=42):
    return TokenBatches(tokens, pretraining.masked_task(VOCABULARY), batch_size=16, sequence_length=16, seed=seed)


class StopAfter(keras.callbacks.Callback):
    """Raises KeyboardInterrupt, as a reader's stop button does, after some batches."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.fixture(scope="session")
def whole(tokens, tmp_path_factory):
    """An uninterrupted training: its model, history and checkpoint folder."""
    model, folder = make_masked(dropout=0.1), tmp_path_factory.mktemp("whole")
    return model, pretraining.pretrain(model, make_batches(tokens), SHORT, folder), folder


def test_a_stopped_training_ends_with_the_weights_of_an_uninterrupted_one(tokens, whole, tmp_path):
    stopped, resumed, left = make_masked(dropout=0.1), make_masked(7, dropout=0.1), StopAfter(100)
    start = finetuning.values_of(stopped.variables)
    with pytest.raises(KeyboardInterrupt):
        pretraining.pretrain(stopped, make_batches(tokens), SHORT, tmp_path, [StopAfter(5)])
    history = pretraining.pretrain(resumed, make_batches(tokens), SHORT, tmp_path, [left])
    assert left.left == 95 and history["steps"].tolist() == [3, 6, 8]  # it went on after the third of eight
    assert np.allclose(history["loss"], whole[1]["loss"], atol=1e-6) and (history["tokens_a_second"] > 0).all()
    ends = [finetuning.values_of(model.variables) for model in (whole[0], resumed)]
    assert all(np.allclose(one, other, atol=1e-6, rtol=0) for one, other in zip(*ends, strict=True))
    assert any(not np.allclose(one, before, atol=1e-3) for one, before in zip(ends[0], start, strict=True))


def test_a_checkpoint_of_something_else_is_refused(tokens, whole):
    folder, other_kinds = whole[2], TokenBatches(tokens, pretraining.masked_task(VOCABULARY, (0.5, 0.5)), 16, 16)
    for batches in (make_batches(tokens, seed=1), other_kinds):
        with pytest.raises(ValueError, match="other batches"):
            pretraining.pretrain(make_masked(dropout=0.1), batches, SHORT, folder)
    with pytest.raises(ValueError, match="other recipe"):
        pretraining.pretrain(make_masked(dropout=0.1), make_batches(tokens), replace(SHORT, steps=9), folder)
    wide = pretraining.masked_model(pretraining.encoder(len(VOCABULARY), replace(TINY, width=8, dropout=0.1)))
    with pytest.raises(ValueError, match="another shape"):
        pretraining.pretrain(wide, make_batches(tokens), SHORT, folder)
    other = replace(tokens, vocabulary=(*VOCABULARY, "more"))
    with pytest.raises(ValueError, match="17 pieces.*18"):
        pretraining.pretrain(make_masked(dropout=0.1), make_batches(other), SHORT)
    assert (
        len(pretraining.pretrain(make_masked(dropout=0.1), make_batches(tokens), SHORT, folder)) == 3
    )  # nothing left to do


@pytest.mark.once
def test_sigkill_changes_nothing(tmp_path):
    def run(name, batches):
        (tmp_path / name).mkdir(exist_ok=True)
        command = [
            sys.executable,
            str(runtime.COURSE / "tests" / "killed_pretraining.py"),
            tmp_path / name,
            str(batches),
        ]
        environment = runtime.environment_with(TF_CPP_MIN_LOG_LEVEL="3")
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    for batches in (5, 2):  # the second time it goes on after step 3 and is killed again
        killed = run("killed", batches)
        assert killed.returncode == -9, killed.stderr
    for name in ("killed", "through"):
        done = run(name, 0)
        assert done.returncode == 0, done.stderr
    ends = [np.load(tmp_path / name / "end.npz") for name in ("killed", "through")]
    assert len(ends[0].files) > 15
    for name in ends[0].files:
        assert np.allclose(ends[0][name], ends[1][name], atol=1e-6, rtol=0)


def test_the_loss_is_the_mean_over_weighted_targets(tokens):
    model, batches = make_masked(), make_batches(tokens)
    expected = pretraining.target_losses(pretraining.model_score(model), batches, 1)
    assert expected.shape == (int(batches[0][2].sum()),) and 2 < expected.mean() < 5
    history = pretraining.pretrain(model, batches, Recipe(steps=1, steps_a_part=1))
    assert history["loss"][0] == pytest.approx(expected.mean(), rel=1e-4)


@pytest.fixture
def cycle(tmp_path):
    """Tokens that go round and round: neighbours decide each, so a model must beat the unigram's log 12."""
    corpus.write_tokens([" ".join(WORDS * 3)] * 60, VOCABULARY, tmp_path / "cycle")
    return corpus.read_tokens(tmp_path / "cycle")


LEARN = Recipe(steps=300, steps_a_part=100, learning_rate=1e-2)


def test_the_masked_model_learns_from_neighbours(cycle):
    batches = TokenBatches(cycle, pretraining.masked_task(VOCABULARY), batch_size=16, sequence_length=16)
    history = pretraining.pretrain(make_masked(), batches, LEARN)
    assert history["loss"].iloc[-1] < 2.0 < np.log(12) - 0.4


def test_random_weights_have_the_spread_of_their_width(masked):
    """1 / sqrt(16): the token embeddings, the layers' matrices, the head's."""
    names = ("token_embedding/embeddings", "feedforward_intermediate_dense/kernel", "intermediate_dense/kernel")
    for name in names:
        found = [v for v in masked.trainable_variables if v.path.endswith(name)]
        assert found and all(np.std(v) == pytest.approx(0.25, rel=0.25) for v in finetuning.values_of(found)), name


def test_a_bert_backbone_takes_the_same_head():
    model = pretraining.masked_model(
        keras_hub.models.BertBackbone(len(VOCABULARY), 1, 2, 16, 32, max_sequence_length=16)
    )
    every = {"mask_positions": np.arange(10, dtype="int32")[None]}
    assert positions_that_change(model, every) == [True] * 10


def test_the_causal_model_learns_an_order(cycle):
    batches = TokenBatches(cycle, pretraining.next_token, batch_size=16, sequence_length=16)
    model = pretraining.causal_model(len(VOCABULARY), TINY)
    history = pretraining.pretrain(model, batches, LEARN)
    assert history["loss"].iloc[0] > history["loss"].iloc[-1] and history["loss"].iloc[-1] < 0.7
    tokenizer = keras_hub.models.BertTokenizer(VOCABULARY, lowercase=True, strip_accents=True)
    text = pretraining.continue_text(model, tokenizer, "the a film room", 4, temperature=0)
    assert text == "the a film room was is very not"
    long = pretraining.continue_text(model, tokenizer, " ".join(WORDS * 2), 1, temperature=0, limit=16)
    assert long.split()[-1] == "the"  # more tokens than a row had in training


@pytest.mark.parametrize(
    "temperature, share", [(1.0, 0.881), (2.0, 0.731), (0.5, 0.982)]
)  # 1 / (1 + exp(-2 / temperature))
def test_the_temperature_divides_the_logits(temperature, share):
    class TwoWords:
        """A model that knows two words, whose logits differ by 2."""

        output_shape = (None, None, len(VOCABULARY))

        def predict_on_batch(self, inputs):
            logits = np.full((*inputs["token_ids"].shape, len(VOCABULARY)), -100.0)
            logits[..., VOCABULARY.index("film")], logits[..., VOCABULARY.index("room")] = 3.0, 1.0
            return logits

    tokenizer = keras_hub.models.BertTokenizer(VOCABULARY, lowercase=True, strip_accents=True)
    drawn = pretraining.continue_text(TwoWords(), tokenizer, "the", 600, temperature=temperature).split()[1:]
    assert set(drawn) == {"film", "room"} and drawn.count("film") / 600 == pytest.approx(share, abs=0.05)


def test_the_autoencoder_learns_to_give_a_text_back(cycle):
    """Twelve texts without noise: a bottleneck of eight numbers can tell them apart, the commonest word cannot."""
    task = pretraining.denoising_task(VOCABULARY, drop=0.0, replace=0.0, window=1)
    model = pretraining.autoencoder(pretraining.encoder(len(VOCABULARY), TINY), 15, TINY, bottleneck=8)
    history = pretraining.pretrain(model, TokenBatches(cycle, task, batch_size=16, sequence_length=16), LEARN)
    assert history["loss"].iloc[0] > 1.5 and history["loss"].iloc[-1] < 0.7


# ---- the three objectives by name


def test_objectives_have_their_tasks_rows_and_models(tokens):
    packed = {}
    for objective in pretraining.LIVE:
        batches = pretraining.batches_of(objective, tokens, TINY)
        inputs, targets, weights = batches[0]
        packed[objective] = batches.packed
        logits = pretraining.model_of(objective, len(VOCABULARY), TINY).predict_on_batch(inputs)
        assert logits.shape == (*targets.shape, len(VOCABULARY)) and weights.shape == targets.shape
    assert packed == {"masked": True, "causal": True, "denoising": False}


def test_a_judged_masked_batch_hides_every_chosen_token(tokens):
    hidden = {}
    for judge in (True, False):
        batches = pretraining.batches_of("masked", tokens, TINY, judge=judge)
        inputs, _, weights = batches[0]
        at = np.take_along_axis(inputs["token_ids"], inputs["mask_positions"], 1)[weights > 0]
        hidden[judge] = np.mean(at == VOCABULARY.index("[MASK]"))
    assert hidden[True] == 1 and 0.6 < hidden[False] < 0.95


def test_held_out_losses_of_models_that_count(cycle):
    losses = {name: pretraining.held_out_losses(name, None, cycle, cycle, TINY, steps=2) for name in pretraining.LIVE}
    assert {name: list(row) for name, row in losses.items()} == {
        "masked": ["unigram", "neighbours"], "causal": ["unigram", "bigram"], "denoising": ["unigram"],
    }  # fmt: skip
    assert all(2.3 < row["unigram"] < 2.8 for row in losses.values())  # log 12 and a little: [SEP] counts, too
    assert losses["causal"]["bigram"] < 0.5 and losses["masked"]["neighbours"] < 1
    model = pretraining.model_of("causal", len(VOCABULARY), TINY)
    batches = pretraining.batches_of("causal", cycle, TINY, seed=0, judge=True)
    expected = pretraining.target_losses(pretraining.model_score(model), batches, 2).mean()
    assert pretraining.held_out_losses("causal", model, cycle, cycle, TINY, 2)["model"] == pytest.approx(expected)


@pytest.mark.parametrize("objective", pretraining.LIVE)
def test_kept_weights_come_back_as_float16_holds_them(objective, tokens, tmp_path):
    model = pretraining.model_of(objective, len(VOCABULARY), TINY, seed=3)
    pretraining.save_pretrained(model, objective, TINY, VOCABULARY, tmp_path / "new" / "kept.npz")
    again, tokenizer = pretraining.load_pretrained(tmp_path / "new" / "kept.npz")
    inputs, _, _ = pretraining.batches_of(objective, tokens, TINY)[0]
    outputs = [some.predict_on_batch(inputs) for some in (model, again)]
    assert np.allclose(*outputs, atol=0.02) and np.abs(outputs[0]).max() > 0.5
    assert tokenizer.get_vocabulary() == VOCABULARY and tokenizer("The FILM").tolist() == [5, 7]
    whole = (tmp_path / "new" / "kept.npz").read_bytes()
    (tmp_path / "new" / "kept.npz").write_bytes(whole[:-50])
    with pytest.raises(ValueError, match="damaged"):
        pretraining.load_pretrained(tmp_path / "new" / "kept.npz")


# ---- baselines


def test_count_probabilities_by_hand():
    size, k = 4, 2.0
    counts = NeighbourCounts(np.array([1, 2, 1, 2, 3]), size, k)
    two, three = 3 / 9, 2 / 9
    assert counts.single == pytest.approx([1 / 9, 3 / 9, two, three])
    assert counts.after(1, 2) == pytest.approx((2 + k * two) / (2 + k))
    assert counts.after(2, 2) == pytest.approx((0 + k * two) / (2 + k))
    assert counts.after(3, 2) == pytest.approx(two)  # nothing came after 3
    assert counts.before(2, 1) == pytest.approx((1 + k * two) / (1 + k))
    simpler = ((2 + k * two) / (2 + k) + (1 + k * two) / (1 + k)) / 2
    assert counts.between(1, 2, 3) == pytest.approx((1 + k * simpler) / (1 + k))
    simpler = ((1 + k * three) / (2 + k) + (0 + k * three) / (2 + k)) / 2
    assert counts.between(2, 3, 2) == pytest.approx((0 + k * simpler) / (1 + k))
    for left, right in [(1, 2), (0, 0), (2, 1)]:
        every = np.arange(4)
        assert counts.after(np.full(4, left), every).sum() == pytest.approx(1)
        assert counts.before(every, np.full(4, right)).sum() == pytest.approx(1)
        assert counts.between(np.full(4, left), every, np.full(4, right)).sum() == pytest.approx(1)


def test_scores_look_at_the_right_neighbours(tokens):
    counts = NeighbourCounts(np.array([5, 6, 7, 5, 6, 7, 5]), 17)
    inputs = {"token_ids": np.array([[2, 5, 4, 7, 4]]), "mask_positions": np.array([[2, 4]])}
    found = np.exp(counts.neighbours_score(inputs, np.array([[6, 5]])))
    between = [counts.between(*map(np.array, ([5], [6], [7]))), counts.between(*map(np.array, ([7], [5], [4])))]
    assert found[0] == pytest.approx(np.ravel(between)) and found[0, 0] > 2 * counts.single[6]
    moved = np.exp(counts.bigram_score({"token_ids": np.array([[5, 6]])}, np.array([[6, 7]])))
    assert moved[0] == pytest.approx([counts.after(5, 6), counts.after(6, 7)])
    batches = TokenBatches(tokens, pretraining.next_token, 8, 16)
    losses = pretraining.target_losses(NeighbourCounts(tokens.ids, 17).unigram_score, batches, 3)
    assert losses.shape == (3 * 8 * 15,) and 2.3 < losses.mean() < 2.7  # about log 13


# ---- cost


def test_operations():
    size = Size(layers=2, width=128, intermediate=512)
    assert pretraining.operations_a_token(size, 8000) == 6 * (2 * (4 * 128**2 + 2 * 128 * 512) + 8000 * 128)
    assert pretraining.operations_a_token(size, 8000, 0.0) == 6 * 2 * 12 * 128**2


def test_a_power_law_is_found_again():
    n = np.array([1e4, 3e4, 1e5, 3e5, 1e6])
    law = pretraining.fit_power_law(n, 50 * n**-0.2)
    assert law.a == pytest.approx(50) and law.b == pytest.approx(0.2)
    assert law.at(1e8) == pytest.approx([50 * 1e8**-0.2] * 3)
    hits = new = 0
    for seed in range(2000):
        noise = np.exp(np.random.default_rng(seed).normal(0, 0.03, size=6))
        law = pretraining.fit_power_law(n, 50 * n**-0.2 * noise[:5])
        hits += law.interval()[0] < 0.2 < law.interval()[1]
        _, low, high = law.at(1e5)
        new += low < 50 * 1e5**-0.2 * noise[5] < high
    assert in_bounds(hits, 2000, 0.95) and in_bounds(new, 2000, 0.95)
    for sizes, losses in [([1, 2], [1, 1]), ([1, 1, 2], [1, 1, 1]), ([1, 2, 3], [1, 0, 1])]:
        with pytest.raises(ValueError, match="three different sizes"):
            pretraining.fit_power_law(sizes, losses)


# ---- what it says


def test_fill_blanks(masked):
    tokenizer = keras_hub.models.BertTokenizer(VOCABULARY, lowercase=True, strip_accents=True)
    blanks = pretraining.fill_blanks(masked, tokenizer, "the [MASK] was very [MASK]", len(VOCABULARY))
    assert len(blanks) == 2 and {piece for piece, _ in blanks[0]} == set(VOCABULARY)
    for blank in blanks:
        chances = [chance for _, chance in blank]
        assert chances == sorted(chances, reverse=True) and sum(chances) == pytest.approx(1)
    ids = np.array([[2, 5, 4, 9, 11, 4, 3]], dtype="int32")
    inputs = {**models.inputs_of(ids, np.ones_like(ids)), "mask_positions": np.array([[2, 5]], dtype="int32")}
    for blank, chances in zip(blanks, softmax(masked.predict_on_batch(inputs)[0], axis=-1), strict=True):
        assert [dict(blank)[piece] for piece in VOCABULARY] == pytest.approx(chances.tolist(), abs=1e-6)
    for text in ("the film", "[MASK] " * 20):
        with pytest.raises(ValueError, match="at most 16 tokens"):
            pretraining.fill_blanks(masked, tokenizer, text, limit=16)


def test_a_vocabulary_that_does_not_fit_is_refused(masked, causal):
    tokenizer = keras_hub.models.BertTokenizer([*VOCABULARY, "more"], lowercase=True, strip_accents=True)
    with pytest.raises(ValueError, match="17 pieces.*18"):
        pretraining.fill_blanks(masked, tokenizer, "the [MASK]")
    with pytest.raises(ValueError, match="17 pieces.*18"):
        pretraining.continue_text(causal, tokenizer, "the")


def test_continue_text_is_decided_by_its_seed(causal):
    tokenizer = keras_hub.models.BertTokenizer(VOCABULARY, lowercase=True, strip_accents=True)
    texts = [pretraining.continue_text(causal, tokenizer, "the film", 6, seed=seed) for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1] and len(set(texts)) > 1
    assert all(text.startswith("the film") and not set(text.split()) & set(corpus.SPECIAL) for text in texts)
