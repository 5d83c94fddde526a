"""SQS mappings behave as AWS documents them."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.emulator.aws.running import LocalAws
from tests.support.waiting import wait_until

_NOTING = """
def handler(event, context):
    note([record["body"] for record in event["Records"]])
"""
_SLOW = """
def handler(event, context):
    note(["begin", time.time()])
    time.sleep(0.4)
    note(["end", time.time()])
"""


def _most_at_once(entries: list[Any]) -> int:
    running = most = 0
    for kind, _ in sorted(entries, key=lambda entry: entry[1]):
        running += 1 if kind == "begin" else -1
        most = max(most, running)
    return most


def _send(local_aws: LocalAws, url: str, *bodies: str) -> None:
    sqs = local_aws.client("sqs")
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)


def _left(local_aws: LocalAws, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = local_aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


@pytest.mark.emulator_contract
def test_a_record_has_the_shape_that_aws_documents(local_aws: LocalAws) -> None:
    """As in https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
    function, notebook = local_aws.deploy("""
def handler(event, context):
    note(event)
""")
    url, arn = local_aws.queue()
    local_aws.connect(arn, function)
    attribute = {"kind": {"DataType": "String", "StringValue": "test"}}
    sent = local_aws.client("sqs").send_message(QueueUrl=url, MessageBody="Test message.", MessageAttributes=attribute)
    (event,) = notebook.await_entries(1)
    (record,) = event["Records"]
    attributes = record.pop("attributes")
    assert record.pop("receiptHandle")
    assert record == {
        "messageId": sent["MessageId"],
        "body": "Test message.",
        "messageAttributes": {"kind": {"dataType": "String", "stringValue": "test"}},
        "md5OfBody": sent["MD5OfMessageBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    }
    assert attributes["ApproximateReceiveCount"] == "1"
    assert attributes["SenderId"]
    assert int(attributes["SentTimestamp"]) <= int(attributes["ApproximateFirstReceiveTimestamp"])
    wait_until(lambda: _left(local_aws, url) == 0)


def test_functions_behind_mappings_yield_to_functions_that_clients_wait_for(local_aws: LocalAws) -> None:
    """They share a machine's cores here, and do not in AWS."""
    tells_its_niceness = """
def handler(event, context):
    note(os.getpriority(os.PRIO_PROCESS, 0))
"""
    called, by_client = local_aws.deploy(tells_its_niceness)
    local_aws.client("lambda").invoke(FunctionName=called, Payload=b"{}")
    mapped, by_mapping = local_aws.deploy(tells_its_niceness)
    url, arn = local_aws.queue()
    local_aws.connect(arn, mapped)
    _send(local_aws, url, "one")
    assert by_client.await_entries(1)[0] < by_mapping.await_entries(1)[0]


@pytest.mark.emulator_contract
def test_batches_run_side_by_side_up_to_the_maximum_concurrency(local_aws: LocalAws) -> None:
    """Two at once, though there are workers for three."""
    function, notebook = local_aws.deploy(_SLOW)
    url, arn = local_aws.queue()
    _send(local_aws, url, *"abcdef")
    local_aws.connect(arn, function, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    assert _most_at_once(notebook.await_entries(12)) == 2


@pytest.mark.emulator_contract
def test_a_quiet_tenants_message_precedes_the_messages_of_a_noisy_tenant(local_aws: LocalAws) -> None:
    """A message group is a tenant, also where a topic hands the message on."""
    function, notebook = local_aws.deploy("""
def handler(event, context):
    record = event["Records"][0]
    note([record["body"], record["attributes"].get("MessageGroupId")])
    time.sleep(0.2)
""")
    url, arn = local_aws.queue()
    sns = local_aws.client("sns")
    topic = sns.create_topic(Name=local_aws.name("topic"))["TopicArn"]
    may_send = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_send]})
    local_aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    for number in range(20):
        sns.publish(TopicArn=topic, Message=f"noise {number}", MessageGroupId="noisy")
    local_aws.connect(arn, function, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    notebook.await_entries(3)
    sns.publish(TopicArn=topic, Message="hush", MessageGroupId="quiet")
    handled = notebook.await_entries(21)
    assert sorted(group for _, group in handled) == ["noisy"] * 20 + ["quiet"]
    assert handled.index(["hush", "quiet"]) < 18  # in their order it would be among the last two


def test_several_queues_of_one_function_are_read_in_parallel(local_aws: LocalAws) -> None:
    """Three queues keep three workers busy."""
    function, notebook = local_aws.deploy(_SLOW)
    for _ in range(3):
        url, arn = local_aws.queue()
        _send(local_aws, url, "a", "b")
        local_aws.connect(arn, function, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    assert _most_at_once(notebook.await_entries(12)) == 3


@pytest.mark.emulator_contract
def test_only_reported_messages_are_redelivered(local_aws: LocalAws) -> None:
    """The others are deleted, and the reported one returns after the visibility timeout until it succeeds."""
    function, notebook = local_aws.deploy("""
def handler(event, context):
    note([[record["body"], int(record["attributes"]["ApproximateReceiveCount"])] for record in event["Records"]])
    failed = [record for record in event["Records"] if record["body"] == "bad"
              and record["attributes"]["ApproximateReceiveCount"] == "1"]
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}
""")
    url, arn = local_aws.queue()
    entries = [{"Id": body, "MessageBody": body} for body in ("good", "bad", "fine")]
    local_aws.connect(arn, function, FunctionResponseTypes=["ReportBatchItemFailures"])
    local_aws.bring_again_soon(url)
    local_aws.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
    assert notebook.await_entries(2) == [[["good", 1], ["bad", 1], ["fine", 1]], [["bad", 2]]]
    wait_until(lambda: _left(local_aws, url) == 0)


def test_a_malformed_report_fails_the_whole_batch(local_aws: LocalAws) -> None:
    """Nothing is deleted on the word of a report that names no message of the batch."""
    function, notebook = local_aws.deploy("""
def handler(event, context):
    note([record["body"] for record in event["Records"]])
    return {"batchItemFailures": [{"itemIdentifier": ""}]}
""")
    url, arn = local_aws.queue()
    local_aws.connect(arn, function, FunctionResponseTypes=["ReportBatchItemFailures"])
    local_aws.bring_again_soon(url)
    _send(local_aws, url, "a")
    assert notebook.await_entries(2) == [["a"], ["a"]]


@pytest.mark.emulator_contract
def test_a_message_that_always_fails_is_moved_to_the_dead_letter_queue(local_aws: LocalAws) -> None:
    """After maxReceiveCount deliveries, while its neighbours continue."""
    function, notebook = local_aws.deploy("""
def handler(event, context):
    note(event["Records"][0]["body"])
    if event["Records"][0]["body"] == "bad":
        raise ValueError("bad")
""")
    dead_url, dead_arn = local_aws.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = local_aws.queue(RedrivePolicy=redrive)
    local_aws.connect(arn, function, BatchSize=1)
    local_aws.bring_again_soon(url)
    _send(local_aws, url, "bad", "good")
    sqs = local_aws.client("sqs")
    (message,) = wait_until(lambda: sqs.receive_message(QueueUrl=dead_url).get("Messages"))
    assert message["Body"] == "bad"
    assert sorted(notebook.entries()) == ["bad", "bad", "good"]
    assert _left(local_aws, url) == 0


@pytest.mark.emulator_contract
def test_a_function_timeout_over_the_visibility_timeout_refuses_the_mapping(local_aws: LocalAws) -> None:
    """Lambda says so when a mapping is made or changed, and not when its function or its queue is changed."""
    function, _ = local_aws.deploy(_NOTING, timeout=20)
    url, arn = local_aws.queue(VisibilityTimeout="19")
    words = "Queue visibility timeout: 19 seconds is less than Function timeout: 20 seconds"
    with pytest.raises(ClientError, match=words) as refused:
        local_aws.connect(arn, function)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    sqs, lambda_ = local_aws.client("sqs"), local_aws.client("lambda")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "20"})
    mapping = local_aws.connect(arn, function)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "19"})
    with pytest.raises(ClientError, match=words):
        lambda_.update_event_source_mapping(UUID=mapping, BatchSize=5)
    lambda_.update_function_configuration(FunctionName=function, Timeout=30)
    lambda_.update_event_source_mapping(UUID=mapping, FunctionName=_short_lived(local_aws))


