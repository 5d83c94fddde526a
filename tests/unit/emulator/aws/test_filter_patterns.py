"""Filter patterns of CloudWatch Logs, against the examples of AWS's page.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import pytest

from tools.emulator.aws.gaps.filter_patterns import compiled

LINES = ("[ERROR 400] BAD REQUEST", "[ERROR 401] UNAUTHORIZED REQUEST", "[INFO 200] OK", "[error 400] bad", "")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", LINES),
        ("ERROR", LINES[:2]),
        ("ERROR REQUEST", LINES[:2]),
        ("ERROR -UNAUTHORIZED", LINES[:1]),
        ('"BAD REQUEST"', LINES[:1]),
        ("?ERROR ?INFO", LINES[:3]),
        ('?"401] UNAUTHORIZED" ?OK', LINES[1:3]),
        ("?ERROR ?INFO REQUEST", LINES[:2]),
        ('{ $.level = "ERROR" }', LINES),
    ],
)
def test_a_pattern_finds_the_lines_that_aws_finds(pattern: str, found: tuple[str, ...]) -> None:
    """Letter by letter; any term with a question mark, unless there are terms without one."""
    assert tuple(line for line in LINES if compiled(pattern)(line)) == found
