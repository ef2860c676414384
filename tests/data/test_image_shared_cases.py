"""The odd PNG and JPEG files of ../shared/cases, most of which come with a reference image.

These are refused:

| file | why |
|---|---|
| `png_exif_rotated`, `jpeg_xmp_rotated` | they ask to be turned: turned and as stored show other sides of the patient |
| `webp_named_png`, `heic_like`, `tiff_named_jpg` | other formats under these names |
| `jpeg_dnl_zero_height` | the header has no height; what comes after the pixels is not read |
"""

import runpy

import numpy as np
import pytest

from tienet.data.image import read_gray
from tienet.errors import InputError

REFUSED = {
    "png_exif_rotated": "EXIF orientation 6 asks to turn or mirror it",
    "jpeg_xmp_rotated": "XMP orientation 6 asks to turn or mirror it",
    "webp_named_png": "is neither PNG nor JPEG",
    "heic_like": "is neither PNG nor JPEG",
    "tiff_named_jpg": "is neither PNG nor JPEG",
    "jpeg_dnl_zero_height": "the header says 64 x 0 pixels",
}


def test_each_file_gives_its_reference_or_is_refused_for_a_reason(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("CASES_OUT", str(tmp_path))
    cases = runpy.run_path(str(shared / "cases" / "image_cases.py"))["CASES"]
    for name, make in cases.items():
        path, reference = make()
        if name in REFUSED:
            with pytest.raises(InputError, match=REFUSED[name]) as error:
                read_gray(path)
            assert "\n" not in str(error.value)
            continue
        pixels = read_gray(path)
        if reference is not None:
            assert pixels.shape == np.shape(reference), name
            assert np.abs(pixels - np.asarray(reference).astype(int)).max() <= 2, name
    assert REFUSED.keys() <= cases.keys()
