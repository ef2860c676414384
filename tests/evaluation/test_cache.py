"""What several evaluations share is made once, when it is needed, and ended with the cache."""

from typing import ClassVar

import pytest

from tienet.evaluation import cache as cache_module
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.options import Options


class FakeLabeller:
    """Writes down when it is opened and closed."""

    log: ClassVar[list[str]] = []

    def __init__(self, load: str) -> None:
        self.log.append(f"opened {load}")

    def __enter__(self) -> "FakeLabeller":
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append("closed")


def test_an_entry_is_made_once_also_if_it_is_none():
    calls = []
    with EvaluationCache(Options()) as cache:
        for _ in range(2):
            assert cache.get_or_make("none", lambda: calls.append("none")) is None
            assert cache.get_or_make(("a", 1), lambda: calls.append("a") or 5) == 5
    assert calls == ["none", "a"]


def test_the_labeller_is_opened_when_it_is_needed_and_closed_also_after_an_error(monkeypatch):
    monkeypatch.setattr(cache_module, "Labeller", FakeLabeller)
    monkeypatch.setattr(FakeLabeller, "log", [])
    with pytest.raises(RuntimeError), EvaluationCache(Options(labeller="runs/text", java=False)) as cache:
        assert FakeLabeller.log == []
        assert cache.labeller is cache.labeller
        assert cache.scorer is cache.scorer and not cache.scorer.java
        assert FakeLabeller.log == ["opened runs/text"]
        raise RuntimeError
    assert FakeLabeller.log == ["opened runs/text", "closed"]


def test_without_a_labeller_in_the_options_there_is_none():
    with EvaluationCache(Options()) as cache:
        assert cache.labeller is None
