// Numbers, times and states as people read them. Unknown is a dash, never a zero.

const UNKNOWN = "–";

export const known = (value) => value !== null && value !== undefined;

export function bitrate(bps) {
  if (!known(bps)) return UNKNOWN;
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(2)} Mbit/s` : `${Math.round(bps / 1e3)} kbit/s`;
}

export const percent = (value) => (known(value) ? `${Math.round(value)} %` : UNKNOWN);
export const celsius = (value) => (known(value) ? `${value.toFixed(1)} °C` : UNKNOWN);
export const count = (value) => (known(value) ? value.toLocaleString("en") : UNKNOWN);
export const ms = (value) => (known(value) ? `${Math.round(value)} ms` : UNKNOWN);
export const text = (value) => (known(value) && value !== "" ? String(value) : UNKNOWN);
export const clock = (iso) => (iso ? new Date(iso).toISOString().slice(11, 19) : UNKNOWN);
export const moment = (iso) => (iso ? `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC` : UNKNOWN);

const COLOURS = {
  live: "c-green", online: "c-green", ok: "c-green",
  waiting: "c-blue", starting: "c-blue", info: "c-blue",
  degraded: "c-amber", suspect: "c-amber", draining: "c-amber", warning: "c-amber",
  down: "c-red", offline: "c-red", critical: "c-red",
};

/** The class that colours a state; unknown words of newer servers are grey. */
export const colour = (state) => COLOURS[state] ?? "c-grey";

export const scoreColour = (score) =>
  !known(score) ? "c-grey" : score >= 80 ? "c-green" : score >= 50 ? "c-amber" : "c-red";
