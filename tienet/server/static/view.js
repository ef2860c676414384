"use strict";
// Shows the predictions for one X-ray. The page that a user downloads contains this script, too.
//
// A study is {name, picture, answers, missing, titles, stale, film, shifts, details, remarks}; answers, missing, titles
// and shifts are objects with the keys report and annotate. An answer has the form of the API. `missing` is the text that
// is shown where there is no answer yet; it is null where the server has no such network and nothing is shown. `titles`
// are the headings of the answers. `stale` says that the report was changed after answers.annotate was made: that answer
// is greyed, and words say so. `film` is how the picture is shown (film.js), `shifts` by how much the user has moved the
// thresholds, and `details` whether words and maps are shown as the network has them. `remarks` are the notes that are
// of the networks and not of this file.

const KINDS = ["annotate", "report"]; // the answer to the report that the user gave comes first

function showStudy(root, study, onShift = () => {}) {
  const $ = (css) => root.querySelector(css);
  const [figure, image, canvas, caption, toggle, details] =
    [".picture", ".xray", "canvas.map", "figcaption", "#show-map", "#details"].map($);
  let whose = null; // report or annotate: the answer whose map a_ws is shown
  let pinned = null; // {kind, t} or {kind, k}: the word or the finding whose map stays, because the user chose it
  let pointed = null; // the one under the mouse or with the keyboard's focus

  figure.hidden = !study.picture;
  if (!study.picture) image.removeAttribute("src");
  else if (image.src !== study.picture) {
    image.removeAttribute("src"); // so that no part of another study's picture is left
    image.src = study.picture;
  }
  image.alt = `X-ray ${study.name}`;
  $(".file").textContent = study.name;
  showFilm(root, study.film);
  showNotes($(".warnings"), $(".notes"), study);
  details.checked = study.details;
  details.onchange = () => { study.details = details.checked; pinned = pointed = null; fill(); };
  toggle.onchange = redraw;
  const follow = () => figure.style.setProperty("--opacity", $("#opacity").value / 100);
  $("#opacity").oninput = follow;
  follow();
  root.onkeydown = (event) => { if (event.key === "Escape") { pinned = pointed = null; redraw(); } };
  const mapped = KINDS.filter((kind) => study.answers[kind]?.a_ws);
  whose = mapped[0] ?? null;
  $(".whose").hidden = mapped.length < 2;
  for (const radio of root.querySelectorAll(".whose input")) {
    radio.checked = radio.value === whose;
    radio.onchange = () => { whose = radio.value; pinned = null; redraw(); };
  }
  const anyMap = KINDS.some((kind) => hasMaps(study.answers[kind]));
  for (const css of [".controls", ".scale"]) $(css).hidden = !anyMap;
  fill();

  // Put in the answers.
  function fill() {
    for (const kind of KINDS) {
      const pane = $(`[data-answer=${kind}]`);
      const answer = study.answers[kind];
      pane.hidden = !answer && study.missing[kind] === null;
      const stale = isStale(kind);
      pane.classList.toggle("stale", stale);
      pane.querySelector("h2").textContent = `${study.titles[kind]}${stale ? ", before the report was changed" : ""}`;
      const moved = (by) => { study.shifts[kind] = by; listenTo(kind, pane, ".finding"); redraw(); onShift(); };
      pane.querySelector(".found").replaceChildren(
        ...(answer ? shown(answer, stale, study, kind, moved) : [element("p", { class: "faint" }, study.missing[kind])]));
      if (answer?.a) listenTo(kind, pane, ".word");
      if (answer) listenTo(kind, pane, ".finding");
    }
    redraw();
  }
  function isStale(kind) {
    return kind === "annotate" && Boolean(study.stale && study.answers.annotate);
  }
  // The map that is shown: {answer, grid, said, signed}; null if there is none.
  function map() {
    const chosen = pointed ?? pinned;
    const answer = study.answers[chosen?.kind ?? whose];
    if (chosen?.k !== undefined) {
      const finding = answer.findings[chosen.k];
      return { grid: finding.map, said: ofFinding(finding, study.details), signed: true };
    }
    if (chosen) return { grid: answer.a[chosen.t], said: ofWord(answer, chosen.t, study.details), signed: false };
    return answer?.a_ws ? { grid: answer.a_ws, said: ofWhole(answer, study.details), signed: false } : null;
  }
  function redraw() {
    const chosen = pointed ?? pinned;
    const now = map();
    canvas.hidden = !now || !toggle.checked;
    if (now) drawMap(canvas, now.grid, now.signed);
    $(".scale").classList.toggle("signed", Boolean(now?.signed));
    $(".scale .low").textContent = now?.signed ? "against" : "0";
    $(".scale .high").textContent = now?.signed ? "for" : "peak";
    caption.textContent = now ? now.said : anyMap ? "Choose a word or a finding to see its map." : "";
    if (now && isStale(chosen?.kind ?? whose)) caption.textContent = `Before the report was changed: ${caption.textContent}`;
    canvas.setAttribute("aria-label", caption.textContent);
    for (const each of root.querySelectorAll(".pick")) {
      const is = (other) => Boolean(other) && same(other, keyOf(each));
      each.classList.toggle("shown", is(chosen));
      if (each.tabIndex >= 0 || each.hasAttribute("aria-pressed")) each.setAttribute("aria-pressed", is(pinned));
    }
  }
  function keyOf(each) {
    const { kind, t, k } = each.dataset;
    return k === undefined ? { kind, t: Number(t) } : { kind, k: Number(k) };
  }
  function listenTo(kind, pane, css) {
    const picks = [...pane.querySelectorAll(css)];
    for (const pick of picks) pick.dataset.kind = kind;
    const point = (at) => { pointed = at; redraw(); };
    picks.forEach((pick, n) => {
      const me = keyOf(pick);
      if (css === ".word") pick.setAttribute("role", "button");
      pick.setAttribute("aria-pressed", false);
      pick.tabIndex = n ? -1 : 0; // Tab reaches one word of the report and one finding, the arrow keys the others
      pick.onpointerenter = (event) => event.pointerType === "mouse" && point(me);
      pick.onpointerleave = (event) => event.pointerType === "mouse" && point(null);
      pick.onfocus = () => {
        for (const each of picks) each.tabIndex = each === pick ? 0 : -1;
        if (pick.matches(":focus-visible")) point(me);
      };
      pick.onblur = () => point(null);
      const press = () => {
        const again = pinned && same(pinned, me);
        pinned = again ? null : me;
        if (again) pointed = null; else toggle.checked = true;
        redraw();
      };
      pick.onclick = press;
      pick.onkeydown = (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const steps = { ArrowRight: n + 1, ArrowDown: n + 1, ArrowLeft: n - 1, ArrowUp: n - 1, Home: 0, End: picks.length - 1 };
        const pressed = event.key === "Enter" || event.key === " ";
        if (pressed && !event.repeat) press();
        picks[steps[event.key]]?.focus();
        if (pressed || event.key in steps) event.preventDefault();
      };
    });
  }
}

