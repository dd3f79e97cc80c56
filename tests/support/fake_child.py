"""A training process without torch, for tests of what its parent does: the option `model` says how it behaves.

exit-N      a phase, a failed event, a line of error output, exit code N
hang        two steps, then it waits; SIGTERM ends it with exit code 75
deaf        two steps, then it waits, deaf to SIGTERM, with a deaf child of its own
phase-NAME  says that phase and waits, deaf to SIGTERM
tell        a notice with its environment, then exit code 65
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from workers.child import die_in_silence


def say(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main() -> int:
    spec = json.loads(sys.stdin.readline())
    behaviour = str(spec["options"]["model"])
    say(event="phase", phase="reading")
    if behaviour.startswith("exit-"):
        say(event="failed", message="A sentence for people.")
        sys.stderr.write("what only the log may quote\n")
        return int(behaviour.removeprefix("exit-"))
    if behaviour == "tell":
        say(event="notice", message=json.dumps(dict(os.environ)))
        say(event="failed", message="Told.")
        return 65
    if behaviour == "hang":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(75))
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "deaf":
        subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"])
    if behaviour.startswith("phase-"):
        say(event="phase", phase=behaviour.removeprefix("phase-"))
    else:
        say(event="phase", phase="training")
        for step in (1, 2):
            say(event="step", step=step, steps=10, loss=0.5, seconds_left=8.4)
    die_in_silence(spec["silence_seconds"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
