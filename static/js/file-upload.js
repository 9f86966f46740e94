// Sends a file, then posts the form with the upload's id: the server makes of it what the page is about.
// The form says in data attributes what it is for (purpose), which suffixes it may have, and how large it may be.
import { Refused, inWords, uploadFile } from "./upload.js";

const form = document.querySelector("#upload-form");
const input = form.querySelector("#file");
const place = form.querySelector("#file-error");
const sending = form.querySelector("#sending");
const bar = form.querySelector("#sent");
const text = form.querySelector("#sent-text");
const send = form.querySelector("button[type=submit]");
const suffixes = form.dataset.suffixes.split(" ");
const accepted = suffixes.join(" or ");
let isSending = false;

function refuse(message) {
  place.textContent = message;
  place.classList.toggle("d-block", Boolean(message));
  input.classList.toggle("is-invalid", Boolean(message));
  if (message) input.focus();
}

/** What can be said without asking the server; "" if nothing. */
function problemWith(file) {
  const most = Number(form.dataset.maxBytes);
  if (!file) return `Choose a ${accepted} file first.`;
  if (!suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix))) return `Choose a ${accepted} file. This is ${file.name}.`;
  if (file.size === 0) return "This file is empty.";
  return file.size > most ? `An upload has at most ${inWords(most)}. This file has ${inWords(file.size)}.` : "";
}

function reasonOf(error) {
  if (!(error instanceof Refused)) return "The connection broke. Check the network, then send it again.";
  return error.details.map(({ message }) => message).join(" ") || error.message;
}

function setBusy(isBusy) {
  isSending = isBusy;
  sending.hidden = !isBusy;
  send.disabled = input.disabled = isBusy;
}

input.addEventListener("change", () => refuse(input.files[0] ? problemWith(input.files[0]) : ""));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = input.files[0];
  if (!file && form.dataset.isSent) return form.submit(); // Only something else was wrong: the bytes are there.
  const problem = problemWith(file);
  refuse(problem);
  if (problem) return;
  setBusy(true);
  const onProgress = (sent, total) => {
    bar.value = total ? sent / total : 0;
    text.textContent = sent === total ? "Verifying what arrived …" : `${inWords(sent)} of ${inWords(total)}`;
  };
  try {
    const upload = await uploadFile({ uploads: form.dataset.uploads, purpose: form.dataset.purpose, file, onProgress });
    form.elements.upload.value = upload.id;
    isSending = false;
    form.submit();
  } catch (error) {
    setBusy(false);
    refuse(reasonOf(error));
  }
});

addEventListener("beforeunload", (event) => {
  if (isSending) event.preventDefault();
});

send.disabled = false; // Until here a press would have sent the form itself, without the file.
