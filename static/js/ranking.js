// Rankings by keyboard. The places are the form's own lists (select[data-rank]); this only moves them: a number picks a
// response and gives it the next place, and the deeds move what was picked last. Without it the lists do it all.

let current = null;

function ranking() {
  return document.querySelector("[data-ranking]");
}

function places() {
  return [...document.querySelectorAll("select[data-rank]")];
}

/** [["B"], ["A", "C"]]: who shares which place, the best first; those without a place are left out. */
function readTiers() {
  const tiers = new Map();
  for (const select of places()) {
    if (!select.value) continue;
    const place = Number(select.value);
    tiers.set(place, [...(tiers.get(place) ?? []), select.dataset.rank]);
  }
  return [...tiers.keys()].sort((a, b) => a - b).map((place) => tiers.get(place));
}

function writeTiers(tiers) {
  for (const select of places()) {
    const index = tiers.findIndex((tied) => tied.includes(select.dataset.rank));
    select.value = index < 0 ? "" : String(index + 1);
  }
  draw();
}

function without(tiers, letter) {
  return tiers.map((tied) => tied.filter((other) => other !== letter)).filter((tied) => tied.length > 0);
}

/** Deeds on a ranking: each takes the tiers and the letter that was picked, and gives the tiers as they are then. */
export const DEEDS = {
  pick(tiers, letter) {
    return tiers.flat().includes(letter) ? tiers : [...tiers, [letter]];
  },
  out(tiers, letter) {
    return without(tiers, letter);
  },
  /** Out of a shared place to one of its own above it, else above the place before. */
  up(tiers, letter) {
    const at = tiers.findIndex((tied) => tied.includes(letter));
    if (at < 0 || (at === 0 && tiers[0].length === 1)) return tiers;
    const to = tiers[at].length > 1 ? at : at - 1;
    const rest = without(tiers, letter);
    return [...rest.slice(0, to), [letter], ...rest.slice(to)];
  },
  down(tiers, letter) {
    const at = tiers.findIndex((tied) => tied.includes(letter));
    if (at < 0 || (at === tiers.length - 1 && tiers[at].length === 1)) return tiers;
    const rest = without(tiers, letter);
    return [...rest.slice(0, at + 1), [letter], ...rest.slice(at + 1)];
  },
  /** Into the place above; pressed again, out of it into one of its own below. */
  tie(tiers, letter) {
    const at = tiers.findIndex((tied) => tied.includes(letter));
    if (at < 0) return tiers;
    const rest = without(tiers, letter);
    if (tiers[at].length > 1) return [...rest.slice(0, at + 1), [letter], ...rest.slice(at + 1)];
    if (at === 0) return tiers;
    return rest.map((tied, index) => (index === at - 1 ? [...tied, letter].sort() : tied));
  },
};

function doDeed(name, letter) {
  if (!letter) return;
  current = name === "out" ? null : letter;
  writeTiers(DEEDS[name](readTiers(), letter));
}

function chip(letter) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "rank-chip";
  button.draggable = true;
  button.dataset.rankChip = letter;
  button.textContent = letter;
  button.setAttribute("aria-pressed", String(letter === current));
  return button;
}

function sentence(tiers, labels) {
  if (tiers.length === 0) return labels.labelNone;
  const order = tiers.map((tied) => tied.join(` ${labels.labelTied} `)).join(` ${labels.labelBetter} `);
  const missing = places().filter((select) => !select.value).map((select) => select.dataset.rank);
  return missing.length > 0 ? `${order}. ${labels.labelMissing} ${missing.join(", ")}` : order;
}

function draw() {
  const box = ranking();
  if (!box) return;
  const tiers = readTiers();
  const items = tiers.map((tied) => {
    const item = document.createElement("li");
    item.className = "rank-place";
    tied.forEach((letter, index) => {
      if (index > 0) item.append("=");
      item.append(chip(letter));
    });
    return item;
  });
  const hadFocus = document.activeElement?.dataset?.rankChip;
  box.querySelector("[data-rank-list]").replaceChildren(...items);
  if (hadFocus) box.querySelector(`[data-rank-chip="${hadFocus}"]`)?.focus();
  const said = box.querySelector("[data-rank-said]");
  const words = sentence(tiers, box.dataset);
  if (said.textContent !== words) said.textContent = words;
  for (const article of document.querySelectorAll("[data-response]")) {
    article.classList.toggle("is-picked", article.dataset.response === current);
  }
}

/** Take up the ranking that is on the page, if there is one. */
function start() {
  const box = ranking();
  current = null;
  if (!box) return;
  for (const element of document.querySelectorAll("[data-rank-pick], [data-rank-list], [data-rank-deeds]")) {
    element.hidden = false;
  }
  draw();
}

document.addEventListener("click", (event) => {
  const pick = event.target.closest?.("[data-rank-pick]");
  if (pick) doDeed("pick", pick.dataset.rankPick);
  const chosen = event.target.closest?.("[data-rank-chip]");
  if (chosen) doDeed("pick", chosen.dataset.rankChip);
  const deed = event.target.closest?.("[data-rank-deed]");
  if (deed) doDeed(deed.dataset.rankDeed, current);
});

document.addEventListener("change", (event) => {
  if (!event.target.matches?.("select[data-rank]")) return;
  current = event.target.value ? event.target.dataset.rank : null;
  draw();
});

// Dragging: a chip onto another one goes to the place before it.
let dragged = null;
document.addEventListener("dragstart", (event) => {
  dragged = event.target.dataset?.rankChip ?? null;
});
document.addEventListener("dragover", (event) => {
  if (dragged && event.target.closest?.("[data-rank-list]")) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const list = event.target.closest?.("[data-rank-list]");
  if (!dragged || !list) return;
  event.preventDefault();
  const target = event.target.closest("[data-rank-chip]")?.dataset.rankChip;
  if (target !== dragged) {
    const rest = without(readTiers(), dragged);
    const at = target ? rest.findIndex((tied) => tied.includes(target)) : rest.length;
    current = dragged;
    writeTiers([...rest.slice(0, at), [dragged], ...rest.slice(at)]);
  }
  dragged = null;
});

let shown = null;
function startIfNew() {
  const task = document.querySelector("[data-desk]");
  if (task === shown) return;
  shown = task;
  start();
}
document.addEventListener("htmx:after:swap", startIfNew);
startIfNew();
