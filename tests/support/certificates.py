"""Certificates for servers of the tests' own."""

import shutil
import subprocess
from pathlib import Path


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key, in a new file of the folder."""
    path = folder / "certificate.pem"
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl makes the certificate for this test"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run([openssl, "req", "-x509", *made, *subject], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path
