"""Each number of a lesson that a text names is that of the lesson which is meant."""

import mentions
import pytest

pytestmark = [pytest.mark.once, pytest.mark.repository]


def test_every_mention_is_the_lesson_that_is_meant():
    found = mentions.mentions()
    assert len(found) > 150 and {mention.number for mention in found} >= {"00", "01", "05", "06", "07", "11", "14"}
    assert mentions.faults(found, mentions.read_table()) == []


def test_single_numbers_lists_and_ends_of_lines_are_found():
    text = "See lesson 05. Lessons 01, 05 and\n# 11 run; lessons 00 to 07, or lesson\n    04: `lesson_06` too. Lesson 3 and lesson 2020 not."
    assert [mention.number for mention in mentions.mentions_in(text)] == [
        "05",
        "01",
        "05",
        "11",
        "00",
        "07",
        "04",
        "06",
    ]


def test_numbers_that_only_follow_a_mention_are_left_alone():
    text = "In lesson 05, 80 % were right, in lesson 06, 12.5 minutes; lesson 01, 1,000 rows."
    assert [mention.number for mention in mentions.mentions_in(text)] == ["05", "06", "01"]


def test_a_slip_a_new_mention_and_a_row_left_over_are_named():
    right = mentions.Mention("a.md", "as lesson NN shows [1]", "05")
    table = {("a.md", "as lesson NN shows [1]"): "fine_tuning"}
    assert mentions.faults([right], table) == []
    assert mentions.faults([right._replace(number="06")], table) == [
        "a.md: fine_tuning is meant, but 06 is evaluation: 'as lesson NN shows [1]'"
    ]
    assert mentions.faults([right._replace(number="99")], table)[0].startswith(
        "a.md: fine_tuning is meant, but 99 is no"
    )
    assert mentions.faults([right], {}) == ["a.md: not in the table: 'as lesson NN shows [1]'"]
    assert mentions.faults([], table) == ["a.md: in the table, but nowhere else: 'as lesson NN shows [1]'"]


def test_the_words_around_do_not_hold_the_number_so_that_a_wrong_one_shows():
    words = {mention.words for number in ("05", "06") for mention in mentions.mentions_in(f"as lesson {number} shows")}
    assert words == {"as lesson NN shows [1]"}
