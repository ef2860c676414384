"use strict";
// The page: it takes an X-ray or a report, asks the API for predictions, and shows them with view.js.
//
// No answer may be taken for that of another X-ray or another text. A new X-ray begins a new study: what is asked about
// the one before is given up, and the box of the report is cleared. Where the text changes, labels of the text before are
// greyed until they are made again. A file that is refused leaves nothing of the study before it.
const $ = (css) => document.querySelector(css);
const root = $("#study");
const TRIES = 6; // how often a request is sent while the server is busy
const REFUSED = [400, 413]; // the statuses of a file that cannot be read
let models = null;
let file = null; // the X-ray; none after a file that was refused
let study = null;
const under = {}; // the requests that are running: report or annotate -> AbortController
let turns = 0; // how many X-rays were taken, by which a sample knows that it comes too late
let aside = ""; // what the status line says of other files that were dropped with the X-ray
let text = ""; // what is in the report's box
let early = false; // whether that text was begun before there was an X-ray, so that it belongs to the next one
let labelled = null; // the text that study.answers.annotate is of
let failed = null; // report or annotate: what the error is about; null if about something else

start();

async function start() {
  listen();
  try {
    [models] = [await getJson("/api/model")];
    await showSamples(await getJson("/api/samples"));
  } catch (error) {
    return fail(error.message);
  }
  describe();
  enable();
}

const seesImages = () => Boolean(models.report) || models.annotate?.image_px !== null;
const readsReportsAlone = () => Boolean(models?.annotate) && models.annotate.image_px === null; // in mode annotate-text
const megabytes = (bytes) => Math.ceil(bytes / 2 ** 20);
const given = (kind) => kind === "report" ? "image alone" : readsReportsAlone() ? "report alone" : "image and report";

// Fit the page's words to what the networks of this server take.
function describe() {
  $("#size").textContent = `, at most ${megabytes(models.upload_bytes)} MB`;
  if (!models.annotate) $("#annotate-missing").textContent = "This server was started without a run of mode annotate.";
  $("#report").disabled = !models.annotate;
  if (!readsReportsAlone()) return;
  $("#report-title label").textContent = "Report";
  $("#report-hint").textContent = "A report that somebody wrote: it is labelled by its words alone." + (seesImages() ? " A new X-ray clears it." : "");
  $("#annotate").textContent = "Label report";
  $("#xray").hidden = !seesImages();
}

async function getJson(address) {
  const response = await fetch(address);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `The server answered ${response.status}`);
  return body;
}

async function showSamples(samples) {
  const list = $(".samples");
  for (const sample of samples) {
    const small = element("img", { src: `/api/samples/${encodeURIComponent(sample.name)}/thumbnail`, alt: "", loading: "lazy", width: 72, height: 72 });
    const button = element("button", { type: "button" }, small, element("span", {}, sample.title));
    button.onclick = () => takeSample(sample);
    list.append(element("li", {}, button));
  }
  $("#samples").hidden = !samples.length;
  if (samples.some((sample) => sample.drawn))
    $("#samples").append(element("p", { class: "faint" }, "Drawings, no X-rays of patients: the networks may not know what to make of them."));
}

async function takeSample(sample) {
  const turn = ++turns;
  try {
    const response = await fetch(`/api/samples/${encodeURIComponent(sample.name)}`);
    if (!response.ok) throw new Error((await response.json()).detail);
    const content = await response.blob();
    if (turn === turns) take([new File([content], sample.name)], models.annotate ? sample.report ?? "" : "");
  } catch (error) {
    if (turn === turns) fail(error.message);
  }
}

function listen() {
  const input = $("#file");
  input.onchange = () => {
    const files = [...input.files];
    input.value = ""; // so that choosing the same file again is noticed
    if (files.length) take(files);
  };
  const over = (on) => $("#drop").classList.toggle("over", on);
  document.addEventListener("dragover", (event) => { event.preventDefault(); over(true); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) over(false); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
  $("#report").value = ""; // some browsers put back what was there before the page was loaded again
  $("#report").oninput = () => {
    if (!text.trim()) early = !file;
    followText();
  };
  $("#report").onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("#annotate").click(); };
  $("#annotate").onclick = () => ask("annotate");
  $("#save").onclick = () => savePage(study, nameRead() || "report").catch((error) => fail(error.message));
}

