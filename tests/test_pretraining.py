"""Batches, masks, causality, a stopped training that ends like a whole one, weights that are kept."""

import itertools
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from functools import partial
from types import SimpleNamespace

import keras
import keras_hub
import numpy as np
import pytest
from tiny_language import TINY, VOCABULARY, WORDS, answer, build_masked, make_texts, make_tokenizer

from helpers import corpus, finetuning, language_models, models, pretraining, runtime, tokenization
from helpers.corpus import CorpusError
from helpers.pretraining import Plan, Size, TokenBatches

SHORT = Plan(steps=8, steps_a_part=3, learning_rate=1e-2)


# ---- tokens and batches


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens") / "tokens"
    corpus.write_tokens(iter(make_texts(300)), VOCABULARY, folder)
    return corpus.read_tokens(folder)


def raw(token_ids, padding_mask, random):
    return token_ids, padding_mask, random.random()


def raw_inputs(token_ids, padding_mask, random):
    """A task without any knob or chance."""
    return {"token_ids": token_ids}, token_ids, padding_mask


def make_task(kinds=(0.8, 0.1)):
    return pretraining.make_masked_task(VOCABULARY, kinds)


def test_padded_rows_are_texts_and_packed_rows_are_the_flat_array(tokens):
    texts, tokenizer = make_texts(300), tokenization.make_reference_tokenizer(VOCABULARY)
    rows = TokenBatches(tokens, raw, sequence_length=16, packed=False)
    ids, mask = rows.frame(np.arange(300))
    for text, row, seen in zip(texts, ids, mask, strict=True):
        expected = [2, *tokenizer.encode(text).ids, 3][:16]
        assert row.tolist() == expected + [0] * (16 - len(expected)) and seen.sum() == len(expected)
    assert any(len(text.split()) < 5 for text in texts) and any(len(text.split()) > 16 for text in texts)
    ids, mask = TokenBatches(tokens, raw, sequence_length=16).frame(np.arange(5))
    assert (ids[:, 0] == 2).all() and mask.all() and ids.dtype == mask.dtype == "int32"
    assert ids[:, 1:].ravel().tolist() == tokens.ids[:75].tolist()


@pytest.mark.parametrize("number", [30, 44, 45, 46])
def test_ids_that_fill_no_row_are_left_out(tokens, number):
    few = replace(tokens, ids=tokens.ids[:number])
    assert len(TokenBatches(few, raw, batch_size=1, sequence_length=16)) == number // 15


def test_a_batch_is_32_packed_rows_of_64_tokens_unless_told_otherwise(tokens):
    batches = TokenBatches(tokens, raw)
    assert (batches.batch_size, batches.sequence_length, batches.seed, batches.packed) == (32, 64, 42, True)


def test_an_epoch_takes_each_row_once_and_seed_and_step_decide(tokens):
    def taken(seed, first):
        batches = TokenBatches(tokens, raw, batch_size=10, sequence_length=16, seed=seed)
        batches.first, batches.begins = first, np.arange(len(batches.begins))  # a row's number instead of its place
        batches.frame = lambda rows: (rows, None)
        return [(tuple(batches[i][0]), batches[i][2]) for i in range(batches.steps_an_epoch)], len(batches.begins)

    rows, total = taken(1, 0)
    flat = [row for batch, _ in rows for row in batch]
    assert len(set(flat)) == len(flat) == total // 10 * 10
    assert taken(1, 0) == taken(1, 0) and taken(1, 4)[0][0] == rows[4]
    assert taken(2, 0)[0][0][0] != rows[0][0] and taken(1, len(rows))[0][0][0] != rows[0][0]
    assert flat == np.random.default_rng([1, 0, 0]).permutation(total)[: len(flat)].tolist()
    assert [noise for _, noise in rows] == [np.random.default_rng([1, 1, i]).random() for i in range(len(rows))]


def test_too_few_texts_for_a_batch_are_refused(tokens):
    few = replace(tokens, starts=tokens.starts[:32])  # 31 texts
    with pytest.raises(CorpusError, match="31 rows are no batch of 32"):
        TokenBatches(few, raw, packed=False)
    assert len(TokenBatches(few, raw, batch_size=31, packed=False)) == 1


