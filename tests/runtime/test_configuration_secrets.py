"""Secrets stand in files or in the environment, and no message repeats one."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.configuration.loading import examine
from runtime.configuration.secrets import SecretMissing, read_secret


def test_a_file_that_is_named_goes_before_the_environment(tmp_path: Path):
    (tmp_path / "password").write_text("of the file\n", encoding="utf-8")
    environment = {"FENGHUO_SMPP_PASSWORD": "of the environment"}

    assert read_secret(tmp_path / "password", "FENGHUO_SMPP_PASSWORD", environment) == "of the file"
    assert read_secret(None, "FENGHUO_SMPP_PASSWORD", environment) == "of the environment"
    assert read_secret(None, "FENGHUO_TOKEN", environment) is None
    assert read_secret(None, "FENGHUO_TOKEN", {"FENGHUO_TOKEN": ""}) is None


def test_a_file_without_a_secret_is_told_by_its_place(tmp_path: Path):
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    with pytest.raises(SecretMissing, match="no/such/file cannot be read: No such file or directory"):
        read_secret("no/such/file", "FENGHUO_TOKEN", {})
    with pytest.raises(SecretMissing, match="empty is empty; write the secret into it"):
        read_secret(tmp_path / "empty", "FENGHUO_TOKEN", {})
    with pytest.raises(SecretMissing, match="binary cannot be read: no text"):
        read_secret(tmp_path / "binary", "FENGHUO_TOKEN", {})


@pytest.mark.parametrize(
    "written",
    [
        "brokers: {mqtt: {host: broker.example, password: hunter2}}",
        "channels: {sms: {host: smsc.example, system_id: fenghuo, password: hunter2}}",
        "channels: {webhook: {secret: hunter2}}",
        "database: {password: hunter2}",
        "database: {url: 'postgresql+psycopg://fenghuo:hunter2@localhost/fenghuo'}",
        "ports: {token: hunter2}",
    ],
)
def test_a_secret_that_is_written_down_is_a_fault_that_does_not_repeat_it(tmp_path: Path, written: str):
    (tmp_path / "fenghuo.yaml").write_text(written + "\n", encoding="utf-8")

    faults = [str(fault) for fault in examine(tmp_path)[1] if fault.file == "fenghuo.yaml"]

    assert len(faults) == 1
    assert "hunter2" not in faults[0]
    assert "_file" in faults[0]
