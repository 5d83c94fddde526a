"""The limits that tests count on, written down once more: no test takes one from the code that it checks.

AWS's limits come from its pages. The others are Loudhailer's own promises, with the module that makes them.
"""

MAX_MESSAGE_BYTES = 131_072
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""

MAX_FRAME_BYTES = 32_768
"""The most bytes of a client's frame, by the same page."""

CONNECTION_SECONDS = 7_500
"""The 2 hours that a connection lives, by the same page, and 5 minutes more."""

YOUNG_SECONDS = 30
"""An integration is given 29 s by the same page, so a handshake is over by then: `loudhailer.connections.model`."""

MAX_BATCH_ENTRIES = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""

MAX_BATCH_BYTES = 262_144
"""256 KiB, what Terraform's provider allows of the 1 MiB of the same page."""

MAX_DELAY_SECONDS = 900
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""

MAX_SOURCES_AT_ONCE = 100
"""Actions of one transaction:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

BATCH_ATTEMPTS = 6
"""`loudhailer.aws.batches.get_rows`."""

KEPT_SECONDS = 604_800
"""A week: `loudhailer.broadcast.dynamodb`."""

RECIPIENTS_A_SOURCE = 4_000
PARTITIONS_A_SOURCE = 200
"""`functions.broadcast.swarm`; docs/architecture.md."""

MAX_ATTEMPTS = 8
"""The most attempts of a chunk: `functions.broadcast.post_message`."""

MAX_REASON_CHARACTERS = 256
"""The limit of a dead letter: `loudhailer.queues.consumer`."""

SMALL_ROOM = 100
"""`loudhailer.rooms.model`."""

MAX_CONTENT = 4_096
"""Characters of a message to a room: `functions.messaging.send_message.rooms`."""

LONGEST_LEAVE_AGE_SECONDS = 60
ANNOUNCING_SECONDS = 2.0
"""`functions.messaging.presence.leaves`."""

DELIVERIES = 4
DELIVERIES_TO_THE_SLOW = 3
"""The limit of a record to a connection that does not take it: `functions.messaging.echo.delivery`."""

MESSAGES_AT_ONCE = 100
"""`functions.messaging.relay_message`."""

QUIET_SECONDS = 3_900
"""The hour after which `accounting`'s mapping gives a record up, and 5 minutes: `functions.connections.reconcile`."""
