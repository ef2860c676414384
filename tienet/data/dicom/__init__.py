"""DICOM files as grey pixels, read in processes of their own; `Reader` and `read_gray` are the ways in."""

from tienet.data.dicom.reader import Reader, read_gray

__all__ = ["Reader", "read_gray"]
