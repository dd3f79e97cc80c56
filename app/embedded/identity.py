"""As whom Postgres runs: it refuses to be root, and looks its user's name up."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.embedded.process import CannotStart, launch

ELSEWHERE = Path("/var/lib/accord")
OTHERS_MAY_ENTER = 0o001


@dataclass(frozen=True)
class Identity:
    """`how` is the launcher's word; `owner` is set where the files must belong to another user."""

    how: str
    owner: tuple[int, int] | None = None

    @property
    def is_other_user(self) -> bool:
        return self.owner is not None


def identity() -> Identity:
    """The first way that works here; raises CannotStart where none does."""
    if os.geteuid() != 0 and has_name(os.geteuid()):
        return Identity("same")
    if works("mapped"):
        return Identity("mapped")
    nobody = find_nobody()
    if os.geteuid() == 0 and nobody is not None and works(f"{nobody[0]}:{nobody[1]}"):
        return Identity(f"{nobody[0]}:{nobody[1]}", nobody)
    raise CannotStart(
        "The embedded Postgres cannot run as root, and this machine allows neither a user namespace nor a change of "
        "user. Set DATABASE_URL to a PostgreSQL server, or run Accord as an ordinary user."
    )


def works(how: str) -> bool:
    """Try it on a program that does nothing."""
    command = launch(["/bin/sh", "-c", ":"], death_signal=signal.SIGKILL, identity=how)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def find_nobody() -> tuple[int, int] | None:
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        return None
    return found.pw_uid, found.pw_gid


def home_of(folder: Path, who: Identity) -> Path:
    """Where the database's files lie: in the data folder, unless another user must own them and cannot get there.

    Nobody else's folder is opened up for that: the files then lie under /var/lib/accord, named after the data folder,
    and a note in the data folder says so. A database that lies there is found again whoever runs it.
    """
    home = ELSEWHERE / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    note = folder / "where-the-database-is.txt"
    if (home / "postgres").exists():
        return home
    if note.exists():
        raise CannotStart(
            f"{note} says where this folder's database lies, but it was made for another path. "
            "Move the data folder back, or remove the note to begin with an empty database."
        )
    if not who.is_other_user:
        return folder
    if is_reachable(folder.parent):
        folder.chmod(folder.stat().st_mode | OTHERS_MAY_ENTER)
        return folder
    try:
        home.mkdir(parents=True, exist_ok=True)
        ELSEWHERE.chmod(0o755)
        home.chmod(0o755)
        note.write_text(
            f"{home}\n\nThe database's user may not enter this folder, so its files lie there. Keep both.\n"
        )
    except OSError as error:
        raise CannotStart(
            f"The embedded Postgres may not enter {folder}, and {home} cannot be made: {error.strerror}. "
            "Choose a data folder that every user can enter (make up DATA=/srv/accord), or set DATABASE_URL."
        ) from None
    return home


def reachable_copy(installation: Path, home: Path, who: Identity) -> Path:
    """The installation itself, or a copy where the other user may not enter the wheel's folder (a clone in /root)."""
    if not who.is_other_user or is_reachable(installation):
        return installation
    version = hashlib.sha256(f"{installation} {(installation / 'bin' / 'postgres').stat()}".encode()).hexdigest()[:16]
    copy = home / "programs" / version
    if not copy.exists():
        copy.parent.mkdir(exist_ok=True)
        copy.parent.chmod(0o755)
        with tempfile.TemporaryDirectory(dir=copy.parent) as made:
            # The wheel's shared libraries are found by a path relative to the programs.
            package = Path(made) / "whole" / installation.parent.name
            for part in ("bin", "lib", "share"):
                shutil.copytree(installation / part, package / installation.name / part, symlinks=True)
            libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, package.with_name(libraries.name))
            (Path(made) / "whole").rename(copy)
    return copy / installation.parent.name / installation.name


def is_reachable(folder: Path) -> bool:
    return all(step.stat().st_mode & OTHERS_MAY_ENTER for step in (folder, *folder.parents))


def give(path: Path, who: Identity) -> None:
    """Make `path`, and all in it, the user's who runs the server now; it may be another than last time."""
    user, group = who.owner or (os.geteuid(), os.getegid())
    if os.geteuid() != 0 or path.lstat().st_uid == user:
        return
    for step in (path, *path.rglob("*")) if path.is_dir() else (path,):
        os.chown(step, user, group, follow_symlinks=False)


def name_seen_by_server(who: Identity) -> str:
    """The name that peer authentication sees for this process."""
    if who.how == "mapped":
        return "nobody" if sys.platform == "linux" else pwd.getpwuid(os.geteuid()).pw_name
    return pwd.getpwuid(os.geteuid()).pw_name
