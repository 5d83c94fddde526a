"""Features that functions and Terraform rely on work as on AWS, in the release of MiniStack that is pinned."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.integration.emulator.aws.running import ACCOUNT, LocalAws
from tests.support.aws import SECRET


@pytest.fixture(scope="module")
def table(local_aws: LocalAws) -> str:
    """A table with a local index on an attribute that is never written, and a sparse global one."""
    name = local_aws.name("table")
    keys_only = {"Projection": {"ProjectionType": "KEYS_ONLY"}}
    partition = {"AttributeName": "partition", "KeyType": "HASH"}
    local_aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[partition, {"AttributeName": "id", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("partition", "id", "never", "player")
        ],
        BillingMode="PAY_PER_REQUEST",
        LocalSecondaryIndexes=[
            {"IndexName": "unsplit", "KeySchema": [partition, {"AttributeName": "never", "KeyType": "RANGE"}]}
            | keys_only
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": "player", "KeySchema": [{"AttributeName": "player", "KeyType": "HASH"}]} | keys_only
        ],
    )
    return name


def _key(identifier: str, partition: str = "p") -> dict[str, Any]:
    return {"partition": {"S": partition}, "id": {"S": identifier}}


def test_a_query_finds_a_prefix_counts_and_ignores_an_empty_index(local_aws: LocalAws, table: str) -> None:
    """begins_with, consistent reads, COUNT, the local index, the sparse global index, pages of a parallel scan."""
    dynamodb = local_aws.client("dynamodb")
    for number in range(12):
        player = {"player": {"S": "x"}} if number == 3 else {}
        dynamodb.put_item(TableName=table, Item=_key(f"{number:02d}", "query") | player)
    where = {"TableName": table, "KeyConditionExpression": "#p = :p", "ExpressionAttributeNames": {"#p": "partition"}}
    values = {":p": {"S": "query"}}
    prefix = {":prefix": {"S": "1"}}
    found = dynamodb.query(
        **where | {"KeyConditionExpression": "#p = :p AND begins_with(id, :prefix)"},
        ExpressionAttributeValues=values | prefix,
        ConsistentRead=True,
    )
    assert [item["id"]["S"] for item in found["Items"]] == ["10", "11"]
    counted = dynamodb.query(**where, ExpressionAttributeValues=values, Select="COUNT")
    assert (counted["Count"], counted.get("Items")) == (12, None)
    assert dynamodb.query(**where, ExpressionAttributeValues=values, IndexName="unsplit")["Count"] == 0
    names = where | {"ExpressionAttributeNames": {"#p": "player"}, "IndexName": "player"}
    sparse = dynamodb.query(**names, ExpressionAttributeValues={":p": {"S": "x"}})
    assert sparse["Items"] == [_key("03", "query") | {"player": {"S": "x"}}]
    segments = [dynamodb.scan(TableName=table, Segment=segment, TotalSegments=3)["Items"] for segment in range(3)]
    everything = dynamodb.scan(TableName=table)["Items"]
    assert sum(map(len, segments)) == len(everything)


def test_a_set_grows_shrinks_and_is_bounded_by_a_condition(local_aws: LocalAws, table: str) -> None:
    """ADD, DELETE down to nothing, and size(), which is false for an attribute that is not there."""
    dynamodb = local_aws.client("dynamodb")

    def update(expression: str, *members: str, condition: str | None = None) -> list[str]:
        values: dict[str, Any] = {":ids": {"SS": list(members)}}
        conditions = {}
        if condition:
            values[":max"] = {"N": "2"}
            conditions = {"ConditionExpression": condition}
        updated = dynamodb.update_item(
            TableName=table,
            Key=_key("set"),
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            **conditions,
        )
        return sorted(updated["Attributes"].get("ids", {"SS": []})["SS"])

    room = "attribute_not_exists(ids) OR size(ids) < :max"
    assert update("ADD ids :ids", "a", condition=room) == ["a"]
    assert update("ADD ids :ids", "b", condition=room) == ["a", "b"]
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        update("ADD ids :ids", "c", condition=room)
    assert update("DELETE ids :ids", "a") == ["b"]
    assert update("DELETE ids :ids", "b") == []
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        update("ADD ids :ids", "c", condition="size(ids) < :max")


@pytest.mark.emulator_contract
def test_a_transaction_writes_all_or_nothing_and_returns_the_conflicting_items(local_aws: LocalAws, table: str) -> None:
    """ReturnValuesOnConditionCheckFailure puts the item into the cancellation reasons."""
    dynamodb = local_aws.client("dynamodb")
    existing = _key("existing") | {"count": {"N": "1"}}
    dynamodb.put_item(TableName=table, Item=existing)
    update = {
        "TableName": table,
        "Key": _key("existing"),
        "UpdateExpression": "SET #c = :five",
        "ConditionExpression": "#c > :five",
        "ExpressionAttributeNames": {"#c": "count"},
        "ExpressionAttributeValues": {":five": {"N": "5"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    put = {"TableName": table, "Item": _key("new"), "ConditionExpression": "attribute_not_exists(id)"}
    with pytest.raises(ClientError) as cancelled:
        dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"Update": update}])
    response: Any = cancelled.value.response
    assert response["Error"]["Code"] == "TransactionCanceledException"
    succeeded, failed = response["CancellationReasons"]
    assert succeeded["Code"] == "None"
    assert (failed["Code"], failed["Item"]) == ("ConditionalCheckFailed", existing)
    assert "Item" not in dynamodb.get_item(TableName=table, Key=_key("new"), ConsistentRead=True)
    with pytest.raises(ClientError) as refused:
        dynamodb.update_item(**update)
    response = refused.value.response
    assert (response["Error"]["Code"], response["Item"]) == ("ConditionalCheckFailedException", existing)


def test_a_published_message_reaches_the_function_behind_a_queue_unchanged(local_aws: LocalAws) -> None:
    """SNS delivers raw to SQS, and the mapping invokes the alias."""
    function, notebook = local_aws.deploy("""
