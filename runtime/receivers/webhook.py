"""A webhook's receiver: checks the signature, takes each notice once, and answers as it is told to."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WebhookReceiver:
    """An HTTP server on loopback, in threads of its own.

    Parameters
    ----------
    secret
        The key of the signatures.
    port
        0 for any that is free.
    on_notice
        Told of each notice that is new, from a thread of the server's.
    """

    def __init__(
        self, secret: str, port: int = 0, on_notice: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> None:
        self.notices: list[dict[str, Any]] = []
        self.requests = 0
        self.forged = 0
        self.answers: list[tuple[int, dict[str, str]]] = []
        """Statuses and headers of the next answers, in place of 204."""
        self._secret = secret.encode()
        self._on_notice = on_notice
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers = receiver.take(
                    {key.lower(): value for key, value in self.headers.items()}, body
                )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: normal operation makes no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="webhook receiver", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/notices"

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """Take one request; return status and headers of the answer."""
        signed = headers.get("fenghuo-timestamp", "").encode() + b"." + body
        expected = f"v1={hmac.new(self._secret, signed, hashlib.sha256).hexdigest()}"
        with self._lock:
            self.requests += 1
            if not hmac.compare_digest(expected, headers.get("fenghuo-signature", "")):
                self.forged += 1
                return 403, {}
            if self.answers:
                status, more = self.answers.pop(0)
                if status >= 300:
                    return status, more
            key = headers.get("idempotency-key", "")
            if key in self._seen:
                return 204, {}
            self._seen.add(key)
            notice = json.loads(body)
            self.notices.append(notice)
        self._on_notice(notice)
        return 204, {}
