"""The names by which tables and lists call images: bare file names, or paths, also of other systems.

Names are compared part by part. / and \\ both separate parts, and a drive letter, the ending of an image file and the
way in which Unicode writes an accent do not count. Upper and lower case differ.
"""

import re
import unicodedata

ENDING = re.compile(r"\.(png|jpe?g|dcm|dicom|dic|ima)$", re.IGNORECASE)
_DRIVE = re.compile(r"^[A-Za-z]:(?=[\\/])")


def parts(name: str, has_ending: bool = True) -> tuple[str, ...]:
    """The folders and the file name of a name, without the ending; () for a name that has no file name.

    C:\\films\\p1\\a.png becomes ("films", "p1", "a"). If `has_ending` is not set, the last part stays as it is.
    """
    name = name if name.isascii() else unicodedata.normalize("NFC", name)
    found: list[str] = []
    for part in _DRIVE.sub("", name).replace("\\", "/").split("/"):
        if part == ".." and found:
            found.pop()
        elif part not in ("", ".", ".."):
            found.append(part)
    if found and has_ending:
        found[-1] = ENDING.sub("", found[-1])
    return tuple(found) if found and found[-1] else ()


def plain(name: str, has_ending: bool = True) -> str:
    """A name with / between its parts and without the ending; it starts with / if the name is an absolute path."""
    found = parts(name, has_ending)
    is_absolute = bool(found) and _DRIVE.sub("", name).startswith(("/", "\\"))
    return "/" * is_absolute + "/".join(found)
