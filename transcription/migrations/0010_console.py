"""Who sees the console: viewers, operators and administrators. The latter two may end live sessions in it.

Words that are said right now are shown to those only who may read stored transcripts, which is the administrators' alone.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

RIGHTS = {'viewer': ['watch_live'], 'operator': ['watch_live', 'end_live'], 'administrator': ['watch_live', 'end_live']}


def give_rights(apps, schema_editor):
    """To the groups that a migration has made; one that was taken away stays away."""
    app_config = apps.get_app_config('transcription')
    if not getattr(app_config, 'models_module', None):
        app_config.models_module = True  # what stands for the app in a migration does not say that it has tables
    create_permissions(app_config, apps=apps, verbosity=0)
    Group, Permission = apps.get_model('auth', 'Group'), apps.get_model('auth', 'Permission')
    for name, codenames in RIGHTS.items():
        for group in Group.objects.filter(name=name):
            group.permissions.add(*Permission.objects.filter(content_type__app_label='transcription', codename__in=codenames))


class Migration(migrations.Migration):

    dependencies = [
        ('transcription', '0009_privacy_and_accuracy'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='session',
            options={
                'ordering': ['-started_at', '-id'],
                'permissions': [
                    ('watch_live', 'Can see the console: measurements and who speaks now'),
                    ('end_live', 'Can end live sessions'),
                ],
                'verbose_name': 'session',
                'verbose_name_plural': 'sessions',
            },
        ),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
    ]
