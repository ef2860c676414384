"""Ways to break tables, XML, tar archives, word vectors and JSON that know their format.

A way raises, whatever the exception, if the content is not of its format any more; `mutate` in
`benchmarks/mutated_bytes.py` expects that.
"""

import copy
import csv
import io
import json
import random
import re
import tarfile

import numpy as np

from benchmarks.mutated_bytes import BYTES, ENCODINGS, NUMBERS, RUN, TEXT, Way, mutate, text

# ---- CSV ----


def csv_cells(content: bytes, rng: random.Random) -> bytes:
    """Put something else into a few cells, or into all cells of a column."""
    rows = _csv_rows(content)
    column, value = rng.randrange(len(rows[0])), text(rng)
    whole = rng.random() < 0.3
    for row in rows[1:] if whole else rng.choices(rows, k=rng.randint(1, 4)):
        place = column if whole else rng.randrange(len(row))
        row[place] = rng.choice((value, value, row[place] + value, value + row[place]))
    return _csv_of(rows)


def csv_header(content: bytes, rng: random.Random) -> bytes:
    """Rename a column, leave one out, write one twice, or swap two; the rows may follow or not."""
    rows = _csv_rows(content)
    one, other, what = rng.randrange(len(rows[0])), rng.randrange(len(rows[0])), rng.randrange(5)
    changed = rows if rng.random() < 0.5 else rows[:1]
    for row in changed:
        if what == 0:
            row[one] = rows[0][other]
        elif what == 1:
            del row[one]
        elif what == 2:
            row.insert(other, row[one])
        elif what == 3:
            row[one], row[other] = row[other], row[one]
    if what == 4:
        rows[0][one] = rng.choice((text(rng), rows[0][one].upper(), f" {rows[0][one]} ", rows[0][one] + text(rng)))
    return _csv_of(rows)


def csv_rows(content: bytes, rng: random.Random) -> bytes:
    """Leave rows out, write them twice or very often, or give one more or fewer cells."""
    rows = _csv_rows(content)
    n = rng.randrange(len(rows))
    what = rng.randrange(5)
    if what == 0:
        del rows[n:]
    elif what == 1:
        rows.insert(rng.randrange(len(rows) + 1), rows[n])
    elif what == 2:
        rows += [rows[n]] * 300
    elif what == 3:
        rows[n] = rows[n] + [text(rng)] * rng.choice((1, 100))
    else:
        rows[n] = rows[n][: rng.randrange(len(rows[n]) + 1)]
    return _csv_of(rows)


def csv_form(content: bytes, rng: random.Random) -> bytes:
    """Write the table with other separators, quotes or ends of lines, or with marks before it."""
    rows, what = _csv_rows(content), rng.randrange(4)
    if what == 0:
        return _csv_of(rows, delimiter=rng.choice(";\t|: "))
    if what == 1:
        return _csv_of(rows, quotechar=rng.choice("'\"`"), quoting=csv.QUOTE_ALL)
    if what == 2:
        return _csv_of(rows, lineterminator=rng.choice(("\r", "\r\n", "\n\n", "\r\n\n", "\u2028", " ")))
    start = rng.choice(("sep=,\n", "sep=;\n", "\n\n", "# comment\n", "\ufeff\ufeff", '"', "\0"))
    return start.encode() + content


def csv_quotes(content: bytes, rng: random.Random) -> bytes:
    """Insert quotes, separators and ends of lines anywhere."""
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(content) + 1)
        mark = rng.choice((b'"', b'"', b'""', b",", b"\n", b"\r", b'","', b'\n"'))
        content = content[:place] + mark + content[place:]
    return content


def _csv_rows(content: bytes) -> list[list[str]]:
    csv.field_size_limit(len(content) + 1)
    return [row for row in csv.reader(io.StringIO(content.decode(), newline="")) if row]


def _csv_of(rows: list[list[str]], **form: object) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, **{"lineterminator": "\n"} | form).writerows(rows)
    return file.getvalue().encode("utf-8", "surrogatepass")


