// The page: puts the parts together.

import { select, showAlerts } from "./alerts.js";
import { closeDetail, openDetail, refreshDetail } from "./detail.js";
import { byId } from "./dom.js";
import { follow } from "./live.js";
import { startMap } from "./map.js";
import { announce, showClock, showLevels, showLink, watchHealth } from "./status.js";
import { showInstruments, showTold } from "./told.js";

const map = startMap({ onOpen: open });
let revision = null;

async function open(id) {
  select(id);
  const stands = await openDetail(id, () => {
    select(null);
    map.look(null);
  });
  if (stands) map.look(id); // now it is known how much of the map the alert's page hides
}

function showTab(name) {
  document.body.dataset.tab = name;
  for (const button of document.querySelectorAll(".tabs button")) {
    button.setAttribute("aria-pressed", String(button.dataset.tab === name));
  }
  map.resize();
}

for (const button of document.querySelectorAll(".tabs button")) {
  button.addEventListener("click", () => {
    closeDetail();
    showTab(button.dataset.tab);
  });
}
showTab("alerts");
watchHealth();
follow({
  onBoard(board) {
    showClock(board.now);
    showLevels(board.levels);
    announce(board.alerts);
    showAlerts(board, open, map.showAlerts);
    showTold(board);
    showInstruments(board, open);
    map.showSick(board.instruments);
    if (revision !== null) refreshDetail();
    revision = board.revision;
    byId("alerts").dataset.ready = "true";
  },
  onClock: showClock,
  onLink: showLink,
});
