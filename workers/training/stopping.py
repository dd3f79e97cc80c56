"""SIGTERM and SIGINT ask a run to put its work down; the loop looks between steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

ShouldStop = Callable[[], bool]


def never() -> bool:
    return False


def on_signals() -> ShouldStop:
    """Install the handlers (main thread only) and return the question that the loop asks."""
    asked = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)
    return asked.is_set
