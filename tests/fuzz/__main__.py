"""`make fuzz FUZZ_S=600`: random conversations for half of the time, then bytes from strangers for each decoder.

Never the same twice. Ends with status 1 when a promise was broken; what broke it is printed, and kept where atheris found it.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import SystemRandom

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.conversation import Conversation
from tests.fuzz.decoders import TARGETS, mutate

ROUND = settings(max_examples=200, stateful_step_count=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def converse(seconds: float) -> None:
    """Raises: AssertionError, or whatever the session raised."""
    deadline_s = time.monotonic() + seconds
    num_rounds = 0
    while time.monotonic() < deadline_s:
        number = SystemRandom().randrange(2**32)
        sys.stdout.write(f"conversations: round {num_rounds}, seed {number}\n")
        sys.stdout.flush()
        machine = seed(number)(type("Conversation", (Conversation,), {}))
        run_state_machine_as_test(machine, settings=ROUND)
        num_rounds += 1


def decode(target: str, seconds: int) -> int:
    """Guided by coverage where atheris is installed; returns an exit status."""
    sys.stdout.write(f"{target}: {seconds} s\n")
    sys.stdout.flush()
    if importlib.util.find_spec("atheris") is None:
        sys.stdout.write(f"{target}: {mutate(target, seconds, SystemRandom().randrange(2**32))} mutations, without atheris\n")
        return 0
    corpus = tempfile.mkdtemp(prefix=f"hark-fuzz-{target}-")
    command = [sys.executable, "-m", "tests.fuzz.decoders", target, str(seconds), corpus]
    return subprocess.run(command, cwd=Path(__file__).resolve().parents[2], check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    seconds = parser.parse_args().seconds
    converse(seconds / 2)
    statuses = {target: decode(target, max(1, seconds // 2 // len(TARGETS))) for target in TARGETS}
    broken = [target for target, status in statuses.items() if status]
    sys.stdout.write(f"broken: {', '.join(broken) or 'nothing'}\n")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
