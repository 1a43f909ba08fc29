/** The name of the command line. */
export const PROGRAM_NAME = 'self-taught-evaluator';

/** How messages call the program: npx finds it in a checkout and beside an installed package. */
export const PROGRAM_CALL = `npx ${PROGRAM_NAME}`;
