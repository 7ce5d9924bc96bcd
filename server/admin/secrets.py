"""Values that can be written and never read back."""

from typing import Any

from django import forms
from django.db.models import Model


class WriteOnlyText(forms.Textarea):
    """Never shows what is stored, nor what was typed a moment ago."""

    def __init__(self) -> None:
        super().__init__(attrs={"rows": 2, "cols": 60, "autocomplete": "off", "spellcheck": "false"})

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        return super().render(name, None, attrs, renderer)


class WriteOnlyLine(forms.PasswordInput):
    def __init__(self) -> None:
        super().__init__(attrs={"autocomplete": "new-password"}, render_value=False)


class WriteOnlyField(forms.CharField):
    """Empty means unchanged: the stored value stays.

    Browsers send every line end as CRLF; a key or certificate with those is no longer what was pasted.
    """

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data)


class WriteOnlyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose `write_only` fields keep their stored value when nothing is typed."""

    write_only: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.write_only:
            _explain(self.fields[name], self.instance, name, needed=name in self.needed)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in self.write_only:
            if not cleaned.get(name):
                cleaned[name] = getattr(self.instance, name)
            if not cleaned[name] and name in self.needed:
                self.add_error(name, "A value is needed.")
        return cleaned


def line(label: str, help_text: str = "") -> WriteOnlyField:
    return WriteOnlyField(label=label, help_text=help_text, required=False, widget=WriteOnlyLine())


def text(label: str, help_text: str = "") -> WriteOnlyField:
    return WriteOnlyField(label=label, help_text=help_text, required=False, widget=WriteOnlyText(), strip=False)


def _explain(field: forms.Field, instance: Model, name: str, *, needed: bool) -> None:
    stored = instance.pk is not None and bool(getattr(instance, name))
    if stored:
        field.widget.attrs["placeholder"] = "stored; leave empty to keep it"
    elif needed:
        field.widget.attrs["placeholder"] = "none yet"
