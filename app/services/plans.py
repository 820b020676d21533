"""Plans and orders of one stream, made from its record.

Each new plan has a higher revision, each new worker a higher generation: `StreamRecord.generation` is the highest
one ever handed out, the standby's included.
"""

from __future__ import annotations

from dataclasses import replace

from app.domain.device_feed import DeviceFeed
from app.domain.errors import Conflict
from app.domain.ids import EncoderId, StreamId, WorkerId
from app.domain.ladder import Ladder
from app.domain.link import GatewayHello
from app.domain.session import StreamRecord
from app.domain.stream import ChannelPlan, EncodeSettings, Outputs, StreamMode, WorkerGrant, WorkerOrder
from app.services.names import new_id, new_secret, sha256_hex


def new_order(
    *,
    stream_id: StreamId,
    encode: EncodeSettings | None,
    generation: int,
    gateway: GatewayHello,
    standby: bool = False,
) -> WorkerOrder:
    """An order with a fresh token. Raises Conflict for a stream that is passed through."""
    if encode is None:
        raise Conflict(f"{stream_id} is passed through: no encoder works for it")
    return WorkerOrder(
        stream_id=stream_id,
        worker_id=WorkerId(new_id("wrk")),
        generation=generation,
        gateway_host=gateway.rtmp_host,
        gateway_port=gateway.rtmp_port,
        token=new_secret(),
        encode=encode,
        standby=standby,
    )


def grant_for(order: WorkerOrder, encoder_id: EncoderId) -> WorkerGrant:
    return WorkerGrant(order.worker_id, encoder_id, order.generation, sha256_hex(order.token))


def plan_of(
    record: StreamRecord,
    active: WorkerGrant | None,
    standby: WorkerGrant | None,
    standby_ladder: Ladder | None,
) -> ChannelPlan:
    outputs = Outputs(hls=record.hls, record=record.record, destinations=record.destinations)
    return ChannelPlan(
        stream_id=record.stream_id,
        playback_id=record.playback_id,
        revision=record.revision,
        mode=record.mode,
        key_sha256=record.key_sha256,
        key_expires_at=record.key_expires_at,
        ladder=record.ladder,
        timing=record.timing,
        outputs=outputs,
        active=active,
        standby=standby,
        standby_ladder=standby_ladder,
        grade=record.standby,
        backup_key_sha256=record.backup_key_sha256,
        slate=record.slate,
        content_checks=record.content_checks,
    )


def with_grants(
    record: StreamRecord,
    active: WorkerGrant | None,
    standby: WorkerGrant | None,
    standby_ladder: Ladder | None = None,
) -> StreamRecord:
    """The record under its next revision, its plan made anew from what it says now.

    `standby_ladder`: the standby's, where it is there to change the picture.
    """
    generations = [record.generation, *(grant.generation for grant in (active, standby) if grant is not None)]
    raised = replace(
        record,
        revision=record.revision + 1,
        generation=max(generations),
        primary_id=None if active is None else active.encoder_id,
        backup_id=None if standby is None else standby.encoder_id,
    )
    if record.feed is not None:
        raised = with_feed(raised, record.feed)
    return replace(raised, plan=plan_of(raised, active, standby, standby_ladder))


def with_feed(record: StreamRecord, feed: DeviceFeed) -> StreamRecord:
    """Where nobody else encodes the stream, its devices are its encoders. The gateway's plan stays as it is."""
    fed = replace(record, feed=feed)
    if record.mode is not StreamMode.PASSTHROUGH:
        return fed
    return replace(fed, primary_id=feed.primary_id, backup_id=feed.backup_id)


def promoted(record: StreamRecord) -> StreamRecord:
    """The standby is the active worker from now on, and its picture the stream's. Raises Conflict without one."""
    plan = record.plan
    if plan is None or plan.standby is None:
        raise Conflict("the stream has no standby")
    ladder = plan.standby_ladder
    if ladder is not None and record.encode is not None:
        record = replace(record, ladder=ladder, encode=replace(record.encode, ladder=ladder))
    return with_grants(record, plan.standby, None)


def renewed(record: StreamRecord) -> StreamRecord:
    """The same workers under the next revision: for changed outputs."""
    plan = record.plan
    if plan is None:
        return with_grants(record, None, None)
    return with_grants(record, plan.active, plan.standby, plan.standby_ladder)


def raised_above(record: StreamRecord, revision: int, generation: int) -> StreamRecord:
    """The record with its counters at least there: what a gateway has seen is never used again."""
    return replace(record, revision=max(record.revision, revision), generation=max(record.generation, generation))
