"""Fire: smoke that persists, bearings that cross, fog and masks that are none, levels that fall on sight only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.fire import FireParameters
from detectors.fire.geometry import Sight, fix
from schemas.times import HOUR, MINUTE
from tests.detectors.contract import Subject, every_detector_passes
from tests.detectors.fires import (
    CAMERAS,
    NOON,
    Look,
    cameras,
    dressed,
    frames,
    run,
    sequences,
    stages,
    subjects,
)

SMOKE = ("smoke", 0.7, 0.48, 0.52)
FLAME = ("flame", 0.7, 0.48, 0.52)
BUNDLE = cameras()


def smoke_at(camera: int, at_s: float, azimuth: float = 0.0, *seen, **more) -> Look:
    return Look(camera, at_s, azimuth, seen or (SMOKE,), **more)


def levels(looks, bundle=BUNDLE, **parameters):
    return [f.level for f in run(stages(bundle, **parameters), [frames(bundle, looks)])]


@pytest.mark.parametrize(
    ("pattern", "step_s", "expected"),
    [
        ("11", 20, []),
        ("111", 20, [2]),
        ("10101", 20, [2]),
        ("110001", 20, []),
        ("111", 10, []),  # frames that come fast need five of eight
        ("11111", 10, [2]),
        ("1110011", 10, [2]),
        ("11100011", 10, [2]),
        ("1100001010", 10, []),
        ("111", 600, [2]),
        ("111", 3000, []),  # an hour apart and more: not one sight
    ],
)
def test_smoke_must_persist(pattern, step_s, expected):
    looks = [Look(0, k * step_s, 0.0, (SMOKE,) if c == "1" else ()) for k, c in enumerate(pattern)]
    assert levels(looks) == expected


def test_flame_is_a_level_above_smoke_and_heat_one_more():
    assert levels([smoke_at(0, k * 20, 0.0, FLAME) for k in range(3)]) == [3]
    assert levels([smoke_at(0, k * 20, heat=95.0) for k in range(3)]) == [3]
    assert levels([smoke_at(0, k * 20, 0.0, FLAME, heat=80.0) for k in range(3)]) == [4]
    assert levels([smoke_at(0, k * 20, heat=79.9) for k in range(3)]) == [2]
    assert levels([Look(0, k * 20, heat=300.0) for k in range(9)]) == [], "heat alone is no fire"


def test_confidence_is_averaged_over_the_frames():
    weak, strong = ("smoke", 0.2, 0.48, 0.52), ("smoke", 0.7, 0.48, 0.52)
    assert levels([smoke_at(0, k * 20, 0.0, weak) for k in range(20)]) == []
    assert levels([smoke_at(0, 0, 0.0, weak), smoke_at(0, 20, 0.0, weak), smoke_at(0, 40, 0.0, strong)]) == [
        2
    ]


def test_evidence_says_where_and_how_often():
    (finding,) = run(
        stages(BUNDLE),
        [frames(BUNDLE, [smoke_at(0, k * 20, 30.0, ("smoke", 0.5, 0.74, 0.76)) for k in range(3)])],
    )
    assert finding.detector == "fire.sighting"
    assert finding.hazard == "forest_fire"
    assert finding.area == "511902101"
    assert finding.subject == "FC-A/1"
    assert finding.evidence["bearing_deg"] == pytest.approx(46.1, abs=0.1)
    assert finding.evidence["frames"] == 3
    assert finding.evidence["cameras"] == ["FC-A"]
    assert finding.evidence["ellipse_m"] is None
    assert finding.evidence["danger_grade"] is None
    assert finding.against


def test_a_plume_that_sways_and_drifts_stays_one_subject_and_two_fires_are_two():
    sway = [0.02 * (-1) ** k for k in range(40)]
    looks = [
        smoke_at(0, k * 60, 0.0, ("smoke", 0.7, 0.3 + s + k * 0.008, 0.33 + s + k * 0.012))
        for k, s in enumerate(sway)
    ]
    assert subjects(run(stages(BUNDLE), [frames(BUNDLE, looks)])) == {"FC-A/1": [2]}
    two = [smoke_at(0, k * 60, 0.0, ("smoke", 0.7, 0.2, 0.22), ("smoke", 0.7, 0.7, 0.72)) for k in range(5)]
    assert subjects(run(stages(BUNDLE), [frames(BUNDLE, two)])) == {"FC-A/1": [2], "FC-A/2": [2]}


def test_morning_fog_is_no_smoke_and_smoke_in_fog_is():
    fog = ("smoke", 0.8, 0.03, 0.98)
    dawn = -4 * 3600  # eight o'clock in Bazhong, some minutes less by the sun
    assert levels([smoke_at(0, dawn + k * 40, 0.0, fog) for k in range(100)]) == []
    assert levels([smoke_at(0, k * 40, 0.0, fog) for k in range(5)]) == [2], "no fog at noon"
    assert levels([smoke_at(0, dawn + k * 40, 0.0, fog, SMOKE) for k in range(5)]) == [2]
    faint = ("smoke", 0.27, 0.3, 0.9)
    assert levels([smoke_at(0, dawn + k * 40, 0.0, faint) for k in range(100)]) == []


def test_masked_sectors_are_not_looked_at():
    masked = cameras(masks=[[350, 5]])
    assert levels([smoke_at(0, k * 20, 0.0) for k in range(5)], masked) == []
    assert levels([smoke_at(0, k * 20, 352.0) for k in range(5)], masked) == []
    assert levels([smoke_at(0, k * 20, 8.0) for k in range(5)], masked) == [2]


def crossing(at_s=0.0, n=4, bearings=(35.38, 328.67)):
    return [smoke_at(c, at_s + k * 30 + c * 7, b) for k in range(n) for c, b in enumerate(bearings)]


def test_two_cameras_fix_a_fire_one_level_up_in_its_township():
    found = run(stages(BUNDLE), [frames(BUNDLE, crossing())])
    assert [(f.detector, f.level) for f in found] == [
        ("fire.sighting", 2),
        ("fire.sighting", 2),
        ("fire.fix", 3),
    ]
    fixed = found[-1]
    assert fixed.area == "511902103"
    assert fixed.position == (pytest.approx(106.80, abs=1e-3), pytest.approx(31.97, abs=1e-3))
    assert fixed.stations == ("FC-A", "FC-B")
    assert fixed.evidence["cameras"] == ["FC-A", "FC-B"]
    major, minor = fixed.evidence["ellipse_m"]
    assert 100 < minor < major < 1000


@pytest.mark.parametrize(
    ("why", "bearings", "late_s"),
    [
        ("nearly along one line", (70.0, 62.0), 0),
        ("behind one camera", (215.38, 328.67), 0),
        ("beyond the range", (20.0, 358.0), 0),
        ("more than half an hour apart", (35.38, 328.67), 2400),
    ],
)
def test_bearings_that_do_not_cross_well_are_no_fix(why, bearings, late_s):
    looks = crossing(n=4, bearings=bearings)
    looks = sorted(
        [look._replace(at_s=look.at_s + (late_s if look.camera else 0)) for look in looks],
        key=lambda look: look.at_s,
    )
    found = run(stages(BUNDLE), [frames(BUNDLE, looks)])
    assert {f.detector for f in found} == {"fire.sighting"}, why


def test_a_third_camera_joins_the_fire_and_narrows_it():
    three = cameras((*CAMERAS, ("FC-C", 106.70, 31.99, "511902103")))
    pair = stages(three)
    found = run(
        pair, [frames(three, [*crossing(n=4), *[smoke_at(2, 200 + k * 30, 103.2) for k in range(4)]])]
    )
    assert [f.detector for f in found].count("fire.fix") == 1
    (fire,) = pair[1]._fires.values()
    assert [member.split("/")[0] for member in fire.members] == ["FC-A", "FC-B", "FC-C"]


def test_levels_fall_only_when_frames_that_look_there_see_nothing_for_two_hours():
    seen = crossing(n=4)
    empty = [Look(c, 600 + k * 600, b) for k in range(18) for c, b in enumerate((35.38, 328.67))]
    found = run(stages(BUNDLE), [frames(BUNDLE, seen), frames(BUNDLE, empty)])
    falls = [(f.detector, f.subject, f.level, (f.observed_us - NOON) // MINUTE) for f in found[3:]]
    assert [(f[0], f[2]) for f in falls] == [("fire.sighting", 0), ("fire.sighting", 0), ("fire.fix", 0)]
    assert all(150 <= f[3] <= 160 for f in falls), "two hours after three of five frames see nothing"
    elsewhere = [look._replace(azimuth=look.azimuth + 90) for look in empty]
    assert len(run(stages(BUNDLE), [frames(BUNDLE, seen), frames(BUNDLE, elsewhere)])) == 3
    assert len(run(stages(BUNDLE), [frames(BUNDLE, seen), frames(BUNDLE, empty, flag=3)])) == 3
    again = [look._replace(seen=(SMOKE,)) if look.at_s == 6000 else look for look in empty]
    assert len(run(stages(BUNDLE), [frames(BUNDLE, seen), frames(BUNDLE, again)])) == 3, (
        "one sight breaks the hold"
    )


def test_a_fire_that_drifts_into_another_township_is_over_here_and_begins_there():
    pair = stages(BUNDLE)
    first = run(pair, [frames(BUNDLE, crossing())])
    assert first[-1].area == "511902103"
    target = (106.86, 31.905)
    moved = []
    for k in range(60):
        part = min(1.0, k / 40)
        at = (106.80 + part * (target[0] - 106.80), 31.97 + part * (target[1] - 31.97) - 0.02 * part)
        for c, (_, lon, lat, _area) in enumerate(CAMERAS):
            bearing = float(np.degrees(np.arctan2((at[0] - lon) * 94621, (at[1] - lat) * 110884))) % 360
            moved.append(smoke_at(c, 200 + 40 * k + c * 7, bearing))
    found = [f for f in run(pair, [frames(BUNDLE, moved)]) if f.detector == "fire.fix"]
    assert [(f.level, f.area, f.subject) for f in found[:2]] == [
        (0, "511902103", "fire-1"),
        (3, "511902102", "fire-1/1"),
    ]


@pytest.mark.parametrize("sequence", tuple(sequences()), ids=lambda s: s.name)
def test_real_smoke_is_found_after_its_ignition_as_one_subject(sequence):
    bundle = cameras([("FC-CA", -116.8, 33.0, "511902101")])
    found = run(stages(bundle), [dressed(bundle, sequence, np.random.default_rng(1))])
    assert [f.level for f in found] == [2]
    assert 0 <= (found[0].observed_us - sequence.ignition_us) / 1e6 <= 1200


def test_most_real_smoke_is_found_within_ten_minutes():
    bundle = cameras([("FC-CA", -116.8, 33.0, "511902101")])
    after_s = []
    for sequence in sequences():
        found = run(stages(bundle), [dressed(bundle, sequence, np.random.default_rng(2))])
        after_s.append((found[0].observed_us - sequence.ignition_us) / 1e6)
    assert sum(s <= 600 for s in after_s) >= 0.85 * len(after_s)
    assert float(np.median(after_s)) <= 240


def busy_day():
    """Two cameras see a fire, one a second fire with flames, with heat, gaps and an end."""
    chance = np.random.default_rng(7)
    looks = []
    for k in range(60):
        for c, bearing in enumerate((35.4, 328.7)):
            sway = float(chance.normal(0, 0.7))
            seen = [("smoke", float(chance.uniform(0.4, 0.8)), 0.47, 0.53)] if chance.random() > 0.1 else []
            if c == 0 and 20 < k < 40:
                seen.append(("flame", 0.6, 0.8, 0.83))
            looks.append(
                Look(c, k * 40.0 + 3 * c, bearing + sway, tuple(seen), heat=90.0 if k == 30 else np.nan)
            )
    looks += [
        Look(c, 3000 + k * 300.0 + c, bearing) for k in range(40) for c, bearing in enumerate((35.4, 328.7))
    ]
    return looks


@pytest.mark.parametrize("check", every_detector_passes, ids=lambda check: check.__name__)
def test_fire_keeps_the_contract(check):
    looks = busy_day()
    packets = [frames(BUNDLE, looks[k : k + 13]) for k in range(0, len(looks), 13)]
    check(Subject(lambda: list(stages(BUNDLE)), packets))


def test_busy_day_speaks_of_all_that_happened():
    found = run(stages(BUNDLE), [frames(BUNDLE, busy_day())])
    assert {f.detector for f in found} == {"fire.sighting", "fire.fix"}
    assert max(f.level for f in found) == 4
    ends = {subject: levels[-1] for subject, levels in subjects(found).items()}
    assert set(ends.values()) == {0}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3600), st.integers(0, 3), st.booleans()), min_size=1, max_size=40),
    st.data(),
)
def test_any_cut_gives_the_same(shots, data):
    looks = [Look(0, at, 90.0 * side, (SMOKE,) if seen else ()) for at, side, seen in sorted(set(shots))]
    whole = run(stages(BUNDLE), [frames(BUNDLE, looks)])
    cut = data.draw(st.integers(0, len(looks)))
    parts = [frames(BUNDLE, part) for part in (looks[:cut], looks[cut:]) if part]
    assert [f.id for f in run(stages(BUNDLE), parts)] == [f.id for f in whole]


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(12)))
def test_frames_late_by_minutes_give_the_same_standing_level(order):
    looks = [Look(0, k * 60, 0.0, (SMOKE,) if k % 4 else ()) for k in range(12)]
    pair = stages(BUNDLE, slow_frames=5)
    packet = frames(BUNDLE, [looks[k] for k in order])
    received = np.full(len(packet), NOON + HOUR)
    found = run(pair, [packet.with_log_time(received)])
    assert [f.level for f in found][:1] == [2]
    assert subjects(found) == {"FC-A/1": [2]}


def test_parameters_out_of_order_are_refused():
    with pytest.raises(ValueError, match="hits"):
        FireParameters(slow_hits=6)
    with pytest.raises(ValueError, match="flame_level"):
        FireParameters(flame_level=1)


def test_the_worked_fix_is_what_the_stage_uses():
    exact = fix([Sight((106.70, 31.85), 35.3801, 1.0), Sight((106.85, 31.90), 328.6668, 1.0)])
    found = run(stages(BUNDLE), [frames(BUNDLE, crossing(bearings=(35.3801, 328.6668)))])
    assert exact is not None
    assert found[-1].position == (
        pytest.approx(exact.position[0], abs=2e-5),
        pytest.approx(exact.position[1], abs=2e-5),
    )
