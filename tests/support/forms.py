"""Forms of pages as a browser without a script fills and sends them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser

from reconciler.web.pages.editor.edit import Editor, shown_with
from reconciler.web.pages.rendering import render


@dataclass
class Form(HTMLParser):
    """The fields of the form with this action: names to what would be sent."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)
    areas: set[str] = field(default_factory=set)
    """Those of several lines; a browser takes line breaks out of all others."""
    _inside: bool = False
    _text: str | None = None
    _select: str | None = None

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a field holds."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = values.get("action") == self.action
        if not self._inside:
            return
        name = values.get("name", "")
        if tag == "input" and (values.get("type") != "checkbox" or "checked" in values):
            self.fields[name] = values.get("value", "on" if "checked" in values else "")
        elif tag == "textarea" and name:
            self._text, self.fields[name] = name, ""
            self.areas.add(name)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in values or self._select not in self.fields:
                self.fields[self._select] = values.get("value", "")
                self._option = self._select if "value" not in values else None
        elif tag == "button" and values.get("value"):
            self.buttons.append(values["value"])

    _option: str | None = None

    def handle_data(self, data: str) -> None:
        """Text of a text area, or of an option without a value."""
        if self._text:
            self.fields[self._text] += data
        elif self._option:
            self.fields[self._option] = data.strip()
            self._option = None

    def handle_endtag(self, tag: str) -> None:
        """A text area begins after its first line break."""
        if tag == "textarea" and self._text:
            self.fields[self._text] = self.fields[self._text].removeprefix("\n")
            self._text = None
        elif tag == "select":
            self._select = None
        elif tag == "form":
            self._inside = False


def form_of(html: str, action: str) -> Form:
    """The form of a page."""
    form = Form(action)
    form.feed(html)
    assert form.fields, f"there is no form {action}"
    return form


def edit_page(editor: Editor) -> str:
    """The page of an editor, as it is shown under the write policy `files`."""
    return render(
        "edit.html",
        **{**shown_with(editor, "files", ""), "zones": []},
        caller=None,
        signed_in=False,
        now=datetime(2026, 11, 28, tzinfo=UTC),
        form_token="",
        may_operate=True,
        may_edit=True,
        here="/",
    )
