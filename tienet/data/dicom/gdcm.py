"""GDCM as a decoder of pydicom that raises an error when decoding fails.

pydicom's own plugin returns whatever is in memory when GDCM could not decode a frame. It also refuses 12-bit JPEG,
which GDCM reads.
"""

import gdcm
from pydicom import uid
from pydicom.pixels.decoders import gdcm as plugin
from pydicom.pixels.decoders.base import DecodeRunner

from tienet.data.dicom.bits import jpeg_precision

DECODER_DEPENDENCIES = {
    syntax: plugin.DECODER_DEPENDENCIES[syntax]
    for syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
}


def is_available(syntax: str) -> bool:
    """Whether GDCM can decode this transfer syntax."""
    return syntax in DECODER_DEPENDENCIES and plugin.is_available(syntax)


def _decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame to the bytes that pydicom expects of a plugin. Raises ValueError if GDCM cannot decode it."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(src)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetDataElement(element)
    _describe(image, runner, jpeg_precision(src) or runner.bits_stored)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    image.thisown = False  # `change` counts its references and frees it; freeing it twice is a crash
    change.SetInput(image)
    if not change.Change():
        raise ValueError("GDCM cannot decode it")
    decoded = change.GetOutput()
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", decoded.GetPlanarConfiguration())
        runner.set_option("photometric_interpretation", str(decoded.GetPhotometricInterpretation()).strip())
    return decoded.GetBuffer().encode("utf-8", "surrogateescape")  # GDCM returns bytes as text


def _describe(image: "gdcm.Image", runner: DecodeRunner, precision: int) -> None:
    """Say what the frame holds; GDCM would clear bits above BitsStored that the frame has."""
    photometric = gdcm.PhotometricInterpretation.GetPIType(runner.photometric_interpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    if runner.samples_per_pixel > 1:
        image.SetPlanarConfiguration(runner.planar_configuration)
    syntax = gdcm.TransferSyntax.GetTSType(str.__str__(runner.transfer_syntax))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    precision = min(precision, runner.bits_allocated)
    bits = (runner.bits_allocated, precision, precision - 1)
    image.SetPixelFormat(gdcm.PixelFormat(runner.samples_per_pixel, *bits, runner.pixel_representation))
