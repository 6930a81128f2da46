"""The keeper: the one process beside the workers that looks at the clock. It seals, exports checkpoints, sends what has to leave, and tidies up.

Every task is its own: a fault in one is written down, counted and tried again, and never stops the others. Everything it does may be cut off
at any point and is done again by the next one.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any

from biobank.app import CHECKS
from biobank.cli.exporting import append_note
from biobank.cli.support import insist_on_tables, opened
from biobank.core import heartbeat, idempotency, logs, mail, outbox
from biobank.core.logs import log
from biobank.core.times import stamp
from biobank.core.trouble import code_of, trouble_of
from biobank.core.work import Units
from biobank.ledger import queries
from biobank.ledger import service as ledger
from biobank.settings import Settings

# Seconds between two rounds.
EVERY = 3.0
# A task that failed is tried again after this at the latest.
AGAIN = timedelta(minutes=1)
HOURLY = timedelta(hours=1)
AT_ONCE = timedelta(0)
# Messages sent in one round, rows deleted in one unit, units of one round.
MESSAGES, ROWS, UNITS = 50, 1000, 100
# Entries sealed in one unit, during which nobody else writes on SQLite, and seconds until the next.
LEAVES, PAUSE = 10_000, 0.1
# What may go wrong while a message is sent; anything else is a fault of ours.
NOT_SENT = (OSError, SMTPException)
# Seconds that are left to finish what is being done when the parent is gone.
TO_FINISH = 10.0

Send = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True)
class Task:
    """Something to do every so often; `next_at` by the clock that the units go by."""

    name: str
    every: timedelta
    do: Callable[[], None]
    done_at: datetime | None = None
    failed: bool = False

    def due(self, now: datetime) -> bool:
        """Whether it is time. A clock that stepped back makes everything due."""
        every = min(self.every, AGAIN) if self.failed else self.every
        return self.done_at is None or not self.done_at <= now < self.done_at + every


def mailer(settings: Settings) -> mail.Mailer | None:
    """How mail leaves here; None where no mail server is set."""
    if not settings.smtp_host:
        return None
    password = settings.instance / settings.smtp_password_file if settings.smtp_password_file else None
    return mail.Mailer(settings.smtp_host, settings.smtp_port, settings.smtp_starttls, settings.smtp_user, password, settings.mail_from)


class Keeper:
    """The tasks on one instance. `senders` send messages of the outbox by kind; what has no sender waits."""

    def __init__(self, settings: Settings, units: Units, senders: Mapping[str, Send] | None = None) -> None:
        self.settings = settings
        self.units = units
        post = mailer(settings)
        self.senders: Mapping[str, Send] = senders if senders is not None else ({mail.KIND: post.send} if post else {})
        self.beat = heartbeat.read(settings.keeper_file)
        self.stopping = threading.Event()
        self.tasks = (
            Task("seal", timedelta(minutes=settings.seal_minutes), self.seal),
            Task("look", AT_ONCE, self.look),
            Task("export", AGAIN, self.export),
            Task("send", AT_ONCE, self.send),
            Task("tidy", HOURLY, self.tidy),
            Task("verify", AT_ONCE, self.verify),
        )
        self.verifying: threading.Thread | None = None

    def run(self, every: float = EVERY) -> None:
        """Rounds until it is told to stop."""
        log.info("keeper started", pid=os.getpid())
        while not self.stopping.is_set():
            self.round()
            self.stopping.wait(every)
        log.info("keeper stopped", pid=os.getpid())

    def round(self) -> None:
        """Everything that is due, once."""
        self._show()
        for task in self.tasks:
            if self.stopping.is_set():
                return
            now = self.units.clock.now()
            if task.due(now):
                self._try(task)
                task.done_at = now
        self._show()

    def _try(self, task: Task) -> None:
        try:
            task.do()
            task.failed = False
            if self.beat.ailing.pop(task.name, None):
                log.info("keeper recovered", task=task.name)
        except Exception as error:
            task.failed = True
            self.beat.faults[task.name] = self.beat.faults.get(task.name, 0) + 1
            trouble = trouble_of(error)
            what = trouble.slug() if trouble else code_of(error) or type(error).__name__
            if self.beat.ailing.get(task.name) == what:
                return
            self.beat.ailing[task.name] = what
            if trouble:
                log.warning("keeper cannot go on", task=task.name, problem=what, code=code_of(error))
            else:
                log.error("keeper fault", task=task.name, code=code_of(error), exc_info=error)

    def _show(self) -> None:
        """Say that it lives. A disk without room is told by the checks of the service."""
        self.beat.at = stamp(self.units.clock.now())
        with suppress(OSError):
            heartbeat.write(self.settings.keeper_file, self.beat)

    def seal(self) -> None:
        """Seal what is new, in units of their own, so that scans go on in between."""
        keyring = ledger.Keyring.load(self.settings.signing_folder, self.settings.log_name)
        while True:
            with self.units.write() as work:
                sealed = ledger.seal(work, keyring, LEAVES)
            if sealed is None:
                return
            log.info("sealed", size=sealed.size, leaves=sealed.leaves)
            self._show()
            # Whoever waits to write comes first.
            if not sealed.more or self.stopping.wait(PAUSE):
                return

    def look(self) -> None:
        """Notice a new checkpoint, whoever made it."""
        with self.units.read() as work:
            newest = queries.newest_checkpoint(work)
        if newest is not None and newest[0] != self.beat.size:
            self.beat.size, self.beat.sealed_at = newest[0], stamp(work.now)

    def export(self) -> None:
        """Once a day: append the newest checkpoint to the export file and put it into the mail. Done again, it adds nothing twice."""
        with self.units.read() as work:
            newest, today = queries.newest_checkpoint(work), work.today.isoformat()
        if newest is None or self.beat.exported_on == today:
            return
        size, note = newest
        if append_note(self.settings.checkpoints, note):
            log.info("checkpoint exported", size=size)
        if self.settings.checkpoint_mail:
            name = re.sub(r"[^A-Za-z0-9.-]+", "-", self.settings.log_name)
            subject, mark = f"Checkpoint {size} of {name}", f"checkpoint-{name}-{size}"
            with self.units.write() as work:
                mail.put(work.session, self.settings.checkpoint_mail, subject, LETTER + note, mark, work.now)
        self.beat.exported_on = today

    def send(self) -> None:
        """Send what waits: lease, send, mark; each step in a unit of its own."""
        with self.units.read() as work:
            waiting = outbox.standing(work.session)["waiting"]
        for _ in range(min(waiting, MESSAGES) if self.senders else 0):
            if self.stopping.is_set() or not self._send_one():
                return
            self._show()

    def _send_one(self) -> bool:
        """Whether it makes sense to go on with the next one."""
        most = self.settings.outbox_tries
        with self.units.write() as work:
            leased = outbox.lease(work.session, self.senders, work.now, most_tries=most)
        if leased is None:
            return False
        try:
            self.senders[leased.kind](leased.payload)
        except NOT_SENT as error:
            with self.units.write() as work:
                outbox.failed(work.session, leased, work.now, mail.told(error), most_tries=most)
            log.warning("not sent", message=leased.id, kind=leased.kind, tries=leased.tries, fault=mail.told(error), given_up=leased.tries >= most)
            # A server that is not there is not asked again for the next one.
            return isinstance(error, SMTPException)
        except Exception as error:
            with self.units.write() as work:
                outbox.failed(work.session, leased, work.now, type(error).__name__, most_tries=most)
            raise
        with self.units.write() as work:
            outbox.done(work.session, leased, work.now)
        log.info("sent", message=leased.id, kind=leased.kind, tries=leased.tries)
        return True

    def tidy(self) -> None:
        """Forget old answers under idempotency keys, and messages sent long ago."""
        for forget in (idempotency.forget, outbox.forget_sent):
            for _ in range(UNITS):
                with self.units.write() as work:
                    gone = forget(work.session, work.now - timedelta(days=self.settings.idempotency_days), ROWS)
                if gone < ROWS or self.stopping.is_set():
                    break


    def verify(self) -> None:
        """Begin a verification that was asked for, in a thread: sealing and mail go on meanwhile."""
        running = self.verifying is not None and self.verifying.is_alive()
        if not running and ledger.Reports(self.settings.instance).take():
            self.verifying = threading.Thread(target=self._verify, name="verify", daemon=True)
            self.verifying.start()

    def _verify(self) -> None:
        try:
            known = ledger.known_verifiers(self.settings.signing_folder)
            report = ledger.run_verification(self.units, CHECKS, known, ledger.Reports(self.settings.instance))
        except Exception as error:
            # Written down in the report too, which the page shows.
            log.error("verification cut off", code=code_of(error), exc_info=error)
        else:
            log.info("verified", entries=report.entries, findings=len(report.findings))


LETTER = """This is the newest signed checkpoint of the ledger. Keep it where nobody who keeps the database can change it:
“biobank verify --against FILE” compares the ledger with a file of such checkpoints.

