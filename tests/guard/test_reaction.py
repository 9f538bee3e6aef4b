"""Traffic leaves an interface by what the kernel holds, and a second time changes nothing."""

from hypothesis import given
from hypothesis import strategies as st

from control.guard.reaction import without_interface
from control.routes.messages import RTPROT_BGP
from control.routes.model import DeleteGroup, DeleteNexthop, KernelNexthop, NextHop, RewriteGroup
from control.routes.model_kernel import ModelKernel
from control.routes.table import RouteTable

HOPS = [NextHop(f"169.254.0.{number}", ifindex) for number, ifindex in enumerate((11, 11, 12, 13, 14))]
hop_sets = st.frozensets(st.sampled_from(HOPS), min_size=1)
tables = st.dictionaries(st.sampled_from([f"10.{n}.0.0/16" for n in range(8)]), hop_sets)


def test_groups_keep_their_other_members_and_one_without_any_goes() -> None:
    nexthops = [
        KernelNexthop(1, RTPROT_BGP, HOPS[0]),
        KernelNexthop(2, RTPROT_BGP, HOPS[2]),
        KernelNexthop(7, RTPROT_BGP, members=(1, 2)),
        KernelNexthop(8, RTPROT_BGP, members=(1,)),
        KernelNexthop(9, RTPROT_BGP, members=(2,)),
    ]
    assert without_interface(nexthops, 11) == [RewriteGroup(7, (2,)), DeleteGroup(8), DeleteNexthop(1)]
    assert without_interface(nexthops, 99) == []


@given(tables, st.sampled_from([11, 12, 13, 14]), st.booleans())
def test_guard_kernel_and_controller_come_to_the_same_end_in_any_order(
    wanted: dict[str, frozenset[NextHop]], ifindex: int, kernel_first: bool
) -> None:
    kernel = ModelKernel()
    table = RouteTable(kernel)
    table.update(wanted)
    if kernel_first:
        kernel.link_down(ifindex)
    assert kernel.execute(without_interface(kernel.dump().nexthops, ifindex)) == []
    assert without_interface(kernel.dump().nexthops, ifindex) == []
    kernel.link_down(ifindex)
    assert table.link_changed(ifindex, False) == []
    for prefix, hops in wanted.items():
        assert kernel.next_hops(prefix) == {hop for hop in hops if hop.ifindex != ifindex}
    kernel.link_up(ifindex)
    assert table.link_changed(ifindex, True) == []
    assert all(kernel.next_hops(prefix) == hops for prefix, hops in wanted.items())