function enable() {
  $("#annotate").disabled = !models?.annotate || !text.trim() || !(file || readsReportsAlone());
}

// ---- the report ----

// Notice that the text in the report's box is another one.
function followText() {
  text = $("#report").value;
  $("#cleared").replaceChildren(); // what was cleared can be put back until the next change
  if (failed === "annotate") fail("");
  if (study && (under.annotate || study.stale !== isStale())) {
    giveUp("annotate");
    study.missing.annotate = missing().annotate;
    if (!root.hidden) display();
    tell();
  }
  enable();
}

function isStale() {
  return Boolean(study?.answers.annotate) && labelled !== text;
}

// Clear the report for a new X-ray, or replace it by the report that came with it; the user may put it back.
function changeReport(report) {
  const before = text;
  $("#report").value = report;
  followText();
  early = false;
  if (!before.trim() || before === report) return;
  const button = element("button", { type: "button", id: "put-back" }, "Put it back");
  button.onclick = () => putBack(before);
  $("#cleared").replaceChildren(element("span", {}, "The report that was here was cleared for the new X-ray."), button);
}

function putBack(before) {
  $("#report").value = before;
  followText();
  early = false;
  $("#report").focus();
  if ($("#annotate").disabled) return;
  const beside = readsReportsAlone() ? "" : ` with ${file.name}`;
  say(`The report is back. It is not read${beside} until you choose “${$("#annotate").textContent}”.`);
}

// ---- the X-ray ----

// Take the first of some files as the X-ray, with the report that came with it (undefined if none could have).
function take(files, report) {
  turns++;
  const [first] = files;
  if (!models) return fail("The server has not said yet what it has; try again");
  if (!seesImages()) return fail("This server reads reports alone; paste one");
  forget();
  fail("");
  aside = files.length > 1 ? ` One X-ray at a time: ${counted(files.length - 1, "other file")} left out.` : "";
  if (report !== undefined || !early) changeReport(report ?? "");
  if (first.size > models.upload_bytes)
    return refuse(`${first.name} has ${megabytes(first.size)} MB; at most ${megabytes(models.upload_bytes)} MB are read`);
  file = first;
  early = false;
  begin(file.name);
  enable();
  if (models.report) ask("report");
  if (text.trim() && models.annotate) ask("annotate");
  else if (!models.report) preview();
}

function begin(name) {
  const titles = { report: "From the image alone", annotate: `From the ${given("annotate").replace("and", "and the")}` };
  study = { name, picture: null, answers: { report: null, annotate: null }, missing: missing(), titles, stale: false };
}

// Give up the study, so that nothing of it is on the page.
function forget() {
  giveUp("report");
  giveUp("annotate");
  file = study = labelled = null;
  root.hidden = $("#save-row").hidden = true;
  $(".xray").removeAttribute("src");
}

function giveUp(kind) {
  under[kind]?.abort();
  delete under[kind];
}

// Say why a file is not read, and show no other as if it were this one.
function refuse(why) {
  forget();
  enable();
  tell();
  fail(why);
}

function missing() {
  const run = (mode) => `This server was started without a run of mode ${mode}.`;
  const paste = readsReportsAlone() ? "Paste a report above to have it labelled." : "Paste a report above to have the image labelled with it.";
  return {
    report: models.report ? file ? "Not asked yet." : "Choose an X-ray above." : seesImages() ? run("report") : null,
    annotate: models.annotate ? paste : run("annotate"),
  };
}

