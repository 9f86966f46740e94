// How charts are drawn: a form, the address and the browser's storage that say the same. What an address says wins, so
// that a link shows the same to whoever opens it; an address that says nothing shows what was chosen here last.
import { filterOf } from "./curve-math.js";

const STORED = "charts";
const KEEP_MS = 150; // a slider changes more often than a browser lets the address change
const CHOICES = { axis: ["step", "relative", "wall"], tooltip: ["default", "descending", "ascending", "nearest"] };
const FLAGS = ["logx", "logy", "outliers"];
const DEFAULTS = { smoothing: 0, axis: "step", tooltip: "default", logx: false, logy: false, outliers: false, filter: "", hide: [] };

/** The settings in the query `search`; null where it names none of them. What can't be read is as if not said. */
export function fromQuery(search) {
  const query = new URLSearchParams(search);
  if (!Object.keys(DEFAULTS).some((name) => query.has(name))) return null;
  const weight = Number(query.get("smoothing"));
  const found = { ...DEFAULTS, filter: (query.get("filter") ?? "").slice(0, 200), hide: query.getAll("hide") };
  if (weight >= 0 && weight <= 0.999) found.smoothing = weight;
  for (const [name, accepted] of Object.entries(CHOICES)) if (accepted.includes(query.get(name))) found[name] = query.get(name);
  for (const name of FLAGS) found[name] = query.get(name) === "1";
  return found;
}

/** The query `search` with `settings` in it, those of other things left as they are. */
export function toQuery(search, settings) {
  const query = new URLSearchParams(search);
  for (const name of Object.keys(DEFAULTS)) query.delete(name);
  query.set("smoothing", settings.smoothing); // always there, so that a link with nothing but defaults says so
  for (const name of Object.keys(CHOICES)) if (settings[name] !== DEFAULTS[name]) query.set(name, settings[name]);
  for (const name of FLAGS) if (settings[name]) query.set(name, "1");
  if (settings.filter) query.set("filter", settings.filter);
  for (const key of settings.hide) query.append("hide", key);
  return `?${query}`;
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? null;
  } catch {
    return null;
  }
}

/**
 * The settings of the page's charts, bound to its form `[data-curve-settings]`. `onChange` is called after each change.
 * `current` has them, `matches(text)` says what the filter lets through.
 */
export class CurveSettings {
  constructor(onChange) {
    this.form = document.querySelector("[data-curve-settings]");
    this.onChange = onChange;
    const before = fromQuery(location.search) ?? fromQuery(toQuery("", { ...DEFAULTS, ...stored(), filter: "", hide: [] }));
    this.current = before;
    this.#show();
    if (JSON.stringify({ ...before, hide: [] }) !== JSON.stringify(DEFAULTS)) this.#keep();
    document.addEventListener("click", (event) => this.#passOn(event.target.closest("a[data-keeps-settings]")));
    document.addEventListener("submit", (event) => this.#passOn(event.target.closest("form[data-keeps-settings]")));
    this.form.addEventListener("input", () => this.#read());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.set(DEFAULTS);
    });
  }

  matches(text) {
    return this.filter.test(text);
  }

  set(changed) {
    this.current = { ...this.current, ...changed };
    this.#show();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#keep(), KEEP_MS);
    this.onChange();
  }

  /** Show or hide the lines of `key`. */
  toggle(key) {
    const { hide } = this.current;
    this.set({ hide: hide.includes(key) ? hide.filter((one) => one !== key) : [...hide, key] });
  }

  /** The page that a link or a form leads to shows its charts in the same way; what is hidden here may not be there. */
  #passOn(element) {
    if (!element) return;
    const settings = { ...this.current, hide: [] };
    if (element.href) element.search = toQuery(element.search, settings);
    else for (const [name, value] of new URLSearchParams(toQuery("", settings))) {
      const field = element.querySelector(`input[name="${name}"]`) ?? element.appendChild(document.createElement("input"));
      Object.assign(field, { type: "hidden", name, value });
    }
  }

  #read() {
    const fields = this.form.elements;
    this.set({
      smoothing: Number(fields.smoothing.value),
      filter: fields.filter.value,
      ...Object.fromEntries(Object.keys(CHOICES).map((name) => [name, fields[name].value])),
      ...Object.fromEntries(FLAGS.map((name) => [name, fields[name].checked])),
    });
  }

  #show() {
    const fields = this.form.elements;
    for (const name of ["smoothing", "filter", ...Object.keys(CHOICES)]) {
      if (fields[name].value !== String(this.current[name])) fields[name].value = this.current[name];
    }
    for (const name of FLAGS) fields[name].checked = this.current[name];
    this.form.querySelector("[data-smoothing]").textContent = this.current.smoothing.toFixed(2);
    // Time has no logarithm worth drawing.
    fields.logx.disabled = this.current.axis !== "step";
    this.filter = filterOf(this.current.filter);
    fields.filter.classList.toggle("is-invalid", Boolean(this.filter.problem));
    fields.filter.setAttribute("aria-invalid", String(Boolean(this.filter.problem)));
    this.form.querySelector("[data-filter-problem]").textContent = this.filter.problem;
  }

  #keep() {
    history.replaceState(history.state, "", toQuery(location.search, this.current) + location.hash);
    const { filter, hide, ...rest } = this.current;
    try {
      localStorage.setItem(STORED, JSON.stringify(rest));
    } catch {
      // A browser that keeps nothing shows the same by the address alone.
    }
  }
}
