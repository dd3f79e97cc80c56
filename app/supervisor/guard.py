"""Ends what a killed supervisor leaves: `python -I -S guard.py SECONDS`, fed with process groups on standard input.

The parent-death signal reaches only the supervisor's own children, and a child may ignore it: Celery finishes its
tasks first, and its forked pool never hears of it at all. This process sees the pipe close when the supervisor dies,
however it dies, gives the groups some seconds to end in order, then ends them. Lines: `+GROUP`, `-GROUP`, `done`.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def main(seconds: float) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        word = line.strip()
        if word == "done":
            return
        (groups.add if word[0] == "+" else groups.discard)(int(word[1:]))
    deadline = time.monotonic() + seconds
    while any(is_alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in filter(is_alive, groups):
        os.killpg(group, signal.SIGKILL)


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(float(sys.argv[1]))