def test_a_fingerprint_is_of_all_that_decides_the_batches(tokens, tmp_path):
    """Of tokens that no first batch shows, too: the same texts, but for the last word of all."""
    texts = make_texts(300)
    corpus.write_tokens([*texts[:-1], texts[-1] + " good"], VOCABULARY, tmp_path / "other")
    knobs = {"batch_size": 4, "sequence_length": 16, "seed": 1, "packed": True}
    found = [TokenBatches(corpus.read_tokens(tmp_path / "other"), raw_inputs, **knobs).fingerprint()]
    found.append(TokenBatches(tokens, make_task(), **knobs).fingerprint())
    for other in ({}, {"batch_size": 8}, {"sequence_length": 15}, {"seed": 2}, {"packed": False}):
        found.append(TokenBatches(tokens, raw_inputs, **{**knobs, **other}).fingerprint())
    assert len(set(found)) == 7
    batches = TokenBatches(tokens, raw_inputs, **knobs)
    batches.first = 3
    assert batches.fingerprint() == found[2] and batches.first == 3


def test_a_fingerprint_takes_the_first_batch_wherever_training_stands(tokens):
    seen = []
    batches = TokenBatches(tokens, lambda ids, mask, random: seen.append(ids) or (ids, ids, mask), 4, 16)
    first = batches[0][0]
    batches.first = 3
    batches.fingerprint()
    assert np.array_equal(seen[1], first)


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
    task, batches = (
        pretraining.make_masked_task(VOCABULARY, kinds=(1.0, 0.0)),
        TokenBatches(tokens, raw, sequence_length=32),
    )
    ids, mask = batches.frame(np.arange(64))
    inputs, targets, weights = task(ids, mask, np.random.default_rng(0))
    assert inputs["mask_positions"].shape == targets.shape == weights.shape == (64, 8)
    at = np.take_along_axis(inputs["token_ids"], inputs["mask_positions"], 1)
    assert ((at == 4) == (weights == 1)).all() and 64 * 2 < weights.sum() < 64 * 6
    assert (targets == np.take_along_axis(ids, inputs["mask_positions"], 1)).all()
    assert task(ids[:, :3], mask[:, :3], np.random.default_rng(0))[1].shape == (64, 1)  # one place at least


def test_next_token_targets_are_the_inputs_moved_by_one():
    ids, mask = np.array([[2, 7, 8, 3, 0]], dtype="int32"), np.array([[1, 1, 1, 1, 0]], dtype="int32")
    inputs, targets, weights = pretraining.predict_next_token(ids, mask)
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
    assert (dropped[:, 0] == 100).all()
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
    return build_masked()


@pytest.fixture(scope="session")
def causal():
    return pretraining.build_causal_model(len(VOCABULARY), TINY)


def positions_that_change(model):
    """Whether the logits at each place change when the token at place 6 does."""
    ids = np.array([[2, 5, 6, 7, 8, 9, 10, 11, 12, 3]], dtype="int32")
    changed = ids.copy()
    changed[0, 6] = 14
    every = {"mask_positions": np.arange(10, dtype="int32")[None]}
    outputs = [answer(model, models.inputs_of(some, np.ones_like(some)) | every)[0] for some in (ids, changed)]
    return (np.abs(outputs[0] - outputs[1]).max(axis=-1) > 1e-6).tolist()


def test_the_causal_model_does_not_see_the_future_and_the_encoder_does(causal, masked):
    assert positions_that_change(causal) == [False] * 6 + [True] * 4
    assert positions_that_change(masked) == [True] * 10


