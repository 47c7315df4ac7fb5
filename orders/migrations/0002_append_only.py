from django.db import migrations

GUARD = """
CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: write a new row that corrects the old one', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orders_stockmovement
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orders_timelineevent
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history();
"""

UNGUARD = """
DROP TRIGGER append_only ON orders_timelineevent;
DROP TRIGGER append_only ON orders_stockmovement;
DROP FUNCTION refuse_change_of_history();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
