"""STS counts the requests of each account."""

from typing import Any

from ministack.core.responses import request_scope

from tools.emulator.aws.gaps.sts_rate import within_rate
from tools.emulator.aws.options import Options, parse

REGION = "us-east-1"


def options(*arguments: str) -> Options:
    """The launcher's options."""
    needed = ("--port", "0", "--state-dir", "state", "--account", "111111111111")
    return parse([*needed, *arguments], {"AWS_SECRET_ACCESS_KEY": "secret"})


async def answered(*_: Any) -> tuple[int, dict[str, str], bytes]:
    """STS, which answers everything."""
    return 200, {}, b""


async def test_an_account_gets_600_answers_a_second() -> None:
    """The next one gets the error of an exceeded rate, as the SDK's retries know it; other accounts are served."""
    handle = within_rate(answered, options(), clock=lambda: 0.0)
    with request_scope("111111111111", REGION):
        statuses = [(await handle())[0] for _ in range(600)]
        status, _, content = await handle()
    assert set(statuses) == {200}
    assert status == 400
    assert b"<Code>Throttling</Code><Message>Rate exceeded</Message>" in content
    with request_scope("222222222222", REGION):
        assert (await handle())[0] == 200


async def test_no_answer_is_counted_without_throttling() -> None:
    """The launcher's flag leaves STS as it was."""
    assert within_rate(answered, options("--no-throttling")) is answered
