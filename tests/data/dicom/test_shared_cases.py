"""The odd DICOM files of ../shared/cases, each of which comes with its reference image.

These are not read, or not as the reference has them. The reasons:

| file | what | why |
|---|---|---|
| `bits_stored_wrong`, `bits_stored_wrong_window`, `j2k_16_in_12_header` | differs, with a note | the header says 12 bits, and they are taken; that all 16 are meant is a guess |
| `j2k_unsigned_signed_header` | differs | the header says that values have a sign, and the header counts |
| `voi_short` | differs, with a note | a VOI LUT shorter than its descriptor is broken, whichever entries it lacks: the window is used |
| `mono2_presentation_inverse` | differs | the standard wants INVERSE with MONOCHROME1 only; with MONOCHROME2 it leaves open which one counts |
| `window_almost_blank`, `window_width_huge_16` | differs | these windows are valid and leave several grey values; they are used, however bright or dark |
| `padding_equals_anatomy` | differs | the header says that these pixels are padding |
| `no_photometric`, `photometric_monochrome` | refused | whether high values are bright or dark is not said |
| `rescale_slope_comma`, `rescale_slope_zero` | refused | without the slope it is unknown what is bright, and in which values windows count |
| `argb_like_no_planar` | refused | whether the colours of a pixel lie side by side is not said |
| `mono_samples3` | refused | three samples and one grey contradict each other |
| `one_bit`, `alloc32` | refused | no X-rays; 8 and 16 bits are read |
| `jpeg_syntax_but_native`, `native_syntax_but_jpeg` | refused | the transfer syntax is not that of the pixels |
"""  # noqa: E501

import runpy
import sys

import numpy as np
import pytest

from tienet.data.dicom import bits, display
from tienet.data.dicom.reader import DicomError

DIFFERS = {
    "bits_stored_wrong": (bits.HIGH_BITS,),
    "bits_stored_wrong_window": (bits.HIGH_BITS, display.NO_WINDOW),
    "j2k_16_in_12_header": (bits.HIGH_BITS,),
    "j2k_unsigned_signed_header": (),
    "voi_short": (display.NEXT_WINDOW,),
    "mono2_presentation_inverse": (),
    "window_almost_blank": (),
    "window_width_huge_16": (),
    "padding_equals_anatomy": (),
}
REFUSED = {
    "no_photometric": "PhotometricInterpretation ''",
    "photometric_monochrome": "PhotometricInterpretation 'MONOCHROME'",
    "rescale_slope_comma": "RescaleSlope is '1,0'; expected a number",
    "rescale_slope_zero": "RescaleSlope 0, RescaleIntercept 0 leave no picture",
    "argb_like_no_planar": "RGB without PlanarConfiguration",
    "mono_samples3": "MONOCHROME2 with SamplesPerPixel 3",
    "one_bit": "BitsAllocated 1; expected 8 or 16",
    "alloc32": "BitsAllocated 32; expected 8 or 16",
    "jpeg_syntax_but_native": "cannot be decoded",
    "native_syntax_but_jpeg": "less than expected",
}


@pytest.fixture
def cases(shared, tmp_path, monkeypatch):
    """A function that runs one of the scripts and returns its global names."""
    monkeypatch.setenv("CASES_OUT", str(tmp_path))
    monkeypatch.syspath_prepend(shared / "cases")
    yield lambda name: runpy.run_path(str(shared / "cases" / name))
    sys.modules.pop("dicom_cases", None)


@pytest.mark.parametrize("script", ["dicom_cases.py", "dicom_more.py"])
def test_each_file_gives_its_reference_or_has_a_reason(cases, reader, script):
    met = set()
    for name, make in cases(script)["CASES"].items():
        path, reference = make()
        if name in REFUSED:
            met.add(name)
            with pytest.raises(DicomError, match=REFUSED[name]) as error:
                reader.read(path)
            assert "\n" not in str(error.value)
            continue
        film = reader.read(path)
        if reference is None:
            continue
        is_equal = film.pixels.shape == reference.shape and np.abs(film.pixels - reference.astype(int)).max() <= 1
        assert is_equal == (name not in DIFFERS), (name, film.notes)
        if not is_equal:
            met.add(name)
            assert film.notes == DIFFERS[name], name
    assert met == {name for name in DIFFERS | REFUSED if name in cases(script)["CASES"]}


def test_overlays_in_high_bits(cases, reader):
    files = cases("dicom_overlay.py")["out"]
    assert len(files) >= 6
    for name, path, reference in files:
        film = reader.read(path)
        assert np.abs(film.pixels - reference.astype(int)).max() <= 1 and film.notes == (), name
