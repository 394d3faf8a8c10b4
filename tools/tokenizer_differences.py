"""Write data/tokenizer_differences.csv: characters that KerasHub's tokenizer and BERT's own rules read differently.

Compares "a" + character + "b" for every character that this Python knows; run it under the newest Python of the
course (3.13), which knows the most. A test recomputes the list under every Python.
"""

import csv
import unicodedata
from itertools import groupby

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers import models as tokenizer_models

from helpers import models, runtime

TARGET = runtime.COURSE / "data" / "tokenizer_differences.csv"


def reference_tokenizer(vocabulary: list[str]) -> Tokenizer:
    """BERT's uncased tokenizer as the `tokenizers` package makes it, without special tokens in texts."""
    ids = {word: index for index, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(tokenizer_models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=True, lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def assigned_characters() -> list[str]:
    """All characters that the running Python's Unicode version has assigned, surrogates left out."""
    return [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]


def differing(texts: list[str]) -> list[bool]:
    """Whether the course and the reference give other ids, for each text (not cut, no [CLS] and [SEP])."""
    tokenizer = models.tokenizer()
    reference = reference_tokenizer(tokenizer.get_vocabulary())
    ours = [ids[1:-1].tolist() for ids in models.token_ids(tokenizer, texts, max_length=10**6)]
    theirs = [encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)]
    return [a != b for a, b in zip(ours, theirs, strict=True)]


def reason(character: str) -> str:
    """Why a character differs: KerasHub folds compatibility forms, or the two know different Unicode tables."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    return "compatibility form" if folded != character.lower() else "Unicode table"


def main() -> None:
    """Recompute and write the list, as ranges of code points."""
    characters = assigned_characters()
    unlike = differing([f"a{c}b" for c in characters])
    found = [(ord(c), reason(c)) for c, d in zip(characters, unlike, strict=True) if d]
    ranges = groupby(enumerate(found), key=lambda item: (item[1][0] - item[0], item[1][1]))
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["first", "last", "characters", "reason", "name_of_first"])
        for (_, why), members in ranges:
            codes = [code for _, (code, _) in members]
            name = unicodedata.name(chr(codes[0]), "")
            writer.writerow([f"{codes[0]:04X}", f"{codes[-1]:04X}", len(codes), why, name])
    print(f"{len(found)} characters differ: {TARGET.name}")


if __name__ == "__main__":
    runtime.start()
    main()
