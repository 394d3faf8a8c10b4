"""Numbers of parameters and operations against Keras and against counts by hand; masks, facts, headers of files."""

import json

import keras
import keras_hub
import numpy as np
import pytest

from helpers import architecture, models

# ---- parameters


@pytest.mark.parametrize("layers, width, feed_forward, segments", [(1, 8, 24, 2), (3, 12, 20, 4)])
def test_encoder_parameters_are_those_of_keras(layers, width, feed_forward, segments):
    bert = keras_hub.models.BertBackbone(
        30, layers, 2, width, feed_forward, max_sequence_length=9, num_segments=segments
    )
    assert architecture.encoder_parameters(30, 9, width, layers, feed_forward, segments) == bert.count_params()


def test_encoder_parameters_without_segments_and_pooler_are_distilberts():
    distilled = keras_hub.models.DistilBertBackbone(30, 2, 2, 8, 24, max_sequence_length=9)
    assert architecture.encoder_parameters(30, 9, 8, 2, 24, segments=0, pooler=False) == distilled.count_params()


@pytest.mark.parametrize("layers, width, feed_forward", [(1, 8, 24), (3, 12, 20)])
def test_decoder_parameters_are_those_of_keras(layers, width, feed_forward):
    gpt = keras_hub.models.GPT2Backbone(30, layers, 2, width, feed_forward, max_sequence_length=9)
    assert architecture.decoder_parameters(30, 9, width, layers, feed_forward) == gpt.count_params()


@pytest.mark.parametrize("image, patch, channels, layers", [(8, 2, 1, 1), (12, 4, 3, 2)])
def test_vision_parameters_are_those_of_keras(image, patch, channels, layers):
    vit = keras_hub.models.ViTBackbone((image, image, channels), patch, layers, 2, 8, 24)
    assert architecture.vision_parameters(image, patch, channels, 8, layers, 24) == vit.count_params()


def test_patches_must_fill_the_image():
    with pytest.raises(ValueError, match="Patches of 3 pixels do not fill a side of 8"):
        architecture.vision_parameters(8, 3, 1, 8, 1, 24)


def test_minilm_has_the_numbers_of_the_formula(minilm):
    assert architecture.encoder_parameters(30522, 512, 384, 6, 1536) == minilm.backbone.count_params() == 22_713_216


# ---- operations


def test_operations_by_hand():
    # One layer, width 2, inner width 3, 5 tokens: matrices 4*2*2 + 2*2*3 = 28 multiply-adds a token, attention 2*5*2 = 20.
    assert architecture.forward_operations(1, 2, 3, 5) == 2 * 5 * (28 + 20)
    assert architecture.forward_operations(6, 2, 3, 5) == 6 * architecture.forward_operations(1, 2, 3, 5)
    assert architecture.forward_operations(1, 2, 3, 5, looked_at=0) == 2 * 5 * 28
    assert architecture.forward_operations(1, 2, 3, 5, looked_at=1) == 2 * 5 * (28 + 4)
    assert architecture.training_operations(1, 2, 3, 5) == 3 * 2 * 5 * (28 + 20)
    assert architecture.training_operations(1, 2, 3, 5, looked_at=0) == 3 * 2 * 5 * 28


@pytest.mark.parametrize("heads", [1, 4])
def test_operations_are_those_of_the_matrix_products_of_a_block(heads):
    """An independent count: a block of attention and feed-forward in NumPy, each product of matrices noted as it is made."""
    tokens, width, feed_forward = 7, 8, 20
    random, made = np.random.default_rng(0), []

    def product(a, b):
        made.append(2 * a.shape[0] * a.shape[1] * b.shape[1])
        return a @ b

    x = random.normal(size=(tokens, width))
    query, key, value = (product(x, random.normal(size=(width, width))) for _ in range(3))
    parts = zip(*(np.split(matrix, heads, axis=1) for matrix in (query, key, value)), strict=True)
    mixed = np.concatenate([product(product(q, k.T), v) for q, k, v in parts], axis=1)
    mixed = product(mixed, random.normal(size=(width, width)))
    inner = product(mixed, random.normal(size=(width, feed_forward)))
    product(inner, random.normal(size=(feed_forward, width)))
    assert architecture.forward_operations(3, width, feed_forward, tokens) == 3 * sum(made)


