"""The role that applies Terraform has every permission that AWS demands for the stacks' resources.

AWS publishes, for each resource type of CloudFormation, the permissions for creating, reading, changing, deleting and
tagging it, as `handlers` and `tagging` of its schema. The wheel of cfn-lint carries these schemas.
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
Terraform calls the same APIs.
"""

import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

STACKS = ROOT / "terraform" / "stacks"
APPLIED_BY_CI = ("hub", "subscriber")

CLOUDFORMATION = {
    "aws_api_gateway_account": "AWS::ApiGateway::Account",
    "aws_apigatewayv2_api": "AWS::ApiGatewayV2::Api",
    "aws_apigatewayv2_authorizer": "AWS::ApiGatewayV2::Authorizer",
    "aws_apigatewayv2_deployment": "AWS::ApiGatewayV2::Deployment",
    "aws_apigatewayv2_integration": "AWS::ApiGatewayV2::Integration",
    "aws_apigatewayv2_integration_response": "AWS::ApiGatewayV2::IntegrationResponse",
    "aws_apigatewayv2_route": "AWS::ApiGatewayV2::Route",
    "aws_apigatewayv2_route_response": "AWS::ApiGatewayV2::RouteResponse",
    "aws_apigatewayv2_stage": "AWS::ApiGatewayV2::Stage",
    "aws_cloudwatch_event_rule": "AWS::Events::Rule",
    "aws_cloudwatch_event_target": "AWS::Events::Rule",
    "aws_cloudwatch_log_group": "AWS::Logs::LogGroup",
    "aws_cloudwatch_metric_alarm": "AWS::CloudWatch::Alarm",
    "aws_dynamodb_table": "AWS::DynamoDB::Table",
    "aws_iam_role": "AWS::IAM::Role",
    "aws_iam_role_policy": "AWS::IAM::RolePolicy",
    "aws_iam_role_policy_attachment": "AWS::IAM::Role",
    "aws_lambda_alias": "AWS::Lambda::Alias",
    "aws_lambda_event_source_mapping": "AWS::Lambda::EventSourceMapping",
    "aws_lambda_function": "AWS::Lambda::Function",
    "aws_lambda_function_event_invoke_config": "AWS::Lambda::EventInvokeConfig",
    "aws_lambda_function_recursion_config": "AWS::Lambda::Function",
    "aws_lambda_permission": "AWS::Lambda::Permission",
    "aws_lambda_provisioned_concurrency_config": "AWS::Lambda::Alias",
    "aws_sns_topic": "AWS::SNS::Topic",
    "aws_sns_topic_policy": "AWS::SNS::TopicPolicy",
    "aws_sns_topic_subscription": "AWS::SNS::Subscription",
    "aws_sqs_queue": "AWS::SQS::Queue",
    "aws_sqs_queue_policy": "AWS::SQS::QueuePolicy",
    "aws_sqs_queue_redrive_policy": "AWS::SQS::Queue",
    "aws_ssm_parameter": "AWS::SSM::Parameter",
}
"""The resource type of CloudFormation that a resource of Terraform is, or is a part of."""

LOCAL = {"aws_s3_bucket", "aws_s3_object"}
"""Resources that hold the zip of the local environment; no other environment may have one."""

NOT_NEEDED = {
    "The stacks encrypt with AWS's own keys.": {
        *("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ListAliases"),
        *("kms:RevokeGrant", "logs:AssociateKmsKey", "logs:DisassociateKmsKey"),
    },
    "The functions are in no VPC and have no file system.": {
        *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
        *("elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets"),
    },
    "The functions' code is an image, unsigned, without layers, and runs on demand in the runtime of the image.": {
        *("lambda:AssociateRuntimeAlias", "lambda:DeleteFunctionCodeSigningConfig", "lambda:GetCodeSigningConfig"),
        *("lambda:GetFunctionScalingConfig", "lambda:GetLayerVersion", "lambda:GetRuntimeManagementConfig"),
        *("lambda:PassCapacityProvider", "lambda:PutFunctionCodeSigningConfig", "lambda:PutFunctionScalingConfig"),
        *("lambda:PutRuntimeManagementConfig", "s3:GetObjectVersion"),
    },
    "The release shifts the aliases itself, without CodeDeploy.": {
        *("codedeploy:CreateDeployment", "codedeploy:GetDeployment", "codedeploy:GetDeploymentConfig"),
        *("codedeploy:GetDeploymentGroup", "codedeploy:StopDeployment"),
    },
    "The tables start empty: no import from S3.": {
        *("dynamodb:DescribeImport", "dynamodb:ImportTable", "logs:CreateLogStream", "logs:DescribeLogStreams"),
        *("logs:PutLogEvents", "s3:GetObjectMetadata"),
    },
    "The tables have no replicas, and no service-linked role for them.": {
        *("dynamodb:AssociateTableReplica", "dynamodb:BatchWriteItem", "dynamodb:CreateTableReplica"),
        *("dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"),
        "iam:CreateServiceLinkedRole",
    },
    "The tables have no streams to Kinesis, no contributor insights and no resource policies.": {
        *("dynamodb:DeleteResourcePolicy", "dynamodb:DescribeContributorInsights", "dynamodb:GetResourcePolicy"),
        *("dynamodb:DescribeKinesisStreamingDestination", "dynamodb:DisableKinesisStreamingDestination"),
        *("dynamodb:EnableKinesisStreamingDestination", "dynamodb:PutResourcePolicy"),
        *("dynamodb:UpdateContributorInsights", "dynamodb:UpdateKinesisStreamingDestination"),
        *("kinesis:DescribeStream", "kinesis:PutRecords"),
    },
    "The log groups and topics have no policies for data protection or indexes, no tokens, no delivery elsewhere.": {
        *("firehose:TagDeliveryStream", "logs:DeleteDataProtectionPolicy", "logs:DeleteIndexPolicy"),
        *("logs:DeleteResourcePolicy", "logs:DescribeIndexPolicies", "logs:GetDataProtectionPolicy"),
        *("logs:PutBearerTokenAuthentication", "logs:PutDataProtectionPolicy", "logs:PutIndexPolicy"),
        *("logs:PutLogGroupDeletionProtection", "s3:REST.PUT.OBJECT"),
        *("sns:GetDataProtectionPolicy", "sns:ListSubscriptionsByTopic", "sns:PutDataProtectionPolicy"),
    },
    "Nobody in CI may take the boundary off a role.": {"iam:DeleteRolePermissionsBoundary"},
    "Terraform reads a role's tags with the role.": {"iam:ListRoleTags"},
}
"""The permissions that schemas name for properties that no stack uses, by the reason."""

