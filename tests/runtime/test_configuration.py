"""Loading a configuration: what is in the bundle, what is not, and that no content of a file breaks the reading."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.configuration.documents import read_document
from runtime.configuration.faults import ConfigurationError, Faults
from runtime.configuration.loading import examine, load
from runtime.configuration.policy import Policy
from runtime.configuration.tables import read_table
from schemas.alert import Status
from schemas.area import Tier
from schemas.bundle import Bundle

SMALL = Path(__file__).parent.parent / "data" / "configurations" / "small"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SMALL, tmp_path / "place"))


def test_two_tables_alone_are_a_configuration_with_the_default_policy_and_nobody_to_tell(place):
    (place / "recipients.csv").unlink()

    configuration = load(place)

    assert configuration.bundle.recipients == ()
    assert configuration.policy == Policy()
    assert configuration.settings.status is Status.ACTUAL
    assert configuration.bundle.association_tier is Tier.CITY
    assert configuration.outlines is None


def test_the_bundle_is_a_function_of_the_content(place):
    bundle = load(place).bundle

    assert load(SMALL).bundle.hash == bundle.hash
    assert Bundle(bundle.canonical).hash == bundle.hash
    assert Policy.model_validate(bundle.policy) == Policy()


def test_addresses_and_posts_change_no_hash_but_channels_and_areas_do(place):
    before = load(place)
    recipients = (place / "recipients.csv").read_text(encoding="utf-8")

    def hash_with(old: str, new: str) -> str:
        assert old in recipients
        (place / "recipients.csv").write_text(recipients.replace(old, new), encoding="utf-8")
        return load(place).bundle.hash

    assert hash_with("example-5119-1", "example-5119-9") == before.bundle.hash
    assert hash_with("市应急指挥中心值班室", "市总值班室") == before.bundle.hash
    assert (
        hash_with('{""sms"":""example-5119-1""}', '{""webhook"":""http://a.example""}') != before.bundle.hash
    )
    assert "example-5119-1" not in before.bundle.canonical.decode()
    assert before.addresses["5119-duty"] == {"sms": "example-5119-1"}
    assert before.posts["5119-duty"] == "巴中市应急指挥中心值班室"


def test_servers_and_ports_change_no_hash_but_the_status_does(place):
    before = load(place).bundle.hash
    (place / "fenghuo.yaml").write_text("ports: {console: 9000}\n", encoding="utf-8")
    assert load(place).bundle.hash == before
    (place / "fenghuo.yaml").write_text("status: test\n", encoding="utf-8")
    assert load(place).bundle.hash != before


def test_a_byte_order_mark_and_other_line_ends_change_nothing(place):
    for name in ("areas.csv", "stations.csv", "recipients.csv"):
        text = (SMALL / name).read_text(encoding="utf-8")
        (place / name).write_bytes("\ufeff".encode() + text.replace("\n", "\r\n").encode())

    assert load(place).bundle.hash == load(SMALL).bundle.hash


def test_no_configuration_is_given_where_there_is_a_fault(place):
    (place / "policy.yaml").write_text("landslid: {}\n", encoding="utf-8")

    with pytest.raises(
        ConfigurationError, match=r"^policy.yaml:1:1: landslid is no section .did you mean landslide"
    ):
        load(place)


def test_a_clock_of_its_own_is_for_exercises(place):
    (place / "fenghuo.yaml").write_text(
        'status: exercise\nclock: {starts_at: "2026-07-11T00:00:00+08:00", rate: 720}\n', encoding="utf-8"
    )

    clock = load(place).settings.clock

    assert clock is not None
    assert clock.rate == 720
    assert clock.starts_at.isoformat() == "2026-07-11T00:00:00+08:00"


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_no_bytes_break_the_reading_of_a_table_or_a_document(tmp_path: Path, content: bytes):
    (tmp_path / "areas.csv").write_bytes(b"code,name\n" + content)
    (tmp_path / "policy.yaml").write_bytes(content)
    faults = Faults()

    rows = list(read_table(tmp_path, "areas.csv", ("code", "name"), faults))
    document = read_document(tmp_path, "policy.yaml", faults)

    assert all(set(row.cells) == {"code", "name"} for row in rows)
    assert isinstance(document.content, dict)


@pytest.mark.parametrize(
    "content", ["rain: &a {signals: [*a]}\n", "rain: " + "[" * 5000 + "]" * 5000, "? [a]\n: 1\n"]
)
def test_a_document_that_holds_itself_or_is_very_deep_is_a_fault(place, content):
    (place / "policy.yaml").write_text(content, encoding="utf-8")

    configuration, faults = examine(place)

    assert configuration is None
    assert {fault.file for fault in faults} == {"policy.yaml"}


@given(st.text(max_size=40), st.sampled_from(["areas.csv", "stations.csv", "recipients.csv"]), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
def test_any_cell_is_taken_or_is_a_fault_of_its_line(
    tmp_path: Path, text: str, name: str, data: st.DataObject
):
    for file in SMALL.glob("*.csv"):
        shutil.copy(file, tmp_path)
    lines = (SMALL / name).read_text(encoding="utf-8").splitlines()
    line = data.draw(st.integers(1, len(lines) - 1))
    cell = data.draw(st.integers(0, 3))
    cells = lines[line].split(",", 4)
    cells[cell] = '"' + text.replace('"', '""') + '"'
    lines[line] = ",".join(cells)
    (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")

    configuration, faults = examine(tmp_path)

    assert (configuration is None) == (len(faults) > 0)
    for fault in faults:
        assert fault.line > 0
        assert fault.message.endswith((".", "?"))


def test_loading_the_shipped_place_costs_a_small_multiple_of_reading_its_tables():
    tables = [Path("deploy/bazhong") / name for name in ("areas.csv", "stations.csv", "recipients.csv")]

    def seconds(work: Callable[[], object]) -> float:
        taken = []
        for _ in range(3):
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
        return min(taken)

    def read() -> None:
        for table in tables:
            with table.open(encoding="utf-8", newline="") as lines:
                assert sum(1 for _ in csv.DictReader(lines)) > 1000

    assert seconds(lambda: load("deploy/bazhong")) < 60 * seconds(read)
