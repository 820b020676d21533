// One stream: its picture, the road its packets take, its figures.

import { call } from "./api.js";
import { byId, confirmed, copyable, h, show, svg, toast } from "./dom.js";
import { costly, lastDrill, lastFailover, safety } from "./failover.js";
import { bitrate, colour, count, known, moment, ms, percent, scoreColour, text } from "./format.js";
import { Player } from "./player.js";

const player = new Player();
const figures = h("div", { class: "figures" });
const road = h("div", { class: "road", role: "img" });
const facts = h("dl", { class: "facts" });
const reasons = h("ul", { class: "notes" });
const FIRST = "The publisher is here; the first picture is on its way.";
let drawn = null;

/** Draws the selected stream; what plays goes on playing. */
export function detail(state) {
  const panel = byId("detail");
  const stream = state.streams.get(state.selected);
  if (!stream) {
    player.stop();
    drawn = null;
    panel.className = "";
    show(panel, h("h2", { id: "detail-title" }, "No stream chosen"),
      h("p", { class: "quiet" }, "Choose a stream to see its picture and how it is."));
    return;
  }
  const health = state.health.get(stream.stream_id);
  panel.className = colour(stream.state);
  const frame = JSON.stringify([stream.stream_id, stream.state, stream.revision, stream.name]);
  if (frame !== drawn) {
    drawn = frame;
    drawFrame(panel, stream);
  }
  picture(stream, health);
  drawRoad(state, stream, health);
  drawFigures(state, stream, health);
  drawFacts(state, stream, health);
}

function drawFrame(panel, stream) {
  show(panel,
    h("div", { class: "title" },
      h("h2", { id: "detail-title" }, stream.name ?? stream.stream_id),
      h("span", { class: `pill ${colour(stream.state)}` }, stream.state),
      h("span", { class: "grow" }),
      stream.state === "ended" ? null
        : h("button", { type: "button", class: "danger", "data-focus": "end", onclick: () => end(stream) }, "End stream")),
    h("div", { class: "split" },
      h("div", { class: "stack" }, player.element, road),
      h("div", { class: "stack" }, figures, reasons, facts,
        stream.rtmp_url && stream.state !== "ended" ? copyable("Server", stream.rtmp_url) : null,
        stream.playback.hls ? copyable("HLS address", stream.playback.hls) : null,
        stream.playback.http_flv ? copyable("HTTP-FLV address", stream.playback.http_flv) : null)));
}

function picture(stream, health) {
  const on = ["live", "degraded"].includes(stream.state);
  const why = {
    waiting: `Waiting for the publisher. The key ends in …${stream.stream_key_last4}.`,
    starting: FIRST,
    ended: "This stream has ended.",
  }[stream.state] ?? (stream.playback.hls ? FIRST : "HLS is off for this stream.");
  const address = stream.playback.hls;
  const plays = on && (player.address === address || hasSegment(stream, health));
  player.play(plays ? address : null, why);
}

/** Has the programme run for a whole segment? Asked earlier, the gateway has no playlist yet. */
function hasSegment(stream, health) {
  const needed = stream.segment_ms / 1000 + 1;
  return (health?.tracks ?? []).some((track) => track.frames / (track.fps || 60) >= needed);
}

function drawRoad(state, stream, health) {
  const name = (id) => (id ? state.encoders.get(id)?.name ?? id : null);
  const source = health?.source;
  const primary = name(health?.primary_encoder_id ?? stream.primary_encoder_id);
  const backup = name(health?.backup_encoder_id ?? stream.backup_encoder_id);
  const live = stream.state === "live";
  const stops = [
    ["Publisher", source ? text(source.software) : "not here", source ? "c-green" : "c-grey"],
    ["Gateway", health?.source_bitrate ? bitrate(health.source_bitrate) : "ready", "c-green"],
    stream.mode === "passthrough"
      ? ["Encoder", "passed through", "c-blue"]
      : ["Encoder", primary ?? "none", live ? "c-green" : primary ? "c-blue" : "c-red"],
    stream.mode === "passthrough" ? null : ["Backup", backupWords(health, backup), health?.protected ? "c-green" : "c-amber"],
    ["Viewers", known(health?.viewers) ? `${count(health.viewers)} direct` : "–", live ? "c-green" : "c-grey"],
  ].filter(Boolean);
  road.setAttribute("aria-label", stops.map(([place, what]) => `${place}: ${what}`).join(", "));
  show(road, stops.flatMap(([place, what, c], i) => [
    i ? h("span", { class: "arrow", "aria-hidden": "true" }, "→") : null,
    h("div", { class: `stop ${c}` }, h("h3", {}, place), h("span", { class: "clip", title: what }, what)),
  ]).filter(Boolean));
}

