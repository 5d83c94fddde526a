"""Wiring of `send_message`: the route `sendmessage`."""

import os
import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.messaging.send_message.direct import Direct
from functions.messaging.send_message.rooms import SendToRoom, SmallRoom
from functions.messaging.send_message.send_message import SendMessage
from functions.messaging.send_message.settings import Settings
from loudhailer.aws.clients import LateClient
from loudhailer.aws.tenant_credentials import ClientOf, PerTenant
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.sns import SnsTopic
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.delivery.throttling import TRIES
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.places.dynamodb import DynamoPlaceStore
from loudhailer.limits.posts import PostBudget
from loudhailer.observability import logger, metrics
from loudhailer.queues.sqs import SqsQueue
from loudhailer.rooms.dynamodb import DynamoRoomStore
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.settings import from_env
from loudhailer.websocket.exchange import Exchange, TenantResponder
from loudhailer.websocket.once import Once
from loudhailer.websocket.sent.dynamodb import DynamoSentStore

settings = from_env(Settings, os.environ)
late: Any = LateClient  # only frames to large rooms, and frames that close a member, need these clients
broadcasts = DynamoBroadcastStore(
    late("dynamodb"), settings.broadcasts_table, clock=time.time, keys=settings.broadcast_keys
)
topic = SnsTopic(late("sns"), settings.broadcast_topic_arn)
announcer = Announcer(broadcasts, topic, lifetime_seconds=settings.message_lifetime_seconds, clock=time.time)
ends = SqsQueue(late("sqs"), settings.disconnect_queue_url, pause=time.sleep)
sender = CurlOrderedSender(own_credentials, os.environ["AWS_REGION"], tries=TRIES)


def responder(client: ClientOf) -> TenantResponder:
    """A tenant's use case, with the tenant's credentials."""
    own, lifetime = client("dynamodb"), settings.inbox_lifetime_seconds
    rooms = DynamoRoomStore(own, settings.connections_table)
    once = Once(DynamoSentStore(own, settings.limits_table), clock=time.time)
    limits = DynamoLimitStore(client("dynamodb", attempts=1), settings.limits_table, pause=time.sleep)
    posts = PostBudget(limits, session_share=settings.session_share, clock=time.time)
    small_room = SmallRoom(rooms, sender, ends, endpoint=settings.callback_endpoint, pause=time.sleep)
    in_room = SendToRoom(rooms, small_room, posts, broadcasts, announcer, once=once)
    inboxes, places = DynamoInboxStore(own, settings.messages_table), DynamoPlaceStore(own, settings.places_table)
    direct = Direct(inboxes, places, once, messages_per_inbox=settings.messages_per_inbox, lifetime_seconds=lifetime)
    return TenantResponder(DynamoSessionStore(own, settings.sessions_table), limits, SendMessage(direct, rooms=in_room))


exchange = Exchange(PerTenant(responder, role_arn=settings.tenant_role_arn).of, clock=time.time)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer once the message is stored or sent to the room; API Gateway does not repeat the call."""
    return exchange(event)
