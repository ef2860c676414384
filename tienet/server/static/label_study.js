"use strict";
// A study on the page of a reader: fetched and shown, with its picture, its report and how far the reader is. The state is
// label.js's.

let shows = 0; // how often a study was asked for, by which one knows that it comes too late

async function show(number) {
  const turn = ++shows;
  study = null;
  stopClock();
  $("#study").classList.add("waiting");
  $("#all-done").hidden = true;
  let found;
  try {
    found = await getJson(`/api/studies/${number}`);
  } catch (error) {
    fail(error instanceof TypeError ? "The server does not answer; it is asked again." : error.message);
    if (error instanceof TypeError) setTimeout(() => { if (turn === shows) show(number); }, AGAIN_MS);
    return;
  }
  if (turn !== shows) return;
  fail("");
  [study, onScreen, pending, looked, seen] = [found, found, {}, 0, performance.now()];
  $("#study").hidden = false;
  $("#study").classList.remove("waiting");
  $("#study-id").textContent = study.saved.study;
  $("#report").textContent = asText(study.report) || "There is no report.";
  $("#report").classList.toggle("faint", !study.report.trim());
  $("#rows").replaceChildren(...makeRows(task, study, choose));
  showImage(number);
  draw();
  history.replaceState(null, "", `#${number + 1}`);
  if (document.activeElement.closest("#all-done, #rows") || document.activeElement === document.body) $("#labels").focus({ preventScroll: true });
  window.scrollTo(0, 0);
  say(`Study ${number + 1} of ${task.finished.length}${study.saved.done ? ", finished" : ""}.`);
  prepare(nextOpen(number));
}

function showImage(number) {
  const image = $(".xray");
  pictured = !study.image;
  image.removeAttribute("src"); // so that no part of another study's picture is left
  for (const css of [".tools", ".frame", ".adjust"]) $(css).hidden = !study.image;
  $("#no-image").hidden = study.image;
  $("#no-image").textContent = "There is no image.";
  image.alt = `X-ray of study ${study.saved.study}`;
  if (!study.image) return;
  const address = `/api/studies/${number}/image`;
  image.onerror = async () => {
    const why = await getJson(address).then(() => "unknown", (error) => error.message);
    if (onScreen?.saved.number !== number) return;
    pictured = true;
    for (const css of [".tools", ".frame", ".adjust"]) $(css).hidden = true;
    $("#no-image").hidden = false;
    $("#no-image").textContent = `The image cannot be shown: ${why}`;
  };
  image.addEventListener("load", () => { if (onScreen?.saved.number === number) pictured = true; }, { once: true });
  image.src = address;
  showFilm($("#study"), newFilm());
}

// Fetch the next picture, so that it is there when it is wanted.
function prepare(number) {
  if (number !== null) new Image().src = `/api/studies/${number}/image`;
}

function draw() {
  const number = study.saved.number;
  const finished = task.finished.filter(Boolean).length;
  showAnswers($("#rows"), study, pending);
  $("#study").classList.toggle("done", study.saved.done);
  $("#position").textContent = `Study ${number + 1}${study.saved.done ? " ✓" : ""}`;
  $("#goto").value = number + 1;
  $("#back").disabled = number === 0;
  progress(finished);
}

function progress(finished) {
  const open = task.finished.length - finished;
  $("#progress").max = task.finished.length;
  $("#progress").value = finished;
  $("#far").textContent = `${finished} of ${task.finished.length} finished`;
  const minutes = task.seconds_each === null ? null : Math.ceil((open * task.seconds_each) / 60);
  $("#left").textContent = !open || minutes === null ? "" : minutes > 90 ? `about ${Math.round(minutes / 60)} hours left` : `about ${minutes} min left`;
}

// The report, with the headings that preparing a data set writes ("findings : ") as a text has them.
function asText(report) {
  return report.trim().replace(/(^|\s+)(findings|impression) : /g, (_, before, heading) =>
    `${before ? "\n" : ""}${heading[0].toUpperCase()}${heading.slice(1)}: `);
}
