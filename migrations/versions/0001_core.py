"""The first tables, and the triggers that keep entries and postings from being changed.

Revision ID: 0001
Revises: 
"""

import sqlalchemy as sa
from alembic import op

from biobank.core.db import BigInt, UTCTime


revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


APPEND_ONLY = ("entry", "posting")

POSTGRESQL_FUNCTION = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP;
END $$
"""


def forbid_changes() -> None:
    """Triggers that refuse UPDATE, DELETE and TRUNCATE; on PostgreSQL also for sessions that replay a replica (ENABLE ALWAYS)."""
    if op.get_bind().dialect.name == "sqlite":
        for table in APPEND_ONLY:
            for what in ("update", "delete"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{what} BEFORE {what.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, 'table {table} is append-only: {what} is refused'); END"
                )
        return
    op.execute(POSTGRESQL_FUNCTION)
    for table in APPEND_ONLY:
        op.execute(f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()")
        op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()")
        for what in ("change", "truncate"):
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_{what}")


def allow_changes() -> None:
    """Take the triggers away, for the way down only."""
    if op.get_bind().dialect.name == "sqlite":
        return
    for table in APPEND_ONLY:
        for what in ("change", "truncate"):
            op.execute(f"DROP TRIGGER {table}_no_{what} ON {table}")
    op.execute("DROP FUNCTION refuse_change()")


def upgrade() -> None:
    op.create_table('chain',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('ref', sa.String(length=80), nullable=False),
    sa.Column('last_seq', BigInt, nullable=False),
    sa.Column('last_hash', sa.String(length=64), nullable=False),
    sa.Column('last_at', UTCTime(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_chain')),
    sa.UniqueConstraint('kind', 'ref', name=op.f('uq_chain_kind_ref'))
    )
    op.create_table('code',
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('ref', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_code'))
    )
    op.create_table('idempotency',
    sa.Column('key', sa.String(length=200), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('content_type', sa.String(length=100), nullable=False),
    sa.Column('reply', sa.LargeBinary(), nullable=False),
    sa.Column('at', UTCTime(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_idempotency'))
    )
    op.create_index(op.f('ix_idempotency_at'), 'idempotency', ['at'], unique=False)
    op.create_table('lot',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('unit', sa.String(length=10), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_lot')),
    sa.UniqueConstraint('code', name=op.f('uq_lot_code'))
    )
    op.create_table('organisation',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('title', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('country', sa.String(length=2), nullable=False),
    sa.Column('zone', sa.String(length=60), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_organisation')),
    sa.UniqueConstraint('code', name=op.f('uq_organisation_code'))
    )
    op.create_table('participant',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_participant')),
    sa.UniqueConstraint('code', name=op.f('uq_participant_code'))
    )
    op.create_table('prefix',
    sa.Column('ordinal', sa.Integer(), nullable=False),
    sa.Column('prefix', sa.String(length=2), nullable=False),
    sa.PrimaryKeyConstraint('ordinal', name=op.f('pk_prefix')),
    sa.UniqueConstraint('prefix', name=op.f('uq_prefix_prefix'))
    )
    op.create_table('study_version',
    sa.Column('study', sa.String(length=40), nullable=False),
    sa.Column('version', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('opens_on', sa.Date(), nullable=True),
    sa.Column('closes_on', sa.Date(), nullable=True),
    sa.Column('definition', sa.Text(), nullable=False),
    sa.Column('loaded_at', UTCTime(), nullable=False),
    sa.PrimaryKeyConstraint('study', 'version', name=op.f('pk_study_version'))
    )
    op.create_table('term',
    sa.Column('vocabulary', sa.String(length=30), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('ordinal', sa.Integer(), nullable=False),
    sa.Column('title', sa.String(length=200), nullable=False),
    sa.Column('title_nl', sa.String(length=200), nullable=False),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('vocabulary', 'code', name=op.f('pk_term'))
    )
    op.create_table('container',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('title', sa.String(length=100), nullable=False),
    sa.Column('parent_id', BigInt, nullable=True),
    sa.Column('path', sa.String(length=200), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('columns', sa.Integer(), nullable=False),
    sa.Column('temperature_class', sa.String(length=20), nullable=True),
    sa.Column('organisation', sa.String(length=40), nullable=False),
    sa.Column('chain_id', BigInt, nullable=False),
    sa.ForeignKeyConstraint(['chain_id'], ['chain.id'], name=op.f('fk_container_chain_id_chain')),
    sa.ForeignKeyConstraint(['parent_id'], ['container.id'], name=op.f('fk_container_parent_id_container')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_container')),
    sa.UniqueConstraint('code', name=op.f('uq_container_code'))
    )
    op.create_index(op.f('ix_container_chain_id'), 'container', ['chain_id'], unique=False)
    op.create_index(op.f('ix_container_parent_id'), 'container', ['parent_id'], unique=False)
    op.create_index(op.f('ix_container_path'), 'container', ['path'], unique=False)
    op.create_table('enrolment',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('participant_id', BigInt, nullable=False),
    sa.Column('study', sa.String(length=40), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('organisation', sa.String(length=40), nullable=False),
    sa.Column('country', sa.String(length=2), nullable=False),
    sa.Column('subject_number', sa.String(length=40), nullable=False),
    sa.Column('enrolled_on', sa.Date(), nullable=False),
    sa.Column('stratum', sa.String(length=40), nullable=True),
    sa.Column('override_reason_given', sa.Boolean(), nullable=False),
    sa.Column('warnings', sa.Text(), nullable=False),
    sa.Column('chain_id', BigInt, nullable=False),
    sa.ForeignKeyConstraint(['chain_id'], ['chain.id'], name=op.f('fk_enrolment_chain_id_chain')),
    sa.ForeignKeyConstraint(['participant_id'], ['participant.id'], name=op.f('fk_enrolment_participant_id_participant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_enrolment')),
    sa.UniqueConstraint('participant_id', 'study', name=op.f('uq_enrolment_participant_id_study')),
    sa.UniqueConstraint('study', 'subject_number', name=op.f('uq_enrolment_study_subject_number'))
    )
    op.create_index(op.f('ix_enrolment_chain_id'), 'enrolment', ['chain_id'], unique=False)
    op.create_index(op.f('ix_enrolment_organisation'), 'enrolment', ['organisation'], unique=False)
    op.create_table('entry',
    sa.Column('chain_id', BigInt, nullable=False),
    sa.Column('seq', BigInt, nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('previous', sa.String(length=64), nullable=False),
    sa.Column('hash', sa.String(length=64), nullable=False),
    sa.Column('act', sa.String(length=40), nullable=False),
    sa.Column('actor_id', BigInt, nullable=True),
    sa.Column('occurred_at', UTCTime(), nullable=False),
    sa.Column('recorded_at', UTCTime(), nullable=False),
    sa.ForeignKeyConstraint(['chain_id'], ['chain.id'], name=op.f('fk_entry_chain_id_chain')),
    sa.PrimaryKeyConstraint('chain_id', 'seq', name=op.f('pk_entry'))
    )
    op.create_index(op.f('ix_entry_actor_id'), 'entry', ['actor_id'], unique=False)
    op.create_index(op.f('ix_entry_hash'), 'entry', ['hash'], unique=False)
    op.create_index(op.f('ix_entry_recorded_at'), 'entry', ['recorded_at'], unique=False)
    op.create_table('episode',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('participant_id', BigInt, nullable=False),
    sa.Column('ordinal', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('diagnosed_on', sa.Date(), nullable=False),
    sa.Column('disease_group', sa.String(length=40), nullable=False),
    sa.Column('genetics', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['participant_id'], ['participant.id'], name=op.f('fk_episode_participant_id_participant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_episode')),
    sa.UniqueConstraint('participant_id', 'ordinal', name=op.f('uq_episode_participant_id_ordinal'))
    )
    op.create_table('participant_person',
    sa.Column('participant_id', BigInt, nullable=False),
    sa.Column('birth_date', sa.Date(), nullable=False),
    sa.Column('sex', sa.String(length=10), nullable=False),
    sa.Column('deceased_on', sa.Date(), nullable=True),
    sa.ForeignKeyConstraint(['participant_id'], ['participant.id'], name=op.f('fk_participant_person_participant_id_participant')),
    sa.PrimaryKeyConstraint('participant_id', name=op.f('pk_participant_person'))
    )
    op.create_table('person',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('login', sa.String(length=60), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('password_hash', sa.String(length=200), nullable=False),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.Column('organisation_id', BigInt, nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('waits_until', UTCTime(), nullable=True),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_person_organisation_id_organisation')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_person')),
    sa.UniqueConstraint('login', name=op.f('uq_person_login'))
    )
    op.create_index(op.f('ix_person_organisation_id'), 'person', ['organisation_id'], unique=False)
    op.create_table('sub_study',
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('study', sa.String(length=40), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['study', 'version'], ['study_version.study', 'study_version.version'], name='fk_sub_study_study_version'),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_sub_study'))
    )
    op.create_index('ix_sub_study_study_version', 'sub_study', ['study', 'version'], unique=False)
    op.create_table('anchor',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('enrolment_id', BigInt, nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('ordinal', sa.Integer(), nullable=False),
    sa.Column('at', sa.Date(), nullable=False),
    sa.Column('moment', UTCTime(), nullable=True),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_anchor_enrolment_id_enrolment')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_anchor')),
    sa.UniqueConstraint('enrolment_id', 'kind', 'ordinal', name=op.f('uq_anchor_enrolment_id_kind_ordinal'))
    )
    op.create_table('collection',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('enrolment_id', BigInt, nullable=False),
    sa.Column('event', sa.String(length=40), nullable=True),
    sa.Column('anchor_kind', sa.String(length=40), nullable=True),
    sa.Column('anchor_ordinal', sa.Integer(), nullable=True),
    sa.Column('planned_on', sa.Date(), nullable=True),
    sa.Column('drawn_at', UTCTime(), nullable=True),
    sa.Column('organisation', sa.String(length=40), nullable=False),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_collection_enrolment_id_enrolment')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_collection')),
    sa.UniqueConstraint('code', name=op.f('uq_collection_code'))
    )
    op.create_index(op.f('ix_collection_enrolment_id'), 'collection', ['enrolment_id'], unique=False)
    op.create_index(op.f('ix_collection_planned_on'), 'collection', ['planned_on'], unique=False)
    op.create_table('consent_state',
    sa.Column('enrolment_id', BigInt, nullable=False),
    sa.Column('component', sa.String(length=60), nullable=False),
    sa.Column('from_on', sa.Date(), nullable=False),
    sa.Column('until_on', sa.Date(), nullable=True),
    sa.Column('granted', sa.Boolean(), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=True),
    sa.Column('roles', sa.String(length=100), nullable=False),
    sa.Column('at_birthday', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_consent_state_enrolment_id_enrolment')),
    sa.PrimaryKeyConstraint('enrolment_id', 'component', 'from_on', name=op.f('pk_consent_state'))
    )
    op.create_table('decision',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('enrolment_id', BigInt, nullable=False),
    sa.Column('component', sa.String(length=60), nullable=False),
    sa.Column('answer', sa.String(length=10), nullable=False),
    sa.Column('form_version', sa.String(length=40), nullable=True),
    sa.Column('authority', sa.String(length=10), nullable=True),
    sa.Column('effect', sa.String(length=40), nullable=True),
    sa.Column('signed_on', sa.Date(), nullable=False),
    sa.Column('recorded_at', UTCTime(), nullable=False),
    sa.Column('chain_id', BigInt, nullable=False),
    sa.Column('seq', BigInt, nullable=False),
    sa.ForeignKeyConstraint(['chain_id', 'seq'], ['entry.chain_id', 'entry.seq'], name=op.f('fk_decision_chain_id_entry')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_decision_enrolment_id_enrolment')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_decision'))
    )
    op.create_index('ix_decision_chain_id_seq', 'decision', ['chain_id', 'seq'], unique=False)
    op.create_index('ix_decision_enrolment_id_component', 'decision', ['enrolment_id', 'component'], unique=False)
    op.create_table('note',
    sa.Column('chain_id', BigInt, nullable=False),
    sa.Column('seq', BigInt, nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('salt', sa.LargeBinary(length=16), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['chain_id', 'seq'], ['entry.chain_id', 'entry.seq'], name=op.f('fk_note_chain_id_entry')),
    sa.PrimaryKeyConstraint('chain_id', 'seq', 'name', name=op.f('pk_note'))
    )
    op.create_table('print_job',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('design', sa.String(length=40), nullable=False),
    sa.Column('start', sa.Integer(), nullable=False),
    sa.Column('codes', sa.Text(), nullable=False),
    sa.Column('made_by', BigInt, nullable=False),
    sa.Column('made_at', UTCTime(), nullable=False),
    sa.ForeignKeyConstraint(['made_by'], ['person.id'], name=op.f('fk_print_job_made_by_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_print_job')),
    sa.UniqueConstraint('code', name=op.f('uq_print_job_code'))
    )
    op.create_index(op.f('ix_print_job_made_by'), 'print_job', ['made_by'], unique=False)
    op.create_table('request',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('study', sa.String(length=40), nullable=False),
    sa.Column('purpose', sa.String(length=60), nullable=False),
    sa.Column('uses', sa.Text(), nullable=False),
    sa.Column('title', sa.String(length=200), nullable=True),
    sa.Column('organisation', sa.String(length=40), nullable=False),
    sa.Column('requester_id', BigInt, nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('created_at', UTCTime(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('chain_id', BigInt, nullable=False),
    sa.ForeignKeyConstraint(['chain_id'], ['chain.id'], name=op.f('fk_request_chain_id_chain')),
    sa.ForeignKeyConstraint(['requester_id'], ['person.id'], name=op.f('fk_request_requester_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_request')),
    sa.UniqueConstraint('code', name=op.f('uq_request_code'))
    )
    op.create_index(op.f('ix_request_chain_id'), 'request', ['chain_id'], unique=False)
    op.create_index(op.f('ix_request_organisation'), 'request', ['organisation'], unique=False)
    op.create_index(op.f('ix_request_requester_id'), 'request', ['requester_id'], unique=False)
    op.create_index(op.f('ix_request_study'), 'request', ['study'], unique=False)
    op.create_table('role_grant',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('person_id', BigInt, nullable=False),
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('study', sa.String(length=40), nullable=True),
    sa.Column('organisation', sa.String(length=40), nullable=True),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_role_grant_person_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_role_grant'))
    )
    op.create_index(op.f('ix_role_grant_person_id'), 'role_grant', ['person_id'], unique=False)
    op.create_table('token',
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('person_id', BigInt, nullable=False),
    sa.Column('label', sa.String(length=100), nullable=False),
    sa.Column('role', sa.String(length=40), nullable=True),
    sa.Column('made_at', UTCTime(), nullable=False),
    sa.Column('expires_at', UTCTime(), nullable=True),
    sa.Column('revoked_at', UTCTime(), nullable=True),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_token_person_id_person')),
    sa.PrimaryKeyConstraint('sha256', name=op.f('pk_token'))
    )
    op.create_index(op.f('ix_token_person_id'), 'token', ['person_id'], unique=False)
    op.create_table('verdict',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('enrolment_id', BigInt, nullable=False),
    sa.Column('purpose', sa.String(length=60), nullable=False),
    sa.Column('on_date', sa.Date(), nullable=False),
    sa.Column('granted', sa.Boolean(), nullable=False),
    sa.Column('reasons', sa.Text(), nullable=True),
    sa.Column('rules_version', sa.String(length=20), nullable=False),
    sa.Column('at', UTCTime(), nullable=False),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_verdict_enrolment_id_enrolment')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_verdict'))
    )
    op.create_index(op.f('ix_verdict_enrolment_id'), 'verdict', ['enrolment_id'], unique=False)
    op.create_table('dose',
    sa.Column('anchor_id', BigInt, nullable=False),
    sa.Column('product', sa.String(length=40), nullable=False),
    sa.Column('units_per_m2', sa.Integer(), nullable=False),
    sa.Column('route', sa.String(length=20), nullable=False),
    sa.ForeignKeyConstraint(['anchor_id'], ['anchor.id'], name=op.f('fk_dose_anchor_id_anchor')),
    sa.PrimaryKeyConstraint('anchor_id', name=op.f('pk_dose'))
    )
    op.create_table('request_item',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('request_id', BigInt, nullable=False),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('material', sa.String(length=40), nullable=False),
    sa.Column('family', sa.String(length=20), nullable=True),
    sa.Column('event', sa.String(length=40), nullable=True),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('amount', BigInt, nullable=True),
    sa.Column('unit', sa.String(length=10), nullable=True),
    sa.CheckConstraint('n > 0', name=op.f('ck_request_item_some')),
    sa.ForeignKeyConstraint(['request_id'], ['request.id'], name=op.f('fk_request_item_request_id_request')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_request_item')),
    sa.UniqueConstraint('request_id', 'line', name=op.f('uq_request_item_request_id_line'))
    )
    op.create_table('signatory',
    sa.Column('decision_id', BigInt, nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('signed_on', sa.Date(), nullable=False),
    sa.ForeignKeyConstraint(['decision_id'], ['decision.id'], name=op.f('fk_signatory_decision_id_decision')),
    sa.PrimaryKeyConstraint('decision_id', 'role', name=op.f('pk_signatory'))
    )
    op.create_table('specimen',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('collection_id', BigInt, nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('material', sa.String(length=40), nullable=False),
    sa.Column('family', sa.String(length=12), nullable=False),
    sa.Column('container_type', sa.String(length=40), nullable=False),
    sa.Column('purpose', sa.String(length=12), nullable=False),
    sa.Column('ordinal', sa.Integer(), nullable=False),
    sa.Column('siblings', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['collection_id'], ['collection.id'], name=op.f('fk_specimen_collection_id_collection')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_specimen')),
    sa.UniqueConstraint('code', name=op.f('uq_specimen_code'))
    )
    op.create_index(op.f('ix_specimen_collection_id'), 'specimen', ['collection_id'], unique=False)
    op.create_index(op.f('ix_specimen_material'), 'specimen', ['material'], unique=False)
    op.create_table('earmark',
    sa.Column('specimen_id', BigInt, nullable=False),
    sa.Column('sub_study', sa.String(length=60), nullable=False),
    sa.Column('made_at', UTCTime(), nullable=False),
    sa.ForeignKeyConstraint(['specimen_id'], ['specimen.id'], name=op.f('fk_earmark_specimen_id_specimen')),
    sa.PrimaryKeyConstraint('specimen_id', 'sub_study', name=op.f('pk_earmark'))
    )
    op.create_index(op.f('ix_earmark_sub_study'), 'earmark', ['sub_study'], unique=False)
    op.create_table('external_code',
    sa.Column('issuer', sa.String(length=60), nullable=False),
    sa.Column('code', sa.String(length=80), nullable=False),
    sa.Column('specimen_id', BigInt, nullable=False),
    sa.ForeignKeyConstraint(['specimen_id'], ['specimen.id'], name=op.f('fk_external_code_specimen_id_specimen')),
    sa.PrimaryKeyConstraint('issuer', 'code', name=op.f('pk_external_code'))
    )
    op.create_index(op.f('ix_external_code_specimen_id'), 'external_code', ['specimen_id'], unique=False)
    op.create_table('hold',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('specimen_id', BigInt, nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('since', sa.Date(), nullable=False),
    sa.Column('opened_seq', BigInt, nullable=False),
    sa.Column('closed_seq', BigInt, nullable=True),
    sa.ForeignKeyConstraint(['specimen_id'], ['specimen.id'], name=op.f('fk_hold_specimen_id_specimen')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_hold'))
    )
    op.create_index('ix_hold_open', 'hold', ['specimen_id', 'kind'], unique=True, sqlite_where=sa.text('closed_seq IS NULL'), postgresql_where=sa.text('closed_seq IS NULL'))
    op.create_index(op.f('ix_hold_specimen_id'), 'hold', ['specimen_id'], unique=False)
    op.create_table('parent',
    sa.Column('child_id', BigInt, nullable=False),
    sa.Column('parent_id', BigInt, nullable=False),
    sa.ForeignKeyConstraint(['child_id'], ['specimen.id'], name=op.f('fk_parent_child_id_specimen')),
    sa.ForeignKeyConstraint(['parent_id'], ['specimen.id'], name=op.f('fk_parent_parent_id_specimen')),
    sa.PrimaryKeyConstraint('child_id', 'parent_id', name=op.f('pk_parent'))
    )
    op.create_index(op.f('ix_parent_parent_id'), 'parent', ['parent_id'], unique=False)
    op.create_table('posting',
    sa.Column('chain_id', BigInt, nullable=False),
    sa.Column('seq', BigInt, nullable=False),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('lot_id', BigInt, nullable=False),
    sa.Column('account', sa.String(length=20), nullable=False),
    sa.Column('specimen_id', BigInt, nullable=True),
    sa.Column('amount', BigInt, nullable=False),
    sa.ForeignKeyConstraint(['chain_id', 'seq'], ['entry.chain_id', 'entry.seq'], name=op.f('fk_posting_chain_id_entry')),
    sa.ForeignKeyConstraint(['lot_id'], ['lot.id'], name=op.f('fk_posting_lot_id_lot')),
    sa.ForeignKeyConstraint(['specimen_id'], ['specimen.id'], name=op.f('fk_posting_specimen_id_specimen')),
    sa.PrimaryKeyConstraint('chain_id', 'seq', 'line', name=op.f('pk_posting'))
    )
    op.create_index(op.f('ix_posting_lot_id'), 'posting', ['lot_id'], unique=False)
    op.create_index(op.f('ix_posting_specimen_id'), 'posting', ['specimen_id'], unique=False)
    op.create_table('processing',
    sa.Column('specimen_id', BigInt, nullable=False),
    sa.Column('g', sa.Integer(), nullable=True),
    sa.Column('minutes', sa.Integer(), nullable=True),
    sa.Column('temp_dc', sa.Integer(), nullable=True),
    sa.Column('at', UTCTime(), nullable=False),
    sa.ForeignKeyConstraint(['specimen_id'], ['specimen.id'], name=op.f('fk_processing_specimen_id_specimen')),
    sa.PrimaryKeyConstraint('specimen_id', name=op.f('pk_processing'))
    )
    op.create_table('request_plan',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('item_id', BigInt, nullable=False),
    sa.Column('input_sha256', sa.String(length=64), nullable=False),
    sa.Column('chosen', sa.Text(), nullable=False),
    sa.Column('reasons', sa.Text(), nullable=False),
    sa.Column('at', UTCTime(), nullable=False),
    sa.Column('person_id', BigInt, nullable=False),
    sa.ForeignKeyConstraint(['item_id'], ['request_item.id'], name=op.f('fk_request_plan_item_id_request_item')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_request_plan_person_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_request_plan'))
    )
    op.create_index(op.f('ix_request_plan_item_id'), 'request_plan', ['item_id'], unique=False)
    op.create_index(op.f('ix_request_plan_person_id'), 'request_plan', ['person_id'], unique=False)
    op.create_table('reservation',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('specimen_id', BigInt, nullable=False),
    sa.Column('for', sa.String(length=60), nullable=False),
    sa.Column('amount', BigInt, nullable=False),
    sa.Column('stage', sa.String(length=20), nullable=False),
    sa.Column('opened_seq', BigInt, nullable=False),
    sa.Column('closed_seq', BigInt, nullable=True),
    sa.ForeignKeyConstraint(['specimen_id'], ['specimen.id'], name=op.f('fk_reservation_specimen_id_specimen')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_reservation'))
    )
    op.create_index(op.f('ix_reservation_for'), 'reservation', ['for'], unique=False)
    op.create_index('ix_reservation_open', 'reservation', ['specimen_id', 'for'], unique=True, sqlite_where=sa.text('closed_seq IS NULL'), postgresql_where=sa.text('closed_seq IS NULL'))
    op.create_index(op.f('ix_reservation_specimen_id'), 'reservation', ['specimen_id'], unique=False)
    op.create_table('standing',
    sa.Column('specimen_id', BigInt, nullable=False),
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('chain_id', BigInt, nullable=False),
    sa.Column('seq', BigInt, nullable=False),
    sa.Column('participant_id', BigInt, nullable=False),
    sa.Column('enrolment_id', BigInt, nullable=False),
    sa.Column('study', sa.String(length=40), nullable=False),
    sa.Column('lot_id', BigInt, nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('reason', sa.String(length=60), nullable=True),
    sa.Column('custodian', sa.String(length=40), nullable=True),
    sa.Column('responsible', sa.String(length=40), nullable=True),
    sa.Column('residual', sa.Boolean(), nullable=False),
    sa.Column('released_on', sa.Date(), nullable=True),
    sa.Column('unit', sa.String(length=10), nullable=False),
    sa.Column('remaining', BigInt, nullable=False),
    sa.Column('reserved', BigInt, nullable=False),
    sa.Column('certainty', sa.String(length=10), nullable=False),
    sa.Column('thaws', sa.Integer(), nullable=False),
    sa.Column('container_id', BigInt, nullable=True),
    sa.Column('row', sa.Integer(), nullable=True),
    sa.Column('column', sa.Integer(), nullable=True),
    sa.Column('placed_at', UTCTime(), nullable=True),
    sa.Column('is_out', sa.Boolean(), nullable=False),
    sa.Column('last_seen_at', UTCTime(), nullable=True),
    sa.Column('open_holds', sa.Integer(), nullable=False),
    sa.Column('open_reservations', sa.Integer(), nullable=False),
    sa.CheckConstraint('reserved >= 0 AND reserved <= remaining', name=op.f('ck_standing_amounts')),
    sa.ForeignKeyConstraint(['chain_id'], ['chain.id'], name=op.f('fk_standing_chain_id_chain')),
    sa.ForeignKeyConstraint(['container_id'], ['container.id'], name=op.f('fk_standing_container_id_container')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_standing_enrolment_id_enrolment')),
    sa.ForeignKeyConstraint(['lot_id'], ['lot.id'], name=op.f('fk_standing_lot_id_lot')),
    sa.ForeignKeyConstraint(['participant_id'], ['participant.id'], name=op.f('fk_standing_participant_id_participant')),
    sa.ForeignKeyConstraint(['specimen_id'], ['specimen.id'], name=op.f('fk_standing_specimen_id_specimen')),
    sa.PrimaryKeyConstraint('specimen_id', name=op.f('pk_standing')),
    sa.UniqueConstraint('chain_id', name=op.f('uq_standing_chain_id')),
    sa.UniqueConstraint('container_id', 'row', 'column', name=op.f('uq_standing_container_id_row_column'))
    )
    op.create_index(op.f('ix_standing_enrolment_id'), 'standing', ['enrolment_id'], unique=False)
    op.create_index(op.f('ix_standing_lot_id'), 'standing', ['lot_id'], unique=False)
    op.create_index(op.f('ix_standing_participant_id'), 'standing', ['participant_id'], unique=False)
    op.create_index('ix_standing_study_status', 'standing', ['study', 'status'], unique=False)
    forbid_changes()


def downgrade() -> None:
    allow_changes()
    op.drop_index('ix_standing_study_status', table_name='standing')
    op.drop_index(op.f('ix_standing_participant_id'), table_name='standing')
    op.drop_index(op.f('ix_standing_lot_id'), table_name='standing')
    op.drop_index(op.f('ix_standing_enrolment_id'), table_name='standing')
    op.drop_table('standing')
    op.drop_index(op.f('ix_reservation_specimen_id'), table_name='reservation')
    op.drop_index('ix_reservation_open', table_name='reservation', sqlite_where=sa.text('closed_seq IS NULL'), postgresql_where=sa.text('closed_seq IS NULL'))
    op.drop_index(op.f('ix_reservation_for'), table_name='reservation')
    op.drop_table('reservation')
    op.drop_index(op.f('ix_request_plan_person_id'), table_name='request_plan')
    op.drop_index(op.f('ix_request_plan_item_id'), table_name='request_plan')
    op.drop_table('request_plan')
    op.drop_table('processing')
    op.drop_index(op.f('ix_posting_specimen_id'), table_name='posting')
    op.drop_index(op.f('ix_posting_lot_id'), table_name='posting')
    op.drop_table('posting')
    op.drop_index(op.f('ix_parent_parent_id'), table_name='parent')
    op.drop_table('parent')
    op.drop_index(op.f('ix_hold_specimen_id'), table_name='hold')
    op.drop_index('ix_hold_open', table_name='hold', sqlite_where=sa.text('closed_seq IS NULL'), postgresql_where=sa.text('closed_seq IS NULL'))
    op.drop_table('hold')
    op.drop_index(op.f('ix_external_code_specimen_id'), table_name='external_code')
    op.drop_table('external_code')
    op.drop_index(op.f('ix_earmark_sub_study'), table_name='earmark')
    op.drop_table('earmark')
    op.drop_index(op.f('ix_specimen_material'), table_name='specimen')
    op.drop_index(op.f('ix_specimen_collection_id'), table_name='specimen')
    op.drop_table('specimen')
    op.drop_table('signatory')
    op.drop_table('request_item')
    op.drop_table('dose')
    op.drop_index(op.f('ix_verdict_enrolment_id'), table_name='verdict')
    op.drop_table('verdict')
    op.drop_index(op.f('ix_token_person_id'), table_name='token')
    op.drop_table('token')
    op.drop_index(op.f('ix_role_grant_person_id'), table_name='role_grant')
    op.drop_table('role_grant')
    op.drop_index(op.f('ix_request_study'), table_name='request')
    op.drop_index(op.f('ix_request_requester_id'), table_name='request')
    op.drop_index(op.f('ix_request_organisation'), table_name='request')
    op.drop_index(op.f('ix_request_chain_id'), table_name='request')
    op.drop_table('request')
    op.drop_index(op.f('ix_print_job_made_by'), table_name='print_job')
    op.drop_table('print_job')
    op.drop_table('note')
    op.drop_index('ix_decision_enrolment_id_component', table_name='decision')
    op.drop_index('ix_decision_chain_id_seq', table_name='decision')
    op.drop_table('decision')
    op.drop_table('consent_state')
    op.drop_index(op.f('ix_collection_planned_on'), table_name='collection')
    op.drop_index(op.f('ix_collection_enrolment_id'), table_name='collection')
    op.drop_table('collection')
    op.drop_table('anchor')
    op.drop_index('ix_sub_study_study_version', table_name='sub_study')
    op.drop_table('sub_study')
    op.drop_index(op.f('ix_person_organisation_id'), table_name='person')
    op.drop_table('person')
    op.drop_table('participant_person')
    op.drop_table('episode')
    op.drop_index(op.f('ix_entry_recorded_at'), table_name='entry')
    op.drop_index(op.f('ix_entry_hash'), table_name='entry')
    op.drop_index(op.f('ix_entry_actor_id'), table_name='entry')
    op.drop_table('entry')
    op.drop_index(op.f('ix_enrolment_organisation'), table_name='enrolment')
    op.drop_index(op.f('ix_enrolment_chain_id'), table_name='enrolment')
    op.drop_table('enrolment')
    op.drop_index(op.f('ix_container_path'), table_name='container')
    op.drop_index(op.f('ix_container_parent_id'), table_name='container')
    op.drop_index(op.f('ix_container_chain_id'), table_name='container')
    op.drop_table('container')
    op.drop_table('term')
    op.drop_table('study_version')
    op.drop_table('prefix')
    op.drop_table('participant')
    op.drop_table('organisation')
    op.drop_table('lot')
    op.drop_index(op.f('ix_idempotency_at'), table_name='idempotency')
    op.drop_table('idempotency')
    op.drop_table('code')
    op.drop_table('chain')
