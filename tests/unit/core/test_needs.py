"""Orders and circles."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.needs import circles, in_order

names = st.sampled_from("abcdef")
graphs = st.dictionaries(names, st.lists(names, unique=True, max_size=3))


@given(graphs)
def test_without_circles_everything_comes_after_what_it_needs(needs: dict[str, list[str]]) -> None:
    order = in_order(needs)

    assert sorted(order) == sorted(needs)
    if not circles(needs):
        for name in order:
            assert all(order.index(n) < order.index(name) for n in needs[name] if n in needs)


@given(graphs)
def test_a_circle_leads_along_needs_back_to_where_it_began(needs: dict[str, list[str]]) -> None:
    for circle in circles(needs):
        assert circle[0] == circle[-1]
        assert len(set(circle)) == len(circle) - 1
        assert all(after in needs[name] for name, after in itertools.pairwise(circle))


@given(graphs)
def test_no_circle_goes_unnoticed(needs: dict[str, list[str]]) -> None:
    left = dict(needs)
    while free := [n for n, wants in left.items() if not any(want in left for want in wants)]:
        for name in free:
            del left[name]

    assert bool(circles(needs)) == bool(left)