def test_operations_without_attention_are_two_for_each_number_in_kerashubs_matrices():
    bert = keras_hub.models.BertBackbone(30, 3, 2, 12, 20, max_sequence_length=9)
    layers = [layer for layer in bert.layers if layer.name.startswith("transformer_layer")]
    matrices = [w for layer in layers for w in layer.trainable_weights if w.path.endswith("kernel")]
    numbers = sum(int(np.prod(weight.shape)) for weight in matrices)
    assert len(matrices) == 3 * 6
    assert architecture.forward_operations(3, 12, 20, tokens=5, looked_at=0) == 2 * 5 * numbers


# ---- masks


def test_attention_by_hand():
    # One query of size 4 and scores 2 and 0: shares e^1 and e^0, since 2 is divided by the root of 4.
    query, key = np.array([[1.0, 0, 0, 0]]), np.array([[2.0, 9, 9, 9], [0, 9, 9, 9]])
    collected, weights = architecture.attend(query, key, np.array([[10.0], [0.0]]))
    first = np.e / (np.e + 1)
    assert np.allclose(weights, [[first, 1 - first]]) and np.allclose(collected, [[10 * first]])


def test_attention_is_zero_where_nobody_may_look():
    generator = np.random.default_rng(1)
    query, key, value = generator.normal(size=(3, 2, 5, 4))  # two heads, five tokens
    mask = architecture.attention_mask("decoder", [1, 1, 1, 1, 0])
    collected, weights = architecture.attend(query, key, value, mask)
    assert collected.shape == (2, 5, 4) and weights.shape == (2, 5, 5)
    assert (weights[:, ~mask] == 0).all() and (weights[:, mask] > 0).all() and np.allclose(weights.sum(axis=-1), 1)
    assert np.allclose(collected[:, 0], value[:, 0])  # the first token sees itself alone
    assert np.allclose(weights[1], architecture.attend(query[1], key[1], value[1], mask)[1])


def test_attention_with_huge_scores_does_not_overflow():
    collected, weights = architecture.attend(np.array([[1e4]]), np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]))
    assert weights.tolist() == [[0, 1]] and collected.tolist() == [[4]]


def test_attention_is_that_of_keras():
    generator = np.random.default_rng(2)
    query, key, value = generator.normal(size=(3, 6, 8)).astype("float32")
    mask = architecture.attention_mask("decoder", np.ones(6))
    theirs = keras.layers.Attention(use_scale=False)(
        [query[None] / np.sqrt(np.float32(8)), value[None], key[None]], mask=None, use_causal_mask=True
    )
    assert np.allclose(architecture.attend(query, key, value, mask)[0], np.asarray(theirs)[0], atol=1e-6)


def test_attention_masks():
    assert architecture.attention_mask("encoder", [1, 1, 0]).tolist() == [[True, True, False]] * 3
    assert architecture.attention_mask("decoder", [1, 1, 0]).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, False],
    ]
    assert architecture.attention_mask("vision", [1, 1]).all()
    assert architecture.attention_mask("decoder", [1, 1]).dtype == bool
    with pytest.raises(ValueError, match="'rnn'; there are encoder, decoder, vision"):
        architecture.attention_mask("rnn", [1])


def test_influence_says_which_change_moves_which_output():
    def vectors_of(inputs):  # output 0 is input 0; output 1 is the sum of both, and two constants in each vector
        outputs = np.stack([inputs[:, 0], inputs.sum(axis=1)], axis=1)
        return np.stack([outputs, 0 * outputs, 0 * outputs + 7], axis=2)

    found = architecture.measure_influence(vectors_of, np.array([1.0, 2.0]), np.array([[1.5, 2.0], [1.0, -1.0]]))
    assert found.tolist() == [[0.5, 0.0], [0.5, 3.0]]


