"""People and teams: Django's own pages, for operators, with every change an act of the audit."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import FilteredSelectMultiple
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from pipelines.audit.record import record
from server import access, addresses
from server.admin.audited import Audits, OperatorsOnly

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(OperatorsOnly, Audits, UserAdmin):  # type: ignore[type-arg]
    """`is_superuser` makes an operator; what others may do in a project comes from their teams."""

    list_display = ("username", "email", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("May", {"fields": ("is_active", "is_superuser", "groups")}),
    )
    filter_horizontal = ("groups",)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Django's admin and the queue's dashboard admit staff: operators are, and nobody else."""
        obj.is_staff = obj.is_superuser
        super().save_model(request, obj, form, change)


class TeamForm(forms.ModelForm):  # type: ignore[type-arg]
    """A team with its people."""

    people = forms.ModelMultipleChoiceField(
        User.objects.order_by("username"),
        required=False,
        widget=FilteredSelectMultiple("people", is_stacked=False),
        help_text="What they may do in a project comes from the roles that its owners give to the team.",
    )

    class Meta:
        model = Group
        fields = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["people"].initial = self.instance.user_set.all()


@admin.register(Group)
class TeamAdmin(OperatorsOnly, Audits, GroupAdmin):
    """A team: people who have the same role in a project."""

    form = TeamForm
    fields = ("name", "people")
    filter_horizontal = ()
    list_display = ("name", "number_of_people", "in_projects")
    search_fields = ("name", "user__username")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        teams: QuerySet[Group] = super().get_queryset(request)
        return teams.annotate(people_in=Count("user", distinct=True)).prefetch_related("memberships__project")

    @admin.display(description="people", ordering="people_in")
    def number_of_people(self, team: Group) -> int:
        return int(team.people_in)  # type: ignore[attr-defined]

    @admin.display(description="in projects")
    def in_projects(self, team: Group) -> str:
        return ", ".join(f"{member.project}: {member.role}" for member in team.memberships.all())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Who comes and goes stands in the audit by name."""
        super().save_related(request, form, formsets, change)
        team, chosen = form.instance, set(form.cleaned_data["people"])
        before = set(team.user_set.all())
        team.user_set.set(chosen)
        for verb, people in (("put into a team", chosen - before), ("took out of a team", before - chosen)):
            for person in sorted(people, key=User.get_username):
                by, address = access.actor(request.user), addresses.client(request)
                record(by, verb, f"{person.get_username()} (#{person.pk}): {team}", address=address)
