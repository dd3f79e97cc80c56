"""`up` with simple programs in the place of the real ones, so that its promises are tried apart from theirs.

`python -m tests.support.stubs up --port PORT --data FOLDER` runs the supervisor. What a stub does beyond running is
asked for in the environment: STUB_WEB=dies, STUB_WORKER=stubborn (deaf to SIGTERM, with a deaf child of its own, as a
Celery pool in the middle of its tasks), STUB_MIGRATE=fails. Each stub notes its environment in the data folder.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


def main(arguments: list[str]) -> int:
    # make's recipe says `-m app up --port ...`, whichever program it was told to run it with.
    verb = arguments[arguments.index("app") + 1] if "app" in arguments else arguments[0]
    option = dict(itertools.pairwise(arguments))
    if verb == "up":
        return up(int(option["--port"]), Path(option["--data"]))
    note(verb)
    if verb == "web":
        return web(int(option["--port"]))
    if verb == "migrate":
        return migrate()
    if verb == "worker" and os.environ.get("STUB_WORKER") == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    signal.pause()
    return 0


def up(port: int, data: Path) -> int:
    from app import supervisor

    program = [sys.executable, "-m", "tests.support.stubs"]
    names = ("migrate", "web", "worker", "trainer", "beat")
    commands = {name: [*program, name, "--port", str(port)] for name in names}
    commands["setup-link"] = [sys.executable, "-c", f"print('http://127.0.0.1:{port}/setup/once')"]
    return supervisor.up(port=port, data_dir=data, commands=commands)


def note(verb: str) -> None:
    """Written whole or not at all: tests read it while programs come and go."""
    folder = Path(os.environ["ACCORD_DATA_DIR"])
    unfinished = folder / f"{verb}.json.unfinished"
    unfinished.write_text(json.dumps({"pid": os.getpid(), "environment": dict(os.environ)}))
    unfinished.rename(folder / f"{verb}.json")


def migrate() -> int:
    if os.environ.get("STUB_MIGRATE") == "fails":
        sys.stderr.write("Traceback (most recent call last):\n  x\nsome.DatabaseError: column x is missing\n(See: y)\n")
        return 1
    return 0


def web(port: int) -> int:
    if os.environ.get("STUB_WEB") == "dies":
        sys.stderr.write("the web stub has nothing to live for\n")
        return 1
    HTTPServer(("127.0.0.1", port), Ready).serve_forever()
    return 0


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Quiet."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