def test_the_autoencoder_sees_the_text_through_its_bottleneck_alone(tokens):
    model = pretraining.build_autoencoder(pretraining.build_encoder(len(VOCABULARY), TINY), 15, TINY, bottleneck=4)
    batches = TokenBatches(tokens, pretraining.make_denoising_task(VOCABULARY), 8, 16, packed=False)
    inputs, targets, weights = batches[0]
    assert (inputs["token_ids"][inputs["padding_mask"] == 0] == VOCABULARY.index("[PAD]")).all()
    assert isinstance(model.get_layer("decoder"), keras_hub.layers.TransformerEncoder)  # a place sees all others
    layer, logits = model.get_layer("bottleneck"), [answer(model, inputs)]
    assert layer.kernel.shape == (16, 4) and logits[0].shape == (*targets.shape, len(VOCABULARY))
    assert (targets == batches.frame(batches._order[:8])[0][:, 1:]).all() and weights.shape == targets.shape == (8, 15)
    layer.kernel.assign(keras.ops.zeros(layer.kernel.shape))  # now nothing of the text passes
    logits.append(answer(model, inputs))
    rows_differ = [np.abs(some - some[:1]).max() for some in logits]
    assert rows_differ[0] > 1e-4 and rows_differ[1] < 1e-6


def test_layers_normalise_before_each_part(masked, causal):
    assert all(model.get_layer("transformer_layer_0").normalize_first for model in (masked, causal))


@pytest.mark.parametrize(
    "build", [pretraining.build_encoder, pretraining.build_causal_model, partial(pretraining.build_model, "masked")]
)
def test_random_weights_are_those_of_seed_42_unless_told_otherwise(build):
    size = replace(TINY, layers=0)
    found = [build(len(VOCABULARY), size, *seed).get_layer("token_embedding").embeddings for seed in ((), (42,), (43,))]
    by_default, same, other = finetuning.values_of(found)
    assert np.array_equal(by_default, same) and not np.array_equal(by_default, other)


def test_output_weights_are_the_embeddings(masked, causal):
    for model in (masked, causal):
        shapes = [tuple(variable.shape) for variable in model.trainable_variables]
        assert [shape for shape in shapes if len(VOCABULARY) in shape and TINY.width in shape] == [(17, 16)]


def test_places_are_marked_by_sines_up_to_the_longest_wave():
    """Vaswani et al. (2017, 3.5), with 16 in place of 10,000; added to the embeddings times 4, the root of the width."""
    backbone = pretraining.build_encoder(len(VOCABULARY), TINY)
    places = np.arange(3)[:, None] / 16.0 ** (np.arange(0, 16, 2) / 16)
    found = keras.ops.convert_to_numpy(pretraining.add_places(np.zeros((1, 3, 16), "float32"), TINY, "waves"))[0]
    assert np.allclose(found[:, 0::2], np.sin(places), atol=1e-6)
    assert np.allclose(found[:, 1::2], np.cos(places), atol=1e-6)
    ids = np.array([[2, 5, 3]], dtype="int32")
    embeddings = keras.ops.convert_to_numpy(backbone.get_layer("token_embedding").embeddings)
    enters = keras.Model(backbone.input, backbone.get_layer("transformer_layer_0").input[0])
    entered = answer(enters, models.inputs_of(ids, np.ones_like(ids)))[0]
    assert np.allclose(entered, 4 * embeddings[ids[0]] + found, atol=1e-5)


def test_padding_changes_nothing(masked, causal):
    ids = np.array([[2, 5, 6, 3, 0, 0], [2, 5, 6, 3, 9, 8]], dtype="int32")
    mask = np.array([[1, 1, 1, 1, 0, 0]] * 2, dtype="int32")
    every = {"mask_positions": np.arange(4, dtype="int32")[None].repeat(2, axis=0)}
    for model in (masked, causal):
        logits = answer(model, models.inputs_of(ids, mask) | every)[:, :4]
        assert np.allclose(logits[0], logits[1], atol=1e-6) and np.abs(logits).max() > 0.1


