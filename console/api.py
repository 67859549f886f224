"""The HTTP API: readings, acts and receipts in; alerts, notices, stations and live events out.

In      POST /v1/readings, /v1/acts, /v1/receipts, with a bearer token
Out     GET /v1/alerts, /v1/alerts/{id}, /v1/stations, /v1/areas, /v1/rejects, /v1/events; /health, /metrics
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerting.ledger.hops import Hops
from console import metrics
from console.site import Site, TakesNoReadings
from ingest.arrival import Arrival, NoRoom, Settled
from ingest.decoders.canonical import MAX_BYTES
from schemas.act import Act
from schemas.errors import PlainError
from schemas.notice import Receipt
from schemas.times import rfc3339

DURABLE_WAIT_S = 30.0
"""How long `POST /v1/readings` waits for the log before it asks the sender to come again."""

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def routes() -> list[Route]:
    """All routes of the API."""
    return [
        Route("/v1/readings", _with_token(post_readings), methods=["POST"]),
        Route("/v1/acts", _with_token(post_act), methods=["POST"]),
        Route("/v1/receipts", _with_token(post_receipt), methods=["POST"]),
        Route("/v1/alerts", get_alerts),
        Route("/v1/alerts/{id}", get_alert),
        Route("/v1/rejects", get_rejects),
        Route("/v1/areas", get_areas),
        Route("/v1/outlines", get_outlines),
        Route("/v1/stations", get_stations),
        Route("/v1/events", get_events),
        Route("/health", get_health),
        Route("/metrics", get_metrics),
    ]


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def _with_token(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        token = _site(request).token
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token is None or not hmac.compare_digest(given.encode(), token.encode()):
            return _error(
                401,
                "send the header `Authorization: Bearer TOKEN` with the token of ports.token_file or FENGHUO_TOKEN",
            )
        return await endpoint(request)

    guarded.__name__ = endpoint.__name__
    return guarded


def _error(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)


async def post_readings(request: Request) -> Response:
    """Take one reading or an array; answer when they are in the log.

    Returns
    -------
    Response
        200 with counts where at least one was taken, 422 where none was, 503 where the log cannot be written, 404 where
        readings go elsewhere.
    """
    body = await _body(request)
    settled: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def settle(one: Settled) -> None:
        loop.call_soon_threadsafe(_set, settled, one)

    client = request.client.host if request.client else "unknown"
    try:
        await run_in_threadpool(_site(request).submit, Arrival(body, f"http:{client}", settle))
        one = await asyncio.wait_for(settled, DURABLE_WAIT_S)
    except TakesNoReadings as error:
        return _error(404, str(error))
    except (NoRoom, TimeoutError):
        return _error(503, "the log cannot be written just now; send the same readings again")
    answer = {
        "accepted": one.accepted,
        "rejected": [{"id": r.id, "reason": r.reason.value, "detail": r.detail} for r in one.rejects],
        "unknown_fields": sorted(set(one.unknown_fields)),
    }
    return JSONResponse(answer, status_code=200 if one.accepted else 422)


def _set(settled: asyncio.Future[Settled], one: Settled) -> None:
    if not settled.done():  # the sender may have been told to come again
        settled.set_result(one)


async def _body(request: Request) -> bytes:
    """The body, or as much of it as shows that it is too large."""
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > MAX_BYTES:
            break
    return bytes(taken)


async def post_act(request: Request) -> Response:
    """Append an act to the log and answer with the pipeline's judgement.

    Returns
    -------
    Response
        200 done, 409 refused, 202 where the judgement takes longer than 5 s, 422 where it is no act, 503 where the log
        cannot be written.
    """
    try:
        act = Act.model_validate_json(await _body(request))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return _error(422, f"{'.'.join(str(part) for part in first['loc']) or 'act'}: {first['msg']}")
    try:
        judged = await run_in_threadpool(_site(request).act, act)
    except PlainError as error:
        return _error(503, str(error))
    if judged is None:
        return JSONResponse({"id": act.id, "outcome": None}, status_code=202)
    status = 200 if judged.outcome == "done" else 409
    return Response(judged.model_dump_json(), status_code=status, media_type="application/json")


async def post_receipt(request: Request) -> Response:
    """Take a player's or gateway's receipt of a notice: 204 taken, 404 unknown notice, 422 no receipt."""
    try:
        receipt = Receipt.model_validate_json(await _body(request))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return _error(422, f"{'.'.join(str(part) for part in first['loc']) or 'receipt'}: {first['msg']}")
    known = await run_in_threadpool(_site(request).receive, receipt)
    return Response(status_code=204) if known else _error(404, f"there is no notice {receipt.notice}")


async def get_alerts(request: Request) -> Response:
    """The newest version of each chain in force; with `?all=1` the newest versions of all, ended ones too."""
    site = _site(request)
    if request.query_params.get("all"):
        alerts = await run_in_threadpool(site.ledger.newest_alerts, 500)
    else:
        alerts = await run_in_threadpool(site.ledger.alerts_in_force, site.now_us())
    return _json("[" + ",".join(alert.model_dump_json() for alert in alerts) + "]")


async def get_alert(request: Request) -> Response:
    """All versions of one chain, its notices as they stand, its releases and acts."""
    ledger, chain = _site(request).ledger, request.path_params["id"]
    versions = await run_in_threadpool(ledger.alert_versions, chain)
    if not versions:
        return _error(404, f"there is no alert {chain}")
    notices = await run_in_threadpool(ledger.notices_of_alert, chain)
    releases = await run_in_threadpool(ledger.releases_of, chain)
    acts = await run_in_threadpool(ledger.acts, chain, 200)
    hops = await run_in_threadpool(ledger.hops_of, [notice.id for notice in notices])
    posts = _site(request).posts
    told = [
        notice.model_dump(mode="json")
        | {"post": posts.get(notice.recipient, ""), "hops": _way(hops.get(notice.id))}
        for notice in notices
    ]
    return JSONResponse(
        {
            "versions": [alert.model_dump(mode="json") for alert in versions],
            "notices": told,
            "releases": [release.model_dump(mode="json") for release in releases],
            "acts": [act.model_dump(mode="json") for act in acts],
        }
    )


def _way(hops: Hops | None) -> dict[str, str | None] | None:
    if hops is None:
        return None
    return {name: None if at_us is None else rfc3339(at_us) for name, at_us in hops.named().items()}


async def get_rejects(request: Request) -> Response:
    """The newest payloads that could not be readings, with their reasons."""
    rejects = await run_in_threadpool(_site(request).ledger.rejects, replayed=False, newest=200)
    return _json("[" + ",".join(reject.model_dump_json() for reject in rejects) + "]")


async def get_areas(request: Request) -> Response:
    """All areas: code, name, tier, parent, lon, lat."""
    bundle = _site(request).bundle

    def body() -> bytes:
        return _bytes([[a.code, a.name, a.tier.value, a.parent, a.lon, a.lat] for a in bundle.areas])

    return await _unchanging(request, bundle.hash, body, "application/json")


async def get_outlines(request: Request) -> Response:
    """Outlines of areas as GeoJSON; an empty collection where there are none."""
    path = _site(request).outlines
    if path is None:
        return _json('{"type":"FeatureCollection","features":[]}')
    stat = await run_in_threadpool(path.stat)
    return await _unchanging(
        request, f"{stat.st_mtime_ns:x}-{stat.st_size:x}", path.read_bytes, "application/geo+json"
    )


async def get_stations(request: Request) -> Response:
    """All stations: id, kind, name, lon, lat, area."""
    bundle = _site(request).bundle

    def body() -> bytes:
        return _bytes([[s.id, s.kind, s.name, s.lon, s.lat, s.area] for s in bundle.stations])

    return await _unchanging(request, bundle.hash, body, "application/json")


async def get_events(request: Request) -> Response:
    """Live events: `alert`, `release`, `act` as they are decided; `clock`, `board` once a second at most; `reload`."""
    site, watch = _site(request), request.app.state.watch

    async def stream() -> AsyncIterator[dict[str, str]]:
        async with watch.page():
            async for event, data in site.feed.events():
                yield {"event": event, "data": data}

    return EventSourceResponse(stream(), ping=15)


async def get_health(request: Request) -> Response:
    """200 while a probe reading goes through the whole pipeline and nothing has stopped, else 503 with the faults."""
    health = await run_in_threadpool(_site(request).health)
    body = {"healthy": health.healthy, "faults": list(health.faults), **health.details}
    return JSONResponse(json.loads(json.dumps(body, default=str)), status_code=200 if health.healthy else 503)


async def get_metrics(request: Request) -> Response:
    """Metrics in Prometheus' text format."""
    site, board = _site(request), request.app.state.board

    def page() -> bytes:
        metrics.update(site, board)
        return generate_latest()

    return Response(await run_in_threadpool(page), media_type=CONTENT_TYPE_LATEST)


async def _unchanging(request: Request, version: str, body: Callable[[], bytes], media_type: str) -> Response:
    """What changes with the configuration only: asked for each time, sent once."""
    headers = {"etag": f'"{version}"', "cache-control": "no-cache"}
    if request.headers.get("if-none-match", "").removeprefix("W/") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(await run_in_threadpool(body), media_type=media_type, headers=headers)


def _bytes(rows: list[list[Any]]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
