"""What every test needs: the environment that Powertools reads when it is imported; properties without a stopwatch."""

import os

from hypothesis import settings

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Loudhailer")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")

# A test never asserts a time, which Hypothesis does by itself.
settings.register_profile("loudhailer", deadline=None)
settings.load_profile("loudhailer")
