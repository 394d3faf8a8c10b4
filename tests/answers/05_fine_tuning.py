# %% 1 wrong: "Put a number"
rate_10, rate_40 = "0.0005", "0.00085"

# %% 1 wrong: "half of the warm-up"
rate_10, rate_40 = 0.001 * 10 / 100, 0.001 * (1 + np.cos(np.pi / 4)) / 2

# %% 1 wrong: "slowly at first"
rate_10, rate_40 = 0.0005, 0.001 * (1 - 20 / 80)

# %% 1 wrong: "count from step 20"
rate_10, rate_40 = 0.0005, 0.001 * (1 + np.cos(np.pi * 40 / 100)) / 2

# %% 1 wrong: "add 1 and halve it"
rate_10, rate_40 = 0.0005, 0.001 * np.cos(np.pi * 20 / 80)

# %% 1 wrong: "in a straight line"
rate_10, rate_40 = 0.001, 0.001 * (1 + np.cos(np.pi / 4)) / 2

# %% 1 wrong: "in radians"
rate_10, rate_40 = 0.0005, 0.0009  # a guess, 5 % off

# %% 1 right
rate_10 = np.float64(5e-4)
wanted = finetuning.Recipe(learning_rate=0.001, warmup_share=0.2)
rate_40 = float(optimizers.make_schedule(wanted, 100)(40))

# %% 2 wrong: "whole number"
trained = "446,210"

# %% 2 wrong: "the head is trained, too"
trained = 6 * 2 * (384 * 12 * 8 + 8 * 32)

# %% 2 wrong: "the query and the value matrix"
trained = 6 * (384 * 12 * 8 + 8 * 32) + 770

# %% 2 wrong: "twice as large as with rank 4"
trained = 223_490  # what the lesson printed, for rank 4

# %% 2 wrong: "textbook's count"
trained = 12 * 8 * (384 + 384) + 770

# %% 2 wrong: "the head stays as it is"
trained = 2 * (12 * (384 * 12 * 4 + 4 * 32) + 770)

# %% 2 wrong: "A is 384 x 12 x rank"
trained = 450_000

# %% 2 right
trained = np.int64(12 * 8 * (384 * 12 + 32) + 770)

# %% 3 wrong: "between 0 and 1"
mean_accuracy, cls_accuracy = 64.9, 60.0

# %% 3 wrong: "For the mean"
mean_accuracy, cls_accuracy = 0.5, 0.5

# %% 3 wrong: "both numbers are those of the mean"
learnt, asked = (finetuning.mean_features(classifier, part["text"].tolist()) for part in (train, validation))
head = finetuning.fit_frozen_head(learnt, train["label"])
mean_accuracy = cls_accuracy = head.score(asked, validation["label"])

# %% 3 wrong: "sequence_output[:, 0]"
cls_accuracy = 0.5  # invented, beside the mean's own accuracy

# %% 3 wrong: "on the training reviews"
mean_accuracy, cls_accuracy = head.score(learnt, train["label"]), 0.6

# %% 3 right
first = keras.Model(classifier.backbone.input, classifier.backbone.output["sequence_output"])
sides = []
for part in (train, validation):
    ids = models.token_ids(classifier.tokenizer, part["text"].tolist())
    sides.append(first.predict(finetuning.pad(ids), verbose=0)[:, 0])
of_cls = finetuning.fit_frozen_head(sides[0], train["label"])
mean_accuracy = np.float32(head.score(asked, validation["label"]))
cls_accuracy = evaluation.accuracy(validation["label"], of_cls.predict_proba(sides[1]))
