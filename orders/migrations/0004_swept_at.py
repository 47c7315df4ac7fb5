# The column of the sweeps has its platform-wide name. A rename, because nothing has been released
# yet; from the first release on it would be a new column (docs/deploy.md).

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0003_fence_help_text'),
    ]

    operations = [
        migrations.RenameField('order', 'resumed_at', 'swept_at'),
        migrations.RenameField('notification', 'resumed_at', 'swept_at'),
        migrations.AlterField(
            model_name='notification',
            name='swept_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='When a sweep last tried to move it on.', null=True),
        ),
        migrations.AlterField(
            model_name='order',
            name='swept_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='When a sweep last tried to move it on.', null=True),
        ),
    ]
