"""The few questions that the command line asks of the REST API, with the standard library."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from hark.addresses import rest_url
from hark.errors import HarkError

TIMEOUT_S = 10.0


@dataclass(slots=True)
class RestClient:
    """`url` is any address of the server; `key` is sent in a header and never shown. Blocking."""

    url: str
    key: str | None = field(default=None, repr=False)
    _etags: dict[str, str] = field(default_factory=dict)

    def sessions(self, filters: Mapping[str, str], limit: int) -> Iterator[dict[str, Any]]:
        """Stored sessions, newest first. Raises HarkError."""
        page_size = str(min(limit, 200))
        address: str | None = rest_url(self.url) + "sessions/?" + urlencode({**filters, "page_size": page_size})
        num_left = limit
        while address is not None and num_left > 0:
            page = self._get(address) or {}
            yield from page["results"][:num_left]
            num_left -= len(page["results"])
            address = page["next"]

    def session(self, session_id: str) -> dict[str, Any] | None:
        """A session with its finals; None when it has not changed since the last time. Raises HarkError."""
        return self._get(f"{rest_url(self.url)}sessions/{session_id}/")

    def _get(self, address: str) -> dict[str, Any] | None:
        headers = {"Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        if address in self._etags:
            headers["If-None-Match"] = self._etags[address]
        try:
            # An address of ours begins with http: or https:, see `rest_url`.
            with urlopen(Request(address, headers=headers), timeout=TIMEOUT_S) as response:  # noqa: S310
                if etag := response.headers.get("ETag"):
                    self._etags[address] = etag
                content: dict[str, Any] = json.load(response)
                return content
        except HTTPError as err:
            with err:
                if err.code == 304:
                    return None
                raise _refusal(address, err) from err
        except (URLError, TimeoutError, ConnectionError) as err:
            reason = getattr(err, "reason", err)
            raise HarkError("unreachable", f"No Hark server answers at {address}: {reason}.", retryable=True) from err
        except ValueError as err:
            raise HarkError("bad_answer", f"{address} did not answer with JSON. Is it a Hark server?") from err


def _refusal(address: str, err: HTTPError) -> HarkError:
    """In the server's own words, where it found some."""
    try:
        described = json.loads(err.read())["error"]
        code, message = str(described["code"]), str(described["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "bad_answer", f"{address} answered HTTP {err.code}. Is it a Hark server?"
    if err.code in {401, 403}:
        message += " Give an API key with --key or HARK_API_KEY; it needs the scope transcripts:read."
    return HarkError(code, message, retryable=err.code >= 500 or err.code == 429)
