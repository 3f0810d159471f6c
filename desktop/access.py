"""Who may look: a bearer token, or the cookie that ``/?token=…`` leaves. Everything but /health asks for it."""

from __future__ import annotations

import hmac
from typing import NoReturn
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from calls.errors import ConfigError

COOKIE = "hotline"
OPEN_PATHS = frozenset({"/health"})
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the first address holds the token
    "Cache-Control": "no-store",
}


def guard(token: str) -> Middleware:
    """The middleware that lets nobody in without ``token``. Raises ConfigError for a token that could be guessed."""
    if len(token) < 16:
        raise ConfigError("[http] token", f"{len(token)} characters can be guessed", "give 16 or more, or none at all")

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/" and "token" in request.query:
            _admit(request, token)
        if request.path not in OPEN_PATHS and not _may_enter(request, token):
            raise web.HTTPUnauthorized(text="401: open /?token=… once, or send Authorization: Bearer …\n",
                                       headers={"WWW-Authenticate": 'Bearer realm="hotline"'})
        return await handler(request)

    return ask


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer, refusals included."""
    response.headers.update(HEADERS)


def _admit(request: web.Request, token: str) -> NoReturn:
    if not _same(request.query["token"], token):
        raise web.HTTPUnauthorized(text="401: this token is not the one of this server\n")
    onward = web.HTTPSeeOther("/")  # the token leaves the address bar
    onward.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=request.secure, max_age=30 * 86_400)
    raise onward


def _may_enter(request: web.Request, token: str) -> bool:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _same(bearer.strip(), token)
    return _same(request.cookies.get(COOKIE, ""), token) and _from_own_page(request)


def _from_own_page(request: web.Request) -> bool:
    """A browser sends the cookie along with what other pages ask for too (RFC 6455 section 10.2: check the Origin)."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _same(given: str, token: str) -> bool:
    # Bytes that are no UTF-8 arrive as surrogates; they are a wrong token, not an error.
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())
