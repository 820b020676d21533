// The preview: one picture at a time, fetched only while it is looked at.

import { h, show } from "./dom.js";
import { script } from "./live.js";

const RETRY_MS = 2000;

export class Player {
  constructor() {
    this.element = h("div", { class: "screen" });
    this.address = null;
    this.run = 0;
  }

  /** Play `address`; null: say `why` nothing plays. Asking for what plays already changes nothing. */
  play(address, why = "") {
    if (address === this.address && (address || why === this.why)) return;
    this.stop();
    this.address = address;
    this.why = why;
    if (!address) return this.note(why);
    this.start(address, ++this.run);
  }

  stop() {
    this.run += 1;
    this.address = null;
    this.hls?.destroy();
    this.hls = null;
    this.video?.removeAttribute("src");
    this.video = null;
  }

  note(text) {
    show(this.element, h("p", { class: "note" }, text));
  }

  async start(address, run) {
    this.note("Loading the picture…");
    try {
      await script("hls.min.js");
    } catch {
      return this.note("The player could not be loaded.");
    }
    if (run !== this.run) return;
    this.video = h("video", { controls: true, playsinline: true, "aria-label": "Live preview" });
    this.video.muted = true;
    this.video.autoplay = true;
    this.video.addEventListener("loadeddata", () => this.waiting?.remove(), { once: true });
    this.waiting = h("p", { class: "note" }, "Waiting for the first picture…");
    show(this.element, this.video, this.waiting);
    if (globalThis.Hls?.isSupported()) this.attach(address, run);
    else if (this.video.canPlayType("application/vnd.apple.mpegurl")) this.video.src = address;
    else this.note("This browser cannot play HLS. Copy the address into VLC.");
  }

  attach(address, run) {
    const { Hls } = globalThis;
    this.hls = new Hls({ enableWorker: false, liveSyncDurationCount: 2, maxBufferLength: 20, backBufferLength: 10 });
    this.hls.on(Hls.Events.ERROR, (_, problem) => {
      if (!problem.fatal || run !== this.run) return;
      if (problem.type === Hls.ErrorTypes.MEDIA_ERROR) return this.hls.recoverMediaError();
      // Not there yet, or the gateway restarts: the stream says itself when there is no sense in trying.
      setTimeout(() => run === this.run && this.hls?.loadSource(address), RETRY_MS);
    });
    this.hls.loadSource(address);
    this.hls.attachMedia(this.video);
    this.video.play().catch(() => undefined);
  }
}
