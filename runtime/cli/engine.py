"""How a command reaches a running engine: its address, its token, and plain errors."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click
import httpx

TOKEN_VARIABLE = "FENGHUO_TOKEN"
DEFAULT_URL = "http://127.0.0.1:8080"


def engine_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--url`; the token comes from the environment, never from the command line."""
    return click.option(
        "--url",
        default=DEFAULT_URL,
        show_default=True,
        envvar="FENGHUO_URL",
        help=f"The running engine's console. The token is read from {TOKEN_VARIABLE}.",
    )(command)


def call(url: str, method: str, path: str, *, content: bytes | None = None) -> httpx.Response:
    """Ask the engine.

    Raises
    ------
    click.ClickException
        It cannot be reached, or the token is refused.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    try:
        response = httpx.request(method, url.rstrip("/") + path, content=content, headers=headers, timeout=35)
    except httpx.HTTPError as error:
        raise click.ClickException(
            f"no engine answers at {url} ({error}); start `fenghuo run`, or give --url"
        ) from error
    if response.status_code == 401:
        raise click.ClickException(
            f"the engine refuses the token; set {TOKEN_VARIABLE} to the one of fenghuo.yaml, ports.token_file"
        )
    return response
