"""The order of a channel's messages, and the messages that are kept: see decision 0053."""
