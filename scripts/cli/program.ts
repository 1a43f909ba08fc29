/** The name of the command line. */
export const PROGRAM = 'self-taught-evaluator';

/** How messages call it: in a checkout npx finds it without being installed. */
export const CALL = `npx ${PROGRAM}`;
