"""Actions that the functions may take for one tenant, and the calls that try them.

The grants are read from the policies of the applied roles, so that a new one is tried as soon as Terraform has it. The
tenant's position in each table's keys is repeated here by hand: it must not be read from the tested code.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from tests.e2e.system import System
from tools.stack.local_aws import ACCOUNT, REGION, local_endpoint

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

type RowKey = dict[str, dict[str, str]]

LEADING_KEYS: Mapping[str, Sequence[str]] = {
    "connections": ("{}#00000", "{}#99999"),
    "connections/index/room": ("{}#lobby",),
    "devices": ("{}#alice", "{}#al.i@ce-"),
    "sessions": ("{}#00", "{}#15", "{}"),
    "limits": ("{}:minute:1", "{}:s1:minute:1", "{}:minutemsg:1", "{}:alice:minutemsg:1"),
    "messages": ("{}#alice",),
    "places": ("{}",),
    "members": ("{}#news/*#00000", "{}#a/b.c/d@e#00012"),
    "audiences": ("{}#news/*", "{}#a/b.c/d@e"),
    "subscriptions": ("{}#Ab1cdEfgHIJKLmn=",),
}
"""The partition keys of a tenant's rows, by table or index. `limits` has only keys of minutes, not totals."""

type TenantCredentials = Mapping[str, str]

_DENIED = {"AccessDenied", "AccessDeniedException", "InvalidParameterValue"}
_NOT_DONE = {"ConditionalCheckFailedException", "TransactionCanceledException"}
_NEVER = "attribute_exists(neverWritten)"
"""Condition that no row fulfils: a call that is allowed changes nothing."""


@dataclass(frozen=True)
class TablePlace:
    """A table, or one of its indexes, and its keys; `name` is short, such as `connections/index/room`."""

    name: str
    table: str
    index: str | None
    partition_key: str
    other_keys: frozenset[str]

    @property
    def address(self) -> dict[str, Any]:
        """Name of the resource in a request."""
        return {"TableName": self.table, **({"IndexName": self.index} if self.index else {})}

    def key(self, leading: str) -> RowKey:
        """A row's key."""
        return {self.partition_key: {"S": leading}, **{name: {"S": "x"} for name in self.other_keys}}


@dataclass(frozen=True)
class Grant:
    """One action in one place, for one function."""

    role: str
    action: str
    place: TablePlace

    def __str__(self) -> str:
        """For the messages of failed tests."""
        return f"{self.role}: {self.action} {self.place.name}"


@dataclass(frozen=True)
class TenantRole:
    """The role that a function assumes for one tenant."""

    arn: str
    function_role: str
    grants: tuple[Grant, ...]


class GrantsAccount:
    """An account that a stack is in. One SDK session makes all its clients, which saves a second for each."""

    def __init__(self, system: System, account: str = ACCOUNT) -> None:
        self.endpoint = local_endpoint(system.state.aws_port)
        self._tables: Mapping[str, str] = system.deployment.outputs["tables"]
        self._session = boto3.session.Session(region_name=REGION)
        self._root: TenantCredentials = {"aws_access_key_id": account, "aws_secret_access_key": system.state.secret}
        self.credentials_of = cache(self._credentials_of)

    def client(self, service: str, credentials: TenantCredentials | None = None) -> Any:
        """A client that signs with the credentials; without any, with those of the account's root."""
        make: Any = self._session.client
        return make(service, endpoint_url=self.endpoint, **(credentials or self._root))

    def session(self, credentials: TenantCredentials, role: str, **request: Any) -> TenantCredentials:
        """The credentials of a session of the role."""
        answer = self.client("sts", credentials).assume_role(RoleArn=role, RoleSessionName="tests", **request)
        return {
            "aws_access_key_id": answer["Credentials"]["AccessKeyId"],
            "aws_secret_access_key": answer["Credentials"]["SecretAccessKey"],
            "aws_session_token": answer["Credentials"]["SessionToken"],
        }

    def assumes(self, credentials: TenantCredentials, role: str, **request: Any) -> bool:
        """Tell whether the role can be assumed so."""
        return allowed(self.session, credentials, role, **request)

    def _credentials_of(self, function_role: str) -> TenantCredentials:
        """Return those of a function's own role: the local AWS gives them to the account's root, as to Lambda."""
        return self.session(self._root, function_role)

    @cached_property
    def places(self) -> dict[str, TablePlace]:
        """All tables and their global indexes, by their ARNs."""
        dynamodb: DynamoDBClient = self.client("dynamodb")
        found = {}
        for short, name in self._tables.items():
            table = dynamodb.describe_table(TableName=name)["Table"]
            found[table["TableArn"]] = _place(short, name, None, table["KeySchema"])
            for index in table.get("GlobalSecondaryIndexes", []):
                index_name = index["IndexName"]
                place = _place(f"{short}/index/{index_name}", name, index_name, index["KeySchema"])
                found[index["IndexArn"]] = place
        return found

    def function_roles(self) -> list[str]:
        """The roles that Lambda assumes."""
        return [role["Arn"] for role in self._roles if _principal(role) == {"Service": "lambda.amazonaws.com"}]

    def tenant_roles(self) -> list[TenantRole]:
        """The roles that functions assume for one tenant."""
        iam = self.client("iam")
        return [
            TenantRole(
                arn=role["Arn"],
                function_role=_principal(role)["AWS"],
                grants=tuple(
                    Grant(role["RoleName"], action.removeprefix("dynamodb:"), self.places[resource])
                    for statement in iam.get_role_policy(RoleName=role["RoleName"], PolicyName="tenant")[
                        "PolicyDocument"
                    ]["Statement"]
                    for action in statement["Action"]
                    for resource in statement["Resource"]
                ),
            )
            for role in self._roles
            if role["RoleName"].endswith("-tenant")
        ]

    @cached_property
    def _roles(self) -> list[Any]:
        pages = self.client("iam").get_paginator("list_roles").paginate()
        return [role for page in pages for role in page["Roles"]]


