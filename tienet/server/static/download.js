"use strict";
// The page as a file to download: one HTML file with what it shows, its style sheets and scripts, which needs no server.
const skeleton = document.querySelector("#study").innerHTML; // the empty page, with which the file begins
const parts = (css) => [...document.querySelectorAll(`${css}[data-of-study]`)].map((part) => part.src ?? part.href);

async function savePage(study, name) {
  const { picture, missing, titles, stale, film, shifts, details, remarks } = study;
  const kept = { name, picture, missing, titles, stale, film, shifts, details, remarks, answers: {} };
  for (const [kind, answer] of Object.entries(study.answers)) kept.answers[kind] = answer && { ...answer, picture: null };
  const read = async (files) => (await Promise.all(files.map(async (file) => (await fetch(file)).text()))).join("\n");
  const [style, script] = await Promise.all([read(parts("link")), read(parts("script"))]);
  const link = element("a", {
    href: URL.createObjectURL(new Blob([wholePage(kept, style, script)], { type: "text/html" })),
    download: `tienet-${name.replace(/[^A-Za-z0-9._-]+/g, "_")}.html`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function wholePage(kept, style, script) {
  const title = element("p", {}, kept.name).innerHTML; // with HTML escaped
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
