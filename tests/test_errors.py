"""The error for wrong input is a ValueError, whose message is all that the user sees."""

import pytest

from tienet.errors import InputError


def test_it_is_a_value_error_with_its_message():
    with pytest.raises(ValueError, match=r"^batch=0: expected 1 or more$") as caught:
        raise InputError("batch=0: expected 1 or more")
    assert str(caught.value) == "batch=0: expected 1 or more"
