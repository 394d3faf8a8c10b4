# %% 1 right
whole = """texts = [b"good film", b"bad film"]
vocabulary = {b"good": 0, b"bad": 1, b"film": 2}
ids = np.array([[vocabulary[word] for word in text.split()] for text in texts])
embed = [keras.layers.Embedding(3, 4), keras.layers.GlobalAveragePooling1D()]
model = keras.Sequential([*embed, keras.layers.Dense(2)])
model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
model.fit(x=ids, y=keras.utils.to_categorical([1, 0]), verbose=0)
"""
repaired = whole

# %% 1 wrong: "It stops with KeyError"
repaired = broken.replace("\n vocabulary", "\nvocabulary")

# %% 1 wrong: "compute them from `texts`"
first, _, _, *rest = whole.splitlines()
repaired = "\n".join([first, "ids = np.array([[0, 2], [1, 2]])", *rest])

# %% 1 wrong: "take one of the two"
repaired = whole.replace("Dense(2)", 'Dense(2, activation="softmax")')

# %% 1 wrong: "give `fit` both"
repaired = whole.replace("x=ids, y=keras.utils.to_categorical([1, 0])", "x=ids[:1], y=np.eye(2)[:1]")

# %% 1 wrong: "`ids` of both texts"
repaired = "\n".join([first, "ids = np.array([[0, 2]])", *rest[:2], "model(ids)"])


# %% 2 wrong: "Nothing would train"
class FirstToken(keras.layers.Layer):
    def __init__(self, folder):
        super().__init__()
        self.encoder = hub.load(str(folder))

    def call(self, inputs):
        return self.encoder(inputs)["sequence_output"][:, 0]


# %% 2 wrong: "are strangers to the encoder"
class FirstToken(keras.layers.Layer):
    def __init__(self, folder):
        super().__init__()
        self.encoder = hub.load(str(folder))
        first, *rest = self.encoder.trainable_variables
        self.kept = [keras.Variable(first)]
        self.kept += [keras.Variable(v.numpy()) for v in rest]

    def call(self, inputs):
        return self.encoder(inputs)["sequence_output"][:, 0]


# %% 2 wrong: "numbers train: keep all"
class FirstToken(keras.layers.Layer):
    def __init__(self, folder):
        super().__init__()
        self.encoder = hub.load(str(folder))
        self.kept = [keras.Variable(v) for v in self.encoder.trainable_variables[:3]]

    def call(self, inputs):
        return self.encoder(inputs)["sequence_output"][:, 0]


# %% 2 wrong: "place 0 of sequence_output"
class FirstToken(keras.layers.Layer):
    def __init__(self, folder):
        super().__init__()
        self.encoder = hub.load(str(folder))
        self.kept = [keras.Variable(v) for v in self.encoder.trainable_variables]

    def call(self, inputs):
        return self.encoder(inputs)["pooled_output"]


# %% 2 right
class FirstToken(keras.layers.Layer):
    def __init__(self, folder):
        super().__init__(name="first")
        self.bert = hub.load(str(folder))
        self.of_bert = [keras.Variable(v) for v in self.bert.trainable_variables]

    def call(self, inputs):
        return keras.ops.take(self.bert(inputs)["sequence_output"], 0, axis=1)


# %% 3 wrong: "is the gap of all 40 models"
gaps = []
for order in orders:
    chosen_on = rights[:, order[:100]].mean(axis=1)
    fresh = rights[:, order[100:]].mean(axis=1)
    gaps.append(chosen_on.max() - fresh[chosen_on.argmax()])
one = rights[0]
gap_of_one = np.mean([one[o[:100]].mean() - one[o[100:]].mean() for o in orders])
gap_of_two = np.mean(gaps)

# %% 3 wrong: "is not the mean over the 200 `orders`"
gap_of_one, gap_of_two = 0.0, 0.02

# %% 3 wrong: "not on all reviews"
gap_of_one = np.mean([rights[0][o[:100]].mean() - rights[0].mean() for o in orders])
gap_of_two = gap_of_one

# %% 3 wrong: "choose the better of two"
one = rights[0]
gap_of_one = np.mean([one[o[:100]].mean() - one[o[100:]].mean() for o in orders])
gap_of_two = gap_of_one

# %% 3 right
cut = [np.split(rights[:2, order], [100], axis=1) for order in orders]
halves = [(on.mean(axis=1), rest.mean(axis=1)) for on, rest in cut]
gap_of_one = np.float64(sum(on[0] - rest[0] for on, rest in halves) / 200)
gap_of_two = sum(max(on) - rest[list(on).index(max(on))] for on, rest in halves) / 200
