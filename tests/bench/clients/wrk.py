"""Posts with wrk, in C, one ready-made request again and again without signing: the floor for any HTTP client."""

import json
import re
import resource
import subprocess
import tempfile
from urllib.parse import quote

from tests.bench.meter import job, tell

_SCRIPT = """
wrk.method = "POST"
wrk.body = {payload}
wrk.headers["X-Amz-Date"] = "20260101T000000Z"
wrk.headers["X-Amz-Security-Token"] = {token}
wrk.headers["Authorization"] = {authorization}
"""


def main() -> None:
    """Run it; its start, which is short, is counted."""
    given = job()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={given['access_key']}/20260101/{given['region']}/execute-api/aws4_request, "
        f"SignedHeaders=host;x-amz-date;x-amz-security-token, Signature={'0' * 64}"
    )
    values = {"payload": given["payload"], "token": given["token"], "authorization": authorization}
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        # A JSON string of printable ASCII is one of Lua too.
        script.write(_SCRIPT.format(**{name: json.dumps(value) for name, value in values.items()}))
        script.flush()
        url = f"{given['endpoint']}/@connections/{quote(given['connections'][0], safe='')}"
        options = ["-t1", f"-c{given['in_flight']}", f"-d{round(given['seconds'])}s", "-s", script.name]
        tell({"event": "started"})
        done = subprocess.run([given["wrk"], *options, url], capture_output=True, text=True, check=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    if found is None or "Non-2xx" in done.stdout:
        raise AssertionError(done.stdout)
    tell({"cpu_seconds": usage.ru_utime + usage.ru_stime, "seconds": float(found[2]), "count": int(found[1])})


if __name__ == "__main__":
    main()
