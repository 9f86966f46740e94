// The list of jobs: what is selected outlives the rows, which htmx exchanges while a job moves; actions ask before they act.
const form = document.querySelector("#bulk");
const selected = new Set();
const boxes = () => [...document.querySelectorAll("#jobs input[name=job]")];

/** Ticks what was selected, of the rows that are there; says how many, and lets the buttons act. */
function show() {
  const here = boxes();
  for (const box of here) box.checked = selected.has(box.value);
  const count = here.filter((box) => box.checked).length;
  const all = form.querySelector("[data-select-all]");
  all.checked = count > 0 && count === here.length;
  all.indeterminate = count > 0 && count < here.length;
  form.querySelector("[data-selected]").textContent = count ? `${count} selected` : "None selected";
  for (const button of form.querySelectorAll("[data-bulk]")) button.disabled = !count;
}

function select(box, isChosen) {
  if (isChosen) selected.add(box.value);
  else selected.delete(box.value);
}

// Nobody watches a hidden page.
document.addEventListener("htmx:beforeRequest", (event) => { if (document.hidden) event.preventDefault(); });

if (form) {
  document.addEventListener("change", ({ target }) => {
    if (target.matches("#jobs input[name=job]")) select(target, target.checked);
    else if (target.matches("[data-select-all]")) for (const box of boxes()) select(box, target.checked);
    else return;
    show();
  });
  form.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.ask;
    if (question && !window.confirm(question)) event.preventDefault();
  });
  document.addEventListener("htmx:afterSwap", show);
  show();
}
