"""All questions, in the order in which they are asked."""

from collections.abc import Sequence

from tools.errors import OperatorError
from tools.probe.question import Question
from tools.probe.questions.connections import DISCONNECT_CONTEXT, PING_FRAME, REFUSED_CONNECT, YOUNG_CONNECTION
from tools.probe.questions.endpoint import HTTP2, KEEP_ALIVE, SLASHES
from tools.probe.questions.frame_limits import EMPTY_FRAME, FRAME_ORDER, LARGE_POST, MOCK_ANSWER, POST_ORDER
from tools.probe.questions.queues import RECEIVE_COUNT
from tools.probe.questions.quotas import CALLBACK_QUOTA, GONE_COUNTED, SLOW_CLIENT, STAGE_THROTTLE

QUESTIONS: tuple[Question, ...] = (
    STAGE_THROTTLE,
    CALLBACK_QUOTA,
    GONE_COUNTED,
    SLOW_CLIENT,
    REFUSED_CONNECT,
    DISCONNECT_CONTEXT,
    YOUNG_CONNECTION,
    PING_FRAME,
    FRAME_ORDER,
    POST_ORDER,
    EMPTY_FRAME,
    MOCK_ANSWER,
    LARGE_POST,
    KEEP_ALIVE,
    HTTP2,
    SLASHES,
    RECEIVE_COUNT,
)


def named(names: Sequence[str]) -> list[Question]:
    """Return the questions of these names, in the order of all; all of them if none is named."""
    known = {question.name: question for question in QUESTIONS}
    if unknown := [name for name in names if name not in known]:
        raise OperatorError(
            f"There is no question {', '.join(map(repr, unknown))}.", f"Choose of these: {', '.join(known)}."
        )
    return [question for question in QUESTIONS if not names or question.name in names]
