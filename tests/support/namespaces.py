"""A machine that refuses user namespaces: one namespace around it in which no further one may be made.

`python -m tests.support.namespaces USERS COMMAND...` runs the command as root among USERS users: with 65536 it may
become another user, with 1 it may not.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

CLONE_NEWUSER = 0x10000000


def in_namespace(*, users: int, command: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "tests.support.namespaces", str(users), *command]


def main(users: int, command: Sequence[str]) -> None:
    """The maps of another process's namespace may be written by root outside: a child does that for its parent."""
    entered, mapped = os.pipe(), os.pipe()
    myself = os.getpid()
    if os.fork() == 0:
        os.read(entered[0], 1)
        if users == 1:
            Path(f"/proc/{myself}/setgroups").write_text("deny")
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{myself}/{kind}").write_text(f"0 0 {users}")
        os.write(mapped[1], b"x")
        os._exit(0)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "this machine refuses user namespaces already")
    os.write(entered[1], b"x")
    os.read(mapped[0], 1)
    os.wait()
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
