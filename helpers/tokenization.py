"""Lesson 01: BERT's rules for dividing a text into words and pieces, for every character of Unicode, in every runtime.

A model answers best on the pieces that it learnt from. The package `tokenizers` has the rules of BERT's own program, so it is
the course's reference. For runtimes without that package the rules become a table: what stands for each character. After
it only spaces divide words, and nothing is left that one version of Unicode knows and another does not.
"""

import csv
import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

LONGEST_WORD = 100  # characters; BERT's program makes [UNK] of a longer one without looking inside
UNKNOWN = "[UNK]"
EMPTY = range(0x40000, 0xE0000)  # no version of Unicode has a character there
SURROGATES = range(0xD800, 0xE000)  # halves of characters in UTF-16; no text in UTF-8 holds one


@dataclass(frozen=True)
class Rules:
    """What becomes of characters before WordPiece: small letters, accents taken off, each Chinese character a word.

    The default is that of BERT's uncased models, and of MiniLM.
    """

    lowercase: bool = True
    strip_accents: bool = True
    split_chinese: bool = True


def rules_of(tokenizer) -> Rules:
    """What a KerasHub tokenizer is told to do before WordPiece."""
    return Rules(tokenizer.lowercase, tokenizer.strip_accents, tokenizer.split_on_cjk)


def make_reference_tokenizer(vocabulary: Sequence[str], rules: Rules = Rules(), max_length: int | None = None):
    """BERT's tokenizer as the `tokenizers` package makes it: a `tokenizers.Tokenizer`.

    With `max_length` it frames texts by [CLS] and [SEP] and cuts them at so many tokens, as `models.token_ids` does. It needs
    no Keras: exports take it along.
    """
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece

    ids = {word: index for index, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=rules.lowercase, strip_accents=rules.strip_accents, handle_chinese_chars=rules.split_chinese
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if max_length is not None:
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
        tokenizer.enable_truncation(max_length)
    return tokenizer


# ---- the rules as a table

BLOCK = 256  # neighbouring characters
Table = dict[int, str]  # code point -> what stands for it; a character that is not named stays as it is


@functools.cache
def make_table(rules: Rules) -> Table:
    """The rules for every character, read off the reference: what it makes of the character between two letters.

    "É" becomes "e", "…" becomes " … " (a word of its own), a soft hyphen becomes nothing.
    """
    reference = make_reference_tokenizer([UNKNOWN], rules)
    table = {}
    for start in (*range(0, EMPTY.start, BLOCK), *range(EMPTY.stop, sys.maxunicode + 1, BLOCK)):
        codes = [code for code in range(start, start + BLOCK) if code not in SURROGATES]
        # A block at a time is several times as fast. No character becomes a word "0" between "a" and "b".
        text = reference.normalizer.normalize_str(" 0 ".join(f"a{chr(code)}b" for code in codes))
        words = " ".join(word for word, _ in reference.pre_tokenizer.pre_tokenize_str(text))
        for code, framed in zip(codes, words.split(" 0 ") if codes else [], strict=True):
            if framed[1:-1] != chr(code):
                table[code] = framed[1:-1]
    return table


def divide_words(text: str, table: Table) -> list[str]:
    """The words of a text, each for WordPiece; one of more than LONGEST_WORD characters is already UNKNOWN."""
    words = text.translate(table).split(" ")
    return [word if len(word) <= LONGEST_WORD else UNKNOWN for word in words if word]


# ---- the table as a file

ITSELF = "*"  # in the file: the character that the row is about


def write_table(table: Table, path: Path) -> None:
    """Write a table as CSV: first and last code point of a range, and what stands for each of them, all in hexadecimal."""
    rows = ((code, _in_hexadecimal(becomes, code)) for code, becomes in sorted(table.items()))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["first", "last", "becomes"])
        # Of neighbours in a range, code point less place in the list is the same.
        for (_, becomes), members in groupby(enumerate(rows), key=lambda item: (item[1][0] - item[0], item[1][1])):
            codes = [code for _, (code, _) in members]
            writer.writerow([f"{codes[0]:04X}", f"{codes[-1]:04X}", becomes])


def read_table(path: Path) -> Table:
    """The table that `write_table` wrote."""
    table = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for code in range(int(row["first"], 16), int(row["last"], 16) + 1):
                table[code] = "".join(chr(code if part == ITSELF else int(part, 16)) for part in row["becomes"].split())
    return table


def _in_hexadecimal(text: str, code: int) -> str:
    """The code points of a text; ITSELF for the one that the row is about."""
    return " ".join(ITSELF if ord(character) == code else f"{ord(character):04X}" for character in text)


# ---- the tokenizer in a graph