function backupWords(health, name) {
  const standby = health?.standby;
  return name ? [name, standby && `${standby.grade}, ${standby.state}`].filter(Boolean).join(" · ") : "none";
}

function drawFigures(state, stream, health) {
  const history = state.history.get(stream.stream_id) ?? [];
  const lag = health?.programme_lag_ms;
  show(figures,
    figure("Health", known(health?.score) ? Math.round(health.score) : "–", scoreColour(health?.score)),
    figure("Bit rate", bitrate(health?.bitrate), "c-blue", history.map((point) => point.bitrate)),
    figure("Encoder CPU", percent(health?.cpu_usage), "c-blue", history.map((point) => point.cpu)),
    figure("Dropped frames", count(health?.dropped_frames), health?.dropped_frames ? "c-amber" : known(health?.dropped_frames) ? "c-green" : "c-grey"),
    figure("Encode delay", ms(lag), "c-blue"),
    figure("Takeovers", count(health?.restarts), health?.restarts ? "c-amber" : "c-green"));
}

function figure(label, value, c, series) {
  return h("div", { class: `figure ${c}` }, h("small", {}, label), h("b", {}, String(value)), series ? spark(series) : null);
}

/** A line of the last minute; gaps where nothing was known. */
function spark(series) {
  const values = series.filter(known);
  if (values.length < 2) return svg("svg", { viewBox: "0 0 100 26", "aria-hidden": "true" });
  const top = Math.max(...values, 1e-9) * 1.1;
  const points = series
    .map((value, i) => (known(value) ? `${((i / Math.max(series.length - 1, 1)) * 100).toFixed(1)},${(25 - (value / top) * 24).toFixed(1)}` : null))
    .filter(Boolean);
  return svg("svg", { viewBox: "0 0 100 26", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("polyline", { points: points.join(" "), fill: "none", stroke: "#5aa9ff", "stroke-width": "1.6", "vector-effect": "non-scaling-stroke" }));
}

function drawFacts(state, stream, health) {
  const source = health?.source;
  const report = state.failovers.get(stream.stream_id);
  const safe = stream.state === "ended" ? null : safety(health);
  const rows = [
    ["Source", source ? [source.video_codec, source.width && `${source.width}×${source.height}`, source.audio_codec].filter(Boolean).join(", ") : null],
    ["Renditions", stream.ladder.renditions.map((r) => `${r.name} ${bitrate(r.bitrate)}`).join(", ") || "as published"],
    safe ? ["Safety", safe, health.protected ? "c-green" : "c-amber"] : null,
    stream.mode === "passthrough" ? null
      : ["Last failover", lastFailover(report), report && costly(report) ? "c-amber" : null],
    health?.last_drill ? ["Last drill", lastDrill(health), health.last_drill.passed ? null : "c-red"] : null,
    ["Destinations", stream.destinations.map((d) => d.server + place(health, d.id)).join(", ") || "none"],
    ["Opened", moment(stream.created_at)],
    ["Id", stream.stream_id],
  ].filter(Boolean);
  show(facts, rows.flatMap(([name, value, c]) => [
    h("dt", {}, name), h("dd", { class: c, "data-fact": name }, text(value))]));
  show(reasons, (health?.reasons ?? []).map((reason) => h("li", { class: reason.endsWith("unknown") ? "c-grey" : "c-amber" }, reason)));
}

function place(health, id) {
  const now = health?.destinations?.find((one) => one.id === id);
  return now ? ` (${now.state}${now.detail ? `: ${now.detail}` : ""})` : "";
}

async function end(stream) {
  const name = stream.name ?? stream.stream_id;
  if (!(await confirmed("End this stream?", `“${name}” ends for its publisher and for all viewers. Its key dies.`, "End stream"))) return;
  try {
    await call("DELETE", `/streams/${encodeURIComponent(stream.stream_id)}`);
    toast("Stream ended");
  } catch (problem) {
    toast(problem.message);
  }
}
