"""The Chinese edition: every block translated, in step with the English texts, held to the glossary; code left alone."""

import csv
import re

import blocks
import nbformat
import pytest
import translating
import translation_checks as checks

pytestmark = [pytest.mark.once, pytest.mark.repository]

TEXT = """# A title

[![Open in Colab](https://a.b/badge.svg)](https://a.b/c.ipynb)

One sentence.
Another one.

- an item
  that goes on;
- a second one

$$a = b$$

| way | cost |
|---|---|
| one | 2 |

```python
print("no block")

print("nor this")
```

<details><summary>1. Why?</summary>

Because.

</details>

## A section (章节)
A paragraph directly below.
"""
KEYS = [
    "# A title",
    "One sentence. Another one.",
    "- an item that goes on;\n- a second one",
    "| way | cost |\n|---|---|\n| one | 2 |",
    "1. Why?",
    "Because.",
    "## A section (章节)",
    "A paragraph directly below.",
]
CHINESE = {
    "# A title": "# 标题",
    "One sentence. Another one.": "一句话。又一句。",
    "- an item that goes on;\n- a second one": "- 一项；\n- 第二项",
    "| way | cost |\n|---|---|\n| one | 2 |": "| 方法 | 代价 |\n|---|---|\n| 一 | 2 |",
    "1. Why?": "1. 为什么？",
    "Because.": "就是这样。",
    "## A section (章节)": "## 一节",
    "A paragraph directly below.": "紧接着的一段。",
}


@pytest.fixture(scope="module")
def texts():
    return translating.documents()


# ---- the catalogues of the course


def test_catalogues_are_in_step_with_the_english_texts(texts):
    """A line names a block whose English has changed: `python tools/translating.py update`, then translate what is new."""
    assert translating.stale(texts) == []
    assert {path.stem for path in translating.FOLDER.glob("*.po")} == set(translating.contents(texts))


def test_everything_is_translated():
    assert {name: f"{done} of {number}" for name, (number, done) in translating.count().items() if done < number} == {}


def test_translations_hold_the_glossary_and_the_form_of_their_blocks():
    assert [fault for name in translating.names_in() for fault in translating.faults_in(name)] == []


def test_one_changed_sentence_is_named(texts):
    name = "05_fine_tuning"
    changed = [cell.replace("is new, and its weights", "is quite new, and its weights") for cell in texts[name]]
    assert changed != texts[name]
    before = translating.stale(texts)
    found = [line for line in translating.stale(texts | {name: changed}) if line not in before]
    assert len(found) == 2 and all(line.startswith(name) for line in found)
    assert "new or changed" in found[0] and "is quite new" in found[0]
    assert "no longer in the text" in found[1] and "is quite new" not in found[1]


def test_catalogues_hold_each_block_once(texts):
    keys = [key for own in translating.contents(texts).values() for key in own]
    assert len(keys) == len(set(keys)) > 900
    assert len({blocks.id_of(key) for key in keys}) == len(keys)


@pytest.mark.parametrize("folder", ["notebooks", "notebooks/exercises", "notebooks/solutions"])
def test_chinese_notebooks_have_the_same_code_and_outputs(folder):
    paths = sorted((translating.COURSE / folder).glob("[0-9][0-9]_*.ipynb"))
    assert len(paths) >= 10
    for path in paths:
        english = nbformat.read(path, as_version=4)
        chinese = translating.translated(english)
        assert len(english.cells) == len(chinese.cells)
        for one, other in zip(english.cells, chinese.cells, strict=True):
            if one.cell_type == "code":
                assert one == other
            else:
                assert {key: one[key] for key in one if key != "source"} == {
                    key: other[key] for key in other if key != "source"
                }
        whole = "".join(cell.source for cell in chinese.cells)
        assert whole.count("本页译自英文版") + whole.count("本页尚未翻译") == 1
        nbformat.validate(chinese)


def test_headings_have_anchors_of_their_own(texts):
    for name, cells in texts.items():
        headings = [
            found[2] for cell in cells for block in blocks.blocks_in(cell) if (found := blocks.HEADING.match(block))
        ]
        slugs = [blocks.slug(heading) for heading in headings]
        assert all(slugs) and len(set(slugs)) == len(slugs), name


