"""The server that senders are measured against: nginx, which answers every post with 200 and is not the bottleneck."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import BenchmarkError, cpu_seconds, pinned
from tools.stack.processes import HOST, answers, free_port

_START_SECONDS = 10.0

_CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  ssl_certificate server.pem;
  ssl_certificate_key server.key;
  ssl_protocols TLSv1.3;
  server {{
    listen {host}:{plain};
    listen {host}:{tls} ssl;
    location / {{ return 200; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running nginx.

    Attributes:
        pid: its only process.
        endpoints: its URLs, by the name of the scheme as a table shows it.
        ca_file: the certificate that its own is signed with.
    """

    pid: int
    endpoints: dict[str, str]
    ca_file: Path

    def cpu_seconds(self) -> float:
        """The CPU time that it has used until now."""
        return cpu_seconds(self.pid)


@contextmanager
def running(core: int) -> Iterator[Server]:
    """An nginx on a core, for the length of the block."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        plain, tls = free_port(), free_port()
        _make_certificates(folder)
        (folder / "nginx.conf").write_text(_CONFIGURATION.format(host=HOST, plain=plain, tls=tls))
        with pinned(core), (folder / "nginx.log").open("w") as log:
            process = subprocess.Popen(
                [program("nginx"), "-p", path, "-c", "nginx.conf", "-e", "stderr"], stdout=log, stderr=log
            )
        try:
            _await(process, plain, folder / "nginx.log")
            endpoints = {"TLS": f"https://{HOST}:{tls}/live", "plain": f"http://{HOST}:{plain}/live"}
            yield Server(process.pid, endpoints, folder / "ca.pem")
        finally:
            process.kill()
            process.wait()


def program(name: str) -> str:
    """A program's path, or a BenchmarkError that says how to install it."""
    found = find(name)
    if found is None:
        raise BenchmarkError(f"{name} is missing. On Debian: `sudo apt-get install {name}`.")
    return found


def find(name: str) -> str | None:
    """A program's path; where it is missing, Debian's package of the same name is installed if that can be done."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    if (found := shutil.which(name, path=path)) is None and os.geteuid() == 0 and (apt := shutil.which("apt-get")):
        # At runlevel 1 Debian starts no service that it installs.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        install = [apt, "install", "--yes", "--no-install-recommends", name]
        subprocess.run(install, env=environment, capture_output=True, check=False)
        found = shutil.which(name, path=path)
    return found


def _make_certificates(folder: Path) -> None:
    """A certificate authority and a server certificate that live as long as the folder."""
    new = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"]
    authority = [*new, "-subj", "/CN=Loudhailer bench", "-keyout", "ca.key", "-out", "ca.pem"]
    authority += ["-addext", "keyUsage=critical,keyCertSign,digitalSignature"]
    server = [*new, "-subj", f"/CN={HOST}", "-keyout", "server.key", "-out", "server.pem"]
    server += ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName=IP:{HOST}"]
    server += ["-addext", "basicConstraints=critical,CA:FALSE"]
    for arguments in (authority, server):
        done = subprocess.run(
            [program("openssl"), "req", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BenchmarkError(f"no certificate could be made (OpenSSL 3 is needed): {done.stderr}")


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchmarkError(f"nginx did not start: {log.read_text()}")
        time.sleep(0.02)
