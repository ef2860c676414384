"use strict";
// The rows of the labels: three states for each, as radio buttons that a mouse, a key and a screen reader can use.

const STATES = [[1, "there"], [0, "not there"], [-1, "cannot tell"]];
const THERE = 1, NOT_THERE = 0, CANNOT_TELL = -1;
const stateName = (answer) => STATES.find(([value]) => value === answer)[1];

// Make the rows of a study's labels; `choose` is called with a label and an answer.
function makeRows(task, study, choose) {
  const settled = task.labels.filter(({ name }) => name in study.settled).map((label) =>
    element("div", { class: "label settled" }, element("span", { class: "name" }, label.text),
      element("span", { class: "faint" }, `${stateName(study.settled[label.name])}, both`)));
  const asked = task.labels.filter(({ name }) => study.asked.includes(name)).map((label) => {
    const title = element("span", { class: "name", id: `label-${label.name}` }, label.text);
    const key = element("kbd", { "aria-hidden": true }, label.key);
    const group = element("span", { class: "states", role: "radiogroup", "aria-labelledby": `label-${label.name}`, "aria-keyshortcuts": label.key });
    for (const [value, text] of STATES) {
      const input = element("input", { type: "radio", name: label.name, value });
      input.onchange = () => choose(label.name, value);
      group.append(element("label", {}, input, element("span", {}, text)));
    }
    return element("div", { class: "label", "data-label": label.name }, key, title, ...saidBy(task, study, label.name), group);
  });
  if (settled.length) asked.push(element("details", {}, element("summary", { class: "faint" }, "on which both agree"), ...settled));
  return asked;
}

// What the two readers, or the network, say of a label.
function saidBy(task, study, name) {
  const parts = [];
  const given = study.given.find(({ label }) => label === name);
  if (given) {
    parts.push(element("span", { class: "given" }, ...given.answers.map((answer, n) =>
      element("span", {}, element("b", {}, task.readers[n]), `: ${stateName(answer)}`))));
  }
  const shown = study.assist.find(({ label }) => label === name);
  if (shown) parts.push(element("span", { class: "assist faint" }, `network ${percent(shown.probability)}${shown.named ? ", named" : ""}`));
  return parts;
}

// Show the answers of a study: those that are kept, and over them those that are on their way.
function showAnswers(rows, study, pending) {
  const answers = { ...study.saved.answers, ...pending };
  for (const row of rows.querySelectorAll("[data-label]")) {
    const answer = answers[row.dataset.label] ?? null;
    row.classList.toggle("pending", row.dataset.label in pending);
    row.dataset.answer = answer === null ? "" : stateName(answer);
    for (const input of row.querySelectorAll("input")) input.checked = answer !== null && Number(input.value) === answer;
    const follows = study.saved.done && answer === null;
    row.classList.toggle("follows", follows);
  }
}

// What a key means for a label that has an answer or none: there, once more not there, with Shift cannot tell.
function answerOfKey(before, shift) {
  if (shift) return before === CANNOT_TELL ? NOT_THERE : CANNOT_TELL;
  return before === THERE ? NOT_THERE : THERE;
}
