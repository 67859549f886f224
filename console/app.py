"""The console as one ASGI application: the API, the live events and the page."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console import api, page
from console.board import Board
from console.site import Site
from console.watch import Watch

SECURITY = {
    # Texts come from data: nothing but our own files may run, and nobody may frame us or be told where we link from.
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class _Secured:
    """Adds the headers of `SECURITY` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, secured if scope["type"] == "http" else send)


def create_app(site: Site) -> Starlette:
    """The application over one running engine."""
    app = Starlette(
        routes=[*api.routes(), *page.routes()],
        middleware=[Middleware(_Secured), Middleware(GZipMiddleware, minimum_size=2000, compresslevel=5)],
    )
    app.state.site = site
    app.state.board = Board(site)
    app.state.watch = Watch(site, app.state.board)
    return app
