"""What a page of the console and the server tell each other over the socket at /console. Mirrored in console-socket.js."""

from typing import Literal

from msgspec import Struct

Topic = Literal["sessions", "workers", "charts", "alerts"]


class Show(Struct, frozen=True, forbid_unknown_fields=True, tag="show"):
    """From the page: what it shows from now on, in which language. `range`: a key of `charts.RANGES`."""

    topics: list[Topic]
    range: str = "1h"
    language: str = "en"


class Process(Struct, frozen=True, kw_only=True):
    """A web process."""

    node: str
    num_connections: int
    num_sessions: int
    num_speaking: int


class SessionRow(Struct, frozen=True, kw_only=True):
    """A live session. `who`: its user and key; empty for somebody on this machine. `text`: None for whoever may not read it."""

    id: str
    who: str
    client: str
    model: str
    language: str
    phase: str
    is_speaking: bool
    is_away: bool
    lasted_s: int
    received_ms: int
    behind_ms: int
    num_finals: int
    text: str | None


class Live(Struct, frozen=True, kw_only=True, tag="live"):
    """Once a second. `sessions`: None where the page does not show them; else at most as many of `num_listed` as a page can hold.

    The numbers are those of /metrics; listed are, besides sessions that have begun, sockets on which nothing has come yet.
    """

    num_connections: int
    num_sessions: int
    num_speaking: int
    num_listed: int
    processes: list[Process]
    sessions: list[SessionRow] | None


class ModelRow(Struct, frozen=True, kw_only=True):
    name: str
    engine: str
    precision: str
    memory_bytes: int
    is_draining: bool


class WorkerRow(Struct, frozen=True, kw_only=True):
    """An inference process, as the web process of this socket knows it."""

    name: str
    node: str
    is_ready: bool
    detail: str
    num_streams: int
    busy: float
    queue_ms: float
    stalled_ms: int
    is_full: bool
    is_overloaded: bool
    models: list[ModelRow]


class Workers(Struct, frozen=True, kw_only=True, tag="workers"):
    workers: list[WorkerRow]


class LineData(Struct, frozen=True, kw_only=True):
    """`values`: one for each of `at_s` of its charts; None where nothing was measured.

    `key`: that of a line in `charts`, or, where a chart has a line for each model or process, the name of that.
    """

    key: str
    values: list[float | None]


class ChartData(Struct, frozen=True, kw_only=True):
    key: str
    lines: list[LineData]


class Tile(Struct, frozen=True, kw_only=True):
    """A number of now. None: nothing was measured."""

    key: str
    value: float | None


class Charts(Struct, frozen=True, kw_only=True, tag="charts"):
    """Every chart on one grid of times (`at_s`, Unix seconds, `step_s` apart), and the tiles.

    `is_whole`: the whole range; else its newest points, the first of which take the place of those that the page has.
    """

    range: str
    step_s: int
    is_whole: bool
    at_s: list[float]
    charts: list[ChartData]
    tiles: list[Tile]


class AlertRow(Struct, frozen=True, kw_only=True):
    """An alert that is open or acknowledged."""

    title: str
    severity: str
    state: str
    since: str
    url: str


class Alerts(Struct, frozen=True, kw_only=True, tag="alerts"):
    """Those that are not resolved, the newest first."""

    alerts: list[AlertRow]


class Problem(Struct, frozen=True, kw_only=True, tag="problem"):
    """Something that the page should say. `code`: valkey_away, database_away; `is_over`: it is well again."""

    code: Literal["valkey_away", "database_away"]
    is_over: bool = False


ServerMessage = Live | Workers | Charts | Alerts | Problem
