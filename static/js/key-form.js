// Device keys have no scopes: their choice is hidden and not sent.
const scopes = document.querySelector("#scopes");

function update() {
  const isServer = document.querySelector("#key-form input[name=kind]:checked")?.value === "server";
  scopes.hidden = !isServer;
  for (const box of scopes.querySelectorAll("input")) box.disabled = !isServer;
}

document.querySelector("#key-form").addEventListener("change", update);
update();
