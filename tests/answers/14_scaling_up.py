# %% 1 wrong: "a part counts as much as it has rows"
def combined(gradients, sizes):
    return np.mean(gradients, axis=0)

# %% 1 wrong: "not a sum"
def combined(gradients, sizes):
    return sum(size * gradient for gradient, size in zip(gradients, sizes))

# %% 1 wrong: "a part counts as much as it has rows"
def combined(gradients, sizes):
    return np.average(gradients, axis=0, weights=1 / np.array(sizes))

# %% 1 wrong: "array of 8 numbers"
def combined(gradients, sizes):
    return [size * gradient for gradient, size in zip(gradients, sizes)]

# %% 1 right
def combined(gradients, sizes):
    total = [0.0] * 8
    for gradient, size in zip(gradients, sizes):
        total = [t + size * float(g) for t, g in zip(total, gradient)]
    return [t / sum(sizes) for t in total]

# %% 2 wrong: "peak and price both count"
break_even = 0.3 * 65 / 989

# %% 2 wrong: "peak and price both count"
break_even = 0.3 * (989 / 10.98) / (65 / 0.54)

# %% 2 wrong: "no percentage"
break_even = 40.09

# %% 2 wrong: "peak and price both count"
break_even = 0.46

# %% 2 wrong: "is a number"
break_even = "40 %"

# %% 2 right
break_even = np.float32(0.4009)

# %% 3 wrong: "After an overflow it is halved"
def next_scale(scale, good_steps, finite, patience):
    if good_steps + 1 == patience:
        return scale * 2, 0
    return scale, good_steps + 1

# %% 3 wrong: "Too early"
def next_scale(scale, good_steps, finite, patience):
    if not finite:
        return scale / 2, good_steps
    if good_steps + 1 == patience:
        return scale * 2, 0
    return scale, good_steps + 1

# %% 3 wrong: "good steps in a row it is doubled"
def next_scale(scale, good_steps, finite, patience):
    if not finite:
        return scale / 2, 0
    if good_steps + 1 == 3:
        return scale * 2, 0
    return scale, good_steps + 1

# %% 3 wrong: "Too early"
def next_scale(scale, good_steps, finite, patience):
    if not finite:
        return scale / 2, 0
    if good_steps + 1 >= patience:
        return scale * 2, good_steps + 1
    return scale, good_steps + 1

# %% 3 wrong: "Return two numbers"
def next_scale(scale, good_steps, finite, patience):
    return scale * 2 if finite else scale / 2

# %% 3 right
def next_scale(scale, good_steps, finite, patience):
    good_steps = good_steps + 1 if finite else 0
    grow = good_steps == patience
    factor = 0.5 if not finite else 2 if grow else 1
    return [np.float64(factor) * scale, np.int64(0 if grow else good_steps)]
