// The live page: opens a session, hears the hub, and shows what it says.

import { RateChart } from './charts.mjs'
import { LiveClient } from './live.mjs'
import { flash, grouped, KeyedTable, sumOf } from './tables.mjs'
import { language, switchLanguage, translate, word } from './words.mjs'

const COMPANIES = { c1: ['서울 도매', 'KRW'], c2: ['London Gifts', 'GBP'], c3: ['Boston Trading', 'USD'] }
const LIGHTS = ['debitCredit', 'cachedBalances', 'cachedStock', 'chain', 'redis', 'relay']
const MARKS = { ok: '✓', wait: '…', broken: '✕' }
const FEED_MAX = 60
const STOCK_MAX = 300
const MONTH = '2026-06'

const $ = (id) => document.getElementById(id)
const balances = new KeyedTable($('balances'))
const stock = new KeyedTable($('stock'))
const rows = new Map()
const goods = new Map()
const names = new Map()
const lights = new Map()
let company = new URLSearchParams(location.search).get('company') ?? 'c1'
if (!(company in COMPANIES)) company = 'c1'
let token = ''
let year = 2026
let locks = []
let client
let heard = 0
let chart

async function ask(path, body) {
  const headers = { authorization: `Bearer ${token}` }
  if (body !== undefined) headers['content-type'] = 'application/json'
  const answer = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers,
    body: JSON.stringify(body),
  })
  const parsed = await answer.json()
  if (!answer.ok) throw new Error(parsed.error?.message ?? String(answer.status))
  return parsed
}

async function openSession() {
  const session = await ask('/session', { company, user: 'live page' })
  token = session.token
  return session.ticket
}

async function readNames() {
  const { balances: accounts } = await ask(`/companies/${company}/trial-balance?fiscalYear=${year}`)
  for (const { account, nameKo, nameEn } of accounts) names.set(account, { ko: nameKo, en: nameEn })
  showAll()
}

function showBalance(row) {
  const known = rows.get(`${row.fiscalYear} ${row.account}`)
  if (known !== undefined && known.version > row.version) return
  rows.set(`${row.fiscalYear} ${row.account}`, row)
  if (row.fiscalYear !== year) return
  balances.show(row.account, {
    id: `account-${row.account}`,
    order: row.account,
    cells: [
      `${row.account} ${names.get(row.account)?.[language] ?? ''}`,
      grouped(row.debit),
      grouped(row.credit),
      grouped(row.balance),
      String(row.version),
    ],
  })
}

function showSums() {
  const shown = [...rows.values()].filter(({ fiscalYear }) => fiscalYear === year)
  for (const [id, field] of [
    ['sum-debit', 'debit'],
    ['sum-credit', 'credit'],
    ['sum-balance', 'balance'],
  ]) {
    const text = grouped(sumOf(shown.map((row) => row[field])))
    if ($(id).textContent === text) continue
    $(id).textContent = text
    flash($(id))
  }
  $('balances-empty').hidden = shown.length > 0
}

/** The year that has rows; a new one replaces an empty one only. */
function chooseYear() {
  const years = [...rows.values()].map(({ fiscalYear }) => fiscalYear)
  if (years.length > 0 && !years.includes(year)) year = Math.max(...years)
  $('fiscal-year').textContent = String(year)
}

function showGoods(item) {
  const of = goods.get(item)
  if (of === undefined || (!stockShown.has(item) && stockShown.size >= STOCK_MAX)) return
  stockShown.add(item)
  const lock = locks.find(({ resource }) => resource.split(':').slice(1).join(':') === item)
  const held = lock === undefined ? '' : `${lock.holder} · ${lock.fence}`
  stock.show(item, {
    order: item,
    cells: [item, ...['W1', 'W2', 'W3'].map((place) => grouped(of[place]?.quantity ?? '0')), held],
  })
}
const stockShown = new Set()

function keepGoods(row) {
  const of = goods.get(row.item) ?? {}
  if ((of[row.warehouse]?.version ?? 0) > row.version) return
  goods.set(row.item, { ...of, [row.warehouse]: row })
}

function showStock(items) {
  for (const item of new Set(items)) showGoods(item)
  $('stock-empty').hidden = goods.size > 0
  findItem()
}

function findItem() {
  const wanted = $('find').value.trim().toLowerCase()
  if (wanted !== '') for (const item of goods.keys()) if (item.toLowerCase().includes(wanted)) showGoods(item)
  stock.hide((item) => wanted !== '' && !item.toLowerCase().includes(wanted))
}

