"""Health and metrics of a program that has no page: what probes and Prometheus ask.

Out     GET /health (200 or 503, with the faults), GET /metrics
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console.metrics import healthy


def operations_app(faults: Callable[[], list[str]]) -> Starlette:
    """The application over one running program.

    Parameters
    ----------
    faults
        Plain sentences, one for each thing that is wrong just now; from any thread.
    """

    async def get_health(_request: Request) -> Response:
        found = await run_in_threadpool(faults)
        return JSONResponse({"healthy": not found, "faults": found}, status_code=503 if found else 200)

    async def get_metrics(_request: Request) -> Response:
        def page() -> bytes:
            healthy.set(not faults())
            return generate_latest()

        return Response(await run_in_threadpool(page), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/health", get_health), Route("/metrics", get_metrics)])
