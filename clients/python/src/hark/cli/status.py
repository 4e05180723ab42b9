"""The line at the bottom of a terminal that says how far things are. Nothing is written where there is no terminal."""

import shutil
from dataclasses import dataclass
from typing import TextIO

from hark.stream import Progress

ERASE_LINE = "\r\x1b[2K"


@dataclass(slots=True)
class StatusLine:
    """`terminal`: standard error. Whoever writes a real line calls `clear` before."""

    terminal: TextIO
    _shown: str = ""

    @property
    def is_visible(self) -> bool:
        return self.terminal.isatty()

    def show(self, text: str) -> None:
        """Replace the line by as much of `text` as fits."""
        if not self.is_visible or text == self._shown:
            return
        self._shown = text
        self.terminal.write(ERASE_LINE + text[: shutil.get_terminal_size().columns - 1])
        self.terminal.flush()

    def clear(self) -> None:
        if self._shown:
            self._shown = ""
            self.terminal.write(ERASE_LINE)
            self.terminal.flush()

    def say(self, sentence: str) -> None:
        """A line that stays, terminal or not."""
        self.clear()
        self.terminal.write(f"hark: {sentence}\n")
        self.terminal.flush()


def described(progress: Progress, partial: str) -> str:
    """How far a stream is, and its partial text where that is wanted."""
    parts = [f"{progress.sent_ms / 1000:.1f} s sent", f"{progress.behind_ms / 1000:.1f} s behind"]
    if progress.num_reconnects:
        parts.append(f"{progress.num_reconnects} reconnect{'s' if progress.num_reconnects > 1 else ''}")
    if not progress.is_connected:
        parts.append("not connected")
    return f"[{', '.join(parts)}] {partial}".rstrip()
