import { readFileSync } from 'node:fs'

/**
 * Sums the reports of vitest into the closing line `N passed, N failed`. Steps that failed without a failing test
 * (format, types, a report that is missing) count as one failure each.
 */
const [failedSteps = '0', ...reports] = process.argv.slice(2)
let passed = 0
let failed = 0
for (const path of reports) {
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(path, 'utf8')) as Record<
      string,
      number
    >
    passed += numPassedTests ?? 0
    failed += (numFailedTests ?? 0) || (numFailedTestSuites ?? 0)
  } catch {
    failed++
  }
}
failed = Math.max(failed, Number(failedSteps))
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
