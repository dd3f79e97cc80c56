// What several scripts share. No side effects on loading: the scripts of a page are loaded by their hashed addresses and
// import this one by its plain name, so a module with side effects imported here would run twice.

const TYPING = "textarea, select, [contenteditable=''], [contenteditable=true]";
const NOT_TYPED = new Set(["radio", "checkbox", "button", "submit", "reset", "range", "color", "file", "image"]);

/** Whether keys pressed in this element are text. */
export function isTyping(element) {
  if (!element?.matches) return false;
  if (element.matches(TYPING)) return true;
  return element.matches("input") && !NOT_TYPED.has(element.type);
}

/** The token that the body carries for htmx. */
export function csrfToken() {
  const headers = document.body.getAttribute("hx-headers:inherited");
  return headers ? JSON.parse(headers)["X-CSRF-Token"] : "";
}
