// Holds the picture of the system, takes what is told, and has it drawn once per frame.

import { get, key } from "./api.js";
import { detail } from "./detail.js";
import { byId } from "./dom.js";
import { encoderList } from "./encoders.js";
import { lookUp } from "./failover.js";
import { colour, percent } from "./format.js";
import { follow, script } from "./live.js";
import { record } from "./log.js";
import { newStream, streamList } from "./streams.js";

const HISTORY = 60;
const REFRESH_MS = 15_000;
const state = {
  streams: new Map(), health: new Map(), history: new Map(), encoders: new Map(), failovers: new Map(),
  scopes: new Set(), selected: null, showEnded: false,
};
let stopFollowing = null;
let refresher = null;
let dirty = false;
let pressed = false;

function draw() {
  if (dirty) return;
  dirty = true;
  requestAnimationFrame(drawNow);
}

function drawNow() {
  if (pressed) return;
  dirty = false;
  streamList(state, select);
  detail(state);
  encoderList(state);
  lookUp(state, state.selected, draw);
}

// A button that is made anew between press and release is never clicked: what is drawn waits for the release.
addEventListener("pointerdown", () => { pressed = true; }, true);
for (const over of ["pointerup", "pointercancel", "blur"]) {
  addEventListener(over, () => {
    pressed = false;
    if (dirty) requestAnimationFrame(drawNow);
  }, true);
}

function select(id) {
  state.selected = id;
  draw();
}

async function load() {
  const [streams, health, encoders, status] = await Promise.all([
    get("/streams"), get("/monitoring/streams/health"), get("/encoders"), get("/monitoring/status"),
  ]);
  state.streams = new Map(streams.streams.map((stream) => [stream.stream_id, stream]));
  state.encoders = new Map(encoders.encoders.map((encoder) => [encoder.encoder_id, encoder]));
  for (const one of health.streams) state.health.set(one.stream_id, one);
  for (const kept of [state.health, state.history, state.failovers]) {
    for (const id of kept.keys()) if (!state.streams.has(id)) kept.delete(id);
  }
  if (!state.streams.has(state.selected)) {
    state.selected = streams.streams.find((stream) => stream.state !== "ended")?.stream_id ?? null;
  }
  const pill = byId("system");
  pill.className = `pill ${colour(status.status)}`;
  pill.textContent = status.status === "ok" ? "all well" : [status.status, ...status.reasons].join(": ");
  const { capacity_pixels_per_s: room, used_pixels_per_s: used } = status.fleet;
  byId("fleet").textContent = room ? `${percent((100 * used) / room)} of the fleet promised` : "";
  pill.hidden = byId("fleet").hidden = false;
  draw();
}

async function reload() {
  try {
    await load();
  } catch (problem) {
    if (problem.status === 401) signOut("This key is not valid any more.");
  }
}

async function refreshStream(id) {
  try {
    state.streams.set(id, await get(`/streams/${encodeURIComponent(id)}`));
    state.selected ??= id;
    draw();
  } catch (problem) {
    if (problem.status === 404) state.streams.delete(id);
  }
}

async function heard(event, data) {
  // A stream that is new here is fetched first, so that its line can name it.
  if (event === "stream_changed" && !state.streams.has(data.stream_id)) await refreshStream(data.stream_id);
  record(event, data, state);
  if (event === "stream_health") {
    remember(data);
  } else if (event === "stream_changed") {
    const stream = state.streams.get(data.stream_id);
    if (stream) stream.state = data.state;
    refreshStream(data.stream_id);
  } else if (event === "stream_failover") {
    if (data.report) state.failovers.set(data.stream_id, data.report);
    refreshStream(data.stream_id);
  } else if (event === "health_update") {
    const encoder = state.encoders.get(data.encoder_id);
    if (encoder) Object.assign(encoder, { device_status: data.device_status, score: data.score });
  } else if (event === "encoder_changed") {
    const encoder = state.encoders.get(data.encoder_id);
    if (encoder) Object.assign(encoder, { state: data.state, reason: data.reason });
    else reload();
  }
  draw();
}

function remember(health) {
  state.health.set(health.stream_id, health);
  const stream = state.streams.get(health.stream_id);
  if (stream) {
    stream.state = health.state;
    stream.primary_encoder_id = health.primary_encoder_id;
    stream.backup_encoder_id = health.backup_encoder_id;
  }
  const series = state.history.get(health.stream_id) ?? [];
  series.push({ bitrate: health.bitrate, cpu: health.cpu_usage });
  state.history.set(health.stream_id, series.slice(-HISTORY));
}

function linkState(word, code) {
  const pill = byId("live");
  pill.hidden = false;
  pill.className = `pill ${word === "live" ? "c-green" : "c-amber"}`;
  pill.textContent = { live: "live", connecting: "connecting…", away: "reconnecting…" }[word];
  if (code === "not_authenticated") signOut("This key is not valid any more.");
  if (word === "live") {
    state.failovers.clear(); // some may have gone by unheard
    reload();
  }
}

async function signIn(token) {
  const who = await get("/whoami");
  state.scopes = new Set(who.scopes);
  byId("sign-in").hidden = true;
  byId("board").hidden = byId("sign-out").hidden = false;
  byId("open-new").hidden = !(state.scopes.has("streams") || state.scopes.has("admin"));
  await load();
  await script("socket.io.min.js");
  if (key.find() !== token) return; // signed out meanwhile
  stopFollowing = follow(token, heard, linkState);
  refresher = setInterval(reload, REFRESH_MS);
}

function signOut(why = "") {
  key.forget();
  stopFollowing?.();
  clearInterval(refresher);
  for (const kept of [state.streams, state.health, state.history, state.encoders, state.failovers]) kept.clear();
  state.selected = null;
  draw();
  for (const id of ["board", "sign-out", "live", "system", "fleet"]) byId(id).hidden = true;
  askForKey(why);
}

function askForKey(why = "") {
  byId("sign-in").hidden = false;
  byId("sign-in-error").textContent = why;
  byId("key").value = "";
  byId("key").focus();
}

async function enter(token) {
  try {
    await signIn(token);
  } catch (problem) {
    if ([401, 403, 429].includes(problem.status)) key.forget();
    byId("board").hidden = byId("sign-out").hidden = true;
    askForKey([problem.message, problem.hint].filter(Boolean).join(" "));
  }
}

byId("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = byId("key").value.trim();
  key.keep(token);
  enter(token);
});
byId("sign-out").addEventListener("click", () => signOut());
byId("open-new").addEventListener("click", () => newStream((id) => { state.selected = id; refreshStream(id); }));
byId("show-ended").addEventListener("change", (event) => { state.showEnded = event.target.checked; draw(); });
addEventListener("hashchange", () => {
  const given = key.find();
  if (given) { stopFollowing?.(); clearInterval(refresher); enter(given); }
});

function tick() {
  byId("clock").textContent = `${new Date().toISOString().slice(11, 19)} UTC`;
}
tick();
setInterval(tick, 1000);

const found = key.find();
if (found) enter(found);
else askForKey();
