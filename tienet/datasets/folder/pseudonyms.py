"""Names that stand for patients and images, and lead back to them only with a secret: a keyed hash (HMAC-SHA256)."""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from tienet.errors import InputError

SALT_FILE = ".salt"
DIGITS = 16  # hexadecimal: among a million names the odds of two alike are 1 to 37 million
MIN_SALT = 12


class Pseudonyms:
    """The same name has the same pseudonym as long as the salt is the same."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def of(self, kind: str, name: str) -> str:
        """DIGITS hexadecimal digits for a name; one name as two kinds (patient, image) has two."""
        text = f"{kind}\0{name}".encode("utf-8", "surrogateescape")
        return hmac.new(self._salt, text, hashlib.sha256).hexdigest()[:DIGITS]


def read_salt(folder: Path, given: str | None) -> bytes:
    """The salt that is given, else the one of the folder's file .salt, which is made where it is missing.

    Only the file's owner can read it.

    Raises InputError if the given one is short enough to be guessed, or the file's was changed.
    """
    if given is not None:
        if len(given) < MIN_SALT:
            raise InputError(f"--salt has {len(given)} characters; expected {MIN_SALT} or more, that nobody can guess")
        return given.encode("utf-8", "surrogateescape")
    path = folder / SALT_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return _read(path)


def _read(path: Path) -> bytes:
    content = path.read_bytes().strip()
    if not re.fullmatch(rb"[0-9a-f]{64}", content):
        raise InputError(f"{path} is damaged; expected 64 hexadecimal digits. Restore it, or delete it: all ids change")
    return content
