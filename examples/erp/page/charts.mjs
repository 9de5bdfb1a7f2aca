// The chart of the last minute, drawn by uPlot in the colours of the page.

import UPlot from './uplot.mjs'

const SECONDS = 60

export class RateChart {
  #element
  #plot
  #times = []
  #counts = []

  constructor(element) {
    this.#element = element
    const now = Math.floor(Date.now() / 1_000)
    this.#times = Array.from({ length: SECONDS }, (_, index) => now - SECONDS + 1 + index)
    this.#counts = new Array(SECONDS).fill(0)
    this.draw()
    new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(element)
  }

  /** The count of the second that has just ended. */
  add(count) {
    this.#times = [...this.#times.slice(1), Math.floor(Date.now() / 1_000)]
    this.#counts = [...this.#counts.slice(1), count]
    this.#plot.setData([this.#times, this.#counts])
  }

  /** Anew, in the colours as they are now. */
  draw() {
    this.#plot?.destroy()
    // As the browser resolves them now: the canvas knows no variables, and nothing of light and dark.
    const color = (name) => {
      this.#element.style.color = `var(${name})`
      return getComputedStyle(this.#element).color
    }
    const axis = {
      stroke: color('--quiet'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui',
    }
    this.#plot = new UPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 8, 0, 0],
        scales: { y: { range: (_, __, max) => [0, Math.max(10, max * 1.1)] } },
        axes: [
          { ...axis, space: 80, size: 24, values: (_, times) => times.map(clockText) },
          { ...axis, size: 44, space: 28 },
        ],
        series: [
          {},
          { stroke: color('--accent'), width: 2, fill: color('--accent-soft'), points: { show: false } },
        ],
      },
      [this.#times, this.#counts],
      this.#element,
    )
  }

  #size() {
    return {
      width: Math.max(160, this.#element.clientWidth),
      height: Math.max(116, this.#element.clientHeight - 14),
    }
  }
}

function clockText(second) {
  return new Date(second * 1_000).toTimeString().slice(0, 8)
}
