"""Becomes another program that dies with its parent: `python -I -S launch.py PARENT SIGNAL IDENTITY COMMAND...`.

A program of its own and not a `preexec_fn`, which may deadlock in a process with threads. The order matters: Linux
forgets the parent-death signal when a process changes its user or enters a user namespace, so it is set last; it
survives exec. IDENTITY is `same`, `mapped` (a user namespace in which root appears as nobody, which satisfies
Postgres while the files stay root's own) or UID:GID. Runs before site-packages are on the path: standard library only.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534
REFUSED = 71  # EX_OSERR


def main(arguments: list[str]) -> None:
    parent, death_signal, identity, *command = arguments
    try:
        take(identity)
    except OSError as error:
        sys.stderr.write(f"cannot take the identity {identity}: {error}\n")
        sys.exit(REFUSED)
    die_with_parent(int(death_signal), int(parent))
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def take(identity: str) -> None:
    """Raises OSError where the kernel or the container refuses."""
    if identity == "mapped":
        user, group = os.geteuid(), os.getegid()
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "user namespaces are refused")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")
    elif identity != "same":
        user, group = map(int, identity.split(":"))
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)


def die_with_parent(death_signal: int, parent: int) -> None:
    """Ask the kernel for `death_signal` when the thread that started this process ends; Linux only."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(REFUSED)


if __name__ == "__main__":
    main(sys.argv[1:])
