"""How often this process looks for garbage that reference counting does not find."""

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 20, 20)
"""New containers before a look at the young ones (Python's default: 700), and looks before the older ones are looked at too. Of
thousands of quiet connections the default takes a tenth of the web process's time and finds next to nothing; 50,000 containers
hold some 10 MB at most."""


def look_for_garbage_seldom() -> None:
    """Called once, when all is imported: what is there by then stays, and is not looked at any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
