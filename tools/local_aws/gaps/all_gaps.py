"""The list of gaps."""

from tools.local_aws.gaps import (
    event_sources,
    expression_parsing,
    fifo_queues,
    lambda_workers,
    leading_keys,
    policy_variables,
    queue_mappings,
    request_actions,
    reserved_concurrency,
    service_integrations,
    session_tags,
    statement_streams,
    stream_mappings,
    stream_persistence,
    stream_records,
    time_to_live,
)

GAPS = (
    lambda_workers.gap,
    reserved_concurrency.gap,
    event_sources.gap,
    fifo_queues.gap,
    queue_mappings.gap,
    stream_mappings.gap,
    stream_records.gap,
    statement_streams.gap,
    stream_persistence.gap,
    time_to_live.gap,
    expression_parsing.gap,
    service_integrations.gap,
    request_actions.gap,
    leading_keys.gap,
    policy_variables.gap,
    session_tags.gap,
)
