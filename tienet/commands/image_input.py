"""Reading of an image file for a command: the image as the network takes it, or why it cannot be read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet.commands.study_input import Fault
from tienet.data.dicom.reader import DicomError, read_gray_and_remarks
from tienet.data.image import resize
from tienet.errors import InputError

MISSING, UNREADABLE = "image that does not exist", "image that cannot be read"


@dataclass(frozen=True, eq=False)
class ImageInput:
    """An image file that was read, or that could not be read.

    Attributes:
        pixels: uint8 [image_px, image_px], as the network takes it, or [H, W], as the file has it, for several
            networks that take different sizes; None where there is a fault.
        fault: Why the file cannot be read; None if it was read.
        remarks: What a reader of the result should know of the file; each goes on after the words "the file".
    """

    pixels: np.ndarray | None
    fault: Fault | None = None
    remarks: tuple[str, ...] = ()


def read_image_input(path: Path, image_px: int | None) -> ImageInput:
    """Read a PNG, JPEG or DICOM file and resize it at once, so that a large image takes memory only for a moment.

    With None as `image_px` it is not resized.
    """
    try:
        gray, remarks = read_gray_and_remarks(path)
        return ImageInput(gray if image_px is None else resize(gray, image_px), remarks=remarks)
    except FileNotFoundError as error:
        return ImageInput(None, Fault(MISSING, _one_line(error)))
    except DicomError as error:
        return ImageInput(None, Fault(error.reason, _one_line(error)))
    except (InputError, OSError) as error:
        return ImageInput(None, Fault(UNREADABLE, _one_line(error)))


def _one_line(error: Exception) -> str:
    """The message of an error; the name of the file in it may hold line breaks."""
    return " ".join(str(error).splitlines())
