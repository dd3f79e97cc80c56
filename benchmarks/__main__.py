"""`make prove [NAME]`: the full figures of what Accord promises, one program each, JSON under benchmarks/results/.

A benchmark is a module here with `measure() -> dict` and a docstring whose first line says what it shows.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import benchmarks
from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results"


def programs() -> dict[str, ModuleType]:
    found = {}
    for info in pkgutil.iter_modules(benchmarks.__path__):
        if not info.name.startswith("_") and info.name != "machine":
            module = importlib.import_module(f"benchmarks.{info.name}")
            if hasattr(module, "measure"):
                found[info.name] = module
    return found


def main(names: list[str]) -> int:
    known = programs()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no {', '.join(unknown)}; there are: {', '.join(known)}")
        return 1
    for name in names or list(known):
        title = (known[name].__doc__ or name).splitlines()[0]
        print(f"== {name}: {title}", flush=True)
        started = time.perf_counter()
        figures: dict[str, Any] = known[name].measure()
        write(name, {"shows": title, "seconds": round(time.perf_counter() - started, 1), **figures})
    return 0


def write(name: str, figures: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**figures, "machine": machine()}, indent=2) + "\n")
    print(f"-> benchmarks/results/{path.name}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
