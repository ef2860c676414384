"""Names of documents: the same for the same result on an image, and others for anything else."""

from dataclasses import replace

import numpy as np

from tests.clinical.made import result
from tienet.clinical.result import device_uuid, findings_of
from tienet.labels import LABELS, K


def test_the_same_result_has_the_same_uids_and_another_one_has_others():
    of = result()
    assert of.uid("1.2", "series") == result().uid("1.2", "series") != of.uid("1.2", "instance")
    assert len(of.uid("1.2", "series")) <= 64 and of.uid("1.2", "series").startswith("2.25.")
    others = [
        result(report="Findings: Other."), result(cut_at=3), result(a_ws=np.eye(16)), result(comments=()),
        result(a_ws=None), replace(of, software=replace(of.software, checkpoint="cd" * 32)),
        replace(of, findings=of.findings[:14]),
    ]  # fmt: skip
    uids = [other.uid("1.2", "series") for other in (of, *others)] + [of.uid("1.3", "series")]
    assert len(set(uids)) == len(uids)


def test_a_device_is_a_checkpoint_of_a_version():
    software = result().software
    changed = [replace(software, **{name: "x"}) for name in ("version", "mode", "checkpoint")]
    assert device_uuid(software) == device_uuid(result().software)
    assert len({device_uuid(each) for each in (software, *changed)}) == 4


def test_findings_keep_their_digits_and_what_is_not_known():
    nan = np.full(K, np.nan, np.float32)
    assert findings_of(nan, nan, nan) == ()
    found = findings_of(np.full(K, 0.1, np.float32), nan, nan)
    assert [f.label for f in found] == list(LABELS) and all(f[1:] == (0.1, None, None) for f in found)
    named = findings_of(np.full(K, 0.1, np.float32), np.full(K, 0.3, np.float32), np.ones(K, np.float32))
    assert named[0][1:] == (0.1, 0.3, True)
