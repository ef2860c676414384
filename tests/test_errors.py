"""The error for wrong input is a ValueError, whose message is all that the user sees."""

import pytest

from tienet.errors import MAX_LINE, InputError


def test_it_is_a_value_error_with_its_message():
    with pytest.raises(ValueError, match=r"^batch=0: expected 1 or more$") as caught:
        raise InputError("batch=0: expected 1 or more")
    assert str(caught.value) == "batch=0: expected 1 or more"


def test_a_line_that_is_too_long_keeps_its_start_and_its_end():
    message = f"x.csv, row 2: {'a' * 300_000!r}; expected 1 or 0"
    shown = str(InputError(f"2 problems\n{message}"))
    first, second = shown.split("\n")
    assert first == "2 problems" and len(second) == MAX_LINE
    assert second.startswith("x.csv, row 2: 'aaa") and second.endswith("aaa'; expected 1 or 0") and " ... " in second
    assert str(InputError("a" * MAX_LINE)) == "a" * MAX_LINE


def test_what_a_terminal_would_obey_is_written_out():
    assert str(InputError("r\udcf6ntgen\x1b[2J\r.png: broken")) == "r\udcf6ntgen\\x1b[2J\\r.png: broken"
    assert str(InputError("Röntgen\u3000\u202e胸.png")) == "Röntgen\u3000\u202e胸.png"