def words_in_graph(texts, arrays: tuple[np.ndarray, np.ndarray, list[str]]):
    """`divide_words` as TensorFlow operations, with a table `_as_arrays`: strings (texts,) to ragged (texts, words)."""
    import tensorflow as tf

    kinds, blocks, others = arrays
    codes = tf.strings.unicode_decode(texts, "UTF-8")
    flat = codes.flat_values
    same = tf.strings.unicode_encode(flat[:, None], "UTF-8")
    kind = tf.gather_nd(kinds, tf.stack([tf.gather(blocks, flat // BLOCK), flat % BLOCK], axis=1))
    other = tf.gather(others, tf.maximum(kind, FIRST_OTHER) - FIRST_OTHER)
    becomes = tf.where(kind == STAYS, same, tf.where(kind == ALONE, tf.strings.join([" ", same, " "]), other))
    words = tf.strings.split(tf.strings.reduce_join(codes.with_flat_values(becomes), axis=-1))
    long = tf.strings.length(words.flat_values, "UTF8_CHAR") > LONGEST_WORD
    return words.with_flat_values(tf.where(long, UNKNOWN, words.flat_values))


# What becomes of a character: itself; itself between spaces; from FIRST_OTHER on, one of the other strings.
STAYS, ALONE, FIRST_OTHER = 0, 1, 2


def _as_arrays(table: Table) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """A table as arrays: kinds (different blocks, BLOCK); which of these each block of Unicode is; the other strings.

    Most blocks of Unicode are alike, so one of each kind is kept.
    """
    is_alone = {code: becomes == f" {chr(code)} " for code, becomes in table.items()}
    others = sorted({becomes for code, becomes in table.items() if not is_alone[code]})
    numbers = {becomes: FIRST_OTHER + number for number, becomes in enumerate(others)}
    kinds = np.full(sys.maxunicode + 1, STAYS, "int32")
    for code, becomes in table.items():
        kinds[code] = ALONE if is_alone[code] else numbers[becomes]
    kinds, blocks = np.unique(kinds.reshape(-1, BLOCK), axis=0, return_inverse=True)
    return kinds, blocks.reshape(-1).astype("int32"), others


def _word_pieces(tokenizer):
    """tensorflow-text's WordPiece for words that are divided already; it gives int32 ids."""
    import tensorflow as tf
    import tensorflow_text

    return tensorflow_text.FastWordpieceTokenizer(
        tokenizer.get_vocabulary(),
        token_out_type=tf.int32,
        no_pretokenization=True,
        max_bytes_per_word=4 * LONGEST_WORD,  # at most four bytes a character
    )


def token_windows_in_graph(tokenizer, length: int, number: int = 1):
    """`models.token_windows` for TensorFlow: a function from strings (texts,) to ids, int32 (windows, length), padded, and
    the text of each window, int64 (windows,). `number`: the most windows of a text.
    """
    import tensorflow as tf

    arrays, pieces = _as_arrays(make_table(rules_of(tokenizer))), _word_pieces(tokenizer)
    inner = length - 2

    def token_ids(texts):
        """Strings to ids."""
        ids = pieces.tokenize(words_in_graph(texts, arrays)).merge_dims(1, 2)[:, : number * inner]
        sizes = ids.row_lengths()
        windows = tf.maximum(-(-sizes // inner), 1)  # of each text
        owners = tf.repeat(tf.range(tf.size(texts, tf.int64)), windows)
        place = tf.range(tf.size(owners, tf.int64)) - tf.gather(
            tf.cumsum(windows, exclusive=True), owners
        )  # within its text
        sizes = tf.minimum(tf.gather(sizes, owners) - place * inner, inner)
        ids = tf.RaggedTensor.from_row_lengths(ids.flat_values, sizes)
        start = tf.fill([tf.size(owners), 1], tokenizer.cls_token_id)
        end = tf.fill([tf.size(owners), 1], tokenizer.sep_token_id)
        return tf.concat([start, ids, end], axis=1).to_tensor(tokenizer.pad_token_id, shape=[None, length]), owners

    return token_ids


def token_windows_in_lite(tokenizer, length: int, number: int = 1):
    """The same for LiteRT, of operations that it has: one string, the words with spaces between, to ids, int32 (number,
    length), and the share of each window in the mean, float32 (number, 1): 0 for those that the text does not fill.
    """
    import tensorflow as tf
    import tensorflow_text

    words, pieces, inner = tensorflow_text.WhitespaceTokenizer(), _word_pieces(tokenizer), length - 2

    def token_ids(text):
        """A string to ids; of one text no ragged operations are needed, which LiteRT lacks."""
        ids = pieces.tokenize(words.tokenize(text).values).values[: number * inner]
        size = tf.shape(ids)[0]
        rows = tf.reshape(tf.pad(ids, [[0, number * inner - size]]), [number, inner])
        sizes = (size - inner * np.arange(number, dtype="int32"))[:, None]
        sizes = tf.where(
            sizes < 0, 0, tf.where(sizes > inner, inner, sizes)
        )  # clip(x, 0, 6) would become a Relu6 of floats
        columns = np.arange(inner + 1, dtype="int32")[None, :]
        after = tf.where(columns == sizes, tokenizer.sep_token_id, tokenizer.pad_token_id)
        rows = tf.where(columns < sizes, tf.pad(rows, [[0, 0], [0, 1]]), after)
        ids = tf.concat([np.full([number, 1], tokenizer.cls_token_id, "int32"), rows], axis=1)
        filled = tf.cast(tf.logical_or(sizes > 0, np.arange(number)[:, None] == 0), tf.float32)
        return ids, filled / tf.reduce_sum(filled)

    return token_ids
