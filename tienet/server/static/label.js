"use strict";
// The page of a reader: one study at a time, its answers by keys, and the way through the studies.
//
// What the page says is kept is on the server's disk. A key that comes before a study is on the screen does nothing, so that
// none is answered unseen. Where another tab has answered the study meanwhile, both tabs' answers are kept, and the study
// cannot be finished before there was time to see it as it is now.

const $ = (css) => document.querySelector(css);
const TO_LOOK_MS = 1500; // before a study that another tab has changed can be finished
const MOST_SECONDS = 300; // at one answer: longer is a reader who went away
const DECIDING = { rest: "Each label on which they differ needs an answer." };
const CHANGED = "Another tab has answered this study, too. Look at it as it is now before you finish it.";
const LABELLING = { rest: "What has no answer is not there when you finish; No Finding then follows from the findings." };
let task = null;
let study = null; // the one that keys answer; null while it is being finished and while another is fetched
let onScreen = null; // the one whose report and labels are shown
let pictured = false; // whether its picture is there, or it is said why not
let pending = {}; // its answers that are on their way
let seen = 0; // since when it is looked at, in ms; counted while the page is visible
let changedAt = -TO_LOOK_MS; // when it was last seen that another tab has changed the study
let looked = 0; // seconds before that which no answer has yet

start();

async function start() {
  try {
    task = await getJson("/api/task");
  } catch (error) {
    return fail(error.message);
  }
  const deciding = task.kind === "decide";
  const whom = deciding ? `, on which ${task.readers.join(" and ")} differ` : "";
  $("#task").textContent = `reader ${task.reader}: ${studies(task.finished.length)} of ${task.data}${whom}`
    + (task.assist ? `; labels of ${task.assist} are shown, which is noted` : "");
  $("#rest").textContent = (deciding ? DECIDING : LABELLING).rest;
  $("#where").hidden = false;
  $("#goto").max = task.finished.length;
  listen();
  const wanted = Number(location.hash.slice(1)) - 1;
  if (task.finished[wanted] !== undefined) return show(wanted);
  const next = nextOpen(-1);
  if (next === null) allDone();
  else show(next);
}

function listen() {
  $("#labels").onsubmit = (event) => { event.preventDefault(); finish(); };
  $("#back").onclick = () => study && study.saved.number > 0 && show(study.saved.number - 1);
  $("#skip").onclick = skip;
  $("#undo").onclick = undo;
  $("#goto").onchange = (event) => {
    const number = Math.round(event.target.valueAsNumber);
    if (number >= 1 && number <= task.finished.length) show(number - 1);
  };
  document.addEventListener("keydown", key);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stopClock();
    else {
      seen = performance.now();
      if (study && !isKeeping()) refresh();
    }
  });
  window.addEventListener("hashchange", () => {
    const number = Number(location.hash.slice(1)) - 1;
    if (task.finished[number] !== undefined && number !== study?.saved.number) show(number);
  });
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.repeat) return;
  const typing = event.target.matches("input[type=number], input[type=range]");
  if (typing) return;
  const pressed = event.key.toLowerCase();
  const label = task.labels.find((one) => one.key === pressed);
  const steps = { b: $("#back"), w: $("#skip"), u: $("#undo") };
  if (pressed === "enter" && !event.target.matches("button, summary, a")) finish();
  else if (pressed in steps) steps[pressed].click();
  else if (label && study) {
    if (!study.asked.includes(label.name)) return say(`${label.text} is not asked of this study.`);
    const before = { ...study.saved.answers, ...pending }[label.name] ?? null;
    choose(label.name, answerOfKey(before, event.shiftKey));
  } else if ("+-=0ir".includes(pressed) && pressed.length === 1 && study && event.target !== $(".frame")) {
    $(".frame").dispatchEvent(new KeyboardEvent("keydown", { key: event.key, bubbles: false }));
  } else return;
  event.preventDefault();
}

// ---- answers ----

function choose(name, answer) {
  if (!study) return;
  const of = study;
  pending[name] = answer;
  draw();
  send(of, { answers: { [name]: answer } }, (reply) => {
    take(of, reply);
    if (study === of) say(`Kept: ${readable(name)} ${stateName(answer)}.`);
  });
}

function finish() {
  if (!study) return;
  if (!pictured) return say("The picture is not there yet.");
  if (performance.now() - changedAt < TO_LOOK_MS) return fail(CHANGED);
  const of = study;
  study = null; // keys that come now are not of the study that is left
  send(of, { answers: {}, done: true }, (reply) => {
    task.finished[of.saved.number] = true;
    task.seconds_each = reply.progress.seconds_each;
    const next = nextOpen(of.saved.number);
    if (next === null) allDone();
    else show(next);
  });
}