@pytest.mark.parametrize("family", ["encoder", "decoder"])
def test_kerashubs_models_obey_the_masks(family):
    size = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": 8}
    cls = {"encoder": keras_hub.models.BertBackbone, "decoder": keras_hub.models.GPT2Backbone}[family]
    model, ids, real = cls(50, **size), np.array([3, 14, 15, 9, 0]), np.array([1, 1, 1, 1, 0])
    changed = np.where(np.eye(5, dtype=bool), 26, ids)

    def vectors_of(tokens):
        inputs = models.inputs_of(tokens, np.tile(real, (len(tokens), 1)))
        output = model({name: inputs[name] for name in model.input})
        return output["sequence_output"] if family == "encoder" else output

    moved = architecture.measure_influence(vectors_of, ids, changed) > 1e-5
    assert np.array_equal(moved, architecture.attention_mask(family, real) | np.eye(5, dtype=bool))


# ---- quoted facts


def test_published_models_have_sources_and_agree_with_kerashub():
    table = architecture.read_facts("models")
    assert len(table) == 13 and table["model"].is_unique
    quoted = table[table["quality"].notna()]
    assert quoted[["benchmark", "source"]].notna().all(axis=None)
    assert table["source"].str.contains(r"(?:19|20)\d\d").all()
    assert table["licence"].dropna().isin(["Apache-2.0", "Modified MIT"]).all()
    counted = {}
    for cls in ("BertBackbone", "DistilBertBackbone", "GPT2Backbone", "ViTBackbone"):
        presets = getattr(keras_hub.models, cls).presets
        counted |= {name: preset["metadata"]["params"] for name, preset in presets.items()}
    offered = table[table["preset"].notna()]
    assert len(offered) == 11
    assert {row.model: row.parameters for row in offered.itertuples()} == {
        row.model: counted[row.preset] for row in offered.itertuples()
    }


def test_other_tasks_name_what_kerashub_has():
    table = architecture.read_facts("beyond_text")
    assert len(table) >= 10 and table[["task", "family", "read", "year"]].notna().all(axis=None)
    for row in table.fillna("").itertuples():
        assert bool(row.keras_hub_class) != bool(row.guide), row.task
        if row.keras_hub_class:
            assert row.preset in getattr(keras_hub.models, row.keras_hub_class).presets, row.task


# ---- safetensors


def test_header_of_safetensors_agrees_with_the_library():
    from safetensors import safe_open

    path = models.minilm_folder() / "model.safetensors"
    header, start = architecture.read_safetensors_header(path)
    with safe_open(path, "numpy") as file:
        assert set(header) == set(file.keys())
        wanted = file.get_tensor("embeddings.LayerNorm.weight")
    begin, end = header["embeddings.LayerNorm.weight"]["data_offsets"]
    with path.open("rb") as raw:
        raw.seek(start + begin)
        assert np.array_equal(np.frombuffer(raw.read(end - begin), "<f4"), wanted)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a zip file, as PyTorch makes them",
        (2**40).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"nope",
        (2).to_bytes(8, "little") + b"[]",
        (5).to_bytes(8, "little") + b'{"a": ',
        (3).to_bytes(8, "little") + b"{}",
    ],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^model\.safetensors does not begin with a safetensors header\.$"):
        architecture.read_safetensors_header(path)


def test_metadata_is_no_tensor(tmp_path):
    header = json.dumps({"__metadata__": {"format": "pt"}, "a": {"dtype": "F32"}}).encode()
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header)
    assert architecture.read_safetensors_header(tmp_path / "x") == ({"a": {"dtype": "F32"}}, 8 + len(header))


def test_a_file_without_tensors_is_read(tmp_path):
    (tmp_path / "x").write_bytes((2).to_bytes(8, "little") + b"{}")
    assert architecture.read_safetensors_header(tmp_path / "x") == ({}, 10)