# ---- XML ----

_BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha" * 50}">' for n in range(10))


def xml_entities(content: bytes, rng: random.Random) -> bytes:
    """Declare entities: many in one another, of files, of addresses; and use them."""
    declared = rng.choice((
        _BOMB, '<!ENTITY e9 SYSTEM "file:///etc/passwd">', '<!ENTITY e9 SYSTEM "http://127.0.0.1:9/x">',
        '<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;', f'<!ENTITY e9 "{"x" * RUN}">', "<!ELEMENT x ANY>", "",
        '<!NOTATION n SYSTEM "n">', '<!ATTLIST uId id CDATA "7">', "<![INCLUDE[", "<!-- -- -->", "]>",
    ))  # fmt: skip
    external = rng.choice(("", "", ' SYSTEM "file:///etc/passwd"', ' PUBLIC "x" "http://127.0.0.1:9/x.dtd"'))
    body = re.sub(rb"^<\?xml[^>]*\?>\s*", b"", content)
    place = rng.choice([match.end() for match in re.finditer(rb">", body)])
    body = body[:place] + b"&e9;" * rng.choice((0, 1, 1, 1000)) + body[place:]
    return f"<!DOCTYPE eCitation{external} [{declared}]>".encode() + body


def xml_nesting(content: bytes, rng: random.Random) -> bytes:
    """Insert elements in one another, up to 300,000 deep, closed or not."""
    depth, name = rng.choice((10, 1000, 100_000, 300_000)), rng.choice(("a", "AbstractText", "MeSH", "major", "uId"))
    start = rng.choice((f"<{name}>", f'<{name} Label="FINDINGS">'))
    place = rng.choice([match.end() for match in re.finditer(rb">", content)])
    end = f"</{name}>" * rng.choice((depth, depth, depth - 1, 0))
    return content[:place] + (start * depth + "x" + end).encode() + content[place:]


def xml_encoding(content: bytes, rng: random.Random) -> bytes:
    """Say another encoding than the text has, or write the text in another one."""
    body = re.sub(rb"^<\?xml[^>]*\?>\s*", b"", content).decode()
    others = ("ascii", "shift_jis", "gb18030", "hex", "rot13", "undefined", "idna", "punycode", "x", "", "ucs-4")
    said, version = rng.choice((*ENCODINGS, *others)), rng.choice(("1.0", "1.0", "1.1", "9"))
    declaration = f'<?xml version="{version}" encoding="{said}"?>'
    return (declaration + body).encode(rng.choice(("utf-8", "utf-8", *ENCODINGS)), "xmlcharrefreplace")


def xml_parts(content: bytes, rng: random.Random) -> bytes:
    """Put something else into an attribute or a text; leave a tag out, write one twice, or give it another name."""
    what, value = rng.randrange(4), text(rng).encode("utf-8", "surrogatepass")
    escaped = value.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b'"', b"&quot;").replace(b"\n", b"&#10;")
    found = re.finditer((rb'(?<==")[^"]*(?=")', rb"(?<=>)[^<>]*(?=<)", rb"<[^<>]*>", rb"(?<=<)\w+")[what], content)
    one = rng.choice(list(found))
    new = (rng.choice((escaped, value)), rng.choice((escaped, value)), rng.choice((b"", one[0] * 2)), value)[what]
    return content[: one.start()] + new + content[one.end() :]


# ---- tar ----

