"use strict";
// The findings of an answer: those that are named, a bar for each, and a slider that moves all thresholds.

const NONE = "No_Finding";
const SLIDER = { min: -3, max: 3, step: 0.1 }; // by how much the thresholds move, in log-odds

// The findings with their thresholds moved by `shift` in log-odds. No_Finding is named only where no finding is.
function judged(findings, shift) {
  if (!shift) return findings;
  const moved = findings.map((finding) => {
    if (finding.threshold === null || finding.probability === null) return finding;
    const threshold = 1 / (1 + Math.exp(-logOdds(finding.threshold) - shift));
    return { ...finding, threshold, precision: null, recall: null, named: finding.probability >= threshold };
  });
  const found = moved.some(({ name, named }) => named && name !== NONE);
  return moved.map((finding) => finding.name === NONE && found && finding.named ? { ...finding, named: false } : finding);
}

// A heading, the chips, the bars and the slider; `onChange` is called when the slider has moved, with its value.
function findingsParts(findings, shift, onChange) {
  const [named, table] = [element("div", {}), element("div", {})];
  const fill = (by) => {
    const now = judged(findings, by);
    named.replaceChildren(chips(now, by));
    table.replaceChildren(bars(now, by));
  };
  fill(shift);
  const known = findings.some(({ threshold }) => threshold !== null);
  const slider = known ? [thresholdSlider(shift, (by) => { fill(by); onChange(by); })] : [];
  return [named, element("div", {}, element("h3", {}, "Findings"), ...slider, table)];
}

function thresholdSlider(shift, onChange) {
  const input = element("input", { type: "range", ...SLIDER, value: shift, "aria-label": "move all thresholds" });
  const [said, back] = [element("output", {}), element("button", { type: "button", class: "back" }, "back")];
  const tell = () => {
    const by = Number(input.value);
    said.textContent = !by ? "as chosen in validation" : by < 0 ? "lower: more is named" : "higher: less is named";
    input.setAttribute("aria-valuetext", said.textContent);
    back.hidden = !by;
  };
  input.oninput = () => { tell(); onChange(Number(input.value)); };
  back.onclick = () => { input.value = 0; input.oninput(); input.focus(); };
  tell();
  return element("div", { class: "shift" }, element("span", { "aria-hidden": "true" }, "thresholds"), input, said, back);
}

function chips(findings, shift) {
  const named = findings.filter((finding) => finding.named);
  const known = findings.some((finding) => finding.named !== null);
  const items = named.map((finding) => element("li", {}, "✓ ", element("strong", {}, readable(finding.name)), reliance(finding)));
  if (!named.length) items.push(element("li", {}, known ? "no label reaches its threshold" : "no thresholds are known"));
  const list = element("ul", { class: "chips" }, ...items);
  return shift ? element("div", {}, element("p", { class: "warned moved" }, "At thresholds that you moved:"), list) : list;
}

// What the label's threshold gave on the validation split, as far as it is known.
function reliance({ precision, recall }) {
  const parts = [["precision", precision], ["recall", recall]].filter(([, share]) => share !== null);
  return parts.length ? element("small", {}, " ", parts.map(([name, share]) => `${name} ${percent(share)}`).join(", ")) : "";
}

function bars(findings, shift) {
  const axis = element("div", { class: "axis" });
  for (const p of AXIS) {
    const mark = element("span", {}, percent(p));
    mark.style.left = place(p);
    axis.append(mark);
  }
  const head = row("", cell("th", "columnheader", "", "Finding"), bar(axis), cell("th", "columnheader", "number", "Probability"),
    cell("th", "columnheader", "number", "Threshold"), cell("th", "columnheader", "unseen", "Named"));
  const table = element("table", { class: "labels", role: "table" }, element("thead", { role: "rowgroup" }, head),
    element("tbody", { role: "rowgroup" }, ...findings.map(barRow)));
  return element("div", {}, table, element("p", { class: "faint" }, key(findings, shift)));
}

function barRow({ name, probability, threshold, named, map }, k) {
  const fill = element("i");
  fill.style.width = place(probability);
  const track = element("div", { class: "track" }, fill);
  if (threshold !== null) {
    const tick = element("s");
    tick.style.left = place(threshold);
    track.append(tick);
  }
  const text = [named ? "✓ " : "", readable(name)];
  const title = map ? [element("button", { type: "button", class: "pick finding", "data-k": k }, ...text)] : text;
  const said = named === null ? "" : named ? "named" : "not named";
  return row(named ? "named" : "", cell("th", "rowheader", "", ...title), bar(track), cell("td", "cell", "number", percent(probability)),
    cell("td", "cell", "number faint", threshold === null ? "unknown" : percent(threshold)), cell("td", "cell", "unseen", said));
}

function key(findings, shift) {
  const parts = ["✓: the bar reaches the tick, its threshold; No Finding only where no finding is named."
    + " The scale is that of the odds: it is stretched at both ends."];
  if (findings.some(({ precision, recall }) => precision !== null || recall !== null))
    parts.push("Precision: of the studies that got the label in validation, how many had it; recall: of those that had it, how many got it.");
  if (shift) parts.push("What these thresholds gave in validation is not known.");
  if (findings.some(({ map }) => map)) parts.push("Point at a finding, or choose it, to see what in the image speaks for it and against it.");
  return parts.join(" ");
}

// The roles are given, because a screen reader takes a row that CSS lays out as a grid for no row.
const row = (kind, ...cells) => element("tr", { role: "row", class: kind }, ...cells);
const cell = (name, role, kind, ...text) => element(name, { role, class: kind }, ...text);
const bar = (content) => element("td", { class: "bar", "aria-hidden": "true" }, content);
