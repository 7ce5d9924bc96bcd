"""Where code hosts call."""

from django.urls import path

from server.scm import webhooks

urlpatterns = [
    path("github/<str:project>", webhooks.github, name="github-webhook"),
]
