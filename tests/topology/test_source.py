"""Files and YAML text of any kind: a topology or the one error, never another exception."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from netns_lab.topology import TopologyError, find_topology_file, load_topology, parse_topology

from tests.topology.refusing import PAIR, refusals


def test_a_directory_holds_exactly_one_file(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r": found none, expected exactly one \*\.yaml file here$"):
        load_topology(tmp_path)
    (tmp_path / "a.yaml").write_text(PAIR)
    assert find_topology_file(tmp_path) == tmp_path / "a.yaml"
    assert load_topology(str(tmp_path)).name == "pair"
    (tmp_path / "b.yaml").write_text(PAIR)
    with pytest.raises(TopologyError, match=r": found a\.yaml, b\.yaml, expected exactly one"):
        find_topology_file(tmp_path)


def test_what_is_no_text_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"^missing\.yaml: cannot be read: No such file or directory$"):
        load_topology("missing.yaml")
    with pytest.raises(TopologyError, match=r": cannot be read: "):
        load_topology("nul\0.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"name: x\n\xff\xfe\x00")
    with pytest.raises(TopologyError, match=r"binary\.yaml:2: found octets that are not UTF-8, expected"):
        load_topology(binary)
    binary.write_bytes(b"name: x\nnodes: \x00\n")
    with pytest.raises(TopologyError, match=r"binary\.yaml:2: YAML syntax: found a control character$"):
        load_topology(binary)
    binary.write_bytes(b" " * (4 * 1024 * 1024 + 1))
    with pytest.raises(TopologyError, match=r"binary\.yaml: found more than 4194304 octets"):
        load_topology(binary)


def test_anchors_cannot_multiply_without_end() -> None:
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    assert re.search(r"found more than 250000 values", "\n".join(refusals(text)))


def is_judged(text: str) -> bool:
    """True for a topology and for an error that says something; any other exception goes through."""
    try:
        return bool(parse_topology(text).nodes)
    except TopologyError as error:
        return all(problem.message for problem in error.problems)


SCRAPS = st.sampled_from(
    [
        *PAIR.split("\n"),
        "macsec: {sak: ",
        "%YAML 1.1",
        "!!int x",
        "&a",
        "*a",
        "'",
        '"\\U00110000"',
        "? ",
        "<<: ",
        "- ",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.lists(SCRAPS | st.text(max_size=5), max_size=12).map("\n".join))
@example('"\\U00110000"')
@example("%YAML 9.9\n---\na")
@example("%YAML 1.1\n---\nname: 1:30\nnodes: yes\n")
@example("!<%ZZ> a")
@example("!!binary x")
@example("[" * 3000)
@example("nodes: {? {a: b} : c}")
@example("name: 0x\nnodes: {a: {mtu: " + "9" * 5000 + "}}")
@example("\ud800")
def test_any_text_is_a_topology_or_the_one_error(text: str) -> None:
    assert is_judged(text)


SHAPES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["r1", "h1:eth0", "10.0.0.1/24", "::/0", "3s", "r1-r2", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "nodes",
                    "links",
                    "defaults",
                    "node",
                    "link",
                    "r1",
                    "r2",
                    "h1",
                    "bgp",
                    "asn",
                    "announce",
                    "endpoints",
                    "addresses",
                    "macsec",
                    "sak",
                    "type",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({"name": st.just("x"), "nodes": SHAPES, "links": SHAPES, "defaults": SHAPES}))
def test_any_shape_is_a_topology_or_the_one_error(shape: dict[str, object]) -> None:
    assert is_judged(json.dumps(shape))  # JSON is YAML 1.2
