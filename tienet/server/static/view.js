"use strict";
// Shows the predictions for one X-ray. The page that a user downloads contains this script, too.
//
// A study is {name, picture, answers, missing, titles, stale}; answers, missing and titles are objects with the keys
// report and annotate. An answer has the form of the API. `missing` is the text that is shown where there is no answer
// yet; it is null where the server has no such network and nothing is shown. `titles` are the headings of the answers.
// `stale` says that the report was changed after answers.annotate was made: that answer is greyed, and words say so.

const MAP_PX_PER_CELL = 8;
// Matplotlib's colour map inferno in 16 steps, whose lightness rises evenly.
const COLOURS = ["000004", "0c0826", "240c4f", "420a68", "5d126e", "781c6d", "932667", "ae305c",
  "c73e4c", "dd513a", "ed6925", "f8850f", "fca50a", "fac62d", "f2e661", "fcffa4"]
  .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
const LIMIT = Math.log(9999); // the scale of the bars goes from 0.01% to 99.99%
const AXIS = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];

function showStudy(root, study) {
  const $ = (css) => root.querySelector(css);
  const [figure, image, canvas, caption, toggle] =
    [".picture", ".xray", "canvas.map", "figcaption", "#show-map"].map($);
  let whose = null; // report or annotate: the answer whose map a_ws is shown
  let pinned = null; // {kind, t}: the word whose map stays, because the user chose it
  let pointed = null; // {kind, t}: the word under the mouse or with the keyboard's focus

  figure.hidden = !study.picture;
  image.onload = () => $(".frame").style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
  if (study.picture) image.src = study.picture;
  image.alt = `X-ray ${study.name}`;
  $(".file").textContent = study.name;
  $(".notes").replaceChildren(...notes(study).map((note) => element("li", {}, note)));
  for (const kind of ["report", "annotate"]) {
    const pane = $(`[data-answer=${kind}]`);
    const answer = study.answers[kind];
    pane.hidden = !answer && study.missing[kind] === null;
    const stale = isStale(kind);
    pane.classList.toggle("stale", stale);
    pane.querySelector("h2").textContent = `${study.titles[kind]}${stale ? ", before the report was changed" : ""}`;
    pane.querySelector(".found").replaceChildren(
      ...(answer ? shown(kind, answer, stale) : [element("p", { class: "faint" }, study.missing[kind])]));
    if (answer && answer.a) listen(kind, [...pane.querySelectorAll(".word")]);
  }
  const mapped = ["annotate", "report"].filter((kind) => study.answers[kind]?.a_ws);
  whose = mapped[0] ?? null; // the answer to the report that the user gave comes first
  $(".whose").hidden = mapped.length < 2;
  for (const radio of root.querySelectorAll(".whose input")) {
    radio.checked = radio.value === whose;
    radio.onchange = () => { whose = radio.value; pinned = null; redraw(); };
  }
  toggle.onchange = redraw;
  const follow = () => figure.style.setProperty("--opacity", $("#opacity").value / 100);
  $("#opacity").oninput = follow;
  follow();
  root.onkeydown = (event) => { if (event.key === "Escape") { pinned = pointed = null; redraw(); } };
  const anyMap = mapped.length > 0 || Object.values(study.answers).some((answer) => answer?.a);
  for (const css of [".controls", ".scale"]) $(css).hidden = !anyMap;
  redraw();

  function isStale(kind) {
    return kind === "annotate" && Boolean(study.stale && study.answers.annotate);
  }
  function redraw() {
    const word = pointed ?? pinned;
    const answer = study.answers[word?.kind ?? whose];
    const grid = word ? answer.a[word.t] : answer?.a_ws;
    canvas.hidden = !grid || !toggle.checked;
    if (grid) draw(canvas, grid);
    caption.textContent = !answer ? "" : word ? ofWord(answer, word.t) : grid ? ofWhole(answer, grid) : "";
    if (grid && isStale(word?.kind ?? whose)) caption.textContent = `Before the report was changed: ${caption.textContent}`;
    if (!answer && anyMap) caption.textContent = "Choose a word to see its map.";
    canvas.setAttribute("aria-label", caption.textContent);
    for (const each of root.querySelectorAll(".word")) {
      const is = (other) => other && each.dataset.kind === other.kind && Number(each.dataset.t) === other.t;
      each.classList.toggle("shown", Boolean(is(word)));
      if (each.hasAttribute("role")) each.setAttribute("aria-pressed", Boolean(is(pinned)));
    }
  }
  function listen(kind, words) {
    const point = (at) => { pointed = at; redraw(); };
    words.forEach((word, t) => {
      word.setAttribute("role", "button");
      word.tabIndex = t ? -1 : 0; // Tab reaches one word of the report, the arrow keys the others
      word.onpointerenter = (event) => event.pointerType === "mouse" && point({ kind, t });
      word.onpointerleave = (event) => event.pointerType === "mouse" && point(null);
      word.onfocus = () => {
        for (const each of words) each.tabIndex = each === word ? 0 : -1;
        if (word.matches(":focus-visible")) point({ kind, t });
      };
      word.onblur = () => point(null);
      const press = () => {
        const again = pinned && pinned.kind === kind && pinned.t === t;
        pinned = again ? null : { kind, t };
        if (again) pointed = null; else toggle.checked = true;
        redraw();
      };
      word.onclick = press;
      word.onkeydown = (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const steps = { ArrowRight: t + 1, ArrowDown: t + 1, ArrowLeft: t - 1, ArrowUp: t - 1, Home: 0, End: words.length - 1 };
        const pressed = event.key === "Enter" || event.key === " ";
        if (pressed && !event.repeat) press();
        words[steps[event.key]]?.focus();
        if (pressed || event.key in steps) event.preventDefault();
      };
    });
  }
}

