"""The broadcasts' topic on SNS."""

from typing import TYPE_CHECKING

from loudhailer.aws.errors import calling
from loudhailer.broadcast.port import Topic

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient


class SnsTopic(Topic):
    """Publishes to one SNS topic."""

    def __init__(self, client: "SNSClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def publish(self, body: str, *, group: str | None = None) -> None:
        """See `Topic.publish`: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html."""
        with calling("Publish"):
            if group is None:
                self._client.publish(TopicArn=self._arn, Message=body)
            else:
                self._client.publish(TopicArn=self._arn, Message=body, MessageGroupId=group)
