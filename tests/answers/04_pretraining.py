# %% 1 wrong: "count each pair of neighbours over all nine words"
merges = [("h", "##u"), ("##u", "##g"), ("##u", "##n")]  # by the beginnings of words

# %% 1 wrong: "after a merge the new piece is a neighbour itself"
merges = [("##u", "##g"), ("h", "##u"), ("##u", "##n")]  # counted once

# %% 1 wrong: "the pairs left are counted anew"
merges = [("##u", "##g"), ("h", "##ug"), ("b", "##u")]  # the first in the alphabet

# %% 1 wrong: "is written with ##"
merges = [("u", "g"), ("h", "ug"), ("u", "n")]

# %% 1 wrong: "three pairs of pieces"
merges = [("##u", "##g"), ("h", "##ug")]

# %% 1 right
merges = (["##u", "##g"], ["h", "##ug"], ["##u", "##n"])

# %% 2 wrong: "it is never chosen"
look_masked, look_untouched = 201 * 0.15 * 0.8, 201 * 0.15 * 0.1

# %% 2 wrong: "not every chosen one becomes [MASK]"
look_masked, look_untouched = 200 * 0.15, 200 * 0.85

# %% 2 wrong: "80 of 100 of those become [MASK]"
look_masked, look_untouched = 200 * 0.8, 200 * 0.1

# %% 2 wrong: "half of those became another token"
look_masked, look_untouched = 24, 6

# %% 2 wrong: "not chosen at all"
look_masked, look_untouched = 24.0, 170

# %% 2 wrong: "Put a number into each name"
look_masked, look_untouched = "24", "3"

# %% 2 right
look_masked, look_untouched = 24, 3

# %% 2 right
look_masked, look_untouched = np.float64(24.0), np.int64(3)

# %% 3 wrong: "look only at what came before"
def cache_score(inputs, targets):  # the whole row, the answer among it
    seen = inputs["token_ids"]
    hit = seen[:, None, :] == targets[:, :, None]
    return np.log(0.9 * unigram[targets] + 0.1 * hit.sum(2) / seen.shape[1])

# %% 3 wrong: "not their order"
def cache_score(inputs, targets):  # a bigram: it looks at the neighbour
    return np.log(counts.after(inputs["token_ids"], targets))

# %% 3 wrong: "unigram alone"
def cache_score(inputs, targets):
    return np.log(unigram[targets])

# %% 3 wrong: "must sum to 1"
def cache_score(inputs, targets):  # counts instead of shares
    seen = inputs["token_ids"]
    hit = (seen[:, None, :] == targets[:, :, None]) * np.tri(seen.shape[1])
    return np.log(0.9 * unigram[targets] + 0.1 * hit.sum(2))

# %% 3 wrong: "from place 0 up to"
def cache_score(inputs, targets):  # the weights swapped
    seen = inputs["token_ids"]
    before = np.tri(seen.shape[1])
    share = ((seen[:, None, :] == targets[:, :, None]) * before).sum(2) / before.sum(1)
    return np.log(0.1 * unigram[targets] + 0.9 * share)

# %% 3 wrong: "an array of the targets' shape"
def cache_score(inputs, targets):  # one number a row
    return np.log(unigram[targets]).mean(axis=1)

# %% 3 right
def cache_score(inputs, targets):  # a loop over the places
    result = np.zeros(targets.shape)
    for i in range(targets.shape[1]):
        share = (inputs["token_ids"][:, : i + 1] == targets[:, [i]]).mean(axis=1)
        result[:, i] = np.log(0.9 * unigram[targets[:, i]] + 0.1 * share)
    return result