// ---- one answer ----

function shown(kind, answer, stale) {
  const said = [element("p", { class: "of" }, ...ofWhat(answer))];
  if (stale) said.push(element("p", { class: "warned" }, "The report was changed. What follows is of the report as it was."));
  return [...said, element("div", { class: stale ? "old" : "" }, ...found(kind, answer))];
}

// Which file and which text an answer is of.
function ofWhat({ name, width, height, given }) {
  const file = [element("b", {}, name), ` (${width} × ${height} pixels)`];
  if (!given) return ["Of ", ...file];
  const text = given.characters ? `the report “${given.start}” (${counted(given.characters, "character")})` : "an empty report";
  return name ? ["Of ", ...file, ` and ${text}`] : [`Of ${text}`];
}

function found(kind, answer) {
  const parts = [];
  const classified = answer.findings.some((finding) => finding.probability !== null);
  if (classified) parts.push(chips(answer.findings));
  if (answer.words.length) {
    const title = answer.report === null ? "Report as it was read" : "Preliminary report";
    parts.push(element("h3", {}, title), words(kind, answer));
    if (answer.cut_at !== null) parts.push(element("p", { class: "warned cut" }, cut(answer)));
    const largest = Math.max(...answer.words.map((word) => word.g ?? 0));
    const hint = [];
    if (largest > 0) hint.push(`The stronger the shade, the more the labels rest on the word (largest g: ${largest.toFixed(3)}).`);
    if (answer.a) hint.push("Point at a word, or choose it, to see where the network looked.");
    parts.push(element("p", { class: "faint" }, hint.join(" ")));
  }
  if (classified) parts.push(element("h3", {}, "Findings"), bars(answer.findings));
  return parts;
}

function chips(findings) {
  const named = findings.filter((finding) => finding.named);
  const known = findings.some((finding) => finding.named !== null);
  const items = named.map((finding) => element("li", {}, "✓ ", element("strong", {}, readable(finding.name)), reliance(finding)));
  if (!named.length) items.push(element("li", {}, known ? "no label reaches its threshold" : "no thresholds are known"));
  return element("ul", { class: "chips" }, ...items);
}

