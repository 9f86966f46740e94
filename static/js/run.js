// A run's page: what is measured of trainer and students while they learn, a chart a measure, and of a run that is over.
import { CurveBoard } from "./curve-board.js";
import { RunSeries, aboutMetric } from "./curve-data.js";
import { followJob } from "./job-live.js";

const { runs: [about], measures, files } = JSON.parse(document.querySelector("#chart-data").textContent);
const COLOURS = ["--tblr-orange", "--tblr-blue", "--tblr-green", "--tblr-purple", "--tblr-red", "--tblr-cyan", "--tblr-yellow", "--tblr-pink"];
const log = document.querySelector("[data-job-log]");
const run = new RunSeries(about);
// Students that the spec does not name, because the run has looked for them, come up with what is measured of them.
const networks = new Map(about.networks.map(({ key, label }) => [key, label]));

function facetOf({ metric }) {
  return { key: metric, ...aboutMetric(metric, measures) };
}

function lineOf(_, { network, isValidation }, tag) {
  if (!networks.has(network)) networks.set(network, network.replace("student:", ""));
  const name = networks.get(network);
  const rank = [...networks.keys()].indexOf(network);
  return { label: isValidation ? `${name}, validation` : name, key: network, name: name || "others", colour: COLOURS[rank % COLOURS.length], rank, text: tag };
}

const board = new CurveBoard({ runs: [run], files, place: document.querySelector("[data-curves]"), facetOf, lineOf });
log.scrollTop = log.scrollHeight;
const after = await run.read(files.json);
board.draw();
followJob({
  after,
  onEvent: (event) => { if (run.add(event)) board.drawSoon(); },
  onOver: () => location.reload(),
});