def test_the_glossary_is_sound():
    terms = checks.read_glossary()
    assert len([term for term in terms if term.checked]) > 120
    english = [form for term in terms for form in term.english]
    assert len(english) == len(set(english))
    assert all(term.chinese for term in terms)
    assert not any(set(term.avoid) & set(term.chinese) for term in terms)
    names = {term.english[0] for term in terms} | {"numbers"}
    assert {term for term, _ in checks.read_exceptions()} <= names
    assert all(len(reason) > 10 for reason in checks.read_exceptions().values())


def test_the_lessons_own_glossaries_agree_with_it(texts):
    """Where a lesson's English glossary gives a Chinese term, the one of the file is in it."""
    agreed, found = {form: term for term in checks.read_glossary() if term.checked for form in term.english}, 0
    for cells in texts.values():
        line = " ".join(cells[-1].partition("**Glossary.**")[2].split()).rstrip(".")
        for entry in filter(None, line.split(" · ")):
            for form, term in agreed.items():
                if entry.startswith(form + " ") and not any("a" <= sign <= "z" for sign in entry[len(form) :].lower()):
                    found += 1
                    assert any(each in entry for each in term.chinese), entry
    assert found > 40


def test_each_exception_is_needed():
    """One whose block is gone, or whose Chinese holds the term by now, only hides what comes later."""
    stored = {blocks.id_of(key): (key, chinese) for key, chinese in translating.translations().items()}
    for term, block in checks.read_exceptions():
        key, chinese = stored[block]
        without = checks.form_faults(key, chinese) + checks.term_faults(key, chinese, checks.read_glossary(), {})
        starts = "number:" if term == "numbers" else f"term: {term} is "
        assert any(fault.startswith(starts) for fault in without), (term, block)


# ---- blocks


def test_pieces_are_the_text_again():
    assert "".join(piece.text for piece in blocks.pieces(TEXT)) == TEXT
    assert blocks.blocks_in(TEXT) == KEYS


def test_pieces_of_all_texts_are_the_texts_again(texts):
    for cell in (cell for cells in texts.values() for cell in cells):
        assert "".join(piece.text for piece in blocks.pieces(cell)) == cell
        same = {key: key for key in blocks.blocks_in(cell)}
        text, number, missing = translating.translate_text(cell, same)
        assert missing == 0 and number == len(blocks.blocks_in(cell))
        assert " ".join(checks.MARKDOWN.render(text).split()) == " ".join(checks.MARKDOWN.render(cell).split())


def test_white_space_does_not_change_a_key():
    assert blocks.key_of("a\nb   c\n") == blocks.key_of("a b c")
    assert blocks.key_of("1. a\n   b\n2. c") == "1. a b\n2. c"
    assert blocks.key_of("- a\n  - b") == "- a\n  - b"


@pytest.mark.parametrize(
    "heading, anchor",
    [
        ("Clean the texts, rule by rule (数据清洗)", "clean-the-texts-rule-by-rule"),
        ("The gradient: p - y", "the-gradient-p-y"),
        ("`fit` and *Adam*'s steps", "fit-and-adam-s-steps"),
        ("02 · Model selection", "model-selection"),
    ],
)
def test_anchors_are_those_of_sphinx(heading, anchor):
    assert blocks.slug(heading) == anchor
    try:
        from docutils.nodes import make_id
    except ImportError:  # the course's environment has none; the web edition's has
        return
    assert make_id(heading) == anchor


# ---- translation


def test_a_text_is_translated_and_the_rest_stays():
    text, number, missing = translating.translate_text(TEXT, CHINESE)
    assert (number, missing) == (8, 0)
    for kept in (
        "[![Open in Colab](https://a.b/badge.svg)](https://a.b/c.ipynb)",
        "$$a = b$$",
        'print("nor this")',
        "</details>",
    ):
        assert kept in text
    assert "<details><summary>1. 为什么？</summary>\n\n就是这样。\n\n</details>" in text
    assert '\n\n<div id="a-section"></div>\n\n## 一节\n紧接着的一段。' in text
    assert text.startswith("# 标题\n") and "sentence" not in text


def test_what_is_not_translated_stays_english_and_is_counted():
    part = {key: CHINESE[key] for key in KEYS[:3]}
    text, number, missing = translating.translate_text(TEXT, part)
    assert (number, missing) == (8, 5) and "Because." in text and '<div id="a-section">' not in text
    page = translating.translated_text(TEXT, part)
    assert page.startswith("# 标题\n\n> 本页译自英文版") and "尚有 5 段未译" in page
    assert "未译" not in translating.translated_text(TEXT, CHINESE)
    assert "# A title\n\n> 本页尚未翻译，以英文显示（共 8 段）。\n\n[![" in translating.translated_text(TEXT, {})


