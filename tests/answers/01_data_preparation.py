# %% 1 wrong: "That is the number at 0.3"
extra_pairs = len(cleaning.find_near_duplicates(texts, 0.3))

# %% 1 wrong: "the other way round"
extra_pairs = len(cleaning.find_near_duplicates(texts, 0.5)) - len(
    cleaning.find_near_duplicates(texts, 0.3)
)

# %% 1 wrong: "pairs of the raw file"
raw_texts = cleaning.load()["text"].tolist()
extra_pairs = len(cleaning.find_near_duplicates(raw_texts, 0.3)) - len(
    cleaning.find_near_duplicates(raw_texts, 0.5)
)

# %% 1 wrong: "finds at 0.3 and at 0.5"
extra_pairs = 100

# %% 1 wrong: "a difference of two lengths"
extra_pairs = cleaning.find_near_duplicates(texts, 0.3)

# %% 1 right
extra_pairs = np.float64(
    len(cleaning.find_near_duplicates(texts, 0.3))
    - len(cleaning.find_near_duplicates(texts, 0.5))
)

# %% 2 wrong: "Leave out [CLS] and [SEP]"
pieces = {
    word: [
        tokenizer.id_to_token(int(i)) for i in models.token_ids(tokenizer, [word])[0]
    ]
    for word in ("unbelievable", "waterproofing")
}

# %% 2 wrong: "Pieces, not their numbers"
pieces = {
    word: models.token_ids(tokenizer, [word])[0][1:-1]
    for word in ("unbelievable", "waterproofing")
}

# %% 2 wrong: "takes the longest piece"
pieces = {
    "unbelievable": ["un", *(f"##{letter}" for letter in "believable")],
    "waterproofing": ["water", *(f"##{letter}" for letter in "proofing")],
}

# %% 2 wrong: "begins with ##"
pieces = {"unbelievable": ["un", "believable"], "waterproofing": ["water", "proofing"]}

# %% 2 wrong: "in BERT's vocabulary"
pieces = {"unbelievable": ["unbelievable"], "waterproofing": ["waterproofing"]}

# %% 2 wrong: "one entry for each"
pieces = ["un", "##believable"]

# %% 2 right
pieces = {
    word: tuple(
        tokenizer.id_to_token(int(i))
        for i in models.token_ids(tokenizer, [word])[0][1:-1]
    )
    for word in ("waterproofing", "unbelievable")
}

# %% 3 wrong: "Leave out [CLS] and [SEP]"
unknown = {}
for language, sentence in {
    "French": "Très bon café, on y retourne",
    "Chinese": "屏幕很亮，电池却只能用半天，客服一直不回复。",
}.items():
    ids = models.token_ids(tokenizer, [sentence])[0]
    unknown[language] = np.mean(ids == tokenizer.token_to_id("[UNK]"))

# %% 3 wrong: "not per cent"
unknown = {"French": 0, "Chinese": 72.7}

# %% 3 wrong: "French: count the tokens"
unknown = {"French": 0.3, "Chinese": 0.73}

# %% 3 wrong: "Chinese: count the tokens"
unknown = {"French": 0, "Chinese": 1.0}

# %% 3 wrong: "share of the tokens that are known"
chinese = "屏幕很亮，电池却只能用半天，客服一直不回复。"
unknown = {"French": 0, "Chinese": 1 - models.unknown_share(tokenizer, [chinese])}

# %% 3 wrong: "a dictionary with the keys"
unknown = 0.73

# %% 3 right
unknown = {
    "Chinese": np.float32(
        models.unknown_share(
            tokenizer, ["屏幕很亮，电池却只能用半天，客服一直不回复。"]
        )
    ),
    "French": 0,
}

# %% 4 wrong: "still the model with word pairs"
model = words.bag_of_words().fit(train["text"], train["label"])
probabilities = model.predict_proba(validation["text"])
by_style = evaluation.by_slice(validation, probabilities, "style")

# %% 4 wrong: "three words in a row"
model = words.bag_of_words()
model.set_params(tfidfvectorizer__ngram_range=(1, 3)).fit(train["text"], train["label"])
probabilities = model.predict_proba(validation["text"])
by_style = evaluation.by_slice(validation, probabilities, "style")

# %% 4 wrong: "the model has not seen those"
model = words.bag_of_words()
model.set_params(tfidfvectorizer__ngram_range=(1, 1)).fit(train["text"], train["label"])
by_style = evaluation.by_slice(train, model.predict_proba(train["text"]), "style")

# %% 4 wrong: "test reviews"
test = splits["test"]
by_style = evaluation.by_slice(test, model.predict_proba(test["text"]), "style")

# %% 4 wrong: "change nothing else"
by_style = pd.DataFrame({"accuracy": {"plain": 0.85, "implied": 0.65}})

# %% 4 wrong: "Slice by the column `style`"
probabilities = model.predict_proba(validation["text"])
by_style = evaluation.by_slice(validation, probabilities, "domain")

# %% 4 wrong: "Put the table of evaluation.by_slice"
by_style = {"plain": 0.867, "implied": 0.67}

# %% 4 right
probabilities = model.predict_proba(validation["text"])
by_style = evaluation.by_slice(validation, probabilities, "style").iloc[::-1]
