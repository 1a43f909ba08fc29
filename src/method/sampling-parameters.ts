/** How a model draws the tokens of a judgment or a text. */
export interface SamplingParameters {
  readonly temperature: number;
  readonly topP: number;
  /** The largest number of tokens of one sample. */
  readonly maxTokens: number;
}
