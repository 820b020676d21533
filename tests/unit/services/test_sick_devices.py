"""What is wrong with devices: a diagnosis counts as long as an incident that lasts makes it."""

from __future__ import annotations

from dataclasses import replace

from app.domain.condition import Category, Subject, SubjectKind
from app.domain.events import IncidentChanged
from app.domain.ids import EncoderId
from app.domain.incident import Cause, Diagnosis, Incident
from app.domain.severity import Severity
from app.services.sick_devices import SickDevices
from tests.support.alerts import T0

A = EncoderId("a")
CAUSE = Cause("encoder", "a")
ENGINE_DOWN = Diagnosis(
    "engine_down",
    CAUSE,
    Severity.CRITICAL,
    Category.SYSTEM,
    "its engine is down",
    "no picture",
    "reboot",
    ("sign",),
)
INCIDENT = Incident(
    id="inc_1",
    cause=CAUSE,
    severity=Severity.CRITICAL,
    title="its engine is down",
    root=("sign", Subject(SubjectKind.ENCODER, "a")),
    reasons=(),
    diagnoses=(ENGINE_DOWN,),
    signs=(),
    children=(),
    total_signs=1,
    total_children=0,
    streams=0,
    viewers=None,
    started_at=T0,
)


def devices(*told: Incident) -> SickDevices:
    sick = SickDevices(ids=lambda: (A,), tell=lambda _: None)
    for incident in told:
        sick.hear(IncidentChanged(incident, T0))
    return sick


def test_a_diagnosis_lasts_as_long_as_its_incident_makes_it() -> None:
    assert devices(INCIDENT).unhealthy() == 1
    assert devices(INCIDENT, replace(INCIDENT, ended_at=T0)).unhealthy() == 0


def test_a_diagnosis_that_an_incident_takes_back_while_it_lasts_makes_nobody_sick() -> None:
    assert devices(INCIDENT, replace(INCIDENT, diagnoses=())).signs(0.0) == ()


def test_a_diagnosis_that_another_incident_makes_too_stays_when_the_first_ends() -> None:
    other = replace(INCIDENT, id="inc_2")
    assert devices(INCIDENT, other, replace(INCIDENT, ended_at=T0)).lasts(A, "engine_down")
