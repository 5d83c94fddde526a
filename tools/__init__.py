"""Programs for the operator's machine: the command line `loudhailer`, the local AWS, the gateway stand-in."""
