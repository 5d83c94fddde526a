"""AWS's quotas that a plan must keep, since nothing but an apply would tell.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

NAMES = {
    "aws_apigatewayv2_api": ("name", 128),
    "aws_apigatewayv2_authorizer": ("name", 128),
    "aws_apigatewayv2_stage": ("name", 128),
    "aws_cloudwatch_event_rule": ("name", 64),
    "aws_cloudwatch_event_target": ("target_id", 64),
    "aws_cloudwatch_log_group": ("name", 512),
    "aws_cloudwatch_metric_alarm": ("alarm_name", 255),
    "aws_dynamodb_table": ("name", 255),
    "aws_ecr_repository": ("name", 256),
    "aws_iam_policy": ("name", 128),
    "aws_iam_role": ("name", 64),
    "aws_iam_role_policy": ("name", 128),
    "aws_lambda_alias": ("name", 128),
    "aws_lambda_function": ("function_name", 64),
    "aws_lambda_permission": ("statement_id", 100),
    "aws_s3_bucket": ("bucket", 63),
    "aws_sns_topic": ("name", 256),
    "aws_sqs_queue": ("name", 80),
}
"""The attribute with the name, and how long it may be."""

DOCUMENTS = {
    "aws_iam_policy": ("policy", 6_144),
    "aws_iam_role": ("assume_role_policy", 2_048),
    "aws_s3_bucket_policy": ("policy", 20_480),
    "aws_sns_topic_policy": ("policy", 30_720),
    "aws_sqs_queue_policy": ("policy", 10_240),
}
"""The attribute with a policy, and how many characters it may have; white space does not count."""

ROLE_POLICIES = 10_240
"""The characters of all inline policies of a role together."""

VARIABLES = 4_096
"""The bytes of a function's environment."""

MOCK_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/111111111111/mock"
MOCK_QUEUE_ARN = "arn:aws:sqs:us-east-1:111111111111:mock"
"""The URL and the ARN of every queue in a plan: `terraform/testing/aws`."""

_LONGEST_NAME = f"loudhailer-{'e' * 16}-shard-31"
_LONGEST_QUEUES = {
    MOCK_QUEUE_URL: f"https://sqs.ap-southeast-1.amazonaws.com/111111111111/{_LONGEST_NAME}",
    MOCK_QUEUE_ARN: f"arn:aws:sqs:ap-southeast-1:111111111111:{_LONGEST_NAME}",
}
"""A shard in the Region and in the environment with the longest names: a plan is measured as if all queues were it."""

UNRESERVED = 100
"""The concurrency that AWS leaves to the functions that have none reserved."""


@dataclass(frozen=True)
class PlannedResource:
    """A resource in a plan: its address, its type, its values as far as they are known."""

    address: str
    kind: str
    values: dict[str, Any]


def broken(resources: Iterable[PlannedResource], *, concurrency: int) -> list[str]:
    """Say which quotas the plan breaks, one sentence each; `concurrency` is the account's."""
    planned = [_lengthened(resource) for resource in resources]
    return [
        *(sentence for resource in planned for sentence in _alone(resource)),
        *_of_roles(planned),
        *_of_account(planned, concurrency),
    ]


def _lengthened(resource: PlannedResource) -> PlannedResource:
    values = json.dumps(resource.values)
    for mocked, longest in _LONGEST_QUEUES.items():
        values = values.replace(mocked, longest)
    return replace(resource, values=json.loads(values))


def _alone(resource: PlannedResource) -> Iterator[str]:
    attribute, most = NAMES.get(resource.kind, ("", 0))
    if len(resource.values.get(attribute) or "") > most > 0:
        yield f"{resource.address} has a name of more than {most} characters."
    attribute, most = DOCUMENTS.get(resource.kind, ("", 0))
    if most and (document := resource.values.get(attribute)) and len(_compact(document)) > most:
        yield f"{resource.address} has a policy of more than {most:,} characters."
    for environment in resource.values.get("environment") or ():
        if len(json.dumps(environment["variables"], separators=(",", ":")).encode()) > VARIABLES:
            yield f"{resource.address} has more than {VARIABLES:,} bytes of variables."


def _of_roles(planned: Iterable[PlannedResource]) -> Iterator[str]:
    sizes: defaultdict[str, int] = defaultdict(int)
    for resource in planned:
        if resource.kind == "aws_iam_role_policy":
            module, _, _ = resource.address.rpartition("aws_iam_role_policy.")
            sizes[f"{module}{resource.values.get('role')}"] += len(_compact(resource.values.get("policy") or "{}"))
    for role, size in sizes.items():
        if size > ROLE_POLICIES:
            yield f"The role {role} has policies of more than {ROLE_POLICIES:,} characters."


def _of_account(planned: Iterable[PlannedResource], concurrency: int) -> Iterator[str]:
    functions = [resource.values for resource in planned if resource.kind == "aws_lambda_function"]
    reserved = sum(max(0, function.get("reserved_concurrent_executions") or 0) for function in functions)
    if reserved > max(0, concurrency - UNRESERVED):
        yield f"The functions have {reserved} of {concurrency} reserved, and AWS keeps {UNRESERVED} for the others."


def _compact(document: str) -> str:
    return json.dumps(json.loads(document), separators=(",", ":"), ensure_ascii=False)
