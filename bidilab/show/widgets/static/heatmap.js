// A heat map on a canvas: the looks of bidilab/show/plots/heatmap.py, cells by pointer and by arrow keys.
//
//   const map = new Heatmap(element, { onSelect, onHover, onFit });   // onFit: the cells took in, or lost, their numbers
//   map.show({ table, plane, selected, pinned, marked, standard });   // as often as any of it changes

import { fixed, tickText } from "./numberformat.js";

const LEFT_PX = 64;
const TOP_PX = 8;
const BOTTOM_PX = 40;
const RIGHT_PX = 76;
const MAX_CELL_PX = 64;
const NOT_REACHED = "#4A4A4A";
const FONTS_PX = [11, 10, 9]; // the greatest that fits into the cells
const BADGE_PX = 28; // a cell narrower than that has no room for two badges side by side

/** Index into the colour map, as matplotlib has it. */
export function colourIndex(value, [low, high]) {
  if (low === high) return 128; // a scale of no width: the colour says nothing, the numbers do
  return Math.min(255, Math.floor(((value - low) / (high - low)) * 256));
}

export class Heatmap {
  #shown = null;
  #observers = [];

  constructor(host, { onSelect, onHover, onFit }) {
    Object.assign(this, { onSelect, onHover, onFit });
    this.fits = true;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "bl-heatmap";
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-roledescription", "heat map");
    host.append(this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.onHover(this.#cellAt(event), event));
    this.canvas.addEventListener("pointerleave", () => this.onHover(null, null));
    this.canvas.addEventListener("click", (event) => {
      const cell = this.#cellAt(event);
      if (cell !== null) this.onSelect(cell);
    });
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    const resize = new ResizeObserver(() => this.#paint());
    resize.observe(host);
    const theme = new MutationObserver(() => this.#paint());
    theme.observe(document.body, { attributes: true });
    this.#observers.push(resize, theme);
  }

  close() {
    for (const observer of this.#observers) observer.disconnect();
  }

  show(shown) {
    this.#shown = { ...shown, cells: shown.table.cells(shown.plane) };
    this.#paint();
  }

  /** Middle of a setting's cell in pixels from the canvas' corner; null when it is in none. */
  middle(setting) {
    const at = this.#shown.cells.settings.indexOf(setting);
    if (at < 0) return null;
    const { width } = this.#shown.cells;
    const { left, top, cellWidth, cellHeight, bottom } = this.#box();
    return { x: left + ((at % width) + 0.5) * cellWidth, y: bottom - (Math.floor(at / width) + 0.5) * cellHeight, top };
  }

  #box() {
    const { cells } = this.#shown;
    const room = this.canvas.parentElement.clientWidth - LEFT_PX - RIGHT_PX;
    const cellWidth = Math.max(2, Math.min(MAX_CELL_PX, room / cells.width));
    const cellHeight = Math.max(2, Math.min(Math.max(34, 120 / cells.height), 420 / cells.height));
    const bottom = TOP_PX + cellHeight * cells.height;
    return { left: LEFT_PX, top: TOP_PX, cellWidth, cellHeight, right: LEFT_PX + cellWidth * cells.width, bottom };
  }

  #cellAt(event) {
    if (!this.#shown) return null;
    const { width, height, settings } = this.#shown.cells;
    const { left, bottom, cellWidth, cellHeight } = this.#box();
    const column = Math.floor((event.offsetX - left) / cellWidth);
    const row = Math.floor((bottom - event.offsetY) / cellHeight);
    return column >= 0 && column < width && row >= 0 && row < height ? settings[row * width + column] : null;
  }

  #key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const ends = { Home: -1, End: 1 };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in steps || event.key in ends)) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own keys move between cells of the notebook
    const { width, height, settings } = this.#shown.cells;
    let at = settings.indexOf(this.#shown.selected);
    if (at < 0) at = this.#nearest();
    let [column, row] = [at % width, Math.floor(at / width)];
    const [right, up] = steps[event.key] ?? [ends[event.key] * width, 0];
    column = Math.min(Math.max(column + right, 0), width - 1);
    row = Math.min(Math.max(row + up, 0), height - 1);
    this.onSelect(settings[row * width + column]);
  }

  /** The cell with the same x and y as the setting selected, which lies in another plane. */
  #nearest() {
    const { table, plane, selected, cells } = this.#shown;
    if (selected === null) return 0;
    return table.place(selected, plane.y) * cells.width + table.place(selected, plane.x);
  }

  #paint() {
    if (!this.#shown || !this.canvas.parentElement?.clientWidth) return;
    const box = this.#box();
    const [width, height] = [box.right + RIGHT_PX, box.bottom + BOTTOM_PX];
    const ratio = devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const ctx = this.canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const look = getComputedStyle(this.canvas);
    const colour = (name) => look.getPropertyValue(`--bl-${name}`).trim();
    const pen = { ctx, box, text: colour("text"), weak: colour("text-weak"), page: colour("background"), border: colour("border"), family: look.fontFamily };
    ctx.font = `${FONTS_PX[0]}px ${pen.family}`;
    this.#paintCells(pen);
    this.#paintAxes(pen);
    this.#paintScale(pen);
    this.#paintMarks(pen);
  }

  #paintCells(pen) {
    const { ctx, box } = pen;
    const { table, plane, cells } = this.#shown;
    const metric = table.metric(plane.metric);
    const range = table.range(metric);
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    const hatches = { small: hatch(ctx, "small"), dark: hatch(ctx, "dark"), none: hatch(ctx, "none", pen.border) };
    const written = (value) => {
      if (Number.isNaN(value)) return "–";
      return Number.isFinite(value) ? fixed(value * metric.scale, metric.decimals) : "n.r.";
    };
    const widest = cells.settings.reduce((most, s) => Math.max(most, written(table.value(metric, s)).length), 0);
    const size = FONTS_PX.find((px) => {
      ctx.font = `${px}px ${pen.family}`;
      return box.cellHeight >= px + 3 && ctx.measureText("0".repeat(widest)).width + 3 <= box.cellWidth;
    });
    const fits = size !== undefined;
    if (fits !== this.fits) {
      this.fits = fits;
      this.onFit();
    }
    cells.settings.forEach((setting, at) => {
      const x = box.left + (at % cells.width) * box.cellWidth;
      const y = box.bottom - (Math.floor(at / cells.width) + 1) * box.cellHeight;
      const value = table.value(metric, setting);
      const rgb = Number.isFinite(value) ? this.#rgb(value, range) : null;
      const dark = rgb ? isDark(rgb) : !Number.isNaN(value);
      const fill = (style) => {
        ctx.fillStyle = style;
        ctx.fillRect(x, y, box.cellWidth, box.cellHeight);
      };
      fill(rgb ? `rgb(${rgb.join(",")})` : Number.isNaN(value) ? pen.page : NOT_REACHED);
      if (Number.isNaN(value)) fill(hatches.none);
      else if (table.small(metric, setting)) fill(dark ? hatches.dark : hatches.small);
      if (box.cellWidth >= 8 && box.cellHeight >= 6) {
        ctx.strokeStyle = pen.page;
        ctx.lineWidth = 1;
        ctx.strokeRect(x, y, box.cellWidth, box.cellHeight);
      }
      if (fits) {
        if (Number.isNaN(value)) {
          ctx.fillStyle = pen.page; // the dash on a spot free of hatching
          ctx.fillRect(x + box.cellWidth / 2 - 6, y + box.cellHeight / 2 - 6, 12, 12);
        }
        ctx.fillStyle = Number.isNaN(value) ? pen.weak : dark ? "#FFFFFF" : "#000000";
        ctx.fillText(written(value), x + box.cellWidth / 2, y + box.cellHeight / 2);
      }
      if (table.degenerate(setting)) corner(ctx, x, y, box);
    });
    ctx.font = `${FONTS_PX[0]}px ${pen.family}`;
  }

  #rgb(value, range) {
    const at = 3 * colourIndex(value, range);
    return [...this.#shown.table.colours.subarray(at, at + 3)];
  }

  #paintAxes({ ctx, box, text }) {
    const { table, plane } = this.#shown;
    const [x, y] = [table.axis(plane.x), table.axis(plane.y)];
    ctx.fillStyle = text;
    ctx.textBaseline = "top";
    ctx.textAlign = "center";
    const every = (count, room) => Math.ceil(count / Math.max(1, Math.floor(room)));
    const stepX = every(x.values.length, (box.right - box.left) / 34);
    x.values.forEach((value, k) => {
      if (k % stepX === 0) ctx.fillText(tickText(x, value), box.left + (k + 0.5) * box.cellWidth, box.bottom + 4);
    });
    ctx.fillText(title(x), (box.left + box.right) / 2, box.bottom + 21);
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    const stepY = every(y.values.length, (box.bottom - box.top) / 15);
    y.values.forEach((value, k) => {
      if (k % stepY === 0) ctx.fillText(tickText(y, value), box.left - 5, box.bottom - (k + 0.5) * box.cellHeight);
    });
    ctx.save();
    ctx.translate(10, (box.top + box.bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.textAlign = "center";
    ctx.fillText(title(y), 0, 0);
    ctx.restore();
  }

  #paintScale({ ctx, box, text }) {
    const { table, plane } = this.#shown;
    const metric = table.metric(plane.metric);
    const range = table.range(metric);
    if (!range) return; // a scale of nothing would look like one
    const [left, height] = [box.right + 14, box.bottom - box.top];
    for (let k = 0; k < height; k += 1) {
      const at = 3 * Math.min(255, Math.floor((256 * k) / height));
      ctx.fillStyle = `rgb(${[...table.colours.subarray(at, at + 3)].join(",")})`;
      ctx.fillRect(left, box.bottom - k - 1, 12, 1.5);
    }
    ctx.fillStyle = text;
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    ctx.fillText(fixed(range[0] * metric.scale, metric.decimals), left + 16, box.bottom);
    ctx.textBaseline = "top";
    ctx.fillText(fixed(range[1] * metric.scale, metric.decimals), left + 16, box.top);
    ctx.textBaseline = "middle";
    ctx.fillText(metric.unit, left + 16, (box.top + box.bottom) / 2);
  }

  #paintMarks({ ctx, box }) {
    const { cells, selected, pinned, marked, standard } = this.#shown;
    const frame = (setting, draw) => {
      const at = cells.settings.indexOf(setting);
      if (setting === null || at < 0) return;
      draw(box.left + (at % cells.width) * box.cellWidth, box.bottom - (Math.floor(at / cells.width) + 1) * box.cellHeight);
    };
    frame(standard, (x, y) => badge(ctx, x + box.cellWidth - 7, y + box.cellHeight - 7, "◆"));
    if (marked !== standard) frame(marked, (x, y) => badge(ctx, x + box.cellWidth - 7, y + 7, "★"));
    const narrow = box.cellWidth < BADGE_PX;
    ["A", "B"].forEach((letter, k) => {
      frame(pinned[k], (x, y) => badge(ctx, x + 7 + (narrow ? 0 : 12 * k), y + (narrow ? box.cellHeight / 2 : box.cellHeight - 7), letter));
    });
    frame(selected, (x, y) => {
      for (const [style, width] of [["#FFFFFF", 5], ["#000000", 2.5]]) {
        ctx.strokeStyle = style;
        ctx.lineWidth = width;
        ctx.strokeRect(x, y, box.cellWidth, box.cellHeight);
      }
    });
  }
}

function title(axis) {
  return axis.unit ? `${axis.label} (${axis.unit})` : axis.label;
}

/** Luma of ITU-R BT.709. */
function isDark([r, g, b]) {
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 127.5;
}

function badge(ctx, x, y, letter) {
  ctx.save();
  ctx.beginPath();
  ctx.arc(x, y, 6.5, 0, 2 * Math.PI);
  ctx.fillStyle = "#FFFFFF";
  ctx.fill();
  ctx.strokeStyle = "#000000";
  ctx.lineWidth = 1;
  ctx.stroke();
  ctx.fillStyle = "#000000";
  ctx.font = "bold 9px sans-serif";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(letter, x, y + 0.5);
  ctx.restore();
}

/** A degenerate setting: its upper left corner is cut, in a colour that the scale does not have. */
function corner(ctx, x, y, { cellWidth, cellHeight }) {
  const side = Math.min(9, cellWidth, cellHeight);
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(x + side, y);
  ctx.lineTo(x, y + side);
  ctx.closePath();
  ctx.fillStyle = "#D55E00";
  ctx.fill();
}

function hatch(ctx, kind, colour = "#BBBBBB") {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = { small: "#555555", dark: "#FFFFFF", none: colour }[kind];
  pen.globalAlpha = kind === "none" ? 1 : 0.55;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
    if (kind === "none") {
      pen.moveTo(shift, 0);
      pen.lineTo(shift + 8, 8);
    }
  }
  pen.stroke();
  return ctx.createPattern(tile, "repeat");
}
