"""A topic's policy sees which endpoint, by which protocol, a request is to subscribe.

AWS: `sns:Endpoint` and `sns:Protocol` are those of a Subscribe request, so that a policy may let another account
subscribe one queue and nothing else.
https://docs.aws.amazon.com/sns/latest/dg/sns-using-identity-based-policies.html#sns-policy-keys

MiniStack has neither key: a policy that asks for one lets nobody of another account subscribe.

Patched: `_subscribe`, which has the request, and `_enforce_topic_policy`, which asks the topic's policy. For the
policies of the caller `request_context` has the keys.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from contextvars import ContextVar
from typing import Any

from ministack.core.iam_evaluator import EvalContext, caller_arn, resource_policy_allows
from ministack.core.responses import get_account_id, get_region
from ministack.services import sns

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_STOCK_SUBSCRIBE = sns._subscribe
_STOCK_ENFORCE_TOPIC_POLICY = sns._enforce_topic_policy

_asked: ContextVar[dict[str, Any] | None] = ContextVar("_asked", default=None)


def gap(_options: Options) -> Gap:
    """Add protocol and endpoint to the context of topics' policies."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.sns:_subscribe",
                "db260c543268f95325430f30a65e3702434d897d7fc2f4d7b7faaa8962257bc1",
                _subscribe,
            ),
            Patch(
                "ministack.services.sns:_enforce_topic_policy",
                "7992647d1dedd6b34f98564a710637820f95a0f60ae74ed136d04a8c97f2b39d",
                _enforce_topic_policy,
            ),
        ),
    )


def _subscribe(params: Any) -> Any:
    token = _asked.set({"sns:endpoint": sns._p(params, "Endpoint"), "sns:protocol": sns._p(params, "Protocol")})
    try:
        return _STOCK_SUBSCRIBE(params)
    finally:
        _asked.reset(token)


def _enforce_topic_policy(topic: dict[str, Any], iam_action: str) -> Any:
    """The refusal of a request by the topic's policy; None if it lets the caller."""
    keys = _asked.get()
    if keys is None:
        return _STOCK_ENFORCE_TOPIC_POLICY(topic, iam_action)
    context = EvalContext(
        principal_arn=caller_arn(),
        principal_type="Root",
        principal_account=get_account_id(),
        action=iam_action,
        resource_arn=topic["arn"],
        region=get_region(),
        service_context=keys,
    )
    is_owner = sns._topic_owner(topic) == get_account_id()
    if resource_policy_allows(topic.get("attributes", {}).get("Policy") or "", context, is_owner):
        return None
    words = f"User: {context.principal_arn} is not authorized to perform: {iam_action} on resource: {topic['arn']}"
    return sns._error("AuthorizationError", words, 403)
