"""The table of what was said of each study: what is written is what is read, and what is no such table is refused."""

from pathlib import Path

import numpy as np
import pytest

from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation import judged as judgements
from tienet.evaluation.judged import Judged, control_file, set_of_studies
from tienet.labels import LABELS, K

TEXTS = ['say "none",\nplease', "a\rb\r\nc", "", "  Übersicht ; x ", "=1+1"]
ARRAYS = ("labels", "logits", "named", "read_labels", "written_labels")


def split(N: int = 5) -> Manifest:
    labels = np.random.default_rng(0).integers(0, 2, (N, K)).astype(np.float32)
    labels[1, 3] = np.nan
    ids = [f"s{n}" for n in range(N)]
    return Manifest("x", Path("x.csv"), ids, ["p,0", *ids[1:]], [None] * N, TEXTS[:N], np.array(["test"] * N), labels)


def everything(seed: int = 0) -> Judged:
    """A run that writes and classifies; its logits differ in their last digits only, or are far from 0."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 9, (5, K)).astype(np.float32)
    logits[:, 0] = np.nextafter(np.float32(17.25), np.float32(np.inf)) * np.ones(5, np.float32)
    logits[0, 0], logits[1, 0], logits[2, 0], logits[3, 0] = 17.25, -1e-30, 3e38, 0
    logits[:, 13] = np.nan
    named, read, written = random.integers(0, 2, (3, 5, K)).astype(np.float32)
    named[:, 13] = read[2] = written[2] = np.nan
    said = {"logits": logits, "named": named, "read_labels": read, "written_labels": written}
    return Judged.of(split(), TEXTS[::-1], **said)


def test_what_is_written_is_read(tmp_path):
    of_run, text_only = everything(), Judged.of(split(), logits=everything(1).logits, named=everything(1).named)
    reports_only = Judged.of(split(), TEXTS[::-1])
    judgements.write(tmp_path, of_run, {"tfidf": text_only, "nearest": reports_only})
    written = {"judged.csv": of_run, "judged-tfidf.csv": text_only, "judged-nearest.csv": reports_only}
    assert {path.name for path in tmp_path.iterdir()} == set(written)
    for name, expected in written.items():
        found = judgements.read(tmp_path / name)
        assert len(found) == 5
        for field in ("study_ids", "patient_ids", "reports", "written"):
            assert getattr(found, field) == getattr(expected, field)
        for field in ARRAYS:
            there, back = getattr(expected, field), getattr(found, field)
            assert (there is None) == (back is None), field
            if there is not None:
                assert back.dtype == np.float32
                np.testing.assert_array_equal(back, there)  # to the last bit, NaN where it was


def test_the_files_of_controls_that_are_no_longer_there_go(tmp_path):
    judgements.write(tmp_path, everything(), {"old": everything()})
    judgements.write(tmp_path, everything(), {"new": everything()})
    assert {path.name for path in tmp_path.iterdir()} == {"judged.csv", control_file("new")}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("Edema_named", "Oedema_named", "judged.csv, row 1: column Edema_named is missing; evaluate again"),
        ("patient_id", "patient", "judged.csv, row 1: column patient_id is missing"),
        ("17.25", "high", "judged.csv, row 2, column Atelectasis_logit: 'high'; expected a number or empty"),
        ("17.25", "inf", "judged.csv, row 2, column Atelectasis_logit: 'inf'; expected a number or empty"),
        ("s1,s1,", "s1,s1,2", "judged.csv, row 4, column Atelectasis: '2"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path, before, after, said):
    judgements.write(tmp_path, everything(), {})
    path = tmp_path / "judged.csv"
    content = path.read_bytes().decode()
    assert before in content
    path.write_bytes(content.replace(before, after, 1).encode())
    with pytest.raises(InputError) as error:
        judgements.read(path)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"judged\.csv does not exist"):
        judgements.read(tmp_path / "judged.csv")


def test_a_set_of_studies_is_known_whatever_its_order():
    found = set_of_studies(["a", "b", "c"], ["p", "p", "q"])
    assert found == set_of_studies(["c", "a", "b"], ["q", "p", "p"]) and found["studies"] == 3
    others = [(["a", "b"], ["p", "p"]), (["a", "b", "d"], ["p", "p", "q"]), (["a", "b", "c"], ["p", "q", "q"])]
    assert len({set_of_studies(*other)["sha256"] for other in others} | {found["sha256"]}) == 4


def test_every_label_has_its_column(tmp_path):
    judgements.write(tmp_path, everything(), {})
    header = (tmp_path / "judged.csv").read_text().splitlines()[0].split(",")
    endings = ("", "_logit", "_named", "_read", "_written")
    assert set(header) == {"study_id", "patient_id", "report", "written"} | {
        f"{x}{end}" for x in LABELS for end in endings
    }
