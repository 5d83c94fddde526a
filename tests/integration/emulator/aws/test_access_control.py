"""IAM, as the local AWS enforces it: the policies that allow a request, and its caller."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.emulator.aws.running import ACCOUNT, LocalAws, launched, package
from tests.support.aws import SECRET
from tests.support.decisions import disagreements
from tools.emulator.aws.options import DECISIONS

type ClientAs = Callable[..., Any]
type Keys = dict[str, str]

ANYONE_HERE = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A launcher of these tests' own: in the end, a second engine of IAM has decided as it did."""
    folder = tmp_path_factory.mktemp("local-aws")
    decisions = folder / "decisions.jsonl"
    with launched(folder, environment={**os.environ, DECISIONS: str(decisions)}) as running:
        yield running
    assert disagreements(decisions) == []


def role(local_aws: LocalAws, *statements: dict[str, Any]) -> str:
    """The ARN of a role that every principal of the account may assume, with any tags."""
    name, iam = local_aws.name("role"), local_aws.client("iam")
    trust = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": ANYONE_HERE}
    made = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    iam.put_role_policy(
        RoleName=name,
        PolicyName="all",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
        ),
    )
    return str(made["Role"]["Arn"])


def assume(sts: Any, arn: str, transitive: tuple[str, ...] = (), **tags: str) -> Keys:
    """The keys of a session of the role with these tags."""
    keys = sts.assume_role(
        RoleArn=arn,
        RoleSessionName="tests",
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        TransitiveTagKeys=list(transitive),
    )["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }


@pytest.fixture
def client_as(local_aws: LocalAws) -> ClientAs:
    """Make clients of the service that sign with the keys."""

    def make(service: str, keys: Keys) -> Any:
        session: Any = boto3.session.Session(region_name="us-east-1")
        return session.client(service, endpoint_url=local_aws.endpoint, **keys)

    return make


def denied(call: Callable[..., object], **request: Any) -> bool:
    """Tell whether IAM refuses the call."""
    try:
        call(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"AccessDenied", "AccessDeniedException", "AuthorizationError"}:
            raise
        return True
    return False


@pytest.mark.emulator_contract
def test_a_transitive_tag_is_the_principals_through_a_chain_of_roles(local_aws: LocalAws, client_as: ClientAs) -> None:
    """The example of Star and Heart: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html."""
    table, _ = local_aws.table()
    second = role(
        local_aws,
        {
            "Action": "dynamodb:GetItem",
            "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}",
            "Condition": {
                "ForAllValues:StringLike": {
                    "dynamodb:LeadingKeys": ["${aws:PrincipalTag/Star}#*", "${aws:PrincipalTag/Sun, 'none'}#*"]
                }
            },
        },
    )
    first = role(local_aws, {"Action": "sts:AssumeRole", "Resource": second})
    session = assume(local_aws.client("sts"), first, ("Star",), Star="1", Sun="2")
    chained = client_as("dynamodb", assume(client_as("sts", session), second))
    reached = {
        key
        for key in ("1#x", "2#x", "none#x", "3#x")
        if not denied(chained.get_item, TableName=table, Key={"partition": {"S": key}, "id": {"S": "x"}})
    }
    assert reached == {"1#x", "none#x"}
    with pytest.raises(ClientError, match="conflicts with a transitive tag"):
        assume(client_as("sts", session), second, Star="3")


@pytest.mark.emulator_contract
def test_a_session_without_the_tag_has_no_access(local_aws: LocalAws, client_as: ClientAs) -> None:
    """The variable has no value, and the statement does not apply."""
    table, _ = local_aws.table()
    tagged = role(
        local_aws,
        {
            "Action": "dynamodb:*",
            "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}",
            "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "${aws:PrincipalTag/tenantId}*"},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        },
    )
    key = {"partition": {"S": "a"}, "id": {"S": "x"}}
    without = client_as("dynamodb", assume(local_aws.client("sts"), tagged))
    assert denied(without.get_item, TableName=table, Key=key)
    of_a = client_as("dynamodb", assume(local_aws.client("sts"), tagged, tenantId="a"))
    assert not denied(of_a.get_item, TableName=table, Key=key)
    assert denied(of_a.scan, TableName=table)
    assert denied(of_a.execute_statement, Statement=f'SELECT * FROM "{table}"')


@pytest.mark.emulator_contract
def test_permission_to_update_by_partiql_covers_batches_and_no_more(local_aws: LocalAws, client_as: ClientAs) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html."""
    table, _ = local_aws.table()
    updates = role(
        local_aws,
        {
            "Action": "dynamodb:PartiQLUpdate",
            "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}",
        },
    )
    dynamodb = client_as("dynamodb", assume(local_aws.client("sts"), updates))
    update = {"Statement": f"UPDATE \"{table}\" SET n = 1 WHERE \"partition\" = 'a' AND id = 'x'"}
    delete = {"Statement": f"DELETE FROM \"{table}\" WHERE \"partition\" = 'a' AND id = 'x'"}
    assert not denied(dynamodb.batch_execute_statement, Statements=[update, update])
    assert denied(dynamodb.batch_execute_statement, Statements=[update, delete])
    assert denied(dynamodb.execute_statement, **delete)
    assert denied(dynamodb.execute_statement, Statement=update["Statement"].replace(table, "another"))


@pytest.mark.emulator_contract
def test_a_partiql_statement_reaches_only_rows_of_its_key(local_aws: LocalAws, client_as: ClientAs) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html: its LeadingKeys."""
    table, _ = local_aws.table()
    deletes = role(
        local_aws,
        {
            "Action": "dynamodb:PartiQLDelete",
            "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}",
            "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "a#*"},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        },
    )
    dynamodb = client_as("dynamodb", assume(local_aws.client("sts"), deletes))
    text = f'DELETE FROM "{table}" WHERE "partition" = ? AND id = ?'
    own, neighbour, other = (
        {"Statement": text, "Parameters": [{"S": key}, {"S": "x"}]} for key in ("a#1", "a#2", "b#1")
    )
    either = {"Statement": f'DELETE FROM "{table}" WHERE "partition" = \'a#1\' OR "partition" = \'b#1\''}
    assert not denied(dynamodb.batch_execute_statement, Statements=[own, neighbour])
    assert denied(dynamodb.batch_execute_statement, Statements=[own, other])
    assert denied(dynamodb.batch_execute_statement, Statements=[own, either])
    assert denied(dynamodb.execute_statement, **other)


def test_permission_to_send_a_message_covers_batches(local_aws: LocalAws, client_as: ClientAs) -> None:
    """Batches have no actions of their own."""
    url, arn = local_aws.queue()
    sends = role(local_aws, {"Action": "sqs:SendMessage", "Resource": arn})
    sqs = client_as("sqs", assume(local_aws.client("sts"), sends))
    entries = [{"Id": "1", "MessageBody": "one"}, {"Id": "2", "MessageBody": "two"}]
    assert not denied(sqs.send_message_batch, QueueUrl=url, Entries=entries)
    assert denied(sqs.receive_message, QueueUrl=url)


@pytest.mark.emulator_contract
def test_a_changed_policy_applies_to_the_next_request(local_aws: LocalAws, client_as: ClientAs) -> None:
    """A parsed policy is remembered for that text alone."""
    table, _ = local_aws.table()
    allow = {"Action": "dynamodb:GetItem", "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}"}
    arn = role(local_aws, allow)
    client = client_as("dynamodb", assume(local_aws.client("sts"), arn))
    iam, name = local_aws.client("iam"), arn.rpartition("/")[2]

    def is_denied() -> bool:
        return denied(client.get_item, TableName=table, Key={"partition": {"S": "p"}, "id": {"S": "x"}})

    found = [is_denied()]
    for effect in ("Deny", "Allow"):
        document = {"Version": "2012-10-17", "Statement": [{"Effect": effect, **allow}]}
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(document))
        found.append(is_denied())
    iam.delete_role_policy(RoleName=name, PolicyName="all")
    assert [*found, is_denied()] == [False, True, False, True]


def document(*statements: dict[str, Any]) -> str:
    """A policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


_BUT_PASS = {"NotAction": "iam:PassRole", "Resource": "*"}


def _pass(role: str, service: str) -> dict[str, Any]:
    """A statement that lets its principal pass the role to the service."""
    condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
    return {"Action": "iam:PassRole", "Resource": role, "Condition": condition}


def _passing(name: str, lambda_: Any, gateway: Any, gateway_v2: Any) -> list[tuple[str, Callable[[str], object]]]:
    """Each way in which a stack passes a role on, with the service that gets it."""
    code = {"Handler": "code.handler", "Runtime": "python3.13", "Code": {"ZipFile": package("")}}
    api = gateway_v2.create_api(Name=name, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
    sqs = {"IntegrationType": "AWS", "IntegrationUri": "arn:aws:apigateway:us-east-1:sqs:path/1/q"}
    integration = {"ApiId": api["ApiId"], "IntegrationMethod": "POST", **sqs}
    logs = {"op": "replace", "path": "/cloudwatchRoleArn"}
    return [
        ("lambda", lambda role: lambda_.create_function(FunctionName=name, Role=role, **code)),
        ("lambda", lambda role: lambda_.update_function_configuration(FunctionName=name, Role=role)),
        ("apigateway", lambda role: gateway_v2.create_integration(CredentialsArn=role, **integration)),
        ("apigateway", lambda role: gateway.update_account(patchOperations=[logs | {"value": role}])),
    ]


@pytest.mark.emulator_contract
def test_handing_a_role_to_a_service_requires_pass_role(local_aws: LocalAws, client_as: ClientAs) -> None:
    """The role, and the service that gets it, must be those of the statement; the error says so in AWS's words."""
    sts, name = local_aws.client("sts"), local_aws.name("passing")
    passed, other = role(local_aws, _BUT_PASS), role(local_aws, _BUT_PASS)
    services = ("lambda", "apigateway", "apigatewayv2")

    def tried(*statements: dict[str, Any]) -> list[tuple[str, Callable[[str], object]]]:
        keys = assume(sts, role(local_aws, _BUT_PASS, *statements))
        return _passing(name, *(client_as(service, keys) for service in services))

    for service, call in tried(_pass(passed, "ec2"), _pass(other, "lambda"), _pass(other, "apigateway")):
        with pytest.raises(ClientError) as refused:
            call(passed)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, service
        error = refused.value.response["Error"]
        assert error["Code"] == "AccessDeniedException"
        assert error["Message"].endswith(
            f"is not authorized to perform: iam:PassRole on resource: {passed}"
            " because no identity-based policy allows the iam:PassRole action"
        )
    for _, call in tried(_pass(passed, "lambda"), _pass(passed, "apigateway")):
        call(passed)
    keys = assume(sts, role(local_aws, _BUT_PASS))
    lambda_ = client_as("lambda", keys)
    lambda_.update_function_configuration(FunctionName=name, Timeout=4)
    _, queue = local_aws.queue()
    lambda_.create_event_source_mapping(EventSourceArn=queue, FunctionName=name)


@pytest.mark.emulator_contract
def test_creating_a_stage_with_tags_requires_tag_resource(local_aws: LocalAws, client_as: ClientAs) -> None:
    """API Gateway asks for the right on the collection of stages, and says so."""
    sts = local_aws.client("sts")
    api = local_aws.client("apigatewayv2").create_api(Name=local_aws.name("tagging"), ProtocolType="HTTP")["ApiId"]
    stages = f"arn:aws:apigateway:us-east-1::/apis/{api}/stages"
    creating = {"Action": "apigateway:POST", "Resource": stages}
    creator = client_as("apigatewayv2", assume(sts, role(local_aws, creating)))
    tagger = client_as(
        "apigatewayv2", assume(sts, role(local_aws, creating, {"Action": "apigateway:TagResource", "Resource": stages}))
    )
    creator.create_stage(ApiId=api, StageName="plain")
    with pytest.raises(ClientError, match=f"apigateway:TagResource on resource: {stages}"):
        creator.create_stage(ApiId=api, StageName="tagged", Tags={"Project": "loudhailer"})
    tagger.create_stage(ApiId=api, StageName="tagged", Tags={"Project": "loudhailer"})


@pytest.mark.emulator_contract
def test_a_bucket_policy_can_ask_for_conditional_writes(local_aws: LocalAws, client_as: ClientAs) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html."""
    bucket, owner = local_aws.name("bucket").lower().replace("_", "-"), local_aws.client("s3")
    owner.create_bucket(Bucket=bucket)
    once = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/once/*",
        "Condition": {"Null": {"s3:if-none-match": "true"}},
    }
    owner.put_bucket_policy(Bucket=bucket, Policy=document(once))
    keys = assume(local_aws.client("sts"), role(local_aws, {"Action": "*", "Resource": "*"}))
    s3 = client_as("s3", keys)
    s3.put_object(Bucket=bucket, Key="source", Body=b"1")
    assert denied(s3.put_object, Bucket=bucket, Key="once/a", Body=b"1")
    assert denied(s3.put_object, Bucket=bucket, Key="once/a", Body=b"1", IfMatch="*")
    assert denied(s3.create_multipart_upload, Bucket=bucket, Key="once/a")
    assert denied(s3.copy_object, Bucket=bucket, Key="once/a", CopySource={"Bucket": bucket, "Key": "source"})
    assert not denied(s3.put_object, Bucket=bucket, Key="once/a", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="once/a", Body=b"2", IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key="once/a")["Body"].read() == b"1"


@pytest.mark.emulator_contract
def test_a_topic_policy_can_name_the_roles_that_publish(local_aws: LocalAws, client_as: ClientAs) -> None:
    """The condition is `aws:PrincipalArn`, the role's ARN with its path: the account's rights do not suffice then."""
    sns, sts = local_aws.client("sns"), local_aws.client("sts")
    topic = sns.create_topic(Name=local_aws.name("topic"))["TopicArn"]
    rights = {"Action": "sns:Publish", "Resource": topic}
    publisher, other = role(local_aws, rights), role(local_aws, rights)
    for name, arn in (("named", publisher), ("other", other)):
        assert not denied(client_as("sns", assume(sts, arn)).publish, TopicArn=topic, Message=name)
    nobody_else = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": [publisher]}},
    }
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document(nobody_else))
    assert not denied(client_as("sns", assume(sts, publisher)).publish, TopicArn=topic, Message="named")
    assert denied(client_as("sns", assume(sts, other)).publish, TopicArn=topic, Message="other")


_SHOW_KEYS = """
def handler(event, context):
    import boto3
    account = boto3.client("sts").get_caller_identity()["Account"]
    return [os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], account]
"""


def test_the_keys_of_a_functions_role_cannot_be_guessed(local_aws: LocalAws, client_as: ClientAs) -> None:
    """MiniStack derives them from names alone; they follow from this local AWS's secret now, and are right."""
    function, _ = local_aws.deploy(_SHOW_KEYS)
    answer = local_aws.client("lambda").invoke(FunctionName=function, Qualifier="live")
    access_key, secret, account = json.loads(answer["Payload"].read())
    assert account == ACCOUNT
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}"
    for name in (arn, f"{arn}:1", f"{arn}:live"):
        digest = hashlib.sha256(f"{name}:arn:aws:iam::{ACCOUNT}:role/{function}".encode()).hexdigest()
        assert access_key != f"ASIA{digest[:16].upper()}"
        assert secret != hashlib.sha256(f"secret:{digest}".encode()).hexdigest()
    forged = {"aws_access_key_id": access_key, "aws_secret_access_key": "guessed", "aws_session_token": "guessed"}
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client_as("sts", forged).get_caller_identity()


