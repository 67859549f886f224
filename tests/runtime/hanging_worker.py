"""`fenghuo worker` whose pipelines hang for ever at the first records, once: `python hanging_worker.py MARKER worker …`.

The marker is there until it has hung, so the process that the watchdog puts in its place works.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from functools import partialmethod
from pathlib import Path

from runtime.association import Association
from runtime.cli import fenghuo
from runtime.worker import watchdog
from schemas.log import Positioned

marker = Path(sys.argv[1])
watchdog.Watchdog.__init__ = partialmethod(watchdog.Watchdog.__init__, limit_s=8.0)  # type: ignore[assignment]
take = Association.take


def hang(self: Association, records: Sequence[Positioned]) -> None:
    if records and marker.exists():
        marker.unlink()
        threading.Event().wait()
    take(self, records)


Association.take = hang  # type: ignore[method-assign]
fenghuo(sys.argv[2:])
