"""How one model takes the place of another in a route while people are talking.

`requests` writes a wish down, `running` carries it out in a Celery worker, one inference process after the other, and
`tending` looks after what was left behind: by a worker that died, or by an inference process that was restarted.
"""

from transcription.swaps.requests import SwapRefused, request_rollback, request_swap

__all__ = ["SwapRefused", "request_rollback", "request_swap"]
