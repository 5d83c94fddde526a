"""The table of sessions in DynamoDB.

sessions: PK `tenantId` = `{tenantId}#{n:02d}`, n being a hash of the session's id; SK `sessionId`; `sessionTTL` (epoch
seconds), `playerId?`, `connectionIds` (set of `{n:05d}#{connectionId}`), `grants?` (a map of rights by pattern).

A row of a former release has the tenant's id alone as its partition key. It is found, written and deleted there, and
the session is made under the new key once that row is gone. Decision 0037 says when this ends.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import batched
from typing import TYPE_CHECKING, Any, override
from zlib import crc32

from loudhailer.aws.batches import STATEMENTS_A_BATCH, get_rows, paged
from loudhailer.aws.conditions import CONDITION_FAILED
from loudhailer.aws.errors import calling, code_of
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.aws.transactions import THROTTLED
from loudhailer.connections.model import ConnectionKey, key_in_session
from loudhailer.errors import TransientError
from loudhailer.ids import Pattern, PlayerId, SessionId, TenantId, tenant_of
from loudhailer.observability import logger
from loudhailer.sessions.grants import NO_GRANTS, Grants
from loudhailer.sessions.model import Session
from loudhailer.sessions.port import SessionStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


type _SessionOfTenant = tuple[TenantId, SessionId]

SESSION_KEYS = 16
"""Partition keys of a tenant's sessions. DynamoDB writes 1,000 units a second to one key, and an arrival takes three:
one to make the session, two to add the connection in a transaction. Do not change the number: rows would be lost.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""

_ATTEMPTS = 4

_LONGEST_PAUSE_SECONDS = 0.05
"""Upper bound of the first pause after two releases have withdrawn the same session; it doubles each time."""

_EXISTS = "attribute_exists(tenantId)"
_ABSENT = "attribute_not_exists(tenantId)"
_UNBOUND = "attribute_not_exists(playerId)"
_BOUND_TO = "playerId = :player"
_UNUSED = "attribute_not_exists(connectionIds)"
_LIVE = "sessionTTL > :now"
_EXPIRED = "sessionTTL <= :now"

_SEGMENTS = 60
"""Segments of a Scan, one of which is read each minute: reading a million sessions every minute costs $135 a month.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan"""

_ROWS_OF_A_SMALL_TABLE = 1_000
"""Largest number of rows of a table that is read completely each minute, at negligible cost."""

_OF_SESSION = " WHERE tenantId = ? AND sessionId = ?"
_STILL_EXPIRED = " AND sessionTTL <= ?"
"""Condition of a statement; deleting a missing row is not an error.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.delete.html"""

_CONFLICT = "TransactionConflictException"
"""Error while a transaction changes the row: a client connects to the session, which renews it as well.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"""


