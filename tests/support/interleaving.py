"""Functions that run side by side, one call of a store at a time, and copies of modules with an error in them."""

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any
from unittest.mock import patch

from greenlet import getcurrent


class Stepwise:
    """A store whose calls are steps of the greenlet that makes them: it waits before each until it is its turn."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        def stepwise(*arguments: Any, **named: Any) -> Any:
            if (parent := getcurrent().parent) is not None:
                parent.switch()
            return call(*arguments, **named)

        return stepwise


def mutated(module: ModuleType, before: str, after: str) -> ModuleType:
    """A copy of the module with that text in place of the other, which it has once."""
    spec: Any = find_spec(module.__name__)
    source = spec.loader.get_source(module.__name__)
    assert source.count(before) == 1
    changed = module_from_spec(spec)
    with patch.dict(sys.modules, {module.__name__: changed}):
        exec(compile(source.replace(before, after), spec.origin, "exec"), vars(changed))  # noqa: S102  # our own code
    return changed
