"""Every judgement is counted exactly once: the whole figures of tests/integrity, with real processes on real Postgres.

1,000 rounds of 64 clients on one place instead of the short 100 of `make test`; the other tests are the same in both.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def measure() -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/integrity", "-p", "no:randomly", "--durations=0", "-v", "-rA"],
        cwd=ROOT,
        env={**os.environ, "ACCORD_PROVE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    results = dict(re.findall(r"^(?:tests/\S+::)?\S*?::(\S+) (PASSED|FAILED|ERROR|SKIPPED)", run.stdout, re.MULTILINE))
    seconds = {
        name.rpartition("::")[2]: float(value)
        for value, name in re.findall(r"^([\d.]+)s call\s+(\S+)", run.stdout, re.MULTILINE)
    }
    for name, result in results.items():
        print(f"{result:<8} {seconds.get(name, 0):7.1f} s  {name}")
    if run.returncode != 0:
        print(run.stdout[run.stdout.find("= FAILURES =") :])
        raise SystemExit(1)
    return {"results": results, "test_seconds": seconds}
