// The class balance chart: how many examples of each class are in each split.
import { themeColour } from "./colours.js";

const { classes, series } = JSON.parse(document.querySelector("#balance-data").textContent);
const box = document.querySelector("#balance-box");
const canvas = document.querySelector("#balance-chart");
const SPLITS = [["train", "Training", "--tblr-blue"], ["validation", "Validation", "--tblr-orange"], ["test", "Test", "--tblr-green"]];
// Beyond this, bars lie down so that every class keeps a line of its own; the box scrolls with them.
const MANY = 24;
const lies = classes.length > MANY;
if (lies) box.style.height = `${Math.min(classes.length, 400) * 1.25 + 4}rem`;

const chart = new window.Chart(canvas, {
  type: "bar",
  data: { labels: classes, datasets: SPLITS.map(([split, label]) => ({ label, data: series[split] })) },
  options: {
    indexAxis: lies ? "y" : "x",
    animation: false,
    maintainAspectRatio: false,
    scales: {
      x: { stacked: true, position: lies ? "top" : "bottom", grid: { display: lies }, ticks: { precision: 0, callback: lies ? undefined : short } },
      y: { stacked: true, grid: { display: !lies }, ticks: { precision: 0, autoSkip: !lies, callback: lies ? short : undefined } },
    },
    plugins: { legend: { position: lies ? "top" : "bottom", labels: { boxWidth: 12 } } },
  },
});

function short(value) {
  const name = String(this.getLabelForValue(value));
  const most = lies ? 20 : 14;
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}

function paint() {
  const text = themeColour("--tblr-body-color");
  const line = themeColour("--tblr-border-color");
  SPLITS.forEach(([, , name], index) => { chart.data.datasets[index].backgroundColor = themeColour(name); });
  for (const scale of Object.values(chart.options.scales)) {
    scale.ticks.color = text;
    scale.grid.color = line;
  }
  chart.options.plugins.legend.labels.color = text;
  chart.update();
}

paint();
document.addEventListener("themechange", paint);