"""


def add(commands: Any) -> None:
    """`keep`."""
    keep = commands.add_parser("keep", help="seal, export checkpoints, send mail and tidy up, until stopped (“serve” does this by itself)")
    keep.add_argument("--once", action="store_true", help="do once what is due, and end")
    keep.add_argument("--parent", type=int, metavar="PID", help="end when this process, which started the keeper, is gone")
    keep.set_defaults(run=run_keep)


def run_keep(given: argparse.Namespace, settings: Settings) -> int:
    """Exit 0 when told to stop; with --once 1 when a task failed."""
    with opened(settings) as units:
        if given.parent is None:
            insist_on_tables(units)
        logs.start()
        keeper = Keeper(settings, units)
        if given.once:
            keeper.round()
            if keeper.verifying is not None:
                keeper.verifying.join()
            for task, what in sorted(keeper.beat.ailing.items()):
                print(f"the keeper could not {task}: {what}", file=sys.stderr)
            return 1 if keeper.beat.ailing else 0
        for signal_ in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(signal_, lambda *_: keeper.stopping.set())
        if given.parent is not None:
            threading.Thread(target=_end_with, args=(given.parent, keeper.stopping), daemon=True).start()
        keeper.run()
    return 0


def _end_with(parent: int, stopping: threading.Event) -> None:
    """Whoever started the keeper starts another one: two would do no harm, and none is missed."""
    while os.getppid() == parent:
        if stopping.wait(1.0):
            return
    stopping.set()
    threading.Event().wait(TO_FINISH)
    os._exit(1)
