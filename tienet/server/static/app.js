"use strict";
// The page: it takes X-rays or a report, asks the API for predictions, and shows them with view.js.
//
// No answer may be taken for that of another X-ray or another text. Each X-ray is a study of its own (session.js), which
// has its own report and answers. Where the text changes, labels of the text before are greyed until they are made again.
// A file that is refused shows nothing of another study.
const $ = (css) => document.querySelector(css);
const root = $("#study");
const REFUSED = [400, 413]; // the statuses of a file that cannot be read
let models = null;
let study = null; // the one that is shown
let turns = 0; // how many X-rays were taken, by which a sample knows that it comes too late
let aside = ""; // what the status line says of files that were left out
let text = ""; // what is in the report's box
let early = false; // whether that text was begun before there was an X-ray, so that it belongs to the next one
let toResult = null; // the study whose first answer is brought into view on a narrow screen
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
  $("#report-hint").textContent = "A report that somebody wrote: it is labelled by its words alone." + (seesImages() ? " It stays with its X-ray." : "");
  $("#annotate").textContent = "Label report";
  $("#xray").hidden = !seesImages();
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
  if (matchMedia("(pointer: coarse)").matches) $(".drag input[value=move]").checked = true; // fingers scroll the page
  $("#report").value = ""; // some browsers put back what was there before the page was loaded again
  $("#report").oninput = () => {
    if (!text.trim()) early = !study?.file;
    followText();
  };
  $("#report").onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("#annotate").click(); };
  $("#annotate").onclick = () => askForLabels();
  $("#forget").onclick = forgetAll;
  $("#save").onclick = () => savePage(study, nameRead() || "report").catch((error) => fail(error.message));
}

function enable() {
  $("#annotate").disabled = !models?.annotate || !text.trim() || !(study?.file || readsReportsAlone());
}

// ---- the report ----

// Notice that the text in the report's box is another one.
function followText() {
  text = $("#report").value;
  if (study) study.text = text;
  $("#cleared").replaceChildren(); // what was cleared can be put back until the next change
  if (failed === "annotate") {
    study.error = study.errorKind = null;
    fail("");
  }
  if (study && (study.under.annotate || study.stale !== isStale(study))) {
    giveUp(study, "annotate");
    study.missing.annotate = missing(study).annotate;
    display();
  }
  enable();
}

function isStale(of) {
  return Boolean(of.answers.annotate) && of.labelled !== of.text;
}

// Offer the report of the study before for the one that is shown now.
function offerBack(before) {
  if (!before.trim() || before === text) return;
  const button = element("button", { type: "button", id: "put-back" }, "Put it here");
  button.onclick = () => putBack(before);
  $("#cleared").replaceChildren(element("span", {}, "The report that was here belongs to the X-ray before."), button);
}

function putBack(before) {
  $("#report").value = before;
  followText();
  early = false;
  $("#report").focus();
  if ($("#annotate").disabled) return;
  const beside = readsReportsAlone() ? "" : ` with ${study.name}`;
  say(`The report is back. It is not read${beside} until you choose “${$("#annotate").textContent}”.`);
}

// ---- the studies ----

// Take files as X-rays, each as a study, and show the first; the report that came with it is undefined if none could have.
function take(files, report) {
  turns++;
  if (!models) return fail("The server has not said yet what it has; try again");
  if (!seesImages()) return fail("This server reads reports alone; paste one");
  const room = MAX_STUDIES - session.length;
  if (room <= 0) return fail(`${MAX_STUDIES} studies are kept at most; choose “${$("#forget").textContent}” to go on`);
  const before = text;
  const taken = files.slice(0, room).map((file, n) => begin(file.name, file, n ? "" : report ?? (early ? before : "")));
  openStudy(taken[0]);
  aside = files.length > room ? ` ${counted(files.length - room, "file")} left out: ${MAX_STUDIES} studies are kept at most.` : "";
  offerBack(before);
  $("#samples").open = false;
  for (const one of taken) {
    if (one.file.size > models.upload_bytes) {
      refuse(one, `${one.name} has ${megabytes(one.file.size)} MB; at most ${megabytes(models.upload_bytes)} MB are read`);
      continue;
    }
    if (models.report) ask("report", one);
    if (one.text.trim() && models.annotate) ask("annotate", one);
    else if (!models.report) preview(one);
  }
  toResult = taken[0];
}

function begin(name, file, withText) {
  const titles = { report: "From the image alone", annotate: `From the ${given("annotate").replace("and", "and the")}` };
  const remarks = [models.report, models.annotate].flatMap((model) => model?.notes ?? []);
  const of = newStudy(name, file, withText, titles, remarks, $("#details").checked);
  of.missing = missing(of);
  return of;
}

// Show a study, with its own report.
function openStudy(next) {
  study = next;
  $("#report").value = text = next.text;
  $("#cleared").replaceChildren();
  early = false;
  aside = "";
  fail(next.refused ?? next.error ?? "", next.refused ? null : next.errorKind);
  display();
  enable();
}

function forgetAll() {
  clearSession();
  turns++;
  study = null;
  $("#report").value = text = aside = "";
  $("#cleared").replaceChildren();
  early = false;
  fail("");
  display();
  enable();
  $("#samples").open = true;
  $("#file").focus();
}

