import type { TrainingRows } from '../models/training/recipes/recipe.ts';

/** The training set of one iteration, exported to the folder `iteration-<i>`. */
export interface ExportedSet {
  readonly iteration: number;
  readonly rowFormat: TrainingRows;
  readonly rows: number;
}

/** The Parquet file of a training set. */
export const PARQUET_FILE = 'train.parquet';

/** The card of a model or data set, which the hub shows. */
export const CARD_FILE = 'README.md';
