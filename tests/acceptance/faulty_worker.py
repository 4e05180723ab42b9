"""`python -m tests.acceptance.faulty_worker FAULT`: the inference process with a scripted engine that has a fault."""

import asyncio
import logging
import sys

from inference.config import InferenceConfig
from inference.server import InferenceServer
from tests.acceptance.faults import IN_A_PROCESS


async def serve(config: InferenceConfig, fault: str) -> None:
    await InferenceServer(config, [IN_A_PROCESS[fault]()]).run()


if __name__ == "__main__":
    settings = InferenceConfig.from_env()
    logging.basicConfig(level=settings.log_level)
    asyncio.run(serve(settings, sys.argv[-1]))
