// The day is for weekly schedules alone; a new schedule begins with the browser's own time zone.
const form = document.querySelector("#schedule-form");
const every = form.elements.every;
const zone = form.elements.zone;
const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;

const isOffered = [...zone.options].some((option) => option.value === mine);

if ("isNew" in form.dataset && zone.value === "UTC" && isOffered) zone.value = mine;

function update() {
  document.querySelector("#weekday").hidden = every.value !== "week";
}

every.addEventListener("change", update);
update();
