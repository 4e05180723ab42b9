"""`hark sessions`."""

import argparse
import sys
from typing import Any

from hark.cli.writing import write_json
from hark.rest import RestClient

HEAD = ("SESSION", "STARTED", "STATUS", "AUDIO", "LANGUAGE", "MODEL", "FINALS")


def list_sessions(chosen: argparse.Namespace) -> int:
    """Returns the exit code. Raises HarkError."""
    filters = {name: value for name, value in (("status", chosen.status), ("q", chosen.search)) if value}
    sessions = list(RestClient(chosen.url[0], chosen.key).sessions(filters, chosen.limit))
    if chosen.format == "json":
        for session in sessions:
            write_json(sys.stdout, session)
    else:
        sys.stdout.write(table([HEAD, *map(row, sessions)]))
    return 0


def row(session: dict[str, Any]) -> tuple[str, ...]:
    """Cells of one session."""
    return (
        session["id"],
        session["started_at"][:19].replace("T", " "),
        session["status"],
        duration(session["received_ms"]) if session["status"] != "live" else "",
        session["language"],
        session["model"],
        str(session["num_segments"]),
    )


def duration(length_ms: int) -> str:
    """Hours, minutes and seconds."""
    minutes, seconds = divmod(length_ms // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows)
    return "\n".join(lines) + "\n"
