"""The public address of `CaptionScorer`; the metrics are in `tienet.evaluation.metrics.captions`."""

from tienet.evaluation.metrics.captions import CaptionScorer

__all__ = ["CaptionScorer"]
