"""What nodes are given to run: `exec`, `services` and `files`, read and refused."""

from __future__ import annotations

import pytest
from netns_lab.topology import TopologyError, parse_topology

REFUSALS = {
    "exec not a list": (
        "{exec: ls}",
        "3: nodes.h1.exec: found 'ls', expected a list",
    ),
    "exec empty": (
        '{exec: ["ls", " "]}',
        "3: nodes.h1.exec[1]: found ' ', expected a command line for sh, as text",
    ),
    "unknown service key": (
        "\n    services:\n    - {name: a, cmdd: b, cmd: c}",
        "5: nodes.h1.services[0].cmdd: unknown key, nearest is 'cmd'",
    ),
    "service named like a log of its node": (
        "{services: [{name: exabgp, cmd: b}]}",
        "3: nodes.h1.services[0].name: found 'exabgp', which is reserved, "
        "expected a name other than bfdd, bgpd, bird, exabgp, exec, staticd, zebra",
    ),
    "services of one name": (
        "{services: [{name: a, cmd: b}, {name: a, cmd: c}]}",
        "3: nodes.h1.services: found a list, which has two services named a, expected a name for each",
    ),
    "file path": (
        "{files: {etc/a: b}}",
        "3: nodes.h1.files.etc/a: found 'etc/a', expected an absolute path, such as /etc/app.conf",
    ),
    "file path upwards": (
        "{files: {/etc/../a: b}}",
        "3: nodes.h1.files./etc/../a: found '/etc/../a', "
        "expected the path of a file without `.`, `..`, or `/` twice or at its end",
    ),
    "file of the kernel's": (
        "{files: {/sys/a: b}}",
        "3: nodes.h1.files./sys/a: found '/sys/a', "
        "expected a path outside /dev, /proc, /sys, which are the kernel's",
    ),
    "file content": (
        "{files: {/etc/a: 7}}",
        "3: nodes.h1.files./etc/a: found 7, expected the file's content, as text",
    ),
    "file that is a directory too": (
        "{files: {/etc/a: b, /etc/a/b: c}}",
        "3: nodes.h1.files: found a mapping, "
        "where /etc/a is a file and the directory of /etc/a/b, expected one of them",
    ),
}


@pytest.mark.parametrize(("settings", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_names_place_found_and_expected(settings: str, expected: str) -> None:
    with pytest.raises(TopologyError) as caught:
        parse_topology(f"name: x\nnodes:\n  h1: {settings}\n", "t.yaml")
    assert str(caught.value) == f"t.yaml:{expected}"


def test_files_merge_with_the_defaults_and_lists_replace_them() -> None:
    text = """\
name: x
defaults: {node: {exec: [a], services: [{name: web, cmd: a}], files: {/a: "1", /b: "2"}}}
nodes:
  a: {exec: [b, c], files: {/b: "3"}}
  b: {services: []}
"""
    a, b = parse_topology(text).nodes.values()
    assert (a.exec, b.exec) == (["b", "c"], ["a"])
    assert a.files == {"/a": "1", "/b": "3"}
    assert ([service.name for service in a.services], b.services) == (["web"], [])
