"""A running stack as an operator reaches it: its outputs, its tables, its AWS clients."""

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.snapshots.dynamodb import DynamoSnapshotStore
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.cells.placements.dynamodb import DynamoPlacementStore
from loudhailer.channels.dynamodb import DynamoMemberStore, DynamoSubscriptionStore
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.history.dynamodb import DynamoHistoryStore, DynamoPublicationStore
from loudhailer.ids import HUB, CellName
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.places.dynamodb import DynamoPlaceStore
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.queues.sqs import SqsQueue
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.tenants.dynamodb import DynamoTenantStore
from tools.client.http import HttpApi
from tools.errors import OperatorError
from tools.stack.access import AccountAccess
from tools.stack.local_aws import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.config import Config

    from loudhailer.broadcast.port import BroadcastStore
    from loudhailer.broadcast.snapshots.port import SnapshotStore
    from loudhailer.cells.placements.port import PlacementStore
    from loudhailer.cells.port import CellDirectory
    from loudhailer.channels.port import MemberStore, SubscriptionStore
    from loudhailer.connections.devices.port import DeviceStore
    from loudhailer.connections.port import ConnectionStore
    from loudhailer.history.port import HistoryStore, PublicationStore
    from loudhailer.ids import TenantId
    from loudhailer.inbox.port import InboxStore
    from loudhailer.limits.places.port import PlaceStore
    from loudhailer.limits.port import LimitStore
    from loudhailer.partitions.port import PartitionStore
    from loudhailer.queues.port import Queue
    from loudhailer.sessions.port import SessionStore
    from loudhailer.tenants.port import TenantStore
    from tools.stack.state import StackState


ROOM_QUEUE = "rooms"
"""The short name of the queue of messages to large rooms."""

EXPRESS_QUEUE = "express"
"""The short name of the queue of small broadcasts."""


_ROUTES_OF_BROADCASTS, _ROUTES_OF_SESSIONS = "broadcast", "session"
"""The routes of the HTTP API by their authorization, as in the variable `auth` of the stack hub."""

_MAKERS = ("connect", "default_route", "echo", "forward_message", "join_room", "send_message", "session_api")
"""The functions that make rows of tenants: sessions, connections, messages, and counts of them."""

_REMEMBERED_SECONDS = 100
"""Functions cache a tenant for 60 s; the rest is for running invocations."""


