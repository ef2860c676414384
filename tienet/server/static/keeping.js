"use strict";
// Answers on their way to the disk: one after the other, each until the server says that it is kept.
//
// Each has an id of its own, so that it is kept once even where the reply to it was lost. While the server does not answer
// it is sent again and again, and what comes after it waits.

const AGAIN_MS = 1500;
const onTheWay = []; // those that are not kept yet: {send, kept, refused}
let sending = false;

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Send a POST when those before it are kept. `make` gives [address, body] when it is its turn, or null to drop it; `kept` is
// called with the reply, and `refused` with an Error that has a `status` and the `body`. `silent` is called when the server
// does not answer, and `heard` when it does again.
function keep(make, { kept, refused, silent, heard }) {
  onTheWay.push({ id: newId(), make, kept, refused, silent, heard });
  work();
}

async function work() {
  if (sending) return;
  sending = true;
  while (onTheWay.length) {
    const one = onTheWay[0];
    const made = one.make(one.id);
    if (made) await sendUntilHeard(one, ...made);
    onTheWay.shift();
    if (made) one.after();
  }
  sending = false;
}

async function sendUntilHeard(one, address, body) {
  for (let tries = 1; ; tries++) {
    try {
      const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
      const response = await fetch(address, options);
      const reply = await response.json().catch(() => null);
      if (reply === null || response.status === 503) throw new TypeError("no whole reply");
      if (tries > 1) one.heard();
      const error = Object.assign(new Error(reply.detail ?? `The server answered ${response.status}`), { status: response.status, body: reply });
      one.after = () => (response.ok ? one.kept(reply) : one.refused(error));
      return;
    } catch {
      one.silent(tries);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

// Drop what has not been sent yet, as it was meant for what is not there any more.
function dropWaiting() {
  onTheWay.splice(sending ? 1 : 0);
}

window.addEventListener("beforeunload", (event) => { if (onTheWay.length) event.preventDefault(); });
