"""Fetching a model: from a site that answers, one that does not, and one that breaks off."""

import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path

import pytest

from tests.transcription.catalogue.site import Site, running_site
from transcription.catalogue.downloads import NUM_TRIES, Fetcher, Remote, _SameSafety, remote
from transcription.catalogue.errors import CatalogueError
from transcription.catalogue.published import PUBLISHED, Published
from transcription.catalogue.sources import files_of

HUB = "https://hub.example.org/"
WEIGHTS = bytes(range(256)) * 1000


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as running:
        yield running


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher(tell=lambda _line: None, check_room=lambda _num_bytes: None)


def fetched(fetcher: Fetcher, site: Site, folder: Path, path: str = "/m.pt") -> Path:
    return fetcher.fetch(remote(site.url + path, HUB), folder)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hub:openai/whisper-small", Remote("https://hub.example.org/openai/whisper-small/resolve/main/", "whisper-small")),
        ("hub:me/mine@v1.2", Remote("https://hub.example.org/me/mine/resolve/v1.2/", "mine")),
        ("hub:me/mine@refs/pr/1", Remote("https://hub.example.org/me/mine/resolve/refs%2Fpr%2F1/", "mine")),
        ("https://example.org/a/small.en.pt", Remote("https://example.org/a/small.en.pt", "small.en")),
        ("http://mirror.local/models/german", Remote("http://mirror.local/models/german/", "german")),
        ("https://example.org/a/stt_de.nemo", Remote("https://example.org/a/stt_de.nemo", "stt_de")),
        (
            "parakeet_realtime_eou_120m-v1",
            Remote(
                "https://hub.example.org/nvidia/parakeet_realtime_eou_120m-v1/resolve/main/",
                "parakeet_realtime_eou_120m-v1",
                ("parakeet_realtime_eou_120m-v1.nemo",),
            ),
        ),
    ],
)
def test_what_is_given_leads_to_an_address_and_a_name(source: str, expected: Remote) -> None:
    assert remote(source, HUB) == expected


@pytest.mark.parametrize(
    "source", ["hub:whisper", "hub:a/b/c", "hub:/b", "ftp://example.org/a.pt", "file:///etc/passwd", "/srv/a.pt"]
)
def test_what_is_no_address_is_refused(source: str) -> None:
    with pytest.raises(CatalogueError, match=r"nothing to fetch; .*`models import`"):
        remote(source, HUB)


