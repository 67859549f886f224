// Alerts: the list of what is in force, red first, with a filter by hazard that the map follows; cards that change flash once.

import { byId, element, word } from "./dom.js";

let shown = { alerts: [], total: 0 };
let hazard = null;
let selected = null;
const versions = new Map();
let first = true;

/** Draw the list; `onOpen(id)` when a card is chosen, `onFilter(alerts)` with those that the filter leaves. */
export function showAlerts(board, onOpen, onFilter) {
  shown = { alerts: board.alerts, total: board.alerts_total };
  draw(onOpen, onFilter);
}

/** Mark the card of the alert that is open; null for none. */
export function select(id) {
  selected = id;
  for (const card of byId("alerts").querySelectorAll("button.card")) {
    card.toggleAttribute("aria-current", card.dataset.id === id);
  }
}

function draw(onOpen, onFilter) {
  const { alerts, total } = shown;
  byId("alerts-count").textContent = String(total);
  drawFilters(alerts, onOpen, onFilter);
  const fitting = hazard === null ? alerts : alerts.filter((alert) => alert.hazard === hazard);
  onFilter(fitting);
  const list = byId("alerts");
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  const scrolled = list.scrollTop;
  const rows = fitting.map((alert) => element("li", {}, card(alert, onOpen)));
  if (!fitting.length) rows.push(element("li", { class: "hint" }, word("none_in_force")));
  const hidden = total - alerts.length;
  if (hidden > 0) rows.push(element("li", { class: "hint" }, word("more_alerts", { n: hidden })));
  list.replaceChildren(...rows);
  list.scrollTop = scrolled;
  if (focused) list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  versions.clear();
  for (const alert of alerts) versions.set(alert.id, alert.version);
  first = false;
}

function card(alert, onOpen) {
  const fresh = !first && versions.get(alert.id) !== alert.version;
  return element("button", {
      type: "button",
      class: `card level-${alert.level}${fresh ? " fresh" : ""}`,
      "data-id": alert.id,
      "aria-current": alert.id === selected,
      onclick: () => onOpen(alert.id),
    },
    element("span", { class: "card-top" },
      element("b", { class: "chip" }, alert.level_words),
      element("b", {}, alert.hazard_words),
      element("span", { class: "version" }, word("version", { n: alert.version }))),
    element("span", { class: "place" }, alert.place),
    element("span", { class: "measured" }, alert.measured),
    alert.missing ? element("span", { class: "warning" }, word("missing", { at: alert.missing })) : "",
    element("span", { class: "card-foot" },
      element("span", {}, word("since", { at: alert.since })),
      alert.issued !== alert.since ? element("span", {}, word("issued", { at: alert.issued })) : "",
      alert.acknowledged ? element("span", { class: "good" }, word("acknowledged")) : ""),
  );
}

function drawFilters(alerts, onOpen, onFilter) {
  const names = new Map(alerts.map((alert) => [alert.hazard, alert.hazard_words]));
  if (hazard !== null && !names.has(hazard)) hazard = null;
  const choice = (key, text, count) =>
    element("button", {
      type: "button",
      "aria-pressed": String(hazard === key),
      onclick: () => {
        hazard = key;
        draw(onOpen, onFilter);
        byId("filters").querySelector('[aria-pressed="true"]').focus();
      },
    }, `${text} ${count}`);
  const filters = [...names].map(([key, text]) =>
    choice(key, text, alerts.filter((alert) => alert.hazard === key).length));
  byId("filters").replaceChildren(
    ...(names.size > 1 ? [choice(null, word("all_hazards"), alerts.length), ...filters] : []));
}
