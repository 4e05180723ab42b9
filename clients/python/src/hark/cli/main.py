"""Entry of the command line: which command, and what its failures look like to a person."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from hark.cli.arguments import parser
from hark.cli.listing import list_sessions
from hark.cli.tailing import tail
from hark.cli.transcribing import transcribe
from hark.errors import HarkError
from hark.wav import UnusableFileError

COMPLETE, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
WANTS_KEY = frozenset({"not_authenticated", "forbidden", "authentication_failed", "permission_denied"})


def run() -> None:
    """The program `hark`."""
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # `hark … | head`: whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; returns the exit code."""
    chosen = parser().parse_args(arguments)
    chosen.url = chosen.url or chosen.default_urls
    chosen.key = chosen.key or chosen.default_key
    try:
        return _command(chosen)
    except HarkError as err:
        _complain(err.message + _advice(err, has_key=chosen.key is not None))
        return FAILED
    except (UnusableFileError, ValueError) as err:
        _complain(str(err))
        return UNUSABLE
    except OSError as err:
        if isinstance(err, BrokenPipeError):
            raise
        _complain(f"{err.filename or chosen.source}: {err.strerror or err}")
        return UNUSABLE
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


def _command(chosen: argparse.Namespace) -> int:
    match chosen.command:
        case "transcribe":
            return asyncio.run(transcribe(chosen))
        case "tail":
            return tail(chosen)
        case _:
            return list_sessions(chosen)


def _advice(err: HarkError, *, has_key: bool) -> str:
    if err.code in WANTS_KEY and "HARK_API_KEY" not in err.message:
        return " The key comes from --key or HARK_API_KEY" + ("." if has_key else "; none was given.")
    if err.code == "unreachable":
        return " Is it running, and is --url (or HARK_URL) right?"
    if err.retryable:
        after = f" in {err.retry_after_s:g} s" if err.retry_after_s else " later"
        return f" Trying again{after} may help."
    return ""


def _complain(sentence: str) -> None:
    sys.stderr.write(f"hark: {sentence}\n")