@dataclass(frozen=True)
class Deployment:
    """The outputs of a stack of Terraform's, and access to the account of what they name.

    Attributes:
        access: access to its account.
        outputs: Terraform's; on AWS the part that the stack has written into its parameter.
        account: the account.
        cells: the further cells, by their names.
        answer_seconds: time that a call has for its answer, made twice at most; None leaves both to the SDK.
    """

    access: AccountAccess = field(repr=False)
    outputs: dict[str, Any]
    account: str = ACCOUNT
    cells: "Mapping[CellName, Deployment]" = field(default_factory=dict)
    answer_seconds: float | None = None

    @classmethod
    def of(cls, state: "StackState | None") -> "Deployment":
        """Return what a local stack's state describes."""
        if state is None:
            raise OperatorError("No stack runs here.", "Start one with `loudhailer up`.")
        if state.applied is None:
            raise OperatorError("The stack's resources are not complete.", "Complete them with `loudhailer up`.")
        outputs = state.applied.outputs

        def in_account(account: str, outputs: dict[str, Any], **others: Any) -> "Deployment":
            return cls(AccountAccess.root(account, state.aws_port, state.secret), outputs, account, **others)

        cells = {
            CellName(name): in_account(outputs["cells"][name]["account_id"], of_cell)
            for name, of_cell in state.applied.cells.items()
        }
        return in_account(ACCOUNT, outputs, cells=cells)

    @property
    def all_cells(self) -> "dict[CellName, Deployment]":
        """The hub's own cell and the further ones, by their names."""
        return {HUB: self, **self.cells}

    def answering_within(self, seconds: float) -> "Deployment":
        """The same, but a call fails soon if there is no answer: for a cell that may be lost, or cut off."""
        return replace(self, answer_seconds=seconds)

    @property
    def http_url(self) -> str:
        """The base of the HTTP API."""
        return str(self.outputs["http_url"])

    @property
    def websocket_url(self) -> str:
        """URL that clients connect to, without a query."""
        return str(self.outputs["websocket_url"])

    @property
    def functions(self) -> dict[str, str]:
        """The functions' names, by the names that the design gives them."""
        return dict(self.outputs["functions"])

    @property
    def queue_urls(self) -> dict[str, str]:
        """The queues' URLs, by the queues' short names."""
        return dict(self.outputs["queue_urls"])

    @property
    def quiet_seconds(self) -> float:
        """The longest time that a function of any cell may be at work which makes sessions, connections or messages."""
        timeouts: list[dict[str, float]] = [cell.outputs["timeouts"] for cell in self.all_cells.values()]
        return max(seconds for of_cell in timeouts for name, seconds in of_cell.items() if name in _MAKERS)

    @property
    def rest_seconds(self) -> int:
        """The time that the id of an erased tenant rests: a broadcast may be on its way, a function may know it."""
        return int(self.outputs["message_lifetime_seconds"]) + _REMEMBERED_SECONDS

    @property
    def report_grace_seconds(self) -> int:
        """The time after a broadcast's end in which a further cell may still report; 0 without further cells."""
        return int(self.outputs.get("report_grace_seconds") or 0)

    def has_silo(self, tenant: "TenantId") -> bool:
        """Tell whether a tenant has a queue of its own."""
        return f"silo-{tenant}" in self.queue_urls

    @property
    def shard_names(self) -> list[str]:
        """The short names of the shard queues, in the order that chunks are spread in."""
        return sorted(
            (name for name in self.queue_urls if name.startswith("shard-")),
            key=lambda name: int(name.partition("-")[2]),
        )

    @property
    def used_shard_names(self) -> list[str]:
        """The short names of the shards that get chunks, without the ones that are drained."""
        return self.shard_names[: int(self.outputs.get("shards", len(self.shard_names)))]

    @property
    def chunk_queue_names(self) -> list[str]:
        """The short names of all queues that chunks wait in: the shards, and those of rooms and small broadcasts."""
        return [*self.shard_names, ROOM_QUEUE, EXPRESS_QUEUE]

    @cached_property
    def tenants(self) -> "TenantStore":
        """The tenants; where the hub has further cells, each change raises their revision."""
        return DynamoTenantStore(self.client("dynamodb"), self._table("tenants"), self.outputs["tables"].get("cells"))

    @cached_property
    def directory(self) -> "CellDirectory":
        """The leases of further cells, and an operator's orders."""
        return DynamoCellDirectory(self.client("dynamodb"), self._table("cells"))

    @cached_property
    def placements(self) -> "PlacementStore | None":
        """The cells of sessions and players; None where there is no table of them: a hub alone, or a further cell."""
        table = self.outputs["tables"].get("placements")
        return None if table is None else DynamoPlacementStore(self.client("dynamodb"), str(table))

    @cached_property
    def sessions(self) -> "SessionStore":
        """The sessions."""
        return DynamoSessionStore(self.client("dynamodb"), self._table("sessions"))

    @cached_property
    def inboxes(self) -> "InboxStore":
        """The players' inboxes."""
        return DynamoInboxStore(self.client("dynamodb"), self._table("messages"))

    @cached_property
    def devices(self) -> "DeviceStore":
        """The players' connections."""
        return DynamoDeviceStore(self.client("dynamodb"), self._table("devices"))

    @cached_property
    def places(self) -> "PlaceStore":
        """The places that sessions and messages have taken."""
        return DynamoPlaceStore(self.client("dynamodb"), self._table("places"))

    @cached_property
    def limits(self) -> "LimitStore":
        """Limits that the tenants have used up."""
        return DynamoLimitStore(self.client("dynamodb"), self._table("limits"), pause=time.sleep)

    @cached_property
    def partitions(self) -> "PartitionStore":
        """The partitions and their counts."""
        return DynamoPartitionStore(self.client("dynamodb"), self._table("partitions"))

    @cached_property
    def audiences(self) -> "PartitionStore":
        """The partitions of channels' members and their counts."""
        return DynamoPartitionStore(self.client("dynamodb"), self._table("audiences"))

    @cached_property
    def connections(self) -> "ConnectionStore":
        """The connections' rows."""
        return DynamoConnectionStore(self.client("dynamodb"), self._table("connections"))

    @cached_property
    def subscriptions(self) -> "SubscriptionStore":
        """The connections' subscriptions."""
        return DynamoSubscriptionStore(self.client("dynamodb"), self._table("subscriptions"))

    @cached_property
    def members(self) -> "MemberStore":
        """The members of channels."""
        return DynamoMemberStore(self.client("dynamodb"), self._table("members"))

    @cached_property
    def history(self) -> "HistoryStore | None":
        """The order of channels' messages; None at a further cell, which has no table of them."""
        table = self.outputs["tables"].get("history")
        return None if table is None else DynamoHistoryStore(self.client("dynamodb"), str(table))

    @cached_property
    def publications(self) -> "PublicationStore | None":
        """The messages of channels that are kept; None at a further cell."""
        table = self.outputs["tables"].get("publications")
        return None if table is None else DynamoPublicationStore(self.client("dynamodb"), str(table))

    @cached_property
    def broadcasts(self) -> "BroadcastStore":
        """The broadcasts' rows."""
        return DynamoBroadcastStore(self.client("dynamodb"), self._table("broadcasts"), clock=time.time)

    @cached_property
    def snapshots(self) -> "SnapshotStore":
        """The reports of the further cells, which are in the table of broadcasts."""
        return DynamoSnapshotStore(self.client("dynamodb"), self._table("broadcasts"), clock=time.time)

    def queue(self, name: str) -> "Queue":
        """One of the queues, to send to."""
        return SqsQueue(self.client("sqs"), self.queue_urls[name], pause=time.sleep)

    @property
    def gateway(self) -> Any:
        """A client of the WebSocket API's management API."""
        return self.client("apigatewaymanagementapi", str(self.outputs["callback_endpoint"]))

    def http_api(self) -> HttpApi:
        """The HTTP API, each route called as it demands."""
        return HttpApi(self.http_url, self.sign)

    def sign(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        """The headers that the route of a call demands; OperatorError if it demands a token, which no command has."""
        routes = (
            _ROUTES_OF_BROADCASTS if url.removeprefix(self.http_url).startswith("/broadcast") else _ROUTES_OF_SESSIONS
        )
        way = self.outputs.get("auth", {}).get(routes, "none")  # none from a local stack of a former release
        if way == "jwt":
            raise OperatorError(
                f"The {routes} routes of this deployment take tokens of the application, and a command has none.",
                "Call it from the application, or as docs/openapi.yaml says, with a token.",
            )
        return self.access.sign(method, url, body) if way == "iam" else {}

    def client(self, service: str, endpoint: str | None = None) -> Any:
        """A client of one of the AWS services that the stack runs on."""
        return self.access.client(service, endpoint, config=self._config)

    @property
    def _config(self) -> "Config | None":
        from botocore.config import Config  # noqa: PLC0415

        seconds = self.answer_seconds
        if seconds is None:
            return None
        return Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 2})

    def _table(self, name: str) -> str:
        return str(self.outputs["tables"][name])
