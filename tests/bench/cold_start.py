"""Benchmark 5: the cost of a function's start, and of `import boto3` with two clients alone."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from tests.bench import processes
from tests.bench.processes import BenchmarkError, pinned
from tests.bench.results import ResultTable, Section, at_most, median, median_ratio, number, times
from tests.support import lambda_environment
from tests.support.checkout import functions, module_of
from tools.stack.project import Project

ROUNDS = 9
"""The first one, which compiles bytecode and fills the system's caches, is not counted."""

LIMITS = {"post_message": 0.6, "connect": 1.1, "authorizer": 1.1}

_METHOD = """\
CPU time from the first import to the end of the handler's module, in a fresh interpreter. Bytecode is compiled, and
file caches are warm; {rounds} rounds in turn; ratios are medians of the ratios within a round. `post_message` makes its
SQS client after its first posts; that is not in its figure. The last column is where `-X importtime` sees the time go,
which is itself slower; the making of clients is in the share of `functions`."""

_BASELINE = "boto3 and two clients"
_BASELINE_CODE = "import boto3; boto3.client('dynamodb'); boto3.client('sqs')"
_PROGRAM = "import time\nstarted = time.process_time()\n{code}\nprint(time.process_time() - started)"
_IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +([\w.]+)")
_LARGEST_PARTS = 5


def measure(progressed: Callable[[int, int, str], None]) -> Section:
    """Every function in a fresh interpreter, in turn, several times over."""
    code = {_BASELINE: _BASELINE_CODE, **{name: f"import {module_of(name, 'handler')}" for name in functions()}}
    seconds: dict[str, list[float]] = defaultdict(list)
    imports: dict[str, Counter[str]] = {}
    total = len(code) * (ROUNDS + 1)
    for done in range(ROUNDS * len(code)):
        name = list(code)[done % len(code)]
        progressed(done, total, name)
        taken = float(_run("-c", _PROGRAM.format(code=code[name])).stdout.splitlines()[-1])
        if done >= len(code):
            seconds[name].append(taken)
    for name, text in code.items():
        progressed(total - len(code) + len(imports), total, name)
        imports[name] = parts(_run("-X", "importtime", "-c", text).stderr)
    progressed(total, total, "")
    return _section(seconds, imports)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    core, _ = processes.cores()
    with pinned(core):
        done = subprocess.run(
            [sys.executable, *arguments],
            env=lambda_environment.environment(),
            cwd=Project.of_this_code().root,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise BenchmarkError(f"a function does not start: {done.stderr[-2000:]}")
    return done


def parts(log: str) -> Counter[str]:
    """The microseconds spent in importing each top-level package, out of `-X importtime`'s log."""
    found: Counter[str] = Counter()
    for microseconds, module in _IMPORT_TIME.findall(log):
        found[module.partition(".")[0]] += int(microseconds)
    return found


def _section(seconds: Mapping[str, list[float]], imports: Mapping[str, Counter[str]]) -> Section:
    ratios = {name: median_ratio(taken, seconds[_BASELINE]) for name, taken in seconds.items()}
    rows = [
        (name, number(median(seconds[name]) * 1000), number(ratio), _largest(imports[name]))
        for name, ratio in sorted(ratios.items(), key=lambda item: item[1])
    ]
    return Section(
        title="Cold start",
        method=_METHOD.format(rounds=ROUNDS - 1),
        tables=[ResultTable("Start of each function", ("function", "CPU ms", "to boto3", "most of it, ms"), rows)],
        targets=[at_most(f"cold start of {name}", ratios[name], limit, times) for name, limit in LIMITS.items()],
    )


def _largest(found: Counter[str]) -> str:
    return ", ".join(f"{name} {taken / 1000:.0f}" for name, taken in found.most_common(_LARGEST_PARTS))
