"""ReXrank's file, read as its evaluation reads it: from each entry the prediction and the two true sections."""

import json

import pytest

from tests.evaluation.protocols import annotations
from tests.evaluation.protocols.annotations import FINDINGS, IDS, IMPRESSIONS, manifest, r2gen_content, rexrank_content
from tienet import files
from tienet.evaluation.protocols.published_studies import read_published
from tienet.evaluation.protocols.rexrank import prediction_text, predictions

WRITTEN = [
    "findings : the heart is normal . no effusion ( or pneumothorax ) . impression : 1 . no acute disease .",
    "impression : cardiomegaly .",
    "",
]


def read_pairs(path) -> dict[str, tuple[str, str]]:
    """The prediction and the true report of each study, as ReXrank's evaluation forms them: a section that is null
    or not a number becomes the word None, and a text that is missing would be a gap in its tables."""
    pairs = {}
    for study, fields in json.loads(path.read_text()).items():
        sections = [fields["section_findings"], fields["section_impression"]]
        findings, impression = (text if isinstance(text, str) else None for text in sections)
        assert isinstance(fields["model_prediction"], str) and fields["model_prediction"]
        pairs[study] = (fields["model_prediction"], f"Findings: {findings} Impression: {impression}")
    return pairs


@pytest.mark.parametrize(("content", "protocol_file"), [(r2gen_content(), "R2Gen's"), (rexrank_content(), "ReXrank's")])
def test_the_file_is_read_as_rexrank_reads_it(content, protocol_file, tmp_path):
    published = read_published(annotations.write(tmp_path / "in.json", content), "rexrank")
    split = manifest()
    true = [split.reports[n] for n in (0, 2, 3)]
    files.write_json(tmp_path / "out.json", predictions(published, true, WRITTEN))
    pairs = read_pairs(tmp_path / "out.json")
    assert list(pairs) == list(IDS)
    assert [true for _, true in pairs.values()] == [
        f"Findings: {findings} Impression: {impression or None}"
        for findings, impression in zip(FINDINGS, IMPRESSIONS, strict=True)
    ]
    assert [written for written, _ in pairs.values()] == [
        "Findings: The heart is normal. No effusion (or pneumothorax). Impression: 1. No acute disease.",
        "Findings: Impression: Cardiomegaly.",
        "Findings: Impression:",
    ]
    fields = json.loads((tmp_path / "out.json").read_text())[IDS[0]]
    assert fields["split"] == "test"
    if protocol_file == "ReXrank's":  # all that it says of a study stays
        assert fields == content[IDS[0]] | {"model_prediction": fields["model_prediction"]}
    else:
        assert fields["image_path"] == [f"{IDS[0]}/0.png"]
        assert fields["report"] == f"Findings: {FINDINGS[0]} Impression: {IMPRESSIONS[0]}"


def test_a_report_without_headings_has_no_sections():
    assert prediction_text("the lungs are clear .") == "Findings: Impression:"
