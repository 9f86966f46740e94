// Several runs side by side: a colour for each run, a chart for each measure of each network, and their final and best.
import { CurveBoard } from "./curve-board.js";
import { formatOf, make, swatch } from "./curve-chart.js";
import { RunSeries, aboutMetric, partsOf, summaryOf } from "./curve-data.js";
import { connectJob } from "./live.js";

const { runs: about, measures, files } = JSON.parse(document.querySelector("#chart-data").textContent);
const COLOURS = ["blue", "orange", "green", "purple", "red", "cyan", "pink", "yellow", "indigo", "lime", "teal", "azure"].map((name) => `--tblr-${name}`);
const LOADED_AT_ONCE = 3;
const runs = about.map((one) => new RunSeries(one));
const colourOf = (run) => COLOURS[runs.indexOf(run) % COLOURS.length];
const isShare = (metric) => aboutMetric(metric, measures).isShare;

function facetOf({ network, metric }) {
  const place = about.map(({ networks }) => networks.findIndex(({ key }) => key === network)).find((index) => index >= 0) ?? 99;
  const name = network.replace("student:", "");
  const { title, isShare: share, rank } = aboutMetric(metric, measures);
  return { key: `${network}/${metric}`, title: name ? `${name}: ${title}` : title, isShare: share, rank: `${rank} ${String(place).padStart(2, "0")} ${name}` };
}

function lineOf(run, { isValidation }, tag) {
  // The number comes first: where there is no room for the whole name, it still tells them apart.
  const name = `Run ${run.number}: ${run.name}`;
  return { label: isValidation ? `Run ${run.number}, validation: ${run.name}` : name, key: String(run.number), name, colour: colourOf(run), rank: runs.indexOf(run), text: `${run.name}/${tag}` };
}

/** A row a series: its final value in each run, and its best where the measure has a better and a worse. */
function summarize() {
  const body = document.querySelector("[data-summary]");
  const tags = [...new Set(runs.flatMap((run) => [...run.series.keys()]))].sort();
  body.replaceChildren(...tags.map((tag) => {
    const { metric } = partsOf(tag);
    const format = formatOf({ isShare: isShare(metric) });
    const found = runs.map((run) => (run.series.has(tag) ? summaryOf(run.series.get(tag), isShare(metric)) : null));
    const values = found.filter(Boolean).map(({ best }) => best.value);
    const best = isShare(metric) ? Math.max(...values) : Math.min(...values);
    const row = make("tr");
    const name = make("th", "fw-normal series-column", tag);
    name.scope = "row";
    row.append(name, ...found.map((one) => {
      const cell = make("td", "numeric");
      if (!one) {
        cell.textContent = "–";
        return cell;
      }
      cell.append(make("span", one.best.value === best && values.length > 1 ? "fw-bold" : "", format(one.final.value)));
      cell.append(make("br"), make("span", "text-secondary text-nowrap", `best ${format(one.best.value)} at ${one.best.step.toLocaleString("en")}`));
      return cell;
    }));
    return row;
  }));
  const card = document.querySelector("[data-summary-card]");
  card.hidden = !tags.length;
  card.querySelector(".table-responsive").tabIndex = 0; // it scrolls sideways, and could not when the page was new
}

/** Keeps the badge and the charts of a run up to date until it is over. */
function follow(run, after) {
  const badges = document.querySelectorAll(`[data-run="${run.id}"] [data-job-state]`);
  connectJob(run.live, after, {
    onEvent(event) {
      if (!run.add(event)) return;
      board.drawSoon();
      summaryTimer ??= setTimeout(() => { summaryTimer = null; summarize(); }, 1000);
    },
    onState({ state }) {
      for (const badge of badges) badge.hidden = badge.dataset.jobState !== state;
    },
  });
}

let summaryTimer = null;
for (const run of runs) {
  for (const place of document.querySelectorAll(`[data-run="${run.id}"] [data-swatch]`)) place.append(swatch({ colour: colourOf(run) }));
}
const board = new CurveBoard({ runs, files, place: document.querySelector("[data-curves]"), facetOf, lineOf });
const waiting = [...runs];
await Promise.all(Array.from({ length: LOADED_AT_ONCE }, async () => {
  for (let run = waiting.shift(); run; run = waiting.shift()) {
    const after = await run.read(files.json);
    if (!run.isOver || !after) follow(run, after); // what could not be read comes event by event
    board.draw();
    summarize();
  }
}));
board.draw();
