"""An ASGI application around the server's own: it decides which requests are let in, and adds security headers."""

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Collection
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response

from tienet.errors import InputError

MIN_TOKEN_CHARACTERS = 8
HEALTH, STATIC = "/healthz", "/static/"
"""The addresses that are answered without a token; HEALTH is answered whatever the Host header is, too."""

SECURITY_HEADERS = {
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

_WRONG_TOKEN = "That token is wrong. Type the one that this server was started with."

Scope = dict
Receive = Callable[[], Awaitable[dict]]
Send = Callable[[dict], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this computer alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(token: str | None, host: str) -> None:
    """Raise InputError if a server at `host` may not start with this token, or without one."""
    if token is None:
        if not is_loopback(host):
            raise InputError(
                f"--host {host} lets other computers in; give them --token T (or TIENET_TOKEN), or leave --host out"
            )
        return
    if len(token) < MIN_TOKEN_CHARACTERS or not all("!" <= c <= "~" for c in token):
        raise InputError(f"the token: expected {MIN_TOKEN_CHARACTERS} or more letters, digits and signs without spaces")


class Guard:
    """Middleware that passes a request on to `app` if its Host, its Origin and its token are right."""

    def __init__(self, app: Callable, token: str | None = None, hosts: Collection[str] | None = None) -> None:
        """Wrap an application.

        Args:
            app: The ASGI application.
            token: What clients must show; None: no token is asked for.
            hosts: The names that the Host header may have; None: any.
        """
        self._app, self._hosts = app, hosts
        self._token = token and token.encode()
        if self._token is not None:
            self._cookie_value = hmac.new(self._token, b"cookie", hashlib.sha256).hexdigest()
            # Browsers send a cookie to every port of a host, so two servers need two names.
            self._cookie_name = "tienet-" + hmac.new(self._token, b"name", hashlib.sha256).hexdigest()[:8]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as an ASGI application does."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: dict) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith(STATIC) else "no-store")
            await send(message)

        refusal = None if scope["path"] == HEALTH else self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that is not let in; None for one that is."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            # Against DNS rebinding: a page of another name that was made to lead to this computer reads nothing.
            return _problem(400, f"Host is {host[:80]!r}; expected {' or '.join(sorted(self._hosts))}")
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) != host.lower():
            return _problem(403, "the request comes from a page of another site")
        if self._token is None or scope["path"].startswith(STATIC):
            return None
        in_query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if self._is_token(in_query):
            return self._welcome(scope) if scope["method"] == "GET" and scope["path"] == "/" else None
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        in_header = credentials.strip() if scheme.lower() == "bearer" else ""
        if self._is_token(in_header) or self._has_cookie(headers):
            return None
        wrong = bool(in_query or in_header)
        if scope["path"] == "/":
            page = Template(_page("token.html")).substitute(problem=_WRONG_TOKEN if wrong else "")
            return HTMLResponse(page, 401, {"WWW-Authenticate": "Bearer"})
        problem = "the token is wrong" if wrong else "this server wants its token"
        how = "Authorization: Bearer TOKEN, or open /?token=TOKEN once in the browser"
        return _problem(401, f"{problem}: {how}", {"WWW-Authenticate": "Bearer"})

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

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
        """A page that sets the cookie which stands for the token, and goes on to the address without the token.

        A page does it, and no redirect: a browser does not send a SameSite=Strict cookie after a redirect that began at
        another site.
        """
        response = HTMLResponse(_page("welcome.html"))
        secure = scope.get("scheme") == "https"
        response.set_cookie(self._cookie_name, self._cookie_value, httponly=True, samesite="strict", secure=secure)
        return response


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    if host.startswith("["):
        return host.partition("]")[0][1:].lower()
    return host.partition(":")[0].lower()


def _host_of(origin: str) -> str:
    """The host and port of an Origin header, in the form of a Host header; empty if it has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _page(name: str) -> str:
    return (Path(__file__).with_name("static") / name).read_text(encoding="utf-8")


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)
