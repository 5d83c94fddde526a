"""The place where questions are asked: the API and the tenant of the probe's own, and what they are reached by."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from tools.client.conversation import Client
from tools.client.http import Sign
from tools.client.socket import HandshakeRefusedError
from tools.errors import OperatorError
from tools.probe.own_api import OPEN

if TYPE_CHECKING:
    import aiohttp

    from tools.probe.own_api import Metric
    from tools.probe.own_queues import OwnQueues
    from tools.probe.own_tenant import OwnTenant

_AWAKE_SECONDS = 120.0
"""A new API has a host name of its own, which takes a moment to be known."""
_RETRY_SECONDS = 1.0
_THROTTLED = 429


@dataclass(frozen=True)
class Pace:
    """The rates and times of questions; tests shorten them where the stand-in's limits are lowered.

    Attributes:
        posts_per_second: the rate of posts, but for the question that uses up the quota.
        idle_seconds: the time after which API Gateway closes an idle connection.
        reuse_seconds: the age up to which libcurl uses an idle connection again, its default.
        metric_seconds: the time that a metric may take to arrive.
        arrival_seconds: the time that anything else may take.
        flood_posts_per_second: the rate that uses up the quota; None: that is not allowed.
        flood_seconds: the length of that.
    """

    posts_per_second: float = 25.0
    idle_seconds: float = 600.0
    reuse_seconds: float = 118.0
    metric_seconds: float = 900.0
    arrival_seconds: float = 30.0
    flood_posts_per_second: float | None = None
    flood_seconds: float = 4.0


@dataclass(frozen=True)
class SiteReply:
    """The answer to a command to a connection."""

    status: int
    body: str


class Visitor(Client):
    """A client of the probe's API, which knows the id of its connection."""

    connection_id: str

    @classmethod
    async def arrive(cls, url: str) -> Self:
        """Connect, and learn the id by a frame that no route takes."""
        visitor = await cls.connect(url)
        visitor.send_json({"action": "nowhere"})
        visitor.connection_id = str((await visitor.receive_json())["connectionId"])
        return visitor


@dataclass
class Site:
    """Everything that a question may use. Use it as an async context manager.

    Attributes:
        api_url: the WebSocket URL of the probe's own API, to which a stage is added.
        sign: signs a command with the credentials of the API's account.
        caller: signs it with those of a role that another account has assumed.
        http_url: the HTTP API of the deployment.
        callback_url: the endpoint of `@connections` of the deployment.
        metric: the sum of one of the metrics of a stage of the probe's own API.
    """

    sign: Sign
    pace: Pace = field(default_factory=Pace)
    api_url: str = ""
    caller: Sign | None = None
    http_url: str = ""
    callback_url: str = ""
    metric: "Metric" = lambda _stage, _metric: None
    own_tenant: "OwnTenant | None" = None
    own_queues: "OwnQueues | None" = None
    _session: "aiohttp.ClientSession | None" = None

    async def __aenter__(self) -> Self:
        import aiohttp  # noqa: PLC0415 - a third of a second, see `tools.client.http`

        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=35))
        if self.own_tenant is not None:
            await self.own_tenant.api.__aenter__()
        if self.api_url:
            await self._awake()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.own_tenant is not None:
            await self.own_tenant.api.__aexit__(kind, error, traceback)
        if self._session is not None:
            await self._session.close()

    @property
    def tenant(self) -> "OwnTenant":
        """The tenant of the probe's own; only for questions that need it."""
        if self.own_tenant is None:
            raise RuntimeError("the question does not say that it needs the tenant")
        return self.own_tenant

    @property
    def queues(self) -> "OwnQueues":
        """The queues of the probe's own; only for questions that need them."""
        if self.own_queues is None:
            raise RuntimeError("the question does not say that it needs the queues")
        return self.own_queues

    async def visitor(self, stage: str = OPEN) -> Visitor:
        """Connect a client to a stage of the probe's own API; again if the stage's throttle refuses that."""
        until = time.monotonic() + self.pace.arrival_seconds
        while True:
            try:
                return await Visitor.arrive(f"{self.api_url}/{stage}")
            except HandshakeRefusedError as error:
                if error.refusal.status != _THROTTLED or time.monotonic() > until:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)

    def connection_url(self, stage: str, connection: str) -> str:
        """The URL of a connection to the probe's own API."""
        return f"{self.api_url.replace('ws', 'http', 1)}/{stage}/@connections/{quote(connection, safe='')}"

    async def post(self, connection: str, body: bytes, stage: str = OPEN, sign: Sign | None = None) -> SiteReply:
        """Post to a connection of the probe's own API."""
        return await self.call("POST", self.connection_url(stage, connection), body, sign)

    async def call(self, method: str, url: str, body: bytes | None = None, sign: Sign | None = None) -> SiteReply:
        """Send a signed request as it is."""
        return await self.request(method, url, body, (sign or self.sign)(method, url, body))

    async def request(
        self, method: str, url: str, body: bytes | None = None, headers: "Mapping[str, str] | None" = None
    ) -> SiteReply:
        """Send a request as it is."""
        from yarl import URL  # noqa: PLC0415 - as above

        if self._session is None:
            raise RuntimeError("Site is used outside its `async with`")
        async with self._session.request(method, URL(url, encoded=True), data=body, headers=headers) as answer:
            return SiteReply(answer.status, await answer.text())

    async def paced[T](self, number: int, ask: Callable[[int], Awaitable[T]]) -> list[T]:
        """Ask so many times at the rate of posts, side by side; the answers in order."""
        started = time.monotonic()

        async def one(place: int) -> T:
            await asyncio.sleep(max(0.0, started + place / self.pace.posts_per_second - time.monotonic()))
            return await ask(place)

        return await asyncio.gather(*(one(place) for place in range(number)))

    async def _awake(self) -> None:
        """Wait until clients can connect to the probe's own API."""
        until = time.monotonic() + _AWAKE_SECONDS
        while True:
            try:
                visitor = await self.visitor()
            except (HandshakeRefusedError, TimeoutError) as error:
                if time.monotonic() > until:
                    raise OperatorError(f"Nobody can connect to the probe's own API: {error}.") from error
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                async with visitor:
                    return