@pytest.mark.emulator_contract
@pytest.mark.parametrize("access_key", [ACCOUNT, "222222222222", "test", "AKIAIOSFODNN7EXAMPLE"])
@pytest.mark.parametrize(
    ("service", "call"),
    [("sts", "get_caller_identity"), ("s3", "list_buckets"), ("sqs", "list_queues"), ("lambda", "list_functions")],
)
def test_root_access_requires_the_secret(client_as: ClientAs, service: str, call: str, access_key: str) -> None:
    """Before, any key gave root's rights."""
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": "local"}
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|UnrecognizedClientException"):
        getattr(client_as(service, keys), call)()


@pytest.mark.emulator_contract
def test_a_presigned_url_works_and_a_changed_one_does_not(local_aws: LocalAws) -> None:
    """As on AWS: its bearer may read the object, and nothing else."""
    s3, bucket = local_aws.client("s3"), local_aws.name("bucket")
    s3.create_bucket(Bucket=bucket)
    for key in ("open", "closed"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    signer = boto3.client(
        "s3",
        endpoint_url=local_aws.endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key=SECRET,
        config=Config(signature_version="s3v4"),
    )
    url = urlsplit(signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "open"}))
    assert got(url.netloc, f"{url.path}?{url.query}") == (200, b"open")
    assert got(url.netloc, f"{url.path.replace('open', 'closed')}?{url.query}")[0] == 403


def got(host: str, target: str) -> tuple[int, bytes]:
    """The status and the body of an answer to a request that nobody signs any more."""
    connection = HTTPConnection(host, timeout=10)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
