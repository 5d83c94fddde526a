"""The units that DynamoDB's requests cost, and the partitions that serve them."""

import pytest

from tools.emulator.aws.throughput import KeyRange, Throughput, read_units, write_units

TABLE = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions"
HOT, COLD = KeyRange(TABLE, "hot"), KeyRange(TABLE, "cold")


@pytest.mark.parametrize(
    ("size", "units"), [(0, 1), (1, 1), (1_024, 1), (1_025, 2), (3 * 1_024 + 512, 4), (400 * 1_024, 400)]
)
def test_a_write_costs_a_unit_for_each_kilobyte_and_a_transaction_double(size: int, units: float) -> None:
    """The examples of AWS's page on reads and writes, and the largest item."""
    assert write_units(size, transaction=False) == units
    assert write_units(size, transaction=True) == 2 * units


@pytest.mark.parametrize(("size", "units"), [(0, 1), (4_096, 1), (4_097, 2), (8 * 1_024, 2), (1_048_576, 256)])
def test_a_read_costs_a_unit_for_four_kilobytes_or_half_if_eventually_consistent(size: int, units: float) -> None:
    """Transactions cost double; a page of a query is rounded up once, not item by item."""
    assert read_units(size, consistent=True) == units
    assert read_units(size, consistent=False) == units / 2
    assert read_units(size, consistent=False, transaction=True) == 2 * units


def test_a_key_serves_1000_writes_and_3000_reads_a_second() -> None:
    """Both are counted apart, and for each key."""
    throughput = Throughput(clock=lambda: 0.0)
    throughput.use(HOT, 999, writes=True)
    throughput.use(HOT, 2_999, writes=False)
    assert not throughput.is_exceeded(HOT, writes=True)
    assert not throughput.is_exceeded(HOT, writes=False)
    throughput.use(HOT, 1, writes=True)
    assert throughput.is_exceeded(HOT, writes=True)
    assert not throughput.is_exceeded(HOT, writes=False)
    throughput.use(HOT, 1, writes=False)
    assert throughput.is_exceeded(HOT, writes=False)
    assert not throughput.is_exceeded(COLD, writes=True)


@pytest.mark.parametrize(
    ("resource", "writes", "reason"),
    [
        (TABLE, True, "TableWriteKeyRangeThroughputExceeded"),
        (TABLE, False, "TableReadKeyRangeThroughputExceeded"),
        (f"{TABLE}/index/room", True, "IndexWriteKeyRangeThroughputExceeded"),
        (f"{TABLE}/index/room", False, "IndexReadKeyRangeThroughputExceeded"),
    ],
)
def test_the_reason_names_the_table_or_the_index_and_the_kind_of_request(
    resource: str, reason: str, *, writes: bool
) -> None:
    """The four reasons of AWS's page on hot partitions."""
    assert KeyRange(resource, "hot").reason(writes=writes) == {"reason": reason, "resource": resource}
