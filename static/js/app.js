// What every page gains from JavaScript. Everything here improves something that already works without it.

import { csrfToken } from "./page.js";

const texts = document.getElementById("app-texts")?.dataset ?? {};

/** Show a passing message. kind: success | info | warning | error; errors stay until they are closed. */
function showToast(text, kind = "info") {
  const region = document.getElementById("toasts");
  const template = document.getElementById("toast-template");
  if (!region || !template || !text) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.classList.replace("toast-info", `toast-${kind}`);
  const use = toast.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${kind}`));
  toast.querySelector(".toast-text").textContent = text;
  region.append(toast);
  expire(toast);
}

function expire(toast) {
  if (toast.dataset.isTimed) return;
  toast.dataset.isTimed = "true";
  if (toast.classList.contains("toast-error") || toast.classList.contains("toast-warning")) return;
  let timer = setTimeout(() => toast.remove(), 6000);
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("focusin", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", () => {
    timer = setTimeout(() => toast.remove(), 3000);
  });
}

/** Ask before a form with data-confirm is sent. Resolves to whether the person said yes. */
function ask(question) {
  const dialog = document.getElementById("confirm-dialog");
  dialog.querySelector(".confirm-text").textContent = question;
  dialog.returnValue = "cancel";
  dialog.showModal();
  dialog.querySelector("[data-confirm-yes]").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "confirm"), { once: true });
  });
}

const confirmed = new WeakSet();

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (!question) return;
    if (confirmed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const submitter = event.submitter;
    if (await ask(question)) {
      confirmed.add(form);
      form.requestSubmit(submitter);
    }
  },
  true,
);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-theme-form]") || event.defaultPrevented) return;
  event.preventDefault();
  const theme = event.submitter?.value ?? "auto";
  const body = new URLSearchParams(new FormData(form));
  body.set("theme", theme);
  document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-theme-form] button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
  fetch(form.action, { method: "POST", body, redirect: "manual", headers: { "X-CSRF-Token": csrfToken() } }).catch(
    () => showToast(texts.offline, "error"),
  );
});

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.value);
  } catch {
    // Clipboard access is refused outside a secure context: the selection is left for Ctrl+C.
    source.select();
    return;
  }
  const label = button.querySelector(".button-label");
  const before = label.textContent;
  label.textContent = button.dataset.copied;
  setTimeout(() => {
    label.textContent = before;
  }, 2000);
}

document.addEventListener("click", (event) => {
  const target = event.target.closest?.("[data-dialog], [data-copy], [data-close-toast], [data-toggle]");
  if (target?.matches("[data-close-toast]")) target.closest("[data-toast]").remove();
  else if (target?.matches("[data-copy]")) copy(target);
  else if (target?.matches("[data-toggle]")) toggle(event, target);
  else if (target) openDialog(event, target);
  closeMenus(event.target);
});

function openDialog(event, link) {
  const dialog = document.getElementById(link.dataset.dialog);
  if (!dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  dialog.dispatchEvent(new CustomEvent("accord:open"));
  dialog.showModal();
}

function toggle(event, link) {
  const details = document.getElementById(link.dataset.toggle);
  if (!details) return;
  event.preventDefault();
  details.open = !details.open;
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(except)) menu.open = false;
  }
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest("[data-menu][open]") ?? document.querySelector("[data-menu][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

/** "3 minutes ago" goes on being true: each <time data-relative> is written anew every half minute. */
function refreshTimes() {
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  const steps = [
    ["year", 31536000],
    ["month", 2592000],
    ["week", 604800],
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ];
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
    if (Number.isNaN(seconds)) continue;
    const [unit, size] = steps.find(([, length]) => Math.abs(seconds) >= length) ?? steps.at(-1);
    time.textContent = format.format(Math.round(seconds / size), unit);
  }
}

/** Make fresh parts of the page (the whole, or what htmx swapped in) ready. */
function prepare(root) {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  for (const toast of root.querySelectorAll("[data-toast]")) expire(toast);
}

document.addEventListener("htmx:after:swap", () => prepare(document));
document.addEventListener("toast", (event) => showToast(event.detail?.text ?? event.detail?.value, event.detail?.kind));
document.addEventListener("htmx:response:error", (event) => {
  const status = event.detail?.ctx?.response?.status ?? 0;
  if (status >= 500 && !event.target.closest?.("[data-desk]")) showToast(texts.serverError, "error");
});
document.addEventListener("htmx:error", (event) => {
  // A poll that fails tries again by itself; only what a person did is worth a message.
  const source = event.detail?.ctx?.sourceEvent;
  if (source?.isTrusted && !event.target.closest?.("[data-desk]")) showToast(texts.offline, "error");
});

prepare(document);
setInterval(refreshTimes, 30000);
