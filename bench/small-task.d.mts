/** The small computation of `small-task.mjs`. */
export default function smallTask(n: number): number
