// One card with one chart: lines of series, what they are at the pointer or the arrow keys, and their files.
import { decimate, nearest, smooth, sorted, timeTicks, withoutOutliers } from "./curve-math.js";
import { themeColour as colour } from "./colours.js";
import { duration } from "./job-live.js";

const MOST_POINTS = 6000; // drawn in one chart, of all lines together
const MOST_ROWS = 16; // of what is said at the pointer
const AXES = { step: "step", relative: "time since the start", wall: "time of day" };
const short = (value) => Number(Number(value).toPrecision(4)).toLocaleString("en");
const whole = (value) => `${Number((value * 100).toFixed(2))} %`;
const percent = (value) => `${(value * 100).toFixed(value > 0.99 && value < 1 ? 2 : 1)} %`;
const zone = () => -new Date().getTimezoneOffset() * 60_000;
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DAY = { month: "short", day: "numeric" };

/** How a value of a measure is written. */
export function formatOf({ isShare }) {
  return isShare ? percent : short;
}

export class CurveChart {
  /** `facet`: {key, title, isShare}. `element`: where the card is put. `filesOf(tags)`: addresses, {csv, json}. */
  constructor(facet, { id, element, filesOf }) {
    Object.assign(this, { facet, filesOf, lines: [], settings: null, tags: "" });
    this.format = formatOf(facet);
    this.card = document.querySelector("#curve-card").content.firstElementChild.cloneNode(true);
    const find = (name) => this.card.querySelector(`[data-${name}]`);
    [this.plot, this.cursor, this.readout, this.note, this.menu] = ["plot", "cursor", "readout", "note", "downloads"].map(find);
    find("title").textContent = facet.title;
    this.canvas = this.card.querySelector("canvas");
    this.canvas.id = id;
    this.canvas.setAttribute("aria-label", `${facet.title}, by step or time.`);
    this.plot.setAttribute("aria-label", `${facet.title}. The arrow keys read the lines.`);
    element.append(this.card);
    this.chart = new window.Chart(this.canvas, { type: "line", data: { datasets: [] }, options: this.#options() });
    this.#listen();
  }

  /** Draw `lines`: {label, colour (a CSS variable), isDashed, run, series, cache}. */
  show(lines, settings) {
    Object.assign(this, { lines, settings });
    const share = Math.max(40, Math.min(400, Math.floor(MOST_POINTS / Math.max(1, lines.length * (settings.smoothing ? 2 : 1)))));
    for (const line of lines) prepare(line, settings, share);
    this.chart.data.datasets = [
      ...(settings.smoothing ? lines.map((line) => dataset(line, line.cache.raw, true)) : []),
      ...lines.map((line) => dataset(line, line.cache.drawn, false)),
    ];
    this.#scale();
    this.chart.update("none");
    this.#say();
    this.#offer();
    if (!this.readout.hidden) this.#read(this.at);
  }

  #options() {
    return {
      animation: false,
      parsing: false,
      normalized: true,
      maintainAspectRatio: false,
      events: [], // what is at the pointer is looked up in all points, not in those drawn
      elements: { line: { borderWidth: 2, tension: 0 }, point: { radius: 0 } },
      scales: { x: { type: "linear", title: { display: true } }, y: { type: "linear" } },
      plugins: { legend: { display: false }, tooltip: { enabled: false } },
    };
  }

  #scale() {
    const { axis, logx, logy, outliers } = this.settings;
    const { x, y } = this.chart.options.scales;
    const isLogX = logx && axis === "step";
    const text = colour("--tblr-body-color");
    const filled = this.lines.map(({ cache }) => cache.xs).filter((xs) => xs.length);
    const [least, most] = [Math.min(...filled.map((xs) => xs[0])), Math.max(...filled.map((xs) => xs.at(-1)))];
    Object.assign(x, {
      type: isLogX ? "logarithmic" : "linear",
      min: least < most ? least : undefined,
      max: least < most ? most : undefined,
      grid: { color: colour("--tblr-border-color") },
      title: { display: true, text: AXES[axis], color: text },
      ticks: { color: text, maxRotation: 0, autoSkipPadding: 12, callback: this.#tick(isLogX, (value) => axisText(axis, value)) },
      afterBuildTicks: (scale) => {
        if (axis === "step" || !filled.length) return;
        const count = Math.max(2, Math.floor(scale.width / 110));
        scale.ticks = timeTicks(scale.min, scale.max, count, axis === "wall" ? zone() : 0).map((value) => ({ value }));
      },
    });
    const range = outliers ? withoutOutliers(this.lines.map(({ cache }) => cache.ys)) : null;
    const { isShare } = this.facet;
    Object.assign(y, {
      type: logy ? "logarithmic" : "linear",
      beginAtZero: !isShare && !logy && !range,
      min: undefined,
      max: isShare && !logy && !range ? 1 : undefined,
      grid: { color: colour("--tblr-border-color") },
      ticks: { color: text, includeBounds: false, callback: this.#tick(logy, isShare ? whole : short) },
    });
    if (range && range[0] < range[1]) {
      const room = logy ? (range[1] / range[0]) ** 0.05 : (range[1] - range[0]) * 0.05;
      [y.min, y.max] = logy ? [range[0] / room, range[1] * room] : [range[0] - room, range[1] + room];
    }
  }

  /** On a logarithmic axis, Chart.js says which ticks have room for a number. */
  #tick(isLog, format) {
    return function tick(value, index, ticks) {
      return isLog && !window.Chart.Ticks.formatters.logarithmic.call(this, value, index, ticks) ? "" : format(value);
    };
  }

  #say() {
    const left = this.lines.reduce((sum, { cache }) => sum + cache.leftOut, 0);
    const said = [
      this.lines.some(({ isDashed }) => isDashed) ? "Solid: on the batches learned from. Dashed: on the validation split." : "",
      this.settings.smoothing ? "Faint: as measured." : "",
      left ? `${left.toLocaleString("en")} ${left === 1 ? "point is" : "points are"} not shown: a logarithmic axis has no place for 0 and less.` : "",
    ];
    this.note.textContent = said.filter(Boolean).join(" ");
    this.note.hidden = !this.note.textContent;
  }

