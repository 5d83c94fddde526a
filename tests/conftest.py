"""For every test: Powertools' environment, Hypothesis' profiles, the choice of the emulator's tests, coverage."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
from hypothesis import settings

from tests.support import emulator
from tests.support.coverage import coverage_paused

# Powertools reads both when it is imported.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Loudhailer")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")

# A test never asserts a time, which Hypothesis does by itself.
settings.register_profile("loudhailer", deadline=None)
settings.register_profile("daily", settings.get_profile("loudhailer"), max_examples=30)
settings.load_profile("loudhailer")

ROOT = Path(__file__).parents[1]
EMULATOR_TESTS = tuple(f"{folder}/" for folder in emulator.TESTS)
CHOICE = pytest.StashKey[emulator.Choice]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make test`; without it, every test that is named runs."""
    parser.addoption(
        "--emulator-if-changed",
        action="store_true",
        help="leave out the tests of the emulator, but for its contract, unless something of the emulator changed",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Ask git once, if the option is given; the processes of xdist take the choice of the first one."""
    if config.getoption("emulator_if_changed"):
        chosen: dict[str, Any] = getattr(config, "workerinput", {}).get("emulator", {})
        config.stash[CHOICE] = emulator.Choice(**chosen) if chosen else emulator.choose(ROOT)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the choice to a process of xdist: git may say something else once the tests run."""
    if CHOICE in node.config.stash:
        node.workerinput["emulator"] = asdict(node.config.stash[CHOICE])


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Let coverage rest while the tests are imported, which takes twice the time else.

    All that it measures is imported first, but for the handlers, which need an environment: tests run these.
    """
    config = session.config
    collects = hasattr(config, "workerinput") or not config.getoption("numprocesses", None)
    if config.pluginmanager.has_plugin("_cov") and collects:
        for name in ("functions", "loudhailer"):
            for module in walk_packages(import_module(name).__path__, f"{name}."):
                if not module.name.endswith(".handler"):
                    import_module(module.name)
    with coverage_paused(config):
        return (yield)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say at the top of the report which is the case, and why."""
    return [str(config.stash[CHOICE])] if CHOICE in config.stash else []


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests of the emulator, but for its contract."""
    if item.nodeid.startswith(EMULATOR_TESTS) and item.get_closest_marker("emulator_contract") is None:
        item.add_marker("emulator")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these tests out, where nothing of the emulator changed."""
    if CHOICE not in config.stash or config.stash[CHOICE].run:
        return
    left_out = [item for item in items if item.get_closest_marker("emulator")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("emulator")]
