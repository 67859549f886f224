"""The relay's door: `POST /v1/readings` for devices that speak HTTP, `/health` and `/metrics` for whoever watches it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest.arrival import Arrival, Settled, Submit
from ingest.decoders.canonical import MAX_BYTES

KEPT_WAIT_S = 10.0
_FULL = "the relay is full; keep the readings and send them again"


def create_app(
    submit: Submit, refusal: Callable[[], str | None], faults: Callable[[], list[str]], token: str | None
) -> Starlette:
    """The application.

    Parameters
    ----------
    submit
        Takes readings; settles when they are on the disk.
    refusal
        Why nothing can be taken just now; None while it can.
    faults
        What is wrong just now.
    token
        What `POST /v1/readings` must bear; None: it takes nothing.
    """

    async def post_readings(request: Request) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token is None or not hmac.compare_digest(given.encode(), token.encode()):
            return _error(
                401,
                "send the header `Authorization: Bearer TOKEN` with the token of ports.token_file or FENGHUO_TOKEN",
            )
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_BYTES:
                return _error(413, f"at most {MAX_BYTES} bytes are taken at once; send smaller arrays")
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[Settled] = loop.create_future()

        def settle(settled: Settled) -> None:
            loop.call_soon_threadsafe(lambda: None if kept.done() else kept.set_result(settled))

        client = request.client.host if request.client else "unknown"
        if refusal() is not None:
            return _error(503, _FULL)
        try:
            await run_in_threadpool(submit, Arrival(body, f"http:{client}", settle))
            settled = await asyncio.wait_for(kept, KEPT_WAIT_S)
        except TimeoutError:  # what is in hand may still be kept; sent again it counts once
            return _error(503, _FULL)
        return JSONResponse({"accepted": settled.accepted}, status_code=202)

    async def get_health(_request: Request) -> Response:
        found = faults()
        return JSONResponse({"healthy": not found, "faults": found}, status_code=503 if found else 200)

    async def get_metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/v1/readings", post_readings, methods=["POST"]),
            Route("/health", get_health),
            Route("/metrics", get_metrics),
        ]
    )


def _error(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)
