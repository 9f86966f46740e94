// All charts of a page: which lines stand in which chart, the legend that shows and hides them, and when to draw.
import { CurveChart, make, swatch } from "./curve-chart.js";
import { partsOf } from "./curve-data.js";
import { CurveSettings } from "./curve-settings.js";

const LIVE_MS = 250; // a few drawings a second are enough for what comes in
const FRAME_MS = 12;
const AHEAD = "600px"; // charts further away are drawn when they come near

/**
 * `runs`: RunSeries. `files`: {csv, json}, the addresses of the series. `place`: the element that the charts are put into.
 * `facetOf(parts)` → {key, title, isShare, rank}: the chart in which a tag stands. `lineOf(run, parts, tag)` → {label, key,
 * name, colour, rank, text}: its label, the legend's entry that it belongs to, and what the filter is about.
 */
export class CurveBoard {
  constructor({ runs, files, place, facetOf, lineOf }) {
    Object.assign(this, { runs, files, place, facetOf, lineOf });
    this.charts = new Map();
    this.lines = new Map();
    this.waiting = new Set();
    this.near = new Set();
    this.legend = document.querySelector("[data-curve-legend]");
    this.empty = document.querySelector("[data-curve-empty]");
    this.settings = new CurveSettings(() => this.draw());
    this.watcher = new IntersectionObserver((entries) => this.#see(entries), { rootMargin: AHEAD });
    document.addEventListener("themechange", () => this.draw());
  }

  /** Draw soon: for what comes in live. */
  drawSoon() {
    this.timer ??= setTimeout(() => this.draw(), LIVE_MS);
  }

  draw() {
    clearTimeout(this.timer);
    this.timer = null;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.#drawAll());
  }

  #drawAll() {
    this.#findLines();
    this.#drawLegend();
    const { hide } = this.settings.current;
    let shown = 0;
    const lines = [...this.lines.values()].sort((a, b) => a.rank - b.rank || a.isDashed - b.isDashed);
    for (const [key, chart] of this.charts) {
      chart.visible = lines.filter((line) => line.facet === key && !hide.includes(line.key) && this.settings.matches(line.text));
      chart.curve.card.hidden = !chart.visible.length;
      shown += chart.visible.length;
      this.waiting.add(key);
    }
    this.empty.hidden = Boolean(shown);
    this.empty.textContent = this.lines.size ? "No line is left by the filter and the legend." : "Nothing has been measured yet.";
    this.#drawNear();
  }

  /** One chart after the other, and between them the page may answer. */
  #drawNear() {
    cancelAnimationFrame(this.rest);
    const begin = performance.now();
    for (const key of this.near) {
      if (!this.waiting.has(key)) continue;
      if (performance.now() - begin > FRAME_MS) {
        this.rest = requestAnimationFrame(() => this.#drawNear());
        return;
      }
      this.waiting.delete(key);
      const { curve, visible } = this.charts.get(key);
      if (visible.length) curve.show(visible, this.settings.current);
    }
  }

  #see(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.near.add(target.dataset.facet);
      else this.near.delete(target.dataset.facet);
    }
    this.#drawNear();
  }

  /** A line for each series that has come up since the last time, and a chart for each facet. */
  #findLines() {
    for (const run of this.runs) {
      for (const series of run.series.values()) {
        const id = `${run.id} ${series.tag}`;
        if (this.lines.has(id)) continue;
        const parts = partsOf(series.tag);
        const facet = this.facetOf(parts);
        const line = { ...this.lineOf(run, parts, series.tag), run, series, facet: facet.key, isDashed: parts.isValidation };
        this.lines.set(id, line);
        if (!this.charts.has(facet.key)) this.#addChart(facet);
      }
    }
  }

  #addChart(facet) {
    const id = `${facet.key.replace(/[^a-z0-9]+/gi, "-")}-chart`;
    const curve = new CurveChart(facet, { id, element: this.place, filesOf: (tags) => this.filesOf(tags) });
    curve.card.dataset.facet = facet.key;
    this.charts.set(facet.key, { curve, facet, visible: [] });
    const order = [...this.charts.values()].sort((a, b) => (a.facet.rank < b.facet.rank ? -1 : a.facet.rank > b.facet.rank ? 1 : 0));
    this.place.append(...order.map((chart) => chart.curve.card));
    this.watcher.observe(curve.card);
  }

  /** Where the series with these tags (all without any) of all runs are files. */
  filesOf(tags = []) {
    const query = new URLSearchParams([...this.runs.map(({ id }) => ["run", id]), ...tags.map((tag) => ["series", tag])]);
    return Object.fromEntries(Object.entries(this.files).map(([extension, address]) => [extension, `${address}?${query}`]));
  }

  #drawLegend() {
    const lines = [...this.lines.values()].sort((a, b) => a.rank - b.rank);
    const entries = new Map(lines.map(({ key, name, colour }) => [key, { key, name, colour }]));
    const buttons = new Map([...this.legend.children].map((button) => [button.dataset.key, button]));
    const known = buttons.size;
    for (const { key, name, colour } of entries.values()) {
      if (!buttons.has(key)) buttons.set(key, this.#legendButton(key, name, colour));
      buttons.get(key).setAttribute("aria-pressed", String(!this.settings.current.hide.includes(key)));
    }
    // In the order of their ranks; left alone otherwise, since what is moved loses the keyboard's focus.
    if (buttons.size > known) this.legend.append(...[...entries.keys()].map((key) => buttons.get(key)));
  }

  #legendButton(key, name, colour) {
    const button = make("button", "btn btn-sm curve-legend");
    button.type = "button";
    button.dataset.key = key;
    button.append(swatch({ colour }), ` ${name}`);
    button.addEventListener("click", () => this.settings.toggle(key));
    return button;
  }
}
