"""What every test needs: the environment that Powertools reads when it is imported."""

import os

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Loudhailer")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")
