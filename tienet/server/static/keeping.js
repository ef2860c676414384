"use strict";
// Answers on their way to the disk: one after the other, each until the server says that it is kept.
//
// Each has an id of its own, so that it is kept once even where the reply to it was lost. While the server does not answer
// it is sent again and again, and what comes after it waits.

const AGAIN_MS = 1500;
const unsent = []; // those that wait for their turn
let atServer = null; // the one that is being sent

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const isKeeping = () => Boolean(atServer || unsent.length);

// Send a POST when those before it are kept.
//
// `of` is what it is about, and `done` whether it finishes that. `make` gives [address, body] from an id, when it is its turn. `kept` is called with the reply, and
// `refused` with an Error that has a `status` and the `body`; `silent` when the server does not answer, and `heard` when it
// does again.
function keep(of, make, { kept, refused, silent, heard, done = false }) {
  unsent.push({ id: newId(), of, make, kept, refused, silent, heard, done });
  if (!atServer) sendAll();
}

async function sendAll() {
  while (unsent.length) {
    atServer = unsent.shift();
    const done = await sendUntilHeard(atServer, ...atServer.make(atServer.id));
    atServer = null;
    done();
    if (atServer) return; // `done` has begun to send
  }
}

// Drop what waits to be sent about something: all of it, or only what finishes it.
function dropUnsent(of, onlyDone = false) {
  for (let n = unsent.length - 1; n >= 0; n--) if (unsent[n].of === of && (unsent[n].done || !onlyDone)) unsent.splice(n, 1);
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
      return () => (response.ok ? one.kept(reply) : one.refused(error));
    } catch {
      one.silent(tries);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

window.addEventListener("beforeunload", (event) => { if (isKeeping()) event.preventDefault(); });
