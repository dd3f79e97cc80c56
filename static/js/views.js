// Whether the differences of two answers are shown stays as the person left it, from task to task, in this browser.

const KEPT = "accord:differences";

function restore() {
  const isShown = localStorage.getItem(KEPT) === "shown";
  for (const view of document.querySelectorAll("[data-view=difference]")) view.checked = isShown;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-view=difference]")) localStorage.setItem(KEPT, event.target.checked ? "shown" : "hidden");
});
document.addEventListener("htmx:after:swap", restore);
restore();
