"""Secrets are named by place, and no message repeats one."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.configuration.secrets import Secret, SecretMissing


def test_a_secret_is_read_from_the_environment_or_a_file(tmp_path: Path):
    (tmp_path / "password").write_text("hunter2\n", encoding="utf-8")

    assert Secret(env="SMS_PASSWORD").read({"SMS_PASSWORD": "hunter2"}) == "hunter2"
    assert Secret(file=tmp_path / "password").read({}) == "hunter2"


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (Secret(env="SMS_PASSWORD"), "environment variable SMS_PASSWORD is not set"),
        (Secret(file=Path("no/such/file")), "no/such/file cannot be read (No such file or directory)"),
    ],
)
def test_a_secret_that_is_not_there_is_told_by_its_place(secret: Secret, message: str):
    with pytest.raises(SecretMissing) as missing:
        secret.read({})
    assert str(missing.value) == message


@pytest.mark.parametrize("written", ["hunter2", 12345, {"env": "A", "file": "b"}, {}, {"value": "hunter2"}])
def test_a_secret_that_is_written_down_is_refused_without_being_repeated(written: object):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (pydantic's error is a ValueError; its text is what counts)
        Secret.model_validate(written)
    details = refused.value.errors()  # type: ignore[attr-defined]
    assert "hunter2" not in " ".join(detail["msg"] for detail in details)
