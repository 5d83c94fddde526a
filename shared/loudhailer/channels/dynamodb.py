"""The tables of subscriptions and members in DynamoDB.

subscriptions: PK `subscriber` = `{tenantId}#{connectionId}`, SK `channel`, the pattern; `home` (the partition of the
connection's row) `partitionNumber era turn gone? changedAt expiresAt`.

members: PK `partition` = `{tenantId}#{pattern}#{n:05d}`, SK `connectionId`; `era turn connectedAt expiresAt`. It has
the form of the table of connections, whose store reads its partitions.
"""

from collections.abc import Iterable
from itertools import batched
from typing import override

from botocore.exceptions import ClientError

from loudhailer.aws.batches import STATEMENTS_A_BATCH
from loudhailer.aws.conditions import CONDITION_FAILED
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.channels.model import ChannelMember, SubscriberKey, Subscription
from loudhailer.channels.port import MemberStore, SubscriptionStore
from loudhailer.connections.dynamodb import key_to_item
from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import Partition, Pattern, TenantId

_NEXT_TURN = (
    "SET partitionNumber = if_not_exists(partitionNumber, :number), era = if_not_exists(era, :era),"
    " home = :home, changedAt = :now, expiresAt = :expiresAt REMOVE gone ADD turn :one"
)
_LAST_TURN = "SET gone = :yes, changedAt = :now ADD turn :one"

_OF_ERA = "era = :era"
_OF_TURN = "turn = :turn"
_EARLIER = "attribute_not_exists(era) OR era <> :era OR turn < :turn"
_OF_SUBSCRIPTION = " WHERE subscriber = ? AND channel = ? AND turn = ?"


class DynamoSubscriptionStore(DynamoTable, SubscriptionStore):
    """Keeps the subscriptions in one DynamoDB table."""

    @override
    def begin(self, wanted: Subscription) -> Subscription:
        with calling("UpdateItem"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(wanted.subscriber, wanted.pattern),
                UpdateExpression=_NEXT_TURN,
                ExpressionAttributeValues={
                    ":number": {"N": str(wanted.number)},
                    ":era": {"S": wanted.era},
                    ":home": {"S": wanted.connection.partition},
                    ":now": {"N": str(wanted.changed_at)},
                    ":expiresAt": {"N": str(wanted.expires_at)},
                    ":one": {"N": "1"},
                },
                ReturnValues="ALL_OLD",
            )
        former = answer.get("Attributes", {})
        number, era, turn = wanted.number, wanted.era, 1
        if former:
            number, era, turn = int(former["partitionNumber"]["N"]), former["era"]["S"], int(former["turn"]["N"]) + 1
        return Subscription(
            connection=wanted.connection,
            pattern=wanted.pattern,
            number=number,
            era=era,
            turn=turn,
            changed_at=wanted.changed_at,
            expires_at=wanted.expires_at,
        )

    @override
    def get(self, subscriber: SubscriberKey, pattern: Pattern) -> Subscription | None:
        item = self._get_row(_key(subscriber, pattern))
        return None if item is None else _subscription_from_item(item)

    @override
    def of(self, subscriber: SubscriberKey) -> list[Subscription]:
        rows = self._query_rows("subscriber = :subscriber", {":subscriber": {"S": subscriber.key}})
        return list(map(_subscription_from_item, rows))

    @override
    def leave(self, subscription: Subscription, now: int, *, of_turn: bool = False) -> Subscription | None:
        values: Item = {":yes": {"BOOL": True}, ":now": {"N": str(now)}, ":one": {"N": "1"}}
        values[":era"] = {"S": subscription.era}
        if of_turn:
            values[":turn"] = {"N": str(subscription.turn)}
        try:
            with calling("UpdateItem"):
                item = self._client.update_item(
                    TableName=self._table,
                    Key=_key(subscription.subscriber, subscription.pattern),
                    UpdateExpression=_LAST_TURN,
                    ConditionExpression=f"{_OF_ERA} AND {_OF_TURN}" if of_turn else _OF_ERA,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                )["Attributes"]
        except ClientError:
            return None  # `calling` lets only the error of a failed condition pass
        return _subscription_from_item(item)

    @override
    def delete(self, subscription: Subscription) -> None:
        key = _key(subscription.subscriber, subscription.pattern)
        self._delete_row_if(key, _OF_TURN, {":turn": {"N": str(subscription.turn)}})

    def delete_all(self, subscriptions: Iterable[Subscription]) -> None:
        """See `SubscriptionStore.delete_all`: 25 rows per call; one that fails for another reason is deleted singly."""
        statement = f'DELETE FROM "{self._table}"' + _OF_SUBSCRIPTION
        for batch in batched(subscriptions, STATEMENTS_A_BATCH, strict=False):
            with calling("BatchExecuteStatement"):
                answers = self._client.batch_execute_statement(
                    Statements=[
                        {
                            "Statement": statement,
                            "Parameters": [{"S": one.subscriber.key}, {"S": one.pattern}, {"N": str(one.turn)}],
                        }
                        for one in batch
                    ]
                )["Responses"]
            for one, answer in zip(batch, answers, strict=True):
                if answer.get("Error", {"Code": CONDITION_FAILED})["Code"] != CONDITION_FAILED:
                    self.delete(one)

    @override
    def forget(self, tenant: TenantId) -> int:
        return self._forget_tenant(("subscriber", "channel"), tenant)


class DynamoMemberStore(DynamoTable, MemberStore):
    """Keeps the members in one DynamoDB table."""

    @override
    def put(self, member: ChannelMember) -> bool:
        era, turn = {"S": member.era}, {"N": str(member.turn)}
        item: Item = {
            **key_to_item(member.key),
            "era": era,
            "turn": turn,
            "connectedAt": {"N": str(member.connected_at)},
            "expiresAt": {"N": str(member.expires_at)},
        }
        values: Item = {":era": era, ":turn": turn}
        return self._put_row_if(item, _EARLIER, values, has_made=lambda row: (row["era"], row["turn"]) == (era, turn))

    @override
    def delete(self, key: ConnectionKey, *, era: str, before: int) -> None:
        values: Item = {":era": {"S": era}, ":turn": {"N": str(before)}}
        self._delete_row_if(key_to_item(key), f"{_OF_ERA} AND turn < :turn", values)

    @override
    def forget(self, tenant: TenantId) -> int:
        return self._forget_tenant(("partition", "connectionId"), tenant)


def _key(subscriber: SubscriberKey, pattern: Pattern) -> Item:
    return {"subscriber": {"S": subscriber.key}, "channel": {"S": pattern}}


def _subscription_from_item(item: Item) -> Subscription:
    subscriber = SubscriberKey.of_key(item["subscriber"]["S"])
    return Subscription(
        connection=ConnectionKey(Partition(item["home"]["S"]), subscriber.connection),
        pattern=Pattern(item["channel"]["S"]),
        number=int(item["partitionNumber"]["N"]),
        era=item["era"]["S"],
        turn=int(item["turn"]["N"]),
        changed_at=int(item["changedAt"]["N"]),
        expires_at=int(item["expiresAt"]["N"]),
        is_gone="gone" in item,
    )
