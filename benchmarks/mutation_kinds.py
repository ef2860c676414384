"""The kinds of input files that are mutated: valid files of each kind, and the readers by which users reach them.

A step of a file reads it as a command does, and checks that what comes back is sane: shape, type, range.
"""

import gzip
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from benchmarks import mutated_pictures, mutated_texts
from benchmarks.mutated_bytes import Way, in_gzip, inside
from tienet.data import image, image_files
from tienet.data.dicom.reader import Dicom, Reader, is_dicom
from tienet.datasets.description.image_header import read_header
from tienet.errors import InputError

Step = Callable[[Path], object]
"""Reads a file and checks what comes back. An error is the reader's own, or InsaneError."""


class InsaneError(AssertionError):
    """A reader has returned something that no file may give."""


@dataclass(frozen=True)
class Seed:
    """A valid file.

    Attributes:
        name: Its path below the folder of its kind.
        content: Its bytes.
        steps: What reads it; each gets the path of the file. An error of one does not keep the others from reading.
        ways: How it is mutated.
        problems: Whether a reader may name many problems, each in a line of its own.
    """

    name: str
    content: bytes
    steps: tuple[Step, ...]
    ways: tuple[Way, ...]
    problems: bool = False


Kind = Callable[[Path, Reader], Sequence[Seed]]
"""Prepares an empty folder for a kind of files, and returns the valid ones; DICOM files are read by the reader."""


def demand(holds: object, what: str) -> None:
    """Raise InsaneError, with what is wrong, unless it holds."""
    if not holds:
        raise InsaneError(what)


def demand_labels(labels: object) -> None:
    """Raise InsaneError unless all labels are 1, 0 or NaN."""
    values = np.asarray(labels, float)
    demand((np.isnan(values) | (values == 0) | (values == 1)).all(), "a label is neither 1, nor 0, nor unknown")


# ---- images ----