def test_a_notebook_keeps_its_code():
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(TEXT), nbformat.v4.new_code_cell("# A title")]
    )
    before = nbformat.from_dict(notebook)
    chinese = translating.translated(notebook, CHINESE)
    assert notebook == before
    assert chinese.cells[1] == notebook.cells[1]
    assert (
        chinese.cells[0].source.startswith("# 标题\n\n> 本页译自英文版") and chinese.cells[0].id == notebook.cells[0].id
    )


# ---- catalogues in a folder of their own


def fill_all(folder, chinese):
    return translating.fill(
        translating.names_in(folder), {blocks.id_of(key): text for key, text in chinese.items()}, folder
    )


def test_update_keeps_what_fits_and_moves_what_is_shared(tmp_path):
    texts = {"one": [TEXT]}
    assert len(translating.update(texts, tmp_path)) == 8
    number, faults = fill_all(tmp_path, CHINESE)
    assert (number, faults) == (8, [])
    before = translating.path_of("one", tmp_path).read_bytes()
    assert translating.update(texts, tmp_path) == [] and translating.path_of("one", tmp_path).read_bytes() == before
    both = {"one": [TEXT], "two": ["Because."]}
    translating.update(both, tmp_path)
    assert translating.messages(translating.read("common", tmp_path)) == {"Because.": "就是这样。"}
    assert "Because." not in translating.messages(translating.read("one", tmp_path))
    assert translating.stale(both, tmp_path) == [] and translating.count(tmp_path)["one"] == (7, 7)
    translating.update({"two": ["Because."]}, tmp_path)
    assert not translating.path_of("one", tmp_path).exists()
    assert translating.messages(translating.read("two", tmp_path)) == {"Because.": "就是这样。"}


def test_a_changed_block_is_named_and_its_old_chinese_shown(tmp_path):
    texts = {"one": [TEXT]}
    translating.update(texts, tmp_path)
    fill_all(tmp_path, CHINESE)
    changed = {"one": [TEXT.replace("Another one.", "And another one.")]}
    found = translating.stale(changed, tmp_path)
    assert len(found) == 2 and "One sentence. And another one." in found[0]
    assert len(translating.update(changed, tmp_path)) == 2
    assert translating.stale(changed, tmp_path) == [] and translating.count(tmp_path)["one"] == (8, 7)
    shown = "\n".join(translating.show("one", folder=tmp_path))
    assert "its Chinese: 一句话。又一句。" in shown and "it was" not in shown
    fill_all(tmp_path, {"One sentence. And another one.": "一句话。还有一句。"})
    translating.update(changed, tmp_path)
    assert b"#~" not in translating.path_of("one", tmp_path).read_bytes()


def test_new_figures_do_not_need_a_new_translation(tmp_path):
    texts = {"one": ["It took 12 minutes and 1.5 GiB."]}
    translating.update(texts, tmp_path)
    fill_all(tmp_path, {"It took 12 minutes and 1.5 GiB.": "用了 12 分钟和 1.5 GiB。"})
    changed = {"one": ["It took 9 minutes and 1.25 GiB."]}
    assert len(translating.stale(changed, tmp_path)) == 2
    translating.update(changed, tmp_path)
    assert list(translating.messages(translating.read("one", tmp_path)).values()) == ["用了 9 分钟和 1.25 GiB。"]
    assert translating.with_new_numbers("2 of 3", "4 of 3", "3 个中的 2 个") == ""


def test_fill_stores_what_is_right_and_names_the_rest(tmp_path):
    texts = {"one": [TEXT]}
    translating.update(texts, tmp_path)
    filled = translating.read_filled(
        "\n".join(f"@@ {blocks.id_of(key)} anything\n{text}\n" for key, text in CHINESE.items() if key != "1. Why?")
        + f"@@ {blocks.id_of('1. Why?')}\n2. 为什么？\n@@ 00000000\n无\n"
    )
    number, faults = translating.fill(["one"], filled, tmp_path)
    assert number == 7 and len(faults) == 2 and "lines begin" in faults[0] and "no block" in faults[-1]
    assert "1. Why?" not in {k for k, v in translating.messages(translating.read("one", tmp_path)).items() if v}
    with pytest.raises(ValueError, match="twice"):
        translating.read_filled("@@ a\nx\n@@ a\ny")
    with pytest.raises(ValueError, match="before the first"):
        translating.read_filled("x\n@@ a\ny")


