// A version while it is imported: the job live, then the page as it is afterwards.
import { followJob } from "./job-live.js";

followJob({ onOver: () => location.reload() });
