// The job's own page. When the job is over the page is read again: it then says what came out, or what to do.
import { followJob } from "./job-live.js";

const log = document.querySelector("[data-job-log]");
log.scrollTop = log.scrollHeight;
followJob({ onOver: () => location.reload() });
