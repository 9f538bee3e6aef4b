"""`init`, `validate` and `schema`: from nothing to a topology that is right, with no file lost on the way."""

import json
import shlex
from pathlib import Path

import pytest

from tests.lab.harness import QUAD, quadlink


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        ((), (4, 3)),
        (("--template", "quad"), (6, 8)),
        (("--template", "ring", "--routers", "5"), (10, 10)),
        (("--template", "star", "--hosts", "7"), (8, 7)),
    ],
)
def test_what_init_writes_is_valid_and_up_finds_it(
    tmp_path: Path, words: tuple[str, ...], counts: tuple[int, int]
) -> None:
    folder = tmp_path / "My lab"
    answer = quadlink("init", str(folder), *words, "--format", "json")
    assert answer.returncode == 0, answer.stderr
    written = json.loads(answer.stdout)
    assert written["name"] == "my-lab"
    assert shlex.split(written["next"]) == ["quadlink", "up", written["file"]]
    document = json.loads(quadlink("validate", str(folder), "--format", "json").stdout)
    assert (document["file"], document["name"]) == (written["file"], "my-lab")
    assert (document["nodes"], document["links"]) == counts


def test_init_leaves_a_directory_alone_that_has_a_topology(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("precious")
    answer = quadlink("init", str(tmp_path))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"quadlink: {mine} exists already")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
    assert mine.read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--template", "rong"), "found 'rong', expected pair, quad, quad-facilities, ring or star"),
        (("--template", "ring"), "--template ring needs --routers"),
        (("--template", "ring", "--routers", "2"), "--routers: found 2 routers, expected 3 to 1000"),
        (
            ("--template", "star", "--hosts", "3", "--routers", "3"),
            "--routers does not go with --template star",
        ),
        (("--name", "Not A Name"), "--name: found 'Not A Name', expected 1 to 20 of a-z"),
    ],
)
def test_a_wrong_wish_is_one_sentence_and_writes_nothing(
    tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    answer = quadlink("init", str(tmp_path / "new"), *words)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert sentence in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_schema_prints_one_json_document() -> None:
    answer = quadlink("schema")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert json.loads(answer.stdout)["additionalProperties"] is False


def test_a_scenario_is_validated_too() -> None:
    path = QUAD.parents[1] / "scenarios" / "single-cut.yaml"
    answer = quadlink("validate", str(path), "--format", "json")
    assert json.loads(answer.stdout) == {"file": str(path), "name": "single-cut", "steps": 3}
