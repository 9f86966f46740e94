// The form that uploads a file and makes a dataset version of it: drop, progress, errors beside their fields.
import { Refused, callApi, inWords, uploadFile } from "./upload.js";

const form = document.querySelector("#upload-form");
const zone = form.querySelector("#drop-zone");
const input = form.querySelector("#id_file");
const chosen = form.querySelector("#chosen");
const sending = form.querySelector("#sending");
const bar = form.querySelector("#sent");
const text = form.querySelector("#sent-text");
const send = form.querySelector("button[type=submit]");
const stop = form.querySelector("#stop");
let running = null;
let arrived = null; // {file, upload}: sent and verified, but its version was refused for another reason

// --- Choosing ---------------------------------------------------------------

input.addEventListener("change", () => show(input.files[0]));

for (const kind of ["dragenter", "dragover"]) {
  zone.addEventListener(kind, (event) => {
    event.preventDefault();
    zone.classList.add("is-over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  zone.addEventListener(kind, (event) => {
    event.preventDefault();
    if (!zone.contains(event.relatedTarget)) zone.classList.remove("is-over");
  });
}
zone.addEventListener("drop", (event) => {
  if (running || !event.dataTransfer.files.length) return;
  input.files = event.dataTransfer.files;
  show(input.files[0]);
});

function show(file) {
  clear();
  chosen.textContent = file ? inWords(file.size) : "";
  if (file) problemWith(file);
}

/** What can be said without asking the server. */
function problemWith(file) {
  const most = Number(form.dataset.maxBytes);
  const suffixes = input.accept.split(",");
  if (!suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix))) return refuse("file", `Choose a ${suffixes.join(", ")} file. This is ${file.name}.`);
  if (file.size === 0) return refuse("file", "This file is empty.");
  if (file.size > most) return refuse("file", `An upload has at most ${inWords(most)}. This file has ${inWords(file.size)}.`);
  return false;
}

// --- Errors -----------------------------------------------------------------

const FIELD_OF = { filename: "file", size: "file", sha256: "file", upload: "file" };

/** Show `message` beside the control of `field`, which may be a path in it: "data_spec.features[0].type". */
function refuse(field, message) {
  const [name] = field.split(/[.[]/);
  const below = field.slice(name.length).replace(/^\./, "");
  const control = form.querySelector(`#id_${FIELD_OF[name] ?? name}`) ?? input;
  const id = `${control.id}_error`;
  let place = form.querySelector(`#${id}`);
  if (!place) {
    place = document.createElement("div");
    place.id = id;
    place.className = "invalid-feedback d-block";
    control.after(place);
  }
  place.append(line(below ? `${below}: ${message}` : message));
  place.hidden = false;
  control.classList.add("is-invalid");
  control.setAttribute("aria-invalid", "true");
  control.closest("details")?.setAttribute("open", "");
  control.focus();
  return true;
}

function line(text) {
  const element = document.createElement("div");
  element.textContent = text;
  return element;
}

function clear() {
  for (const place of form.querySelectorAll(".invalid-feedback")) {
    place.textContent = "";
    place.hidden = true;
  }
  for (const control of form.querySelectorAll(".is-invalid")) {
    control.classList.remove("is-invalid");
    control.removeAttribute("aria-invalid");
  }
}

function say(error) {
  if (error.name === "AbortError") return refuse("file", "The upload was stopped. Nothing of it is kept.");
  if (!(error instanceof Refused)) return refuse("file", "The connection broke. Check the network, then send it again.");
  if (!error.details.length) return refuse("file", error.message);
  for (const detail of error.details) refuse(detail.field, detail.message);
  return true;
}

// --- Sending ----------------------------------------------------------------

function progress(sent, total, since) {
  bar.value = total ? sent / total : 0;
  const seconds = (performance.now() - since) / 1000;
  const left = sent > 0 && seconds > 2 ? ((total - sent) / sent) * seconds : null;
  const time = left === null || sent === total ? "" : `, about ${left < 90 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} min`} left`;
  text.textContent = sent === total ? "Verifying what arrived …" : `${inWords(sent)} of ${inWords(total)}${time}`;
}

function share(name) {
  return Number(form.elements[name].value) / 100;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clear();
  const file = input.files[0];
  if (!file) return refuse("file", "Choose a file first.");
  if (problemWith(file)) return undefined;
  const versions = form.dataset.versions;
  const since = performance.now();
  running = new AbortController();
  setBusy(true);
  try {
    if (arrived?.file !== file) {
      const onProgress = (sent, total) => progress(sent, total, since);
      const { signal } = running;
      arrived = { file, upload: await uploadFile({ uploads: form.dataset.uploads, purpose: "dataset", file, onProgress, signal }) };
    }
    const { id } = arrived.upload;
    const seed = Number(form.elements.seed.value);
    const about = { seed, validation: share("validation"), test: share("test"), data_spec: form.elements.data_spec.value, bad_values: form.elements.bad_values.value };
    const version = await callApi(versions, { upload: id, ...about });
    running = null;
    location.assign(form.dataset.versionPage.replace("00000000-0000-0000-0000-000000000000", version.id));
    return undefined;
  } catch (error) {
    if (error instanceof Refused && error.code.startsWith("upload_")) arrived = null;
    running = null;
    setBusy(false);
    return say(error);
  }
});

function setBusy(isBusy) {
  sending.hidden = !isBusy;
  stop.hidden = !isBusy;
  send.disabled = isBusy;
  for (const control of form.querySelectorAll("input, textarea, select")) control.disabled = isBusy;
  if (isBusy) bar.scrollIntoView({ block: "nearest" });
}

stop.addEventListener("click", () => running?.abort());
addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});

send.disabled = false; // Until here a press would have sent the form itself, without the file.
