import { z } from 'zod';

/** The services and file formats to which a training reports, besides its own progress file. */
export const trackerSchema = z.enum(['tensorboard', 'wandb', 'mlflow']);
