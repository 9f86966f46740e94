// Sending a file: ask for an upload, PUT the bytes to the signed URL with progress, say that it is complete.
// Where the platform keeps the files itself, the bytes go in pieces and go on after a broken connection.
import { csrfToken } from "./console.js";

const PIECE = 8 * 1024 * 1024;
const PAUSES_MS = [500, 1500, 4000, 10000, 20000];

/** An answer that refuses: `message`, `code`, and `details` ([{field, message}]) as the API gives them. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `The server answered with status ${status}.`);
    this.status = status;
    this.code = error?.code ?? "";
    this.details = error?.details ?? [];
  }
}

/** POST (or DELETE) JSON to the team API. Returns the answer's JSON; throws Refused, or TypeError when nobody answers. */
export async function callApi(url, body = {}, method = "POST") {
  const answer = await fetch(url, {
    method,
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrfToken() },
    body: method === "DELETE" ? undefined : JSON.stringify(body),
  });
  const json = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, json?.error);
  return json;
}

/**
 * Upload `file` for `purpose`. `uploads` is the address of the project's uploads in the team API.
 * `onProgress(sent, total)` is called as bytes leave; `signal` (an AbortSignal) gives the upload up.
 * Returns the completed upload ({id, …}). Throws Refused, TypeError (no connection), or AbortError.
 */
export async function uploadFile({ uploads, purpose, file, onProgress = () => {}, signal }) {
  const upload = await callApi(uploads, { purpose, filename: file.name, size: file.size });
  try {
    onProgress(0, file.size);
    await (upload.resumable ? sendPieces : sendWhole)(upload, file, onProgress, signal);
    return await callApi(`${uploads}/${upload.id}/complete`);
  } catch (error) {
    // Gives the space back at once; should this fail too, the platform does it when the upload expires.
    await callApi(`${uploads}/${upload.id}`, {}, "DELETE").catch(() => {});
    throw error;
  }
}

async function sendPieces(upload, file, onProgress, signal) {
  let offset = 0;
  let failures = 0;
  while (offset < file.size) {
    const end = Math.min(offset + PIECE, file.size);
    const range = `bytes ${offset}-${end - 1}/${file.size}`;
    try {
      await put(upload, file.slice(offset, end), { "Content-Range": range }, (sent) => onProgress(offset + sent, file.size), signal);
      offset = end;
      failures = 0;
    } catch (error) {
      const mayPass = error instanceof TypeError || error.status >= 500 || error.code === "transfer_running" || error.code === "wrong_offset";
      if (!mayPass || failures === PAUSES_MS.length) throw error;
      await pause(PAUSES_MS[failures++], signal);
      offset = await received(upload) ?? offset;
    }
    onProgress(offset, file.size);
  }
}

async function sendWhole(upload, file, onProgress, signal) {
  for (let failures = 0; ; failures++) {
    try {
      return await put(upload, file, {}, (sent) => onProgress(sent, file.size), signal);
    } catch (error) {
      if (!(error instanceof TypeError || error.status >= 500) || failures === PAUSES_MS.length) throw error;
      await pause(PAUSES_MS[failures], signal);
    }
  }
}

/** How many bytes have arrived, or null when nobody answers. */
async function received(upload) {
  const answer = await fetch(upload.url, { method: "HEAD" }).catch(() => null);
  return answer?.ok ? Number(answer.headers.get("Upload-Offset")) : null;
}

// XMLHttpRequest, because fetch can't tell how much of a body has left.
function put(upload, body, headers, onSent, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort);
    request.open(upload.method, upload.url);
    for (const [name, value] of Object.entries({ ...upload.headers, ...headers })) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => onSent(event.loaded));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve();
      else reject(new Refused(request.status, errorIn(request.responseText)));
    });
    request.addEventListener("error", () => reject(new TypeError("The connection broke.")));
    request.addEventListener("abort", () => reject(new DOMException("The upload was given up.", "AbortError")));
    request.addEventListener("loadend", () => signal?.removeEventListener("abort", abort));
    request.send(body);
  });
}

function errorIn(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return null;
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("The upload was given up.", "AbortError"));
    }, { once: true });
  });
}

/** 1536 → "1.5 KB", as the pages say it. */
export function inWords(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = "";
  for (unit of ["KB", "MB", "GB", "TB"]) {
    value /= 1024;
    if (value < 1024) break;
  }
  return `${value.toFixed(1)} ${unit}`;
}
