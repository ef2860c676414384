"use strict";
// The filter of the list. Its state is in the hash of the address, so a filtered list can be bookmarked, sent and
// returned to. The page has no input `how` if no truth is known, and no input `finding` if no label is named either.
const LETTERS = { either: "rwmnt", true: "rmt", named: "rwn", right: "r", wrong: "w", missed: "m" };
const filters = document.querySelector(".filters");
const [finding, how, study] = ["finding", "how", "study"].map((id) => document.getElementById(id));
const lists = [finding, how].filter(Boolean);
const inputs = [...lists, study];
const count = filters.querySelector("output");
const table = document.querySelector(".index");
const rows = [...table.querySelectorAll("tr")];
const options = [...(finding?.options ?? [])]; // "any", then the labels in the order of the letters of a row
const names = options.map((option) => option.textContent);

// Whether a label of the row (label k, or any label if k is 0) has one of the letters of `kind`.
function has(row, k, kind) {
  const codes = row.dataset.codes;
  if (k > 0) return LETTERS[kind].includes(codes[k - 1]);
  return !how || kind === "either" || [...codes].some((code) => LETTERS[kind].includes(code));
}

function apply() {
  const text = study.value.trim().toLowerCase();
  const found = rows.filter((row) => row.querySelector("th").textContent.toLowerCase().includes(text));
  const kind = how?.value ?? "named";
  const shown = new Set(found.filter((row) => has(row, finding?.selectedIndex ?? 0, kind)));
  for (const row of rows) row.hidden = !shown.has(row);
  options.forEach((option, k) => {
    option.textContent = `${names[k]} (${found.filter((row) => has(row, k, kind)).length})`;
  });
  count.textContent = shown.size ? `${shown.size} of ${rows.length} studies` : `none of ${rows.length} studies`;
  table.hidden = !shown.size;
  for (const link of table.querySelectorAll("a")) link.hash = location.hash;
}

function read() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const input of inputs) input.value = state.get(input.id) ?? "";
  for (const list of lists) if (!list.selectedOptions[0] || list.selectedOptions[0].disabled) list.selectedIndex = 0;
  apply();
}

function write() {
  const state = new URLSearchParams();
  for (const input of inputs) if (input.selectedIndex !== 0 && input.value.trim()) state.set(input.id, input.value.trim());
  const address = new URL(location);
  address.hash = state;
  history.replaceState(null, "", address);
  apply();
}

for (const input of inputs) input.addEventListener("input", write);
filters.querySelector("button").addEventListener("click", () => {
  for (const input of inputs) input.value = "";
  for (const list of lists) list.selectedIndex = 0;
  write();
});
addEventListener("hashchange", read);
filters.hidden = false;
read();
