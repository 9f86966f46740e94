// Keeps jobs/_live.html and jobs/_log.html up to date, on the job's own page and on pages of what it makes.
import { connectJob } from "./live.js";

const MOST_LINES = 1000;

/** A length of time for people, as the template filter `duration` says it too. */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 1) return "under 1 s";
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/**
 * Follow the job whose `jobs/_live.html` is on the page. Takes what `connectJob` takes, and `after`: the number after
 * which events are wanted (0 for all; log lines that the page has already are not shown twice). Returns {close()}, or
 * null when the page has none or its job is over already and nothing is asked of its past.
 */
export function followJob({ after, onEvent, onState, onOver, onConnection } = {}) {
  const card = document.querySelector("[data-job-live]");
  if (!card) return null;
  const shown = Number(card.dataset.after);
  const from = after ?? shown;
  if (card.dataset.over === "true" && from >= shown) return null;
  const find = (name) => document.querySelector(`[data-job-${name}]`);
  const time = find("duration");
  let isOver = card.dataset.over === "true";
  const clock = setInterval(() => {
    if (!isOver && time.dataset.started) time.textContent = duration((Date.now() - new Date(time.dataset.started)) / 1000);
  }, 1000);

  return connectJob(card.dataset.jobLive, from, {
    onEvent(event) {
      if (event.sequence > shown) showInLog(find("log"), event);
      onEvent?.(event);
    },
    onState(job) {
      isOver = job.is_over;
      for (const badge of card.querySelectorAll("[data-job-state]")) badge.hidden = badge.dataset.jobState !== job.state;
      find("message").textContent = job.cancel_requested_at && !isOver ? "Stopping…" : job.progress_message;
      find("left").textContent = job.seconds_left === null || isOver ? "" : `${duration(job.seconds_left)} left`;
      find("progress").value = job.progress;
      find("progress").hidden = find("share").hidden = isOver && job.state !== "succeeded";
      find("share").textContent = `${Math.round(job.progress * 100)} %`;
      if (job.started_at) time.dataset.started = job.started_at;
      if (isOver && job.started_at) time.textContent = duration((new Date(job.finished_at) - new Date(job.started_at)) / 1000);
      onState?.(job);
    },
    onOver(job) {
      clearInterval(clock);
      onOver?.(job);
    },
    onConnection(state) {
      find("lost").hidden = state !== "lost";
      find("refused").hidden = state !== "refused";
      onConnection?.(state);
    },
  });
}

function showInLog(log, { kind, data }) {
  if (!log || (kind !== "log" && kind !== "state")) return;
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const line = document.createElement("div");
  line.textContent = data.message;
  line.className = `log-${kind === "state" ? data.state : data.level}`;
  log.append(line);
  while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}
