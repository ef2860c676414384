"""Pseudonyms of patients and images: keyed hashes (HMAC-SHA256), which lead back to a name only with a secret salt."""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from tienet.errors import InputError

SALT_FILE = ".salt"
DIGITS = 16  # hexadecimal; with a million names two are equal with a probability of 1 in 37 million
MIN_SALT = 12


class Pseudonyms:
    """Makes pseudonyms with a salt; with the same salt the same name always has the same pseudonym."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def of(self, kind: str, name: str) -> str:
        """The pseudonym of a name, DIGITS hexadecimal digits; a name has another one for each kind (patient, image)."""
        text = f"{kind}\0{name}".encode("utf-8", "surrogateescape")
        return hmac.new(self._salt, text, hashlib.sha256).hexdigest()[:DIGITS]


def read_salt(folder: Path, given: str | None) -> bytes:
    """The salt that is given, or else the salt in the file .salt of a folder.

    If the file is missing, it is made with a random salt, and only its owner can read it.

    Raises:
        InputError: The given salt is so short that it can be guessed, or the file is damaged.
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
