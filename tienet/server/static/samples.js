"use strict";
// The pictures that the server offers to try.

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
