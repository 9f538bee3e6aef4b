"""How many descriptors a process may have open at once."""

import resource


def allow_all() -> None:
    """As many as the system lets this process have: a large lab needs more than the 1024 a shell allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
