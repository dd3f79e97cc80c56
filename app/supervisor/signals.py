"""What ends `up`: signals from the terminal, and the death of the `make` that started it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from app.embedded.launch import die_with_parent

# Set by the Makefile to make's own pid: a recipe must not outlive its make, a shell may well be left.
PARENT_VARIABLE = "ACCORD_STOP_WITH_PARENT"


class Stopped(BaseException):
    """A signal came while things were being started; unwinds to where they are stopped."""


class StopSignals:
    """SIGINT, SIGTERM and SIGHUP. The first stops in order, the second hastens.

    While things are started a signal raises Stopped, since some of the waiting is in calls that look at no flag; once
    `only_count` was called it is only counted, so that the stopping itself is never interrupted.
    """

    def __init__(self) -> None:
        self.count = 0
        self.raises = True

    @contextmanager
    def caught(self) -> Iterator[None]:
        wanted = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            wanted.remove(signal.SIGHUP)  # nohup ignores it on purpose
        before = {number: signal.getsignal(number) for number in wanted}
        for number in before:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def only_count(self) -> None:
        self.raises = False

    def _note(self, _number: int, _frame: object) -> None:
        self.count += 1
        if self.raises:
            self.raises = False
            raise Stopped


def stop_with_parent() -> None:
    """Where the Makefile asks for it, its death is a SIGTERM to this process; Raises Stopped if it is dead already."""
    parent = os.environ.get(PARENT_VARIABLE, "")
    if parent.isdigit():
        try:
            die_with_parent(signal.SIGTERM, int(parent))
        except SystemExit:
            raise Stopped from None
