"""The machine and the programs that numbers were measured with."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psutil
import pycurl

from tests.bench.results import ResultTable
from tools.stack.project import Project

_PACKAGES = ("boto3", "orjson", "aws-lambda-powertools", "pycurl", "picows", "ministack")


def description() -> str:
    """The processor, the memory and the system, in a line."""
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    return f"{_processor()}, {os.cpu_count()} cores, {memory}, {platform.system()} {platform.release()}"


def load() -> float:
    """The average number of processes that ran or waited for a core during the last minute."""
    return os.getloadavg()[0]


def versions(others: Mapping[str, str]) -> ResultTable:
    """Return what took part, `others` included."""
    rows = [("Loudhailer", revision()), ("Python", platform.python_version())]
    rows += [(package, version(package)) for package in _PACKAGES]
    rows += [("libcurl", str(pycurl.version)), *others.items()]
    return ResultTable("Versions", ("", ""), rows)


def answer_of(*command: str) -> str:
    """The first line that a program says of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor()


def revision() -> str:
    """The commit of this code, and whether files differ from it."""
    git = ("git", "-C", str(Project.of_this_code().root))
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=False).stdout
    return answer_of(*git, "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
