"""`python -m inference.training train|evaluate|export|finetune|language|synthesise`: see docs/training.md."""

import logging
import sys

from inference.errors import InferenceError
from inference.training.commands import parser


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    options = parser().parse_args()
    try:
        options.run_command(options)
    except InferenceError as err:
        print(f"training: {err}", file=sys.stderr)  # noqa: T201  # the one sentence for the person in front of it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