_TAR_FIELDS = {
    "name": (0, 100), "mode": (100, 8), "uid": (108, 8), "size": (124, 12), "mtime": (136, 12), "checksum": (148, 8),
    "type": (156, 1), "linkname": (157, 100), "magic": (257, 8), "sparse": (386, 97), "prefix": (345, 155),
}  # fmt: skip
_TAR_TYPES = b"0\x00123456789gxLKSDMVXNAZ7"
_PAX_KEYWORDS = (
    "path", "size", "linkpath", "mtime", "hdrcharset", "GNU.sparse.major", "GNU.sparse.map", "GNU.sparse.size",
    "GNU.sparse.realsize", "GNU.sparse.name", "GNU.sparse.numblocks",
)  # fmt: skip
_NAMES = (
    "../../x.xml", "/etc/x.xml", "a" * 300 + ".xml", "two\nlines.xml", "\udcff.xml", ".xml", "._1.xml", "x.xml/",
)  # fmt: skip
_BLOCK = 512
LARGEST = 2_000_000  # bytes of what is inserted many times


def tar_field(content: bytes, rng: random.Random) -> bytes:
    """Change a field of a header, such as the size, the type or the name; its checksum is right."""
    place = _tar_header(content, rng)
    start, size = _TAR_FIELDS[rng.choice(("size", "size", "type", *_TAR_FIELDS))]
    header = bytearray(content[place : place + _BLOCK])
    number = rng.choice((*NUMBERS, -1, -512, -(2**40), 10_000_000, 2**40))
    values = (
        b"%0*o" % (size - 1, abs(number) % 8 ** (size - 1)) if size > 1 else bytes([rng.choice(_TAR_TYPES)]),
        (number % 256**size).to_bytes(size, "big"), (b"\x80" + (abs(number) % 2**64).to_bytes(size, "big")[1:])[:size]
        if size > 8 else rng.randbytes(size), text(rng).encode("utf-8", "surrogatepass")[:size], rng.randbytes(size),
    )  # fmt: skip
    value = rng.choice(values)
    header[start : start + size] = value.ljust(size, b"\0")[:size]
    if start == _TAR_FIELDS["size"][0] and number < 0:
        header[start : start + size] = b"\xff" + (number % 256 ** (size - 1)).to_bytes(size - 1, "big")
    return content[:place] + _with_checksum(header) + content[place + _BLOCK :]


def tar_blocks(content: bytes, rng: random.Random) -> bytes:
    """Leave blocks out, write them twice or elsewhere, or put zeros or random bytes into one."""
    blocks = [content[place : place + _BLOCK] for place in range(0, len(content), _BLOCK)]
    n, what = rng.randrange(len(blocks)), rng.randrange(4)
    if what == 0:
        del blocks[n : n + rng.randint(1, 3)]
    elif what == 1:
        blocks.insert(rng.randrange(len(blocks)), blocks[n])
    else:
        blocks[n] = bytes(_BLOCK) if what == 2 else rng.randbytes(_BLOCK)
    return b"".join(blocks)


