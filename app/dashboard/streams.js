// The list of streams, and the form that opens one.

import { call } from "./api.js";
import { byId, copyable, h, show, toast } from "./dom.js";
import { safety } from "./failover.js";
import { bitrate, colour, known } from "./format.js";

const ORDER = ["live", "degraded", "starting", "waiting", "ended"];
const PRESETS = {
  "1920x1080": 5_000_000, "1280x720": 3_000_000, "854x480": 1_500_000, "640x360": 1_000_000,
};
const FPS = ["24", "25", "29.97", "30", "50", "59.94", "60"];

export function streamList(state, select) {
  const streams = [...state.streams.values()]
    .filter((stream) => state.showEnded || stream.state !== "ended")
    .sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || b.created_at.localeCompare(a.created_at));
  const rows = streams.map((stream) => {
    const health = state.health.get(stream.stream_id);
    return h("li", {},
      h("button", {
        type: "button",
        class: `row ${colour(stream.state)}`,
        "aria-current": stream.stream_id === state.selected ? "true" : null,
        "data-focus": stream.stream_id,
        "data-stream": stream.stream_id,
        onclick: () => select(stream.stream_id),
      },
        h("span", { class: "top" },
          h("strong", {}, stream.name ?? stream.stream_id),
          h("span", { class: `pill ${colour(stream.state)}` }, stream.state)),
        h("small", { class: "clip" }, summary(stream, health))));
  });
  show(byId("stream-list"), rows.length
    ? rows
    : h("li", { class: "empty" }, "No stream yet. Open one with “New stream”, then publish to it."));
}

function summary(stream, health) {
  const top = stream.ladder.renditions[0];
  const parts = [top ? `${top.width}×${top.height} ${top.fps} fps` : stream.mode];
  if (known(health?.bitrate)) parts.push(bitrate(health.bitrate));
  const safe = stream.state === "ended" ? null : safety(health);
  if (safe) parts.push(safe);
  return parts.join(" · ");
}

/** Shows the form; calls `opened(stream_id)` once a stream is open. */
export function newStream(opened) {
  const dialog = byId("new-stream");
  const error = h("p", { class: "error", role: "alert" });
  const field = (id, label, control, wide) =>
    h("div", { class: wide ? "wide" : null }, h("label", { for: id }, label), control);
  const resolution = h("select", { id: "f-resolution", onchange: () => { rate.value = PRESETS[resolution.value] / 1e6; } },
    Object.keys(PRESETS).map((size) => h("option", { value: size }, size.replace("x", " × "))));
  const rate = h("input", { id: "f-bitrate", type: "number", min: "0.5", max: "20", step: "0.1", value: "5", required: true });
  const form = h("form", {},
    h("div", { class: "grid2" },
      field("f-name", "Name (optional)", h("input", { id: "f-name", maxlength: "100", autocomplete: "off" }), true),
      field("f-resolution", "Resolution", resolution),
      field("f-bitrate", "Bit rate, Mbit/s", rate),
      field("f-fps", "Frames per second", h("select", { id: "f-fps" },
        FPS.map((fps) => h("option", { value: fps, selected: fps === "30" }, fps)))),
      field("f-mode", "Mode", h("select", { id: "f-mode" },
        h("option", { value: "transcode" }, "Encode a ladder of renditions"),
        h("option", { value: "passthrough" }, "Pass through unchanged"))),
      field("f-target", "Also push to (optional)", h("input", {
        id: "f-target", placeholder: "rtmp://server/app/key", autocomplete: "off", spellcheck: "false",
      }), true),
      h("label", { class: "check wide" }, h("input", { id: "f-record", type: "checkbox" }), "Record")),
    error,
    h("div", { class: "actions" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      h("button", { type: "submit", class: "primary" }, "Open stream")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const submit = form.querySelector("[type=submit]");
    submit.disabled = true;
    error.textContent = "";
    try {
      const answer = await call("POST", "/streams/init", {
        body: wanted(), headers: { "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-") },
      });
      dialog.close();
      opened(answer.stream_id);
      showOpened(answer);
    } catch (problem) {
      const faults = problem.errors.map((fault) => `${fault.field}: ${fault.message}`).join("; ");
      error.textContent = [problem.message, faults, problem.hint].filter(Boolean).join(" — ");
    } finally {
      submit.disabled = false;
    }
  });
  show(dialog, h("h2", { id: "new-title" }, "New stream"), form);
  dialog.showModal();
}

function wanted() {
  const name = byId("f-name").value.trim();
  const target = byId("f-target").value.trim();
  return {
    resolution: byId("f-resolution").value,
    bitrate: Math.round(Number(byId("f-bitrate").value) * 1e6),
    fps: Number(byId("f-fps").value),
    mode: byId("f-mode").value,
    record: byId("f-record").checked,
    ...(name ? { name } : {}),
    ...(target ? { destinations: [target] } : {}),
  };
}

/** What a publisher needs; the key is shown this once, so the dialog is left only by its button. */
function showOpened(answer) {
  const dialog = byId("opened");
  const notes = [
    ...answer.warnings.map((note) => h("li", { class: "c-amber" }, note)),
    ...answer.recommendations.map((note) => h("li", { class: "c-blue" }, note)),
  ];
  show(dialog,
    h("h2", { id: "opened-title" }, "The stream is open"),
    h("div", { class: "stack" },
      h("p", { class: "quiet" }, "In OBS: Settings, Stream, Service “Custom”. Paste the two fields. ",
        "The key is not shown again."),
      copyable("Server", answer.rtmp_url, { id: "o-server" }),
      copyable("Stream key", answer.stream_key, { id: "o-key" }),
      copyable("ffmpeg line", answer.ffmpeg, { long: true, id: "o-ffmpeg" }),
      h("p", {}, "Encoded by ", h("strong", {}, answer.primary_encoder?.name ?? "nobody: passed through"),
        answer.backup_encoder ? [", backup ", h("strong", {}, answer.backup_encoder.name)] : null),
      notes.length ? h("ul", { class: "notes" }, notes) : null,
      h("div", { class: "actions" },
        h("button", { type: "button", class: "primary", onclick: () => { dialog.close(); show(dialog); toast("Waiting for the publisher"); } },
          "I have the key"))));
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
}
