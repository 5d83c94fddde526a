"""Resources that Terraform made, and proof that they stay so."""

import json
from pathlib import Path

import pytest

from tests.e2e.system import System
from tests.support.permissions import Permissions, lost, permissions

FORMER: Permissions = json.loads(Path(__file__).with_name("former_permissions.json").read_text())
"""Permissions of the hub's roles in the release before; to be written again with each release."""


@pytest.mark.nightly  # by day: after a full apply in tests/integration/registry, from a template in test_templates.py
@pytest.mark.image_smoke
def test_a_plan_after_up_shows_no_changes(system: System) -> None:
    """The applied resources are there unchanged: 0 says so, 2 would mean a change."""
    plan = system.loudhailer("terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "No changes." in plan.stdout


def test_a_second_up_changes_nothing(system: System) -> None:
    """It says so, and the processes are the same."""
    pids = system.pids()
    again = system.loudhailer("up")
    assert again.returncode == 0, again.stderr
    assert "nothing was changed" in again.stderr
    assert system.deployment.http_url in again.stdout
    assert system.pids() == pids
    assert None not in pids.values()


def test_a_queue_hides_a_message_for_six_times_the_timeout_of_its_function(system: System) -> None:
    """And for the time in which a batch is gathered; AWS advises that, and the local AWS hides it as long.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    pages = system.functions.get_paginator("list_event_source_mappings").paginate()
    mappings = [mapping for page in pages for mapping in page["EventSourceMappings"]]
    from_queues = [mapping for mapping in mappings if ":sqs:" in mapping["EventSourceArn"]]
    assert len(from_queues) >= len(system.deployment.shard_names)
    for mapping in from_queues:
        name = mapping["EventSourceArn"].rpartition(":")[2]
        url = system.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        attributes = system.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
        timeout = system.functions.get_function_configuration(FunctionName=mapping["FunctionArn"])["Timeout"]
        window = mapping.get("MaximumBatchingWindowInSeconds", 0)
        assert int(attributes["VisibilityTimeout"]) >= 6 * timeout + window, name


def test_functions_of_the_release_before_keep_their_permissions(system: System) -> None:
    """A rollback runs the earlier image with newer Terraform sources: actions go one release later than their use."""
    now = permissions(system.directory.hub.state)
    assert FORMER.keys() & now.keys()
    assert lost(FORMER, now) == []
    assert lost({"query": {"table/sessions": "dynamodb:DeleteTable"}}, now) == [
        "query: dynamodb:DeleteTable on table/sessions"
    ]
