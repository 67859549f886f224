// Map: the canvas that shows where; moved by pointer, wheel, fingers and keys. No tile, no server but our own.

import { byId, element, setting, word } from "./dom.js";
import { draw, kindOf } from "./drawing.js";
import { loadLand } from "./land.js";

const REACH_PX = 9;
const MAX_SCALE = 90;

/** Start the map; `onOpen(id)` when an alert is chosen on it. */
export function startMap({ onOpen }) {
  const canvas = byId("map");
  const context = canvas.getContext("2d");
  const view = { scale: 1, x: 0, y: 0, width: 0, height: 0, ratio: 1 };
  const shown = { alerts: [], sick: new Set(), hidden: new Set(), chosen: null, hovered: null };
  let land = null;
  let least = 1;
  let moved = false;
  let before = null;
  let asked = false;

  const paint = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      if (land && view.width) draw(context, land, view, shown);
    });
  };

  const fit = (box, paddingPx, most) => {
    const right = covered();
    const width = Math.max(80, view.width - right - 2 * paddingPx);
    const height = Math.max(80, view.height - 2 * paddingPx);
    const scale = Math.min(most, width / Math.max(0.1, box[2] - box[0]), height / Math.max(0.1, box[3] - box[1]));
    view.scale = scale;
    view.x = paddingPx + width / 2 - ((box[0] + box[2]) / 2) * scale;
    view.y = paddingPx + height / 2 - ((box[1] + box[3]) / 2) * scale;
    paint();
  };
  const whole = () => {
    if (!land) return;
    fit(land.box, Math.min(28, view.width * 0.04), MAX_SCALE);
    least = view.scale * 0.7;
    moved = false;
  };
  // How much of the canvas an opened alert hides.
  const covered = () => {
    const detail = byId("detail");
    if (detail.hidden) return 0;
    const [ours, theirs] = [canvas.getBoundingClientRect(), detail.getBoundingClientRect()];
    const hides = Math.max(0, ours.right - Math.max(ours.left, theirs.left));
    return hides < ours.width * 0.8 ? hides : 0;
  };

  const resize = () => {
    const box = canvas.getBoundingClientRect();
    if (!box.width || !box.height) return;
    const changed = box.width !== view.width || box.height !== view.height;
    if (!changed && view.ratio === devicePixelRatio) return;
    view.x += (box.width - view.width) / 2;
    view.y += (box.height - view.height) / 2;
    Object.assign(view, { width: box.width, height: box.height, ratio: Math.min(2, devicePixelRatio || 1) });
    canvas.width = Math.round(view.width * view.ratio);
    canvas.height = Math.round(view.height * view.ratio);
    if (!moved) whole();
    paint();
  };

  const zoom = (factor, x = view.width / 2, y = view.height / 2) => {
    const scale = Math.min(MAX_SCALE, Math.max(least, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    moved = true;
    paint();
  };
  const pan = (dx, dy) => {
    view.x += dx;
    view.y += dy;
    moved = true;
    paint();
  };

  watchPointers(canvas, { pan, zoom, point, click, leave: () => point(null) });
  canvas.addEventListener("keydown", (event) => {
    const step = 60;
    const does = {
      ArrowLeft: () => pan(step, 0), ArrowRight: () => pan(-step, 0),
      ArrowUp: () => pan(0, step), ArrowDown: () => pan(0, -step),
      "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), 0: whole,
    }[event.key];
    if (does) {
      event.preventDefault();
      does();
    }
  });
  byId("zoom-in").addEventListener("click", () => zoom(1.5));
  byId("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
  byId("zoom-whole").addEventListener("click", whole);
  new ResizeObserver(resize).observe(canvas);

  // What lies under the pointer: the nearest station, the smallest area, the alerts that colour it.
  function under(px, py) {
    const [x, y] = [(px - view.x) / view.scale, (py - view.y) / view.scale];
    let nearest = null;
    let distance = REACH_PX / view.scale;
    for (const station of land.stations) {
      if (shown.hidden.has(station.kind)) continue;
      const away = Math.hypot(station.x - x, station.y - y);
      if (away < distance) [nearest, distance] = [station, away];
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    const area = land.at(x, y, context);
    const codes = new Set(area ? land.lineage(area.code).map((one) => one.code) : []);
    return { station: nearest, area, alerts: shown.alerts.filter((alert) => alert.fill.some(([code]) => codes.has(code))) };
  }

  function point(at) {
    const tip = byId("tip");
    const found = at && land ? under(...at) : null;
    const station = found?.station ?? null;
    if (station !== shown.hovered) {
      shown.hovered = station;
      paint();
    }
    if (!found || (!station && !found.area)) {
      tip.hidden = true;
      return;
    }
    tip.replaceChildren(
      ...(station
        ? [element("b", {}, station.name), element("span", {}, `${setting.kinds[station.kind]} · ${station.id}`)]
        : []),
      element("span", {}, land.name(found.area?.code ?? station.area)),
      ...found.alerts.slice(0, 5).map((alert) =>
        element("span", { class: `level-${alert.level}` }, `${alert.hazard_words} ${alert.level_words}`)));
    tip.hidden = false;
    const [x, y] = at;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, view.width - box.width - 6))}px`;
    tip.style.top = `${Math.max(4, y + 18 + box.height > view.height ? y - box.height - 12 : y + 18)}px`;
  }

  function click(at) {
    const [first] = land ? under(...at).alerts : [];
    if (first) onOpen(first.id);
    else point(at);
  }

  const legend = () => {
    const counts = new Map();
    for (const station of land.stations) counts.set(station.kind, (counts.get(station.kind) ?? 0) + 1);
    byId("legend").replaceChildren(
      ...[...counts].map(([kind, count]) =>
        element("button", {
            type: "button",
            "aria-pressed": "true",
            onclick: (event) => {
              if (!shown.hidden.delete(kind)) shown.hidden.add(kind);
              event.currentTarget.setAttribute("aria-pressed", String(!shown.hidden.has(kind)));
              paint();
            },
          },
          element("i", { class: `shape ${kindOf(kind).shape} kind-${kind}` }), `${setting.kinds[kind]} ${count}`)));
  };

  loadLand().then(
    (loaded) => {
      land = loaded;
      byId("map-hint").hidden = land.outlined;
      byId("map-hint").textContent = land.outlined ? "" : word("no_outlines");
      legend();
      resize();
      if (!moved) whole();
      paint();
      canvas.dataset.ready = "true";
    },
    () => {
      byId("map-hint").textContent = word("load_failed");
    },
  );

  return {
    resize,
    /** Colour the areas of these alerts. */
    showAlerts(alerts) {
      shown.alerts = alerts;
      paint();
    },
    /** Mark the stations of these instruments. */
    showSick(instruments) {
      shown.sick = new Set(instruments.flatMap((one) => one.stations));
      paint();
    },
    /** Go to an alert, or with null back to where the view was. */
    look(id) {
      shown.chosen = id;
      const alert = shown.alerts.find((one) => one.id === id);
      if (land && alert) {
        before ??= { scale: view.scale, x: view.x, y: view.y, moved };
        const boxes = [alert.area, ...alert.fill.map(([code]) => code)].map((code) => land.areas.get(code)?.box).filter(Boolean);
        if (boxes.length) goTo(boxes);
      } else if (id === null && before) {
        ({ moved } = before);
        Object.assign(view, { scale: before.scale, x: before.x, y: before.y });
        before = null;
      }
      paint();
    },
  };

  function goTo(boxes) {
    const box = [0, 1, 2, 3].map((i) => (i < 2 ? Math.min : Math.max)(...boxes.map((one) => one[i])));
    fit(box, 60, Math.max(least * 4, 14));
    moved = true;
  }
}

function watchPointers(canvas, { pan, zoom, point, click, leave }) {
  const down = new Map();
  let dragged = false;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    dragged = down.size > 1;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const was = down.get(event.pointerId);
    if (!was) {
      point(now);
      return;
    }
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const spread = (one) => Math.max(1, Math.hypot(one[0] - other[0], one[1] - other[1]));
      zoom(spread(now) / spread(was), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      pan((now[0] - was[0]) / 2, (now[1] - was[1]) / 2);
    } else if (dragged || Math.hypot(now[0] - was[0], now[1] - was[1]) > 4) {
      dragged = true;
      pan(now[0] - was[0], now[1] - was[1]);
    } else {
      return; // a finger trembles
    }
    down.set(event.pointerId, now);
    leave();
  });
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    if (event.type === "pointerup" && !dragged && down.size === 0) click(at(event));
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0016), ...at(event));
  }, { passive: false });
}
