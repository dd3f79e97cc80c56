"""How far a measurement is, said now and then; a process that was asked to stop ends between two batches."""

from __future__ import annotations

import time
from collections.abc import Callable

from workers.training.errors import HandedBack
from workers.training.report import Report
from workers.training.stopping import ShouldStop

SECONDS = 1.0


class Meter:
    """`parts` counts the passes over texts that the whole takes; each is taken to be an equal share of it."""

    def __init__(self, report: Report, should_stop: ShouldStop, *, parts: int) -> None:
        self.report, self.should_stop, self.parts = report, should_stop, parts
        self.part, self.said_at = 0, 0.0

    def over(self, n: int, batch_size: int) -> Callable[[], None]:
        """Begin the next part, of n texts; what it returns is called before each batch."""
        batches, done, part = max(1, -(-n // batch_size)), 0, self.part
        self.part += 1

        def between() -> None:
            nonlocal done
            if self.should_stop():
                raise HandedBack("Asked to stop: nothing is kept of a measurement. The same command begins it anew.")
            if time.monotonic() - self.said_at >= SECONDS:
                self.said_at = time.monotonic()
                share = min(1.0, (part + min(done / batches, 1.0)) / self.parts)
                self.report({"event": "progress", "share": round(share, 4)})
            done += 1

        return between