_ACTION = re.compile(r'"([a-z0-9-]+:[A-Za-z]+)"')
_MODULE = re.compile(r'^\s*source\s*=\s*"(\.[^"]+)"', re.MULTILINE)
_RESOURCE = re.compile(r'^resource "(\w+)"', re.MULTILINE)
_ACTIONS = re.compile(r"\bactions\s*=\s*\[(.*?)\]", re.DOTALL)


@cache
def schemas() -> Path:
    """The folder of the schemas; cfn-lint itself, which is installed without its dependencies, is not imported."""
    package = find_spec("cfnlint")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "data" / "schemas"


def demanded(resource_type: str) -> set[str]:
    """The permissions that AWS requires to create, read, change, delete and tag such a resource."""
    digests = json.loads((schemas() / "providers" / "us-east-1.json").read_text())
    schema = json.loads((schemas() / "resources" / f"{digests[resource_type]}.json").read_text())
    named = [schema["handlers"].get(handler, {}) for handler in ("create", "read", "update", "delete")]
    return {action for part in (*named, schema.get("tagging", {})) for action in part.get("permissions", [])}


def created(folder: Path) -> set[str]:
    """The types of Terraform's resources in a module and in the modules that it uses."""
    sources = [path.read_text() for path in sorted(folder.glob("*.tf"))]
    assert sources, folder
    found = {kind for source in sources for kind in _RESOURCE.findall(source)}
    for module in {module for source in sources for module in _MODULE.findall(source)}:
        found |= created((folder / module).resolve())
    return found


def granted() -> set[str]:
    """The actions of the apply role: those of its own file, and the reading that it shares with the plan role."""
    own = (STACKS / "registry" / "apply.tf").read_text()
    shared = (STACKS / "registry" / "plan.tf").read_text()
    reading = shared[shared.index("  read_deployment = {") : shared.index('module "plan_role"')]
    state = shared[shared.index("  read_state = {") : shared.index("  verify_images = {")]
    lists = [found for text in (own, reading, state) for found in _ACTIONS.findall(text)]
    return {action for found in lists for action in _ACTION.findall(found)}


def folded(actions: set[str]) -> set[str]:
    """The actions as IAM compares them, without regard to case: some schemas have `s3:getObject`."""
    return {action.lower() for action in actions}


def test_the_apply_role_has_the_permissions_that_aws_requires() -> None:
    """Creating a tagged stage needs `apigateway:TagResource`, which no plan and no local AWS had shown."""
    types = set.union(*(created(STACKS / stack) for stack in APPLIED_BY_CI)) - LOCAL
    unknown = types - CLOUDFORMATION.keys()
    assert not unknown, f"Say which type of CloudFormation these are: {sorted(unknown)}"
    needed = set.union(*(demanded(CLOUDFORMATION[kind]) for kind in types))
    excepted = set.union(*NOT_NEEDED.values())
    assert folded(needed) - folded(granted()) == folded(excepted)


@pytest.mark.parametrize("reason", NOT_NEEDED)
def test_no_permission_is_excepted_for_two_reasons(reason: str) -> None:
    """Each exception is to go with its one reason."""
    others = set().union(*(actions for other, actions in NOT_NEEDED.items() if other != reason))
    assert not NOT_NEEDED[reason] & others


def test_each_listed_resource_of_cloudformation_is_created_by_a_stack() -> None:
    """A resource that is gone from the stacks goes from the table too."""
    assert set.union(*(created(STACKS / stack) for stack in APPLIED_BY_CI)) == CLOUDFORMATION.keys() | LOCAL
