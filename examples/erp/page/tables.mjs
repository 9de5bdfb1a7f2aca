// Tables whose rows are kept by key: only what changed is written, and it lights up for a moment.

const GROUP = 3

/** `1234567.50` as `1,234,567.50`; digits are never read as a number. */
export function grouped(text) {
  const [whole, fraction] = text.split('.')
  const [, sign, digits] = /^(-?)(.*)$/.exec(whole)
  const groups = []
  for (let end = digits.length; end > 0; end -= GROUP)
    groups.unshift(digits.slice(Math.max(0, end - GROUP), end))
  return sign + groups.join(',') + (fraction === undefined ? '' : `.${fraction}`)
}

/** Exact sums of decimal texts that have the same number of decimals. */
export function sumOf(texts) {
  const decimals = texts[0]?.split('.')[1]?.length ?? 0
  const total = texts.reduce((sum, text) => sum + BigInt(text.replace('.', '')), 0n)
  const digits = (total < 0n ? -total : total).toString().padStart(decimals + 1, '0')
  const sign = total < 0n ? '-' : ''
  if (decimals === 0) return sign + digits
  return `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
}

export class KeyedTable {
  #body
  #rows = new Map()

  constructor(body) {
    this.#body = body
  }

  get size() {
    return this.#rows.size
  }

  clear() {
    this.#rows.clear()
    this.#body.replaceChildren()
  }

  /** `cells` are texts; the first is the row's head. Rows stand in the order of their `order`. */
  show(key, { cells, order, id }) {
    let row = this.#rows.get(key)
    if (row === undefined) {
      row = this.#make(cells.length, id)
      row.order = order
      this.#rows.set(key, row)
      const next = [...this.#rows.values()].filter((other) => other.order > order)
      const before = next.sort((a, b) => (a.order < b.order ? -1 : 1))[0]
      this.#body.insertBefore(row.element, before?.element ?? null)
    }
    cells.forEach((text, index) => {
      const cell = row.cells[index]
      if (cell.textContent === text) return
      const isFirst = cell.textContent === ''
      cell.textContent = text
      if (index > 0 && !isFirst) flash(cell)
    })
  }

  hide(test) {
    for (const [key, { element }] of this.#rows) element.hidden = test(key)
  }

  #make(count, id) {
    const element = document.createElement('tr')
    if (id !== undefined) element.id = id
    const cells = Array.from({ length: count }, (_, index) => {
      const cell = document.createElement(index === 0 ? 'th' : 'td')
      if (index === 0) cell.scope = 'row'
      else cell.className = 'number'
      element.append(cell)
      return cell
    })
    return { element, cells, order: '' }
  }
}

export function flash(element) {
  element.classList.remove('changed')
  void element.offsetWidth
  element.classList.add('changed')
}
