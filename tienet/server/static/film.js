"use strict";
// The picture as in a film viewer: zoom, pan, window and level.
//
// A film is {zoom, x, y, width, level, inverted}. x and y, at most 0, are where the left upper corner of the picture
// lies, in sides of the frame. Window width and level are of the delivered picture, whose grey levels are 0 to 255: a
// level of `level - width / 2` is black and one of `level + width / 2` white.

const WHOLE = { zoom: 1, x: 0, y: 0 };
const AS_DELIVERED = { width: 256, level: 128, inverted: false };
const MAX_ZOOM = 8;
const ZOOM_STEP = 1.25;
const PAN_STEP = 0.1; // of the frame's side, for a key
const GREY_STEP = 8; // of window and level, for a key

function newFilm() {
  return { ...WHOLE, ...AS_DELIVERED };
}

function showFilm(root, film) {
  const $ = (css) => root.querySelector(css);
  const [frame, image, canvas] = [".frame", ".xray", "canvas.windowed"].map($);
  const pointers = new Map(); // those that are down on the picture: id -> {x, y}
  let loaded = image.complete && image.naturalWidth > 0; // else the pixels would be those of the picture before
  let pixels = null; // of the picture as it was delivered, read when they are first needed

  for (const css of [".zoom-in", ".zoom-out"]) $(css).onclick = () => zoom(css === ".zoom-in" ? ZOOM_STEP : 1 / ZOOM_STEP);
  $(".reset").onclick = reset;
  $(".invert").onclick = () => change({ inverted: !film.inverted });
  $(".window-width").oninput = (event) => change({ width: Number(event.target.value) });
  $(".window-level").oninput = (event) => change({ level: Number(event.target.value) });
  for (const radio of root.querySelectorAll(".drag input")) radio.onchange = show;
  image.onload = () => {
    frame.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
    [loaded, pixels] = [true, null];
    show();
  };
  frame.onkeydown = key;
  frame.onwheel = wheel;
  frame.ondblclick = (event) => zoom(film.zoom > 1 ? 1 / film.zoom : 2, ...shares(event));
  frame.onpointerdown = down;
  frame.onpointermove = move;
  frame.onpointerup = frame.onpointercancel = (event) => { pointers.delete(event.pointerId); show(); };
  show();

  function change(values) {
    Object.assign(film, values);
    film.zoom = within(1, MAX_ZOOM, film.zoom);
    for (const side of ["x", "y"]) film[side] = within(1 - film.zoom, 0, film[side]);
    film.width = within(2, 512, film.width);
    film.level = within(0, 255, film.level);
    show();
  }
  function reset() {
    change({ ...WHOLE, ...AS_DELIVERED });
  }
  // Zoom so that a place of the frame, in shares of its sides, keeps what it shows.
  function zoom(by, across = 0.5, down = 0.5) {
    const to = within(1, MAX_ZOOM, film.zoom * by);
    change({ zoom: to, x: across - ((across - film.x) * to) / film.zoom, y: down - ((down - film.y) * to) / film.zoom });
  }
  function shares({ clientX, clientY }) {
    const box = frame.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  }

  function wheel(event) {
    if (film.zoom === 1 && event.deltaY > 0 && !event.ctrlKey) return; // the page scrolls
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
    zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), ...shares(event));
  }
  function down(event) {
    if (event.button > 1) return; // the right button has the browser's menu
    if (event.pointerType === "mouse") event.preventDefault(); // so that neither picture nor text is dragged away
    frame.focus({ preventScroll: true });
    frame.setPointerCapture(event.pointerId);
    const [x, y] = shares(event);
    pointers.set(event.pointerId, { x, y });
  }
  function move(event) {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const [x, y] = shares(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, { x, y });
    if (other) { // a pinch: each of two fingers keeps what it shows
      const apart = (at) => Math.hypot(at.x - other.x, at.y - other.y) || 1e-3;
      zoom(apart({ x, y }) / apart(before), (before.x + other.x) / 2, (before.y + other.y) / 2);
      return change({ x: film.x + (x - before.x) / 2, y: film.y + (y - before.y) / 2 });
    }
    const moves = $(".drag input[value=move]").checked !== (event.shiftKey || event.buttons === 4);
    if (moves) change({ x: film.x + x - before.x, y: film.y + y - before.y });
    else change({ width: film.width + 512 * (x - before.x), level: film.level + 256 * (y - before.y) });
  }
  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== frame) return;
    const [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    const actions = {
      "+": () => zoom(ZOOM_STEP), "=": () => zoom(ZOOM_STEP), "-": () => zoom(1 / ZOOM_STEP),
      0: () => change(WHOLE), r: reset, i: () => change({ inverted: !film.inverted }),
    };
    if (across || down) {
      if (event.shiftKey) change({ width: film.width + GREY_STEP * across, level: film.level + GREY_STEP * down });
      else if (film.zoom > 1) change({ x: film.x - PAN_STEP * across, y: film.y - PAN_STEP * down });
      else return;
    } else if (event.key.toLowerCase() in actions) actions[event.key.toLowerCase()]();
    else return;
    event.preventDefault();
  }

  function show() {
    const asDelivered = Object.keys(AS_DELIVERED).every((name) => film[name] === AS_DELIVERED[name]);
    const moves = $(".drag input[value=move]").checked;
    $(".film").style.transform = `translate(${100 * film.x}%, ${100 * film.y}%) scale(${film.zoom})`;
    frame.style.touchAction = moves && film.zoom === 1 ? "pan-y" : "none"; // else a finger could not scroll the page
    frame.classList.toggle("moves", moves);
    $(".zoom").textContent = `${Math.round(100 * film.zoom)}%`;
    $(".zoom-out").disabled = film.zoom === 1;
    $(".zoom-in").disabled = film.zoom === MAX_ZOOM;
    $(".invert").setAttribute("aria-pressed", film.inverted);
    $(".reset").disabled = film.zoom === 1 && asDelivered;
    for (const [css, value] of [[".window-width", film.width], [".window-level", film.level]]) $(css).value = value;
    $(".grey").textContent = `window ${Math.round(film.width)}, level ${Math.round(film.level)}${film.inverted ? ", inverted" : ""}`;
    $(".grey").hidden = asDelivered;
    canvas.hidden = asDelivered || !loaded;
    if (!canvas.hidden) paint();
  }
  function paint() {
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!pixels) {
      Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
      context.drawImage(image, 0, 0);
      pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    }
    const grey = greyLevels(film);
    const windowed = new ImageData(canvas.width, canvas.height);
    const [from, to] = [pixels.data, new Uint32Array(windowed.data.buffer)];
    for (let i = 0; i < to.length; i++) to[i] = 0xff000000 | (grey[from[4 * i]] * 0x010101);
    context.putImageData(windowed, 0, 0);
  }
}

// What each grey level of the picture, 0 to 255, is shown as.
function greyLevels({ width, level, inverted }) {
  return Uint8Array.from({ length: 256 }, (_, grey) => {
    const shown = Math.round(within(0, 255, (255 * (grey - level + width / 2)) / width));
    return inverted ? 255 - shown : shown;
  });
}

function within(least, most, value) {
  return Math.max(least, Math.min(most, value));
}
