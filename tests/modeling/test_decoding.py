"""How a report is written: what is refused."""

import pytest

from tienet.errors import InputError
from tienet.modeling.decoding import Decoding


@pytest.mark.parametrize(
    "settings", [{"method": "best"}, {"max_words": 0}, {"width": 0}, {"temperature": 0.0}, {"length_norm": -1.0}]
)
def test_a_decoding_that_cannot_be_is_refused(settings):
    with pytest.raises(InputError):
        Decoding(**settings)
