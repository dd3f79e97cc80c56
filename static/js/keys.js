// The desk's keys. A control names its keys in data-key ("4 t 0", "u Ctrl+z", "Shift+ArrowStart"): what the page shows
// is what the keys do, and the help lists it from the page. Nothing fires while somebody types.

import { isTyping } from "./page.js";

const IS_RTL = document.documentElement.dir === "rtl";
const NAMES = { Enter: "↵", Escape: "Esc", ArrowStart: IS_RTL ? "→" : "←", ArrowEnd: IS_RTL ? "←" : "→", Shift: "⇧", ArrowUp: "↑", ArrowDown: "↓", Backspace: "⌫" };

/** The event as data-key writes it. Arrows are named by the reading direction, so that they point at the sides. */
function nameOf(event, isRtl = IS_RTL) {
  let key = event.key;
  const [start, end] = isRtl ? ["ArrowRight", "ArrowLeft"] : ["ArrowLeft", "ArrowRight"];
  if (key === start) key = "ArrowStart";
  else if (key === end) key = "ArrowEnd";
  const isCharacter = key.length === 1;
  if (isCharacter) key = key.toLowerCase();
  const modifiers = [];
  if (event.ctrlKey || event.metaKey) modifiers.push("Ctrl");
  if (event.altKey) modifiers.push("Alt");
  // Shift is part of a character ("?"), and a modifier of every other key.
  if (event.shiftKey && !isCharacter) modifiers.push("Shift");
  return [...modifiers, key].join("+");
}

function keysOf(element) {
  return element.dataset.key.split(" ").filter(Boolean);
}

function isUsable(element) {
  if (element.disabled || element.closest("[hidden], dialog:not([open])")) return false;
  const closed = element.closest("details:not([open])");
  return !closed || element.matches("summary");
}

/**
 * The control for a key: those of the group that has the focus first (a criterion's digits), then those in an open
 * data-key-scope (the skip menu's), then the page's. A group's keys work in it alone, and its arrows are the browser's.
 */
function findControl(name) {
  const all = [...document.querySelectorAll("[data-key]")].filter((element) => keysOf(element).includes(name));
  const usable = all.filter(isUsable);
  const group = document.activeElement?.closest("[data-key-within]");
  if (group && /^(Shift\+)?Arrow/.test(name)) return undefined;
  const inGroup = group && usable.find((element) => group.contains(element));
  const outside = usable.filter((element) => !element.closest("[data-key-within]"));
  return (
    inGroup ??
    outside.find((element) => element.closest("[data-key-scope]")) ??
    outside.find((element) => !element.closest("[data-key-scope]"))
  );
}

function press(control) {
  if (control.matches("input[type=radio]")) {
    control.checked = true;
    if (control.closest("[data-key-within]")) control.focus();
    control.dispatchEvent(new Event("change", { bubbles: true }));
    return;
  }
  control.click();
  const field = control.dataset.focus && document.getElementById(control.dataset.focus);
  if (field && control.closest("details")?.open) field.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.repeat) return;
  const active = document.activeElement;
  if (isTyping(active)) {
    if (event.key === "Escape") active.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const name = nameOf(event);
  // Enter and space on a focused button, link or summary belong to it.
  if (["Enter", " "].includes(event.key) && active?.matches("a, button, summary")) return;
  const control = findControl(name);
  if (!control) return;
  event.preventDefault();
  press(control);
});

function labelOf(control) {
  const label = control.closest("label") ?? control;
  const named = label.querySelector(".step-label, .button-label, .pane-label");
  if (named) return named.textContent.trim();
  const copy = label.cloneNode(true);
  for (const hint of copy.querySelectorAll(".keys, svg")) hint.remove();
  return copy.textContent.replace(/\s+/g, " ").trim();
}

function keyElement(name) {
  const group = document.createElement("span");
  group.className = "keys";
  for (const part of name.split("+")) {
    const key = document.createElement("kbd");
    key.className = "key";
    key.textContent = NAMES[part] ?? (part.length === 1 ? part.toUpperCase() : part);
    group.append(key);
  }
  return group;
}

/** Fill the help with the keys of the controls that are on the page now. */
function listKeys(list) {
  const rows = [];
  for (const control of document.querySelectorAll("[data-key]")) {
    if (control.closest("[data-key-within]") || control.closest("[hidden]")) continue;
    const term = document.createElement("dt");
    term.className = "row";
    // A key inside a menu is pressed after the key that opens the menu.
    const opener = control.closest("[data-key-scope]")?.closest("details")?.querySelector("summary[data-key]");
    if (opener) term.append(keyElement(keysOf(opener)[0]));
    term.append(...keysOf(control).map(keyElement));
    const text = document.createElement("dd");
    text.textContent = labelOf(control);
    rows.push(term, text);
  }
  list.replaceChildren(...rows);
}

document.addEventListener(
  "accord:open",
  (event) => {
    const list = event.target.querySelector("[data-key-list]");
    if (list) listKeys(list);
  },
  true,
);
