// What every page has: the theme switch, CSRF for htmx, buttons that copy, and forms that ask before they act.
const NEXT = { system: "light", light: "dark", dark: "system" };

for (const button of document.querySelectorAll("[data-theme-toggle]")) {
  const name = button.querySelector("[data-theme-name]");
  name.textContent = localStorage.getItem("theme") ?? "system";
  button.addEventListener("click", () => {
    const next = NEXT[localStorage.getItem("theme") ?? "system"];
    localStorage.setItem("theme", next);
    name.textContent = next;
    window.applyTheme();
  });
}

export function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = csrfToken();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// What scrolls sideways can be reached by keyboard.
for (const box of document.querySelectorAll(".table-responsive")) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}
