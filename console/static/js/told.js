// Told: how notices stand in the four tiers, what left last, and the instruments that need mending.

import { byId, element, word } from "./dom.js";

const GROUPS = ["waiting", "under_way", "left", "arrived", "trouble"];
let newest = null;

/** Rows of a table of tiers by state; also for the page of one alert. */
export function tierRows(tiers) {
  return tiers.map((tier) =>
    element("tr", {},
      element("th", { scope: "row" }, tier.words),
      GROUPS.map((group) => element("td", { class: tier[group] ? group : "zero" }, String(tier[group])))));
}

/** A head for such a table. */
export function tierHead() {
  return element("thead", {},
    element("tr", {},
      element("th", { scope: "col" }, word("tier")),
      GROUPS.map((group) => element("th", { scope: "col" }, word(group)))));
}

/** Draw the table of the four tiers and the newest notices. */
export function showTold(board) {
  byId("tiers").replaceChildren(...tierRows(board.tiers));
  const rows = board.recent.map((one) =>
    element("li", { class: newest !== null && one.sequence > newest ? "fresh" : null },
      element("time", {}, one.at.slice(-5)),
      element("span", { class: "who" }, one.post),
      element("span", { class: "by" }, one.channel),
      element("b", { class: one.group }, one.state)));
  if (!rows.length) rows.push(element("li", { class: "hint" }, word("none_recent")));
  byId("recent").replaceChildren(...rows);
  newest = Math.max(newest ?? 0, ...board.recent.map((one) => one.sequence));
}

/** Draw the faulty and silent instruments; `onOpen(id)` when one is chosen. */
export function showInstruments(board, onOpen) {
  byId("instruments-count").textContent = String(board.instruments_total);
  const rows = board.instruments.map((one) =>
    element("li", {},
      element("button", { type: "button", class: "card instrument", "data-id": one.id, onclick: () => onOpen(one.id) },
        element("span", { class: "card-top" },
          element("b", { class: `chip ${one.silent ? "silent" : "faulty"}` }, one.word),
          element("b", {}, one.name)),
        element("span", { class: "card-foot" },
          element("span", {}, one.place),
          element("span", {}, one.why),
          element("span", {}, word("since", { at: one.since }))))));
  if (!rows.length) rows.push(element("li", { class: "hint" }, word("none_instruments")));
  const hidden = board.instruments_total - board.instruments.length;
  if (hidden > 0) rows.push(element("li", { class: "hint" }, word("more_instruments", { n: hidden })));
  byId("instruments").replaceChildren(...rows);
}
