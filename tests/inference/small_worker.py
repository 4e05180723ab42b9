"""`python -m tests.inference.small_worker`: an inference process that has BUDGET_BYTES of memory besides what it starts with."""

from inference import memory
from inference.__main__ import main

BUDGET_BYTES = 260_000_000
BALLAST_BYTES = 80_000_000
"""Of a model: to load it takes 210 MB for a moment. So there is room for one, and not for a second one beside it."""


class Budget:
    """Counted from the first look on."""

    first_used_bytes: int | None = None

    def free_bytes(self, device: str) -> int:
        used_bytes = memory.used_bytes(device)
        if self.first_used_bytes is None:
            self.first_used_bytes = used_bytes
        return BUDGET_BYTES - (used_bytes - self.first_used_bytes)


if __name__ == "__main__":
    memory.free_bytes = Budget().free_bytes  # type: ignore[assignment]  # nobody passes more
    raise SystemExit(main())
