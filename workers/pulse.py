"""The heartbeat of a job: a thread renews its lease, and knows first when the lease is lost or cancelling is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from app import queue
from app.config import settings
from workers import shutdown

log = structlog.get_logger(__name__)


class Reporter(queue.Reporter):
    """What a handler reports to. Each report is also the moment at which a worker told to stop puts its work down.

    A handler that waits for a process looks at `is_lost` and `is_cancelled` instead. `at_beat` is called by the
    heartbeat's thread after each renewal, `at_loss` once when the lease is lost.
    """

    def __init__(self, job_id: int, attempt: int) -> None:
        super().__init__(job_id, attempt)
        self.lost, self.cancelled = threading.Event(), threading.Event()
        self.at_beat: Callable[[], None] = _nothing
        self.at_loss: Callable[[], None] = _nothing

    def __call__(self, *, progress: float | None = None, phase: str | None = None, message: str | None = None) -> None:
        if shutdown.is_asked():
            raise queue.HandedBack
        super().__call__(progress=progress, phase=phase, message=message)

    def check(self) -> None:
        """Raises LostLease or Cancelled where the heartbeat has heard of it."""
        if self.lost.is_set():
            raise queue.LostLease(f"job {self.job_id} attempt {self.attempt}")
        if self.cancelled.is_set():
            raise queue.Cancelled(f"job {self.job_id}")


def _nothing() -> None:
    pass


@contextmanager
def beating(reporter: Reporter) -> Iterator[None]:
    """Renew the lease from a thread while the work runs."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(settings().job_heartbeat_seconds):
            try:
                is_cancelled = queue.heartbeat(reporter.job_id, reporter.attempt)
            except queue.LostLease:
                reporter.lost.set()
                reporter.at_loss()
                return
            except Exception as error:  # noqa: BLE001 - the database may be away for a moment
                log.warning("heartbeat_failed", error=str(error))
            else:
                reporter.at_beat()
                if is_cancelled:
                    reporter.cancelled.set()

    thread = threading.Thread(target=beat, name=f"heartbeat-{reporter.job_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
