"""The page: whole HTML with the alerts in force, and what its scripts ask for.

Out     GET / (the page), /static/<version>/… (its scripts and style), /v1/board, /v1/board/{id}

The files' address holds the hash of their content: a browser keeps them for ever, and a new release has new addresses.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from console import words
from console.board import Board
from console.detail import detail
from console.site import Site
from console.words import Language
from schemas.alert import Status

_HERE = Path(__file__).resolve().parent
_STATIC = _HERE / "static"
_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_FOR_EVER = "public, max-age=31536000, immutable"


def _version() -> str:
    files = sorted(path for path in _STATIC.rglob("*") if path.is_file())
    content = b"".join(str(path.relative_to(_STATIC)).encode() + path.read_bytes() for path in files)
    return hashlib.sha256(content).hexdigest()[:12]


VERSION = _version()
"""Of the page's own files."""


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = _FOR_EVER
        return response


def routes() -> list[BaseRoute]:
    """The page and what belongs to it alone."""
    return [
        Route("/", get_page),
        Route("/v1/board", get_board),
        Route("/v1/board/{id}", get_detail),
        Mount(f"/static/{VERSION}", _Files(directory=_STATIC), name="static"),
    ]


def _board(request: Request) -> Board:
    board: Board = request.app.state.board
    return board


def _language(request: Request) -> Language:
    site: Site = request.app.state.site
    return words.language_of(request.query_params.get("lang"), site.language)


async def get_page(request: Request) -> Response:
    """The page; `?lang=en` or `?lang=zh` overrides the site's language."""
    site: Site = request.app.state.site
    language = _language(request)
    picture = await run_in_threadpool(_board(request).picture, language)
    tops = [area for area in site.bundle.areas if area.parent is None]
    text = _TEMPLATES.get_template("page.html").render(
        words=words.page(language),
        language=language,
        other="zh" if language == "en" else "en",
        locale="en" if language == "en" else "zh-CN",
        place=tops[0].name if len(tops) == 1 else "",
        mark="" if site.bundle.status is Status.ACTUAL else site.bundle.status.value,
        static=f"/static/{VERSION}",
        board=picture,
        setting={
            "language": language,
            "words": words.page(language),
            "kinds": {station.kind: words.kind(station.kind, language) for station in site.bundle.stations},
        },
    )
    return HTMLResponse(text, headers={"cache-control": "no-store"})


async def get_board(request: Request) -> Response:
    """What is in force and how notices stand, worded."""
    picture = await run_in_threadpool(_board(request).picture, _language(request))
    return JSONResponse(picture, headers={"cache-control": "no-store"})


async def get_detail(request: Request) -> Response:
    """All that is known of one alert, worded; 404 where there is none."""
    site: Site = request.app.state.site
    board, language = _board(request), _language(request)
    found = await run_in_threadpool(detail, board, site, request.path_params["id"], language)
    if found is None:
        return JSONResponse({"error": words.page(language)["not_found"]}, status_code=404)
    return JSONResponse(found, headers={"cache-control": "no-store"})
