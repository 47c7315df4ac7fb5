from django.db import migrations

# History stays append-only but for one step: the words of an erased order may become '(erased)'.
GUARD = """
CREATE FUNCTION refuse_change_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    words text := TG_ARGV[0];
    about bigint;
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) ->> words = '(erased)'
        AND to_jsonb(NEW) - words = to_jsonb(OLD) - words
    THEN
        IF TG_TABLE_NAME = 'orders_stockmovement' THEN
            SELECT order_id INTO about FROM orders_orderline WHERE id = OLD.line_id;
        ELSE
            about := OLD.order_id;
        END IF;
        IF EXISTS (SELECT 1 FROM orders_order WHERE id = about AND erased_at IS NOT NULL) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: write a new row that corrects the old one', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER append_only ON orders_stockmovement;
DROP TRIGGER append_only ON orders_timelineevent;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orders_stockmovement
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure('reason');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orders_timelineevent
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure('text');
"""

UNGUARD = """
DROP TRIGGER append_only ON orders_timelineevent;
DROP TRIGGER append_only ON orders_stockmovement;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orders_stockmovement
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orders_timelineevent
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history();
DROP FUNCTION refuse_change_but_erasure();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0009_order_erasure")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
