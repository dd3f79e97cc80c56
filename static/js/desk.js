// The desk: honest times, a heartbeat for the lease, a kept draft, one send at a time, and a form that survives a lost
// connection. The server decides everything; this only measures and protects what the person does.

import { Clock } from "./clock.js";
import { csrfToken, isTyping } from "./page.js";

const HEARTBEAT_MS = 60000;
// Who has not touched the page for this long has left: the lease may run out, and the task be handed on.
export const AWAY_AFTER_MS = 600000;
const ACTIVITY = ["pointermove", "pointerdown", "keydown", "wheel", "scroll", "touchstart"];

let clock = null;
let desk = null;
let beat = null;
let isPaused = false;

/** Whether somebody can be looking: the page in front, its window in focus, and no pause. */
function isPresent() {
  return !document.hidden && document.hasFocus() && !isPaused;
}

function notePresence() {
  clock?.setPresent(isPresent(), performance.now());
}

function form() {
  return document.querySelector("[data-judgement]");
}

/** Under which a field's text is kept in this browser. */
function draftKey(field) {
  return `accord:draft:${desk?.dataset.draftKey}:${field.name}`;
}

function draftFields() {
  return desk ? [...desk.querySelectorAll("[data-draft]")] : [];
}

function writeTimes(target) {
  clock.touch(performance.now());
  for (const [name, value] of [["active_ms", clock.active], ["idle_ms", clock.idle]]) {
    const input = target.elements.namedItem(name);
    if (input) input.value = String(Math.round(value));
  }
}

async function sendHeartbeat() {
  const url = desk?.dataset.heartbeatUrl;
  if (!url || document.hidden || isPaused || performance.now() - clock.last > AWAY_AFTER_MS) return;
  const asked = desk;
  try {
    const response = await fetch(url, { method: "POST", headers: { "X-CSRF-Token": csrfToken() }, redirect: "manual" });
    if (response.status < 500) setLost(false);
    if (response.headers.has("Lease-Until")) asked.dataset.leaseUntil = response.headers.get("Lease-Until");
    if (response.status === 409 && desk === asked) desk.querySelector("[data-lease-ended]").hidden = false;
  } catch {
    setLost(true);
  }
}

function setLost(isLost) {
  const notice = desk?.querySelector("[data-connection-lost]");
  if (notice) notice.hidden = !isLost;
}

/** Sending: buttons wait, and say so to readers; the form itself stays as it is. */
function setSending(isSending) {
  desk?.classList.toggle("is-sending", isSending);
  desk?.setAttribute("aria-busy", String(isSending));
  for (const button of desk?.querySelectorAll("[data-send], [data-skip] button") ?? []) {
    button.setAttribute("aria-disabled", String(isSending));
  }
}

function restoreDrafts() {
  for (const field of draftFields()) {
    const kept = sessionStorage.getItem(draftKey(field));
    if (!kept || field.value) continue;
    field.value = kept;
    const box = field.closest("details");
    if (box) box.open = true;
  }
}

/** Take up the task that is on the page, if it is another one; without a task there is nothing to measure. */
function start() {
  const found = document.querySelector("[data-desk]");
  if (found === desk) return;
  desk = found;
  clearInterval(beat);
  clock = desk && new Clock(performance.now(), isPresent());
  if (!desk) return;
  restoreDrafts();
  beat = setInterval(sendHeartbeat, HEARTBEAT_MS);
}

for (const kind of ACTIVITY) {
  document.addEventListener(kind, () => clock?.touch(performance.now()), { passive: true, capture: true });
}
document.addEventListener("visibilitychange", () => {
  notePresence();
  if (!document.hidden) sendHeartbeat();
});
window.addEventListener("blur", notePresence);
window.addEventListener("focus", notePresence);
document.addEventListener("accord:pause", () => {
  sendHeartbeat(); // the last one: from now on the lease runs out
  isPaused = true;
  notePresence();
});
document.addEventListener("accord:resume", () => {
  isPaused = false;
  notePresence();
  sendHeartbeat();
});
window.addEventListener("offline", () => setLost(true));
window.addEventListener("online", sendHeartbeat);

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-draft]")) sessionStorage.setItem(draftKey(event.target), event.target.value);
});

// Bubbling on the document would come after htmx's own listener on the form: capture, so that times are written first.
document.addEventListener(
  "submit",
  (event) => {
    if (!event.target.matches("[data-judgement], [data-skip]")) return;
    if (desk.classList.contains("is-sending")) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    writeTimes(event.target);
    setSending(true);
  },
  true,
);

// A page that comes back from the browser's cache must be able to send again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) setSending(false);
});

document.addEventListener("htmx:error", (event) => {
  if (!event.target.closest?.("[data-desk]")) return;
  setSending(false);
  setLost(true);
});
document.addEventListener("htmx:finally:request", (event) => {
  if (event.target.closest?.("[data-desk]")) setSending(false);
});
document.addEventListener("htmx:response:error", (event) => {
  if (!event.target.closest?.("[data-desk]")) return;
  if ((event.detail?.ctx?.response?.status ?? 0) >= 500) setLost(true);
});

let draftsOfLastTask = [];
document.addEventListener("htmx:before:swap", () => {
  draftsOfLastTask = draftFields().map(draftKey);
});
document.addEventListener("htmx:after:swap", () => {
  const before = desk;
  start();
  if (desk === before) {
    setSending(false);
    return;
  }
  const kept = new Set(draftFields().map(draftKey));
  for (const key of draftsOfLastTask) if (!kept.has(key)) sessionStorage.removeItem(key);
  if (!isTyping(document.activeElement)) document.getElementById("task")?.focus({ preventScroll: true });
  if (window.scrollY > 0) window.scrollTo({ top: 0 });
});

// Enter sends from anywhere but a text field; Ctrl+Enter sends from the rationale too.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("[data-draft]")) {
    event.preventDefault();
    form()?.requestSubmit();
  }
});

start();
