// Draws each figure that brings its numbers as JSON. Colours are those of the page, read anew when its theme changes;
// series differ in dash as well. The table under each chart says the same.

(() => {
  const HEIGHT = 200; // px
  const day = new Intl.DateTimeFormat("en", { timeZone: "UTC", day: "numeric", month: "short" });
  const two = (number) => String(number).padStart(2, "0");
  const words = {
    clock(value) {
      const seconds = Math.round(value);
      const hours = Math.floor(seconds / 3600);
      const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
      return hours ? `${hours}:${rest}` : rest.replace(/^0/, "");
    },
    about(value) {
      if (value < 120) return `${Math.round(value)} s`;
      if (value < 7200) return `${Math.round(value / 60)} min`;
      return value < 172800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} days`;
    },
    percent: (value) => `${Math.round(value)} %`,
    count: (value) => String(Math.round(value * 10) / 10),
  };
  // Where the lines of a chart of time may stand, in seconds.
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 432000, 864000, 1728000, 4320000, 8640000];

  function options(place, data) {
    // A canvas understands no light-dark(): the style sheet puts each colour where the browser resolves it.
    const style = getComputedStyle(place);
    const say = (_, value) => (value == null ? "–" : words[data.unit](value));
    const axis = { stroke: style.color, font: `12px ${style.fontFamily}`, grid: { stroke: style.outlineColor, width: 1 }, ticks: { show: false } };
    const isBars = data.kind === "bars";
    // What stands behind is lighter: the second line, and of bars the first, which the second covers.
    const ink = [style.caretColor, style.textDecorationColor];
    if (isBars && data.series.length > 1) ink.reverse();
    const series = data.series.map((one, at) => ({
      label: one.name,
      stroke: ink[at],
      fill: isBars ? ink[at] : undefined,
      width: isBars ? 0 : 2,
      dash: at && !isBars ? [6, 4] : undefined,
      paths: isBars ? uPlot.paths.bars({ size: [0.62, 36] }) : undefined,
      points: { show: !isBars, size: 5, fill: ink[at] },
      spanGaps: true,
      value: say,
    }));
    const isTime = data.unit === "clock" || data.unit === "about";
    return {
      width: place.clientWidth,
      height: HEIGHT,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 8 } },
      scales: {
        x: isBars ? { range: (_, from, to) => padded(data.x, from, to) } : {},
        y: { range: (_, __, most) => [0, data.unit === "percent" ? 100 : Math.max(most ?? 0, 1) * 1.1] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 28, gap: 6, values: (_, at) => at.map((one) => day.format(new Date(one * 1000))), space: 64, incrs: [86400, 172800, 432000, 604800, 1209600, 2419200, 4838400] },
        { ...axis, size: 58, values: (_, at) => at.map((one) => words[data.unit](one)), ...(isTime ? { incrs: STEPS } : data.unit === "count" ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000] } : { incrs: [25, 50] }) },
      ],
      series: [{ value: (_, at) => (at == null ? "–" : day.format(new Date(at * 1000))), label: "From" }, ...series],
    };
  }

  function padded(x, from, to) {
    const half = x.length > 1 ? (x[1] - x[0]) / 2 : 43200;
    return [from - half, to + half];
  }

  function draw(figure) {
    const source = document.getElementById(figure.dataset.chart);
    const place = figure.querySelector(".chart__plot");
    if (!source || !place) return null;
    const data = JSON.parse(source.textContent);
    const values = [data.x, ...data.series.map((one) => one.values)];
    let plot = null;
    const again = () => {
      plot?.destroy();
      plot = new uPlot(options(place, data), values, place);
    };
    again();
    new ResizeObserver(() => {
      if (plot.width !== place.clientWidth) plot.setSize({ width: place.clientWidth, height: HEIGHT });
    }).observe(place);
    return again;
  }

  const drawn = [...document.querySelectorAll("[data-chart]")].map(draw).filter(Boolean);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((again) => again()));
  document.fonts.ready.then(() => drawn.forEach((again) => again()));
})();
