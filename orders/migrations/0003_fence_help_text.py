from django.db import migrations, models


class Migration(migrations.Migration):
    """Only the help text: the field comes from tasks.fencing.FencedModel now."""

    dependencies = [("orders", "0002_append_only")]
    operations = [
        migrations.AlterField(
            model_name="order",
            name="fence",
            field=models.BigIntegerField(
                default=0,
                editable=False,
                help_text="Token of the newest lease that claimed this row; older ones may not write.",
            ),
        ),
    ]
