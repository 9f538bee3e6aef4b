"""Completion of what is typed, asked as bash, zsh and fish ask."""

import os
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
from netns_lab import completion
from netns_lab.completion import SCRIPTS

from tests.lab.harness import QUADLINK, Lab

pytestmark = pytest.mark.lab

LINKS = ["ch1", "ch2", "ch3", "ch4", "aws-lan1", "aws-lan2", "gcp-lan1", "gcp-lan2"]
NODES = ["aws", "gcp", "aws-h1", "aws-h2", "gcp-h1", "gcp-h2"]


def asked_in_bash(*lines: str) -> list[list[str]]:
    """What bash offers for the last word of each line, by the script that `completion bash` prints."""
    script = f"""
source <({QUADLINK} completion bash)
complete -p quadlink >&2
for line in "$@"; do
    IFS=' ' read -ra COMP_WORDS <<<"{QUADLINK} ${{line% }}"
    [[ $line != *' ' ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMPREPLY=()
    _quadlink "${{COMP_WORDS[0]}}"
    echo "${{COMPREPLY[*]}}"
done
"""
    answer = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *lines], capture_output=True, text=True, check=True
    )
    assert answer.stderr == "complete -o default -F _quadlink quadlink\n"
    return [line.split() for line in answer.stdout.splitlines()]


def test_bash_is_offered_the_labs_names(quad: Lab) -> None:
    offered = {
        "exec ": NODES,
        "exec gcp-": ["gcp-h1", "gcp-h2"],
        "exec aws ": [],
        "exec -n aws,gcp-": ["aws,gcp-h1", "aws,gcp-h2"],
        "fail link ": LINKS,
        "fail link ch1 --from gcp": ["gcp", "gcp-h1", "gcp-h2"],
        "fail link ch1 --mode s": ["silent"],
        "heal link aws-": ["aws-lan1", "aws-lan2"],
        "fail node gcp-": ["gcp-h1", "gcp-h2"],
        "fail node gcp --mode f": ["frozen"],
        "fail bgp gcp --mode l": ["leak"],
        "fail controller --mode s": ["stalled"],
        "measure link ch1 --between aw": ["aws", "aws-h1", "aws-h2"],
        "measure link ch1 --between aws gcp": ["gcp", "gcp-h1", "gcp-h2"],
        "inspect routes --node gcp-": ["gcp-h1", "gcp-h2"],
        "heal bgp gcp-": ["gcp-h1", "gcp-h2"],
        "inspect m": ["macsec"],
        "impair set aws-": ["aws-lan1", "aws-lan2"],
        "impair set ch1 jit": ["jitter=", *(f"jitter_model={it}" for it in ("uniform", "normal", "pareto"))],
        "impair set ch1 loss = 1% jitter_model = p": ["pareto"],
        "impair set ch1 loss_model=independent loss": ["loss=", "loss_in_burst="],
        "impair set ch1 --direction ": ["aws-gcp", "gcp-aws"],
        "capture ch1 --direction ": ["aws-gcp", "gcp-aws"],
        "impair clear ch": ["ch1", "ch2", "ch3", "ch4"],
        "up net": [],  # bash completes names of files itself
    }
    answers = asked_in_bash(*(f"--name {quad.name} {line}" for line in offered))
    assert dict(zip(offered, answers, strict=True)) == offered


def test_labs_themselves_are_offered_and_an_unknown_one_offers_nothing(quad: Lab) -> None:
    before, after, unknown = asked_in_bash("--name ", "exec --name ", "--name nowhere exec ")
    assert quad.name in before
    assert quad.name in after
    assert unknown == []


@pytest.mark.parametrize(
    ("shell", "answer"),
    [("zsh", """_arguments '*: :(("ch1"\n"ch2"\n"ch3"\n"ch4"))'"""), ("fish", "ch1\nch2\nch3\nch4")],
)
def test_zsh_and_fish_are_offered_them_in_their_own_words(quad: Lab, shell: str, answer: str) -> None:
    line = f"./quadlink --name {quad.name} fail link c"
    environment = {
        **os.environ,
        "_QUADLINK_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    told = subprocess.run([QUADLINK], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == answer
    script = subprocess.run([QUADLINK, "completion", shell], capture_output=True, text=True, check=True)
    assert script.stdout == SCRIPTS[shell] + "\n"


def test_who_is_not_root_is_offered_labs_and_nodes_by_what_everybody_sees(quad: Lab) -> None:
    context: Any = SimpleNamespace(params={"name": quad.name})
    os.seteuid(65534)
    try:
        offered = completion.lab_names(), completion.node_names(context), completion.link_names(context)
    finally:
        os.seteuid(0)
    assert quad.name in offered[0]
    assert offered[1:] == (sorted(NODES), [])
