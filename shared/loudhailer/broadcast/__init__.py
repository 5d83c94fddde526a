"""A broadcast: its audience, the messages that carry it through the queues, and the report of its delivery."""
