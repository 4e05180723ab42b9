"""Corrections, canary runs, stored audio and erasures.

Whoever may look at models may look at canary runs; the rest concerns people and is the administrators' alone.
"""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

TABLES = ('canaryrun', 'correction', 'erasure', 'storedaudio')


def give_permissions(apps, schema_editor):
    Group, Permission = apps.get_model('auth', 'Group'), apps.get_model('auth', 'Permission')
    app_config = apps.get_app_config('transcription')
    if not getattr(app_config, 'models_module', None):
        app_config.models_module = True  # what stands for the app in a migration does not say that it has tables
    create_permissions(app_config, apps=apps, verbosity=0)
    offered = Permission.objects.filter(content_type__app_label='transcription', content_type__model__in=TABLES)
    for group in Group.objects.filter(name='administrator'):
        group.permissions.add(*offered)
    for group in Group.objects.filter(name__in=['viewer', 'operator']):
        group.permissions.add(*offered.filter(codename='view_canaryrun'))


class Migration(migrations.Migration):

    dependencies = [
        ('transcription', '0008_alerts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CanaryRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True, db_index=True, verbose_name='at')),
                ('model', models.CharField(max_length=100, verbose_name='model')),
                ('language', models.CharField(max_length=16, verbose_name='language')),
                ('num_clips', models.PositiveIntegerField(default=0, verbose_name='clips')),
                ('num_words', models.PositiveIntegerField(default=0, verbose_name='words')),
                ('num_errors', models.PositiveIntegerField(default=0, verbose_name='words wrong')),
                ('final_ms', models.PositiveIntegerField(blank=True, null=True, verbose_name='longest wait for text (ms)')),
                ('heard', models.TextField(blank=True, verbose_name='heard')),
                ('error', models.TextField(blank=True, verbose_name='error')),
            ],
            options={
                'verbose_name': 'canary run',
                'verbose_name_plural': 'canary runs',
                'ordering': ['-at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='apikey',
            name='retention_days',
            field=models.PositiveIntegerField(blank=True, help_text='Empty: as long as the server keeps any (HARK_RETENTION_DAYS). 0: for ever.', null=True, validators=[django.core.validators.MaxValueValidator(36500)], verbose_name='keep sessions for (days)'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='stores_audio',
            field=models.BooleanField(default=False, help_text='Keep the audio of its sessions for HARK_AUDIO_TTL_DAYS.', verbose_name='store audio'),
        ),
        migrations.AlterField(
            model_name='apikey',
            name='scopes',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('stream', 'stream'), ('models:choose', 'choose the model'), ('transcripts:read', 'read transcripts'), ('transcripts:delete', 'delete transcripts'), ('transcripts:correct', 'correct transcripts'), ('audio:store', 'have audio stored')], max_length=32), size=None, verbose_name='scopes'),
        ),
        migrations.CreateModel(
            name='Correction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField(max_length=2000, verbose_name='text')),
                ('model', models.CharField(max_length=100, verbose_name='model')),
                ('language', models.CharField(max_length=16, verbose_name='language')),
                ('num_words', models.PositiveIntegerField(verbose_name='words')),
                ('num_errors', models.PositiveIntegerField(verbose_name='words wrong')),
                ('corrected_at', models.DateTimeField(auto_now=True, db_index=True, verbose_name='corrected at')),
                ('segment', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='correction', to='transcription.segment', verbose_name='segment')),
            ],
            options={
                'verbose_name': 'correction',
                'verbose_name_plural': 'corrections',
                'ordering': ['-corrected_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('requested_at', models.DateTimeField(verbose_name='requested at')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished at')),
                ('num_sessions', models.PositiveIntegerField(default=0, verbose_name='sessions erased')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'erasure',
                'verbose_name_plural': 'erasures',
                'ordering': ['-requested_at', '-id'],
                'indexes': [models.Index(fields=['user', '-requested_at'], name='erasure_user_requested'), models.Index(condition=models.Q(('finished_at', None)), fields=['requested_at'], name='erasure_pending')],
            },
        ),
        migrations.CreateModel(
            name='StoredAudio',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(default=0, verbose_name='number')),
                ('start_ms', models.PositiveBigIntegerField(default=0, verbose_name='start (ms)')),
                ('duration_ms', models.PositiveBigIntegerField(verbose_name='duration (ms)')),
                ('sample_rate_hz', models.PositiveIntegerField(verbose_name='sample rate (Hz)')),
                ('num_bytes', models.PositiveBigIntegerField(verbose_name='size (bytes)')),
                ('created_at', models.DateTimeField(auto_now_add=True, db_index=True, verbose_name='created at')),
                ('session', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='audio', to='transcription.session', verbose_name='session')),
            ],
            options={
                'verbose_name': 'stored audio',
                'verbose_name_plural': 'stored audio',
                'ordering': ['session_id', 'number'],
                'constraints': [models.UniqueConstraint(fields=('session', 'number'), name='one_audio_per_number')],
            },
        ),
        migrations.RunPython(give_permissions, migrations.RunPython.noop),
    ]
