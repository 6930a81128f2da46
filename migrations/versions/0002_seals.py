"""Seals: the leaves and nodes of the Merkle tree over all entries, signed checkpoints, and how much of each chain is sealed.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from biobank.core.db import BigInt


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


APPEND_ONLY = ("leaf", "node", "checkpoint")
UNSEALED = sa.text("last_seq > sealed_seq")


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
    for table in APPEND_ONLY:
        op.execute(f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()")
        op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()")
        for what in ("change", "truncate"):
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_{what}")


def upgrade() -> None:
    op.add_column('chain', sa.Column('sealed_seq', BigInt, nullable=False, server_default='0'))
    op.create_index('ix_chain_unsealed', 'chain', ['id'], sqlite_where=UNSEALED, postgresql_where=UNSEALED)
    op.create_table('leaf',
    sa.Column('leaf_index', BigInt, nullable=False),
    sa.Column('chain_id', BigInt, nullable=False),
    sa.Column('seq', BigInt, nullable=False),
    sa.ForeignKeyConstraint(['chain_id', 'seq'], ['entry.chain_id', 'entry.seq'], name=op.f('fk_leaf_chain_id_entry')),
    sa.PrimaryKeyConstraint('leaf_index', name=op.f('pk_leaf')),
    sa.UniqueConstraint('chain_id', 'seq', name=op.f('uq_leaf_chain_id_seq'))
    )
    op.create_table('node',
    sa.Column('level', sa.Integer(), nullable=False),
    sa.Column('node_index', BigInt, nullable=False),
    sa.Column('hash', sa.LargeBinary(length=32), nullable=False),
    sa.PrimaryKeyConstraint('level', 'node_index', name=op.f('pk_node'))
    )
    op.create_table('checkpoint',
    sa.Column('size', BigInt, nullable=False),
    sa.Column('root', sa.LargeBinary(length=32), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('size', name=op.f('pk_checkpoint'))
    )
    op.create_table('tree',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('size', BigInt, nullable=False),
    sa.Column('frontier', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tree')),
    sa.CheckConstraint('id = 1', name=op.f('ck_tree_only_one'))
    )
    op.execute("INSERT INTO tree (id, size, frontier) VALUES (1, 0, " + ("''" if op.get_bind().dialect.name == "postgresql" else "x''") + ")")
    forbid_changes()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            for what in ("change", "truncate"):
                op.execute(f"DROP TRIGGER {table}_no_{what} ON {table}")
    op.drop_table('tree')
    op.drop_table('checkpoint')
    op.drop_table('node')
    op.drop_table('leaf')
    op.drop_index('ix_chain_unsealed', table_name='chain')
    op.drop_column('chain', 'sealed_seq')
