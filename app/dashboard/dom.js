// Builds elements. Text only ever becomes text: there is no way from here to markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("p", {class: "quiet", onclick: go}, "text", child)`. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Put `children` in place of what `element` holds, keeping the keyboard where it was. */
export function show(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  element.replaceChildren(...children.flat().filter(Boolean));
  if (focused) element.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

export function toast(text) {
  const element = byId("toast");
  element.textContent = text;
  element.classList.add("on");
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => element.classList.remove("on"), 3500);
}

/** A text with a button that copies it. */
export function copyable(label, text, { long = false, id } = {}) {
  const output = h("output", { id, "aria-label": label }, text);
  return h("div", {},
    h("h3", {}, label),
    h("div", { class: long ? "copy long" : "copy" },
      output,
      h("button", { type: "button", "aria-label": `Copy ${label}`, onclick: () => copy(output, label) }, "Copy")));
}

async function copy(output, label) {
  try {
    await navigator.clipboard.writeText(output.textContent);
    toast(`${label} copied`);
  } catch {
    // Without HTTPS there is no clipboard: select it, so that one key press copies it.
    getSelection().selectAllChildren(output);
    toast("Press Ctrl+C to copy");
  }
}

/** Asks before something that cannot be undone; resolves to true or false. */
export function confirmed(title, text, verb) {
  const dialog = byId("confirm");
  return new Promise((resolve) => {
    const close = (answer) => { dialog.close(); resolve(answer); };
    show(dialog,
      h("h2", { id: "confirm-title" }, title),
      h("p", {}, text),
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: () => close(false) }, "Cancel"),
        h("button", { type: "button", class: "danger", onclick: () => close(true) }, verb)));
    dialog.addEventListener("cancel", () => resolve(false), { once: true });
    dialog.showModal();
  });
}
