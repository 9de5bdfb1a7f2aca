// A small computation, as one pay slip or one line of tax is: whole numbers, about fifty microseconds.
export default function smallTask(n) {
  let sum = n
  for (let round = 0; round < 2_400; round += 1) {
    sum = (sum * 31 + ((sum >>> 3) ^ round)) % 1_000_003
    if (sum % 7 === 0) sum += Math.trunc((sum * 45) / 1_000)
  }
  return sum
}
