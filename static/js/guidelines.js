// The guideline editor saves while one types. A save that waits for the one before it was put together too early: it
// names the state of the draft before that one. It is given the newest state as it leaves, so that nobody is told to
// have been overtaken by themselves.
document.addEventListener("htmx:before:request", (event) => {
  const { request } = event.detail.ctx;
  const newest = document.querySelector("#draft-state [name=seen_at]");
  if (event.target.id === "field-body" && newest && request.body instanceof URLSearchParams) {
    request.body.set("seen_at", newest.value);
  }
});
