"""`python -m inference`: how it tells why it cannot run."""

import json
import logging

import pytest

from inference import __main__ as main
from inference.config import InferenceConfig


async def cannot_listen(_config: InferenceConfig) -> None:
    raise OSError("address in use")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_a_restart_does_not_mend_is_one_line_of_the_log_s_format(
    log_format: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARK_LOG_FORMAT", log_format)
    monkeypatch.setattr(main, "serve", cannot_listen)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of the tests; a process begins without any

    assert main.main() == main.EXIT_UNUSABLE
    logging.captureWarnings(capture=False)

    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line) if log_format == "json" else {"level": "CRITICAL", "message": line.removeprefix("inference: ")}
    assert (told["level"], told["message"]) == ("CRITICAL", "address in use")


def test_a_format_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HARK_LOG_FORMAT", "xml")

    assert main.main() == main.EXIT_UNUSABLE
    assert "HARK_LOG_FORMAT is 'xml'; expected one of text, json." in capsys.readouterr().err
