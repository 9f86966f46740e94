// The new run's page: form and YAML follow each other. Both are only shown here; the server reads, writes and judges them.
import { csrfToken } from "./console.js";

const PAUSE_MS = 350;
const form = document.querySelector("#run-form");
const fields = document.querySelector("#spec-form");
const yaml = document.querySelector("#id_spec");
const problems = document.querySelector("#spec-problems");
const model = document.querySelector("#id_model");
let timer = null;
let pending = null; // what was edited and has not been sent yet: "form" or "yaml"
let asked = 0;

/** Tell the server what was edited ("form" or "yaml") or done (`action`), and show its answer unless there is a newer one. */
async function sync(source, action = "") {
  clearTimeout(timer);
  pending = null;
  const number = ++asked;
  const body = new FormData(form);
  body.set("source", source);
  body.set("action", action);
  const headers = { "X-CSRFToken": csrfToken() };
  const answer = await fetch(form.dataset.specUrl, { method: "POST", headers, body }).catch(() => null);
  if (number !== asked) return;
  if (!answer?.ok) {
    say(["The form and the YAML could not be compared: the server did not answer. What stands in the YAML will be started."]);
    return;
  }
  const found = await answer.json();
  if (source !== "yaml") yaml.value = found.yaml;
  // A form beside YAML that can't be read would overwrite it with the next change.
  fields.disabled = source === "yaml" && !found.form;
  if (found.form) redraw(found.form, action);
  else place(found.problems);
  list(found.problems);
}

function redraw(html, action) {
  const focused = document.activeElement?.closest("#spec-form") ? document.activeElement.id : "";
  const open = [...fields.querySelectorAll("details[open]")].map((details) => details.querySelector("[id]").id);
  const legend = fields.querySelector("legend");
  fields.innerHTML = html;
  fields.prepend(legend);
  for (const id of open) document.getElementById(id)?.closest("details")?.setAttribute("open", "");
  if (action === "add-student") [...fields.querySelectorAll("[name^='students['][name$='.id']")].at(-1)?.focus();
  else if (focused) document.getElementById(focused)?.focus();
}

/** Put each problem beside its field, and take those away that are mended. */
function place(found) {
  for (const slot of fields.querySelectorAll("[data-problem]")) {
    const own = found.filter((problem) => problem.slot === slot.dataset.problem);
    slot.replaceChildren(...own.map((problem) => line("div", below(problem))));
    const control = slot.id ? document.getElementById(slot.id.replace(/-problem$/, "")) : null;
    control?.classList.toggle("is-invalid", own.length > 0);
    if (control) control.setAttribute("aria-invalid", String(own.length > 0));
    if (own.length) slot.closest("details")?.setAttribute("open", "");
  }
}

function below({ field, slot, message }) {
  const rest = field.slice(slot.length).replace(/^\./, "");
  return rest ? `${rest} ${message}` : message;
}

function list(found) {
  say(found.map(({ field, message }) => (field ? [line("code", field), ` ${message}`] : message)));
  yaml.setAttribute("aria-invalid", String(found.length > 0));
}

function say(lines) {
  problems.replaceChildren();
  if (!lines.length) return;
  const box = document.createElement("div");
  box.className = "alert alert-danger mt-3 mb-0";
  box.setAttribute("role", "alert");
  const inner = document.createElement("div");
  const items = document.createElement("ul");
  items.className = "mb-0 ps-3";
  for (const content of lines) {
    const item = document.createElement("li");
    item.append(...[content].flat());
    items.append(item);
  }
  inner.append(line("strong", lines.length === 1 ? "1 problem" : `${lines.length} problems`), items);
  box.append(inner);
  problems.append(box);
}

function line(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function later(source) {
  clearTimeout(timer);
  pending = source;
  timer = setTimeout(() => sync(source), PAUSE_MS);
}

fields.addEventListener("input", (event) => {
  if (event.target.matches("[data-redraws]")) sync("form", `model-type ${event.target.name.replace(/\.model_type$/, "")}`);
  else later("form");
});
fields.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button) sync("form", button.dataset.action);
});
yaml.addEventListener("input", () => later("yaml"));
document.querySelector("#id_dataset_version").addEventListener("change", () => sync("form", "dataset"));

function showModelName() {
  document.querySelector("#model-name").hidden = model.value !== "";
}

model.addEventListener("change", showModelName);
showModelName();

// What was edited last must be in the YAML before it is sent, and a model's name only where a new one is asked for.
form.addEventListener("submit", async (event) => {
  if (model.value !== "") document.querySelector("#id_model_name").value = "";
  if (!pending) return;
  event.preventDefault();
  await sync(pending);
  form.requestSubmit();
});

document.querySelector("#copy-yaml").addEventListener("click", async ({ currentTarget }) => {
  await navigator.clipboard.writeText(yaml.value);
  const { innerHTML } = currentTarget;
  currentTarget.textContent = "Copied";
  setTimeout(() => { currentTarget.innerHTML = innerHTML; }, 1500);
});

fields.disabled = fields.dataset.isBehind === "true";
