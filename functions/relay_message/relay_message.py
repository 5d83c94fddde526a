"""An inbox that is woken is read, in order, and what is in it posted to all the player's connections.

The queue hands out an inbox's wakes one after the other, so nobody else works on the inbox meanwhile. A message is
deleted when API Gateway took it for one of the connections, and not before; so it may arrive twice, after a crash or a
post whose answer was lost. Without a connection it stays until the player comes back or it expires.

Connections are found by an index that lags behind the rows. And they may not be open yet, though their rows stand:
`$connect` writes the row before the handshake is over, and until then a post is answered 410. So that no message stays
lying between a wake for it and a wake for the connection:

- a connection that is gone is not believed to be while its row is there and young: it is tried again;
- a connection's wake is through only when the index knows the connection, so that the wake of any later message, which
  has the index alone, finds it.

A player's connections get their frames side by side, and one that is slow or throttled is left behind when another one
takes them: it misses them. If nobody takes any, the wake fails, and SQS brings it again after a while.
"""

from collections.abc import Callable, Collection

from loudhailer.connections.model import YOUNG_SECONDS, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.conversation.frames import direct_frame
from loudhailer.conversation.model import DirectMessage, Inbox, Wake
from loudhailer.conversation.port import InboxStore
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.errors import TransientError
from loudhailer.observability import count, logger
from loudhailer.queues.port import FifoQueue

MESSAGES_AT_ONCE = 100

_PAUSE_SECONDS = 0.1
_SLOW_SECONDS = 2.0
"""How long a connection is waited for while another one could take what comes next."""

_FOR_NOW = {Outcome.THROTTLED, Outcome.FAILED, Outcome.UNSENT}


class RelayMessage:
    """Delivers what is in an inbox.

    `clock` tells epoch seconds, `monotonic` those that `ends` is given in; `pause` lets so many seconds pass.
    """

    def __init__(
        self,
        inboxes: InboxStore,
        connections: ConnectionStore,
        sender: OrderedSender,
        wakes: FifoQueue,
        *,
        endpoint: str,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._inboxes = inboxes
        self._connections = connections
        self._sender = sender
        self._wakes = wakes
        self._endpoint = endpoint
        self._clock = clock
        self._monotonic = monotonic
        self._pause = pause

    def __call__(self, wake: Wake, *, wake_id: str, ends: float) -> None:
        """Handles one wake; what there is no time for is left to another wake, which is sent at the end.

        Raises:
            TransientError: there are connections, and none of them takes anything now.
        """
        with logger.append_context_keys(tenant_id=wake.inbox.tenant_id):
            if not (self._deliver(wake, ends) and self._index_knows(wake, ends)):
                count("WakeHandedOn")
                self._wakes.send_all([wake.to_message(f"{wake_id}.on")])

    def _deliver(self, wake: Wake, ends: float) -> bool:
        """Delivers until nothing is left, or nobody to deliver to; False if the time was over before."""
        delivered = 0
        slow: set[ConnectionKey] = set()
        while messages := self._waiting(wake.inbox):
            if self._monotonic() >= ends:
                return False
            everyone = self._connections_of(wake)
            outcomes = self._post(everyone - slow or everyone, messages, ends)
            taken = max((each.count(Outcome.DELIVERED) for each in outcomes.values()), default=0)
            self._inboxes.delete(messages[:taken])
            delivered += taken
            count("MessageDelivered", taken)
            if taken == len(messages):
                slow |= {key for key, each in outcomes.items() if each[-1] is not Outcome.DELIVERED}
                continue
            refused = {key: each[each.count(Outcome.DELIVERED)] for key, each in outcomes.items()}
            if not _FOR_NOW.isdisjoint(refused.values()):
                if not delivered:
                    raise TransientError("no connection takes anything now")
                return False
            if not self._may_open([key for key, outcome in refused.items() if outcome is Outcome.GONE]):
                return True
            self._pause(_PAUSE_SECONDS)
        return True

    def _waiting(self, inbox: Inbox) -> list[DirectMessage]:
        """The oldest messages that are not expired; those that are, are deleted."""
        while found := self._inboxes.oldest(inbox, MESSAGES_AT_ONCE):
            now = self._clock()
            if expired := [message for message in found if message.expires_at <= now]:
                count("MessageExpired", len(expired))
                self._inboxes.delete(expired)
            if waiting := [message for message in found if message.expires_at > now]:
                return waiting
        return []

    def _connections_of(self, wake: Wake) -> set[ConnectionKey]:
        woken = set() if wake.connection is None else {wake.connection}
        return woken.union(self._connections.of_player(*wake.inbox))

    def _post(
        self, connections: Collection[ConnectionKey], messages: list[DirectMessage], ends: float
    ) -> dict[ConnectionKey, list[Outcome]]:
        frames = [
            direct_frame(message.message_id, message.message, message.source, message.sent_at).encode()
            for message in messages
        ]
        seconds = ends - self._monotonic()
        outcomes = self._sender.post_in_order(
            self._endpoint,
            {key.connection_id: frames for key in connections},
            seconds=seconds if len(connections) == 1 else min(seconds, _SLOW_SECONDS),
        )
        return {key: outcomes[key.connection_id] for key in connections}

    def _may_open(self, gone: list[ConnectionKey]) -> bool:
        """Whether any of the connections may be one whose handshake is not over."""
        made = self._connections.connected_at(gone).values() if gone else ()
        return any(self._clock() - at < YOUNG_SECONDS for at in made)

    def _index_knows(self, wake: Wake, ends: float) -> bool:
        """Waits until the index has the woken connection, or its row is gone; False if the time was over before."""
        key = wake.connection
        while key is not None and key not in self._connections.of_player(*wake.inbox):
            if not self._connections.connected_at([key]):
                return True
            if self._monotonic() >= ends:
                return False
            self._pause(_PAUSE_SECONDS)
        return True
