"""Names of nodes and links from the lab's directory, and the sentence for a name that nothing has."""

from pathlib import Path

import pytest
from netns_lab import directory, templates
from netns_lab.directory import LabDirectory, LabError
from netns_lab.fan_out import matching_nodes
from netns_lab.names import LabNames, read_names, unknown
from netns_lab.planning import plan_lab
from netns_lab.state import save_plan
from netns_lab.topology import parse_topology


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabNames:
    """Those of quad."""
    monkeypatch.setattr(directory, "RUN_DIRECTORY", tmp_path)
    lab = LabDirectory("quad")
    with pytest.raises(LabError, match="lab quad is not built yet"):
        read_names(lab)
    lab.path.mkdir()
    save_plan(lab, plan_lab(parse_topology(templates.quad("quad")), bytes))
    return read_names(lab)


def test_what_the_builder_writes_tells_every_node_and_link(names: LabNames) -> None:
    assert [node.namespace for node in names.nodes][:3] == ["quad-aws", "quad-gcp", "quad-aws-h1"]
    assert names.links["ch1"] == ("aws", "gcp")
    assert len(names.links) == 8
    assert names.node("gcp").namespace == "quad-gcp"


def test_an_unknown_name_gets_the_nearest_or_a_short_list(names: LabNames) -> None:
    with pytest.raises(LabError, match=r"^no node gcp-h3, nearest is 'gcp-h"):
        names.node("gcp-h3")
    sentence = unknown("node", "mars", [f"h{number}" for number in range(1000)])
    assert sentence == "no node mars; nodes are h0, h1, h2, h3, h4, h5, h6, h7, h8, h9 and 990 more"


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ("gcp,aws", ["aws", "gcp"]),
        ("aws-*,aws-h1", ["aws-h1", "aws-h2"]),
        ("*", ["aws", "gcp", "aws-h1", "aws-h2", "gcp-h1", "gcp-h2"]),
    ],
)
def test_patterns_choose_each_node_once_in_file_order(
    names: LabNames, patterns: str, chosen: list[str]
) -> None:
    assert [node.name for node in matching_nodes(names, patterns)] == chosen


@pytest.mark.parametrize("patterns", ["aws,mars", "mars-*", "", "aws,,gcp"])
def test_a_pattern_that_fits_no_node_is_refused(names: LabNames, patterns: str) -> None:
    with pytest.raises(LabError, match="no node"):
        matching_nodes(names, patterns)
