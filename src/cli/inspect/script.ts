// What the page of `foreword inspect` does in a browser, as the text of a classic script: choose a token and a head, draw
// the maps. It reads the page's own data and loads nothing. Written out as text because the library is typed without
// a document.

/** The script; it expects the elements and the data that page.ts writes. */
export const script = `
"use strict";
const { tokens, layers, heads, weights } = JSON.parse(document.getElementById("data").textContent);
const bytes = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
const T = tokens.length, size = T * (T + 1) / 2, byId = (id) => document.getElementById(id);
const weight = (map, query, key) => key > query ? 0 : bytes[map * size + query * (query + 1) / 2 + key] / 255;
const percent = (p) => (100 * p).toFixed(0) + " %", shown = (i) => "“" + (tokens[i].trim() || "␣") + "” (" + (i + 1) + ")";
let map = 0, query = T - 1;

function colour(name) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((i) => parseInt(probe.fillStyle.slice(i, i + 2), 16));
}

function draw(canvas, map, marked) {
  canvas.width = canvas.height = T;
  const context = canvas.getContext("2d"), image = context.createImageData(T, T);
  const look = colour("--look"), rule = colour("--rule");
  for (let q = 0; q < T; q++) {
    for (let k = 0; k < T; k++) {
      const at = 4 * (q * T + k), seen = k <= q;
      image.data.set(seen ? look : rule, at);
      image.data[at + 3] = seen ? 255 * Math.sqrt(weight(map, q, k)) : q === marked ? 160 : 60;
    }
  }
  context.putImageData(image, 0, 0);
}

const originals = [...byId("surprise").querySelectorAll("button")];
byId("looks").append(...[...byId("surprise").childNodes].map((node) => node.cloneNode(true)));
const looks = [...byId("looks").querySelectorAll("button")];
const thumbnails = Array.from({ length: layers * heads }, (_, i) => {
  const button = document.createElement("button"), canvas = document.createElement("canvas");
  const name = "Block " + (Math.floor(i / heads) + 1) + ", head " + (i % heads + 1);
  button.type = "button", button.title = name, button.append(canvas);
  button.setAttribute("aria-label", name);
  button.addEventListener("click", () => { map = i; show(); });
  return byId("heads").appendChild(button);
});

function show() {
  originals.forEach((button, i) => button.classList.toggle("chosen", i === query));
  byId("token").textContent = shown(query) + ": " + originals[query].dataset.said;
  thumbnails.forEach((button, i) => {
    button.classList.toggle("chosen", i === map);
    button.setAttribute("aria-pressed", i === map);
  });
  byId("name").textContent = thumbnails[map].title;
  looks.forEach((button, i) => {
    button.style.setProperty("--s", Math.sqrt(weight(map, query, i)));
    button.title = i > query ? "later" : percent(weight(map, query, i));
    button.classList.toggle("later", i > query);
    button.classList.toggle("chosen", i === query);
  });
  draw(byId("large"), map, query);
  const most = tokens.map((_, k) => k).sort((a, b) => weight(map, query, b) - weight(map, query, a)).slice(0, 3);
  byId("cell").textContent = shown(query) + " looks most at " +
    most.filter((k) => k <= query).map((k) => shown(k) + " " + percent(weight(map, query, k))).join(", ");
}

for (const button of [...originals, ...looks]) {
  button.addEventListener("click", () => { query = Number(button.dataset.i); show(); });
}
byId("large").addEventListener("pointermove", (event) => {
  const { left, top, width, height } = event.target.getBoundingClientRect();
  const at = (part) => Math.max(0, Math.min(T - 1, Math.floor(part * T)));
  const q = at((event.clientY - top) / height), k = at((event.clientX - left) / width);
  byId("cell").textContent = k > q ? shown(q) + " cannot see " + shown(k)
    : shown(q) + " looks at " + shown(k) + ": " + percent(weight(map, q, k));
});
byId("large").addEventListener("pointerleave", show);
byId("large").addEventListener("click", (event) => {
  const { top, height } = event.target.getBoundingClientRect();
  query = Math.max(0, Math.min(T - 1, Math.floor((event.clientY - top) / height * T)));
  show();
});
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
  query = Math.max(0, Math.min(T - 1, query + step));
  show();
  event.preventDefault();
});
const drawAll = () => { thumbnails.forEach((button, i) => draw(button.firstChild, i, -1)); show(); };
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
byId("maps").hidden = false;
drawAll();
`;