function words(kind, answer) {
  const paragraph = element("p", { class: "words" });
  const largest = Math.max(...answer.words.map((word) => word.g ?? 0));
  answer.words.forEach(({ word, g }, t) => {
    if (t && word === "impression" && answer.words[t + 1]?.word === ":") paragraph.append(element("br"));
    const span = element("span", { class: "word", "data-t": t, "data-kind": kind }, word);
    if (g !== null) {
      span.style.setProperty("--g", largest > 0 ? g / largest : 0);
      span.title = `g = ${g.toFixed(4)}`;
    }
    paragraph.append(span, " ");
  });
  if (answer.cut_at !== null) paragraph.append("[...]");
  return paragraph;
}

function cut({ report, cut_at }) {
  const words = counted(cut_at, "word");
  if (report !== null) return `Stopped at ${words}, the most that is written: the report did not come to its end.`;
  return `Cut: the first ${words} were read, the most that is read. What the report says after them has no part in the labels.`;
}

function bars(findings) {
  const axis = element("div", { class: "axis" });
  for (const p of AXIS) {
    const mark = element("span", {}, percent(p));
    mark.style.left = place(p);
    axis.append(mark);
  }
  const rows = findings.map(({ name, probability, threshold, named }) => {
    const fill = element("i");
    fill.style.width = place(probability);
    const track = element("div", { class: "track" }, fill);
    if (threshold !== null) {
      const tick = element("s");
      tick.style.left = place(threshold);
      track.append(tick);
    }
    const said = named === null ? "" : named ? "named" : "not named";
    return row(named ? "named" : "", cell("th", "rowheader", "", named ? "✓ " : "", readable(name)), bar(track),
      cell("td", "cell", "number", percent(probability)),
      cell("td", "cell", "number faint", threshold === null ? "unknown" : percent(threshold)), cell("td", "cell", "unseen", said));
  });
  const head = row("", cell("th", "columnheader", "", "Finding"), bar(axis), cell("th", "columnheader", "number", "Probability"),
    cell("th", "columnheader", "number", "Threshold"), cell("th", "columnheader", "unseen", "Named"));
  const table = element("table", { class: "labels", role: "table" }, element("thead", { role: "rowgroup" }, head),
    element("tbody", { role: "rowgroup" }, ...rows));
  const known = findings.some(({ precision, recall }) => precision !== null || recall !== null);
  const key = "✓: the bar reaches the tick, its threshold; No Finding only where no finding is named. The scale is that of the odds: it is stretched "
    + "at both ends." + (known ? " Precision: of the studies that got the label in validation, how many had it; recall: of those that had it, "
    + "how many got it." : "");
  return element("div", {}, table, element("p", { class: "faint" }, key));
}

// What the label's threshold gave on the validation split, as far as it is known.
function reliance({ precision, recall }) {
  const parts = [["precision", precision], ["recall", recall]].filter(([, share]) => share !== null);
  return parts.length ? element("small", {}, " ", parts.map(([name, share]) => `${name} ${percent(share)}`).join(", ")) : "";
}

// The roles are given, because a screen reader takes a row that CSS lays out as a grid for no row.
const row = (kind, ...cells) => element("tr", { role: "row", class: kind }, ...cells);
const cell = (name, role, kind, ...text) => element(name, { role, class: kind }, ...text);
const bar = (content) => element("td", { class: "bar", "aria-hidden": "true" }, content);

function notes(study) {
  const answer = study.answers.report ?? study.answers.annotate;
  return answer ? answer.notes : [];
}

// ---- texts and numbers ----

