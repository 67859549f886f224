"""The console as one ASGI application: the API, the live events and the page."""

from __future__ import annotations

from starlette.applications import Starlette

from console.api import routes
from console.site import Site


def create_app(site: Site) -> Starlette:
    """The application over one running engine."""
    app = Starlette(routes=routes())
    app.state.site = site
    return app
