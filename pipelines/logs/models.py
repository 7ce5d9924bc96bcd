"""A log, the pieces that it is appended by, and the places to begin reading at."""

from django.db import models


class Log(models.Model):
    """The output of one stage attempt or host deploy, masked; `size` bytes so far.

    `raw_size` counts the bytes as they came from the container or host, before masking: after a takeover the output is
    read again from its start and that many bytes are passed over.
    """

    size = models.BigIntegerField(default=0)
    raw_size = models.BigIntegerField(default=0)
    closed_at = models.DateTimeField(null=True)
    archive = models.CharField(max_length=200, blank=True, help_text="Where the compressed text lies in storage")
    place = models.JSONField(
        null=True, help_text="The last place that is settled, as `rows.Place`; none in logs of before there were places"
    )

    class Meta:
        indexes = [models.Index(fields=["id"], name="log_unarchived", condition=models.Q(archive=""))]

    def __str__(self) -> str:
        return f"log {self.pk}, {self.size} bytes"


class Chunk(models.Model):
    """An append-only piece: `data` stands at byte `offset` of its log and accounts for raw bytes up to `raw_until`."""

    log = models.ForeignKey(Log, on_delete=models.CASCADE, related_name="chunks")
    offset = models.BigIntegerField()
    raw_until = models.BigIntegerField()
    data = models.BinaryField()
    at = models.DateTimeField(null=True, help_text="When it was stored: not long after it was printed")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "offset"], name="chunk_once_at_offset")]

    def __str__(self) -> str:
        return f"log {self.log_id} from byte {self.offset}"


class Page(models.Model):
    """Where about every 256 KiB a row begins (`rows.Place`), so that a log can be read from any row.

    Of an archived log: `packed` is the byte of the archive where the page's own gzip member begins, and `times` says
    when its bytes were stored (`times`).
    """

    log = models.ForeignKey(Log, on_delete=models.CASCADE, related_name="pages")
    offset = models.BigIntegerField()
    row = models.BigIntegerField()
    line = models.BigIntegerField()
    joined = models.BooleanField(default=False)
    look = models.CharField(max_length=100, blank=True)
    packed = models.BigIntegerField(null=True)
    times = models.BinaryField(default=bytes)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "offset"], name="page_once_at_offset")]

    def __str__(self) -> str:
        return f"log {self.log_id} from row {self.row}, byte {self.offset}"
