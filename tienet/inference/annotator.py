"""Labels from reports, with their images or alone."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from tienet.data.text import OOV, START, ReportFault, find_report_fault, tokenize
from tienet.errors import InputError
from tienet.inference.pipeline import LIST_OF_IMAGES, Pipeline, list_of
from tienet.inference.prediction import Prediction
from tienet.inference.predictor import Predictor


class Annotator(Pipeline):
    """Predicts labels from a report and its image (mode annotate), or from the report alone (annotate-text)."""

    MODES = ("annotate", "annotate-text")

    def find_fault(self, report: str) -> ReportFault | None:
        """Why this report should get no labels, such as words that the network does not know; None if it should.

        `annotate` does not ask: the commands and the server do before they call it.
        """
        found = (find_report_fault(report, n.run.vocab, n.config.max_words) for n in self._networks)
        return next((fault for fault in found if fault is not None), None)

    @property
    def max_words(self) -> int:
        """The number of words after which a report is cut; of several runs, the smallest one."""
        return min(network.config.max_words for network in self._networks)

    def count_unknown(self, words: Sequence[str]) -> int:
        """How many of these words the network does not know; of several, the one that knows the fewest."""
        return max(sum(word not in network.run.vocab.ids for word in words) for network in self._networks)

    def annotate(
        self, reports: Iterable[str], images: Iterable[np.ndarray] | None = None, maps: bool = False
    ) -> list[Prediction]:
        """Predict the labels of studies. A report is cut after the run's `max_words` words, as in training.

        Args:
            reports: The reports; an empty string is allowed.
            images: One image for each report if `needs_image`, otherwise None.
            maps: Give g, G, a, a_ws and finding_maps, too.
        Returns:
            A prediction for each study. Its words are those of the report, also those that the network does not know.
        Raises:
            InputError: There are not as many images as reports, or one of the images or reports is not one.
        """
        reports = list_of(reports, str, "reports: expected a list of strings, one for each study")
        images = None if images is None else list_of(images, object, f"images: {LIST_OF_IMAGES}")
        if self.needs_image and (images is None or len(images) != len(reports)):
            there = "none" if images is None else len(images)
            raise InputError(f"images: {there} for {len(reports)} reports; mode annotate needs one for each")
        if not self.needs_image and images is not None:
            raise InputError(
                "images: mode annotate-text reads reports alone; leave them out, or load a run of annotate"
            )
        if self.needs_image:
            self._check_images(images)
        whole = [tokenize(report) for report in reports]
        return self._together([self._read(network, whole, images, maps) for network in self._networks])

    def _read(
        self, network: Predictor, whole: list[list[str]], images: Sequence[np.ndarray] | None, maps: bool
    ) -> list[Prediction]:
        """The predictions of one network for reports that are given as words."""
        max_words, vocab = network.config.max_words, network.run.vocab
        words = [report[:max_words] for report in whole]
        word_ids = [np.array([START, *(vocab.ids.get(w, OOV) for w in report)], np.int32) for report in words]
        predictions = self._predict(network, word_ids, images, maps, words)
        return [
            replace(prediction, cut_at=max_words) if len(report) > max_words else prediction
            for prediction, report in zip(predictions, whole, strict=True)
        ]
