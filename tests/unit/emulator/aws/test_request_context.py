"""Context of conditions on roles or mappings: keys of AWS's service authorization reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

import json
from collections.abc import Iterator

import pytest
from ministack.core.iam_evaluator import EvalContext
from ministack.services import iam, lambda_svc

from tools.emulator.aws.gaps.request_context import context, context_of_s3, resource_arn, value_of

BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
MAPPING = "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:a1b2"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:swarm:live"


@pytest.fixture(autouse=True)
def _a_bounded_role_and_a_mapping() -> Iterator[None]:
    iam._roles["deployer"] = {"Path": "/ci/", "PermissionsBoundary": BOUNDARY}
    lambda_svc._esms["a1b2"] = {"FunctionArn": FUNCTION}
    yield
    del iam._roles["deployer"], lambda_svc._esms["a1b2"]


def test_a_role_is_identified_by_its_path() -> None:
    """role/* of one path is not role/* of another."""
    params = {"RoleName": "deployer"}
    assert resource_arn("iam", "POST", "/", {}, b"", params, "us-east-1", "").endswith(":role/ci/deployer")


def test_a_role_to_be_created_has_the_requested_path() -> None:
    """There is nobody else to say it."""
    params = {"RoleName": "new", "Path": "/ci/"}
    assert resource_arn("iam", "POST", "/", {}, b"", params, "us-east-1", "").endswith(":role/ci/new")


@pytest.mark.parametrize(
    ("service", "body", "arn"),
    [
        ("events", {"Name": "reconcile"}, "arn:aws:events:us-east-1:1:rule/reconcile"),
        ("events", {"Rule": "reconcile", "EventBusName": "default"}, "arn:aws:events:us-east-1:1:rule/reconcile"),
        ("events", {"ResourceARN": "arn:rule"}, "arn:rule"),
        ("dynamodb", {"ResourceArn": "arn:table"}, "arn:table"),
        ("dynamodb", {"TableName": "t"}, "arn:aws:dynamodb:us-east-1:1:table/t"),
        ("logs", {"resourceArn": "arn:group"}, "arn:group"),
        ("lambda", {"FunctionName": "swarm"}, "arn:aws:lambda:us-east-1:1:function:swarm"),
        ("dynamodb", {}, "*"),
        ("lambda", {}, "*"),
        ("events", {}, "*"),
    ],
)
def test_the_resource_of_a_request_is_identified_by_its_arn(service: str, body: dict[str, object], arn: str) -> None:
    """A policy for one is no policy for all."""
    path = "/2015-03-31/functions"
    assert resource_arn(service, "POST", path, {}, json.dumps(body).encode(), {}, "us-east-1", "1") == arn


@pytest.mark.parametrize(
    ("service", "form", "arn"),
    [
        ("sns", {"SubscriptionArn": ["arn:topic:1"]}, "arn:topic"),
        ("monitoring", {"ResourceARN": ["arn:alarm"]}, "arn:alarm"),
        ("monitoring", {"AlarmNames.member.1": ["waiting"]}, "arn:aws:cloudwatch:us-east-1:1:alarm:waiting"),
    ],
)
def test_the_resource_of_a_form_request_is_found(service: str, form: dict[str, list[str]], arn: str) -> None:
    """SNS and CloudWatch are not asked in JSON."""
    assert resource_arn(service, "POST", "/", {}, b"", form, "us-east-1", "1") == arn


def test_provisioned_concurrency_is_one_of_its_alias() -> None:
    """A policy that names the function without its aliases does not allow it."""
    path, query = "/2019-09-30/functions/swarm/provisioned-concurrency", {"Qualifier": ["live"]}
    arn = "arn:aws:lambda:us-east-1:1:function:swarm:live"
    assert resource_arn("lambda", "GET", path, {}, b"", query, "us-east-1", "1") == arn


@pytest.mark.parametrize("action", ["iam:CreateRole", "iam:PutRolePermissionsBoundary"])
def test_the_boundary_in_a_request_is_its_context_key(action: str) -> None:
    """The former boundary of the role does not count."""
    params = {"RoleName": "deployer", "PermissionsBoundary": "another"}
    assert context("iam", action, b"", params)["iam:permissionsboundary"] == "another"


@pytest.mark.parametrize("action", ["iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary"])
def test_the_boundary_of_the_role_is_the_context_key_when_permissions_are_granted(action: str) -> None:
    """A boundary in the request is nothing then."""
    params = {"RoleName": "deployer", "PermissionsBoundary": "another"}
    assert context("iam", action, b"", params)["iam:permissionsboundary"] == BOUNDARY


def test_a_role_without_a_boundary_has_no_boundary_key() -> None:
    """So a condition that asks for one does not hold."""
    assert "iam:permissionsboundary" not in context("iam", "iam:CreateRole", b"", {"RoleName": "new"})


def test_the_arn_of_an_attached_policy_is_a_context_key() -> None:
    """The condition compares its ARN."""
    params = {"RoleName": "deployer", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    assert context("iam", "iam:AttachRolePolicy", b"", params)["iam:policyarn"] == params["PolicyArn"]


def test_a_new_mapping_belongs_to_the_function_in_the_request() -> None:
    """It has no ARN yet."""
    body = json.dumps({"FunctionName": FUNCTION}).encode()
    assert context("lambda", "lambda:CreateEventSourceMapping", body, {})["lambda:functionarn"] == FUNCTION


@pytest.mark.parametrize("header", ["if-match", "if-none-match"])
def test_a_conditional_write_is_recognised(header: str) -> None:
    """Its header shows it; a read may have the same header, and policies ask for it of writes."""
    assert context_of_s3("s3:PutObject", {}, "/bucket/key", {header: "*"}) == {f"s3:{header}": "*"}
    assert context_of_s3("s3:PutObject", {}, "/bucket/key", {}) == {}
    assert context_of_s3("s3:GetObject", {}, "/bucket/key", {header: "*"}) == {}


def about(resource: str) -> EvalContext:
    """A request about this resource."""
    return EvalContext(
        principal_arn="arn:aws:sts::123456789012:assumed-role/deployer/run",
        principal_type="AssumedRole",
        principal_account="123456789012",
        action="lambda:DeleteEventSourceMapping",
        resource_arn=resource,
        region="us-east-1",
    )


def test_an_existing_mapping_belongs_to_its_function() -> None:
    """An unknown mapping belongs to none."""
    assert value_of("lambda:FunctionArn", about(MAPPING)) == FUNCTION
    assert value_of("lambda:FunctionArn", about(MAPPING + "0")) is None


def test_the_loopback_interface_counts_as_tls() -> None:
    """All other keys have the value that they had."""
    assert value_of("aws:SecureTransport", about(MAPPING)) == "true"
    assert value_of("aws:RequestedRegion", about(MAPPING)) == "us-east-1"
