"use strict";
// The words of a report, each of which may be chosen; and an answer as text to copy.

// As text to read, or with `details` as the network takes it: <START>, and a space between all words.
function words(answer, details) {
  const paragraph = element("p", { class: details ? "words" : "words prose" });
  const largest = Math.max(...answer.words.map((word) => word.g ?? 0));
  const headings = ["findings", "impression"];
  answer.words.forEach(({ word, text, g }, t) => {
    if (!details && !text) return;
    const [space, shown] = details ? [" ", word] : [/^\s*/.exec(text)[0], text.trimStart()];
    const heads = headings.includes(word) && answer.words[t + 1]?.word === ":";
    if (details ? t && heads && word === "impression" : space.includes("\n")) paragraph.append(element("br"));
    else paragraph.append(space);
    const span = element("span", { class: `word pick${heads && !details ? " heading" : ""}`, "data-t": t }, shown);
    if (g !== null) {
      span.style.setProperty("--g", largest > 0 ? g / largest : 0);
      if (details) span.title = `g = ${g.toFixed(4)}`;
    }
    paragraph.append(span);
  });
  if (answer.cut_at !== null) paragraph.append(" [...]");
  return paragraph;
}

function wordsKey(answer, details) {
  const largest = Math.max(...answer.words.map((word) => word.g ?? 0));
  const parts = [];
  if (largest > 0) parts.push(`The stronger the shade, the more the labels rest on the word${details ? ` (largest g: ${largest.toFixed(3)})` : ""}.`);
  if (answer.a) parts.push("Point at a word, or choose it, to see where the network looked.");
  if (details && answer.log_probability !== null) parts.push(`The log-probability of the report is ${answer.log_probability.toFixed(2)}.`);
  return parts.join(" ");
}

function cut({ report, cut_at }) {
  const words = counted(cut_at, "word");
  if (report !== null) return `Stopped at ${words}, the most that is written: the report did not come to its end.`;
  return `Cut: the first ${words} were read, the most that is read. What the report says after them has no part in the labels.`;
}

// ---- to copy ----

function answerText(answer, shift) {
  const lines = [];
  if (answer.report !== null) lines.push(answer.text + (answer.cut_at === null ? "" : " [...]"), "");
  const findings = judged(answer.findings, shift);
  if (findings.some(({ probability }) => probability !== null)) {
    const named = findings.filter((finding) => finding.named).map(({ name, probability }) => `${readable(name)} (${percent(probability)})`);
    lines.push(`Labels: ${named.join(", ") || "none"}${shift ? ", at thresholds that were moved" : ""}`, "");
  }
  lines.push(`By TieNet${answer.name ? ` from ${answer.name}` : ""}, not verified. Research software, not a medical device: not for diagnosis.`);
  return `${lines.join("\n")}\n`;
}

// Copy a text; browsers give pages without HTTPS no clipboard, but for those of this computer.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = element("textarea", { class: "unseen", readonly: "", "aria-hidden": "true" });
    box.value = text;
    const focused = document.activeElement;
    document.body.append(box);
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    focused?.focus();
    return done;
  }
}
