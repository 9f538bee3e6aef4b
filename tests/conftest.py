"""Rules for every test run: what the markers mean, no skips in CI, nothing left behind.

`lab` tests need root and TAP devices; where those are not, they are skipped with the name of what is missing.
`long` tests are left out unless `--long` is given. With CI=true a skip is a failure. A session that leaves a
network namespace, a TAP interface or a process behind fails.
"""

import os
import select
import signal
import time
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Inherited by every process a test starts, however it detaches itself.
MARK = "QUADLINK_TEST_SESSION"
EXIT_GRACE_S = 2.0
BACKGROUND_NICENESS = 5
"""Of tests that run beside those that make labs, which take longest and have real time in them."""
THERE_BEFORE = pytest.StashKey[list[str]]()
LEFT_BEHIND = pytest.StashKey[list[str]]()


# A slow machine is no failure.
settings.register_profile("no deadline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no deadline")

# A shell that starts the run in the background has it ignore SIGINT, and so would every command under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--long`."""
    parser.addoption("--long", action="store_true", help="run the tests marked long, too")


def missing_capability() -> str | None:
    """What keeps lab tests from running here, or None."""
    if os.geteuid() != 0:
        return "needs root: network namespaces and TAP devices"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun: the tun module of the kernel"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips lab tests where they cannot run and deselects long ones that were not asked for."""
    if not config.getoption("--long"):
        long_items = [item for item in items if "long" in item.keywords]
        items[:] = [item for item in items if item not in long_items]
        config.hook.pytest_deselected(items=long_items)
    if reason := missing_capability():
        for item in items:
            if "lab" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


class ByFolder(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """Hands whole folders to the processes that run tests; files that make labs, to one of them.

    Those look at all that a machine has. Other tests of one folder may use the same ports.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        return "lab" if makes_labs(self.config.rootpath / file) else str(file.parent)


@cache
def makes_labs(file: Path) -> bool:
    """Whether a file has tests that make labs or parts of them, or look at all there are."""
    return file.parent.name == "lab_parts" or "mark.lab" in file.read_text()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Where tests run in several processes: which runs what."""
    return ByFolder(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lets tests that make labs come first where others run beside them."""
    if "PYTEST_XDIST_WORKER" in os.environ and os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, 0 if makes_labs(item.path) else BACKGROUND_NICENESS)


def fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI, turns a skip into a failure that tells the skip's reason; an expected failure is no skip."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} (nothing may be skipped in CI)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skips of tests."""
    report = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skips of whole modules."""
    report = yield
    fail_if_skipped(report)
    return report


def network_namespaces() -> set[str]:
    """The names `ip netns list` shows."""
    folder = Path("/run/netns")
    return {f"network namespace {path.name}" for path in folder.iterdir()} if folder.is_dir() else set()


def tap_interfaces() -> set[str]:
    """TUN and TAP interfaces of this namespace."""
    return {f"TAP interface {path.parent.name}" for path in Path("/sys/class/net").glob("*/tun_flags")}


def marked_processes(mark: str) -> dict[int, str]:
    """PID and command of the live processes that carry this session's mark, without this one.

    Python's resource tracker is left out: it lives as long as the process that started it.
    """
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        tracker = "multiprocessing.resource_tracker" in command
        if f"{MARK}={mark}".encode() in environment.split(b"\0") and not tracker:
            found[int(folder.name)] = command
    found.pop(os.getpid(), None)
    return found


def wait_for_exit(pids: list[int], timeout_s: float) -> None:
    """Gives processes that were told to end the time to do it."""
    deadline_s = time.monotonic() + timeout_s
    for pid in pids:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([process], [], [], max(0.0, deadline_s - time.monotonic()))
        finally:
            os.close(process)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Marks what the tests start, and notes what there is before them.

    A session inside another, which runs a part of its tests or is what a test runs, leaves that to the outer
    one: it cannot tell what is its own.
    """
    if MARK not in os.environ:
        os.environ[MARK] = f"{os.getpid()}.{time.time_ns()}"
        session.config.stash[THERE_BEFORE] = [*network_namespaces(), *tap_interfaces()]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails the session when something that tests made outlives them."""
    before = session.config.stash.get(THERE_BEFORE, None)
    if before is None:
        return
    mark = os.environ.pop(MARK)
    wait_for_exit(list(marked_processes(mark)), EXIT_GRACE_S)
    left = sorted((network_namespaces() | tap_interfaces()).difference(before))
    left += [f"process {pid}: {command}" for pid, command in marked_processes(mark).items()]
    session.config.stash[LEFT_BEHIND] = left
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what was left behind."""
    if left := config.stash.get(LEFT_BEHIND, []):
        terminalreporter.section("left behind", red=True)
        terminalreporter.line("\n".join(left))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Gives what root's run, and the checkers before it, cached in the checkout to the checkout's owner."""
    owner = config.rootpath.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for name in (".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache"):
        cache = config.rootpath / name
        for path in (cache, *cache.rglob("*")):
            if path.exists():
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
