"use strict";
// Requests to the API: a few at once, and again while the server is busy.

const TRIES = 6; // how often a request is sent while the server is busy
const AT_ONCE = 2; // uploads that this page has under way; the others wait for their turn
let underWay = 0;
const waiting = []; // what begins the requests that wait, first those that came first

async function getJson(address) {
  const response = await fetch(address);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `The server answered ${response.status}`);
  return body;
}

// Upload a form when it is its turn; `busy` is called with the seconds until the next try. Raises AbortError where
// `signal` gives it up, and else an Error with a `status` where the server refuses it.
async function upload(address, form, signal, busy) {
  if (underWay < AT_ONCE) underWay++;
  else await new Promise((begin) => waiting.push(begin));
  try {
    return await post(address, form, signal, busy);
  } finally {
    if (waiting.length) waiting.shift()(); // which takes this one's place
    else underWay--;
  }
}

async function post(address, form, signal, busy) {
  for (let tries = 1; ; tries++) {
    const response = await fetch(address, { method: "POST", body: form, signal }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Error("The server does not answer; is it still running?");
    });
    if (response.status === 503 && tries < TRIES) {
      const seconds = Math.min(30, Number(response.headers.get("Retry-After")) || 2);
      busy(seconds);
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
      if (signal.aborted) throw new DOMException("", "AbortError");
      continue;
    }
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw Object.assign(new Error(body.detail ?? `The server answered ${response.status}`), { status: response.status });
    return body;
  }
}
