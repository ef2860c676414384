"""Plain text for a terminal: aligned tables, wrapped notes, numbers and intervals."""

import pytest

from tienet.pages.plain_text import UNDEFINED, WIDTH, align, counted, level_text, number_text, span_text, wrapped


def test_a_table_has_a_rule_before_each_group_and_numbers_end_alike():
    assert align(["Finding", "AUC"], [["Edema", "0.5"], ["Pleural_Thickening", "0.123"]], [["AVG", "1"]]) == [
        "Finding               AUC",
        "------------------  -----",
        "Edema                 0.5",
        "Pleural_Thickening  0.123",
        "------------------  -----",
        "AVG                     1",
    ]
    assert align(["a", "b"]) == ["a  b"]


def test_a_note_is_wrapped_between_words_only():
    long = "/a-b/" * 40
    lines = wrapped(f"{'word ' * 40}{long}").splitlines()
    assert len(lines) > 2 and lines[-1] == f"  {long}"
    assert all(len(line) <= WIDTH for line in lines[:-1]) and all(line.startswith("  ") for line in lines[1:])


def test_numbers_and_intervals():
    assert number_text(0.12345) == "0.123" and number_text(0) == "0.000" and number_text(None) == UNDEFINED
    assert span_text(0.1, 0.25) == "0.100 to 0.250"
    assert span_text(None, 0.2) == span_text(0.2, None) == UNDEFINED
    assert level_text({}) == "95%" and level_text({"bootstrap": {"level": 0.9}}) == "90%"


@pytest.mark.parametrize(("n", "text"), [(0, "0 studies"), (1, "1 study"), (2, "2 studies"), (2814, "2,814 studies")])
def test_one_is_singular(n, text):
    assert counted(n, "study") == text
    assert counted(n, "report") == text.replace("studies", "reports").replace("study", "report")
