"""Every answer tells browsers what they may do with it, as strictly as the page allows."""

from html.parser import HTMLParser

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import reverse

from tests.factories import make_session
from transcription.access.policies import ADMIN_POLICY, API_POLICY, DOCS_POLICY, PAGE_POLICY, with_policies

pytestmark = pytest.mark.django_db
ADMIN_LISTS = sorted(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist" for model in admin.site._registry)


@pytest.mark.parametrize(
    ("address", "policy"),
    [
        ("/", PAGE_POLICY),
        ("/history/", PAGE_POLICY),
        ("/nothing-here", PAGE_POLICY),
        ("/healthz", PAGE_POLICY),
        ("/static/nothing.js", PAGE_POLICY),
        ("/admin/", ADMIN_POLICY),
        ("/admin/nothing/", ADMIN_POLICY),
        ("/api/v1/sessions/", API_POLICY),
        ("/api/v1/schema/", API_POLICY),
        ("/api/v1/nothing/", API_POLICY),
        ("/api/v1/docs/", DOCS_POLICY),
        ("/api/v1/docs/?script=", DOCS_POLICY),
    ],
)
def test_every_answer_has_the_policy_of_its_kind(site: Client, address: str, policy: str) -> None:
    response = site.get(address)

    assert response["Content-Security-Policy"] == policy
    assert response["Permissions-Policy"].startswith("microphone=(self), camera=()")
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"


def test_the_page_to_sign_in_has_the_policy_of_the_admin_site(client: Client) -> None:
    assert client.get("/admin/login/")["Content-Security-Policy"] == ADMIN_POLICY


async def test_a_view_that_needs_no_thread_has_its_policy_too() -> None:
    assert (await AsyncClient().get("/healthz"))["Content-Security-Policy"] == PAGE_POLICY


def test_a_view_may_have_a_stricter_policy_of_its_own() -> None:
    response = with_policies(RequestFactory().get("/"), HttpResponse(headers={"Content-Security-Policy": "sandbox"}))

    assert response["Content-Security-Policy"] == "sandbox"


@pytest.mark.parametrize("policy", [PAGE_POLICY, DOCS_POLICY, ADMIN_POLICY, API_POLICY])
def test_no_policy_lets_anything_in_from_elsewhere_or_runs_what_stands_in_a_page(policy: str) -> None:
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    scripts = directives.get("script-src", directives["default-src"])

    assert "'unsafe-inline'" not in scripts
    assert not any(word in policy for word in ("http:", "https:", "*"))
    assert directives["frame-ancestors"] == "'none'"


class ForbiddenFinder(HTMLParser):
    """Scripts and handlers that stand in a page itself, and addresses of other servers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        is_code = tag == "script" and "src" not in names and names.get("type") not in {"application/json", "text/template"}
        handlers = [name for name in names if name.startswith("on")]
        source = names.get("src") or (names.get("href") if tag == "link" else "") or ""
        if is_code or handlers or source.startswith(("http:", "https:", "//")):
            self.found.append(self.get_starttag_text() or tag)


def forbidden_in(page: str) -> list[str]:
    finder = ForbiddenFinder()
    finder.feed(page)
    return finder.found


@pytest.mark.parametrize("name", [*ADMIN_LISTS, "admin:index", "admin:password_change", "admin:auth_user_add"])
def test_the_admin_sites_pages_keep_to_its_policy(site: Client, name: str) -> None:
    make_session("Good morning.")

    assert forbidden_in(site.get(reverse(name)).content.decode()) == []


def test_what_a_policy_forbids_would_be_found() -> None:
    page = '<script>1</script><a onclick="x()">a</a><script src="//evil.example/x"></script><script src="/x"></script>'

    assert len(forbidden_in(page)) == 3
