/**
 * The shape of one real month of a gift wholesaler, as figures: what the generator draws from.
 *
 * Measured on 42,481 order lines of December 2010 (2,025 invoices, 2,822 items): Chen, Sain and Guo, "Data
 * mining for the online retail industry", doi 10.1057/dbm.2012.17. Tables pair a share with the value below
 * which that share lies; values between two entries are interpolated.
 */

/** Pairs of (share from 0 to 1, value), both rising. */
export type Quantiles = readonly (readonly [share: number, value: number])[]

/** Of 2,025 invoices 1,559 are sales, 326 returns, 140 worth nothing (one line at price zero). */
export const SALE_SHARE = 0.77
export const RETURN_SHARE = 0.161

/** Mean 26.7: half of all sales have at most 13 lines, one in a hundred about 500. */
export const SALE_LINES: Quantiles = [
  [0, 1],
  [0.1, 1],
  [0.2, 4],
  [0.25, 5],
  [0.4, 10],
  [0.5, 13],
  [0.6, 16],
  [0.7, 22],
  [0.75, 26],
  [0.8, 31],
  [0.85, 39],
  [0.9, 50],
  [0.95, 68],
  [0.97, 93],
  [0.98, 137],
  [0.985, 190],
  [0.99, 474],
  [0.995, 591],
  [1, 675],
]

/** Mean 2.2. */
export const RETURN_LINES: Quantiles = [
  [0, 1],
  [0.55, 1],
  [0.75, 2],
  [0.9, 3],
  [0.95, 5],
  [0.97, 9],
  [0.98, 14],
  [0.99, 20],
  [1, 39],
]

/** Pieces on one line, sold or returned, by the price in pence below which a table holds: cheap things go by the dozen. */
export const QUANTITY_BELOW_PENCE: readonly (readonly [pence: number, quantity: Quantiles])[] = [
  [
    100,
    [
      [0, 1],
      [0.2, 1],
      [0.25, 2],
      [0.5, 10],
      [0.75, 24],
      [0.9, 36],
      [0.95, 48],
      [0.98, 120],
      [0.99, 192],
      [0.999, 1_296],
      [1, 2_880],
    ],
  ],
  [
    300,
    [
      [0, 1],
      [0.3, 1],
      [0.5, 3],
      [0.75, 10],
      [0.9, 18],
      [0.95, 24],
      [0.98, 60],
      [0.99, 100],
      [0.999, 320],
      [1, 1_488],
    ],
  ],
  [
    1_000,
    [
      [0, 1],
      [0.4, 1],
      [0.5, 2],
      [0.75, 4],
      [0.9, 8],
      [0.95, 12],
      [0.98, 24],
      [0.99, 36],
      [0.999, 200],
      [1, 600],
    ],
  ],
  [
    Infinity,
    [
      [0, 1],
      [0.55, 1],
      [0.75, 2],
      [0.9, 4],
      [0.95, 7],
      [0.98, 16],
      [0.99, 32],
      [0.999, 120],
      [1, 272],
    ],
  ],
]

/** Share of all order lines that the most popular items have: (share, rank). */
export const ITEM_RANK: Quantiles = [
  [0, 0],
  [0.0056, 1],
  [0.022, 5],
  [0.039, 10],
  [0.0815, 25],
  [0.1355, 50],
  [0.2181, 100],
  [0.3455, 200],
  [0.5188, 400],
  [0.7312, 800],
  [0.8536, 1_200],
  [0.9247, 1_600],
  [0.9667, 2_000],
  [0.9894, 2_400],
  [1, 2_808],
]

/** The median price of an item, in pence. */
export const ITEM_PRICE_PENCE: Quantiles = [
  [0, 12],
  [0.05, 42],
  [0.1, 84],
  [0.2, 125],
  [0.3, 145],
  [0.4, 195],
  [0.5, 251],
  [0.6, 295],
  [0.7, 387],
  [0.8, 509],
  [0.85, 635],
  [0.9, 847],
  [0.95, 1_061],
  [0.98, 1_698],
  [0.99, 2_549],
  [0.999, 15_500],
  [1, 17_500],
]

/** A line's price in percent of its item's median price: 65 % of the lines are sold at it, one in five at twice. */
export const PRICE_PERCENT: Quantiles = [
  [0, 25],
  [0.05, 50],
  [0.1, 86],
  [0.12, 100],
  [0.77, 100],
  [0.8, 162],
  [0.83, 200],
  [0.9, 201],
  [0.95, 216],
  [0.99, 293],
  [1, 400],
]

/** Lines that move no goods, with their share of all lines and a usual price in pence. */
export const SERVICE_LINES: readonly {
  readonly item: string
  readonly share: number
  readonly pence: number
}[] = [
  { item: 'POST', share: 0.0016, pence: 1_800 },
  { item: 'DOT', share: 0.0013, pence: 12_000 },
  { item: 'M', share: 0.0009, pence: 500 },
]

/** Invoices on each day of the month that had any. */
export const INVOICES_OF_DAY: readonly (readonly [day: number, invoices: number])[] = [
  [1, 143],
  [2, 167],
  [3, 108],
  [5, 95],
  [6, 133],
  [7, 111],
  [8, 148],
  [9, 183],
  [10, 91],
  [12, 51],
  [13, 84],
  [14, 144],
  [15, 98],
  [16, 150],
  [17, 72],
  [19, 25],
  [20, 96],
  [21, 66],
  [22, 22],
  [23, 38],
]

/** Of 2,025 invoices 317 name no customer; the others come from 948. */
export const ANONYMOUS_SHARE = 0.157
export const CUSTOMERS = 948
