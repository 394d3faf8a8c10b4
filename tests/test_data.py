"""Splits without leaks, of all sources; the artifacts that lessons share; TFDS."""

import itertools
import logging

import pandas as pd
import pytest

from helpers import cleaning, data, runtime


@pytest.fixture(scope="module")
def reviews():
    return cleaning.clean(cleaning.load())[0]


@pytest.fixture(scope="module")
def splits(reviews):
    return data.split(reviews)


def test_labels():
    assert data.label(pd.Series([1, 2, 3, 4, 5])).tolist() == [0, 0, -1, 1, 1]


def test_clusters_join_over_a_common_neighbour():
    found = data.cluster(["a b c d", "a b c d e f", "a b c d e f g h i", "z y x"])
    assert found[0] == found[1] == found[2] != found[3]


def test_split_sizes_are_exact(splits):
    total = sum(len(splits[name]) for name in data.SPLIT_SHARES)
    for name, share in data.SPLIT_SHARES.items():
        assert abs(len(splits[name]) - share * total) < 1


def test_split_loses_and_doubles_nothing(reviews, splits):
    ids = sorted(itertools.chain.from_iterable(part["review_id"] for part in splits.values()))
    assert ids == sorted(reviews["review_id"])


def test_split_is_stratified(splits):
    counts = pd.DataFrame({name: splits[name].groupby(data.STRATUM).size() for name in data.SPLIT_SHARES}).fillna(0)
    for name, share in data.SPLIT_SHARES.items():
        assert (counts[name] - share * counts.sum(axis=1)).abs().max() < 3.1  # rounding; clusters stay whole
    known = counts.drop(index="unknown", level="domain").drop(index="unknown", level="style")
    assert len(known) == 6 * 4 * 2 and len(counts) > len(known)


def test_no_near_duplicate_stands_on_another_side(splits):
    rows = pd.concat([splits[name].assign(side=name) for name in data.SPLIT_SHARES], ignore_index=True)
    pairs = cleaning.find_near_duplicates(rows["text"].tolist())
    assert len(pairs) == 23  # or else this test would prove nothing
    sides = rows["side"].to_numpy()
    assert (sides[pairs[:, 0]] == sides[pairs[:, 1]]).all()


def test_later_and_undecided_are_set_aside(splits):
    assert set(splits["later"]["domain"]) == {"course", "travel"}
    for name in data.SPLIT_SHARES:
        assert not set(splits[name]["domain"]) & {"course", "travel"}
        assert set(splits[name]["label"]) == {0, 1}
    assert set(splits["undecided"]["stars"]) == {3}


def test_split_does_not_depend_on_the_order_of_the_rows(reviews, splits):
    shuffled = data.split(reviews.sample(frac=1, random_state=1).reset_index(drop=True))
    for name in data.SPLIT_SHARES:
        assert set(shuffled[name]["review_id"]) == set(splits[name]["review_id"])


def test_the_splits_of_the_reviews_stay_what_they_were(splits):
    """Stored experiments and the lessons' numbers are about these very rows."""
    assert {name: (len(part), data.content_hash(part)[:16]) for name, part in splits.items()} == {
        "train": (2409, "132e26da528bb53b"),
        "validation": (402, "4dc1cfc5b3c2a92e"),
        "test": (1205, "f5a705169b46e69f"),
        "undecided": (649, "386836f372c90d40"),
        "later": (1535, "40524c5c126a87db"),
    }
    for part in splits.values():
        assert set(part) == {*cleaning.COLUMNS, "label"} and part.index.tolist() == list(range(len(part)))


def dealt(texts, **columns):
    """Side -> the texts that `deal` puts there; of one stratum if no columns are given."""
    frame = pd.DataFrame({"text": texts, **(columns or {"label": 0})})
    return {side: part["text"].tolist() for side, part in data.deal(frame, list(columns) or ["label"]).items()}


def test_dealing_fills_the_test_first_then_validation_then_train():
    texts = [f"word{i} other{i}" for i in range(20)]
    order = sorted(texts, key=cleaning.stable_hash)
    sides = {side: sorted(part, key=order.index) for side, part in dealt(texts).items()}
    assert sides == {"test": order[:6], "validation": order[6:8], "train": order[8:]}
    for side, part in dealt(texts).items():
        assert part == [text for text in texts if text in sides[side]]  # within a side the order of the rows stays


