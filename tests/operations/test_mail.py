"""Mail over a real mail server that takes, refuses, cuts the line or is not there; and a keeper that is killed between sending and marking."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from biobank.cli.keeper import Keeper
from biobank.core import mail, outbox
from biobank.settings import DATABASE, Settings
from tests.operations.conftest import Ground, PostOffice, serving_mail

ROOT = Path(__file__).parents[2]


def at(ground: Ground, office: PostOffice, **more: Any) -> Settings:
    return ground.with_settings(smtp_host="127.0.0.1", smtp_port=office.port, smtp_starttls=False, mail_from="biobank@example.org", **more)


def put(ground: Ground, number: int = 1, to: str = "audit@example.org") -> None:
    with ground.units.write() as work:
        for one in range(number):
            mail.put(work.session, (to,), "Checkpoint", "a text\n", f"checkpoint-{one}", work.now)


def states(ground: Ground) -> list[tuple[str, int, str | None]]:
    with ground.units.read() as work:
        return [(row.state, row.tries, row.fault) for row in work.session.execute(text("SELECT state, tries, fault FROM outbox ORDER BY id"))]


def test_a_mail_is_sent_once_with_its_fixed_id(ground: Ground, post_office: PostOffice) -> None:
    put(ground)
    keeper = Keeper(at(ground, post_office), ground.units)
    keeper.send()
    keeper.send()
    (taken,) = post_office.taken
    assert taken["Message-ID"] == "<checkpoint-0.1@example.org>" and taken["To"] == "audit@example.org"
    assert states(ground) == [("sent", 1, None)]


def test_a_refused_mail_is_tried_again_later_and_never_tells_the_address(ground: Ground, post_office: PostOffice) -> None:
    put(ground)
    post_office.refused = ["audit@example.org"]
    keeper = Keeper(at(ground, post_office), ground.units)
    keeper.send()
    assert states(ground) == [("waiting", 1, "SMTPRecipientsRefused 550")]
    keeper.send()
    assert states(ground)[0][1] == 1
    post_office.refused = []
    ground.clock.forward(timedelta(minutes=2))
    keeper.send()
    assert states(ground) == [("sent", 2, None)] and len(post_office.taken) == 1


def test_a_refusal_of_one_does_not_stop_the_next(ground: Ground, post_office: PostOffice) -> None:
    put(ground, 2)
    post_office.answers = ["451 not now", "250 taken"]
    Keeper(at(ground, post_office), ground.units).send()
    assert sorted(state for state, _, _ in states(ground)) == ["sent", "waiting"]


def test_a_line_cut_before_the_answer_sends_again_under_the_same_id(ground: Ground, post_office: PostOffice) -> None:
    put(ground)
    post_office.answers = ["drop"]
    keeper = Keeper(at(ground, post_office), ground.units)
    keeper.send()
    assert states(ground)[0][:2] == ("waiting", 1)
    ground.clock.forward(timedelta(minutes=2))
    keeper.send()
    assert states(ground)[0][:2] == ("sent", 2)
    assert [one["Message-ID"] for one in post_office.taken] == ["<checkpoint-0.1@example.org>"] * 2
    assert post_office.taken[0].as_bytes() == post_office.taken[1].as_bytes()


def test_a_mail_server_that_is_off_is_asked_once_a_round(ground: Ground) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        office = PostOffice(port=one.getsockname()[1])
    put(ground, 3)
    keeper = Keeper(at(ground, office), ground.units)
    keeper.send()
    assert [tries for _, tries, _ in states(ground)] == [1, 0, 0]
    assert states(ground)[0][2] == "ConnectionRefusedError"


def test_after_the_last_try_it_needs_attention(ground: Ground, post_office: PostOffice) -> None:
    put(ground)
    post_office.answers = ["554 never"] * 9
    keeper = Keeper(at(ground, post_office, outbox_tries=3), ground.units)
    for _ in range(6):
        keeper.send()
        ground.clock.forward(timedelta(days=2))
    assert states(ground) == [("failed", 3, "SMTPDataError 554")]


def test_without_a_mail_server_everything_waits(ground: Ground) -> None:
    put(ground)
    Keeper(ground.settings, ground.units).send()
    assert states(ground) == [("waiting", 0, None)]


def test_two_keepers_at_once_send_each_mail_once(ground: Ground, post_office: PostOffice) -> None:
    put(ground, 20)
    keepers = [Keeper(at(ground, post_office), ground.units) for _ in range(2)]
    threads = [threading.Thread(target=keeper.send) for keeper in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for keeper in keepers:
        keeper.send()
    ids = [one["Message-ID"] for one in post_office.taken]
    assert len(ids) == 20 and len(set(ids)) == 20
    assert all(state == "sent" for state, _, _ in states(ground))


DIES = """
import os, signal, sys
from pathlib import Path
from biobank.cli.keeper import Keeper
from biobank.cli.support import opened
from biobank.core import outbox
from biobank.settings import load_settings
# Between the server's answer and the mark.
outbox.done = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
settings = load_settings(Path(sys.argv[1]))
with opened(settings) as units:
    Keeper(settings, units).send()
