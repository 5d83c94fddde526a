"""Stacks of other accounts, applied or destroyed at once: most of that time Terraform waits."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from tools.errors import OperatorError
from tools.interruptions import undisturbed
from tools.stack.dependents import Dependent

MOST_AT_ONCE = 4
"""Each Terraform and its provider take more than half a gigabyte of memory, and a core while they plan."""

_POLL_SECONDS = 0.1


def side_by_side[T](
    dependents: Iterable[Dependent], work: Callable[[Dependent], T], end: Callable[[], object]
) -> dict[Dependent, T]:
    """Do the work for each stack, for a few at once; the results, in the order of the stacks.

    If one fails, all others still come to their end. Then OperatorError names each that failed. If the operator
    interrupts, no other one is begun, and `end` is called until all that were begun have ended.
    """
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        begun: dict[Dependent, Future[T]] = {}
        try:
            for dependent in dependents:
                begun[dependent] = pool.submit(work, dependent)
            wait(begun.values())
        except BaseException:
            with undisturbed():
                pool.shutdown(wait=False, cancel_futures=True)
                while not all(future.done() for future in begun.values()):
                    end()
                    time.sleep(_POLL_SECONDS)
            raise
    _require_success(begun)
    return {dependent: future.result() for dependent, future in begun.items()}


def _require_success[T](ended: Mapping[Dependent, Future[T]]) -> None:
    """Raise what a stack failed with; OperatorErrors as one that names each of the stacks."""
    errors = {dependent: error for dependent, future in ended.items() if (error := future.exception()) is not None}
    for error in errors.values():
        if not isinstance(error, OperatorError):
            raise error
    failed = {dependent: error for dependent, error in errors.items() if isinstance(error, OperatorError)}
    if failed:
        problems = (f"The {dependent}: {error.problem}" for dependent, error in failed.items())
        remedies = dict.fromkeys(error.remedy for error in failed.values() if error.remedy)
        raise OperatorError("\n".join(problems), "\n".join(remedies))
