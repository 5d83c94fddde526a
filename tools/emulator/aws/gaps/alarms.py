"""Alarms are described as they were set, in XML too.

AWS answers DescribeAlarms with all parameters of PutMetricAlarm:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html

MiniStack does so in JSON and CBOR. In XML, which Terraform's provider speaks, it leaves out half of it, so that every
plan changes every alarm.

Patched: `_describe_alarms`, whose JSON is written as XML.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import json
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import cloudwatch

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_STOCK_DESCRIBE_ALARMS = cloudwatch._describe_alarms
_LISTS = {"AlarmNames", "AlarmTypes"}
_MOST_MEMBERS = 100


def gap(_options: Options) -> Gap:
    """Describe alarms whole."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.cloudwatch:_describe_alarms",
                "ab8f092ff9ae6f023a72ecbaf2ae1ee6145f61fea5ff80c20d48293c87458316",
                _describe_alarms,
            ),
        ),
    )


def _describe_alarms(params: dict[str, Any], data: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:  # noqa: FBT001, FBT002
    if is_cbor or is_json:
        return _STOCK_DESCRIBE_ALARMS(params, data, is_cbor, is_json)
    request: dict[str, Any] = {
        name: values
        for name in _LISTS
        if (
            values := [
                each for n in range(1, _MOST_MEMBERS + 1) if (each := cloudwatch._p(params, f"{name}.member.{n}"))
            ]
        )
    }
    for name in ("AlarmNamePrefix", "StateValue", "MaxRecords", "NextToken"):
        if value := cloudwatch._p(params, name):
            request[name] = value
    status, _, content = _STOCK_DESCRIBE_ALARMS({}, request, False, True)
    if status != 200:
        return _STOCK_DESCRIBE_ALARMS(params, data, is_cbor, is_json)
    inner = f"<DescribeAlarmsResult>{_elements(json.loads(content))}</DescribeAlarmsResult>"
    return cloudwatch._xml(200, "DescribeAlarmsResponse", inner)


def _elements(value: Any) -> str:
    """The content of an element that has the value."""
    if isinstance(value, dict):
        return "".join(
            f"<{name}>{_elements(_as_time(each) if name.endswith('Timestamp') else each)}</{name}>"
            for name, each in value.items()
            if each is not None
        )
    if isinstance(value, list):
        return "".join(f"<member>{_elements(each)}</member>" for each in value)
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


def _as_time(value: Any) -> str:
    return datetime.fromtimestamp(value, UTC).isoformat() if isinstance(value, int | float) else str(value)
