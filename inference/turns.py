"""How threads beside recognition leave it its turns at running Python."""

import sys
import threading
from types import TracebackType
from typing import Final

SWITCH_S: Final = 0.0005
"""How long such a thread may run Python while the recognition thread waits for its turn; 5 ms otherwise, which it would wait
after every operation of its network."""


class ShortTurns:
    """With it other threads need not wait long until they may run Python. For any number of threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._usual_s = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._num_inside:
                self._usual_s = sys.getswitchinterval()
                sys.setswitchinterval(min(SWITCH_S, self._usual_s))
            self._num_inside += 1

    def __exit__(self, _kind: type[BaseException] | None, _err: BaseException | None, _trace: TracebackType | None) -> None:
        with self._lock:
            self._num_inside -= 1
            if not self._num_inside:
                sys.setswitchinterval(self._usual_s)


short_turns: Final = ShortTurns()
