"""Reading of DICOM files as grey pixels, in processes of their own; start with `Reader` or `read_gray`."""

from tienet.data.dicom.reader import Reader, read_gray

__all__ = ["Reader", "read_gray"]
