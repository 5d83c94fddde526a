"""A filter pattern of CloudWatch Logs may ask for any of several terms.

AWS: `?ERROR ?"Task timed out"` finds the lines that have one of the terms, letter by letter; `ERROR "timed out"` lines
that have all of them; `-INFO` lines without it. Beside terms without a `?`, those with one mean nothing.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html

MiniStack takes `?ERROR` for a word that a line must have. It splits quoted terms at their spaces, and ignores case.

Patched: `_compile_filter_pattern`. Patterns for the fields of JSON lines are MiniStack's: they find everything.
"""

import re
from collections.abc import Callable

from ministack.services import cloudwatch_logs

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_TERM = re.compile(r'(?P<mark>[?-]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))')
_STOCK_COMPILE = cloudwatch_logs._compile_filter_pattern  # noqa: SLF001 (MiniStack's internals are what this is about)


def gap(_options: Options) -> Gap:
    """Read terms as AWS does."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.cloudwatch_logs:_compile_filter_pattern",
                "2568f38b56143b8191cbdd0085dde59995b3758f7f24803148e422d91e6b31ea",
                compiled,
            ),
        ),
    )


def compiled(pattern: str) -> Callable[[str], bool]:
    """The test of a line."""
    if not pattern or pattern.lstrip().startswith("{"):
        stock: Callable[[str], bool] = _STOCK_COMPILE(pattern)
        return stock
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    for found in _TERM.finditer(pattern):
        text = found["word"] if found["quoted"] is None else re.sub(r"\\(.)", r"\1", found["quoted"])
        terms[found["mark"]].append(text)
    every, some, none = terms[""], terms["?"], terms["-"]
    if every or none:
        return lambda line: all(term in line for term in every) and not any(term in line for term in none)
    return lambda line: any(term in line for term in some)
