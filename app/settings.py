"""What an operator sets, from the environment: QUITTANCE_DATABASE_URL and so on. Read once, passed down.

Values are not logged, and an error names the variable, never its value: it may hold a password.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.db import ROLE_PREFIX
from app.errors import EnvironmentProblem

PREFIX = "QUITTANCE_"


class BadSettings(EnvironmentProblem):
    """An environment variable does not hold what it should. `variables` names them."""

    def __init__(self, *, variables: tuple[str, ...], detail: str) -> None:
        super().__init__(detail)
        self.variables = variables


def _default_data_dir() -> Path:
    """$XDG_DATA_HOME/quittance, or ~/.local/share/quittance."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "quittance"


class Settings(BaseSettings):
    """The settings by their names in the documentation, without the prefix."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    database_url: SecretStr | None = None
    """SQLite or PostgreSQL; by default a SQLite file in `data_dir`."""
    migration_url: SecretStr | None = None
    """The same PostgreSQL database as a user who may change its schema; by default `database_url`."""
    role_prefix: str = Field(default=ROLE_PREFIX, pattern=r"^[a-z][a-z0-9_]{0,39}$")
    """What the names of the roles on PostgreSQL begin with; used when they are made."""
    data_dir: Path = Field(default_factory=_default_data_dir)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    log_format: Literal["console", "json"] = "console"
    operator_name: str = Field(default="the operator of this copy of Quittance", min_length=1, max_length=200)
    """Whose software asked the nodes; printed in evidence."""
    operator_relation: str = Field(default="not stated", min_length=1, max_length=200)
    """How the operator stands to the parties; printed in evidence."""
    egress_allow: Annotated[tuple[str, ...], NoDecode] = ()
    """host:port or CIDR:port that may be reached although loopback, private or link-local."""
    max_upload_bytes: int = Field(default=64 * 2**20, ge=1)
    follow_seconds: float = Field(default=0.5, gt=0, le=3600)
    """How often a worker asks a node for its newest block; what is new is then read at once."""
    assess_hour: int = Field(default=2, ge=0, le=23)
    """From this hour on (UTC) every debt is assessed once a day."""
    lease_seconds: float = Field(default=15, ge=0.5, le=600)
    """How long a worker that is silent keeps its chains and jobs before another one takes them over."""

    receipts_check_permille: int = Field(default=10, ge=0, le=1000)
    """Of a thousand blocks that are read, so many are held against their bloom and their receipts."""

    @field_validator("egress_allow", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("data_dir")
    @classmethod
    def _make_absolute(cls, value: Path) -> Path:
        """Paths in answers are absolute, and a change of the working directory must not move the data."""
        return value.expanduser().absolute()

    @property
    def database(self) -> SecretStr:
        """The URL to use."""
        if self.database_url is not None:
            return self.database_url
        return SecretStr(f"sqlite:///{self.data_dir / 'quittance.sqlite3'}")

    @property
    def migration(self) -> SecretStr:
        """The URL by which the schema is changed."""
        return self.migration_url or self.database


def load_settings() -> Settings:
    """From the environment. Raises BadSettings."""
    try:
        return Settings()
    except ValidationError as error:
        faults = {PREFIX + str(fault["loc"][0]).upper(): fault["msg"] for fault in error.errors()}
        detail = "; ".join(f"{name}: {message}" for name, message in faults.items())
        raise BadSettings(variables=tuple(faults), detail=detail) from None
