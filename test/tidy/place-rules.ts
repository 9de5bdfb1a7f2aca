/** What stands where: folders, file names, and nothing that belongs to one machine. */

import { packageOf, pathsOf, type Rule, type SourceTree } from './source-tree.js'

const DRAWERS = ['utils', 'util', 'helpers', 'helper', 'common', 'shared', 'misc']

function checkDrawers(tree: SourceTree): readonly string[] {
  const folders = new Set([...tree.keys()].flatMap((path) => foldersOf(path)))
  return [...folders]
    .filter((folder) => DRAWERS.includes(folder.split('/').at(-1) ?? ''))
    .map((folder) => `${folder}: name the folder after what it holds; things live with their owner.`)
}

function foldersOf(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

const KEBAB_CASE = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z-]+)*\.(?:ts|mjs)$/

function checkFileNames(tree: SourceTree): readonly string[] {
  return pathsOf(tree, /\.(?:ts|mjs|js|cjs)$/)
    .filter((path) => !KEBAB_CASE.test(path.split('/').at(-1) ?? ''))
    .map((path) => `${path}: name the file in kebab-case, .ts or .mjs, after the one thing it exports.`)
}

function checkPackageFolders(tree: SourceTree): readonly string[] {
  return pathsOf(tree, /^packages\//).flatMap((path) => {
    const inside = path.slice(`packages/${packageOf(path) ?? ''}/`.length)
    if (['package.json', 'README.md'].includes(inside) || inside.startsWith('src/')) return []
    return [
      `${path}: a package folder holds package.json, README.md and src only; all config is at the root.`,
    ]
  })
}

function checkPackageFiles(tree: SourceTree): readonly string[] {
  const folders = new Set(pathsOf(tree, /^packages\//).map((path) => `packages/${packageOf(path) ?? ''}`))
  return [...folders].flatMap((folder) =>
    ['package.json', 'README.md', 'src/index.ts']
      .filter((file) => !tree.has(`${folder}/${file}`))
      .map((file) => `${folder}/${file}: every package has one; write it.`),
  )
}

function checkMap(tree: SourceTree): readonly string[] {
  const readme = tree.get('README.md') ?? ''
  return pathsOf(tree, /^packages\/[^/]+\/package\.json$/)
    .map((path) => path.replace('package.json', 'README.md'))
    .filter((path) => !readme.includes(`(${path})`))
    .map((path) => `README.md: link ${path} in the table of packages.`)
}

const MACHINE_PATHS = /(?<![\w.~-])\/(?:work|root|home\/[a-z]\w*|Users\/\w+)\/|\b[A-Z]:\\Users\\/
const REGISTRY_HOSTS =
  /\bregistry\s*=\s*["']?https?:|\bresolved["']?:?\s*["']?https?:|\btarball:\s*https?:|https?:\/\/(?:registry|npm|nexus|artifactory)[.\w-]*/i

function linesWith(pattern: RegExp, advice: string): (tree: SourceTree) => readonly string[] {
  return (tree) =>
    [...tree].flatMap(([path, text]) =>
      text
        .split('\n')
        .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${advice}`] : [])),
    )
}

/** Folders, names, package folders, traces of machines. */
export const placeRules: readonly Rule[] = [
  {
    title: 'no folder is a drawer',
    check: checkDrawers,
    counterexample: { 'packages/core/src/utils/a.ts': '' },
    finds: 'packages/core/src/utils: name the folder after what it holds',
  },
  {
    title: 'files are named in kebab-case',
    check: checkFileNames,
    counterexample: { 'packages/core/src/timerWheel.ts': '' },
    finds: 'packages/core/src/timerWheel.ts: name the file in kebab-case',
  },
  {
    title: 'a package folder holds package.json, README.md and src only',
    check: checkPackageFolders,
    counterexample: { 'packages/core/tsconfig.json': '{}' },
    finds: 'packages/core/tsconfig.json: a package folder holds',
  },
  {
    title: 'each package has a package.json, a README.md and an index.ts',
    check: checkPackageFiles,
    counterexample: { 'packages/core/package.json': '{}', 'packages/core/src/index.ts': '' },
    finds: 'packages/core/README.md: every package has one',
  },
  {
    title: 'each package is on the map in README.md',
    check: checkMap,
    counterexample: { 'README.md': '# Title', 'packages/core/package.json': '{}' },
    finds: 'README.md: link packages/core/README.md',
  },
  {
    title: 'no file names a path of one machine',
    check: linesWith(MACHINE_PATHS, 'take the path of a machine out.'),
    counterexample: { 'docs/a.md': ['run', '', 'home', 'kim', 'main'].join('/') },
    finds: 'docs/a.md:1: take the path of a machine out.',
  },
  {
    title: 'no file names a package registry',
    check: linesWith(REGISTRY_HOSTS, 'take the host of a registry out.'),
    counterexample: {
      'pnpm-lock.yaml': ['a: 1', `b: {${['tarball', ' https'].join(':')}://example.org/b.tgz}`].join('\n'),
    },
    finds: 'pnpm-lock.yaml:2: take the host of a registry out.',
  },
]
