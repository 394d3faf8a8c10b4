"""Texts longer than the backbone takes at once: read in windows whose logits are averaged, alike in every runtime."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import WORDS

from helpers import export, finetuning, models, predicting

LONG = 300  # tokens; the tiny backbone takes 128 at once, so three windows


def make_texts():
    """Texts of 0, 1, 126, 127, 252, 253, 378 and 900 tokens: below, at and above the ends of windows."""
    chance = np.random.default_rng(3)
    words = [word for word in WORDS if not word.startswith("##")]
    return [" ".join(chance.choice(words, size=size)) for size in (0, 1, 126, 127, 252, 253, 378, 900)]


def test_windows_hold_all_tokens_once_and_in_order(tiny_classifier):
    long = replace(tiny_classifier, max_length=LONG)
    assert (long.window, long.num_windows) == (128, 3)
    windows, owners = models.token_windows(long, make_texts())
    assert owners.tolist() == [0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7]
    assert [len(window) for window in windows] == [2, 3, 128, 128, 3, 128, 128, 128, 128, 3] + [128] * 6
    whole = models.token_ids(long.tokenizer, make_texts(), max_length=3 * 126 + 2)
    for number, row in enumerate(whole):
        own = [window for window, owner in zip(windows, owners, strict=True) if owner == number]
        assert np.concatenate([window[1:-1] for window in own]).tolist() == row[1:-1].tolist()
        assert all(window[0] == row[0] and window[-1] == row[-1] for window in own)


def test_a_text_of_several_windows_gets_the_mean_of_their_logits(tiny_classifier):
    long = replace(tiny_classifier, max_length=LONG)
    text = make_texts()[5]
    words = text.split()
    parts = [" ".join(words[start : start + 126]) for start in (0, 126, 252)]
    logits = finetuning.predict_outputs(long.model, long, parts)
    found = finetuning.predict_outputs(long.model, long, ["good", text, "bad"])[1]
    assert np.allclose(found, logits.mean(axis=0), atol=1e-6)
    assert np.abs(found - logits[0]).max() > 1e-4  # what stands beyond the first window counts
    cut = finetuning.predict_outputs(long.model, replace(long, max_length=128), [text])[0]
    assert np.allclose(cut, logits[0], atol=1e-6)


def test_each_window_is_an_example_with_the_texts_label(tiny_classifier):
    ids, labels = finetuning.encode_examples(tiny_classifier, ["good " * 200, "bad"], [1, 0], LONG)
    assert [len(row) for row in ids] == [128, 76, 3] and labels.tolist() == [1, 1, 0]


@pytest.mark.tensorflow
def test_every_export_reads_the_same_windows(tiny_classifier, tmp_path, monkeypatch):
    long, texts = replace(tiny_classifier, max_length=LONG), make_texts()
    expected = finetuning.predict_proba(long, texts)
    assert np.abs(expected - finetuning.predict_proba(tiny_classifier, texts)).max() > 1e-4
    import tensorflow as tf

    folder = export.write_saved_model(long, tmp_path / "saved")
    served = tf.saved_model.load(str(folder))
    lite = export.lite_path(export.write_lite(long, tmp_path / "lite", texts, ["float32"]), "float32")
    onnx = predicting.OnnxModel(export.write_onnx(long, tmp_path / "onnx"))
    found = {
        "SavedModel": served.predict(tf.constant(texts)).numpy(),
        "LiteRT": export.LiteModel(lite)(texts),
        "ONNX": onnx(texts),
    }
    for name, answers in found.items():
        assert np.abs(answers - expected).max() < 1e-5, name
    # a few windows at a time, as little memory, the same answers
    sizes, session = [], onnx.session
    monkeypatch.setattr(predicting, "BATCH", 6)
    monkeypatch.setattr(
        onnx, "session", SimpleNamespace(run=lambda names, part: [record(sizes, session.run(names, part))])
    )
    assert np.abs(onnx(texts) - expected).max() < 1e-5 and sizes == [6, 6, 4]
    sizes.clear()
    monkeypatch.setattr(predicting, "TOKENS", 5 * long.window)
    assert np.abs(onnx(texts) - expected).max() < 1e-5 and sizes == [5, 5, 5, 1]


def record(sizes: list[int], outputs: list[np.ndarray]) -> np.ndarray:
    """Note how many rows came back, and give them on."""
    sizes.append(len(outputs[0]))
    return outputs[0]
