# %% 1 wrong: "no longer add up to 1"
weights, praise = [0.71, 0.0, 0.07], -1.12

# %% 1 wrong: "Hide 'very', and not 'not'"
weights, praise = np.array([0.0, 0.76, 0.24]), 1.76

# %% 1 wrong: "by the root of d"
weights, praise = [0.982, 0, 0.018], -1.95

# %% 1 wrong: "exactly 0"
weights, praise = [0.834, 0.083, 0.083], -1.42

# %% 1 wrong: "Softmax"
weights, praise = [1, 0, 0], -2

# %% 1 wrong: "its own praise"
weights, praise = np.array([0.91, 0, 0.09]), -2.73

# %% 1 wrong: "three numbers"
weights, praise = [0.91, 0.09], -1.73

# %% 1 wrong: "plus the sum"
weights, praise = [0.91, 0, 0.09], 1.73

# %% 1 right
weights, praise = (0.91, 0, 0.09), np.float32(-1.73)

# %% 1 right
weights = np.exp(np.array([4, -np.inf, 0]) / 3**0.5)
weights = (weights / weights.sum()).astype("float32")
praise = float(1 - 3 * weights[0])

# %% 2 wrong: "pooled output"
parameters = 21_642 * 128 + 256 + 2 * architecture.block_parameters(128, 512)

# %% 2 wrong: "two segments"
parameters = architecture.encoder_parameters(21_128, 512, 128, 2, 512, segments=0)

# %% 2 wrong: "bias"
block = 4 * 128**2 + 2 * 128 * 512 + 4 * 128
parameters = 21_642 * 128 + 256 + 2 * block + 128**2 + 128

# %% 2 wrong: "21,128 word pieces"
parameters = 4_385_920

# %% 2 wrong: "two blocks"
parameters = 21_642 * 128 + 256 + architecture.block_parameters(128, 512) + 128**2 + 128

# %% 2 wrong: "a whole number"
parameters = "3.2 million"

# %% 2 wrong: "Count words"
parameters = 3_200_000

# %% 2 right
parameters = np.float64(architecture.encoder_parameters(21_128, 512, 128, 2, 512))

# %% 2 right
parameters = np.int64(21_642 * 128 + 256 + 2 * 198_272 + 16_512)

# %% 3 wrong: "trained on English and code"
chinese, gain = ["BERT Chinese", "BERT multilingual (cased)", "ModernBERT-base"], 0.6

# %% 3 wrong: "Another model"
chinese, gain = ["BERT Chinese"], 0.6

# %% 3 wrong: "Smallest first"
chinese, gain = ["BERT multilingual (cased)", "BERT Chinese"], 0.6

# %% 3 wrong: "The other way round"
chinese, gain = ["BERT Chinese", "BERT multilingual (cased)"], 76.6 - 77.2

# %% 3 wrong: "XNLI Chinese"
chinese, gain = ["BERT Chinese", "BERT multilingual (cased)"], 6

# %% 3 wrong: "list of names"
chinese, gain = ["bert_base_zh", "bert_base_multi"], 0.6

# %% 3 right
chinese, gain = ("BERT Chinese", "BERT multilingual (cased)"), 0.6

# %% 3 right
facts = architecture.read_facts("models").set_index("model")
chinese = facts.index[facts["benchmark"] == "XNLI Chinese accuracy (%)"][::-1]
gain = np.float32(0.6)

# %% 4 wrong: "has the bytes"
tensor, piece = "embeddings.position_embeddings.weight", "the"

# %% 4 wrong: "subtract the 8 bytes *and* the header"
path = models.minilm_folder() / "model.safetensors"
header, start = architecture.read_safetensors_header(path)
tensor = "embeddings.word_embeddings.weight"
first = header[tensor]["data_offsets"][0]
piece = models.load_tokenizer().id_to_token((20_000_000 - first) // (4 * 384))

# %% 4 wrong: "where this tensor begins"
piece = models.load_tokenizer().id_to_token((20_000_000 - start) // (4 * 384))

# %% 4 wrong: "round down"
piece = models.load_tokenizer().id_to_token(-(-(20_000_000 - start - first) // (4 * 384)))

# %% 4 wrong: "Divide the place"
piece = models.load_tokenizer().id_to_token((20_000_000 - start - first) // 4096)

# %% 4 wrong: "two names"
piece = 12_000

# %% 4 right
row = int((20_000_000 - start - first) / 4 / 384)
piece = models.load_tokenizer().get_vocabulary()[row]

# %% 4 right
words = (models.minilm_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
tensor, piece = np.str_(tensor), words[row]
