"""Mail over SMTP. A mail holds no personal data: it leaves the house, and stays in boxes that nobody here can empty."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from biobank.core import outbox
from biobank.core.times import parse_stamp, stamp

KIND = "mail"
# Seconds for each step with the mail server; all steps together stay below the lease of the outbox.
TIMEOUT = 30


def put(session: Session, to: Sequence[str], subject: str, text: str, mark: str, now: datetime) -> None:
    """A mail to each address, unless one with this mark was put already. The mark becomes its Message-ID, fixed for all tries."""
    for number, address in enumerate(to, 1):
        marked = f"{mark}.{number}"
        if not outbox.is_there(session, KIND, marked):
            outbox.put(session, KIND, {"to": address, "subject": subject, "text": text, "message_id": marked, "at": stamp(now)}, now)


@dataclass(frozen=True, slots=True)
class Mailer:
    """How mail leaves: the server, whether to insist on encryption, the account if it needs one, and the sender."""

    host: str
    port: int
    starttls: bool
    user: str
    password_file: Path | None
    sender: str

    def send(self, payload: Mapping[str, Any]) -> None:
        """Hand one mail to the server. Raises OSError or SMTPException when the server has not said that it took it."""
        with smtplib.SMTP(self.host, self.port, timeout=TIMEOUT) as server:
            if self.starttls:
                server.starttls(context=ssl.create_default_context())
            if self.user:
                server.login(self.user, self._password())
            server.send_message(self.message(payload))

    def message(self, payload: Mapping[str, Any]) -> EmailMessage:
        """The mail as it is sent: the same bytes at every try."""
        mail = EmailMessage()
        mail["From"] = self.sender
        mail["To"] = payload["to"]
        mail["Subject"] = payload["subject"]
        mail["Date"] = format_datetime(parse_stamp(payload["at"]))
        mail["Message-ID"] = f"<{payload['message_id']}@{self.sender.rpartition('@')[2] or 'biobank'}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(payload["text"])
        return mail

    def _password(self) -> str:
        if self.password_file is None:
            return ""
        return self.password_file.read_text(encoding="utf-8").split("\n", 1)[0].strip()


def told(error: Exception) -> str:
    """What went wrong, by type and code: what a mail server answers in words may repeat addresses."""
    code = getattr(error, "smtp_code", None)
    refused = getattr(error, "recipients", None)
    if isinstance(refused, dict) and refused:
        code = next(iter(refused.values()))[0]
    return f"{type(error).__name__}{f' {code}' if code else ''}"
