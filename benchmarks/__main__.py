"""`make bench`: what needs no running server, one after the other, as tables and as JSON under benchmarks/results/.

Apart are those that play recordings, at the pace they were spoken, to a server that runs, and what needs a GPU: `LIVE`.
"""

import sys
from pathlib import Path

from benchmarks import accuracy, anatomy, hotwords, stability, windows

LIVE = """
These need a running server:
  python -m benchmarks.live       what a listener gets, and when
  python -m benchmarks.streams    how many live streams it carries

This one starts a server of its own and takes a quarter of an hour:
  python -m benchmarks.network    whether anything is lost when the network is bad

This one starts a server of its own and needs two cores to itself:
  python -m benchmarks.connections    what thousands of quiet connections cost

This one does too, and takes twenty minutes:
  python -m benchmarks.swaps      what speakers notice while one model takes the place of another

These need no server, and a machine that does nothing else:
  python -m benchmarks.conformer            streams a core of streaming Conformers, by size, runtime and precision
  python -m benchmarks.conformer --workers  two processes against one
  python -m benchmarks.conformer --edge     conformer-edge: words and whole steps

This one needs two minutes and no server:
  python -m benchmarks.metrics    what metrics cost

This one starts a server of its own and fills its database first:
  python -m benchmarks.console    how long the operators' console takes when much is stored

This one takes a quarter of an hour:
  python -m benchmarks.variants    size, load time, memory, speed and word error of each model in each precision

This one needs a GPU:
  python -m benchmarks.gpu        windows a second by batch size, with CUDA graphs and without
"""
RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    anatomy.main(["--json", str(RESULTS / "anatomy.json")])
    windows.main(["--json", str(RESULTS / "windows.json")])
    hotwords.main(["--json", str(RESULTS / "hotwords.json")])
    stability.main(["--json", str(RESULTS / "stability.json")])
    accuracy.main(["--model", "whisper-tiny.en", "--languages", "en", "--json", str(RESULTS / "accuracy-tiny.en.json")])
    accuracy.main(["--model", "whisper-base", "--languages", "zh", "--json", str(RESULTS / "accuracy-base.json")])
    sys.stdout.write(LIVE)


if __name__ == "__main__":
    main()
