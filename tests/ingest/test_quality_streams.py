"""Quality of frames and samples, and what it keeps: any cut and any restart give the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ingest.quality import Quality, QualityParameters
from schemas.packet import Packet, make_packet, merged
from schemas.times import DAY, HOUR, MINUTE, SECOND, Micros
from tests.ingest.readings import FIVE, T0, bundle, judged, quality, rain, slope, verdicts

# --- cameras and seismic channels ---------------------------------------------------------------------------------


def frames(rows: Sequence[tuple[Micros, float, float | None]], now: Micros) -> Packet:
    seen = [[] if c is None else [c] for _, _, c in rows]
    flat = [c for one in seen for c in one]
    parts: dict[str, Any] = {"label": [0] * len(flat), "confidence": flat}
    parts |= {name: [0.5] * len(flat) for name in ("x0", "y0", "x1", "y1")}
    return make_packet(
        "camera",
        "",
        [0] * len(rows),
        [o for o, _, _ in rows],
        [now] * len(rows),
        {"azimuth_deg": [a for _, a, _ in rows], "field_of_view_deg": [60.0] * len(rows)},
        lengths=[len(one) for one in seen],
        parts=parts,
    )


def test_frames_are_told_by_time_and_azimuth():
    stage = quality("camera")
    rows = [
        (T0, 10.0, 0.5),
        (T0, 10.0, 0.5),
        (T0, 10.0, 0.6),
        (T0, 10.0, None),
        (T0, 70.0, 0.5),
        (T0 - HOUR, 10.0, 0.5),
        (T0 - HOUR - 1, 10.0, 0.5),
    ]
    assert verdicts(judged(stage, frames(rows, T0))) == [
        (1, True),
        (1, False),
        (4, False),
        (4, False),
        (1, True),
        (1, True),
        (1, False),
    ]


def trace(pieces: Sequence[tuple[Micros, Sequence[float]]], channel: str = "HNZ") -> Packet:
    ends = [start + len(samples) * SECOND // 10 for start, samples in pieces]
    return make_packet(
        "seismic",
        "",
        [0] * len(pieces),
        [start for start, _ in pieces],
        np.maximum.accumulate(ends),
        {
            "channel": [channel] * len(pieces),
            "sample_rate_hz": [10.0] * len(pieces),
            "unit": [0] * len(pieces),
        },
        lengths=[len(samples) for _, samples in pieces],
        parts={"samples": [s for _, samples in pieces for s in samples]},
    )


def test_seismic_samples_that_overlap_are_cut_to_what_is_new():
    stage = quality("seismic")
    first, second = list(range(10)), list(range(5, 20))
    packet = judged(stage, trace([(T0, first), (T0 + SECOND // 2, second), (T0 + SECOND, second[5:8])]))
    assert verdicts(packet) == [(1, True), (1, True), (1, False)]
    assert packet.part("samples", 1).tolist() == list(range(10, 20))
    assert packet.observed_us[1] == T0 + SECOND


def test_a_late_seismic_piece_fills_its_gap():
    stage = quality("seismic")
    whole = list(range(40))
    packet = judged(
        stage,
        trace([(T0, whole[:10]), (T0 + 2 * SECOND, whole[20:40]), (T0 + SECOND // 2, whole[5:25])]),
    )
    assert verdicts(packet) == [(1, True)] * 3
    assert packet.part("samples", 2).tolist() == whole[10:20]
    assert packet.observed_us[2] == T0 + SECOND


def test_seismic_repeats_conflicts_channels_and_horizon():
    stage = quality("seismic")
    judged(stage, trace([(T0, [1.0] * 10)]))
    assert verdicts(judged(stage, trace([(T0, [1.0] * 10)]))) == [(1, False)]
    assert verdicts(judged(stage, trace([(T0, [2.0] * 10)]))) == [(4, False)]
    assert verdicts(judged(stage, trace([(T0, [2.0] * 10)], "HNN"))) == [(1, True)]
    late = trace([(T0 + 2 * HOUR, [1.0] * 10), (T0 + 10 * MINUTE, [1.0] * 10)])
    assert verdicts(judged(stage, late)) == [(1, True), (1, False)]


# --- state --------------------------------------------------------------------------------------------------------


def stream() -> list[tuple[str, Packet]]:
    chance = np.random.Generator(np.random.PCG64(11))
    rains: list[tuple[int, Micros, float]] = []
    slopes: list[tuple[int, Micros, dict[str, float]]] = []
    for k in range(240):
        rains += [(row, T0 + k * FIVE, float(np.round(chance.gamma(0.3, 2), 1))) for row in range(2)]
        if k % 12 == 0:
            slopes.append((0, T0 + k * FIVE, {"crack_mm": float(np.round(chance.normal(0, 1), 2))}))
    order = np.arange(len(rains))
    order[50:90] = order[50:90][::-1]
    rains = [rains[k] for k in order] + rains[100:160]
    last = T0 + 240 * FIVE
    return [
        ("rain", rain(rains, FIVE, np.linspace(T0 + DAY, last + DAY, len(rains)).astype(np.int64).tolist())),
        ("landslide", slope([*slopes, *slopes[::3]], T0 + 2 * DAY)),
        ("seismic", trace([(T0 + k * SECOND, chance.normal(0, 1, 12).tolist()) for k in range(40)])),
        ("camera", frames([(T0 + (k // 2) * MINUTE, 10.0, 0.5) for k in range(40)], T0 + 30 * MINUTE)),
    ]


@pytest.mark.parametrize(("kind", "packet"), stream(), ids=[kind for kind, _ in stream()])
def test_any_cut_and_any_restart_give_the_same(kind, packet):
    """Cut at every row, with a checkpoint and a new stage made from all rows saved so far after each few."""
    configuration = bundle(kind)
    whole = Quality(QualityParameters(), configuration)
    expected, said = whole.process(packet, int(packet.log_us[-1]))
    stage = Quality(QualityParameters(), configuration)
    durable: dict[str, bytes | None] = {}
    parts, found = [], []
    for k in range(len(packet)):
        part, emitted = stage.process(packet.span(k, k + 1), int(packet.log_us[k]))
        parts.append(part)
        found += [e.item for e in emitted]
        if k % 7 == 0 or k == len(packet) - 1:
            for key, value in stage.changed().items():
                if value is None:
                    durable.pop(key, None)
                else:
                    durable[key] = value
            stage.saved(None)
            assert durable == stage.state()
            assert not stage.changed()
            stage = Quality(QualityParameters(), configuration)
            stage.restore({key: value for key, value in durable.items() if value is not None})
            assert stage.state() == durable
    result = merged(parts)
    assert verdicts(result) == verdicts(expected)
    assert result.observed_us.tolist() == expected.observed_us.tolist()
    for name, column in expected.columns.items():
        assert column.tobytes() == result.columns[name].tobytes()
    for name, flat in expected.parts.items():
        assert flat.tobytes() == result.parts[name].tobytes()
    assert [f.model_dump() for f in found] == [e.item.model_dump() for e in said]
    assert stage.state() == whole.state()


def test_packets_are_not_changed():
    for kind, packet in stream():
        arrays = [packet.flag, packet.counts, packet.observed_us, *packet.columns.values()]
        before = [array.tobytes() for array in arrays]
        judged(quality(kind), packet)
        assert before == [array.tobytes() for array in arrays]
