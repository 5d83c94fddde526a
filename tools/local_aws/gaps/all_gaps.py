"""The list of gaps."""

from tools.local_aws.gaps import (
    event_sources,
    expression_parsing,
    lambda_workers,
    queue_mappings,
    reserved_concurrency,
    stream_mappings,
    stream_persistence,
    stream_records,
    time_to_live,
)

GAPS = (
    lambda_workers.gap,
    reserved_concurrency.gap,
    event_sources.gap,
    queue_mappings.gap,
    stream_mappings.gap,
    stream_records.gap,
    stream_persistence.gap,
    time_to_live.gap,
    expression_parsing.gap,
)
