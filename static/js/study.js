// A study's charts: values by trial with the best so far, by one parameter, by size, and what matters. The page renews
// its upper part while trials run, and the data of the charts with it.
import { themeColour } from "./colours.js";

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const chosen = document.querySelector("#parameter");
const charts = new Map();
let data = read();

function read() {
  return JSON.parse(document.querySelector("#chart-data").textContent);
}

const percent = (value) => `${(value * 100).toFixed(2)} %`;
const short = (value) => Number(value).toLocaleString("en", { maximumSignificantDigits: 4 });
const valueText = (value) => (data.figure.isShare ? percent(value) : short(value));
const axisText = (value) => (data.figure.isShare ? `${Number((value * 100).toFixed(2))} %` : short(value));
const kilobytes = (value) => `${short(value)} KB`;

/** The trials in groups that look different: what counts, what is too large, what was stopped. */
function groups(xOf) {
  const point = (trial, y) => ({ x: xOf(trial), y, trial });
  const isThere = ({ x, y }) => x !== null && x !== undefined && y !== null && y !== undefined;
  const complete = data.trials.filter(({ state }) => state === "complete");
  const sets = [
    { label: "Complete", colour: "--tblr-blue", points: complete.filter(({ counts, isBest }) => counts && !isBest), of: (trial) => trial.value },
    { label: "Best", colour: "--tblr-green", radius: 6, points: complete.filter(({ isBest }) => isBest), of: (trial) => trial.value },
    { label: "File too large", colour: "--tblr-yellow", points: complete.filter(({ counts }) => !counts), of: (trial) => trial.value, style: "rect" },
    { label: "Stopped early", colour: "--tblr-secondary", points: data.trials.filter(({ state }) => state === "pruned"), of: (trial) => trial.reached, style: "crossRot" },
  ];
  return sets.map(({ label, colour, points, of, style = "circle", radius = 4 }) => ({
    label,
    data: points.map((trial) => point(trial, of(trial))).filter(isThere),
    backgroundColor: themeColour(colour),
    borderColor: themeColour(colour),
    pointStyle: style,
    pointRadius: radius,
    pointHoverRadius: radius + 2,
  })).filter((set) => set.data.length);
}

function bestSoFar() {
  const better = data.figure.isMaximized ? Math.max : Math.min;
  let best = null;
  const points = [];
  for (const { number, value, counts } of data.trials) {
    if (counts) best = best === null ? value : better(best, value);
    if (best !== null) points.push({ x: number, y: best });
  }
  return { type: "line", label: "Best so far", data: points, stepped: true, borderColor: themeColour("--tblr-green"), borderWidth: 2, pointRadius: 0, pointHitRadius: 0 };
}

function options(x, tooltipX) {
  const text = themeColour("--tblr-secondary");
  const grid = { color: themeColour("--tblr-border-color") };
  return {
    animation: false,
    maintainAspectRatio: false,
    scales: {
      x: { grid, ...x, title: { display: Boolean(x.name), text: x.name, color: text }, ticks: { color: text, maxRotation: 0, autoSkipPadding: 12, ...x.ticks } },
      y: { grid, ticks: { color: text, callback: axisText } },
    },
    plugins: {
      legend: { position: "bottom", labels: { color: text, usePointStyle: true, boxHeight: 7 } },
      tooltip: {
        filter: ({ raw }) => Boolean(raw.trial),
        callbacks: {
          title: (items) => (items[0] ? `Trial ${items[0].raw.trial.number}` : ""),
          label: ({ raw }) => [valueText(raw.y), tooltipX?.(raw)].filter(Boolean),
        },
      },
    },
  };
}

function put(id, config) {
  charts.get(id)?.destroy();
  charts.set(id, new window.Chart(document.getElementById(id), config));
}

function drawHistory() {
  const sets = [...groups((trial) => trial.number), bestSoFar()];
  put("history", { type: "scatter", data: { datasets: sets }, options: options({ name: "Trial", min: 0, ticks: { precision: 0 } }) });
}

function drawScatter() {
  const index = Number(chosen.value);
  const { label, log, choices } = data.parameters[index];
  const word = (value) => (choices ? choices[value] ?? "" : short(value));
  // On a logarithmic axis, Chart.js says which ticks have room for a number.
  const logTick = function tick(value, place, ticks) { return window.Chart.Ticks.formatters.logarithmic.call(this, value, place, ticks) ? short(value) : ""; };
  const axis = choices
    ? { type: "linear", min: -0.5, max: choices.length - 0.5, ticks: { stepSize: 1, autoSkip: false, callback: (value) => (Number.isInteger(value) ? word(value).slice(0, 24) : "") } }
    : { type: log ? "logarithmic" : "linear", ticks: { callback: log ? logTick : (value) => short(value) } };
  put("scatter", { type: "scatter", data: { datasets: groups((trial) => trial.params[index]) }, options: options({ name: label, ...axis }, ({ x }) => `${label}: ${word(x)}`) });
}

function drawTrade() {
  const axis = { name: "Size of the file", ticks: { callback: kilobytes } };
  const sets = groups(({ bytes }) => (bytes === null ? null : bytes / 1024));
  put("trade", { type: "scatter", data: { datasets: sets }, options: options(axis, ({ x }) => kilobytes(x)) });
}

function drawImportance() {
  const text = themeColour("--tblr-secondary");
  put("importance", {
    type: "bar",
    data: { labels: data.importance.map(({ label }) => label), datasets: [{ data: data.importance.map(({ share }) => share), backgroundColor: themeColour("--tblr-blue"), maxBarThickness: 28 }] },
    options: {
      animation: still ? false : { duration: 200 },
      indexAxis: "y",
      maintainAspectRatio: false,
      scales: {
        x: { min: 0, grid: { color: themeColour("--tblr-border-color") }, ticks: { color: text, callback: (value) => `${Math.round(value * 100)} %` } },
        y: { grid: { display: false }, ticks: { color: text } },
      },
      plugins: { legend: { display: false }, tooltip: { callbacks: { label: ({ raw }) => percent(raw) } } },
    },
  });
}

function draw() {
  const plotted = data.trials.some(({ reached }) => reached !== null);
  const has = { trials: plotted, bytes: data.trials.some(({ bytes }) => bytes !== null) && data.figure.title !== "File size", importance: data.importance.length > 1 };
  for (const column of document.querySelectorAll("[data-needs]")) column.hidden = !has[column.dataset.needs];
  if (has.trials) {
    drawHistory();
    drawScatter();
  }
  if (has.bytes) drawTrade();
  if (has.importance) drawImportance();
}

chosen.addEventListener("change", drawScatter);
document.addEventListener("themechange", draw);
document.addEventListener("htmx:afterSettle", () => {
  const before = JSON.stringify(data);
  data = read();
  if (JSON.stringify(data) !== before) draw();
});
draw();
