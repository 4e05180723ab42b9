"""Three groups for the admin site.

A viewer sees models, routes, schedules and swaps. An operator changes them, and nothing else. An administrator may do all that
the site offers. Transcripts, people and keys are the administrators' alone.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

SERVING = ('asrmodel', 'modelroute', 'modelschedule', 'routeoverride', 'modelswap')
ARRANGED = ('modelroute', 'modelschedule', 'routeoverride')
VIEWER = {*(f'view_{table}' for table in SERVING), 'view_logentry'}
OPERATOR = {
    *VIEWER,
    *(f'{verb}_{table}' for verb in ('add', 'change', 'delete') for table in ARRANGED),
    'change_asrmodel',
    'delete_asrmodel',
    'add_modelswap',
}
APPS = ('transcription', 'auth', 'django_celery_beat', 'admin')


def make_groups(apps, schema_editor):
    Group, Permission = apps.get_model('auth', 'Group'), apps.get_model('auth', 'Permission')
    make_permissions(apps)
    offered = Permission.objects.filter(content_type__app_label__in=APPS)
    for name, codenames in (('viewer', VIEWER), ('operator', OPERATOR), ('administrator', None)):
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            group.permissions.set(offered if codenames is None else offered.filter(codename__in=codenames))


def make_permissions(apps):
    """Django makes them after all migrations; they are needed now."""
    for label in APPS:
        app_config = apps.get_app_config(label)
        if not getattr(app_config, 'models_module', None):
            app_config.models_module = True  # what stands for the app in a migration does not say that it has tables
        create_permissions(app_config, apps=apps, verbosity=0)


class Migration(migrations.Migration):

    dependencies = [
        ('transcription', '0005_usual_models'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('admin', '0003_logentry_add_action_flag_choices'),
        ('django_celery_beat', '0019_alter_periodictasks_options'),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
