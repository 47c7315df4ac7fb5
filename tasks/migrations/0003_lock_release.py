import django.db.models.functions.datetime
from django.db import migrations, models

GUARD = """
CREATE FUNCTION refuse_change_of_lock_releases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: nobody rewrites who took a lease away', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON tasks_lockrelease
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_lock_releases();
"""

UNGUARD = """
DROP TRIGGER append_only ON tasks_lockrelease;
DROP FUNCTION refuse_change_of_lock_releases();
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0002_lockfence")]

    operations = [
        migrations.CreateModel(
            name="LockRelease",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("event", models.CharField(choices=[("asked", "asked for"), ("released", "released"), ("gone", "was gone already, or too few nodes answered")], max_length=10)),
                ("by", models.CharField(help_text="Who was signed in.", max_length=150)),
                ("key", models.CharField(max_length=200)),
                ("nonce", models.CharField(max_length=64)),
                ("token", models.BigIntegerField()),
                ("holder", models.CharField(blank=True, max_length=300)),
                ("reason", models.CharField(max_length=300)),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("force_release_lock", "Can take a lease from its holder")],
                "indexes": [models.Index(fields=["key"], name="lock_release_key")],
            },
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
