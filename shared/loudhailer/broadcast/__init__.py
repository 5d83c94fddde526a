"""A broadcast: whom it is for, the messages that carry it through the queues, and the report of who got it."""
