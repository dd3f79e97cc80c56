"""Install the system programs that the tests use, where they are missing: `python scripts/tools.py chromium ...`.

Debian and Ubuntu only, as root or where sudo asks for no password; elsewhere a sentence says what to install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# A program counts as installed under any of these names.
NAMES = {
    "chromium": ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    "docker-compose": ["docker-compose"],
}


def main(wanted: list[str]) -> int:
    missing = [program for program in wanted if not is_installed(program)]
    if not missing:
        return 0
    print(f"Installing {' and '.join(missing)} for the tests ...", flush=True)
    apt = shutil.which("apt-get")
    prefix = privileges()
    if apt is None or prefix is None:
        why = "there is no apt-get" if apt is None else "this user is neither root nor may use sudo without a password"
        print(f"The tests need {' and '.join(missing)}, and {why}. Install them, then run make test again.")
        return 1
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
        done = subprocess.run([*prefix, apt, *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0 and arguments[0] == "install":
            print(done.stdout + done.stderr)
    missing = [program for program in wanted if not is_installed(program)]
    if missing:
        print(f"apt-get could not install {' and '.join(missing)}; the lines above say why.")
        return 1
    return 0


def is_installed(program: str) -> bool:
    return any(shutil.which(name) for name in NAMES.get(program, [program]))


def privileges() -> list[str] | None:
    """What to put before apt-get; None where it may not be run."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n", "--preserve-env=DEBIAN_FRONTEND"]
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