function showEvents(events) {
  const feed = $('feed')
  const lines = events.slice(-FEED_MAX).map(lineOf).reverse()
  feed.prepend(...lines)
  while (feed.childElementCount > FEED_MAX) feed.lastElementChild.remove()
}

function lineOf({ id, type, timestamp, payload }) {
  const line = document.createElement('li')
  const parts = [
    ['id', id],
    ['what', word(type)],
    ['about', aboutOf(type, payload)],
    ['when', new Date(timestamp).toLocaleTimeString(language)],
  ]
  for (const [name, text] of parts) {
    const part = document.createElement(name === 'when' ? 'time' : 'span')
    part.className = name
    part.textContent = text
    line.append(part)
  }
  line.dataset.type = type.split(':')[1]
  return line
}

function aboutOf(type, payload) {
  if (type === 'events:balance:updated') {
    const name = names.get(payload.account)?.[language] ?? ''
    return `${payload.account} ${name}  ${grouped(payload.balance)}`
  }
  if (type === 'events:inventory:changed')
    return `${payload.item} ${payload.warehouse}  ${grouped(payload.quantity)}`
  return String(payload.id ?? payload.message ?? payload.batchId ?? '')
}

function showLight(name, state, figure = '') {
  let light = lights.get(name)
  if (light === undefined) {
    light = document.createElement('li')
    light.dataset.light = name
    for (const part of ['mark', 'name', 'figure']) {
      const span = document.createElement('span')
      span.className = part
      light.append(span)
    }
    lights.set(name, light)
    $('lights').append(light)
  }
  light.dataset.state = state
  const [mark, title, shown] = light.children
  mark.textContent = MARKS[state]
  mark.setAttribute('aria-label', word(state))
  mark.setAttribute('role', 'img')
  title.textContent = word(name)
  shown.textContent = figure.replace(/\d[\d.]*/g, grouped)
}

function showPulse(pulse) {
  for (const { name, state, figure } of pulse.lights) showLight(name, state, figure)
  $('hit-ratio').textContent = pulse.hitRatio === undefined ? '–' : `${(pulse.hitRatio * 100).toFixed(2)} %`
  $('reads').textContent = latencyText(pulse.reads)
  $('postings').textContent = latencyText(pulse.postings)
  const before = locks
  locks = pulse.locks
  const items = [...before, ...locks].map(({ resource }) => resource.split(':').slice(1).join(':'))
  showStock(items.filter((item) => goods.has(item)))
}

function latencyText({ p50Ms, p99Ms }) {
  const ms = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0))
  return p50Ms === undefined || p99Ms === undefined ? '–' : `${ms(p50Ms)} / ${ms(p99Ms)} ms`
}

function showState(state) {
  const pill = $('connection')
  pill.dataset.state = state
  if (state === 'live') pill.removeAttribute('title')
  $('connection-text').textContent = word(state === 'live' ? 'liveState' : state)
  // A frame that does not follow the one before is noticed by the client, which goes back for what is missing.
  showLight('chain', state === 'live' ? 'ok' : 'wait')
}

function showFailure({ message }) {
  $('connection').title = message
}

