"""Session cookies on the given clock.

The framework's own go by the machine's time and end when it steps back by a second. Here a cookie from a little ahead is a young one; from
further ahead it came from a clock that was wrong, and does not count.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from biobank.core.clock import Clock


class Signer(TimestampSigner):
    """Signs with the clock's moment; `ahead` is how many seconds a moment may lie ahead of it."""

    def __init__(self, *args: Any, clock: Clock, ahead: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.clock = clock
        self.ahead = ahead

    def get_timestamp(self) -> int:
        """Whole seconds."""
        return int(self.clock.now().timestamp())

    def timestamp_to_datetime(self, ts: int) -> datetime:
        """Aware UTC."""
        return datetime.fromtimestamp(ts, UTC)

    def unsign(self, signed_value: str | bytes, max_age: int | None = None, return_timestamp: bool = False) -> Any:
        """The value when its signature is right and its age is between `ahead` seconds below nothing and `max_age`."""
        value, at = super().unsign(signed_value, None, return_timestamp=True)
        age = self.get_timestamp() - int(at.timestamp())
        if max_age is not None and not -self.ahead <= age <= max_age:
            raise SignatureExpired(f"signature age {age} is not between {-self.ahead} and {max_age} seconds", payload=value, date_signed=at)
        return (value, at) if return_timestamp else value


class Sessions(SecureCookieSessionInterface):
    """Flask's signed cookies with our signer."""

    def __init__(self, clock: Clock, ahead: timedelta) -> None:
        self.clock = clock
        self.ahead = int(ahead.total_seconds())

    def get_signing_serializer(self, app: flask.Flask) -> URLSafeTimedSerializer | None:
        """As Flask's, on the given clock."""
        if not app.secret_key:
            return None
        how = {"key_derivation": self.key_derivation, "digest_method": self.digest_method, "clock": self.clock, "ahead": self.ahead}
        return URLSafeTimedSerializer(app.secret_key, salt=self.salt, serializer=self.serializer, signer=Signer, signer_kwargs=how)
