"""Settings come from the environment, and an error names the variable but never its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import EnvironmentProblem
from app.settings import BadSettings, Settings, load_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"QUITTANCE_{name.upper()}", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_without_any_the_data_is_a_file_in_the_users_folder(tmp_path: Path) -> None:
    settings = load_settings()
    folder = tmp_path / ".local" / "share" / "quittance"
    assert settings.data_dir == folder
    assert settings.database.get_secret_value() == f"sqlite:///{folder}/quittance.sqlite3"
    assert (settings.host, settings.port, settings.log_format) == ("127.0.0.1", 8000, "console")
    assert (settings.egress_allow, settings.follow_seconds) == ((), 0.5)


def test_they_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUITTANCE_DATA_DIR", "books")
    monkeypatch.setenv("QUITTANCE_EGRESS_ALLOW", "127.0.0.1:8545, 10.0.0.0/8:443,,[::1]:8545")
    monkeypatch.setenv("QUITTANCE_LOG_FORMAT", "json")
    monkeypatch.setenv("QUITTANCE_PORT", "")
    settings = load_settings()
    assert settings.data_dir == tmp_path / "books"
    assert settings.egress_allow == ("127.0.0.1:8545", "10.0.0.0/8:443", "[::1]:8545")
    assert (settings.log_format, settings.port) == ("json", 8000)


def test_the_schema_is_changed_by_a_url_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUITTANCE_DATABASE_URL", "postgresql://quittance_app@db/quittance")
    assert load_settings().migration == load_settings().database
    monkeypatch.setenv("QUITTANCE_MIGRATION_URL", "postgresql://quittance_migrator:s3cret@db/quittance")
    settings = load_settings()
    assert settings.migration.get_secret_value() == "postgresql://quittance_migrator:s3cret@db/quittance"
    assert settings.database.get_secret_value() == "postgresql://quittance_app@db/quittance"
    assert "s3cret" not in repr(settings)


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUITTANCE_DATABASE_URL", "postgresql://quittance:s3cret@db/quittance")
    settings = load_settings()
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings.database)
    assert "s3cret" in settings.database.get_secret_value()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "s3cret"), ("PORT", "65536"), ("LOG_FORMAT", "s3cret"), ("MAX_UPLOAD_BYTES", "0"),
        ("ROLE_PREFIX", "s3cret;"), ("FOLLOW_SECONDS", "0"), ("FOLLOW_SECONDS", "nan"),
        ("OPERATOR_NAME", "s3cret" * 40),
    ],
)  # fmt: skip
def test_a_bad_value_names_its_variable_only(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"QUITTANCE_{name}", value)
    with pytest.raises(BadSettings, match=f"QUITTANCE_{name}") as raised:
        load_settings()
    assert raised.value.variables == (f"QUITTANCE_{name}",)
    assert "s3cret" not in str(raised.value)
    assert isinstance(raised.value, EnvironmentProblem)


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUITTANCE_PORT", "x")
    monkeypatch.setenv("QUITTANCE_LOG_FORMAT", "y")
    with pytest.raises(BadSettings) as raised:
        load_settings()
    assert set(raised.value.variables) == {"QUITTANCE_PORT", "QUITTANCE_LOG_FORMAT"}
