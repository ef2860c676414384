"use strict";
// Every call of the API with its fields and statuses, made from /api/openapi.json, and a form to try it.
fetch("/api/openapi.json").then((response) => response.json()).then(showApi).catch((error) => {
  document.querySelector("#docs").append(element("p", { role: "alert" }, error.message));
});

function showApi(api) {
  const main = document.querySelector("#docs");
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods)) main.append(described(path, method, operation));
  for (const [name, schema] of Object.entries(api.components.schemas)) main.append(schemaCard(name, schema));
  main.setAttribute("aria-busy", false);
}

function described(path, method, operation) {
  const card = element("section", { class: "card", id: anchor(path, method) }, element("h2", {}, element("code", {}, `${method.toUpperCase()} ${path}`)));
  card.append(element("p", {}, operation.description ?? operation.summary ?? ""));
  const form = operation.requestBody?.content["multipart/form-data"]?.schema;
  const inputs = (operation.parameters ?? []).map((one) => [`${one.name} (${one.in})`, one.schema, one.required, one.description]);
  for (const [name, schema] of Object.entries(form?.properties ?? {}))
    inputs.push([`${name} (form)`, schema, form.required.includes(name), schema.description]);
  if (inputs.length) card.append(table(["Input", "Type", "What it is"], inputs.map(([name, schema, required, text]) =>
    [name, typeOf(schema), `${required ? "required" : "optional"}${text ? `: ${text}` : ""}`])));
  card.append(table(["Status", "Body", "When"], Object.entries(operation.responses).map(([status, response]) =>
    [status, Object.entries(response.content ?? {}).map(([kind, { schema }]) =>
      kind === "application/json" ? typeOf(schema) : kind).join(", "), response.description])), tryForm(path, method, operation));
  return card;
}

// As `_row` of api_page.py has it.
function anchor(path, method) {
  return `${method}-${path.replace(/[^a-z]+/gi, "-").replace(/^-|-$/g, "")}`;
}

function schemaCard(name, schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([field, one]) => [field, typeOf(one), one.description ?? ""]);
  return element("section", { class: "card", id: name }, element("h2", {}, element("code", {}, name)),
    element("p", {}, schema.description ?? ""), table(["Field", "Type", "What it is"], rows));
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  if (schema.const || schema.enum) return (schema.enum ?? [schema.const]).join(" or ");
  return schema.format === "binary" ? "file" : schema.type ?? "anything";
}

function table(head, rows) {
  return element("div", { class: "scroll", tabindex: 0 }, element("table", { class: "plain" },
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((text, k) => element(k ? "td" : "th", k ? {} : { scope: "row" }, text)))))));
}
