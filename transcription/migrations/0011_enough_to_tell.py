"""Of how much a rule must tell; one failed session of three in a quiet night is no alert."""

from typing import Any

from django.db import migrations, models

ERRORS = 'Sessions end with errors'
ENOUGH = 20


def ask_for_enough(apps: Any, _schema_editor: Any) -> None:
    apps.get_model('transcription', 'AlertRule').objects.filter(name=ERRORS, is_shipped=True).update(min_count=ENOUGH)


class Migration(migrations.Migration):

    dependencies = [
        ('transcription', '0010_console'),
    ]

    operations = [
        migrations.AddField(
            model_name='alertrule',
            name='min_count',
            field=models.PositiveIntegerField(default=0, verbose_name='of at least'),
        ),
        migrations.RunPython(ask_for_enough, migrations.RunPython.noop),
    ]
