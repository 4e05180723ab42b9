"""What browsers may do with our pages: a content security policy for each kind of page, and no feature but the microphone.

Everything comes from this server. Pages of our own hold no script, style or handler in themselves. Two kinds of page that
come from libraries need more, and get it alone:

- the admin site: Alpine evaluates the expressions in its attributes ('unsafe-eval'), and widgets set styles;
- the API's reference: Swagger UI sets styles. Its script is in a file of its own.
"""

from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

COMMON: Final = "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
PAGE_POLICY: Final = f"default-src 'self'; img-src 'self' data:; {COMMON}"
DOCS_POLICY: Final = f"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; {COMMON}"
ADMIN_POLICY: Final = (
    f"default-src 'self'; img-src 'self' data:; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; {COMMON}"
)
API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
PERMISSIONS: Final = "microphone=(self), camera=(), geolocation=(), payment=(), usb=(), display-capture=()"


@sync_and_async_middleware
def browser_policies(get_response: Any) -> Any:
    """Middleware, outermost, so that static files and error pages have a policy too. A view's own policy wins."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return with_policies(request, await get_response(request))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        return with_policies(request, get_response(request))

    return answer


def with_policies(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Content-Security-Policy", policy_for(request))
    response.headers.setdefault("Permissions-Policy", PERMISSIONS)
    return response


def policy_for(request: HttpRequest) -> str:
    """By the view that answered; what no view answered is treated as a page of ours."""
    match = request.resolver_match
    if match is None:
        return PAGE_POLICY
    if not {"admin", "console"}.isdisjoint(match.app_names):
        return ADMIN_POLICY
    if "api" in match.app_names:
        return DOCS_POLICY if match.url_name == "docs" else API_POLICY
    return PAGE_POLICY
