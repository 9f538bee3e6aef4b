"""Every C parser of octets from the network, fuzzed for some seconds under ASan and UBSan."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, build, fuzz, kept_corpus, missing

SECONDS = 2
LONG_SECONDS = 90


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the targets."""
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("fuzz")
    build(folder)
    return folder


def expect_no_failure(built: Path, target: str, seconds: int) -> None:
    done = fuzz(built, target, seconds)
    assert done.returncode == 0, done.stdout[-8000:]
    runs = int(done.stdout.split("stat::number_of_executed_units:")[1].split()[0])
    assert runs > len(kept_corpus(target)) > 0


@pytest.mark.parametrize("target", TARGETS)
def test_for_some_seconds(built: Path, target: str) -> None:
    expect_no_failure(built, target, SECONDS)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", TARGETS)
def test_for_longer(built: Path, target: str) -> None:
    expect_no_failure(built, target, LONG_SECONDS)
