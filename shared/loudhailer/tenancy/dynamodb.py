"""The tenants', the sessions' and the limits' tables on DynamoDB.

tenants: PK `tenantId`; the attributes of `TenantWire` and `sessionKey`, and `erasing` while the tenant is erased; then
`erasedAt` alone.

sessions: PK `tenantId`, SK `sessionId`; `sessionTTL` (epoch seconds), `playerId?`, `connectionIds` (set of
`{n:05d}#{connectionId}`).

limits: PK `key`; `itemCount`. The total of a tenant's connections has the tenant's id as its key, and `inquiry?`; what
is counted in a minute has the key of its `MinuteCounter`, and `itemTTL` (epoch seconds).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import batched
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from loudhailer.aws import CONDITION_FAILED, STATEMENTS_A_BATCH, calling, delete_rows, holds, paged, update_if
from loudhailer.connections.model import ConnectionKey, key_in_session
from loudhailer.errors import TransientError
from loudhailer.ids import PlayerId, ProbeId, SessionId, TenantId
from loudhailer.observability import logger
from loudhailer.tenancy.model import (
    TENANT_SESSIONS,
    Inquiry,
    MinuteCounter,
    Session,
    Tenant,
    TenantTotal,
    Tombstone,
    minute_of,
)
from loudhailer.tenancy.port import LimitStore, SessionStore, TenantStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

type Item = dict[str, Any]

_ATTEMPTS = 4

_MINUTE_TTL_SECONDS = 61
"""A minute's counter goes a second after the minute is over."""

_COUNT = "SET itemTTL = :ttl ADD itemCount :times"

_EXISTS = "attribute_exists(tenantId)"
_ABSENT = "attribute_not_exists(tenantId)"
_UNBOUND = "attribute_not_exists(playerId)"
_BOUND_TO = "playerId = :player"
_LIVE = "sessionTTL > :now"
_EXPIRED = "sessionTTL <= :now"

_NOT_ERASING = "attribute_not_exists(erasing)"
_NOT_ERASED_SINCE = "(attribute_not_exists(erasedAt) OR erasedAt < :before)"

_SEGMENTS = 16
"""Parts of a Scan: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan"""

_OF_TENANT = "#key = :tenant OR begins_with(#key, :others)"
"""The keys of a tenant's rows lead with its id, in which there is no colon."""

_OF_SESSION = " WHERE tenantId = ? AND sessionId = ?"

_CONFLICT = "TransactionConflictException"
"""A transaction is at work on the row: a client connects to the session, which renews it as well.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"""

_THROTTLED = {"ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"}
"""Errors that say for certain that nothing was written."""


