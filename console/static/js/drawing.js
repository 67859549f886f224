// Drawing: one frame of the map. Colours of alerts are the four of the warnings; all else is muted.

export const LEVELS = { red: "#ff5a5f", orange: "#ff9838", yellow: "#ffd84d", blue: "#56aaff" };
export const KINDS = {
  rain: { colour: "#7fb6c4", shape: "circle" },
  landslide: { colour: "#a8957c", shape: "triangle" },
  seismic: { colour: "#b7a3dd", shape: "square" },
  camera: { colour: "#8fbf9b", shape: "diamond" },
};
export const OTHER_KIND = { colour: "#93a3ae", shape: "circle" };
const ORDER = ["blue", "yellow", "orange", "red"];
// Areas are painted opaque, the highest level last: two colours over each other would show a third that nobody issued.
const AREAS = { red: "#b8373f", orange: "#b8691f", yellow: "#a98f2a", blue: "#2f6eae" };
const TINTS = { red: "#36242b", orange: "#352b25", yellow: "#323027", blue: "#1e3040" };
const FONT = '"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","WenQuanYi Micro Hei",sans-serif';

/** Draw everything; `view` has scale (pixels a kilometre), x, y (pixels of the middle), width, height, ratio. */
export function draw(context, land, view, { alerts, sick, hidden, chosen, hovered }) {
  const { scale, ratio } = view;
  const inKilometres = () => context.setTransform(scale * ratio, 0, 0, scale * ratio, view.x * ratio, view.y * ratio);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, view.width * ratio, view.height * ratio);
  inKilometres();
  drawLand(context, land, scale);
  const ordered = [...alerts].sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
  for (const alert of ordered) tint(context, land, alert);
  const parts = ordered.flatMap((alert) => alert.fill);
  parts.sort((a, b) => ORDER.indexOf(a[1]) - ORDER.indexOf(b[1]));
  for (const [code, level] of parts) fill(context, land.areas.get(code), level, scale);
  drawBorders(context, land, scale);
  for (const alert of ordered) if (alert.id === chosen) ring(context, land, alert, scale);
  const inPixels = () => context.setTransform(ratio, 0, 0, ratio, 0, 0);
  inPixels();
  drawStations(context, land, view, sick, hidden);
  for (const alert of ordered) mark(context, land, view, alert, alert.id === chosen);
  if (hovered) {
    const [x, y] = screen(view, hovered);
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1.5;
    context.stroke();
  }
  drawNames(context, land, view);
}

/** Where a place of the land lies on the canvas, in CSS pixels. */
export function screen(view, { x, y }) {
  return [x * view.scale + view.x, y * view.scale + view.y];
}

function drawLand(context, land, scale) {
  context.fillStyle = "#1a242c";
  context.fill(land.borders.county);
  if (!land.outlined) {
    context.fillStyle = "#33424d";
    for (const area of land.areas.values()) {
      context.fillRect(area.x - 1.5 / scale, area.y - 1.5 / scale, 3 / scale, 3 / scale);
    }
  }
}

function drawBorders(context, land, scale) {
  const line = (path, colour, width) => {
    context.strokeStyle = colour;
    context.lineWidth = width / scale;
    context.stroke(path);
  };
  if (scale > 9) line(land.borders.village, "rgba(126,150,166,.16)", 0.6);
  line(land.borders.township, scale > 5 ? "rgba(160,182,196,.36)" : "rgba(160,182,196,.2)", 0.7);
  line(land.borders.county, "rgba(158,182,198,.75)", 1.3);
  line(land.borders.city, "rgba(190,208,220,.9)", 1.8);
}

function tint(context, land, alert) {
  const whole = land.areas.get(alert.area);
  if (!whole?.path || alert.fill.some(([code]) => code === alert.area)) return;
  context.fillStyle = TINTS[alert.level] ?? TINTS.blue; // the whole is warned, its parts hold the alert up
  context.fill(whole.path);
}

function fill(context, area, level, scale) {
  if (!area) return;
  context.fillStyle = AREAS[level] ?? AREAS.blue;
  if (area.path) context.fill(area.path);
  else context.fillRect(area.x - 5 / scale, area.y - 5 / scale, 10 / scale, 10 / scale);
}

function ring(context, land, alert, scale) {
  context.strokeStyle = "#ffffff";
  context.lineWidth = 2.2 / scale;
  const codes = alert.fill.length > 60 ? [] : alert.fill.map(([code]) => code);
  for (const code of new Set([alert.area, ...codes])) {
    const path = land.areas.get(code)?.path;
    if (path) context.stroke(path);
  }
}

