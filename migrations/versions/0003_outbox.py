"""The outbox: what has to leave the system after the transaction that causes it.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from biobank.core.db import BigInt, UTCTime


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.create_table('outbox',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('payload', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('next_at', UTCTime(), nullable=False),
    sa.Column('leased_until', UTCTime(), nullable=True),
    sa.Column('fault', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox'))
    )
    op.create_index('ix_outbox_waiting', 'outbox', ['next_at'], sqlite_where=WAITING, postgresql_where=WAITING)


def downgrade() -> None:
    op.drop_index('ix_outbox_waiting', table_name='outbox')
    op.drop_table('outbox')
