// How safe a stream is, and what its last switch of encoders cost, in words.

import { get } from "./api.js";
import { clock, known, ms } from "./format.js";

/** "protected, warm", "unprotected: warm standby is preparing"; null where no backup is needed. */
export function safety(health) {
  const standby = health?.standby;
  if (!standby) return null;
  const ready = known(health.readiness) && health.readiness < 1 ? `, readiness ${Math.round(health.readiness * 100)} %` : "";
  return health.protected ? `protected, ${standby.grade}${ready}` : `unprotected: ${standby.grade} backup ${standby.state}`;
}

/** The figures of one report, shortest first read. */
export function figuresOf(report) {
  const lost = known(report.frames_missing) ? `${report.frames_missing} frames lost` : "lost frames not counted";
  const times = [["stall", report.stall_ms], ["first picture", report.first_frame_ms]]
    .filter(([, value]) => known(value)).map(([name, value]) => `${name} ${ms(value)}`);
  return [...times, lost, `${report.frames_doubled} twice`].join(", ");
}

export const costly = (report) => report.frames_missing !== 0 || report.frames_doubled !== 0 || !report.complete;

/** The line "Last failover" of a stream; undefined: it was not looked up yet, or could not be. */
export function lastFailover(report) {
  if (report === undefined) return null;
  return report ? `${clock(report.at)} UTC, ${report.cause}: ${figuresOf(report)}` : "none yet";
}

/** The line "Last drill". */
export function lastDrill(health) {
  const drill = health?.last_drill;
  if (!drill) return "never";
  return `${clock(drill.at)} UTC, ${drill.kind}: ${drill.passed ? "passed" : drill.fault}`;
}

/** Looks a stream's newest report up, once; what is told later comes by the socket. */
export async function lookUp(state, id, drawn) {
  if (!id || state.failovers.has(id)) return;
  state.failovers.set(id, undefined);
  try {
    const answer = await get(`/streams/${encodeURIComponent(id)}/failovers?limit=1`);
    state.failovers.set(id, state.failovers.get(id) ?? answer.failovers[0] ?? null);
    drawn();
  } catch {
    // It stays unknown until the page is connected anew: asking with every picture drawn would be a storm.
  }
}
