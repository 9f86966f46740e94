// The charts of a version's report: ROC and precision-recall curves of the classes, and how far its confidence is true.
import { themeColour as colour } from "./colours.js";

const { curves, bins } = JSON.parse(document.querySelector("#report-data").textContent);
const COLOURS = ["--tblr-blue", "--tblr-orange", "--tblr-green", "--tblr-purple", "--tblr-red", "--tblr-cyan", "--tblr-yellow", "--tblr-pink"];
const percent = (value) => `${Math.round(value * 100)} %`;
const points = (line) => line.map(([x, y]) => ({ x, y }));

/** A square of two shares. `datasets` say by `index` which colour they have; `muted` ones are grey. */
function makeChart(id, { x, y, datasets, label }) {
  const axis = (text) => ({ type: "linear", min: 0, max: 1, title: { display: true, text }, ticks: { callback: percent } });
  return new window.Chart(document.querySelector(`#${id}`), {
    type: "line",
    data: { datasets: datasets.map((dataset) => ({ borderWidth: 2, pointRadius: 0, pointHitRadius: 6, tension: 0, ...dataset })) },
    options: {
      animation: false,
      parsing: false,
      maintainAspectRatio: false,
      interaction: { mode: "nearest", intersect: false },
      scales: { x: axis(x), y: axis(y) },
      plugins: {
        legend: { display: datasets.length > 1 && !label, position: "bottom", labels: { usePointStyle: true, pointStyle: "line", filter: ({ text }) => Boolean(text) } },
        tooltip: {
          filter: ({ dataset }) => !dataset.muted,
          callbacks: { title: () => "", label: label ?? (({ dataset, parsed }) => `${dataset.label}: ${percent(parsed.x)}, ${percent(parsed.y)}`) },
        },
      },
    },
  });
}

function lines(kind) {
  return curves.map((curve, index) => ({ label: curve.label, index, data: points(curve[kind]), borderDash: index < COLOURS.length ? [] : [6, 3] }));
}

const diagonal = { label: "", muted: true, data: points([[0, 0], [1, 1]]), borderDash: [2, 4], borderWidth: 1, pointHitRadius: 0 };
const charts = [];
if (curves.length) {
  charts.push(makeChart("roc-chart", { x: "false positives", y: "true positives", datasets: [...lines("roc"), diagonal] }));
  charts.push(makeChart("pr-chart", { x: "recall", y: "precision", datasets: lines("pr") }));
}
if (bins.length) {
  const most = Math.max(...bins.map(({ count }) => count));
  const measured = {
    label: "Accuracy",
    index: 0,
    data: bins.map(({ confidence, accuracy }) => ({ x: confidence, y: accuracy })),
    clip: false,
    pointRadius: bins.map(({ count }) => 3 + 7 * Math.sqrt(count / most)),
  };
  const label = ({ dataIndex, parsed }) => `${percent(parsed.x)} sure, ${percent(parsed.y)} right, ${bins[dataIndex].count} examples`;
  charts.push(makeChart("calibration-chart", { x: "confidence", y: "accuracy", datasets: [measured, diagonal], label }));
}

function paint() {
  const text = colour("--tblr-body-color");
  const grid = colour("--tblr-border-color");
  for (const chart of charts) {
    for (const dataset of chart.data.datasets) {
      const chosen = colour(dataset.muted ? "--tblr-secondary" : COLOURS[dataset.index % COLOURS.length]);
      dataset.borderColor = chosen;
      dataset.backgroundColor = chosen;
    }
    for (const scale of Object.values(chart.options.scales)) {
      scale.ticks.color = text;
      scale.title.color = text;
      scale.grid = { color: grid };
    }
    chart.options.plugins.legend.labels.color = text;
    chart.update();
  }
}

paint();
document.addEventListener("themechange", paint);
