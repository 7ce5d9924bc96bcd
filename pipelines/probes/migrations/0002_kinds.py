from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('probes', '0001_initial'),
    ]

    operations = [
        migrations.AlterField(
            model_name='probe',
            name='kind',
            field=models.CharField(choices=[('inventory', 'list the hosts of an environment'), ('host_keys', 'read the keys that the hosts of an environment show'), ('connection', 'sign in to the hosts of an environment'), ('audit', 'verify the chain of the audit')], max_length=20),
        ),
        migrations.AlterField(
            model_name='probe',
            name='subject_id',
            field=models.BigIntegerField(help_text='The environment that is asked about; 0: the whole server'),
        ),
    ]