class DynamoSessionStore(DynamoTable, SessionStore):
    """Keeps the sessions in one DynamoDB table.

    `spread` is False while functions of a former release run, which know only the former keys: new sessions get those.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        spread: bool = True,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(client, table)
        self._spread = spread
        self._pause = pause

    @override
    def get(self, tenant: TenantId, session: SessionId) -> Session | None:
        item = self._get_row(session_key(tenant, session)) or self._get_row(former_session_key(tenant, session))
        return None if item is None else _session_from_item(item)

    @override
    def renew(
        self,
        tenant: TenantId,
        session: SessionId,
        *,
        player: PlayerId | None,
        expires_at: int,
        now: int,
        grants: Grants | None = None,
    ) -> bool:
        values: Item = {":expiresAt": {"N": str(expires_at)}, ":now": {"N": str(now)}}
        changes, condition = "SET sessionTTL = :expiresAt", _LIVE
        if grants is not None:
            changes += ", grants = :grants"
            values[":grants"] = _grants_to_value(grants)
        if player is not None:
            values[":player"] = {"S": player}
            condition += f" AND {_BOUND_TO}"
        for attempt in range(_ATTEMPTS):
            if self._update(tenant, session, changes, condition, values):
                return True
            seen = self.get(tenant, session)
            if seen is None:
                if self._put_new(Session(tenant, session, expires_at, player, grants=grants or NO_GRANTS)):
                    return True
                # Without chance two releases may repeat this at the same moments, and both withdraw each time.
                self._pause(random.uniform(0, _LONGEST_PAUSE_SECONDS * 2**attempt))  # noqa: S311  # jitter
            elif not seen.is_live(now):
                self._delete_if(_EXPIRED, tenant, session, {":now": {"N": str(now)}})
            elif player is not None and seen.player_id is None:
                self._delete_if(_UNBOUND, tenant, session)
            elif player is not None and seen.player_id != player:
                return False
        raise TransientError("other requests created and ended the session at every attempt")

    @override
    def of_tenant(self, tenant: TenantId) -> Iterator[list[Session]]:
        for page in self._pages_of(tenant):
            yield [_session_from_item(item) for item in page["Items"]]

    @override
    def keep_alive(self, tenant: TenantId, session: SessionId, *, session_seconds: int, now: int) -> Session | None:
        seen = self.get(tenant, session)
        if seen is None or not seen.is_live(now):
            return None
        if not seen.is_to_be_renewed(session_seconds, now):
            return seen
        expires_at = now + session_seconds
        values: Item = {":expiresAt": {"N": str(expires_at)}, ":now": {"N": str(now)}}
        try:
            renewed = self._update(tenant, session, "SET sessionTTL = :expiresAt", _LIVE, values)
        except TransientError as error:
            if code_of(error) == _CONFLICT:
                return seen
            raise
        return replace(seen, expires_at=expires_at) if renewed else None

    @override
    def extend(self, tenant: TenantId, session: SessionId, expires_at: int) -> None:
        condition = f"{_EXISTS} AND sessionTTL < :expiresAt"
        values: Item = {":expiresAt": {"N": str(expires_at)}}
        self._update(tenant, session, "SET sessionTTL = :expiresAt", condition, values)

    @override
    def count(self, tenant: TenantId, now: int) -> Iterator[int]:
        live: Item = {":now": {"N": str(now)}}
        return (page["Count"] for page in self._pages_of(tenant, live, FilterExpression=_LIVE, Select="COUNT"))

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

    def forget_all(self, gone: Mapping[_SessionOfTenant, Collection[ConnectionKey]]) -> set[_SessionOfTenant]:
        """See `SessionStore.forget_all`: a tenth of the CPU of single updates; unclear results are repeated singly."""
        unwritten: set[_SessionOfTenant] = set()
        absent = self._forget_in_batches(session_key, gone, unwritten)
        former = {session: gone[session] for session in self._at_former_keys(absent, unwritten)}
        self._forget_in_batches(former_session_key, former, unwritten)
        return unwritten

    def _at_former_keys(
        self, sessions: Iterable[_SessionOfTenant], unwritten: set[_SessionOfTenant]
    ) -> Iterator[_SessionOfTenant]:
        """Yield the sessions that have a row under a former key.

        Sessions that could not be read now are added to `unwritten`. Each tenant has one such key: a tenant whose key
        is throttled does not delay other tenants' sessions.
        """
        of_tenant: defaultdict[TenantId, list[_SessionOfTenant]] = defaultdict(list)
        for session in sessions:
            of_tenant[session[0]].append(session)
        for tenant, wanted in of_tenant.items():
            keys = [former_session_key(*session) for session in wanted]
            try:
                rows = list(get_rows(self._client, self._table, keys, ProjectionExpression="tenantId, sessionId"))
            except TransientError as error:
                logger.warning("sessions could not be looked up for now", tenant_id=tenant, error=str(error))
                unwritten.update(wanted)
                continue
            yield from map(_session_of, rows)

    def _forget_in_batches(
        self,
        key_of: Callable[[TenantId, SessionId], Item],
        gone: Mapping[_SessionOfTenant, Collection[ConnectionKey]],
        unwritten: set[_SessionOfTenant],
    ) -> list[_SessionOfTenant]:
        """Remove connections from the rows with these keys; return the sessions that have no such row.

        Sessions that could not be written now are added to `unwritten`.
        """
        absent: list[_SessionOfTenant] = []
        statement = f'UPDATE "{self._table}" SET connectionIds = set_delete(connectionIds, ?)' + _OF_SESSION
        for batch in batched(gone.items(), STATEMENTS_A_BATCH, strict=False):
            with calling("BatchExecuteStatement"):
                answers = self._client.batch_execute_statement(
                    Statements=[
                        {
                            "Statement": statement,
                            "Parameters": [{"SS": [key.in_session() for key in keys]}, *key_of(*session).values()],
                        }
                        for session, keys in batch
                    ]
                )["Responses"]
            for (session, keys), answer in zip(batch, answers, strict=True):
                code = answer.get("Error", {}).get("Code")
                if code == CONDITION_FAILED:
                    absent.append(session)
                elif code is not None:
                    try:
                        self.forget(*session, keys)
                    except TransientError as error:
                        logger.warning("a session could not be written for now", tenant_id=session[0], error=str(error))
                        unwritten.add(session)
        return absent

    @override
    def delete_expired(self, now: int) -> Iterator[int]:
        failed = 0
        for page in self._expired(now):
            if not page:
                yield 0
            for keys in batched(page, STATEMENTS_A_BATCH, strict=False):
                deleted, undeleted = self._delete_expired(keys, now)
                failed += undeleted
                yield deleted
        if failed:
            raise TransientError(f"{failed} expired sessions could not be deleted for now")

    def _expired(self, now: int) -> Iterator[list[Item]]:
        """Yield pages of the keys of expired rows: no former key has to be tried."""
        scan: Item = {
            "TableName": self._table,
            "FilterExpression": _EXPIRED,
            "ProjectionExpression": "tenantId, sessionId",
            "ExpressionAttributeValues": {":now": {"N": str(now)}},
        }
        with calling("Scan"):
            first = self._client.scan(**scan, Limit=_ROWS_OF_A_SMALL_TABLE)
        yield first["Items"]
        if "LastEvaluatedKey" in first:
            pages = self._client.get_paginator("scan").paginate(
                **scan, Segment=now // 60 % _SEGMENTS, TotalSegments=_SEGMENTS
            )
            for page in paged("Scan", pages):
                yield page["Items"]

    def _delete_expired(self, keys: Iterable[Item], now: int) -> tuple[int, int]:
        """Delete rows in one call, refused ones singly; return the numbers of deleted rows and of failures."""
        batch = list(keys)
        statement = f'DELETE FROM "{self._table}"' + _OF_SESSION + _STILL_EXPIRED
        time: Item = {"N": str(now)}
        with calling("BatchExecuteStatement"):
            answers = self._client.batch_execute_statement(
                Statements=[
                    {"Statement": statement, "Parameters": [key["tenantId"], key["sessionId"], time]} for key in batch
                ]
            )["Responses"]
        deleted = undeleted = 0
        for key, answer in zip(batch, answers, strict=True):
            code = answer.get("Error", {}).get("Code")
            if code in THROTTLED:  # another attempt would take the time of all other sessions
                undeleted += 1
                continue
            try:
                deleted += code is None or (
                    code != CONDITION_FAILED and self._delete_row_if(key, _EXPIRED, {":now": time})
                )
            except TransientError as error:
                logger.warning("an expired session could not be deleted for now", error=str(error))
                undeleted += 1
        return deleted, undeleted

    def _pages_of(self, tenant: TenantId, values: Item | None = None, **query: Any) -> Iterator[Any]:
        keys = [f"{tenant}#{number:02d}" for number in range(SESSION_KEYS)]
        for key in [*keys, tenant]:
            yield from self._query_pages("tenantId = :key", {":key": {"S": key}, **(values or {})}, **query)

    def _put_new(self, session: Session) -> bool:
        """Create the session if there is none; return False if another call has created it, under either key.

        Two releases that create it at the same moment, each under its own key, may both withdraw, and try again.
        Otherwise it would have two rows, and the end of one would close clients that the other does not know.
        """
        keys = [key_of(session.tenant_id, session.session_id) for key_of in (session_key, former_session_key)]
        own, other = keys if self._spread else reversed(keys)
        item = own | {"sessionTTL": {"N": str(session.expires_at)}}
        if session.player_id is not None:
            item["playerId"] = {"S": session.player_id}
        if session.grants.rights:
            item["grants"] = _grants_to_value(session.grants)
        if not self._put_row_if(item, _ABSENT):
            return False
        return self._get_row(other) is None or not self._delete_row_if(own, _UNUSED)

    def _update(self, tenant: TenantId, session: SessionId, changes: str, condition: str, values: Item) -> bool:
        def update(key: Item) -> bool:
            return self._update_row_if(key, changes, condition, values)

        return update(session_key(tenant, session)) or self._at_former_key(tenant, session, update)

    def _delete_if(self, condition: str, tenant: TenantId, session: SessionId, values: Item | None = None) -> bool:
        def delete(key: Item) -> bool:
            return self._delete_row_if(key, condition, values)

        # A session that two releases create at the same time has two rows for a moment.
        is_deleted = delete(session_key(tenant, session))
        return self._at_former_key(tenant, session, delete) or is_deleted

    def _at_former_key(self, tenant: TenantId, session: SessionId, write: Callable[[Item], bool]) -> bool:
        """Carry out a conditional write under the former key, if there is a row: a read costs that key less."""
        key = former_session_key(tenant, session)
        return self._get_row(key) is not None and write(key)


def session_key(tenant: TenantId, session: SessionId) -> Item:
    """The key of a session's row."""
    return {
        "tenantId": {"S": f"{tenant}#{crc32(session.encode()) % SESSION_KEYS:02d}"},
        "sessionId": {"S": session},
    }


def former_session_key(tenant: TenantId, session: SessionId) -> Item:
    """The key of a session's row that a former release has made."""
    return {"tenantId": {"S": tenant}, "sessionId": {"S": session}}


def _session_of(row: Item) -> _SessionOfTenant:
    return tenant_of(row["tenantId"]["S"]), SessionId(row["sessionId"]["S"])


def _session_from_item(item: Item) -> Session:
    tenant, session = _session_of(item)
    return Session(
        tenant_id=tenant,
        session_id=session,
        expires_at=int(item["sessionTTL"]["N"]),
        player_id=PlayerId(item["playerId"]["S"]) if "playerId" in item else None,
        connections=frozenset(
            key_in_session(tenant, element) for element in item.get("connectionIds", {"SS": []})["SS"]
        ),
        grants=_grants_from_value(item["grants"]) if "grants" in item else NO_GRANTS,
    )


def _grants_to_value(grants: Grants) -> Item:
    return {"M": {pattern: {"S": rights} for pattern, rights in grants.rights}}


def _grants_from_value(value: Item) -> Grants:
    return Grants(tuple(sorted((Pattern(pattern), rights["S"]) for pattern, rights in value["M"].items())))
