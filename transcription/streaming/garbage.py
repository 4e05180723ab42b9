"""How often this process looks for garbage that reference counting does not find."""

import gc
from typing import Final

THRESHOLDS: Final = (10_000, 10, 10)
"""New containers before a look at the young ones (Python's default: 700), and looks before the older ones are looked at too. Of
thousands of quiet connections the default takes a tenth of the web process's time. With (50_000, 20, 20) what connections leave
behind when they begin stayed for so long that 2,000 of them took 60 KiB more each."""


def look_for_garbage_seldom() -> None:
    """Called once, when all is imported: what is there by then stays, and is not looked at any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
