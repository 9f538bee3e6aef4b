"""The routes of one namespace kept as wanted, whatever the kernel did meanwhile."""

from collections.abc import Callable, Collection, Iterable, Mapping

from control.routes.fib import Fib
from control.routes.model import FAMILIES, Installed, Kernel, NextHops, Operation, Prefix, Refused


class RouteTable:
    """A `Fib` and the `Kernel` it stands for; starts by adopting what it finds there.

    Links change before anybody hears of it, so an operation can come too late. Then the view is taken from a
    dump anew and the rest carried out; what is refused even so is returned, and tried again at the next call.
    `hear` is called first: it is to `lose` the links whose loss was told and not acted on yet, or what
    another has taken off them would be put back.
    """

    def __init__(
        self,
        kernel: Kernel,
        down: Iterable[tuple[int, str]] = (),
        hear: Callable[[], None] = lambda: None,
    ) -> None:
        self._kernel = kernel
        self._hear = hear
        self.fib = Fib.from_kernel(kernel.dump(), down)
        self._in_doubt = False

    def update(self, changed: Mapping[Prefix, NextHops]) -> list[Refused]:
        """Give each prefix in `changed` its next hops, none to withdraw it."""
        return self._carry_out(self.fib.update(changed))

    def reconcile(self, wanted: Mapping[Prefix, NextHops]) -> list[Refused]:
        """Make `wanted` all learned routes there are."""
        return self._carry_out(self.fib.reconcile(wanted))

    def originate(self, prefixes: Iterable[Prefix]) -> list[Refused]:
        """Make `prefixes` all unreachable routes there are."""
        return self._carry_out(self.fib.originate(prefixes))

    def link_changed(self, ifindex: int, usable: bool, families: Collection[str] = FAMILIES) -> list[Refused]:
        """Move traffic off a link that is not usable any more, or back on one that is again."""
        if not usable:
            return self._carry_out(self.fib.link_down(ifindex, families))
        self.fib.link_up(ifindex, families)
        return self.update({})

    def lose(self, ifindex: int, families: Collection[str] = FAMILIES) -> None:
        """Put nothing on a link any more, whose loss is going to be told by `link_changed`."""
        self.fib.lose(ifindex, families)

    def check(self) -> list[Refused]:
        """Compare the groups with the kernel's, and put right what differs: after links changed unheard.

        Routes go only with their group, or are given another one here. Next hops on links that are lost, of
        which this table may be told later, make no difference.
        """
        self._hear()
        held = self._usable(Installed(self._kernel.nexthops(), []).groups())
        self._in_doubt |= not self._usable(self.fib.groups).items() <= held.items()
        return self._carry_out([])

    def _usable(self, groups: Mapping[int, NextHops]) -> dict[int, NextHops]:
        usable = {id: frozenset(filter(self.fib.is_usable, hops)) for id, hops in groups.items()}
        return {id: hops for id, hops in usable.items() if hops}

    def _carry_out(self, operations: list[Operation]) -> list[Refused]:
        refused = self._kernel.execute(operations)
        if refused or self._in_doubt:
            self._hear()
            refused = self._kernel.execute(self.fib.resync(self._kernel.dump()))
            self._in_doubt = bool(refused)
        return refused