function ofWord(answer, t) {
  const { word, g } = answer.words[t];
  const { row, column, share } = peak(answer.a[t]);
  const cells = answer.a[t].length * answer.a[t][0].length;
  const attention = g === null ? "" : `, g = ${g.toFixed(3)}`;
  return `“${word}” (word ${t + 1} of ${answer.words.length}${attention}): the peak of its map (row ${row}, column ${column})`
    + ` holds ${percent(share)} of its attention (uniform: ${percent(1 / cells)}).`;
}

function ofWhole(answer, grid) {
  const { row, column, share, total } = peak(grid);
  if (!(total > 0)) return "The attention is 0 everywhere.";
  const from = answer.mode === "annotate" ? "image and report" : "image alone";
  return `All words together (a_ws, ${from}), ${grid.length} by ${grid[0].length} cells:`
    + ` the peak (row ${row}, column ${column}) holds ${percent(share)} of the attention.`;
}

function peak(grid) {
  let [row, column, total] = [0, 0, 0];
  grid.forEach((cells, y) => cells.forEach((value, x) => {
    total += value;
    if (value > grid[row][column]) [row, column] = [y, x];
  }));
  return { row: row + 1, column: column + 1, share: total > 0 ? grid[row][column] / total : 0, total };
}

function counted(n, what) {
  return `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
}

function readable(name) {
  return name.replaceAll("_", " ");
}

// Two significant digits of the distance to 0% or 100%.
function percent(p) {
  if (p === null) return "–";
  const rest = Math.min(p, 1 - p) * 100;
  const digits = rest >= 9.95 ? 0 : rest >= 0.995 ? 1 : rest >= 0.0995 ? 2 : 3;
  return `${(100 * p).toFixed(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")}%`;
}

// The place of a probability on the scale, which is that of the log-odds.
function place(p) {
  const odds = Math.log(p / (1 - p));
  const share = (Math.max(-LIMIT, Math.min(LIMIT, odds)) + LIMIT) / (2 * LIMIT);
  return `${(100 * share).toFixed(2)}%`;
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// ---- the map ----

// Draw a grid as a map in colour: it is enlarged bicubically and divided by its maximum; high values are opaque.
function draw(canvas, grid) {
  const [rows, columns] = [grid.length, grid[0].length];
  const [width, height] = [MAP_PX_PER_CELL * columns, MAP_PX_PER_CELL * rows];
  const [across, down] = [taps(columns, width), taps(rows, height)];
  const wide = grid.map((cells) => across.map((tap) => tap.reduce((sum, [at, weight]) => sum + weight * cells[at], 0)));
  const values = new Float32Array(height * width);
  for (let y = 0; y < height; y++)
    for (const [at, weight] of down[y])
      for (let x = 0; x < width; x++) values[y * width + x] += weight * wide[at][x];
  const most = values.reduce((a, b) => Math.max(a, b), 0);
  const picture = new ImageData(width, height);
  values.forEach((value, i) => {
    const level = most > 0 ? Math.max(value, 0) / most : 0;
    picture.data.set([...colour(level), Math.round(255 * level)], 4 * i);
  });
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

function colour(level) {
  const at = level * (COLOURS.length - 1);
  const below = Math.min(Math.floor(at), COLOURS.length - 2);
  return COLOURS[below].map((value, k) => Math.round(value + (at - below) * (COLOURS[below + 1][k] - value)));
}

// For each of `to` pixels, the four cells out of `from` around it, with their weights; border cells are repeated.
function taps(from, to) {
  const A = -0.75; // the parameter of the cubic kernel, as in OpenCV
  const kernel = (d) =>
    d <= 1 ? ((A + 2) * d - (A + 3)) * d * d + 1 : d < 2 ? ((A * d - 5 * A) * d + 8 * A) * d - 4 * A : 0;
  return Array.from({ length: to }, (_, pixel) => {
    const centre = ((pixel + 0.5) * from) / to - 0.5;
    const first = Math.floor(centre) - 1;
    return [0, 1, 2, 3].map((k) => [Math.min(Math.max(first + k, 0), from - 1), kernel(Math.abs(centre - first - k))]);
  });
}
