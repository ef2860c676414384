"use strict";
const figure = document.querySelector(".picture");
const toggle = document.querySelector("#show-map");
const home = document.querySelector(".home");
if (home) home.hash = location.hash; // the filter of the index, which is kept on the way here and back

if (toggle) {
  // The opacity of the maps follows the slider, which is shown only where this script runs.
  const opacity = figure.querySelector(".opacity");
  const slider = opacity.querySelector("input");
  const follow = () => figure.style.setProperty("--opacity", slider.value / 100);
  opacity.hidden = false;
  slider.addEventListener("input", follow);
  follow();
}

const canvas = document.querySelector("canvas.map");
if (canvas) showWords(canvas);

function showWords(canvas) {
  const overallMap = figure.querySelector("img.map"); // the map a_ws; null in a mode without it
  const caption = figure.querySelector("figcaption");
  if (!overallMap) caption.textContent = "Choose a word of the report to see its map.";
  const overallCaption = caption.innerHTML;
  const words = [...document.querySelectorAll(".word")];
  let pinned = null; // the word whose map stays until it is unpinned
  let pointed = null; // the word under the mouse or with the keyboard's focus

  function show() {
    const word = pointed ?? pinned;
    if (word) draw(canvas, words.indexOf(word));
    canvas.hidden = !word;
    if (overallMap) overallMap.hidden = Boolean(word);
    if (word) caption.replaceChildren(word.dataset.caption, " ", numbers(word.dataset.numbers));
    else caption.innerHTML = overallCaption;
    canvas.setAttribute("aria-label", word ? `attention map of the word ${word.querySelector(".token").textContent}` : "");
    for (const each of words) {
      each.setAttribute("aria-pressed", each === pinned);
      each.classList.toggle("shown", each === word);
    }
  }
  function point(word) {
    pointed = word;
    show();
  }
  function unpin() {
    pinned = null;
    point(null);
  }
  function press(word) {
    if (word === pinned) return unpin();
    pinned = word;
    toggle.checked = true;
    point(word);
  }
  function move(key, word) {
    const seen = visible();
    const at = seen.indexOf(word);
    const steps = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: seen.length - 1 };
    const next = seen[steps[key]];
    if (next) next.focus();
    return key in steps;
  }

  const visible = () => words.filter((word) => word.getClientRects().length); // <START> is seen with the details alone
  const reach = () => words.forEach((word) => { word.tabIndex = word === visible()[0] ? 0 : -1; }); // by Tab; arrow keys reach the others
  document.querySelector("#details").addEventListener("change", () => { unpin(); reach(); });

  words.forEach((word) => {
    word.setAttribute("role", "button");
    word.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && point(word));
    word.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(null));
    word.addEventListener("focus", () => {
      for (const each of words) each.tabIndex = each === word ? 0 : -1;
      if (word.matches(":focus-visible")) point(word);
    });
    word.addEventListener("blur", () => point(null));
    word.addEventListener("click", () => press(word));
    word.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const pressed = event.key === "Enter" || event.key === " ";
      if (pressed && !event.repeat) press(word);
      if (pressed || move(event.key, word)) event.preventDefault();
    });
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && unpin());
  figure.classList.add("follows");
  for (const control of figure.querySelectorAll(".control")) control.hidden = false;
  for (const hint of document.querySelectorAll(".hint")) hint.hidden = false;
  reach();
  show();
}

function numbers(text) {
  const span = document.createElement("span");
  span.className = "numbers";
  span.textContent = text;
  return span;
}

// Draws the map of word t in colour: resized by bicubic interpolation and then scaled by its maximum, as a_ws is.
function draw(canvas, t) {
  const [rows, columns] = [Number(canvas.dataset.rows), Number(canvas.dataset.columns)];
  const cells = bytes(canvas.dataset.maps).subarray(t * rows * columns, (t + 1) * rows * columns);
  const colours = bytes(canvas.dataset.colours);
  const { width, height } = canvas;
  const across = taps(columns, width);
  const down = taps(rows, height);
  const wide = new Float32Array(rows * width);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < width; x++)
      for (const [at, weight] of across[x]) wide[y * width + x] += weight * cells[y * columns + at];
  const values = new Float32Array(height * width);
  for (let y = 0; y < height; y++)
    for (const [at, weight] of down[y])
      for (let x = 0; x < width; x++) values[y * width + x] += weight * wide[at * width + x];
  const peak = values.reduce((largest, value) => Math.max(largest, value), 0);
  const pixels = new ImageData(width, height);
  values.forEach((value, i) => {
    const level = peak > 0 ? Math.round((255 * Math.max(value, 0)) / peak) : 0;
    pixels.data.set([colours[3 * level], colours[3 * level + 1], colours[3 * level + 2], level], 4 * i);
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

// For each of `to` pixels in a row: which four of the row's `from` cells it is interpolated from, each with its weight.
// Outside of the row the cell at its end is taken again.
function taps(from, to) {
  const A = -0.75; // the parameter of the bicubic kernel, with the value that OpenCV uses
  const kernel = (d) =>
    d <= 1 ? ((A + 2) * d - (A + 3)) * d * d + 1 : d < 2 ? ((A * d - 5 * A) * d + 8 * A) * d - 4 * A : 0;
  return Array.from({ length: to }, (_, pixel) => {
    const centre = ((pixel + 0.5) * from) / to - 0.5;
    const first = Math.floor(centre) - 1;
    return [0, 1, 2, 3].map((k) => [
      Math.min(Math.max(first + k, 0), from - 1),
      kernel(Math.abs(centre - first - k)),
    ]);
  });
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
