"""One shape for every error of the REST API: {"error": {"code", "message", "details"}}."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

MESSAGES = {
    "not_authenticated": "You are not signed in. Sign in first, or send an API key (Authorization: Bearer KEY).",
    "authentication_failed": "The credentials that came are not valid. Sign in again.",
    "not_found": "There is nothing at this address that you may see.",
}


class SessionLiveConflict(exceptions.APIException):
    """The session cannot be deleted yet."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "session_live"
    default_detail = "This session is still being spoken. End its stream, then delete it."


def handle(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The response to `error`, always as JSON whatever format was asked for; None for what is a defect of ours."""
    response = exception_handler(error, dict(context))
    if response is None:
        return None
    request: Request = context["request"]
    request.accepted_renderer = JSONRenderer()
    request.accepted_media_type = JSONRenderer.media_type
    response.data = {"error": _described(error, request)}
    return response


def _described(error: Exception, request: Request) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        details = list(_details(error, request))
        return {"code": "invalid_parameter", "message": " ".join(_sentence(detail) for detail in details), "details": details}
    code = _code_of(error)
    detail = error.detail if isinstance(error, exceptions.APIException) else ""
    return {"code": code, "message": MESSAGES.get(code, str(detail)), "details": []}


def _code_of(error: Exception) -> str:
    if isinstance(error, Http404):
        return "not_found"
    if isinstance(error, PermissionDenied):
        return "permission_denied"
    codes = error.get_codes() if isinstance(error, exceptions.APIException) else "error"
    return codes if isinstance(codes, str) else "error"


def _details(error: exceptions.ValidationError, request: Request) -> Iterator[dict[str, str]]:
    """One entry for each parameter that was refused: its name, what came, what was expected."""
    problems = error.detail if isinstance(error.detail, dict) else {"": error.detail}
    for name, expectations in problems.items():
        listed = expectations if isinstance(expectations, list) else [expectations]
        expected = " ".join(str(expectation) for expectation in listed)
        yield {"parameter": name, "received": _received(request, name)[:200], "expected": expected}


def _received(request: Request, name: str) -> str:
    """What came as a parameter of the address, or in the body."""
    body = request.data if isinstance(request.data, dict) else {}
    return str(request.query_params.get(name, body.get(name, "")))


def _sentence(detail: Mapping[str, str]) -> str:
    return f"Parameter '{detail['parameter']}' is '{detail['received']}'; expected {detail['expected']}."
