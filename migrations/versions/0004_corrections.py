"""Corrections by two people: what waits for the second, and what was answered.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from biobank.core.db import BigInt, UTCTime


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

WAITING = sa.text("waiting")
REASSIGN = sa.text("act = 'reassign'")


def upgrade() -> None:
    op.create_table('correction',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('specimen_id', BigInt, nullable=False),
    sa.Column('with_id', BigInt, nullable=True),
    sa.Column('enrolment_id', BigInt, nullable=True),
    sa.Column('collection_id', BigInt, nullable=True),
    sa.Column('container_id', BigInt, nullable=True),
    sa.Column('row', sa.Integer(), nullable=True),
    sa.Column('column', sa.Integer(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('answer', sa.Text(), nullable=True),
    sa.Column('proposed_by_id', BigInt, nullable=False),
    sa.Column('proposed_at', UTCTime(), nullable=False),
    sa.Column('decided_by_id', BigInt, nullable=True),
    sa.Column('decided_at', UTCTime(), nullable=True),
    sa.CheckConstraint("state <> 'confirmed' OR decided_by_id <> proposed_by_id", name=op.f('ck_correction_two_people')),
    sa.CheckConstraint("(state = 'waiting') = (decided_by_id IS NULL)", name=op.f('ck_correction_answered')),
    sa.ForeignKeyConstraint(['specimen_id'], ['specimen.id'], name=op.f('fk_correction_specimen_id_specimen')),
    sa.ForeignKeyConstraint(['with_id'], ['specimen.id'], name=op.f('fk_correction_with_id_specimen')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_correction_enrolment_id_enrolment')),
    sa.ForeignKeyConstraint(['collection_id'], ['collection.id'], name=op.f('fk_correction_collection_id_collection')),
    sa.ForeignKeyConstraint(['container_id'], ['container.id'], name=op.f('fk_correction_container_id_container')),
    sa.ForeignKeyConstraint(['proposed_by_id'], ['person.id'], name=op.f('fk_correction_proposed_by_id_person')),
    sa.ForeignKeyConstraint(['decided_by_id'], ['person.id'], name=op.f('fk_correction_decided_by_id_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_correction'))
    )
    op.create_index('ix_correction_state', 'correction', ['state', 'id'])
    for column in ('specimen_id', 'with_id', 'enrolment_id', 'collection_id', 'container_id', 'proposed_by_id', 'decided_by_id'):
        op.create_index(op.f(f'ix_correction_{column}'), 'correction', [column])
    op.create_table('correction_tube',
    sa.Column('correction_id', BigInt, nullable=False),
    sa.Column('specimen_id', BigInt, nullable=False),
    sa.Column('side', sa.Integer(), nullable=False),
    sa.Column('enrolment_id', BigInt, nullable=False),
    sa.Column('collection_id', BigInt, nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('waiting', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['correction_id'], ['correction.id'], name=op.f('fk_correction_tube_correction_id_correction')),
    sa.ForeignKeyConstraint(['specimen_id'], ['specimen.id'], name=op.f('fk_correction_tube_specimen_id_specimen')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolment.id'], name=op.f('fk_correction_tube_enrolment_id_enrolment')),
    sa.ForeignKeyConstraint(['collection_id'], ['collection.id'], name=op.f('fk_correction_tube_collection_id_collection')),
    sa.PrimaryKeyConstraint('correction_id', 'specimen_id', name=op.f('pk_correction_tube'))
    )
    for column in ('specimen_id', 'enrolment_id', 'collection_id'):
        op.create_index(op.f(f'ix_correction_tube_{column}'), 'correction_tube', [column])
    op.create_index('ix_entry_reassign', 'entry', ['chain_id', 'seq'], sqlite_where=REASSIGN, postgresql_where=REASSIGN)
    op.create_index('ix_correction_tube_waiting', 'correction_tube', ['specimen_id'], unique=True, sqlite_where=WAITING, postgresql_where=WAITING)


def downgrade() -> None:
    op.drop_index('ix_entry_reassign', table_name='entry')
    op.drop_table('correction_tube')
    op.drop_table('correction')
