"""What an operator can set: every setting is a POSEBANK_* variable and a row of docs/api.md."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.logs import LogFormat
from training.errors import PosebankError


class SettingsError(PosebankError):
    """A POSEBANK_* variable has a value that cannot be used."""


class Settings(BaseSettings):
    """The settings of one server. Environment variables are the field names in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="POSEBANK_", extra="ignore", frozen=True, populate_by_name=True
    )

    home: Path = Field(
        default=Path(".posebank"),
        description="Folder of the index versions and, by default, of the SQLite database.",
    )
    database_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the metadata database; unset: SQLite inside the home.",
    )
    encoder: Path | None = Field(
        default=None,
        description="Folder of the encoder; unset: the folder the index was built with.",
    )
    default_index: str | None = Field(
        default=None,
        description="Index asked when a request names none; unset: the first served, by name.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("POSEBANK_PORT", "PORT", "port"),
        description="Port to listen on; the plain variable PORT works too; 0 takes a free one.",
    )
    insecure_listen_without_keys: bool = Field(
        default=False,
        description="Listen where others can reach it though there is no API key. Only for a "
        "container whose port is published on the host's loopback alone.",
    )
    max_image_bytes: int = Field(
        default=20_000_000, ge=1, description="Largest image file accepted, in bytes."
    )
    max_image_pixels: int = Field(
        default=40_000_000,
        ge=1,
        description="Largest image accepted, width × height, read from its header.",
    )
    max_frames: int = Field(
        default=32,
        ge=1,
        description="Most images of one clip (/actions/search), which together stay within the "
        "limits of one image, or of one batch (/views:batch).",
    )
    max_k: int = Field(default=200, ge=1, description="Largest number of neighbours asked for.")
    abstain_below: float = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description="Confidence below which /pose/estimate gives no box; 0 abstains only where the "
        "neighbours are split.",
    )
    threads: int = Field(
        default=2,
        ge=1,
        le=256,
        description="Threads that decode, crop and search; the encoder has its own, and so have "
        "the fits.",
    )
    deadline_seconds: float = Field(
        default=2.0,
        gt=0.0,
        le=600.0,
        description="A question that was not encoded so long after it came is dropped; those that "
        "would take over half of it are refused when they come.",
    )
    drain_seconds: float = Field(
        default=8.0,
        ge=0.0,
        le=3600.0,
        description="How long accepted questions may take to finish once the server must stop.",
    )
    refresh_seconds: float = Field(
        default=0.25,
        gt=0.0,
        description="How often newly promoted index versions are looked for, and what other "
        "servers enrolled and deleted.",
    )
    log_format: LogFormat = Field(
        default="text", description="Lines of the log: text for people, json for machines."
    )
    metrics_open: bool = Field(
        default=False,
        description="Answer /metrics without an API key, for a Prometheus that sends none.",
    )
    samples: Path = Field(
        default=Path("examples/queries"),
        description="Folder of sample queries the page offers: images with a .json beside each.",
    )


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, where an override that is not None wins.

    Raises SettingsError naming the first wrong variable.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper().removeprefix("POSEBANK_")
        raise SettingsError(
            f"POSEBANK_{name} is {first['input']!r}: {first['msg'].lower()}.",
            "Correct the variable or the option, or unset it to take the default.",
        ) from error
