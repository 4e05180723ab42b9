"""`python -m tests.lanes`: the whole suite in two lanes at once, since most tests wait for something most of the time.

One lane has the tests of the whole server; what the other one has is told when both are done. The exit status is not 0 when
either failed.
"""

import subprocess
import sys
import tempfile
from typing import Final

WHOLE_SERVER: Final = ("tests/acceptance", "tests/browser")
QUICK_OPTIONS: Final = tuple(f"--ignore={folder}" for folder in WHOLE_SERVER)


def main(options: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", *options]
    with tempfile.TemporaryFile("w+") as told:
        with subprocess.Popen([*command, *QUICK_OPTIONS], stdout=told, stderr=subprocess.STDOUT) as others:
            status = subprocess.run([*command, *WHOLE_SERVER], check=False).returncode
        told.seek(0)
        sys.stdout.writelines(told)
    return status or others.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