def _short_lived(local_aws: LocalAws) -> str:
    name, _ = local_aws.deploy(_NOTING, timeout=1)
    return f"{name}:live"


def test_a_delayed_message_is_delivered_late(local_aws: LocalAws) -> None:
    """DelaySeconds holds for mappings too."""
    function, notebook = local_aws.deploy("""
def handler(event, context):
    note(time.time())
""")
    url, arn = local_aws.queue()
    local_aws.connect(arn, function)
    sent = time.time()
    local_aws.client("sqs").send_message(QueueUrl=url, MessageBody="m", DelaySeconds=1)
    (delivered,) = notebook.await_entries(1)
    assert 1 <= delivered - sent < 3


def test_a_batching_window_gathers_more_than_one_receive(local_aws: LocalAws) -> None:
    """Fifteen messages come as one batch, which a single ReceiveMessage could not hold."""
    function, notebook = local_aws.deploy(_NOTING)
    url, arn = local_aws.queue()
    local_aws.connect(arn, function, BatchSize=15, MaximumBatchingWindowInSeconds=20)
    _send(local_aws, url, *(str(number) for number in range(15)))
    (batch,) = notebook.await_entries(1)
    assert sorted(map(int, batch)) == list(range(15))


def test_a_throttled_batch_is_tried_again_before_its_messages_become_visible(local_aws: LocalAws) -> None:
    """A reserved concurrency of one, held by someone else, only delays."""
    function, notebook = local_aws.deploy(
        """
def handler(event, context):
    if "Records" not in event:
        note("holding")
        time.sleep(1)
        return
    note([record["attributes"]["ApproximateReceiveCount"] for record in event["Records"]])
""",
        reserved=1,
    )
    url, arn = local_aws.queue()
    local_aws.client("lambda").invoke(FunctionName=f"{function}:live", InvocationType="Event", Payload=b"{}")
    notebook.await_entries(1)
    local_aws.connect(arn, function)
    _send(local_aws, url, "m")
    assert notebook.await_entries(2) == ["holding", ["1"]]


