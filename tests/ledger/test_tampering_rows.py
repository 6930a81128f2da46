"""Rows behind the chains, edited, added or taken away by somebody with every right: each is found, by chain, seq and field."""

from __future__ import annotations

import pytest

from tests.ledger.small import Forger

Case = tuple[str, str, int | None, str]
TUBE = "(SELECT id FROM specimen WHERE code = '{{{0}}}')"
FIRST, SECOND, THIRD, MARROW, BLOOD, CELLS = (f"specimen/{{{name}}}" for name in ("first", "second", "third", "marrow", "blood", "cells"))
BOX, REQUEST, CHILD, OTHER = "container/{box}", "request/{request}", "consent/{child}/alltogether1", "consent/{other}/alltogether1"
first, second, third, marrow, blood, cells = (TUBE.format(name) for name in ("first", "second", "third", "marrow", "blood", "cells"))
ENROLLED = "(SELECT enrolment_id FROM standing WHERE code = '{blood}')"
CHAIN_OF = "(SELECT chain_id FROM standing WHERE code = '{{{0}}}')"

# statement (several, split by ";"), chain, seq, field
HOLDS: list[Case] = [
    (f"UPDATE hold SET kind = 'discrepancy' WHERE specimen_id = {second} AND closed_seq IS NULL", SECOND, 6, "hold"),
    (f"UPDATE hold SET since = '2020-01-01' WHERE specimen_id = {second} AND closed_seq IS NULL", SECOND, 6, "hold"),
    (f"UPDATE hold SET opened_seq = 2 WHERE specimen_id = {second} AND closed_seq IS NULL", SECOND, 2, "hold"),
    (f"UPDATE hold SET closed_seq = 6 WHERE specimen_id = {second} AND closed_seq IS NULL", SECOND, 6, "hold"),
    (f"DELETE FROM hold WHERE specimen_id = {second} AND closed_seq IS NOT NULL", SECOND, 4, "hold"),
    (f"DELETE FROM hold WHERE specimen_id = {second} AND closed_seq IS NULL; UPDATE standing SET open_holds = 0 WHERE code = '{{second}}'", SECOND,
     6, "holds"),
    (f"INSERT INTO hold (specimen_id, kind, since, opened_seq, closed_seq) VALUES ({first}, 'identity', '2026-11-20', 1, 2)", FIRST, 1, "hold"),
    (f"UPDATE hold SET specimen_id = {third} WHERE specimen_id = {second} AND closed_seq IS NOT NULL", THIRD, 4, "hold"),
]
RESERVATIONS: list[Case] = [
    (f"UPDATE reservation SET amount = amount - 1 WHERE specimen_id = {first}", FIRST, 3, "reservation"),
    (f"UPDATE reservation SET \"for\" = 'request/SB000000/1' WHERE specimen_id = {first}", FIRST, 3, "reservation"),
    (f"UPDATE reservation SET stage = 'picked' WHERE specimen_id = {first}", FIRST, 3, "reservation"),
    (f"UPDATE reservation SET closed_seq = 4 WHERE specimen_id = {first}", FIRST, 3, "reservation"),
    (f"DELETE FROM reservation WHERE specimen_id = {first}; UPDATE standing SET open_reservations = 0, reserved = 0 WHERE code = '{{first}}'", FIRST,
     None, "reserved"),
    (f"INSERT INTO reservation (specimen_id, \"for\", amount, stage, opened_seq, closed_seq) VALUES ({third}, 'request/X/1', 1, 'reserved', 1, 2)",
     THIRD, 1, "reservation"),
]
POSTINGS: list[Case] = [
    (f"UPDATE posting SET amount = amount + 1 WHERE chain_id = {CHAIN_OF.format('first')} AND line = 1", FIRST, 1, "posting"),
    (f"UPDATE posting SET account = 'spilled' WHERE chain_id = {CHAIN_OF.format('first')} AND line = 1", FIRST, 1, "posting"),
    (f"UPDATE posting SET line = 7 WHERE chain_id = {CHAIN_OF.format('first')} AND line = 2", FIRST, 1, "posting"),
    (f"UPDATE posting SET lot_id = (SELECT lot_id FROM standing WHERE code = '{{blood}}') WHERE chain_id = {CHAIN_OF.format('first')}", FIRST, 1,
     "posting"),
    (f"UPDATE posting SET specimen_id = {second} WHERE chain_id = {CHAIN_OF.format('first')} AND account = 'tube'", FIRST, 1, "posting"),
    (f"DELETE FROM posting WHERE chain_id = {CHAIN_OF.format('first')}", FIRST, 1, "posting"),
    ("INSERT INTO posting (chain_id, seq, line, lot_id, account, specimen_id, amount) SELECT chain_id, 2, 1, lot_id, 'tube', specimen_id, 5 "
     "FROM standing WHERE code = '{first}'", FIRST, 2, "posting"),
    ("INSERT INTO posting (chain_id, seq, line, lot_id, account, specimen_id, amount) SELECT c.chain_id, 1, 1, s.lot_id, 'tube', s.specimen_id, 5 "
     "FROM standing s, container c WHERE s.code = '{first}' AND c.code = '{box}'", BOX, 1, "posting"),
]
LOTS: list[Case] = [
    ("UPDATE lot SET unit = 'cells' WHERE code = '{marrow}'", FIRST, None, "lot"),
    ("UPDATE lot SET code = 'SB000000' WHERE code = '{marrow}'", MARROW, None, "lot"),
    (f"UPDATE standing SET lot_id = (SELECT id FROM lot WHERE code = '{{blood}}') WHERE code = '{{first}}'; UPDATE posting SET lot_id = (SELECT id "
     f"FROM lot WHERE code = '{{blood}}') WHERE chain_id = {CHAIN_OF.format('first')}", FIRST, None, "lot"),
    ("UPDATE standing SET lot_id = (SELECT id FROM lot WHERE code = '{blood}') WHERE code = '{cells}'", CELLS, None, "lot"),
]
TUBES: list[Case] = [
    (f"UPDATE parent SET parent_id = {blood} WHERE child_id = {first}", FIRST, 1, "parent"),
    (f"UPDATE parent SET parent_id = {blood} WHERE child_id = {first}", BLOOD, None, "children"),
    (f"DELETE FROM parent WHERE child_id = {first}", FIRST, 1, "parent"),
    (f"INSERT INTO parent (child_id, parent_id) VALUES ({blood}, {marrow})", BLOOD, 1, "parent"),
    (f"UPDATE specimen SET collection_id = (SELECT collection_id FROM specimen WHERE id = {blood}) WHERE code = '{{first}}'", FIRST, 1, "collection"),
    ("UPDATE specimen SET kind = 'primary' WHERE code = '{first}'", FIRST, 1, "kind"),
    ("UPDATE specimen SET material = 'PB' WHERE code = '{first}'", FIRST, 1, "material"),
    # The entries say BM, amended to PB: the first value is not right any more.
    ("UPDATE specimen SET material = 'BM' WHERE code = '{third}'", THIRD, 1, "material"),
    ("UPDATE specimen SET family = 'csf' WHERE code = '{first}'", FIRST, None, "family"),
    ("UPDATE specimen SET container_type = 'MICROTUBE' WHERE code = '{first}'", FIRST, 1, "container_type"),
    ("UPDATE specimen SET purpose = 'extra' WHERE code = '{first}'", FIRST, 1, "purpose"),
    ("UPDATE specimen SET purpose = 'residual' WHERE code = '{blood}'", BLOOD, 1, "purpose"),
    ("UPDATE specimen SET code = 'SB000000' WHERE code = '{first}'", FIRST, None, "specimen"),
    ("UPDATE standing SET code = 'SB000000' WHERE code = '{first}'", FIRST, None, "standing"),
    (f"UPDATE collection SET enrolment_id = {ENROLLED} WHERE id = (SELECT collection_id FROM specimen WHERE code = '{{first}}')", FIRST, None,
     "enrolment"),
    ("UPDATE collection SET event = 'D15' WHERE id = (SELECT collection_id FROM specimen WHERE code = '{first}')", MARROW, 1, "event"),
    ("UPDATE collection SET planned_on = '2020-01-01' WHERE id = (SELECT collection_id FROM specimen WHERE code = '{marrow}')", MARROW, 2,
     "planned_on"),
    ("UPDATE collection SET drawn_at = '2020-01-01 00:00:00' WHERE id = (SELECT collection_id FROM specimen WHERE code = '{blood}')", BLOOD, 1,
     "drawn_at"),
    (f"UPDATE earmark SET sub_study = 'cns_detection' WHERE specimen_id = {second}", SECOND, None, "earmark"),
    (f"UPDATE earmark SET made_at = '2020-01-01 00:00:00' WHERE specimen_id = {second}", SECOND, None, "earmark"),
    (f"DELETE FROM earmark WHERE specimen_id = {second}", SECOND, None, "earmark"),
    (f"INSERT INTO earmark (specimen_id, sub_study, made_at) VALUES ({third}, 'asparaginase', '2026-11-20 09:00:00')", THIRD, None, "earmark"),
    ("UPDATE external_code SET code = 'X-18'", BLOOD, 1, "external_code"),
    ("UPDATE external_code SET issuer = 'nowhere'", BLOOD, 1, "external_code"),
    (f"UPDATE external_code SET specimen_id = {first}", FIRST, 1, "external_code"),
    ("DELETE FROM external_code", BLOOD, 1, "external_code"),
    ("UPDATE processing SET g = 500", CELLS, 1, "processing"),
    ("UPDATE processing SET minutes = NULL", CELLS, 1, "processing"),
    ("DELETE FROM processing", CELLS, 1, "processing"),
    (f"INSERT INTO processing (specimen_id, g, at) VALUES ({first}, 400, '2026-11-20 09:00:00')", FIRST, 1, "processing"),
]
CODES: list[Case] = [
    (f"UPDATE code SET ref = {blood} WHERE code = '{{first}}'", FIRST, None, "code"),
    ("UPDATE code SET kind = 'container' WHERE code = '{first}'", FIRST, None, "code"),
    ("DELETE FROM code WHERE code = '{first}'", FIRST, None, "code"),
    (f"INSERT INTO code (code, kind, ref) VALUES ('SB000000', 'specimen', {first})", "specimen/SB000000", None, "code"),
    ("UPDATE code SET ref = ref + 1 WHERE code = '{box}'", BOX, None, "code"),
    ("DELETE FROM code WHERE code = '{request}'", REQUEST, None, "code"),
    ("DELETE FROM code WHERE code = '{child}'", "participant/{child}", None, "code"),
]
CONTAINERS: list[Case] = [
    ("UPDATE container SET parent_id = NULL WHERE code = '{box}'", BOX, 1, "parent"),
    ("UPDATE container SET title = 'Box 7' WHERE code = '{box}'", BOX, 1, "title"),
    ("UPDATE container SET rows = 9 WHERE code = '{box}'", BOX, 1, "rows"),
    ("UPDATE container SET columns = 9 WHERE code = '{box}'", BOX, 1, "columns"),
    ("UPDATE container SET kind = 'rack' WHERE code = '{box}'", BOX, 1, "kind"),
    ("UPDATE container SET path = '/0000000009/' WHERE code = '{box}'", BOX, 1, "path"),
    ("UPDATE container SET temperature_class = 'LN' WHERE code = '{box}'", BOX, 1, "temperature_class"),
    ("UPDATE container SET organisation = 'elsewhere' WHERE code = '{box}'", BOX, 1, "organisation"),
    ("UPDATE container SET code = 'SB000000' WHERE code = '{spare}'", "container/{spare}", None, "container"),
    ("UPDATE container SET chain_id = (SELECT chain_id FROM container WHERE code = '{box}') WHERE code = '{spare}'", "container/{spare}", None,
     "chain_id"),
]
OF_OTHER = f"enrolment_id = {ENROLLED}"
CONSENT: list[Case] = [
    (f"UPDATE decision SET answer = 'yes' WHERE {OF_OTHER} AND answer = 'no'", OTHER, 4, "decision"),
    (f"UPDATE decision SET component = 'commercial' WHERE {OF_OTHER} AND answer = 'no'", OTHER, 4, "decision"),
    (f"UPDATE decision SET form_version = 'v0' WHERE {OF_OTHER} AND answer = 'no'", OTHER, 4, "decision"),
    (f"UPDATE decision SET authority = 'sole' WHERE {OF_OTHER} AND answer = 'no'", OTHER, 4, "decision"),
    (f"UPDATE decision SET signed_on = '2026-11-01' WHERE {OF_OTHER} AND answer = 'no'", OTHER, 4, "decision"),
    (f"UPDATE decision SET recorded_at = '2020-01-01 00:00:00' WHERE {OF_OTHER} AND answer = 'no'", OTHER, 4, "decision"),
    (f"UPDATE decision SET effect = 'destroy' WHERE {OF_OTHER} AND answer = 'withdrawn'", OTHER, 16, "decision"),
    (f"DELETE FROM decision WHERE {OF_OTHER} AND answer = 'withdrawn'", OTHER, 16, "decision"),
    (f"UPDATE decision SET enrolment_id = (SELECT enrolment_id FROM standing WHERE code = '{{first}}') WHERE {OF_OTHER} AND answer = 'no'", OTHER, 4,
     "decision"),
    (f"UPDATE signatory SET signed_on = '2026-11-01' WHERE role = 'parent' AND decision_id IN (SELECT id FROM decision WHERE {OF_OTHER} AND answer = "
     "'no')", OTHER, 4, "decision"),
    (f"DELETE FROM signatory WHERE role = 'parent' AND decision_id IN (SELECT id FROM decision WHERE {OF_OTHER} AND answer = 'no')", OTHER, 4,
     "decision"),
    (f"UPDATE consent_state SET granted = true WHERE {OF_OTHER} AND component = 'asparaginase'", OTHER, None, "consent_state"),
    (f"UPDATE consent_state SET reason = 'no-decision' WHERE {OF_OTHER} AND component = 'asparaginase'", OTHER, None, "consent_state"),
    (f"UPDATE consent_state SET from_on = '2020-01-01' WHERE {OF_OTHER} AND component = 'registry' AND NOT at_birthday", OTHER, None,
     "consent_state"),
    (f"UPDATE consent_state SET until_on = '2020-01-01' WHERE {OF_OTHER} AND component = 'registry'", OTHER, None, "consent_state"),
    (f"DELETE FROM consent_state WHERE {OF_OTHER} AND component = 'asparaginase'", OTHER, None, "consent_state"),
    ("UPDATE enrolment SET organisation = 'umc' WHERE subject_number = 'T-0001'", CHILD, 1, "organisation"),
    ("UPDATE enrolment SET country = 'SE' WHERE subject_number = 'T-0001'", CHILD, 1, "country"),
    ("UPDATE enrolment SET enrolled_on = '2020-01-01' WHERE subject_number = 'T-0001'", CHILD, 1, "enrolled_on"),
    ("UPDATE enrolment SET stratum = 'high' WHERE subject_number = 'T-0001'", CHILD, 1, "stratum"),
    ("UPDATE enrolment SET warnings = '[]', override_reason_given = NOT override_reason_given WHERE subject_number = 'T-0001'", CHILD, 1,
     "override_reason_given"),
]
VERDICTS: list[Case] = [
    ("UPDATE verdict SET granted = NOT granted WHERE id = (SELECT max(id) FROM verdict)", FIRST, 3, "verdict"),
    ("UPDATE verdict SET purpose = 'export' WHERE id = (SELECT max(id) FROM verdict)", FIRST, 3, "verdict"),
    ("UPDATE verdict SET reasons = '[{{}}]' WHERE id = (SELECT max(id) FROM verdict)", FIRST, 3, "verdict"),
    (f"UPDATE verdict SET {OF_OTHER} WHERE id = (SELECT max(id) FROM verdict)", FIRST, 3, "verdict"),
]
NOTES: list[Case] = [
    (f"UPDATE note SET text = 'cap was fine' WHERE chain_id = {CHAIN_OF.format('second')} AND seq = 4", SECOND, 4, "note"),
    (f"UPDATE note SET salt = CAST('0123456789abcdef' AS {{{{blob}}}}) WHERE chain_id = {CHAIN_OF.format('second')} AND seq = 4", SECOND, 4, "note"),
    (f"INSERT INTO note (chain_id, seq, name, salt, text) SELECT chain_id, seq, 'other', salt, text FROM note WHERE chain_id = "
     f"{CHAIN_OF.format('second')} AND seq = 4", SECOND, 4, "note"),
    (f"UPDATE note SET seq = 99 WHERE chain_id = {CHAIN_OF.format('second')} AND seq = 4", SECOND, 99, "note"),
]
REQUESTS: list[Case] = [
    ("UPDATE request SET state = 'closed'", REQUEST, 4, "state"),
    ("UPDATE request SET purpose = 'use:asparaginase'", REQUEST, 1, "purpose"),
    ("UPDATE request SET uses = '[\"commercial\"]'", REQUEST, 1, "uses"),
    ("UPDATE request SET organisation = 'boston'", REQUEST, 1, "organisation"),
    ("UPDATE request SET requester_id = requester_id + 1", REQUEST, 1, "requester_id"),
    ("UPDATE request SET version = version + 1", REQUEST, 4, "version"),
    ("UPDATE request SET created_at = '2020-01-01 00:00:00'", REQUEST, 1, "created_at"),
    ("UPDATE request_item SET n = 20", REQUEST, 1, "item"),
    ("UPDATE request_item SET material = 'PB'", REQUEST, 1, "item"),
    ("UPDATE request_plan SET chosen = '[]'", REQUEST, 4, "plan"),
    ("UPDATE request_plan SET input_sha256 = '00'", REQUEST, 4, "plan"),
    ("DELETE FROM request_plan", REQUEST, None, "plan"),
]
CHAINS: list[Case] = [
    ("UPDATE chain SET ref = 'SB000000' WHERE kind = 'specimen' AND ref = '{first}'", "specimen/SB000000", 1, "chain"),
    ("UPDATE chain SET kind = 'container' WHERE kind = 'specimen' AND ref = '{first}'", "container/{first}", 1, "chain"),
    ("UPDATE chain SET last_seq = last_seq + 1 WHERE kind = 'specimen' AND ref = '{first}'", FIRST, None, "last_seq"),
    ("UPDATE chain SET last_hash = '00' WHERE kind = 'specimen' AND ref = '{first}'", FIRST, None, "last_hash"),
    ("UPDATE chain SET last_at = '2020-01-01 00:00:00' WHERE kind = 'specimen' AND ref = '{first}'", FIRST, None, "last_at"),
    ("UPDATE chain SET sealed_seq = sealed_seq - 1 WHERE kind = 'specimen' AND ref = '{first}'", FIRST, None, "sealed_seq"),
    ("UPDATE chain SET sealed_seq = last_seq WHERE kind = 'specimen' AND ref = '{marrow}'", MARROW, 7, "leaf"),
]
ALL = {
    "hold": HOLDS, "reservation": RESERVATIONS, "posting": POSTINGS, "lot": LOTS, "tube": TUBES, "code": CODES, "container": CONTAINERS,
    "consent": CONSENT, "verdict": VERDICTS, "note": NOTES, "request": REQUESTS, "chain": CHAINS,
}


def check(forger: Forger, case: Case) -> None:
    """The statements, and that verification names the place."""
    statements, chain, seq, field = case
    kept = forger.lift()
    for statement in statements.split("; "):
        forger.run(statement.replace("{{blob}}", "BLOB" if forger.sqlite else "bytea"))
    forger.put_back(kept)
    found = forger.found()
    assert (chain.format(**forger.small.codes), seq, field) in found, found


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{name}-{number}") for name, cases in ALL.items() for number, case in enumerate(cases, 1)])
def test_a_row_that_was_tampered_with(forger: Forger, case: Case) -> None:
    check(forger, case)