  #offer() {
    const tags = [...new Set(this.lines.map(({ series }) => series.tag))];
    if (tags.join("\n") === this.tags) return;
    this.tags = tags.join("\n");
    const entries = [...(tags.length > 1 ? [["All lines of this chart", tags]] : []), ...tags.map((tag) => [tag, [tag]])];
    this.menu.replaceChildren(...entries.map(([label, chosen]) => {
      const row = make("div", "curve-file");
      const links = Object.entries(this.filesOf(chosen)).map(([extension, address]) => {
        const link = make("a", "btn btn-sm", extension.toUpperCase());
        link.href = address;
        link.setAttribute("aria-label", `${label} as ${extension.toUpperCase()}`);
        return link;
      });
      row.append(make("span", "text-break me-auto", label), ...links);
      return row;
    }));
  }

  // --- What the lines are at one place: under the pointer, or where the arrow keys have led ---

  #listen() {
    const at = ({ clientX, clientY }) => {
      const box = this.canvas.getBoundingClientRect();
      return { x: clientX - box.left, y: clientY - box.top };
    };
    for (const kind of ["pointermove", "pointerdown"]) this.plot.addEventListener(kind, (event) => this.#read(at(event)));
    for (const kind of ["pointerleave", "blur"]) this.plot.addEventListener(kind, () => this.#hide());
    this.plot.addEventListener("keydown", (event) => {
      const { left, right } = this.chart.chartArea;
      const step = (right - left) / (event.shiftKey ? 10 : 100);
      const now = this.readout.hidden ? null : this.at.x;
      const to = { ArrowLeft: (now ?? right + step) - step, ArrowRight: (now ?? left - step) + step, Home: left, End: right }[event.key];
      if (event.key === "Escape") this.#hide();
      if (to === undefined) return;
      event.preventDefault();
      this.#read({ x: Math.min(Math.max(to, left), right), y: null });
    });
  }

  #hide() {
    this.readout.hidden = this.cursor.hidden = true;
  }

  #read(at) {
    const { chartArea: area, scales: { x, y } } = this.chart;
    const inside = at && area && at.x >= area.left - 1 && at.x <= area.right + 1 && (at.y === null || (at.y >= area.top - 1 && at.y <= area.bottom + 1));
    const rows = inside ? this.lines.map((line) => rowAt(line, x.getValueForPixel(at.x), at.y, y)).filter(Boolean) : [];
    if (!rows.length) return this.#hide();
    this.at = at;
    const shown = sorted(rows, this.settings.tooltip);
    const table = make("table");
    table.append(...shown.slice(0, MOST_ROWS).map((row) => this.#row(row)));
    const more = shown.length > MOST_ROWS ? [make("div", "text-secondary", `and ${shown.length - MOST_ROWS} more`)] : [];
    this.readout.replaceChildren(table, ...more);
    this.readout.hidden = this.cursor.hidden = false;
    this.cursor.style.left = `${at.x}px`;
    this.cursor.style.top = `${area.top}px`;
    this.cursor.style.height = `${area.bottom - area.top}px`;
    const isRight = at.x < (area.left + area.right) / 2;
    this.readout.style.left = isRight ? `${at.x + 12}px` : "";
    this.readout.style.right = isRight ? "" : `${this.plot.clientWidth - at.x + 12}px`;
  }

  #row({ line, value, raw, step, time }) {
    const row = make("tr");
    const name = make("th");
    name.scope = "row";
    name.append(swatch(line), ` ${line.label}`);
    const { min, max } = this.chart.scales.x;
    const isOneDay = new Date(min).toDateString() === new Date(max).toDateString();
    const clock = () => new Date(time).toLocaleString(undefined, isOneDay ? CLOCK : { ...DAY, ...CLOCK });
    const when = this.settings.axis === "wall" ? clock() : duration((time - line.run.start) / 1000);
    const where = [`step ${step.toLocaleString("en")}`, when];
    if (this.settings.axis !== "step") where.reverse(); // a phone has no room for the second
    const cells = [this.format(value), ...(this.settings.smoothing ? [`(${this.format(raw)})`] : []), ...where];
    row.append(name, ...cells.map((text) => make("td", "", text)));
    return row;
  }
}

