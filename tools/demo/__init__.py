"""The demonstration: a stack of its own, real sockets, broadcasts, and a verdict on every frame and every count."""
