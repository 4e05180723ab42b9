"""Two models for one stream, language models of routes and keys, and finals that say that they revise."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

NAME = django.core.validators.RegexValidator('\\A[A-Za-z0-9._-]+\\Z', 'Expected letters, digits, dots, dashes and underscores.')


class Migration(migrations.Migration):

    dependencies = [
        ('transcription', '0011_enough_to_tell'),
    ]

    operations = [
        migrations.AddField(
            model_name='modelroute',
            name='partial_model',
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name='partial_routes',
                to='transcription.asrmodel',
                verbose_name='model of partial texts',
            ),
        ),
        migrations.AddField(
            model_name='modelroute',
            name='language_model',
            field=models.CharField(blank=True, default='', max_length=64, validators=[NAME], verbose_name='language model'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='apikey',
            name='language_model',
            field=models.CharField(
                blank=True,
                default='',
                help_text='For sessions that name none. Empty: that of the route.',
                max_length=64,
                validators=[NAME],
                verbose_name='language model',
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='segment',
            name='revised',
            field=models.BooleanField(db_default=False, default=False, verbose_name='revised'),
        ),
    ]
