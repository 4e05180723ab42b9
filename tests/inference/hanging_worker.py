"""`python -m tests.inference.hanging_worker`: an inference process whose engine hangs at the word "zulu"."""

import asyncio
import sys
import threading
from collections.abc import Sequence

from inference import load
from inference.config import InferenceConfig
from inference.engines.base import Hypothesis, Window
from inference.engines.fake import FakeEngine, FakeState
from inference.server import InferenceServer


class HangingEngine(FakeEngine):
    def step(self, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        results = super().step(batch)
        if any("zulu" in result.text for result in results):
            threading.Event().wait()
        return results


async def serve() -> None:
    await InferenceServer(InferenceConfig.from_env(), [HangingEngine()]).run()


if __name__ == "__main__":
    load.STUCK_S = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0  # type: ignore[misc]  # five seconds are long for a test
    load.STUCK_REPORTS = 1  # type: ignore[misc]
    asyncio.run(serve())
