"""The settings in force, as operators may see them: secrets are masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.config import Settings, public_value

if TYPE_CHECKING:
    from collections.abc import Mapping


class ShownSetting(msgspec.Struct, frozen=True):
    """A setting by its variable, and where its value came from; "" where nobody knows."""

    name: str
    group: str
    value: str | int | float | bool | list[str] | None
    source: str


def shown_settings(settings: Settings, sources: Mapping[str, str]) -> list[ShownSetting]:
    """All of them, in the order of the README."""
    shown = []
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        group = str(extra["group"]) if isinstance(extra, dict) else ""
        value = public_value(getattr(settings, name))
        shown.append(ShownSetting(name.upper(), group, value, sources.get(name, "")))
    return shown
