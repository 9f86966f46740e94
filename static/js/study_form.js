// The form of a new study: a field of the spec is chosen and added with a range, and the model's name goes with a choice.
const space = document.querySelector("#id_space");
const suggestion = document.querySelector("#suggestion");
const model = document.querySelector("#id_model");
const name = document.querySelector("#model-name");

document.querySelector("#add-suggestion")?.addEventListener("click", () => {
  const line = suggestion.value;
  const path = line.slice(0, line.indexOf(": "));
  const lines = space.value.split("\n").filter((one) => one.trim());
  // A field that is there already is not added twice: its line is what a person wants to see.
  let place = lines.findIndex((one) => one.startsWith(`${path}:`));
  if (place < 0) place = lines.push(line) - 1;
  space.value = lines.join("\n");
  const start = lines.slice(0, place).join("\n").length + (place ? 1 : 0);
  space.focus();
  space.setSelectionRange(start, start + lines[place].length);
});

function follow() {
  name.hidden = Boolean(model.value);
  if (name.hidden) name.querySelector("input").value = "";
}

model.addEventListener("change", follow);
follow();
