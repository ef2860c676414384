"use strict";
// Texts, numbers and elements, for all pages.

const LIMIT = Math.log(9999); // the scale of probability goes from 0.01% to 99.99%
const AXIS = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function counted(n, what) {
  return `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
}

function readable(name) {
  return name.replaceAll("_", " ");
}

// Two significant digits of the distance to 0% or 100%; as `percent` of tienet/pages/probability.py.
function percent(p) {
  if (p === null) return "–";
  const rest = Math.min(p, 1 - p) * 100;
  const digits = rest >= 9.95 ? 0 : rest >= 0.995 ? 1 : rest >= 0.0995 ? 2 : 3;
  return `${(100 * p).toFixed(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")}%`;
}

// The place of a probability on the scale, which is that of the log-odds; as `place` of tienet/pages/probability.py.
function place(p) {
  const share = (Math.max(-LIMIT, Math.min(LIMIT, logOdds(p))) + LIMIT) / (2 * LIMIT);
  return `${(100 * share).toFixed(2)}%`;
}

function logOdds(p) {
  return Math.log(p / (1 - p));
}
