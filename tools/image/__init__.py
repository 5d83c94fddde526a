"""The image of all functions: the engine that builds it, its base image, and the registry that it is pushed to."""
