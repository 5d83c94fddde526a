"""AWS's answers ready-made: the SDK makes, signs and reads everything, and there is no server and no socket.

Answers come in place of botocore's HTTP session. This leaves out only the cost of a server and of the HTTP connection
to it.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

type CannedAnswer = bytes | Callable[[bytes], bytes]
"""The answer's body, or what makes it from the request's body."""


@dataclass(frozen=True, slots=True)
class _Raw:
    """The part of urllib3's response that botocore reads."""

    body: bytes

    def stream(self) -> Iterator[bytes]:
        """The body, in one piece."""
        yield self.body


class CannedAws:
    """Answers the calls of all SDK clients in this process, from now on, by the actions' names.

    Attributes:
        calls: how many calls there were of each action.
        bytes_sent: how long their bodies were, together.
    """

    def __init__(self, answers: Mapping[str, CannedAnswer]) -> None:
        self.calls = Counter[str]()
        self.bytes_sent = Counter[str]()
        self._answers = answers
        self._checksums: dict[bytes, str] = {}
        URLLib3Session.send = self._answer  # type: ignore[method-assign, assignment]  # on purpose

    def _answer(self, request: AWSPreparedRequest) -> AWSResponse:
        target: Any = request.headers["X-Amz-Target"]  # bytes by now, whatever its type says
        action = target.decode().rpartition(".")[2]
        answer = self._answers[action]
        content = request.body if isinstance(request.body, bytes) else str(request.body).encode()
        self.calls[action] += 1
        self.bytes_sent[action] += len(content)
        body = answer if isinstance(answer, bytes) else answer(content)
        headers: Any = {
            "content-type": "application/x-amz-json-1.0",
            "content-length": str(len(body)),
            "x-amz-crc32": self._checksum(body),
            "x-amzn-requestid": "A" * 52,
        }
        return AWSResponse(request.url, 200, headers, _Raw(body))

    def _checksum(self, body: bytes) -> str:
        """DynamoDB sends it and botocore verifies it; the server's part of it is done once for each answer."""
        checksum = self._checksums.get(body)
        if checksum is None:
            checksum = self._checksums[body] = str(zlib.crc32(body))
        return checksum
