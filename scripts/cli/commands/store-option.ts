/** The option of all commands that read the store. */
export const storeOption = {
  store: {
    type: 'string',
    describe: 'The folder with the runs; by default SELF_TAUGHT_EVALUATOR_STORE, else runs in the checkout.',
  },
} as const;
