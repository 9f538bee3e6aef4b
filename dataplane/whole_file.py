"""Files that are replaced as a whole."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Puts a text in the place of a file that its owner alone may read; raises OSError.

    Whoever reads meanwhile gets the old one or the new one, and never a part.
    """
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)
