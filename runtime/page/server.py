"""Serves the console in a thread of its own, so that the engine's threads and signals stay the engine's."""

from __future__ import annotations

import socket
import threading

import uvicorn
from starlette.applications import Starlette

_READY_S = 10.0


class ConsoleServer:
    """uvicorn on one address and port.

    Parameters
    ----------
    port
        0 takes any free one; `port` then tells which.
    setting
        What names address and port, for whoever has to change them.
    """

    def __init__(self, app: Starlette, address: str, port: int, *, setting: str = "ports.console") -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((address, port))
        except OSError as error:
            self._socket.close()
            raise OSError(
                f"nothing can listen on {address}:{port} ({error.strerror}); set {setting}"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{address}:{self.port}"
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)

    def start(self) -> None:
        """Begin to serve; returns when requests are answered.

        Raises
        ------
        TimeoutError
            It did not begin within 10 s.
        """
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_READY_S / 0.02)):
            if self._server.started:
                return
            waited.wait(0.02)
        raise TimeoutError("the console did not start")

    def stop(self) -> None:
        """End; open pages are let go."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
