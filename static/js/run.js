// A run's page: loss and the task's measure (accuracy, or an error) of trainer and students while they learn, and from the events kept of a run that is over.
import { themeColour as colour } from "./colours.js";
import { followJob } from "./job-live.js";

const { models, measure, events } = JSON.parse(document.querySelector("#chart-data").textContent);
const COLOURS = ["--tblr-orange", "--tblr-blue", "--tblr-green", "--tblr-purple", "--tblr-red", "--tblr-cyan", "--tblr-yellow", "--tblr-pink"];
const log = document.querySelector("[data-job-log]");

/** A chart of one metric, without lines yet: `addModel` gives it those. */
function makeChart(id, name, { isShare, format }) {
  const series = [];
  const chart = new Chart(document.querySelector(`#${id}`), {
    type: "line",
    data: { datasets: [] },
    options: {
      animation: false,
      parsing: false,
      maintainAspectRatio: false,
      interaction: { mode: "nearest", axis: "x", intersect: false },
      scales: {
        x: { type: "linear", title: { display: true, text: "step" }, ticks: { precision: 0 } },
        y: { ticks: { callback: format }, beginAtZero: !isShare, max: isShare ? 1 : undefined },
      },
      plugins: {
        decimation: { enabled: true, algorithm: "lttb", samples: 300, threshold: 600 },
        tooltip: { callbacks: { title: ([item]) => `Step ${item.parsed.x}`, label: (item) => `${item.dataset.label}: ${format(item.parsed.y)}` } },
        legend: {
          position: "bottom",
          // One entry a model: it shows and hides both of its lines.
          labels: { boxWidth: 12, filter: (item) => !series[item.datasetIndex].isValidation },
          onClick: (event, { datasetIndex }) => {
            const isVisible = chart.isDatasetVisible(datasetIndex);
            chart.setDatasetVisibility(datasetIndex, !isVisible);
            chart.setDatasetVisibility(datasetIndex + 1, !isVisible);
            chart.update();
          },
        },
      },
    },
  });
  return { chart, name, series, points: [] };
}

/** Lines of a model in each chart: a solid one, and a dashed one where it was measured on the validation split. */
function addModel({ key, label }) {
  known.add(key);
  for (const { chart, name, series, points } of charts) {
    for (const isValidation of [false, true]) {
      series.push({ metric: `${isValidation ? "validation/" : ""}${key}/${name}`, index: known.size - 1, isValidation });
      points.push([]);
      chart.data.datasets.push({
        label: isValidation ? `${label}, validation` : label,
        data: [],
        borderWidth: 2,
        borderDash: isValidation ? [5, 4] : [],
        pointRadius: 0,
        pointHitRadius: 8,
        tension: 0.2,
      });
    }
  }
}

/** Students that the spec does not name, because the run has looked for them, are known by what is measured of them. */
function addFound(values) {
  const found = Object.keys(values).map((metric) => metric.match(/^(student:[^/]+)\/[^/]+$/)?.[1]).filter((key) => key && !known.has(key));
  if (!found.length) return;
  for (const key of new Set(found)) addModel({ key, label: key.replace("student:", "") });
  paint();
}

const percent = (value) => `${(value * 100).toFixed(value > 0.99 && value < 1 ? 2 : 0)} %`;
const short = (value) => Number(Number(value).toPrecision(3)).toLocaleString("en");
const charts = [
  makeChart("measure-chart", measure.name, { isShare: measure.is_share, format: measure.is_share ? percent : short }),
  makeChart("loss-chart", "loss", { isShare: false, format: short }),
];
const known = new Set();
let isDue = false;
models.forEach(addModel);

function add({ kind, data }) {
  if (kind !== "metrics") return;
  addFound(data.values);
  for (const { series, points } of charts) {
    series.forEach(({ metric }, index) => {
      const value = data.values[metric];
      if (value === undefined) return;
      // A resumed run takes up at its last checkpoint: what it measures again replaces what was there.
      while (points[index].length && points[index].at(-1).x >= data.step) points[index].pop();
      points[index].push({ x: data.step, y: value });
    });
  }
  draw();
}

// The decimation plugin takes the data over, so each drawing gets its own copy; a few drawings a second are enough.
function draw() {
  if (isDue) return;
  isDue = true;
  setTimeout(() => {
    isDue = false;
    for (const { chart, points } of charts) {
      chart.data.datasets.forEach((dataset, index) => { dataset.data = [...points[index]]; });
      chart.update();
    }
  }, 250);
}

function paint() {
  for (const { chart, series } of charts) {
    series.forEach(({ index, isValidation }, at) => {
      const chosen = colour(COLOURS[index % COLOURS.length]);
      chart.data.datasets[at].borderColor = chosen;
      chart.data.datasets[at].backgroundColor = isValidation ? "transparent" : chosen;
    });
    for (const scale of Object.values(chart.options.scales)) {
      scale.ticks.color = colour("--tblr-body-color");
      scale.grid = { color: colour("--tblr-border-color") };
      if (scale.title) scale.title.color = colour("--tblr-body-color");
    }
    chart.options.plugins.legend.labels.color = colour("--tblr-body-color");
    chart.update();
  }
}

/** All events so far, a thousand at a time. Returns the number of the last. */
async function readPast() {
  let after = 0;
  for (;;) {
    const answer = await fetch(`${events}?after=${after}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return after;
    const { results, last_sequence: last } = await answer.json();
    results.forEach(add);
    after = results.at(-1)?.sequence ?? after;
    if (!results.length || after >= last) return after;
  }
}

paint();
document.addEventListener("themechange", paint);
log.scrollTop = log.scrollHeight;
const after = await readPast();
followJob({ after, onEvent: add, onOver: () => location.reload() });
