# %% 1 wrong: "as a word of its own"
sentence = "The bathroom was as clean as it could be."

# %% 1 wrong: "another meaning"
sentence = "Nobody had cleaned our room, and it was filthy."

# %% 1 wrong: "a whole sentence"
sentence = "Room!"

# %% 1 wrong: "a text in quotes"
sentence = ["There is", "room for doubt."]

# %% 1 right
sentence = "ROOM for manoeuvre: the treaty leaves the two governments none!"

# %% 2 wrong: "the cosines of the means"
cls_cosines = mean_cosines(
    [
        "The room was spotless.",
        "Our hotel room could not have been cleaner.",
        "The film bored us to tears.",
    ]
)

# %% 2 wrong: "the first token of each text"
texts = [
    "The room was spotless.",
    "Our hotel room could not have been cleaner.",
    "The film bored us to tears.",
]
cls_cosines = cosines(vectors_of(texts)[0][:, -1])

# %% 2 wrong: "divide each vector by its length"
first = vectors_of(texts)[0][:, 0]
cls_cosines = first @ first.T

# %% 2 wrong: "array of 3 x 3"
cls_cosines = [[1.0, 0.5], [0.5]]

# %% 2 right
first = vectors_of(texts)[0][:, 0].astype("float64")
norms = np.sqrt((first**2).sum(axis=1))
cls_cosines = (first @ first.T / np.outer(norms, norms)).tolist()

# %% 3 wrong: "chosen on the training labels alone"
def majority_accuracy(train_labels, labels):
    return np.bincount(labels).max() / len(labels)

# %% 3 wrong: "3 of these 4 labels are 0"
def majority_accuracy(train_labels, labels):
    return float(np.mean(labels))

# %% 3 wrong: "do not assume two"
def majority_accuracy(train_labels, labels):
    chosen = int(np.mean(train_labels) > 0.5)
    share = float(np.mean(np.array(labels) == chosen))
    return share

# %% 3 wrong: "no percentage"
def majority_accuracy(train_labels, labels):
    return 100 * np.mean(np.array(labels) == np.bincount(train_labels).argmax())

# %% 3 right
def majority_accuracy(train_labels, labels):
    train_labels = list(train_labels)
    chosen = max(set(train_labels), key=train_labels.count)
    return sum(label == chosen for label in labels) / len(labels)
