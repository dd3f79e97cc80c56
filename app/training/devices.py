"""The devices of this machine, found without torch, and what of them a training process may see."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.config import settings

NO_DEVICE = ("", "-1", "none", "void", "NoDevFiles")
EVERYWHERE = "gpu"
UNIQUE = ("GPU-", "MIG-")


@dataclass(frozen=True, slots=True)
class Device:
    """`host` is the machine, or "gpu" for a card that is known by its own number: containers share those."""

    host: str
    name: str

    @property
    def is_gpu(self) -> bool:
        return self.name.startswith(("cuda:", *UNIQUE))

    @property
    def visible(self) -> str:
        """The value of CUDA_VISIBLE_DEVICES under which a process sees this device and no other."""
        return self.name.removeprefix("cuda:") if self.is_gpu else ""


@lru_cache
def of_this_machine() -> tuple[Device, ...]:
    """At least one: the setting's, else the graphics cards that this process may use, else one "cpu"."""
    names = [name.strip() for name in settings().training_devices.split(",") if name.strip()]
    return tuple(Device(_host(name), name) for name in names or visible_cards() or ["cpu"])


def _host(name: str) -> str:
    return EVERYWHERE if name.startswith(UNIQUE) else socket.gethostname()


def visible_cards() -> list[str]:
    """The cards' own numbers (UUIDs) where nvidia-smi tells them, restricted by CUDA_VISIBLE_DEVICES as CUDA does."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = _installed_cards()
    if allowed is None:
        return cards
    found = []
    for word in allowed.split(","):
        if word.strip() in NO_DEVICE:
            break  # CUDA hides all that follows an invalid entry
        found.append(_named(word.strip(), cards))
    return found


def _named(word: str, cards: Sequence[str]) -> str:
    if not word.isdigit():
        return word
    return cards[int(word)] if int(word) < len(cards) else f"cuda:{word}"


def _installed_cards() -> list[str]:
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in told.splitlines() if line.strip().startswith("GPU-")]
