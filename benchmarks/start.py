"""How long from a fresh clone to a ready page, and how long a second start takes.

The clone is made from this checkout's HEAD into an empty folder; `make up` installs into a .venv of its own. Packages
may come from pip's cache, as they would for anybody who has installed anything before; say so where it is quoted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from tests.support.stack import free_port

ROOT = Path(__file__).resolve().parent.parent
SECOND_STARTS = 5


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "accord"
        started = time.perf_counter()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        first = start_and_stop(clone, since=started)
        print(f"clone to ready page   {first:6.1f} s")
        seconds = [start_and_stop(clone) for _ in range(SECOND_STARTS)]
    print(f"second start, median  {median(seconds):6.1f} s  (of {', '.join(f'{s:.1f}' for s in seconds)})")
    return {"clone_to_ready_s": round(first, 2), "second_start_s": [round(s, 2) for s in seconds]}


def start_and_stop(clone: Path, *, since: float | None = None) -> float:
    """Seconds until /sign-in is answered, from `since` or from the call."""
    since = since or time.perf_counter()
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    process = subprocess.Popen(
        ["make", "up", f"PORT={port}"],
        cwd=clone,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            if process.poll() is not None or time.perf_counter() - since > 600:
                raise RuntimeError("make up ended before its page was ready")
            try:
                if httpx.get(f"http://127.0.0.1:{port}/sign-in", timeout=2).status_code == 200:
                    return time.perf_counter() - since
            except httpx.HTTPError:
                time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)