def tar_extended_headers(content: bytes, rng: random.Random) -> bytes:
    """Insert headers with long names, or with records of pax, that may be many or say anything."""
    keyword = rng.choice((*_PAX_KEYWORDS, text(rng)))
    value = rng.choice((text(rng), str(rng.choice(NUMBERS)), "-1", "1", "0,1,2"))
    record = f" {keyword}={value}\n".encode("utf-8", "surrogatepass")
    length = len(record) + 1
    while len(str(length)) + len(record) != length:
        length += 1
    record = rng.choice((str(length), str(length), str(length), "0", "9" * 20, "-5", "x")).encode() + record
    kind = rng.choice(b"xxxgLKSDX")
    body = record if kind in b"xgX" else text(rng).encode("utf-8", "surrogatepass")
    body += bytes(-len(body) % _BLOCK)
    header = bytearray(tarfile.TarInfo("h").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"%011o\0" % rng.choice((len(body), len(body), len(body), 0, 8**11 - 1))
    header[156] = kind
    place = _tar_header(content, rng)
    times = rng.choice((1, 1, 1, 3, LARGEST // (_BLOCK + len(body))))
    return content[:place] + (_with_checksum(header) + body) * times + content[place:]


def tar_members(content: bytes, rng: random.Random) -> bytes:
    """Add links, folders, devices and files with odd names, or break the XML of a member."""
    file = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as source, tarfile.open(fileobj=file, mode="w") as target:
        members = []
        for member in source:
            if not 0 <= member.size <= LARGEST:  # from the way before; tarfile goes round without end at a size below 0
                raise tarfile.ReadError
            members.append((member, source.extractfile(member).read() if member.isfile() else b""))
        n = rng.randrange(len(members))
        member, xml = members[n]
        what = rng.randrange(4)
        if what == 0:
            member.name = rng.choice(_NAMES)
        elif what == 1:
            added = copy.copy(member)
            added.type, added.linkname = rng.choice((b"1", b"2", b"3", b"5", b"6", b"7")), member.name
            members.append((added, b""))
        elif what == 2:
            xml = mutate(xml, OF_XML, rng)[0]
        else:
            members += [(member, xml)] * rng.choice((1, min(500, LARGEST // (1 + len(xml)))))
        members[n] = (member, xml)
        for each, body in members:
            each.size = len(body)
            target.addfile(each, io.BytesIO(body))
    return file.getvalue()


def _tar_header(content: bytes, rng: random.Random) -> int:
    places = [place for place in range(0, len(content), _BLOCK) if content[place + 257 : place + 262] == b"ustar"]
    return rng.choice(places)


def _with_checksum(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


# ---- word vectors ----


def vector_header(content: bytes, rng: random.Random) -> bytes:
    """Write another first line: word2vec's header with other numbers, or something else."""
    _, _, rest = content.partition(b"\n")
    numbers = [rng.choice((*NUMBERS, 3, 4, 5, 12, 100_000)) for _ in range(2)]
    start = f"{numbers[0]} {numbers[1]}"
    return rng.choice((start, start, start, f"{numbers[0]}", text(rng))).encode("utf-8", "surrogatepass") + b"\n" + rest


def npz_arrays(content: bytes, rng: random.Random) -> bytes:
    """Write arrays of other types or shapes, or under other names."""
    count, dim = rng.choice((0, 1, 4)), rng.choice((0, 1, 3))
    words = rng.choice((
        np.array(["lungs", "heart", "no", "clear"])[:count], np.array([b"lungs", b"\xff", b"no", b"clear"])[:count],
        np.arange(count), np.arange(count) / 3, np.zeros((count, 2)), np.array("lungs"), np.array([[1, 2]] * count),
        np.zeros(count, [("a", "i4")]), np.zeros(count, bool), np.zeros(count, "M8[s]"), np.array([text(rng)] * count),
    ))  # fmt: skip
    vectors = np.ones(rng.choice(((count, dim), (count,), (), (count, dim, 1), (dim, count))))
    vectors = vectors.astype(rng.choice(("f4", "f2", "f8", "i1", "u8", "c8", "?", "S3", "U3", "M8[s]", "V4", ">f4")))
    vectors = vectors * rng.choice((1, np.nan, np.inf, 1e300)) if vectors.dtype == np.float64 else vectors
    good = ("words", "vectors")
    names = rng.choice((good, good, good, ("a", "b"), ("words", "../x")))
    file = io.BytesIO()
    with np.errstate(all="ignore"):
        np.savez(file, **dict(zip(names, (words, vectors), strict=True)))
    return file.getvalue()


def npy_header(content: bytes, rng: random.Random) -> bytes:
    """Write another header of an array in a file of NumPy that is not compressed."""
    found = list(re.finditer(rb"\{'descr'[^\n]*\n", content))
    one = rng.choice(found)
    size = len(one[0])
    descr = rng.choice(("<f4", "<f8", "|O", "<U1000000000", "|S0", "<M8", "|V9", "x", "<f99"))
    shape = rng.choice(("(4, 3)", "(-1,)", "(1000000000000, 3)", "(4,)", "()", "(2**9,)", "((((((", "'x'", "(4, 3, "))
    header = rng.choice((f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}", "{" * 80, text(rng)))
    header = header.encode("utf-8", "surrogatepass")[: size - 1].ljust(size - 1) + b"\n"
    return content[: one.start()] + header + content[one.end() :]


# ---- JSON ----

_JSON_VALUES = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, -(10**400), 0.5, -0.0, 1e39, 1e-320, 1e308, float("inf"),
    float("-inf"), float("nan"), "", "nan", "x" * RUN, "9" * 5000, "latest-" + "9" * 5000, "best-5", "latest-5",
    "../../x", "a\nb", "\ud800", "a\0b", [], {}, [[]], {"a": {}}, [1] * 15, [0.5] * 14, [10**400] * 15,
    [float("nan")] * 15, ["x"] * 15, {"": None}, [None], list(range(2000)), [["a", "b", "c"]], [["a", "b"]],
    [[1, 2, 3]],
)  # fmt: skip
_RAW = (
    b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"1e99999", b"NaN", b"-", b"0x1",
    b'"\\ud800"', b'"\xff"', b"'x'", b"{,}", b"1 2", b"// x\n", b"\0",
)  # fmt: skip


def json_value(content: bytes, rng: random.Random) -> bytes:
    """Put something else in the place of one to three values, or of the whole."""
    value = json.loads(content)
    for _ in range(rng.randint(1, 3)):
        new = copy.deepcopy(rng.choice((*_JSON_VALUES, text(rng))))
        holders = list(_json_holders(value))
        if not holders or rng.random() < 0.03:
            value = new
            continue
        holder, key = rng.choice(holders)
        old = holder[key]
        holder[key] = rng.choice((new, new, new, [old], {"a": old}, str(old), [old] * 2))
    return json.dumps(value).encode()


def json_keys(content: bytes, rng: random.Random) -> bytes:
    """Leave a key out, give it another name, add one, or swap two values."""
    value = json.loads(content)
    holder, key = rng.choice(list(_json_holders(value)))
    other_holder, other_key = rng.choice(list(_json_holders(value)))
    what = rng.randrange(4)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[text(rng)] = holder.pop(key)
    elif what == 2 and isinstance(holder, dict):
        holder[text(rng)] = copy.deepcopy(rng.choice(_JSON_VALUES))
    else:
        holder[key], other_holder[other_key] = copy.deepcopy(other_holder[other_key]), copy.deepcopy(holder[key])
    return json.dumps(value).encode()


def json_raw(content: bytes, rng: random.Random) -> bytes:
    """Put something that is no JSON, or hardly, in the place of a value or of the whole."""
    raw = rng.choice(_RAW)
    found = list(re.finditer(rb'(?<=: )("[^"]*"|[-\d.eE+]+|null|true|false|\[\]|\{\})', content))
    if not found or rng.random() < 0.2:
        return raw
    one = rng.choice(found)
    return content[: one.start()] + raw + content[one.end() :]


def _json_holders(value: object) -> "list[tuple[dict | list, object]]":
    """Each place of a value inside of another: what holds it, and under which key."""
    found = []
    if isinstance(value, (dict, list)):
        for key, below in list(value.items() if isinstance(value, dict) else enumerate(value)):
            found.append((value, key))
            found += _json_holders(below)
    return found


OF_CSV: tuple[Way, ...] = (*TEXT, *(csv_cells, csv_cells, csv_header, csv_rows, csv_form, csv_quotes) * 3)
OF_XML: tuple[Way, ...] = (*TEXT, *(xml_entities, xml_nesting, xml_encoding, xml_parts, xml_parts) * 3)
OF_TAR: tuple[Way, ...] = (*BYTES, *(tar_field, tar_field, tar_blocks, tar_extended_headers, tar_members) * 3)
OF_VECTORS: tuple[Way, ...] = (*TEXT, *(vector_header,) * 4)
OF_NPZ: tuple[Way, ...] = (*BYTES, *(npz_arrays, npy_header) * 4)
OF_JSON: tuple[Way, ...] = (*TEXT, *(json_value, json_value, json_keys, json_raw) * 4)
