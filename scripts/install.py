"""Make .venv and install Accord into it; used by the Makefile, standard library only.

uv resolves and installs in seconds where pip needs minutes, but reads none of pip's configuration: what pip is told
about indexes and wheel folders is handed on through the environment. A stamp of the inputs makes a second run free.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
# Where any of these is set, somebody has decided where packages come from.
SOURCES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_TORCH_BACKEND")


def main(extras: str) -> int:
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"Accord needs Python 3.11 or newer; this is {found}. Name another: make up PYTHON=python3.12")
        return 1
    wanted = set(extras.split(","))
    stamp, inputs = VENV / ".accord-stamp", fingerprint()
    works = is_usable()
    stamped = read_stamp(stamp) if works else {}
    installed = set(stamped.get("extras", []))
    if stamped.get("inputs") == inputs and wanted <= installed:
        return 0
    # What was installed for another command stays: `make up` and `make test` take turns without undoing each other.
    wanted |= installed
    print(f"Installing Accord [{','.join(sorted(wanted))}] into .venv ...", flush=True)
    if not works and not make_venv():
        return 1
    stamp.unlink(missing_ok=True)
    if not install(",".join(sorted(wanted))):
        print("Installation failed; the lines above say why. Nothing was started.")
        return 1
    stamp.write_text(json.dumps({"inputs": inputs, "extras": sorted(closure(wanted))}))
    return 0


def is_usable() -> bool:
    """Whether .venv has a Python that is new enough and can install; one whose Python was removed has not."""
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def make_venv() -> bool:
    try:
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    except subprocess.CalledProcessError:
        shutil.rmtree(VENV, ignore_errors=True)
        print("This Python cannot make a .venv with pip. On Debian and Ubuntu: apt install python3-venv")
        return False
    except OSError as error:
        print(f"Could not make {VENV}: {error.strerror}.")
        return False
    return True


def read_stamp(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def closure(extras: set[str]) -> set[str]:
    """The extras with those that they name in turn: `test` brings `accord[embedded,parquet]`."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known, found = project["optional-dependencies"], set(extras)
    for extra in extras:
        for requirement in known.get(extra, []):
            named = re.fullmatch(rf"{project['name']}\[([\w, -]+)\]", requirement)
            found |= {name.strip() for name in named[1].split(",")} if named else set()
    return found


def fingerprint() -> str:
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def install(extras: str) -> bool:
    target = ["-c", "constraints.txt", "-e", f".[{extras}]"]
    run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"])
    if (VENV / "bin" / "uv").exists():
        uv = [VENV / "bin" / "uv", "pip", "install", "--quiet", "--python", PYTHON, *target]
        if run(uv, env=with_torch_that_fits({**uv_environment(), **os.environ})):
            return True
        print("uv could not install it; trying pip, which takes some minutes.", flush=True)
    return run([PYTHON, "-m", "pip", "install", "--quiet", *target])


def uv_environment() -> dict[str, str]:
    """pip's settings under uv's names; folders that do not exist are left out, since uv stops at them."""
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    found: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        name = PIP_TO_UV.get(key.rpartition(".")[2])
        words = [word for word in value.strip("'\"").split() if is_reachable(word)]
        if name and words:
            found[name] = " ".join(words)
    if "UV_INDEX" in found:  # pip weighs all its indexes alike; uv by default stops at the first that knows the name
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


def with_torch_that_fits(env: dict[str, str]) -> dict[str, str]:
    """On a plain machine uv picks torch's build by the graphics card: without one, that spares gigabytes of CUDA.

    uv takes torch from an index of its own then, so that it must not be asked to where another source was named.
    """
    return env if any(env.get(name) for name in SOURCES) else {**env, "UV_TORCH_BACKEND": "auto"}


def is_reachable(word: str) -> bool:
    return not word.startswith(("file://", "/")) or Path(word.removeprefix("file://")).exists()


def run(command: list[object], env: dict[str, str] | None = None) -> bool:
    return subprocess.run(list(map(str, command)), cwd=ROOT, env=env, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
