from django.db import migrations

# The table is a queue: rows live for milliseconds, so the defaults, which wait for a share of the
# table to be dead, come too late, and each claim would walk over what is dead.
SET = """
ALTER TABLE tasks_outboxmessage SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
)
"""
RESET = """
ALTER TABLE tasks_outboxmessage RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_vacuum_insert_threshold,
    autovacuum_analyze_scale_factor, autovacuum_analyze_threshold,
    autovacuum_vacuum_cost_delay
)
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0005_outbox_keys")]

    operations = [migrations.RunSQL(SET, RESET)]
