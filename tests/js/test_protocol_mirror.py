"""The scripts' list of messages and close codes is that of the server."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from transcription.protocol import CLIENT_MESSAGES, SERVER_MESSAGES, CloseCode

SCRIPT = Path(__file__).parents[2] / "static" / "transcription" / "js" / "protocol.js"


@pytest.fixture(scope="module")
def mirror() -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    program = f"import * as protocol from {json.dumps(SCRIPT.as_uri())}; console.log(JSON.stringify(protocol))"
    answer = subprocess.run(
        [node, "--input-type=module", "--eval", program], check=True, capture_output=True, text=True, timeout=30
    )
    loaded: dict[str, Any] = json.loads(answer.stdout)
    return loaded


def tags(messages: Any) -> list[str]:
    return [message.__struct_config__.tag for message in messages]


def test_client_messages_have_the_same_names(mirror: dict[str, Any]) -> None:
    assert mirror["CLIENT_MESSAGES"] == tags(CLIENT_MESSAGES)


def test_server_messages_have_the_same_names(mirror: dict[str, Any]) -> None:
    assert mirror["SERVER_MESSAGES"] == tags(SERVER_MESSAGES)


def test_close_codes_are_the_same(mirror: dict[str, Any]) -> None:
    assert mirror["CLOSE_CODES"] == {code.name: code.value for code in CloseCode}
