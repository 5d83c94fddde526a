"""The image of all functions: the engine that builds it, the base that it stands on, and where it is pushed."""
