"""The map of URLs."""

from django.contrib import admin
from django.urls import include, path

from server.health import healthz, readyz
from server.metrics.page import metrics

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("", include("server.web.urls")),
    path("api/v1/", include("server.api.urls")),
    path("hooks/", include("server.scm.urls")),
    path("admin/", admin.site.urls),
]
