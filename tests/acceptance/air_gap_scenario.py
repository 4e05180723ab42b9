"""`python -m tests.acceptance.air_gap_scenario VAR_DIR`: start what `make serve` starts, twice; print what it heard each time.

Run below `tests.acceptance.cut_off`, so server and client are where no network is.
"""

import asyncio
import os
import signal
import subprocess
import sys

from asr_project.serve.readiness import is_ready
from benchmarks.silence import CLIP, Line, after_silence, pcm_of
from tests.inference.worker import wait_until
from tests.stack import HOST, READY_WITHIN_S, STOP_WITHIN_S, free_port


def transcribed(var_dir: str) -> str:
    """What a server that is started for it makes of the project's clip."""
    port = free_port()
    own = {"PORT": str(port), "HARK_VAR_DIR": var_dir, "HARK_MODELS": "whisper-tiny.en", "HARK_INFERENCE_PROCESSES": "1"}
    with subprocess.Popen([sys.executable, "-m", "asr_project.serve"], env=os.environ | own, stdout=sys.stderr) as server:
        wait_until(lambda: server.poll() is not None or is_ready(HOST, port), READY_WITHIN_S)
        outcome = asyncio.run(after_silence(Line(f"ws://{HOST}:{port}/stream"), 0.1, pcm_of(CLIP), sends_silence=False))
        server.send_signal(signal.SIGINT)
        server.wait(STOP_WITHIN_S + 5)
    return outcome.text


if __name__ == "__main__":
    for _ in range(2):
        sys.stdout.write(f"{transcribed(sys.argv[1])}\n")
