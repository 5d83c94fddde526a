"""Scene of a test: tenants of its own, their sessions, and clients on real sockets."""

import asyncio
import json
import uuid
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Self

from loudhailer.aws.rows import Item
from loudhailer.ids import SessionId, TenantId
from loudhailer.tenants.model import Tenant
from tests.e2e.system import System
from tests.support.orders import signed_by_root
from tests.support.waiting import PATIENCE_SECONDS, eventually
from tools.client.conversation import Client
from tools.client.http import HttpApi
from tools.client.socket import HandshakeRefusedError, Refusal, socket_url
from tools.operations.census import TenantCount
from tools.operations.tenants import keyed

EVERYONE = {"all": True}


@dataclass(frozen=True)
class SceneSession:
    """An open session, and where its clients connect."""

    tenant: TenantId
    session: SessionId
    websocket_url: str

    def kept_as(self, system: System) -> SessionId:
        """Its id as the service keeps it."""
        return SessionId(self.row_key(system)["sessionId"]["S"])

    def row_key(self, system: System) -> Item:
        """The key of its row, which does not hold its id."""
        return system.session_key(self.tenant, self.session)

    @property
    def url(self) -> str:
        """The URL with the ids that a handshake needs."""
        return socket_url(self.websocket_url, tenantId=self.tenant, sessionId=self.session)


class Guest(Client):
    """A client that waits as long as everything here does."""

    async def frame(self) -> Any:
        """The next frame."""
        return await self.receive_json(PATIENCE_SECONDS)

    async def frames_until(self, broadcast_id: str) -> list[Any]:
        """The frames that come before that of a broadcast, which is left out."""
        frames = []
        while (frame := await self.frame()).get("id") != broadcast_id:
            frames.append(frame)
        return frames

    async def connection_id(self) -> str:
        """The id of its connection, from the answer to a malformed frame."""
        self.send("Who am I?")
        return str((await self.frame())["connectionId"])


class Scene:
    """One test's part of the system. Use it as an async context manager: then no fault stays on and all guests leave.

    Attributes:
        system: the system, which other tests use before and after.
        api: its HTTP API.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.api = HttpApi(system.deployment.http_url)
        self._gateway = HttpApi(system.gateway_url, signed_by_root(system.state.secret))
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._exits.enter_async_context(self.api)
        await self._exits.enter_async_context(self._gateway)
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._exits:
            await self.faults()  # before the guests leave: their $disconnect must not get lost

    def tenant(self, **limits: Any) -> TenantId:
        """A new tenant with these limits; the others are never reached."""
        tenant = Tenant(
            tenant_id=TenantId(f"tenant-{uuid.uuid4().hex}"),
            tenant_connections=1_000,
            connections_per_session=1_000,
            tenant_per_minute=100_000,
            session_per_minute=100_000,
            messages_per_minute=100_000,
            session_seconds=3_600,
        )
        self.system.tenants.put(keyed(replace(tenant, **limits)))
        return tenant.tenant_id

    async def session(
        self, tenant: TenantId, player: str | None = None, *, grants: dict[str, str] | None = None
    ) -> SceneSession:
        """A new session of a tenant, bound to a player and with grants if they are given."""
        session = self.secret()
        return SceneSession(tenant, session, await self.api.open_session(tenant, session, player, grants=grants))

    def secret(self) -> SessionId:
        """A new session's id; the logs must never hold it."""
        session = SessionId(str(uuid.uuid4()))
        self.system.secrets.add(session)
        return session

    async def connect(self, session: SceneSession) -> Guest:
        """A guest of the session, who stays until the end of the scene or leaves before."""
        return await self._exits.enter_async_context(await Guest.connect(session.url))

    async def guests(self, session: SceneSession, number: int) -> list[Guest]:
        """As many guests of one session."""
        return await asyncio.gather(*(self.connect(session) for _ in range(number)))

    async def guest(self, tenant: TenantId) -> Guest:
        """A guest of a new session."""
        return await self.connect(await self.session(tenant))

    async def lose(self, *guests: Guest) -> list[str]:
        """Let guests vanish without a `$disconnect`; the ids of their connections, whose rows stay."""
        ids = [await guest.connection_id() for guest in guests]
        await self.faults(drop_disconnect=1.0)
        for guest in guests:
            await guest.reset()
        await eventually(
            lambda: self.gateway("connections"), lambda known: not set(known["connection_ids"]).intersection(ids)
        )
        return ids

    async def refusal(self, **query: str) -> Refusal:
        """Refuse a handshake with this query, and return how."""
        try:
            guest = await Guest.connect(socket_url(self.system.deployment.websocket_url, **query))
        except HandshakeRefusedError as error:
            return error.refusal
        await guest.reset()
        raise AssertionError(f"{query} was let in")

    async def broadcast(
        self, audience: dict[str, Any], message: Any = "hello", *, priority: str | None = "bulk"
    ) -> str:
        """Publish; the broadcast's id. It takes the long way unless the priority is another one."""
        return await self.api.publish(audience, message, priority=priority)

    async def reports(self, broadcast_id: str) -> list[dict[str, Any]]:
        """The reports of a broadcast, taken again and again until it is finished; each of them adds up."""
        taken: list[dict[str, Any]] = []

        async def take() -> dict[str, Any]:
            report: dict[str, Any] = await self.api.call("GET", f"/broadcast/{broadcast_id}")
            outcomes = [report[outcome] for outcome in ("delivered", "gone", "failed", "inFlight")]
            assert report["dispatched"] == sum(outcomes), report
            assert min(outcomes) >= 0, report
            taken.append(report)
            return report

        await eventually(take, lambda report: report["status"] == "finished")
        return taken

    async def report(self, broadcast_id: str) -> dict[str, Any]:
        """The report of a broadcast once it is finished."""
        return (await self.reports(broadcast_id))[-1]

    async def received(self, guests: Sequence[Guest]) -> list[list[Any]]:
        """The frames that each guest has received by now.

        Silence proves nothing: a last broadcast to everyone, which arrives after them, proves that no more will come.
        """
        last = await self.broadcast(EVERYONE, "the last")
        return [await guest.frames_until(last) for guest in guests]

    async def counted(self, tenant: TenantId, connections: int) -> TenantCount:
        """The tenant's counts, once all of them are right."""
        return await eventually(lambda: self.system.count(tenant), lambda count: count.agrees_with(connections))

    async def gateway(self, endpoint: str) -> Any:
        """Return what one of the gateway's own endpoints says: `stats`, `connections`."""
        return await self._gateway.call("GET", f"/_gateway/{endpoint}")

    async def drop(self, connection_ids: Iterable[str]) -> None:
        """Let connections be lost as in a network that fails."""
        await self._gateway.call("POST", "/_gateway/close", document={"connection_ids": [*connection_ids]})

    async def faults(self, **faults: float | bool) -> None:
        """Switch these faults of the gateway on, and all others off."""
        await self._gateway.call("POST", "/_gateway/faults", document=faults)

    async def dead_letter(self, body: str) -> dict[str, str]:
        """The attributes of a message in the dead-letter queue, once it is there; it is taken out."""
        queue = self.system.queue("dead-letter")

        def find() -> dict[str, str] | None:
            answer = self.system.sqs.receive_message(
                QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", []):
                if message["Body"] == body:
                    self.system.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                    attributes = message.get("MessageAttributes", {})
                    return {name: attribute["StringValue"] for name, attribute in attributes.items()}
            return None

        found = await eventually(find, lambda attributes: attributes is not None)
        assert found is not None
        return found


def text_of(document: Any) -> bytes:
    """A document as the service writes it into a frame: compact, and no character escaped without need."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