def test_what_show_writes_fill_reads(tmp_path):
    texts = {"one": [TEXT]}
    translating.update(texts, tmp_path)
    shown = translating.read_filled("\n".join(translating.show("one", folder=tmp_path)))
    assert list(shown.values()) == KEYS
    assert translating.fill(["one"], shown, tmp_path) == (0, [])  # English left as it was is no translation


# ---- checks


@pytest.mark.parametrize(
    "english, chinese, fault",
    [
        ("Call `fit` now.", "现在调用 `fit`。", None),
        ("Call `fit` now.", "现在调用它。", "code: missing 'fit'"),
        ("The slope is $2w$.", "斜率是 $2w$。", None),
        ("The slope is $2w$.", "斜率是 $w$。", "formulas: missing '2w'"),
        ("See [it](a.md).", "见[这里](a.md)。", None),
        ("See [it](a.md).", "见[这里](b.md)。", "links: added 'b.md'"),
        ("A **word** here.", "这里有一个**词**。", None),
        ("A **word** here.", "这里有一个词。", "1 words in bold, here 0"),
        ("A **word** here.", "这里有**“词”**这个词。", "here 0"),
        ("**Time:** long.", "**用时：**很长。", "here 0"),
        ("**Time:** long.", "**用时**：很长。", None),
        ("It has 110 million numbers.", "它有 1.1 亿个数。", None),
        ("It has 110 million numbers.", "它有 11 亿个数。", "number: missing 1.1e+08"),
        ("A million texts, 1,000 rows.", "100 万条文本，1000 行。", None),
        ("A millionth of it.", "它的百万分之一。", None),
        ("Two of 30 rows in May 2026.", "2026 年 5 月的 30 行中有 2 行。", None),
        ("Two of 30 rows.", "30 行中有 3 行。", "number: added 3"),
        ("- a\n- b", "- 甲\n- 乙", None),
        ("- a\n- b", "- 甲", "2 lines"),
        ("- a\n- b", "- 甲\n1. 乙", "lines begin"),
        ("## A title", "### 标题", "lines begin"),
        ("| a | b |\n|---|---|\n| c | d |", "| 甲 | 乙 |\n|---|---|\n| 丙丁 |", "another number of columns"),
        ("**Why.** It is.", "**为什么**：是的。", None),
        ("**Why.** It is.", "**原因**：是的。", "begins with"),
        ("![Two of 5 points](a.png)", "![5 个点中的 2 个](a.png)", None),
        ("![Two of 5 points](a.png)", "![6 个点中的 2 个](a.png)", "number: missing 5"),
        ("A tag <br> here.", "这里有标签。", "tags: missing '<br>'"),
        ("A tag `<br>` here.", "这里有标签 `<br>`。", None),
    ],
)
def test_form(english, chinese, fault):
    found = checks.form_faults(english, chinese)
    assert (found == []) if fault is None else any(fault in each for each in found), found


TERMS = [
    checks.Term(["fine-tuning", "fine-tune"], ["微调"], ["精调"], True, ""),
    checks.Term(["token"], ["词元"], [], True, ""),
    checks.Term(["key"], ["键"], [], False, ""),
]


@pytest.mark.parametrize(
    "english, chinese, number",
    [
        ("Fine-tuning is short.", "微调很短。", 0),
        ("Fine tune it.", "训练它。", 1),
        ("Fine-tune it.", "精调它。", 2),
        ("Two tokens.", "两个词元。", 0),
        ("A tokenizer and `token`.", "分词器和 `token`。", 0),
        ("See *Every token counts*.", "见“都算数”。", 0),
        ("The key.", "钥匙。", 0),
    ],
)
def test_terms(english, chinese, number):
    assert len(checks.term_faults(english, chinese, TERMS, {})) == number


def test_an_exception_is_for_one_term_in_one_block():
    english = "Fine-tune two tokens."
    allowed = {("token", blocks.id_of(english)): "the tokens of a game"}
    assert checks.term_faults(english, "微调两枚筹码。", TERMS, allowed) == []
    assert len(checks.term_faults(english, "训练两枚筹码。", TERMS, allowed)) == 1
    assert len(checks.term_faults("Fine-tune three tokens.", "微调三枚筹码。", TERMS, allowed)) == 1


