"""A bare Faust worker that counts single JSON records of a topic: what Faust alone takes, in a process of its own.

    python -m benchmarks.bare_faust BOOTSTRAP TOPIC COUNT

Prints seconds from the first record to the last, and the processor's seconds for them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time

import faust


def main(bootstrap: str, topic: str, count: int) -> None:
    """Count and print; the process ends with the last record."""
    app = faust.App(
        f"bare-{os.getpid()}",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=tempfile.mkdtemp(),
        topic_partitions=1,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    source = app.topic(topic, value_serializer="json")

    @app.agent(source)
    async def read(stream: faust.StreamT[dict[str, float]]) -> None:
        taken, rain_mm = 0, 0.0
        began_s = used_s = 0.0
        async for reading in stream:
            if not taken:
                began_s, used_s = time.monotonic(), time.process_time()
            taken += 1
            rain_mm += reading["rain_mm"]
            if taken == count:
                print(f"\n{time.monotonic() - began_s} {time.process_time() - used_s}", flush=True)
                os._exit(0)

    app.Worker(loglevel="ERROR", quiet=True, redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