def png_seeds(folder: Path, reader: Reader) -> list[Seed]:
    """PNG files of 1 to 16 bits: grey, with colours, with a palette, with transparency, and with metadata."""
    import cv2

    rng, size = np.random.default_rng(0), (40, 30)
    grey, wide, colour = (rng.integers(0, top, shape) for top, shape in ((256, size), (4096, size), (256, (*size, 4))))
    pictures = {
        "grey8": grey.astype(np.uint8), "grey16": wide.astype(np.uint16), "colour8": colour[..., :3].astype(np.uint8),
        "colour16": (colour[..., :3] * 256).astype(np.uint16), "transparent": colour.astype(np.uint8),
    }  # fmt: skip
    contents = {name: cv2.imencode(".png", pixels)[1].tobytes() for name, pixels in pictures.items()}
    contents["bits1"] = cv2.imencode(".png", pictures["grey8"], [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes()
    contents["palette"] = _palette_png()
    text = (b"tEXt", b"Comment\0a film"), (b"eXIf", b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\1\0\0\0")
    header, *rest = mutated_pictures.png_chunks(contents["grey8"])
    contents["metadata"] = mutated_pictures.png_of([header, *text, *rest])
    steps, ways = _picture_steps(reader), mutated_pictures.OF_PNG
    return [Seed(f"{name}.png", content, steps, ways) for name, content in contents.items()]


def _palette_png() -> bytes:
    import struct
    import zlib

    lines = b"".join(b"\0" + bytes((x + y) % 4 for x in range(30)) for y in range(40))
    palette = bytes(range(12))
    header = struct.pack(">IIBBBBB", 30, 40, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return mutated_pictures.png_of(chunks)


def jpeg_seeds(folder: Path, reader: Reader) -> list[Seed]:
    """JPEG files: grey, with colours, progressive, with restart markers, and with EXIF."""
    import cv2

    grey = np.add.outer(np.arange(48), np.arange(64) * 2).astype(np.uint8)
    colour = np.dstack([grey, grey[::-1], 255 - grey])
    contents = {
        name: cv2.imencode(".jpg", pixels, form)[1].tobytes()
        for name, pixels, form in (
            ("grey", grey, []),
            ("colour", colour, []),
            ("progressive", colour, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
            ("restarts", grey, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]),
        )
    }
    segments, rest = mutated_pictures.jpeg_segments(contents["grey"])
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\1\0\0\0"
    contents["exif"] = mutated_pictures.jpeg_of([(0xE1, exif), *segments], rest)
    steps, ways = _picture_steps(reader), mutated_pictures.OF_JPEG
    return [Seed(f"{name}.jpg", content, steps, ways) for name, content in contents.items()]


def _picture_steps(reader: Reader) -> tuple[Step, ...]:
    def survey(path: Path) -> None:
        header = read_header(path)
        demand(header.width > 0 and header.height > 0 and header.bits >= 0 and header.kind, "a header without a size")

    def check(path: Path) -> None:
        found = image_files.check([path], ["train"])
        if path in found.wrong:
            raise InputError(found.wrong[path])

    return (lambda path: read_picture(path, reader), survey, check)


def read_picture(path: Path, reader: Reader) -> None:
    """Read an image as every command does, a DICOM file by a reader that is started already."""
    film = reader.read(path) if is_dicom(path) else None
    gray = film.pixels if film else image.read_gray(path)
    _demand_gray(gray)
    small = image.resize(gray, 64)
    demand(small.shape == (64, 64) and small.dtype == np.uint8, f"resized to {small.dtype} {small.shape}")
    if film:
        _demand_header(film)


def _demand_gray(gray: object) -> None:
    try:
        image.check_gray(gray, "image")
    except InputError as error:
        raise InsaneError(str(error)) from None


def _demand_header(film: Dicom) -> None:
    texts = (film.patient_id, film.study_uid, film.sop_uid, film.accession, film.modality, film.view, film.orientation)
    demand(all(isinstance(text, str) for text in (*texts, *film.notes)), "a header whose texts are none")
    demand(isinstance(film.notes, tuple) and isinstance(film.upright, bool), "a header without notes")


# ---- DICOM ----


def dicom_seeds(folder: Path, reader: Reader) -> list[Seed]:
    """DICOM files of eight transfer syntaxes, one of them in colour too, each also with sequences nested 300 deep."""

    def header(path: Path) -> None:
        film = reader.read_header(path)
        demand(film.pixels is None, "pixels where only the header was asked for")
        _demand_header(film)

    steps: tuple[Step, ...] = (lambda path: read_picture(path, reader), header)
    seeds = []
    for name, content in dicom_files().items():
        nested = mutated_pictures.with_nested_sequences(content)
        for each, of in ((content, ""), (nested, "-nested")):
            seeds.append(Seed(f"{name}{of}.dcm", each, steps, mutated_pictures.OF_DICOM))
    return seeds


def dicom_files() -> dict[str, bytes]:
    """A small X-ray in each transfer syntax that is read."""
    import cv2
    from pydicom import uid

    ramp = np.tile(np.linspace(0, 4095, 48 * 40).round().astype(np.uint16).reshape(48, 40), (2, 2))
    contents = {
        name: _dicom(ramp, 12, syntax)
        for name, syntax in (
            ("implicit", uid.ImplicitVRLittleEndian),
            ("explicit", uid.ExplicitVRLittleEndian),
            ("big-endian", uid.ExplicitVRBigEndian),
            ("deflated", uid.DeflatedExplicitVRLittleEndian),
        )
    }
    compressed = {"rle": uid.RLELossless, "jpeg-ls": uid.JPEGLSLossless, "jpeg-2000": uid.JPEG2000Lossless}
    contents |= {name: _dicom(ramp, 12, syntax, compress=True) for name, syntax in compressed.items()}
    frame = cv2.imencode(".jpg", (ramp >> 4).astype(np.uint8))[1].tobytes()
    contents["jpeg"] = _dicom((ramp >> 4).astype(np.uint8), 8, uid.JPEGBaseline8Bit, frame=frame)
    colour = np.dstack([(ramp >> 4).astype(np.uint8)] * 3)
    contents["colour"] = _dicom(colour, 8, uid.ExplicitVRLittleEndian)
    return contents


def _dicom(pixels: np.ndarray, bits: int, syntax: str, compress: bool = False, frame: bytes | None = None) -> bytes:
    from pydicom import Dataset, FileMetaDataset, uid
    from pydicom.encaps import encapsulate

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian if compress else syntax
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ds.StudyInstanceUID, ds.PatientID, ds.AccessionNumber, ds.Modality = "1.2.3", "P7", "A1", "DX"
    ds.ViewPosition, ds.PatientOrientation, ds.WindowCenter, ds.WindowWidth = "PA", ["L", "F"], 2000, 3000
    ds.RescaleSlope, ds.RescaleIntercept, ds.PixelRepresentation = 1, 0, 0
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8 * pixels.dtype.itemsize, bits, bits - 1
    ds.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    ds.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes() if frame is None else encapsulate([frame])
    ds["PixelData"].VR = "OW" if bits > 8 else "OB"
    ds["PixelData"].is_undefined_length = frame is not None
    if compress:
        ds.compress(syntax, generate_instance_uid=False)
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


# ---- archives of reports ----

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<eCitation>
<uId id="CXR{uid}"/>
<MedlineCitation><Article><Abstract>
<AbstractText Label="COMPARISON">None.</AbstractText>
<AbstractText Label="FINDINGS">The heart is normal in size &amp; shape. No effusion.</AbstractText>
<AbstractText Label="IMPRESSION">Clear <b>lungs</b>.</AbstractText>
</Abstract></Article></MedlineCitation>
<MeSH><major>Cardiomegaly/mild</major><major>normal</major></MeSH>
<parentImage id="CXR{uid}_IM-0001-4001"/>
</eCitation>
"""


def xml_seeds(folder: Path, reader: Reader) -> list[Seed]:
    """The XML of a report, beside that of another."""
    (folder / "reports").mkdir()
    (folder / "reports" / "2.xml").write_text(REPORT.format(uid=2))
    steps = (lambda path: _read_openi(path.parent, folder),)
    return [Seed("reports/1.xml", REPORT.format(uid=1).encode(), steps, mutated_texts.OF_XML)]


def tar_seeds(folder: Path, reader: Reader) -> list[Seed]:
    """Archives of reports in the forms of ustar, GNU and pax, packed by gzip, bzip2 and xz, and not packed."""
    import bz2
    import lzma

    forms = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
    contents = {name: _archive(form) for name, form in forms.items()}
    steps = (lambda path: _read_openi(path, folder),)
    seeds = [Seed(f"{name}.tar", content, steps, mutated_texts.OF_TAR) for name, content in contents.items()]
    ways, plain = mutated_texts.OF_TAR, contents["gnu"]
    for ending, pack, unpack in (
        ("tgz", lambda content: gzip.compress(content, 1, mtime=0), gzip.decompress),
        ("tar.bz2", lambda content: bz2.compress(content, 1), bz2.decompress),
        ("tar.xz", lambda content: lzma.compress(content, preset=0), lzma.decompress),
    ):
        packed = (*mutated_texts.BYTES, *inside(ways, unpack, pack))
        seeds.append(Seed(f"reports.{ending}", pack(plain), steps, packed))
    return seeds


def _archive(form: int) -> bytes:
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for uid in (1, 2, 3):
            content = REPORT.format(uid=uid).encode()
            member = tarfile.TarInfo(f"ecgen-radiology/{uid}.xml" if uid < 3 else f"{'long/' * 25}{uid}.xml")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
        link = tarfile.TarInfo("ecgen-radiology/link.xml")
        link.type, link.linkname = tarfile.SYMTYPE, "1.xml"
        archive.addfile(link)
    return file.getvalue()


def _read_openi(source: Path, folder: Path) -> None:
    """Read reports and join them as `tienet prepare openi` does, without images."""
    from tienet.data import splits
    from tienet.datasets.openi import prepare
    from tienet.datasets.openi.reports import read_reports
    from tienet.datasets.openi.views import Views

    reports = read_reports(source)
    demand(reports and all(isinstance(report.text, str) for report in reports.values()), "reports without a text")
    views = Views({uid: [f"{uid}_IM-0001-4001"] for uid in reports}, {})
    image_of = {f"{uid}_IM-0001-4001": folder / f"{uid}.png" for uid in reports}
    labels = prepare.mesh_labels(reports)
    rows, left_out = prepare.assemble(reports, views, image_of, labels, splits.by_hash, folder / "out")
    demand(len(rows) + len(left_out) == len(reports), "a report is neither a study nor left out")
    for of_report in labels.values():
        demand_labels(list(of_report.values()))


# ---- word vectors ----

WORDS = ("lungs", "heart", "no", "clear")


def vector_seeds(folder: Path, reader: Reader) -> list[Seed]:
    """Word vectors as text with and without a header, binary and as NumPy's arrays, plain and gzipped."""
    vectors = np.arange(12).reshape(4, 3) / 8
    lines = [f"{word} {' '.join(map(str, row))}\n" for word, row in zip(WORDS, vectors, strict=True)]
    glove, header = "".join([*lines, ". . . 1 2 3\n"]).encode(), b"5 3\n"
    binary = b"4 3\n" + b"".join(
        word.encode() + b" " + row.astype("<f4").tobytes() + b"\n" for word, row in zip(WORDS, vectors, strict=True)
    )
    npz = BytesIO()
    np.savez(npz, words=np.array(WORDS), vectors=vectors.astype(np.float32))
    of_text, of_npz = mutated_texts.OF_VECTORS, mutated_texts.OF_NPZ
    contents = {
        "glove.txt": (glove, of_text), "word2vec.vec": (header + glove, of_text), "word2vec.bin": (binary, of_text),
        "vectors.npz": (npz.getvalue(), of_npz), "glove.txt.gz": (gzip.compress(glove, mtime=0), in_gzip(of_text)),
        "word2vec.bin.gz": (gzip.compress(binary, mtime=0), (*in_gzip(of_text), *mutated_texts.BYTES)),
    }  # fmt: skip
    return [Seed(name, content, (_read_vectors,), ways) for name, (content, ways) in contents.items()]


def _read_vectors(path: Path) -> None:
    from tienet.data.word_vectors import read_vectors

    known, dim = read_vectors(path, set(WORDS))
    demand(known and set(known) <= set(WORDS) and dim >= 1, "no vector, or one of a word that was not asked for")
    for vector in known.values():
        demand(vector.shape == (dim,) and vector.dtype == np.float32, f"a vector {vector.dtype} {vector.shape}")
        demand(np.isfinite(vector).all(), "a vector with a number that is not finite")
