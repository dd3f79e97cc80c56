"""How a worker's processes end: asked to stop they put their work down, and no child outlives its parent.

Celery answers SIGTERM with a warm shutdown, which waits for running tasks without limit and tells them nothing. One
byte of memory, shared with the children by fork, tells them. A parent that is killed leaves its prefork children
behind at work; Linux is asked to end them with it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

_asked = mmap.mmap(-1, 1)
_main_process = os.getpid()


def ask() -> None:
    """Called in the main process, from its signal handler."""
    _asked[0] = 1


def is_asked() -> bool:
    return _asked[0] == 1


def die_with_parent() -> None:
    """Called in each child once it has been forked."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != _main_process:
        os._exit(1)
