# %% 1 wrong: "the bound is twice that"
X, y = least_squares(7)
largest_rate = 1 / np.linalg.eigvalsh(2 / len(X) * X.T @ X).max()

# %% 1 wrong: "The loss is a mean"
largest_rate = 2 / np.linalg.eigvalsh(X.T @ X).max()

# %% 1 wrong: "the steepest limits"
largest_rate = 2 / np.linalg.eigvalsh(2 / len(X) * X.T @ X).min()

# %% 1 wrong: "has its factor"
largest_rate = 2 / np.linalg.eigvalsh(X.T @ X / len(X)).max()

# %% 1 wrong: "2 divided by it"
largest_rate = np.linalg.eigvalsh(2 / len(X) * X.T @ X).max()

# %% 1 wrong: "it is too small"
largest_rate = 0.1

# %% 1 wrong: "it is too large"
largest_rate = 2

# %% 1 wrong: "one number"
largest_rate = 2 / np.linalg.eigvalsh(2 / len(X) * X.T @ X)

# %% 1 wrong: "Compute a number"
largest_rate = "2 / 3.6"

# %% 1 right
largest_rate = 2 / np.linalg.norm(2 / len(X) * X.T @ X, 2)

# %% 1 right
largest_rate = np.array(len(X) / np.linalg.svd(X)[1][0] ** 2)

# %% 2 wrong: "That is the sum over the texts"
def smooth(label, classes, s):
    return (1 - s) * np.eye(classes)[label] + s / classes


def log_softmax(logits):
    lowered = logits - logits.max(axis=1, keepdims=True)
    return lowered - np.log(np.exp(lowered).sum(axis=1, keepdims=True))


def smoothed_loss(label, logits, s):
    return -(smooth(label, logits.shape[1], s) * log_softmax(logits)).sum()


def smoothed_gradient(label, logits, s):
    return softmax(logits) - smooth(label, logits.shape[1], s)

# %% 2 wrong: "take the mean over texts only"
def smoothed_loss(label, logits, s):
    return -(smooth(label, logits.shape[1], s) * log_softmax(logits)).mean()

# %% 2 wrong: "not smoothed"
def smoothed_loss(label, logits, s):
    return -np.mean(log_softmax(logits)[np.arange(len(label)), label])

# %% 2 wrong: "do not share s among the other"
def smoothed_loss(label, logits, s):
    one_hot = np.eye(logits.shape[1])[label]
    targets = (1 - s) * one_hot + s / (logits.shape[1] - 1) * (1 - one_hot)
    return -(targets * log_softmax(logits)).sum(axis=1).mean()

# %% 2 wrong: "not log(softmax)"
def smoothed_loss(label, logits, s):
    targets = smooth(label, logits.shape[1], s)
    return -(targets * np.log(softmax(logits))).sum(axis=1).mean()

# %% 2 wrong: "divide by the number of texts"
def smoothed_loss(label, logits, s):
    return -(smooth(label, logits.shape[1], s) * log_softmax(logits)).sum(axis=1).mean()

# %% 2 wrong: "You forgot to smooth"
def smoothed_gradient(label, logits, s):
    return (softmax(logits) - np.eye(logits.shape[1])[label]) / len(label)

# %% 2 wrong: "The sign is wrong"
def smoothed_gradient(label, logits, s):
    return (smooth(label, logits.shape[1], s) - softmax(logits)) / len(label)

# %% 2 wrong: "is not the slope of your loss"
def smoothed_gradient(label, logits, s):
    found = np.zeros(logits.shape)
    right = (softmax(logits) - smooth(label, logits.shape[1], s)) / len(label)
    found[3, 2] = right[3, 2]
    return found

# %% 2 wrong: "one number for each logit"
def smoothed_gradient(label, logits, s):
    return (softmax(logits) - smooth(label, logits.shape[1], s)).mean(axis=0)

# %% 2 wrong: "Use the argument s in the gradient"
def smoothed_gradient(label, logits, s):
    return (softmax(logits) - smooth(label, logits.shape[1], 0.1)) / len(label)

# %% 2 right
def smoothed_loss(label, logits, s):
    largest = logits.max(axis=1)
    log_sum = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    right = logits[np.arange(len(label)), label]
    return float(np.mean(log_sum - (1 - s) * right - s * logits.mean(axis=1)))


def smoothed_gradient(label, logits, s):
    gradient = softmax(logits) - s / logits.shape[1]
    gradient[np.arange(len(label)), label] -= 1 - s
    return (gradient / len(label)).tolist()

# %% 3 wrong: "epsilon is beside the root"
def rmsprop(weights, gradient, square, learning_rate, rho):
    square = rho * square + (1 - rho) * gradient**2
    return weights - learning_rate * gradient / (np.sqrt(square) + 1e-7), square

# %% 3 wrong: "Update v first"
def rmsprop(weights, gradient, square, learning_rate, rho):
    weights = weights - learning_rate * gradient / np.sqrt(square + 1e-7)
    return weights, rho * square + (1 - rho) * gradient**2

# %% 3 wrong: "Divide by the *root*"
def rmsprop(weights, gradient, square, learning_rate, rho):
    square = rho * square + (1 - rho) * gradient**2
    return weights - learning_rate * gradient / (square + 1e-7), square

# %% 3 wrong: "forgets the ones before"
def rmsprop(weights, gradient, square, learning_rate, rho):
    new = rho * square + (1 - rho) * gradient**2
    return weights - learning_rate * gradient / np.sqrt(new + 1e-7), square

# %% 3 wrong: "share of the old v"
def rmsprop(weights, gradient, square, learning_rate, rho):
    square = (1 - rho) * square + rho * gradient**2
    return weights - learning_rate * gradient / np.sqrt(square + 1e-7), square

# %% 3 wrong: "a pair"
def rmsprop(weights, gradient, square, learning_rate, rho):
    square = rho * square + (1 - rho) * gradient**2
    return weights - learning_rate * gradient / np.sqrt(square + 1e-7)

# %% 3 wrong: "differs from Keras's"
def rmsprop(weights, gradient, square, learning_rate, rho):
    square = rho * square + (1 - rho) * gradient**2
    square = square / (1 - rho)
    return weights - learning_rate * gradient / np.sqrt(square + 1e-7), square

# %% 3 wrong: "Use the arguments"
def rmsprop(weights, gradient, square, learning_rate, rho):
    square = 0.9 * square + 0.1 * gradient**2
    return weights - 0.01 * gradient / np.sqrt(square + 1e-7), square

# %% 3 right
def rmsprop(weights, gradient, square, learning_rate, rho):
    v = square + (1 - rho) * (np.square(gradient) - square)
    return [weights - gradient * learning_rate * (v + 1e-7) ** -0.5, v]