function same(one, other) {
  return one.kind === other.kind && one.t === other.t && one.k === other.k;
}

function hasMaps(answer) {
  return Boolean(answer && (answer.a || answer.findings.some(({ map }) => map)));
}

// The notes on the file are warnings above the picture, and those on the networks stand under it.
function showNotes(warnings, notes, study) {
  const all = [...new Set(KINDS.flatMap((kind) => study.answers[kind]?.notes ?? []))];
  const ofFile = all.filter((note) => !study.remarks.includes(note));
  const items = (texts) => texts.map((text) => element("li", {}, text));
  const said = ofFile.length ? [element("ul", {}, ...items(ofFile))] : [];
  if (warnings.textContent !== ofFile.join("")) warnings.replaceChildren(...said); // the same is not read out again
  notes.replaceChildren(...items(all.filter((note) => study.remarks.includes(note))));
}

// ---- one answer ----

function shown(answer, stale, study, kind, onShift) {
  const said = [element("p", { class: "of" }, ...ofWhat(answer))];
  if (stale) said.push(element("p", { class: "warned" }, "The report was changed. What follows is of the report as it was."));
  return [...said, element("div", { class: stale ? "old" : "" }, ...found(answer, study, kind, onShift)), copyRow(answer, study, kind)];
}

// Which file and which text an answer is of.
function ofWhat({ name, width, height, given }) {
  const file = [element("b", {}, name), ` (${width} × ${height} pixels)`];
  if (!given) return ["Of ", ...file];
  const text = given.characters ? `the report “${given.start}” (${counted(given.characters, "character")})` : "an empty report";
  return name ? ["Of ", ...file, ` and ${text}`] : [`Of ${text}`];
}

function found(answer, study, kind, onShift) {
  const parts = [];
  const classified = answer.findings.some((finding) => finding.probability !== null);
  const [named, findings] = classified ? findingsParts(answer.findings, study.shifts[kind], onShift) : [];
  if (classified) parts.push(named);
  if (answer.words.length) {
    const title = answer.report === null ? "Report as it was read" : "Preliminary report";
    parts.push(element("h3", {}, title), words(answer, study.details));
    if (answer.cut_at !== null) parts.push(element("p", { class: "warned cut" }, cut(answer)));
    parts.push(element("p", { class: "faint" }, wordsKey(answer, study.details)));
  }
  if (classified) parts.push(findings);
  return parts;
}

function copyRow(answer, study, kind) {
  const button = element("button", { type: "button", class: "copy" }, answer.report === null ? "Copy labels" : "Copy report as text");
  const said = element("span", { class: "faint", role: "status" });
  button.onclick = async () => {
    said.textContent = "";
    said.textContent = await copyText(answerText(answer, study.shifts[kind])) ? "Copied." : "The browser does not let this page copy.";
  };
  return element("p", { class: "row copy-row" }, button, said);
}