def test_no_message_is_lost_while_many_are_sent_and_consumed(local_aws: LocalAws) -> None:
    """Sending and deleting do not get in each other's way."""
    function, notebook = local_aws.deploy(_NOTING)
    url, arn = local_aws.queue()
    local_aws.connect(arn, function)
    sqs = local_aws.client("sqs")
    for start in range(0, 500, 10):
        entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(start, start + 10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)

    def received() -> list[int]:
        return sorted(int(body) for batch in notebook.entries() for body in batch)

    assert wait_until(lambda: found if len(found := received()) >= 500 else None) == list(range(500))


class TestFifo:
    """FIFO queues: groups side by side, one batch of a group at a time."""

    def queue(self, local_aws: LocalAws, **attributes: str) -> tuple[str, str]:
        """A high-throughput FIFO queue's URL and ARN."""
        throughput = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
        return local_aws.queue(FifoQueue="true", **throughput, **attributes)

    def send(self, local_aws: LocalAws, url: str, *messages: str) -> None:
        """Send messages whose first letter is their group."""
        entries = [
            {"Id": body, "MessageBody": body, "MessageGroupId": body[0], "MessageDeduplicationId": body}
            for body in messages
        ]
        for start in range(0, len(entries), 10):
            local_aws.client("sqs").send_message_batch(QueueUrl=url, Entries=entries[start : start + 10])

    def test_a_slow_group_blocks_only_its_own_messages(self, local_aws: LocalAws) -> None:
        """While a1 is worked on, b's messages come one after the other, and a2 only when a1 is done."""
        function, notebook = local_aws.deploy("""
def handler(event, context):
    (record,) = event["Records"]
    note("begin " + record["body"])
    if record["body"] == "a1":
        deadline = time.time() + 8
        while "end b3" not in open(os.environ["NOTEBOOK"]).read() and time.time() < deadline:
            time.sleep(0.01)
    note("end " + record["body"])
""")
        url, arn = self.queue(local_aws)
        self.send(local_aws, url, "a1", "a2", "b1", "b2", "b3")
        local_aws.connect(arn, function, BatchSize=1)
        entries = notebook.await_entries(10)
        assert [entry for entry in entries if entry.split()[1][0] == "b"] == [
            f"{event} b{number}" for number in (1, 2, 3) for event in ("begin", "end")
        ]
        assert [entry for entry in entries if entry.split()[1][0] == "a"] == [
            "begin a1",
            "end a1",
            "begin a2",
            "end a2",
        ]
        assert entries.index("end b3") < entries.index("end a1")

    def test_a_failed_message_is_redelivered_before_its_followers(self, local_aws: LocalAws) -> None:
        """The rest of its group waits with it, in order; the other group in the batch continues."""
        function, notebook = local_aws.deploy("""
def handler(event, context):
    bodies = [record["body"] for record in event["Records"]]
    note(bodies)
    first = all(record["attributes"]["ApproximateReceiveCount"] == "1" for record in event["Records"])
    failed = [record for record in event["Records"] if first and record["body"] in ("a2", "a3")]
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}
""")
        url, arn = self.queue(local_aws)
        local_aws.connect(arn, function, FunctionResponseTypes=["ReportBatchItemFailures"])
        local_aws.bring_again_soon(url)
        self.send(local_aws, url, "a1", "b1", "a2", "b2", "a3")
        assert notebook.await_entries(1) == [["a1", "a2", "a3", "b1", "b2"]]
        self.send(local_aws, url, "a4", "b3")
        batches = notebook.await_entries(3)
        assert batches[1] == ["b3"]
        assert batches[2] == ["a2", "a3", "a4"]
        wait_until(lambda: _left(local_aws, url) == 0)

    def test_a_message_that_always_fails_is_moved_to_the_fifo_dead_letter_queue(self, local_aws: LocalAws) -> None:
        """With its group's id; what follows it in the group is delivered then."""
        function, notebook = local_aws.deploy("""
def handler(event, context):
    note(event["Records"][0]["body"])
    if event["Records"][0]["body"] == "a1":
        raise ValueError("bad")
""")
        dead_url, dead_arn = self.queue(local_aws)
        redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
        url, arn = self.queue(local_aws, RedrivePolicy=redrive)
        local_aws.connect(arn, function, BatchSize=1)
        local_aws.bring_again_soon(url)
        self.send(local_aws, url, "a1", "a2")
        assert notebook.await_entries(3) == ["a1", "a1", "a2"]
        sqs = local_aws.client("sqs")
        (message,) = wait_until(
            lambda: sqs.receive_message(QueueUrl=dead_url, AttributeNames=["MessageGroupId"]).get("Messages")
        )
        assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("a1", "a")

    @pytest.mark.emulator_contract
    def test_every_group_keeps_its_order_while_batches_fail(self, local_aws: LocalAws) -> None:
        """A thousand messages of ten groups; what fails, fails with the rest of its group, as FIFO consumers do."""
        function, notebook = local_aws.deploy("""
def handler(event, context):
    failed = []
    for record in event["Records"]:
        group = record["attributes"]["MessageGroupId"]
        first = record["attributes"]["ApproximateReceiveCount"] == "1"
        if group in {each["group"] for each in failed} or (first and int(record["body"][1:]) % 37 == 36):
            failed.append({"group": group, "itemIdentifier": record["messageId"]})
        else:
            note(record["body"])
    return {"batchItemFailures": [{"itemIdentifier": each["itemIdentifier"]} for each in failed]}
""")
        url, arn = self.queue(local_aws)
        local_aws.connect(arn, function, FunctionResponseTypes=["ReportBatchItemFailures"])
        local_aws.bring_again_soon(url)
        self.send(local_aws, url, *(f"{group}{number}" for number in range(100) for group in "abcdefghij"))
        entries = notebook.await_entries(1_000)
        for group in "abcdefghij":
            assert [int(body[1:]) for body in entries if body[0] == group] == list(range(100))