def handler(event, context):
    note([context.invoked_function_arn, event["Records"][0]["body"]])
""")
    sns = local_aws.client("sns")
    topic = sns.create_topic(Name=local_aws.name("topic"))["TopicArn"]
    may_send = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    condition = {"ArnEquals": {"aws:SourceArn": topic}}
    statement = may_send | {"Resource": "*", "Condition": condition}
    _, arn = local_aws.queue(Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    local_aws.connect(arn, function)
    sns.publish(TopicArn=topic, Message='{"v": 1}')
    ((invoked, body),) = notebook.await_entries(1)
    assert invoked == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}:live"
    assert body == '{"v": 1}'


def test_an_http_api_is_reached_by_path_and_passes_payload_2_0(local_aws: LocalAws) -> None:
    """`<endpoint>/_aws/execute-api/<api id><path>` for the stage $default."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    return {"statusCode": 202, "headers": {"x-test": "yes"}, "body": json.dumps(event)}
""")
    lambda_arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}:live"
    gateway = local_aws.client("apigatewayv2")
    api = gateway.create_api(Name=local_aws.name("api"), ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{lambda_arn}/invocations",
        PayloadFormatVersion="2.0",
    )["IntegrationId"]
    gateway.create_route(ApiId=api, RouteKey="POST /broadcast/{id}", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)

    url = f"{local_aws.endpoint}/_aws/execute-api/{api}/broadcast/b-1?tenantId=a%26b"
    request = urllib.request.Request(url, b'{"message":1}', {"Content-Type": "application/json"}, method="POST")  # noqa: S310
    with urllib.request.urlopen(request) as response:  # noqa: S310 (http on the loopback interface)
        assert (response.status, response.headers["x-test"]) == (202, "yes")
        event = json.loads(response.read())
    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /broadcast/{id}"
    assert event["rawPath"] == "/broadcast/b-1"
    assert event["pathParameters"] == {"id": "b-1"}
    assert event["queryStringParameters"] == {"tenantId": "a&b"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"message":1}', False)
    assert event["requestContext"]["http"]["method"] == "POST"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{local_aws.endpoint}/_aws/execute-api/{api}/nothing")  # noqa: S310


def test_the_settings_of_a_route_are_deleted_without_their_stage(local_aws: LocalAws) -> None:
    """Terraform does so before it changes them: `up --cells 2` after `up --cells 3` found no stage any more."""
    gateway = local_aws.client("apigatewayv2")
    api = gateway.create_api(Name=local_aws.name("api"), ProtocolType="HTTP")["ApiId"]
    stage = {"ApiId": api, "StageName": "$default"}
    routes = {key: {"ThrottlingRateLimit": 5.0} for key in ("PUT /session", "GET /broadcast/{id}")}
    gateway.create_stage(**stage, AutoDeploy=True, RouteSettings=routes)
    gateway.delete_route_settings(**stage, RouteKey="PUT /session")
    assert gateway.get_stage(**stage)["RouteSettings"].keys() == {"GET /broadcast/{id}"}
    with pytest.raises(gateway.exceptions.NotFoundException):
        gateway.delete_route_settings(ApiId=api, StageName="other", RouteKey="PUT /session")


@pytest.mark.emulator_contract
def test_an_alarm_is_described_in_xml_as_it_was_set(local_aws: LocalAws) -> None:
    """Terraform speaks XML: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html."""
    name = local_aws.name("alarm")
    text = {
        "AlarmDescription": "Messages <wait> & nobody reads them.",
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Statistic": "Maximum",
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    local_aws.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Period=60,
        EvaluationPeriods=1,
        Threshold=150,
        Dimensions=[{"Name": "QueueName", "Value": "shard-0"}],
        AlarmActions=["arn:aws:sns:us-east-1:111111111111:alarms"],
        **text,
    )
    query = {"Action": "DescribeAlarms", "Version": "2010-08-01", "AlarmNames.member.1": name}
    body = urllib.parse.urlencode(query).encode()
    request = AWSRequest("POST", local_aws.endpoint, data=body)
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    SigV4Auth(Credentials(ACCOUNT, SECRET), "monitoring", "us-east-1").add_auth(request)
    signed = urllib.request.Request(local_aws.endpoint, body, dict(request.headers.items()))  # noqa: S310
    with urllib.request.urlopen(signed) as response:  # noqa: S310 (http on the loopback interface)
        answer = ET.fromstring(response.read())  # noqa: S314 (the local AWS's own)
    space = {"": answer.tag.partition("}")[0].removeprefix("{")}
    (alarm,) = answer.iterfind("DescribeAlarmsResult/MetricAlarms/member", space)
    assert {each: alarm.findtext(each, None, space) for each in text} == text
    assert [alarm.findtext(each, None, space) for each in ("ActionsEnabled", "Period", "Threshold")] == [
        "true",
        "60",
        "150.0",
    ]
    assert alarm.findtext("Dimensions/member/Value", None, space) == "shard-0"
    assert alarm.findtext("AlarmActions/member", None, space) == "arn:aws:sns:us-east-1:111111111111:alarms"
