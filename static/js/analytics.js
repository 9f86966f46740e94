// The chart of events by day: stacked bars, one colour a type, redrawn when the theme changes.
import { themeColour } from "./colours.js";

const COLOURS = {
  assigned: "--tblr-secondary",
  downloaded: "--tblr-azure",
  loaded: "--tblr-cyan",
  inferred: "--tblr-green",
  feedback: "--tblr-purple",
  failed: "--tblr-red",
};

const canvas = document.getElementById("events-by-day");
const data = JSON.parse(document.getElementById("chart-data").textContent);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
let chart = null;

function day(text) {
  return new Date(`${text}T00:00:00Z`).toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
}

function draw() {
  chart?.destroy();
  const text = themeColour("--tblr-secondary");
  const grid = themeColour("--tblr-border-color");
  chart = new window.Chart(canvas, {
    type: "bar",
    data: {
      labels: data.days.map(day),
      datasets: data.series
        .filter((series) => series.counts.some((count) => count > 0))
        .map((series) => ({ label: series.label, data: series.counts, backgroundColor: themeColour(COLOURS[series.type]), stack: "events" })),
    },
    options: {
      animation: still ? false : { duration: 300 },
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { stacked: true, grid: { display: false }, ticks: { color: text, maxRotation: 0, autoSkipPadding: 12 } },
        y: { stacked: true, beginAtZero: true, grid: { color: grid }, ticks: { color: text, precision: 0 } },
      },
      plugins: { legend: { position: "bottom", labels: { color: text, boxWidth: 12 } } },
    },
  });
}

draw();
document.addEventListener("themechange", draw);
