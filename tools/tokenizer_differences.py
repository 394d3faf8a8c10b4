"""Write data/tokenizer_differences.csv: characters that a tokenizer reads otherwise than BERT's own rules.

For KerasHub's tokenizer, which the course uses, and tensorflow-text's FastBertTokenizer, which LiteRT files hold.

Compares "a" + character + "b" for every character that this Python knows; run it under the newest Python of the
course (3.13), which knows the most. A test recomputes the list under every Python.
"""

import csv
import unicodedata
from itertools import groupby

from helpers import models, runtime

TARGET = runtime.COURSE / "data" / "tokenizer_differences.csv"


def assigned_characters() -> list[str]:
    """All characters that the running Python's Unicode version has assigned, surrogates left out."""
    return [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]


def course_ids(texts: list[str]) -> list[list[int]]:
    """Ids by the course's tokenizer (KerasHub's), not cut, without [CLS] and [SEP]."""
    return [ids[1:-1].tolist() for ids in models.token_ids(models.load_tokenizer(), texts, max_length=10**6)]


def fast_ids(texts: list[str]) -> list[list[int]]:
    """Ids by tensorflow-text's FastBertTokenizer, as LiteRT files hold it; needs TensorFlow."""
    import tensorflow as tf
    import tensorflow_text

    fast = tensorflow_text.FastBertTokenizer(
        models.load_tokenizer().get_vocabulary(), token_out_type=tf.int32, lower_case_nfd_strip_accents=True
    )
    return fast.tokenize(tf.constant([models.plain_text(text) for text in texts])).to_list()


TOKENIZERS = {"KerasHub": course_ids, "FastBertTokenizer": fast_ids}


def differing(texts: list[str], tokenizer: str = "KerasHub") -> list[bool]:
    """Whether a tokenizer and the reference give other ids, for each text."""
    reference = models.make_reference_tokenizer(models.load_tokenizer().get_vocabulary())
    theirs = [encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)]
    return [a != b for a, b in zip(TOKENIZERS[tokenizer](texts), theirs, strict=True)]


def reason(character: str) -> str:
    """Why a character differs: KerasHub folds compatibility forms, or the two know different Unicode tables."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    return "compatibility form" if folded != character.lower() else "Unicode table"


def ranges(tokenizer: str) -> list[dict]:
    """Rows of the list for one tokenizer: ranges of code points that differ for one reason."""
    characters = assigned_characters()
    unlike = differing([f"a{c}b" for c in characters], tokenizer)
    found = [(ord(c), reason(c)) for c, d in zip(characters, unlike, strict=True) if d]
    rows = []
    for (_, why), members in groupby(enumerate(found), key=lambda item: (item[1][0] - item[0], item[1][1])):
        codes = [code for _, (code, _) in members]
        name = unicodedata.name(chr(codes[0]), "")
        row = {"tokenizer": tokenizer, "first": f"{codes[0]:04X}", "last": f"{codes[-1]:04X}", "characters": len(codes)}
        rows.append(row | {"reason": why, "name_of_first": name})
    return rows


def main() -> None:
    """Recompute and write the list."""
    rows = [row for tokenizer in TOKENIZERS for row in ranges(tokenizer)]
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{sum(row['characters'] for row in rows)} characters differ: {TARGET.name}")


if __name__ == "__main__":
    runtime.start()
    main()
