"""Django's entry for the totals."""

from django.apps import AppConfig


class TalliesConfig(AppConfig):
    name = "pipelines.tallies"
    label = "tallies"

    def ready(self) -> None:
        """Whatever ends is counted in the transaction in which it ends."""
        from pipelines.tallies import counting

        counting.listen()