def _place(name: str, table: str, index: str | None, schema: Any) -> TablePlace:
    names = {key["KeyType"]: key["AttributeName"] for key in schema}
    return TablePlace(name, table, index, names.pop("HASH"), frozenset(names.values()))


def _principal(role: Any) -> dict[str, str]:
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    principal: dict[str, str] = statement["Principal"]
    return principal


def reaches(client: "DynamoDBClient", grant: Grant, *leading: str) -> bool:
    """Tell whether every call that uses the grant is allowed, for rows with these partition keys."""
    answers = {allowed(call, client, grant.place, leading) for call in CALLS[grant.action]}
    assert len(answers) == 1, f"{grant} is allowed in one call and denied in another"
    return answers.pop()


def allowed(call: Callable[..., object], *arguments: object, **request: object) -> bool:
    """Tell whether IAM lets the call pass; it may fail of a condition that does not hold."""
    try:
        call(*arguments, **request)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _DENIED:
            return False
        if code not in _NOT_DONE:
            raise
    return True


type Call = Callable[[DynamoDBClient, TablePlace, Sequence[str]], object]


def _get(client: "DynamoDBClient", place: TablePlace, leading: Sequence[str]) -> object:
    return client.get_item(TableName=place.table, Key=place.key(leading[0]))


def _batch_get(client: "DynamoDBClient", place: TablePlace, leading: Sequence[str]) -> object:
    return client.batch_get_item(RequestItems={place.table: {"Keys": [place.key(one) for one in leading]}})


def _batch_write(client: "DynamoDBClient", place: TablePlace, leading: Sequence[str]) -> object:
    return client.batch_write_item(
        RequestItems={place.table: [{"DeleteRequest": {"Key": place.key(one)}} for one in leading]}
    )


def _query(client: "DynamoDBClient", place: TablePlace, leading: Sequence[str]) -> object:
    return client.query(
        **place.address,
        KeyConditionExpression="#key = :key",
        ExpressionAttributeNames={"#key": place.partition_key},
        ExpressionAttributeValues={":key": {"S": leading[0]}},
    )


def _put(client: "DynamoDBClient", place: TablePlace, leading: Sequence[str]) -> object:
    return client.put_item(TableName=place.table, Item=place.key(leading[0]), ConditionExpression=_NEVER)


def _update(client: "DynamoDBClient", place: TablePlace, leading: Sequence[str]) -> object:
    return client.update_item(
        TableName=place.table,
        Key=place.key(leading[0]),
        UpdateExpression="REMOVE neverWritten",
        ConditionExpression=_NEVER,
    )


def _delete(client: "DynamoDBClient", place: TablePlace, leading: Sequence[str]) -> object:
    return client.delete_item(TableName=place.table, Key=place.key(leading[0]), ConditionExpression=_NEVER)


def _delete_statements(client: "DynamoDBClient", place: TablePlace, leading: Sequence[str]) -> object:
    names = [place.partition_key, *sorted(place.other_keys)]
    where = " AND ".join(f'"{name}" = ?' for name in [*names, "neverWritten"])
    rows: list[list[Any]] = [[{"S": one}, *({"S": "x"} for _ in names)] for one in leading]
    answers = client.batch_execute_statement(
        Statements=[{"Statement": f'DELETE FROM "{place.table}" WHERE {where}', "Parameters": row} for row in rows]
    )["Responses"]
    for answer in answers:
        # Each statement of a batch is allowed or denied by itself, and is answered so.
        code = answer.get("Error", {}).get("Code", "ConditionalCheckFailed")
        if code != "ConditionalCheckFailed":
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "BatchExecuteStatement")
    return answers


def _in_transaction(kind: str, row: str, **more: str) -> Call:
    def call(client: "DynamoDBClient", place: TablePlace, leading: Sequence[str]) -> object:
        items: Any = [
            {kind: {"TableName": place.table, row: place.key(one), "ConditionExpression": _NEVER, **more}}
            for one in leading
        ]
        return client.transact_write_items(TransactItems=items)

    return call


CALLS: Mapping[str, Sequence[Call]] = {
    "BatchGetItem": (_batch_get,),
    "BatchWriteItem": (_batch_write,),
    "ConditionCheckItem": (_in_transaction("ConditionCheck", "Key"),),
    "DeleteItem": (_delete, _in_transaction("Delete", "Key")),
    "GetItem": (_get,),
    "PartiQLDelete": (_delete_statements,),
    "PutItem": (_put, _in_transaction("Put", "Item")),
    "Query": (_query,),
    "UpdateItem": (_update, _in_transaction("Update", "Key", UpdateExpression="REMOVE neverWritten")),
}
"""The calls that an action allows. One that takes a single key gets the first one."""

SEVERAL_KEYS = ("BatchGetItem", "BatchWriteItem", "PartiQLDelete")
