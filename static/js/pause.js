// A pause covers the page and stops the clock. Nothing is given back: the lease runs on to its end, and the cover says
// how long that is. desk.js hears of it by the events accord:pause and accord:resume.

const dialog = document.getElementById("pause");
const time = dialog?.querySelector("time");
let tick = null;

function tell() {
  const until = document.querySelector("[data-desk]")?.dataset.leaseUntil;
  const left = until ? (Date.parse(until) - Date.now()) / 1000 : NaN;
  dialog.querySelector("[data-lease-runs]").hidden = !(left > 0);
  dialog.querySelector("[data-lease-over]").hidden = !(left <= 0);
  if (!(left > 0)) return;
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  time.dateTime = until;
  time.textContent = left < 90 ? format.format(Math.ceil(left), "second") : format.format(Math.round(left / 60), "minute");
}

function pause() {
  if (dialog.open) return;
  dialog.showModal();
  document.dispatchEvent(new CustomEvent("accord:pause"));
  tell();
  tick = setInterval(tell, 1000);
}

dialog?.addEventListener("close", () => {
  clearInterval(tick);
  document.dispatchEvent(new CustomEvent("accord:resume"));
});
dialog?.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "p" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  event.preventDefault();
  dialog.close();
});
document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-pause]")) pause();
});
