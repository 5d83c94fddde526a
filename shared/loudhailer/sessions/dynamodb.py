"""The table of sessions in DynamoDB.

sessions: PK `tenantId`, SK `sessionId`; `sessionTTL` (epoch seconds), `playerId?`, `connectionIds` (set of
`{n:05d}#{connectionId}`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, override

from botocore.exceptions import ClientError

from loudhailer.aws.batches import STATEMENTS_A_BATCH, paged
from loudhailer.aws.conditions import CONDITION_FAILED, holds, update_if
from loudhailer.aws.errors import calling, code_of
from loudhailer.aws.rows import Item
from loudhailer.connections.model import ConnectionKey, key_in_session
from loudhailer.errors import TransientError
from loudhailer.ids import PlayerId, SessionId, TenantId
from loudhailer.observability import logger
from loudhailer.sessions.model import Session
from loudhailer.sessions.port import SessionStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


_ATTEMPTS = 4

_EXISTS = "attribute_exists(tenantId)"
_ABSENT = "attribute_not_exists(tenantId)"
_UNBOUND = "attribute_not_exists(playerId)"
_BOUND_TO = "playerId = :player"
_LIVE = "sessionTTL > :now"
_EXPIRED = "sessionTTL <= :now"

_SEGMENTS = 16
"""Parts of a Scan: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan"""

_OF_SESSION = " WHERE tenantId = ? AND sessionId = ?"

_CONFLICT = "TransactionConflictException"
"""A transaction is at work on the row: a client connects to the session, which renews it as well.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"""


class DynamoSessionStore(SessionStore):
    """Keeps the sessions in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    @override
    def get(self, tenant: TenantId, session: SessionId) -> Session | None:
        with calling("GetItem"):
            item = self._client.get_item(
                TableName=self._table, Key=session_key(tenant, session), ConsistentRead=True
            ).get("Item")
        return None if item is None else _session_from_item(item)

    @override
    def renew(
        self, tenant: TenantId, session: SessionId, *, player: PlayerId | None, expires_at: int, now: int
    ) -> bool:
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

    @override
    def of_tenant(self, tenant: TenantId) -> Iterator[list[Session]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="tenantId = :tenant",
            ExpressionAttributeValues={":tenant": {"S": tenant}},
            ConsistentRead=True,
        )
        for page in paged("Query", pages):
            yield [_session_from_item(item) for item in page["Items"]]

    @override
    def keep_alive(self, tenant: TenantId, session: SessionId, *, session_seconds: int, now: int) -> Session | None:
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
            if code_of(error) == _CONFLICT:
                return seen
            raise
        return _session_from_item(item)

    @override
    def count(self, tenant: TenantId, now: int) -> Iterator[int]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="tenantId = :tenant",
            FilterExpression=_LIVE,
            ExpressionAttributeValues={":tenant": {"S": tenant}, ":now": {"N": str(now)}},
            Select="COUNT",
            ConsistentRead=True,
        )
        return (page["Count"] for page in paged("Query", pages))

    @override
    def delete(self, tenant: TenantId, session: SessionId, player: PlayerId | None = None) -> bool:
        if player is None:
            return self._delete_if(_EXISTS, tenant, session)
        condition = f"{_EXISTS} AND ({_UNBOUND} OR {_BOUND_TO})"
        return self._delete_if(condition, tenant, session, {":player": {"S": player}})

    @override
    def forget(self, tenant: TenantId, session: SessionId, connections: Iterable[ConnectionKey]) -> None:
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

    @override
    def expired(self, now: int) -> Iterator[list[tuple[TenantId, SessionId]]]:
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

    @override
    def delete_if_expired(self, tenant: TenantId, session: SessionId, now: int) -> bool:
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
