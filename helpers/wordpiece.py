"""Lesson 04: WordPiece: how a vocabulary is learnt from texts, by hand and with the library `tokenizers`."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from helpers import models, tokenization

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

Spellings = dict[tuple[str, ...], int]  # the pieces of each word, and how often the word occurs


# ---- by hand


def split_into_letters(words: Iterable[str]) -> Spellings:
    """Count words and spell each in letters, all but the first with "##" before it: here merging begins."""
    counts = Counter(words)
    return {(word[0], *(f"##{letter}" for letter in word[1:])): number for word, number in counts.items()}


def find_most_frequent_pair(spellings: Spellings) -> tuple[str, str] | None:
    """The two neighbouring pieces that occur most often; of equals the alphabetically first; None if none is left."""
    pairs = Counter()
    for pieces, number in spellings.items():
        for pair in pairwise(pieces):
            pairs[pair] += number
    return min(pairs, key=lambda pair: (-pairs[pair], pair)) if pairs else None


def merge_most_frequent_pair(spellings: Spellings) -> Spellings:
    """The spellings with the most frequent pair made one piece (Sennrich et al., 2016, "BPE").

    Schuster and Nakajima (2012) also divide a pair's count by the counts of its two parts. The trainer that
    `learn_vocabulary` uses does not.
    """
    pair = find_most_frequent_pair(spellings)
    return {_merge(pieces, pair): number for pieces, number in spellings.items()}


def _merge(pieces: Sequence[str], pair: tuple[str, str] | None) -> tuple[str, ...]:
    """The pieces of a word, with the pair joined wherever it stands."""
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece.removeprefix("##")
        else:
            merged.append(piece)
    return tuple(merged)


# ---- with the library


def learn_vocabulary(texts: Iterable[str], vocabulary_size: int = 8000, alphabet: int = 200) -> list[str]:
    """A WordPiece vocabulary of at most `vocabulary_size` pieces, SPECIAL first.

    It keeps the `alphabet` most frequent letters; a word with another letter becomes [UNK]. Pieces are lower-case and
    without accents: for `BertTokenizer(vocabulary, lowercase=True, strip_accents=True)`. Texts are read one at a time.
    Raises ValueError when there is no text.
    """
    from tokenizers.trainers import WordPieceTrainer

    tokenizer = tokenization.make_reference_tokenizer(SPECIAL)
    counts = count_words(texts, tokenizer)
    kept = find_frequent_letters(counts, alphabet)
    # Of equally frequent pairs the trainer joins the one with the lower numbers, and it numbers letters as it meets them,
    # in another order in each process. Numbered beforehand, they give the same vocabulary each time.
    numbered = [*SPECIAL, *kept, *(f"##{letter}" for letter in kept)]
    trainer = WordPieceTrainer(
        vocab_size=vocabulary_size,
        special_tokens=numbered,
        initial_alphabet=kept,
        limit_alphabet=len(kept),
        show_progress=False,
    )
    tokenizer.train_from_iterator((f"{word} " * number for word, number in sorted(counts.items())), trainer)
    return [*SPECIAL, *sorted(set(tokenizer.get_vocab()) - set(SPECIAL))]


def count_words(texts: Iterable[str], tokenizer) -> Counter:
    """How often each word occurs, as the tokenizer sees words. Raises ValueError when there is none."""
    counts = Counter()
    for text in texts:
        words = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
        counts.update(word for word, _ in words)
    if not counts:
        raise ValueError("There is no text to learn a vocabulary from.")
    return counts


def find_frequent_letters(counts: Counter, number: int) -> list[str]:
    """The letters that stand in most words, at most `number`, in alphabetical order; each word counts a letter once."""
    letters = Counter()
    for word, times in counts.items():
        for letter in set(word):
            letters[letter] += times
    return sorted(sorted(letters, key=lambda letter: (-letters[letter], letter))[:number])


def measure_fit(tokenizer, texts: Sequence[str]) -> dict[str, float]:
    """How a vocabulary suits texts: its number of pieces, tokens for each word between spaces, and the share of [UNK]."""
    tokens = sum(len(ids) - 2 for ids in models.token_ids(tokenizer, texts, sys.maxsize))
    return {
        "pieces": tokenizer.vocabulary_size(),
        "tokens_a_word": tokens / max(1, sum(len(text.split()) for text in texts)),
        "unknown_share": models.unknown_share(tokenizer, texts),
    }
