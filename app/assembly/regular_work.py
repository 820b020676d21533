"""What control does at times of the wall clock while it leads. What is due then is each work's own rule."""

from __future__ import annotations

from typing import Final

from app.adapters.schedule.cron import RegularWork
from app.policy.drill_plan import DrillPlan
from app.services.drill import DrillService
from app.services.drill_schedule import DrillSchedule
from app.services.live_streams import LiveStreams

EVERY_TEN_SECONDS: Final = "*/10"


def regular_work(
    *, streams: LiveStreams, drills: DrillService, drill_plan: DrillPlan | None
) -> tuple[RegularWork, ...]:
    """`drill_plan`: None where no window is set."""
    if drill_plan is None:
        return ()
    schedule = DrillSchedule(streams=streams, drills=drills, plan=drill_plan)
    # One stream a round: a whole fleet drilled at once would seek all its standbys at once.
    return (RegularWork(name="drills", work=schedule.look, second=EVERY_TEN_SECONDS),)