function skip() {
  if (!study) return;
  const next = nextOpen(study.saved.number);
  if (next === null || next === study.saved.number) return say("There is no other open study.");
  show(next);
}

function undo() {
  const of = study;
  if (!study && $("#all-done").hidden) return;
  study = null;
  keep(null, (id) => ["/api/undo", { id }], {
    ...listening(),
    kept: async (reply) => {
      task.finished[reply.number] = reply.done;
      task.seconds_each = reply.progress.seconds_each;
      await show(reply.number);
      say(`The last answer was taken back, of study ${reply.number + 1}.`);
    },
    refused: (error) => { study = of && onScreen === of ? of : study; fail(error.message); },
  });
}

// Send an answer of a study.
function send(of, body, kept) {
  stopClock();
  const seconds = Math.min(MOST_SECONDS, looked);
  [looked, seen] = [0, performance.now()];
  keep(of, (id) => [`/api/studies/${of.saved.number}/answers`, { id, study: of.saved.study, version: of.saved.version, seconds, ...body }], {
    ...listening(),
    done: Boolean(body.done),
    kept: (reply) => {
      of.saved = reply;
      if (performance.now() - changedAt >= TO_LOOK_MS) fail("");
      kept(reply);
    },
    refused: (error) => {
      if (error.body.saved) return overtaken(of, body, kept, error.body.saved);
      dropUnsent(of);
      showAgain(of).then(() => fail(error.message));
    },
  });
}

// Another tab has answered the study: its answers are shown, and this tab's, but for its end, are sent once more.
function overtaken(of, body, kept, saved) {
  of.saved = saved;
  task.finished[saved.number] = saved.done;
  changedAt = performance.now();
  dropUnsent(of, true);
  if (!body.done) send(of, body, kept);
  if (body.done || onScreen === of) showAgain(of, !body.done).then(() => fail(CHANGED));
}

// Bring a study back onto the screen as it is kept, and with the answers that are on their way if `going` says so.
async function showAgain(of, going = false) {
  task.finished[of.saved.number] = of.saved.done;
  if (onScreen !== of) return show(of.saved.number);
  study = of;
  if (!going) pending = {};
  draw();
}

function listening() {
  return {
    silent: () => fail("The server does not answer. The last answer is not kept yet: it is sent again until it is. Do not close this page."),
    heard: () => fail(""),
  };
}

// Take over what is kept of a study.
function take(of, saved) {
  for (const [name, answer] of Object.entries(pending)) {
    if (study === of && (saved.answers[name] ?? null) === answer) delete pending[name];
  }
  task.finished[saved.number] = saved.done;
  task.seconds_each = saved.progress.seconds_each;
  if (study === of) draw();
}

// Look whether another tab has answered the study meanwhile.
async function refresh() {
  const of = study;
  const [now, found] = await Promise.all([getJson("/api/task"), getJson(`/api/studies/${of.saved.number}`)]).catch(() => []);
  if (!found || study !== of || isKeeping()) return;
  [task.finished, task.seconds_each] = [now.finished, now.seconds_each];
  if (found.saved.version !== of.saved.version) {
    changedAt = performance.now();
    say("Another tab has answered this study; these are its answers.");
  }
  of.saved = found.saved;
  draw();
}

// ---- the way through the studies ----

// The next study that is not finished, after the last one from the first; null if all are.
function nextOpen(number) {
  const count = task.finished.length;
  for (let n = 1; n <= count; n++) {
    const at = (number + n + count) % count;
    if (!task.finished[at]) return at;
  }
  return null;
}

function allDone() {
  study = onScreen = null;
  $("#study").hidden = true;
  $("#all-done").hidden = false;
  $("#all-done-title").textContent = task.finished.length === 1 ? "The study is finished" : `All ${task.finished.length} studies are finished`;
  $("#result").textContent = `${task.result} Undo (u) opens the last study again.`;
  $("#position").textContent = "";
  progress(task.finished.length);
  say("");
  $("#all-done-title").focus();
}

function stopClock() {
  if (!document.hidden || seen) looked += Math.max(0, performance.now() - seen) / 1000;
  seen = performance.now();
}

function studies(count) {
  return `${count} ${count === 1 ? "study" : "studies"}`;
}

function say(text) {
  $("#status").textContent = text;
}

function fail(text) {
  if ($("#error").textContent !== text) $("#error").textContent = text;
}
