"use strict";
// A form that makes a call of the API, and shows what came back.

const SHOWN_NUMBERS = 4; // of a long list, and of a map
const SHOWN_CHARACTERS = 120; // of a long text, such as a picture

// The form of a call, as the description of the API has it.
function tryForm(path, method, operation) {
  const schema = operation.requestBody?.content["multipart/form-data"]?.schema;
  const inputs = [
    ...(operation.parameters ?? []).map((one) => ({ ...one, where: one.in, input: parameterInput(one) })),
    ...Object.entries(schema?.properties ?? {}).map(([name, field]) => ({ name, where: "form", input: fieldInput(field) })),
  ];
  const form = element("form", { class: "try", "aria-label": `try ${method.toUpperCase()} ${path}` });
  for (const { name, input } of inputs) {
    input.id = `try-${method}-${path}-${name}`.replace(/[^\w-]+/g, "_");
    form.append(element("p", { class: "row" }, element("label", { for: input.id }, name), input));
  }
  const [status, answer] = [element("p", { role: "status" }), element("div", {})];
  form.append(element("p", { class: "row" }, element("button", {}, "Send")), status, answer);
  form.onsubmit = async (event) => {
    event.preventDefault();
    status.textContent = "Sending ...";
    answer.replaceChildren();
    const start = performance.now();
    try {
      const { address, body } = requestOf(path, inputs);
      const response = await fetch(address, { method: method.toUpperCase(), body });
      const shown = await answerOf(response);
      status.textContent = `${response.status} ${response.statusText}, ${((performance.now() - start) / 1000).toFixed(2)} s`;
      answer.replaceChildren(element("pre", { tabindex: 0 }, commandOf(address, inputs)), shown);
    } catch (error) {
      status.textContent = `No answer: ${error.message}`;
    }
  };
  return element("details", {}, element("summary", {}, "Try it"), form);
}

function parameterInput({ schema, required }) {
  if (schema.type !== "boolean") return element("input", { type: "text", ...(required ? { required: "" } : {}) });
  return element("input", { type: "checkbox", ...(schema.default ? { checked: "" } : {}) });
}

function fieldInput(field) {
  return field.format === "binary" ? element("input", { type: "file" }) : element("textarea", { rows: 3 });
}

// The address of a call, and its body: a form where it has one. A field that is left empty is not sent, but for a text.
function requestOf(path, inputs) {
  let [address, body] = [path, undefined];
  const query = new URLSearchParams();
  for (const { name, where, input } of inputs) {
    const value = input.type === "checkbox" ? String(input.checked) : input.value;
    if (where === "path") address = address.replace(`{${name}}`, encodeURIComponent(value));
    if (where === "query") query.set(name, value);
    if (where === "form") body ??= new FormData();
    if (where === "form" && input.type !== "file") body.append(name, value);
    else if (where === "form" && input.files.length) body.append(name, input.files[0]);
  }
  return { address: query.size ? `${address}?${query}` : address, body };
}

// The same call as a command line.
function commandOf(address, inputs) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const fields = inputs.filter(({ where, input }) => where === "form" && (input.type !== "file" || input.files.length))
    .map(({ name, input }) => `--form${input.type === "file" ? "" : "-string"} ${quoted(`${name}=${input.type === "file" ? `@${input.files[0].name}` : input.value}`)} `);
  return `curl ${fields.join("")}${quoted(location.origin + address)}`;
}

async function answerOf(response) {
  const kind = response.headers.get("Content-Type") ?? "";
  if (kind.startsWith("application/json")) return element("pre", { tabindex: 0 }, laidOut(shortened(await response.json())));
  const content = await response.blob();
  const said = element("p", { class: "faint" }, `${kind}, ${counted(content.size, "byte")}`);
  if (!kind.startsWith("image/")) return said;
  return element("figure", {}, element("img", { src: URL.createObjectURL(content), alt: "what came back", class: "came" }), said);
}

// JSON with a list of numbers or texts on one line.
function laidOut(value) {
  return JSON.stringify(value, null, 2).replace(/\[\n([^[\]{}]*?)\n *\]/g, (_, inside) => `[${inside.trim().replace(/,\n */g, ", ")}]`);
}

// An answer without most of its numbers, which nobody reads.
function shortened(value) {
  if (typeof value === "string" && value.length > SHOWN_CHARACTERS) return `${value.slice(0, SHOWN_CHARACTERS)}... (${counted(value.length, "character")})`;
  if (Array.isArray(value)) {
    const isLong = value.length > SHOWN_NUMBERS && (typeof value[0] === "number" || Array.isArray(value[0]));
    const kept = (isLong ? value.slice(0, SHOWN_NUMBERS) : value).map(shortened);
    return isLong ? [...kept, `... (${value.length} in all)`] : kept;
  }
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shortened(one)]));
  return value;
}
