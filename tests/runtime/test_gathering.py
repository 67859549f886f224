"""Packets that follow each other are joined, and every row keeps its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.gathering import MOST_ROWS, Run, gathered
from schemas.log import Record, Tick
from schemas.packet import Packet, make_packet

KINDS = ("rain", "landslide", "seismic")


def packet(kind: str, rows: list[int], bundle: str = "a") -> Packet:
    """A packet of some rows; of a seismic one each reading has as many samples as its row says."""
    times = [1_000_000 + row for row in rows]
    if kind == "seismic":
        samples = [float(k) for row in rows for k in range(row)]
        columns = {"unit": [0] * len(rows)}
        return make_packet(
            kind, bundle, rows, times, times, columns, lengths=rows, parts={"samples": samples}
        )
    return make_packet(kind, bundle, rows, times, times, {})


def rows_of(run: Run) -> list[tuple[str, int, list[float]]]:
    """Kind, row and samples of a run's readings, in the common order."""
    placed = [
        (int(place), one.kind, int(one.row[k]), one.part("samples", k).tolist() if one.parts else [])
        for one, order in zip(run.packets, run.orders, strict=True)
        for k, place in enumerate(order.tolist())
    ]
    assert sorted(place for place, *_ in placed) == list(range(len(placed)))
    return [(kind, row, samples) for _, kind, row, samples in sorted(placed)]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.lists(st.integers(0, 5), max_size=4)), max_size=8))
def test_a_run_holds_the_rows_of_its_packets_in_their_order(given: list[tuple[str, list[int]]]) -> None:
    runs = list(gathered([packet(kind, rows) for kind, rows in given]))
    assert len(runs) == bool(given)
    expected = [
        (kind, row, [float(k) for k in range(row)] if kind == "seismic" else [])
        for kind, rows in given
        for row in rows
    ]
    assert [row for run in runs if isinstance(run, Run) for row in rows_of(run)] == expected


def test_what_is_no_packet_stays_between_them() -> None:
    records: list[Record] = [packet("rain", [1]), packet("rain", [2]), Tick(5), packet("rain", [3])]
    first, tick, last = gathered(records)
    assert isinstance(first, Run)
    assert isinstance(last, Run)
    assert (rows_of(first), tick, rows_of(last)) == (
        [("rain", 1, []), ("rain", 2, [])],
        Tick(5),
        [("rain", 3, [])],
    )


def test_rows_of_two_configurations_are_never_joined() -> None:
    runs = list(gathered([packet("rain", [1], "a"), packet("rain", [1], "b")]))
    assert [run.packets[0].bundle for run in runs if isinstance(run, Run)] == ["a", "b"]


def test_a_run_ends_before_it_leaves_the_cache() -> None:
    half = packet("rain", [0] * (MOST_ROWS // 2))
    sizes = [sum(len(one) for one in run.packets) for run in gathered([half] * 3) if isinstance(run, Run)]
    assert sizes == [2 * len(half), len(half)]
