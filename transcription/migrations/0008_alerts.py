"""Alerts: their tables, the rules that come with the project, and who may do what.

A viewer sees rules and alerts. An operator acknowledges and resolves alerts, and sees whom they were told to. Rules and channels
are the administrators'.
"""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import transcription.models.alerting
import uuid
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

VIEWER = ('view_alertrule', 'view_alertevent')
OPERATOR = (*VIEWER, 'change_alertevent', 'view_alertdelivery')
TABLES = ('alertrule', 'alertevent', 'alertchannel', 'alertdelivery', 'alertstanding')
RULES = (
    {
        'name': 'Final texts are late',
        'metric': 'hark_final_seconds',
        'aggregation': 'p99',
        'threshold': 0.5,
        'window_s': 300,
        'severity': 'warning',
    },
    {
        'name': 'Sessions end with errors',
        'metric': 'hark_session_errors_total',
        'per': 'hark_sessions_started_total',
        'aggregation': 'sum',
        'threshold': 0.01,
        'window_s': 900,
        'severity': 'critical',
    },
    {
        'name': 'An inference process is missing',
        'metric': 'hark_link_up',
        'aggregation': 'min',
        'comparison': '<',
        'threshold': 1.0,
        'window_s': 30,
        'for_s': 60,
        'severity': 'critical',
        'no_data': 'alert',
    },
    {
        'name': 'Reference clips are heard wrongly',
        'metric': 'hark_canary_wer_ratio',
        'aggregation': 'max',
        'threshold': 0.3,
        'window_s': 300,
        'severity': 'warning',
    },
    {
        'name': 'Recognition cannot keep up',
        'metric': 'hark_queue_age_seconds',
        'aggregation': 'p95',
        'threshold': 1.0,
        'window_s': 60,
        'for_s': 30,
        'severity': 'warning',
    },
    {
        'name': 'A process takes much memory',
        'metric': 'hark_resident_memory_bytes',
        'aggregation': 'max',
        'threshold': 4e9,
        'window_s': 300,
        'severity': 'warning',
    },
)


def make_rules(apps, schema_editor):
    for rule in RULES:
        apps.get_model('transcription', 'AlertRule').objects.get_or_create(name=rule['name'], defaults={**rule, 'is_shipped': True})


def extend_groups(apps, schema_editor):
    """Of the groups of 0006, where they are still there."""
    Group, Permission = apps.get_model('auth', 'Group'), apps.get_model('auth', 'Permission')
    app_config = apps.get_app_config('transcription')
    if not getattr(app_config, 'models_module', None):
        app_config.models_module = True  # what stands for the app in a migration does not say that it has tables
    create_permissions(app_config, apps=apps, verbosity=0)
    offered = Permission.objects.filter(content_type__app_label='transcription')
    everything = [f'{verb}_{table}' for verb in ('add', 'change', 'delete', 'view') for table in TABLES]
    for name, codenames in (('viewer', VIEWER), ('operator', OPERATOR), ('administrator', everything)):
        for group in Group.objects.filter(name=name):
            group.permissions.add(*offered.filter(codename__in=codenames))


