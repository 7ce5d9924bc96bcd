"""A log and the pieces that it is appended by."""

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

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "offset"], name="chunk_once_at_offset")]

    def __str__(self) -> str:
        return f"log {self.log_id} from byte {self.offset}"
