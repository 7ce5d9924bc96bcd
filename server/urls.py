"""The map of URLs."""

from django.contrib import admin
from django.urls import include, path

from server.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("", include("server.web.urls")),
    path("hooks/", include("server.scm.urls")),
    path("admin/", admin.site.urls),
]
