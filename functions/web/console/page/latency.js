/** How long broadcasts took to get here: the newest ones as a curve, and their median and 95th percentile. */

const SHOWN = 120;
const NARROWEST = 30; // a few samples are not drawn wider than so many would be
const WIDTH = 600;
const HEIGHT = 140;

export class LatencyPlot {
  #samples = [];
  #pending = false;
  #elements;

  /** `elements`: the SVG `plot` with the paths `curve` and `dots`, and the texts `scale` and `summary`. */
  constructor(elements) {
    this.#elements = elements;
    elements.plot.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  }

  /** A broadcast took so many milliseconds. */
  add(latency) {
    this.#samples.push(latency);
    if (this.#samples.length > SHOWN) {
      this.#samples.shift();
    }
    if (!this.#pending) {
      this.#pending = true;
      requestAnimationFrame(() => this.#draw());
    }
  }

  #draw() {
    this.#pending = false;
    const { plot, curve, dots, scale, summary } = this.#elements;
    const top = rounded(Math.max(...this.#samples, 1));
    const places = Math.max(this.#samples.length, NARROWEST);
    const step = WIDTH / (places - 1);
    const first = places - this.#samples.length;
    const points = this.#samples.map((latency, index) => {
      const y = HEIGHT * (1 - latency / top);
      return `${((first + index) * step).toFixed(1)} ${y.toFixed(1)}`;
    });
    curve.setAttribute("d", `M${points.join("L")}`);
    dots.setAttribute("d", points.map((point) => `M${point}h0`).join(""));
    scale.textContent = `${top} ms`;
    summary.textContent = `Median ${this.#quantile(0.5)} ms, 95th percentile ${this.#quantile(0.95)} ms`;
    plot.setAttribute("aria-label", `Latency of the last ${this.#samples.length} broadcasts: ${summary.textContent}`);
  }

  #quantile(share) {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    return sorted[Math.ceil(share * sorted.length) - 1];
  }
}

/** The next number above that reads well on a scale: 1, 2 or 5 and zeros. */
function rounded(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((bound) => bound >= value);
}
