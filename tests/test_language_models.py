"""Losses beside models that count, probabilities by hand, power laws, blanks filled and texts continued."""

import itertools

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from tiny_language import TINY, VOCABULARY, WORDS, answer, build_masked, make_texts, make_tokenizer

from helpers import corpus, language_models, models, pretraining, wordpiece
from helpers.language_models import NeighbourCounts

MASK = VOCABULARY.index("[MASK]")


def write(texts, folder):
    corpus.write_tokens(texts, VOCABULARY, folder)
    return corpus.read_tokens(folder)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """Texts in which the next word is a matter of chance."""
    return write(make_texts(300), tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def cycle(tmp_path_factory):
    """Tokens that go round and round: neighbours decide each, so what knows them must beat the unigram's log 12."""
    return write([" ".join(WORDS * 3)] * 60, tmp_path_factory.mktemp("cycle"))


@pytest.fixture(scope="module")
def masked():
    return build_masked()


@pytest.fixture(scope="module")
def causal():
    return pretraining.build_model("causal", len(VOCABULARY), TINY, seed=0)


# ---- losses on held-out text


def test_a_loss_is_the_negative_logarithm_of_the_target_where_it_has_a_weight(tokens, causal):
    batches = pretraining.make_batches("causal", tokens, TINY)
    inputs, targets, _ = batches[0]
    expected = -np.take_along_axis(log_softmax(answer(causal, inputs), axis=-1), targets[..., None], -1)[..., 0]
    losses = language_models.measure_losses(language_models.make_score(causal), batches, 1)
    assert losses == pytest.approx(expected.ravel(), abs=1e-5) and losses.dtype == "float64"
    numbered = itertools.count(1)

    def score(inputs, targets):
        return np.full(targets.shape, -float(next(numbered)))  # one loss a batch

    padded = pretraining.make_batches("denoising", tokens, TINY)
    padded.first = 5  # it begins anew, whatever was read before
    answers = [int(padded.task(*padded.frame(rows), np.random.default_rng(0))[2].sum()) for rows in rows_of(padded, 2)]
    assert language_models.measure_losses(score, padded, 2).tolist() == [1.0] * answers[0] + [2.0] * answers[1]


def rows_of(batches, number):
    """Rows of the first batches of an epoch."""
    order = np.random.default_rng([batches.seed, 0, 0]).permutation(len(batches.begins))
    return np.split(order[: number * batches.batch_size], number)


def test_each_objective_has_its_rivals(tokens, cycle):
    """The rivals count in the training text: on the random text they know what goes round."""
    for objective, rivals in (("masked", "neighbours"), ("causal", "bigram"), ("denoising", None)):
        losses = language_models.measure_held_out_losses(objective, None, cycle, cycle, TINY, steps=2)
        assert list(losses) == ["unigram", *([rivals] if rivals else [])]
        assert 2.3 < losses["unigram"] < 2.8  # log 12 and a little: [SEP] counts, too
        if rivals:
            other = language_models.measure_held_out_losses(objective, None, cycle, tokens, TINY, steps=2)
            assert losses[rivals] < 1 < 3 < other[rivals]


def test_a_held_out_loss_hides_every_token_that_is_asked_for(tokens, masked):
    """Were one in ten kept, as in training, a model that copies would look better than it is."""
    hidden = pretraining.TokenBatches(tokens, pretraining.make_masked_task(VOCABULARY, (1.0, 0.0)), 32, 16, seed=0)
    kept = pretraining.TokenBatches(tokens, pretraining.make_masked_task(VOCABULARY), 32, 16, seed=0)
    score = language_models.make_score(masked)
    expected, other = (language_models.measure_losses(score, batches, 2).mean() for batches in (hidden, kept))
    found = language_models.measure_held_out_losses("masked", masked, tokens, tokens, TINY, steps=2)
    assert list(found) == ["model", "unigram", "neighbours"]
    assert found["model"] == pytest.approx(expected, abs=1e-6) and abs(other - expected) > 1e-3


def test_a_model_that_copies_gains_nothing(tokens):
    class Copies:
        """Says what stands at each place, and is unsure where a mask is."""

        def predict_on_batch(self, inputs):
            at = np.take_along_axis(inputs["token_ids"], inputs["mask_positions"], 1)
            return 9.0 * (at[..., None] == np.arange(len(VOCABULARY))) * (at != MASK)[..., None]

    losses = language_models.measure_held_out_losses("masked", Copies(), tokens, tokens, TINY)
    assert losses["model"] == pytest.approx(np.log(len(VOCABULARY)))


def test_no_more_is_judged_than_an_epoch(tokens, causal):
    batches = pretraining.make_batches("causal", tokens, TINY, seed=0)
    expected = language_models.measure_losses(language_models.make_score(causal), batches, batches.steps_an_epoch)
    found = language_models.measure_held_out_losses("causal", causal, tokens, tokens, TINY, 10**6)
    assert found["model"] == pytest.approx(expected.mean(), abs=1e-6)
    assert language_models.JUDGED == 20  # as the stored results have it


# ---- models that count


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


def test_scores_look_at_the_right_neighbours():
    counts = NeighbourCounts(np.array([5, 6, 7, 5, 6, 7, 5]), 17)
    inputs = {"token_ids": np.array([[2, 5, 4, 7, 4]]), "mask_positions": np.array([[2, 4]])}
    found = np.exp(counts.neighbours_score(inputs, np.array([[6, 5]])))
    between = [counts.between(*map(np.array, ([5], [6], [7]))), counts.between(*map(np.array, ([7], [5], [4])))]
    assert found[0] == pytest.approx(np.ravel(between)) and found[0, 0] > 2 * counts.single[6]
    first = {"token_ids": np.array([[5, 4, 7]]), "mask_positions": np.array([[1]])}
    assert np.exp(counts.neighbours_score(first, np.array([[6]])))[0] == pytest.approx(between[0])
    assert counts.k == 20  # as the stored results have it
    moved = np.exp(counts.bigram_score({"token_ids": np.array([[5, 6]])}, np.array([[6, 7]])))
    assert moved[0] == pytest.approx([counts.after(5, 6), counts.after(6, 7)])
    assert np.exp(counts.unigram_score(inputs, np.array([[5, 8]])))[0] == pytest.approx([4 / 24, 1 / 24])


# ---- how loss falls with size


def test_a_power_law_is_found_again():
    n = np.array([1e4, 3e4, 1e5, 3e5, 1e6])
    law = language_models.fit_power_law(n, 50 * n**-0.2)
    assert law.a == pytest.approx(50) and law.b == pytest.approx(0.2)
    assert law.at(1e8) == pytest.approx([50 * 1e8**-0.2] * 3)
    law = language_models.fit_power_law([1, 2, 4], [1, 0.5, 0.25])  # three sizes are enough
    assert law.a == pytest.approx(1) and law.b == pytest.approx(1)
    hits = new = 0
    for seed in range(1000):
        noise = np.exp(np.random.default_rng(seed).normal(0, 0.03, size=6))
        law = language_models.fit_power_law(n, 50 * n**-0.2 * noise[:5])
        hits += law.interval()[0] < 0.2 < law.interval()[1]
        _, low, high = law.at(1e5)
        new += low < 50 * 1e5**-0.2 * noise[5] < high
    assert abs(hits - 950) < 35 and abs(new - 950) < 35  # five standard deviations
    for sizes, losses in [([1, 2], [1, 1]), ([1, 1, 2], [1, 1, 1]), ([1, 2, 3], [1, 0, 1]), ([0, 1, 2], [1, 1, 1])]:
        with pytest.raises(ValueError, match="three different sizes"):
            language_models.fit_power_law(sizes, losses)


def test_a_power_laws_uncertainty_is_that_of_numpys_straight_line():
    n, losses = np.array([1e4, 3e4, 1e5, 3e5, 1e6]), np.array([7.9, 6.4, 5.1, 4.0, 3.2])
    (slope, constant), covariance = np.polyfit(np.log(n), np.log(losses), 1, cov=True)
    law = language_models.fit_power_law(n, losses)
    assert (np.log(law.a), -law.b, law.freedom) == pytest.approx((constant, slope, 3))
    assert law.covariance == pytest.approx(covariance[::-1, ::-1])
    assert law.noise == pytest.approx(np.sum((np.log(losses) - constant - slope * np.log(n)) ** 2) / 3)


# ---- what it says


def test_fill_blanks(masked):
    tokenizer = make_tokenizer()
    blanks = language_models.fill_blanks(masked, tokenizer, "the [MASK] was very [MASK]", len(VOCABULARY))
    assert len(blanks) == 2 and {piece for piece, _ in blanks[0]} == set(VOCABULARY)
    for blank in blanks:
        chances = [chance for _, chance in blank]
        assert chances == sorted(chances, reverse=True) and sum(chances) == pytest.approx(1)
    ids = np.array([[2, 5, 4, 9, 11, 4, 3]], dtype="int32")
    places = {"mask_positions": np.array([[2, 5]], dtype="int32")}
    inputs = models.inputs_of(ids, np.ones_like(ids)) | places
    for blank, chances in zip(blanks, softmax(masked.predict_on_batch(inputs)[0], axis=-1), strict=True):
        assert [dict(blank)[piece] for piece in VOCABULARY] == pytest.approx(chances.tolist(), abs=1e-6)
    assert language_models.fill_blanks(masked, tokenizer, "the [MASK] was very [MASK]", 2)[0] == blanks[0][:2]
    many = language_models.fill_blanks(masked, tokenizer, "[MASK] " * 14, limit=16)
    assert [len(blank) for blank in many] == [5] * 14
    for text in ("the film", "[MASK] " * 15):
        with pytest.raises(ValueError, match="at most 16 tokens"):
            language_models.fill_blanks(masked, tokenizer, text, limit=16)


def test_a_vocabulary_that_does_not_fit_is_refused(masked, causal):
    tokenizer = make_tokenizer([*VOCABULARY, "more"])
    with pytest.raises(ValueError, match="17 pieces.*18"):
        language_models.fill_blanks(masked, tokenizer, "the [MASK]")
    with pytest.raises(ValueError, match="17 pieces.*18"):
        language_models.continue_text(causal, tokenizer, "the")


def test_continue_text_is_decided_by_its_seed(causal):
    tokenizer = make_tokenizer()
    texts = [language_models.continue_text(causal, tokenizer, "the film", 6, seed=seed) for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1] and len(set(texts)) > 1
    assert all(text.startswith("the film") and not set(text.split()) & set(wordpiece.SPECIAL) for text in texts)


class NextInVocabulary:
    """Stands for a causal model: the likeliest is the piece after the last one in the vocabulary, but for [MASK]."""

    def __init__(self, vocabulary=VOCABULARY):
        self.output_shape, self.mask = (None, None, len(vocabulary)), vocabulary.index("[MASK]")
        self.lengths, self.seen = set(), []

    def predict_on_batch(self, inputs):
        ids, mask = inputs["token_ids"], inputs["padding_mask"]
        self.lengths.add(ids.shape[1])
        self.seen.append(ids[mask == 1].tolist())
        pieces = np.arange(self.output_shape[-1])
        return 5.0 * (pieces == ids[..., None] + 1) + 99.0 * (pieces == self.mask)


def test_a_text_goes_on_with_the_likeliest_after_its_last_token():
    model = NextInVocabulary()
    text = language_models.continue_text(model, make_tokenizer(), "good the", 3, temperature=0, limit=5)
    assert text == "good the a film room"
    assert model.lengths == {4} and model.seen == [[2, 13, 5], [2, 13, 5, 6], [13, 5, 6, 7]]  # the last four


def test_a_text_goes_on_for_twenty_tokens():
    vocabulary = [*VOCABULARY, *"0123456789"]
    text = language_models.continue_text(NextInVocabulary(vocabulary), make_tokenizer(vocabulary), "the", temperature=0)
    assert text == " ".join([*WORDS, *"012345678"])


def test_the_default_temperature_and_seed_are_one_and_forty_two():
    model, tokenizer = NextInVocabulary(), make_tokenizer()
    expected = language_models.continue_text(model, tokenizer, "the", temperature=1.0, seed=42)
    assert language_models.continue_text(model, tokenizer, "the") == expected


def test_of_equally_likely_tokens_chance_takes_one():
    """Nothing comes after the last piece of the vocabulary, so all are alike."""
    model, tokenizer = NextInVocabulary(), make_tokenizer()
    assert len({language_models.continue_text(model, tokenizer, WORDS[-1], 1, 0, seed) for seed in range(9)}) > 1


def test_a_text_ends_at_sep_and_pieces_are_joined():
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "film", "##s", "[SEP]", "[MASK]", *WORDS[3:]]
    model = NextInVocabulary(vocabulary)
    text = language_models.continue_text(model, make_tokenizer(vocabulary), "film", 9, temperature=0)
    assert text == "films" and len(model.seen) == 2


def test_the_temperature_flattens_what_is_drawn():
    """The likeliest has logit 5, twelve others 0: e^5 of e^5 + 12 at temperature 1, and hardly more than others at 100."""

    model, tokenizer = NextInVocabulary(), make_tokenizer()

    def share(temperature):
        said = [language_models.continue_text(model, tokenizer, "the", 1, temperature, seed) for seed in range(200)]
        return np.mean([text == "the a" for text in said])

    likeliest = np.exp(5) / (np.exp(5) + 12)
    assert abs(share(1.0) - likeliest) < 5 * np.sqrt(likeliest * (1 - likeliest) / 200)
    assert 0 < share(100.0) < 0.25
