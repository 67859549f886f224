// Status: the engine's clock, its health, the counts by colour, and the voice that tells of a new red alert.

import { byId, element, word } from "./dom.js";

const HEALTH_EVERY_MS = 10000;
const time = new Intl.DateTimeFormat("zh-CN", {
  timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
});
const date = new Intl.DateTimeFormat(document.documentElement.lang, {
  timeZone: "Asia/Shanghai", year: "numeric", month: "long", day: "numeric", weekday: "short",
});

let linked = false;
let health = null;

/** Show the engine's time (RFC 3339), on Chinese clocks. */
export function showClock(now) {
  const at = new Date(now);
  byId("clock").textContent = time.format(at);
  byId("clock").dateTime = now;
  byId("date").textContent = date.format(at);
}

/** Remember whether the stream of events stands. */
export function showLink(up) {
  linked = up;
  showHealth();
}

/** Ask for the health now and again. */
export function watchHealth() {
  const ask = async () => {
    try {
      const answer = await fetch("/health");
      health = await answer.json();
    } catch {
      health = null;
    }
    showHealth();
  };
  ask();
  setInterval(ask, HEALTH_EVERY_MS);
}

function showHealth() {
  const box = byId("health");
  const state = !linked ? "lost" : health === null ? "checking" : health.healthy ? "healthy" : "sick";
  if (box.dataset.state !== state) {
    box.dataset.state = state;
    byId("health-words").textContent = word(state);
  }
  const faults = state === "sick" ? health.faults : [];
  byId("faults").hidden = faults.length === 0;
  byId("faults").replaceChildren(...faults.map((fault) => element("li", {}, fault)));
}

/** Show how many alerts stand at each colour. */
export function showLevels(levels) {
  byId("levels").replaceChildren(
    ...levels.map((one) =>
      element("li", { class: `level-${one.level}${one.count ? "" : " none"}` },
        element("b", {}, String(one.count)), element("span", {}, one.words)),
    ),
  );
}

let reds = null;

/** Say aloud (to screen readers) which alerts have become red since the last picture. */
export function announce(alerts) {
  const now = alerts.filter((alert) => alert.level === "red");
  if (reds !== null) {
    const fresh = now.filter((alert) => !reds.has(alert.id));
    if (fresh.length) {
      byId("announce").textContent = word("new_red", {
        text: fresh.map((alert) => `${alert.place} ${alert.hazard_words}`).join("，"),
      });
    }
  }
  reds = new Set(now.map((alert) => alert.id));
}