function giveUp(of, kind) {
  of.under[kind]?.abort();
  delete of.under[kind];
}

// Say why a file is not read, and show no other as if it were this one.
function refuse(of, why) {
  for (const kind of KINDS) giveUp(of, kind);
  Object.assign(of, { refused: why, file: null, picture: null, answers: { report: null, annotate: null } });
  if (of === study) fail(why);
  changed(of);
  enable();
}

function missing(of) {
  const run = (mode) => `This server was started without a run of mode ${mode}.`;
  const paste = readsReportsAlone() ? "Paste a report above to have it labelled." : "Paste a report above to have the image labelled with it.";
  return {
    report: models.report ? of.file ? "Not asked yet." : "Choose an X-ray above." : seesImages() ? run("report") : null,
    annotate: models.annotate ? paste : null, // beside the report's box stands why
  };
}

// Where no network reads images alone: show the file as the browser does, until there is an answer.
function preview(of) {
  const reader = new FileReader();
  reader.onload = () => { if (!of.picture && !of.refused) { of.picture = reader.result; changed(of); } };
  if (/\.(png|jpe?g)$/i.test(of.name)) reader.readAsDataURL(of.file);
  if (of === study) $("#report").focus();
}

// ---- answers ----

function askForLabels() {
  if (readsReportsAlone() && (!study || study.refused)) {
    const withText = text;
    openStudy(begin("report", null, withText));
  }
  if (!study || !(study.file || readsReportsAlone())) return;
  if ([...text].length > models.report_characters)
    return fail(`The report has ${counted([...text].length, "character")}; at most ${models.report_characters.toLocaleString("en")} are read`, "annotate");
  early = false;
  ask("annotate", study);
}

async function ask(kind, of) {
  const textAlone = kind === "annotate" && readsReportsAlone();
  const asked = of.text;
  giveUp(of, kind);
  const abort = (of.under[kind] = new AbortController());
  const form = new FormData();
  if (!textAlone) form.append("image", of.file, of.file.name);
  if (kind === "annotate") form.append("report", asked);
  of.missing[kind] = "Reading ...";
  of.error = of.errorKind = null;
  if (of === study) fail("");
  changed(of);
  try {
    const busy = (seconds) => of === study && say(`The server is busy; trying again in ${seconds} s.`);
    const answer = await upload(`/api/${kind}?picture=true`, form, abort.signal, busy);
    if (of.under[kind] !== abort) return;
    of.answers[kind] = answer;
    of.picture = answer.picture ?? of.picture;
    if (kind === "annotate") of.labelled = asked;
    delete of.under[kind];
  } catch (error) {
    if (error.name === "AbortError" || of.under[kind] !== abort) return;
    if (!textAlone && REFUSED.includes(error.status)) return refuse(of, error.status === 413 ? `${of.name}: ${error.message}` : error.message);
    delete of.under[kind];
    of.missing[kind] = "No answer.";
    Object.assign(of, { error: error.message, errorKind: kind });
    if (of === study) fail(error.message, kind);
  }
  changed(of);
}

// Show what is new of a study; that of another one is not touched.
function changed(of) {
  if (of === study) display();
  else showSession(study);
}

// Show the study, the list of all, and the status line.
function display() {
  document.body.classList.toggle("has-study", session.length > 0);
  showSession(study);
  const answered = study && KINDS.some((kind) => study.answers[kind]);
  root.hidden = !study || !(answered || study.picture);
  $("#save-row").hidden = !answered;
  if (root.hidden) for (const css of [".xray", ".warnings"]) { // nothing of another study is left
    $(css).removeAttribute("src");
    $(css).replaceChildren();
  } else {
    study.stale = isStale(study);
    showStudy(root, study, () => { showSession(study); tell(); });
  }
  tell();
  if (answered && toResult === study) {
    toResult = null;
    if (matchMedia("(max-width: 799px)").matches) $("#session").scrollIntoView();
  }
}

// Write the status line: what is running, else a summary of the answers.
function tell() {
  const running = Boolean(study) && Object.keys(study.under).length > 0;
  root.setAttribute("aria-busy", running);
  document.body.classList.toggle("busy", running);
  if (!study || study.refused) return say(`No X-ray is loaded.${aside}`);
  if (running) return say(`Reading ${study.under.report || !readsReportsAlone() ? study.name : "the report"} ...${aside}`);
  const said = ["report", "annotate"].filter((kind) => study.answers[kind]).map((kind) => {
    if (kind === "annotate" && study.stale) return `${given(kind)}: not read again since the report was changed`;
    const classified = study.answers[kind].findings.some((finding) => finding.probability !== null);
    const moved = study.shifts[kind] ? " (at thresholds that you moved)" : "";
    return `${given(kind)}: ${classified ? (namedIn(study, kind).join(", ") || "no label named") + moved : "a report, no labels"}`;
  });
  const name = nameRead();
  if (said.length) return say(`${name ? `${name}. ` : ""}${said.join(". ")}.${aside}`);
  say(study.file && !models.report ? `Paste the report that belongs to ${study.name}.${aside}` : "");
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