class DynamoTenantStore(TenantStore):
    """Keeps the tenants in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:
        """See `TenantStore.get`."""
        with calling("GetItem"):
            item = self._client.get_item(
                TableName=self._table, Key={"tenantId": {"S": tenant}}, ConsistentRead=consistent
            ).get("Item")
        return None if item is None or _is_tombstone(item) else _tenant_from_item(item)

    def everyone(self) -> list[Tenant]:
        """See `TenantStore.everyone`."""
        tenants = [_tenant_from_item(item) for item in self._rows() if not _is_tombstone(item)]
        return sorted(tenants, key=attrgetter("tenant_id"))

    def put(self, tenant: Tenant, *, erased_before: int | None = None) -> bool:
        """See `TenantStore.put`."""
        item: Item = {
            "tenantId": {"S": tenant.tenant_id},
            "tenantConnections": {"N": str(tenant.tenant_connections)},
            "connectionsPerSession": {"N": str(tenant.connections_per_session)},
            "tenantPerMinute": {"N": str(tenant.tenant_per_minute)},
            "sessionPerMinute": {"N": str(tenant.session_per_minute)},
            "messagesPerMinute": {"N": str(tenant.messages_per_minute)},
            "sessionTTL": {"N": str(tenant.session_seconds)},
            "tenantSessions": {"N": str(tenant.tenant_sessions)},
        }
        if tenant.posts_per_minute is not None:
            item["postsPerMinute"] = {"N": str(tenant.posts_per_minute)}
        if tenant.session_key is not None:
            item["sessionKey"] = {"S": tenant.session_key}
        condition: Item = {"ConditionExpression": _NOT_ERASING}
        if erased_before is not None:
            condition["ConditionExpression"] += f" AND {_NOT_ERASED_SINCE}"
            condition["ExpressionAttributeValues"] = {":before": {"N": str(erased_before)}}
        return holds("PutItem", partial(self._client.put_item, TableName=self._table, Item=item, **condition))

    def begin_erasing(self, tenant: TenantId) -> bool:
        """See `TenantStore.begin_erasing`."""
        condition = f"{_EXISTS} AND attribute_not_exists(erasedAt)"
        key = {"tenantId": {"S": tenant}}
        return update_if(
            self._client, self._table, key, "SET erasing = :yes", condition, values={":yes": {"BOOL": True}}
        )

    def end_erasing(self, tenant: TenantId, now: int) -> None:
        """See `TenantStore.end_erasing`."""
        put = partial(
            self._client.put_item,
            TableName=self._table,
            Item={"tenantId": {"S": tenant}, "erasedAt": {"N": str(now)}},
            ConditionExpression="attribute_exists(erasing)",
        )
        holds("PutItem", put)

    def tombstones(self) -> list[Tombstone]:
        """See `TenantStore.tombstones`."""
        found = [
            Tombstone(TenantId(item["tenantId"]["S"]), int(item["erasedAt"]["N"]) if "erasedAt" in item else None)
            for item in self._rows()
            if _is_tombstone(item)
        ]
        return sorted(found, key=attrgetter("tenant_id"))

    def _rows(self) -> Iterator[Item]:
        for page in paged("Scan", self._client.get_paginator("scan").paginate(TableName=self._table)):
            yield from page["Items"]


def _is_tombstone(item: Item) -> bool:
    return "erasing" in item or "erasedAt" in item


def _tenant_from_item(item: Item) -> Tenant:
    return Tenant(
        tenant_id=TenantId(item["tenantId"]["S"]),
        tenant_connections=int(item["tenantConnections"]["N"]),
        connections_per_session=int(item["connectionsPerSession"]["N"]),
        tenant_per_minute=int(item["tenantPerMinute"]["N"]),
        session_per_minute=int(item["sessionPerMinute"]["N"]),
        messages_per_minute=int(item["messagesPerMinute"]["N"]),
        session_seconds=int(item["sessionTTL"]["N"]),
        session_key=item.get("sessionKey", {}).get("S"),
        tenant_sessions=int(item.get("tenantSessions", {}).get("N", TENANT_SESSIONS)),
        posts_per_minute=int(item["postsPerMinute"]["N"]) if "postsPerMinute" in item else None,
    )


class DynamoSessionStore(SessionStore):
    """Keeps the sessions in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def get(self, tenant: TenantId, session: SessionId) -> Session | None:
        """See `SessionStore.get`."""
        with calling("GetItem"):
            item = self._client.get_item(
                TableName=self._table, Key=session_key(tenant, session), ConsistentRead=True
            ).get("Item")
        return None if item is None else _session_from_item(item)

    def renew(
        self, tenant: TenantId, session: SessionId, *, player: PlayerId | None, expires_at: int, now: int
    ) -> bool:
        """See `SessionStore.renew`."""
        values: Item = {":expiresAt": {"N": str(expires_at)}, ":now": {"N": str(now)}}
        condition = _LIVE
        if player is not None:
            values[":player"] = {"S": player}
            condition += f" AND {_BOUND_TO}"
        for _ in range(_ATTEMPTS):
            if self._update(tenant, session, "SET sessionTTL = :expiresAt", condition, values):
                return True
            seen = self.get(tenant, session)
            if seen is None:
                if self._put_new(Session(tenant, session, expires_at, player)):
                    return True
            elif not seen.is_live(now):
                self.delete_if_expired(tenant, session, now)
            elif player is not None and seen.player_id is None:
                self._delete_if(_UNBOUND, tenant, session)
            elif player is not None and seen.player_id != player:
                return False
        raise TransientError("the session was made and ended by others all the time")

    def of_tenant(self, tenant: TenantId) -> Iterator[list[Session]]:
        """See `SessionStore.of_tenant`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="tenantId = :tenant",
            ExpressionAttributeValues={":tenant": {"S": tenant}},
            ConsistentRead=True,
        )
        for page in paged("Query", pages):
            yield [_session_from_item(item) for item in page["Items"]]

    def keep_alive(self, tenant: TenantId, session: SessionId, *, session_seconds: int, now: int) -> Session | None:
        """See `SessionStore.keep_alive`."""
        seen = self.get(tenant, session)
        if seen is None or not seen.is_live(now):
            return None
        if not seen.is_to_be_renewed(session_seconds, now):
            return seen
        try:
            with calling("UpdateItem"):
                item = self._client.update_item(
                    TableName=self._table,
                    Key=session_key(tenant, session),
                    UpdateExpression="SET sessionTTL = :expiresAt",
                    ConditionExpression=_LIVE,
                    ExpressionAttributeValues={
                        ":expiresAt": {"N": str(now + session_seconds)},
                        ":now": {"N": str(now)},
                    },
                    ReturnValues="ALL_NEW",
                )["Attributes"]
        except ClientError:
            return None
        except TransientError as error:
            if _code_of(error) == _CONFLICT:
                return seen
            raise
        return _session_from_item(item)

    def count(self, tenant: TenantId, now: int) -> Iterator[int]:
        """See `SessionStore.count`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="tenantId = :tenant",
            FilterExpression=_LIVE,
            ExpressionAttributeValues={":tenant": {"S": tenant}, ":now": {"N": str(now)}},
            Select="COUNT",
            ConsistentRead=True,
        )
        return (page["Count"] for page in paged("Query", pages))

    def delete(self, tenant: TenantId, session: SessionId, player: PlayerId | None = None) -> bool:
        """See `SessionStore.delete`."""
        if player is None:
            return self._delete_if(_EXISTS, tenant, session)
        condition = f"{_EXISTS} AND ({_UNBOUND} OR {_BOUND_TO})"
        return self._delete_if(condition, tenant, session, {":player": {"S": player}})

    def forget(self, tenant: TenantId, session: SessionId, connections: Iterable[ConnectionKey]) -> None:
        """See `SessionStore.forget`."""
        gone = {":gone": {"SS": [key.in_session() for key in connections]}}
        self._update(tenant, session, "DELETE connectionIds :gone", _EXISTS, gone)

    def forget_all(
        self, gone: Mapping[tuple[TenantId, SessionId], Collection[ConnectionKey]]
    ) -> set[tuple[TenantId, SessionId]]:
        """See `SessionStore.forget_all`: a tenth of the CPU of as many updates; what is in doubt is done by one."""
        left: set[tuple[TenantId, SessionId]] = set()
        statement = f'UPDATE "{self._table}" SET connectionIds = set_delete(connectionIds, ?)' + _OF_SESSION
        for batch in batched(gone.items(), STATEMENTS_A_BATCH, strict=False):
            with calling("BatchExecuteStatement"):
                answers = self._client.batch_execute_statement(
                    Statements=[
                        {
                            "Statement": statement,
                            "Parameters": [{"SS": [key.in_session() for key in keys]}, {"S": tenant}, {"S": session}],
                        }
                        for (tenant, session), keys in batch
                    ]
                )["Responses"]
            for ((tenant, session), keys), answer in zip(batch, answers, strict=True):
                if answer.get("Error", {}).get("Code") not in {None, CONDITION_FAILED}:
                    try:
                        self.forget(tenant, session, keys)
                    except TransientError as error:
                        logger.warning("a session could not be written for now", tenant_id=tenant, error=str(error))
                        left.add((tenant, session))
        return left

    def expired(self, now: int) -> Iterator[list[tuple[TenantId, SessionId]]]:
        """See `SessionStore.expired`."""
        for place in range(_SEGMENTS):
            pages = self._client.get_paginator("scan").paginate(
                TableName=self._table,
                Segment=(now // 60 + place) % _SEGMENTS,
                TotalSegments=_SEGMENTS,
                FilterExpression=_EXPIRED,
                ProjectionExpression="tenantId, sessionId",
                ExpressionAttributeValues={":now": {"N": str(now)}},
            )
            for page in paged("Scan", pages):
                yield [(TenantId(item["tenantId"]["S"]), SessionId(item["sessionId"]["S"])) for item in page["Items"]]

    def delete_if_expired(self, tenant: TenantId, session: SessionId, now: int) -> bool:
        """See `SessionStore.delete_if_expired`."""
        return self._delete_if(_EXPIRED, tenant, session, {":now": {"N": str(now)}})

    def _put_new(self, session: Session) -> bool:
        item = session_key(session.tenant_id, session.session_id) | {"sessionTTL": {"N": str(session.expires_at)}}
        if session.player_id is not None:
            item["playerId"] = {"S": session.player_id}
        put = partial(self._client.put_item, TableName=self._table, Item=item, ConditionExpression=_ABSENT)
        return holds("PutItem", put)

    def _update(self, tenant: TenantId, session: SessionId, changes: str, condition: str, values: Item) -> bool:
        return update_if(self._client, self._table, session_key(tenant, session), changes, condition, values=values)

    def _delete_if(self, condition: str, tenant: TenantId, session: SessionId, values: Item | None = None) -> bool:
        request: Item = {
            "TableName": self._table,
            "Key": session_key(tenant, session),
            "ConditionExpression": condition,
        }
        if values:
            request["ExpressionAttributeValues"] = values
        return holds("DeleteItem", partial(self._client.delete_item, **request))


def session_key(tenant: TenantId, session: SessionId) -> Item:
    """The key of a session's row."""
    return {"tenantId": {"S": tenant}, "sessionId": {"S": session}}


def _session_from_item(item: Item) -> Session:
    tenant = TenantId(item["tenantId"]["S"])
    return Session(
        tenant_id=tenant,
        session_id=SessionId(item["sessionId"]["S"]),
        expires_at=int(item["sessionTTL"]["N"]),
        player_id=PlayerId(item["playerId"]["S"]) if "playerId" in item else None,
        connections=frozenset(
            key_in_session(tenant, element) for element in item.get("connectionIds", {"SS": []})["SS"]
        ),
    )


class DynamoLimitStore(LimitStore):
    """Keeps the totals and the minutes' counts in one DynamoDB table.

    The client must try each call once: one that was carried out although its answer was lost must not be repeated. What
    was throttled for certain is repeated here.
    """

    def __init__(self, client: "DynamoDBClient", table: str, *, pause: Callable[[float], None]) -> None:
        self._client = client
        self._table = table
        self._pause = pause

    def reserve(self, tenant: TenantId, maximum: int) -> bool:
        """See `LimitStore.reserve`."""
        return maximum > 0 and self._update(
            tenant,
            "ADD itemCount :one, reserved :one",
            "attribute_not_exists(itemCount) OR itemCount < :maximum",
            {":one": {"N": "1"}, ":maximum": {"N": str(maximum)}},
        )

    def release(self, tenant: TenantId, connections: int) -> None:
        """See `LimitStore.release`."""
        k: Item = {":k": {"N": str(connections)}}
        less = {":less": {"N": str(-connections)}}
        if not self._update(tenant, "ADD itemCount :less", "itemCount >= :k", k | less):
            self._update(tenant, "SET itemCount = :zero", "itemCount < :k", k | {":zero": {"N": "0"}})

    def forget(self, tenant: TenantId) -> None:
        """See `LimitStore.forget`."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression=_OF_TENANT,
            ProjectionExpression="#key",
            ExpressionAttributeNames={"#key": "key"},
            ExpressionAttributeValues={":tenant": {"S": tenant}, ":others": {"S": f"{tenant}:"}},
            ConsistentRead=True,
        )
        for page in paged("Scan", pages):
            delete_rows(self._client, self._table, page["Items"], pause=self._pause)

    def total(self, tenant: TenantId) -> TenantTotal:
        """See `LimitStore.total`."""
        with calling("GetItem"):
            item = self._client.get_item(TableName=self._table, Key={"key": {"S": tenant}}, ConsistentRead=True).get(
                "Item", {}
            )
        return TenantTotal(
            count=int(item.get("itemCount", {"N": "0"})["N"]),
            reserved=int(item.get("reserved", {"N": "0"})["N"]),
            inquiry=_inquiry_from_value(item["inquiry"]) if "inquiry" in item else None,
        )

    def keep_inquiry(self, tenant: TenantId, inquiry: Inquiry | None) -> None:
        """See `LimitStore.keep_inquiry`."""
        if inquiry is None:
            self._update(tenant, "REMOVE inquiry", "attribute_exists(itemCount)", {})
        else:
            values = {":inquiry": _inquiry_to_value(inquiry)}
            self._update(tenant, "SET inquiry = :inquiry", "attribute_exists(itemCount)", values)

    def repair(self, tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        """See `LimitStore.repair`."""
        return self._update(
            tenant,
            "REMOVE inquiry ADD itemCount :difference",
            "itemCount >= :least AND inquiry = :seen",
            {
                ":difference": {"N": str(difference)},
                ":least": {"N": str(max(0, -difference))},
                ":seen": _inquiry_to_value(seen),
            },
        )

    def count_in_minute(self, counter: MinuteCounter, now: int, times: int = 1) -> int:
        """See `LimitStore.count_in_minute`."""

        def add() -> int:
            with calling("UpdateItem"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"key": {"S": counter.key(now)}},
                    UpdateExpression=_COUNT,
                    ExpressionAttributeValues=_counted(times, now),
                    ReturnValues="UPDATED_NEW",
                )
            return int(answer["Attributes"]["itemCount"]["N"])

        return self._repeated_if_throttled(add)

    def refuse_from(self, counter: MinuteCounter, now: int, sequence: str) -> None:
        """See `LimitStore.refuse_from`."""
        self._update(
            counter.key(now),
            "SET refusedFrom = :sequence, itemTTL = :ttl",
            "attribute_not_exists(refusedFrom)",
            {":sequence": {"S": sequence}, ":ttl": _minute_ttl(now)},
        )

    def refused_from(self, counter: MinuteCounter, now: int) -> str | None:
        """See `LimitStore.refused_from`."""
        with calling("GetItem"):
            item = self._client.get_item(
                TableName=self._table, Key={"key": {"S": counter.key(now)}}, ConsistentRead=True
            ).get("Item", {})
        return item["refusedFrom"]["S"] if "refusedFrom" in item else None

    def take_in_minute(self, counter: MinuteCounter, now: int, amount: int, *, maximum: int) -> bool:
        """See `LimitStore.take_in_minute`."""
        left = {":left": {"N": str(maximum - amount)}}
        return self._update(
            counter.key(now),
            _COUNT,
            "attribute_not_exists(itemCount) OR itemCount <= :left",
            _counted(amount, now) | left,
        )

    def _update(self, key: str, changes: str, condition: str, values: Item) -> bool:
        row = {"key": {"S": key}}
        update = partial(update_if, self._client, self._table, row, changes, condition, values=values)
        return self._repeated_if_throttled(update)

    def _repeated_if_throttled[T](self, update: Callable[[], T]) -> T:
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._pause(0.05 * 2**attempt)
            try:
                return update()
            except TransientError as error:
                if _code_of(error) not in _THROTTLED:
                    raise
        raise TransientError(f"UpdateItem was throttled in {_ATTEMPTS} attempts")


def _counted(times: int, now: int) -> Item:
    return {":ttl": _minute_ttl(now), ":times": {"N": str(times)}}


def _minute_ttl(now: int) -> Item:
    return {"N": str(minute_of(now) + _MINUTE_TTL_SECONDS)}


def _inquiry_to_value(inquiry: Inquiry) -> Item:
    fields: Item = {"at": {"N": str(inquiry.at)}, "reserved": {"N": str(inquiry.reserved)}}
    if inquiry.rows is not None:
        fields["rows"] = {"N": str(inquiry.rows)}
    if inquiry.probe is not None:
        fields["probe"] = {"S": inquiry.probe}
    return {"M": fields}


def _inquiry_from_value(value: Any) -> Inquiry:
    fields = value["M"]
    return Inquiry(
        at=int(fields["at"]["N"]),
        reserved=int(fields["reserved"]["N"]),
        rows=int(fields["rows"]["N"]) if "rows" in fields else None,
        probe=ProbeId(fields["probe"]["S"]) if "probe" in fields else None,
    )


def _code_of(error: TransientError) -> str | None:
    """The code that AWS answered with; None if there was no answer."""
    cause = error.__cause__
    return cause.response["Error"]["Code"] if isinstance(cause, ClientError) else None
