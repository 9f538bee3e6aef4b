"""Every command and every Python statement in a document does what it shows, typed in order in one clone."""

import doctest
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from netns_lab.mounts import mount, unshare_mounts
from netns_lab.topology import parse_topology

from tests.docs.console import Block, Command, console_blocks, difference, fences

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "docs/tutorial.md", "docs/topology.md", "docs/batches.md")
COMMAND_LIMIT_S = 60
# Run for a command that a test cannot run as it stands.
INSTEAD = {
    # tests/lab/test_demo.py runs it and reads what it prints.
    "sudo ./quadlink demo": "./quadlink demo --help",
    # These are the tests that it would run.
    "sudo ./quadlink test": "./quadlink test --collect-only -q tests/docs",
}
UNTIL_CTRL_C = {"sudo ./quadlink inspect links --watch"}
# Fences for what is no command; a command among them would not be run.
OTHER_FENCES = {"pycon", "yaml", "text"}


class Clone:
    """A directory like a fresh clone, and a /run of its own, so that no other lab is to be seen."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir()
        for path in ROOT.iterdir():
            if path.name != ".git":
                (directory / path.name).symlink_to(path)
        self._visitor = ThreadPoolExecutor(1)
        self._visitor.submit(self._settle).result()

    def _settle(self) -> None:
        """From here on the thread, and every process it starts, sees a /run of its own."""
        unshare_mounts()
        mount("tmpfs", Path("/run"), kind="tmpfs")

    def start(self, command: str) -> subprocess.Popen[str]:
        """Starts what a reader would type; root needs no sudo."""
        return self._visitor.submit(
            subprocess.Popen,
            ["bash", "-c", f'sudo() {{ "$@"; }}\n{command}'],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        ).result()

    def clean_up(self) -> None:
        """Ends every lab that a document left."""
        command = "for lab in /run/quadlink/*/; do ./quadlink down --name $(basename $lab); done"
        self.start(f"shopt -s nullglob\n{command}").communicate(timeout=COMMAND_LIMIT_S)
        self._visitor.shutdown()


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    clone = Clone(tmp_path / "quadlink")
    yield clone
    clone.clean_up()


class Typed:
    """A command that was typed, and what it prints meanwhile."""

    def __init__(self, clone: Clone, document: str, command: Command) -> None:
        self._place = f"{document}:{command.line}: {command.text}"
        self._command = command
        self._process = clone.start(INSTEAD.get(command.typed, command.typed))
        self._printed: list[str] = []
        self._printing = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._printed.append(line)
            self._printing.set()
        self._printing.set()

    def wait_for_output(self) -> None:
        """Returns once it has printed something, or ended."""
        assert self._printing.wait(COMMAND_LIMIT_S), f"{self._place}\nprinted nothing"

    def check(self) -> None:
        """Waits for its end, or ends it as a reader would, and compares."""
        if self._command.typed in UNTIL_CTRL_C:
            self.wait_for_output()
            os.killpg(self._process.pid, signal.SIGINT)
        try:
            status = self._process.wait(COMMAND_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            status = self._process.wait()
        self._reader.join()
        printed = "".join(self._printed)
        assert status == 0, f"{self._place}\nexit status {status}, printed:\n{printed}"
        missed = difference(self._command.output, printed)
        assert missed is None, f"{self._place}\nshows:   {missed}\nprinted:\n{printed}"


def run_block(clone: Clone, document: str, block: Block, meanwhile: Block | None) -> None:
    """Types a block, and another in a second terminal while the last command of this one runs."""
    for command in block.commands:
        typed = Typed(clone, document, command)
        try:
            if meanwhile is not None and command is block.commands[-1]:
                typed.wait_for_output()
                run_block(clone, document, meanwhile, None)
        finally:
            typed.check()


@pytest.mark.lab
@pytest.mark.timeout(240)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_reader_types_does_what_the_document_shows(clone: Clone, document: str) -> None:
    blocks = console_blocks((ROOT / document).read_text())
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if not block.second_terminal:
            run_block(clone, document, block, following if following and following.second_terminal else None)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_with_commands_is_a_console_block(document: str) -> None:
    for line, info, text in fences((ROOT / document).read_text()):
        assert info in {"console", "console second", *OTHER_FENCES}, f"{document}:{line}"
        if info in OTHER_FENCES:
            assert not any("quadlink " in words for words in text), f"{document}:{line}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_python_statement_prints_what_is_shown(document: str) -> None:
    blocks = [lines for _, info, lines in fences((ROOT / document).read_text()) if info == "pycon"]
    text = "\n".join(line for block in blocks for line in [*block, ""])
    statements = doctest.DocTestParser().get_doctest(text, {}, document, document, 0)
    told: list[str] = []
    result = doctest.DocTestRunner().run(statements, out=told.append)
    assert result.failed == 0, "".join(told)
    assert result.attempted == text.count(">>> ")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_yaml_block_describes_nodes(document: str) -> None:
    for _, info, lines in fences((ROOT / document).read_text()):
        if info == "yaml":
            assert parse_topology("\n".join(["name: x", "nodes:", *lines])).nodes


def test_every_exception_is_still_shown_in_a_document() -> None:
    shown = {
        command.typed
        for document in DOCUMENTS
        for block in console_blocks((ROOT / document).read_text())
        for command in block.commands
    }
    assert {*INSTEAD, *UNTIL_CTRL_C} <= shown
