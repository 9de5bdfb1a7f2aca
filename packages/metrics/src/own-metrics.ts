/** The part of the catalogue that is about metrics themselves, and about who causes the work. */

import { closed, counter, histogram, type MetricDefinition, open } from './metric-definition.js'
import { COMPANY_WORKS } from './top-companies.js'

/** Metrics of metrics, and work by company. */
export const OWN_METRICS = {
  companyWork: counter('company_work_total', 'Work by company, when it was asked for', [
    open('company'),
    closed('work', COMPANY_WORKS),
  ]),
  scrapeTime: histogram('metrics_scrape_seconds', 'Time of writing the metrics, with its pauses', []),
  droppedWords: counter('metrics_series_dropped_total', 'Observations counted under the word other', []),
} as const satisfies Readonly<Record<string, MetricDefinition>>
