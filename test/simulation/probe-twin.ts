/** The plain twin of the script by which processes leave their probes for the relays. */

interface Probe {
  readonly probe: string
  readonly untilMs: number
}

/** The newest probe of each process. */
export class TwinProbes {
  readonly probes: Map<string, Probe>

  constructor(probes: Iterable<readonly [string, Probe]> = []) {
    this.probes = new Map(probes)
  }

  write(
    { process, probe }: { readonly process: string; readonly probe: string },
    { lifeMs, processesMax }: { readonly lifeMs: number; readonly processesMax: number },
    nowMs: number,
  ): 'written' | 'full' {
    if (!this.probes.has(process) && this.probes.size >= processesMax) {
      for (const [other, { untilMs }] of this.probes) if (untilMs < nowMs) this.probes.delete(other)
      if (this.probes.size >= processesMax) return 'full'
    }
    this.probes.set(process, { probe, untilMs: nowMs + lifeMs })
    return 'written'
  }

  /** What a relay reads. */
  read(): ReadonlyMap<string, number> {
    return new Map([...this.probes].map(([process, { probe }]) => [process, Number(probe)]))
  }
}