def test_dealing_keeps_clusters_whole():
    family = [f"a long text that is the same but for number {i}" for i in range(4)]
    texts = [f"word{i} other{i}" for i in range(6)] + family  # of ten rows three are for the test
    singles = sorted(texts[:6], key=cleaning.stable_hash)
    assert dealt(texts) == {"train": [*sorted(singles[4:], key=texts.index), *family], "validation": [singles[3]],
                            "test": sorted(singles[:3], key=texts.index)}  # fmt: skip


def test_rounding_does_not_add_up_over_the_strata():
    texts = [f"word{i} other{i}" for i in range(50)]
    sizes = {side: len(part) for side, part in dealt(texts, label=[i // 5 for i in range(50)]).items()}
    assert sizes == {"train": 30, "validation": 5, "test": 15}  # five rows a stratum: half a row for validation


def test_what_the_sources_hold_survives_the_artifact(artifacts, monkeypatch):
    odd = ["a\rb", "a\r\nb", "a\nb", '"', '""', "a,b", "NA", "", " ", "7", "1e3", "\x00", "'", "\u2028", "é"]
    frame = pd.DataFrame({"text": odd, "label": [i % 2 for i in range(len(odd))], "domain": ["a\rb"] * len(odd)})
    splits = {"train": frame, "validation": frame[3:5], "test": frame[:1]}
    monkeypatch.setattr(data, "load_tfds", lambda name: (splits, ("no, never", "jä")))
    for _ in ("made", "found"):
        found, names = data.prepare_splits("imdb_reviews")
        assert names == ("no, never", "jä") and set(found) == set(splits)
        for side, part in splits.items():
            pd.testing.assert_frame_equal(found[side], part.reset_index(drop=True), check_dtype=False)


@pytest.mark.tensorflow
def test_the_artifacts_depend_on_all_helpers_that_make_them(artifacts, monkeypatch):
    seen = {}

    def record(name, make, inputs, sources, remake=False):
        seen[name] = [path.name for path in sources], remake
        raise InterruptedError

    monkeypatch.setattr(runtime, "artifact", record)
    for ask in (data.prepare_splits, data.course_reviews_folder):
        with pytest.raises(InterruptedError):
            ask()
    sources = ["cleaning.py", "tables.py", "own_file.py", "data.py"]
    assert seen == {"splits": (sources, False), "course_reviews": (sources, False)}


def test_the_key_of_an_artifact_holds_what_the_splits_depend_on(tmp_path, monkeypatch):
    seen = []

    def record(name, make, inputs, sources, remake):
        seen.append(inputs)
        raise InterruptedError

    monkeypatch.setattr(runtime, "artifact", record)
    (tmp_path / "mine.csv").write_text("text,kind\nfine,yes\n")
    for source in ("reviews", "imdb_reviews", {"file": str(tmp_path / "mine.csv"), "label": "kind"}):
        with pytest.raises(InterruptedError):
            data.prepare_splits(source, 50)
    hashes = {"train": runtime.file_hash(tmp_path / "mine.csv")}
    own = {"source": hashes, "max_rows": 50, "text": None, "label": "kind", "rare": "refuse"}
    assert seen == [{"source": runtime.file_hash(cleaning.RAW)}, {"source": "imdb_reviews"}, own]


def test_prepared_gives_the_same_splits_when_made_and_when_found(artifacts, splits):
    for _ in ("made", "found"):
        prepared, names = data.prepare_splits()
        assert names == data.LABELS
        for name, part in splits.items():
            pd.testing.assert_frame_equal(prepared[name], part, check_dtype=False)


def test_content_hash_sees_text_label_and_order():
    frame = pd.DataFrame({"text": ["a", "b"], "label": [0, 1]})
    others = [frame.assign(text=["a", "c"]), frame.assign(label=[1, 1]), frame[::-1], frame]
    hashes = [data.content_hash(other) for other in others]
    assert len(set(hashes)) == 4 and hashes[-1] == data.content_hash(frame)


def test_carved_takes_a_share_of_each_label_whatever_the_order():
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(96)], "label": [0] * 60 + [1] * 32 + [2] * 4})
    rest, part = data.carve(frame)
    assert part["label"].value_counts().to_dict() == {0: 6, 1: 3, 2: 1}
    assert [*rest] == [*part] == ["text", "label"] and rest.index.tolist() == list(range(86))
    assert sorted([*rest["text"], *part["text"]]) == sorted(frame["text"]) and part.index.tolist() == list(range(10))
    again = data.carve(frame.sample(frac=1, random_state=0))[1]
    assert set(again["text"]) == set(part["text"])
    zeros = frame[frame["label"] == 0]["text"]
    assert set(part["text"][part["label"] == 0]) == set(sorted(zeros, key=cleaning.stable_hash)[:6])
    twice = pd.concat([frame, frame], ignore_index=True)
    rest, part = data.carve(twice)
    assert not set(rest["text"]) & set(part["text"]) and len(rest) + len(part) == 192
    assert len(data.carve(frame, share=0.5)[1]) == 30 + 16 + 2


