// Every word of the page, in Korean and in English.

const WORDS = {
  ko: {
    skip: '본문으로',
    live: '실시간',
    position: '위치',
    company: '회사',
    otherLanguage: 'English',
    theme: '밝게/어둡게',
    invariants: '불변식',
    figures: '지표',
    hitRatio: '캐시 적중률',
    reads: '잔액 조회 p50 / p99',
    postings: '전기 p50 / p99',
    eventRate: '이벤트 / 초',
    chart: '지난 1분의 초당 이벤트',
    trialBalance: '시산표',
    account: '계정과목',
    debit: '차변',
    credit: '대변',
    balance: '잔액',
    version: '버전',
    sum: '합계',
    nothingPosted: '아직 전기된 전표가 없습니다. 전표가 전기되면 바로 나타납니다.',
    breakIt: '일부러 망가뜨리기',
    breakItWhy: 'Redis를 망가뜨려도 숫자는 틀리지 않습니다. 확인해 보세요.',
    kill: 'Redis 죽이기',
    pause: '5초 멈추기',
    flushall: '모두 지우기',
    cut: '연결 끊기',
    notBroken: '아직 아무것도 망가뜨리지 않았습니다',
    breaking: '망가뜨리는 중…',
    recovered: '복구까지 {ms} ms',
    refused: '지금은 할 수 없습니다: {why}',
    postSample: '전표 한 장 전기',
    runPayroll: '6월 급여 계산',
    payroll: '급여 {done} / {total}명',
    stock: '재고',
    findItem: '품목 찾기',
    item: '품목',
    lock: '잠금 (보유자 · 펜스)',
    nothingMoved: '아직 움직인 재고가 없습니다.',
    feed: '이벤트',
    debitCredit: '차변 = 대변',
    cachedBalances: '캐시 잔액 = 원장',
    cachedStock: '캐시 재고 = 원장',
    redis: 'Redis',
    relay: '중계',
    chain: '빠진 이벤트 없음',
    ok: '정상',
    wait: '확인 중',
    broken: '이상',
    idle: '대기',
    connecting: '연결 중',
    syncing: '맞추는 중',
    liveState: '실시간',
    offline: '끊김, 다시 연결합니다',
    closed: '닫힘',
    'events:voucher:created': '전표 전기',
    'events:voucher:approved': '전표 승인',
    'events:balance:updated': '잔액 변경',
    'events:inventory:changed': '재고 변경',
    'events:payroll:processed': '급여 완료',
    'events:notification': '알림',
  },
  en: {
    skip: 'Skip to content',
    live: 'Live',
    position: 'position',
    company: 'Company',
    otherLanguage: '한국어',
    theme: 'Light / dark',
    invariants: 'Invariants',
    figures: 'Figures',
    hitRatio: 'Cache hit ratio',
    reads: 'Balance reads p50 / p99',
    postings: 'Postings p50 / p99',
    eventRate: 'Events / s',
    chart: 'Events per second of the last minute',
    trialBalance: 'Trial balance',
    account: 'Account',
    debit: 'Debit',
    credit: 'Credit',
    balance: 'Balance',
    version: 'Version',
    sum: 'Total',
    nothingPosted: 'Nothing is posted yet. A voucher shows here the moment it is posted.',
    breakIt: 'Break it on purpose',
    breakItWhy: 'Whatever happens to Redis, no figure becomes wrong. Try it.',
    kill: 'Kill Redis',
    pause: 'Pause 5 s',
    flushall: 'Flush all',
    cut: 'Cut connections',
    notBroken: 'Nothing is broken yet',
    breaking: 'Breaking…',
    recovered: 'Recovered in {ms} ms',
    refused: 'Not now: {why}',
    postSample: 'Post a voucher',
    runPayroll: 'Run June payroll',
    payroll: 'Payroll {done} of {total}',
    stock: 'Stock',
    findItem: 'Find an item',
    item: 'Item',
    lock: 'Lock (holder · fence)',
    nothingMoved: 'No stock has moved yet.',
    feed: 'Events',
    debitCredit: 'Debit = credit',
    cachedBalances: 'Cached balances = books',
    cachedStock: 'Cached stock = books',
    redis: 'Redis',
    relay: 'Relay',
    chain: 'No event missing',
    ok: 'holds',
    wait: 'checking',
    broken: 'broken',
    idle: 'idle',
    connecting: 'connecting',
    syncing: 'catching up',
    liveState: 'live',
    offline: 'cut off, coming back',
    closed: 'closed',
    'events:voucher:created': 'Voucher posted',
    'events:voucher:approved': 'Voucher approved',
    'events:balance:updated': 'Balance changed',
    'events:inventory:changed': 'Stock changed',
    'events:payroll:processed': 'Payroll done',
    'events:notification': 'Notice',
  },
}

export let language = new URLSearchParams(location.search).get('lang') ?? localStorage.getItem('language')
if (!(language in WORDS)) language = navigator.language.startsWith('ko') ? 'ko' : 'en'

export function word(name, values = {}) {
  const text = WORDS[language][name] ?? name
  return text.replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ''))
}

export function switchLanguage() {
  language = language === 'ko' ? 'en' : 'ko'
  localStorage.setItem('language', language)
  translate()
}

/** Writes the words into everything that names one. */
export function translate() {
  document.documentElement.lang = language
  for (const element of document.querySelectorAll('[data-word]'))
    element.textContent = word(element.dataset.word)
  for (const element of document.querySelectorAll('[data-placeholder]'))
    element.placeholder = word(element.dataset.placeholder)
  for (const element of document.querySelectorAll('[data-label]'))
    element.setAttribute('aria-label', word(element.dataset.label))
}
