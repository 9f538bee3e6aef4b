"""A table compares itself with the kernel: what is gone comes back, and no more is read than has to be."""

from control.guard.reaction import without_interface
from control.routes.model import Installed, KernelNexthop, NextHop
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable

PREFIX = "10.1.0.0/16"
HOPS = frozenset({NextHop("169.254.1.1", 11), NextHop("169.254.1.3", 12)})


class CountingKernel(ModelKernel):
    """Counts how often all of it is read, which takes long with 100 000 routes."""

    dumps = 0

    def dump(self) -> Installed:
        self.dumps += 1
        return super().dump()

    def nexthops(self) -> list[KernelNexthop]:
        return super().dump().nexthops


def test_what_somebody_removed_is_put_back() -> None:
    kernel = CountingKernel()
    table = RouteTable(kernel)
    table.update({PREFIX: HOPS})
    for removed in (kernel.routes, kernel.groups, kernel.next_hop_of):
        removed.clear()
    assert table.check() == []
    assert kernel.next_hops(PREFIX) == HOPS


def test_a_lost_link_that_is_going_to_be_told_of_is_no_reason_to_read_all() -> None:
    kernel = CountingKernel()
    table = RouteTable(kernel, hear=lambda: table.lose(11))
    table.update({PREFIX: HOPS})
    kernel.execute(without_interface(kernel.nexthops(), 11))
    before = kernel.dumps
    assert table.check() == []
    assert kernel.dumps == before
    assert kernel.next_hops(PREFIX) == {NextHop("169.254.1.3", 12)}
