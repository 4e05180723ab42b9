"""An operator in the admin site: signs in, makes a route, gives it another model. Over HTTP, as a browser does."""

import http.client
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import urlencode

from asr_project.serve.prepare import ADMIN_NAME

BASE: Final = "/admin"
ROUTES: Final = f"{BASE}/transcription/modelroute"
WITHIN_S: Final = 30.0
TOKEN: Final = "csrftoken"  # noqa: S105 -- the name of a cookie
NO_FALLBACK: Final = {"fallback": "", "fallback_above_ms": "600", "fallback_below_ms": "200"}


class AdminSiteError(Exception):
    """A page answered something else than it must."""


class AdminSite:
    """Signed in from the start."""

    def __init__(self, host: str, port: int, password: str) -> None:
        self._host = host
        self._port = port
        self._cookies: SimpleCookie = SimpleCookie()
        self._request("GET", f"{BASE}/login/")
        self._post(f"{BASE}/login/?next={BASE}/", {"username": ADMIN_NAME, "password": password})

    def add_route(self, language: str, model_id: int) -> None:
        """For what people say in `language`; it goes into service when its model is loaded."""
        fields = {"scenario": "general", "language": language, "model": str(model_id), "is_enabled": "on"}
        self._post(f"{ROUTES}/add/", fields | NO_FALLBACK)

    def change_model(self, route_id: int, model_id: int) -> int:
        """Ask for the swap; its number."""
        went_to = self._post(f"{ROUTES}/{route_id}/model/", {"model": str(model_id), "until": "", "note": ""})
        numbers = [part for part in went_to.split("/") if part.isdecimal()]
        if "modelswap" not in went_to or not numbers:
            raise AdminSiteError(f"The form for another model led to {went_to}, not to a swap.")
        return int(numbers[0])

    def get(self, path: str) -> None:
        """A page, whole."""
        status, _location = self._request("GET", path)
        if status != http.client.OK:
            raise AdminSiteError(f"GET {path} was answered with {status}.")

    def _post(self, path: str, fields: dict[str, str]) -> str:
        """Where it leads to. A form that is refused comes again, with status 200."""
        status, location = self._request("POST", path, fields | {"csrfmiddlewaretoken": self._cookies[TOKEN].value})
        if status != http.client.FOUND:
            raise AdminSiteError(f"POST {path} was answered with {status}, expected a redirect.")
        return location

    def _request(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=WITHIN_S)
        headers = {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self._cookies.items())}
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, urlencode(fields or {}), headers)
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        for cookie in response.headers.get_all("Set-Cookie", []):
            self._cookies.load(cookie)
        return response.status, response.headers.get("Location", "")
