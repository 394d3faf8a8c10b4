"""Data as readers have them, made here from a few words: for the tests (few rows) and for tools/stress.py (more rows)."""

import csv
import json
import random
import re
from pathlib import Path

from helpers import runtime

WORDS = [
    "red",
    "blue",
    "small",
    "large",
    "old",
    "new",
    "quick",
    "slow",
    "bright",
    "dark",
    "warm",
    "cold",
    "loud",
    "soft",
]
WORDS += ["quiet", "round", "flat", "hard", "sweet", "green"]
THINGS = [
    "table",
    "chair",
    "house",
    "river",
    "stone",
    "paper",
    "window",
    "garden",
    "bottle",
    "letter",
    "market",
    "street",
]
THINGS += ["engine", "ticket", "camera"]
CHINESE = ["房间", "服务", "早餐", "位置", "电池", "屏幕", "客服", "物流", "味道", "价格"]
SAID = {"好评": ["很好", "非常满意", "超出预期", "值得推荐"], "差评": ["太差了", "让人失望", "坏了两次", "不会再买"]}


def make_text(chance: random.Random, number: int) -> str:
    """`number` pairs of a property and a thing."""
    return " ".join(f"{chance.choice(WORDS)} {chance.choice(THINGS)}" for _ in range(number))


def mark_of(kind: int) -> str:
    """Two words that only texts of a class hold, side by side."""
    return f"{THINGS[kind % len(THINGS)]} {WORDS[kind // len(THINGS) % len(WORDS)]}"


def write_json_lines(path: Path, rows: list[tuple[str, str]]) -> Path:
    """A JSON object a line, with other names for text and label than the course's."""
    lines = [json.dumps({"utterance": text, "intent": label}) for text, label in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def many_classes(folder: Path, rows: int = 780, classes: int = 30) -> Path:
    """Classes of one size, each with two words of its own; JSON Lines."""
    chance = random.Random(1)
    kinds = [number % classes for number in range(rows)]
    pairs = [(f"{make_text(chance, 3)} {mark_of(kind)} {n}", f"intent {kind}") for n, kind in enumerate(kinds)]
    return write_json_lines(folder / "many.jsonl", pairs)


def uneven_classes(folder: Path, classes: int = 151) -> Path:
    """Classes of 10 to 29 rows; JSON Lines."""
    chance = random.Random(5)
    kinds = [kind for kind in range(classes) for _ in range(10 + kind % 20)]
    pairs = [(f"{make_text(chance, 3)} {mark_of(kind)} {n}", f"topic {kind}") for n, kind in enumerate(kinds)]
    return write_json_lines(folder / "uneven.jsonl", pairs)


def two_percent(folder: Path, rows: int = 780) -> Path:
    """One row of spam in fifty, all texts of one length; `style` has values that the course does not know; semicolons."""
    chance, path = random.Random(2), folder / "rare.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, delimiter=";")
        out.writerow(["message", "category", "style"])
        for number in range(rows):
            spam = number % 50 == 0
            words = make_text(chance, 5).split() + (["hot", "offer"] if spam else ["see", "you"])
            out.writerow([" ".join(words), "spam" if spam else "ham", "email" if number % 2 else "chat"])
    return path


def chinese(folder: Path, rows: int = 600) -> Path:
    """Short Chinese texts without spaces, 好评 and 差评, separated by tabs."""
    chance, path = random.Random(3), folder / "chinese.tsv"
    lines = ["评论\t情感"]
    for number in range(rows):
        label = list(SAID)[number % 2]
        parts = [chance.choice(CHINESE) + chance.choice(SAID[label]) for _ in range(chance.randrange(2, 4))]
        lines.append(f"{'，'.join(parts)}{number}。\t{label}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def one_length(folder: Path, rows: int = 200) -> Path:
    """A folder of one file a class: three classes whose texts all have five words."""
    chance, place = random.Random(4), folder / "topics"
    place.mkdir(parents=True, exist_ok=True)
    for kind, name in enumerate(("north", "south", "west")):
        lines = [f"{make_text(chance, 2)} {THINGS[kind]}" for _ in range(rows)]
        (place / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    return place


def long_texts(folder: Path, rows: int = 240, words: int = 2000) -> Path:
    """Texts of `words` words of the course's reviews; what tells the two classes apart stands anywhere in them.

    Of few words all texts would hold the same pairs of words, and be near-copies of each other.
    """
    chance, path = random.Random(6), folder / "long.csv"
    reviews = (runtime.COURSE / "data" / "reviews.csv").read_text(encoding="utf-8").lower()
    vocabulary = sorted(set(re.findall(r"[a-z]{3,}", reviews)) - {"superb", "dreadful"})
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        for number in range(rows):
            parts = chance.choices(vocabulary, k=words)
            for _ in range(words // 100):
                parts[chance.randrange(len(parts))] = ("superb", "dreadful")[number % 2]
            out.writerow([" ".join(parts), ("praise", "blame")[number % 2]])
    return path


def large(folder: Path, rows: int = 60_000) -> Path:
    """Two classes in a large file with commas."""
    chance, path = random.Random(7), folder / "large.csv"
    said = {"good": ["superb", "lovely", "works well"], "bad": ["dreadful", "broken", "waste of money"]}
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["review", "sentiment"])
        for number in range(rows):
            label = list(said)[number % 2]
            out.writerow([f"{make_text(chance, 4)}, {chance.choice(said[label])} {make_text(chance, 2)}", label])
    return path
