"""Access keys have secrets that nobody can guess, and each request is checked against them.

AWS signs in nobody without a secret access key that it has issued:
https://docs.aws.amazon.com/IAM/latest/UserGuide/security-creds.html

MiniStack takes an account's id as the access key of that account's root and does not check its signature. It derives
the keys of a function's execution role from the names of function and role, so any caller can do so, too.

Patched: `execution_credentials`, which derives them from the secret of this local AWS too. A function's workers still
get the same keys. Added: `signing_keys`, which says what a request must be signed with.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import hmac
import math
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime, responses
from ministack.services import sts

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch
from tools.emulator.perimeter.signature import Claim, SigningKey, derived_key, is_root

_LONGEST_SESSION_NAME = 64


def gap(options: Options) -> Gap:
    """Derive execution roles' keys from the secret."""

    def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
        account, _ = lambda_runtime._account_region_from_function_config(config)
        role = config.get("Role", "").rpartition("/")[2]
        name = config["FunctionName"][:_LONGEST_SESSION_NAME]

        def derived(what: str) -> str:
            text = f"{what}:{config['FunctionArn']}:{config.get('Role', '')}"
            return hmac.digest(options.secret.encode(), text.encode(), "sha256").hex()

        access_key, secret, token = f"ASIA{derived('key')[:16].upper()}", derived("secret"), derived("token")
        session = {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
            "UserId": f"{role}:{name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
        }
        sts.register_session(access_key, session)
        return {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}

    return Gap(
        patches=(
            Patch(
                "ministack.core.lambda_runtime:execution_credentials",
                "cffaadc4f396f6e44a2490ca7e3e49fafba0d30ee1a22d6f991a995bc9078463",
                execution_credentials,
            ),
            Patch(
                "ministack.core.iam_evaluator:resolve_credential",
                "32276bd395ef6a6a8f10e4a3894040d9cb466166127279c48c3068328e86b1c7",
            ),
            Patch(
                "ministack.core.iam_evaluator:is_root_access_key",
                "e6ae3b63335593c0d7f112cdb3b505fef87e49f893e448738bef66d1d5064f8f",
            ),
        )
    )


def signing_keys(secret: str) -> Callable[[Claim], SigningKey | None]:
    """Return a function that finds the secret of an access key; None for an unknown key."""

    def signing_key(claim: Claim) -> SigningKey | None:
        access_key = claim.access_key
        if is_root(access_key):
            return SigningKey(access_key, derived_key(secret, claim))
        try:
            account = responses._account_from_sts_session(access_key) or iam_evaluator.find_iam_access_key_account(
                access_key
            )
            credential = iam_evaluator.resolve_credential(access_key, account)
        except iam_evaluator.AmbiguousAccessKeyError:
            return None
        if isinstance(credential, iam_evaluator.CredentialResolutionError) or credential.principal_type == "Root":
            return None
        expires_at = sts._sessions.get(access_key, {}).get("Expiration", math.inf)
        return SigningKey(credential.account_id, derived_key(credential.secret_access_key, claim), expires_at)

    return signing_key
