"""What has to leave waits in the outbox: taken by one, sent at least once, and never forgotten."""

from __future__ import annotations

import threading
from datetime import timedelta

from sqlalchemy import text

from biobank.core import mail, outbox
from tests.operations.conftest import NOW, Ground

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
KINDS = {"mail"}


def put(ground: Ground, number: int = 1, kind: str = "mail") -> None:
    with ground.units.write() as work:
        for one in range(number):
            outbox.put(work.session, kind, {"number": one}, work.now)


def lease(ground: Ground, most: int = 12) -> outbox.Leased | None:
    with ground.units.write() as work:
        return outbox.lease(work.session, KINDS, work.now, most_tries=most)


def fail(ground: Ground, leased: outbox.Leased, most: int = 12) -> bool:
    with ground.units.write() as work:
        return outbox.failed(work.session, leased, work.now, "SMTPDataError 451", most_tries=most)


def row(ground: Ground) -> tuple[str, int, str | None]:
    with ground.units.read() as work:
        found = work.session.execute(text("SELECT state, tries, fault FROM outbox")).one()
    return found.state, found.tries, found.fault


def test_a_message_is_taken_sent_and_marked(ground: Ground) -> None:
    put(ground)
    taken = lease(ground)
    assert taken is not None and taken.payload == {"number": 0} and taken.tries == 1
    assert lease(ground) is None
    with ground.units.write() as work:
        assert outbox.done(work.session, taken, work.now)
    assert row(ground) == ("sent", 1, None)
    ground.clock.forward(DAY)
    assert lease(ground) is None


def test_who_dies_with_a_message_leaves_a_lease_that_ends(ground: Ground) -> None:
    put(ground)
    first = lease(ground)
    assert first is not None
    ground.clock.forward(outbox.LEASE - MINUTE)
    assert lease(ground) is None
    ground.clock.forward(2 * MINUTE)
    second = lease(ground)
    assert second is not None and second.id == first.id and second.tries == 2
    with ground.units.write() as work:
        # The one thought dead comes back: the message is not his any more.
        assert not outbox.done(work.session, first, work.now)
        assert outbox.done(work.session, second, work.now)


def test_a_message_that_fails_waits_longer_each_time_and_then_needs_attention(ground: Ground) -> None:
    put(ground)
    waits = []
    for _ in range(13):
        taken = lease(ground, most=14)
        assert taken is not None
        assert fail(ground, taken, most=14)
        assert lease(ground) is None
        waits.append(outbox.wait_after(taken.tries))
        ground.clock.forward(waits[-1])
    assert waits[:4] == [2 * MINUTE, 4 * MINUTE, 8 * MINUTE, 16 * MINUTE]
    assert waits[-1] == DAY
    last = lease(ground, most=14)
    assert last is not None and fail(ground, last, most=14)
    assert row(ground) == ("failed", 14, "SMTPDataError 451")
    ground.clock.forward(100 * DAY)
    assert lease(ground) is None
    with ground.units.read() as work:
        assert outbox.standing(work.session) == {"waiting": 0, "failed": 1}


def test_a_message_at_which_everybody_dies_needs_attention(ground: Ground) -> None:
    put(ground)
    for _ in range(3):
        assert lease(ground, most=3) is not None
        ground.clock.forward(2 * outbox.LEASE)
    assert lease(ground, most=3) is None
    assert row(ground)[0] == "failed"


def test_a_message_for_which_there_is_no_sender_waits(ground: Ground) -> None:
    put(ground, kind="label")
    assert lease(ground) is None
    assert row(ground)[0] == "waiting"


def test_times_written_by_a_clock_that_was_ahead_do_not_count(ground: Ground) -> None:
    ground.clock.forward(400 * DAY)
    put(ground, 2)
    assert lease(ground) is not None
    ground.clock.at = NOW
    assert lease(ground) is not None
    assert lease(ground) is not None
    assert lease(ground) is None


def test_eight_drainers_at_once_take_each_message_once(ground: Ground) -> None:
    put(ground, 60)
    got: list[int] = []
    start = threading.Barrier(8)

    def drain() -> None:
        start.wait(30)
        while (taken := lease(ground)) is not None:
            got.append(taken.id)

    threads = [threading.Thread(target=drain) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 60 and len(set(got)) == 60


def test_a_mail_with_the_same_mark_is_put_once(ground: Ground) -> None:
    for _ in range(2):
        with ground.units.write() as work:
            mail.put(work.session, ("a@example.org", "b@example.org"), "Checkpoint 7", "text", "checkpoint-biobank-7", work.now)
    with ground.units.read() as work:
        assert outbox.standing(work.session)["waiting"] == 2


def test_what_was_sent_long_ago_is_forgotten_and_what_failed_is_not(ground: Ground) -> None:
    put(ground, 2)
    first, second = lease(ground), lease(ground)
    assert first is not None and second is not None
    with ground.units.write() as work:
        outbox.done(work.session, first, work.now)
        outbox.failed(work.session, second, work.now, "x", most_tries=1)
    ground.clock.forward(91 * DAY)
    with ground.units.write() as work:
        assert outbox.forget_sent(work.session, work.now - 90 * DAY) == 1
    assert row(ground)[0] == "failed"
