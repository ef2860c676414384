"""An image file as the network takes it, or why it cannot be read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet.commands.study_input import Fault
from tienet.data.dicom.reader import DicomError, read_gray
from tienet.data.image import resize
from tienet.errors import InputError

MISSING, UNREADABLE = "image that does not exist", "image that cannot be read"


@dataclass(frozen=True, eq=False)
class ImageInput:
    """What became of a file.

    Attributes:
        small: uint8 [px, px], as the network sees it; None where there is a fault.
        fault: why it cannot be read, or None.
    """

    small: np.ndarray | None
    fault: Fault | None = None


def read_image_input(path: Path, px: int) -> ImageInput:
    """A PNG, JPEG or DICOM file, resized at once: a large one takes memory only while it is read."""
    try:
        return ImageInput(resize(read_gray(path), px))
    except FileNotFoundError as error:
        return ImageInput(None, Fault(MISSING, str(error)))
    except DicomError as error:
        return ImageInput(None, Fault(error.reason, str(error)))
    except (InputError, OSError) as error:
        return ImageInput(None, Fault(UNREADABLE, str(error)))
