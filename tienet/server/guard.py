"""Who is let in, and what every answer says to a browser: an ASGI application around the server's own."""

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Collection
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response

from tienet.errors import InputError

MIN_TOKEN = 8
HEALTH, STATIC = "/healthz", "/static/"
"""What is answered without a token; HEALTH whatever the host, too."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

Scope = dict
Receive = Callable[[], Awaitable[dict]]
Send = Callable[[dict], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(token: str | None, host: str) -> None:
    """Raise InputError where a server at `host` may not start with this token."""
    if token is None:
        if not is_loopback(host):
            raise InputError(
                f"--host {host} lets other computers in; give them --token T (or TIENET_TOKEN), or leave --host out"
            )
        return
    if len(token) < MIN_TOKEN or not all("!" <= c <= "~" for c in token):
        raise InputError(f"the token: expected {MIN_TOKEN} or more letters, digits and signs without spaces")


class Guard:
    """Lets a request through to `app` if its host, its origin and its token are right."""

    def __init__(self, app: Callable, token: str | None = None, hosts: Collection[str] | None = None) -> None:
        """Args: token: None lets all in. hosts: names that the Host header may have; None: any."""
        self._app, self._hosts = app, hosts
        self._token = token and token.encode()
        if self._token is not None:
            self._cookie_value = hmac.new(self._token, b"cookie", hashlib.sha256).hexdigest()
            # Browsers do not tell ports apart: two servers need two names.
            self._cookie_name = "tienet-" + hmac.new(self._token, b"name", hashlib.sha256).hexdigest()[:8]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: dict) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith(STATIC) else "no-store")
            await send(message)

        refusal = None if scope["path"] == HEALTH else self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that is not let through."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            # A web page of a foreign name that was made to lead here reads nothing.
            return _problem(400, f"Host is {host[:80]!r}; expected {' or '.join(sorted(self._hosts))}")
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) != host.lower():
            return _problem(403, "the request comes from a page of another site")
        if self._token is None or scope["path"].startswith(STATIC):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if self._is_token(query[0] if query else None):
            return self._welcome(scope) if scope["method"] == "GET" and scope["path"] == "/" else None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if (scheme.lower() == "bearer" and self._is_token(given.strip())) or self._has_cookie(headers):
            return None
        if scope["path"] == "/":
            return HTMLResponse(_page("token.html"), 401, {"WWW-Authenticate": "Bearer"})
        wanted = "this server wants its token: Authorization: Bearer TOKEN, or open /?token=TOKEN once in the browser"
        return _problem(401, wanted, {"WWW-Authenticate": "Bearer"})

    def _is_token(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def _has_cookie(self, headers: Headers) -> bool:
        for line in headers.getlist("cookie"):
            try:
                morsel = SimpleCookie(line).get(self._cookie_name)
            except CookieError:
                continue
            if morsel is not None and hmac.compare_digest(
                morsel.value.encode("utf-8", "replace"), self._cookie_value.encode()
            ):
                return True
        return False

    def _welcome(self, scope: Scope) -> Response:
        """Keeps the token as a cookie and goes on to the address without it.

        By the page, not by a redirect: after one that began at another site, a SameSite=Strict cookie is not sent.
        """
        response = HTMLResponse(_page("welcome.html"))
        secure = scope.get("scheme") == "https"
        response.set_cookie(self._cookie_name, self._cookie_value, httponly=True, samesite="strict", secure=secure)
        return response


def _name_of(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0][1:].lower()
    return host.partition(":")[0].lower()


def _host_of(origin: str) -> str:
    """The host and port of an Origin header, as a Host header has them; "" where it has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _page(name: str) -> str:
    return (Path(__file__).with_name("static") / name).read_text(encoding="utf-8")


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)
