"""Where things are and what a site has set: one frozen object, read once at the start."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from biobank.core.errors import RuleBroken

INSTANCE = "BIOBANK_INSTANCE"
DATABASE = "BIOBANK_DATABASE_URL"
REPLICA = "BIOBANK_REPLICA_URL"
# Never a setting: what may change tables is given for one command and kept from the service.
OWNER = "BIOBANK_OWNER_URL"


class SettingUnknown(RuleBroken):
    """A settings file names something that does not exist."""

    message = "%(file)s: there is no setting “%(key)s”; those there are: %(known)s"


def shipped(folder: str) -> Path:
    """The folder `migrations`, `labels` or `config`: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parent
    inside = package / "_data" / folder
    return inside if inside.is_dir() else package.parent / folder


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Names are the keys of `config/default.toml`, where each is explained."""

    instance: Path
    database_url: str
    replica_url: str
    replica_lag_seconds: int
    zone: ZoneInfo
    languages: tuple[str, ...]
    title: str
    session_idle_minutes: int
    sign_in_attempts: int
    sign_in_lock_minutes: int
    body_limit_bytes: int
    delayed_consent_days: int
    undo_minutes: int
    secure_cookies: bool
    log_name: str
    signing_folder: Path
    seal_minutes: int
    checkpoint_file: str
    checkpoint_mail: tuple[str, ...]
    smtp_host: str
    smtp_port: int
    smtp_starttls: bool
    smtp_user: str
    smtp_password_file: str
    mail_from: str
    outbox_tries: int
    idempotency_days: int
    min_free_mb: int
    clock_behind_minutes: int
    metrics_token: str

    @property
    def secret_file(self) -> Path:
        """The key that signs session cookies."""
        return self.instance / "secret.key"

    @property
    def access_log(self) -> Path:
        """Who read what about a person: one JSON line each."""
        return self.instance / "access.log"

    @property
    def checkpoints(self) -> Path:
        """Where the keeper appends the newest checkpoint; a path within the instance folder unless an absolute one is set."""
        return self.instance / (self.checkpoint_file or "checkpoints.txt")

    @property
    def keeper_file(self) -> Path:
        """What the keeper last did: rewritten after every round."""
        return self.instance / "keeper.json"


def load_settings(instance: Path | None = None, database_url: str | None = None) -> Settings:
    """Read `config/default.toml`, then the instance's `settings.toml`. Raises SettingUnknown for a key that does not exist."""
    where = Path(instance or os.environ.get(INSTANCE) or "instance").resolve()
    values = _read(shipped("config") / "default.toml")
    own = where / "settings.toml"
    if own.is_file():
        for key, value in _read(own).items():
            if key not in values:
                raise SettingUnknown(file=str(own), key=key, known=", ".join(sorted(values)))
            values[key] = value
    url = database_url or os.environ.get(DATABASE) or values.pop("database_url") or f"sqlite:///{where / 'biobank.sqlite'}"
    values.pop("database_url", None)
    values["replica_url"] = os.environ.get(REPLICA) or values["replica_url"]
    zone = ZoneInfo(values.pop("zone"))
    for several in ("languages", "checkpoint_mail"):
        values[several] = tuple(values[several])
    # Relative to the instance, wherever the command was started.
    values["signing_folder"] = where / (values["signing_folder"] or "signing")
    return Settings(instance=where, database_url=url, zone=zone, **values)


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as handle:
        return tomllib.load(handle)