/** A patch in the colour of a line, dashed as the line is. */
export function swatch({ colour: name, isDashed = false }) {
  const patch = make("span", isDashed ? "curve-swatch curve-swatch-dashed" : "curve-swatch");
  patch.style.color = `var(${name})`;
  return patch;
}

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

function axisText(axis, value) {
  if (axis === "step") return Number(value).toLocaleString("en");
  if (axis === "relative") return value === 0 ? "0" : duration(value / 1000).replace(/ 0 (s|min)$/, "");
  return new Date(value).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

/** Computes what is drawn of a line, where it or the settings have changed since the last time. */
function prepare(line, settings, share) {
  const { series, run } = line;
  const { smoothing, axis, logx, logy } = settings;
  const rawKey = [series.version, axis, logx, logy, share, Boolean(smoothing), run.start].join();
  const key = `${rawKey} ${smoothing}`;
  if (line.cache?.key === key) return;
  const isLogX = logx && axis === "step";
  let xs = { step: series.steps, relative: series.times, wall: series.times }[axis];
  if (axis === "relative") xs = xs.map((time) => time - run.start);
  let [ys, raw, indices] = [smooth(series.values, smoothing), series.values, null];
  if (isLogX || logy) {
    indices = xs.map((_, index) => index).filter((index) => (!isLogX || xs[index] > 0) && (!logy || (ys[index] > 0 && raw[index] > 0)));
    [xs, ys, raw] = [xs, ys, raw].map((list) => indices.map((index) => list[index]));
  }
  const places = (list, isLog) => (isLog ? list.map(Math.log) : list);
  const px = places(xs, isLogX);
  const drawn = (values) => decimate(px, places(values, logy), share).map((index) => ({ x: xs[index], y: values[index] }));
  const kept = line.cache?.rawKey === rawKey ? line.cache.raw : null;
  const leftOut = series.values.length - xs.length;
  line.cache = { key, rawKey, xs, ys, indices, leftOut, drawn: drawn(ys), raw: smoothing ? (kept ?? drawn(raw)) : [] };
}

function dataset(line, data, isFaint) {
  const shade = colour(line.colour);
  const faint = shade.replace(/[\d.]+\)$/, "0.25)");
  return {
    label: line.label,
    data,
    borderColor: isFaint ? faint : shade,
    backgroundColor: isFaint ? faint : shade,
    borderWidth: isFaint ? 1 : 2,
    borderDash: line.isDashed ? [5, 4] : [],
    pointRadius: data.length === 1 ? 3 : 0, // a single one would not be seen
  };
}

/** The point of a line that is nearest to `x`; null where it has none. `distance`: in pixels from the pointer. */
function rowAt(line, x, pointer, scale) {
  const { xs, ys, indices } = line.cache;
  const place = nearest(xs, x);
  if (place < 0) return null;
  const index = indices ? indices[place] : place;
  const { steps, times, values } = line.series;
  const distance = pointer === null ? 0 : Math.abs(scale.getPixelForValue(ys[place]) - pointer);
  return { line, value: ys[place], raw: values[index], step: steps[index], time: times[index], distance };
}
