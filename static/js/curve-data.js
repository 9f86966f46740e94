// The series of runs in the browser: read at once, then kept up to date by the events of the job.

/** One run: `series` are {tag, steps, times (ms), values, version}, by their tags; `version` rises with each change. */
export class RunSeries {
  constructor({ id, number, name, networks, is_over: isOver, live }) {
    Object.assign(this, { id, number, name, networks, isOver, live, series: new Map(), start: null });
  }

  /** Read all of it. Returns the number of the last event that is in it: the live ones go on after that. 0: it failed. */
  async read(file) {
    const answer = await fetch(`${file}?run=${this.id}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return 0;
    const [run] = (await answer.json()).runs;
    for (const { name, steps, wall_times: seconds, values } of run.series) {
      const times = seconds.map((one) => one * 1000);
      this.series.set(name, { tag: name, steps, times, values, version: 1 });
    }
    this.#findStart();
    return run.last_sequence;
  }

  /** An event of the job, as `connectJob` gives it. Returns whether it changed anything. */
  add({ kind, data, created_at: at }) {
    if (kind !== "metrics") return false;
    const time = Date.parse(at);
    for (const [tag, value] of Object.entries(data.values)) {
      if (!this.series.has(tag)) this.series.set(tag, { tag, steps: [], times: [], values: [], version: 0 });
      const series = this.series.get(tag);
      // A resumed run takes up at its last checkpoint: what it measures again replaces what was there.
      while (series.steps.length && series.steps.at(-1) >= data.step) {
        for (const column of [series.steps, series.times, series.values]) column.pop();
      }
      series.steps.push(data.step);
      series.times.push(time);
      series.values.push(value);
      series.version += 1;
    }
    this.#findStart();
    return true;
  }

  /** Time counts from the first thing that was measured and still counts. */
  #findStart() {
    this.start = Math.min(...[...this.series.values()].map(({ times }) => times[0] ?? Infinity));
  }
}

/** The parts of a tag: "validation/student:small/loss" → network "student:small", metric "loss", isValidation. */
export function partsOf(tag) {
  const isValidation = tag.startsWith("validation/");
  const name = isValidation ? tag.slice("validation/".length) : tag;
  const cut = name.lastIndexOf("/");
  return { network: name.slice(0, Math.max(cut, 0)), metric: name.slice(cut + 1), isValidation };
}

const TITLES = { loss: "Loss", cross: "Distance from the trainer" };

/** What is known of a metric, from `measures` ({name, title, is_share}): {title, isShare, rank}, the rank of its charts. */
export function aboutMetric(metric, measures) {
  const measure = measures.find(({ name }) => name === metric);
  return { title: measure?.title ?? TITLES[metric] ?? metric, isShare: Boolean(measure?.is_share), rank: measure ? "0" : metric === "loss" ? "1" : `2 ${metric}` };
}

/** The final and the best value of a series, each {value, step}; `isHigh`: whether more is better. Null without any. */
export function summaryOf({ steps, values }, isHigh) {
  if (!values.length) return null;
  let best = 0;
  values.forEach((value, index) => {
    if (isHigh ? value > values[best] : value < values[best]) best = index;
  });
  const at = (index) => ({ value: values[index], step: steps[index] });
  return { final: at(values.length - 1), best: at(best) };
}
