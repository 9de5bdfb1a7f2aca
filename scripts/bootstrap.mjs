// The one door to every command of package.json: checks Node, installs what is missing, runs the command.
//
// Plain JavaScript without dependencies, because it runs before anything is installed. Only this file is
// loaded by an old Node, so only this file avoids newer syntax.

const NODE_NEEDED = [20, 19]

const have = process.versions.node.split('.').map(Number)
const recent = have[0] > NODE_NEEDED[0] || (have[0] === NODE_NEEDED[0] && have[1] >= NODE_NEEDED[1])

if (recent) {
  const { runCommand } = await import('./commands.mjs')
  process.exitCode = await runCommand(process.argv[2], process.argv.slice(3))
} else {
  console.error(
    `This needs Node.js ${NODE_NEEDED.join('.')} or newer and found ${process.versions.node}; ` +
      'install a newer one from https://nodejs.org and run the command again.',
  )
  process.exitCode = 1
}
