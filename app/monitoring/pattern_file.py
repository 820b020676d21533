"""Reads files of fault patterns: the packaged one and an operator's own, which adds to it or replaces by id.

An operator's file is read as strictly as a request: unknown words, wrong types, sizes and expressions that cannot
be matched in linear time are refused with the line. What they mean is `app/policy/fault_patterns.py`'s business.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from app.domain.condition import Category
from app.domain.errors import InvalidSettings
from app.domain.severity import Severity
from app.monitoring.signatures import MAX_SIGNATURES, Signature, compiled
from app.policy.fault_patterns import FLEET, MESSAGE, REMEDIES, SCOPES, Pattern, Term

PACKAGED: Final = Path(__file__).with_name("fault_patterns.yaml")
MAX_BYTES: Final = 256 * 1024
MAX_PATTERNS: Final = 300
MAX_TERMS: Final = 20
MAX_TEXT: Final = 400
MAX_DEPTH: Final = 8
MAX_SECONDS: Final = 3_600.0
MAX_COUNT: Final = 1_000
_ID: Final = re.compile(r"[a-z][a-z0-9_]{1,63}")
_FACT: Final = re.compile(r"(alarm|state|error|message):[A-Za-z0-9_=]{1,80}|[a-z][a-z0-9_]{1,63}")
_SOURCES: Final = ("worker", "device")
_KINDS: Final = ("all", "any", "some")


@dataclass(frozen=True, slots=True)
class PatternFile:
    patterns: tuple[Pattern, ...]
    signatures: tuple[Signature, ...]


def patterns_of(own: Path | None = None) -> PatternFile:
    """The packaged patterns with those of `own` over them. Raises InvalidSettings with file, line and hint."""
    packaged = read(PACKAGED)
    if own is None:
        return packaged
    added = read(own, known={one.id for one in packaged.signatures})
    patterns = {one.id: one for one in (*packaged.patterns, *added.patterns)}
    signatures = {one.id: one for one in (*packaged.signatures, *added.signatures)}
    if len(signatures) > MAX_SIGNATURES:
        raise InvalidSettings(
            f"{own}: there may be {MAX_SIGNATURES} messages, {len(packaged.signatures)} are packaged"
        )
    return PatternFile(tuple(patterns.values()), tuple(signatures.values()))


def read(path: Path, *, known: Collection[str] = ()) -> PatternFile:
    """`known`: signatures of other files that this one may speak of. Raises InvalidSettings."""
    reader = _Reader(path)
    top = reader.fields(reader.root(), ("patterns", "messages"))
    signatures = [reader.signature(node) for node in reader.items(top.get("messages"), MAX_SIGNATURES)]
    patterns = [reader.pattern(node) for node in reader.items(top.get("patterns"), MAX_PATTERNS)]
    reader.unlike_each_other([one.id for one in patterns], [one.id for one in signatures])
    names = {*known, *(one.id for one in signatures)}
    for pattern in patterns:
        for term in pattern.terms:
            if term.name.startswith(MESSAGE) and term.name.removeprefix(MESSAGE) not in names:
                raise InvalidSettings(f"{path}: {pattern.id} speaks of {term.name}, which no message is named")
    return PatternFile(tuple(patterns), tuple(signatures))


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def root(self) -> yaml.Node:
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise InvalidSettings(f"{self._path}: {error.strerror}") from error
        if len(content) > MAX_BYTES:
            raise InvalidSettings(f"{self._path}: more than {MAX_BYTES // 1024} KiB")
        try:
            text = content.decode()
            self._refuse_depth(text)
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except UnicodeDecodeError as error:
            raise InvalidSettings(f"{self._path}: not UTF-8") from error
        except yaml.MarkedYAMLError as error:
            line = 0 if error.problem_mark is None else error.problem_mark.line + 1
            raise InvalidSettings(f"{self._path}:{line}: no YAML: {error.problem}") from error
        except yaml.YAMLError as error:
            raise InvalidSettings(f"{self._path}: no YAML: {str(error).splitlines()[0]}") from error
        if node is None:
            raise InvalidSettings(f"{self._path}: empty", hint="patterns: and messages: are lists")
        return node

    def _refuse_depth(self, text: str) -> None:
        """An alias is a short way to write a huge file; deep nesting one to end a parser."""
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > MAX_DEPTH:
                mark = event.start_mark
                line = 0 if mark is None else mark.line + 1
                raise InvalidSettings(f"{self._path}:{line}: no aliases, and {MAX_DEPTH} levels at most")

    def wrong(self, node: yaml.Node, text: str, *, hint: str | None = None) -> InvalidSettings:
        return InvalidSettings(f"{self._path}:{node.start_mark.line + 1}: {text}", hint=hint)

    def fields(
        self, node: yaml.Node, allowed: Collection[str], needed: Collection[str] = ()
    ) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, f"names with values are needed here: {', '.join(allowed)}")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self.text(key)
            if name not in allowed:
                near = difflib.get_close_matches(name, allowed, 1)
                raise self.wrong(key, f"{name!r} is not known here", hint=f"{near[0]}?" if near else None)
            if name in found:
                raise self.wrong(key, f"{name} is there twice")
            found[name] = value
        for name in needed:
            if name not in found:
                raise self.wrong(node, f"{name} is missing")
        return found

    def items(self, node: yaml.Node | None, most: int) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(node, "a list is needed here")
        if len(node.value) > most:
            raise self.wrong(node, f"{most} entries at most")
        return list(node.value)

    def text(self, node: yaml.Node, most: int = MAX_TEXT) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            raise self.wrong(node, "a text is needed here")
        value: str = node.value
        if not value.strip() or len(value) > most or any(ord(c) < 32 for c in value):
            raise self.wrong(node, f"one line of 1 to {most} characters is needed")
        return value

    def word(self, node: yaml.Node, allowed: Collection[str]) -> str:
        value = self.text(node)
        if value not in allowed:
            near = difflib.get_close_matches(value, allowed, 1)
            listed = ", ".join(sorted(allowed))
            raise self.wrong(node, f"{value!r} is none of: {listed}", hint=f"{near[0]}?" if near else None)
        return value

    def named(self, node: yaml.Node, form: re.Pattern[str], example: str) -> str:
        value = self.text(node)
        if not form.fullmatch(value):
            raise self.wrong(node, f"{value!r} is no name", hint=f"such as {example}")
        return value

    def number(self, node: yaml.Node | None, default: float, most: float) -> float:
        if node is None:
            return default
        try:
            value = float(self.text(node))
        except ValueError:
            value = math.nan
        if not 0 <= value <= most:
            raise self.wrong(node, f"a number from 0 to {most:g} is needed")
        return value

    def signature(self, node: yaml.Node) -> Signature:
        fields = self.fields(node, ("id", "from", "matches"), ("id", "from", "matches"))
        expression = self.text(fields["matches"], most=10_000)
        try:
            compiled(expression)
        except ValueError as error:
            hint = "RE2 matches in linear time, so it has no look-around and no back-references"
            raise self.wrong(fields["matches"], str(error), hint=hint) from error
        return Signature(
            self.named(fields["id"], _ID, "worker_killed"), self.word(fields["from"], _SOURCES), expression
        )

    def pattern(self, node: yaml.Node) -> Pattern:
        needed = ("id", "severity", "category", "per", "cause", "impact")
        more = ("remedy", "evidence", "subjects", "within_s", "lasts_s", "clear_s", "known_as")
        fields = self.fields(node, (*needed, *more), needed)
        terms, need = self._evidence(fields.get("evidence"))
        remedy = self.word(fields["remedy"], REMEDIES) if "remedy" in fields else None
        if remedy is not None and any(term.name.startswith(MESSAGE) for term in terms):
            hint = "words can be forged: leave the remedy out, or name states instead of messages"
            raise self.wrong(fields["remedy"], "what is told by messages suggests no remedy", hint=hint)
        return Pattern(
            id=self.named(fields["id"], _ID, "rack_lost"),
            severity=Severity(self.word(fields["severity"], list(Severity))),
            category=Category(self.word(fields["category"], list(Category))),
            per=self.word(fields["per"], (*SCOPES, FLEET)),
            cause=self.text(fields["cause"]),
            impact=self.text(fields["impact"]),
            remedy=remedy,
            terms=terms,
            need=need,
            subjects=max(1, int(self.number(fields.get("subjects"), 1, MAX_COUNT))),
            within_s=self.number(fields.get("within_s"), 0.0, MAX_SECONDS),
            lasts_s=self.number(fields.get("lasts_s"), 0.0, MAX_SECONDS),
            clear_s=self.number(fields.get("clear_s"), 30.0, MAX_SECONDS),
            known_as=tuple(self.text(one) for one in self.items(fields.get("known_as"), MAX_TERMS)),
        )

    def _evidence(self, node: yaml.Node | None) -> tuple[tuple[Term, ...], int]:
        """Of `all`, `any` or `some` with `need`, one; none: nothing can be seen of it."""
        if node is None:
            return (), 0
        fields = self.fields(node, (*_KINDS, "need"))
        kinds = [kind for kind in _KINDS if kind in fields]
        if len(kinds) != 1 or ("need" in fields) != (kinds == ["some"]):
            raise self.wrong(node, "evidence is all: or any: with a list, or some: with a list and need: a number")
        terms = tuple(self._terms(self.items(fields[kinds[0]], MAX_TERMS)))
        if not terms:
            raise self.wrong(node, "evidence names at least one fact", hint="leave it out when nothing can be seen")
        if kinds == ["some"]:
            need = int(self.number(fields["need"], 0, len(terms)))
            if need < 1:
                raise self.wrong(fields["need"], f"1 to {len(terms)} of them can be needed")
            return terms, need
        return terms, len(terms) if kinds == ["all"] else 1

    def _terms(self, nodes: list[yaml.Node]) -> Iterator[Term]:
        for node in nodes:
            if isinstance(node, yaml.ScalarNode):
                yield Term(self.named(node, _FACT, "encoder_offline or alarm:HW_Error_Alarm"))
                continue
            fields = self.fields(node, ("name", "labels"), ("name", "labels"))
            labels = fields["labels"]
            if not isinstance(labels, yaml.MappingNode):
                raise self.wrong(labels, "labels with values are needed here")
            pairs = tuple((self.text(key), self.text(value)) for key, value in labels.value)
            yield Term(self.named(fields["name"], _FACT, "silent_audio"), pairs)

    def unlike_each_other(self, *lists: list[str]) -> None:
        for names in lists:
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise InvalidSettings(f"{self._path}: {twice[0]} is there twice")
