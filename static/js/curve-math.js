// What is computed of a line before it is drawn. Nothing here knows of pages or canvases.

/**
 * The exponential moving average of `values` with `weight` 0 … 1 (0: none), without the pull of the start towards 0: the
 * n-th average is divided by 1 - weight^n. As TensorBoard does it (tensorboard/webapp/widgets/line_chart_v2/
 * data_transformer.ts, classicSmoothing), where a line of one value stays as it is.
 */
export function smooth(values, weight) {
  if (!weight || values.every((value) => value === values[0])) return [...values];
  let last = 0;
  let bias = 1;
  return values.map((value) => {
    last = last * weight + (1 - weight) * value;
    bias *= weight;
    return last / (1 - bias);
  });
}

/** [the 5th, the 95th percentile] of all `lists` of numbers together; as TensorBoard, rounded to values inwards. */
export function withoutOutliers(lists) {
  const sorted = Float64Array.from(lists.flat()).sort();
  if (sorted.length < 3) return sorted.length ? [sorted[0], sorted.at(-1)] : null;
  return [sorted[Math.ceil((sorted.length - 1) * 0.05)], sorted[Math.floor((sorted.length - 1) * 0.95)]];
}

/**
 * At most `most` of the points (x, y), as their indices: those that keep the line's shape. Largest-Triangle-Three-Buckets,
 * S. Steinarsson, Downsampling Time Series for Visual Representation (2013), section 4.2. x and y are positions on the
 * drawing: on a logarithmic axis, logarithms.
 */
export function decimate(x, y, most) {
  if (x.length <= most || most < 3) return x.map((_, index) => index);
  const chosen = [0];
  const size = (x.length - 2) / (most - 2);
  const edge = (bucket) => Math.min(Math.floor(bucket * size) + 1, x.length - 1);
  for (let bucket = 0; bucket < most - 2; bucket += 1) {
    const [begin, end, next] = [edge(bucket), edge(bucket + 1), Math.max(edge(bucket + 2), edge(bucket + 1) + 1)];
    const [ax, ay] = [x[chosen.at(-1)], y[chosen.at(-1)]];
    let [cx, cy] = [0, 0];
    const stop = Math.min(next, x.length);
    for (let index = end; index < stop; index += 1) { cx += x[index]; cy += y[index]; }
    cx /= stop - end;
    cy /= stop - end;
    let [best, largest] = [begin, -1];
    for (let index = begin; index < end; index += 1) {
      const area = Math.abs((ax - cx) * (y[index] - ay) - (ax - x[index]) * (cy - ay));
      if (area > largest) [best, largest] = [index, area];
    }
    chosen.push(best);
  }
  return [...chosen, x.length - 1];
}

/** The index of what is nearest to `value` in the ascending `list`; -1 in an empty one. */
export function nearest(list, value) {
  let [low, high] = [0, list.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low > 0 && value - list[low - 1] <= list[low] - value ? low - 1 : high;
}

/**
 * {test(text), problem}: which texts the regular expression `pattern` is found in, without regard to case. An empty one
 * is found in all. `problem` says in plain words what is wrong with it; such a one is found in all, too.
 */
export function filterOf(pattern) {
  try {
    const expression = new RegExp(pattern, "i");
    return { test: (text) => expression.test(text), problem: "" };
  } catch (error) {
    const why = error.message.split(": ").at(-1).replace(/^./, (letter) => letter.toLowerCase());
    return { test: () => true, problem: `This is no regular expression: ${why}. All lines are shown.` };
  }
}

const SORTS = {
  default: () => 0,
  ascending: (a, b) => a.value - b.value,
  descending: (a, b) => b.value - a.value,
  nearest: (a, b) => a.distance - b.distance,
};

/** `rows` with `value` and `distance` (from the pointer) in the order "default", "ascending", "descending" or "nearest". */
export function sorted(rows, order) {
  return [...rows].sort(SORTS[order] ?? SORTS.default);
}

const ROUND_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800].map((s) => s * 1000), ...[1, 2, 3, 6, 12, 24, 48, 168].map((h) => h * 3600_000)];

/** Round moments between two times in ms, about `count` of them. `offset`: of the time zone, in ms, for times of day. */
export function timeTicks(min, max, count, offset = 0) {
  const wanted = (max - min) / Math.max(count, 1);
  const step = ROUND_MS.find((one) => one >= wanted) ?? Math.ceil(wanted / ROUND_MS.at(-1)) * ROUND_MS.at(-1);
  const ticks = [];
  for (let at = Math.ceil((min + offset) / step) * step - offset; at <= max && ticks.length < 100; at += step) ticks.push(at);
  return ticks;
}
