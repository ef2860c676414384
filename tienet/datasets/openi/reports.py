"""The reports of OpenI, each of which is an XML file in NLM's archive or in a folder."""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException, ElementTree

from tienet.data.text import report_text
from tienet.datasets.openi import frontal
from tienet.datasets.openi.archive import DAMAGED
from tienet.datasets.openi.views import view_name
from tienet.errors import InputError
from tienet.files import is_hidden, printable
from tienet.progress import over

MAX_XML_BYTES = 10_000_000  # a real report has about 10 kB
MAX_DEPTH = 100
"""The largest number of elements in one another; a real report has about ten."""


@dataclass(frozen=True)
class Report:
    """What is read from one XML file.

    Attributes:
        text: The findings and the impression as one string (`tienet.data.text.report_text`).
        majors: The MeSH majors.
        codes: The codes of each of its views, by the name of the view, for `frontal.told_views`.
    """

    text: str
    majors: tuple[str, ...]
    codes: dict[str, tuple[frontal.Code, ...]] = field(default_factory=dict)


def read_reports(source: Path) -> dict[str, Report]:
    """Read all XML files in a tar archive or in a folder that are not hidden; returns uid -> report.

    Raises:
        FileNotFoundError: There is no such archive or folder.
        InputError: There is no XML file, or one is broken, declares entities, or repeats a uid; the message names it.
    """
    reports: dict[str, Report] = {}
    files: dict[str, str] = {}  # the file of each report
    for name, content in over(_xml_files(source), "reading", "reports"):
        root = _parse_xml(name, content)
        identity = root.find("uId")
        uid = (identity.get("id") or "").strip().removeprefix("CXR") if identity is not None else ""
        if not uid:
            raise InputError(f"{name}: no <uId id=...>; expected a report of OpenI")
        if uid in reports:
            shown = " ".join(uid.split())
            raise InputError(f"{name}: report CXR{shown} is there already in another file, {files[uid]}; keep one")
        files[uid] = name
        majors = tuple(major.text or "" for major in root.findall("MeSH/major"))
        text = report_text(_section(root, "FINDINGS"), _section(root, "IMPRESSION"))
        reports[uid] = Report(text, majors, dict(map(_codes, root.iter("parentImage"))))
    if not reports:
        raise InputError(f"{source}: no .xml file in it; expected the reports of OpenI (NLMCXR_reports.tgz)")
    return reports


class _TooDeepError(Exception):
    """The elements of a file lie deeper in one another than those of any report."""


class _ShallowTreeBuilder(TreeBuilder):
    """Builds a tree of at most MAX_DEPTH levels: deeper ones would take memory and time without an end."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> Element:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooDeepError
        return super().start(tag, attributes)

    def end(self, tag: str) -> Element:
        self._depth -= 1
        return super().end(tag)


def _codes(image: Element) -> tuple[str, tuple[frontal.Code, ...]]:
    """The name of the view of an image, and its codes."""
    codes = ((kind, (image.findtext(f".//{kind}") or "").strip()) for kind in frontal.KINDS)
    return view_name(image.get("id") or ""), tuple(codes)


def _section(root: Element, label: str) -> str:
    parts = ("".join(part.itertext()) for part in root.iter("AbstractText") if part.get("Label") == label)
    return " ".join(parts)


def _parse_xml(name: str, content: bytes) -> Element:
    parser = ElementTree.XMLParser(target=_ShallowTreeBuilder())
    try:
        parser.feed(content)
        return parser.close()
    except _TooDeepError:
        deep = f"elements in one another more than {MAX_DEPTH} deep"
        raise InputError(f"{name}: {deep}; expected a report of OpenI") from None
    except DefusedXmlException:
        raise InputError(f"{name}: refused, an OpenI report declares no entities") from None
    except ParseError as error:
        line, column = error.position
        raise InputError(f"{name}: not XML (line {line}, column {column + 1}); get the file again") from None
    except (ValueError, LookupError):
        raise InputError(f"{name}: not XML, or in an encoding that is not read; get the file again") from None


def _xml_files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name for messages, content) of each .xml file."""
    if source.is_dir():
        for path in sorted(source.rglob("*.xml")):
            if is_hidden(path.relative_to(source)):
                continue
            yield str(path), _limited(str(path), path.stat().st_size, path.read_bytes)
        return
    if not source.exists():
        raise FileNotFoundError(f"--reports {source} does not exist; expected NLMCXR_reports.tgz or a folder of XML")
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                if member.size < 0:  # tarfile would find the same member again and again
                    raise tarfile.ReadError
                if member.isfile() and member.name.endswith(".xml") and not is_hidden(member.name):
                    name = f"{source}, {' '.join(printable(member.name).split())}"
                    yield name, _limited(name, member.size, archive.extractfile(member).read)
    except InputError:
        raise
    except DAMAGED:
        raise InputError(f"--reports {source}: not a whole tar archive, or a damaged one; get it again") from None


def _limited(name: str, size: int, read: Callable[[], bytes]) -> bytes:
    if size > MAX_XML_BYTES:
        raise InputError(f"{name}: {size:,} bytes; a report has some 10,000")
    return read()
