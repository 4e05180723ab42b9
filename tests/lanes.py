"""`python -m tests.lanes`: the whole suite in three lanes at once, since most tests wait for something most of the time.

What acceptance tests say is seen as it comes; what the other lanes say, when all are done. The exit status is not 0 when any of
them failed.
"""

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import IO, Final

ACCEPTANCE: Final = ("tests/acceptance",)
PROCESSES: Final = ("tests/browser", "tests/asr_project", "tests/benchmarks", "tests/clients", "tests/integration")
REST: Final = tuple(f"--ignore={folder}" for folder in (*ACCEPTANCE, *PROCESSES))
LANES: Final = (ACCEPTANCE, PROCESSES, REST)
"""Which take about as long as each other."""


def main(options: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", *options]
    with ExitStack() as open_files:
        quiet = [(lane, open_files.enter_context(tempfile.TemporaryFile("w+"))) for lane in LANES[1:]]
        others = [(subprocess.Popen([*command, *lane], stdout=told, stderr=subprocess.STDOUT), told) for lane, told in quiet]
        status = subprocess.run([*command, *LANES[0]], check=False).returncode
        return max(abs(status), *(_tell(process, told) for process, told in others))


def _tell(process: subprocess.Popen[bytes], told: IO[str]) -> int:
    """Wait for it, repeat what it said, and return 0 if all is well."""
    status = process.wait()
    told.seek(0)
    sys.stdout.writelines(told)
    return abs(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
