// The fleet: what each encoder does, and taking it out and putting it back.

import { call } from "./api.js";
import { byId, h, show, toast } from "./dom.js";
import { celsius, colour, known, percent, scoreColour } from "./format.js";

export function encoderList(state) {
  const mayControl = state.scopes.has("encoders") || state.scopes.has("admin");
  const cards = [...state.encoders.values()]
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((encoder) => card(encoder, state, mayControl));
  show(byId("encoder-list"), cards.length
    ? cards
    : h("li", { class: "quiet" }, "No encoder has come yet. Start one with “encoder-manager encoder”."));
}

function card(encoder, state, mayControl) {
  const status = encoder.device_status;
  const streams = [...state.streams.values()].filter((s) => s.state !== "ended");
  const encodes = streams.filter((s) => s.primary_encoder_id === encoder.encoder_id).length;
  const backs = streams.filter((s) => s.backup_encoder_id === encoder.encoder_id).length;
  const works = encoder.codecs.filter((codec) => codec.works).map((codec) => codec.codec);
  return h("li", { class: `device ${colour(encoder.state)}`, "data-encoder": encoder.encoder_id },
    h("div", { class: "top" },
      h("strong", { class: "clip", title: encoder.encoder_id }, encoder.name),
      h("span", { class: `pill ${colour(encoder.state)}` }, encoder.state)),
    encoder.reason ? h("small", { class: "quiet" }, encoder.reason) : null,
    h("div", { class: "meters" },
      gauge("CPU", status?.cpu_usage, percent, 80),
      gauge("Memory", status?.memory_usage, percent, 85),
      gauge("Heat", status?.temperature, celsius, 75),
      gauge("GPU", status?.gpu_usage, percent, 90)),
    h("small", { class: "quiet" },
      `${encodes} encoded, ${backs} as backup, of ${encoder.max_streams} · `,
      h("span", { class: scoreColour(encoder.score) }, known(encoder.score) ? `health ${Math.round(encoder.score)}` : "health unknown")),
    h("small", { class: "quiet clip", title: works.join(", ") }, works.join(", ") || "no codec works"),
    mayControl ? h("div", { class: "actions" }, actions(encoder)) : null);
}

function gauge(label, value, format, high) {
  if (!known(value)) return [h("span", {}, label), h("span", { class: "quiet" }, "not reported"), h("span", {}, "–")];
  return [
    h("span", {}, label),
    h("meter", { min: 0, max: 100, low: high * 0.9, high, optimum: 0, value, "aria-label": label }),
    h("span", {}, format(value)),
  ];
}

function actions(encoder) {
  const out = ["draining", "stopped"].includes(encoder.state);
  const verbs = out ? [[encoder.state === "stopped" ? "start" : "undrain", "Put back"]] : [["drain", "Drain"]];
  return verbs.map(([action, label]) =>
    h("button", {
      type: "button",
      "data-focus": `${encoder.encoder_id}-${action}`,
      "aria-label": `${label}: ${encoder.name}`,
      onclick: () => order(encoder, action),
    }, label));
}

async function order(encoder, action) {
  try {
    await call("POST", `/encoders/${encodeURIComponent(encoder.encoder_id)}/control`, { body: { action } });
    toast(`${encoder.name}: ${action} ordered`);
  } catch (problem) {
    toast([problem.message, problem.hint].filter(Boolean).join(" "));
  }
}