function connect() {
  client?.close()
  rows.clear()
  goods.clear()
  stockShown.clear()
  balances.clear()
  stock.clear()
  $('feed').replaceChildren()
  $('currency').textContent = COMPANIES[company][1]
  const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`
  client = new LiveClient({ url, ticket: openSession, onState: showState, onFailure: showFailure })
  client.subscribe('balances', {
    snapshot: (items) => {
      rows.clear()
      balances.clear()
      for (const row of items) rows.set(`${row.fiscalYear} ${row.account}`, row)
      chooseYear()
      for (const row of items) showBalance(row)
      showSums()
      if (names.size === 0) void readNames().catch(() => undefined)
    },
    apply: (items) => {
      for (const row of items) showBalance(row)
      showSums()
    },
  })
  client.subscribe('stock', {
    snapshot: (items) => {
      goods.clear()
      stockShown.clear()
      stock.clear()
      for (const row of items) keepGoods(row)
      showStock([...goods.keys()].slice(0, STOCK_MAX))
    },
    apply: (items) => {
      for (const row of items) keepGoods(row)
      showStock(items.map(({ item }) => item))
    },
  })
  client.subscribe('events', {
    snapshot: (events) => {
      $('feed').replaceChildren()
      showEvents(events)
    },
    apply: (events) => {
      heard += events.length
      showEvents(events)
    },
  })
  client.subscribe('pulse', { snapshot: () => undefined, apply: (items) => items.forEach(showPulse) })
  client.start()
  void watchPayroll()
}

function showAll() {
  translate()
  showState(client?.state ?? 'idle')
  for (const [name, light] of lights) showLight(name, light.dataset.state, light.children[2].textContent)
  const known = [...rows.values()]
  rows.clear()
  for (const row of known) showBalance(row)
  for (const fault of document.querySelectorAll('[data-fault]')) fault.textContent = word(fault.dataset.word)
}

async function breakIt(kind) {
  const buttons = [...document.querySelectorAll('[data-fault]')]
  for (const button of buttons) button.disabled = true
  delete $('fault-result').dataset.word
  $('fault-result').dataset.state = 'wait'
  $('fault-result').textContent = word('breaking')
  try {
    const { recoveredInMs } = await ask('/demo/faults', { kind })
    $('fault-result').dataset.state = 'ok'
    $('fault-result').textContent = word('recovered', { ms: recoveredInMs })
  } catch (error) {
    showRefusal(error)
  }
  for (const button of buttons) button.disabled = false
}

function showRefusal(error) {
  $('fault-result').dataset.state = 'broken'
  $('fault-result').textContent = word('refused', { why: error.message })
}

async function postSample() {
  const decimals = COMPANIES[company][1] === 'KRW' ? '' : '.00'
  const lines = [
    { account: '11210', debit: `1100${decimals}` },
    { account: '41010', credit: `1000${decimals}` },
    { account: '21210', credit: `100${decimals}` },
  ]
  await ask(`/companies/${company}/vouchers`, {
    id: `page-${crypto.randomUUID()}`,
    date: '2026-01-31',
    fiscalYear: 2026,
    lines,
  }).catch(showRefusal)
}

const systemDark = matchMedia('(prefers-color-scheme: dark)')

let payrollTimer
async function watchPayroll() {
  clearTimeout(payrollTimer)
  $('payroll').hidden = company !== 'c1'
  const run =
    token === '' ? undefined : await ask(`/companies/${company}/payroll/${MONTH}`).catch(() => undefined)
  $('payroll-line').hidden = run === undefined
  if (run === undefined) return
  $('payroll-progress').max = Math.max(1, run.total)
  $('payroll-progress').value = run.done
  $('payroll-text').textContent = word('payroll', {
    done: grouped(String(run.done)),
    total: grouped(String(run.total)),
  })
  if (run.state === 'running') payrollTimer = setTimeout(watchPayroll, 1_000)
}

function listen() {
  $('company').append(
    ...Object.entries(COMPANIES).map(([id, [name]]) => new Option(name, id, false, id === company)),
  )
  $('company').addEventListener('change', () => {
    company = $('company').value
    connect()
  })
  $('language').addEventListener('click', () => {
    switchLanguage()
    showAll()
  })
  $('theme').addEventListener('click', () => {
    const shown = document.documentElement.dataset.theme ?? (systemDark.matches ? 'dark' : 'light')
    document.documentElement.dataset.theme = shown === 'dark' ? 'light' : 'dark'
    localStorage.setItem('theme', document.documentElement.dataset.theme)
    chart.draw()
  })
  $('find').addEventListener('input', findItem)
  $('post').addEventListener('click', () => void postSample())
  $('payroll').addEventListener('click', async () => {
    await ask(`/companies/${company}/payroll`, { month: MONTH }).catch(showRefusal)
    void watchPayroll()
  })
  for (const button of document.querySelectorAll('[data-fault]')) {
    button.addEventListener('click', () => void breakIt(button.dataset.fault))
  }
  systemDark.addEventListener('change', () => chart.draw())
  addEventListener('online', () => client?.wake())
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) client?.wake()
  })
}

const theme = new URLSearchParams(location.search).get('theme') ?? localStorage.getItem('theme')
if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
translate()
for (const name of LIGHTS) showLight(name, 'wait')
chart = new RateChart($('chart'))
listen()
connect()
setInterval(() => {
  $('event-rate').textContent = grouped(String(heard))
  $('position').textContent = client?.position ?? '–'
  chart.add(heard)
  heard = 0
}, 1_000)
