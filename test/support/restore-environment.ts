/**
 * Gives this process back an environment of before, a copy of `process.env`. A replaced `process.env` would no longer be the environment
 * that Node itself reads, as `os.tmpdir()` does, for all later test files of the process.
 */
export function restoreEnvironment(before: Readonly<NodeJS.ProcessEnv>): void {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
}
