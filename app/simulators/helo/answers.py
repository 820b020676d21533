"""The bodies a HELO answers with: parameters, descriptors, pages. Pure.

Numbers in descriptors are numbers; everywhere else they are strings. Leaves to others: status, headers (`doors`).
"""

from __future__ import annotations

import json
from typing import Any, Final

from app.simulators.helo.memory import Memory
from app.simulators.helo.parameters import PREFIX, SELECTORS, Kind, Parameter
from app.simulators.helo.polls import value_name

NOT_FOUND_PAGE: Final = (
    '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n'
    "<html><head><title>404 Not Found</title></head><body>\n"
    "The document requested was not found on this server.\n"
    "</body></html>\n"
)
LOGGED_IN: Final = {"login": "success"}
NOT_LOGGED_IN: Final = {"login": "Login Failed - Passwords did not match"}
_GROUPS: Final = {"storage": 3, "record profile": 5, "stream profile": 6}
_INVALID: Final = "Invalid"


def compact(body: object) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def parameter_answer(memory: Memory, name: str, *, invalid_selectors: bool) -> dict[str, str]:
    """`name` without prefix; one that does not exist has an empty value."""
    parameter = memory.seen(name)
    if parameter is None:
        return {"paramid": "0", "name": PREFIX + name, "value": "", "value_name": _INVALID}
    value = memory.get(name)
    is_odd = invalid_selectors and name in SELECTORS.values()
    return {
        "paramid": str(parameter.number),
        "name": PREFIX + name,
        "value": value,
        "value_name": _INVALID if is_odd else value_name(parameter, value),
    }


def descriptor(parameter: Parameter) -> dict[str, Any]:
    """As in `/descriptors`: one element of its array."""
    is_alarm = parameter.section == "alarms"
    described: dict[str, Any] = {
        "param_type": str(parameter.kind),
        "descriptor_type": str(parameter.kind),
        "param_id": PREFIX + parameter.name,
        "param_name": parameter.label or parameter.name,
        "persistence_type": "persistent" if parameter.survives_restart else "ephemeral",
        "register_type": "included" if parameter.is_in_presets else "excluded",
        "factory_reset_type": _reset_type(parameter),
        "relations": {},
        "class_names": ["volatile"] + ["readonly"] * (not parameter.is_writable) + ["alarm"] * is_alarm,
        "string_attributes": [{"name": "description", "value": parameter.label or parameter.name}],
        "integer_attributes": _attributes(parameter),
    }
    if parameter.kind is Kind.ENUM:
        described["enum_values"] = [
            {"value": number, "text": text, "short_text": text} for number, text in parameter.texts.items()
        ]
    if parameter.kind in (Kind.ENUM, Kind.INTEGER):
        described |= {
            "min_value": parameter.low or 0,
            "max_value": parameter.high or 0,
            "default_value": int(parameter.default or 0),
            "adjust_by": 1,
            "scale_by": 1,
            "offset_by": 0,
            "display_precision": 0,
            "units": "",
        }
    else:
        described |= {"min_length": 0, "max_length": 1024, "default_value": parameter.default}
    return described


def clip_list(clips: list[str], *, quoted: bool) -> str:
    """Unless `quoted`, with bare keys as the maker's own example has them."""
    if quoted:
        return compact({"clips": [{"clipname": clip} for clip in clips]})
    return "{clips: [" + ",".join(f'{{clipname: "{clip}"}}' for clip in clips) + "]}"


def _reset_type(parameter: Parameter) -> str:
    if not parameter.is_writable:
        return "never"
    return "warm" if parameter.is_in_presets or parameter.profile is not None else "cold"


def _attributes(parameter: Parameter) -> list[dict[str, Any]]:
    group = 12 if parameter.name == "Authentication" else _GROUPS.get(parameter.section)
    return [] if group is None else [{"name": "ParamGroup", "value": group}]
