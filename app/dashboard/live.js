// Follows the system over Socket.IO: all streams and encoders this key may see.

const EVENTS = [
  "stream_health", "stream_changed", "stream_error", "stream_failover",
  "health_update", "encoder_changed", "problem",
];
const EVERYTHING = [{ stream_id: "*" }, { encoder_id: "*" }];

/** `on(event, data)` hears everything; `state(word, detail)` hears connecting, live and away. Returns a stopper. */
export function follow(token, on, state) {
  const socket = globalThis.io({ auth: { token }, transports: ["websocket", "polling"] });
  let stopped = false;
  const dialLater = (ms) => setTimeout(() => stopped || socket.connect(), ms);
  state("connecting");
  socket.on("connect", () => {
    for (const room of EVERYTHING) socket.emit("subscribe", room);
    state("live");
  });
  socket.on("disconnect", (reason) => {
    state("away");
    // The server let go of us: it alone would not be dialled again.
    if (reason === "io server disconnect") dialLater(2000);
  });
  socket.on("connect_error", (error) => {
    state("away", error.data?.code);
    if (!socket.active && error.data?.code !== "not_authenticated") dialLater(5000);
  });
  for (const event of EVENTS) socket.on(event, (data) => on(event, data));
  return () => {
    stopped = true;
    socket.disconnect();
  };
}

/** Adds a foreign script once, when it is first needed. */
export function script(name) {
  const source = `/static/vendor/${name}`;
  const there = document.querySelector(`script[src="${source}"]`);
  if (there) return there.loading;
  const element = document.createElement("script");
  element.src = source;
  element.loading = new Promise((resolve, reject) => {
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${name} did not load`));
  });
  document.head.append(element);
  return element.loading;
}
