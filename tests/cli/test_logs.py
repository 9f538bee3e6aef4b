"""Logs of processes and nodes: whose file is whose, how many lines, what follows, what is not there."""

import shutil
from pathlib import Path

import pytest
from netns_lab import directory, templates
from netns_lab.directory import LabDirectory, LabError
from netns_lab.logs import read_logs
from netns_lab.planning import plan_lab
from netns_lab.state import save_plan
from netns_lab.topology import parse_topology


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabDirectory:
    """The directory of a lab that is planned; nothing of it runs."""
    monkeypatch.setattr(directory, "RUN_DIRECTORY", tmp_path)
    lab = LabDirectory("quad")
    lab.path.mkdir()
    save_plan(lab, plan_lab(parse_topology(templates.quad("quad")), bytes))
    return lab


def test_the_log_of_a_process_is_its_last_lines_as_they_are(lab: LabDirectory) -> None:
    lab.log("engine").write_text("one\ntwo\nthree\nhalf a li")
    assert list(read_logs(lab, "engine", 3, follow=False)) == ["two", "three", "half a li"]
    assert list(read_logs(lab, "engine", 0, follow=False)) == []


def test_a_nodes_logs_are_those_of_its_programs_and_of_no_other_node(lab: LabDirectory) -> None:
    for name in ("aws.exabgp", "aws.web", "aws-h1.web", "gcp.exabgp"):
        lab.log(name).write_text(f"1 of {name}\n2 of {name}\n")
    assert list(read_logs(lab, "aws", 1, follow=False)) == ["exabgp: 2 of aws.exabgp", "web: 2 of aws.web"]


def test_following_tells_finished_lines_and_new_programs_and_ends_with_the_lab(lab: LabDirectory) -> None:
    log = lab.log("aws.exabgp")
    log.write_text("old\nnew\nhal")
    lines = read_logs(lab, "aws", 1, follow=True)
    assert next(lines) == "exabgp: new"
    with log.open("a") as file:
        file.write("f\n")
    lab.log("aws.web").write_text("hello\n")
    assert [next(lines), next(lines)] == ["exabgp: half", "web: hello"]
    shutil.rmtree(lab.path)
    assert list(lines) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("engin", "no log engin, nearest is 'engine'"),
        ("aws-h9", "no log aws-h9, nearest is 'aws-h"),
        ("mars", "no log mars; logs are engine, guard, controller, aws, gcp"),
        ("aws-h1", "aws-h1 has no log: nothing in it has been started"),
        ("engine", "engine has no log"),
        ("../quad/engine", "no log ../quad/engine"),
    ],
)
def test_what_has_no_log_is_one_sentence(lab: LabDirectory, name: str, sentence: str) -> None:
    with pytest.raises(LabError) as refused:
        list(read_logs(lab, name, 10, follow=False))
    assert str(refused.value).startswith(sentence)