"""


def test_a_keeper_killed_between_sending_and_marking_is_followed_by_one_that_sends_again(ground: Ground, post_office: PostOffice) -> None:
    # The killed one goes by the machine's clock.
    with ground.units.write() as work:
        mail.put(work.session, ("audit@example.org",), "Checkpoint", "a text\n", "checkpoint-0", work.now)
        work.session.execute(text("UPDATE outbox SET next_at = '2000-01-01 00:00:00'"))
    own = f'smtp_host = "127.0.0.1"\nsmtp_port = {post_office.port}\nsmtp_starttls = false\nmail_from = "biobank@example.org"\n'
    (ground.settings.instance / "settings.toml").write_text(own, "utf-8")
    environment = os.environ | {DATABASE: ground.settings.database_url}
    killed = subprocess.run([sys.executable, "-c", DIES, str(ground.settings.instance)], env=environment, check=False, cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(post_office.taken) == 1 and states(ground)[0][:2] == ("waiting", 1)
    keeper = Keeper(at(ground, post_office), ground.units)
    with ground.units.read() as work:
        leased_until = work.session.execute(outbox.select(outbox.Outbox.leased_until)).scalar_one()
    assert leased_until is not None
    ground.clock.at = leased_until - timedelta(seconds=1)
    keeper.send()
    assert len(post_office.taken) == 1
    ground.clock.at = leased_until
    keeper.send()
    assert states(ground) == [("sent", 2, None)]
    assert len({one["Message-ID"] for one in post_office.taken}) == 1 and len(post_office.taken) == 2


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of our own for 127.0.0.1, with its key."""
    import ipaddress
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2090, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_encryption_is_insisted_on_and_the_certificate_is_checked(certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def login(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> Any:
        from aiosmtpd.smtp import AuthResult

        office.secrets.append((data.login, data.password))
        return AuthResult(success=data.password == b"a secret")

    office = PostOffice()
    password = tmp_path / "password"
    password.write_text("a secret\n", "utf-8")
    payload = {"to": "a@example.org", "subject": "s", "text": "t", "message_id": "m", "at": "2026-11-20T09:00:00.000000Z"}
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with serving_mail(office, context, authenticator=login, auth_required=True):
        mailer = mail.Mailer("127.0.0.1", office.port, True, "biobank", password, "biobank@example.org")
        with pytest.raises(ssl.SSLCertVerificationError):
            mailer.send(payload)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        mailer.send(payload)
        assert office.secrets == [(b"biobank", b"a secret")] and len(office.taken) == 1
        with pytest.raises(smtplib.SMTPException):
            mail.Mailer("127.0.0.1", office.port, False, "", None, "biobank@example.org").send(payload)
    office = PostOffice()
    with serving_mail(office), pytest.raises(smtplib.SMTPNotSupportedError):
        mail.Mailer("127.0.0.1", office.port, True, "", None, "biobank@example.org").send(payload)
    assert office.taken == []