def test_a_file_is_fetched_whole(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.files["/m.pt"] = WEIGHTS

    path = fetched(fetcher, site, tmp_path)

    assert path.read_bytes() == WEIGHTS
    assert [file.name for file in tmp_path.iterdir()] == ["m.pt"]


def test_of_a_folder_those_files_are_fetched_that_make_up_a_model(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    names = ["config.json", "tokenizer.json", "README.md", "model.safetensors"]
    site.files = {f"/m/{name}": name.encode() for name in [*names, "flax_model.msgpack"]}

    path = fetched(fetcher, site, tmp_path, "/m/")

    assert sorted(file.name for file in path.iterdir()) == sorted(names)


def test_shards_are_fetched_by_their_index(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.files = {"/m/config.json": b"{}", "/m/s-1.safetensors": b"1", "/m/s-2.safetensors": b"2"}
    site.files["/m/model.safetensors.index.json"] = b'{"weight_map": {"a": "s-1.safetensors", "b": "s-2.safetensors"}}'

    path = fetched(fetcher, site, tmp_path, "/m/")

    assert (path / "s-2.safetensors").read_bytes() == b"2"


def test_a_hub_page_of_nemo_holds_one_file_of_its_own_name(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.files = {"/nvidia/stt_x/resolve/main/stt_x.nemo": b"tar", "/nvidia/stt_x/resolve/main/README.md": b"card"}

    path = fetcher.fetch(remote("hub:nvidia/stt_x", site.url), tmp_path)

    assert sorted(file.name for file in path.iterdir()) == ["README.md", "stt_x.nemo"]


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.name)
def test_of_a_published_model_only_what_it_is_made_of_is_fetched(
    model: Published, site: Site, fetcher: Fetcher, tmp_path: Path
) -> None:
    what = replace(remote(model.name, site.url), url=f"{site.url}/there/")
    names = model.files or ("config.json", "model.safetensors", "tokenizer.json", "processor_config.json")
    site.files = {f"/there/{name}": name.encode() for name in names}

    path = fetcher.fetch(what, tmp_path)

    assert files_of(path) == sorted(path / Path(name).name for name in names)


def test_a_folder_without_weights_that_can_be_read_is_refused(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.files = {"/m/config.json": b"{}", "/m/pytorch_model.bin": b"pickle"}

    with pytest.raises(CatalogueError, match=r"has neither model.safetensors nor model.bin"):
        fetched(fetcher, site, tmp_path, "/m/")


def test_a_connection_that_breaks_off_is_taken_up_where_it_stopped(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.files["/m.pt"] = WEIGHTS
    site.cut_after_bytes = [100_000, 50_000]

    path = fetched(fetcher, site, tmp_path)

    assert path.read_bytes() == WEIGHTS
    assert site.asked == [("/m.pt", ""), ("/m.pt", "bytes=100000-"), ("/m.pt", "bytes=150000-")]


def test_a_command_that_was_interrupted_goes_on_the_next_time(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.files["/m.pt"] = WEIGHTS
    site.cut_after_bytes = [10_000] * NUM_TRIES

    with pytest.raises(CatalogueError, match=r"was interrupted 4 times .* 40000 bytes are there. Give the command again"):
        fetched(fetcher, site, tmp_path)
    assert not (tmp_path / "m.pt").exists()

    assert fetched(fetcher, site, tmp_path).read_bytes() == WEIGHTS
    assert site.asked[-1] == ("/m.pt", "bytes=40000-")


def test_a_part_of_what_has_changed_meanwhile_is_not_used(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.files["/m.pt"] = WEIGHTS
    site.cut_after_bytes = [10_000] * NUM_TRIES
    with pytest.raises(CatalogueError):
        fetched(fetcher, site, tmp_path)
    site.files["/m.pt"] = WEIGHTS[::-1]

    assert fetched(fetcher, site, tmp_path).read_bytes() == WEIGHTS[::-1]


def test_a_part_longer_than_the_file_is_thrown_away(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.files["/m.pt"] = b"short"
    (tmp_path / "m.pt.part").write_bytes(WEIGHTS)

    assert fetched(fetcher, site, tmp_path).read_bytes() == b"short"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_site_in_trouble_is_asked_a_few_times(site: Site, fetcher: Fetcher, tmp_path: Path, status: int) -> None:
    site.statuses["/m.pt"] = status

    with pytest.raises(CatalogueError, match=rf"interrupted 4 times \(answered {status}\)"):
        fetched(fetcher, site, tmp_path)
    assert len(site.asked) == NUM_TRIES


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(404, r"There is no http.*Is the address right\?"), (403, "is not open to everybody"), (401, "not open")],
)
def test_a_file_that_is_not_there_or_not_for_us_is_told_at_once(
    site: Site, fetcher: Fetcher, tmp_path: Path, status: int, sentence: str
) -> None:
    site.statuses["/m.pt"] = status

    with pytest.raises(CatalogueError, match=sentence):
        fetched(fetcher, site, tmp_path)
    assert len(site.asked) == 1


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "https://hub.invalid"])
def test_without_a_way_there_it_is_said_what_to_do(fetcher: Fetcher, tmp_path: Path, host: str) -> None:
    with pytest.raises(
        CatalogueError, match=r"There is no way from here to .*copy them here, and give their path to `models import`"
    ):
        fetcher.fetch(remote(f"{host}/m.pt", HUB), tmp_path)


def test_what_the_disk_has_no_room_for_is_not_begun(site: Site, tmp_path: Path) -> None:
    def refuse(num_bytes: int) -> None:
        raise CatalogueError(f"no room for {num_bytes}")

    site.files["/m.pt"] = WEIGHTS

    with pytest.raises(CatalogueError, match=f"no room for {len(WEIGHTS)}"):
        fetched(Fetcher(lambda _line: None, refuse), site, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_gets_full_meanwhile_is_not_left_full(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.files["/m.pt"] = WEIGHTS
    (tmp_path / "m.pt.part").symlink_to("/dev/full")

    with pytest.raises(CatalogueError, match=r"m.pt was not written .* No space left on device"):
        fetched(fetcher, site, tmp_path)

    assert [file.name for file in tmp_path.iterdir()] == ["m.pt.part.etag"]
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("onward", "is_followed"), [("https://cdn.example.org/m.pt", True), ("http://cdn.example.org/m.pt", False)]
)
def test_a_way_that_leaves_tls_is_not_followed(onward: str, is_followed: bool) -> None:
    asked = urllib.request.Request("https://example.org/m.pt")

    def follow() -> urllib.request.Request | None:
        return _SameSafety().redirect_request(asked, BytesIO(), 302, "Found", HTTPMessage(), onward)

    if is_followed:
        assert follow() is not None
    else:
        with pytest.raises(CatalogueError, match="without TLS"):
            follow()
