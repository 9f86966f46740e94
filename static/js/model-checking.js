// Shows the verdict of a version's check, or of those of a run's versions, when it is there.
const { address } = document.querySelector("#checking").dataset;

async function look() {
  const answer = await fetch(address, { headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.ok) {
    const found = await answer.json();
    if (!(found.trained_models ?? [found]).some(({ state }) => state === "checking")) return location.reload();
  }
  return setTimeout(look, 1500);
}

setTimeout(look, 1000);
