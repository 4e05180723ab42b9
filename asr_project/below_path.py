"""The site below a path (`HARK_URL_PREFIX`), whether or not the proxy in front takes the path off its requests.

ASGI wants the whole path in `path` and the site's own part of it in `root_path`; Django makes links, redirects and
`request.path` from both.
"""

from asr_project.http_slots import Application, Receive, Scope, Send


class BelowPath:
    """ASGI application: `application` below `prefix`, such as /speech; empty: at the root."""

    def __init__(self, application: Application, prefix: str) -> None:
        self._application = application
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix and "path" in scope:
            scope = scope | {"root_path": self._prefix, "path": self._whole(scope["path"])}
        await self._application(scope, receive, send)

    def _whole(self, path: str) -> str:
        return path if path.startswith(f"{self._prefix}/") else self._prefix + path
