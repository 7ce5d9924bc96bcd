"""Django's entry for the deploys records."""

from django.apps import AppConfig


class DeploysConfig(AppConfig):
    name = "pipelines.deploys"
    label = "deploys"

    def ready(self) -> None:
        """Whoever moves a deploy, the messages that tell of it are written in the same transaction."""
        from pipelines.deploys import announcements

        announcements.listen()
