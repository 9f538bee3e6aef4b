"""`quadlink init`: a topology to begin with, written where none is."""

import re
from pathlib import Path

from netns_lab import templates
from netns_lab.directory import LabError
from netns_lab.output import choices

FILE_NAME = "topology.yaml"
SIZES = {"ring": "routers", "star": "hosts"}
SHIPPED = {"pair": templates.pair, "quad": templates.quad, "quad-facilities": templates.quad_facilities}
TEMPLATES = (*SHIPPED, *SIZES)
MAX_NAME_OCTETS = 20


def starter_topology(template: str, name: str, sizes: dict[str, int | None]) -> str:
    """The text of a template for a lab called `name`; `sizes` holds what --routers and --hosts said, or None.

    Raises LabError for an unknown template, an impossible name, and a size that is missing, impossible or
    not the template's.
    """
    from netns_lab.fields import LAB_NAME, LAB_NAME_EXPECTED

    if not LAB_NAME.fullmatch(name):
        raise LabError(f"--name: found {name!r}, expected {LAB_NAME_EXPECTED}")
    if template not in TEMPLATES:
        raise LabError(f"--template: found {template!r}, expected {choices(TEMPLATES)}")
    own = SIZES.get(template)
    for option, size in sizes.items():
        if size is not None and option != own:
            raise LabError(f"--{option} does not go with --template {template}")
    if own is None:
        return SHIPPED[template](name)
    size = sizes[own]
    if size is None:
        raise LabError(f"--template {template} needs --{own}")
    try:
        return templates.ring(name, size) if template == "ring" else templates.star(name, size)
    except ValueError as error:
        raise LabError(f"--{own}: {error}") from None


def lab_name(folder: Path, template: str) -> str:
    """The name of a lab in a folder: as near to the folder's own as names of labs can be."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:MAX_NAME_OCTETS].strip("-")
    return name or template


def write_topology(folder: Path, text: str) -> Path:
    """Writes the one topology of a folder, made where there is none. LabError where it has one."""
    folder.mkdir(parents=True, exist_ok=True)
    there = sorted(folder.glob("*.yaml"))
    if there:
        raise LabError(f"{there[0]} exists already; `quadlink init DIR` begins in another directory")
    path = folder / FILE_NAME
    with path.open("x") as file:
        file.write(text)
    return path
