"""The site below a path: Django and Channels see the same whether or not the proxy took the path off."""

from typing import Any

import pytest

from asr_project.below_path import BelowPath
from asr_project.http_slots import Scope


async def seen(prefix: str, scope: Scope) -> Scope:
    found: list[Scope] = []

    async def application(scope: Scope, _receive: Any, _send: Any) -> None:
        found.append(scope)

    await BelowPath(application, prefix)(scope, None, None)  # type: ignore[arg-type]  # nobody speaks here
    return found[0]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("path", ["/stream", "/speech/stream"])
async def test_the_path_is_whole_and_the_prefix_named(kind: str, path: str) -> None:
    scope = await seen("/speech", {"type": kind, "path": path, "root_path": ""})

    assert (scope["path"], scope["root_path"]) == ("/speech/stream", "/speech")


async def test_a_path_that_only_begins_like_the_prefix_is_another_one() -> None:
    assert (await seen("/speech", {"type": "http", "path": "/speeches/"}))["path"] == "/speech/speeches/"


@pytest.mark.parametrize("scope", [{"type": "http", "path": "/stream"}, {"type": "lifespan"}])
async def test_at_the_root_nothing_changes(scope: Scope) -> None:
    assert await seen("", scope) == scope


async def test_what_has_no_path_gets_none() -> None:
    assert await seen("/speech", {"type": "lifespan"}) == {"type": "lifespan"}
