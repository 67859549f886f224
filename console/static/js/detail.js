// Detail: one alert opened over the map: what is said, what was measured, who was told, its versions and acts.

import { byId, element, word } from "./dom.js";
import { read } from "./live.js";
import { tierHead, tierRows } from "./told.js";

let open = null;
let opener = null;
let closed = () => {};

/** Show an alert; `onClose()` once it is closed. Whether it stands open, and none other was opened meanwhile. */
export async function openDetail(id, onClose) {
  if (open === null) opener = document.activeElement;
  closed = onClose;
  open = id;
  const fresh = byId("detail").dataset.id !== id;
  await load(fresh);
  return open === id;
}

/** Read the open alert again, if any: something has changed. */
export function refreshDetail() {
  if (open !== null) load(false);
}

/** Close it, and give the focus back. */
export function closeDetail() {
  if (open === null) return;
  // The lists are drawn anew when something changes: the card that opened this may be another element by now.
  const card = document.querySelector(`main [data-id="${CSS.escape(open)}"]:not(#detail)`);
  open = null;
  byId("detail").hidden = true;
  byId("detail").dataset.id = "";
  closed();
  (opener?.isConnected ? opener : card)?.focus();
  opener = null;
}

async function load(fresh) {
  const id = open;
  let alert;
  try {
    alert = await read(`/v1/board/${encodeURIComponent(id)}`);
  } catch {
    alert = null;
  }
  if (open !== id) return; // another was opened meanwhile
  const box = byId("detail");
  if (alert === null) {
    if (fresh) box.replaceChildren(head(word("detail"), ""), element("p", { class: "hint" }, word("load_failed")));
  } else {
    const scrolled = box.scrollTop;
    const unfolded = new Set([...box.querySelectorAll("details[open]")].map((one) => one.dataset.key));
    box.replaceChildren(...body(alert));
    for (const one of box.querySelectorAll("details")) if (unfolded.has(one.dataset.key)) one.open = true;
    box.scrollTop = fresh ? 0 : scrolled;
  }
  box.dataset.id = id;
  box.hidden = false;
  if (fresh) box.focus({ preventScroll: true });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeDetail();
});

function head(title, level, ...under) {
  return element("header", { class: `detail-head level-${level}` },
    element("div", {}, element("h2", { id: "detail-title" }, title), ...under),
    element("button", { type: "button", class: "close", onclick: closeDetail, "aria-label": word("close") }, "×"));
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

function body(alert) {
  const told = alert.notices_total
    ? [
        element("table", { class: "tiers" }, tierHead(), element("tbody", {}, tierRows(alert.told))),
        element("details", { "data-key": "notices", open: alert.notices_total <= 12 },
          element("summary", {}, `${word("post")} (${alert.notices_total})`),
          notices(alert)),
      ]
    : [element("p", { class: "hint" }, word("none_told"))];
  return [
    head(alert.headline, alert.over ? "over" : alert.level,
      element("p", { class: "facts" },
        element("b", { class: "chip" }, alert.level_words),
        element("span", {}, alert.hazard_words),
        element("span", {}, alert.place),
        element("span", {}, word("version", { n: alert.version })),
        element("span", {}, word("since", { at: alert.since })),
        element("span", {}, word("ends", { at: alert.ends })),
        alert.acknowledged ? element("span", { class: "good" }, word("acknowledged")) : ""),
      alert.missing ? element("p", { class: "warning" }, word("missing", { at: alert.missing })) : ""),
    section(word("text"), element("p", { class: "said" }, alert.description)),
    alert.instruction ? section(word("instruction"), element("p", { class: "said strong" }, alert.instruction)) : "",
    section(word("evidence"),
      element("dl", { class: "evidence" },
        alert.evidence.map(([label, value]) =>
          element("div", {}, element("dt", {}, label), element("dd", {}, value)))),
      alert.against.length
        ? element("p", { class: "doubt" }, element("b", {}, `${word("against")} `), alert.against.join("；"))
        : "",
      alert.stations.length
        ? element("p", { class: "hint" },
            `${word("stations")} (${alert.stations_total}) ${alert.stations.join("、")}${alert.stations_total > alert.stations.length ? "…" : ""}`)
        : ""),
    alert.by_area.length
      ? section(word("by_area"),
          element("ul", { class: "by-area" },
            alert.by_area.map((one) =>
              element("li", {}, element("span", {}, one.place), element("b", {}, one.level_words),
                element("span", { class: "hint" }, one.figures)))))
      : "",
    section(word("who"), ...told),
    section(word("versions"),
      element("ol", { class: "versions" },
        alert.versions.map((one) =>
          element("li", { class: `level-${one.over ? "over" : one.level}` },
            element("time", {}, one.at),
            element("b", {}, word("version", { n: one.version })),
            element("span", {}, one.headline),
            one.reaches_people ? "" : element("span", { class: "hint" }, word("unsaid")))))),
    section(word("acts"), acts(alert)),
    element("section", {},
      element("details", { "data-key": "speech" }, element("summary", {}, word("speech")),
        element("p", { class: "said" }, alert.speech)),
      alert.sms
        ? element("details", { "data-key": "sms" }, element("summary", {}, word("sms")),
            element("p", { class: "said" }, alert.sms))
        : ""),
  ].filter((one) => one !== "");
}

function acts(alert) {
  if (!alert.acts.length) return element("p", { class: "hint" }, word("none_acts"));
  return element("ol", { class: "versions" },
    alert.acts.map((one) =>
      element("li", { class: one.refused ? "refused" : null },
        element("time", {}, one.at), element("b", {}, one.by), element("span", {}, one.what),
        one.reason ? element("span", { class: "hint" }, one.reason) : "")));
}

/** When a notice was last heard of; opened, its whole way from the reading to the recipient. */
function when(one) {
  if (one.hops.length === 0) return element("time", {}, one.at);
  return element("details", { class: "hops", "data-key": `hops ${one.id}` },
    element("summary", {}, element("time", {}, one.at)),
    element("ol", {}, one.hops.map(([name, at, took]) =>
      element("li", {}, element("span", {}, name), element("time", {}, at), element("small", {}, took)))));
}

function notices(alert) {
  const rows = alert.notices.map((one) =>
    element("tr", {},
      element("td", {}, element("b", {}, one.post), element("small", {}, `${one.tier} · ${one.audience}`)),
      element("td", {}, one.channel),
      element("td", {}, element("b", { class: one.group }, one.state), one.error ? element("small", {}, one.error) : ""),
      element("td", {}, when(one), element("small", {}, word("version", { n: one.version })))));
  const hidden = alert.notices_total - alert.notices.length;
  return element("div", {},
    element("table", { class: "notices" },
      element("thead", {}, element("tr", {},
        ["post", "channel", "state", "time"].map((key) => element("th", { scope: "col" }, word(key))))),
      element("tbody", {}, rows)),
    hidden > 0 ? element("p", { class: "hint" }, word("more_told", { n: hidden })) : "");
}
