// "Write a better one": opened, the field starts as a copy of the better response; another source brings its copy, as
// long as nothing was changed in the one before.

/** The letter of the response that the person holds for the better one, or nothing. */
function better() {
  const choice = document.querySelector("input[name=choice]:checked")?.value ?? "";
  if (/^[ab][1-4]$/.test(choice)) return choice[0].toUpperCase();
  return [...document.querySelectorAll("select[data-rank]")].find((select) => select.value === "1")?.dataset.rank;
}

function copyOf(letter) {
  return document.querySelector(`[data-edit] template[data-source="${letter}"]`)?.content.textContent ?? "";
}

function fill(letter) {
  const field = document.getElementById("edit-text");
  field.value = copyOf(letter);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// The click comes before the field has the focus, so that what is typed next stands behind the copy.
document.addEventListener("click", (event) => {
  const box = event.target.closest?.("[data-edit] > summary")?.parentElement;
  if (!box || box.open || document.getElementById("edit-text").value) return;
  const source = document.getElementById("edit-source");
  source.value = better() ?? source.value;
  source.dataset.before = source.value;
  fill(source.value);
});

document.addEventListener("change", (event) => {
  if (event.target.id !== "edit-source") return;
  const field = document.getElementById("edit-text");
  if (!field.value || field.value === copyOf(event.target.dataset.before ?? "")) fill(event.target.value);
  event.target.dataset.before = event.target.value;
});
