// Land: areas and stations as shapes in kilometres around the middle of the whole, ready to be drawn and to be hit.

const KM_PER_DEGREE = 111.32;

/** Load areas, outlines and stations; the outlines may be missing. */
export async function loadLand() {
  const get = async (path) => {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  };
  const [areas, outlines, stations] = await Promise.all([
    get("/v1/areas"), get("/v1/outlines"), get("/v1/stations"),
  ]);
  return new Land(areas, outlines.features ?? [], stations);
}

class Land {
  constructor(areas, features, stations) {
    const lons = areas.map((area) => area[4]);
    const lats = areas.map((area) => area[5]);
    const middle = (values) => (values.length ? (Math.min(...values) + Math.max(...values)) / 2 : 0);
    this.lon0 = middle(lons);
    this.lat0 = middle(lats);
    this.stretch = KM_PER_DEGREE * Math.cos((this.lat0 * Math.PI) / 180);

    this.areas = new Map();
    for (const [code, name, tier, parent, lon, lat] of areas) {
      const [x, y] = this.place(lon, lat);
      this.areas.set(code, { code, name, tier, parent, x, y, path: null, box: [x, y, x, y] });
    }
    this.borders = { city: new Path2D(), county: new Path2D(), township: new Path2D(), village: new Path2D() };
    this.outlined = false;
    for (const feature of features) this.#outline(feature);
    this.stations = stations.map(([id, kind, name, lon, lat, area]) => {
      const [x, y] = this.place(lon, lat);
      return { id, kind, name, x, y, area };
    });
    this.stationOf = new Map(this.stations.map((station) => [station.id, station]));
    this.box = this.#bounds();
    this.villages = [...this.areas.values()].filter((area) => area.path && area.tier === "village");
  }

  /** Kilometres east and south of the middle. */
  place(lon, lat) {
    return [(lon - this.lon0) * this.stretch, (this.lat0 - lat) * KM_PER_DEGREE];
  }

  /** An area and what it lies in, from the smallest to the largest. */
  lineage(code) {
    const found = [];
    for (let area = this.areas.get(code); area && !found.includes(area); area = this.areas.get(area.parent)) {
      found.push(area);
    }
    return found;
  }

  /** 南江县集州街道某某社区: the name from the county down. */
  name(code) {
    const parts = this.lineage(code).filter((area) => area.tier !== "city");
    return parts.length ? parts.reverse().map((area) => area.name).join(" ") : (this.areas.get(code)?.name ?? "");
  }

  /** The smallest outlined area at a place; null outside. */
  at(x, y, context) {
    for (const area of this.villages) {
      const [left, top, right, bottom] = area.box;
      if (x >= left && x <= right && y >= top && y <= bottom && context.isPointInPath(area.path, x, y)) return area;
    }
    return null;
  }

  #outline(feature) {
    const area = this.areas.get(String(feature.properties?.code));
    const { type, coordinates } = feature.geometry ?? {};
    const polygons = type === "Polygon" ? [coordinates] : type === "MultiPolygon" ? coordinates : [];
    if (!area || !polygons.length) return;
    const path = new Path2D();
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const ring of polygons.flat()) {
      ring.forEach(([lon, lat], i) => {
        const [x, y] = this.place(lon, lat);
        if (i === 0) path.moveTo(x, y);
        else path.lineTo(x, y);
        box[0] = Math.min(box[0], x);
        box[1] = Math.min(box[1], y);
        box[2] = Math.max(box[2], x);
        box[3] = Math.max(box[3], y);
      });
      path.closePath();
    }
    area.path = path;
    area.box = box;
    this.borders[area.tier]?.addPath(path);
    this.outlined = true;
  }

  #bounds() {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    const grow = (x, y) => {
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    };
    for (const area of this.areas.values()) {
      grow(area.box[0], area.box[1]);
      grow(area.box[2], area.box[3]);
    }
    for (const station of this.stations) grow(station.x, station.y);
    return Number.isFinite(box[0]) ? box : [-1, -1, 1, 1];
  }
}
