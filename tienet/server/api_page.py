"""The page at /api: the calls of the API in short, without a script. Scripts add all fields, and forms to try them."""

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

_TEMPLATE = Path(__file__).with_name("static") / "api.html"


def render_api_page(openapi: dict[str, Any], base: str, served: Mapping[str, bool]) -> str:
    """The page as HTML.

    Args:
        openapi: The API's description, as at /api/openapi.json.
        base: The server's address, without a slash at its end.
        served: The kinds of networks that this server has, report and annotate; whether each takes an image.
    """
    wants_token = "securitySchemes" in openapi["components"]
    calls = "\n".join(_row(path, method, call) for path, method, call in _calls(openapi))
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        description=html.escape(openapi["info"]["description"]),
        calls=calls,
        examples=html.escape("\n".join(_examples(base, served, wants_token))),
    )


def _calls(openapi: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The path, the method and the description of each call; first those that take an upload."""
    calls = [(path, method, call) for path, methods in openapi["paths"].items() for method, call in methods.items()]
    yield from sorted(calls, key=lambda call: call[1] != "post")


def _row(path: str, method: str, call: dict[str, Any]) -> str:
    anchor = f"{method}-{re.sub('[^A-Za-z]+', '-', path).strip('-')}"  # as in docs.js
    name = f'<th scope="row"><a href="#{anchor}"><code>{method.upper()} {html.escape(path)}</code></a></th>'
    takes = html.escape(", ".join(_inputs(call))) or "nothing"
    return f"<tr>{name}<td>{html.escape(call['description'])}</td><td>{takes}</td></tr>"


def _inputs(call: dict[str, Any]) -> Iterator[str]:
    """The name of each input of a call, and where it belongs."""
    form = call.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
    for name in form.get("properties", ()):
        yield f"{name} (form{'' if name in form['required'] else ', optional'})"
    for parameter in call.get("parameters", ()):
        yield f"{parameter['name']} ({parameter['in']}{'' if parameter.get('required') else ', optional'})"


def _examples(base: str, served: Mapping[str, bool], wants_token: bool) -> Iterator[str]:
    """A command line for each network."""
    curl = 'curl -H "Authorization: Bearer TOKEN"' if wants_token else "curl"
    for kind, takes_image in served.items():
        fields = ["-F image=@chest.png"] * takes_image + ['-F "report=No effusion."'] * (kind == "annotate")
        yield f"{curl} {' '.join(fields)} {base}/api/{kind}"
