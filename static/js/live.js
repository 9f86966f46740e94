// A job's events over a websocket. The connection is made again when it breaks, and goes on after the last event seen,
// so that none is missing and none comes twice.
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
const OVER = 1000;
const REFUSED = new Set([4401, 4404]); // not signed in any more; no such job for this person

/**
 * Follow the job at `url` (a path, from `live_context`) from the event after number `after`.
 *
 * onEvent({sequence, kind, data, created_at}): kind is "state", "progress", "metrics" or "log".
 * onState(job): the job as in the API, whenever its state or progress changed.
 * onOver(job): once, when it is over and all of its events have been given out.
 * onConnection(state): "open" when there is news again, "lost" when it broke and is being made again, "refused" when
 * this person may not (or no longer) watch the job: nothing more will come.
 * Returns {close()}.
 */
export function connectJob(url, after, { onEvent, onState, onOver, onConnection } = {}) {
  let last = Number(after) || 0;
  let wait = FIRST_WAIT_MS;
  let job = null;
  let socket = null;
  let timer = null;
  let isClosed = false;

  function open() {
    const address = new URL(url, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("after", last);
    socket = new WebSocket(address);
    socket.addEventListener("message", (message) => hear(JSON.parse(message.data)));
    socket.addEventListener("close", ({ code }) => {
      if (isClosed) return;
      if (code === OVER && job?.is_over) {
        isClosed = true;
        onOver?.(job);
      } else if (REFUSED.has(code)) {
        isClosed = true;
        onConnection?.("refused");
      } else {
        onConnection?.("lost");
        timer = setTimeout(open, wait * (0.5 + Math.random()));
        wait = Math.min(wait * 2, LONGEST_WAIT_MS);
      }
    });
  }

  function hear(message) {
    wait = FIRST_WAIT_MS;
    onConnection?.("open");
    if (message.type === "state") {
      job = message.job;
      onState?.(job);
      return;
    }
    for (const event of message.events ?? []) {
      if (event.sequence <= last) continue;
      last = event.sequence;
      onEvent?.(event);
    }
  }

  open();
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
      socket.close();
    },
  };
}