function drawStations(context, land, view, sick, hidden) {
  const size = Math.min(5.5, Math.max(1.3, view.scale * 0.22));
  context.globalAlpha = view.scale < 9 ? 0.7 : 0.95;
  const byKind = new Map();
  for (const station of land.stations) {
    if (hidden.has(station.kind)) continue;
    const [x, y] = screen(view, station);
    if (x < -9 || y < -9 || x > view.width + 9 || y > view.height + 9) continue;
    if (!byKind.has(station.kind)) byKind.set(station.kind, new Path2D());
    // Many are drawn small, few a little larger, so that 17 are seen beside 2,096.
    shape(byKind.get(station.kind), kindOf(station.kind).shape, x, y, station.kind === "landslide" ? size : size + 1.4);
  }
  for (const [kind, path] of byKind) {
    context.fillStyle = kindOf(kind).colour;
    context.fill(path);
  }
  context.globalAlpha = 1;
  context.strokeStyle = "#f4f7f9";
  context.lineWidth = 1.6;
  context.beginPath();
  for (const id of sick) {
    const station = land.stationOf.get(id);
    if (!station) continue;
    const [x, y] = screen(view, station);
    context.moveTo(x - 4, y - 4);
    context.lineTo(x + 4, y + 4);
    context.moveTo(x + 4, y - 4);
    context.lineTo(x - 4, y + 4);
    context.moveTo(x + 8, y);
    context.arc(x, y, 8, 0, 2 * Math.PI);
  }
  context.stroke();
}

/** How a kind of station is drawn. */
export function kindOf(kind) {
  return KINDS[kind] ?? OTHER_KIND;
}

/** Add a station's shape to a path. */
export function shape(path, name, x, y, size) {
  if (name === "circle") {
    path.moveTo(x + size, y);
    path.arc(x, y, size, 0, 2 * Math.PI);
  } else if (name === "square") {
    path.rect(x - size, y - size, 2 * size, 2 * size);
  } else {
    const corners = name === "diamond" ? 4 : 3;
    const reach = size * 1.3;
    for (let i = 0; i < corners; i += 1) {
      const angle = (2 * Math.PI * i) / corners - Math.PI / 2;
      const [cx, cy] = [x + reach * Math.cos(angle), y + reach * Math.sin(angle)];
      if (i === 0) path.moveTo(cx, cy);
      else path.lineTo(cx, cy);
    }
    path.closePath();
  }
}

const POINTS = new Set(["landslide", "earthquake", "forest_fire", "debris_flow"]);

function mark(context, land, view, alert, chosen) {
  if (!alert.position || !POINTS.has(alert.hazard)) return;
  const [kx, ky] = land.place(...alert.position);
  const [x, y] = screen(view, { x: kx, y: ky });
  const colour = LEVELS[alert.level] ?? LEVELS.blue;
  context.beginPath();
  context.arc(x, y, chosen ? 11 : 8, 0, 2 * Math.PI);
  context.fillStyle = `${colour}55`;
  context.fill();
  context.lineWidth = 2.4;
  context.strokeStyle = "#0d1317";
  context.stroke();
  context.lineWidth = 1.6;
  context.strokeStyle = colour;
  context.stroke();
  context.beginPath();
  context.arc(x, y, 2.6, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}

function drawNames(context, land, view) {
  const taken = [];
  const write = (area, size, colour, minimum) => {
    const [x, y] = screen(view, area);
    if (x < 0 || y < 0 || x > view.width || y > view.height) return;
    context.font = `${size}px ${FONT}`;
    const half = context.measureText(area.name).width / 2;
    const box = [x - half - minimum, y - size / 2 - minimum, x + half + minimum, y + size / 2 + minimum];
    if (taken.some((one) => box[0] < one[2] && box[2] > one[0] && box[1] < one[3] && box[3] > one[1])) return;
    taken.push(box);
    context.lineWidth = 3;
    context.strokeStyle = "rgba(13,19,23,.85)";
    context.strokeText(area.name, x, y);
    context.fillStyle = colour;
    context.fillText(area.name, x, y);
  };
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  const tiers = { county: [], township: [], village: [] };
  for (const area of land.areas.values()) tiers[area.tier]?.push(area);
  for (const area of tiers.county) write(area, 15, "#f1f6f9", 6);
  if (view.scale > 9) for (const area of tiers.township) write(area, 12, "#c9d6de", 4);
  if (view.scale > 38) for (const area of tiers.village) write(area, 11, "#9fb0bb", 4);
}
