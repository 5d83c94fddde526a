"""A slash at the end of an HTTP API's path counts.

AWS: a route must match in full, so `/session/` is not `/session`; docs/architecture.md names other reports about it.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html

MiniStack takes the first part of a path for what may be a stage. If it is none and nothing but a slash follows, the
slash is lost.

Patched: `_parse_execute_api_url`, which leaves two slashes in place of that one, and so what no route matches.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from ministack import app

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_STOCK_PARSE = app._parse_execute_api_url


def gap(_options: Options) -> Gap:
    """Keep the slash."""
    return Gap(
        patches=(
            Patch(
                "ministack.app:_parse_execute_api_url",
                "13d571174968a2ab24e142eccd773fe668f1ed44d5029cfdd4456975f584d1c0",
                _parse,
            ),
            Patch(
                "ministack.app:_resolve_stage_and_path",
                "e44464f6865c160819ab81b553a2deffc0193de95d2d2bc60b6c1bf5f78b003d",
            ),
        ),
    )


def _parse(host: str, path: str) -> tuple[str, str, str] | None:
    found: tuple[str, str, str] | None = _STOCK_PARSE(host, path)
    if found is None:
        return None
    api, first, rest = found
    return (api, first, "//") if first and rest == "/" and path.endswith("/") else found
