"""The pages' addresses."""

from django.urls import path

from server.web import accounts, artifacts, dashboard, deploys, environments, events, hosts, logs, projects, runs, setup

PROJECT = "projects/<slug:project>/"
ENVIRONMENT = PROJECT + "environments/<slug:name>/"

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("sign-in/", accounts.SignIn.as_view(), name="login"),
    path("sign-out/", accounts.SignOut.as_view(), name="logout"),
    path("account/", accounts.Password.as_view(), name="account"),
    path("setup/<str:token>/", setup.create_operator, name="setup"),
    path("events/", events.everywhere, name="all-events"),
    path("logs/<int:log_id>.txt", logs.raw, name="log"),
    path("artifacts/<int:artifact_id>/", artifacts.download, name="artifact"),
    path(PROJECT, projects.project, name="project"),
    path(PROJECT + "events/", events.of_project, name="events"),
    path(PROJECT + "events/<int:event_id>/", events.event, name="event"),
    path(PROJECT + "runs/<int:number>/", runs.run, name="run"),
    path(PROJECT + "runs/<int:number>/cancel/", runs.cancel, name="run-cancel"),
    path(PROJECT + "deploys/<int:number>/", deploys.deploy, name="deploy"),
    path(PROJECT + "deploys/<int:number>/cancel/", deploys.cancel, name="deploy-cancel"),
    path(ENVIRONMENT, environments.environment, name="environment"),
    path(ENVIRONMENT + "deploy/", environments.deploy, name="environment-deploy"),
    path(ENVIRONMENT + "roll-back/", environments.roll_back, name="roll-back"),
    path(ENVIRONMENT + "hosts/", hosts.hosts, name="hosts"),
    path(ENVIRONMENT + "hosts/ask/", hosts.ask, name="hosts-ask"),
    path(ENVIRONMENT + "hosts/approve/", hosts.approve, name="hosts-approve"),
]
