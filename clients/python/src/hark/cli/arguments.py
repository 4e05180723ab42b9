"""What can be written behind `hark`."""

import argparse
import os
from collections.abc import Mapping
from uuid import UUID

import hark
from hark.addresses import DEFAULT_URL, stream_url
from hark.options import SAMPLE_BYTES

EXIT_CODES = """\
exit codes:
  0  everything was transcribed (tail: the session is complete)
  1  an error; standard error says which
  2  the command line cannot be used, or the file is no audio
  3  transcribed, but audio is missing (a gap)
  130  interrupted (transcribe: by a second Ctrl-C; the first ends politely)
"""
ENVIRONMENT = """\
environment:
  HARK_URL      address of the server, or several separated by commas
  HARK_API_KEY  API key; safer than --key, which other users of this machine can see
"""


def parser(environment: Mapping[str, str] = os.environ) -> argparse.ArgumentParser:
    """Defaults of address and key come from `environment`; the key never stands in a help text."""
    root = argparse.ArgumentParser(
        prog="hark",
        description="Speech to text by a Hark server.",
        epilog=f"{ENVIRONMENT}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"hark {hark.__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_transcribe(commands, environment)
    _add_tail(commands, environment)
    _add_sessions(commands, environment)
    return root


def _add_server(command: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    server = command.add_argument_group("server")
    server.add_argument(
        "--url", type=_url, action="append", metavar="URL",
        help=f"address of the server; may be given again for its other web processes (HARK_URL, else {DEFAULT_URL})",
    )  # fmt: skip
    server.add_argument("--key", metavar="KEY", help="API key (HARK_API_KEY)")
    urls = [_url(url.strip()) for url in environment.get("HARK_URL", "").split(",") if url.strip()]
    command.set_defaults(default_urls=urls or [DEFAULT_URL], default_key=environment.get("HARK_API_KEY") or None)


def _url(text: str) -> str:
    try:
        return stream_url(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from err


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as err:
        raise argparse.ArgumentTypeError(f"{text!r} is no session; `hark sessions` lists them") from err


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number above 0")
    return int(text)


def _add_transcribe(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", environment: Mapping[str, str]) -> None:
    command = commands.add_parser(
        "transcribe",
        help="transcribe a file, standard input or the microphone",
        description="Transcribe a file, standard input or the microphone, and print the text as it becomes final.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("source", metavar="FILE|-|mic", help="an audio file, - for bare samples from standard input, or mic")
    _add_server(command, environment)
    _add_audio(command)
    _add_recognition(command)
    output = command.add_argument_group("output")
    output.add_argument("--format", choices=["text", "json", "srt", "vtt"], default="text", help="json: one event a line")
    output.add_argument("--interim", action="store_true", help="show text while it grows: on a terminal, and as events in json")


def _add_audio(command: argparse.ArgumentParser) -> None:
    audio = command.add_argument_group("audio")
    pace = audio.add_mutually_exclusive_group()
    pace.add_argument("--fast", dest="realtime", action="store_false", help="send as fast as the server takes it (default)")
    pace.add_argument("--realtime", action="store_true", help="send as if it were spoken now")
    command.set_defaults(realtime=False)
    audio.add_argument("--raw", action="store_true", help="the file has no header: --rate, --encoding, --channels say what it is")
    audio.add_argument("--rate", type=_count, default=16_000, metavar="HZ", help="of bare samples and mic (default 16000)")
    audio.add_argument("--encoding", choices=sorted(SAMPLE_BYTES), default="pcm_s16le", help="of bare samples")
    audio.add_argument("--channels", type=_count, default=1, metavar="N", help="1 or 2, of bare samples (default 1)")
    audio.add_argument(
        "--decode", choices=["auto", "here", "server"], default="auto",
        help="who decodes a compressed file; here: needs hark-client[files], and survives broken connections",
    )  # fmt: skip


def _add_recognition(command: argparse.ArgumentParser) -> None:
    recognition = command.add_argument_group("recognition")
    recognition.add_argument("--language", metavar="TAG[,TAG…]", help="en; several to choose from; auto for any")
    recognition.add_argument("--model", metavar="NAME")
    recognition.add_argument("--scenario", metavar="NAME", help="what it is about: digits, or another one that the server knows")
    recognition.add_argument("--language-model", metavar="NAME", help="what is likely to be said")
    recognition.add_argument("--hotword", action="append", default=[], metavar="WORD", help="a name that may be said; repeatable")
    recognition.add_argument("--denoise", action="store_true", help="take background noise out first")
    recognition.add_argument(
        "--wait", type=_count, default=30, metavar="S", help="how long to try again when the server is full (default 30)"
    )
    recognition.add_argument(
        "--lost-session", choices=["restart", "raise"], default="restart",
        help="when the server no longer knows the session after a long cut: go on in a new one, or fail",
    )  # fmt: skip


def _add_tail(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", environment: Mapping[str, str]) -> None:
    command = commands.add_parser(
        "tail",
        help="follow the finals of a session",
        description="Print the finals of a session, and those that come until it is over. It shows finals, never partials: "
        "it asks the REST API once a second.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("session", metavar="SESSION", type=_uuid)
    command.add_argument("--format", choices=["text", "json"], default="text")
    _add_server(command, environment)


def _add_sessions(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", environment: Mapping[str, str]) -> None:
    command = commands.add_parser("sessions", help="list stored sessions", description="List stored sessions, newest first.")
    command.add_argument("--limit", type=_count, default=20, metavar="N", help="how many (default 20)")
    command.add_argument("--status", choices=["live", "complete", "incomplete", "failed"])
    command.add_argument("--search", metavar="WORDS", help="only those in which one final holds all of these words")
    command.add_argument("--format", choices=["text", "json"], default="text")
    _add_server(command, environment)