# ---- a reader's own file


def test_a_file_is_told_from_a_data_set_by_its_ending_or_by_being_there(tmp_path):
    for source in ({"file": "mine"}, "mine.csv", "MINE.JSONL.GZ", "a/mine.xlsx", str(tmp_path)):
        assert data.is_own_file(source) is True
    for source in ("imdb_reviews", "glue/sst2", "csv"):
        assert data.is_own_file(source) is False and data.name_of(source) == source
    assert data.name_of("/home/me/mine.csv") == data.name_of({"file": "some/mine.csv"}) == "mine.csv"


def test_the_hash_of_a_folder_is_that_of_names_and_contents(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file nowhere"):
        data.hash_of(data.Path("nowhere"))
    (tmp_path / "a.txt").write_text("fine")
    assert data.hash_of(tmp_path / "a.txt") == runtime.file_hash(tmp_path / "a.txt")
    hashes = [data.hash_of(tmp_path)]
    (tmp_path / "a.txt").write_text("poor")
    hashes.append(data.hash_of(tmp_path))
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    hashes.append(data.hash_of(tmp_path))
    assert len({*hashes, data.hash_of(tmp_path / "b.txt")}) == 4 and hashes[-1] == data.hash_of(tmp_path)


def test_a_family_that_is_too_large_for_the_test_is_parted(capsys):
    """Of class a 4 rows of 10 are a family, too many, and 3 another, just not; of class b 2 rows of 3, too many."""
    f, g, h = (" ".join(f"{letter}{i}" for i in range(10)) for letter in "fgh")
    large, small = [f"{f} x", f"{f} x y", f"p q r {f}", f"p q r {f} s"], [f"{g} x", f"{g} y", f"{g} z"]
    texts = [*large, *small, f"{h} k l m n", f"t u v {h}", "b alone", "one two", "three four", "five six"]
    rows = pd.DataFrame({"text": texts, "label": ["a"] * 7 + ["b"] * 3 + ["a"] * 3})
    families = data.find_families(rows)
    assert pd.Series(range(13)).groupby(families).agg(list).sort_values().tolist() == [
        [0, 1], [2, 3], [4, 5, 6], [7], [8], [9], [10], [11], [12],
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert said.startswith("6 rows are so much alike") and "less than 80% of their word pairs" in said


def test_families_are_found_in_scripts_without_spaces():
    texts = ["这家酒店的房间很干净，服务也很好", "这家酒店的房间很干净，服务也不好", "电池只能用半天，屏幕很亮"]
    texts += ["ห้องพักสะอาดมาก บริการดี", "ห้องพักสะอาดมาก บริการแย่", "แบตเตอรี่หมดเร็ว"]
    families = data.find_families(pd.DataFrame({"text": texts + [f"other{i} text{i}" for i in range(8)], "label": 0}))
    assert pd.Series(range(6)).groupby(families[:6]).agg(list).sort_values().tolist() == [[0, 1], [2], [3, 4], [5]]


def own_rows(number=40):
    """Rows of two classes as `own_file.read` gives them, unlike each other."""
    texts = [f"word{i} other{i}" for i in range(number)]
    return pd.DataFrame({"line": range(2, 2 + number), "text": texts, "label": ["no", "yes"] * (number // 2)})


def test_a_readers_rows_are_dealt_or_keep_their_sides():
    splits, names = data.split_own_file(own_rows())
    assert names == ("no", "yes")
    assert {side: len(part) for side, part in splits.items()} == {"train": 24, "validation": 4, "test": 12}
    sides = ["train"] * 20 + ["test"] * 20
    splits, _ = data.split_own_file(own_rows().assign(side=sides))
    assert {side: len(part) for side, part in splits.items()} == {"train": 18, "validation": 2, "test": 20}
    assert splits["test"]["text"].tolist() == own_rows()["text"].tolist()[20:]
    for part in splits.values():
        assert list(part) == ["text", "label"] and part.index.tolist() == list(range(len(part)))
    with pytest.raises(data.own_file.DataError, match="Class 'yes' has no row to test with"):
        data.split_own_file(own_rows().assign(side=sides, label=["no", "yes"] * 10 + ["no"] * 20))


def test_a_readers_file_is_prepared_once(artifacts, tmp_path, capsys):
    own_rows().drop(columns="line").to_csv(tmp_path / "mine.csv", index=False)
    for said in ("40 rows", "found in"):
        splits, names = data.prepare_splits(str(tmp_path / "mine.csv"))
        assert said in capsys.readouterr().out and names == ("no", "yes") and sum(map(len, splits.values())) == 40


# ---- TFDS


@pytest.mark.tensorflow
def test_course_reviews_come_from_tfds_as_from_the_file(artifacts, splits, capfd):
    found, names = data.load_tfds("course_reviews")
    printed = capfd.readouterr()
    assert names == data.LABELS and list(found) == ["train", "validation", "test"]
    assert str(artifacts) not in printed.out + printed.err and "Downloading" not in printed.out + printed.err
    for side, frame in found.items():
        assert list(frame) == ["text", "label"]
        pairs = sorted(zip(frame["text"], frame["label"], strict=True))
        assert pairs == sorted(zip(splits[side]["text"], splits[side]["label"], strict=True))


@pytest.mark.tensorflow
def test_without_a_network_a_download_is_tried_five_times_at_most(monkeypatch):
    """Ten tries, with waits that double, took minutes before the reader saw a word."""
    from tensorflow_datasets.core.download import downloader

    tries = []

    def refuse(self, url, **options):
        tries.append(self.get_adapter(url).max_retries.total)
        raise ConnectionError("no network")

    monkeypatch.setattr("requests.Session.get", refuse)
    data._tfds()
    with pytest.raises(ConnectionError), downloader._open_with_requests("https://example.org/sst2.zip"):
        pass
    assert tries == [5]


@pytest.mark.tensorflow
def test_without_a_network_no_try_has_a_warning_of_its_own(monkeypatch, caplog):
    log = logging.getLogger("urllib3.connectionpool")
    monkeypatch.setattr(log, "level", logging.NOTSET)  # as before the first call
    monkeypatch.setattr(log, "_cache", {})
    log.warning("Retrying (total=9)")
    data._tfds()
    log.warning("Retrying (total=8)")
    assert [record.getMessage() for record in caplog.records if record.name == log.name] == ["Retrying (total=9)"]


@pytest.mark.tensorflow
def test_tfds_load_knows_the_reviews_by_name(artifacts, splits):
    import tensorflow_datasets as tfds

    folder = data.course_reviews_folder()
    assert folder.parent == artifacts
    examples, info = tfds.load("course_reviews", split="train", data_dir=str(folder), with_info=True)
    assert info.splits["test"].num_examples == len(splits["test"]) and info.features["label"].names == [*data.LABELS]
    rows = {int(row["review_id"]): row for row in tfds.as_numpy(examples)}
    known = splits["train"].iloc[0]
    row = rows[known["review_id"]]
    assert row["text"].decode() == known["text"] and row["stars"] == known["stars"] and row["label"] == known["label"]
    assert (row["domain"].decode(), row["style"].decode()) == (known["domain"], known["style"])


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("glue/sst2", ("negative", "positive")),
        ("imdb_reviews", ("neg", "pos")),
        ("ag_news_subset", ("World", "Sports", "Business", "Sci/Tech")),
    ],
)
def test_public_sets_are_read_by_the_same_function(name, names, tmp_path):
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=30):
        found, label_names = data.load_tfds(name, tmp_path)
    assert label_names == names and list(found) == ["train", "validation", "test"]
    assert len(found["train"]) + len(found["validation"]) == 30 == len(found["test"])
    for frame in found.values():
        assert frame["label"].isin(range(len(names))).all() and frame["text"].map(type).eq(str).all() and len(frame)


def test_from_tfds_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(
        data.SourceError, match="'nonsense' is neither a file or folder .* nor .* course_reviews, glue/sst2"
    ):
        data.load_tfds("nonsense")
    monkeypatch.setattr(data.runtime, "installed", lambda name: name != "tensorflow_datasets")
    with pytest.raises(data.SourceError, match="^tensorflow_datasets is not installed.*make setup"):
        data.load_tfds("imdb_reviews")


@pytest.mark.tensorflow
def test_from_tfds_without_a_network(monkeypatch):
    import tensorflow_datasets as tfds

    asked = {}

    def fail(*arguments, **options):
        asked.update(options)
        raise ConnectionError("no route")

    monkeypatch.setattr(tfds, "load", fail)
    with pytest.raises(data.SourceError, match=r"'imdb_reviews'.*needs a network.*ConnectionError: no route"):
        data.load_tfds("imdb_reviews")
    assert asked["data_dir"] is None  # the folder is left to TFDS