@pytest.mark.parametrize(
    "chinese",
    [
        "用 BERT 读 95% 的文本（见第 05 课）。",
        "这是**词元**（token）。",
        "“not”、“very”都是词。",
        "用 `fit` 和 $x$，再……",
        "**用时**：约 3 分钟。",
    ],
)
def test_good_style(chinese):
    assert checks.style_faults("x", chinese) == []


@pytest.mark.parametrize(
    "chinese, fault",
    [
        ("用BERT读。", "a space between"),
        ("用**BERT**读。", "a space between"),
        ("读95%的文本。", "a space between"),
        ("用`fit`。", "a space between"),
        ("一 段话。", "no space between"),
        ("一段 （话）。", "no space beside"),
        ("一段,话。", "full-width"),
        ("一段话.", "full-width"),
        ("一段(话)。", "full-width"),
        ('一段"话"。', "quotation"),
        ("您好。", "您"),
        ("有 3 % 吧。", "before %"),
        ("模型的层的输出的向量的长度。", "four times"),
    ],
)
def test_bad_style(chinese, fault):
    assert any(fault in each for each in checks.style_faults("x", chinese))


def test_a_block_left_in_english_is_named():
    assert checks.style_faults("This is a long enough sentence.", "This is a long enough sentence.") == [
        "no Chinese in it"
    ]
    assert checks.style_faults("LoRA, ZeRO", "LoRA, ZeRO") == []


def test_references_to_sections_use_the_chinese_heading():
    keys = [
        "## Batches and padding",
        "## Learning rate: warm-up",
        "See *Batches and padding*.",
        "See *Learning rate*.",
        "Read *BERT*.",
    ]
    chinese = dict(
        zip(keys, ["## 批次与填充", "## 学习率：预热", "见“批次与填充”。", "见“学习率”。", "读 *BERT*。"], strict=True)
    )
    assert checks.section_faults(chinese, chinese) == []
    wrong = chinese | {keys[2]: "见“批与填充”。", keys[3]: "见*学习率*。"}
    assert [key for key, _ in checks.section_faults(wrong, chinese)] == [keys[2], keys[3]]


def test_two_headings_never_have_one_anchor():
    assert checks.anchor_faults({"## Adam": "## Adam", "## Adam first": "## 先看 AdamW", "## Why": "## 为什么"}) == []
    wrong = {"## Adam": "## Adam 优化器", "## First, why": "## 先说 Adam"}
    assert [key for key, _ in checks.anchor_faults(wrong)] == list(wrong)


def test_an_exception_for_numbers(monkeypatch):
    english, chinese = "2.7 of 3.2 million numbers.", "320 万个数中的 270 万个。"
    assert any("number" in fault for fault in checks.faults_of(english, chinese))
    monkeypatch.setattr(
        checks, "read_exceptions", lambda: {("numbers", blocks.id_of(english)): "the unit is said twice"}
    )
    assert checks.faults_of(english, chinese) == []


# ---- commands


def test_the_commands(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(translating, "documents", lambda: {"README": ["Because."]})
    assert translating.main(["count"]) == 0
    assert re.search(r"README +\d+ blocks +\d+ translated +\d+ stale", capsys.readouterr().out)
    assert translating.main(["show", "05", "--all"]) == 0
    assert re.search(r"^@@ \w{8} under: .+ \[.*attention 注意力.*\]$", capsys.readouterr().out, re.M)
    assert translating.main(["check", "common"]) == 0
    assert "0 faults" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        translating.main(["check", "nothing"])
    assert translating.main(["make", str(tmp_path / "zh")]) == 0
    assert len(list((tmp_path / "zh").rglob("*.ipynb"))) >= 30 and (tmp_path / "zh" / "README.md").is_file()


def test_copies_that_jupyterlab_keeps_are_no_notebooks_of_the_course(monkeypatch, tmp_path):
    own = [tmp_path / "notebooks" / name for name in ("01_a.ipynb", "exercises/01_a.ipynb", "solutions/01_a.ipynb")]
    copies = [path.parent / ".ipynb_checkpoints" / "01_a-checkpoint.ipynb" for path in own]
    for path in own + copies:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(translating, "COURSE", tmp_path)
    assert translating.notebooks() == own


def test_the_glossary_is_a_table_with_one_head():
    with (checks.FOLDER / "glossary.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == ["english", "chinese", "avoid", "checked", "note"]
