"""Published files: what is read of them, what is refused, and how their studies are found in a data set."""

import pytest

from tests.evaluation.protocols import annotations
from tests.evaluation.protocols.annotations import FINDINGS, IDS, TRAIN, manifest, r2gen_content, rexrank_content
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation.protocols.published_studies import find_studies, read_published


def test_both_forms_have_the_same_studies(tmp_path):
    r2gen = read_published(annotations.write(tmp_path / "a.json", r2gen_content()), "r2gen")
    rexrank = read_published(annotations.write(tmp_path / "b.json", rexrank_content()), "rexrank")
    for published in (r2gen, rexrank):
        assert [study.id for study in published.test] == list(IDS)
        assert [study.findings for study in published.test] == list(FINDINGS)
    assert r2gen.train_findings == list(TRAIN) and rexrank.train_findings is None
    assert rexrank.test[2].fields["section_impression"] is None
    assert rexrank.test[0].fields["context"] == "Indication: Cough."
    assert read_published(tmp_path / "a.json", "rexrank").test == r2gen.test


@pytest.mark.parametrize(
    ("content", "protocol", "message"),
    [
        ([], "r2gen", "its parts are not train, val and test"),
        ({"train": [], "val": [], "test": []}, "r2gen", "has no test study"),
        (rexrank_content(), "r2gen", "its parts are not train, val and test"),
        (r2gen_content() | {"test": {}}, "r2gen", "entry 0 of test has no id and report"),
        (r2gen_content() | {"test": [{"id": "CXR1"}]}, "r2gen", "entry 0 of test has no id and report"),
        (r2gen_content() | {"test": r2gen_content()["test"] * 2}, "r2gen", "'CXR1_IM-0001' is in test twice"),
        ({"CXR1": {"section_findings": "a"}}, "rexrank", "'CXR1' has no section_findings, section_impression"),
        ({"CXR1": "a"}, "rexrank", "'CXR1' has no section_findings, section_impression"),
        ({}, "rexrank", "has no test study"),
    ],
)
def test_other_content_is_one_line(tmp_path, content, protocol, message):
    path = annotations.write(tmp_path / "a.json", content)
    with pytest.raises(InputError, match=message) as raised:
        read_published(path, protocol)
    assert str(raised.value).startswith(f"--protocol-file {path}") and "\n" not in str(raised.value)


def test_files_that_are_none_are_one_line(tmp_path):
    (tmp_path / "bad.json").write_text('{"train": [')
    for name, message in (("none.json", "no such file"), (".", "is a folder"), ("bad.json", "not a JSON file")):
        with pytest.raises(InputError, match=message) as raised:
            read_published(tmp_path / name, "r2gen")
        assert "expected R2Gen's annotation.json" in str(raised.value) and "\n" not in str(raised.value)


@pytest.fixture
def published(tmp_path):
    return read_published(annotations.write(tmp_path / "a.json", r2gen_content()), "r2gen")


def test_studies_are_found_in_the_files_order_and_the_first_image_counts(published):
    assert find_studies(published, manifest()) == [0, 2, 3]
    assert find_studies(published, manifest().take([3, 1, 2, 0])) == [1, 2, 0]


def test_studies_are_found_by_their_images(published):
    ids, names = ["a", "b", "c"], ("CXR1_1_IM-0001-4001.png", "CXR20_IM-0652-1001.dcm.jpg", "3_IM-1384-1001.png")
    assert find_studies(published, manifest(ids, [f"/x/{name}" for name in names])) == [0, 1, 2]
    folders = [f"/x/{name}/0.png" for name in reversed(IDS)]
    assert find_studies(published, manifest(ids, folders)) == [2, 1, 0]


def test_a_series_is_not_taken_for_another_one(published):
    views = ("1_IM-00012-1001", "120_IM-0652-1001", "3_IM-1384-1002", "20_IM-0652-1001")
    with pytest.raises(
        InputError, match=r"made.csv: 2 of the 3 test studies .* not in split test \(the first is CXR1_"
    ):
        find_studies(published, manifest(views))


def test_openi_has_all_590(shared, data_root):
    """Our names of the images, from the projections, stand for the manifest that they become."""
    published = read_published(shared / "data/openi/r2gen_annotation.json", "r2gen")
    views = sorted(path.name for path in (shared / "data/openi/images").iterdir())
    found = find_studies(published, manifest([view.partition(".")[0] for view in views]))
    assert len(set(found)) == len(published.test) == 590
    with pytest.raises(InputError, match=r"590 of the 590 test studies .* \(the first is CXR3030_IM-1405\)"):
        find_studies(published, manifests.load("phantom", data_root).split("test"))
