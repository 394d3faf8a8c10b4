# %% 1 wrong: "the other way round"
width_all = np.ptp(evaluation.accuracy_interval(labels[:100], probabilities[:100]))
width_100 = np.ptp(evaluation.accuracy_interval(labels, probabilities))
needed = 4 * len(labels)

# %% 1 wrong: "width_100: measure it"
width_all = np.ptp(evaluation.accuracy_interval(labels, probabilities))
width_100, needed = 3.5 * width_all, 4 * len(labels)

# %% 1 wrong: "width_all: the upper end less the lower end"
width_100 = np.ptp(evaluation.accuracy_interval(labels[:100], probabilities[:100]))
width_all = np.ptp(evaluation.accuracy_interval(labels, probabilities)) / 2
needed = 4 * len(labels)

# %% 1 wrong: "Twice the reviews do not halve the width"
width_100 = np.ptp(evaluation.accuracy_interval(labels[:100], probabilities[:100]))
width_all = np.ptp(evaluation.accuracy_interval(labels, probabilities))
needed = 2 * len(labels)

# %% 1 wrong: "a width is high - low"
width_100 = evaluation.accuracy_interval(labels[:100], probabilities[:100])
width_all = evaluation.accuracy_interval(labels, probabilities)
needed = 4 * len(labels)

# %% 1 right
ends = evaluation.accuracy_interval(labels[:100], probabilities[:100])
width_100 = float(ends[1] - ends[0])
width_all = np.float64(np.ptp(evaluation.accuracy_interval(labels, probabilities)))
needed = 4.0 * len(labels)

# %% 2 wrong: "not percent"
accuracy, macro_f1, mcc = 99, 0.4975, 0

# %% 2 wrong: "the F1 of ham alone"
accuracy, macro_f1, mcc = 0.99, 2 * 0.99 / 1.99, 0

# %% 2 wrong: "The F1 of ham is not 1"
accuracy, macro_f1, mcc = 0.99, 0.5, 0

# %% 2 wrong: "no better than chance"
accuracy, macro_f1, mcc = 0.99, 0.99 / 1.99, 0.99

# %% 2 right
accuracy, macro_f1, mcc = np.float64(0.99), 0.4975, 0

# %% 3 wrong: "5/6 belongs to the lesson's costs"
theory, measured = 5 / 6, 0.31

# %% 3 wrong: "divide by the sum of both costs"
theory, measured = 1 / 5, 0.31

# %% 3 wrong: "These are not calibrated"
theory, measured = 1 / 6, 1 / 6

# %% 3 wrong: "Are the two costs swapped?"
theory = 1 / 6
scores = model.predict_proba(validation["text"])[:, 1]
measured = evaluation.best_threshold(validation["label"], scores, 5, 1)

# %% 3 wrong: "Another threshold costs clearly less"
theory, measured = 1 / 6, 0.4

# %% 3 right
theory = np.float64(1 / 6)
scores = model.predict_proba(validation["text"])[:, 1]
costs = {
    cut: evaluation.expected_cost(validation["label"], scores, cut, 1, 5)
    for cut in np.arange(1, 100) / 100
}
measured = min(costs, key=costs.get)
