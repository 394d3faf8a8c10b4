# %% 1 wrong: "round before you convert"
scale = float(np.abs(matrix).max() / 127)
whole, bound = (matrix / scale).astype("int8"), scale / 2

# %% 1 wrong: "beyond 127 int8 wraps around"
scale = float(np.abs(matrix).max() / 255)
whole, bound = np.round(matrix / scale).astype(int).astype("int8"), scale / 2

# %% 1 wrong: "Use the whole range"
scale = float(np.abs(matrix).max() / 100)
whole, bound = np.round(matrix / scale).astype("int8"), scale / 2

# %% 1 wrong: "A whole step is too much"
scale = float(np.abs(matrix).max() / 127)
whole, bound = np.round(matrix / scale).astype("int8"), scale

# %% 1 right
scale = np.abs(matrix).max() / 127
whole, bound = np.rint(matrix / scale).astype(np.int8), np.float32(0.5) * scale

# %% 2 wrong: "use the package `tokenizers` alone"
def feed(texts):
    rows = models.token_ids(classifier.tokenizer, texts)
    ids = np.array([[*row, *[0] * (128 - len(row))] for row in rows], dtype="int32")
    return {"token_ids": ids, "padding_mask": (ids != 0).astype("int32"), "segment_ids": 0 * ids}

# %% 2 wrong: "Fill them up"
from tokenizers import Tokenizer

plain = Tokenizer.from_file(str(path))
plain.no_padding()


def feed(texts):
    ids = np.array([row.ids for row in plain.encode_batch(texts)], dtype="int32")
    return {"token_ids": ids, "padding_mask": 0 * ids + 1, "segment_ids": 0 * ids}

# %% 2 wrong: "The mask is 1 for tokens"
padded = Tokenizer.from_file(str(path))
padded.enable_padding()


def feed(texts):
    ids = np.array([row.ids for row in padded.encode_batch(texts)], dtype="int32")
    return {"token_ids": ids, "padding_mask": 0 * ids + 1, "segment_ids": 0 * ids}

# %% 2 wrong: "All three are arrays of int32"
def feed(texts):
    ids = np.array([row.ids for row in padded.encode_batch(texts)])
    return {"token_ids": ids, "padding_mask": (ids != 0) * 1, "segment_ids": 0 * ids}

# %% 2 wrong: "The longest has 128 tokens"
whole_texts = Tokenizer.from_file(str(path))
whole_texts.no_truncation()
whole_texts.enable_padding()


def feed(texts):
    ids = np.array([row.ids for row in whole_texts.encode_batch(texts)], dtype="int32")
    mask = (ids != 0).astype("int32")
    return {"token_ids": ids, "padding_mask": mask, "segment_ids": 0 * ids}

# %% 2 right
def feed(texts):
    rows = [plain.encode(text).ids for text in texts]
    ids = np.zeros((len(rows), max(map(len, rows))), "int32")
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
    mask = np.minimum(ids, 1)
    return {"segment_ids": np.zeros_like(ids), "padding_mask": mask, "token_ids": ids}

# %% 3 wrong: "Take the names from labels.json"
def answer(probabilities, labels, temperature):
    powers = probabilities ** (1 / temperature)
    scaled = powers / powers.sum(axis=1, keepdims=True)
    names = ["negative", "positive", "mixed"]
    return [(names[row.argmax()], row.max()) for row in scaled]

# %% 3 wrong: "Scale the export's own probabilities"
def answer(probabilities, labels, temperature):
    names = json.loads(Path(labels).read_text())
    return [(names[row.argmax()], row.max()) for row in probabilities]

# %% 3 wrong: "T divides log(p), not p"
def answer(probabilities, labels, temperature):
    names = json.loads(Path(labels).read_text())
    return [(names[row.argmax()], row.max() / temperature) for row in probabilities]

# %% 3 wrong: "makes answers less sure"
def answer(probabilities, labels, temperature):
    names = json.loads(Path(labels).read_text())
    powers = probabilities**temperature
    scaled = powers / powers.sum(axis=1, keepdims=True)
    return [(names[row.argmax()], row.max()) for row in scaled]

# %% 3 wrong: "Return a list of pairs"
def answer(probabilities, labels, temperature):
    return probabilities ** (1 / temperature)

# %% 3 right
def answer(probabilities, labels, temperature):
    from scipy.special import softmax

    names = json.load(open(labels, encoding="utf-8"))
    scaled = softmax(np.log(probabilities) / temperature, axis=1)
    return tuple(zip([names[n] for n in scaled.argmax(axis=1)], scaled.max(axis=1)))
