"use strict";
// The studies of this session: each X-ray with its report and its answers, kept in this tab until it is closed.

const MAX_STUDIES = 50;
const session = []; // in the order in which they came

// A study, beside what view.js shows of it: its file (null where there is none, or it was refused), the text in the box of
// the report, the text that answers.annotate is of, the requests that run (report or annotate -> AbortController), why
// the file was refused, the last error, and its entry in the list.
function newStudy(name, file, text, titles, remarks, details) {
  const study = {
    name, picture: null, answers: { report: null, annotate: null }, missing: {}, titles, stale: false, film: newFilm(),
    shifts: { report: 0, annotate: 0 }, details, remarks, file, text, labelled: null, under: {}, refused: null, error: null,
  };
  session.push(study);
  const button = element("button", { type: "button" }, element("img", { alt: "", width: 48, height: 48, hidden: "" }),
    element("span", { class: "name" }, name), element("span", { class: "state" }));
  study.entry = element("li", {}, button);
  button.onclick = () => openStudy(study);
  button.onkeydown = (event) => {
    const at = session.indexOf(study);
    const steps = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: session.length - 1 };
    if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = session[steps[event.key]];
    if (!next) return;
    openStudy(next);
    next.entry.firstChild.focus();
  };
  document.querySelector(".studies").append(study.entry);
  return study;
}

function namedIn(study, kind) {
  return judged(study.answers[kind].findings, study.shifts[kind]).filter((finding) => finding.named).map(({ name }) => readable(name));
}

function stateOf(study) {
  if (study.refused) return "⚠ not read";
  if (Object.keys(study.under).length) return "reading ...";
  const kind = KINDS.find((one) => study.answers[one]);
  if (!kind) return study.error ? "⚠ no answer" : "";
  const answer = study.answers[kind];
  const classified = answer.findings.some((finding) => finding.probability !== null);
  const warned = answer.notes.some((note) => !study.remarks.includes(note)) ? "⚠ " : "";
  return warned + (classified ? namedIn(study, kind).join(", ") || "no label named" : "a report");
}

// Bring the entries up to date; `current` is the study that is shown.
function showSession(current) {
  document.querySelector("#session").hidden = !session.length;
  document.querySelector("#session-title").textContent = `This session: ${session.length === 1 ? "1 study" : `${session.length} studies`}`;
  for (const study of session) {
    const [button] = study.entry.children;
    const [image, , state] = button.children;
    image.hidden = !study.picture;
    if (study.picture && !image.src) image.src = study.picture;
    if (state.textContent !== stateOf(study)) state.textContent = stateOf(study);
    button.tabIndex = study === (current ?? session[0]) ? 0 : -1; // Tab reaches one entry, the arrow keys the others
    if (study === current && !button.hasAttribute("aria-current")) bringIntoView(study.entry);
    if (study === current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

// Scroll the list, and not the page.
function bringIntoView(entry) {
  const list = entry.parentElement;
  const [from, to] = [entry.offsetLeft - list.offsetLeft, entry.offsetLeft - list.offsetLeft + entry.offsetWidth];
  if (from < list.scrollLeft) list.scrollLeft = from;
  else if (to > list.scrollLeft + list.clientWidth) list.scrollLeft = to - list.clientWidth;
}

function clearSession() {
  for (const study of session) for (const kind of Object.keys(study.under)) study.under[kind].abort();
  session.length = 0;
  document.querySelector(".studies").replaceChildren();
}
