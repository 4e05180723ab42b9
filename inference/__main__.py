"""`python -m inference`: the inference process."""

import asyncio
import logging
import sys

from inference import tuning
from inference.config import InferenceConfig
from inference.engines import registry
from inference.errors import InferenceError
from inference.logs import start_logging
from inference.server import InferenceServer

logger = logging.getLogger("inference")

EXIT_UNUSABLE = 3
"""A restart does not mend it: a missing weight file, a bad setting, an address in use."""


async def serve(config: InferenceConfig) -> None:
    choices = tuning.choices(config, tuning.this_machine(config.device))
    for choice in choices:
        logger.log(choice.log_level, "%s: precision %s (%s)", choice.model, choice.precision, choice.reason)
    engines = [
        registry.create(
            choice.model, choice.precision, device=config.device, max_batch=config.max_batch, streaming=config.streaming
        )
        for choice in choices
    ]
    await InferenceServer(config, engines).run()


def main() -> int:
    config = None
    try:
        config = InferenceConfig.from_env()
        start_logging(config.log_level, config.log_format, config.node)
        asyncio.run(serve(config))
    except (InferenceError, OSError) as err:
        if config is not None and config.log_format == "json":
            logger.critical("%s", err)
        else:
            print(f"inference: {err}", file=sys.stderr)  # noqa: T201  # the one sentence for the operator
        return EXIT_UNUSABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