class Migration(migrations.Migration):

    dependencies = [
        ('transcription', '0007_observing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertChannel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True, verbose_name='name')),
                ('kind', models.CharField(choices=[('email', 'e-mail'), ('webhook', 'webhook')], default='email', max_length=8, verbose_name='kind')),
                ('target', models.CharField(max_length=1000, verbose_name='addresses or URL')),
                ('secret', models.CharField(default=transcription.models.alerting.new_secret, max_length=200, verbose_name='secret')),
                ('language', models.CharField(choices=[('en', 'English'), ('zh-hans', '简体中文')], default='en', max_length=16, verbose_name='language')),
                ('is_default', models.BooleanField(default=True, verbose_name='for all rules without channels')),
                ('is_enabled', models.BooleanField(default=True, verbose_name='enabled')),
            ],
            options={
                'verbose_name': 'channel',
                'verbose_name_plural': 'channels',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True, verbose_name='name')),
                ('metric', models.CharField(max_length=100, verbose_name='metric')),
                ('per', models.CharField(blank=True, max_length=100, verbose_name='divided by')),
                ('labels', models.JSONField(blank=True, default=dict, verbose_name='labels')),
                ('aggregation', models.CharField(choices=[('p50', 'median'), ('p95', '95th percentile'), ('p99', '99th percentile'), ('mean', 'mean'), ('min', 'least'), ('max', 'most'), ('last', 'newest'), ('sum', 'sum'), ('rate', 'rate a second')], default='mean', max_length=8, verbose_name='aggregation')),
                ('comparison', models.CharField(choices=[('>', '> above'), ('>=', '≥ at least'), ('<', '< below'), ('<=', '≤ at most')], default='>', max_length=2, verbose_name='comparison')),
                ('threshold', models.FloatField(verbose_name='threshold')),
                ('window_s', models.PositiveIntegerField(default=300, validators=[django.core.validators.MinValueValidator(30), django.core.validators.MaxValueValidator(86400)], verbose_name='window (s)')),
                ('for_s', models.PositiveIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(86400)], verbose_name='for (s)')),
                ('cool_down_s', models.PositiveIntegerField(default=900, validators=[django.core.validators.MaxValueValidator(86400)], verbose_name='cool-down (s)')),
                ('severity', models.CharField(choices=[('info', 'notice'), ('warning', 'warning'), ('critical', 'critical')], default='warning', max_length=8, verbose_name='severity')),
                ('no_data', models.CharField(choices=[('ignore', 'is no alert'), ('alert', 'is an alert')], default='ignore', max_length=6, verbose_name='missing data')),
                ('is_enabled', models.BooleanField(default=True, verbose_name='enabled')),
                ('is_shipped', models.BooleanField(default=False, editable=False, verbose_name='comes with the project')),
                ('channels', models.ManyToManyField(blank=True, related_name='rules', to='transcription.alertchannel', verbose_name='channels')),
            ],
            options={
                'verbose_name': 'alert rule',
                'verbose_name_plural': 'alert rules',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='AlertEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(blank=True, max_length=200, verbose_name='key')),
                ('title', models.CharField(max_length=200, verbose_name='title')),
                ('severity', models.CharField(choices=[('info', 'notice'), ('warning', 'warning'), ('critical', 'critical')], max_length=8, verbose_name='severity')),
                ('state', models.CharField(choices=[('open', 'open'), ('acknowledged', 'acknowledged'), ('resolved', 'resolved')], default='open', max_length=12, verbose_name='state')),
                ('reason', models.CharField(choices=[('value', 'value'), ('no_data', 'no data'), ('incident', 'incident')], default='value', max_length=8, verbose_name='why')),
                ('facts', models.JSONField(blank=True, default=dict, verbose_name='facts')),
                ('value', models.FloatField(blank=True, null=True, verbose_name='value')),
                ('peak', models.FloatField(blank=True, null=True, verbose_name='worst value')),
                ('detail', models.TextField(blank=True, verbose_name='detail')),
                ('num_fired', models.PositiveIntegerField(default=1, verbose_name='times fired')),
                ('opened_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name='began')),
                ('acknowledged_at', models.DateTimeField(blank=True, null=True, verbose_name='acknowledged at')),
                ('resolved_at', models.DateTimeField(blank=True, null=True, verbose_name='over')),
                ('acknowledged_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='acknowledged by')),
                ('resolved_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='resolved by')),
                ('rule', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='events', to='transcription.alertrule', verbose_name='alert rule')),
            ],
            options={
                'verbose_name': 'alert',
                'verbose_name_plural': 'alerts',
                'ordering': ['-opened_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='AlertStanding',
            fields=[
                ('rule', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='standing', serialize=False, to='transcription.alertrule', verbose_name='alert rule')),
                ('state', models.CharField(choices=[('ok', 'fine'), ('pending', 'pending'), ('firing', 'firing'), ('no_data', 'no data')], default='ok', max_length=8, verbose_name='state')),
                ('value', models.FloatField(null=True, verbose_name='value')),
                ('since', models.DateTimeField(null=True, verbose_name='since')),
                ('looked_at', models.DateTimeField(null=True, verbose_name='looked at')),
                ('bad_since', models.DateTimeField(null=True, verbose_name='bad since')),
                ('fine_since', models.DateTimeField(null=True, verbose_name='fine since')),
                ('is_open', models.BooleanField(default=False, verbose_name='firing')),
                ('closed_at', models.DateTimeField(null=True, verbose_name='over since')),
                ('muted_until', models.DateTimeField(null=True, verbose_name='quiet until')),
                ('is_told', models.BooleanField(default=False, verbose_name='told')),
                ('told_at', models.DateTimeField(null=True, verbose_name='told at')),
            ],
            options={
                'verbose_name': 'standing of a rule',
                'verbose_name_plural': 'standings of rules',
            },
        ),
        migrations.CreateModel(
            name='AlertDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='number')),
                ('what', models.CharField(choices=[('firing', 'firing'), ('resolved', 'resolved'), ('test', 'trial')], max_length=8, verbose_name='what')),
                ('payload', models.JSONField(default=dict, verbose_name='content')),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('delivered', 'delivered'), ('failed', 'failed')], default='waiting', max_length=10, verbose_name='state')),
                ('num_attempts', models.PositiveIntegerField(default=0, verbose_name='tries')),
                ('next_at', models.DateTimeField(blank=True, default=django.utils.timezone.now, null=True, verbose_name='next try')),
                ('error', models.CharField(blank=True, max_length=300, verbose_name='error')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='made at')),
                ('delivered_at', models.DateTimeField(blank=True, null=True, verbose_name='delivered at')),
                ('channel', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='transcription.alertchannel', verbose_name='channel')),
                ('event', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='transcription.alertevent', verbose_name='alert')),
            ],
            options={
                'verbose_name': 'delivery',
                'verbose_name_plural': 'deliveries',
                'ordering': ['-created_at', '-id'],
                'indexes': [models.Index(condition=models.Q(('state', 'waiting')), fields=['next_at'], name='waiting_deliveries')],
            },
        ),
        migrations.AddConstraint(
            model_name='alertevent',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'resolved'), _negated=True), fields=('rule',), name='one_unresolved_event_per_rule'),
        ),
        migrations.AddConstraint(
            model_name='alertevent',
            constraint=models.UniqueConstraint(condition=models.Q(models.Q(('state', 'resolved'), _negated=True), models.Q(('key', ''), _negated=True)), fields=('key',), name='one_unresolved_event_per_key'),
        ),
        migrations.RunPython(make_rules, migrations.RunPython.noop),
        migrations.RunPython(extend_groups, migrations.RunPython.noop),
    ]
