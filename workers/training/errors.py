"""How a run ends early. Each error is a sentence for the person who started it, and an exit code for the parent."""

from __future__ import annotations

import errno
import os
from typing import ClassVar


class TrainingError(Exception):
    """The run cannot go on; `str(error)` says what happened, what was kept and what to do."""

    exit_code: ClassVar[int] = os.EX_SOFTWARE


class BadInput(TrainingError):
    """Data, model or options that cannot be used. Nothing was trained."""

    exit_code = os.EX_DATAERR


class Diverged(TrainingError):
    """The numbers stopped being numbers."""


class OutOfSpace(TrainingError):
    """A checkpoint or the result could not be written."""

    exit_code = os.EX_IOERR


class OutOfMemory(TrainingError):
    """A batch does not fit."""

    exit_code = os.EX_OSERR


class HandedBack(TrainingError):
    """Asked to stop: the work done so far lies in a checkpoint, and the same command goes on from there."""

    exit_code = os.EX_TEMPFAIL


def is_full(error: BaseException) -> bool:
    """The Rust libraries under safetensors and tokenizers say the number of the error in their text only."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in full
    return any(f"os error {number})" in str(error) for number in full)


def is_out_of_memory(error: BaseException) -> bool:
    """torch says it in a RuntimeError's text on the CPU and by a class of its own on a GPU."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in said or "can't allocate memory" in said
