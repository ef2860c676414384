"use strict";
// Maps in colour, from grids of numbers: rows from the top, each a list of cells.

const MAP_PX_PER_CELL = 8;
// Matplotlib's colour map inferno in 16 steps, whose lightness rises evenly; and blues for what is below 0.
const COLOURS = rgb("000004 0c0826 240c4f 420a68 5d126e 781c6d 932667 ae305c c73e4c dd513a ed6925 f8850f fca50a fac62d f2e661 fcffa4");
const BLUES = rgb("000408 04162b 08284d 0c3a6f 114d90 1961ae 2577c6 388dd8 519fe2 6cb1ea 88c2f0 a4d2f5 bfe1f9 d7edfb ebf6fd");

function rgb(colours) {
  return colours.split(" ").map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
}

// Draw a grid as a map: it is enlarged bicubically and divided by its largest absolute value, and high values are opaque.
// Of attention nothing is below 0 but what enlarging adds beside a peak, which is left out.
function drawMap(canvas, grid, signed) {
  const [rows, columns] = [grid.length, grid[0].length];
  const [width, height] = [MAP_PX_PER_CELL * columns, MAP_PX_PER_CELL * rows];
  const [across, down] = [taps(columns, width), taps(rows, height)];
  const wide = grid.map((cells) => across.map((tap) => tap.reduce((sum, [at, weight]) => sum + weight * cells[at], 0)));
  const values = new Float32Array(height * width);
  for (let y = 0; y < height; y++)
    for (const [at, weight] of down[y])
      for (let x = 0; x < width; x++) values[y * width + x] += weight * wide[at][x];
  const most = values.reduce((a, b) => Math.max(a, signed ? Math.abs(b) : b), 0);
  const picture = new ImageData(width, height);
  values.forEach((value, i) => {
    const level = most > 0 ? Math.max(signed ? Math.abs(value) : value, 0) / most : 0;
    picture.data.set([...colour(value < 0 ? BLUES : COLOURS, level), Math.round(255 * level)], 4 * i);
  });
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

function colour(colours, level) {
  const at = level * (colours.length - 1);
  const below = Math.min(Math.floor(at), colours.length - 2);
  return colours[below].map((value, k) => Math.round(value + (at - below) * (colours[below + 1][k] - value)));
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

// ---- what is said of a map ----

// The sentence for everybody, and with `details` the numbers of the grid.
function ofWhole(answer, details) {
  const grid = answer.a_ws;
  if (!(total(grid) > 0)) return "The attention is 0 everywhere.";
  const from = answer.mode === "annotate" ? "reading the report" : "writing the report";
  const numbers = `a_ws, ${grid.length} by ${grid[0].length} cells, sums to ${total(grid).toFixed(2)}; ${ofPeak(grid)}.`;
  return `Where the network looked while ${from}, all words together.${details ? ` ${numbers}` : ""}`;
}

function ofWord(answer, t, details) {
  const { word, g } = answer.words[t];
  const cells = answer.a[t].length * answer.a[t][0].length;
  const numbers = `Word ${t + 1} of ${answer.words.length}${g === null ? "" : `, g = ${g.toFixed(3)}`}; ${ofPeak(answer.a[t])} (uniform: ${percent(1 / cells)}).`;
  return `Where the network looked at “${word}”.${details ? ` ${numbers}` : ""}`;
}

function ofFinding({ name, map }, details) {
  const [sum, most] = [total(map), largest(map)];
  if (!most.value) return `${readable(name)}: nothing in the image speaks for it or against it.`;
  const numbers = `${signed(sum)} in log-odds, the sum over ${map.length} by ${map[0].length} cells; the largest cell (row ${most.row}, column ${most.column}) adds ${signed(most.value)}.`;
  return `${readable(name)}: warm places speak for it, blue ones against it. In all the image multiplies its odds by ${factor(Math.exp(sum))}.${details ? ` ${numbers}` : ""}`;
}

function ofPeak(grid) {
  const { row, column, value } = largest(grid);
  return `the peak (row ${row}, column ${column}) holds ${percent(value / total(grid))} of the attention`;
}

function total(grid) {
  return grid.flat().reduce((sum, value) => sum + value, 0);
}

// The cell of the largest absolute value; rows and columns are counted from 1.
function largest(grid) {
  let found = { row: 1, column: 1, value: grid[0][0] };
  grid.forEach((cells, y) => cells.forEach((value, x) => {
    if (Math.abs(value) > Math.abs(found.value)) found = { row: y + 1, column: x + 1, value };
  }));
  return found;
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toPrecision(2)}`;
}

function factor(value) {
  return value >= 99.5 ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(2)).toString();
}
