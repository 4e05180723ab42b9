"""Behind nginx and Caddy as docs/deployment.md configures them: TLS, a path before every address, two web processes.

nginx waits 6 s for the server here instead of 60, and the server pings every 2 s instead of 30. The true figures are for
`python -m benchmarks.silence`.
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from benchmarks.silence import Line, Outcome, both
from tests.acceptance.proxies import NAME, PREFIX, Proxy, caddy, nginx
from tests.acceptance.web_processes import ADMIN_PASSWORD, SITE_WITH_SLEEP, Visitor, WebProcess, another_web
from tests.inference.worker import say
from tests.stack import Stack, running_stack

READ_TIMEOUT_S = 6
PING_S = 2
SILENCE_S = 3.3 * READ_TIMEOUT_S
TEXT = "alpha bravo charlie"


@dataclass(frozen=True)
class Site:
    stack: Stack
    webs: tuple[WebProcess, WebProcess]

    @property
    def ports(self) -> list[int]:
        return [web.port for web in self.webs]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {
        "HARK_URL_PREFIX": PREFIX,
        "HARK_HTTPS": "true",
        "HARK_TRUSTED_PROXIES": "127.0.0.1",
        "HARK_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "ALLOWED_HOSTS": f"{NAME},127.0.0.1",
    }
    with running_stack(tmp_path_factory.mktemp("proxy"), 1, HARK_MODELS="fake", **settings) as stack, ExitStack() as started:
        first, second = (
            started.enter_context(another_web(stack, name, application=SITE_WITH_SLEEP, ping_s=PING_S))
            for name in ("first", "second")
        )
        yield Site(stack, (first, second))


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp(request.param)
    started = nginx(folder, site.ports, READ_TIMEOUT_S) if request.param == "nginx" else caddy(folder, site.ports)
    with started as running:
        yield running


@pytest.fixture(scope="module")
def visitor(proxy: Proxy) -> Visitor:
    """Signed in through the proxy: forms are accepted only where scheme, host and cookies are right."""
    return Visitor(proxy.https_url, ADMIN_PASSWORD, trust=proxy.trust)


def line_through(proxy: Proxy, visitor: Visitor) -> Line:
    return Line(proxy.wss_url, headers={"Cookie": visitor.cookie, "Origin": f"https://{NAME}:{proxy.port}"}, trust=proxy.trust)


def assert_heard(outcomes: tuple[Outcome, Outcome]) -> None:
    assert outcomes == (Outcome(TEXT, 1000), Outcome(TEXT, 1000))


async def test_speech_is_heard_after_silence_of_more_than_three_time_limits(proxy: Proxy, visitor: Visitor) -> None:
    assert_heard(await both(line_through(proxy, visitor), SILENCE_S, say(TEXT)))


async def test_a_server_that_pings_too_rarely_would_be_noticed(site: Site, tmp_path: Path) -> None:
    with another_web(site.stack, "seldom", ping_s=30) as web, nginx(tmp_path, [web.port] * 2, READ_TIMEOUT_S) as proxy:
        visitor = Visitor(proxy.https_url, ADMIN_PASSWORD, trust=proxy.trust)
        outcomes = await both(line_through(proxy, visitor), 1.5 * READ_TIMEOUT_S, say(TEXT))

    with pytest.raises(AssertionError):
        assert_heard(outcomes)


def test_the_page_opens_its_socket_at_the_right_path(proxy: Proxy, visitor: Visitor) -> None:
    page = visitor.get("/")
    config = re.search(r'<script id="[\w-]*config[\w-]*" type="application/json">(.+?)</script>', page)

    assert config is not None
    assert json.loads(config[1])["stream_path"] == f"{PREFIX}/stream"


def test_everything_that_a_page_loads_comes_over_https_from_below_the_path(proxy: Proxy, visitor: Visitor) -> None:
    for address in ("/", "/history/", "/admin/"):
        links = re.findall(r'(?:src|href|action)="([^"#]+)"', visitor.get(address))
        assert links
        for link in links:
            assert link.startswith((f"{PREFIX}/", "data:", "?")) or link == ".", (address, link)
            assert not link.startswith(PREFIX + PREFIX), (address, link)
    scripts = re.findall(rf'src="{PREFIX}(/static/[^"]+\.js)"', visitor.get("/"))
    assert scripts
    for script in scripts:
        assert visitor.get(script)


def test_redirects_stay_below_the_path(proxy: Proxy) -> None:
    stranger = Visitor(proxy.https_url, trust=proxy.trust)

    assert stranger.address_of("/history/").startswith(f"{proxy.https_url}/admin/login/?next={PREFIX}/history/")


def test_client_address_and_scheme_are_those_of_the_visitor(proxy: Proxy) -> None:
    """A visitor of this machine comes from 127.0.0.1 all the same; the forged address would show if it were believed."""
    visitor = Visitor(proxy.https_url, trust=proxy.trust)

    assert visitor.get_json("/who/", {"X-Forwarded-For": "203.0.113.9"}) == {"address": "127.0.0.1", "scheme": "https"}


def test_an_address_that_a_trusted_proxy_names_is_believed(site: Site) -> None:
    """What the test above says is true: the same header counts where it comes from the proxy."""
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}

    assert Visitor(site.webs[0].http_url).get_json("/who/", forwarded) == {"address": "203.0.113.9", "scheme": "https"}


async def test_strangers_are_refused_through_the_proxy_although_it_runs_on_this_machine(proxy: Proxy) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(proxy.wss_url, ssl=proxy.trust):
            pass

    assert refused.value.response.status_code in {401, 403}


async def test_a_page_of_another_host_is_refused_through_the_proxy(proxy: Proxy, visitor: Visitor) -> None:
    headers = {"Cookie": visitor.cookie, "Origin": "https://elsewhere.example"}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(proxy.wss_url, ssl=proxy.trust, additional_headers=headers):
            pass

    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("path", ["/readyz", f"{PREFIX}/readyz"])
def test_probes_of_the_process_itself_need_neither_https_nor_the_path(site: Site, path: str) -> None:
    assert "ready" in Visitor(site.webs[0].http_url).get(path)
