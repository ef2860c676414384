"""NLM's two archives of OpenI in their true layout, with drawn chests and their reports: for a server of the tests."""

import io
import tarfile
from xml.sax.saxutils import escape

import cv2
import numpy as np

from tienet.datasets.openi import mesh
from tienet.datasets.openi.sources import IMAGES, REPORTS
from tienet.datasets.phantom import facts, prepare, reports

FRONTAL_CODES = {"EdgeHistogram": "f0p0k338", "CEDD": "f2p0k710"}
LATERAL_CODES = {"EdgeHistogram": "f0p0k518", "CEDD": "f2p0k377"}
_CODES = "<CEDD>{CEDD}</CEDD><ColorLayout>f1p0k36</ColorLayout><EdgeHistogram>{EdgeHistogram}</EdgeHistogram>"
_IMAGE = """   <parentImage id="{name}">
      <figureId>F{number}</figureId>
      <caption>Xray Chest PA and Lateral</caption>
      <panel type="single">
         <url>/hadoop/storage/radiology/extract/{name}.jpg</url>
         <imgModality>7</imgModality>
         <region type="panel"><globalImageFeatures>{codes}</globalImageFeatures></region>
      </panel>
   </parentImage>
"""
_REPORT = """<?xml version="1.0" encoding="utf-8"?>
<eCitation>
   <meta type="rr"/>
   <uId id="CXR{uid}"/>
   <pmcId id="{uid}"/>
   <docSource>CXR</docSource>
   <IUXRId id="{uid}"/>
   <licenseType>open-access</licenseType>
   <MedlineCitation Owner="Indiana University" Status="supplied by publisher">
      <Article PubModel="Electronic">
         <ArticleTitle>Indiana University Chest X-ray Collection</ArticleTitle>
         <Abstract>
            <AbstractText Label="COMPARISON">None.</AbstractText>
            <AbstractText Label="INDICATION">XXXX</AbstractText>
            <AbstractText Label="FINDINGS">{findings}</AbstractText>
            <AbstractText Label="IMPRESSION">{impression}</AbstractText>
         </Abstract>
      </Article>
   </MedlineCitation>
   <MeSH>
{majors}
   </MeSH>
{images}</eCitation>
"""


def archives(images: int = 60, image_px: int = 64) -> dict[str, bytes]:
    """Both archives by their names. One report in three has a lateral view before the frontal one, the others none."""
    studies = images * 3 // 4
    png, xml = {}, {}
    for study in facts.plan(studies, seed=0):
        uid = study.number
        image, _ = prepare.draw_study(study, image_px, seed=0)
        frontal, lateral = (f"{_prefix(uid)}_IM-{uid:04d}-{last}" for last in ("1001", "2001"))
        png[f"{frontal}.png"] = _png(image)
        listed = [(frontal, FRONTAL_CODES)]
        if uid % 3 == 0:
            png[f"{lateral}.png"] = _png(np.ascontiguousarray(image.T))
            listed.insert(0, (lateral, LATERAL_CODES))
        xml[f"ecgen-radiology/{uid}.xml"] = _report(uid, study, listed)
    return {IMAGES: pack(png), REPORTS: pack(xml)}


def pack(content_of: dict[str, bytes]) -> bytes:
    """A .tgz archive of these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, content in content_of.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def _prefix(uid: int) -> str:
    return "CXR1_1" if uid == 1 else f"CXR{uid}"


def _report(uid: int, study: facts.PhantomStudy, views: list[tuple[str, dict[str, str]]]) -> bytes:
    findings, impression = reports.write(study.facts, np.random.default_rng(uid))
    majors = [mesh.RULES[fact.finding][0] for fact in study.facts] or ["normal"]
    images = [
        _IMAGE.format(name=name, number=k + 1, codes=_CODES.format(**codes)) for k, (name, codes) in enumerate(views)
    ]
    return _REPORT.format(
        uid=uid,
        findings=escape(findings),
        impression=escape(impression),
        majors="\n".join(f"      <major>{escape(major)}</major>" for major in majors),
        images="".join(images),
    ).encode()
