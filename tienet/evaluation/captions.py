"""The public address of `CaptionScorer`, which `tienet.evaluation.metrics.captions` defines."""

from tienet.evaluation.metrics.captions import CaptionScorer

__all__ = ["CaptionScorer"]
