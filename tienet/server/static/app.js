"use strict";
// The page: it takes an X-ray or a report, asks the API for predictions, and shows them with view.js.
const $ = (css) => document.querySelector(css);
const root = $("#study");
const skeleton = root.innerHTML; // the empty page, with which the downloaded page begins
const TRIES = 6; // how often a request is sent while the server is busy
let models = null;
let file = null;
let study = null;
let under = {}; // the requests that are running: report or annotate -> AbortController
let fromSample = false; // whether the text in the report's box came with a sample

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
const given = (kind) => kind === "report" ? "image alone" : readsReportsAlone() ? "report alone" : "image and report";

// Fit the page's words to what the networks of this server take.
function describe() {
  if (!models.annotate) $("#annotate-missing").textContent = "This server was started without a run of mode annotate.";
  $("#report").disabled = !models.annotate;
  if (!readsReportsAlone()) return;
  $("#report-title label").textContent = "Report";
  $("#report-hint").textContent = "A report that somebody wrote: it is labelled by its words alone.";
  $("#annotate").textContent = "Label report";
  $("#xray").hidden = !seesImages();
}

async function getJson(address) {
  const response = await fetch(address);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `the server answered ${response.status}`);
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
  try {
    const response = await fetch(`/api/samples/${encodeURIComponent(sample.name)}`);
    if (!response.ok) throw new Error((await response.json()).detail);
    $("#report").value = sample.report && models.annotate ? sample.report : "";
    fromSample = true;
    take(new File([await response.blob()], sample.name));
  } catch (error) {
    fail(error.message);
  }
}

function listen() {
  const input = $("#file");
  input.onchange = () => { if (input.files.length) takeOwn(input.files); };
  const over = (on) => $("#drop").classList.toggle("over", on);
  document.addEventListener("dragover", (event) => { event.preventDefault(); over(true); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) over(false); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    if (event.dataTransfer.files.length) takeOwn(event.dataTransfer.files);
  });
  $("#report").oninput = () => { fromSample = false; enable(); };
  $("#report").onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("#annotate").click(); };
  $("#annotate").onclick = () => ask("annotate");
  $("#save").onclick = save;
}

function takeOwn(files) {
  if (fromSample) $("#report").value = ""; // it is the report of another image
  fromSample = false;
  take(files[0]);
  $("#file").value = ""; // so that choosing the same file again is noticed
  if (files.length > 1) say(`One X-ray at a time: ${files[0].name} is read.`);
}

function enable() {
  const text = $("#report").value.trim();
  $("#annotate").disabled = !models?.annotate || !text || !(file || readsReportsAlone());
}

function take(chosen) {
  for (const kind in under) under[kind].abort();
  under = {};
  fail("");
  say("");
  if (!models) return fail("the server has not said yet what it has; try again");
  if (!seesImages()) return fail("this server reads reports alone; paste one");
  if (chosen.size > models.upload_bytes - 1e6)
    return fail(`${chosen.name} has ${Math.ceil(chosen.size / 2 ** 20)} MB; at most ${models.upload_bytes / 2 ** 20 - 1} MB are read`);
  file = chosen;
  begin(file.name);
  root.hidden = $("#save-row").hidden = true;
  enable();
  if (models.report) ask("report");
  if ($("#report").value.trim() && models.annotate) ask("annotate");
  else if (!models.report) preview();
}

function begin(name) {
  const titles = { report: "From the image alone", annotate: `From the ${given("annotate").replace("and", "and the")}` };
  study = { name, picture: null, answers: { report: null, annotate: null }, missing: missing(), titles };
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
  say("Paste the report that belongs to this X-ray.");
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
  under[kind]?.abort();
  const abort = (under[kind] = new AbortController());
  const of = study;
  const form = new FormData();
  if (!textAlone) form.append("image", file, file.name);
  if (kind === "annotate") form.append("report", $("#report").value);
  of.missing[kind] = "Reading ...";
  fail("");
  busy();
  try {
    const answer = await post(`/api/${kind}?picture=true`, form, abort.signal);
    if (of !== study || under[kind] !== abort) return;
    of.answers[kind] = answer;
    of.picture = answer.picture ?? of.picture;
    delete under[kind];
    display();
    busy(kind);
  } catch (error) {
    if (error.name === "AbortError" || of !== study || under[kind] !== abort) return;
    delete under[kind];
    of.missing[kind] = "No answer.";
    busy();
    fail(error.message);
    if (!root.hidden) display();
  }
}

async function post(address, form, signal) {
  for (let tries = 1; ; tries++) {
    const response = await fetch(address, { method: "POST", body: form, signal }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Error("the server does not answer; is it still running?");
    });
    if (response.status === 503 && tries < TRIES) {
      const seconds = Math.min(30, Number(response.headers.get("Retry-After")) || 2);
      say(`The server is busy; trying again in ${seconds} s.`);
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
      if (signal.aborted) throw new DOMException("", "AbortError");
      continue;
    }
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(body.detail ?? `the server answered ${response.status}`);
    return body;
  }
}

function display() {
  root.hidden = false;
  showStudy(root, study);
  $("#save-row").hidden = !study.answers.report && !study.answers.annotate;
}

// Write the status line: what is running, else a summary after an answer of `kind`, else nothing.
function busy(kind) {
  const running = Object.keys(under).length > 0;
  root.setAttribute("aria-busy", running);
  document.body.classList.toggle("busy", running);
  if (running) return say(`Reading ${study.name} ...`);
  if (!kind) return say("");
  const said = Object.entries(study.answers).filter(([, answer]) => answer).map(([which, answer]) => {
    const named = answer.findings.filter((finding) => finding.named).map((finding) => readable(finding.name));
    const labelled = answer.findings.some((finding) => finding.probability !== null);
    return `${given(which)}: ${labelled ? named.join(", ") || "no label named" : "a report, no labels"}`;
  });
  say(`${file ? `${study.name}. ` : ""}${said.join(". ")}.`);
}

function say(text) {
  $("#status").textContent = text;
}

function fail(text) {
  $("#error").textContent = text && `${text[0].toUpperCase()}${text.slice(1)}`;
}

// ---- the page as a file to download ----

async function save() {
  try {
    const [style, script] = await Promise.all(["style.css", "view.js"].map(async (name) => (await fetch(`/static/${name}`)).text()));
    const page = wholePage(style, script);
    const link = element("a", {
      href: URL.createObjectURL(new Blob([page], { type: "text/html" })),
      download: `tienet-${study.name.replace(/[^A-Za-z0-9._-]+/g, "_")}.html`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  } catch (error) {
    fail(error.message);
  }
}

function wholePage(style, script) {
  const title = element("p", {}, study.name).innerHTML; // with HTML escaped
  const kept = { ...study, answers: {} };
  for (const [kind, answer] of Object.entries(study.answers)) kept.answers[kind] = answer && { ...answer, picture: null };
  const data = JSON.stringify(kept).replaceAll("<", "\\u003c");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${title}</title>
<style>
${style}
</style>
</head>
<body>
<header><h1>${title}</h1><p class="faint">read by TieNet, ${new Date().toISOString().slice(0, 10)}</p>
<p class="disclaimer"><b>Research software, not a medical device: not for diagnosis.</b></p></header>
<main><div id="study" class="study">${skeleton}</div></main>
<script type="application/json" id="data">${data}</script>
<script>
${script}
showStudy(document.querySelector("#study"), JSON.parse(document.querySelector("#data").textContent));
</script>
</body>
</html>
`;
}
