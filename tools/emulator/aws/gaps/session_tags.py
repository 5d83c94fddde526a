"""Transitive session tags are passed on from role to role, and trust policies see which tags are transitive.

AWS: see `tools.emulator.aws.session_tags`; `sts:TransitiveTagKeys` is a key of a trust policy's conditions.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#ck_transitivetagkeys

MiniStack takes no notice of them: a chain of roles loses the tag, and may set it again.

Patched: `handle_request` of STS, which answers an AssumeRole, looks up what its caller's session passes on and refuses
tags that contradict it; `evaluate_trust_policy` gets the transitive keys; `register_session` keeps all of it.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from contextvars import ContextVar
from dataclasses import replace
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.core.router import extract_access_key_id
from ministack.services import iam, sts

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.gaps.sts_rate import within_rate
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch
from tools.emulator.aws.session_tags import TagRefusedError, Tags, tags_in, tags_of

_STOCK_HANDLE_REQUEST = sts.handle_request
_STOCK_REGISTER_SESSION = sts.register_session
_STOCK_EVALUATE_TRUST_POLICY = iam_evaluator.evaluate_trust_policy

_assuming: ContextVar[tuple[Tags, Tags] | None] = ContextVar("assuming", default=None)
"""While an AssumeRole is answered: the tags that it sets, and those of the session that it makes."""

_registering = Lock()
"""MiniStack looks through all sessions for each new one, and those of functions come from many threads."""


def gap(options: Options) -> Gap:
    """Pass transitive tags on."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.sts:handle_request",
                "f2d7c72d01d6495029015f8803393e0435468dad4cf2716fa98d05a6c0c81702",
                within_rate(_handle_request, options),
            ),
            Patch(
                "ministack.services.sts:register_session",
                "a84ec986ec0121463da9c469b685e3f92025acc323517b9ea5943aeb876f7615",
                _register_session,
            ),
            Patch(
                "ministack.core.iam_evaluator:evaluate_trust_policy",
                "4b50aa29ad29fe20c5e8c3d4419ecb67469e8098b9dfc2b54b3f657c8720347d",
                _evaluate_trust_policy,
            ),
            Patch(
                "ministack.core.iam_evaluator:_principal_keys",
                "82f8fd4f1d91e59211ba016346c0d6f1a6fb963d25119c3ff541acde0778ae0b",
            ),
        ),
    )


async def _handle_request(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
    parameters = {**query_params, **parse_qs(body.decode())}
    if parameters.get("Action") != ["AssumeRole"]:
        return await _STOCK_HANDLE_REQUEST(method, path, headers, body, query_params)
    caller = sts._sessions.get(extract_access_key_id(headers, query_params), {})
    requested = tags_in(parameters)
    try:
        made = _tags_of(caller).inherited().extended_by(requested)
    except TagRefusedError as error:
        return iam._error(400, "InvalidParameterValue", str(error), ns="sts")
    token = _assuming.set((requested, made))
    try:
        return await _STOCK_HANDLE_REQUEST(method, path, headers, body, query_params)
    finally:
        _assuming.reset(token)


def _tags_of(session: dict[str, Any]) -> Tags:
    return tags_of(session.get("SessionTags") or (), session.get("TransitiveTagKeys") or ())


def _evaluate_trust_policy(trust_doc: Any, caller_arn: str, ctx: EvalContext | None = None) -> bool:
    assuming = _assuming.get()
    if ctx is not None and assuming is not None and assuming[0].transitive:
        keys = {"sts:transitivetagkeys": [key for key in assuming[0].values if key.lower() in assuming[0].transitive]}
        ctx = replace(ctx, service_context={**ctx.service_context, **keys})
    allowed: bool = _STOCK_EVALUATE_TRUST_POLICY(trust_doc, caller_arn, ctx)
    return allowed


def _register_session(access_key: str, session: dict[str, Any]) -> None:
    assuming = _assuming.get()
    if assuming is not None:
        session["SessionTags"] = [{"Key": key, "Value": value} for key, value in assuming[1].values.items()]
        session["TransitiveTagKeys"] = sorted(assuming[1].transitive)
    with _registering:
        _STOCK_REGISTER_SESSION(access_key, session)