// Where no network reads images alone: show the file as the browser does, until there is an answer.
function preview() {
  say(`Paste the report that belongs to ${study.name}.${aside}`);
  const reader = new FileReader();
  const [of, kind] = [study, /\.(png|jpe?g)$/i.exec(file.name)];
  reader.onload = () => { if (of === study && !study.picture) { study.picture = reader.result; display(); } };
  if (kind) reader.readAsDataURL(file);
  $("#report").focus();
}

async function ask(kind) {
  const textAlone = kind === "annotate" && readsReportsAlone();
  if (!study && textAlone) begin("report");
  if (!study || !(file || textAlone)) return;
  const asked = text;
  if (kind === "annotate" && [...asked].length > models.report_characters)
    return fail(`The report has ${counted([...asked].length, "character")}; at most ${models.report_characters.toLocaleString("en")} are read`, kind);
  giveUp(kind);
  const abort = (under[kind] = new AbortController());
  const of = study;
  const form = new FormData();
  if (!textAlone) form.append("image", file, file.name);
  if (kind === "annotate") form.append("report", asked);
  if (kind === "annotate") early = false;
  of.missing[kind] = "Reading ...";
  fail("");
  tell();
  try {
    const answer = await post(`/api/${kind}?picture=true`, form, abort.signal);
    if (of !== study || under[kind] !== abort) return;
    of.answers[kind] = answer;
    of.picture = answer.picture ?? of.picture;
    if (kind === "annotate") labelled = asked;
    delete under[kind];
    display();
    tell();
  } catch (error) {
    if (error.name === "AbortError" || of !== study || under[kind] !== abort) return;
    if (!textAlone && REFUSED.includes(error.status))
      return refuse(error.status === 413 ? `${file.name}: ${error.message}` : error.message);
    delete under[kind];
    of.missing[kind] = "No answer.";
    tell();
    fail(error.message, kind);
    if (!root.hidden) display();
  }
}

async function post(address, form, signal) {
  for (let tries = 1; ; tries++) {
    const response = await fetch(address, { method: "POST", body: form, signal }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Error("The server does not answer; is it still running?");
    });
    if (response.status === 503 && tries < TRIES) {
      const seconds = Math.min(30, Number(response.headers.get("Retry-After")) || 2);
      say(`The server is busy; trying again in ${seconds} s.`);
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
      if (signal.aborted) throw new DOMException("", "AbortError");
      continue;
    }
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw Object.assign(new Error(body.detail ?? `The server answered ${response.status}`), { status: response.status });
    return body;
  }
}

function display() {
  root.hidden = false;
  study.stale = isStale();
  showStudy(root, study);
  $("#save-row").hidden = !study.answers.report && !study.answers.annotate;
}

// Write the status line: what is running, else a summary of the answers.
function tell() {
  const running = Object.keys(under).length > 0;
  root.setAttribute("aria-busy", running);
  document.body.classList.toggle("busy", running);
  if (!study) return say(`No X-ray is loaded.${aside}`);
  if (running) return say(`Reading ${under.report || !readsReportsAlone() ? study.name : "the report"} ...${aside}`);
  const said = Object.entries(study.answers).filter(([, answer]) => answer).map(([which, answer]) => {
    if (which === "annotate" && study.stale) return `${given(which)}: not read again since the report was changed`;
    const named = answer.findings.filter((finding) => finding.named).map((finding) => readable(finding.name));
    const classified = answer.findings.some((finding) => finding.probability !== null);
    return `${given(which)}: ${classified ? named.join(", ") || "no label named" : "a report, no labels"}`;
  });
  const name = nameRead();
  say(said.length ? `${name ? `${name}. ` : ""}${said.join(". ")}.${aside}` : "");
}

// The name of the file that there is an answer of; empty if there is none.
function nameRead() {
  return Object.values(study.answers).find((answer) => answer?.name)?.name ?? "";
}

function say(message) {
  if ($("#status").textContent !== message) $("#status").textContent = message; // the same is not read out again
}

// Show an error, as it is: it may begin with the name of a file.
function fail(message, kind = null) {
  $("#error").textContent = message;
  failed = message ? kind : null;
}
