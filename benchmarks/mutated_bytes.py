"""Ways to break a file of any format: its bits, its bytes, its pieces, the numbers and the words in it.

A way takes the content of a file and a random generator, and returns other content.
"""

import gzip
import random
import re
from collections.abc import Callable, Sequence

Way = Callable[[bytes, random.Random], bytes]

NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
"""Values of lengths and counts in headers, that are extreme or at the ends of what a field holds."""

TEXTS = (
    "", " ", "0", "1", "-1", "1.0", "0.5", "1e999", "-1e-320", "1e39", "nan", "-inf", "NULL", "None", "#N/A", "True",
    "9" * 5000, "1" + "0" * 400, "0" * 5000, "0x10", "1_000", "\u0663", "x" * 200_000, "x y " * 50_000,
    "../../etc/passwd", "..", "/dev/zero", "/dev/stdin", "/" + "a/" * 50_000 + "b", ".png" * 10_000, ".a" * 50_000,
    "C:\\films\\1.png", "a" * 300 + ".png", "\0", "a\0b", "\ufeff", "\u202e", "e\u0301", "\ufdfa" * 1000, "\U0001f600",
    "\n", "\r", "two\nlines", "\x1b[2J", "\x85", "\u2028", '"', '""', "'", ",", "," * 100_000, ";", "\t", "|",
    "=1+1", "%s%n{0}", "<", "&", "]]>", "&#0;", "{}", "[]", "-", " - ", "/" * 1000, "\\" * 1000,
)  # fmt: skip
"""What stands in the place of a number, a name or a text: empty, huge, no number, very long, of other encodings."""

ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp1252", "cp037", "utf-7")
MAX_BYTES = 20_000_000  # of a broken file
RUN = 200_000  # bytes of a value that are inserted in one piece


def flip_bits(content: bytes, rng: random.Random) -> bytes:
    """Flip up to eight bits."""
    changed = bytearray(content or b"\0")
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def replace_bytes(content: bytes, rng: random.Random) -> bytes:
    """Replace up to sixteen bytes, often by those that are special in texts or headers."""
    changed = bytearray(content or b"\0")
    for _ in range(rng.randint(1, 16)):
        special = rng.choice(b'\0\n\r",;\\/<>&{}[]:\xff\x7f\x80 ')
        changed[rng.randrange(len(changed))] = rng.choice((special, rng.randrange(256)))
    return bytes(changed)


def cut_off(content: bytes, rng: random.Random) -> bytes:
    """End the file at any place, often close to its start or its end."""
    n = len(content)
    return content[: rng.choice((rng.randrange(n + 1), min(n, rng.randrange(64)), max(0, n - rng.randrange(1, 33))))]


def remove_piece(content: bytes, rng: random.Random) -> bytes:
    """Leave a piece out."""
    start, end = _piece(content, rng)
    return content[:start] + content[end:]


def double_piece(content: bytes, rng: random.Random) -> bytes:
    """Write a piece twice, or many times."""
    start, end = _piece(content, rng)
    times = rng.choice((1, 1, 1, 10, min(1000, RUN // max(1, end - start))))
    return content[:end] + content[start:end] * times + content[end:]


def move_piece(content: bytes, rng: random.Random) -> bytes:
    """Write a piece at another place."""
    start, end = _piece(content, rng)
    rest = content[:start] + content[end:]
    place = rng.randrange(len(rest) + 1)
    return rest[:place] + content[start:end] + rest[place:]


def insert_bytes(content: bytes, rng: random.Random) -> bytes:
    """Insert random bytes, or one byte very often."""
    place = rng.randrange(len(content) + 1)
    random_bytes = rng.randbytes(rng.randint(1, 300))
    run = bytes([rng.choice((0, 9, 10, 32, 34, 44, 48, 60, 91, 255, rng.randrange(256)))]) * RUN
    return content[:place] + rng.choice((random_bytes, random_bytes, run)) + content[place:]


def set_number(content: bytes, rng: random.Random) -> bytes:
    """Write an extreme number of one to eight bytes, often into the first bytes of the file."""
    size = rng.choice((1, 2, 4, 8))
    number = (rng.choice(NUMBERS) % 256**size).to_bytes(size, rng.choice(("little", "big")))
    place = rng.randrange(max(1, rng.choice((len(content), min(len(content), 512))) - size))
    return content[:place] + number + content[place + size :]


def replace_number(content: bytes, rng: random.Random) -> bytes:
    """Replace a number that is written in digits."""
    return _replace(content, re.compile(rb"[-+]?\d+(?:\.\d+)?"), rng)


def replace_word(content: bytes, rng: random.Random) -> bytes:
    """Replace a word."""
    return _replace(content, re.compile(rb"[A-Za-z_]+"), rng)


def recode(content: bytes, rng: random.Random) -> bytes:
    """Write a text in another encoding, as a whole or from some place on."""
    encoding, place = rng.choice(ENCODINGS), rng.choice((0, rng.randrange(len(content) + 1)))
    return content[:place] + content[place:].decode("utf-8", "replace").encode(encoding, "replace")


def empty(content: bytes, rng: random.Random) -> bytes:
    """Leave nothing, or zeros alone."""
    return rng.choice((b"", b"\0", bytes(len(content)), b"\n", b"\xef\xbb\xbf"))


BYTES: tuple[Way, ...] = (
    flip_bits, flip_bits, replace_bytes, cut_off, remove_piece, double_piece, move_piece, insert_bytes, set_number,
)  # fmt: skip
"""Ways to break any file."""

TEXT: tuple[Way, ...] = (*BYTES, replace_number, replace_number, replace_word, replace_word, recode, empty)
"""Ways to break a file of text."""


def inside(ways: Sequence[Way], unpack: Callable[[bytes], bytes], pack: Callable[[bytes], bytes]) -> tuple[Way, ...]:
    """These ways, on what a packed file holds."""

    def inside_of(way: Way) -> Way:
        def mutate_inside(content: bytes, rng: random.Random) -> bytes:
            return pack(way(unpack(content), rng))

        mutate_inside.__name__ = f"inside_{way.__name__}"
        return mutate_inside

    return tuple(map(inside_of, ways))


def in_gzip(ways: Sequence[Way]) -> tuple[Way, ...]:
    """These ways, on what a gzipped file holds."""
    return inside(ways, gzip.decompress, lambda content: gzip.compress(content, 1, mtime=0))


def mutate(content: bytes, ways: Sequence[Way], rng: random.Random) -> tuple[bytes, str]:
    """Break a file in one to three of these ways; returns its new content, and the names of the ways."""
    changed, names = content, []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        way = rng.choice(ways)
        try:
            new = way(changed, rng)
        except Exception:  # the way before has left nothing of the format that this one knows
            new = flip_bits(changed, rng)
        changed = new if len(new) <= MAX_BYTES else flip_bits(changed, rng)
        names.append(way.__name__)
    if changed == content:
        changed = flip_bits(content, rng)
        names.append(flip_bits.__name__)
    return changed, ", ".join(names)


def text(rng: random.Random) -> str:
    """One of TEXTS."""
    return rng.choice(TEXTS)


def _piece(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(len(content), start + rng.choice((1, 2, 4, 16, 64, 512, 4096)))


def _replace(content: bytes, what: re.Pattern[bytes], rng: random.Random) -> bytes:
    found = list(what.finditer(content))
    if not found:
        return flip_bits(content, rng)
    one = rng.choice(found)
    return content[: one.start()] + text(rng).encode("utf-8", "surrogatepass") + content[one.end() :]
