"""How one model takes the place of another in a route while people are talking.

`requests` writes a wish down, `running` carries it out in a Celery worker, one inference process after the other, `rooms` has
a process change its model where it has no memory for two, and `tending` looks after what was left behind: by a worker that
died, or by an inference process that was restarted.
"""

from transcription.swaps.fleet import Fleet, InferenceFleet
from transcription.swaps.needs import configured_models
from transcription.swaps.requests import SUPERSEDED, SwapRefused, request_beside, request_rollback, request_swap, why_unfit
from transcription.swaps.running import run_swap
from transcription.swaps.tending import tend

__all__ = [
    "SUPERSEDED",
    "Fleet",
    "InferenceFleet",
    "SwapRefused",
    "configured_models",
    "request_beside",
    "request_rollback",
    "request_swap",
    "run_swap",
    "tend",
    "why_unfit",
]
