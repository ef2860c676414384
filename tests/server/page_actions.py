"""What a user does on the page, and what can be seen there."""

import base64
import re

ANNOTATE, SAMPLE = re.compile(r"/api/annotate\?"), re.compile(r"/api/samples/[^/]+$")
PIXELS = """() => {
  const canvas = document.querySelector("canvas.map");
  return canvas.hidden ? null : canvas.toDataURL();
}"""
DROP = """([names, base64]) => {
  const content = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  for (const name of names) data.items.add(new File([content], name));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}"""
NO_SIDEWAYS = "document.documentElement.scrollWidth <= innerWidth"
REPORT_WORDS, ANNOTATE_WORDS = (f"[data-answer={kind}] .word" for kind in ("report", "annotate"))


def drop(tab, name: str, content: bytes, *others: str) -> None:
    tab.evaluate(DROP, [[name, *others], base64.b64encode(content).decode()])


def label(tab, report: str) -> None:
    tab.fill("#report", report)
    tab.click("#annotate")
    tab.wait_for_selector(f"[data-answer=annotate]:not(.stale) .of:has-text('{report[:20]}')")


def choose(tab, name: str, content: bytes) -> None:
    tab.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})