def test_a_classifier_on_the_encoder_shares_its_weights_and_trains():
    backbone = pretraining.build_encoder(len(VOCABULARY), TINY)
    classifier = models.add_head(backbone, make_tokenizer(), 2)
    before = finetuning.values_of(backbone.trainable_variables)
    texts, labels = ["the film was good", "the film was bad"] * 4, np.array([1, 0] * 4)
    classifier.model.compile("adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    ids = np.stack(models.token_ids(classifier.tokenizer, texts))  # all of one length
    classifier.model.train_on_batch(models.inputs_of(ids, np.ones_like(ids)), labels)
    moved = [
        not np.allclose(*pair) for pair in zip(before, finetuning.values_of(backbone.trainable_variables), strict=True)
    ]
    assert np.mean(moved) > 0.8


# ---- training


def make_batches(tokens, seed=42, kinds=(0.8, 0.1)):
    return TokenBatches(tokens, make_task(kinds), batch_size=16, sequence_length=16, seed=seed)


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
    model, folder = build_masked(dropout=0.1), tmp_path_factory.mktemp("whole")
    return model, pretraining.pretrain(model, make_batches(tokens), SHORT, folder), folder


def test_a_stopped_training_ends_with_the_weights_of_an_uninterrupted_one(tokens, whole, tmp_path):
    stopped, resumed, left = build_masked(dropout=0.1), build_masked(7, dropout=0.1), StopAfter(100)
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
    folder = whole[2]
    same = {"model": build_masked(dropout=0.1), "batches": make_batches(tokens), "plan": SHORT}
    for message, other in [
        ("other batches", {"batches": make_batches(tokens, seed=1)}),
        ("other batches", {"batches": make_batches(tokens, kinds=(0.5, 0.5))}),
        ("other batches", {"batches": make_batches(replace(tokens, fingerprint="of other texts"))}),
        ("other plan", {"plan": replace(SHORT, steps=9)}),
        ("other plan", {"plan": replace(SHORT, clip_norm=2.0)}),
        ("other model", {"model": build_masked(dropout=0.1, width=8)}),
        ("other model", {"model": build_masked(dropout=0.1, heads=1)}),  # weights of other shapes, in Keras
        ("other model", {"model": build_masked(dropout=0.1, longest_wave=64.0)}),  # of the same shapes
        ("other model", {"model": build_masked(dropout=0.2)}),
        ("other plan and batches", {"plan": replace(SHORT, steps=9), "batches": make_batches(tokens, seed=1)}),
    ]:
        with pytest.raises(ValueError, match=message):
            pretraining.pretrain(**{**same, **other}, checkpoint_folder=folder)
    history = pretraining.pretrain(**same, checkpoint_folder=folder)  # nothing left to do
    assert history.equals(whole[1])
    ends = [finetuning.values_of(model.variables) for model in (whole[0], same["model"])]
    assert all(np.array_equal(*pair) for pair in zip(*ends, strict=True))


def test_a_checkpoint_without_a_word_about_its_model_is_refused(tokens, tmp_path):
    finetuning.save_arrays(tmp_path / "last.npz", [], {"run": {"batches": "a"}, "history": []})
    with pytest.raises(ValueError, match="other model"):
        pretraining.restore(tmp_path, [], {"batches": "a", "model": "b"})
    assert pretraining.restore(tmp_path, [], {"batches": "a"}) == [] == pretraining.restore(None, [], {})
    assert pretraining.restore(tmp_path / "a new" / "folder", [], {}) == []


def test_a_vocabulary_of_another_size_is_refused(tokens):
    other = replace(tokens, vocabulary=(*VOCABULARY, "more"))
    with pytest.raises(ValueError, match="17 pieces.*18"):
        pretraining.pretrain(build_masked(), make_batches(other), SHORT)


@pytest.mark.parametrize("objective", pretraining.LIVE)
def test_a_hash_of_layers_is_the_same_for_the_same_model(objective):
    one, same, other = (
        pretraining.hash_layers(pretraining.build_model(objective, len(VOCABULARY), size, seed))
        for size, seed in ((TINY, 1), (TINY, 2), (replace(TINY, dropout=0.5), 1))
    )
    assert one == same != other


def model_with_loss(loss):
    """Stands for a model whose training is over at once, with this loss."""
    return SimpleNamespace(fit=lambda batches, **options: SimpleNamespace(history={"loss": [loss]}))


def test_a_loss_that_is_not_finite_is_an_error(tokens):
    for loss in (np.nan, np.inf):
        with pytest.raises(FloatingPointError, match=f"The loss is {loss}: lower the learning rate"):
            pretraining.train_part(model_with_loss(loss), make_batches(tokens), [])


def test_the_history_counts_tokens_a_second_without_padding(tokens, monkeypatch):
    """A part takes four seconds on this clock."""
    monkeypatch.setattr(pretraining, "time", SimpleNamespace(perf_counter=itertools.count(8, 4).__next__))
    batches = TokenBatches(tokens, make_task(), batch_size=16, sequence_length=16, packed=False)
    batches.first, batches.steps = 5, 2
    words = np.mean([min(len(text.split()) + 1, 15) + 1 for text in make_texts(300)])  # [SEP]; [CLS]
    row = pretraining.train_part(model_with_loss(2.5), batches, [])
    assert row == {"steps": 7, "loss": 2.5, "tokens_a_second": pytest.approx(2 * 16 * words / 4)}


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


def test_the_loss_is_the_mean_over_weighted_targets(tokens, capsys):
    model, batches = build_masked(), make_batches(tokens)
    expected = language_models.measure_losses(language_models.make_score(model), batches, 1)
    assert 2 < expected.mean() < 5
    history = pretraining.pretrain(model, batches, Plan(steps=1, steps_a_part=1))
    assert history["loss"][0] == pytest.approx(expected.mean(), rel=1e-4)
    assert "/step" not in capsys.readouterr().out  # Keras keeps its own bar to itself


@pytest.fixture
def cycle(tmp_path):
    """Tokens that go round and round: neighbours decide each, so a model must beat the unigram's log 12."""
    corpus.write_tokens([" ".join(WORDS * 3)] * 60, VOCABULARY, tmp_path / "cycle")
    return corpus.read_tokens(tmp_path / "cycle")


LEARN = Plan(steps=300, steps_a_part=100, learning_rate=1e-2)


def test_the_masked_model_learns_from_neighbours(cycle):
    batches = TokenBatches(cycle, pretraining.make_masked_task(VOCABULARY), batch_size=16, sequence_length=16)
    history = pretraining.pretrain(build_masked(), batches, LEARN)
    assert history["loss"].iloc[-1] < 2.0 < np.log(12) - 0.4


def test_random_weights_have_the_spread_of_their_width(masked):
    """1 / sqrt(16): the token embeddings, the layers' matrices, the head's."""
    names = ("token_embedding/embeddings", "feedforward_intermediate_dense/kernel", "intermediate_dense/kernel")
    for name in names:
        found = [v for v in masked.trainable_variables if v.path.endswith(name)]
        assert found and all(np.std(v) == pytest.approx(0.25, rel=0.25) for v in finetuning.values_of(found)), name


def test_a_bert_backbone_takes_the_same_head():
    model = pretraining.build_masked_model(
        keras_hub.models.BertBackbone(len(VOCABULARY), 1, 2, 16, 32, max_sequence_length=16)
    )
    assert positions_that_change(model) == [True] * 10


def test_the_causal_model_learns_an_order(cycle):
    batches = TokenBatches(cycle, pretraining.predict_next_token, batch_size=16, sequence_length=16)
    model = pretraining.build_causal_model(len(VOCABULARY), TINY)
    history = pretraining.pretrain(model, batches, LEARN)
    assert history["loss"].iloc[0] > history["loss"].iloc[-1] and history["loss"].iloc[-1] < 0.7
    tokenizer = make_tokenizer()
    text = language_models.continue_text(model, tokenizer, "the a film room", 4, temperature=0)
    assert text == "the a film room was is very not"
    long = language_models.continue_text(model, tokenizer, " ".join(WORDS * 2), 1, temperature=0, limit=16)
    assert long.split()[-1] == "the"  # more tokens than a row had in training


def test_the_autoencoder_learns_to_give_a_text_back(cycle):
    """Twelve texts without noise: a bottleneck of eight numbers can tell them apart, the commonest word cannot."""
    task = pretraining.make_denoising_task(VOCABULARY, drop=0.0, replace=0.0, window=1)
    model = pretraining.build_autoencoder(pretraining.build_encoder(len(VOCABULARY), TINY), 15, TINY, bottleneck=8)
    history = pretraining.pretrain(model, TokenBatches(cycle, task, batch_size=16, sequence_length=16), LEARN)
    assert history["loss"].iloc[0] > 1.5 and history["loss"].iloc[-1] < 0.7


# ---- the three objectives by name


def test_objectives_have_their_tasks_rows_and_models(tokens):
    tasks = {
        "masked": (pretraining.make_masked_task(VOCABULARY), True),
        "causal": (pretraining.predict_next_token, True),
        "denoising": (pretraining.make_denoising_task(VOCABULARY, drop=0.1, replace=0.1, window=3), False),
    }
    assert list(pretraining.LIVE) == list(tasks)
    for objective, (task, packed) in tasks.items():
        batch = pretraining.make_batches(objective, tokens, TINY)[1]
        expected = TokenBatches(tokens, task, 32, TINY.sequence_length, seed=42, packed=packed)[1]
        pairs = zip(keras.tree.flatten(batch), keras.tree.flatten(expected), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs), objective
        model = pretraining.build_model(objective, len(VOCABULARY), TINY)
        logits = answer(model, batch[0])
        assert logits.shape == (*batch[1].shape, len(VOCABULARY)) and np.ptp(logits, axis=-1).min() > 0
    assert model.get_layer("bottleneck").units == 64


def test_plans_are_of_four_parts_and_of_one_learning_rate():
    for plan in pretraining.LIVE.values():
        assert plan.steps == 4 * plan.steps_a_part and plan.learning_rate == 3e-3


@pytest.mark.parametrize(("knobs", "name"), [(Plan(), "steps"), (Size(), "layers")])
def test_plans_and_sizes_do_not_change(knobs, name):
    with pytest.raises(FrozenInstanceError):
        setattr(knobs, name, 5)


def test_a_task_hides_no_more_than_in_training_unless_it_is_to_judge(tokens):
    by_default = TokenBatches(tokens, pretraining.make_task("masked", VOCABULARY), 32, 16)
    assert by_default.fingerprint() == pretraining.make_batches("masked", tokens, TINY).fingerprint()


def test_a_judged_masked_batch_hides_every_chosen_token(tokens):
    hidden = {}
    for judge in (True, False):
        batches = pretraining.make_batches("masked", tokens, TINY, judge=judge)
        inputs, _, weights = batches[0]
        at = np.take_along_axis(inputs["token_ids"], inputs["mask_positions"], 1)[weights > 0]
        hidden[judge] = np.mean(at == VOCABULARY.index("[MASK]"))
    assert hidden[True] == 1 and 0.6 < hidden[False] < 0.95


@pytest.mark.parametrize("objective", pretraining.LIVE)
def test_kept_weights_come_back_as_float16_holds_them(objective, tokens, tmp_path):
    model = pretraining.build_model(objective, len(VOCABULARY), TINY, seed=3)
    path = tmp_path / "a new" / "folder" / "kept.npz"
    for _ in range(2):  # the second time it is there
        pretraining.save_pretrained(model, objective, TINY, VOCABULARY, path)
    again, tokenizer = pretraining.load_pretrained(path)
    inputs, _, _ = pretraining.make_batches(objective, tokens, TINY)[0]
    outputs = [answer(some, inputs) for some in (model, again)]
    assert np.allclose(*outputs, atol=0.02) and np.abs(outputs[0]).max() > 0.5
    assert tokenizer.get_vocabulary() == VOCABULARY and tokenizer("Thé FILM").tolist() == [5, 7]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="damaged"):
        pretraining.load_pretrained(path)


# ---- cost


def test_operations():
    size = Size(layers=2, width=128, intermediate=512)
    assert pretraining.operations_a_token(size, 8000) == 6 * (2 * (4 * 128**2 + 2 * 128 * 512) + 8000 * 128)
    assert pretraining.operations_a_token(size, 8000, 0.0) == 6 * 2 * 12 * 128**2
