// Live: the stream of events, and the board that is read anew whenever an event says that it has changed.
// Events only say that something happened: the lists are always read whole, so a lost event can lose nothing.

import { setting } from "./dom.js";

const QUIET_MS = 150;
const AT_LEAST_EVERY_MS = 15000;
const AGAIN_MS = 3000;
const SILENT_MS = 8000;

/** Read JSON of our own server; throws where it cannot be had. */
export async function read(path) {
  const joined = path.includes("?") ? "&" : "?";
  const answer = await fetch(`${path}${joined}lang=${setting.language}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

/**
 * Follow the engine.
 * `onBoard(board)` for each new picture, `onClock(text)` for the engine's time, `onLink(up)` for the connection.
 */
export function follow({ onBoard, onClock, onLink }) {
  let waiting = null;
  let reading = false;
  let again = false;
  let heard = performance.now();

  const refresh = async () => {
    waiting = null;
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    again = false;
    try {
      onBoard(await read("/v1/board"));
    } catch {
      onLink(false);
      setTimeout(soon, AGAIN_MS);
    } finally {
      reading = false;
      if (again) soon();
    }
  };
  const soon = () => {
    if (waiting === null) waiting = setTimeout(refresh, QUIET_MS);
  };

  let events = null;
  const connect = () => {
    events?.close();
    events = new EventSource("/v1/events");
    events.onopen = () => {
      heard = performance.now();
      onLink(true);
      soon();
    };
    // A browser tries again by itself unless it has given up (the server answered with an error).
    events.onerror = () => {
      onLink(false);
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS);
    };
    for (const name of ["alert", "release", "act", "board", "reload"]) events.addEventListener(name, soon);
    events.addEventListener("clock", (event) => {
      heard = performance.now();
      onLink(true);
      onClock(JSON.parse(event.data).now);
    });
  };
  connect();
  refresh();
  setInterval(soon, AT_LEAST_EVERY_MS);
  setInterval(() => {
    if (performance.now() - heard > SILENT_MS) onLink(false);
  }, 1000);
}
