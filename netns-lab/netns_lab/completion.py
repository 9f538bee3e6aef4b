"""Shell completion: what each shell is told to ask, and the names it may be answered.

Typer answers the questions, which come in the environment variable `VARIABLE`. A name that cannot be found
out is no error: the shell just offers nothing.
"""

import os

import typer

from netns_lab.directory import RUN_DIRECTORY, LabDirectory, LabError
from netns_lab.names import LabNames, directions, read_names

VARIABLE = "_QUADLINK_COMPLETE"
NO_NAMES = LabNames((), {})
# Each asks the quadlink that is being typed, so that ./quadlink works where no other is in the PATH.
SCRIPTS = {
    "bash": """\
_quadlink() {
    local IFS=$'\\n'
    COMPREPLY=($(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _QUADLINK_COMPLETE=complete_bash \\
        "${1/#\\~/$HOME}" 2>/dev/null))
    [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}
complete -o default -F _quadlink quadlink""",
    "zsh": """\
_quadlink() {
    eval $(_TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _QUADLINK_COMPLETE=complete_zsh \\
        ${~words[1]} 2>/dev/null)
}
compdef _quadlink quadlink""",
    "fish": """\
function _quadlink
    set --local command (commandline --tokenize --current-process)[1]
    env _TYPER_COMPLETE_ARGS=(commandline --current-process --cut-at-cursor | string collect) \\
        _TYPER_COMPLETE_FISH_ACTION=$argv[1] _QUADLINK_COMPLETE=complete_fish $command 2>/dev/null
end
complete --command quadlink --no-files --condition "_quadlink is-args" --arguments "(_quadlink get-args)\"""",
}


def prepare_answers() -> None:
    """Lets Typer answer a shell's question, if this is one.

    `add_completion=True` would do that too, and add two options in place of our one command.
    """
    if VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()


def files() -> list[str]:
    """Nothing of ours: then the shell completes names of files."""
    return []


def lab_names() -> list[str]:
    """The labs there are, by their names alone: many a question comes from a user who has yet to say sudo."""
    try:
        return sorted(entry.name for entry in RUN_DIRECTORY.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []


def node_names(context: typer.Context) -> list[str]:
    """The nodes of the lab that the command line means."""
    lab = _lab(context)
    if lab is None:
        return []
    try:
        return [node.name for node in read_names(lab).nodes]
    except PermissionError:
        from dataplane.namespace import NAMESPACE_DIRECTORY

        namespaces = (entry.name for entry in NAMESPACE_DIRECTORY.glob(f"{lab.name}-*"))
        return sorted(name.removeprefix(f"{lab.name}-") for name in namespaces)
    except (LabError, OSError):
        return []


def node_then_files(context: typer.Context) -> list[str]:
    """A node where none is there yet; what follows it is another program's."""
    return [] if context.params.get("words") or context.params.get("nodes") else node_names(context)


def node_list(context: typer.Context, incomplete: str) -> list[str]:
    """Nodes behind those that are named already, as in `a,b`."""
    *named, _ = incomplete.split(",")
    return [",".join([*named, name]) for name in node_names(context) if name not in named]


def log_names(context: typer.Context) -> list[str]:
    """Whose log can be read."""
    from netns_lab.logs import PROCESSES

    return [*PROCESSES, *node_names(context)]


def link_names(context: typer.Context) -> list[str]:
    """The links of the lab that the command line means."""
    return list(_names(context).links)


def group_names(context: typer.Context) -> list[str]:
    """The groups of the lab that the command line means."""
    return list(_names(context).groups)


def fault_names(context: typer.Context) -> list[str]:
    """The names of what the command line says is to be healed."""
    of_kind = {"link": link_names, "node": node_names, "group": group_names, "bgp": node_names}
    kind = context.params.get("kind") or next(iter(context.args), "")
    return of_kind[kind](context) if kind in of_kind else []


def link_directions(context: typer.Context) -> list[str]:
    """Both directions of the link that the command line names first."""
    # Behind an option that still lacks its value, arguments are not told apart yet.
    named = context.params.get("links") or [context.params.get("link") or next(iter(context.args), "")]
    nodes = _names(context).links.get(named[0])
    return list(directions(nodes)) if nodes else []


def impairment_words(context: typer.Context) -> list[str]:
    """What `impair set` may be told and was not yet: a key, with each value where they are few."""
    from netns_lab.impairments import KEYS

    words: list[str] = list(context.params.get("words") or ())
    if words[-1:] == ["="]:  # bash takes the sign for a word of its own
        key = KEYS.get("".join(words[-2:-1]))
        return list(key.words) if key else []
    given = {word.partition("=")[0] for word in words}
    return [
        f"{name}={value}" for name, key in KEYS.items() if name not in given for value in key.words or ("",)
    ]


def templates() -> list[str]:
    """What `init` can write."""
    from netns_lab.starter import TEMPLATES

    return list(TEMPLATES)


def kinds_of_files() -> list[str]:
    """Of which files there is a schema."""
    return ["topology", "scenario"]


def topics() -> list[str]:
    """What `inspect` can show."""
    from netns_lab.inspection import TOPICS

    return list(TOPICS)


def capture_sides() -> list[str]:
    """What `capture` can show."""
    from dataplane.captures.memory import CaptureSide

    return list(CaptureSide)


def fault_kinds() -> list[str]:
    """What can fail."""
    from netns_lab.faults.model import FaultKind

    return list(FaultKind)


def fault_modes(context: typer.Context) -> list[str]:
    """How what `fail` or `measure` names can fail."""
    from netns_lab.faults.model import MODES, FaultKind

    words = (context.info_name, context.params.get("kind"), *context.args[:1])
    kind = next((word for word in words if word in list(FaultKind)), None)
    return list(MODES[FaultKind(kind)]) if kind else []


def _names(context: typer.Context) -> LabNames:
    """The names in the lab that the command line means; none where they cannot be found out."""
    lab = _lab(context)
    try:
        return read_names(lab) if lab else NO_NAMES
    except (LabError, OSError):
        return NO_NAMES


def _lab(context: typer.Context) -> LabDirectory | None:
    labs = lab_names()
    name = context.params.get("name") or context.find_root().params.get("name")
    if name is None and len(labs) == 1:
        name = labs[0]
    return LabDirectory(name) if name in labs else None
