// What happened, newest first, bounded.

import { byId, h } from "./dom.js";
import { costly, figuresOf } from "./failover.js";
import { clock, colour } from "./format.js";

const KEPT = 200;

/** Puts an event of the socket into words; null: not worth a line. */
function words(event, data, state) {
  const stream = state.streams.get(data.stream_id)?.name ?? data.stream_id;
  const encoder = (id) => state.encoders.get(id)?.name ?? id ?? "nobody";
  switch (event) {
    case "stream_changed":
      return [colour(data.state), `${stream}: ${data.state}${data.reason ? `, ${data.reason}` : ""}`];
    case "stream_error":
      return [colour(data.severity), `${stream}: ${data.detail}${data.action ? ` — ${data.action}` : ""}`];
    case "stream_failover":
      if (data.report) return [costly(data.report) ? "c-amber" : "c-green", `${stream}: switch measured: ${figuresOf(data.report)}`];
      return ["c-amber", `${stream}: ${encoder(data.to_encoder_id)} took over from ${encoder(data.from_encoder_id)} (${data.cause})`];
    case "encoder_changed":
      return [colour(data.state), `${encoder(data.encoder_id)}: ${data.state}${data.reason ? `, ${data.reason}` : ""}`];
    case "problem":
      return ["c-red", data.detail];
    default:
      return null;
  }
}

export function record(event, data, state) {
  const line = words(event, data, state);
  if (!line) return;
  const log = byId("log");
  log.prepend(h("li", { class: line[0] }, h("time", {}, clock(data.at ?? new Date().toISOString())), h("span", {}, line[1])));
  while (log.children.length > KEPT) log.lastChild.remove();
}
